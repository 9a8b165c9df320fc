// Contents read piece by piece. Trees are tested where they are used: tree_diff, tree_mapping, vst.
#include "vst/tree_reader.h"

#include <gtest/gtest.h>

#include <thread>

#include "object/chunker.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;
using test::RandomBytes;

class ReadContentTest : public ::testing::Test {
 protected:
  Result<void> Put(const ObjectKey& key, ByteView bytes) {
    const Object object{key, Bytes(bytes)};
    return store_.PutMany({&object, 1});
  }
  // A file whose manifest lists these chunks.
  TreeEntry FileOf(const Bytes& content, const std::vector<Bytes>& chunks) {
    ManifestBuilder manifest([this](const ObjectKey& key, ByteView b) { return Put(key, b); });
    for (const Bytes& chunk : chunks) {
      EXPECT_TRUE(Ok(Put(HashBlob(chunk), chunk)));
      EXPECT_TRUE(Ok(manifest.AddChunk(chunk.size(), HashBlob(chunk))));
    }
    TreeEntry file;
    file.size = content.size();
    file.id = HashBlob(content).digest;
    file.manifest = manifest.Finish().value();
    return file;
  }
  static std::vector<Bytes> Cut(ByteView content) {
    std::vector<Bytes> chunks;
    while (!content.empty()) {
      chunks.emplace_back(content.substr(0, NextChunkLength(content)));
      content.remove_prefix(chunks.back().size());
    }
    return chunks;
  }
  // What the sink was given.
  Result<void> Read(const TreeEntry& file, Bytes* given, const ByteRange& range = {},
                    unsigned threads = 1) {
    given->clear();
    const auto caller = std::this_thread::get_id();
    const auto take = [&](ByteView piece) -> Result<void> {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      EXPECT_LE(piece.size(), kFastCdc2020.max_bytes);
      given->append(piece);
      return {};
    };
    return TreeReader(&store_).ReadContent(file, take, range, threads);
  }

  MemoryStore store_;
  const Bytes large_ = RandomBytes(size_t{7} << 20, 1);
  Bytes given_;
};

TEST_F(ReadContentTest, GivesSmallAndLargeFilesWhole) {
  ASSERT_TRUE(Ok(Read(FileOf(large_, Cut(large_)), &given_)));
  EXPECT_TRUE(given_ == large_);
  for (const Bytes& small : {Bytes(), Bytes("small")}) {
    TreeEntry file;
    file.size = small.size();
    file.id = HashBlob(small).digest;
    ASSERT_TRUE(Ok(Put(HashBlob(small), small)));
    ASSERT_TRUE(Ok(Read(file, &given_)));
    EXPECT_EQ(given_, small);
  }
}

TEST_F(ReadContentTest, SeveralThreadsGiveTheSameInOrder) {
  const Bytes content = RandomBytes(size_t{40} << 20, 2);
  const TreeEntry file = FileOf(content, Cut(content));
  for (const unsigned threads : {2u, 8u}) {
    ASSERT_TRUE(Ok(Read(file, &given_, {}, threads)));
    EXPECT_TRUE(given_ == content);
  }
}

TEST_F(ReadContentTest, NamesAMissingChunkAndGivesWhatComesBefore) {
  const std::vector<Bytes> chunks = Cut(large_);
  const TreeEntry file = FileOf(large_, chunks);
  const ObjectKey key(HashBlob(chunks[2]));
  ASSERT_TRUE(Ok(store_.Delete({&key, 1})));
  for (const unsigned threads : {1u, 4u}) {
    const Result<void> read = Read(file, &given_, {}, threads);
    EXPECT_TRUE(Fails(read, ErrorCode::kMissingObject, key.ToString()));
    EXPECT_TRUE(given_ == chunks[0] + chunks[1]);
  }
}

TEST_F(ReadContentTest, ChunksThatDoNotMakeUpTheFileAreDamage) {
  std::vector<Bytes> chunks = Cut(large_);
  std::swap(chunks.front(), chunks.back());
  for (const unsigned threads : {1u, 4u}) {
    const Result<void> read = Read(FileOf(large_, chunks), &given_, {}, threads);
    EXPECT_TRUE(Fails(read, ErrorCode::kCorrupt, "do not make up"));
  }
}

TEST_F(ReadContentTest, AFileOfAnotherLengthThanTheTreeSaysIsDamage) {
  std::vector<Bytes> chunks = Cut(large_);
  chunks.push_back("more");
  EXPECT_TRUE(Fails(Read(FileOf(large_, chunks), &given_), ErrorCode::kCorrupt, "does not fit"));
  EXPECT_EQ(given_, "");
  chunks.resize(chunks.size() - 2);
  EXPECT_TRUE(Fails(Read(FileOf(large_, chunks), &given_), ErrorCode::kCorrupt, "does not fit"));
  EXPECT_EQ(given_, "");
  TreeEntry small;
  small.size = 4;
  small.id = HashBlob("small").digest;
  ASSERT_TRUE(Ok(Put(HashBlob("small"), "small")));
  EXPECT_TRUE(Fails(Read(small, &given_), ErrorCode::kCorrupt, "size"));
  EXPECT_EQ(given_, "");
}

TEST_F(ReadContentTest, AChunkOfAnotherLengthThanItsManifestSaysIsDamage) {
  const std::vector<Bytes> chunks = Cut(large_);
  ManifestBuilder manifest([this](const ObjectKey& key, ByteView b) { return Put(key, b); });
  for (const Bytes& chunk : chunks) ASSERT_TRUE(Ok(Put(HashBlob(chunk), chunk)));
  ASSERT_TRUE(Ok(manifest.AddChunk(chunks[0].size() + 1, HashBlob(chunks[0]))));
  ASSERT_TRUE(Ok(manifest.AddChunk(large_.size() - chunks[0].size() - 1, HashBlob(chunks[1]))));
  TreeEntry file;
  file.size = large_.size();
  file.id = HashBlob(large_).digest;
  file.manifest = manifest.Finish().value();
  EXPECT_TRUE(Fails(Read(file, &given_), ErrorCode::kCorrupt, ObjectKey(file.manifest).ToString()));
  EXPECT_EQ(given_, "");
}

// No chunk of ours is so long, but the format does not forbid it.
TEST_F(ReadContentTest, AFileMayBeOneChunk) {
  const Bytes content = RandomBytes(kObjectBytesMax, 3);
  const TreeEntry file = FileOf(content, {content});
  Bytes given;
  ASSERT_TRUE(Ok(TreeReader(&store_).ReadContent(file, [&](ByteView piece) -> Result<void> {
    given.append(piece);
    return {};
  })));
  EXPECT_TRUE(given == content);
}

// ---- Parts ----

TEST_F(ReadContentTest, APartIsWhatLiesInTheRange) {
  const std::vector<Bytes> chunks = Cut(large_);
  const TreeEntry file = FileOf(large_, chunks);
  const uint64_t first = chunks[0].size();
  const uint64_t size = large_.size();
  for (const ByteRange range :
       {ByteRange{0, 1}, ByteRange{0, first}, ByteRange{0, first + 1}, ByteRange{first - 1, first},
        ByteRange{first, first + 1}, ByteRange{first - 1, first + 1}, ByteRange{12345, size - 7},
        ByteRange{size - 1, size}, ByteRange{size - 1, UINT64_MAX}, ByteRange{1, UINT64_MAX},
        ByteRange{size, size + 5}, ByteRange{UINT64_MAX, UINT64_MAX}, ByteRange{5, 5},
        ByteRange{0, 0}}) {
    const Bytes expected =
        range.begin >= size ? Bytes() : large_.substr(range.begin, range.end - range.begin);
    for (const unsigned threads : {1u, 3u}) {
      ASSERT_TRUE(Ok(Read(file, &given_, range, threads)));
      EXPECT_TRUE(given_ == expected) << range.begin << " to " << range.end;
    }
  }
}

TEST_F(ReadContentTest, APartOfASmallFile) {
  const Bytes content = "0123456789";
  TreeEntry file;
  file.size = content.size();
  file.id = HashBlob(content).digest;
  ASSERT_TRUE(Ok(Put(HashBlob(content), content)));
  for (uint64_t begin = 0; begin <= 12; ++begin) {
    for (uint64_t end = begin; end <= 12; ++end) {
      ASSERT_TRUE(Ok(Read(file, &given_, {begin, end})));
      EXPECT_EQ(given_, begin > 10 ? "" : content.substr(begin, end - begin));
    }
  }
}

// Of chunks that are not there a part that lies elsewhere knows nothing.
TEST_F(ReadContentTest, APartNeedsOnlyItsOwnChunks) {
  const std::vector<Bytes> chunks = Cut(large_);
  const TreeEntry file = FileOf(large_, chunks);
  for (size_t i = 0; i < chunks.size(); ++i) {
    const ObjectKey key(HashBlob(chunks[i]));
    if (i != 1 && i != 2) {
      ASSERT_TRUE(Ok(store_.Delete({&key, 1})));
    }
  }
  const uint64_t begin = chunks[0].size();
  const uint64_t end = begin + chunks[1].size() + chunks[2].size();
  ASSERT_TRUE(Ok(Read(file, &given_, {begin, end}, 2)));
  EXPECT_TRUE(given_ == chunks[1] + chunks[2]);
  EXPECT_TRUE(Fails(Read(file, &given_, {begin - 1, end}), ErrorCode::kMissingObject, "blob"));
  EXPECT_TRUE(Fails(Read(file, &given_, {begin, end + 1}), ErrorCode::kMissingObject, "blob"));
}

TEST_F(ReadContentTest, OfManifestsOnSeveralLevelsAPartLoadsThoseThatLeadToIt) {
  // 8,192 items and some more on level 0, all of them the same chunk.
  const Bytes chunk(1000, 'c');
  const TreeEntry file =
      FileOf(Bytes(chunk.size() * 20'000, 'c'), std::vector<Bytes>(20'000, chunk));
  class Counting : public MemoryStore {
   public:
    Result<std::optional<Bytes>> Get(const ObjectKey& key) override {
      ++(key.kind == ObjectKind::kManifest ? manifests : blobs);
      return MemoryStore::Get(key);
    }
    int manifests = 0;
    int blobs = 0;
  } counting;
  ASSERT_TRUE(Ok(store_.ForEachKey([&](const ObjectKey& key, uint64_t) -> Result<void> {
    const Object object{key, *store_.Get(key).value()};
    return counting.PutMany({&object, 1});
  })));
  const auto read = [&](const ByteRange& range) {
    counting.manifests = counting.blobs = 0;
    given_.clear();
    EXPECT_TRUE(Ok(TreeReader(&counting).ReadContent(
        file,
        [&](ByteView piece) -> Result<void> {
          given_.append(piece);
          return {};
        },
        range)));
    EXPECT_EQ(given_, Bytes(range.end - range.begin, 'c'));
  };
  read({0, 100});
  EXPECT_EQ(counting.manifests, 2);
  EXPECT_EQ(counting.blobs, 1);
  read({8191 * 1000 + 999, 8192 * 1000 + 1});
  EXPECT_EQ(counting.manifests, 3);
  EXPECT_EQ(counting.blobs, 2);
  read({19'999'000, 20'000'000});
  EXPECT_EQ(counting.manifests, 2);
  EXPECT_EQ(counting.blobs, 1);
}

TEST_F(ReadContentTest, AnErrorOfTheSinkEndsIt) {
  const TreeEntry file = FileOf(large_, Cut(large_));
  int pieces = 0;
  const Result<void> read = TreeReader(&store_).ReadContent(file, [&](ByteView) -> Result<void> {
    ++pieces;
    return Error(ErrorCode::kNoSpace, "full");
  });
  EXPECT_TRUE(Fails(read, ErrorCode::kNoSpace, "full"));
  EXPECT_EQ(pieces, 1);
}

}  // namespace
}  // namespace helios

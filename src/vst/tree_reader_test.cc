// Contents read piece by piece. Trees are tested where they are used: tree_diff, tree_mapping, vst.
#include "vst/tree_reader.h"

#include <gtest/gtest.h>

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
  Result<void> Read(const TreeEntry& file, Bytes* given) {
    given->clear();
    return TreeReader(&store_).ReadContent(file, [&](ByteView piece) -> Result<void> {
      EXPECT_LE(piece.size(), kFastCdc2020.max_bytes);
      given->append(piece);
      return {};
    });
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

TEST_F(ReadContentTest, NamesAMissingChunkAndGivesWhatComesBefore) {
  const std::vector<Bytes> chunks = Cut(large_);
  const TreeEntry file = FileOf(large_, chunks);
  const ObjectKey key(HashBlob(chunks[2]));
  ASSERT_TRUE(Ok(store_.Delete({&key, 1})));
  EXPECT_TRUE(Fails(Read(file, &given_), ErrorCode::kMissingObject, key.ToString()));
  EXPECT_TRUE(given_ == chunks[0] + chunks[1]);
}

TEST_F(ReadContentTest, ChunksThatDoNotMakeUpTheFileAreDamage) {
  std::vector<Bytes> chunks = Cut(large_);
  std::swap(chunks.front(), chunks.back());
  EXPECT_TRUE(Fails(Read(FileOf(large_, chunks), &given_), ErrorCode::kCorrupt, "do not make up"));
  chunks = Cut(large_);
  chunks.pop_back();
  EXPECT_TRUE(Fails(Read(FileOf(large_, chunks), &given_), ErrorCode::kCorrupt, "do not make up"));
}

TEST_F(ReadContentTest, NeverGivesMoreThanTheTreeSays) {
  std::vector<Bytes> chunks = Cut(large_);
  for (int i = 0; i < 10; ++i) chunks.push_back("more");
  EXPECT_TRUE(Fails(Read(FileOf(large_, chunks), &given_), ErrorCode::kCorrupt, "longer"));
  EXPECT_TRUE(given_ == large_);
  TreeEntry small;
  small.size = 4;
  small.id = HashBlob("small").digest;
  ASSERT_TRUE(Ok(Put(HashBlob("small"), "small")));
  EXPECT_TRUE(Fails(Read(small, &given_), ErrorCode::kCorrupt, "size"));
  EXPECT_EQ(given_, "");
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

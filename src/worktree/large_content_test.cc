// Contents of files as objects: the same whatever the number of threads.
#include "worktree/large_content.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/fd.h"
#include "object/hash.h"
#include "object/manifest.h"
#include "object/tree.h"
#include "store/testing.h"
#include "worktree/content_reader.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;
using test::RandomBytes;
using test::TempFolder;
using test::WriteWholeFile;

using Objects = std::map<ObjectKey, Bytes>;

// What the format says of a file of this content, made in the plainest way.
struct Expected {
  FileContent content;
  Objects objects;
};

Expected Expect(ByteView bytes) {
  Expected expected;
  expected.content = {bytes.size(), HashBlob(bytes), {}};
  if (bytes.size() <= kWholeBlobBytesMax) {
    expected.objects[expected.content.id] = bytes;
    return expected;
  }
  ManifestBuilder manifest([&](const ObjectKey& key, ByteView object) -> Result<void> {
    expected.objects[key] = object;
    return {};
  });
  while (!bytes.empty()) {
    const ByteView chunk = bytes.substr(0, NextChunkLength(bytes));
    expected.objects[HashBlob(chunk)] = chunk;
    EXPECT_TRUE(Ok(manifest.AddChunk(chunk.size(), HashBlob(chunk))));
    bytes.remove_prefix(chunk.size());
  }
  expected.content.manifest = manifest.Finish().value();
  return expected;
}

// Takes objects from several threads, and checks that each hashes to its key.
class CheckingSink {
 public:
  ObjectSink sink() {
    return [this](unsigned, const ObjectKey& key, ByteView bytes) -> Result<void> {
      if (HashObject(key.kind, bytes) != key.digest) {
        return Error(ErrorCode::kCorrupt, "given under a wrong key");
      }
      MutexLock lock(mutex_);
      objects_[key] = bytes;
      return {};
    };
  }
  Objects Take() {
    MutexLock lock(mutex_);
    return std::move(objects_);
  }

 private:
  Mutex mutex_;
  Objects objects_ HELIOS_GUARDED_BY(mutex_);
};

class LargeContentTest : public ::testing::Test {
 protected:
  Fd FileOf(ByteView bytes) {
    const std::string path = folder_ / std::to_string(next_file_++);
    WriteWholeFile(path, bytes);
    Result<Fd> fd = OpenAt(AT_FDCWD, path, O_RDONLY);
    EXPECT_TRUE(Ok(fd));
    return fd ? std::move(fd).value() : Fd();
  }
  // Reads with so many threads and spare segments.
  static Result<FileContent> Read(int fd, uint64_t expected_bytes, unsigned threads, size_t spare,
                                  const ObjectSink& sink) {
    SpareSegments segments(spare);
    std::optional<Result<FileContent>> content;
    HELIOS_TRY(TaskStack::Run(threads, [&](TaskStack& tasks) {
      tasks.Push([&](unsigned worker) -> Result<void> {
        content = ContentReader().Read({&tasks, worker, &segments}, fd, expected_bytes, sink);
        return {};
      });
    }));
    return *std::move(content);
  }
  void ExpectReads(ByteView bytes, uint64_t expected_bytes) {
    const Expected expected = Expect(bytes);
    const Fd fd = FileOf(bytes);
    for (const auto& [threads, spare] :
         std::vector<std::pair<unsigned, size_t>>{{1, 0}, {2, 0}, {2, 1}, {3, 4}, {8, 20}}) {
      CheckingSink sink;
      const Result<FileContent> content =
          Read(fd.get(), expected_bytes, threads, spare, sink.sink());
      ASSERT_TRUE(Ok(content)) << threads << " threads";
      EXPECT_EQ(content->size, expected.content.size);
      EXPECT_EQ(content->id, expected.content.id) << bytes.size() << " bytes";
      EXPECT_EQ(content->manifest, expected.content.manifest) << bytes.size() << " bytes";
      EXPECT_TRUE(sink.Take() == expected.objects) << bytes.size() << " bytes";
    }
  }

  TempFolder folder_;
  int next_file_ = 0;
};

TEST_F(LargeContentTest, ObjectsAreThoseOfTheFormatWithAnyNumberOfThreads) {
  const Bytes bytes = RandomBytes(size_t{33} << 20, 1);
  for (const size_t size :
       {size_t{2} << 20, (size_t{2} << 20) + 1, (size_t{4} << 20) - 1, size_t{4} << 20,
        (size_t{4} << 20) + 1, size_t{9'999'999}, bytes.size()}) {
    ExpectReads(ByteView(bytes).substr(0, size), size);
  }
}

// Chunks of the largest size fill segments to the last byte; equal ones are objects but once.
TEST_F(LargeContentTest, ContentThatIsCutNowhere) {
  for (const size_t size : {size_t{8} << 20, (size_t{8} << 20) + 5, (size_t{21} << 20) + 300'000}) {
    ExpectReads(Bytes(size, '\0'), size);
  }
}

TEST_F(LargeContentTest, RandomDataBetweenRunsThatAreCutNowhere) {
  Bytes bytes;
  for (uint64_t i = 0; i < 12; ++i) {
    bytes += RandomBytes(400'000 * (i % 4), i);
    bytes += Bytes(300'000 * (i % 7), 'x');
  }
  ExpectReads(bytes, bytes.size());
}

TEST_F(LargeContentTest, AFileThatHasGrownOrShrunkSinceItWasLookedAt) {
  const Bytes bytes = RandomBytes(size_t{5} << 20, 2);
  for (const size_t expected_bytes :
       {size_t{0}, size_t{10}, size_t{2} << 20, size_t{3} << 20, size_t{50} << 20}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{2} << 20, bytes.size()}) {
      ExpectReads(ByteView(bytes).substr(0, size), expected_bytes);
    }
  }
}

TEST_F(LargeContentTest, AnErrorOfTheSinkEndsIt) {
  const Fd fd = FileOf(RandomBytes(size_t{12} << 20, 3));
  for (const unsigned threads : {1u, 4u}) {
    for (const int good : {0, 1, 5}) {
      std::atomic<int> calls{0};
      const Result<FileContent> content =
          Read(fd.get(), size_t{12} << 20, threads, 4,
               [&](unsigned, const ObjectKey&, ByteView) -> Result<void> {
                 if (calls++ < good) return {};
                 return Error(ErrorCode::kNoSpace, "full");
               });
      EXPECT_TRUE(Fails(content, ErrorCode::kNoSpace, "full"));
    }
  }
}

TEST_F(LargeContentTest, WhatCannotBeReadIsAnError) {
  const Result<Fd> folder = OpenAt(AT_FDCWD, folder_.path(), O_RDONLY);
  ASSERT_TRUE(Ok(folder));
  for (const uint64_t expected_bytes : {uint64_t{0}, uint64_t{5} << 20}) {
    CheckingSink sink;
    const Result<FileContent> content = Read(folder->get(), expected_bytes, 2, 4, sink.sink());
    EXPECT_TRUE(Fails(content, ErrorCode::kFailed, "read"));
    EXPECT_EQ(content.error().os_error(), EISDIR);
  }
}

// More readers than spare segments: each goes on with its own, and all end.
TEST_F(LargeContentTest, ManyLargeFilesAtOnce) {
  constexpr unsigned kThreads = 4;
  constexpr size_t kFiles = 16;
  SpareSegments segments(3);
  std::vector<ContentReader> readers(kThreads);
  std::vector<Fd> files;
  std::vector<Expected> expected;
  std::vector<FileContent> contents(kFiles);
  for (size_t i = 0; i < kFiles; ++i) {
    const Bytes bytes = RandomBytes((size_t{3} << 20) + i * 500'000, i);
    expected.push_back(Expect(bytes));
    files.push_back(FileOf(bytes));
  }
  CheckingSink sink;
  ASSERT_TRUE(Ok(TaskStack::Run(kThreads, [&](TaskStack& tasks) {
    for (size_t i = 0; i < kFiles; ++i) {
      tasks.Push([&, i](unsigned worker) -> Result<void> {
        HELIOS_TRY_ASSIGN(contents[i],
                          readers[worker].Read({&tasks, worker, &segments}, files[i].get(),
                                               expected[i].content.size, sink.sink()));
        return {};
      });
    }
  })));
  Objects objects;
  for (size_t i = 0; i < kFiles; ++i) {
    EXPECT_EQ(contents[i].id, expected[i].content.id);
    EXPECT_EQ(contents[i].manifest, expected[i].content.manifest);
    objects.insert(expected[i].objects.begin(), expected[i].objects.end());
  }
  EXPECT_TRUE(sink.Take() == objects);
  // All are given back: as many as there were can be taken.
  EXPECT_NE(segments.Take(), nullptr);
  EXPECT_NE(segments.Take(), nullptr);
  EXPECT_NE(segments.Take(), nullptr);
  EXPECT_EQ(segments.Take(), nullptr);
}

}  // namespace
}  // namespace helios

#include "worktree/sparse_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/fd.h"
#include "object/chunker.h"
#include "object/hash.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Ok;
using test::TempFolder;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Objects as a sink got them.
using Objects = std::map<ObjectKey, Bytes>;
ObjectSink Into(Objects* objects) {
  return [objects](unsigned, const ObjectKey& key, ByteView bytes) -> Result<void> {
    objects->emplace(key, bytes);
    return {};
  };
}

// A new file with this at these places and holes elsewhere.
class SparseFile {
 public:
  SparseFile(uint64_t size, const std::map<uint64_t, Bytes>& data)
      : fd_(::open(folder_.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {
    EXPECT_GE(fd_.get(), 0);
    EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(size)), 0);
    for (const auto& [offset, bytes] : data)
      EXPECT_TRUE(Ok(WriteAllAt(fd_.get(), bytes, offset, "")));
  }
  int fd() const { return fd_.get(); }

 private:
  TempFolder folder_;
  Fd fd_;
};

// Reads it with and without regard to its holes: the content and every object are the same.
void ExpectSameObjects(int fd, uint64_t size) {
  Objects sparse, dense;
  const Result<FileContent> a = ReadSparseContent(0, fd, size, Into(&sparse));
  ASSERT_TRUE(Ok(a));
  Result<FileContent> b = FileContent();
  ASSERT_TRUE(Ok(TaskStack::RunWith(1, [&](TaskStack& tasks) -> Result<void> {
    SpareSegments spare(0);
    b = ContentReader().Read({&tasks, 0, &spare}, fd, size, Into(&dense));
    return {};
  })));
  ASSERT_TRUE(Ok(b));
  EXPECT_EQ(a->size, b->size);
  EXPECT_EQ(a->id, b->id);
  EXPECT_EQ(a->manifest, b->manifest);
  EXPECT_TRUE(sparse == dense) << sparse.size() << " objects and " << dense.size();
}

TEST(SparseFileTest, ARunOfZerosIsCutAtTheGreatestLength) {
  // What comes before the least length is not looked at.
  Bytes data(kFastCdc2020.max_bytes + 5, '\0');
  EXPECT_EQ(NextChunkLength(data), kFastCdc2020.max_bytes);
  std::fill_n(data.begin(), kFastCdc2020.min_bytes, 'x');
  EXPECT_EQ(NextChunkLength(data), kFastCdc2020.max_bytes);
}

TEST(SparseFileTest, ReadsAsIfItWereDense) {
  std::mt19937_64 random(1);
  Bytes noise(3 * kMiB, '\0');
  std::generate(noise.begin(), noise.end(), [&] { return static_cast<char>(random()); });
  const std::vector<std::pair<uint64_t, std::map<uint64_t, Bytes>>> files = {
      {2 * kMiB + 1, {}},
      {4 * kMiB, {}},
      {9 * kMiB + 77, {}},
      {9 * kMiB, {{0, noise}}},
      {9 * kMiB, {{6 * kMiB, noise}}},
      {30 * kMiB + 1, {{3 * kMiB + 5, noise}, {20 * kMiB - 1, noise}, {30 * kMiB, "e"}}},
      {3 * kMiB, {{0, noise}}},
  };
  for (const auto& [size, data] : files) {
    const SparseFile file(size, data);
    ExpectSameObjects(file.fd(), size);
  }
}

TEST(SparseFileTest, SaysWhenTheFileEndsEarly) {
  const SparseFile file(9 * kMiB, {{9 * kMiB - 1, "e"}});
  Objects objects;
  ASSERT_EQ(::ftruncate(file.fd(), 5 * kMiB), 0);
  ASSERT_TRUE(Ok(WriteAllAt(file.fd(), "e", 5 * kMiB - 1, "")));
  const Result<FileContent> content = ReadSparseContent(0, file.fd(), 9 * kMiB, Into(&objects));
  ASSERT_TRUE(Ok(content));
  // What is missing may count as a hole: then the size is as expected, and the status is not.
  EXPECT_LE(content->size, 9 * kMiB);
}

TEST(SparseFileTest, PassesOnTheErrorOfTheSink) {
  const SparseFile file(9 * kMiB, {});
  const Result<FileContent> content = ReadSparseContent(
      0, file.fd(), 9 * kMiB, [](unsigned, const ObjectKey&, ByteView) -> Result<void> {
        return Error(ErrorCode::kNoSpace, "full");
      });
  EXPECT_TRUE(test::Fails(content, ErrorCode::kNoSpace, "full"));
}

TEST(SparseFileTest, HasHoles) {
  EXPECT_FALSE(HasHoles(SparseFile(0, {}).fd(), 0));
  EXPECT_TRUE(HasHoles(SparseFile(100, {}).fd(), 100));
  EXPECT_FALSE(HasHoles(SparseFile(100, {{0, Bytes(100, '\0')}}).fd(), 100));
  EXPECT_TRUE(HasHoles(SparseFile(kMiB, {{kMiB - 1, "e"}}).fd(), kMiB));
}

TEST(SparseFileTest, ReadsAsIfItWereDenseWhereverTheDataLies) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](uint64_t end) { return random() % end; };
    const uint64_t size = 2 * kMiB + 1 + below(14 * kMiB);
    std::map<uint64_t, Bytes> data;
    for (uint64_t pieces = below(6); pieces > 0; --pieces) {
      const uint64_t offset = below(size);
      Bytes bytes(std::min(size - offset, below(2 * kMiB)), '\0');
      std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random()); });
      data[offset] = bytes;
    }
    const SparseFile file(size, data);
    ExpectSameObjects(file.fd(), size);
  }
}

RC_GTEST_PROP(SparseFileProperty, WritesAllButHoles, ()) {
  // Content of zeros and others in runs, written in pieces.
  Bytes content;
  for (auto runs = *rc::gen::inRange(0, 20); runs > 0; --runs) {
    const auto bytes = *rc::gen::inRange<size_t>(1, 20'000);
    content.append(bytes, *rc::gen::arbitrary<bool>() ? '\0' : 'x');
  }
  const SparseFile file(content.size(), {});
  for (size_t at = 0; at < content.size();) {
    const auto piece = *rc::gen::inRange<size_t>(1, 30'000);
    RC_ASSERT(WriteAllButHoles(file.fd(), ByteView(content).substr(at, piece), at, "").has_value());
    at += piece;
  }
  Bytes read(content.size(), '?');
  RC_ASSERT(ReadExactlyAt(file.fd(), read.data(), read.size(), 0, "").has_value());
  RC_ASSERT(read == content);
  // Whatever whole block is zeros is not there.
  constexpr size_t kBlock = 4096;
  for (size_t at = 0; at + kBlock <= content.size(); at += kBlock) {
    if (content.find_first_not_of('\0', at) < at + kBlock) continue;
    RC_ASSERT(::lseek(file.fd(), static_cast<off_t>(at), SEEK_HOLE) == static_cast<off_t>(at));
  }
}

}  // namespace
}  // namespace helios

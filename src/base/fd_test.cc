#include "base/fd.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <tuple>

namespace helios {
namespace {

class ReadAtTest : public ::testing::Test {
 protected:
  ReadAtTest() { EXPECT_TRUE(WriteAll(fd_.get(), "0123456789", "file")); }
  const Fd fd_{::memfd_create("file", MFD_CLOEXEC)};
};

TEST_F(ReadAtTest, GivesWhatTheFileHas) {
  char bytes[16] = {};
  for (const auto& [offset, size, expected] :
       {std::tuple<uint64_t, size_t, ByteView>{0, 10, "0123456789"},
        {3, 4, "3456"},
        {7, 16, "789"},
        {10, 5, ""},
        {99, 5, ""},
        {0, 0, ""}}) {
    const Result<size_t> length = ReadAt(fd_.get(), bytes, size, offset, "file");
    ASSERT_TRUE(length);
    EXPECT_EQ(ByteView(bytes, *length), expected) << offset;
  }
}

TEST_F(ReadAtTest, ExactlyIsAllOrDamage) {
  char bytes[16] = {};
  ASSERT_TRUE(ReadExactlyAt(fd_.get(), bytes, 7, 3, "file"));
  EXPECT_EQ(ByteView(bytes, 7), "3456789");
  const Result<void> read = ReadExactlyAt(fd_.get(), bytes, 8, 3, "the file");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(read.error().message().find("the file"), std::string::npos);
}

TEST_F(ReadAtTest, ErrorsNameTheFileAndCarryErrno) {
  char byte;
  const Result<size_t> length = ReadAt(-1, &byte, 1, 0, "the file");
  ASSERT_FALSE(length);
  EXPECT_EQ(length.error().os_error(), EBADF);
  EXPECT_NE(length.error().message().find("the file"), std::string::npos);
}

}  // namespace
}  // namespace helios

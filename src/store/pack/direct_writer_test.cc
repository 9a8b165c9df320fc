#include "store/pack/direct_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "base/fd.h"
#include "store/pack/pack_store.h"
#include "store/testing.h"

namespace helios::pack {
namespace {

using test::ExpectHoldsAll;
using test::MakeBlob;
using test::Ok;
using test::OpenPacks;
using test::Processes;
using test::RandomBytes;
using test::TempFolder;

constexpr size_t kBlock = DirectWriter::kBlockBytes;

struct OpenFile {
  std::string path;
  Fd fd;
};

OpenFile MakeFile(const TempFolder& folder, ByteView start) {
  OpenFile file{folder / "file", {}};
  Result<Fd> fd = OpenAt(AT_FDCWD, file.path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  EXPECT_TRUE(Ok(fd));
  file.fd = std::move(*fd);
  EXPECT_TRUE(Ok(WriteAll(file.fd.get(), start, file.path)));
  return file;
}

TEST(DirectWriterTest, FileHoldsWhatWasWrittenWhateverTheLengths) {
  const TempFolder folder;
  for (const size_t start : {size_t{0}, size_t{1}, size_t{4096}, size_t{70'001}}) {
    for (const size_t length : {size_t{0}, size_t{5}, kBlock - 1, kBlock, 9 * kBlock + 4097}) {
      for (const size_t piece : {size_t{100'003}, kBlock, 3 * kBlock + 1}) {
        const Bytes bytes = RandomBytes(start + length, start + length);
        const OpenFile file = MakeFile(folder, ByteView(bytes).substr(0, start));
        const auto writer = DirectWriter::Begin(file.fd.get(), start, file.path);
        if (writer == nullptr) GTEST_SKIP() << "not on this file system";
        for (size_t at = start; at < bytes.size(); at += piece) {
          ASSERT_TRUE(Ok(writer->Write(ByteView(bytes).substr(at, piece))));
        }
        ASSERT_TRUE(Ok(writer->Finish()));
        EXPECT_TRUE(*ReadToEnd(file.fd.get(), bytes.size(), file.path) == bytes) << start << length;
        EXPECT_EQ(::fcntl(file.fd.get(), F_GETFL) & O_DIRECT, 0);
      }
    }
  }
}

TEST(DirectWriterTest, ThereAreOnlySoMany) {
  const TempFolder folder;
  const OpenFile file = MakeFile(folder, "");
  std::vector<std::unique_ptr<DirectWriter>> writers;
  for (int i = 0; i < DirectWriter::kWritersMax; ++i) {
    writers.push_back(DirectWriter::Begin(file.fd.get(), 0, file.path));
    if (writers.back() == nullptr) GTEST_SKIP() << "not on this file system";
  }
  EXPECT_EQ(DirectWriter::Begin(file.fd.get(), 0, file.path), nullptr);
  writers.pop_back();
  EXPECT_NE(DirectWriter::Begin(file.fd.get(), 0, file.path), nullptr);
}

TEST(DirectWriterTest, FailureIsToldAtTheLatestAtTheEnd) {
  const TempFolder folder;
  for (const size_t room : {size_t{0}, kBlock / 2, kBlock + 1, 9 * kBlock}) {
    Processes processes;
    processes.Add([&]() -> Result<void> {
      const OpenFile file = MakeFile(folder, "");
      const auto writer = DirectWriter::Begin(file.fd.get(), 0, file.path);
      if (writer == nullptr) return {};
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{room, RLIM_INFINITY};
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return Error(ErrorCode::kFailed, "setrlimit");
      const Bytes bytes = RandomBytes(9 * kBlock + 1, 1);
      const Result<void> written = writer->Write(bytes);
      if (written && writer->Finish()) return Error(ErrorCode::kFailed, "no error");
      return {};
    });
    EXPECT_EQ(processes.WaitForAll(), 0) << room;
  }
}

TEST(DirectWriterTest, WhoGoesEarlyWaitsForWhatIsBeingWritten) {
  const TempFolder folder;
  const OpenFile file = MakeFile(folder, "");
  auto writer = DirectWriter::Begin(file.fd.get(), 0, file.path);
  if (writer == nullptr) GTEST_SKIP() << "not on this file system";
  ASSERT_TRUE(Ok(writer->Write(RandomBytes(3 * kBlock, 1))));
  writer.reset();
  EXPECT_TRUE(Ok(WriteAll(file.fd.get(), "as any other file", file.path)));
}

TEST(PackStoreTest, PackBeyondWhatIsCachedHoldsItsObjects) {
  const TempFolder folder;
  std::vector<Object> objects;
  for (uint64_t i = 0; i < 75; ++i) objects.push_back(MakeBlob(RandomBytes(2'000'003 - i, i)));
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), objects)));
}

}  // namespace
}  // namespace helios::pack

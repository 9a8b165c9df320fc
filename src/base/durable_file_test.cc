#include "base/durable_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>

namespace helios {
namespace {

constexpr size_t kNoLimit = size_t{1} << 30;

class DurableFileTest : public ::testing::Test {
 protected:
  DurableFileTest() {
    folder_ = ::testing::TempDir() + "helios-test-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
  }
  ~DurableFileTest() override { std::filesystem::remove_all(folder_); }

  std::string PathOf(const std::string& name) const { return folder_ + "/" + name; }
  Bytes Read(const std::string& name) const {
    const Result<std::optional<Bytes>> bytes = ReadFileIfExists(PathOf(name), kNoLimit);
    return bytes && bytes->has_value() ? **bytes : "(none)";
  }
  size_t CountFiles() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      count += entry.exists() || entry.is_symlink() ? 1 : 0;
    }
    return count;
  }

  std::string folder_;
};

// noexcept: an exception ends the child, and does not go on as a second test program.
[[noreturn]] void WorkAndExit(const std::function<bool()>& work) noexcept {
  ::_exit(work() ? 0 : 1);
}
pid_t Fork(const std::function<bool()>& work) {
  const pid_t pid = ::fork();
  if (pid == 0) WorkAndExit(work);
  return pid;
}
bool Succeeded(pid_t pid) {
  int status = 0;
  return ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// One process tells another that it has come so far.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_) != 0) std::abort();
  }
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void Send() {
    if (::write(ends_[1], "x", 1) != 1) std::abort();
  }
  void Await() {
    char byte;
    if (::read(ends_[0], &byte, 1) != 1) std::abort();
  }

 private:
  int ends_[2];
};

// ---- ReplaceFile ----

TEST_F(DurableFileTest, ReplaceFileMakesAndReplaces) {
  for (const Durability durability : {Durability::kCache, Durability::kDurable}) {
    ASSERT_TRUE(ReplaceFile(folder_, "file", "first", durability));
    EXPECT_EQ(Read("file"), "first");
    ASSERT_TRUE(ReplaceFile(folder_, "file", "", durability));
    EXPECT_EQ(Read("file"), "");
    const Bytes large(3 << 20, 'x');
    ASSERT_TRUE(ReplaceFile(folder_, "file", large, durability));
    EXPECT_TRUE(Read("file") == large);
    EXPECT_EQ(CountFiles(), 1u);
  }
}

TEST_F(DurableFileTest, ReplacedFileIsItsOwnersAlone) {
  ASSERT_TRUE(ReplaceFile(folder_, "file", "bytes", Durability::kCache));
  struct stat status;
  ASSERT_EQ(::stat(PathOf("file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(DurableFileTest, ReplaceFileReplacesALinkNotWhatItPointsTo) {
  ASSERT_TRUE(ReplaceFile(folder_, "target", "target", Durability::kCache));
  ASSERT_EQ(::symlink("target", PathOf("link").c_str()), 0);
  ASSERT_TRUE(ReplaceFile(folder_, "link", "new", Durability::kCache));
  EXPECT_EQ(Read("target"), "target");
  EXPECT_EQ(Read("link"), "new");
}

TEST_F(DurableFileTest, ReplaceFileThatFailsLeavesNothingBehind) {
  ASSERT_TRUE(MakeFolder(PathOf("folder")));
  const Result<void> result = ReplaceFile(folder_, "folder", "bytes", Durability::kDurable);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message().find("folder"), std::string::npos);
  EXPECT_EQ(CountFiles(), 1u);
  EXPECT_FALSE(ReplaceFile(PathOf("nowhere"), "file", "bytes", Durability::kCache));
}

TEST_F(DurableFileTest, ReplaceFileRemovesWhatKilledOnesLeft) {
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  for (const char* name : {".tmp-old", ".tmp-fresh", "old", ".tmp-locked"}) {
    const Fd fd(::open(PathOf(name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    ASSERT_TRUE(fd.IsOpen());
    if (name == std::string(".tmp-fresh")) continue;
    ASSERT_EQ(::futimens(fd.get(), old), 0);
  }
  const Fd locked(::open(PathOf(".tmp-locked").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(locked.get(), LOCK_EX | LOCK_NB), 0);
  ASSERT_TRUE(ReplaceFile(folder_, "file", "bytes", Durability::kCache));
  EXPECT_FALSE(std::filesystem::exists(PathOf(".tmp-old")));
  EXPECT_TRUE(std::filesystem::exists(PathOf(".tmp-fresh")));
  EXPECT_TRUE(std::filesystem::exists(PathOf(".tmp-locked")));
  EXPECT_TRUE(std::filesystem::exists(PathOf("old")));
}

TEST_F(DurableFileTest, ReaderSeesTheOldBytesOrTheNew) {
  ASSERT_TRUE(ReplaceFile(folder_, "file", Bytes(10'000, 'a'), Durability::kCache));
  const pid_t writer = Fork([&] {
    for (int i = 0; i < 400; ++i) {
      const auto letter = static_cast<char>('a' + i % 26);
      const size_t size = 10'000 + static_cast<size_t>(i % 26) * 1000;
      if (!ReplaceFile(folder_, "file", Bytes(size, letter), Durability::kCache)) return false;
    }
    return true;
  });
  int status = 0;
  while (::waitpid(writer, &status, WNOHANG) == 0) {
    const Bytes bytes = Read("file");
    ASSERT_FALSE(bytes.empty());
    const auto letter = static_cast<size_t>(bytes[0] - 'a');
    ASSERT_TRUE(bytes == Bytes(10'000 + letter * 1000, bytes[0]));
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// ---- ReadFileIfExists ----

TEST_F(DurableFileTest, ReadsNothingWhereNothingIs) {
  const Result<std::optional<Bytes>> bytes = ReadFileIfExists(PathOf("absent"), kNoLimit);
  ASSERT_TRUE(bytes);
  EXPECT_FALSE(bytes->has_value());
}

TEST_F(DurableFileTest, RefusesAFileOverItsLimit) {
  ASSERT_TRUE(ReplaceFile(folder_, "file", "12345", Durability::kCache));
  EXPECT_TRUE(ReadFileIfExists(PathOf("file"), 5));
  const Result<std::optional<Bytes>> bytes = ReadFileIfExists(PathOf("file"), 4);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(bytes.error().message().find(PathOf("file")), std::string::npos);
}

TEST_F(DurableFileTest, RefusesAHugeFileWithoutRoomForIt) {
  // Sparse: longer than any memory, and takes none of the disk.
  ASSERT_TRUE(ReplaceFile(folder_, "file", "", Durability::kCache));
  if (::truncate(PathOf("file").c_str(), off_t{15} << 40) != 0) {
    GTEST_SKIP() << "this file system holds no file of 15 TiB";
  }
  // In a process of its own: what is wrong here ends it.
  EXPECT_TRUE(Succeeded(Fork([&] {
    const Result<std::optional<Bytes>> bytes = ReadFileIfExists(PathOf("file"), 100);
    return !bytes && bytes.error().code() == ErrorCode::kCorrupt;
  })));
}

TEST_F(DurableFileTest, ReadsOnlyRegularFiles) {
  ASSERT_TRUE(MakeFolder(PathOf("folder")));
  ASSERT_EQ(::mkfifo(PathOf("fifo").c_str(), 0600), 0);
  ASSERT_TRUE(ReplaceFile(folder_, "file", "bytes", Durability::kCache));
  ASSERT_EQ(::symlink("file", PathOf("link").c_str()), 0);
  ASSERT_EQ(::symlink("nowhere", PathOf("dangling").c_str()), 0);
  for (const char* name : {"folder", "fifo", "link", "dangling"}) {
    const Result<std::optional<Bytes>> bytes = ReadFileIfExists(PathOf(name), kNoLimit);
    ASSERT_FALSE(bytes) << name;
    EXPECT_NE(bytes.error().message().find(name), std::string::npos);
  }
}

// ---- Folders and names ----

TEST_F(DurableFileTest, MakeFolderMakesItForItsOwnerAlone) {
  const mode_t before = ::umask(0);
  EXPECT_TRUE(MakeFolder(PathOf("folder")));
  ::umask(before);
  EXPECT_TRUE(MakeFolder(PathOf("folder")));
  struct stat status;
  ASSERT_EQ(::stat(PathOf("folder").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  const Result<void> made = MakeFolder(PathOf("no/parent"));
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message().find(PathOf("no/parent")), std::string::npos);
}

TEST_F(DurableFileTest, MakeFolderTakesNothingButAFolder) {
  ASSERT_TRUE(ReplaceFile(folder_, "file", "bytes", Durability::kCache));
  ASSERT_EQ(::mkfifo(PathOf("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("nowhere", PathOf("dangling").c_str()), 0);
  for (const char* name : {"file", "fifo", "dangling"}) {
    const Result<void> made = MakeFolder(PathOf(name));
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code(), ErrorCode::kFailed);
    EXPECT_NE(made.error().message().find(PathOf(name)), std::string::npos);
  }
  ASSERT_TRUE(MakeFolder(PathOf("folder")));
  ASSERT_EQ(::symlink("folder", PathOf("link").c_str()), 0);
  EXPECT_TRUE(MakeFolder(PathOf("link")));
}

TEST_F(DurableFileTest, SyncFolderNeedsAFolder) {
  EXPECT_TRUE(SyncFolder(folder_));
  EXPECT_FALSE(SyncFolder(PathOf("absent")));
  ASSERT_TRUE(ReplaceFile(folder_, "file", "bytes", Durability::kCache));
  EXPECT_FALSE(SyncFolder(PathOf("file")));
}

TEST_F(DurableFileTest, RandomNamesAreHexAndDiffer) {
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = RandomName();
    EXPECT_EQ(name.size(), 32u);
    EXPECT_EQ(name.find_first_not_of("0123456789abcdef"), std::string::npos);
    names.insert(name);
  }
  EXPECT_EQ(names.size(), 1000u);
}

TEST(TemporaryNameTest, IsAPrefixAndARandomName) {
  for (const std::string_view prefix : {kNewStorePrefix, kNewFilePrefix}) {
    const std::string name = std::string(prefix) + RandomName();
    EXPECT_TRUE(IsTemporaryName(name));
    EXPECT_FALSE(IsTemporaryName(name + "0"));
    EXPECT_FALSE(IsTemporaryName(name.substr(0, name.size() - 1)));
    EXPECT_FALSE(IsTemporaryName(name.substr(0, name.size() - 1) + "A"));
    EXPECT_FALSE(IsTemporaryName("x" + name));
    EXPECT_FALSE(IsTemporaryName(prefix));
  }
  EXPECT_FALSE(IsTemporaryName(""));
  EXPECT_FALSE(IsTemporaryName(RandomName()));
}

// ---- Locks ----

using Mode = FileLock::Mode;
constexpr auto kNoWait = std::chrono::milliseconds(0);
constexpr auto kLongWait = std::chrono::seconds(60);

TEST_F(DurableFileTest, ExclusiveLockKeepsOthersOut) {
  const std::string path = PathOf("lock");
  Result<FileLock> lock = FileLock::Acquire(path, Mode::kExclusive, kNoWait);
  ASSERT_TRUE(lock);
  for (const Mode mode : {Mode::kShared, Mode::kExclusive}) {
    EXPECT_TRUE(Succeeded(Fork([&] {
      const Result<FileLock> other = FileLock::Acquire(path, mode, kNoWait);
      return !other && other.error().code() == ErrorCode::kBusy &&
             other.error().message().find(path) != std::string::npos;
    })));
    // Other threads too: they open the file for themselves.
    EXPECT_FALSE(FileLock::Acquire(path, mode, kNoWait));
  }
}

TEST_F(DurableFileTest, BusyNamesWhoHoldsTheLockWhereTheSystemTells) {
  const std::string path = PathOf("lock");
  const Result<FileLock> lock = FileLock::Acquire(path, Mode::kExclusive, kNoWait);
  ASSERT_TRUE(lock);
  std::ifstream file("/proc/locks");
  const std::string locks{std::istreambuf_iterator<char>(file), {}};
  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  char place[64];
  std::snprintf(place, sizeof(place), "%02x:%02x:%llu ", major(status.st_dev), minor(status.st_dev),
                static_cast<unsigned long long>(status.st_ino));
  const std::string own = " " + std::to_string(::getpid()) + " " + place;
  if (locks.find(own) == locks.npos) GTEST_SKIP() << "the system does not tell: " << own;
  const Result<FileLock> other = FileLock::Acquire(path, Mode::kShared, kNoWait);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message().find("process " + std::to_string(::getpid()) + ", "),
            std::string::npos)
      << other.error().message();
}

TEST_F(DurableFileTest, SharedLockLetsInWhoShares) {
  const std::string path = PathOf("lock");
  const Result<FileLock> lock = FileLock::Acquire(path, Mode::kShared, kNoWait);
  ASSERT_TRUE(lock);
  EXPECT_TRUE(
      Succeeded(Fork([&] { return FileLock::Acquire(path, Mode::kShared, kNoWait).has_value(); })));
  EXPECT_TRUE(Succeeded(
      Fork([&] { return !FileLock::Acquire(path, Mode::kExclusive, kNoWait).has_value(); })));
}

TEST_F(DurableFileTest, LockEndsWithItsObject) {
  const std::string path = PathOf("lock");
  {
    const Result<FileLock> lock = FileLock::Acquire(path, Mode::kExclusive, kNoWait);
    ASSERT_TRUE(lock);
  }
  EXPECT_TRUE(FileLock::Acquire(path, Mode::kExclusive, kNoWait));
  EXPECT_TRUE(std::filesystem::exists(path));  // a lock file stays: removing it would be a race
}

TEST_F(DurableFileTest, LockDiesWithItsHolder) {
  const std::string path = PathOf("lock");
  Signal held;
  const pid_t holder = Fork([&] {
    const Result<FileLock> lock = FileLock::Acquire(path, Mode::kExclusive, kNoWait);
    if (!lock) return false;
    held.Send();
    while (true) ::pause();
  });
  held.Await();
  EXPECT_FALSE(FileLock::Acquire(path, Mode::kExclusive, kNoWait));
  ASSERT_EQ(::kill(holder, SIGKILL), 0);
  ASSERT_FALSE(Succeeded(holder));
  EXPECT_TRUE(FileLock::Acquire(path, Mode::kExclusive, kNoWait));
}

TEST_F(DurableFileTest, LockIsWaitedFor) {
  const std::string path = PathOf("lock");
  Signal held;
  Signal release;
  const pid_t holder = Fork([&] {
    const Result<FileLock> lock = FileLock::Acquire(path, Mode::kExclusive, kNoWait);
    if (!lock) return false;
    held.Send();
    release.Await();
    return true;
  });
  held.Await();
  const pid_t waiter =
      Fork([&] { return FileLock::Acquire(path, Mode::kExclusive, kLongWait).has_value(); });
  release.Send();
  EXPECT_TRUE(Succeeded(holder));
  EXPECT_TRUE(Succeeded(waiter));
}

TEST_F(DurableFileTest, LockedSectionsNeverOverlap) {
  // Read, add one, write: lost updates would show.
  ASSERT_TRUE(ReplaceFile(folder_, "count", "0", Durability::kCache));
  std::vector<pid_t> processes;
  for (int i = 0; i < 4; ++i) {
    processes.push_back(Fork([&] {
      for (int j = 0; j < 50; ++j) {
        const Result<FileLock> lock =
            FileLock::Acquire(PathOf("lock"), Mode::kExclusive, kLongWait);
        if (!lock) return false;
        const std::string next = std::to_string(std::stoi(Read("count")) + 1);
        if (!ReplaceFile(folder_, "count", next, Durability::kCache)) return false;
      }
      return true;
    }));
  }
  for (const pid_t pid : processes) EXPECT_TRUE(Succeeded(pid));
  EXPECT_EQ(Read("count"), "200");
}

TEST_F(DurableFileTest, LockToReadCreatesNothing) {
  Result<std::optional<FileLock>> lock = FileLock::AcquireToRead(PathOf("lock"), kNoWait);
  ASSERT_TRUE(lock);
  EXPECT_FALSE(lock->has_value());
  EXPECT_EQ(CountFiles(), 0u);
}

TEST_F(DurableFileTest, LockToReadSharesAndCannotWrite) {
  ASSERT_TRUE(ReplaceFile(folder_, "lock", "bytes", Durability::kCache));
  ASSERT_EQ(::chmod(PathOf("lock").c_str(), 0400), 0);
  const Result<std::optional<FileLock>> first = FileLock::AcquireToRead(PathOf("lock"), kNoWait);
  const Result<std::optional<FileLock>> second = FileLock::AcquireToRead(PathOf("lock"), kNoWait);
  ASSERT_TRUE(first && second && first->has_value() && second->has_value());
  EXPECT_FALSE(WriteAll((*first)->fd(), "x", "lock"));
  const Fd other(::open(PathOf("lock").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_NE(::flock(other.get(), LOCK_EX | LOCK_NB), 0);
}

TEST_F(DurableFileTest, LockNeverFollowsALink) {
  ASSERT_EQ(::symlink("elsewhere", PathOf("lock").c_str()), 0);
  EXPECT_FALSE(FileLock::Acquire(PathOf("lock"), Mode::kExclusive, kNoWait));
  EXPECT_FALSE(std::filesystem::exists(PathOf("elsewhere")));
}

}  // namespace
}  // namespace helios

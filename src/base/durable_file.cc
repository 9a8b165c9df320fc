#include "base/durable_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <thread>

#include "base/check.h"
#include "base/hex.h"

namespace helios {

namespace {

// A temporary file that nobody has locked for so long belongs to a process that died.
constexpr time_t kAbandonedSeconds = 600;
constexpr size_t kRandomNameBytes = 16;

bool IsRefusal(int os_error) {
  return os_error == EACCES || os_error == EPERM || os_error == EROFS;
}

// "process 123, helios; ".
std::string ProcessName(const std::string& process) {
  std::ifstream comm("/proc/" + process + "/comm");
  std::string name;
  std::getline(comm, name);
  return "process " + process + (name.empty() ? "" : ", " + name) + "; ";
}

// The name of the one that holds a flock on the open file; empty where the system does not tell:
// the holder may be in another container.
std::string HolderOf(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return "";
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    int process = 0;
    unsigned device_major = 0;
    unsigned device_minor = 0;
    unsigned long long inode = 0;
    if (std::sscanf(line.c_str(), "%*d: FLOCK %*s %*s %d %x:%x:%llu", &process, &device_major,
                    &device_minor, &inode) != 4 ||
        process <= 0 || inode != status.st_ino ||
        makedev(device_major, device_minor) != status.st_dev) {
      continue;
    }
    return ProcessName(std::to_string(process));
  }
  return "";
}

// Whether one of the process's descriptors holds a lock on the file.
bool HoldsRange(const std::string& process, const struct stat& file) {
  const std::string folder = "/proc/" + process + "/fdinfo";
  const Result<std::vector<std::string>> descriptors = NamesIn(folder);
  if (!descriptors) return false;
  for (const std::string& descriptor : *descriptors) {
    std::ifstream info(folder + "/" + descriptor);
    for (std::string line; std::getline(info, line);) {
      unsigned device_major = 0;
      unsigned device_minor = 0;
      unsigned long long inode = 0;
      if (std::sscanf(line.c_str(), "lock: %*d: OFDLCK %*s %*s %*d %x:%x:%llu", &device_major,
                      &device_minor, &inode) == 3 &&
          inode == file.st_ino && makedev(device_major, device_minor) == file.st_dev) {
        return true;
      }
    }
  }
  return false;
}

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

}  // namespace

void RemoveAbandonedFiles(const std::string& folder) {
  const std::unique_ptr<DIR, DirCloser> dir(::opendir(folder.c_str()));
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (!name.starts_with(".tmp-")) continue;
    const Result<Fd> fd = OpenAt(::dirfd(dir.get()), name, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    struct stat status;
    if (!fd || ::fstat(fd->get(), &status) != 0) continue;
    if (::time(nullptr) - status.st_mtime < kAbandonedSeconds) continue;
    if (::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(::dirfd(dir.get()), name.c_str(), 0);
  }
}

Result<std::vector<std::string>> NamesIn(const std::string& folder) {
  return NamesIn(AT_FDCWD, folder);
}

Result<std::vector<std::string>> NamesIn(int folder, const std::string& path) {
  std::vector<std::string> names;
  Result<Fd> fd = OpenAt(folder, path, O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().os_error() == ENOENT) return names;
  if (!fd) return std::move(fd).error();
  const std::unique_ptr<DIR, DirCloser> dir(::fdopendir(fd->get()));
  if (dir == nullptr) return Error::FromErrno(errno, "list", path);
  (void)fd->Release();  // the stream's by now
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return Error::FromErrno(errno, "list", path);
  return names;
}

std::string RangeLockHolders(const std::string& path) {
  struct stat file;
  const Result<std::vector<std::string>> processes = NamesIn("/proc");
  if (!processes || ::stat(path.c_str(), &file) != 0) return "";
  std::string holders;
  for (const std::string& process : *processes) {
    const bool is_process = process.find_first_not_of("0123456789") == process.npos;
    if (is_process && HoldsRange(process, file)) holders += ProcessName(process);
  }
  return holders;
}

Result<void> ReplaceFile(const std::string& folder, const std::string& name, ByteView bytes,
                         Durability durability) {
  const std::string path = folder + "/" + name;
  const std::string temporary = folder + "/.tmp-" + RandomName();
  auto write = [&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const Fd fd,
                      OpenAt(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    HELIOS_TRY(WriteAll(fd.get(), bytes, path));
    if (durability == Durability::kDurable) HELIOS_TRY(SyncData(fd.get(), path));
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      return Error::FromErrno(errno, "rename into place", path);
    }
    return {};
  };
  if (Result<void> written = write(); !written) {
    ::unlink(temporary.c_str());  // best effort: the error of the write is the one that counts
    return written;
  }
  RemoveAbandonedFiles(folder);
  return durability == Durability::kDurable ? SyncFolder(folder) : Result<void>();
}

Result<std::optional<Bytes>> ReadFileIfExists(const std::string& path, size_t bytes_max) {
  Result<Fd> fd = OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) {
    if (fd.error().os_error() == ENOENT) return std::optional<Bytes>();
    return std::move(fd).error();
  }
  struct stat status;
  if (::fstat(fd->get(), &status) != 0) return Error::FromErrno(errno, "stat", path);
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kCorrupt, path + " is not a regular file");
  }
  HELIOS_TRY_ASSIGN(Bytes bytes, ReadToEnd(fd->get(), bytes_max, path));
  return std::optional<Bytes>(std::move(bytes));
}

Result<void> SyncFolder(const std::string& path) {
  HELIOS_TRY_ASSIGN(const Fd fd, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  if (RetryIfInterrupted([&] { return ::fsync(fd.get()); }) == 0) return {};
  return Error::FromErrno(errno, "sync", path);
}

Result<void> MakeFolder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return Error::FromErrno(errno, "create folder", path);
  struct stat status = {};  // of a link that leads nowhere there is none
  if (::stat(path.c_str(), &status) != 0 && errno != ENOENT) {
    return Error::FromErrno(errno, "create folder", path);
  }
  if (S_ISDIR(status.st_mode)) return {};
  return Error(ErrorCode::kFailed,
               "cannot create folder " + path + ": something that is not a folder is there",
               ENOTDIR);
}

bool IsTemporaryName(std::string_view name) {
  for (const std::string_view prefix : {kNewStorePrefix, kNewFilePrefix}) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view digits = name.substr(prefix.size());
    return digits.size() == 2 * kRandomNameBytes &&
           digits.find_first_not_of("0123456789abcdef") == digits.npos;
  }
  return false;
}

std::string RandomName() {
  char bytes[kRandomNameBytes];
  size_t filled = 0;
  while (filled < sizeof(bytes)) {
    const ssize_t n = ::getrandom(bytes + filled, sizeof(bytes) - filled, 0);
    HELIOS_CHECK(n > 0 || errno == EINTR);
    if (n > 0) filled += static_cast<size_t>(n);
  }
  return HexEncode({bytes, sizeof(bytes)});
}

Result<FileLock> FileLock::Acquire(const std::string& path, Mode mode,
                                   std::chrono::milliseconds wait) {
  Result<Fd> fd = OpenAt(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  // Where this process may not write, it can still wait for those who do.
  if (!fd && mode == Mode::kShared && IsRefusal(fd.error().os_error())) {
    fd = OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }
  if (!fd) return std::move(fd).error();
  FileLock lock(std::move(fd).value());
  HELIOS_TRY(lock.Wait(path, mode, wait));
  return lock;
}

Result<std::optional<FileLock>> FileLock::AcquireExisting(const std::string& path, Mode mode,
                                                          std::chrono::milliseconds wait) {
  Result<Fd> fd = OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd && fd.error().os_error() == ENOENT) return std::optional<FileLock>();
  if (!fd) return std::move(fd).error();
  FileLock lock(std::move(fd).value());
  HELIOS_TRY(lock.Wait(path, mode, wait));
  return std::optional<FileLock>(std::move(lock));
}

Result<void> FileLock::Wait(const std::string& path, Mode mode,
                            std::chrono::milliseconds wait) const {
  const int operation = (mode == Mode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  const auto deadline = std::chrono::steady_clock::now() + wait;
  auto pause = std::chrono::microseconds(50);
  while (::flock(fd_.get(), operation) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return Error::FromErrno(errno, "lock", path);
    if (std::chrono::steady_clock::now() >= deadline) {
      return Error(ErrorCode::kBusy, "busy: another process holds " + path + " (" +
                                         HolderOf(fd_.get()) + "waited " +
                                         std::to_string(wait.count()) + " ms)");
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(20000));
  }
  return {};
}

}  // namespace helios

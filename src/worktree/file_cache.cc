#include "worktree/file_cache.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "base/durable_file.h"
#include "object/hash.h"
#include "worktree/file_status.h"

namespace helios {
namespace {

namespace fs = std::filesystem;

// A clone costs two more system calls than a copy, and an inode in the cache.
constexpr uint64_t kCloneBytesMin = uint64_t{256} << 10;
constexpr char kTemporaryPrefix[] = ".tmp-";
constexpr unsigned kWriteBits = S_IWUSR | S_IWGRP | S_IWOTH;
constexpr size_t kHashBufferBytes = size_t{256} << 10;

// Where a look is worth it when nobody asked for clones.
bool MayHaveClones(int folder) {
  constexpr uint32_t kKnown[] = {BTRFS_SUPER_MAGIC, XFS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC,
                                 0xca451a4e /* bcachefs */, 0x2fc12fc1 /* zfs */};
  struct statfs status;
  return ::fstatfs(folder, &status) == 0 &&
         std::find(std::begin(kKnown), std::end(kKnown), static_cast<uint32_t>(status.f_type)) !=
             std::end(kKnown);
}

// Tries what is asked for on a file of no use. 0, or errno.
int Try(int cache, int target, LinkMode mode) {
  const std::string own_name = kTemporaryPrefix + RandomName();
  const std::string name = std::string(kNewFilePrefix) + RandomName();
  const Result<Fd> source = OpenAt(cache, own_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!source) return source.error().os_error();
  int os_error = 0;
  if (mode == LinkMode::kHardLink) {
    if (::linkat(cache, own_name.c_str(), target, name.c_str(), 0) != 0) os_error = errno;
  } else if (const Result<Fd> clone =
                 OpenAt(target, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
             !clone) {
    os_error = clone.error().os_error();
  } else if (::ioctl(clone->get(), FICLONE, source->get()) != 0) {
    os_error = errno;
  }
  ::unlinkat(cache, own_name.c_str(), 0);
  ::unlinkat(target, name.c_str(), 0);
  return os_error;
}

Error CannotShare(LinkMode mode, const std::string& path, int os_error) {
  const std::string what = mode == LinkMode::kHardLink ? "hard links" : "clones (reflinks)";
  const std::string why =
      os_error == EXDEV
          ? "the store is on another file system than the folder: "
          : "the file system does not allow them (" + std::string(std::strerror(os_error)) + "): ";
  return Error(ErrorCode::kUnsupported,
               "cannot make " + what + " of files in " + path + "; " + why + "use --link=copy");
}

// The content's hash; nothing if it cannot be read.
std::optional<Digest> HashFile(int fd) {
  const std::unique_ptr<char[]> buffer(new char[kHashBufferBytes]);
  Hasher hasher;
  for (uint64_t offset = 0;;) {
    const Result<size_t> n = ReadAt(fd, buffer.get(), kHashBufferBytes, offset, "cached file");
    if (!n) return std::nullopt;
    hasher.Update({buffer.get(), *n});
    offset += *n;
    if (*n < kHashBufferBytes) return hasher.Finish();
  }
}

std::string WithMode(std::string name, unsigned mode) {
  char text[16];
  std::snprintf(text, sizeof(text), "-%03o", mode);
  return name.append(text);
}

std::string WithTime(std::string name, const Timestamp& time) {
  char text[64];
  std::snprintf(text, sizeof(text), "-%lld.%09u", static_cast<long long>(time.seconds),
                time.nanoseconds);
  return name.append(text);
}

// "HH/NAME": so many files in one folder would be slow to list.
std::string Place(const std::string& name) { return name.substr(0, 2) + "/" + name; }

// Whether the open file is what `name` says: its content, its mode, its time, as far as named.
bool IsNamed(int fd, const std::string& name) {
  const StatusOrErrno status = StatusOf(fd);
  if (status.os_error != 0 || !status.status.IsRegular()) return false;
  const std::optional<Digest> digest = HashFile(fd);
  if (!digest) return false;
  const std::string plain = digest->ToHex();
  const std::string with_mode = WithMode(plain, status.status.mode & 07777u);
  return name == plain || name == with_mode || name == WithTime(with_mode, status.status.mtime);
}

}  // namespace

Result<std::unique_ptr<FileCache>> FileCache::Open(const std::string& path, int target,
                                                   LinkMode mode) {
  if (mode == LinkMode::kCopy || (mode == LinkMode::kAuto && !MayHaveClones(target))) {
    return std::unique_ptr<FileCache>();
  }
  const LinkMode made = mode == LinkMode::kAuto ? LinkMode::kReflink : mode;
  Result<std::unique_ptr<FileCache>> cache = OpenFor(path, target, made);
  if (!cache && mode == LinkMode::kAuto) return std::unique_ptr<FileCache>();
  return cache;
}

Result<std::unique_ptr<FileCache>> FileCache::OpenFor(const std::string& path, int target,
                                                      LinkMode mode) {
  HELIOS_TRY(MakeFolder(path));
  HELIOS_TRY_ASSIGN(Fd folder, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const int os_error = Try(folder.get(), target, mode);
  if (os_error != 0) return CannotShare(mode, path, os_error);
  return std::unique_ptr<FileCache>(new FileCache(std::move(folder), path, mode));
}

bool FileCache::Takes(const TreeEntry& entry,
                      const std::optional<FileAttributes>& attributes) const {
  if (attributes && !attributes->rare.IsEmpty()) return false;
  return IsFile(entry.kind) && (MakesHardLinks() || entry.size >= kCloneBytesMin);
}

std::optional<FileAttributes> FileCache::OnDisk(
    const TreeEntry& entry, const std::optional<FileAttributes>& attributes) const {
  if (!MakesHardLinks()) return attributes;
  FileAttributes on_disk = attributes.value_or(FileAttributes{0777, {}});
  if (!attributes) {
    timespec now;
    ::clock_gettime(CLOCK_REALTIME, &now);
    on_disk.mtime = {now.tv_sec, static_cast<uint32_t>(now.tv_nsec)};
    if (entry.kind != EntryKind::kExecutable) on_disk.mode = 0666;
  }
  on_disk.mode = static_cast<uint16_t>(on_disk.mode & 0777u & ~kWriteBits);
  const unsigned execute = entry.kind == EntryKind::kExecutable ? S_IXUSR : 0;
  on_disk.mode = static_cast<uint16_t>((on_disk.mode & ~unsigned{S_IXUSR}) | execute);
  return on_disk;
}

std::string FileCache::NameFor(const TreeEntry& entry,
                               const std::optional<FileAttributes>& attributes) const {
  std::string name = entry.id.ToHex();
  if (!MakesHardLinks()) return name;
  name = WithMode(std::move(name), OnDisk(entry, attributes)->mode);
  return attributes ? WithTime(std::move(name), attributes->mtime) : name;
}

Result<Fd> FileCache::OpenWhole(const TreeEntry& entry,
                                const std::optional<FileAttributes>& attributes) {
  const std::string name = NameFor(entry, attributes);
  Result<Fd> fd = OpenAt(folder_.get(), Place(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd) return Fd();
  struct stat found;
  if (::fstat(fd->get(), &found) != 0) return Fd();
  if (found.st_uid == ::geteuid() && IsNamed(fd->get(), name)) return fd;
  HELIOS_TRY(RemoveWrong(name, found.st_ino));
  return Fd();
}

Result<void> FileCache::RemoveWrong(const std::string& name, uint64_t inode) {
  MutexLock lock(mutex_);
  struct stat named;
  if (::fstatat(folder_.get(), Place(name).c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
      named.st_ino != inode) {
    return {};  // another thread has removed it, and may have made it anew
  }
  if (::unlinkat(folder_.get(), Place(name).c_str(), 0) != 0) {
    if (errno == ENOENT) return {};
    return Error::FromErrno(errno, "remove", path_ + "/" + Place(name));
  }
  written_through_.push_back(Place(name));
  return {};
}

int FileCache::Link(int folder, const std::string& name, const TreeEntry& entry,
                    const std::optional<FileAttributes>& attributes) const {
  const std::string place = Place(NameFor(entry, attributes));
  if (::linkat(folder_.get(), place.c_str(), folder, name.c_str(), 0) == 0) return 0;
  const int os_error = errno;
  if (os_error == EMLINK) ::unlinkat(folder_.get(), place.c_str(), 0);
  return os_error;
}

bool FileCache::Keep(int folder, const TreeEntry& entry,
                     const std::optional<FileAttributes>& attributes) {
  const std::string place = Place(NameFor(entry, attributes));
  ::mkdirat(folder_.get(), place.substr(0, 2).c_str(), 0700);  // what follows says if it failed
  has_grown_ = true;
  if (MakesHardLinks()) {
    return ::linkat(folder, entry.name.c_str(), folder_.get(), place.c_str(), 0) == 0;
  }
  const Result<Fd> written = OpenAt(folder, entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!written) return false;
  const std::string temporary = kTemporaryPrefix + RandomName();
  const Result<Fd> clone =
      OpenAt(folder_.get(), temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0400);
  if (!clone) return false;
  const bool kept = ::ioctl(clone->get(), FICLONE, written->get()) == 0 &&
                    ::renameat(folder_.get(), temporary.c_str(), folder_.get(), place.c_str()) == 0;
  if (!kept) ::unlinkat(folder_.get(), temporary.c_str(), 0);
  return kept;
}

void FileCache::Trim() const {
  if (!has_grown_) return;
  RemoveAbandonedFiles(path_);
  struct Cached {
    timespec used;
    uint64_t bytes;
    fs::path path;
  };
  std::vector<Cached> files;
  uint64_t bytes = 0;
  std::error_code failure;
  for (fs::recursive_directory_iterator it(path_, failure), end; !failure && it != end;
       it.increment(failure)) {
    struct stat status;
    if (::lstat(it->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    files.push_back({status.st_atim, static_cast<uint64_t>(status.st_size), it->path()});
    bytes += files.back().bytes;
  }
  struct statvfs space;
  if (::fstatvfs(folder_.get(), &space) != 0) return;
  const uint64_t bytes_max = uint64_t{space.f_bavail} * space.f_frsize;
  std::sort(files.begin(), files.end(), [](const Cached& a, const Cached& b) {
    if (a.used.tv_sec != b.used.tv_sec) return a.used.tv_sec < b.used.tv_sec;
    return a.used.tv_nsec < b.used.tv_nsec;
  });
  for (const Cached& file : files) {
    if (bytes <= bytes_max) return;
    if (::unlink(file.path.c_str()) == 0) bytes -= file.bytes;
  }
}

std::vector<std::string> FileCache::WrittenThrough() const {
  MutexLock lock(mutex_);
  return written_through_;
}

Result<std::vector<std::string>> FileCache::Check(const std::string& path) {
  std::vector<std::string> wrong;
  std::error_code failure;
  if (!fs::exists(fs::symlink_status(path, failure))) return wrong;
  for (fs::recursive_directory_iterator it(path, failure), end; !failure && it != end;
       it.increment(failure)) {
    const std::string name = it->path().filename().string();
    if (it->is_directory(failure) || name.starts_with(kTemporaryPrefix)) continue;
    const Result<Fd> fd =
        OpenAt(AT_FDCWD, it->path().string(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (!fd && fd.error().os_error() == ENOENT) continue;  // trimmed meanwhile
    if (!fd || !IsNamed(fd->get(), name)) wrong.push_back(it->path().string());
  }
  if (failure) return Error::FromErrno(failure.value(), "list", path);
  return wrong;
}

}  // namespace helios

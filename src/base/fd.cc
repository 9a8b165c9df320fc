#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace helios {

void Fd::Reset() {
  // Nothing written through us is trusted to close(): what must last is synced before.
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Fd> OpenAt(int folder, const std::string& name, int flags, unsigned mode) {
  const int fd =
      RetryIfInterrupted([&] { return ::openat(folder, name.c_str(), flags | O_CLOEXEC, mode); });
  if (fd < 0) return Error::FromErrno(errno, "open", name);
  return Fd(fd);
}

Result<Fd> OpenFolderBelow(int folder, std::string_view path) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  Result<Fd> at = OpenAt(folder, ".", kFlags);
  while (at && !path.empty()) {
    const size_t slash = path.find('/');
    at = OpenAt(at->get(), std::string(path.substr(0, slash)), kFlags);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  }
  return at;
}

Result<size_t> ReadAt(int fd, void* out, size_t size, uint64_t offset, std::string_view what) {
  auto* bytes = static_cast<char*>(out);
  size_t length = 0;
  while (length < size) {
    const ssize_t n =
        ::pread(fd, bytes + length, size - length, static_cast<off_t>(offset + length));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, "read", what);
    if (n == 0) break;
    length += static_cast<size_t>(n);
  }
  return length;
}

Result<void> ReadExactlyAt(int fd, void* out, size_t size, uint64_t offset, std::string_view what) {
  HELIOS_TRY_ASSIGN(const size_t length, ReadAt(fd, out, size, offset, what));
  if (length == size) return {};
  return Error(ErrorCode::kCorrupt, std::string(what) + " is damaged: it ends early");
}

Result<Bytes> ReadToEnd(int fd, size_t bytes_max, std::string_view what) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return Error::FromErrno(errno, "stat", what);
  if (static_cast<uint64_t>(status.st_size) > bytes_max) {
    return Error(ErrorCode::kCorrupt, std::string(what) + " is larger than it can be");
  }
  const auto expected = static_cast<size_t>(status.st_size);
  Bytes bytes;
  // One byte more than expected, so that a file that did not grow is read in one call.
  size_t room = expected + 1;
  size_t length = 0;
  while (true) {
    bytes.resize(length + room);
    const ssize_t n = ::pread(fd, bytes.data() + length, room, static_cast<off_t>(length));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, "read", what);
    length += static_cast<size_t>(n);
    if (length > bytes_max) {
      return Error(ErrorCode::kCorrupt, std::string(what) + " is larger than it can be");
    }
    // A read may bring less than there is: only none at all, or what was expected and no more, is
    // the end.
    if (n == 0 || (static_cast<size_t>(n) < room && length == expected)) break;
    room = std::max(length, size_t{1});
  }
  bytes.resize(length);
  return bytes;
}

Result<void> WriteAll(int fd, ByteView bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, "write", what);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Result<void> WriteAllAt(int fd, ByteView bytes, uint64_t offset, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, "write", what);
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return {};
}

Result<void> SyncData(int fd, std::string_view what) {
  if (RetryIfInterrupted([&] { return ::fdatasync(fd); }) == 0) return {};
  return Error::FromErrno(errno, "sync", what);
}

}  // namespace helios

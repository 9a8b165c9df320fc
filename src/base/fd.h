// File descriptors that close themselves, and whole reads and writes on them.
#ifndef HELIOS_BASE_FD_H_
#define HELIOS_BASE_FD_H_

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "helios/ids.h"
#include "helios/result.h"

namespace helios {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { Reset(); }

  int get() const { return fd_; }
  bool IsOpen() const { return fd_ >= 0; }
  void Reset();
  // Gives it away: the caller closes it.
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// What a system call returns, made again while a signal interrupts it.
template <typename SystemCall>
auto RetryIfInterrupted(const SystemCall& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// openat with O_CLOEXEC, repeated on EINTR. `folder` may be AT_FDCWD. Errors carry errno.
Result<Fd> OpenAt(int folder, const std::string& name, int flags, unsigned mode = 0);
// The folder at `path` below the open `folder` (empty: that one), one component after the other and
// through no link. Errors carry errno.
Result<Fd> OpenFolderBelow(int folder, std::string_view path);

// Reads up to `size` bytes at `offset` and returns how many there were: fewer only where the file
// ends. `what` names the file.
Result<size_t> ReadAt(int fd, void* out, size_t size, uint64_t offset, std::string_view what);
// Reads exactly `size` bytes at `offset`; less is kCorrupt ("ends early").
Result<void> ReadExactlyAt(int fd, void* out, size_t size, uint64_t offset, std::string_view what);
// Everything from the start of the file to its end, at most `bytes_max`; more is kCorrupt.
Result<Bytes> ReadToEnd(int fd, size_t bytes_max, std::string_view what);
// Writes all of `bytes` at the file position, whatever write() takes at a time.
Result<void> WriteAll(int fd, ByteView bytes, std::string_view what);
Result<void> WriteAllAt(int fd, ByteView bytes, uint64_t offset, std::string_view what);
// Makes what was written to the file durable, its length included (fdatasync).
Result<void> SyncData(int fd, std::string_view what);

}  // namespace helios

#endif  // HELIOS_BASE_FD_H_

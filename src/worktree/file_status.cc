#include "worktree/file_status.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <cerrno>

namespace helios {
namespace {

constexpr unsigned kMask = STATX_TYPE | STATX_MODE | STATX_INO | STATX_SIZE | STATX_MTIME |
                           STATX_CTIME | STATX_NLINK | STATX_BLOCKS;
constexpr uint64_t kBlockBytes = 512;  // whatever the file system's are

Timestamp ToTimestamp(const struct statx_timestamp& time) { return {time.tv_sec, time.tv_nsec}; }

StatusOrErrno Statx(int folder, const char* name, int flags) {
  struct statx status;
  if (::statx(folder, name, flags | AT_NO_AUTOMOUNT, kMask, &status) != 0) return {{}, errno};
  return {{status.stx_mode, makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino,
           status.stx_size, ToTimestamp(status.stx_mtime), ToTimestamp(status.stx_ctime)},
          0,
          status.stx_nlink,
          status.stx_blocks * kBlockBytes};
}

}  // namespace

StatusOrErrno StatusAt(int folder, const char* name) {
  return Statx(folder, name, AT_SYMLINK_NOFOLLOW);
}

StatusOrErrno StatusOf(int fd) { return Statx(fd, "", AT_EMPTY_PATH); }

}  // namespace helios

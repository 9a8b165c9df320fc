// What the file system says of one name: the part that Helios looks at.
#ifndef HELIOS_WORKTREE_FILE_STATUS_H_
#define HELIOS_WORKTREE_FILE_STATUS_H_

#include <sys/stat.h>

#include <optional>

#include "helios/result.h"
#include "object/attributes.h"
#include "object/tree.h"

namespace helios {

struct FileStatus {
  uint32_t mode = 0;  // type and permission bits
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  Timestamp mtime;
  Timestamp ctime;

  bool IsRegular() const { return S_ISREG(mode); }
  bool IsDirectory() const { return S_ISDIR(mode); }
  bool IsSymlink() const { return S_ISLNK(mode); }
  // Mode and time: what is rare, a status does not tell.
  FileAttributes Attributes() const { return {static_cast<uint16_t>(mode & 07777), mtime}; }
  // For a regular file.
  EntryKind FileKind() const {
    return (mode & S_IXUSR) != 0 ? EntryKind::kExecutable : EntryKind::kFile;
  }
  friend bool operator==(const FileStatus&, const FileStatus&) = default;
};

// Of `name` in the open folder, itself and never what it links to; errno instead where that fails.
// `name` must be NUL-terminated.
struct StatusOrErrno {
  FileStatus status;
  int os_error = 0;
  // Beside the status, which stays the same when these change:
  uint32_t links = 0;       // names that the file has, anywhere
  uint64_t disk_bytes = 0;  // that it takes

  // Whether it may be that not all of the file is on disk.
  bool MayHaveHoles() const { return disk_bytes < status.size; }
};
StatusOrErrno StatusAt(int folder, const char* name);
StatusOrErrno StatusOf(int fd);

}  // namespace helios

#endif  // HELIOS_WORKTREE_FILE_STATUS_H_

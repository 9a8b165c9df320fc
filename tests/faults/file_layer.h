// A layer between Helios and the C library: every call by which Helios touches files passes through
// it, and a test may watch the calls or make them fail. The library itself knows nothing of it: the
// test program defines the calls, and so stands before the C library.
#ifndef HELIOS_TESTS_FAULTS_FILE_LAYER_H_
#define HELIOS_TESTS_FAULTS_FILE_LAYER_H_

#include <fcntl.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

namespace helios::faults {

enum class CallKind {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kStartWriteBack,  // sync_file_range: a hint
  kResize,
  kRename,
  kLink,
  kSymlink,
  kUnlink,
  kMakeFolder,
  kRemoveFolder,
  kStat,
  kOpenFolder,  // opendir
  kListFolder,
  kLock,
  kClose,
  kSetAttributes,  // modes and times
  kGetXattr,
  kSetXattr,
  kClone,  // FICLONE, copy_file_range, fallocate: contents that no write shows
  kSeek,
};

struct Call {
  CallKind kind = CallKind::kOpen;
  const char* function = "";
  int fd = -1;  // of the file, or of the folder that `path` begins at
  const char* path = nullptr;
  int flags = 0;  // of open, renameat2, unlinkat
  int to_fd = -1;
  const char* to_path = nullptr;  // the new name; of a symlink, its target
  const void* bytes = nullptr;    // what is to be written; null if that is not one piece
  size_t size = 0;                // to be read or written; the new length
  off_t offset = -1;              // -1: at the file's position
  bool keeps_content = false;     // of kClone: room is made, and neither bytes nor length change
};

// Sees every call of every thread while it is set, but none that it makes itself.
class Watcher {
 public:
  // `real` makes the call, on the paths that stand in `call` by then, reading or writing no more
  // than it is given. Returns what the call is to return, with errno set if that is -1.
  using Real = std::function<ssize_t(size_t size_max)>;
  virtual ~Watcher() = default;
  virtual ssize_t Make(Call& call, const Real& real) = 0;
};

// Watched from construction to destruction. One at a time; calls that are under way must have come
// to their end before it goes.
class Watched {
 public:
  explicit Watched(Watcher* watcher);
  ~Watched();
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
};

// Calls of this thread are not seen while one of these is there.
class Unwatched {
 public:
  Unwatched();
  ~Unwatched();
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;

 private:
  const bool was_inside_;
};

// For people: "openat(4, \"packs/.tmp-1\")".
std::string Describe(const Call& call);

}  // namespace helios::faults

#endif  // HELIOS_TESTS_FAULTS_FILE_LAYER_H_

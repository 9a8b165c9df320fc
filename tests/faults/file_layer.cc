#include "faults/file_layer.h"

#include <dirent.h>
#include <dlfcn.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace helios::faults {
namespace {

std::atomic<Watcher*> g_watcher = nullptr;
// The thread is in a watcher, whose own calls nobody sees.
thread_local bool t_is_inside = false;

}  // namespace

Watched::Watched(Watcher* watcher) {
  if (g_watcher.exchange(watcher) != nullptr) std::abort();
}
Watched::~Watched() { g_watcher.store(nullptr); }

Unwatched::Unwatched() : was_inside_(t_is_inside) { t_is_inside = true; }
Unwatched::~Unwatched() { t_is_inside = was_inside_; }

std::string Describe(const Call& call) {
  std::string text = std::string(call.function) + "(" + std::to_string(call.fd);
  if (call.path != nullptr) text.append(", \"").append(call.path).append("\"");
  if (call.to_path != nullptr) text.append(", \"").append(call.to_path).append("\"");
  if (call.size > 0) text.append(", ").append(std::to_string(call.size)).append(" bytes");
  return text + ")";
}

// Makes a call by way of whoever watches.
template <typename Real>
ssize_t Pass(const Call& call, const Real& real) {
  Watcher* watcher = g_watcher.load();
  if (watcher == nullptr || t_is_inside) return real(call, SIZE_MAX);
  t_is_inside = true;
  Call made = call;
  const ssize_t result = watcher->Make(made, [&](size_t size_max) { return real(made, size_max); });
  t_is_inside = false;
  return result;
}

// Likewise where a pointer is returned, and null for a failure.
template <typename T, typename Real>
T* PassPointer(const Call& call, const Real& real) {
  const ssize_t result = Pass(call, [&](const Call& made, size_t) {
    return reinterpret_cast<ssize_t>(static_cast<void*>(real(made)));
  });
  return result == -1 ? nullptr : reinterpret_cast<T*>(result);
}

Call OnFile(CallKind kind, const char* function, int fd) {
  Call call{kind, function};
  call.fd = fd;
  return call;
}
Call OnBytes(CallKind kind, const char* function, int fd, const void* bytes, size_t size,
             off_t offset) {
  Call call = OnFile(kind, function, fd);
  call.bytes = bytes;
  call.size = size;
  call.offset = offset;
  return call;
}
Call OnPath(CallKind kind, const char* function, int fd, const char* path, int flags = 0) {
  Call call = OnFile(kind, function, fd);
  call.path = path;
  call.flags = flags;
  return call;
}
Call OnPaths(CallKind kind, const char* function, int fd, const char* path, int to_fd,
             const char* to_path, int flags = 0) {
  Call call = OnPath(kind, function, fd, path, flags);
  call.to_fd = to_fd;
  call.to_path = to_path;
  return call;
}

}  // namespace helios::faults

using helios::faults::Call;
using helios::faults::CallKind;
using helios::faults::OnBytes;
using helios::faults::OnFile;
using helios::faults::OnPath;
using helios::faults::OnPaths;
using helios::faults::Pass;
using helios::faults::PassPointer;

// What stands behind us.
#define HELIOS_NEXT(name) \
  static const auto next = reinterpret_cast<decltype(&::name)>(::dlsym(RTLD_NEXT, #name))

// The mode of an open, if it has one.
#define HELIOS_TAKE_MODE(flags)                                  \
  mode_t mode = 0;                                               \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                  \
    va_list arguments;                                           \
    va_start(arguments, flags);                                  \
    mode = static_cast<mode_t>(va_arg(arguments, unsigned int)); \
    va_end(arguments);                                           \
  }

extern "C" {

// --- Opening -------------------------------------------------------------------------------------

int open(const char* path, int flags, ...) {
  HELIOS_NEXT(open);
  HELIOS_TAKE_MODE(flags);
  return static_cast<int>(
      Pass(OnPath(CallKind::kOpen, "open", AT_FDCWD, path, flags),
           [&](const Call& call, size_t) { return next(call.path, flags, mode); }));
}
int open64(const char* path, int flags, ...) {
  HELIOS_NEXT(open64);
  HELIOS_TAKE_MODE(flags);
  return static_cast<int>(
      Pass(OnPath(CallKind::kOpen, "open64", AT_FDCWD, path, flags),
           [&](const Call& call, size_t) { return next(call.path, flags, mode); }));
}
int openat(int folder, const char* path, int flags, ...) {
  HELIOS_NEXT(openat);
  HELIOS_TAKE_MODE(flags);
  return static_cast<int>(
      Pass(OnPath(CallKind::kOpen, "openat", folder, path, flags),
           [&](const Call& call, size_t) { return next(folder, call.path, flags, mode); }));
}
int openat64(int folder, const char* path, int flags, ...) {
  HELIOS_NEXT(openat64);
  HELIOS_TAKE_MODE(flags);
  return static_cast<int>(
      Pass(OnPath(CallKind::kOpen, "openat64", folder, path, flags),
           [&](const Call& call, size_t) { return next(folder, call.path, flags, mode); }));
}
int close(int fd) {
  HELIOS_NEXT(close);
  return static_cast<int>(
      Pass(OnFile(CallKind::kClose, "close", fd), [&](const Call&, size_t) { return next(fd); }));
}

// --- Contents ------------------------------------------------------------------------------------

ssize_t read(int fd, void* bytes, size_t size) {
  HELIOS_NEXT(read);
  return Pass(
      OnBytes(CallKind::kRead, "read", fd, nullptr, size, -1),
      [&](const Call&, size_t size_max) { return next(fd, bytes, std::min(size, size_max)); });
}
ssize_t pread(int fd, void* bytes, size_t size, off_t offset) {
  HELIOS_NEXT(pread);
  return Pass(OnBytes(CallKind::kRead, "pread", fd, nullptr, size, offset),
              [&](const Call&, size_t size_max) {
                return next(fd, bytes, std::min(size, size_max), offset);
              });
}
ssize_t pread64(int fd, void* bytes, size_t size, off64_t offset) {
  HELIOS_NEXT(pread64);
  return Pass(OnBytes(CallKind::kRead, "pread64", fd, nullptr, size, offset),
              [&](const Call&, size_t size_max) {
                return next(fd, bytes, std::min(size, size_max), offset);
              });
}
ssize_t write(int fd, const void* bytes, size_t size) {
  HELIOS_NEXT(write);
  return Pass(
      OnBytes(CallKind::kWrite, "write", fd, bytes, size, -1),
      [&](const Call&, size_t size_max) { return next(fd, bytes, std::min(size, size_max)); });
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  HELIOS_NEXT(pwrite);
  return Pass(OnBytes(CallKind::kWrite, "pwrite", fd, bytes, size, offset),
              [&](const Call&, size_t size_max) {
                return next(fd, bytes, std::min(size, size_max), offset);
              });
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  HELIOS_NEXT(pwrite64);
  return Pass(OnBytes(CallKind::kWrite, "pwrite64", fd, bytes, size, offset),
              [&](const Call&, size_t size_max) {
                return next(fd, bytes, std::min(size, size_max), offset);
              });
}
ssize_t writev(int fd, const iovec* pieces, int count) {
  HELIOS_NEXT(writev);
  return Pass(OnBytes(CallKind::kWrite, "writev", fd, nullptr, 0, -1),
              [&](const Call&, size_t) { return next(fd, pieces, count); });
}
ssize_t pwritev(int fd, const iovec* pieces, int count, off_t offset) {
  HELIOS_NEXT(pwritev);
  return Pass(OnBytes(CallKind::kWrite, "pwritev", fd, nullptr, 0, offset),
              [&](const Call&, size_t) { return next(fd, pieces, count, offset); });
}
int ftruncate(int fd, off_t size) __THROW {
  HELIOS_NEXT(ftruncate);
  return static_cast<int>(
      Pass(OnBytes(CallKind::kResize, "ftruncate", fd, nullptr, static_cast<size_t>(size), -1),
           [&](const Call&, size_t) { return next(fd, size); }));
}
int fallocate(int fd, int mode, off_t offset, off_t size) {
  HELIOS_NEXT(fallocate);
  Call call = OnFile(CallKind::kClone, "fallocate", fd);
  call.keeps_content = mode == FALLOC_FL_KEEP_SIZE;
  return static_cast<int>(
      Pass(call, [&](const Call&, size_t) { return next(fd, mode, offset, size); }));
}
ssize_t copy_file_range(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
                        unsigned flags) {
  HELIOS_NEXT(copy_file_range);
  return Pass(OnFile(CallKind::kClone, "copy_file_range", to), [&](const Call&, size_t) {
    return next(from, from_offset, to, to_offset, size, flags);
  });
}
off_t lseek(int fd, off_t offset, int whence) __THROW {
  HELIOS_NEXT(lseek);
  return Pass(OnFile(CallKind::kSeek, "lseek", fd),
              [&](const Call&, size_t) { return next(fd, offset, whence); });
}
int ioctl(int fd, unsigned long request, ...) __THROW {
  HELIOS_NEXT(ioctl);
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request != FICLONE) return next(fd, request, argument);
  return static_cast<int>(Pass(OnFile(CallKind::kClone, "ioctl FICLONE", fd),
                               [&](const Call&, size_t) { return next(fd, request, argument); }));
}

// --- Durability ----------------------------------------------------------------------------------

int fsync(int fd) {
  HELIOS_NEXT(fsync);
  return static_cast<int>(
      Pass(OnFile(CallKind::kSync, "fsync", fd), [&](const Call&, size_t) { return next(fd); }));
}
int fdatasync(int fd) {
  HELIOS_NEXT(fdatasync);
  return static_cast<int>(Pass(OnFile(CallKind::kSync, "fdatasync", fd),
                               [&](const Call&, size_t) { return next(fd); }));
}
int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags) {
  HELIOS_NEXT(sync_file_range);
  return static_cast<int>(Pass(OnFile(CallKind::kStartWriteBack, "sync_file_range", fd),
                               [&](const Call&, size_t) { return next(fd, offset, size, flags); }));
}

// --- Names ---------------------------------------------------------------------------------------

int rename(const char* from, const char* to) __THROW {
  HELIOS_NEXT(rename);
  return static_cast<int>(
      Pass(OnPaths(CallKind::kRename, "rename", AT_FDCWD, from, AT_FDCWD, to),
           [&](const Call& call, size_t) { return next(call.path, call.to_path); }));
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) __THROW {
  HELIOS_NEXT(renameat);
  return static_cast<int>(
      Pass(OnPaths(CallKind::kRename, "renameat", from_folder, from, to_folder, to),
           [&](const Call& call, size_t) {
             return next(from_folder, call.path, to_folder, call.to_path);
           }));
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) __THROW {
  HELIOS_NEXT(renameat2);
  return static_cast<int>(Pass(OnPaths(CallKind::kRename, "renameat2", from_folder, from, to_folder,
                                       to, static_cast<int>(flags)),
                               [&](const Call& call, size_t) {
                                 return next(from_folder, call.path, to_folder, call.to_path,
                                             flags);
                               }));
}
int link(const char* from, const char* to) __THROW {
  HELIOS_NEXT(link);
  return static_cast<int>(
      Pass(OnPaths(CallKind::kLink, "link", AT_FDCWD, from, AT_FDCWD, to),
           [&](const Call& call, size_t) { return next(call.path, call.to_path); }));
}
int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) __THROW {
  HELIOS_NEXT(linkat);
  return static_cast<int>(
      Pass(OnPaths(CallKind::kLink, "linkat", from_folder, from, to_folder, to, flags),
           [&](const Call& call, size_t) {
             return next(from_folder, call.path, to_folder, call.to_path, flags);
           }));
}
int symlink(const char* target, const char* path) __THROW {
  HELIOS_NEXT(symlink);
  return static_cast<int>(Pass(OnPaths(CallKind::kSymlink, "symlink", AT_FDCWD, path, -1, target),
                               [&](const Call& call, size_t) { return next(target, call.path); }));
}
int symlinkat(const char* target, int folder, const char* path) __THROW {
  HELIOS_NEXT(symlinkat);
  return static_cast<int>(
      Pass(OnPaths(CallKind::kSymlink, "symlinkat", folder, path, -1, target),
           [&](const Call& call, size_t) { return next(target, folder, call.path); }));
}
int unlink(const char* path) __THROW {
  HELIOS_NEXT(unlink);
  return static_cast<int>(Pass(OnPath(CallKind::kUnlink, "unlink", AT_FDCWD, path),
                               [&](const Call& call, size_t) { return next(call.path); }));
}
int unlinkat(int folder, const char* path, int flags) __THROW {
  HELIOS_NEXT(unlinkat);
  const CallKind kind = (flags & AT_REMOVEDIR) != 0 ? CallKind::kRemoveFolder : CallKind::kUnlink;
  return static_cast<int>(
      Pass(OnPath(kind, "unlinkat", folder, path, flags),
           [&](const Call& call, size_t) { return next(folder, call.path, flags); }));
}
int rmdir(const char* path) __THROW {
  HELIOS_NEXT(rmdir);
  return static_cast<int>(Pass(OnPath(CallKind::kRemoveFolder, "rmdir", AT_FDCWD, path),
                               [&](const Call& call, size_t) { return next(call.path); }));
}
int mkdir(const char* path, mode_t mode) __THROW {
  HELIOS_NEXT(mkdir);
  return static_cast<int>(Pass(OnPath(CallKind::kMakeFolder, "mkdir", AT_FDCWD, path),
                               [&](const Call& call, size_t) { return next(call.path, mode); }));
}
int mkdirat(int folder, const char* path, mode_t mode) __THROW {
  HELIOS_NEXT(mkdirat);
  return static_cast<int>(
      Pass(OnPath(CallKind::kMakeFolder, "mkdirat", folder, path),
           [&](const Call& call, size_t) { return next(folder, call.path, mode); }));
}

// --- Looking -------------------------------------------------------------------------------------

int stat(const char* path, struct stat* status) __THROW {
  // Its name is a type's, too: the address of the function needs the signature.
  static const auto next =
      reinterpret_cast<int (*)(const char*, struct stat*)>(::dlsym(RTLD_NEXT, "stat"));
  return static_cast<int>(Pass(OnPath(CallKind::kStat, "stat", AT_FDCWD, path),
                               [&](const Call& call, size_t) { return next(call.path, status); }));
}
int lstat(const char* path, struct stat* status) __THROW {
  HELIOS_NEXT(lstat);
  return static_cast<int>(Pass(OnPath(CallKind::kStat, "lstat", AT_FDCWD, path),
                               [&](const Call& call, size_t) { return next(call.path, status); }));
}
int fstat(int fd, struct stat* status) __THROW {
  HELIOS_NEXT(fstat);
  return static_cast<int>(Pass(OnFile(CallKind::kStat, "fstat", fd),
                               [&](const Call&, size_t) { return next(fd, status); }));
}
int fstatat(int folder, const char* path, struct stat* status, int flags) __THROW {
  HELIOS_NEXT(fstatat);
  return static_cast<int>(
      Pass(OnPath(CallKind::kStat, "fstatat", folder, path, flags),
           [&](const Call& call, size_t) { return next(folder, call.path, status, flags); }));
}
int statx(int folder, const char* path, int flags, unsigned mask, struct statx* status) __THROW {
  static const auto next =
      reinterpret_cast<int (*)(int, const char*, int, unsigned, struct statx*)>(
          ::dlsym(RTLD_NEXT, "statx"));
  return static_cast<int>(
      Pass(OnPath(CallKind::kStat, "statx", folder, path, flags),
           [&](const Call& call, size_t) { return next(folder, call.path, flags, mask, status); }));
}
int access(const char* path, int mode) __THROW {
  HELIOS_NEXT(access);
  return static_cast<int>(Pass(OnPath(CallKind::kStat, "access", AT_FDCWD, path),
                               [&](const Call& call, size_t) { return next(call.path, mode); }));
}
ssize_t readlinkat(int folder, const char* path, char* target, size_t size) __THROW {
  HELIOS_NEXT(readlinkat);
  return Pass(OnPath(CallKind::kStat, "readlinkat", folder, path),
              [&](const Call& call, size_t) { return next(folder, call.path, target, size); });
}
DIR* opendir(const char* path) {
  HELIOS_NEXT(opendir);
  return PassPointer<DIR>(OnPath(CallKind::kOpenFolder, "opendir", AT_FDCWD, path),
                          [&](const Call& call) { return next(call.path); });
}
dirent* readdir(DIR* folder) {
  HELIOS_NEXT(readdir);
  return PassPointer<dirent>(OnFile(CallKind::kListFolder, "readdir", ::dirfd(folder)),
                             [&](const Call&) { return next(folder); });
}
long syscall(long number, ...) __THROW {
  HELIOS_NEXT(syscall);
  va_list arguments;
  va_start(arguments, number);
  long a[6];
  for (long& argument : a) argument = va_arg(arguments, long);
  va_end(arguments);
  const auto make = [&](const Call&, size_t) {
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  };
  if (number != SYS_getdents64) return make({}, 0);
  return Pass(OnFile(CallKind::kListFolder, "getdents64", static_cast<int>(a[0])), make);
}

// --- The rest ------------------------------------------------------------------------------------

int flock(int fd, int operation) __THROW {
  HELIOS_NEXT(flock);
  return static_cast<int>(Pass(OnFile(CallKind::kLock, "flock", fd),
                               [&](const Call&, size_t) { return next(fd, operation); }));
}
int fchmod(int fd, mode_t mode) __THROW {
  HELIOS_NEXT(fchmod);
  return static_cast<int>(Pass(OnFile(CallKind::kSetAttributes, "fchmod", fd),
                               [&](const Call&, size_t) { return next(fd, mode); }));
}
int futimens(int fd, const timespec times[2]) __THROW {
  HELIOS_NEXT(futimens);
  return static_cast<int>(Pass(OnFile(CallKind::kSetAttributes, "futimens", fd),
                               [&](const Call&, size_t) { return next(fd, times); }));
}
int utimensat(int folder, const char* path, const timespec times[2], int flags) __THROW {
  HELIOS_NEXT(utimensat);
  return static_cast<int>(
      Pass(OnPath(CallKind::kSetAttributes, "utimensat", folder, path, flags),
           [&](const Call& call, size_t) { return next(folder, call.path, times, flags); }));
}
ssize_t fgetxattr(int fd, const char* name, void* value, size_t size) __THROW {
  HELIOS_NEXT(fgetxattr);
  return Pass(OnFile(CallKind::kGetXattr, "fgetxattr", fd),
              [&](const Call&, size_t) { return next(fd, name, value, size); });
}
ssize_t flistxattr(int fd, char* list, size_t size) __THROW {
  HELIOS_NEXT(flistxattr);
  return Pass(OnFile(CallKind::kGetXattr, "flistxattr", fd),
              [&](const Call&, size_t) { return next(fd, list, size); });
}
int fsetxattr(int fd, const char* name, const void* value, size_t size, int flags) __THROW {
  HELIOS_NEXT(fsetxattr);
  return static_cast<int>(
      Pass(OnFile(CallKind::kSetXattr, "fsetxattr", fd),
           [&](const Call&, size_t) { return next(fd, name, value, size, flags); }));
}

}  // extern "C"

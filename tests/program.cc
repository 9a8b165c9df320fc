#include "program.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace helios {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kNobody = 65534;

// What helps here fails the test by an exception: there is nothing sensible to go on with.
[[noreturn]] void Throw(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class OwnFd {
 public:
  explicit OwnFd(int fd) : fd_(fd) {}
  OwnFd(OwnFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~OwnFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  OwnFd(const OwnFd&) = delete;
  OwnFd& operator=(const OwnFd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

OwnFd OpenFolderAt(int parent, const std::string& name) {
  OwnFd fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0) Throw("open folder " + name);
  return fd;
}

std::vector<std::string> NamesIn(int folder) {
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) Throw("list a folder");
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(copy), ::closedir);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Moves what is deep up to `top` instead of going down: no depth is too much.
void EmptyFolder(int top) {
  uint64_t next = 0;
  std::vector<std::string> names = NamesIn(top);
  while (!names.empty()) {
    for (const std::string& name : names) {
      if (::unlinkat(top, name.c_str(), 0) == 0) continue;
      (void)::fchmodat(top, name.c_str(), 0700, 0);  // opening says if this was in vain
      const OwnFd folder = OpenFolderAt(top, name);
      for (const std::string& below : NamesIn(folder.get())) {
        if (::unlinkat(folder.get(), below.c_str(), 0) == 0) continue;
        (void)::fchmodat(folder.get(), below.c_str(), 0700, 0);
        if (::unlinkat(folder.get(), below.c_str(), AT_REMOVEDIR) == 0) continue;
        std::string free_name;
        do {
          free_name = ".moved-" + std::to_string(next++);
        } while (::faccessat(top, free_name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0);
        if (::renameat(folder.get(), below.c_str(), top, free_name.c_str()) != 0) {
          Throw("move " + below);
        }
      }
      if (::unlinkat(top, name.c_str(), AT_REMOVEDIR) != 0) Throw("remove " + name);
    }
    names = NamesIn(top);
  }
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Throw("read");
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

void WriteAllTo(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) Throw("write");
    content.remove_prefix(static_cast<size_t>(n));
  }
}

OwnFd MemoryFile(std::string_view content) {
  OwnFd fd(::memfd_create("test", MFD_CLOEXEC));
  if (fd.get() < 0) Throw("memfd_create");
  WriteAllTo(fd.get(), content);
  (void)::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::string FindProgram(const std::string& program) {
  if (program.find('/') != program.npos) return program;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, colon)) + "/" + program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(rest.size(), colon + 1));
  }
  return program;
}

// 0, or an errno. In the child of a fork: only system calls.
int EnterMountNamespace(const char* at, uid_t uid, gid_t gid) {
  if (uid == 0) {
    if (::unshare(CLONE_NEWNS) != 0) return errno;
  } else {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return errno;
    char text[64];
    const auto put = [&](const char* file, int length) {
      const int fd = ::open(file, O_WRONLY | O_CLOEXEC);
      if (fd < 0 || ::write(fd, text, static_cast<size_t>(length)) != length) return false;
      return ::close(fd) == 0;
    };
    std::strcpy(text, "deny");
    if (!put("/proc/self/setgroups", 4)) return errno;
    if (!put("/proc/self/uid_map", std::snprintf(text, sizeof(text), "%u %u 1", uid, uid))) {
      return errno;
    }
    if (!put("/proc/self/gid_map", std::snprintf(text, sizeof(text), "%u %u 1", gid, gid))) {
      return errno;
    }
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
  return ::mount("test", at, "tmpfs", 0, "size=1m") == 0 ? 0 : errno;
}

constexpr int kChildFailed = 120;  // no exit code of Helios

[[noreturn]] void RunChild(int program, const RunOptions& options, const int streams[3],
                           char** argv, char** envp) {
  const auto give_up = [](const char* what) {
    ::dprintf(STDERR_FILENO, "test child: %s: %s\n", what, std::strerror(errno));
    ::_exit(kChildFailed);
  };
  for (int i = 0; i < 3; ++i) {
    if (::dup2(streams[i], i) < 0) give_up("dup2");
  }
  if (!options.mount_at.empty()) {
    errno = EnterMountNamespace(options.mount_at.c_str(), ::geteuid(), ::getegid());
    if (errno != 0) give_up("mount");
  }
  if (!options.cwd.empty() && ::chdir(options.cwd.c_str()) != 0) give_up("chdir");
  if (options.umask) ::umask(*options.umask);
  if (options.uid && ::geteuid() == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(*options.uid) != 0 ||
        ::setuid(*options.uid) != 0) {
      give_up("setuid");
    }
  }
  for (const auto& [resource, limit] : options.limits) {
    const rlimit both = {limit, limit};
    if (::setrlimit(static_cast<__rlimit_resource>(resource), &both) != 0) give_up("setrlimit");
  }
  // By descriptor: the user that it now is may not be able to reach the file.
  ::fexecve(program, argv, envp);
  give_up("exec");
  ::_exit(kChildFailed);
}

bool IsOneLine(const std::string& text) {
  return !text.empty() && text.find('\n') == text.size() - 1;
}

Json ParseLine(const std::string& text, const char* what) {
  EXPECT_TRUE(IsOneLine(text)) << what << " is not one line: " << text;
  const Json json = Json::parse(text, nullptr, false);
  EXPECT_TRUE(json.is_object()) << what << " is not a JSON object: " << text;
  return json.is_object() ? json : Json::object();
}

Xattrs ReadXattrs(int fd) {
  Xattrs xattrs;
  std::vector<char> names(65536);
  const ssize_t size = ::flistxattr(fd, names.data(), names.size());
  if (size < 0 && errno == ENOTSUP) return xattrs;
  if (size < 0) Throw("list extended attributes");
  for (const char* name = names.data(); name < names.data() + size; name += std::strlen(name) + 1) {
    std::string value(65536, '\0');
    const ssize_t n = ::fgetxattr(fd, name, value.data(), value.size());
    if (n < 0) Throw(std::string("read extended attribute ") + name);
    value.resize(static_cast<size_t>(n));
    if (std::string_view(name).starts_with("user.")) xattrs[name] = value;
  }
  return xattrs;
}

using InodeKey = std::pair<uint64_t, uint64_t>;
InodeKey KeyOf(const struct stat& status) { return {status.st_dev, status.st_ino}; }
using PathsOfFiles = std::map<InodeKey, std::vector<std::string>>;

void ReadInto(int folder, const std::string& prefix, const std::vector<std::string>& skip,
              TreeState* tree, PathsOfFiles* files) {
  for (const std::string& name : NamesIn(folder)) {
    if (std::find(skip.begin(), skip.end(), name) != skip.end()) continue;
    const std::string path = prefix.empty() ? name : prefix + "/" + name;
    struct stat status;
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) Throw("stat " + path);
    Node node;
    node.mode = status.st_mode & 07777;
    node.mtime_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) (*files)[KeyOf(status)].push_back(path);
    if (S_ISREG(status.st_mode)) {
      node.type = '-';
      const OwnFd fd(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
      node.content = fd.get() < 0 ? "<unreadable>" : ReadAll(fd.get());
      if (fd.get() >= 0) node.xattrs = ReadXattrs(fd.get());
    } else if (S_ISLNK(status.st_mode)) {
      node.type = 'l';
      char target[5000];
      const ssize_t n = ::readlinkat(folder, name.c_str(), target, sizeof(target));
      if (n < 0) Throw("readlink " + path);
      node.content.assign(target, static_cast<size_t>(n));
    } else if (S_ISDIR(status.st_mode)) {
      node.type = 'd';
      const OwnFd below = OpenFolderAt(folder, name);
      node.xattrs = ReadXattrs(below.get());
      (*tree)[path] = node;
      ReadInto(below.get(), path, {}, tree, files);
      continue;
    }
    (*tree)[path] = std::move(node);
  }
}

std::string Describe(const Node& node) {
  char text[64];
  std::snprintf(text, sizeof(text), "%c%04o %lld ", node.type, node.mode,
                static_cast<long long>(node.mtime_ns));
  std::string line = text + std::to_string(node.content.size()) + " bytes";
  if (node.content.size() <= 40) line += " \"" + node.content + "\"";
  if (!node.first_link.empty()) line += ", linked to \"" + node.first_link + "\"";
  for (const auto& [name, value] : node.xattrs) {
    line += ", " + name + "=" + (value.size() <= 40 ? value : std::to_string(value.size()));
  }
  return line;
}

bool Same(const Node& a, const Node& b, Compare compare) {
  if (compare == Compare::kEverything) return a == b;
  const bool both_files = a.type == '-' && b.type == '-';
  return a.type == b.type && a.content == b.content &&
         (!both_files || (a.mode & 0100) == (b.mode & 0100));
}

}  // namespace

// --- Temporary folders ---------------------------------------------------------------------------

TemporaryFolder::TemporaryFolder(const std::string& parent) {
  const std::string real_parent =
      fs::canonical(parent.empty() ? fs::temp_directory_path() : fs::path(parent)).string();
  // Helios looks for a store upwards: one up there would be found by tests that want none.
  for (fs::path above = real_parent;; above = above.parent_path()) {
    if (fs::exists(fs::symlink_status(above / ".helios"))) {
      throw std::runtime_error("remove " + (above / ".helios").string() +
                               ": it disturbs the tests");
    }
    if (above == above.parent_path()) break;
  }
  path_ = real_parent + "/helios-test-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) Throw("mkdtemp " + path_);
  SetMode(path_, 0755);
}

TemporaryFolder::~TemporaryFolder() {
  try {
    EmptyFolder(OpenFolderAt(AT_FDCWD, path_).get());
    if (::rmdir(path_.c_str()) != 0) Throw("remove " + path_);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "the temporary folder stays behind: " << error.what();
  }
}

// --- Programs ------------------------------------------------------------------------------------

std::string TestedBackend() {
  const char* backend = std::getenv("HELIOS_TEST_BACKEND");
  return backend == nullptr ? "pack" : backend;
}

bool TestsPacks() { return TestedBackend() == "pack"; }

std::vector<char*> PointersTo(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentOf(const RunOptions& options) {
  std::map<std::string, std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    const bool kept = name == "PATH" || name == "HOME" || name == "TMPDIR" ||
                      name.ends_with("SAN_OPTIONS") || name.starts_with("GCOV_") ||
                      name.starts_with("LLVM_PROFILE") || name.starts_with("CCACHE_");
    if (kept && equals != text.npos) merged[std::string(name)] = text.substr(equals + 1);
  }
  if (!TestsPacks()) merged["HELIOS_BACKEND"] = TestedBackend();
  for (const auto& [name, value] : options.env) merged[name] = value;
  std::vector<std::string> list;
  for (const auto& [name, value] : merged) list.push_back(name + "=" + value);
  return list;
}

Json RunResult::Object() const { return ParseLine(out, "standard output"); }

Json RunResult::ErrorObject() const {
  // Warnings may come before it.
  const size_t start = err.rfind("{\"error\"");
  const Json json = ParseLine(start == err.npos ? err : err.substr(start), "the error");
  EXPECT_TRUE(json.contains("error")) << err;
  if (!json.contains("error")) return {{"code", ""}, {"message", ""}};
  EXPECT_TRUE(json["error"]["code"].is_string()) << err;
  EXPECT_TRUE(json["error"]["message"].is_string()) << err;
  return json["error"];
}

std::string RunResult::ErrorMessage() const { return ErrorObject()["message"]; }

std::ostream& operator<<(std::ostream& stream, const RunResult& result) {
  return stream << "exit " << result.exit_code << (result.by_signal ? " (signal)" : "")
                << "\nstdout: " << result.out << "\nstderr: " << result.err;
}

RunResult RunProgram(const std::string& program, const std::vector<std::string>& args,
                     const RunOptions& options) {
  const OwnFd binary(::open(FindProgram(program).c_str(), O_RDONLY | O_CLOEXEC));
  if (binary.get() < 0) Throw("open " + program);
  const OwnFd in = MemoryFile(options.input);
  const OwnFd out = MemoryFile("");
  const OwnFd err = MemoryFile("");
  const int streams[3] = {in.get(), out.get(), err.get()};
  std::vector<std::string> arguments{program.substr(program.rfind('/') + 1)};
  arguments.insert(arguments.end(), args.begin(), args.end());
  std::vector<std::string> environment = EnvironmentOf(options);
  std::vector<char*> argv = PointersTo(arguments);
  std::vector<char*> envp = PointersTo(environment);
  const pid_t child = ::fork();
  if (child < 0) Throw("fork");
  if (child == 0) RunChild(binary.get(), options, streams, argv.data(), envp.data());
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0) {
    if (errno != EINTR) Throw("wait4");
  }
  RunResult result;
  result.peak_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  result.by_signal = WIFSIGNALED(status);
  result.exit_code = result.by_signal ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  (void)::lseek(out.get(), 0, SEEK_SET);
  (void)::lseek(err.get(), 0, SEEK_SET);
  result.out = ReadAll(out.get());
  result.err = ReadAll(err.get());
  if (result.exit_code == kChildFailed) {
    throw std::runtime_error("cannot run " + program + ": " + result.err);
  }
  return result;
}

RunResult RunHelios(const std::vector<std::string>& args, const RunOptions& options) {
  return RunProgram(HELIOS_BINARY, args, options);
}

// Preloaded: stands between Helios and the C library.
constexpr char kPreloadSource[] = R"(
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static atomic_llong written, made;
static atomic_llong ticks;

static int Counts(int fd, const char* path) {
  const char* below = getenv("TEST_BELOW");
  char link[64], full[8192];
  if (below == NULL) return 0;
  size_t length = 0;
  if (path == NULL || path[0] != '/') {
    if (fd == AT_FDCWD) snprintf(link, sizeof(link), "/proc/self/cwd");
    else snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, full, sizeof(full) - 1);
    if (n < 0) return 0;
    length = (size_t)n;
  } else {
    length = strlen(path) < sizeof(full) ? strlen(path) : sizeof(full) - 1;
    memcpy(full, path, length);
  }
  full[length] = 0;
  return strncmp(full, below, strlen(below)) == 0;
}

// How many of `size` bytes still fit; -1: none.
static ssize_t Fits(int fd, size_t size) {
  const char* limit = getenv("TEST_WRITE_BYTES");
  if (limit == NULL || size == 0 || !Counts(fd, NULL)) return (ssize_t)size;
  long long left = atoll(limit) - atomic_fetch_add(&written, (long long)size);
  if (left <= 0) return -1;
  return left < (long long)size ? (ssize_t)left : (ssize_t)size;
}

static int MayMake(int fd, const char* path) {
  const char* limit = getenv("TEST_NEW_FILES");
  if (limit == NULL || !Counts(fd, path)) return 1;
  return atomic_fetch_add(&made, 1) < atoll(limit);
}

#define NEXT(name) static __typeof__(name)* next; if (next == NULL) next = dlsym(RTLD_NEXT, #name)
#define NO_SPACE do { errno = ENOSPC; return -1; } while (0)

ssize_t write(int fd, const void* bytes, size_t size) {
  NEXT(write);
  ssize_t fits = Fits(fd, size);
  if (fits < 0) NO_SPACE;
  return next(fd, bytes, (size_t)fits);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  NEXT(pwrite);
  ssize_t fits = Fits(fd, size);
  if (fits < 0) NO_SPACE;
  return next(fd, bytes, (size_t)fits, at);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  NEXT(pwrite64);
  ssize_t fits = Fits(fd, size);
  if (fits < 0) NO_SPACE;
  return next(fd, bytes, (size_t)fits, at);
}
#define OPENAT(name)                                                 \
  int name(int fd, const char* path, int flags, ...) {               \
    NEXT(name);                                                      \
    mode_t mode = 0;                                                 \
    if (flags & O_CREAT) {                                           \
      va_list rest;                                                  \
      va_start(rest, flags);                                         \
      mode = va_arg(rest, mode_t);                                   \
      va_end(rest);                                                  \
      if (faccessat(fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&     \
          !MayMake(fd, path)) NO_SPACE;                              \
    }                                                                \
    return next(fd, path, flags, mode);                              \
  }
OPENAT(openat)
OPENAT(openat64)
int mkdirat(int fd, const char* path, mode_t mode) {
  NEXT(mkdirat);
  if (!MayMake(fd, path)) NO_SPACE;
  return next(fd, path, mode);
}
int mkdir(const char* path, mode_t mode) {
  NEXT(mkdir);
  if (!MayMake(AT_FDCWD, path)) NO_SPACE;
  return next(path, mode);
}
int symlinkat(const char* target, int fd, const char* path) {
  NEXT(symlinkat);
  if (!MayMake(fd, path)) NO_SPACE;
  return next(target, fd, path);
}
int linkat(int from_fd, const char* from, int fd, const char* path, int flags) {
  NEXT(linkat);
  static atomic_llong links;
  const char* limit = getenv("TEST_LINKS");
  if (limit != NULL && Counts(fd, path) && atomic_fetch_add(&links, 1) >= atoll(limit)) {
    errno = EMLINK;
    return -1;
  }
  return next(from_fd, from, fd, path, flags);
}
int fsetxattr(int fd, const char* name, const void* value, size_t size, int flags) {
  NEXT(fsetxattr);
  if (getenv("TEST_SET_XATTR") != NULL && Counts(fd, NULL)) {
    errno = atoi(getenv("TEST_SET_XATTR"));
    return -1;
  }
  return next(fd, name, value, size, flags);
}
ssize_t fgetxattr(int fd, const char* name, void* value, size_t size) {
  NEXT(fgetxattr);
  if (getenv("TEST_GET_XATTR") != NULL && Counts(fd, NULL)) {
    errno = atoi(getenv("TEST_GET_XATTR"));
    return -1;
  }
  return next(fd, name, value, size);
}
ssize_t flistxattr(int fd, char* names, size_t size) {
  NEXT(flistxattr);
  if (getenv("TEST_LIST_XATTRS") != NULL && Counts(fd, NULL)) {
    errno = atoi(getenv("TEST_LIST_XATTRS"));
    return -1;
  }
  return next(fd, names, size);
}
int clock_gettime(clockid_t clock, struct timespec* now) {
  NEXT(clock_gettime);
  int result = next(clock, now);
  const char* step = getenv("TEST_CLOCK_STEP");
  if (step != NULL && clock == CLOCK_MONOTONIC) {
    now->tv_sec += atoll(step) * atomic_fetch_add(&ticks, 1);
  }
  return result;
}
)";

const std::string& PreloadLibrary() {
  static const TemporaryFolder folder;
  static const std::string path = [] {
    const std::string source = folder.path() + "/preload.c";
    std::string library = folder.path() + "/preload.so";
    WriteFile(source, kPreloadSource);
    std::string compiler = "cc";
    for (const char* candidate : {"cc", "gcc", "clang"}) {
      if (FindProgram(candidate).find('/') == std::string::npos) continue;
      compiler = candidate;
      break;
    }
    const RunResult compiled =
        RunProgram(compiler, {"-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"});
    if (compiled.exit_code != 0) throw std::runtime_error("preload.c: " + compiled.err);
    return library;
  }();
  return path;
}

void Impose(const Limits& limits, RunOptions* options) {
  options->env["LD_PRELOAD"] = PreloadLibrary();
  const char* asan = std::getenv("ASAN_OPTIONS");
  options->env["ASAN_OPTIONS"] =
      std::string(asan == nullptr ? "" : asan) + ":verify_asan_link_order=0";
  options->env["TEST_BELOW"] = limits.below;
  if (limits.write_bytes) options->env["TEST_WRITE_BYTES"] = std::to_string(*limits.write_bytes);
  if (limits.new_files) options->env["TEST_NEW_FILES"] = std::to_string(*limits.new_files);
  if (limits.links) options->env["TEST_LINKS"] = std::to_string(*limits.links);
  const auto fail_with = [&](const char* variable, int os_error) {
    if (os_error != 0) options->env[variable] = std::to_string(os_error);
  };
  fail_with("TEST_SET_XATTR", limits.set_xattr_error);
  fail_with("TEST_GET_XATTR", limits.get_xattr_error);
  fail_with("TEST_LIST_XATTRS", limits.list_xattrs_error);
  if (limits.clock_step_seconds > 0) {
    options->env["TEST_CLOCK_STEP"] = std::to_string(limits.clock_step_seconds);
  }
}

bool CanMount() {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child < 0) Throw("fork");
  if (child == 0) {
    ::_exit(EnterMountNamespace(folder.path().c_str(), ::geteuid(), ::getegid()) == 0 ? 0 : 1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && status == 0;
}

std::optional<unsigned> Nobody() {
  if (::geteuid() != 0) return std::nullopt;
  return kNobody;
}

// --- Files ---------------------------------------------------------------------------------------

void MakeFolders(const std::string& path) { fs::create_directories(path); }

void WriteFile(const std::string& path, std::string_view content) {
  fs::create_directories(fs::path(path).parent_path());
  const OwnFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) Throw("write " + path);
  WriteAllTo(fd.get(), content);
}

std::string ReadFile(const std::string& path) {
  const OwnFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) Throw("read " + path);
  return ReadAll(fd.get());
}

void MakeLink(const std::string& target, const std::string& path) {
  fs::create_directories(fs::path(path).parent_path());
  if (::symlink(target.c_str(), path.c_str()) != 0) Throw("link " + path);
}

void MakeHardLink(const std::string& from, const std::string& to) {
  if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0) != 0) Throw("link " + to);
}

bool SetXattr(const std::string& path, const std::string& name, std::string_view value) {
  if (::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return true;
  if (errno == ENOTSUP || errno == ENOSPC || errno == EPERM) return false;
  Throw("set " + name + " of " + path);
}

uint64_t DiskBytesOf(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) Throw("stat " + path);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

void Rename(const std::string& from, const std::string& to) { fs::rename(from, to); }

void Remove(const std::string& path) {
  if (fs::remove_all(path) == 0) {
    errno = ENOENT;
    Throw("remove " + path);
  }
}

bool Exists(const std::string& path) { return fs::exists(fs::symlink_status(path)); }

void SetMode(const std::string& path, unsigned mode) {
  if (::chmod(path.c_str(), mode) != 0) Throw("chmod " + path);
}

void SetOwner(const std::string& path, unsigned uid) {
  if (::lchown(path.c_str(), uid, uid) != 0) Throw("chown " + path);
  if (!fs::is_directory(fs::symlink_status(path))) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    SetOwner(entry.path().string(), uid);
  }
}

void SetMtime(const std::string& path, int64_t seconds, int64_t nanoseconds) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanoseconds}};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    Throw("utimensat " + path);
  }
}

bool HasControlCharacters(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\n') || c == 0x7f) return true;
    // U+0080 to U+009F: terminals take U+009B for ESC [.
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      return true;
    }
  }
  return false;
}

uint64_t InodeOf(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) Throw("stat " + path);
  return status.st_ino;
}

uint64_t ChangeTimeOf(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) Throw("stat " + path);
  return static_cast<uint64_t>(status.st_ctim.tv_sec) * 1'000'000'000 +
         static_cast<uint64_t>(status.st_ctim.tv_nsec);
}

void CopyTree(const std::string& from, const std::string& to) {
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
}

std::vector<std::string> ListFolder(const std::string& path) {
  return NamesIn(OpenFolderAt(AT_FDCWD, path).get());
}

std::string RandomBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes;
  bytes.reserve(size + 8);
  while (bytes.size() < size) {
    const uint64_t word = random();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(size);
  return bytes;
}

// --- Trees ---------------------------------------------------------------------------------------

TreeState ReadTree(const std::string& folder, const std::vector<std::string>& skip) {
  TreeState tree;
  struct stat status;
  if (::lstat(folder.c_str(), &status) != 0) Throw("stat " + folder);
  Node root;
  root.type = 'd';
  root.mode = status.st_mode & 07777;
  root.mtime_ns = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec;
  const OwnFd fd = OpenFolderAt(AT_FDCWD, folder);
  root.xattrs = ReadXattrs(fd.get());
  tree[""] = root;
  PathsOfFiles files;
  ReadInto(fd.get(), "", skip, &tree, &files);
  for (auto& [inode, paths] : files) {
    if (paths.size() == 1) continue;
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) tree[path].first_link = paths.front();
  }
  return tree;
}

TreeState Without(TreeState tree, const std::function<bool(const std::string&)>& drop) {
  std::erase_if(tree, [&](const auto& item) { return drop(item.first); });
  return tree;
}

std::string Difference(const TreeState& expected, const TreeState& actual, Compare compare) {
  std::string text;
  for (const auto& [path, node] : expected) {
    const auto found = actual.find(path);
    if (found == actual.end()) {
      text += "missing \"" + path + "\": " + Describe(node) + "\n";
    } else if (!Same(node, found->second, compare)) {
      text += "differs \"" + path + "\": expected " + Describe(node) + ", is " +
              Describe(found->second) + "\n";
    }
  }
  for (const auto& [path, node] : actual) {
    if (expected.count(path) == 0) text += "surplus \"" + path + "\": " + Describe(node) + "\n";
  }
  return text;
}

// --- The fixture ---------------------------------------------------------------------------------

HeliosTest::HeliosTest() : work_(folder_.path() + "/work"), store_(folder_.path() + "/store") {
  MakeFolders(work_);
}

std::string HeliosTest::At(std::string_view relative) const {
  return folder_.path() + "/" + std::string(relative);
}

std::string HeliosTest::Work(std::string_view relative) const {
  return work_ + "/" + std::string(relative);
}

void HeliosTest::Write(std::string_view relative, std::string_view content) const {
  WriteFile(Work(relative), content);
}

RunOptions HeliosTest::Options() const {
  RunOptions options;
  options.env["HELIOS_STORE_DIR"] = store_;
  options.cwd = work_;
  return options;
}

RunResult HeliosTest::Run(const std::vector<std::string>& args) const {
  return RunHelios(args, Options());
}

RunResult HeliosTest::RunWell(const std::vector<std::string>& args) const {
  RunResult result = Run(args);
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(args) << " " << result;
  return result;
}

void HeliosTest::CommitUntilNothingIsRead(const std::vector<std::string>& commit) const {
  for (int i = 0; i < 100; ++i) {
    if (RunWell(commit).Object()["files_hashed"] == 0) return;
  }
  FAIL() << "files are read at every commit";
}

std::string HeliosTest::Commit() const {
  const Json json = RunWell({"commit"}).Object();
  return json.value("snapshot_id", "");
}

std::string HeliosTest::Materialize(const std::string& id, const std::vector<std::string>& more) {
  const std::string out = At("out-" + std::to_string(next_out_++));
  std::vector<std::string> args{"materialize", "--id", id, "--out", out};
  args.insert(args.end(), more.begin(), more.end());
  RunWell(args);
  return out;
}

void HeliosTest::ExpectGives(const std::string& id, const TreeState& expected) {
  EXPECT_EQ(Difference(expected, ReadTree(Materialize(id))), "");
}

std::vector<std::string> HeliosTest::ObjectFiles() const {
  if (TestsPacks()) return Packs();
  std::vector<std::string> files;
  for (const std::string& name : ListFolder(FolderOfObjects())) {
    const std::string kind = fs::path(name).extension();
    if (kind == ".log" || kind == ".sst" || kind == ".blob") {
      files.push_back(FolderOfObjects() + "/" + name);
    }
  }
  return files;
}

std::string HeliosTest::LargestObjectFile() const {
  const std::vector<std::string> files = ObjectFiles();
  return *std::max_element(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return fs::file_size(a) < fs::file_size(b);
  });
}

std::string HeliosTest::EssentialFile() const {
  return TestsPacks() ? Packs().front() : FolderOfObjects() + "/CURRENT";
}

void HeliosTest::FoldLogs() const {
  if (!TestsPacks()) RunWell({"optimize"});
}

std::vector<std::string> HeliosTest::Packs() const {
  std::vector<std::string> packs;
  for (const std::string& name : ListFolder(store_ + "/pack")) {
    if (name.ends_with(".pack")) packs.push_back(store_ + "/pack/" + name);
  }
  return packs;
}

}  // namespace helios

// What the floors share: errors, arguments, a stack of directories handed out to threads, directory
// reading, and the list that floor_commit writes and floor_materialize reads. Not part of Helios:
// a floor includes nothing of it, so that it measures the machine and not our own code.
#ifndef HELIOS_BENCH_FLOORS_COMMON_H_
#define HELIOS_BENCH_FLOORS_COMMON_H_

#include <blake3.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace floors {

// Larger files are read, compressed and written in pieces of this size, so that memory stays flat.
inline constexpr size_t kChunkBytes = size_t{4} << 20;
inline constexpr size_t kDirentBytes = size_t{64} << 10;
inline constexpr size_t kThreadsMax = 256;

[[noreturn]] inline void Exit(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::fflush(stderr);
  _exit(1);  // Other threads may be running: no destructors.
}

[[noreturn]] inline void FailErrno(std::string_view what, std::string_view path) {
  const int error = errno;
  Exit(std::string(what) + ": " + std::string(path) + ": " + std::strerror(error));
}

struct Arguments {
  size_t threads = 2;
  bool stored = false;
  std::vector<std::string> positional;
};

// Takes `count` positional arguments and the options --threads N and --stored.
inline Arguments ParseArguments(int argc, char** argv, size_t count, const std::string& usage) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--stored") {
      arguments.stored = true;
    } else if (argument == "--threads" && i + 1 < argc) {
      const std::string_view value = argv[++i];
      const auto [end, error] =
          std::from_chars(value.data(), value.data() + value.size(), arguments.threads);
      if (error != std::errc() || end != value.data() + value.size()) Exit(usage);
    } else if (argument.substr(0, 2) == "--") {
      Exit(usage);
    } else {
      arguments.positional.emplace_back(argument);
    }
  }
  if (arguments.positional.size() != count || arguments.threads < 1 ||
      arguments.threads > kThreadsMax) {
    Exit(usage);
  }
  return arguments;
}

// Directories that wait for a thread: last in, first out, so that the stack stays small. An item
// counts as unfinished until the thread that took it calls FinishAndPush.
template <typename T>
class WorkStack {
 public:
  explicit WorkStack(T root) { items_.push_back(std::move(root)); }

  // Waits for an item; false when all work is done.
  bool Pop(T& item) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !items_.empty() || unfinished_ == 0; });
    if (items_.empty()) return false;
    item = std::move(items_.back());
    items_.pop_back();
    return true;
  }

  // Ends the item that the caller took, and adds the subdirectories it found (emptying `found`).
  void FinishAndPush(std::vector<T>& found) {
    const std::lock_guard lock(mutex_);
    unfinished_ += found.size();
    unfinished_ -= 1;
    for (T& item : found) items_.push_back(std::move(item));
    if (unfinished_ == 0 || !found.empty()) changed_.notify_all();
    found.clear();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> items_;
  size_t unfinished_ = 1;
};

// Runs function(0) … function(count - 1), each in its own thread, and waits for all.
template <typename Function>
void RunThreads(size_t count, const Function& function) {
  std::vector<std::thread> threads;
  for (size_t i = 1; i < count; ++i) threads.emplace_back(function, i);
  function(0);
  for (std::thread& thread : threads) thread.join();
}

inline int OpenDirectory(int at, const std::string& path) {
  const int fd = openat(at, path.empty() ? "." : path.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) FailErrno("open", path);
  return fd;
}

inline int OpenRoot(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) FailErrno("open", path);
  return fd;
}

inline std::string JoinPath(const std::string& parent, const char* name) {
  return parent.empty() ? std::string(name) : parent + "/" + name;
}

// Calls visit(name, d_type) for every entry of the directory but "." and "..".
template <typename Visit>
void ForEachEntry(int fd, std::vector<char>& buffer, const Visit& visit) {
  buffer.resize(kDirentBytes);
  while (true) {
    const ssize_t length = getdents64(fd, buffer.data(), buffer.size());
    if (length < 0) FailErrno("getdents64", "a directory");
    if (length == 0) return;
    for (ssize_t at = 0; at < length;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      at += entry->d_reclen;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") visit(entry->d_name, entry->d_type);
    }
  }
}

inline void WriteAll(int fd, const char* data, size_t size, std::string_view path) {
  while (size > 0) {
    const ssize_t written = write(fd, data, size);
    if (written < 0) FailErrno("write", path);
    data += written;
    size -= static_cast<size_t>(written);
  }
}

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The list: a ListHeader, then one block per directory in any order. A block is a DirectoryRecord,
// its path below the root, and `entry_count` entries: an EntryRecord, the name with a NUL, for a
// symbolic link its target with a NUL, for a regular file the stored length (uint32_t) of each of
// its pieces. Bytes in the machine's own order and packed without padding between the parts.
inline constexpr char kListMagic[8] = {'F', 'L', 'O', 'O', 'R', 'S', '0', '1'};

struct ListHeader {
  char magic[8];
  uint32_t object_files;  // objects.0 … objects.<object_files - 1>
  uint32_t stored;        // 1: the pieces are not compressed
  uint64_t directories;
};

struct DirectoryRecord {
  uint64_t number;  // 0 is the root; a directory is numbered by the thread that found it
  uint64_t entry_count;
  int64_t mtime_seconds;
  uint32_t mtime_nanoseconds;
  uint32_t mode;
  uint32_t object_file;
  uint32_t path_length;
};

enum class EntryKind : uint32_t { kFile, kDirectory, kSymlink };

struct EntryRecord {
  EntryKind kind;
  uint32_t mode;
  uint32_t name_length;
  uint32_t target_length;
  int64_t mtime_seconds;
  uint32_t mtime_nanoseconds;
  uint32_t piece_count;
  uint64_t size;
  uint64_t place;  // a file's offset in its object file, or a subdirectory's number
  uint8_t hash[BLAKE3_OUT_LEN];
};

template <typename T>
void AppendRecord(std::string& list, const T& record) {
  list.append(reinterpret_cast<const char*>(&record), sizeof(record));
}

}  // namespace floors

#endif  // HELIOS_BENCH_FLOORS_COMMON_H_

// floor_commit: reads every regular file of a tree once, hashes it with BLAKE3, compresses it with
// zstd level 1 and appends it to one file per thread, with one fdatasync per thread at the end: the
// floor of a first commit. It also leaves OUTDIR/list (see common.h), which floor_materialize
// takes. Run: floor_commit TREE OUTDIR [--threads N] [--stored]     (OUTDIR must not exist yet)
#include <zstd.h>

#include <atomic>
#include <memory>

#include "common.h"

namespace floors {
namespace {

constexpr int kCompressionLevel = 1;
constexpr size_t kAppendBytes = size_t{1} << 20;

struct Directory {
  uint64_t number = 0;
  std::string path;
};

// One object file, written through a large buffer.
class Appender {
 public:
  Appender(int directory, std::string name)
      : name_(std::move(name)),
        fd_(openat(directory, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)),
        buffer_(kAppendBytes) {
    if (fd_ < 0) FailErrno("create", name_);
  }

  // A place for at most `bytes` bytes, of which Commit takes over what was used.
  char* Reserve(size_t bytes) {
    if (buffer_.size() - used_ < bytes) Flush();
    if (buffer_.size() < bytes) buffer_.resize(bytes);
    return buffer_.data() + used_;
  }
  void Commit(size_t bytes) {
    used_ += bytes;
    end_ += bytes;
  }

  void Append(const char* data, size_t bytes) {
    if (bytes < kAppendBytes) {
      std::memcpy(Reserve(bytes), data, bytes);
      Commit(bytes);
    } else {
      Flush();
      WriteAll(fd_, data, bytes, name_);
      end_ += bytes;
    }
  }

  void Finish() {
    Flush();
    if (fdatasync(fd_) != 0) FailErrno("fdatasync", name_);
    close(fd_);
  }

  uint64_t end() const { return end_; }

 private:
  void Flush() {
    WriteAll(fd_, buffer_.data(), used_, name_);
    used_ = 0;
  }

  const std::string name_;
  const int fd_;
  std::vector<char> buffer_;
  size_t used_ = 0;
  uint64_t end_ = 0;
};

struct Counts {
  uint64_t files = 0;
  uint64_t directories = 0;
  uint64_t symlinks = 0;
  uint64_t skipped = 0;
  uint64_t bytes = 0;
};

class alignas(64) Worker {
 public:
  Worker(int root, int out, uint32_t index, bool stored, WorkStack<Directory>& work,
         std::atomic<uint64_t>& next_number)
      : root_(root),
        index_(index),
        stored_(stored),
        work_(work),
        next_number_(next_number),
        objects_(out, "objects." + std::to_string(index)),
        context_(ZSTD_createCCtx()),
        input_(new char[kChunkBytes]) {}
  ~Worker() { ZSTD_freeCCtx(context_); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Run() {
    Directory directory;
    while (work_.Pop(directory)) {
      Read(directory);
      work_.FinishAndPush(found_);
    }
    objects_.Finish();
  }

  const Counts& counts() const { return counts_; }
  const std::string& list() const { return list_; }
  uint64_t stored_bytes() const { return objects_.end(); }

 private:
  void Read(const Directory& directory) {
    const int fd = OpenDirectory(root_, directory.path);
    struct stat info;
    if (fstat(fd, &info) != 0) FailErrno("fstat", directory.path);
    DirectoryRecord record = {};
    record.number = directory.number;
    record.mode = info.st_mode & 07777;
    record.mtime_seconds = info.st_mtim.tv_sec;
    record.mtime_nanoseconds = static_cast<uint32_t>(info.st_mtim.tv_nsec);
    record.object_file = index_;
    record.path_length = static_cast<uint32_t>(directory.path.size());
    const size_t start = list_.size();
    AppendRecord(list_, record);
    list_ += directory.path;
    ForEachEntry(fd, dirents_, [&](const char* name, unsigned char type) {
      if (TakeEntry(directory, fd, name, type)) ++record.entry_count;
    });
    std::memcpy(list_.data() + start, &record, sizeof(record));
    close(fd);
    ++counts_.directories;
  }

  // True when the entry is on the list now; sockets, fifos and devices are skipped.
  bool TakeEntry(const Directory& directory, int fd, const char* name, unsigned char type) {
    if (type == DT_UNKNOWN) type = TypeOf(directory, fd, name);
    if (type == DT_REG) {
      TakeFile(directory, fd, name);
    } else if (type == DT_DIR) {
      TakeDirectory(directory, name);
    } else if (type == DT_LNK) {
      TakeSymlink(directory, fd, name);
    } else {
      ++counts_.skipped;
      return false;
    }
    return true;
  }

  static unsigned char TypeOf(const Directory& directory, int fd, const char* name) {
    struct stat info;
    if (fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      FailErrno("fstatat", JoinPath(directory.path, name));
    }
    return static_cast<unsigned char>(IFTODT(info.st_mode));
  }

  void TakeFile(const Directory& directory, int at, const char* name) {
    const int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) FailErrno("open", JoinPath(directory.path, name));
    EntryRecord record = FromStat(EntryKind::kFile, info);
    record.name_length = static_cast<uint32_t>(std::strlen(name));
    record.size = static_cast<uint64_t>(info.st_size);
    record.place = objects_.end();
    const size_t start = list_.size();
    AppendRecord(list_, record);
    list_.append(name, record.name_length + 1);

    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    for (uint64_t left = record.size; left > 0; ++record.piece_count) {
      const size_t bytes = static_cast<size_t>(std::min<uint64_t>(left, kChunkBytes));
      ReadExactly(fd, bytes, directory, name);
      blake3_hasher_update(&hasher, input_.get(), bytes);
      AppendRecord(list_, AppendPiece(bytes));
      left -= bytes;
    }
    blake3_hasher_finalize(&hasher, record.hash, sizeof(record.hash));
    close(fd);
    std::memcpy(list_.data() + start, &record, sizeof(record));
    ++counts_.files;
    counts_.bytes += record.size;
  }

  static EntryRecord FromStat(EntryKind kind, const struct stat& info) {
    EntryRecord record = {};
    record.kind = kind;
    record.mode = info.st_mode & 07777;
    record.mtime_seconds = info.st_mtim.tv_sec;
    record.mtime_nanoseconds = static_cast<uint32_t>(info.st_mtim.tv_nsec);
    return record;
  }

  void ReadExactly(int fd, size_t bytes, const Directory& directory, const char* name) {
    for (size_t done = 0; done < bytes;) {
      const ssize_t length = read(fd, input_.get() + done, bytes - done);
      if (length < 0) FailErrno("read", JoinPath(directory.path, name));
      if (length == 0) Exit("read: " + JoinPath(directory.path, name) + ": shrank while read");
      done += static_cast<size_t>(length);
    }
  }

  // Appends the first `bytes` bytes of input_; the number of bytes it took in the object file.
  uint32_t AppendPiece(size_t bytes) {
    if (stored_) {
      objects_.Append(input_.get(), bytes);
      return static_cast<uint32_t>(bytes);
    }
    const size_t room = ZSTD_compressBound(bytes);
    const size_t length = ZSTD_compressCCtx(context_, objects_.Reserve(room), room, input_.get(),
                                            bytes, kCompressionLevel);
    if (ZSTD_isError(length)) Exit(std::string("zstd: ") + ZSTD_getErrorName(length));
    objects_.Commit(length);
    return static_cast<uint32_t>(length);
  }

  // The subdirectory's own mode and time stand in its own record.
  void TakeDirectory(const Directory& directory, const char* name) {
    EntryRecord record = {};
    record.kind = EntryKind::kDirectory;
    record.name_length = static_cast<uint32_t>(std::strlen(name));
    record.place = next_number_.fetch_add(1, std::memory_order_relaxed);
    AppendRecord(list_, record);
    list_.append(name, record.name_length + 1);
    found_.push_back({record.place, JoinPath(directory.path, name)});
  }

  void TakeSymlink(const Directory& directory, int fd, const char* name) {
    char target[4096];
    struct stat info;
    const ssize_t length = readlinkat(fd, name, target, sizeof(target));
    if (length < 0 || fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
      FailErrno("readlink", JoinPath(directory.path, name));
    }
    EntryRecord record = FromStat(EntryKind::kSymlink, info);
    record.name_length = static_cast<uint32_t>(std::strlen(name));
    record.target_length = static_cast<uint32_t>(length);
    AppendRecord(list_, record);
    list_.append(name, record.name_length + 1);
    list_.append(target, record.target_length);
    list_ += '\0';
    ++counts_.symlinks;
  }

  const int root_;
  const uint32_t index_;
  const bool stored_;
  WorkStack<Directory>& work_;
  std::atomic<uint64_t>& next_number_;
  Appender objects_;
  ZSTD_CCtx* const context_;
  const std::unique_ptr<char[]>
      input_;  // Not set to zero: pages that no file needs stay untouched.
  std::vector<char> dirents_;
  std::vector<Directory> found_;
  std::string list_;
  Counts counts_;
};

using Workers = std::vector<std::unique_ptr<Worker>>;

void WriteList(int out, const Workers& workers, bool stored, uint64_t directories) {
  ListHeader header = {};
  std::memcpy(header.magic, kListMagic, sizeof(kListMagic));
  header.object_files = static_cast<uint32_t>(workers.size());
  header.stored = stored ? 1 : 0;
  header.directories = directories;
  const int fd = openat(out, "list", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) FailErrno("create", "list");
  WriteAll(fd, reinterpret_cast<const char*>(&header), sizeof(header), "list");
  for (const auto& worker : workers) {
    WriteAll(fd, worker->list().data(), worker->list().size(), "list");
  }
  close(fd);
}

void Print(const Workers& workers, double seconds) {
  Counts sum;
  uint64_t stored_bytes = 0;
  for (const auto& worker : workers) {
    sum.files += worker->counts().files;
    sum.directories += worker->counts().directories;
    sum.symlinks += worker->counts().symlinks;
    sum.skipped += worker->counts().skipped;
    sum.bytes += worker->counts().bytes;
    stored_bytes += worker->stored_bytes();
  }
  std::printf(
      "files %ju directories %ju symlinks %ju skipped %ju bytes %ju stored_bytes %ju "
      "seconds %.3f\n",
      uintmax_t{sum.files}, uintmax_t{sum.directories}, uintmax_t{sum.symlinks},
      uintmax_t{sum.skipped}, uintmax_t{sum.bytes}, uintmax_t{stored_bytes}, seconds);
}

int Main(int argc, char** argv) {
  const Arguments arguments =
      ParseArguments(argc, argv, 2, "usage: floor_commit TREE OUTDIR [--threads N] [--stored]");
  const Stopwatch stopwatch;
  const int root = OpenRoot(arguments.positional[0]);
  const std::string& out_path = arguments.positional[1];
  if (mkdir(out_path.c_str(), 0755) != 0) FailErrno("mkdir", out_path);
  const int out = OpenRoot(out_path);
  WorkStack<Directory> work{Directory()};
  std::atomic<uint64_t> next_number = 1;
  Workers workers;
  for (uint32_t i = 0; i < arguments.threads; ++i) {
    workers.push_back(std::make_unique<Worker>(root, out, i, arguments.stored, work, next_number));
  }
  RunThreads(arguments.threads, [&](size_t i) { workers[i]->Run(); });
  const double seconds = stopwatch.Seconds();
  WriteList(out, workers, arguments.stored, next_number);
  Print(workers, seconds);
  return 0;
}

}  // namespace
}  // namespace floors

int main(int argc, char** argv) { return floors::Main(argc, argv); }

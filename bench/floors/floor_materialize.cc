// floor_materialize: writes the tree that floor_commit stored: reads and decompresses every object,
// compares its BLAKE3 hash with the listed one, and creates every file, symbolic link and directory
// with its mode and time, relative to directory descriptors, without syncing: the floor of
// `helios materialize`.
// Run: floor_materialize OBJDIR OUTTREE [--threads N]    (OUTTREE must not exist yet)
#include <zstd.h>

#include <memory>

#include "common.h"

namespace floors {
namespace {

// What directories are created with; another mode is set at the end, as it may forbid writing. The
// time is set at the end too: filling the subdirectories afterwards does not change it.
constexpr mode_t kDirectoryMode = 0755;

timespec TimeOf(int64_t seconds, uint32_t nanoseconds) {
  timespec time = {};
  time.tv_sec = static_cast<time_t>(seconds);
  time.tv_nsec = static_cast<long>(nanoseconds);
  return time;
}

// Walks over bytes of the list; every step is checked against its end.
class Cursor {
 public:
  Cursor(const std::string& list, size_t at) : list_(list), at_(at) {}

  template <typename T>
  T Take() {
    T value;
    std::memcpy(&value, Skip(sizeof(value)), sizeof(value));
    return value;
  }
  const char* Skip(size_t bytes) {
    if (list_.size() - at_ < bytes) Exit("list: cut short");
    at_ += bytes;
    return list_.data() + at_ - bytes;
  }
  const char* TakeString(size_t length) {
    const char* text = Skip(length + 1);
    if (text[length] != '\0') Exit("list: damaged");
    return text;
  }
  size_t at() const { return at_; }

 private:
  const std::string& list_;
  size_t at_;
};

struct List {
  std::string bytes;
  ListHeader header = {};
  std::vector<size_t> places;  // of every directory's record, by number
};

void SkipEntries(Cursor& cursor, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const auto entry = cursor.Take<EntryRecord>();
    cursor.Skip(size_t{entry.name_length} + 1);
    if (entry.kind == EntryKind::kSymlink) cursor.Skip(size_t{entry.target_length} + 1);
    cursor.Skip(entry.piece_count * sizeof(uint32_t));
  }
}

List LoadList(int objects) {
  const int fd = openat(objects, "list", O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) FailErrno("open", "list");
  List list;
  list.bytes.resize(static_cast<size_t>(info.st_size));
  for (size_t done = 0; done < list.bytes.size();) {
    const ssize_t length = read(fd, list.bytes.data() + done, list.bytes.size() - done);
    if (length < 0) FailErrno("read", "list");
    if (length == 0) Exit("list: cut short");
    done += static_cast<size_t>(length);
  }
  close(fd);
  Cursor cursor(list.bytes, 0);
  list.header = cursor.Take<ListHeader>();
  if (std::memcmp(list.header.magic, kListMagic, sizeof(kListMagic)) != 0) Exit("list: not one");
  if (list.header.directories > list.bytes.size()) Exit("list: damaged");
  list.places.resize(list.header.directories);
  while (cursor.at() < list.bytes.size()) {
    const size_t place = cursor.at();
    const auto record = cursor.Take<DirectoryRecord>();
    cursor.Skip(record.path_length);
    SkipEntries(cursor, record.entry_count);
    if (record.number >= list.places.size()) Exit("list: damaged");
    list.places[record.number] = place;
  }
  return list;
}

class alignas(64) Worker {
 public:
  Worker(const List& list, const std::vector<int>& objects, int root, WorkStack<uint64_t>& work)
      : list_(list),
        objects_(objects),
        root_(root),
        work_(work),
        context_(ZSTD_createDCtx()),
        stored_(new char[kStoredBytes]),
        content_(new char[kChunkBytes]) {}
  ~Worker() { ZSTD_freeDCtx(context_); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Run() {
    uint64_t number = 0;
    while (work_.Pop(number)) {
      FillDirectory(number);
      work_.FinishAndPush(found_);
    }
  }

  uint64_t files() const { return files_; }
  uint64_t bytes() const { return bytes_; }

 private:
  static constexpr size_t kStoredBytes = ZSTD_COMPRESSBOUND(kChunkBytes);

  void FillDirectory(uint64_t number) {
    if (number >= list_.places.size()) Exit("list: damaged");
    Cursor cursor(list_.bytes, list_.places[number]);
    const auto record = cursor.Take<DirectoryRecord>();
    const std::string path(cursor.Skip(record.path_length), record.path_length);
    if (record.object_file >= objects_.size()) Exit("list: damaged");
    const int fd = OpenDirectory(root_, path);
    for (uint64_t i = 0; i < record.entry_count; ++i) {
      const auto entry = cursor.Take<EntryRecord>();
      const char* name = cursor.TakeString(entry.name_length);
      if (entry.kind == EntryKind::kFile) {
        CreateFile(fd, entry, name, objects_[record.object_file], cursor);
      } else if (entry.kind == EntryKind::kDirectory) {
        CreateDirectory(fd, entry, name);
      } else {
        CreateSymlink(fd, entry, name, cursor.TakeString(entry.target_length));
      }
    }
    const timespec time = TimeOf(record.mtime_seconds, record.mtime_nanoseconds);
    const timespec times[2] = {time, time};
    const bool wrong_mode = record.mode != kDirectoryMode;
    if ((wrong_mode && fchmod(fd, record.mode) != 0) || futimens(fd, times) != 0) {
      FailErrno("set mode and time", path);
    }
    close(fd);
  }

  void CreateFile(int at, const EntryRecord& entry, const char* name, int object, Cursor& pieces) {
    const int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                          static_cast<mode_t>(entry.mode));
    if (fd < 0) FailErrno("create", name);
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    uint64_t place = entry.place;
    uint64_t left = entry.size;
    for (uint32_t i = 0; i < entry.piece_count; ++i) {
      const auto stored_length = pieces.Take<uint32_t>();
      const size_t length = static_cast<size_t>(std::min<uint64_t>(left, kChunkBytes));
      const char* content = Load(object, place, stored_length, length, name);
      blake3_hasher_update(&hasher, content, length);
      WriteAll(fd, content, length, name);
      place += stored_length;
      left -= length;
    }
    uint8_t hash[BLAKE3_OUT_LEN];
    blake3_hasher_finalize(&hasher, hash, sizeof(hash));
    if (std::memcmp(hash, entry.hash, sizeof(hash)) != 0) Exit(std::string("wrong hash: ") + name);
    const timespec time = TimeOf(entry.mtime_seconds, entry.mtime_nanoseconds);
    const timespec times[2] = {time, time};
    if (futimens(fd, times) != 0) FailErrno("futimens", name);
    close(fd);
    ++files_;
    bytes_ += entry.size;
  }

  // The piece's content, in one of our buffers.
  const char* Load(int object, uint64_t place, size_t stored_length, size_t length,
                   const char* name) {
    if (stored_length > kStoredBytes) Exit("list: damaged");
    for (size_t done = 0; done < stored_length;) {
      const ssize_t count = pread(object, stored_.get() + done, stored_length - done,
                                  static_cast<off_t>(place + done));
      if (count < 0) FailErrno("pread", name);
      if (count == 0) Exit(std::string("object cut short: ") + name);
      done += static_cast<size_t>(count);
    }
    if (list_.header.stored != 0) {
      if (stored_length != length) Exit("list: damaged");
      return stored_.get();
    }
    const size_t result =
        ZSTD_decompressDCtx(context_, content_.get(), kChunkBytes, stored_.get(), stored_length);
    if (ZSTD_isError(result) || result != length) Exit(std::string("wrong object: ") + name);
    return content_.get();
  }

  void CreateDirectory(int at, const EntryRecord& entry, const char* name) {
    if (mkdirat(at, name, kDirectoryMode) != 0) FailErrno("mkdir", name);
    found_.push_back(entry.place);
  }

  static void CreateSymlink(int at, const EntryRecord& entry, const char* name,
                            const char* target) {
    const timespec time = TimeOf(entry.mtime_seconds, entry.mtime_nanoseconds);
    const timespec times[2] = {time, time};
    if (symlinkat(target, at, name) != 0 || utimensat(at, name, times, AT_SYMLINK_NOFOLLOW) != 0) {
      FailErrno("symlink", name);
    }
  }

  const List& list_;
  const std::vector<int>& objects_;
  const int root_;
  WorkStack<uint64_t>& work_;
  ZSTD_DCtx* const context_;
  const std::unique_ptr<char[]> stored_;
  const std::unique_ptr<char[]> content_;
  std::vector<uint64_t> found_;
  uint64_t files_ = 0;
  uint64_t bytes_ = 0;
};

int Main(int argc, char** argv) {
  const Arguments arguments =
      ParseArguments(argc, argv, 2, "usage: floor_materialize OBJDIR OUTTREE [--threads N]");
  const Stopwatch stopwatch;
  const int objects_directory = OpenRoot(arguments.positional[0]);
  const List list = LoadList(objects_directory);
  std::vector<int> objects;
  for (uint32_t i = 0; i < list.header.object_files; ++i) {
    const std::string name = "objects." + std::to_string(i);
    objects.push_back(openat(objects_directory, name.c_str(), O_RDONLY | O_CLOEXEC));
    if (objects.back() < 0) FailErrno("open", name);
  }
  const double loaded = stopwatch.Seconds();

  umask(0);  // The modes are the listed ones.
  const std::string& out_path = arguments.positional[1];
  if (mkdir(out_path.c_str(), kDirectoryMode) != 0) FailErrno("mkdir", out_path);
  WorkStack<uint64_t> work{uint64_t{0}};
  const int root = OpenRoot(out_path);
  std::vector<std::unique_ptr<Worker>> workers;
  for (size_t i = 0; i < arguments.threads; ++i) {
    workers.push_back(std::make_unique<Worker>(list, objects, root, work));
  }
  RunThreads(arguments.threads, [&](size_t i) { workers[i]->Run(); });
  uint64_t files = 0;
  uint64_t bytes = 0;
  for (const auto& worker : workers) {
    files += worker->files();
    bytes += worker->bytes();
  }
  std::printf("files %ju directories %ju bytes %ju seconds %.3f (loading the list %.3f)\n",
              uintmax_t{files}, uintmax_t{list.header.directories}, uintmax_t{bytes},
              stopwatch.Seconds(), loaded);
  return 0;
}

}  // namespace
}  // namespace floors

int main(int argc, char** argv) { return floors::Main(argc, argv); }

#include "worktree/file_writer.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/durable_file.h"

namespace helios {
namespace {

// The umask can be read without being changed only here; where it cannot, assuming that it takes
// everything away costs one more call per file.
unsigned ReadUmask() {
  const Result<Fd> fd = OpenAt(AT_FDCWD, "/proc/self/status", O_RDONLY);
  if (!fd) return 0777;
  char text[512];
  const ssize_t n = ::read(fd->get(), text, sizeof(text) - 1);
  if (n <= 0) return 0777;
  text[n] = '\0';
  const char* line = std::strstr(text, "Umask:");
  return line == nullptr ? 0777 : static_cast<unsigned>(std::strtoul(line + 6, nullptr, 8));
}

// setuid, setgid and sticky are never given; the tree decides whether the owner may execute.
unsigned FileMode(const TreeEntry& entry, const FileAttributes& attributes) {
  const unsigned mode = attributes.mode & 0777u & ~static_cast<unsigned>(S_IXUSR);
  return entry.kind == EntryKind::kExecutable ? mode | S_IXUSR : mode;
}

// Of what no attributes are known; the umask applies.
unsigned DefaultMode(const TreeEntry& entry) {
  return entry.kind == EntryKind::kExecutable ? 0777 : 0666;
}

struct ModificationTime {
  timespec times[2];
  explicit ModificationTime(const Timestamp& mtime) {
    times[0] = {0, UTIME_OMIT};
    times[1] = {static_cast<time_t>(mtime.seconds), static_cast<long>(mtime.nanoseconds)};
  }
};

}  // namespace

FileWriter::FileWriter(ObjectStore* store) : store_(store), umask_(ReadUmask()) {}

Result<FileWriter::Outcome> FileWriter::Create(int folder, const TreeEntry& entry,
                                               const std::optional<FileAttributes>& attributes,
                                               ByteView content) const {
  return CreateAs(folder, entry.name, entry, attributes, content);
}

Result<FileWriter::Outcome> FileWriter::CreateAs(int folder, const std::string& name,
                                                 const TreeEntry& entry,
                                                 const std::optional<FileAttributes>& attributes,
                                                 ByteView content) const {
  if (entry.kind == EntryKind::kSymlink) return CreateSymlink(folder, name, entry, attributes);
  return CreateFile(folder, name, entry, attributes, content, -1);
}

Result<FileWriter::Outcome> FileWriter::CreateFile(int folder, const std::string& name,
                                                   const TreeEntry& entry,
                                                   const std::optional<FileAttributes>& attributes,
                                                   ByteView content, int clone_of) const {
  const unsigned mode = attributes ? FileMode(entry, *attributes) : DefaultMode(entry);
  const int raw =
      ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (raw < 0) {
    if (errno == EEXIST) return Outcome::kExists;
    return Error::FromErrno(errno, "create", name);
  }
  const Fd fd(raw);
  auto fill = [&]() -> Result<void> {
    if (clone_of >= 0) {
      if (::ioctl(raw, FICLONE, clone_of) != 0) return Error::FromErrno(errno, "clone", name);
    } else if (entry.HasManifest()) {
      HELIOS_TRY(WriteLargeContent(raw, entry));
    } else {
      HELIOS_TRY(WriteAll(raw, content, name));
    }
    return attributes ? SetNewAttributes(raw, name, mode, *attributes)
                      : KeepExecutable(raw, name, entry);
  };
  if (Result<void> filled = fill(); !filled) {
    ::unlinkat(folder, name.c_str(), 0);  // the error that is returned tells what happened
    return std::move(filled).error();
  }
  return Outcome::kDone;
}

Result<void> FileWriter::SetNewAttributes(int fd, const std::string& name, unsigned mode,
                                          const FileAttributes& attributes) const {
  if ((mode & umask_) != 0 && ::fchmod(fd, mode) != 0) {
    return Error::FromErrno(errno, "set the mode of", name);
  }
  if (::futimens(fd, ModificationTime(attributes.mtime).times) != 0) {
    return Error::FromErrno(errno, "set the time of", name);
  }
  return {};
}

// Whatever the umask takes away, the tree decides whether the owner may execute a file.
Result<void> FileWriter::KeepExecutable(int fd, const std::string& name,
                                        const TreeEntry& entry) const {
  if (entry.kind != EntryKind::kExecutable || (umask_ & S_IXUSR) == 0) return {};
  const StatusOrErrno made = StatusOf(fd);
  if (made.os_error != 0) return Error::FromErrno(made.os_error, "stat", name);
  if (::fchmod(fd, (made.status.mode & 0777u) | S_IXUSR) != 0) {
    return Error::FromErrno(errno, "set the mode of", name);
  }
  return {};
}

Result<void> FileWriter::WriteLargeContent(int fd, const TreeEntry& entry) const {
  ContentVerifier verifier(entry.manifest);
  const auto write_chunk = [&](const BlobId& id, uint64_t length) -> Result<void> {
    const ObjectKey key(id);
    return store_->GetMany({&key, 1}, [&](size_t, std::optional<ByteView> bytes) -> Result<void> {
      if (!bytes) return MissingObject(key);
      HELIOS_TRY(verifier.Add(id, length, *bytes));
      return WriteAll(fd, *bytes, entry.name);
    });
  };
  HELIOS_TRY(TreeReader(store_).ForEachChunk(entry.manifest, write_chunk));
  return verifier.Finish(entry.size, entry.id);
}

Result<FileWriter::Outcome> FileWriter::CreateSymlink(
    int folder, const std::string& name, const TreeEntry& entry,
    const std::optional<FileAttributes>& attributes) const {
  if (::symlinkat(entry.target.c_str(), folder, name.c_str()) != 0) {
    if (errno == EEXIST) return Outcome::kExists;
    return Error::FromErrno(errno, "create symlink", name);
  }
  if (attributes && ::utimensat(folder, name.c_str(), ModificationTime(attributes->mtime).times,
                                AT_SYMLINK_NOFOLLOW) != 0) {
    return Error::FromErrno(errno, "set the time of", name);
  }
  return Outcome::kDone;
}

Result<void> FileWriter::Replace(int folder, const TreeEntry& entry,
                                 const std::optional<FileAttributes>& attributes, ByteView content,
                                 const std::optional<FileStatus>& seen) const {
  const std::string temporary = std::string(kNewFilePrefix) + RandomName();
  HELIOS_TRY(CreateAs(folder, temporary, entry, attributes, content));
  Result<void> exchanged = Exchange(folder, temporary, entry.name, seen);
  // Now the new file, where the exchange failed, or the old one.
  ::unlinkat(folder, temporary.c_str(), 0);
  return exchanged;
}

Result<bool> FileWriter::PlaceFromCache(FileCache& cache, int folder, const TreeEntry& entry,
                                        const std::optional<FileAttributes>& attributes) const {
  HELIOS_TRY_ASSIGN(const Fd cached, cache.OpenWhole(entry, attributes));
  if (!cached.IsOpen()) return false;
  Result<Outcome> placed = PlaceAs(cache, cached, folder, entry.name, entry, attributes);
  // As many links as it can have; or another thread found that, and has removed it.
  if (!placed && (placed.error().os_error() == EMLINK || placed.error().os_error() == ENOENT)) {
    return false;
  }
  if (!placed) return std::move(placed).error();
  if (*placed == Outcome::kDone) return true;
  const std::string temporary = std::string(kNewFilePrefix) + RandomName();
  HELIOS_TRY(PlaceAs(cache, cached, folder, temporary, entry, attributes));
  Result<void> exchanged = Exchange(folder, temporary, entry.name, std::nullopt);
  ::unlinkat(folder, temporary.c_str(), 0);
  if (!exchanged) return std::move(exchanged).error();
  return true;
}

Result<FileWriter::Outcome> FileWriter::PlaceAs(
    FileCache& cache, const Fd& cached, int folder, const std::string& name, const TreeEntry& entry,
    const std::optional<FileAttributes>& attributes) const {
  if (!cache.MakesHardLinks()) {
    return CreateFile(folder, name, entry, attributes, {}, cached.get());
  }
  const int os_error = cache.Link(folder, name, entry, attributes);
  if (os_error == EEXIST) return Outcome::kExists;
  if (os_error != 0) return Error::FromErrno(os_error, "link", name);
  return Outcome::kDone;
}

// Swapping shows what was taken away before it is gone, and costs less than a rename over a file,
// for which some file systems write the new one out at once. Where it is not to be had, a rename.
Result<void> FileWriter::Exchange(int folder, const std::string& temporary, const std::string& name,
                                  const std::optional<FileStatus>& seen) const {
  if (::renameat2(folder, temporary.c_str(), folder, name.c_str(), RENAME_EXCHANGE) == 0) {
    const FileStatus taken = StatusAt(folder, temporary.c_str()).status;
    const bool as_seen = !seen || (taken.inode == seen->inode && taken.size == seen->size &&
                                   taken.mtime == seen->mtime && taken.mode == seen->mode);
    if (as_seen && !taken.IsDirectory()) return {};
    if (::renameat2(folder, temporary.c_str(), folder, name.c_str(), RENAME_EXCHANGE) != 0) {
      return Error::FromErrno(errno, "put back", name);
    }
    return Error(ErrorCode::kFailed,
                 taken.IsDirectory() ? "a folder is in the way" : "changed meanwhile, left alone");
  }
  if (errno != ENOENT && errno != EINVAL && errno != ENOSYS) {
    return Error::FromErrno(errno, "replace", name);
  }
  const FileStatus present = StatusAt(folder, name.c_str()).status;
  if (present.IsDirectory()) return Error(ErrorCode::kFailed, "a folder is in the way");
  if (seen && present != *seen) return Error(ErrorCode::kFailed, "changed meanwhile, left alone");
  if (::renameat(folder, temporary.c_str(), folder, name.c_str()) != 0) {
    return Error::FromErrno(errno, "replace", name);
  }
  return {};
}

Result<void> FileWriter::SetAttributes(int folder, const TreeEntry& entry,
                                       const FileAttributes& attributes) const {
  if (entry.kind != EntryKind::kSymlink) {
    // O_PATH would not allow fchmod; a file that we may not read can still be given a mode by name.
    const Result<Fd> fd = OpenAt(folder, entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) return fd.error();
    if (::fchmod(fd->get(), FileMode(entry, attributes)) != 0) {
      return Error::FromErrno(errno, "set the mode of", entry.name);
    }
    if (::futimens(fd->get(), ModificationTime(attributes.mtime).times) != 0) {
      return Error::FromErrno(errno, "set the time of", entry.name);
    }
    return {};
  }
  if (::utimensat(folder, entry.name.c_str(), ModificationTime(attributes.mtime).times,
                  AT_SYMLINK_NOFOLLOW) != 0) {
    return Error::FromErrno(errno, "set the time of", entry.name);
  }
  return {};
}

Result<void> FileWriter::SetFolderAttributes(int folder, const FileAttributes& attributes) const {
  if (::fchmod(folder, attributes.mode & 0777u) != 0) {
    return Error::FromErrno(errno, "set the mode of", "a folder");
  }
  if (::futimens(folder, ModificationTime(attributes.mtime).times) != 0) {
    return Error::FromErrno(errno, "set the time of", "a folder");
  }
  return {};
}

}  // namespace helios

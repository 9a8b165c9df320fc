#include "worktree/file_writer.h"

#include <fcntl.h>
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

Result<FileWriter::Outcome> FileWriter::Create(const WritingTask& task, int folder,
                                               const TreeEntry& entry,
                                               const std::optional<FileAttributes>& attributes,
                                               ByteView content) const {
  return CreateAs(task, folder, entry.name, entry, attributes, content);
}

Result<FileWriter::Outcome> FileWriter::CreateAs(const WritingTask& task, int folder,
                                                 const std::string& name, const TreeEntry& entry,
                                                 const std::optional<FileAttributes>& attributes,
                                                 ByteView content) const {
  if (entry.kind == EntryKind::kSymlink) return CreateSymlink(folder, name, entry, attributes);
  return CreateFile(task, folder, name, entry, attributes, content);
}

Result<FileWriter::Outcome> FileWriter::CreateFile(const WritingTask& task, int folder,
                                                   const std::string& name, const TreeEntry& entry,
                                                   const std::optional<FileAttributes>& attributes,
                                                   ByteView content) const {
  const unsigned mode = attributes ? FileMode(entry, *attributes) : DefaultMode(entry);
  const int raw =
      ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  if (raw < 0) {
    if (errno == EEXIST) return Outcome::kExists;
    return Error::FromErrno(errno, "create", name);
  }
  const Fd fd(raw);
  auto fill = [&]() -> Result<void> {
    if (entry.HasManifest()) {
      HELIOS_TRY(WriteLargeContent(task, raw, entry));
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

// From its beginning on: a file that was cut short holds what the whole one begins with, and
// nothing is lost by going on with it.
Result<void> FileWriter::WriteLargeContent(const WritingTask& task, int fd,
                                           const TreeEntry& entry) const {
  return TreeReader(store_).ReadLarge(
      *task.tasks, task.worker, entry,
      [fd, &entry](ByteView piece) { return WriteAll(fd, piece, entry.name); });
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

Result<void> FileWriter::Replace(const WritingTask& task, int folder, const TreeEntry& entry,
                                 const std::optional<FileAttributes>& attributes, ByteView content,
                                 const std::optional<FileStatus>& seen) const {
  const std::string temporary = std::string(kNewFilePrefix) + RandomName();
  HELIOS_TRY(CreateAs(task, folder, temporary, entry, attributes, content));
  Result<void> exchanged = Exchange(folder, temporary, entry.name, seen);
  // Now the new file, where the exchange failed, or the old one.
  ::unlinkat(folder, temporary.c_str(), 0);
  return exchanged;
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

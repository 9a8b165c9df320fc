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
#include "worktree/sparse_file.h"
#include "worktree/spelling.h"
#include "worktree/user_xattrs.h"

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

// Without the ctime: renaming changes it, and so does what happens to a file's other names.
bool IsAsSeen(const FileStatus& now, const std::optional<FileStatus>& seen) {
  return !seen || (now.inode == seen->inode && now.size == seen->size && now.mtime == seen->mtime &&
                   now.mode == seen->mode);
}

std::string TemporaryName() { return std::string(kNewFilePrefix) + RandomName(); }

struct ModificationTime {
  timespec times[2];
  explicit ModificationTime(const Timestamp& mtime) {
    times[0] = {0, UTIME_OMIT};
    times[1] = {static_cast<time_t>(mtime.seconds), static_cast<long>(mtime.nanoseconds)};
  }
};

}  // namespace

FileWriter::FileWriter(ObjectStore* store) : store_(store), umask_(ReadUmask()) {}

Result<FileWriter::Written> FileWriter::Create(const WritingTask& task, int folder,
                                               const TreeEntry& entry,
                                               const std::optional<FileAttributes>& attributes,
                                               ByteView content) const {
  return CreateAs(task, folder, entry.name, entry, attributes, content);
}

Result<FileWriter::Written> FileWriter::CreateAs(const WritingTask& task, int folder,
                                                 const std::string& name, const TreeEntry& entry,
                                                 const std::optional<FileAttributes>& attributes,
                                                 ByteView content) const {
  if (entry.kind == EntryKind::kSymlink) return CreateSymlink(folder, name, entry, attributes);
  return CreateFile(task, folder, name, entry, attributes, content, -1);
}

Result<FileWriter::Written> FileWriter::CreateFile(const WritingTask& task, int folder,
                                                   const std::string& name, const TreeEntry& entry,
                                                   const std::optional<FileAttributes>& attributes,
                                                   ByteView content, int clone_of) const {
  const unsigned mode = attributes ? FileMode(entry, *attributes) : DefaultMode(entry);
  // Extended attributes are set by whoever may write, open or not.
  const bool has_xattrs = attributes && attributes->rare.xattrs.bytes > 0;
  const int raw = RetryIfInterrupted([&] {
    return ::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    has_xattrs ? mode | S_IWUSR : mode);
  });
  if (raw < 0) {
    if (errno == EEXIST) return Written{Outcome::kExists};
    return Error::FromErrno(errno, "create", name);
  }
  const Fd fd(raw);
  auto fill = [&]() -> Result<Written> {
    if (clone_of < 0) {
      HELIOS_TRY(WriteContent(task, raw, entry, attributes && attributes->rare.has_holes, content));
    } else if (::ioctl(raw, FICLONE, clone_of) != 0) {
      return Error::FromErrno(errno, "clone", name);
    }
    if (attributes) return SetNewAttributes(raw, name, mode, *attributes);
    HELIOS_TRY(KeepExecutable(raw, name, entry));
    return Written();
  };
  Result<Written> filled = fill();
  if (!filled) ::unlinkat(folder, name.c_str(), 0);  // the error tells what happened
  return filled;
}

Result<void> FileWriter::WriteContent(const WritingTask& task, int fd, const TreeEntry& entry,
                                      bool has_holes, ByteView content) const {
  // First, so that a file that is too long for the file system is told before anything is written.
  const auto set_length = [&] { return ::ftruncate(fd, static_cast<off_t>(entry.size)); };
  if (has_holes && RetryIfInterrupted(set_length) != 0) {
    return Error::FromErrno(errno, "set the length of", entry.name);
  }
  if (entry.HasManifest()) return WriteLargeContent(task, fd, entry, has_holes);
  return has_holes ? WriteAllButHoles(fd, content, 0, entry.name)
                   : WriteAll(fd, content, entry.name);
}

Result<FileWriter::Written> FileWriter::SetNewAttributes(int fd, const std::string& name,
                                                         unsigned mode,
                                                         const FileAttributes& attributes) const {
  Written written;
  const StoredXattrs& xattrs = attributes.rare.xattrs;
  if (xattrs.bytes > 0) {
    HELIOS_TRY_ASSIGN(const XattrList list, LoadXattrs(xattrs));
    written.xattrs_error = SetUserXattrs(fd, list);
  }
  const bool has_mode = (mode & umask_) == 0 && (xattrs.bytes == 0 || (mode & S_IWUSR) != 0);
  if (!has_mode && ::fchmod(fd, mode) != 0) {
    return Error::FromErrno(errno, "set the mode of", name);
  }
  if (::futimens(fd, ModificationTime(attributes.mtime).times) != 0) {
    return Error::FromErrno(errno, "set the time of", name);
  }
  return written;
}

Result<XattrList> FileWriter::LoadXattrs(const StoredXattrs& xattrs) const {
  if (xattrs.bytes == 0) return XattrList();
  if (!xattrs.IsInBlob()) return DecodeXattrs(xattrs.content);
  const ObjectKey key(xattrs.Blob());
  HELIOS_TRY_ASSIGN(const std::shared_ptr<const Bytes> list, store_->GetShared(key));
  if (list == nullptr) return MissingObject(key);
  if (list->size() != xattrs.bytes) {
    return Contradiction(key, "it is not as long as the attributes say");
  }
  Result<XattrList> decoded = DecodeXattrs(*list);
  if (!decoded) return std::move(decoded).error().WithContext(key.ToString());
  return decoded;
}

Result<int> FileWriter::MakeXattrs(int fd, const StoredXattrs& wanted) const {
  HELIOS_TRY_ASSIGN(const XattrList list, LoadXattrs(wanted));
  const XattrsOrErrno present = ReadUserXattrs(fd);
  if (present.os_error == ENOTSUP && list.empty()) return 0;
  if (present.os_error != 0) return present.os_error;
  if (present.list == list) return 0;
  const StatusOrErrno status = StatusOf(fd);
  if (status.os_error == 0 && (status.status.mode & S_IWUSR) == 0) {
    (void)::fchmod(fd, (status.status.mode & 07777) | S_IWUSR);  // what follows says if not
  }
  const int removed = RemoveOtherUserXattrs(fd, present.list, list);
  const int set = SetUserXattrs(fd, list);
  return removed != 0 ? removed : set;
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
Result<void> FileWriter::WriteLargeContent(const WritingTask& task, int fd, const TreeEntry& entry,
                                           bool has_holes) const {
  uint64_t offset = 0;
  const auto write = [&](ByteView piece) -> Result<void> {
    if (!has_holes) return WriteAll(fd, piece, entry.name);
    HELIOS_TRY(WriteAllButHoles(fd, piece, offset, entry.name));
    offset += piece.size();
    return {};
  };
  return TreeReader(store_).ReadLarge(*task.tasks, task.worker, entry, write);
}

Result<FileWriter::Written> FileWriter::CreateSymlink(
    int folder, const std::string& name, const TreeEntry& entry,
    const std::optional<FileAttributes>& attributes) const {
  if (::symlinkat(entry.target.c_str(), folder, name.c_str()) != 0) {
    if (errno == EEXIST) return Written{Outcome::kExists};
    return Error::FromErrno(errno, "create symlink", name);
  }
  if (attributes && ::utimensat(folder, name.c_str(), ModificationTime(attributes->mtime).times,
                                AT_SYMLINK_NOFOLLOW) != 0) {
    return Error::FromErrno(errno, "set the time of", name);
  }
  return Written();
}

Result<FileWriter::Written> FileWriter::Replace(const WritingTask& task, int folder,
                                                const TreeEntry& entry,
                                                const std::optional<FileAttributes>& attributes,
                                                ByteView content,
                                                const std::optional<FileStatus>& seen) const {
  const std::string temporary = TemporaryName();
  HELIOS_TRY_ASSIGN(const Written written,
                    CreateAs(task, folder, temporary, entry, attributes, content));
  HELIOS_TRY(TakePlace(folder, temporary, entry.name, seen));
  return written;
}

Result<FileWriter::Outcome> FileWriter::Link(int base_folder, const LinkBase& base, int folder,
                                             const std::string& name) const {
  const std::string base_name = base.path.substr(base.path.rfind('/') + 1);
  if (::linkat(base_folder, base_name.c_str(), folder, name.c_str(), 0) != 0) {
    if (errno == EEXIST) return Outcome::kExists;
    return Error::FromErrno(errno, "link", name);
  }
  // Whatever stood under that name when it was linked, this is what counts.
  const StatusOrErrno made = StatusAt(folder, name.c_str());
  if (made.os_error == 0 && base.Is(made.status)) return Outcome::kDone;
  ::unlinkat(folder, name.c_str(), 0);
  return Error(ErrorCode::kFailed, base.path + " changed meanwhile");
}

Result<void> FileWriter::ReplaceByLink(int base_folder, const LinkBase& base, int folder,
                                       const std::string& name,
                                       const std::optional<FileStatus>& seen) const {
  const std::string temporary = TemporaryName();
  HELIOS_TRY(Link(base_folder, base, folder, temporary));
  return TakePlace(folder, temporary, name, seen);
}

Result<void> FileWriter::TakePlace(int folder, const std::string& temporary,
                                   const std::string& name,
                                   const std::optional<FileStatus>& seen) const {
  Result<void> exchanged = IsSpelledSo(folder, name)
                               ? Exchange(folder, temporary, name, seen)
                               : Result<void>(Error(ErrorCode::kFailed, kOtherSpelling));
  // Now the new file, where the exchange failed, or the old one. (Or another name of what is there:
  // renaming one link of a file over another does nothing.)
  ::unlinkat(folder, temporary.c_str(), 0);
  return exchanged;
}

Result<bool> FileWriter::PlaceFromCache(const WritingTask& task, FileCache& cache, int folder,
                                        const TreeEntry& entry,
                                        const std::optional<FileAttributes>& attributes) const {
  HELIOS_TRY_ASSIGN(const Fd cached, cache.OpenWhole(entry, attributes));
  if (!cached.IsOpen()) return false;
  Result<Outcome> placed = PlaceAs(task, cache, cached, folder, entry.name, entry, attributes);
  // As many links as it can have; or another thread found that, and has removed it.
  if (!placed && (placed.error().os_error() == EMLINK || placed.error().os_error() == ENOENT)) {
    return false;
  }
  if (!placed) return std::move(placed).error();
  if (*placed == Outcome::kDone) return true;
  const std::string temporary = TemporaryName();
  HELIOS_TRY(PlaceAs(task, cache, cached, folder, temporary, entry, attributes));
  HELIOS_TRY(TakePlace(folder, temporary, entry.name, std::nullopt));
  return true;
}

Result<FileWriter::Outcome> FileWriter::PlaceAs(
    const WritingTask& task, FileCache& cache, const Fd& cached, int folder,
    const std::string& name, const TreeEntry& entry,
    const std::optional<FileAttributes>& attributes) const {
  if (!cache.MakesHardLinks()) {
    HELIOS_TRY_ASSIGN(const Written written,
                      CreateFile(task, folder, name, entry, attributes, {}, cached.get()));
    return written.outcome;
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
    if (IsAsSeen(taken, seen) && !taken.IsDirectory()) return {};
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
  if (!IsAsSeen(present, seen)) return Error(ErrorCode::kFailed, "changed meanwhile, left alone");
  if (::renameat(folder, temporary.c_str(), folder, name.c_str()) != 0) {
    return Error::FromErrno(errno, "replace", name);
  }
  return {};
}

Result<void> FileWriter::Remove(int folder, const std::string& name, const FileStatus& seen) const {
  const std::string temporary = TemporaryName();
  if (::renameat(folder, name.c_str(), folder, temporary.c_str()) != 0) {
    if (errno == ENOENT) return {};
    // A full disk may have no room for another name; removing must not need any.
    const bool is_full = errno == ENOSPC || errno == EDQUOT;
    if (is_full && ::unlinkat(folder, name.c_str(), 0) == 0) return {};
    return Error::FromErrno(errno, "remove", name);
  }
  if (IsAsSeen(StatusAt(folder, temporary.c_str()).status, seen)) {
    if (::unlinkat(folder, temporary.c_str(), 0) == 0) return {};
    return Error::FromErrno(errno, "remove", name);
  }
  // Should something else be there by now, nothing is put over it.
  if (::renameat2(folder, temporary.c_str(), folder, name.c_str(), RENAME_NOREPLACE) == 0) {
    return Error(ErrorCode::kFailed, "changed meanwhile, left alone");
  }
  return Error(ErrorCode::kFailed, "changed meanwhile, and is now called " + temporary);
}

Result<FileWriter::Written> FileWriter::SetAttributes(int folder, const TreeEntry& entry,
                                                      const FileAttributes& attributes) const {
  Written written;
  if (entry.kind != EntryKind::kSymlink) {
    // O_PATH would not allow fchmod; a file that we may not read can still be given a mode by name.
    const Result<Fd> fd = OpenAt(folder, entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) return fd.error();
    HELIOS_TRY_ASSIGN(written.xattrs_error, MakeXattrs(fd->get(), attributes.rare.xattrs));
    if (::fchmod(fd->get(), FileMode(entry, attributes)) != 0) {
      return Error::FromErrno(errno, "set the mode of", entry.name);
    }
    if (::futimens(fd->get(), ModificationTime(attributes.mtime).times) != 0) {
      return Error::FromErrno(errno, "set the time of", entry.name);
    }
    return written;
  }
  if (::utimensat(folder, entry.name.c_str(), ModificationTime(attributes.mtime).times,
                  AT_SYMLINK_NOFOLLOW) != 0) {
    return Error::FromErrno(errno, "set the time of", entry.name);
  }
  return written;
}

Result<FileWriter::Written> FileWriter::SetFolderAttributes(
    int folder, const FileAttributes& attributes) const {
  Written written;
  HELIOS_TRY_ASSIGN(written.xattrs_error, MakeXattrs(folder, attributes.rare.xattrs));
  if (::fchmod(folder, attributes.mode & 0777u) != 0) {
    return Error::FromErrno(errno, "set the mode of", "a folder");
  }
  if (::futimens(folder, ModificationTime(attributes.mtime).times) != 0) {
    return Error::FromErrno(errno, "set the time of", "a folder");
  }
  return written;
}

}  // namespace helios

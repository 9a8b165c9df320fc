// Files of the store that must be whole after a crash, and the locks between processes.
#ifndef HELIOS_BASE_DURABLE_FILE_H_
#define HELIOS_BASE_DURABLE_FILE_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace helios {

enum class Durability {
  kCache,    // whole or absent after kill -9, anything after a power cut: for what can be rebuilt
  kDurable,  // survives a power cut once the call has returned
};

// Replaces folder/name by a file with these bytes: written under a temporary name, then renamed, so
// that a reader sees the old bytes or the new ones. kDurable syncs the file and the folder. Removes
// what earlier calls that were killed left in the folder.
Result<void> ReplaceFile(const std::string& folder, const std::string& name, ByteView bytes,
                         Durability durability);

// Removes what writers that died left in a folder of the store: files that begin with `.tmp-`, that
// nobody has locked, and that are ten minutes old. Best effort: the next call tries again.
void RemoveAbandonedFiles(const std::string& folder);

// The whole file; nullopt if there is none. Refuses more than `bytes_max`, and anything but a
// regular file (never follows a link, never waits at a fifo).
Result<std::optional<Bytes>> ReadFileIfExists(const std::string& path, size_t bytes_max);

// The names in a folder, in no particular order; none if it is not there.
Result<std::vector<std::string>> NamesIn(const std::string& folder);
// The same; `path` as openat takes it, below the open `folder`.
Result<std::vector<std::string>> NamesIn(int folder, const std::string& path);
Result<void> SyncFolder(const std::string& path);
// mkdir, fine if a folder (or a link to one) is there. The new folder is accessible to its owner
// only.
Result<void> MakeFolder(const std::string& path);
// 16 random bytes from the kernel as 32 hex digits: for names that must not collide.
std::string RandomName();

// What stands for a moment in folders that are not the store's, each with a RandomName behind it: a
// new store beside its place, and a file that will take the place of one of the user's.
inline constexpr std::string_view kNewStorePrefix = ".helios-new-";
inline constexpr std::string_view kNewFilePrefix = ".helios-tmp-";
// Whether that is such a name. Whatever bears one is Helios' own: a scan does not capture it.
bool IsTemporaryName(std::string_view name);

// How long to wait for what others hold for one small write.
inline constexpr std::chrono::milliseconds kWriteLockWait = std::chrono::seconds(30);

// The processes that hold byte ranges of a file locked by open-file-description locks, for people:
// "process 12, helios; process 13, agentd; ". Empty where the system does not tell.
std::string RangeLockHolders(const std::string& path);

// A lock on a whole file that always exists. Dies with its holder; never leaves anything behind.
class FileLock {
 public:
  enum class Mode { kShared, kExclusive };
  // Waits at most `wait`, then kBusy naming `path` and, where the system tells, who holds it. The
  // file is created if need be; for a shared lock one that this process may only read will do.
  static Result<FileLock> Acquire(const std::string& path, Mode mode,
                                  std::chrono::milliseconds wait);
  // A shared lock for reading the file; nullopt if there is none. Creates and changes nothing, so
  // that it works where this process may not write.
  static Result<std::optional<FileLock>> AcquireToRead(const std::string& path,
                                                       std::chrono::milliseconds wait) {
    return AcquireExisting(path, Mode::kShared, wait);
  }
  // The same in either mode.
  static Result<std::optional<FileLock>> AcquireExisting(const std::string& path, Mode mode,
                                                         std::chrono::milliseconds wait);
  int fd() const { return fd_.get(); }

 private:
  explicit FileLock(Fd fd) : fd_(std::move(fd)) {}
  Result<void> Wait(const std::string& path, Mode mode, std::chrono::milliseconds wait) const;
  Fd fd_;
};

}  // namespace helios

#endif  // HELIOS_BASE_DURABLE_FILE_H_

// Writes single files and symlinks into an open folder.
#ifndef HELIOS_WORKTREE_FILE_WRITER_H_
#define HELIOS_WORKTREE_FILE_WRITER_H_

#include <optional>
#include <string>

#include "base/thread_pool.h"
#include "helios/object_store.h"
#include "object/attributes.h"
#include "object/tree.h"
#include "object/xattrs.h"
#include "vst/tree_reader.h"
#include "worktree/file_cache.h"
#include "worktree/file_status.h"

namespace helios {

// Who writes: a task that `worker` of `tasks` runs.
struct WritingTask {
  TaskStack* tasks;
  unsigned worker;
};

// A file or symlink that other names are to be linked to, and how it is known again.
struct LinkBase {
  std::string path;  // below the folder that is written to
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  Timestamp mtime;
  Timestamp mtime_to_be;  // that it has, sooner or later

  bool Is(const FileStatus& status) const {
    return status.device == device && status.inode == inode && status.size == size &&
           (status.mtime == mtime || status.mtime == mtime_to_be);
  }
};

// Every write is relative to a folder's descriptor and touches one name in it: no link is followed,
// nothing outside is reached. Thread-safe.
class FileWriter {
 public:
  explicit FileWriter(ObjectStore* store);

  enum class Outcome { kDone, kExists };
  struct Written {
    Outcome outcome = Outcome::kDone;
    int xattrs_error = 0;  // errno where not all extended attributes could be set
  };

  // Creates what `entry` (anything but a directory) says under its own name. `content` is that of a
  // file of at most kWholeBlobBytesMax, already verified; larger files are fetched chunk by chunk,
  // by all threads that have time, and verified as a whole. Without attributes it has the mode of
  // new files and the present time. Where attributes say that the file had holes, runs of zeros
  // become holes. kExists: something is there, and was left alone. What fails half-way is removed
  // again.
  Result<Written> Create(const WritingTask& task, int folder, const TreeEntry& entry,
                         const std::optional<FileAttributes>& attributes, ByteView content) const;

  // The same under a temporary name, which then takes the place of whatever is there. With `seen`,
  // what was taken away is looked at once more: if it is not what was seen, it is put back
  // (kFailed, "changed meanwhile"). A folder in that place is left there (kFailed).
  Result<Written> Replace(const WritingTask& task, int folder, const TreeEntry& entry,
                          const std::optional<FileAttributes>& attributes, ByteView content,
                          const std::optional<FileStatus>& seen) const;

  // Puts the file there as Create does, or Replace if something is there, from what `cache` has.
  // False if the cache does not have it whole: then nothing was done.
  Result<bool> PlaceFromCache(const WritingTask& task, FileCache& cache, int folder,
                              const TreeEntry& entry,
                              const std::optional<FileAttributes>& attributes) const;

  // Makes `name` another name of the last component of base.path in the open `base_folder`, and
  // makes sure that this is what `base` says: otherwise there is no new name (kFailed). Errors
  // carry errno.
  Result<Outcome> Link(int base_folder, const LinkBase& base, int folder,
                       const std::string& name) const;
  // The same where something is, as Replace does it.
  Result<void> ReplaceByLink(int base_folder, const LinkBase& base, int folder,
                             const std::string& name, const std::optional<FileStatus>& seen) const;

  // Removes a file or symlink: takes it away under a temporary name and looks at it once more. If
  // it is not what was seen it is put back (kFailed, "changed meanwhile").
  Result<void> Remove(int folder, const std::string& name, const FileStatus& seen) const;

  // Mode, mtime and extended attributes alone, of what is already there; never through a link.
  Result<Written> SetAttributes(int folder, const TreeEntry& entry,
                                const FileAttributes& attributes) const;
  // Of an open folder.
  Result<Written> SetFolderAttributes(int folder, const FileAttributes& attributes) const;

 private:
  // `clone_of`: an open file with that content, or -1.
  Result<Written> CreateFile(const WritingTask& task, int folder, const std::string& name,
                             const TreeEntry& entry,
                             const std::optional<FileAttributes>& attributes, ByteView content,
                             int clone_of) const;
  Result<Outcome> PlaceAs(const WritingTask& task, FileCache& cache, const Fd& cached, int folder,
                          const std::string& name, const TreeEntry& entry,
                          const std::optional<FileAttributes>& attributes) const;
  Result<void> WriteContent(const WritingTask& task, int fd, const TreeEntry& entry, bool has_holes,
                            ByteView content) const;
  Result<Written> SetNewAttributes(int fd, const std::string& name, unsigned mode,
                                   const FileAttributes& attributes) const;
  Result<XattrList> LoadXattrs(const StoredXattrs& xattrs) const;
  // Gives an open file or folder just these extended attributes, of which it may have some. Returns
  // 0, or errno of what was refused. Its mode is to be set afterwards.
  Result<int> MakeXattrs(int fd, const StoredXattrs& wanted) const;
  Result<void> KeepExecutable(int fd, const std::string& name, const TreeEntry& entry) const;
  Result<Written> CreateSymlink(int folder, const std::string& name, const TreeEntry& entry,
                                const std::optional<FileAttributes>& attributes) const;
  // Makes what is under a temporary name take the place of whatever is under `name`.
  Result<void> TakePlace(int folder, const std::string& temporary, const std::string& name,
                         const std::optional<FileStatus>& seen) const;
  Result<void> Exchange(int folder, const std::string& temporary, const std::string& name,
                        const std::optional<FileStatus>& seen) const;
  Result<void> WriteLargeContent(const WritingTask& task, int fd, const TreeEntry& entry,
                                 bool has_holes) const;
  // The same into a file that has its length already, and of which zeros need not be written.
  Result<Written> CreateAs(const WritingTask& task, int folder, const std::string& name,
                           const TreeEntry& entry, const std::optional<FileAttributes>& attributes,
                           ByteView content) const;

  ObjectStore* store_;
  unsigned umask_;  // what the process takes away from the modes of new files
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_FILE_WRITER_H_

// Writes single files and symlinks into an open folder.
#ifndef HELIOS_WORKTREE_FILE_WRITER_H_
#define HELIOS_WORKTREE_FILE_WRITER_H_

#include <optional>
#include <string>

#include "helios/object_store.h"
#include "object/attributes.h"
#include "object/tree.h"
#include "vst/tree_reader.h"
#include "worktree/file_status.h"

namespace helios {

// Who writes: a task that `worker` of `tasks` runs.
struct WritingTask {
  TaskStack* tasks;
  unsigned worker;
};

// Every write is relative to a folder's descriptor and touches one name in it: no link is followed,
// nothing outside is reached. Thread-safe.
class FileWriter {
 public:
  explicit FileWriter(ObjectStore* store);

  enum class Outcome { kDone, kExists };

  // Creates what `entry` (anything but a directory) says under its own name. `content` is that of a
  // file of at most kWholeBlobBytesMax, already verified; larger files are fetched chunk by chunk,
  // by all threads that have time, and verified as a whole. Without attributes it has the mode of
  // new files and the present time. kExists: something is there, and was left alone. What fails
  // half-way is removed again.
  Result<Outcome> Create(const WritingTask& task, int folder, const TreeEntry& entry,
                         const std::optional<FileAttributes>& attributes, ByteView content) const;

  // The same under a temporary name, which then takes the place of whatever is there. With `seen`,
  // what was taken away is looked at once more: if it is not what was seen, it is put back
  // (kFailed, "changed meanwhile"). A folder in that place is left there (kFailed).
  Result<void> Replace(const WritingTask& task, int folder, const TreeEntry& entry,
                       const std::optional<FileAttributes>& attributes, ByteView content,
                       const std::optional<FileStatus>& seen) const;

  // Mode and mtime alone, of what is already there; never through a link.
  Result<void> SetAttributes(int folder, const TreeEntry& entry,
                             const FileAttributes& attributes) const;
  // Of an open folder.
  Result<void> SetFolderAttributes(int folder, const FileAttributes& attributes) const;

 private:
  Result<Outcome> CreateFile(const WritingTask& task, int folder, const std::string& name,
                             const TreeEntry& entry,
                             const std::optional<FileAttributes>& attributes,
                             ByteView content) const;
  Result<void> SetNewAttributes(int fd, const std::string& name, unsigned mode,
                                const FileAttributes& attributes) const;
  Result<void> KeepExecutable(int fd, const std::string& name, const TreeEntry& entry) const;
  Result<Outcome> CreateSymlink(int folder, const std::string& name, const TreeEntry& entry,
                                const std::optional<FileAttributes>& attributes) const;
  Result<void> Exchange(int folder, const std::string& temporary, const std::string& name,
                        const std::optional<FileStatus>& seen) const;
  Result<void> WriteLargeContent(const WritingTask& task, int fd, const TreeEntry& entry) const;
  Result<Outcome> CreateAs(const WritingTask& task, int folder, const std::string& name,
                           const TreeEntry& entry, const std::optional<FileAttributes>& attributes,
                           ByteView content) const;

  ObjectStore* store_;
  unsigned umask_;  // what the process takes away from the modes of new files
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_FILE_WRITER_H_

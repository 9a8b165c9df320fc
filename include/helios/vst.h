// The virtual state tree: a working set in memory. Write, commit, fork and restore in microseconds.
#ifndef HELIOS_VST_H_
#define HELIOS_VST_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "helios/ids.h"
#include "helios/object_store.h"
#include "helios/restore_mode.h"
#include "helios/result.h"
#include "helios/selection.h"
#include "helios/tree_path.h"
#include "helios/write_report.h"

namespace helios {

// What a path of a working set holds.
struct VstEntry {
  enum class Kind { kFile, kExecutable, kSymlink, kDirectory };
  Kind kind = Kind::kFile;
  std::string name;    // the last component of its path; empty for the root
  uint64_t size = 0;   // file: bytes
  std::string target;  // symlink: raw bytes
};

// One path that differs between two working sets. Files and symlinks count, and folders only where
// an empty one comes or goes.
struct VstChange {
  enum class Kind { kAdded, kChanged, kDeleted };
  Kind kind = Kind::kAdded;
  std::string path;
};

// A working set: path → file, symlink or folder. A value that shares everything with its forks:
// copying the state of a million files is copying a pointer, and a write makes anew only the
// folders on its way.
//
// What was written is owned by the tree and freed with the last working set that holds it: only a
// durable commit (Engine::CommitVst) brings it into a store. What came from a store is loaded when
// it is first needed, by L1.Get, L2.Get, L1.Put, and verified.
//
// Threads: different working sets are independent, forks included. Of one, const methods may run at
// once with each other, and with nothing else.
//
// Errors: kInvalidArgument for what a path cannot be or hold, kNotFound for one that is not there;
// kMissingObject and kCorrupt, naming the object, where it must be loaded. A failed call changes
// nothing.
class Vst {
 public:
  // An empty working set. With `store` it can restore the snapshots that are there; the store must
  // outlive it and its forks. Only working sets that an engine made can be committed durably:
  // Engine::NewVst, Engine::OpenVst.
  explicit Vst(ObjectStore* store = nullptr);
  ~Vst();
  Vst(Vst&&) noexcept;
  Vst& operator=(Vst&&) noexcept;

  // Another working set in the same state; from here on each goes its own way.
  Vst Fork() const;

  // Puts a file at `path`, replacing the file or symlink that is there; folders above it are made.
  Result<void> Write(const TreePath& path, ByteView content, bool executable = false);
  // `target`: 1 to 4095 bytes without NUL.
  Result<void> WriteSymlink(const TreePath& path, ByteView target);
  // Makes a folder and those above it; nothing if it is there.
  Result<void> MakeDirectory(const TreePath& path);
  // Removes a file, a symlink, or a folder with all that is in it. The root cannot be removed.
  Result<void> Remove(const TreePath& path);
  // Moves what is at `from`, a folder with all that is in it, replacing a file or symlink at `to`.
  Result<void> Rename(const TreePath& from, const TreePath& to);

  // A file's content. Shared with the tree and L1: it stays valid whatever happens to them.
  Result<std::shared_ptr<const Bytes>> Read(const TreePath& path) const;
  // A copy of `length` bytes of a file from `offset` on; fewer, or none, where it ends before. Of a
  // large file that lies in the store, only the chunks that hold something of it are loaded.
  Result<Bytes> ReadRange(const TreePath& path, uint64_t offset, uint64_t length) const;
  // nullopt if there is nothing at `path`.
  Result<std::optional<VstEntry>> Stat(const TreePath& path) const;
  Result<bool> Contains(const TreePath& path) const;
  // What a folder holds, in byte order of the names.
  Result<std::vector<VstEntry>> List(const TreePath& path) const;

  // The snapshot id of the present state, speculatively: computed, and nothing written. Costs what
  // has been written since the last one.
  Result<SnapshotId> Commit();
  // Becomes a snapshot that was committed to the store. Lazily: its root is loaded, everything else
  // on first use; a durable commit later relies on all of it being there, and a working set that an
  // engine made keeps it from being collected. Eagerly: all of it is loaded and verified, contents
  // too, and stays in memory with the tree; no later read needs the store.
  Result<void> Restore(const SnapshotId& snapshot, RestoreMode mode = RestoreMode::kLazy);

  // Writes the present state, or what is selected of it, into a folder that is not a workspace,
  // which is made if it is not there. Committed first, speculatively. Contents, executable bits and
  // symlinks; modes are those that the process gives to new files. What is there already is
  // replaced file by file, and no link is followed. Not synced. Errors: kInvalidArgument (a
  // malformed pattern, a folder inside a store), damage and missing objects, a full disk; what one
  // name refuses is in the report.
  Result<WriteReport> Materialize(const std::string& out, const Selection& selection = {});

  // What differs, in byte order of the paths' components. Both are committed first.
  static Result<std::vector<VstChange>> Diff(Vst& before, Vst& after);

 private:
  friend class Branch;
  friend class VstAccess;
  struct State;
  explicit Vst(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace helios

#endif  // HELIOS_VST_H_

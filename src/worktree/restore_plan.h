// What a restore in place would do to a workspace: made by comparing three trees, before anything
// is touched.
#ifndef HELIOS_WORKTREE_RESTORE_PLAN_H_
#define HELIOS_WORKTREE_RESTORE_PLAN_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vst/tree_reader.h"
#include "worktree/scan.h"
#include "worktree/selector.h"

namespace helios {

// A folder of a snapshot.
struct TreeRoots {
  TreeId tree;
  std::optional<AttributesId> attributes;
  friend bool operator==(const TreeRoots&, const TreeRoots&) = default;
};

struct PlannedFile {
  enum class Action { kCreate, kReplace, kSetAttributes };
  Action action = Action::kCreate;
  TreeEntry entry;
  std::optional<FileAttributes> attributes;  // always for kSetAttributes
  FileStatus seen;                           // what is there now, for all but kCreate
  // The same as it was scanned; null for kCreate, and where it is what no snapshot can hold.
  const ScannedEntry* present = nullptr;
};

struct PlannedSubtree {
  std::string name;
  TreeId tree;
  std::optional<AttributesId> attributes;
};

// A file or symlink to remove, or a scanned folder with all that the scan saw in it.
struct PlannedRemoval {
  std::string name;
  FileStatus seen;
  bool is_linked = false;  // its ctime changes when another of its names goes
  ScannedDirectory* folder = nullptr;
  const ScannedEntry* present = nullptr;  // what `seen` is of; null below `folder`
};

// A folder that exists and in which something is to be done.
struct PlannedFolder {
  std::string name;
  std::string path;                          // from the root
  ScannedDirectory* scanned = nullptr;       // as it is now
  std::optional<TreeRoots> target;           // what it is to be; absent: nothing
  std::optional<FileAttributes> attributes;  // to set at the end
  bool remove_if_empty = false;
  bool removes = false;                   // something is removed in it or below it, at the end
  std::vector<PlannedRemoval> make_room;  // before anything is written
  std::vector<PlannedFile> files;
  std::vector<PlannedSubtree> subtrees;  // to be made, from nothing
  std::vector<PlannedRemoval> removals;  // after everything is written
  std::vector<std::unique_ptr<PlannedFolder>> folders;

  // True if something in the folder itself is made, replaced, changed or removed.
  bool ChangesEntries() const;
};

// A path that a plan leaves alone or would lose, and why.
struct PathAndReason {
  std::string path;
  std::string_view reason;  // static text
  friend auto operator<=>(const PathAndReason&, const PathAndReason&) = default;
};

struct PlanSummary {
  uint64_t created = 0;  // files and symlinks that are not there; below `subtrees` too
  uint64_t replaced = 0;
  uint64_t deleted = 0;
  uint64_t bytes = 0;           // to write
  uint64_t kept_untracked = 0;  // paths that no snapshot of this workspace holds, left alone
  uint64_t attributes = 0;      // files of which only mode, time or extended attributes are set
  uint64_t type_changes = 0;    // of what is replaced or made way for
  // Paths whose present content no snapshot holds and that would be overwritten or deleted.
  std::vector<PathAndReason> conflicts;
  // Paths that cannot be made way for even by force: what Helios does not capture, what the
  // selection leaves out, what lies on another file system, what could not be saved.
  std::vector<PathAndReason> obstacles;
  std::vector<std::string> kept;  // the first of kept_untracked; folders end with '/'

  void Merge(PlanSummary other);
};

struct RestorePlan {
  PlannedFolder root;
  // Files that stay, and that others are to be linked to: the first names of their groups. What
  // they are is what they are to be.
  std::vector<LinkedFile> kept_links;
  // The groups that are there, of which some may stay as they are; may be null.
  const LinkedFiles* present_links = nullptr;
  bool has_work = false;
  PlanSummary summary;  // its lists are sorted
};

struct RestorePlanOptions {
  unsigned threads = 1;
  bool force = false;  // conflicts are listed and planned all the same
  bool delete_untracked = false;
  const Selector* selector = nullptr;  // null: everything
  // Touch only what differs between the baseline and the target, whatever else the workspace has:
  // for taking back what made the one of the other. The baseline has attributes then, too.
  bool only_changes = false;
  // Whether what is present, a file or a whole folder, is held by some snapshot of this workspace,
  // though not by its baseline. Asked only where something may go, from several threads. May be
  // empty.
  std::function<Result<bool>(const std::string& path, const TreeEntry& present)> is_held;
  // Looks at a path that the scan left out because it is ignored: the entry as it would have been
  // scanned, null if it is gone. It lives as long as the plan. From several threads; may be empty.
  std::function<Result<ScannedEntry*>(const std::string& path)> look_at_ignored;
  // Not all that is on disk need be of the baseline: that was restored lazily, or a restore was
  // interrupted. What is_held knows is then as good as the baseline's, and goes if the target does
  // not have it.
  bool may_be_mixed = false;
  // What the scan of the workspace found; lives as long as the plan. May be null.
  const LinkedFiles* present_links = nullptr;
};

// Compares the workspace as scanned, its baseline (absent: nothing is known to be saved) and the
// target. Walks only where the workspace and the target differ. Where things are selected, nothing
// else is touched: not the folders above them either, but for what being written into does to them.
// Without the target's attributes,
// modes (but for the executable bit) and times that are there count as wanted.
//
// What differs in its attributes alone keeps its content: mode, time and extended attributes are
// set. But a file that has other names, in the workspace or elsewhere, or is to be one with
// another, is made anew, for what is set of one name is set of all; only the first name of a group
// that is not there yet stays. That a file has holes, or has none, is no difference: it is as it
// was written.
Result<RestorePlan> PlanRestore(const TreeReader& reader, ScannedDirectory* workspace,
                                const std::optional<TreeRoots>& baseline, const TreeRoots& target,
                                const RestorePlanOptions& options);

}  // namespace helios

#endif  // HELIOS_WORKTREE_RESTORE_PLAN_H_

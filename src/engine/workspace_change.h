// A workspace whose files are to change: what restore, undo and the end of an interrupted restore
// have in common.
#ifndef HELIOS_ENGINE_WORKSPACE_CHANGE_H_
#define HELIOS_ENGINE_WORKSPACE_CHANGE_H_

#include <memory>
#include <optional>

#include "base/durable_file.h"
#include "engine/held_files.h"
#include "helios/engine.h"
#include "worktree/ignored_paths.h"
#include "worktree/restore_plan.h"
#include "worktree/scan.h"

namespace helios {

// A workspace that was found and opened.
struct OpenWorkspace {
  std::string real_path;
  std::string key;
  Fd root;
  FileStatus status;
};

// What the files are to become.
struct ChangeGoal {
  std::optional<TreeRoots> baseline;
  TreeRoots target;
  const Selector* selector = nullptr;  // null: everything
  bool force = false;
  bool delete_untracked = false;
  bool may_be_mixed = false;
  bool only_changes = false;
};

// Filled step by step by Engine::State: BeginChange, PlanChange, CarryOut.
struct WorkspaceChange {
  OpenWorkspace workspace;
  std::optional<FileLock> turn;  // absent for a dry run
  ObjectStore* store = nullptr;
  std::optional<Operation> latest;                // where the workspace stands
  std::optional<InterruptedRestore> interrupted;  // an earlier restore that did not finish
  // Of a part alone does not end what was interrupted: the rest may still be a mixture.
  bool leaves_interrupted = false;

  std::optional<StatIndex> index;
  std::unique_ptr<ScanResult> scan;
  std::unique_ptr<IgnoredPaths> ignored;

  ChangeGoal goal;
  RestorePlan plan;
  RestoreReport report;

  bool WasLazy() const { return latest && latest->IsLazy(); }
};

// What an operation becomes that did not do all that it was to do: the files that it made equal to
// `target` can be taken back, and nothing else has moved.
Operation AsPartial(Operation operation, const TreeRoots& target);

}  // namespace helios

#endif  // HELIOS_ENGINE_WORKSPACE_CHANGE_H_

// What was done to a store's workspaces and refs, how to take it back, and how a workspace differs
// from where it stands.
#ifndef HELIOS_OPERATIONS_H_
#define HELIOS_OPERATIONS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "helios/capture_report.h"
#include "helios/ids.h"
#include "helios/planned_path.h"
#include "helios/selection.h"
#include "helios/workspace.h"

namespace helios {

// One operation of the log.
struct LoggedOperation {
  std::string id;  // 16 hexadecimal digits
  std::string
      kind;  // "commit", "restore", "lazy-restore", "branch", "partial-restore", "undo", "tag"
  int64_t seconds = 0;  // since 1970-01-01 00:00:00 UTC
  uint32_t nanoseconds = 0;
  std::string path;  // of the workspace; of a branch, its name
  std::string ref;   // that moved: "tags/v1", "heads/main"; empty if a workspace did
  // Where the workspace or ref stood before and stands since; absent: nowhere.
  std::optional<RecordId> before;
  std::optional<RecordId> after;
  SnapshotId snapshot;               // of `after`, or where it is absent of `before`
  std::optional<RecordId> source;    // what files were made equal to, if any were touched
  std::optional<RecordId> safety;    // the safety snapshot: what they were before
  std::string undone;                // the id of the operation that this one took back
  bool is_undone = false;            // this one was taken back, and that stands
  std::vector<std::string> command;  // as it was given; long ones are cut off
};

struct UndoRequest {
  Workspace workspace;
  std::string operation;  // its id or the beginning of it; empty: the workspace's last
  // Overwrite and delete even what changed since: a safety snapshot is taken first.
  bool force = false;
  bool dry_run = false;
  PathSink on_path;  // told of every path that is to change, before anything does; may be empty
};

struct ResumeRequest {
  Workspace workspace;
  bool abort = false;  // go back to how it was before, instead of on to the target
  bool force = false;
  bool dry_run = false;
  PathSink on_path;
};

struct StatusRequest {
  Workspace workspace;
  Selection selection;
  PathSink on_path;  // told of every path that differs; may be empty
};

struct StatusReport {
  std::string path;  // of the workspace
  // Where it stands; absent if nothing was committed from it or restored to it yet.
  std::optional<RecordId> record;
  std::optional<SnapshotId> snapshot;
  int64_t seconds = 0;                    // when that record was made
  std::string message;                    // the record's
  bool is_lazy = false;                   // the files of the snapshot need not be in the folder
  bool is_interrupted = false;            // a restore was begun and not finished
  bool can_resume = false;                // it can be aborted, too
  std::optional<SnapshotId> interrupted;  // what it was bringing
  uint64_t files = 0;                     // captured in the folder
  uint64_t bytes = 0;
  uint64_t added = 0;           // in the folder, not in the snapshot
  uint64_t never_captured = 0;  // of `added`: no snapshot of this workspace ever had that path
  uint64_t changed = 0;         // other content, executable bit or target
  uint64_t deleted = 0;         // in the snapshot, not in the folder
  uint64_t type_changed = 0;    // a file, symlink or folder that became another of these
  uint64_t attributes = 0;      // mode, time, extended attributes or hard links alone
  CaptureReport capture;        // what is ignored, and what could not be read
  std::vector<std::string> unmatched_patterns;

  // Whether the folder holds something else than the snapshot, its modes and times aside.
  bool IsChanged() const { return added + changed + deleted + type_changed > 0; }
};

struct OperationsRequest {
  Workspace workspace;
  bool all = false;                   // of all workspaces, branches and tags
  uint64_t count_max = ~uint64_t{0};  // the newest so many
};

}  // namespace helios

#endif  // HELIOS_OPERATIONS_H_

// Scans a workspace: finds what is there, reads what changed since the stat index was written, and
// makes the tree that a snapshot is.
#ifndef HELIOS_WORKTREE_SCAN_H_
#define HELIOS_WORKTREE_SCAN_H_

#include <deque>
#include <functional>
#include <memory>

#include "base/fd.h"
#include "base/metrics_recorder.h"
#include "helios/capture_report.h"
#include "helios/progress.h"
#include "worktree/large_content.h"
#include "worktree/linked_names.h"

namespace helios {

// Takes the objects that a scan makes; called from several threads, each with its own `worker`.
using ObjectSink =
    std::function<Result<void>(unsigned worker, const ObjectKey& key, ByteView bytes)>;

struct ScanOptions {
  unsigned threads = 1;
  bool include_git = false;
  const StatIndex* index = nullptr;  // may be null
  // If not empty: this name of the root alone, and what is below it, whatever ignore rules say.
  std::string only;
  // What the paths of hard links begin with, where the scanned folder is not the workspace's root:
  // "" or a path that ends with '/'.
  std::string path_prefix;
  ObjectSink sink;
  Progress* progress = nullptr;  // may be null
  MetricsRecorder* metrics = nullptr;
};

struct ScanResult {
  BuiltDirectory root;
  CaptureReport report;
  uint64_t files_hashed = 0;  // whose content was read
  // False if the index would say of every entry just what it says now.
  bool index_is_stale = false;
  ScannedDirectory* root_directory = nullptr;
  LinkedFiles linked_files;                  // those that have several names in the workspace
  std::deque<ScannedDirectory> directories;  // the arena; grows, never moves

  // The sections of an index that says what this scan saw, for StatIndex::Save. With `old`, the
  // index that the scan used, only those that it lacks, to be added at its end; `*base` says which
  // of the two it is: an index in which most is out of date is written anew. Sets the header's
  // root_offset.
  Bytes MakeIndex(const StatIndex* old, IndexHeader* header, uint64_t* base);
};

// Scans the open directory `root`. Follows no link and leaves no directory but by its names; files
// that change while they are read are read again, and reported as torn if they do not come to rest.
// Errors: only what makes the whole worthless (the root cannot be read, the sink failed); anything
// less is in the report.
Result<std::unique_ptr<ScanResult>> ScanWorkspace(Fd root, const ScanOptions& options);

}  // namespace helios

#endif  // HELIOS_WORKTREE_SCAN_H_

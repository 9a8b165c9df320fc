// Scans a workspace: finds what is there, reads what changed since the stat index was written, and
// makes the tree that a snapshot is.
#ifndef HELIOS_WORKTREE_SCAN_H_
#define HELIOS_WORKTREE_SCAN_H_

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/metrics_recorder.h"
#include "base/mutex.h"
#include "helios/capture_report.h"
#include "helios/progress.h"
#include "object/directory_builder.h"
#include "worktree/pattern.h"
#include "worktree/stat_index.h"

namespace helios {

struct ScannedDirectory;

// One name in a scanned directory.
struct ScannedEntry {
  std::string_view name;
  EntryClass entry_class = EntryClass::kSpecial;
  bool trusted = false;  // may be believed unread by the next scan
  bool listed_as_directory = false;
  bool vanished = false;
  FileStatus status;
  Digest id;                           // file: blob id
  std::unique_ptr<std::string> extra;  // symlink: target; large file: manifest id
  ScannedDirectory* child = nullptr;   // directory

  // As it stands in a tree; for captured classes.
  TreeEntry ToTreeEntry() const;
  AttributesEntry ToAttributes() const;
  // Whether that would be `entry`, which has this name.
  bool IsTreeEntry(const TreeEntry& entry) const;
};

// A directory as the scan saw it. Lives in the Scan's arena.
struct ScannedDirectory {
  ScannedDirectory* parent = nullptr;
  std::string name;
  FileStatus status;
  std::atomic<bool> trusted{false};   // its listing may be believed by the next scan
  bool listing_is_unchanged = false;  // its names are those of `section`
  bool is_store = false;              // a Helios store: not captured
  bool entry_failed = false;          // it could not be entered or listed
  bool entry_vanished = false;        // it was gone before it could be entered
  bool has_ignore_file = false;
  uint64_t rules_digest = 0;
  // What the index knew; its ids hold as long as `entries` is empty and no child changed.
  const IndexedSection* section = nullptr;
  bool expanded = false;  // `entries` is filled; otherwise they are those of `section`
  std::vector<ScannedEntry> entries;
  std::vector<ScannedDirectory*> children;  // in the order of their entries
  std::string text;                         // names, NUL-terminated
  BuiltDirectory built;
  uint64_t index_offset = 0;  // set by MakeIndex

  std::string Path() const;
  // Fills `entries` from the section if they are not there yet.
  void Expand();

  // True if its section in the index says all there is to say, its children's places included.
  bool KeepsPlace(const StatIndex& old) const;

  // While the scan runs:
  Fd fd;
  std::shared_ptr<const IgnoreRules> rules;
  std::atomic<int> fd_users{1};  // the directory's own work, and each child that is not open yet
  std::atomic<int> pending{1};   // parts that are not finished
  Mutex expanding;
};

// Takes the objects that a scan makes; called from several threads, each with its own `worker`.
using ObjectSink =
    std::function<Result<void>(unsigned worker, const ObjectKey& key, ByteView bytes)>;

struct ScanOptions {
  unsigned threads = 1;
  bool include_git = false;
  const StatIndex* index = nullptr;  // may be null
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

// Writes trees into folders: whole ones for materialize, and the changes of a restore plan.
#ifndef HELIOS_WORKTREE_TREE_WRITER_H_
#define HELIOS_WORKTREE_TREE_WRITER_H_

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/metrics_recorder.h"
#include "helios/object_store.h"
#include "helios/progress.h"
#include "helios/write_report.h"
#include "worktree/file_cache.h"
#include "worktree/restore_plan.h"
#include "worktree/selector.h"

namespace helios {

struct WriteOptions {
  unsigned threads = 1;
  const Selector* selector = nullptr;  // null: everything
  Progress* progress = nullptr;        // may be null
  // Whether the root itself gets mode and mtime from the snapshot.
  bool set_root_attributes = true;
  FileCache* cache = nullptr;  // that files share their bytes with; null: each has its own
};

// Both write through descriptors of open folders, one component at a time, never through a link:
// whatever happens in the target meanwhile, nothing outside of it is touched.
//
// What one name refuses (something in the way, no permission) goes into the report and the rest
// goes on. Errors: damage and missing objects (naming object and path), a full disk, a failing
// medium.

// Writes the snapshot below `root`, an open folder. What is there already is replaced file by file,
// never followed; folders that exist are filled. Without attributes, what is made has the mode that
// the process gives to new files and folders, and the present time.
Result<WriteReport> WriteTree(ObjectStore* store, Fd root, const TreeId& tree,
                              const std::optional<AttributesId>& attributes,
                              const WriteOptions& options);

// Does what the plan says to the workspace below `root`. Each file is looked at once more before it
// is replaced or removed: one that changed since the plan was made is left alone and reported.
Result<WriteReport> ApplyRestorePlan(ObjectStore* store, Fd root, const RestorePlan& plan,
                                     const WriteOptions& options);

}  // namespace helios

#endif  // HELIOS_WORKTREE_TREE_WRITER_H_

// What a selector selects of a tree in a store.
#ifndef HELIOS_WORKTREE_SELECTED_WALK_H_
#define HELIOS_WORKTREE_SELECTED_WALK_H_

#include <functional>
#include <string>

#include "vst/tree_reader.h"
#include "worktree/selector.h"

namespace helios {

// Visits every file and symlink in and below the folder `path` (empty for the root) that is
// selected.
using SelectedSink = std::function<Result<void>(const std::string& path, const TreeEntry& entry)>;
Result<void> ForEachSelected(const TreeReader& reader, const TreeId& tree, const std::string& path,
                             const Selector& selector, const SelectedSink& sink);

// The totals of what is selected in and below the folder `path` (empty for the root). Asks the
// selector about every path that it could select: after that it knows which of its patterns match.
Result<TreeTotals> CountSelected(const TreeReader& reader, const TreeId& tree,
                                 const std::string& path, const Selector& selector);

}  // namespace helios

#endif  // HELIOS_WORKTREE_SELECTED_WALK_H_

// What differs between two trees. Walks only where ids differ.
#ifndef HELIOS_VST_TREE_DIFF_H_
#define HELIOS_VST_TREE_DIFF_H_

#include <functional>
#include <optional>

#include "helios/tree_path.h"
#include "vst/tree_reader.h"

namespace helios {

enum class ChangeKind { kAdded, kChanged, kDeleted };

// One path that differs. Files and symlinks count, and folders only where one that is empty comes
// or goes: so every difference between two ids shows as at least one change.
struct TreeChange {
  ChangeKind kind = ChangeKind::kAdded;
  std::string path;
  std::optional<TreeEntry> before;
  std::optional<TreeEntry> after;
};

struct TreeDiffFilter {
  // Whether a path counts, and whether anything below a directory can.
  std::function<bool(std::string_view path, bool is_directory)> selects;
  std::function<bool(std::string_view path)> may_select_below;
};

using ChangeSink = std::function<Result<void>(TreeChange change)>;

// Hands every difference to the sink: depth first, names in byte order within each folder. A file
// that becomes a folder is a deletion and additions.
Result<void> DiffTrees(const TreeReader& reader, const TreeId& before, const TreeId& after,
                       const TreeDiffFilter& filter, const ChangeSink& sink);

}  // namespace helios

#endif  // HELIOS_VST_TREE_DIFF_H_

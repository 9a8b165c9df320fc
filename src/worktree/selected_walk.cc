#include "worktree/selected_walk.h"

#include <utility>
#include <vector>

namespace helios {

Result<void> ForEachSelected(const TreeReader& reader, const TreeId& tree, const std::string& path,
                             const Selector& selector, const SelectedSink& sink) {
  std::vector<std::pair<TreeId, std::string>> stack{{tree, path}};
  while (!stack.empty()) {
    const TreeId folder = stack.back().first;
    const std::string folder_path = std::move(stack.back().second);
    stack.pop_back();
    const auto take = [&](std::span<TreeEntry> entries,
                          std::span<AttributesEntry>) -> Result<void> {
      for (const TreeEntry& entry : entries) {
        std::string below = folder_path.empty() ? entry.name : folder_path + "/" + entry.name;
        const bool is_directory = entry.kind == EntryKind::kDirectory;
        const bool selected = selector.Selects(below, is_directory);
        if (is_directory && (selected || selector.MaySelectBelow(below))) {
          stack.emplace_back(TreeId{entry.id}, std::move(below));
        } else if (selected) {
          HELIOS_TRY(sink(below, entry));
        }
      }
      return {};
    };
    HELIOS_TRY(reader.ForEachPage(folder, nullptr, take));
  }
  return {};
}

Result<TreeTotals> CountSelected(const TreeReader& reader, const TreeId& tree,
                                 const std::string& path, const Selector& selector) {
  TreeTotals totals;
  const auto count = [&](const std::string&, const TreeEntry& entry) -> Result<void> {
    totals.files += entry.Totals().files;
    totals.bytes += entry.Totals().bytes;
    return {};
  };
  HELIOS_TRY(ForEachSelected(reader, tree, path, selector, count));
  return totals;
}

}  // namespace helios

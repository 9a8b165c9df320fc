#include "vst/tree_diff.h"

#include <vector>

namespace helios {
namespace {

bool IsDirectory(const TreeEntry* entry) {
  return entry != nullptr && entry->kind == EntryKind::kDirectory;
}

// Work on an explicit stack: depth is outside data.
class Differ {
 public:
  Differ(const TreeReader& reader, const TreeDiffFilter& filter, const ChangeSink& sink)
      : reader_(reader), filter_(filter), sink_(sink) {}

  Result<void> Run(const TreeId& before, const TreeId& after) {
    if (before == after) return {};
    stack_.push_back({"", before, after, std::nullopt});
    while (!stack_.empty()) {
      const Step step = std::move(stack_.back());
      stack_.pop_back();
      if (step.change) {
        HELIOS_TRY(sink_(*step.change));
      } else {
        HELIOS_TRY(Compare(step));
      }
    }
    return {};
  }

 private:
  // A pair of directories to compare (one side may be absent), or a change to report in its turn.
  struct Step {
    std::string path;
    std::optional<TreeId> before;
    std::optional<TreeId> after;
    std::optional<TreeChange> change;
  };

  Result<void> Compare(const Step& step) {
    std::vector<TreeEntry> before;
    std::vector<TreeEntry> after;
    HELIOS_TRY(ReadSides(step, &before, &after));
    const bool came_or_went = !step.before || !step.after;
    if (came_or_went && before.empty() && after.empty()) return ReportEmptyFolder(step);
    std::vector<Step> steps;
    size_t i = 0;
    size_t j = 0;
    while (i < before.size() || j < after.size()) {
      int order = 0;
      if (i == before.size())
        order = 1;
      else if (j == after.size())
        order = -1;
      else
        order = before[i].name.compare(after[j].name);
      const TreeEntry* left = order <= 0 ? &before[i++] : nullptr;
      const TreeEntry* right = order >= 0 ? &after[j++] : nullptr;
      if (left != nullptr && right != nullptr && *left == *right) continue;
      AddSteps(step.path, left, right, &steps);
    }
    stack_.insert(stack_.end(), std::make_move_iterator(steps.rbegin()),
                  std::make_move_iterator(steps.rend()));
    return {};
  }

  Result<void> ReadSides(const Step& step, std::vector<TreeEntry>* before,
                         std::vector<TreeEntry>* after) const {
    if (step.before && step.after) {
      return reader_.ReadDiffering(*step.before, *step.after, before, after);
    }
    const TreeId& only = step.before ? *step.before : *step.after;
    HELIOS_TRY_ASSIGN(DirectoryContents contents, reader_.ReadDirectory(only, nullptr));
    (step.before ? *before : *after) = std::move(contents.entries);
    return {};
  }

  Result<void> ReportEmptyFolder(const Step& step) const {
    if (!filter_.selects(step.path, true)) return {};
    TreeEntry folder;
    folder.kind = EntryKind::kDirectory;
    folder.id = step.before ? step.before->digest : step.after->digest;
    folder.name = step.path.substr(step.path.rfind('/') + 1);
    TreeChange change;
    change.path = step.path;
    change.kind = step.before ? ChangeKind::kDeleted : ChangeKind::kAdded;
    (step.before ? change.before : change.after) = std::move(folder);
    return sink_(std::move(change));
  }

  void AddSteps(const std::string& folder, const TreeEntry* left, const TreeEntry* right,
                std::vector<Step>* steps) const {
    const std::string& name = left != nullptr ? left->name : right->name;
    const std::string path = folder.empty() ? name : folder + "/" + name;
    const TreeEntry* file_before = IsDirectory(left) ? nullptr : left;
    const TreeEntry* file_after = IsDirectory(right) ? nullptr : right;
    if ((file_before != nullptr || file_after != nullptr) && filter_.selects(path, false)) {
      TreeChange change;
      change.path = path;
      change.kind = file_before == nullptr  ? ChangeKind::kAdded
                    : file_after == nullptr ? ChangeKind::kDeleted
                                            : ChangeKind::kChanged;
      if (file_before != nullptr) change.before = *file_before;
      if (file_after != nullptr) change.after = *file_after;
      steps->push_back({path, std::nullopt, std::nullopt, std::move(change)});
    }
    if ((IsDirectory(left) || IsDirectory(right)) && filter_.may_select_below(path)) {
      Step step{path, std::nullopt, std::nullopt, std::nullopt};
      if (IsDirectory(left)) step.before = TreeId{left->id};
      if (IsDirectory(right)) step.after = TreeId{right->id};
      steps->push_back(std::move(step));
    }
  }

  const TreeReader& reader_;
  const TreeDiffFilter& filter_;
  const ChangeSink& sink_;
  std::vector<Step> stack_;
};

}  // namespace

Result<void> DiffTrees(const TreeReader& reader, const TreeId& before, const TreeId& after,
                       const TreeDiffFilter& filter, const ChangeSink& sink) {
  return Differ(reader, filter, sink).Run(before, after);
}

}  // namespace helios

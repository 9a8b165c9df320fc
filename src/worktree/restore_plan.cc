#include "worktree/restore_plan.h"

#include <algorithm>

#include "worktree/selected_walk.h"

namespace helios {
namespace {

constexpr size_t kConflictsListedMax = 1000;

bool IsDirectory(const TreeEntry* entry) {
  return entry != nullptr && entry->kind == EntryKind::kDirectory;
}

std::string Join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

class Planner {
 public:
  Planner(const TreeReader& reader, const RestorePlanOptions& options, RestorePlan* plan)
      : reader_(reader), options_(options), plan_(plan) {}

  Result<void> Run(ScannedDirectory* workspace, const std::optional<TreeId>& baseline,
                   const TreeId& target, const AttributesId& attributes) {
    stack_.push_back({"", workspace, baseline, Target{target, attributes}, &plan_->root});
    while (!stack_.empty()) {
      const Step step = std::move(stack_.back());
      stack_.pop_back();
      HELIOS_TRY(PlanFolder(step));
    }
    return {};
  }

 private:
  struct Target {
    TreeId tree;
    AttributesId attributes;
  };
  // One folder of the workspace, the baseline's and the target's folder of that path.
  struct Step {
    std::string path;
    ScannedDirectory* workspace;
    std::optional<TreeId> baseline;
    std::optional<Target> target;
    PlannedFolder* planned;
  };
  // The three sides of one name; null where it is absent.
  struct Sides {
    std::string path;
    ScannedEntry* workspace = nullptr;
    const TreeEntry* baseline = nullptr;
    const TreeEntry* target = nullptr;
    const AttributesEntry* attributes = nullptr;
  };

  Result<void> PlanFolder(const Step& step) {
    if (step.target && step.workspace->built.tree == step.target->tree &&
        step.workspace->built.attributes == step.target->attributes) {
      return {};
    }
    DirectoryContents target;
    if (step.target) {
      HELIOS_TRY_ASSIGN(target, reader_.ReadDirectory(step.target->tree, &step.target->attributes));
      step.planned->attributes = target.own;
      if (target.own != step.workspace->status.Attributes()) plan_->has_work = true;
    }
    step.workspace->Expand();
    std::vector<ScannedEntry>& here = step.workspace->entries;
    DirectoryContents baseline;
    if (step.baseline && *step.baseline == step.workspace->built.tree) {
      // Nothing changed here since: no need to load what was just scanned.
      for (const ScannedEntry& entry : here) {
        if (!entry.vanished && IsCaptured(entry.entry_class)) {
          baseline.entries.push_back(entry.ToTreeEntry());
        }
      }
    } else if (step.baseline) {
      HELIOS_TRY_ASSIGN(baseline, reader_.ReadDirectory(*step.baseline, nullptr));
    }
    size_t w = 0, b = 0, t = 0;
    while (true) {
      while (w < here.size() && here[w].vanished) ++w;
      std::string_view name = {};
      const auto take_least = [&](std::string_view candidate) {
        if (name.empty() || candidate < name) name = candidate;
      };
      if (w < here.size()) take_least(here[w].name);
      if (b < baseline.entries.size()) take_least(baseline.entries[b].name);
      if (t < target.entries.size()) take_least(target.entries[t].name);
      if (name.empty()) break;
      Sides sides;
      sides.path = Join(step.path, name);
      if (w < here.size() && here[w].name == name) sides.workspace = &here[w++];
      if (b < baseline.entries.size() && baseline.entries[b].name == name) {
        sides.baseline = &baseline.entries[b++];
      }
      if (t < target.entries.size() && target.entries[t].name == name) {
        sides.target = &target.entries[t];
        sides.attributes = &target.attributes[t++];
      }
      HELIOS_TRY(PlanName(sides, step.planned));
    }
    return {};
  }

  Result<void> PlanName(const Sides& sides, PlannedFolder* planned) {
    const bool is_directory = IsDirectory(sides.target) ||
                              (sides.workspace != nullptr && sides.workspace->child != nullptr);
    if (options_.selector != nullptr && !options_.selector->Selects(sides.path, is_directory) &&
        !(is_directory && options_.selector->MaySelectBelow(sides.path))) {
      return {};
    }
    if (sides.workspace == nullptr) {
      return sides.target != nullptr ? PlanCreation(sides, planned) : Result<void>();
    }
    if (!IsCaptured(sides.workspace->entry_class)) return PlanUncaptured(sides, planned);
    if (sides.target == nullptr) return PlanAbsence(sides, planned);
    if (sides.workspace->entry_class == EntryClass::kDirectory) {
      return PlanOverFolder(sides, planned);
    }
    return PlanOverFile(sides, planned);
  }

  Result<void> PlanCreation(const Sides& sides, PlannedFolder* planned) {
    plan_->has_work = true;
    if (IsDirectory(sides.target)) {
      planned->subtrees.push_back(
          {sides.target->name, {sides.target->id}, sides.attributes->directory});
    } else {
      planned->files.push_back(
          {PlannedFile::Action::kCreate, *sides.target, sides.attributes->attributes, {}});
    }
    TreeTotals totals = sides.target->Totals();
    if (IsDirectory(sides.target) && options_.selector != nullptr) {
      HELIOS_TRY_ASSIGN(totals,
                        CountSelected(reader_, {sides.target->id}, sides.path, *options_.selector));
    }
    plan_->created += totals.files;
    plan_->bytes += totals.bytes;
    return {};
  }

  // Something that Helios does not capture is in the way, or lies beside it and is left alone.
  Result<void> PlanUncaptured(const Sides& sides, PlannedFolder* planned) {
    if (sides.target == nullptr) return {};
    const bool replaceable = sides.workspace->entry_class != EntryClass::kStore &&
                             sides.workspace->entry_class != EntryClass::kGit &&
                             !sides.workspace->listed_as_directory &&
                             sides.workspace->child == nullptr && !IsDirectory(sides.target);
    if (!replaceable) {
      plan_->obstacles.push_back(sides.path);
    } else if (AllowsLoss(sides.path)) {
      HELIOS_TRY(PlanCreation(sides, planned));
      planned->files.back().action = PlannedFile::Action::kReplace;
    }
    return {};
  }

  Result<void> PlanOverFile(const Sides& sides, PlannedFolder* planned) {
    const TreeEntry present = sides.workspace->ToTreeEntry();
    if (present == *sides.target) {
      if (sides.workspace->status.Attributes() == sides.attributes->attributes) return {};
      plan_->has_work = true;
      planned->files.push_back({PlannedFile::Action::kSetAttributes, present,
                                sides.attributes->attributes, sides.workspace->status});
      return {};
    }
    HELIOS_TRY_ASSIGN(const bool saved, IsSaved(sides.path, present, sides.baseline));
    if (!saved && !AllowsLoss(sides.path)) return {};
    plan_->has_work = true;
    ++plan_->replaced;
    plan_->bytes += sides.target->Totals().bytes;
    if (IsDirectory(sides.target)) {
      planned->make_room.push_back({present.name, sides.workspace->status, nullptr});
      planned->subtrees.push_back(
          {sides.target->name, {sides.target->id}, sides.attributes->directory});
    } else {
      planned->files.push_back({PlannedFile::Action::kReplace, *sides.target,
                                sides.attributes->attributes, sides.workspace->status});
    }
    return {};
  }

  Result<void> PlanOverFolder(const Sides& sides, PlannedFolder* planned) {
    std::optional<TreeId> baseline;
    if (IsDirectory(sides.baseline)) baseline = TreeId{sides.baseline->id};
    if (IsDirectory(sides.target)) {
      Descend(sides, baseline, Target{{sides.target->id}, sides.attributes->directory}, planned);
      return {};
    }
    // A file takes the place of a folder: whatever is in it must be saved.
    if (baseline != std::optional<TreeId>(sides.workspace->child->built.tree) ||
        HasUncaptured(*sides.workspace->child)) {
      if (!CheckWholeFolder(sides, baseline)) return {};
    }
    plan_->has_work = true;
    plan_->deleted += sides.workspace->child->built.totals.files;
    planned->make_room.push_back(
        {sides.target->name, sides.workspace->status, sides.workspace->child});
    return PlanCreation(sides, planned);
  }

  // The target does not have this name.
  Result<void> PlanAbsence(const Sides& sides, PlannedFolder* planned) {
    if (sides.workspace->entry_class == EntryClass::kDirectory) {
      if (!IsDirectory(sides.baseline) && !options_.delete_untracked) {
        plan_->kept_untracked += std::max<uint64_t>(1, sides.workspace->child->built.totals.files);
        return {};
      }
      std::optional<TreeId> baseline;
      if (IsDirectory(sides.baseline)) baseline = TreeId{sides.baseline->id};
      Descend(sides, baseline, std::nullopt, planned);
      return {};
    }
    const TreeEntry present = sides.workspace->ToTreeEntry();
    if (sides.baseline == nullptr && !options_.delete_untracked) {
      ++plan_->kept_untracked;
      return {};
    }
    if (sides.baseline != nullptr) {
      HELIOS_TRY_ASSIGN(const bool saved, IsSaved(sides.path, present, sides.baseline));
      if (!saved && !AllowsLoss(sides.path)) return {};
    }
    plan_->has_work = true;
    ++plan_->deleted;
    planned->removals.push_back({present.name, sides.workspace->status, nullptr});
    NoteRemoval(planned);
    return {};
  }

  void Descend(const Sides& sides, const std::optional<TreeId>& baseline,
               const std::optional<Target>& target, PlannedFolder* planned) {
    if (target && sides.workspace->child->built.tree == target->tree &&
        sides.workspace->child->built.attributes == target->attributes) {
      return;
    }
    auto folder = std::make_unique<PlannedFolder>();
    folder->name = sides.workspace->name;
    folder->remove_if_empty = !target.has_value();
    folder->parent = planned;
    if (!target) {
      plan_->has_work = true;
      NoteRemoval(folder.get());
    }
    stack_.push_back({sides.path, sides.workspace->child, baseline, target, folder.get()});
    planned->folders.push_back(std::move(folder));
  }

  static void NoteRemoval(PlannedFolder* folder) {
    for (; folder != nullptr && !folder->removes; folder = folder->parent) folder->removes = true;
  }

  Result<bool> IsSaved(const std::string& path, const TreeEntry& present,
                       const TreeEntry* baseline) const {
    if (baseline != nullptr && *baseline == present) return true;
    return options_.is_held ? options_.is_held(path, present) : Result<bool>(false);
  }

  // Notes that the content at `path` would be lost; true if that was asked for.
  bool AllowsLoss(const std::string& path) {
    if (plan_->conflicts.size() < kConflictsListedMax) plan_->conflicts.push_back(path);
    return options_.force;
  }

  static bool HasUncaptured(const ScannedDirectory& folder) {
    std::vector<const ScannedDirectory*> stack{&folder};
    while (!stack.empty()) {
      const ScannedDirectory* at = stack.back();
      stack.pop_back();
      if (at->is_store || at->entry_failed) return true;
      if (at->expanded) {
        for (const ScannedEntry& entry : at->entries) {
          if (!entry.vanished && !IsCaptured(entry.entry_class)) return true;
        }
      } else {
        for (const IndexedEntry& entry : at->section->Entries()) {
          if (!IsCaptured(entry.Class())) return true;
        }
      }
      stack.insert(stack.end(), at->children.begin(), at->children.end());
    }
    return false;
  }

  // A folder that must go and is not just what the baseline holds.
  bool CheckWholeFolder(const Sides& sides, const std::optional<TreeId>& baseline) {
    if (HasUncaptured(*sides.workspace->child)) {
      plan_->obstacles.push_back(sides.path + "/");
      return false;
    }
    if (baseline == std::optional<TreeId>(sides.workspace->child->built.tree)) return true;
    return AllowsLoss(sides.path + "/");
  }

  const TreeReader& reader_;
  const RestorePlanOptions& options_;
  RestorePlan* plan_;
  std::vector<Step> stack_;
};

}  // namespace

Result<RestorePlan> PlanRestore(const TreeReader& reader, ScannedDirectory* workspace,
                                const std::optional<TreeId>& baseline, const TreeId& target,
                                const AttributesId& target_attributes,
                                const RestorePlanOptions& options) {
  RestorePlan plan;
  HELIOS_TRY(Planner(reader, options, &plan).Run(workspace, baseline, target, target_attributes));
  return plan;
}

}  // namespace helios

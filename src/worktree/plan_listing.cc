#include "worktree/plan_listing.h"

#include <algorithm>
#include <map>

namespace helios {
namespace {

using Change = PlannedPath::Change;

std::string Join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

uint64_t SizeOf(const TreeEntry& entry) {
  return entry.kind == EntryKind::kSymlink ? entry.target.size() : entry.Totals().bytes;
}

PlannedPath Make(Change change, std::string path, const TreeEntry* before, const TreeEntry* after) {
  PlannedPath planned;
  planned.change = change;
  planned.path = std::move(path);
  if (before != nullptr) {
    planned.type_before = EntryKindName(before->kind);
    planned.size_before = SizeOf(*before);
  }
  if (after != nullptr) {
    planned.type_after = EntryKindName(after->kind);
    planned.size_after = SizeOf(*after);
  }
  return planned;
}

bool IsOfAnotherType(const TreeEntry& a, const TreeEntry& b) {
  return IsFile(a.kind) != IsFile(b.kind) || (!IsFile(a.kind) && a.kind != b.kind);
}

class Lister {
 public:
  Lister(const TreeReader& reader, const Selector* selector, const PathSink& sink)
      : reader_(reader), selector_(selector), sink_(sink) {}

  // Works on an explicit stack: depth is outside data.
  Result<void> Run(const PlannedFolder& root) {
    stack_.push_back({Step::Kind::kPlanned, "", &root, {}, nullptr});
    while (!stack_.empty()) {
      const Step step = std::move(stack_.back());
      stack_.pop_back();
      later_.clear();
      switch (step.kind) {
        case Step::Kind::kPlanned:
          ListFolder(*step.planned);
          break;
        case Step::Kind::kCreated:
          HELIOS_TRY(ListCreated(step));
          break;
        case Step::Kind::kRemoved:
          ListRemoved(step);
          break;
      }
      // Names in order, and what is below them in their place.
      for (auto it = later_.rbegin(); it != later_.rend(); ++it) stack_.push_back(it->second);
    }
    return {};
  }

 private:
  struct Step {
    enum class Kind { kPlanned, kCreated, kRemoved };
    Kind kind;
    std::string path;
    const PlannedFolder* planned;
    TreeId tree;                // kCreated
    ScannedDirectory* scanned;  // kRemoved
  };

  void Push(Step step) { later_.emplace(step.path, std::move(step)); }

  void ListFolder(const PlannedFolder& folder) {
    std::map<std::string, PlannedPath> paths;
    for (const PlannedRemoval& removal : folder.removals) Remove(folder, removal, &paths);
    for (const PlannedRemoval& removal : folder.make_room) Remove(folder, removal, &paths);
    for (const PlannedFile& file : folder.files) AddFile(folder, file, &paths);
    for (const PlannedSubtree& subtree : folder.subtrees) {
      const std::string path = Join(folder.path, subtree.name);
      if (const auto found = paths.find(path); found != paths.end()) {
        found->second.change = Change::kTypeChanged;
        found->second.type_after = EntryKindName(EntryKind::kDirectory);
      }
      Push({Step::Kind::kCreated, path, nullptr, subtree.tree, nullptr});
    }
    for (const auto& below : folder.folders) {
      Push({Step::Kind::kPlanned, below->path, below.get(), {}, nullptr});
    }
    if (folder.remove_if_empty && folder.scanned->entries.empty()) {
      EmptyFolder(Change::kDeleted, folder.path);
    }
    for (const auto& [path, planned] : paths) sink_(planned);
  }

  void Remove(const PlannedFolder& folder, const PlannedRemoval& removal,
              std::map<std::string, PlannedPath>* paths) {
    const std::string path = Join(folder.path, removal.name);
    if (removal.folder != nullptr) {
      Push({Step::Kind::kRemoved, path, nullptr, {}, removal.folder});
    } else {
      const TreeEntry before = removal.present->ToTreeEntry();
      (*paths)[path] = Make(Change::kDeleted, path, &before, nullptr);
    }
  }

  void AddFile(const PlannedFolder& folder, const PlannedFile& file,
               std::map<std::string, PlannedPath>* paths) {
    const std::string path = Join(folder.path, file.entry.name);
    if (file.present != nullptr) {
      const TreeEntry before = file.present->ToTreeEntry();
      const Change change = file.action == PlannedFile::Action::kSetAttributes ? Change::kAttributes
                            : IsOfAnotherType(before, file.entry) ? Change::kTypeChanged
                            : before == file.entry                ? Change::kAttributes
                                                                  : Change::kChanged;
      (*paths)[path] = Make(change, path, &before, &file.entry);
      return;
    }
    PlannedPath planned = Make(Change::kAdded, path, nullptr, &file.entry);
    if (later_.contains(path)) {  // a folder makes room for it
      planned.change = Change::kTypeChanged;
      planned.type_before = EntryKindName(EntryKind::kDirectory);
    }
    (*paths)[path] = std::move(planned);
  }

  void EmptyFolder(Change change, const std::string& path) {
    TreeEntry folder;
    folder.kind = EntryKind::kDirectory;
    sink_(Make(change, path, change == Change::kDeleted ? &folder : nullptr,
               change == Change::kAdded ? &folder : nullptr));
  }

  Result<void> ListCreated(const Step& step) {
    bool is_empty = true;
    const auto take = [&](std::span<TreeEntry> entries,
                          std::span<AttributesEntry>) -> Result<void> {
      for (const TreeEntry& entry : entries) {
        is_empty = false;
        const std::string path = Join(step.path, entry.name);
        const bool is_directory = entry.kind == EntryKind::kDirectory;
        if (is_directory && (selector_ == nullptr || selector_->Selects(path, true) ||
                             selector_->MaySelectBelow(path))) {
          Push({Step::Kind::kCreated, path, nullptr, {entry.id}, nullptr});
        } else if (!is_directory && (selector_ == nullptr || selector_->Selects(path, false))) {
          sink_(Make(Change::kAdded, path, nullptr, &entry));
        }
      }
      return {};
    };
    HELIOS_TRY(reader_.ForEachPage(step.tree, nullptr, take));
    const bool is_selected = selector_ == nullptr || selector_->Selects(step.path, true);
    if (is_empty && is_selected) EmptyFolder(Change::kAdded, step.path);
    return {};
  }

  void ListRemoved(const Step& step) {
    step.scanned->Expand();
    for (const ScannedEntry& entry : step.scanned->entries) {
      if (entry.vanished || !IsCaptured(entry.entry_class)) continue;
      const std::string path = Join(step.path, entry.name);
      if (entry.child != nullptr) {
        Push({Step::Kind::kRemoved, path, nullptr, {}, entry.child});
      } else {
        const TreeEntry before = entry.ToTreeEntry();
        sink_(Make(Change::kDeleted, path, &before, nullptr));
      }
    }
    if (step.scanned->entries.empty()) EmptyFolder(Change::kDeleted, step.path);
  }

  const TreeReader& reader_;
  const Selector* selector_;
  const PathSink& sink_;
  std::vector<Step> stack_;
  std::map<std::string, Step> later_;
};

}  // namespace

Result<void> ListPlan(const TreeReader& reader, const RestorePlan& plan, const Selector* selector,
                      const PathSink& sink) {
  return Lister(reader, selector, sink).Run(plan.root);
}

RestorePlan PlanToRemoveAll(ScannedDirectory* workspace) {
  RestorePlan plan;
  plan.root.scanned = workspace;
  workspace->Expand();
  for (const ScannedEntry& entry : workspace->entries) {
    if (entry.vanished || !IsCaptured(entry.entry_class)) continue;
    plan.root.removals.push_back(
        {std::string(entry.name), entry.status, entry.is_linked, entry.child, &entry});
  }
  return plan;
}

}  // namespace helios

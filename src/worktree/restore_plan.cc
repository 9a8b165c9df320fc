#include "worktree/restore_plan.h"

#include <algorithm>
#include <iterator>

#include "base/thread_pool.h"
#include "worktree/selected_walk.h"

namespace helios {
namespace {

constexpr size_t kConflictsListedMax = 1000;

constexpr std::string_view kChanged = "changed, and no snapshot holds what it is now";
constexpr std::string_view kNeverCaptured = "no snapshot ever held it";
constexpr std::string_view kContentLost = "the store lacks the content that its snapshot had";
constexpr std::string_view kIgnoredFile = "ignored, and no snapshot holds what it is now";
constexpr std::string_view kNotCaptured = "not captured";
constexpr std::string_view kUnreadable = "cannot be read, and so not be saved";
constexpr std::string_view kNotSelected = "not selected";
constexpr std::string_view kOtherFileSystem = "on another file system";
constexpr std::string_view kHoldsMore = "holds what is not captured, not selected or elsewhere";

bool IsDirectory(const TreeEntry* entry) {
  return entry != nullptr && entry->kind == EntryKind::kDirectory;
}

std::string Join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

// Folders are planned independently of each other, by whoever has time.
class Planner {
 public:
  Planner(const TreeReader& reader, const RestorePlanOptions& options)
      : reader_(reader),
        options_(options),
        summaries_(options.threads),
        kept_links_(options.threads) {}

  Result<RestorePlan> Run(ScannedDirectory* workspace, const std::optional<TreeRoots>& baseline,
                          const TreeRoots& target) {
    RestorePlan plan;
    root_device_ = workspace->status.device;
    HELIOS_TRY(TaskStack::Run(options_.threads, [&](TaskStack& tasks) {
      Push(tasks, {"", workspace, baseline, target, &plan.root});
    }));
    for (PlanSummary& summary : summaries_) plan.summary.Merge(std::move(summary));
    for (const std::vector<LinkedFile>& kept : kept_links_) {
      plan.kept_links.insert(plan.kept_links.end(), kept.begin(), kept.end());
    }
    plan.present_links = options_.present_links;
    std::sort(plan.summary.conflicts.begin(), plan.summary.conflicts.end());
    std::sort(plan.summary.obstacles.begin(), plan.summary.obstacles.end());
    std::sort(plan.summary.kept.begin(), plan.summary.kept.end());
    DropIdleFolders(&plan.root);
    plan.has_work = !IsIdle(plan.root);
    return plan;
  }

 private:
  // One folder of the workspace, the baseline's and the target's folder of that path.
  struct Step {
    std::string path;
    ScannedDirectory* workspace;
    std::optional<TreeRoots> baseline;
    std::optional<TreeRoots> target;
    PlannedFolder* planned;
    bool is_ignored = false;  // below something that is ignored
  };
  // Where a step's findings go.
  struct Findings {
    TaskStack* tasks;
    PlannedFolder* planned;
    PlanSummary* summary;
    std::vector<LinkedFile>* kept_links;
  };
  // The three sides of one name; null where it is absent.
  struct Sides {
    std::string path;
    bool is_ignored = false;
    ScannedEntry* workspace = nullptr;
    const TreeEntry* baseline = nullptr;
    const TreeEntry* target = nullptr;
    const AttributesEntry* attributes = nullptr;           // the target's, where it has any
    const AttributesEntry* baseline_attributes = nullptr;  // the same; only with only_changes

    std::optional<FileAttributes> TargetAttributes() const {
      return attributes == nullptr ? std::nullopt : std::optional(attributes->attributes);
    }
    std::optional<AttributesId> TargetDirectoryAttributes() const {
      return attributes == nullptr ? std::nullopt : std::optional(attributes->directory);
    }
    std::optional<TreeRoots> BaselineDirectory() const {
      if (!IsDirectory(baseline)) return std::nullopt;
      TreeRoots roots{{baseline->id}, std::nullopt};
      if (baseline_attributes != nullptr) roots.attributes = baseline_attributes->directory;
      return roots;
    }
    // Whether baseline and target have the same under this name, as far as both say.
    bool IsNoChange() const {
      if (baseline == nullptr || target == nullptr) return baseline == target;
      return *baseline == *target && (attributes == nullptr || baseline_attributes == nullptr ||
                                      *attributes == *baseline_attributes);
    }
  };

  void Push(TaskStack& tasks, Step step) {
    step.planned->path = step.path;
    step.planned->scanned = step.workspace;
    step.planned->target = step.target;
    tasks.Push([this, &tasks, step = std::move(step)](unsigned worker) {
      return PlanFolder(step, {&tasks, step.planned, &summaries_[worker], &kept_links_[worker]});
    });
  }

  Result<DirectoryContents> Read(const TreeRoots& roots) const {
    return reader_.ReadDirectory(roots.tree, roots.attributes ? &*roots.attributes : nullptr);
  }

  Result<void> PlanFolder(const Step& step, const Findings& findings) {
    if (step.target && step.workspace->built.tree == step.target->tree &&
        (!step.target->attributes ||
         step.workspace->built.attributes == *step.target->attributes)) {
      return {};
    }
    if (options_.only_changes && step.baseline && step.target && *step.baseline == *step.target) {
      return {};
    }
    // If nothing changed here since, there is no need to load what was just scanned.
    const bool is_as_baseline = !options_.only_changes && step.baseline &&
                                step.baseline->tree == step.workspace->built.tree;
    DirectoryContents baseline;
    if (step.baseline && !is_as_baseline) {
      HELIOS_TRY_ASSIGN(baseline, Read(*step.baseline));
    }
    DirectoryContents target;
    if (step.target) {
      HELIOS_TRY_ASSIGN(target, Read(*step.target));
      if (step.target->attributes && target.own != step.workspace->Attributes() &&
          SelectsFolder(step.path)) {
        step.planned->attributes = target.own;
      }
    }
    step.workspace->Expand();
    std::vector<ScannedEntry>& here = step.workspace->entries;
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
      if (w < here.size() && here[w].name == name) sides.workspace = &here[w++];
      if (b < baseline.entries.size() && baseline.entries[b].name == name) {
        sides.baseline = &baseline.entries[b];
        if (!baseline.attributes.empty()) sides.baseline_attributes = &baseline.attributes[b];
        ++b;
      }
      if (t < target.entries.size() && target.entries[t].name == name) {
        sides.target = &target.entries[t];
        if (step.target->attributes) sides.attributes = &target.attributes[t];
        ++t;
      }
      if (IsAsWanted(sides)) continue;
      if (options_.only_changes && sides.IsNoChange()) continue;
      TreeEntry present;
      if (is_as_baseline && sides.workspace != nullptr &&
          IsCaptured(sides.workspace->entry_class)) {
        present = sides.workspace->ToTreeEntry();
        sides.baseline = &present;
      }
      sides.path = Join(step.path, name);
      sides.is_ignored = step.is_ignored;
      HELIOS_TRY(PlanName(sides, findings));
    }
    // What changes a folder's names changes its time, too.
    if (!step.planned->remove_if_empty && step.planned->ChangesEntries()) {
      step.planned->attributes = AttributesAfterwards(step, target.own);
    }
    return {};
  }

  // Of a folder whose entries change. Where it is not to have the target's, it keeps its mode: to
  // write into one that is read-only takes another for a while.
  std::optional<FileAttributes> AttributesAfterwards(const Step& step,
                                                     const FileAttributes& target) const {
    if (step.target && step.target->attributes && SelectsFolder(step.path)) return target;
    if ((step.workspace->status.mode & S_IRWXU) == S_IRWXU) return std::nullopt;
    return step.workspace->Attributes();
  }

  static bool IsAsWanted(const Sides& sides) {
    return sides.workspace != nullptr && sides.target != nullptr &&
           IsCaptured(sides.workspace->entry_class) &&
           sides.workspace->IsTreeEntry(*sides.target) &&
           (sides.attributes == nullptr ||
            AreSameButForHoles(sides.workspace->ToAttributes(), *sides.attributes));
  }

  static bool AreSameButForHoles(AttributesEntry present, const AttributesEntry& wanted) {
    present.attributes.rare.has_holes = wanted.attributes.rare.has_holes;
    return present == wanted;
  }

  // Whether a file whose content is as wanted, but not its attributes, must be made anew: what is
  // set of one name is set of all, wherever they are.
  static bool NeedsNewFile(const Sides& sides) {
    if (sides.workspace->is_linked) return true;
    const std::optional<Digest>& wanted = sides.attributes->attributes.rare.link_group;
    return wanted && *wanted != LinkGroupOf(sides.path);
  }

  bool Selects(const std::string& path, bool is_directory) const {
    return options_.selector == nullptr || options_.selector->Selects(path, is_directory);
  }
  bool SelectsFolder(const std::string& path) const {
    return options_.selector == nullptr || (!path.empty() && Selects(path, true));
  }
  // Whether the path is selected, or something below it can be.
  bool Reaches(const std::string& path, bool is_directory) const {
    return Selects(path, is_directory) || (is_directory && options_.selector->MaySelectBelow(path));
  }

  Result<void> PlanName(const Sides& sides, const Findings& findings) {
    const bool wants_folder = IsDirectory(sides.target);
    if (sides.workspace == nullptr) {
      if (sides.target == nullptr || !Reaches(sides.path, wants_folder)) return {};
      return PlanCreation(sides, findings);
    }
    if (!IsCaptured(sides.workspace->entry_class)) return PlanUncaptured(sides, findings);
    const bool has_folder = sides.workspace->entry_class == EntryClass::kDirectory;
    if (sides.target != nullptr && has_folder != wants_folder) {
      return has_folder ? PlanFileOverFolder(sides, findings) : PlanFolderOverFile(sides, findings);
    }
    if (!Reaches(sides.path, has_folder)) return {};
    if (sides.target == nullptr) return PlanAbsence(sides, findings);
    return has_folder ? PlanOverFolder(sides, findings) : PlanOverFile(sides, findings);
  }

  Result<void> PlanCreation(const Sides& sides, const Findings& findings) {
    if (IsDirectory(sides.target)) {
      findings.planned->subtrees.push_back(
          {sides.target->name, {sides.target->id}, sides.TargetDirectoryAttributes()});
    } else {
      findings.planned->files.push_back(
          {PlannedFile::Action::kCreate, *sides.target, sides.TargetAttributes(), {}, nullptr});
    }
    TreeTotals totals = sides.target->Totals();
    if (IsDirectory(sides.target) && options_.selector != nullptr) {
      HELIOS_TRY_ASSIGN(totals,
                        CountSelected(reader_, {sides.target->id}, sides.path, *options_.selector));
    }
    findings.summary->created += totals.files;
    findings.summary->bytes += totals.bytes;
    return {};
  }

  // Something that Helios does not capture is in the way, or lies beside it and is left alone.
  Result<void> PlanUncaptured(const Sides& sides, const Findings& findings) {
    // What an operation made is taken back with it, ignored or not.
    const bool was_made = options_.only_changes && sides.baseline != nullptr;
    const bool is_to_go = sides.target == nullptr && sides.baseline != nullptr &&
                          sides.workspace->entry_class == EntryClass::kUnreadable;
    if (sides.target == nullptr && !was_made && !is_to_go) return {};
    if (!Reaches(sides.path, IsDirectory(sides.target))) return {};
    if (is_to_go) {
      findings.summary->obstacles.push_back({sides.path, kUnreadable});
      return {};
    }
    if (sides.workspace->entry_class == EntryClass::kIgnored && options_.look_at_ignored) {
      // Ignored since: the target has it all the same, so what is there counts as any other file.
      Sides seen = sides;
      seen.is_ignored = true;
      HELIOS_TRY_ASSIGN(seen.workspace, options_.look_at_ignored(sides.path));
      if (seen.workspace == nullptr) return PlanName(seen, findings);
      if (IsCaptured(seen.workspace->entry_class)) {
        return IsAsWanted(seen) ? Result<void>() : PlanName(seen, findings);
      }
    }
    if (sides.target == nullptr) return {};
    const bool replaceable = sides.workspace->entry_class != EntryClass::kStore &&
                             sides.workspace->entry_class != EntryClass::kGit &&
                             !sides.workspace->listed_as_directory &&
                             sides.workspace->child == nullptr && !IsDirectory(sides.target);
    if (!replaceable) {
      findings.summary->obstacles.push_back({sides.path, kNotCaptured});
    } else if (sides.workspace->entry_class == EntryClass::kUnreadable) {
      findings.summary->obstacles.push_back({sides.path, kUnreadable});
    } else if (AllowsLoss(sides.path, kNotCaptured, findings)) {
      HELIOS_TRY(PlanCreation(sides, findings));
      findings.planned->files.back().action = PlannedFile::Action::kReplace;
    }
    return {};
  }

  Result<void> PlanOverFile(const Sides& sides, const Findings& findings) {
    const TreeEntry present = sides.workspace->ToTreeEntry();
    const bool is_same = present == *sides.target;
    if (is_same && !NeedsNewFile(sides)) {
      KeepFile(sides, present, findings);
      return {};
    }
    HELIOS_TRY_ASSIGN(const bool saved,
                      is_same ? true : IsSaved(sides.path, present, sides.baseline));
    if (!saved && !AllowsLoss(sides.path, ReasonOf(sides, present), findings)) return {};
    ++findings.summary->replaced;
    findings.summary->bytes += sides.target->Totals().bytes;
    const bool becomes_another_type =
        IsDirectory(sides.target) ||
        (present.kind == EntryKind::kSymlink) != (sides.target->kind == EntryKind::kSymlink);
    if (becomes_another_type) ++findings.summary->type_changes;
    if (IsDirectory(sides.target)) {
      findings.planned->make_room.push_back({present.name, sides.workspace->status,
                                             sides.workspace->is_linked, nullptr, sides.workspace});
      findings.planned->subtrees.push_back(
          {sides.target->name, {sides.target->id}, sides.TargetDirectoryAttributes()});
    } else {
      findings.planned->files.push_back({PlannedFile::Action::kReplace, *sides.target,
                                         sides.TargetAttributes(), sides.workspace->status,
                                         sides.workspace});
    }
    return {};
  }

  void KeepFile(const Sides& sides, const TreeEntry& present, const Findings& findings) {
    const FileStatus& seen = sides.workspace->status;
    const FileAttributes& wanted = sides.attributes->attributes;
    findings.planned->files.push_back(
        {PlannedFile::Action::kSetAttributes, present, wanted, seen, sides.workspace});
    ++findings.summary->attributes;
    if (wanted.rare.link_group) findings.kept_links->push_back({sides.path, present, wanted, seen});
  }

  Result<void> PlanOverFolder(const Sides& sides, const Findings& findings) {
    Descend(sides, sides.BaselineDirectory(),
            TreeRoots{{sides.target->id}, sides.TargetDirectoryAttributes()}, findings);
    return {};
  }

  // The target has a folder where a file or symlink is.
  Result<void> PlanFolderOverFile(const Sides& sides, const Findings& findings) {
    const bool selected = Selects(sides.path, false);
    HELIOS_TRY_ASSIGN(const bool wants_below, SelectsSomething(sides));
    if (wants_below && selected) return PlanOverFile(sides, findings);
    if (wants_below) findings.summary->obstacles.push_back({sides.path, kNotSelected});
    return selected && !wants_below ? PlanAbsence(sides, findings) : Result<void>();
  }

  // Whether anything of the target's folder is to be there.
  Result<bool> SelectsSomething(const Sides& sides) const {
    if (SelectsFolder(sides.path)) return true;
    if (!options_.selector->MaySelectBelow(sides.path)) return false;
    HELIOS_TRY_ASSIGN(const TreeTotals totals,
                      CountSelected(reader_, {sides.target->id}, sides.path, *options_.selector));
    return totals.files > 0;
  }

  // The target has a file or symlink where a folder is.
  Result<void> PlanFileOverFolder(const Sides& sides, const Findings& findings) {
    if (!Selects(sides.path, false)) {
      return Reaches(sides.path, true) ? PlanAbsence(sides, findings) : Result<void>();
    }
    // Whatever is in the folder must be saved.
    HELIOS_TRY_ASSIGN(const bool may_go, MayWholeFolderGo(sides, findings));
    if (!may_go) return {};
    findings.summary->deleted += sides.workspace->child->built.totals.files;
    ++findings.summary->type_changes;
    findings.planned->make_room.push_back({sides.target->name, sides.workspace->status, false,
                                           sides.workspace->child, sides.workspace});
    return PlanCreation(sides, findings);
  }

  bool DeletesUntracked(const Sides& sides) const {
    return options_.delete_untracked && !sides.is_ignored;
  }

  // The target does not have this name.
  Result<void> PlanAbsence(const Sides& sides, const Findings& findings) {
    if (sides.workspace->entry_class == EntryClass::kDirectory) {
      return PlanAbsentFolder(sides, findings);
    }
    const TreeEntry present = sides.workspace->ToTreeEntry();
    if (sides.baseline == nullptr && !DeletesUntracked(sides)) {
      HELIOS_TRY_ASSIGN(const bool tracked, IsOfAnEarlierSnapshot(sides.path, present));
      if (!tracked) {
        Keep(1, sides.path, findings);
        return {};
      }
    }
    if (sides.baseline != nullptr) {
      HELIOS_TRY_ASSIGN(const bool saved, IsSaved(sides.path, present, sides.baseline));
      if (!saved && !AllowsLoss(sides.path, ReasonOf(sides, present), findings)) return {};
    }
    ++findings.summary->deleted;
    findings.planned->removals.push_back({present.name, sides.workspace->status,
                                          sides.workspace->is_linked, nullptr, sides.workspace});
    return {};
  }

  Result<void> PlanAbsentFolder(const Sides& sides, const Findings& findings) {
    const BuiltDirectory& present = sides.workspace->child->built;
    if (sides.workspace->child->status.device != root_device_) {
      findings.summary->obstacles.push_back({sides.path + "/", kOtherFileSystem});
      return {};
    }
    std::optional<TreeRoots> baseline = sides.BaselineDirectory();
    if (!baseline && !DeletesUntracked(sides)) {
      HELIOS_TRY_ASSIGN(const bool tracked,
                        IsOfAnEarlierSnapshot(sides.path, sides.workspace->ToTreeEntry()));
      if (tracked) baseline = TreeRoots{present.tree, std::nullopt};
    }
    // Not as a whole, but perhaps some of the files in it.
    const bool may_be_tracked = options_.may_be_mixed && present.totals.files > 0;
    if (!baseline && !DeletesUntracked(sides) && !may_be_tracked) {
      Keep(std::max<uint64_t>(1, present.totals.files), sides.path + "/", findings);
      return {};
    }
    Descend(sides, baseline, std::nullopt, findings);
    return {};
  }

  static void Keep(uint64_t files, std::string path, const Findings& findings) {
    findings.summary->kept_untracked += files;
    std::vector<std::string>& kept = findings.summary->kept;
    if (kept.size() < kConflictsListedMax) kept.push_back(std::move(path));
  }

  void Descend(const Sides& sides, const std::optional<TreeRoots>& baseline,
               const std::optional<TreeRoots>& target, const Findings& findings) {
    auto folder = std::make_unique<PlannedFolder>();
    folder->name = sides.workspace->name;
    folder->remove_if_empty = !target.has_value() && SelectsFolder(sides.path);
    Push(*findings.tasks,
         {sides.path, sides.workspace->child, baseline, target, folder.get(), sides.is_ignored});
    findings.planned->folders.push_back(std::move(folder));
  }

  Result<bool> IsSaved(const std::string& path, const TreeEntry& present,
                       const TreeEntry* baseline) const {
    if (baseline == nullptr || *baseline != present) return IsHeld(path, present);
    // What the store has lost or cannot give is not saved.
    const Result<bool> holds = reader_.HoldsContent(present);
    return holds && *holds;
  }
  Result<bool> IsHeld(const std::string& path, const TreeEntry& present) const {
    return options_.is_held ? options_.is_held(path, present) : Result<bool>(false);
  }

  // What the baseline does not have can still be no work of the user's, if not all that is on disk
  // need be of the baseline.
  Result<bool> IsOfAnEarlierSnapshot(const std::string& path, const TreeEntry& present) const {
    return options_.may_be_mixed ? IsHeld(path, present) : Result<bool>(false);
  }

  // Notes that the content at `path` would be lost; true if that was asked for.
  bool AllowsLoss(const std::string& path, std::string_view reason,
                  const Findings& findings) const {
    std::vector<PathAndReason>& conflicts = findings.summary->conflicts;
    if (conflicts.size() < kConflictsListedMax) conflicts.push_back({path, reason});
    return options_.force;
  }
  // Why what is there is not saved.
  static std::string_view ReasonOf(const Sides& sides, const TreeEntry& present) {
    if (sides.is_ignored) return kIgnoredFile;
    if (sides.baseline == nullptr) return kNeverCaptured;
    return *sides.baseline == present ? kContentLost : kChanged;
  }

  // Whether something in the folder may not be removed: what Helios does not capture, what is not
  // selected, what lies on another file system.
  bool HoldsObstacle(ScannedDirectory* folder, const std::string& folder_path) const {
    std::vector<std::pair<ScannedDirectory*, std::string>> stack{{folder, folder_path}};
    while (!stack.empty()) {
      const auto [at, path] = std::move(stack.back());
      stack.pop_back();
      if (at->is_store || at->entry_failed || at->status.device != root_device_) return true;
      at->Expand();
      for (const ScannedEntry& entry : at->entries) {
        if (entry.vanished) continue;
        if (!IsCaptured(entry.entry_class)) return true;
        const std::string entry_path = Join(path, entry.name);
        if (!Selects(entry_path, entry.child != nullptr)) return true;
        if (entry.child != nullptr) stack.emplace_back(entry.child, entry_path);
      }
    }
    return false;
  }

  // Whether every file in a folder is saved, though the folder is not as any snapshot has it.
  Result<bool> IsEachFileSaved(const Sides& sides) const {
    struct At {
      std::string path;
      ScannedDirectory* folder;
      std::optional<TreeId> baseline;
    };
    std::vector<At> stack{{sides.path, sides.workspace->child, std::nullopt}};
    if (IsDirectory(sides.baseline)) stack.back().baseline = TreeId{sides.baseline->id};
    while (!stack.empty()) {
      const At at = std::move(stack.back());
      stack.pop_back();
      DirectoryContents baseline;
      if (at.baseline) {
        HELIOS_TRY_ASSIGN(baseline, reader_.ReadDirectory(*at.baseline, nullptr));
      }
      at.folder->Expand();
      for (const ScannedEntry& entry : at.folder->entries) {
        if (entry.vanished || !IsCaptured(entry.entry_class)) continue;
        const std::string path = Join(at.path, entry.name);
        const auto found = std::lower_bound(
            baseline.entries.begin(), baseline.entries.end(), entry.name,
            [](const TreeEntry& a, std::string_view name) { return a.name < name; });
        const bool is_there = found != baseline.entries.end() && found->name == entry.name;
        const TreeEntry* known = is_there ? &*found : nullptr;
        if (entry.child != nullptr) {
          stack.push_back({path, entry.child, std::nullopt});
          if (IsDirectory(known)) stack.back().baseline = TreeId{known->id};
          continue;
        }
        HELIOS_TRY_ASSIGN(const bool saved, IsSaved(path, entry.ToTreeEntry(), known));
        if (!saved) return false;
      }
    }
    return true;
  }

  // Whether a folder may go with all that is in it.
  Result<bool> MayWholeFolderGo(const Sides& sides, const Findings& findings) const {
    if (sides.is_ignored || HoldsObstacle(sides.workspace->child, sides.path)) {
      findings.summary->obstacles.push_back({sides.path + "/", kHoldsMore});
      return false;
    }
    const TreeEntry present = sides.workspace->ToTreeEntry();
    HELIOS_TRY_ASSIGN(bool saved, IsSaved(sides.path, present, sides.baseline));
    if (!saved) {
      HELIOS_TRY_ASSIGN(saved, IsEachFileSaved(sides));
    }
    return saved || AllowsLoss(sides.path + "/", ReasonOf(sides, present), findings);
  }

  static bool IsIdle(const PlannedFolder& folder) {
    return !folder.attributes && !folder.remove_if_empty && !folder.ChangesEntries() &&
           folder.folders.empty();
  }

  // Leaves out the folders that differ in nothing that a restore touches, and notes of the others
  // where something is removed.
  static void DropIdleFolders(PlannedFolder* root) {
    std::vector<PlannedFolder*> parents_first{root};
    for (size_t i = 0; i < parents_first.size(); ++i) {
      for (const auto& below : parents_first[i]->folders) parents_first.push_back(below.get());
    }
    for (size_t i = parents_first.size(); i-- > 0;) {
      PlannedFolder& folder = *parents_first[i];
      std::erase_if(folder.folders, [](const auto& below) { return IsIdle(*below); });
      folder.removes = folder.remove_if_empty || !folder.removals.empty() ||
                       std::any_of(folder.folders.begin(), folder.folders.end(),
                                   [](const auto& below) { return below->removes; });
    }
  }

  const TreeReader& reader_;
  const RestorePlanOptions& options_;
  uint64_t root_device_ = 0;
  std::vector<PlanSummary> summaries_;               // one for each worker
  std::vector<std::vector<LinkedFile>> kept_links_;  // the same
};

template <typename T>
void MoveAll(std::vector<T>* from, std::vector<T>* to) {
  std::move(from->begin(), from->end(), std::back_inserter(*to));
}

}  // namespace

bool PlannedFolder::ChangesEntries() const {
  return !make_room.empty() || !files.empty() || !subtrees.empty() || !removals.empty() ||
         std::any_of(folders.begin(), folders.end(),
                     [](const auto& below) { return below->remove_if_empty; });
}

void PlanSummary::Merge(PlanSummary other) {
  created += other.created;
  replaced += other.replaced;
  deleted += other.deleted;
  bytes += other.bytes;
  kept_untracked += other.kept_untracked;
  attributes += other.attributes;
  type_changes += other.type_changes;
  MoveAll(&other.kept, &kept);
  MoveAll(&other.conflicts, &conflicts);
  MoveAll(&other.obstacles, &obstacles);
}

Result<RestorePlan> PlanRestore(const TreeReader& reader, ScannedDirectory* workspace,
                                const std::optional<TreeRoots>& baseline, const TreeRoots& target,
                                const RestorePlanOptions& options) {
  return Planner(reader, options).Run(workspace, baseline, target);
}

}  // namespace helios

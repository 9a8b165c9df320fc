#include "engine/workspace_change.h"

#include <algorithm>

#include "engine/commit_writer.h"
#include "engine/engine_state.h"
#include "object/hash.h"
#include "worktree/leftovers.h"
#include "worktree/plan_listing.h"
#include "worktree/safety_tree.h"

namespace helios {
namespace {

constexpr size_t kPathsInMessageMax = 20;

std::string ListPaths(const std::vector<PathAndReason>& paths) {
  std::string list;
  for (size_t i = 0; i < paths.size() && i < kPathsInMessageMax; ++i) {
    list += "\n  " + OnOneLine(paths[i].path) + " (" + std::string(paths[i].reason) + ")";
  }
  if (paths.size() > kPathsInMessageMax) {
    list += "\n  … and " + std::to_string(paths.size() - kPathsInMessageMax) + " more";
  }
  return list;
}

std::string HintFor(const std::vector<PathAndReason>& obstacles) {
  const bool is_git = std::any_of(obstacles.begin(), obstacles.end(),
                                  [](const PathAndReason& at) { return at.path == ".git"; });
  return is_git ? ", or give --git=include to restore .git as well" : "";
}

void FillReport(const WorkspaceChange& change, RestoreReport* report) {
  const PlanSummary& plan = change.plan.summary;
  report->created = plan.created;
  report->replaced = plan.replaced;
  report->deleted = plan.deleted;
  report->attributes = plan.attributes;
  report->type_changes = plan.type_changes;
  report->bytes_to_write = plan.bytes;
  report->kept_untracked = plan.kept_untracked;
  report->kept = plan.kept;
  report->ignored = change.scan->report[OmissionReason::kIgnored];
  for (const auto* paths : {&plan.conflicts, &plan.obstacles}) {
    for (const PathAndReason& at : *paths) {
      report->conflicts.push_back(at.path);
      report->conflict_reasons.emplace_back(at.reason);
    }
  }
}

// Whether what is there is just what the workspace's last snapshot holds, and the change concerns
// all of it: then that is the safety snapshot.
bool IsHeldByBaseline(const WorkspaceChange& change) {
  return change.latest && !change.latest->IsLazy() && !change.goal.only_changes &&
         !change.goal.may_be_mixed && change.goal.selector == nullptr &&
         change.plan.summary.conflicts.empty() &&
         change.scan->root.tree == change.latest->snapshot &&
         change.scan->root.attributes == change.latest->attributes;
}

bool Moves(const WorkspaceChange& change, const Operation& operation) {
  if (operation.kind == OperationKind::kUndo) return true;
  if (operation.workspace.empty()) return false;
  return !change.latest || change.latest->record != operation.record || change.WasLazy();
}

}  // namespace

Operation AsPartial(Operation operation, const TreeRoots& target) {
  if (operation.about.empty()) operation.about = std::exchange(operation.workspace, "");
  operation.kind = OperationKind::kPartialRestore;
  operation.record = operation.Source();
  operation.source.reset();
  operation.replaced.reset();
  operation.undone.reset();
  operation.is_gone = operation.is_lazy = operation.was_lazy = false;
  operation.snapshot = target.tree;
  operation.attributes = target.attributes;
  return operation;
}

Result<WorkspaceChange> Engine::State::BeginChange(OpenWorkspace workspace, bool dry_run) {
  WorkspaceChange change;
  change.workspace = std::move(workspace);
  // Two at once would leave a mixture of both.
  if (!dry_run) {
    HELIOS_TRY_ASSIGN(change.turn, TakeTurn(change.workspace));
  }
  HELIOS_TRY_ASSIGN(change.store, Store());
  HELIOS_TRY_ASSIGN(change.latest, log.Latest(change.workspace.key));
  HELIOS_TRY_ASSIGN(change.interrupted, FindInterruptedRestore(change.workspace));
  return change;
}

Result<void> Engine::State::PlanChange(WorkspaceChange& change, const Workspace& request,
                                       const ChangeGoal& goal, const PathSink& on_path) {
  change.goal = goal;
  change.index = LoadIndex(change.workspace, request);
  const auto store_nothing = [](unsigned, const ObjectKey&, ByteView) { return Result<void>(); };
  HELIOS_TRY_ASSIGN(change.scan, Scan(change.workspace, request, change.index, store_nothing));
  if (change.interrupted && change.turn) HELIOS_TRY(ClearLeftovers(change));
  SetPhase("planning");
  change.ignored = std::make_unique<IgnoredPaths>(change.workspace.root.get());
  RestorePlanOptions plan;
  plan.threads = threads;
  plan.force = goal.force;
  plan.delete_untracked = goal.delete_untracked;
  plan.may_be_mixed = goal.may_be_mixed;
  plan.only_changes = goal.only_changes;
  plan.present_links = &change.scan->linked_files;
  plan.selector = goal.selector;
  HeldFiles held(change.store, log, change.workspace.key, change.interrupted);
  plan.is_held = [&held](const std::string& path, const TreeEntry& present) {
    return held.Holds(path, present);
  };
  plan.look_at_ignored = [&change](const std::string& path) {
    return change.ignored->LookAt(path);
  };
  const TreeReader reader(change.store);
  HELIOS_TRY_ASSIGN(change.plan, PlanRestore(reader, change.scan->root_directory, goal.baseline,
                                             goal.target, plan));
  FillReport(change, &change.report);
  if (!on_path) return {};
  return ListPlan(reader, change.plan, goal.selector, on_path);
}

Result<void> Engine::State::ClearLeftovers(WorkspaceChange& change) {
  std::vector<TreeId> trees{change.interrupted->target.snapshot};
  if (change.interrupted->before) trees.push_back(change.interrupted->before->snapshot);
  HELIOS_TRY_ASSIGN(
      change.report.leftovers,
      RemoveLeftovers(TreeReader(change.store), change.workspace.root.get(), *change.scan, trees));
  return {};
}

Result<void> Engine::State::CheckChange(const WorkspaceChange& change) const {
  const PlanSummary& plan = change.plan.summary;
  if (!plan.obstacles.empty()) {
    return Error(ErrorCode::kWouldLoseWork,
                 "refused: these are in the way and are not touched (Helios does not capture them, "
                 "or the selection leaves them out, or they lie on another file system); move them "
                 "first" +
                     HintFor(plan.obstacles) + ":" + ListPaths(plan.obstacles));
  }
  if (!plan.conflicts.empty() && !change.goal.force) {
    return Error(
        ErrorCode::kWouldLoseWork,
        "refused: no snapshot of this folder holds the present content of these files, "
        "and it would be overwritten or deleted; " +
            std::string(change.goal.may_be_mixed ? "\"helios commit --force\"" : "commit") +
            " first, or give --force: then a safety snapshot is taken, and helios undo "
            "brings them back (--dry-run lists all):" +
            ListPaths(plan.conflicts));
  }
  return {};
}

Result<RecordId> Engine::State::SaveBefore(WorkspaceChange& change) {
  SetPhase("saving");
  if (IsHeldByBaseline(change)) return change.latest->record;
  CommitWriter writer([this] { return StoreToWrite(); }, threads);
  HELIOS_TRY_ASSIGN(const SafetyTree tree,
                    BuildSafetyTree(change.store, change.workspace.root.get(), change.plan, threads,
                                    [&](unsigned worker, const ObjectKey& key, ByteView bytes) {
                                      return writer.Put(worker, key, bytes);
                                    }));
  change.report.saved_files = tree.files;
  change.report.saved_bytes = tree.bytes;
  const bool is_baseline = change.latest && change.latest->snapshot == tree.root.tree &&
                           change.latest->attributes == tree.root.attributes;
  if (is_baseline && writer.new_objects() == 0) return change.latest->record;
  Record record;
  record.snapshot = tree.root.tree;
  record.attributes = tree.root.attributes;
  record.totals = tree.root.totals;
  if (change.latest) record.parents.push_back(change.latest->record);
  record.time = Now();
  record.workspace = change.workspace.real_path;
  record.message = "What was there before it was made " + FormatId(change.goal.target.tree);
  record.labels["helios"] = "safety";
  const Bytes bytes = EncodeRecord(record);
  const RecordId id{HashObject(ObjectKind::kRecord, bytes)};
  HELIOS_TRY(writer.Put(0, id, bytes));
  HELIOS_TRY(writer.Publish());
  HELIOS_TRY(change.store->Sync());
  return id;
}

Result<void> Engine::State::Apply(WorkspaceChange& change) {
  SetPhase("restoring");
  WriteOptions write;
  // Removing what was replaced waits for the file system more than it computes.
  write.threads = threads * 2;
  write.selector = change.goal.selector;
  write.progress = options.progress;
  HELIOS_TRY_ASSIGN(Fd root, Duplicate(change.workspace.root));
  HELIOS_TRY_ASSIGN(change.report.written,
                    ApplyRestorePlan(change.store, std::move(root), change.plan, write));
  return {};
}

Result<void> Engine::State::LogInterrupted(const OpenWorkspace& workspace,
                                           const InterruptedRestore& interrupted) {
  if (!interrupted.intent.operation) return {};
  const TreeRoots target{interrupted.target.snapshot, interrupted.target.attributes};
  HELIOS_TRY(log.Append(AsPartial(*interrupted.intent.operation, target)));
  return RemoveRestoreIntent(FolderOf(workspace));
}

Result<void> Engine::State::CarryOut(WorkspaceChange& change, Operation operation) {
  const std::string folder = FolderOf(change.workspace);
  const bool is_interrupted = change.interrupted && !change.leaves_interrupted;
  if (change.plan.has_work) {
    HELIOS_TRY_ASSIGN(operation.safety, SaveBefore(change));
  }
  // What that one saved must not be forgotten with its intent.
  if (is_interrupted) HELIOS_TRY(LogInterrupted(change.workspace, *change.interrupted));
  if (change.plan.has_work) {
    if (!change.leaves_interrupted) {
      HELIOS_TRY(WriteRestoreIntent(folder, operation));
      if (!change.latest) HELIOS_TRY(SyncFolder(paths.Workspaces()));
    }
    HELIOS_TRY(Apply(change));
  }
  SetPhase("logging");
  if (change.report.written.failed > 0) operation = AsPartial(operation, change.goal.target);
  if (operation.safety || Moves(change, operation)) {
    HELIOS_TRY_ASSIGN(const bool appended, log.Append(operation));
    if (!appended) {
      return Error(ErrorCode::kBusy,
                   "the files were changed, but " + MovedMeanwhile(change.workspace));
    }
    change.report.operation = FormatOperationId(IdOf(operation));
    change.report.safety = operation.safety;
  }
  const bool has_intent = (change.plan.has_work || is_interrupted) && !change.leaves_interrupted;
  return has_intent ? RemoveRestoreIntent(folder) : Result<void>();
}

Result<std::optional<InterruptedRestore>> Engine::State::FindInterruptedRestore(
    const OpenWorkspace& workspace) {
  HELIOS_TRY_ASSIGN(const std::optional<RestoreIntent> intent,
                    ReadRestoreIntent(FolderOf(workspace)));
  if (!intent) return std::optional<InterruptedRestore>();
  // The last thing that a restore does is to remove its intent. A power cut can bring it back.
  bool is_finished = false;
  if (intent->operation) {
    HELIOS_TRY(log.ForEach([&](const Operation& operation) {
      is_finished = is_finished || operation == *intent->operation;
    }));
  }
  const Result<Record> target = LoadTarget(intent->target);
  if (is_finished || !target) return std::optional<InterruptedRestore>();
  InterruptedRestore interrupted{*intent, *target, {}};
  if (intent->operation) {
    const Result<Record> before = LoadTarget(*intent->operation->safety);
    if (before) interrupted.before = *before;  // without it, more counts as held by nobody
  }
  return std::optional(std::move(interrupted));
}

Result<Record> Engine::State::LoadTarget(const RecordId& id) {
  HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
  return LoadRecord(store, id);
}

}  // namespace helios

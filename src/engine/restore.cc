#include <algorithm>

#include "engine/engine_state.h"
#include "vst/tree_mapping.h"
#include "worktree/restore_plan.h"

namespace helios {
namespace {

constexpr size_t kPathsInMessageMax = 20;
// How many snapshots are asked whether they hold a file that would be lost.
constexpr size_t kSnapshotsAskedMax = 64;

std::string ListPaths(const std::vector<std::string>& paths) {
  std::string list;
  for (size_t i = 0; i < paths.size() && i < kPathsInMessageMax; ++i) {
    list += "\n  " + OnOneLine(paths[i]);
  }
  if (paths.size() > kPathsInMessageMax) {
    list += "\n  … and " + std::to_string(paths.size() - kPathsInMessageMax) + " more";
  }
  return list;
}

// A lazy restore moves `@` to a whole snapshot and writes and deletes nothing.
Result<void> CheckLazyRequest(const RestoreRequest& request) {
  const bool selects = !request.selection.includes.empty() || !request.selection.excludes.empty();
  if (!selects && !request.force && !request.delete_untracked) return {};
  return Error(ErrorCode::kInvalidArgument,
               std::string("a lazy restore is of the whole snapshot and touches no file: it takes "
                           "no ") +
                   (selects         ? "paths or patterns"
                    : request.force ? "--force"
                                    : "--delete-untracked"));
}

Result<void> CheckPlan(const PlanSummary& plan, const RestoreRequest& request, bool was_lazy) {
  if (request.dry_run) return {};
  if (!plan.obstacles.empty()) {
    return Error(ErrorCode::kWouldLoseWork,
                 "refused: files that Helios does not capture are in the way; move them first:" +
                     ListPaths(plan.obstacles));
  }
  if (!plan.conflicts.empty() && !request.force) {
    return Error(ErrorCode::kWouldLoseWork,
                 "refused: no snapshot of this folder holds the present content of these files, "
                 "and restoring would overwrite or delete it; " +
                     std::string(was_lazy ? "\"helios commit --force\"" : "commit") +
                     " first, or give --force to lose it:" + ListPaths(plan.conflicts));
  }
  return {};
}

std::string MovedMeanwhile(const std::string& workspace) {
  return "another process committed or restored " + workspace + " meanwhile";
}

void FillReport(const PlanSummary& plan, RestoreReport* report) {
  report->created = plan.created;
  report->replaced = plan.replaced;
  report->deleted = plan.deleted;
  report->kept_untracked = plan.kept_untracked;
  report->conflicts = plan.conflicts;
  report->conflicts.insert(report->conflicts.end(), plan.obstacles.begin(), plan.obstacles.end());
}

// The snapshots in which this workspace ever stood, newest first.
Result<std::vector<TreeId>> SnapshotsOf(const OperationLog& log, const std::string& workspace) {
  std::vector<TreeId> snapshots;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    if (operation.workspace != workspace) return;
    std::erase(snapshots, operation.snapshot);
    snapshots.push_back(operation.snapshot);
    if (snapshots.size() > kSnapshotsAskedMax) snapshots.erase(snapshots.begin());
  }));
  std::reverse(snapshots.begin(), snapshots.end());
  return snapshots;
}

// Answers whether one of these snapshots holds a file as it is now. Thread-safe.
class HeldFiles {
 public:
  HeldFiles(ObjectStore* store, const OperationLog& log, std::string workspace)
      : reader_(store), log_(log), workspace_(std::move(workspace)) {}

  Result<bool> Holds(const std::string& path, const TreeEntry& present) {
    HELIOS_TRY_ASSIGN(const std::vector<TreeId>* snapshots, Snapshots());
    for (const TreeId& snapshot : *snapshots) {
      const Result<std::optional<TreeEntry>> entry = reader_.Lookup(snapshot, path);
      // A damaged snapshot holds nothing that one could count on.
      if (entry && *entry == present) return true;
    }
    return false;
  }

 private:
  Result<const std::vector<TreeId>*> Snapshots() HELIOS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (!snapshots_) {
      HELIOS_TRY_ASSIGN(snapshots_, SnapshotsOf(log_, workspace_));
    }
    return &*snapshots_;
  }

  const TreeReader reader_;
  const OperationLog& log_;
  const std::string workspace_;
  Mutex mutex_;
  std::optional<std::vector<TreeId>> snapshots_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace

Result<RestoreReport> Engine::State::MoveLazily(const RestoreRequest& request) {
  HELIOS_TRY(CheckLazyRequest(request));
  RestoreReport report;
  report.mode = RestoreMode::kLazy;
  SetPhase("reading the mapping");
  HELIOS_TRY_ASSIGN(const FileLock lock, LockShared());
  HELIOS_TRY_ASSIGN(const ResolvedRecord target, Resolve(request.id, KeyOf(request.workspace)));
  HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
  report.snapshot = target.record.snapshot;
  report.record = target.id;
  report.files = target.record.totals.files;
  report.bytes = target.record.totals.bytes;
  HELIOS_TRY(CheckMapping(TreeReader(store), report.snapshot, target.record.totals, threads));
  if (request.dry_run) return report;

  HELIOS_TRY_ASSIGN(const OpenWorkspace workspace, OpenWorkspaceRoot(request.workspace, true));
  SetPhase("logging");
  HELIOS_TRY_ASSIGN(const FileLock turn, TakeTurn(workspace));
  HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log.Latest(workspace.key));
  if (latest && latest->IsLazy() && latest->record == target.id) return report;
  HELIOS_TRY_ASSIGN(const bool appended, log.Append(MakeOperation(OperationKind::kLazyRestore,
                                                                  workspace, target, latest)));
  if (!appended) return Error(ErrorCode::kBusy, MovedMeanwhile(workspace.real_path));
  return report;
}

Result<RestoreReport> Engine::State::RestoreLazily(const RestoreRequest& request) {
  Result<RestoreReport> report = [&] {
    const LatencyTimer timer(&metrics, Latency::kRestore);
    return MoveLazily(request);
  }();
  if (!report || request.dry_run) return report;
  metrics.Add(Counter::kRestores);
  FlushMetrics();
  return report;
}

Result<RestoreReport> Engine::Restore(const RestoreRequest& request) {
  State& state = *state_;
  const RestoreMode mode =
      request.mode.value_or(state.options.restore_mode.value_or(RestoreMode::kEager));
  if (mode == RestoreMode::kLazy) return state.RestoreLazily(request);
  HELIOS_TRY_ASSIGN(const Selector selector,
                    Selector::Parse(request.selection.includes, request.selection.excludes));
  RestoreReport report;
  {
    const LatencyTimer timer(&state.metrics, Latency::kRestore);
    state.SetPhase("reading the index");
    HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
    HELIOS_TRY_ASSIGN(const ResolvedRecord target,
                      state.Resolve(request.id, state.KeyOf(request.workspace)));
    HELIOS_TRY_ASSIGN(OpenWorkspace workspace,
                      state.OpenWorkspaceRoot(request.workspace, !request.dry_run));
    HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
    const std::optional<StatIndex> index = state.LoadIndex(workspace, request.workspace);
    const auto store_nothing = [](unsigned, const ObjectKey&, ByteView) { return Result<void>(); };
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ScanResult> scan,
                      state.Scan(workspace, request.workspace, index, store_nothing));
    HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, state.log.Latest(workspace.key));
    std::optional<TreeId> baseline;
    if (latest) baseline = latest->snapshot;
    const bool was_lazy = latest && latest->IsLazy();

    state.SetPhase("planning");
    RestorePlanOptions plan_options;
    plan_options.threads = state.threads;
    plan_options.force = request.force;
    plan_options.delete_untracked = request.delete_untracked;
    plan_options.baseline_is_lazy = was_lazy;
    if (!selector.SelectsEverything()) plan_options.selector = &selector;
    HeldFiles held(store, state.log, workspace.key);
    plan_options.is_held = [&held](const std::string& path, const TreeEntry& present) {
      return held.Holds(path, present);
    };
    HELIOS_TRY_ASSIGN(const RestorePlan plan,
                      PlanRestore(TreeReader(store), scan->root_directory, baseline,
                                  target.record.snapshot, target.record.attributes, plan_options));
    report.snapshot = target.record.snapshot;
    report.record = target.id;
    FillReport(plan.summary, &report);
    HELIOS_TRY_ASSIGN(report.unmatched_patterns,
                      UnmatchedIn(TreeReader(store), {report.snapshot}, selector));
    HELIOS_TRY(CheckPlan(plan.summary, request, was_lazy));
    if (request.dry_run) return report;

    state.SetPhase("restoring");
    if (plan.has_work) {
      HELIOS_TRY_ASSIGN(Fd root, Duplicate(workspace.root));
      WriteOptions write = state.MakeWriteOptions(selector);
      // Removing what was replaced waits for the file system more than it computes.
      write.threads *= 2;
      HELIOS_TRY_ASSIGN(report.written, ApplyRestorePlan(store, std::move(root), plan, write));
    }
    state.SetPhase("logging");
    const bool moves = !latest || latest->record != target.id || was_lazy;
    if (selector.SelectsEverything() && moves) {
      HELIOS_TRY_ASSIGN(const FileLock turn, state.TakeTurn(workspace));
      HELIOS_TRY_ASSIGN(
          const bool appended,
          state.log.Append(MakeOperation(OperationKind::kRestore, workspace, target, latest)));
      if (!appended) {
        return Error(ErrorCode::kBusy,
                     "the files were restored, but " + MovedMeanwhile(workspace.real_path));
      }
    }
  }
  state.SetPhase("counting");
  state.metrics.Add(Counter::kRestores);
  state.metrics.Add(Counter::kFilesWritten, report.written.files);
  state.metrics.Add(Counter::kBytesWritten, report.written.bytes);
  state.FlushMetrics();
  state.SetPhase("");
  return report;
}

}  // namespace helios

// Restoring in place: scan, plan, save, and only then touch what differs.
#include <pwd.h>
#include <unistd.h>

#include "engine/engine_state.h"
#include "history/restore_intent.h"

namespace helios {
namespace {

// Deleting what no snapshot knows is never meant of these.
Result<void> CheckRoot(const std::string& real_path, const RestoreRequest& request) {
  const passwd* user = ::getpwuid(::geteuid());
  const bool is_home = user != nullptr && RealPath(user->pw_dir) == real_path;
  if (real_path != "/" && !(is_home && request.delete_untracked)) return {};
  return Error(ErrorCode::kInvalidArgument,
               "refused: " + real_path + " is " +
                   (real_path == "/" ? "the root of the file system"
                                     : "your home folder; leave out --delete-untracked"));
}

// A restore of a part: the workspace stands where it stood.
Operation AsOfAPart(Operation operation) {
  operation.kind = OperationKind::kPartialRestore;
  operation.about = std::exchange(operation.workspace, "");
  operation.replaced.reset();
  operation.was_lazy = false;
  return operation;
}

ChangeGoal GoalOf(const RestoreRequest& request, const Selector& selector, const Record& target,
                  const WorkspaceChange& change) {
  ChangeGoal goal;
  if (change.latest) {
    goal.baseline = TreeRoots{change.latest->snapshot, std::nullopt};
  }
  goal.target = RootsOf(target);
  if (!selector.SelectsEverything()) goal.selector = &selector;
  goal.force = request.force;
  goal.delete_untracked = request.delete_untracked;
  goal.may_be_mixed = change.WasLazy() || change.interrupted;
  return goal;
}

Error NothingInterrupted(const OpenWorkspace& workspace) {
  return Error(ErrorCode::kNotFound, "no restore into " + workspace.real_path + " was interrupted");
}

}  // namespace

Result<RestoreReport> Engine::State::RestoreEagerly(const RestoreRequest& request,
                                                    const Selector& selector) {
  SetPhase("reading the index");
  HELIOS_TRY_ASSIGN(const FileLock lock, LockShared());
  HELIOS_TRY_ASSIGN(const ResolvedRecord target, Resolve(request.id, KeyOf(request.workspace)));
  HELIOS_TRY_ASSIGN(OpenWorkspace workspace,
                    OpenWorkspaceRoot(request.workspace, !request.dry_run));
  HELIOS_TRY(CheckRoot(workspace.real_path, request));
  HELIOS_TRY_ASSIGN(WorkspaceChange change, BeginChange(std::move(workspace), request.dry_run));
  change.leaves_interrupted = change.interrupted && !selector.SelectsEverything();
  HELIOS_TRY(PlanChange(change, request.workspace, GoalOf(request, selector, target.record, change),
                        request.on_path));
  change.report.snapshot = target.record.snapshot;
  change.report.record = target.id;
  HELIOS_TRY_ASSIGN(change.report.unmatched_patterns,
                    UnmatchedIn(TreeReader(change.store), {target.record.snapshot}, selector));
  if (request.dry_run) return std::move(change.report);
  HELIOS_TRY(CheckChange(change));
  Operation operation =
      MakeOperation(OperationKind::kRestore, change.workspace, target, change.latest);
  if (!selector.SelectsEverything()) operation = AsOfAPart(std::move(operation));
  HELIOS_TRY(CarryOut(change, std::move(operation)));
  return std::move(change.report);
}

Result<RestoreReport> Engine::State::Resume(const ResumeRequest& request) {
  HELIOS_TRY_ASSIGN(const FileLock lock, LockShared());
  HELIOS_TRY_ASSIGN(OpenWorkspace workspace, OpenWorkspaceRoot(request.workspace, false));
  HELIOS_TRY_ASSIGN(WorkspaceChange change, BeginChange(std::move(workspace), request.dry_run));
  if (!change.interrupted) return NothingInterrupted(change.workspace);
  const Operation& operation = *change.interrupted->intent.operation;
  HELIOS_TRY_ASSIGN(const Record before, LoadTarget(*operation.safety));
  const Record& after = change.interrupted->target;
  const Record& target = request.abort ? before : after;
  ChangeGoal goal;
  goal.baseline = RootsOf(request.abort ? after : before);
  goal.target = RootsOf(target);
  goal.force = request.force;
  goal.may_be_mixed = true;
  goal.only_changes = true;
  HELIOS_TRY(PlanChange(change, request.workspace, goal, request.on_path));
  change.report.snapshot = target.snapshot;
  change.report.record = request.abort ? *operation.safety : operation.Source();
  if (request.dry_run) return std::move(change.report);
  HELIOS_TRY(CheckChange(change));
  if (!change.plan.summary.conflicts.empty()) HELIOS_TRY(SaveEdits(change, operation));
  if (change.plan.has_work) HELIOS_TRY(Apply(change));
  if (change.report.written.failed > 0) return std::move(change.report);
  if (!request.abort) {
    HELIOS_TRY_ASSIGN(change.report.operation, LogResumed(change, operation));
    change.report.safety = operation.safety;
  }
  HELIOS_TRY(RemoveRestoreIntent(FolderOf(change.workspace)));
  return std::move(change.report);
}

Result<std::string> Engine::State::LogResumed(const WorkspaceChange& change,
                                              const Operation& operation) {
  HELIOS_TRY_ASSIGN(const bool appended, log.Append(operation));
  if (appended) return FormatOperationId(IdOf(operation));
  // The workspace has been made to stand elsewhere meanwhile (lazily, say): there it stays.
  const Operation partial = AsPartial(operation, change.goal.target);
  HELIOS_TRY(log.Append(partial));
  return FormatOperationId(IdOf(partial));
}

// What was edited since a restore was interrupted, and goes all the same.
Result<void> Engine::State::SaveEdits(WorkspaceChange& change, Operation operation) {
  operation = AsPartial(std::move(operation), change.goal.target);
  operation.record = change.report.record;
  operation.time = Now();
  HELIOS_TRY_ASSIGN(operation.safety, SaveBefore(change));
  HELIOS_TRY(log.Append(operation));
  return {};
}

Result<RestoreReport> Engine::ResumeRestore(const ResumeRequest& request) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const OpenWorkspace workspace,
                    state.OpenWorkspaceRoot(request.workspace, false));
  HELIOS_TRY_ASSIGN(const std::optional<RestoreIntent> intent,
                    ReadRestoreIntent(state.FolderOf(workspace)));
  if (!intent) return NothingInterrupted(workspace);
  if (!intent->operation) {
    if (request.abort) {
      return Error(ErrorCode::kFailed,
                   "the restore was begun by an earlier version of Helios, which did not note how "
                   "the folder was: restore the snapshot that it shall have, or --continue");
    }
    RestoreRequest again;
    again.workspace = request.workspace;
    again.id = FormatId(intent->target);
    again.force = request.force;
    again.dry_run = request.dry_run;
    again.on_path = request.on_path;
    again.mode = RestoreMode::kEager;
    return Restore(again);
  }
  RestoreReport report;
  {
    const LatencyTimer timer(&state.metrics, Latency::kRestore);
    HELIOS_TRY_ASSIGN(report, state.Resume(request));
  }
  if (!request.dry_run) state.CountRestore(report);
  return report;
}

void Engine::State::CountRestore(const RestoreReport& report) {
  SetPhase("counting");
  metrics.Add(Counter::kRestores);
  metrics.Add(Counter::kFilesWritten, report.written.files);
  metrics.Add(Counter::kBytesWritten, report.written.bytes);
  FlushMetrics();
  SetPhase("");
}

Result<RestoreReport> Engine::Restore(const RestoreRequest& request) {
  State& state = *state_;
  const RestoreMode mode =
      request.mode.value_or(state.options.restore_mode.value_or(RestoreMode::kEager));
  RestoreReport report;
  if (mode == RestoreMode::kLazy) {
    const LatencyTimer timer(&state.metrics, Latency::kRestore);
    HELIOS_TRY_ASSIGN(report, state.RestoreLazily(request));
  } else {
    HELIOS_TRY_ASSIGN(const Selector selector,
                      Selector::Parse(request.selection.includes, request.selection.excludes));
    const LatencyTimer timer(&state.metrics, Latency::kRestore);
    HELIOS_TRY_ASSIGN(report, state.RestoreEagerly(request, selector));
  }
  if (request.dry_run) return report;
  state.CountRestore(report);
  return report;
}

}  // namespace helios

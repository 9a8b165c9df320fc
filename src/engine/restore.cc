// Restoring in place: scan, plan, and only then touch what differs.
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

#include "engine/engine_state.h"
#include "engine/held_files.h"
#include "history/restore_intent.h"
#include "worktree/ignored_paths.h"
#include "worktree/restore_plan.h"

namespace helios {
namespace {

constexpr size_t kPathsInMessageMax = 20;

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

std::string HintFor(const std::vector<std::string>& obstacles) {
  const bool is_git = std::find(obstacles.begin(), obstacles.end(), ".git") != obstacles.end();
  return is_git ? ", or give --git=include to restore .git as well" : "";
}

Result<void> CheckPlan(const PlanSummary& plan, const RestoreRequest& request, bool may_be_mixed) {
  if (request.dry_run) return {};
  if (!plan.obstacles.empty()) {
    return Error(ErrorCode::kWouldLoseWork,
                 "refused: these are in the way and are not touched (Helios does not capture them, "
                 "or the selection leaves them out, or they lie on another file system); move them "
                 "first" +
                     HintFor(plan.obstacles) + ":" + ListPaths(plan.obstacles));
  }
  if (!plan.conflicts.empty() && !request.force) {
    return Error(ErrorCode::kWouldLoseWork,
                 "refused: no snapshot of this folder holds the present content of these files, "
                 "and restoring would overwrite or delete it; " +
                     std::string(may_be_mixed ? "\"helios commit --force\"" : "commit") +
                     " first, or give --force to lose it (--dry-run lists all):" +
                     ListPaths(plan.conflicts));
  }
  return {};
}

void FillReport(const PlanSummary& plan, RestoreReport* report) {
  report->created = plan.created;
  report->replaced = plan.replaced;
  report->deleted = plan.deleted;
  report->kept_untracked = plan.kept_untracked;
  report->conflicts = plan.conflicts;
  report->conflicts.insert(report->conflicts.end(), plan.obstacles.begin(), plan.obstacles.end());
}

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

// What an eager restore works on.
struct RestoreSubject {
  const RestoreRequest& request;
  const Selector& selector;
  ResolvedRecord target;
  OpenWorkspace workspace;
  ObjectStore* store = nullptr;
  std::optional<Operation> latest;        // where the workspace stands
  std::optional<SnapshotId> interrupted;  // what an earlier restore was bringing when it ended

  bool WasLazy() const { return latest && latest->IsLazy(); }
  bool MayBeMixed() const { return WasLazy() || interrupted.has_value(); }
  // A part of it does not end what was interrupted: the rest may still be a mixture.
  bool StaysInterrupted() const { return interrupted && !selector.SelectsEverything(); }
};

Result<RestorePlan> MakePlan(const RestoreSubject& subject, const OperationLog& log,
                             unsigned threads, const ScanResult& scan, IgnoredPaths& ignored) {
  RestorePlanOptions options;
  options.threads = threads;
  options.force = subject.request.force;
  options.delete_untracked = subject.request.delete_untracked;
  options.may_be_mixed = subject.MayBeMixed();
  options.present_links = &scan.linked_files;
  if (!subject.selector.SelectsEverything()) options.selector = &subject.selector;
  HeldFiles held(subject.store, log, subject.workspace.key, subject.interrupted);
  options.is_held = [&held](const std::string& path, const TreeEntry& present) {
    return held.Holds(path, present);
  };
  options.look_at_ignored = [&ignored](const std::string& path) { return ignored.LookAt(path); };
  std::optional<TreeId> baseline;
  if (subject.latest) baseline = subject.latest->snapshot;
  const Record& target = subject.target.record;
  return PlanRestore(TreeReader(subject.store), scan.root_directory, baseline, target.snapshot,
                     target.attributes, options);
}

// Carries the plan out. Whoever finds the intent knows that it was not carried out to the end.
Result<WriteReport> ApplyPlan(const RestoreSubject& subject, const RestorePlan& plan,
                              const std::string& folder, WriteOptions options) {
  if (!plan.has_work) return WriteReport();
  if (!subject.StaysInterrupted()) HELIOS_TRY(WriteRestoreIntent(folder, subject.target.id));
  HELIOS_TRY_ASSIGN(Fd root, Duplicate(subject.workspace.root));
  // Removing what was replaced waits for the file system more than it computes.
  options.threads *= 2;
  return ApplyRestorePlan(subject.store, std::move(root), plan, options);
}

// The workspace stands at the target from now on, if all of it was brought.
Result<void> MoveTo(const RestoreSubject& subject, const OperationLog& log,
                    const WriteReport& written) {
  const bool moves =
      !subject.latest || subject.latest->record != subject.target.id || subject.WasLazy();
  if (!moves || written.failed > 0 || !subject.selector.SelectsEverything()) return {};
  HELIOS_TRY_ASSIGN(const bool appended,
                    log.Append(MakeOperation(OperationKind::kRestore, subject.workspace,
                                             subject.target, subject.latest)));
  if (appended) return {};
  return Error(ErrorCode::kBusy,
               "the files were restored, but " + MovedMeanwhile(subject.workspace));
}

}  // namespace

Result<RestoreReport> Engine::State::RestoreEagerly(const RestoreRequest& request,
                                                    const Selector& selector) {
  SetPhase("reading the index");
  HELIOS_TRY_ASSIGN(const FileLock lock, LockShared());
  HELIOS_TRY_ASSIGN(ResolvedRecord target, Resolve(request.id, KeyOf(request.workspace)));
  HELIOS_TRY_ASSIGN(OpenWorkspace workspace,
                    OpenWorkspaceRoot(request.workspace, !request.dry_run));
  HELIOS_TRY(CheckRoot(workspace.real_path, request));
  RestoreSubject subject{request, selector, std::move(target), std::move(workspace), {}, {}, {}};
  // Two restores at once would leave a mixture of both.
  std::optional<FileLock> turn;
  if (!request.dry_run) {
    HELIOS_TRY_ASSIGN(turn, TakeTurn(subject.workspace));
  }
  HELIOS_TRY_ASSIGN(subject.store, Store());
  HELIOS_TRY_ASSIGN(subject.latest, log.Latest(subject.workspace.key));
  subject.interrupted = InterruptedRestore(subject.workspace);

  const std::optional<StatIndex> index = LoadIndex(subject.workspace, request.workspace);
  const auto store_nothing = [](unsigned, const ObjectKey&, ByteView) { return Result<void>(); };
  HELIOS_TRY_ASSIGN(const std::unique_ptr<ScanResult> scan,
                    Scan(subject.workspace, request.workspace, index, store_nothing));
  SetPhase("planning");
  IgnoredPaths ignored(subject.workspace.root.get());
  HELIOS_TRY_ASSIGN(const RestorePlan plan, MakePlan(subject, log, threads, *scan, ignored));
  RestoreReport report;
  report.snapshot = subject.target.record.snapshot;
  report.record = subject.target.id;
  FillReport(plan.summary, &report);
  HELIOS_TRY_ASSIGN(report.unmatched_patterns,
                    UnmatchedIn(TreeReader(subject.store), {report.snapshot}, selector));
  HELIOS_TRY(CheckPlan(plan.summary, request, subject.MayBeMixed()));
  if (request.dry_run) return report;

  SetPhase("restoring");
  const std::string folder = FolderOf(subject.workspace);
  HELIOS_TRY_ASSIGN(report.written, ApplyPlan(subject, plan, folder, MakeWriteOptions(selector)));
  SetPhase("logging");
  HELIOS_TRY(MoveTo(subject, log, report.written));
  const bool had_intent = plan.has_work || subject.interrupted;
  if (had_intent && !subject.StaysInterrupted()) HELIOS_TRY(RemoveRestoreIntent(folder));
  return report;
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
  state.SetPhase("counting");
  state.metrics.Add(Counter::kRestores);
  state.metrics.Add(Counter::kFilesWritten, report.written.files);
  state.metrics.Add(Counter::kBytesWritten, report.written.bytes);
  state.FlushMetrics();
  state.SetPhase("");
  return report;
}

}  // namespace helios

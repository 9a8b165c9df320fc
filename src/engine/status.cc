// How a workspace differs from where it stands: what a restore of that would do, turned round.
#include "engine/engine_state.h"
#include "worktree/plan_listing.h"

namespace helios {
namespace {

using Change = PlannedPath::Change;

// What restoring `planned` would undo.
PlannedPath TurnRound(const PlannedPath& planned) {
  PlannedPath found = planned;
  std::swap(found.type_before, found.type_after);
  std::swap(found.size_before, found.size_after);
  if (planned.change == Change::kAdded) found.change = Change::kDeleted;
  if (planned.change == Change::kDeleted) found.change = Change::kAdded;
  return found;
}

void Count(const PlannedPath& path, StatusReport* report) {
  switch (path.change) {
    case Change::kAdded:
      ++report->added;
      break;
    case Change::kChanged:
      ++report->changed;
      break;
    case Change::kDeleted:
      ++report->deleted;
      break;
    case Change::kTypeChanged:
      ++report->type_changed;
      break;
    case Change::kAttributes:
      ++report->attributes;
      break;
  }
}

}  // namespace

Result<RestorePlan> Engine::State::PlanToBaseline(const WorkspaceChange& change,
                                                  const Selector& selector) {
  if (!change.latest) return PlanToRemoveAll(change.scan->root_directory);
  RestorePlanOptions plan;
  plan.threads = threads;
  plan.force = true;
  plan.delete_untracked = true;
  plan.present_links = &change.scan->linked_files;
  if (!selector.SelectsEverything()) plan.selector = &selector;
  const TreeRoots baseline{change.latest->snapshot, change.latest->attributes};
  return PlanRestore(TreeReader(change.store), change.scan->root_directory,
                     TreeRoots{baseline.tree, std::nullopt}, baseline, plan);
}

Result<StatusReport> Engine::Status(const StatusRequest& request) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const Selector selector,
                    Selector::Parse(request.selection.includes, request.selection.excludes));
  state.SetPhase("reading the index");
  HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
  HELIOS_TRY_ASSIGN(OpenWorkspace workspace, state.OpenWorkspaceRoot(request.workspace, false));
  HELIOS_TRY_ASSIGN(WorkspaceChange change, state.BeginChange(std::move(workspace), true));
  StatusReport report;
  report.path = change.workspace.real_path;
  if (change.latest) {
    HELIOS_TRY_ASSIGN(const Record record, state.LoadTarget(change.latest->record));
    report.record = change.latest->record;
    report.snapshot = change.latest->snapshot;
    report.seconds = record.time.seconds;
    report.message = record.message;
    report.is_lazy = change.latest->IsLazy();
  }
  if (change.interrupted) {
    report.is_interrupted = true;
    report.can_resume = change.interrupted->intent.operation.has_value();
    report.interrupted = change.interrupted->target.snapshot;
  }
  change.index = state.LoadIndex(change.workspace, request.workspace);
  const auto store_nothing = [](unsigned, const ObjectKey&, ByteView) { return Result<void>(); };
  HELIOS_TRY_ASSIGN(change.scan,
                    state.Scan(change.workspace, request.workspace, change.index, store_nothing));
  report.files = change.scan->root.totals.files;
  report.bytes = change.scan->root.totals.bytes;
  report.capture = change.scan->report;
  state.SetPhase("comparing");
  const TreeReader reader(change.store);
  HELIOS_TRY_ASSIGN(const RestorePlan plan, state.PlanToBaseline(change, selector));
  HeldFiles held(change.store, state.log, change.workspace.key, change.interrupted);
  Result<void> asked;
  const auto take = [&](const PlannedPath& planned) {
    const PlannedPath found = TurnRound(planned);
    const bool is_folder = found.type_before == "directory" || found.type_after == "directory";
    if (!selector.SelectsEverything() && !selector.Selects(found.path, is_folder)) return;
    Count(found, &report);
    if (found.change == Change::kAdded && asked) {
      const Result<bool> was_held = held.EverHeld(found.path);
      if (!was_held) asked = was_held.error();
      if (was_held && !*was_held) ++report.never_captured;
    }
    if (request.on_path) request.on_path(found);
  };
  HELIOS_TRY(ListPlan(reader, plan, selector.SelectsEverything() ? nullptr : &selector, take));
  HELIOS_TRY(std::move(asked));
  for (const PathAndReason& at : plan.summary.obstacles) {
    take({Change::kTypeChanged, at.path, {}, {}, 0, 0});
  }
  if (change.latest) {
    HELIOS_TRY_ASSIGN(report.unmatched_patterns,
                      UnmatchedIn(reader, {change.latest->snapshot}, selector));
  }
  state.SetPhase("");
  return report;
}

}  // namespace helios

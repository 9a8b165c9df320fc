// Restoring without contents: the workspace stands at a snapshot of which no file is brought.
#include "engine/engine_state.h"
#include "vst/tree_mapping.h"

namespace helios {
namespace {

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

}  // namespace

Result<RestoreReport> Engine::State::RestoreLazily(const RestoreRequest& request) {
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
  HELIOS_TRY(CheckMapping(store, report.snapshot, target.record.totals, threads));
  if (request.dry_run) return report;

  HELIOS_TRY_ASSIGN(const OpenWorkspace workspace, OpenWorkspaceRoot(request.workspace, true));
  SetPhase("logging");
  HELIOS_TRY_ASSIGN(const FileLock turn, TakeTurn(workspace));
  HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log.Latest(workspace.key));
  if (latest && latest->IsLazy() && latest->record == target.id) return report;
  HELIOS_TRY_ASSIGN(const bool appended, log.Append(MakeOperation(OperationKind::kLazyRestore,
                                                                  workspace, target, latest)));
  if (!appended) return Error(ErrorCode::kBusy, MovedMeanwhile(workspace));
  return report;
}

}  // namespace helios

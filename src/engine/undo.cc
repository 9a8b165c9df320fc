// Taking back an operation: what it moved stands where it stood, files are what they were.
#include "engine/logged_operations.h"
#include "history/branches.h"

namespace helios {
namespace {

Error Moved(const std::string& what) {
  return Error(ErrorCode::kFailed,
               "not undone: " + what + " has moved on since (helios op log tells by what)");
}

Result<const OperationHistory::Entry*> Choose(const OperationHistory& history,
                                              const UndoRequest& request, const std::string& key) {
  if (!request.operation.empty()) return history.Find(request.operation);
  const OperationHistory::Entry* last = history.LastOf(key);
  if (last != nullptr) return last;
  return Error(ErrorCode::kNotFound,
               "nothing to undo: no operation of " + request.workspace.path + " is known");
}

bool IsOfBranch(const Operation& operation) {
  return operation.kind == OperationKind::kBranchCommit || operation.ref.starts_with(kHeadsPrefix);
}

// Whether it is the last of its workspace that stands.
Result<void> CheckIsLast(const OperationHistory& history, const OperationHistory::Entry& entry,
                         const std::string& key) {
  const Operation& operation = entry.operation;
  if (entry.is_undone) {
    return Error(ErrorCode::kFailed,
                 "operation " + FormatOperationId(entry.id) + " was taken back already");
  }
  if (IsOfBranch(operation) || !operation.ref.empty()) return {};
  if (!operation.Concerns(key)) {
    return Error(ErrorCode::kFailed, "operation " + FormatOperationId(entry.id) + " is one of " +
                                         operation.path + ": name that folder with --work");
  }
  const OperationHistory::Entry* later = history.BuiltUpon(entry, key);
  if (later == nullptr) return {};
  return Error(ErrorCode::kFailed, "not undone: operation " + FormatOperationId(later->id) +
                                       " came later; undo that one first (helios op log)");
}

// The operation that takes `operation` back, but for what it does to files.
Operation Inverse(const Operation& operation) {
  Operation inverse;
  inverse.kind = OperationKind::kUndo;
  inverse.time = Now();
  inverse.workspace = operation.workspace;
  inverse.about = operation.about;
  inverse.record = operation.replaced.value_or(operation.record);
  inverse.is_gone = !operation.replaced;
  inverse.replaced = operation.StandsAt();
  inverse.device = operation.device;
  inverse.inode = operation.inode;
  inverse.path = operation.path;
  inverse.undone = IdOf(operation);
  inverse.is_lazy = operation.was_lazy;
  inverse.was_lazy = operation.IsLazy();
  return inverse;
}

}  // namespace

Result<Record> Engine::State::LoadSide(const RecordId& id) {
  Result<Record> record = LoadTarget(id);
  if (record || record.error().code() != ErrorCode::kMissingObject) return record;
  return std::move(record).error().WithContext(
      "what was before the operation, or after it, was removed from the store");
}

Result<void> Engine::State::SetRoots(Operation* operation) {
  HELIOS_TRY_ASSIGN(const Record record, LoadSide(operation->record));
  operation->snapshot = record.snapshot;
  operation->attributes = record.attributes;
  return {};
}

Result<void> Engine::State::UndoTag(const UndoRequest& request, const Operation& operation,
                                    UndoReport* report) {
  Operation inverse = Inverse(operation);
  inverse.ref = operation.ref;
  inverse.command = BoundedCommand(options.command);
  HELIOS_TRY(SetRoots(&inverse));
  report->stands_at = inverse.StandsAt();
  const std::string what = "the tag \"" + operation.ref.substr(kTagsPrefix.size()) + "\"";
  HELIOS_TRY_ASSIGN(const std::optional<RecordId> now, refs.Get(operation.ref));
  if (now != inverse.replaced) return Moved(what);
  if (request.dry_run) return {};
  HELIOS_TRY_ASSIGN(const bool moved,
                    inverse.is_gone
                        ? refs.Delete(operation.ref)
                        : refs.CompareAndSwap(operation.ref, inverse.replaced, inverse.record));
  if (!moved) return Moved(what);
  HELIOS_TRY(log.Append(inverse));
  report->files.operation = FormatOperationId(IdOf(inverse));
  return {};
}

Result<void> Engine::State::UndoBranch(const UndoRequest& request, const Operation& operation,
                                       UndoReport* report) {
  if (operation.workspace.empty()) {
    return Error(ErrorCode::kFailed, "not undone: that commit moved no branch");
  }
  Operation inverse = Inverse(operation);
  inverse.ref = std::string(kHeadsPrefix) + operation.path;
  inverse.command = BoundedCommand(options.command);
  HELIOS_TRY(SetRoots(&inverse));
  report->stands_at = inverse.StandsAt();
  const std::string what = "the branch \"" + operation.path + "\"";
  HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log.Latest(operation.workspace));
  const std::optional<RecordId> now = latest ? latest->StandsAt() : std::nullopt;
  if (now != inverse.replaced) return Moved(what);
  if (request.dry_run) return {};
  HELIOS_TRY_ASSIGN(const bool appended, log.Append(inverse));
  if (!appended) return Moved(what);
  report->files.operation = FormatOperationId(IdOf(inverse));
  return {};
}

Result<void> Engine::State::UndoInWorkspace(const UndoRequest& request, const Operation& operation,
                                            UndoReport* report) {
  HELIOS_TRY_ASSIGN(OpenWorkspace workspace,
                    OpenWorkspaceRoot(request.workspace, !request.dry_run));
  HELIOS_TRY_ASSIGN(WorkspaceChange change, BeginChange(std::move(workspace), request.dry_run));
  if (change.interrupted) {
    return Error(ErrorCode::kWouldLoseWork,
                 "refused: a restore into " + change.workspace.real_path +
                     " was interrupted; helios restore --continue goes on, helios restore --abort "
                     "goes back to how the folder was");
  }
  Operation inverse = Inverse(operation);
  inverse.device = change.workspace.status.device;
  inverse.inode = change.workspace.status.inode;
  inverse.path = change.workspace.real_path;
  inverse.command = BoundedCommand(options.command);
  const std::optional<RecordId> now =
      change.latest ? std::optional(change.latest->record) : std::nullopt;
  if (operation.about.empty()) {
    if (now != inverse.replaced) return Moved(change.workspace.real_path);
    HELIOS_TRY(SetRoots(&inverse));
    report->stands_at = inverse.StandsAt();
  } else {
    report->stands_at = now;
  }
  if (operation.safety) {
    HELIOS_TRY_ASSIGN(const Record before, LoadSide(*operation.safety));
    HELIOS_TRY_ASSIGN(const Record after, LoadSide(operation.Source()));
    ChangeGoal goal;
    goal.baseline = RootsOf(after);
    goal.target = RootsOf(before);
    goal.force = request.force;
    goal.only_changes = true;
    HELIOS_TRY(PlanChange(change, request.workspace, goal, request.on_path));
    change.report.snapshot = before.snapshot;
    change.report.record = *operation.safety;
    if (!operation.about.empty()) {
      inverse.record = *operation.safety;
      inverse.is_gone = false;
      inverse.replaced.reset();
      inverse.snapshot = before.snapshot;
      inverse.attributes = before.attributes;
    } else if (inverse.record != *operation.safety) {
      inverse.source = *operation.safety;
    }
    if (!request.dry_run) HELIOS_TRY(CheckChange(change));
  }
  if (!request.dry_run) HELIOS_TRY(CarryOut(change, std::move(inverse)));
  report->files = std::move(change.report);
  return {};
}

Result<UndoReport> Engine::Undo(const UndoRequest& request) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
  const std::string key = state.KeyOf(request.workspace);
  HELIOS_TRY_ASSIGN(const OperationHistory history, OperationHistory::Read(state.log));
  HELIOS_TRY_ASSIGN(const OperationHistory::Entry* entry, Choose(history, request, key));
  HELIOS_TRY(CheckIsLast(history, *entry, key));
  const Operation& operation = entry->operation;
  UndoReport report;
  report.undone = Describe(*entry);
  if (IsOfBranch(operation)) {
    HELIOS_TRY(state.UndoBranch(request, operation, &report));
  } else if (!operation.ref.empty()) {
    HELIOS_TRY(state.UndoTag(request, operation, &report));
  } else {
    const LatencyTimer timer(&state.metrics, Latency::kRestore);
    HELIOS_TRY(state.UndoInWorkspace(request, operation, &report));
  }
  if (!request.dry_run && operation.safety) state.CountRestore(report.files);
  return report;
}

}  // namespace helios

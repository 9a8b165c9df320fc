#include <algorithm>
#include <iterator>

#include "engine/engine_state.h"
#include "history/branches.h"

namespace helios {
namespace {

// How often a tag that others move at the same time is tried again.
constexpr int kMoveAttemptsMax = 32;

}  // namespace

// The ref is moved already: a crash in between leaves it where it is, and the log without a word of
// it.
Result<void> Engine::State::LogTag(const std::string& ref, const Workspace& workspace,
                                   const std::optional<RecordId>& before,
                                   const std::optional<RecordId>& after) {
  Operation operation;
  operation.kind = OperationKind::kTag;
  operation.time = Now();
  operation.ref = ref;
  operation.about = KeyOf(workspace);
  operation.path = RealPath(workspace.path);
  operation.replaced = before;
  operation.record = after ? *after : *before;
  operation.is_gone = !after;
  operation.command = BoundedCommand(options.command);
  (void)SetRoots(&operation);  // a record that is lost is named all the same
  HELIOS_TRY(log.Append(operation));
  return {};
}

Result<TagReport> Engine::Tag(const TagRequest& request) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const std::string name, RefBelow(kTagsPrefix, request.name, "tag"));
  HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
  // What can be resolved is durable already: its operation or ref was written after it was synced.
  HELIOS_TRY_ASSIGN(const ResolvedRecord resolved,
                    state.Resolve(request.id, state.KeyOf(request.workspace)));
  TagReport report;
  report.snapshot = resolved.record.snapshot;
  report.record = resolved.id;
  for (int attempt = 0; attempt < kMoveAttemptsMax; ++attempt) {
    HELIOS_TRY_ASSIGN(report.replaced, state.refs.Get(name));
    if (report.replaced && !request.move) {
      return Error(ErrorCode::kFailed, "the tag \"" + request.name +
                                           "\" exists and points to record " +
                                           FormatId(*report.replaced));
    }
    HELIOS_TRY_ASSIGN(const bool swapped,
                      state.refs.CompareAndSwap(name, report.replaced, resolved.id));
    if (!swapped) continue;
    HELIOS_TRY(state.LogTag(name, request.workspace, report.replaced, resolved.id));
    return report;
  }
  return Error(ErrorCode::kBusy,
               "busy: other processes keep moving the tag \"" + request.name + "\"");
}

Result<void> Engine::DeleteTag(const std::string& name, const Workspace& workspace) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const std::string ref, RefBelow(kTagsPrefix, name, "tag"));
  HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
  const Result<std::optional<RecordId>> before = state.refs.Get(ref);
  const bool is_damaged = !before && (before.error().code() == ErrorCode::kCorrupt ||
                                      before.error().code() == ErrorCode::kUnsupported);
  if (!before && !is_damaged) return before.error();
  HELIOS_TRY_ASSIGN(const bool deleted, state.refs.Delete(ref));
  // Of a damaged one nobody knows where it pointed.
  if (deleted && before && *before) return state.LogTag(ref, workspace, *before, std::nullopt);
  if (deleted) return {};
  return Error(ErrorCode::kNotFound, "unknown tag: " + name);
}

Result<std::vector<NamedRecord>> Engine::ListRefs() {
  HELIOS_TRY_ASSIGN(std::vector<Ref> refs, ListBranches(state_->log));
  HELIOS_TRY_ASSIGN(std::vector<Ref> tags, state_->refs.List());
  std::move(tags.begin(), tags.end(), std::back_inserter(refs));
  std::sort(refs.begin(), refs.end(), [](const Ref& a, const Ref& b) { return a.name < b.name; });
  std::vector<NamedRecord> named;
  named.reserve(refs.size());
  for (Ref& ref : refs) named.push_back({std::move(ref.name), ref.record});
  return named;
}

}  // namespace helios

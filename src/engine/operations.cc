// The operation log as people see it.
#include <algorithm>
#include <unordered_map>

#include "base/hex.h"
#include "engine/logged_operations.h"
#include "history/branches.h"

namespace helios {
namespace {

constexpr size_t kCandidatesListedMax = 5;

std::string_view KindName(OperationKind kind) {
  switch (kind) {
    case OperationKind::kCommit:
      return "commit";
    case OperationKind::kRestore:
      return "restore";
    case OperationKind::kLazyRestore:
      return "lazy-restore";
    case OperationKind::kBranchCommit:
      return "branch";
    case OperationKind::kPartialRestore:
      return "partial-restore";
    case OperationKind::kUndo:
      return "undo";
    case OperationKind::kTag:
      return "tag";
  }
  return "";
}

}  // namespace

Result<OperationHistory> OperationHistory::Read(const OperationLog& log) {
  OperationHistory history;
  std::unordered_map<uint64_t, size_t> by_id;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    const uint64_t id = IdOf(operation);
    by_id[id] = history.entries_.size();
    history.entries_.push_back({id, false, operation});
    // Taking back an undo brings back what that had taken back, and so on.
    bool is_undone = true;
    for (std::optional<uint64_t> at = operation.undone; at; is_undone = !is_undone) {
      const auto found = by_id.find(*at);
      if (found == by_id.end()) break;
      Entry& entry = history.entries_[found->second];
      entry.is_undone = is_undone;
      at = entry.operation.undone;
    }
  }));
  return history;
}

Result<const OperationHistory::Entry*> OperationHistory::Find(const std::string& id) const {
  const Error malformed(ErrorCode::kInvalidArgument,
                        "not the id of an operation: \"" + id + "\" (helios op log lists them)");
  if (id.size() < kIdPrefixDigitsMin || id.size() > 16 || !IsHex(id)) return malformed;
  std::string prefix = id;
  std::transform(prefix.begin(), prefix.end(), prefix.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
  std::vector<const Entry*> matches;
  for (const Entry& entry : entries_) {
    if (FormatOperationId(entry.id).starts_with(prefix)) matches.push_back(&entry);
  }
  if (matches.empty()) return Error(ErrorCode::kNotFound, "unknown operation: " + id);
  if (matches.size() == 1) return matches.front();
  std::string message = "ambiguous operation \"" + id + "\": it could be";
  for (size_t i = 0; i < matches.size() && i < kCandidatesListedMax; ++i) {
    message += (i == 0 ? " " : ", ") + FormatOperationId(matches[i]->id);
  }
  return Error(ErrorCode::kAmbiguous, std::move(message));
}

const OperationHistory::Entry* OperationHistory::LastOf(const std::string& workspace) const {
  const auto last = std::find_if(entries_.rbegin(), entries_.rend(), [&](const Entry& entry) {
    return entry.operation.Concerns(workspace);
  });
  return last == entries_.rend() ? nullptr : &*last;
}

const OperationHistory::Entry* OperationHistory::BuiltUpon(const Entry& entry,
                                                           const std::string& workspace) const {
  for (size_t i = static_cast<size_t>(&entry - entries_.data()) + 1; i < entries_.size(); ++i) {
    const Entry& later = entries_[i];
    const bool counts = later.operation.Concerns(workspace) && later.operation.ref.empty();
    // An undo stands for what it took back: that is as if neither had been.
    if (counts && !later.is_undone && !later.operation.undone) return &later;
  }
  return nullptr;
}

LoggedOperation Describe(const OperationHistory::Entry& entry) {
  const Operation& operation = entry.operation;
  LoggedOperation logged;
  logged.id = FormatOperationId(entry.id);
  logged.kind = KindName(operation.kind);
  logged.seconds = operation.time.seconds;
  logged.nanoseconds = operation.time.nanoseconds;
  logged.path = operation.path;
  logged.ref = operation.ref;
  if (operation.kind == OperationKind::kBranchCommit && !operation.workspace.empty()) {
    logged.ref = std::string(kHeadsPrefix) + operation.path;
  }
  logged.before = operation.replaced;
  if (operation.about.empty() || !operation.ref.empty()) logged.after = operation.StandsAt();
  logged.snapshot = operation.snapshot;
  if (operation.safety) logged.source = operation.Source();
  logged.safety = operation.safety;
  if (operation.undone) logged.undone = FormatOperationId(*operation.undone);
  logged.is_undone = entry.is_undone;
  logged.command = operation.command;
  return logged;
}

Result<void> Engine::ForEachOperation(const OperationsRequest& request, const OperationSink& sink) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const OperationHistory history, OperationHistory::Read(state.log));
  const std::string key = state.KeyOf(request.workspace);
  uint64_t count = 0;
  const std::vector<OperationHistory::Entry>& entries = history.entries();
  for (auto entry = entries.rbegin(); entry != entries.rend() && count < request.count_max;
       ++entry) {
    if (!request.all && !entry->operation.Concerns(key)) continue;
    sink(Describe(*entry));
    ++count;
  }
  return {};
}

Result<LoggedOperation> Engine::FindOperation(const std::string& id) {
  HELIOS_TRY_ASSIGN(const OperationHistory history, OperationHistory::Read(state_->log));
  HELIOS_TRY_ASSIGN(const OperationHistory::Entry* entry, history.Find(id));
  return Describe(*entry);
}

}  // namespace helios

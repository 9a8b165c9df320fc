#include "engine/engine_state.h"
#include "vst/tree_diff.h"

namespace helios {
namespace {

DiffEntry ToDiffEntry(const TreeChange& change) {
  DiffEntry entry;
  entry.path = change.path;
  switch (change.kind) {
    case ChangeKind::kAdded:
      entry.kind = DiffEntry::Kind::kAdded;
      break;
    case ChangeKind::kChanged:
      entry.kind = DiffEntry::Kind::kChanged;
      break;
    case ChangeKind::kDeleted:
      entry.kind = DiffEntry::Kind::kDeleted;
      break;
  }
  if (change.before) {
    entry.type_before = EntryKindName(change.before->kind);
    entry.size_before = change.before->size;
  }
  if (change.after) {
    entry.type_after = EntryKindName(change.after->kind);
    entry.size_after = change.after->size;
  }
  return entry;
}

}  // namespace

Result<DiffReport> Engine::Diff(const DiffRequest& request) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const Selector selector,
                    Selector::Parse(request.selection.includes, request.selection.excludes));
  const std::string key = state.KeyOf(request.workspace);
  HELIOS_TRY_ASSIGN(const State::HeldRecord held_from, state.ResolveAndHold(request.from, key));
  HELIOS_TRY_ASSIGN(const State::HeldRecord held_to, state.ResolveAndHold(request.to, key));
  const ResolvedRecord& from = held_from.resolved;
  const ResolvedRecord& to = held_to.resolved;
  HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());

  DiffReport report;
  report.from = from.record.snapshot;
  report.to = to.record.snapshot;
  const TreeDiffFilter filter{[&](std::string_view path, bool is_directory) {
                                return selector.Selects(path, is_directory);
                              },
                              [&](std::string_view path) { return selector.MaySelectBelow(path); }};
  HELIOS_TRY(DiffTrees(TreeReader(store), report.from, report.to, filter,
                       [&](const TreeChange& change) -> Result<void> {
                         report.entries.push_back(ToDiffEntry(change));
                         if (change.kind == ChangeKind::kAdded) ++report.added;
                         if (change.kind == ChangeKind::kChanged) ++report.changed;
                         if (change.kind == ChangeKind::kDeleted) ++report.deleted;
                         return {};
                       }));
  HELIOS_TRY_ASSIGN(report.unmatched_patterns,
                    UnmatchedIn(TreeReader(store), {report.from, report.to}, selector));
  state.metrics.Add(Counter::kDiffs);
  state.FlushMetrics();
  return report;
}

}  // namespace helios

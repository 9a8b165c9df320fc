#include "engine/engine_state.h"

namespace helios {
namespace {

std::string Where(const TreePath& path, const SnapshotId& snapshot) {
  return (path.IsRoot() ? "" : path.text() + " in ") + "snapshot " + FormatId(snapshot);
}

// What is at the path, if it can be read.
Result<TreeEntry> Find(const TreeReader& reader, const SnapshotId& snapshot, const TreePath& path) {
  const Error is_folder(ErrorCode::kFailed, "it is a folder: name a file in it");
  if (path.IsRoot()) return is_folder;
  HELIOS_TRY_ASSIGN(std::optional<TreeEntry> entry, reader.Lookup(snapshot, path.text()));
  if (!entry) return Error(ErrorCode::kNotFound, "nothing is there");
  if (entry->kind == EntryKind::kDirectory) return is_folder;
  return *std::move(entry);
}

Result<void> ReadEntry(const TreeReader& reader, unsigned threads, const ReadRequest& request,
                       const ContentSink& sink, ReadReport* report) {
  HELIOS_TRY_ASSIGN(const TreeEntry entry, Find(reader, report->snapshot, request.path));
  report->type = EntryKindName(entry.kind);
  const auto pass_on = [&](ByteView piece) {
    report->bytes += piece.size();
    return sink(piece);
  };
  const ByteRange range = ByteRange::From(request.offset, request.length.value_or(UINT64_MAX));
  if (entry.kind == EntryKind::kSymlink) {
    report->size = entry.target.size();
    return pass_on(PartOf(entry.target, 0, range));
  }
  report->size = entry.size;
  return reader.ReadContent(entry, pass_on, range, threads);
}

}  // namespace

Result<ReadReport> Engine::Read(const ReadRequest& request, const ContentSink& sink) {
  State& state = *state_;
  ReadReport report;
  {
    HELIOS_TRY_ASSIGN(const State::HeldRecord held,
                      state.ResolveAndHold(request.id, state.KeyOf(request.workspace)));
    const ResolvedRecord& source = held.resolved;
    HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
    report.snapshot = source.record.snapshot;
    report.record = source.id;
    Result<void> read = ReadEntry(TreeReader(store), state.threads, request, sink, &report);
    if (!read) return std::move(read).error().WithContext(Where(request.path, report.snapshot));
  }
  state.FlushMetrics();
  return report;
}

}  // namespace helios

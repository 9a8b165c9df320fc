#include "engine/engine_state.h"
#include "worktree/target_folder.h"

namespace helios {
namespace {

// Materializing overwrites; restoring in place asks first.
Result<void> CheckIsNoWorkspace(const std::string& out, const OperationLog& log) {
  HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log.Latest(WorkspaceKey(RealPath(out))));
  if (!latest) return {};
  return Error(ErrorCode::kWouldLoseWork,
               "refused: " + out +
                   " is a workspace of this store, and materializing would "
                   "overwrite what is there; \"helios restore\" changes it in "
                   "place and keeps unsaved work");
}

}  // namespace

Result<MaterializeReport> Engine::Materialize(const MaterializeRequest& request) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const Selector selector,
                    Selector::Parse(request.selection.includes, request.selection.excludes));
  MaterializeReport report;
  {
    const LatencyTimer timer(&state.metrics, Latency::kMaterialize);
    HELIOS_TRY_ASSIGN(const State::HeldRecord held,
                      state.ResolveAndHold(request.id, state.KeyOf(request.workspace)));
    const ResolvedRecord& source = held.resolved;
    HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
    HELIOS_TRY(CheckIsNoWorkspace(request.out, state.log));
    HELIOS_TRY_ASSIGN(TargetFolder target, OpenTargetFolder(request.out));
    state.SetPhase("writing");
    if (state.options.progress != nullptr && selector.SelectsEverything()) {
      state.options.progress->files_total = source.record.totals.files;
    }
    WriteOptions write = state.MakeWriteOptions(selector);
    write.set_root_attributes = target.made;
    HELIOS_TRY_ASSIGN(const std::unique_ptr<FileCache> cache,
                      FileCache::Open(state.paths.FileCache(), target.root.get(), request.link));
    write.cache = cache.get();
    report.snapshot = source.record.snapshot;
    report.record = source.id;
    Result<WriteReport> written =
        WriteTree(store, std::move(target.root), report.snapshot, source.record.attributes, write);
    if (!written) return std::move(written).error().WithContext("materialize into " + request.out);
    report.written = std::move(written).value();
    if (cache != nullptr) {
      cache->Trim();
      report.written_through = cache->WrittenThrough();
    }
    report.unmatched_patterns = selector.UnmatchedPatterns();
  }
  state.metrics.Add(Counter::kMaterializes);
  state.metrics.Add(Counter::kFilesWritten, report.written.files);
  state.metrics.Add(Counter::kBytesWritten, report.written.bytes);
  state.FlushMetrics();
  return report;
}

}  // namespace helios

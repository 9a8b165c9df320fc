#include <fcntl.h>

#include <cerrno>
#include <filesystem>

#include "engine/engine_state.h"

namespace helios {
namespace {

struct Target {
  Fd root;
  bool made = false;
};

// The folder to write into, made if need be. Never inside a store.
Result<Target> OpenTarget(const std::string& out, const std::string& store) {
  if (IsWithin(RealPath(out), RealPath(store))) {
    return Error(ErrorCode::kInvalidArgument,
                 "refused: " + out + " lies inside the store " + store);
  }
  Target target;
  std::error_code failure;
  target.made = std::filesystem::create_directories(out, failure);
  Result<Fd> fd = OpenAt(AT_FDCWD, out, O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().os_error() == ENOTDIR) {
    return Error(ErrorCode::kFailed, "cannot materialize into " + out + ": it is not a folder");
  }
  if (!fd && failure) return Error::FromErrno(failure.value(), "create folder", out);
  if (!fd) return std::move(fd).error();
  target.root = std::move(fd).value();
  return target;
}

}  // namespace

Result<MaterializeReport> Engine::Materialize(const MaterializeRequest& request) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(const Selector selector,
                    Selector::Parse(request.selection.includes, request.selection.excludes));
  MaterializeReport report;
  {
    const LatencyTimer timer(&state.metrics, Latency::kMaterialize);
    HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
    HELIOS_TRY_ASSIGN(const ResolvedRecord source,
                      state.Resolve(request.id, state.KeyOf(request.workspace)));
    HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
    HELIOS_TRY_ASSIGN(Target target, OpenTarget(request.out, state.paths.root));
    state.SetPhase("writing");
    if (state.options.progress != nullptr && selector.SelectsEverything()) {
      state.options.progress->files_total = source.record.totals.files;
    }
    WriteOptions write = state.MakeWriteOptions(selector);
    write.set_root_attributes = target.made;
    report.snapshot = source.record.snapshot;
    report.record = source.id;
    Result<WriteReport> written =
        WriteTree(store, std::move(target.root), report.snapshot, source.record.attributes, write);
    if (!written) return std::move(written).error().WithContext("materialize into " + request.out);
    report.written = std::move(written).value();
    report.unmatched_patterns = selector.UnmatchedPatterns();
  }
  state.metrics.Add(Counter::kMaterializes);
  state.metrics.Add(Counter::kFilesWritten, report.written.files);
  state.metrics.Add(Counter::kBytesWritten, report.written.bytes);
  state.FlushMetrics();
  return report;
}

}  // namespace helios

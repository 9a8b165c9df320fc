// Compresses the store anew. What resembles what is known here: the store knows objects alone.
#include <chrono>

#include "engine/engine_state.h"
#include "engine/storage_order.h"

namespace helios {
namespace {

// The stat indexes of all workspaces: caches, so what cannot be packed stays as it is.
void PackIndexes(const std::string& workspaces) {
  const Result<std::vector<std::string>> names = NamesIn(workspaces);
  if (!names) return;
  for (const std::string& name : *names) {
    (void)StatIndex::Pack(workspaces + "/" + name, kIndexFile);
  }
}

}  // namespace

Result<OptimizeStoreReport> Engine::Optimize() {
  State& state = *state_;
  const auto start = std::chrono::steady_clock::now();
  OptimizeStoreReport report;
  HELIOS_TRY_ASSIGN(const FileLock use, state.UseBackend());
  HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
  std::vector<ObjectKey> keys;
  {
    state.SetPhase("reading the history");
    HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
    HELIOS_TRY_ASSIGN(StorageListing listing, ListInStorageOrder(store, state.log, state.refs));
    report.snapshots = listing.snapshots;
    keys = std::move(listing.keys);
  }
  // From here on the store itself looks after what is removed meanwhile.
  state.SetPhase("compressing");
  Progress* const progress = state.options.progress;
  if (progress != nullptr) progress->noun = "objects";
  OptimizeRequest request;
  request.order = keys;
  request.threads = state.threads;
  request.progress = progress;
  HELIOS_TRY_ASSIGN(report.store, store->Optimize(request));
  if (progress != nullptr) progress->noun = "files";
  PackIndexes(state.paths.Workspaces());
  state.SetPhase("counting");
  state.FlushMetrics();
  state.SetPhase("");
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace helios

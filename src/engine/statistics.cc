#include <unordered_set>

#include "engine/engine_state.h"
#include "store/metrics_file.h"
#include "store/store_settings.h"

namespace helios {

Result<StatisticsReport> Engine::Statistics() {
  State& state = *state_;
  StatisticsReport report;
  report.store = state.paths.root;
  state.FlushMetrics();
  HELIOS_TRY_ASSIGN(const FileLock use, state.UseBackend());
  report.backend = state.CurrentBackend().name;
  HELIOS_TRY_ASSIGN(report.all, ReadMetricsFile(state.paths.Metrics()));
  HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
  HELIOS_TRY_ASSIGN(report.totals, store->Totals());
  if (const Result<StoreSettings> settings = ReadSettings(state.paths.root)) {
    report.compression = settings->compression;
  }
  std::unordered_set<Digest, DigestHash> snapshots;
  HELIOS_TRY(state.log.ForEach([&](const Operation& operation) {
    ++report.operations;
    snapshots.insert(operation.snapshot.digest);
  }));
  report.snapshots = snapshots.size();
  report.l1_items = state.cache.items();
  report.l1_bytes = state.cache.bytes();
  return report;
}

}  // namespace helios

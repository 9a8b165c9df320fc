// Compresses the store anew. What resembles what is known here: the store knows objects alone.
#include <algorithm>
#include <chrono>
#include <set>
#include <unordered_set>

#include "engine/engine_state.h"
#include "engine/storage_order.h"

namespace helios {
namespace {

// Every record that the log, the refs or another record leads to, the oldest of the log first.
Result<std::vector<RecordId>> FirstRecords(const OperationLog& log, const RefStore& refs) {
  std::vector<RecordId> records;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) { records.push_back(operation.record); }));
  // A ref whose file is damaged leads nowhere; the doctor says so.
  if (const Result<std::vector<Ref>> list = refs.List()) {
    for (const Ref& ref : *list) records.push_back(ref.record);
  }
  return records;
}

// Lists the records, those that lead to others before them, and returns their snapshots.
std::vector<StorageOrder::Version> AddRecords(ObjectStore* store, std::vector<RecordId> pending,
                                              StorageOrder* order) {
  std::vector<StorageOrder::Version> snapshots;
  std::unordered_set<Digest, DigestHash> known;
  std::set<std::pair<Digest, Digest>> known_snapshots;
  while (!pending.empty()) {
    const RecordId id = pending.back();
    pending.pop_back();
    if (!known.insert(id.digest).second) continue;
    order->AddRecord(id);
    // What cannot be read orders nothing.
    const Result<Record> record = LoadRecord(store, id);
    if (!record) continue;
    for (const RecordId& parent : record->parents) pending.push_back(parent);
    const Digest attributes = DigestOrZero(record->attributes);
    if (!known_snapshots.emplace(record->snapshot.digest, attributes).second) continue;
    snapshots.push_back({record->snapshot, record->attributes});
  }
  return snapshots;
}

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
  HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
  std::vector<ObjectKey> keys;
  {
    state.SetPhase("reading the history");
    HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
    StorageOrder order(store);
    HELIOS_TRY_ASSIGN(std::vector<RecordId> records, FirstRecords(state.log, state.refs));
    const std::vector<StorageOrder::Version> snapshots =
        AddRecords(store, std::move(records), &order);
    report.snapshots = snapshots.size();
    HELIOS_TRY(order.AddSnapshots(snapshots));
    keys = order.TakeKeys();
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

// What operations and working sets rely on is kept from collection.
#include <algorithm>

#include "engine/engine_state.h"
#include "vst/reachable.h"

namespace helios {

std::shared_ptr<const void> Engine::State::Hold(FileLock lock, const ObjectKey& key) {
  Result<std::shared_ptr<const Lease>> lease = leases.Take(key);
  if (lease) return std::move(lease).value();
  Debug("no lease: " + lease.error().message());
  return std::make_shared<const FileLock>(std::move(lock));
}

Result<Engine::State::HeldRecord> Engine::State::ResolveAndHold(const std::string& id,
                                                                const std::string& workspace_key) {
  HELIOS_TRY_ASSIGN(FileLock lock, LockShared());
  HELIOS_TRY_ASSIGN(ResolvedRecord resolved, Resolve(id, workspace_key));
  std::shared_ptr<const void> hold = Hold(std::move(lock), resolved.id);
  return HeldRecord{std::move(resolved), std::move(hold)};
}

Result<std::shared_ptr<const void>> Engine::State::Keep(const SnapshotId& snapshot) {
  if (auto lease = leases.Find(snapshot)) return std::shared_ptr<const void>(std::move(lease));
  HELIOS_TRY_ASSIGN(FileLock lock, LockShared());
  bool is_kept = !log.WasShortened();
  if (!is_kept) {
    HELIOS_TRY(log.ForEach(
        [&](const Operation& operation) { is_kept = is_kept || operation.snapshot == snapshot; }));
  }
  if (!is_kept) {
    HELIOS_TRY_ASSIGN(is_kept, IsWhole(snapshot));
  }
  if (is_kept) return Hold(std::move(lock), snapshot);
  return Error(ErrorCode::kMissingObject,
               "the snapshot " + FormatId(snapshot) + " is not in the store " + paths.root +
                   " as a whole: \"helios gc\" was told to let go of it");
}

Result<bool> Engine::State::IsWhole(const SnapshotId& snapshot) {
  HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
  Mutex mutex;
  std::vector<ObjectKey> contents;
  bool is_whole = true;
  ReachableWalk::Options walk_options;
  walk_options.threads = threads;
  ReachableWalk walk(
      store, walk_options,
      [&](const Reached& reached) -> Result<void> {
        if (!reached.is_new || reached.key.kind != ObjectKind::kBlob) return {};
        MutexLock lock(mutex);
        contents.push_back(reached.key);
        return {};
      },
      [&](const Reached&, const Error&) -> Result<void> {
        MutexLock lock(mutex);
        is_whole = false;
        return {};
      });
  const ReachableRoot root{std::nullopt, snapshot, {}, {}};
  HELIOS_TRY(walk.Run({&root, 1}));
  HELIOS_TRY_ASSIGN(const std::vector<bool> has, store->HasMany(contents));
  return is_whole && std::find(has.begin(), has.end(), false) == has.end();
}

std::shared_ptr<const VstHold> Engine::State::MakeHold(std::shared_ptr<const void> lease) {
  return std::make_shared<const VstHold>(VstHold{this, std::move(lease), EpochToNote()});
}

StoreEpoch Engine::State::Epoch() const {
  const Result<StoreEpoch> epoch = ReadEpoch(paths.Epoch());
  return epoch ? *epoch : StoreEpoch{0, 0, false};
}

uint64_t Engine::State::EpochToNote() const {
  const StoreEpoch epoch = Epoch();
  return epoch.is_known ? epoch.collection : kNoEpoch;
}

}  // namespace helios

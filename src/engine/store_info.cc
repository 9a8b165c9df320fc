#include <unordered_set>

#include "engine/engine_state.h"
#include "history/branches.h"
#include "store/store_lock.h"
#include "store/store_move.h"
#include "store/store_settings.h"

namespace helios {

Result<StoreInfo> Engine::Info() {
  State& state = *state_;
  const StorePaths& paths = state.paths;
  HELIOS_TRY_ASSIGN(const FileLock use, state.UseBackend());
  StoreInfo info;
  HELIOS_TRY_ASSIGN(const StoreIdentity identity, ReadIdentity(paths.root));
  info.path = paths.root;
  info.version = kStoreVersion;
  info.backend = identity.backend;
  info.folder = paths.BackendFolder(identity.backend);
  info.moved = identity.moved;
  HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
  HELIOS_TRY_ASSIGN(info.totals, store->Totals());
  if (const Result<StoreSettings> settings = ReadSettings(paths.root)) info.settings = *settings;

  std::unordered_set<std::string> workspaces;
  std::unordered_set<Digest, DigestHash> snapshots;
  HELIOS_TRY(state.log.ForEach([&](const Operation& operation) {
    ++info.operations;
    snapshots.insert(operation.snapshot.digest);
    const bool is_of_folder = operation.kind == OperationKind::kCommit ||
                              operation.kind == OperationKind::kRestore ||
                              operation.kind == OperationKind::kLazyRestore;
    if (is_of_folder && !operation.workspace.empty()) workspaces.insert(operation.workspace);
  }));
  info.workspaces = workspaces.size();
  info.snapshots = snapshots.size();
  HELIOS_TRY_ASSIGN(const std::vector<Ref> branches, ListBranches(state.log));
  HELIOS_TRY_ASSIGN(const std::vector<Ref> tags, state.refs.List());
  info.branches = branches.size();
  info.tags = tags.size();

  const StoreEpoch epoch = state.Epoch();
  info.collections = epoch.collection;
  info.log_number = epoch.log;
  info.is_epoch_known = epoch.is_known;
  HELIOS_TRY_ASSIGN(const std::vector<ObjectKey> leases, LeaseTable::Held(paths.Leases()));
  info.leases = leases.size();
  HELIOS_TRY_ASSIGN(const std::optional<std::string> copy, FindCopy(paths));
  if (copy) {
    info.moving_to = *copy;
    info.moving_bytes = DiskBytesBelow(CopyFolder(paths, *copy));
  }
  return info;
}

}  // namespace helios

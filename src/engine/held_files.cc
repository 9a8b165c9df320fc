#include "engine/held_files.h"

#include <algorithm>

#include "history/id_resolver.h"

namespace helios {
namespace {

// How many snapshots are asked whether they hold a file that would be lost.
constexpr size_t kSnapshotsAskedMax = 64;

template <typename T>
void AddNewest(const T& newest, std::vector<T>* list) {
  std::erase(*list, newest);
  list->push_back(newest);
  if (list->size() > kSnapshotsAskedMax) list->erase(list->begin());
}

// The snapshots in which this workspace ever stood, newest first; then those that hold what was
// there in between.
Result<std::vector<TreeId>> SnapshotsOf(ObjectStore* store, const OperationLog& log,
                                        const std::string& workspace,
                                        const std::optional<InterruptedRestore>& interrupted) {
  std::vector<TreeId> snapshots;
  std::vector<RecordId> safety;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    if (!operation.Concerns(workspace) || !operation.ref.empty()) return;
    AddNewest(operation.snapshot, &snapshots);
    if (operation.safety) AddNewest(*operation.safety, &safety);
  }));
  if (interrupted && interrupted->intent.operation) {
    AddNewest(*interrupted->intent.operation->safety, &safety);
  }
  std::reverse(snapshots.begin(), snapshots.end());
  for (size_t i = safety.size(); i-- > 0;) {
    const Result<Record> record = LoadRecord(store, safety[i]);
    if (record) snapshots.push_back(record->snapshot);  // one that was collected holds nothing
  }
  return snapshots;
}

}  // namespace

Result<bool> HeldFiles::Holds(const std::string& path, const TreeEntry& present) {
  if (IsOfInterrupted(path, present)) return true;
  HELIOS_TRY_ASSIGN(const std::vector<TreeId>* snapshots, Snapshots());
  for (const TreeId& snapshot : *snapshots) {
    const Result<std::optional<TreeEntry>> entry = reader_.Lookup(snapshot, path);
    // A damaged snapshot holds nothing that one could count on, nor does one whose contents are
    // gone.
    if (!entry || *entry != present) continue;
    const Result<bool> holds = reader_.HoldsContent(present);
    if (holds && *holds) return true;
  }
  return false;
}

// The whole file or its beginning: for contents are written in order, under the final name.
bool HeldFiles::IsOfInterrupted(const std::string& path, const TreeEntry& present) const {
  if (!interrupted_) return false;
  const Result<std::optional<TreeEntry>> entry =
      reader_.Lookup(interrupted_->target.snapshot, path);
  if (!entry || !*entry) return false;
  if (!IsFile(present.kind)) return **entry == present;
  const Result<bool> begins = reader_.BeginsWith(**entry, present.size, {present.id});
  return begins && *begins;
}

Result<const std::vector<TreeId>*> HeldFiles::Snapshots() {
  MutexLock lock(mutex_);
  if (!snapshots_) {
    HELIOS_TRY_ASSIGN(snapshots_, SnapshotsOf(store_, log_, workspace_, interrupted_));
  }
  return &*snapshots_;
}

}  // namespace helios

#include "engine/held_files.h"

#include <algorithm>

namespace helios {
namespace {

// How many snapshots are asked whether they hold a file that would be lost.
constexpr size_t kSnapshotsAskedMax = 64;

// The snapshots in which this workspace ever stood, newest first.
Result<std::vector<TreeId>> SnapshotsOf(const OperationLog& log, const std::string& workspace) {
  std::vector<TreeId> snapshots;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    if (operation.workspace != workspace) return;
    std::erase(snapshots, operation.snapshot);
    snapshots.push_back(operation.snapshot);
    if (snapshots.size() > kSnapshotsAskedMax) snapshots.erase(snapshots.begin());
  }));
  std::reverse(snapshots.begin(), snapshots.end());
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
  const Result<std::optional<TreeEntry>> entry = reader_.Lookup(*interrupted_, path);
  if (!entry || !*entry) return false;
  if (!IsFile(present.kind)) return **entry == present;
  const Result<bool> begins = reader_.BeginsWith(**entry, present.size, {present.id});
  return begins && *begins;
}

Result<const std::vector<TreeId>*> HeldFiles::Snapshots() {
  MutexLock lock(mutex_);
  if (!snapshots_) {
    HELIOS_TRY_ASSIGN(snapshots_, SnapshotsOf(log_, workspace_));
  }
  return &*snapshots_;
}

}  // namespace helios

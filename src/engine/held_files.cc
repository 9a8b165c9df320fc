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

Result<bool> HeldFiles::EverHeld(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "" : path.substr(0, slash);
  HELIOS_TRY_ASSIGN(const std::set<std::string>* names, NamesIn(folder));
  return names->contains(path.substr(slash == path.npos ? 0 : slash + 1));
}

// A folder that no snapshot has is not looked for in each of them: the one above it tells.
Result<const std::set<std::string>*> HeldFiles::NamesIn(const std::string& path) {
  std::vector<std::string> folders{""};
  for (size_t slash = path.find('/'); !path.empty(); slash = path.find('/', slash + 1)) {
    folders.push_back(path.substr(0, slash));
    if (slash == path.npos) break;
  }
  HELIOS_TRY_ASSIGN(const std::vector<TreeId>* snapshots, Snapshots());
  bool is_known = true;
  for (const std::string& folder : folders) {
    if (!folder.empty()) {
      const size_t slash = folder.rfind('/');
      const std::string above = slash == folder.npos ? "" : folder.substr(0, slash);
      is_known = names_.at(above).contains(folder.substr(slash == folder.npos ? 0 : slash + 1));
    }
    const auto [names, is_new] = names_.try_emplace(folder);
    if (!is_new || !is_known) continue;
    std::set<TreeId> seen;
    for (const TreeId& snapshot : *snapshots) {
      std::optional<TreeId> tree = snapshot;
      if (!folder.empty()) {
        const Result<std::optional<TreeEntry>> entry = reader_.Lookup(snapshot, folder);
        const bool is_folder = entry && *entry && (*entry)->kind == EntryKind::kDirectory;
        tree = is_folder ? std::optional(TreeId{(*entry)->id}) : std::nullopt;
      }
      if (!tree || !seen.insert(*tree).second) continue;
      const Result<DirectoryContents> contents = reader_.ReadDirectory(*tree, nullptr);
      if (!contents) continue;  // what is damaged or gone tells nothing
      for (const TreeEntry& entry : contents->entries) names->second.insert(entry.name);
    }
  }
  return &names_.at(path);
}

bool HeldFiles::IsOfInterrupted(const std::string& path, const TreeEntry& present) const {
  if (!interrupted_) return false;
  const auto look_up = [&](const std::optional<Record>& record) -> std::optional<TreeEntry> {
    if (!record) return std::nullopt;
    Result<std::optional<TreeEntry>> entry = reader_.Lookup(record->snapshot, path);
    return entry ? *std::move(entry) : std::nullopt;
  };
  const std::optional<TreeEntry> target = look_up(interrupted_->target);
  const std::optional<TreeEntry> before = look_up(interrupted_->before);
  return MayBeWritten(target, before, present) || MayBeWritten(before, target, present);
}

// Whether it is what was wanted in the place of another, or was about to become that. Contents are
// written in order, and under the final name where there was no file: there a beginning counts, and
// what is not executable yet. Elsewhere a file takes another's place when it is whole. (One with
// holes has its length from the start: what is left of it counts as an edit.)
bool HeldFiles::MayBeWritten(const std::optional<TreeEntry>& wanted,
                             const std::optional<TreeEntry>& other,
                             const TreeEntry& present) const {
  if (!wanted) return false;
  if (present.kind == EntryKind::kDirectory && present.below.files == 0) {
    return wanted->kind == EntryKind::kDirectory;  // nothing had come into it
  }
  const bool is_whole = *wanted == present;
  if (!IsFile(present.kind)) return is_whole;
  const bool is_new = !other || other->kind == EntryKind::kDirectory;
  const bool is_of_kind = wanted->kind == present.kind || present.kind == EntryKind::kFile;
  if (!is_whole && !(is_new && is_of_kind)) return false;
  const Result<bool> begins = reader_.BeginsWith(*wanted, present.size, {present.id});
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

#include "engine/reference_survey.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "history/id_resolver.h"
#include "vst/lost_paths.h"
#include "worktree/selected_walk.h"

namespace helios {
namespace {

constexpr size_t kKeysAtOnce = 256;

}  // namespace

Result<void> ReferenceSurvey::Run(const std::vector<RecordId>& records) {
  ListHistory(records);
  walk_ = std::make_unique<ReachableWalk>(
      store_, ReachableWalk::Options{options_.threads, true},
      [this](const Reached& reached) -> Result<void> {
        const bool is_passed_over =
            options_.selector != nullptr && reached.key.kind == ObjectKind::kBlob;
        if (!reached.is_new || is_passed_over) return {};
        return Add(reached.key, reached.Path());
      },
      [this](const Reached& reached, Error error) -> Result<void> {
        Note(reached.key, reached.Path(), std::move(error));
        return {};
      });
  HELIOS_TRY(Walk(true));
  if (options_.selector != nullptr) {
    for (const Entry& entry : history_) {
      if (entry.record) HELIOS_TRY(ReadSelected(entry.record->snapshot));
    }
    HELIOS_TRY(ReadRest());
  }
  return Walk(false);
}

void ReferenceSurvey::ListHistory(const std::vector<RecordId>& named) {
  std::unordered_set<Digest, DigestHash> known;
  std::vector<RecordId> pending;
  const auto add = [&](const RecordId& id, bool is_named) {
    if (!known.insert(id.digest).second) return;
    Result<Record> record = LoadRecord(store_, id);
    // History ends where a collector has taken what was before.
    const bool is_gone = !record && record.error().code() == ErrorCode::kMissingObject;
    if (is_gone && !is_named) return;
    Entry& entry = history_.emplace_back();
    entry.id = id;
    entry.is_named = is_named;
    if (!record) return;
    entry.record = std::move(record).value();
    if (!options_.history) return;
    pending.insert(pending.end(), entry.record->parents.begin(), entry.record->parents.end());
  };
  for (const RecordId& id : named) add(id, true);
  while (!pending.empty()) {
    const RecordId id = pending.back();
    pending.pop_back();
    add(id, false);
  }
}

Result<void> ReferenceSurvey::Walk(bool named) {
  std::vector<ReachableRoot> roots;
  for (const Entry& entry : history_) {
    if (entry.is_named == named) roots.push_back(ReachableRoot::Of(entry.id));
  }
  follows_named_ = named;
  HELIOS_TRY(walk_->Run(roots));
  return ReadRest();
}

Result<void> ReferenceSurvey::ReadSelected(const SnapshotId& snapshot) {
  const TreeReader reader(store_);
  const auto read = [&](const std::string& path, const TreeEntry& entry) -> Result<void> {
    if (!IsFile(entry.kind)) return {};
    if (!entry.HasManifest()) return Add(BlobId{entry.id}, path);
    return reader.ForEachChunk(entry, {},
                               [&](const FileChunk& chunk) { return Add(chunk.id, path); });
  };
  Result<void> selected = ForEachSelected(reader, snapshot, "", *options_.selector, read);
  // What of the trees cannot be read was noted by the walk.
  const bool is_damage = !selected && (selected.error().code() == ErrorCode::kCorrupt ||
                                       selected.error().code() == ErrorCode::kMissingObject);
  return is_damage ? Result<void>() : std::move(selected);
}

Result<void> ReferenceSurvey::Add(const ObjectKey& key, std::string path) {
  if (options_.whole != nullptr && options_.whole->Contains(key)) return {};
  std::vector<Wanted> batch;
  {
    MutexLock lock(mutex_);
    wanted_.push_back({key, std::move(path)});
    if (wanted_.size() < kKeysAtOnce) return {};
    batch.swap(wanted_);
  }
  return Read(batch);
}

Result<void> ReferenceSurvey::ReadRest() {
  std::vector<Wanted> batch;
  {
    MutexLock lock(mutex_);
    batch.swap(wanted_);
  }
  return Read(batch);
}

std::vector<bool> ReferenceSurvey::ReadAtOnce(std::span<const ObjectKey> keys) {
  std::vector<bool> whole(keys.size(), false);
  const auto take = [&](size_t index, std::optional<ByteView> bytes) -> Result<void> {
    whole[index] = bytes.has_value();
    if (bytes) Count(bytes->size());
    return {};
  };
  // Whatever is wrong with one of them shows when each is read alone.
  (void)store_->GetMany(keys, take);
  return whole;
}

Result<void> ReferenceSurvey::Read(const std::vector<Wanted>& batch) {
  std::vector<ObjectKey> keys;
  for (const Wanted& wanted : batch) keys.push_back(wanted.key);
  std::vector<bool> whole(keys.size(), false);
  if (options_.structure) {
    HELIOS_TRY_ASSIGN(whole, store_->HasMany(keys));
  } else if (!keys.empty()) {
    whole = ReadAtOnce(keys);
  }
  const auto is_whole = [this](const ObjectKey& key) {
    if (options_.whole != nullptr) options_.whole->Insert(key);
  };
  for (size_t i = 0; i < keys.size(); ++i) {
    if (whole[i]) is_whole(keys[i]);
    if (whole[i]) continue;
    const Result<std::optional<Bytes>> bytes = store_->Get(keys[i]);
    if (!bytes) {
      Note(keys[i], batch[i].path, bytes.error());
    } else if (*bytes) {
      Count((*bytes)->size());
      is_whole(keys[i]);
    } else {
      Note(keys[i], batch[i].path, MissingObject(keys[i]));
    }
  }
  return {};
}

void ReferenceSurvey::Count(uint64_t bytes) {
  if (options_.progress != nullptr) {
    ++options_.progress->files;
    options_.progress->bytes += bytes;
  }
  MutexLock lock(mutex_);
  ++objects_;
  bytes_ += bytes;
}

void ReferenceSurvey::Note(const ObjectKey& key, std::string path, Error error) {
  // What was collected in part is missing to nobody.
  if (!follows_named_ && error.code() == ErrorCode::kMissingObject) return;
  MutexLock lock(mutex_);
  problems_.try_emplace(key, Problem{std::move(error), std::move(path)});
}

Result<void> ReferenceSurvey::Describe(VerifyReport* report) {
  std::vector<const Problems::value_type*> sorted;
  for (const auto& item : problems_) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return std::tie(a->second.path, a->first) < std::tie(b->second.path, b->first);
  });
  for (const auto* item : sorted) {
    const auto& [key, problem] = *item;
    Error error = problem.error;
    if (!problem.path.empty()) error = std::move(error).WithContext(problem.path);
    DamageList& list =
        problem.error.code() == ErrorCode::kMissingObject ? report->missing : report->unreadable;
    list.Add({"", std::nullopt, key, std::move(error)});
  }
  {
    MutexLock lock(mutex_);
    report->objects.objects += objects_;
    report->objects.bytes += bytes_;
  }
  report->records = history_.size();
  return problems_.empty() ? Result<void>() : DescribeSnapshots(report);
}

Result<void> ReferenceSurvey::DescribeSnapshots(VerifyReport* report) {
  LostPaths lost_paths(store_, [this](const ObjectKey& key) { return problems_.contains(key); });
  // The newest first: they are what people look for.
  const auto time_of = [](const Entry& entry) {
    return entry.record ? entry.record->time : Timestamp();
  };
  std::stable_sort(history_.begin(), history_.end(),
                   [&](const Entry& a, const Entry& b) { return time_of(a) > time_of(b); });
  for (const Entry& entry : history_) {
    LostSnapshot lost;
    lost.record = entry.id;
    lost.is_record_lost = !entry.record.has_value();
    if (entry.record) {
      const Record& record = *entry.record;
      HELIOS_TRY_ASSIGN(LostPaths::Found found, lost_paths.Of(record.snapshot, record.attributes,
                                                              record.totals, kLostPathsListedMax));
      if (found.count == 0) continue;
      lost.snapshot = record.snapshot;
      lost.time_seconds = record.time.seconds;
      lost.workspace = record.workspace;
      lost.message = record.message;
      lost.paths = found.count;
      lost.listed = std::move(found.listed);
    }
    ++report->lost_snapshots;
    report->lost_paths += lost.paths;
    if (report->lost.size() < kLostSnapshotsListedMax) report->lost.push_back(std::move(lost));
  }
  return {};
}

}  // namespace helios

#include "store/rocksdb/rocksdb_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "store/rocksdb/logs.h"
#include "store/rocksdb/rocksdb_batch.h"

namespace helios::rocks {
namespace {

constexpr size_t kCacheBytes = size_t{16} << 20;
constexpr int kOpenAttempts = 3;
constexpr int kReadAttempts = 8;
// What Maintain leaves as it is.
constexpr size_t kLogsMax = 16;
constexpr uint64_t kLogBytesMax = uint64_t{8} << 20;
constexpr uint64_t kNewTablesMax = 8;

bool IsGone(const Error& error) { return error.os_error() == ENOENT; }

uint64_t NewTables(Database& database, Family family) {
  uint64_t tables = 0;
  std::string value;
  if (database.db().GetProperty(database.Handle(family), "rocksdb.num-files-at-level0", &value)) {
    tables = std::strtoull(value.c_str(), nullptr, 10);
  }
  return tables;
}

}  // namespace

RocksdbStore::RocksdbStore(std::string folder, ChangeCounts changes, const OpenOptions& options)
    : folder_(std::move(folder)),
      changes_(std::move(changes)),
      lock_timeout_(options.lock_timeout),
      cache_(rocksdb::NewLRUCache(kCacheBytes)) {}

Result<std::unique_ptr<ObjectStore>> RocksdbStore::Open(const std::string& folder,
                                                        const OpenOptions& options) {
  HELIOS_TRY_ASSIGN(ChangeCounts changes, ChangeCounts::Open(folder));
  return std::unique_ptr<ObjectStore>(new RocksdbStore(folder, std::move(changes), options));
}

// ---- Reading ----

Result<RocksdbStore::View> RocksdbStore::OpenOnce(
    const std::shared_ptr<rocksdb::Cache>& cache) const {
  View view;
  view.published = published_;
  HELIOS_TRY_ASSIGN(view.counts, changes_.Read());
  HELIOS_TRY_ASSIGN(view.database, Database::OpenToRead(folder_, cache));
  return view;
}

Result<RocksdbStore::View> RocksdbStore::OpenAnew(
    const std::shared_ptr<rocksdb::Cache>& cache) const {
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    Result<View> view = OpenOnce(cache);
    HELIOS_TRY_ASSIGN(const Counts counts, changes_.Read());
    if (counts.IsDeleting()) break;
    // Else it may have been put together from what was before and after a change.
    if (view && view->counts == counts) return view;
  }
  HELIOS_TRY_ASSIGN(const FileLock lock, FileLock::Acquire(WriteLockPath(folder_),
                                                           FileLock::Mode::kShared, lock_timeout_));
  Result<View> view = OpenOnce(cache);
  if (view || !IsGone(view.error())) return view;
  return Error(ErrorCode::kCorrupt, view.error().message());
}

Result<RocksdbStore::View> RocksdbStore::Refresh() {
  HELIOS_TRY_ASSIGN(View view, OpenAnew(cache_));
  MutexLock lock(viewing_);
  view_ = view;
  return view;
}

Result<RocksdbStore::View> RocksdbStore::CurrentView() {
  HELIOS_TRY_ASSIGN(const Counts counts, changes_.Read());
  {
    MutexLock lock(viewing_);
    if (view_.database != nullptr && view_.counts.generation == counts.generation &&
        view_.published >= published_) {
      return view_;
    }
  }
  return Refresh();
}

Result<bool> RocksdbStore::HasChanged(const View& view) const {
  HELIOS_TRY_ASSIGN(const Counts counts, changes_.Read());
  return counts != view.counts;
}

Result<std::shared_ptr<Database>> RocksdbStore::Newest() {
  HELIOS_TRY_ASSIGN(View view, CurrentView());
  HELIOS_TRY_ASSIGN(const bool has_changed, HasChanged(view));
  if (has_changed) {
    HELIOS_TRY_ASSIGN(view, Refresh());
  }
  return view.database;
}

Result<std::optional<Bytes>> RocksdbStore::Get(const ObjectKey& key) {
  HELIOS_TRY_ASSIGN(View view, CurrentView());
  for (int attempt = 0;; ++attempt) {
    Result<std::optional<Entry>> entry = view.database->Find(key);
    if (!entry && !IsGone(entry.error())) return std::move(entry).error();
    if (entry && *entry) {
      Result<Bytes> bytes = view.database->Read(key, **entry);
      if (bytes) return std::optional<Bytes>(std::move(bytes).value());
      if (!IsGone(bytes.error()) || attempt == kReadAttempts) return std::move(bytes).error();
    } else if (entry) {
      HELIOS_TRY_ASSIGN(const bool has_changed, HasChanged(view));
      if (!has_changed) return std::optional<Bytes>();
    }
    HELIOS_TRY_ASSIGN(view, Refresh());
  }
}

Result<void> RocksdbStore::GetMany(std::span<const ObjectKey> keys, const GetSink& sink) {
  HELIOS_TRY_ASSIGN(View view, CurrentView());
  std::vector<std::optional<Entry>> entries;
  for (bool is_newest = false; !is_newest;) {
    HELIOS_TRY_ASSIGN(entries, view.database->FindAll(keys));
    if (std::find(entries.begin(), entries.end(), std::nullopt) == entries.end()) break;
    HELIOS_TRY_ASSIGN(const bool has_changed, HasChanged(view));
    is_newest = !has_changed;
    if (has_changed) {
      HELIOS_TRY_ASSIGN(view, Refresh());
    }
  }
  std::vector<Database::Wanted> wanted;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (entries[i]) {
      wanted.push_back({keys[i], *entries[i], i});
    } else {
      HELIOS_TRY(sink(i, std::nullopt));
    }
  }
  std::vector<size_t> moved;  // to files that this view does not know
  HELIOS_TRY(view.database->ReadAll(
      std::move(wanted),
      [&](const Database::Wanted& one, const Result<ByteView>& bytes) -> Result<void> {
        if (bytes) return sink(one.index, *bytes);
        if (!IsGone(bytes.error())) return bytes.error();
        moved.push_back(one.index);
        return {};
      }));
  for (const size_t index : moved) {
    HELIOS_TRY_ASSIGN(const std::optional<Bytes> bytes, Get(keys[index]));
    HELIOS_TRY(sink(index, bytes ? std::optional<ByteView>(*bytes) : std::nullopt));
  }
  return {};
}

Result<std::vector<bool>> RocksdbStore::HasMany(std::span<const ObjectKey> keys) {
  HELIOS_TRY_ASSIGN(const View view, CurrentView());
  HELIOS_TRY_ASSIGN(const std::vector<std::optional<Entry>> entries, view.database->FindAll(keys));
  std::vector<bool> has;
  has.reserve(keys.size());
  for (const std::optional<Entry>& entry : entries) has.push_back(entry.has_value());
  return has;
}

Result<void> RocksdbStore::ForEachKey(const KeyVisitor& visitor) {
  HELIOS_TRY_ASSIGN(const std::shared_ptr<Database> database, Newest());
  return database->ForEachEntry(
      [&](const ObjectKey& key, const Entry& entry) { return visitor(key, entry.size); });
}

Result<uint64_t> RocksdbStore::Generation() {
  HELIOS_TRY_ASSIGN(const Counts counts, changes_.Read());
  return counts.generation;
}

Result<uint64_t> RocksdbStore::BytesOnDisk() const {
  uint64_t bytes = 0;
  const std::string folder = DatabaseFolder(folder_);
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(folder));
  for (const std::string& name : names) {
    struct stat status;
    if (::stat((folder + "/" + name).c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      bytes += static_cast<uint64_t>(status.st_size);
    }
  }
  return bytes;
}

Result<StoreTotals> RocksdbStore::Totals() {
  HELIOS_TRY_ASSIGN(const std::shared_ptr<Database> database, Newest());
  HELIOS_TRY_ASSIGN(const rocks::Totals known, database->ReadTotals());
  StoreTotals totals;
  totals.objects = known.objects;
  totals.bytes = known.bytes;
  HELIOS_TRY_ASSIGN(totals.bytes_on_disk, BytesOnDisk());
  return totals;
}

Result<std::vector<uint64_t>> RocksdbStore::Parts() {
  HELIOS_TRY_ASSIGN(const View view, CurrentView());
  HELIOS_TRY_ASSIGN(const uint64_t identity, view.database->Identity());
  return std::vector<uint64_t>{identity};
}

Result<bool> RocksdbStore::HasParts(std::span<const uint64_t> parts) {
  HELIOS_TRY_ASSIGN(const std::shared_ptr<Database> database, Newest());
  HELIOS_TRY_ASSIGN(const uint64_t identity, database->Identity());
  const bool is_known =
      std::all_of(parts.begin(), parts.end(), [&](uint64_t part) { return part == identity; });
  return is_known && database->HasBlobFiles();
}

// ---- Writing ----

Result<std::unique_ptr<ObjectBatch>> RocksdbStore::OpenBatch() {
  return std::unique_ptr<ObjectBatch>(std::make_unique<RocksdbBatch>(this, effort_of_new()));
}

Result<std::shared_ptr<WriteHold>> RocksdbStore::Hold(std::chrono::milliseconds wait) {
  MutexLock lock(holding_);
  if (std::shared_ptr<WriteHold> hold = hold_.lock()) return hold;
  HELIOS_TRY_ASSIGN(std::shared_ptr<WriteHold> hold,
                    WriteHold::Take(folder_, effort_of_new(), wait));
  hold_ = hold;
  return hold;
}

Result<std::unique_ptr<WriteHold>> RocksdbStore::HoldAlone(const Effort& effort) {
  return WriteHold::Take(folder_, effort, lock_timeout_);
}

Result<FileLock> RocksdbStore::LockTables(std::chrono::milliseconds wait) const {
  return FileLock::Acquire(folder_ + "/tables.lock", FileLock::Mode::kExclusive, wait);
}

void RocksdbStore::NotePublished(Database& database) {
  ++published_;
  const Result<std::vector<Log>> logs = LogsOf(folder_);
  uint64_t log_bytes = 0;
  for (const Log& log : logs ? *logs : std::vector<Log>()) log_bytes += log.bytes;
  const bool has_much_log = logs && (logs->size() > kLogsMax || log_bytes > kLogBytesMax);
  for (const auto& [family, name] : kFamilies) {
    if (has_much_log || NewTables(database, family) > kNewTablesMax) is_fragmented_ = true;
  }
}

Result<void> RocksdbStore::Sync() {
  // Tables are synced before the database speaks of them: what is left is its logs.
  HELIOS_TRY(SyncLogs(folder_));
  return {};
}

Result<void> RocksdbStore::Maintain() {
  if (!is_fragmented_) return {};
  StagingFolder::RemoveAbandoned(folder_);
  const Result<void> merged = MergeTables();
  // Whoever is at work has it to do when it is done.
  if (!merged && merged.error().code() == ErrorCode::kBusy) return {};
  return merged ? Result<void>() : merged.error();
}

Result<void> RocksdbStore::MergeTables() {
  const std::chrono::milliseconds at_once(0);
  HELIOS_TRY_ASSIGN(const FileLock lock, LockTables(at_once));
  HELIOS_TRY_ASSIGN(const std::shared_ptr<WriteHold> hold, Hold(at_once));
  is_fragmented_ = false;
  Database& database = hold->database();
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kSkip;
  HELIOS_TRY(database.Flush());
  for (const auto& [family, name] : kFamilies) {
    if (NewTables(database, family) <= kNewTablesMax) continue;
    HELIOS_TRY(
        Checked(database.db().CompactRange(options, database.Handle(family), nullptr, nullptr),
                "maintain", folder_));
  }
  return hold->NoteMoved();
}

}  // namespace helios::rocks

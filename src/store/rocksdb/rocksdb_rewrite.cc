#include "store/rocksdb/rocksdb_rewrite.h"

#include <rocksdb/metadata.h>
#include <rocksdb/table_properties.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "store/rocksdb/rocksdb_store.h"

namespace helios::rocks {
namespace {

// So many entries are removed by one write.
constexpr size_t kRemovedAtOnce = 10'000;
// A table is written anew for this share of its objects.
constexpr uint64_t kReclaimedShare = 20;  // one in so many
constexpr Family kDataFamilies[] = {Family::kSmall, Family::kLarge};

// Of each table, by its file's name.
Result<std::unordered_map<std::string, std::shared_ptr<const rocksdb::TableProperties>>>
PropertiesOf(Database& database, Family family) {
  rocksdb::TablePropertiesCollection properties;
  HELIOS_TRY(Checked(database.db().GetPropertiesOfAllTables(database.Handle(family), &properties),
                     "look at", database.folder()));
  std::unordered_map<std::string, std::shared_ptr<const rocksdb::TableProperties>> by_name;
  for (const auto& [path, table] : properties) {
    by_name[path.substr(path.rfind('/') + 1)] = table;
  }
  return by_name;
}

Result<void> RemoveSome(WriteHold& hold, std::span<const ObjectKey> keys,
                        std::vector<Doomed>* removed) {
  Database& database = hold.database();
  HELIOS_TRY_ASSIGN(const std::vector<std::optional<Entry>> entries, database.FindAll(keys));
  HELIOS_TRY_ASSIGN(Totals totals, database.ReadTotals());
  rocksdb::WriteBatch batch;
  rocksdb::Status status;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!entries[i]) continue;
    removed->push_back({keys[i], *entries[i]});
    --totals.objects;
    totals.bytes -= entries[i]->size;
    if (status.ok()) {
      status = batch.Delete(database.Handle(Family::kKeys), EncodeObjectKey(keys[i]));
    }
  }
  if (status.ok()) {
    status = batch.Put(database.Handle(Family::kStore), SliceOf(kTotalsKey), EncodeTotals(totals));
  }
  rocksdb::WriteOptions durable;
  durable.sync = true;
  if (status.ok()) status = database.db().Write(durable, &batch);
  return Checked(status, "delete from", database.folder());
}

}  // namespace

Result<std::vector<Doomed>> RemoveEntries(WriteHold& hold, std::span<const ObjectKey> keys) {
  std::vector<Doomed> removed;
  const std::unordered_set<ObjectKey, ObjectKeyHash> distinct(keys.begin(), keys.end());
  const std::vector<ObjectKey> doomed(distinct.begin(), distinct.end());
  MutexLock lock(hold.publishing());
  HELIOS_TRY(hold.NoteDeletionBegins());
  for (size_t begin = 0; begin < doomed.size(); begin += kRemovedAtOnce) {
    const size_t count = std::min(kRemovedAtOnce, doomed.size() - begin);
    HELIOS_TRY(RemoveSome(hold, std::span(doomed).subspan(begin, count), &removed));
  }
  HELIOS_TRY(hold.NoteDeletionEnded());
  return removed;
}

bool TableRange::IsWrittenWith(const Effort& other) const {
  return other.type == rocksdb::kZSTD && effort.starts_with("ZSTD") &&
         effort.find("level=" + std::to_string(other.level) + ";") != effort.npos;
}

Result<std::vector<TableRange>> DataTables(Database& database) {
  HELIOS_TRY(database.Flush());
  std::vector<TableRange> tables;
  for (const Family family : kDataFamilies) {
    rocksdb::ColumnFamilyHandle* const handle = database.Handle(family);
    HELIOS_TRY_ASSIGN(const auto properties, PropertiesOf(database, family));
    rocksdb::ColumnFamilyMetaData metadata;
    database.db().GetColumnFamilyMetaData(handle, &metadata);
    for (const rocksdb::LevelMetaData& level : metadata.levels) {
      for (const rocksdb::SstFileMetaData& file : level.files) {
        TableRange& table = tables.emplace_back();
        table.family = family;
        table.smallest = file.smallestkey;
        table.largest = file.largestkey;
        const std::string name =
            file.relative_filename.substr(file.relative_filename.find_first_not_of('/'));
        if (const auto found = properties.find(name); found != properties.end()) {
          table.objects = found->second->num_entries;
          table.bytes = found->second->raw_value_size;
          table.effort = found->second->compression_name + " " + found->second->compression_options;
        }
      }
    }
  }
  return tables;
}

Result<void> RewriteRange(Database& database, const TableRange& range) {
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
  options.blob_garbage_collection_age_cutoff = 1;
  const rocksdb::Slice smallest(range.smallest);
  const rocksdb::Slice largest(range.largest);
  database.DropUnreferenced(true);
  const rocksdb::Status status =
      database.db().CompactRange(options, database.Handle(range.family), &smallest, &largest);
  database.DropUnreferenced(false);
  return Checked(status, "rewrite tables of", database.folder());
}

// ---- Deleting ----

Result<void> RocksdbStore::Delete(std::span<const ObjectKey> keys) {
  HELIOS_TRY_ASSIGN(const FileLock lock, LockTables(lock_timeout_));
  HELIOS_TRY_ASSIGN(const std::unique_ptr<WriteHold> hold, HoldAlone(effort_of_new()));
  HELIOS_TRY_ASSIGN(const std::vector<Doomed> removed, RemoveEntries(*hold, keys));
  if (removed.empty()) return {};
  HELIOS_TRY_ASSIGN(const std::vector<TableRange> tables, DataTables(hold->database()));
  for (const TableRange& table : tables) {
    const bool is_touched = std::any_of(removed.begin(), removed.end(), [&](const Doomed& doomed) {
      const Bytes key = EncodeDataKey(doomed.entry.place, doomed.key);
      return doomed.entry.family == table.family && table.smallest <= key && key <= table.largest;
    });
    if (is_touched) HELIOS_TRY(RewriteRange(hold->database(), table));
  }
  return hold->NoteMoved();
}

Result<std::unique_ptr<ObjectSweep>> RocksdbStore::OpenSweep(SweepRequest request) {
  return RocksdbSweep::Open(this, std::move(request));
}

Result<std::unique_ptr<ObjectSweep>> RocksdbSweep::Open(RocksdbStore* store, SweepRequest request) {
  HELIOS_TRY_ASSIGN(FileLock lock, store->LockTables(store->lock_timeout()));
  HELIOS_TRY_ASSIGN(std::shared_ptr<Database> database, store->Newest());
  return std::unique_ptr<ObjectSweep>(
      new RocksdbSweep(store, std::move(request), std::move(lock), std::move(database)));
}

Result<void> RocksdbSweep::Plan() {
  const std::shared_ptr<Database> database = std::move(database_);
  HELIOS_TRY_ASSIGN(figures_.bytes_before, store_->BytesOnDisk());
  uint64_t bytes = 0;
  uint64_t dead_bytes = 0;
  HELIOS_TRY(database->ForEachEntry([&](const ObjectKey& key, const Entry& entry) -> Result<void> {
    ++figures_.objects;
    bytes += entry.size;
    if (request_.is_live(key)) return {};
    dead_bytes += entry.size;
    doomed_.push_back(key);
    return {};
  }));
  figures_.dead_objects = doomed_.size();
  const double share =
      bytes == 0 ? 0 : static_cast<double>(dead_bytes) / static_cast<double>(bytes);
  figures_.dead_bytes = static_cast<uint64_t>(share * static_cast<double>(figures_.bytes_before));
  return {};
}

Result<bool> RocksdbSweep::Prepare() {
  if (!doomed_.empty()) return true;
  if (!is_reclaimed_) HELIOS_TRY(Reclaim());
  is_reclaimed_ = true;
  return false;
}

Result<void> RocksdbSweep::Remove() {
  std::vector<ObjectKey> gone = std::exchange(doomed_, {});
  std::erase_if(gone, request_.is_live);
  HELIOS_TRY_ASSIGN(const std::shared_ptr<WriteHold> hold, store_->Hold());
  HELIOS_TRY_ASSIGN(const std::vector<Doomed> removed, RemoveEntries(*hold, gone));
  for (const Doomed& one : removed) {
    unreferenced_.push_back(EncodeDataKey(one.entry.place, one.key));
  }
  std::sort(unreferenced_.begin(), unreferenced_.end());
  figures_.freed_objects += removed.size();
  return {};
}

Result<void> RocksdbSweep::Reclaim() {
  std::vector<TableRange> tables;
  bool has_leftovers = false;  // of sweeps and batches that were killed
  {
    HELIOS_TRY_ASSIGN(const std::unique_ptr<WriteHold> hold, store_->HoldAlone({}));
    HELIOS_TRY_ASSIGN(tables, DataTables(hold->database()));
    HELIOS_TRY_ASSIGN(const rocks::Totals totals, hold->database().ReadTotals());
    uint64_t stored = 0;
    for (const TableRange& table : tables) stored += table.objects;
    has_leftovers = stored > totals.objects + unreferenced_.size() + stored / kReclaimedShare;
  }
  for (const TableRange& table : tables) {
    const auto begin = std::lower_bound(unreferenced_.begin(), unreferenced_.end(), table.smallest);
    const auto end = std::upper_bound(begin, unreferenced_.end(), table.largest);
    const uint64_t dead = static_cast<uint64_t>(end - begin);
    const bool pays = dead * kReclaimedShare >= table.objects || table.family == Family::kLarge;
    if (!has_leftovers && (dead == 0 || !pays)) continue;
    // Given back after each table: whoever writes gets its turn.
    HELIOS_TRY_ASSIGN(const std::unique_ptr<WriteHold> hold,
                      store_->HoldAlone(store_->effort_of_new()));
    HELIOS_TRY(RewriteRange(hold->database(), table));
    HELIOS_TRY(hold->NoteMoved());
    ++figures_.parts_removed;
  }
  HELIOS_TRY_ASSIGN(const uint64_t bytes_after, store_->BytesOnDisk());
  figures_.freed_bytes = figures_.bytes_before - std::min(figures_.bytes_before, bytes_after);
  return {};
}

// ---- Compressing anew ----

Result<OptimizeReport> RocksdbStore::Optimize(const OptimizeRequest& request) {
  OptimizeReport report;
  HELIOS_TRY_ASSIGN(report.bytes_before, BytesOnDisk());
  HELIOS_TRY_ASSIGN(const FileLock lock, LockTables(lock_timeout_));
  const Effort effort = OptimizingEffort();
  std::vector<TableRange> tables;
  {
    // What comes out of the log is counted with the rest: it is to look like any other table.
    HELIOS_TRY_ASSIGN(const std::unique_ptr<WriteHold> hold, HoldAlone({}));
    HELIOS_TRY_ASSIGN(tables, DataTables(hold->database()));
  }
  for (const TableRange& table : tables) {
    if (table.IsWrittenWith(effort)) continue;
    HELIOS_TRY_ASSIGN(const std::unique_ptr<WriteHold> hold, HoldAlone(effort));
    HELIOS_TRY(RewriteRange(hold->database(), table));
    HELIOS_TRY(hold->NoteMoved());
    report.objects += table.objects;
    report.bytes += table.bytes;
    if (request.progress != nullptr) {
      request.progress->files += table.objects;
      request.progress->bytes += table.bytes;
    }
  }
  HELIOS_TRY_ASSIGN(report.bytes_after, BytesOnDisk());
  return report;
}

}  // namespace helios::rocks

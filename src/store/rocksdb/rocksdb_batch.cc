#include "store/rocksdb/rocksdb_batch.h"

#include <algorithm>
#include <chrono>

#include "store/rocksdb/rocksdb_store.h"

namespace helios::rocks {
namespace {

// What passes through the log is written twice.
constexpr uint64_t kLoggedBytesMax = uint64_t{4} << 20;

uint64_t NanosecondsSince1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::nanoseconds(now).count());
}

}  // namespace

RocksdbBatch::RocksdbBatch(RocksdbStore* store, const Effort& effort)
    : store_(store), effort_(effort), number_(NanosecondsSince1970()) {}

Result<void> RocksdbBatch::Put(const ObjectKey& key, ByteView bytes) {
  if (bytes.size() > kObjectBytesMax) {
    return Error(ErrorCode::kInvalidArgument, key.ToString() +
                                                  " is larger than an object can be: " +
                                                  std::to_string(bytes.size()) + " bytes");
  }
  if (!seen_.insert(key).second) return {};
  NewObject object;
  object.key = key;
  object.entry.family = bytes.size() > kLargeBytesMin ? Family::kLarge : Family::kSmall;
  object.entry.place = {number_, static_cast<uint32_t>(objects_.size())};
  object.entry.size = bytes.size();
  objects_.push_back(object);
  bytes_ += bytes.size();
  if (IsStaged()) return Stage(object, bytes);
  pending_.emplace_back(bytes);
  return bytes_ <= kLoggedBytesMax ? Result<void>() : BeginStaging();
}

Result<void> RocksdbBatch::BeginStaging() {
  HELIOS_TRY_ASSIGN(StagingFolder staging, StagingFolder::Make(store_->folder()));
  staging_.emplace(std::move(staging));
  small_.emplace(staging_->path(), Family::kSmall, effort_);
  const std::vector<Bytes> pending = std::move(pending_);
  pending_.clear();
  for (size_t i = 0; i < pending.size(); ++i) HELIOS_TRY(Stage(objects_[i], pending[i]));
  return {};
}

Result<void> RocksdbBatch::Stage(const NewObject& object, ByteView bytes) {
  const Bytes key = EncodeDataKey(object.entry.place, object.key);
  if (object.entry.family == Family::kSmall) return small_->Put(key, bytes);
  if (hold_ == nullptr) {
    HELIOS_TRY_ASSIGN(hold_, store_->Hold());
  }
  large_bytes_ += bytes.size();
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  Database& database = hold_->database();
  return Checked(database.db().Put(unlogged, database.Handle(Family::kLarge), key, SliceOf(bytes)),
                 "write to", store_->folder());
}

Result<std::vector<RocksdbBatch::NewObject>> RocksdbBatch::LackedBy(Database& database) const {
  std::vector<ObjectKey> keys;
  keys.reserve(objects_.size());
  for (const NewObject& object : objects_) keys.push_back(object.key);
  HELIOS_TRY_ASSIGN(const std::vector<std::optional<Entry>> known, database.FindAll(keys));
  std::vector<NewObject> lacked;
  lacked.reserve(objects_.size());
  for (size_t i = 0; i < objects_.size(); ++i) {
    if (!known[i]) lacked.push_back(objects_[i]);
  }
  return lacked;
}

Result<void> RocksdbBatch::Publish() {
  if (objects_.empty()) return {};
  if (small_) HELIOS_TRY(small_->Finish());
  if (hold_ == nullptr) {
    HELIOS_TRY_ASSIGN(hold_, store_->Hold());
  }
  const std::shared_ptr<WriteHold> hold = std::move(hold_);
  Database& database = hold->database();
  {
    MutexLock lock(hold->publishing());
    HELIOS_TRY_ASSIGN(std::vector<NewObject> lacked, LackedBy(database));
    if (lacked.empty()) return {};
    HELIOS_TRY_ASSIGN(Totals totals, database.ReadTotals());
    totals.objects += lacked.size();
    for (const NewObject& object : lacked) totals.bytes += object.entry.size;
    HELIOS_TRY(IsStaged() ? TakeIn(database, std::move(lacked), totals)
                          : WriteThroughLog(database, lacked, totals));
  }
  HELIOS_TRY(hold->NotePublication());
  store_->NotePublished(database);
  return {};
}

Result<void> RocksdbBatch::WriteThroughLog(Database& database,
                                           const std::vector<NewObject>& objects,
                                           const Totals& totals) {
  rocksdb::WriteBatch batch;
  rocksdb::Status status;
  const auto put = [&](Family family, ByteView key, ByteView value) {
    if (status.ok()) status = batch.Put(database.Handle(family), SliceOf(key), SliceOf(value));
  };
  for (const NewObject& object : objects) {
    put(object.entry.family, EncodeDataKey(object.entry.place, object.key),
        pending_[object.entry.place.number]);
    put(Family::kKeys, EncodeObjectKey(object.key), EncodeEntry(object.entry));
  }
  put(Family::kStore, kTotalsKey, EncodeTotals(totals));
  if (status.ok()) status = database.db().Write({}, &batch);
  return Checked(status, "write to", store_->folder());
}

Result<void> RocksdbBatch::TakeIn(Database& database, std::vector<NewObject> objects,
                                  const Totals& totals) {
  rocksdb::DB& db = database.db();
  if (large_bytes_ > 0) {
    HELIOS_TRY(
        Checked(db.Flush({}, database.Handle(Family::kLarge)), "write to", store_->folder()));
  }
  std::sort(objects.begin(), objects.end(),
            [](const NewObject& a, const NewObject& b) { return a.key < b.key; });
  StagedTables keys(staging_->path(), Family::kKeys, effort_);
  for (const NewObject& object : objects) {
    HELIOS_TRY(keys.Put(EncodeObjectKey(object.key), EncodeEntry(object.entry)));
  }
  StagedTables whole(staging_->path(), Family::kStore, effort_);
  HELIOS_TRY(whole.Put(kTotalsKey, EncodeTotals(totals)));
  HELIOS_TRY(keys.Finish());
  HELIOS_TRY(whole.Finish());
  std::vector<rocksdb::IngestExternalFileArg> tables;
  const auto add = [&](Family family, const StagedTables& staged) {
    if (staged.files().empty()) return;
    rocksdb::IngestExternalFileArg& table = tables.emplace_back();
    table.column_family = database.Handle(family);
    table.external_files = staged.files();
    table.options.move_files = true;
    table.options.snapshot_consistency = false;
    table.options.write_global_seqno = false;
    table.options.verify_file_checksum = false;
  };
  add(Family::kSmall, *small_);
  add(Family::kKeys, keys);
  add(Family::kStore, whole);
  return Checked(db.IngestExternalFiles(tables), "write to", store_->folder());
}

uint64_t RocksdbBatch::BytesOnDisk() const {
  return IsStaged() ? small_->bytes() + large_bytes_ : bytes_;
}

}  // namespace helios::rocks

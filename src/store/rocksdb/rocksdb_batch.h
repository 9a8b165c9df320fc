// New objects on their way into a RocksDB store.
//
// A small batch is one write of the database, by way of its log. A larger one is written in sorted
// tables of its own, which the database takes in at once: only its large objects go through the
// database while the batch is being filled, because only the database makes blob files; until their
// entries follow nobody sees them.
#ifndef HELIOS_STORE_ROCKSDB_ROCKSDB_BATCH_H_
#define HELIOS_STORE_ROCKSDB_ROCKSDB_BATCH_H_

#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "store/rocksdb/staged_tables.h"
#include "store/rocksdb/write_hold.h"

namespace helios::rocks {

class RocksdbStore;

class RocksdbBatch : public ObjectBatch {
 public:
  RocksdbBatch(RocksdbStore* store, const Effort& effort);

  Result<void> Put(const ObjectKey& key, ByteView bytes) override;
  Result<void> Publish() override;
  uint64_t BytesOnDisk() const override;

 private:
  struct NewObject {
    ObjectKey key;
    Entry entry;
  };
  bool IsStaged() const { return staging_.has_value(); }
  Result<void> BeginStaging();
  Result<void> Stage(const NewObject& object, ByteView bytes);
  // Without those that the database has got meanwhile.
  Result<std::vector<NewObject>> LackedBy(Database& database) const;
  Result<void> WriteThroughLog(Database& database, const std::vector<NewObject>& objects,
                               const Totals& totals);
  Result<void> TakeIn(Database& database, std::vector<NewObject> objects, const Totals& totals);

  RocksdbStore* const store_;
  const Effort effort_;
  const uint64_t number_;
  std::vector<NewObject> objects_;
  std::unordered_set<ObjectKey, ObjectKeyHash> seen_;
  std::vector<Bytes> pending_;  // of each object; empty once it is staged
  uint64_t bytes_ = 0;
  uint64_t large_bytes_ = 0;
  std::optional<StagingFolder> staging_;
  std::optional<StagedTables> small_;
  std::shared_ptr<WriteHold> hold_;  // once a large object is staged
};

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_ROCKSDB_BATCH_H_

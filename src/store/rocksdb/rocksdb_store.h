// The RocksDB backend: one database in a folder, which one process at a time may write to.
//
// It is opened for writing by a batch that is published, for as long as that takes; others wait for
// it, with a bound. Readers open it for reading alone, whenever they like: what they have open
// stays readable, for what a compaction removes goes on being there for them. A reader that misses
// an object, or a file, asks ChangeCounts whether there is something newer to open.
#ifndef HELIOS_STORE_ROCKSDB_ROCKSDB_STORE_H_
#define HELIOS_STORE_ROCKSDB_ROCKSDB_STORE_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "store/rocksdb/change_counts.h"
#include "store/rocksdb/database.h"
#include "store/rocksdb/write_hold.h"

namespace helios::rocks {

// In the backend's folder: what a repair makes, and then what it sets aside.
inline constexpr char kRebuiltFolder[] = "rebuilt";
inline constexpr char kDamagedFolder[] = "damaged";

class Salvage;  // rocksdb_repair.cc

class RocksdbStore : public ObjectStore {
 public:
  static Result<std::unique_ptr<ObjectStore>> Open(const std::string& folder,
                                                   const OpenOptions& options);

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override;
  Result<std::vector<bool>> HasMany(std::span<const ObjectKey> keys) override;
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override;
  Result<void> ForEachKey(const KeyVisitor& visitor) override;
  Result<void> Sync() override;
  // Folds the log into tables and many small tables into few.
  Result<void> Maintain() override;
  // rocksdb_rewrite.cc, as are Delete and OpenSweep.
  Result<OptimizeReport> Optimize(const OptimizeRequest& request) override;
  Result<void> Delete(std::span<const ObjectKey> keys) override;
  Result<std::unique_ptr<ObjectSweep>> OpenSweep(SweepRequest request) override;
  Result<uint64_t> Generation() override;
  Result<StoreTotals> Totals() override;
  // One for the database as such: a repair makes another. Opening it finds a table that is lost;
  // HasParts looks at the blob files.
  Result<std::vector<uint64_t>> Parts() override;
  Result<bool> HasParts(std::span<const uint64_t> parts) override;
  // rocksdb_repair.cc, as are Verify and Repair.
  Result<std::vector<Error>> Check() override;
  Result<VerifyObjectsReport> Verify(const VerifyObjectsRequest& request) override;
  Result<RepairObjectsReport> Repair(const RepairObjectsRequest& request) override;
  void SetCompression(Compression compression) override { compression_ = compression; }

  const std::string& folder() const { return folder_; }
  // The database to write to, shared by all of this store who want it at the same time.
  Result<std::shared_ptr<WriteHold>> Hold() { return Hold(lock_timeout_); }
  Result<std::shared_ptr<WriteHold>> Hold(std::chrono::milliseconds wait) HELIOS_EXCLUDES(holding_);
  // The same for one who wants it alone, and who may want to compress harder.
  Result<std::unique_ptr<WriteHold>> HoldAlone(const Effort& effort);
  // Held by whoever rewrites tables or deletes. Errors: kBusy.
  Result<FileLock> LockTables(std::chrono::milliseconds wait) const;
  void NotePublished(Database& database);
  // A database as it is now.
  Result<std::shared_ptr<Database>> Newest() HELIOS_EXCLUDES(viewing_);
  // Of all files in the folder.
  Result<uint64_t> BytesOnDisk() const;
  Effort effort_of_new() const { return EffortOf(compression_); }
  std::chrono::milliseconds lock_timeout() const { return lock_timeout_; }

 private:
  struct View {
    std::shared_ptr<Database> database;
    Counts counts;           // not newer than the database
    uint64_t published = 0;  // of this store's own publications: those that it has for certain
  };

  RocksdbStore(std::string folder, ChangeCounts changes, const OpenOptions& options);

  // What is open, or else the newest. It has what this store itself published and nothing that was
  // deleted; it may lack what others published.
  Result<View> CurrentView() HELIOS_EXCLUDES(viewing_);
  Result<View> Refresh() HELIOS_EXCLUDES(viewing_);
  // As it was found to be between two looks at the counts, or with writers locked out.
  Result<View> OpenAnew(const std::shared_ptr<rocksdb::Cache>& cache) const;
  Result<View> OpenOnce(const std::shared_ptr<rocksdb::Cache>& cache) const;
  Result<void> MergeTables();
  // Whatever is whole, from wherever it still can be read.
  Result<void> SalvageAll(Salvage& salvage) const;
  // Puts the rebuilt database in the place of the damaged one. With writers locked out.
  Result<void> ExchangeDatabase(const std::string& rebuilt) const;
  // What a repair left that was killed, before or after the exchange.
  Result<void> SetLeftoversAside(bool dry_run, RepairObjectsReport* report) const;
  Result<bool> HasChanged(const View& view) const;

  const std::string folder_;
  const ChangeCounts changes_;
  const std::chrono::milliseconds lock_timeout_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  std::atomic<Compression> compression_{Compression::kDefault};
  std::atomic<uint64_t> published_{0};
  std::atomic<bool> is_fragmented_{false};

  Mutex viewing_;
  View view_ HELIOS_GUARDED_BY(viewing_);
  Mutex holding_;
  std::weak_ptr<WriteHold> hold_ HELIOS_GUARDED_BY(holding_);
};

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_ROCKSDB_STORE_H_

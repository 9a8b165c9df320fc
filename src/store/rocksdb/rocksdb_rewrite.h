// Giving space back: entries are removed, and tables that hold what nothing refers to are written
// anew without it.
#ifndef HELIOS_STORE_ROCKSDB_ROCKSDB_REWRITE_H_
#define HELIOS_STORE_ROCKSDB_ROCKSDB_REWRITE_H_

#include <functional>
#include <string>
#include <vector>

#include "store/rocksdb/write_hold.h"

namespace helios::rocks {

class RocksdbStore;

struct Doomed {
  ObjectKey key;
  Entry entry;
};

// Removes the entries of these objects, durably; absent ones are ignored. What was removed.
Result<std::vector<Doomed>> RemoveEntries(WriteHold& hold, std::span<const ObjectKey> keys);

// One table of kSmall or kLarge.
struct TableRange {
  Family family = Family::kSmall;
  std::string smallest;  // data keys
  std::string largest;
  uint64_t objects = 0;
  uint64_t bytes = 0;  // of its objects
  std::string effort;  // with which it was compressed, in RocksDB's words
  bool IsWrittenWith(const Effort& other) const;
};
// The tables that data lies in. What is in the log becomes a table first.
Result<std::vector<TableRange>> DataTables(Database& database);
// Writes what lies in the range anew, as the database is opened to write, and without what nothing
// refers to. For whoever holds the database alone: what a batch has not published yet counts as
// unreferenced.
Result<void> RewriteRange(Database& database, const TableRange& range);

// Takes away what is not live. One step: entries go, for a moment; then tables are written anew,
// one after the other, and others may write in between.
class RocksdbSweep : public ObjectSweep {
 public:
  static Result<std::unique_ptr<ObjectSweep>> Open(RocksdbStore* store, SweepRequest request);

  Result<void> Plan() override;
  Result<bool> Prepare() override;
  Result<void> Remove() override;
  SweepFigures Figures() const override { return figures_; }

 private:
  RocksdbSweep(RocksdbStore* store, SweepRequest request, FileLock lock,
               std::shared_ptr<Database> database)
      : store_(store),
        request_(std::move(request)),
        lock_(std::move(lock)),
        database_(std::move(database)) {}
  // Rewrites tables of which it pays.
  Result<void> Reclaim();

  RocksdbStore* const store_;
  const SweepRequest request_;
  const FileLock lock_;
  std::shared_ptr<Database> database_;  // as it was when the sweep was opened, for Plan
  std::vector<ObjectKey> doomed_;
  std::vector<Bytes> unreferenced_;  // data keys of what was removed, sorted
  bool is_reclaimed_ = false;
  SweepFigures figures_;
};

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_ROCKSDB_REWRITE_H_

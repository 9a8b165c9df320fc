// One opening of a store's RocksDB database, and reading objects from it. It lies in the folder
// "db" of the backend's folder, with nothing else in it.
#ifndef HELIOS_STORE_ROCKSDB_DATABASE_H_
#define HELIOS_STORE_ROCKSDB_DATABASE_H_

#include <rocksdb/cache.h>
#include <rocksdb/db.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "helios/compression.h"
#include "helios/object_store.h"
#include "store/rocksdb/rocksdb_format.h"

namespace helios::rocks {

// How data is compressed that is written from now on.
struct Effort {
  rocksdb::CompressionType type = rocksdb::kZSTD;
  int level = 1;  // of zstd; blob files are written at zstd's own level
  size_t block_bytes = size_t{32} << 10;
};
Effort EffortOf(Compression compression);
// For Optimize.
Effort OptimizingEffort();

// "cannot <action> the RocksDB database <folder>: …", with the code that fits. os_error() is ENOENT
// where a file is gone that was there, which happens to readers while others compact.
Error FromStatus(const rocksdb::Status& status, std::string_view action, const std::string& folder);
// HELIOS_TRY for a rocksdb::Status.
inline Result<void> Checked(const rocksdb::Status& status, std::string_view action,
                            const std::string& folder) {
  if (status.ok()) return {};
  return FromStatus(status, action, folder);
}

inline rocksdb::Slice SliceOf(ByteView bytes) { return {bytes.data(), bytes.size()}; }
inline ByteView ViewOf(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// The options that every file of a column family is written and read with.
rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const Effort& effort,
                                           const std::shared_ptr<rocksdb::Cache>& cache);
// The same for all of them, as a database is opened with.
std::vector<rocksdb::ColumnFamilyDescriptor> Families(const Effort& effort,
                                                      const std::shared_ptr<rocksdb::Cache>& cache);
rocksdb::DBOptions DatabaseOptions();

// Of the database inside the backend's folder.
std::string DatabaseFolder(const std::string& store_folder);

// Thread-safe. Closes the database in its destructor.
class Database {
 public:
  // As it is now, and no newer. Needs no lock; if others write meanwhile it may fail.
  static Result<std::unique_ptr<Database>> OpenToRead(const std::string& store_folder,
                                                      const std::shared_ptr<rocksdb::Cache>& cache);
  // For the one process that holds the store's write lock. `create`: where there is none.
  static Result<std::unique_ptr<Database>> OpenToWrite(const std::string& store_folder,
                                                       const Effort& effort, bool create = false);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::DB& db() { return *db_; }
  rocksdb::ColumnFamilyHandle* Handle(Family family) const {
    return handles_[static_cast<size_t>(family)];
  }
  const std::string& folder() const { return folder_; }  // the database's own

  Result<std::optional<Entry>> Find(const ObjectKey& key);
  // One for each key; nullopt for the absent.
  Result<std::vector<std::optional<Entry>>> FindAll(std::span<const ObjectKey> keys);
  // Every object's entry, in the order of their keys.
  using EntryVisitor = std::function<Result<void>(const ObjectKey& key, const Entry& entry)>;
  Result<void> ForEachEntry(const EntryVisitor& visitor);
  // Every object's bytes as they lie there, whether an entry leads to them or not. What is damaged
  // is passed over.
  using DataVisitor = std::function<Result<void>(const DataKey& key, ByteView bytes)>;
  Result<void> ForEachData(Family family, const DataVisitor& visitor);

  // The bytes that an entry of this database leads to. Errors: kCorrupt, naming the object, also if
  // they are not there.
  Result<Bytes> Read(const ObjectKey& key, const Entry& entry);
  struct Wanted {
    ObjectKey key;
    Entry entry;
    size_t index = 0;  // whose, for the caller
  };
  // The same for many, in the order of their places. `taken` is told of each, or of what keeps it
  // from being read; its error ends the whole.
  using Taker = std::function<Result<void>(const Wanted& wanted, const Result<ByteView>& bytes)>;
  Result<void> ReadAll(std::vector<Wanted> wanted, const Taker& take);

  Result<Totals> ReadTotals();

  // A number that this database, and no other, has had since it was made.
  Result<uint64_t> Identity();
  // Whether every blob file that tables refer to is there.
  bool HasBlobFiles();

  // Makes tables of what is in the log.
  Result<void> Flush();

  // While true, compactions drop data that no entry refers to.
  void DropUnreferenced(bool drop);

 private:
  class OrphanFilter;
  class OrphanFilterFactory;

  explicit Database(std::string folder) : folder_(std::move(folder)) {}
  Result<Bytes> ReadStoreKey(std::string_view key);
  Result<void> CheckFormat();
  // Appends to the entries.
  Result<void> FindSome(std::span<const ObjectKey> keys,
                        std::vector<std::optional<Entry>>* entries);
  // Of one family, as many as fit into a few MiB.
  Result<void> ReadChunk(std::span<const Wanted> wanted, const Taker& take);
  Error ObjectError(const rocksdb::Status& status, const ObjectKey& key) const;

  const std::string folder_;
  rocksdb::DB* db_ = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::shared_ptr<OrphanFilterFactory> orphans_;
};

// Makes an empty database in the backend's folder.
Result<void> CreateDatabase(const std::string& store_folder);

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_DATABASE_H_

// Sorted tables (SST files) that are written outside the database, to be taken in at once.
#ifndef HELIOS_STORE_ROCKSDB_STAGED_TABLES_H_
#define HELIOS_STORE_ROCKSDB_STAGED_TABLES_H_

#include <rocksdb/sst_file_writer.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "store/rocksdb/database.h"

namespace helios::rocks {

// A folder of one batch's own, inside the store's, locked while it lives; removed in the end.
class StagingFolder {
 public:
  static Result<StagingFolder> Make(const std::string& store_folder);
  StagingFolder(StagingFolder&& other) noexcept = default;
  ~StagingFolder();
  const std::string& path() const { return path_; }

  // Removes those of batches that were killed. Best effort.
  static void RemoveAbandoned(const std::string& store_folder);

 private:
  StagingFolder(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  Fd lock_;
};

// The tables of one column family. Keys come in ascending order.
class StagedTables {
 public:
  StagedTables(std::string folder, Family family, const Effort& effort);

  Result<void> Put(ByteView key, ByteView value);
  Result<void> Finish();
  // Of finished tables; synced.
  const std::vector<std::string>& files() const { return files_; }
  uint64_t bytes() const;

 private:
  const std::string folder_;
  const Family family_;
  const rocksdb::Options options_;
  std::unique_ptr<rocksdb::SstFileWriter> writer_;  // absent between tables
  std::vector<std::string> files_;
  uint64_t finished_bytes_ = 0;
};

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_STAGED_TABLES_H_

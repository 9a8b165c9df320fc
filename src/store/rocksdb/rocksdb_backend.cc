#include "helios/rocksdb_backend.h"

#include "store/rocksdb/rocksdb_store.h"

namespace helios {

Backend RocksdbBackend() {
  return {kRocksdbBackend,
          [](const std::string& folder) -> Result<void> {
            HELIOS_TRY(rocks::CreateDatabase(folder));
            HELIOS_TRY(rocks::ChangeCounts::Write(folder, {}));
            return ReplaceFile(folder, rocks::kWriteLockFile, "", Durability::kCache);
          },
          rocks::RocksdbStore::Open};
}

}  // namespace helios

#include "helios/rocksdb_backend.h"

#include "store/rocksdb/rocksdb_store.h"

namespace helios {

Backend RocksdbBackend() {
  return {kRocksdbBackend,
          [](const std::string& folder) -> Result<void> {
            HELIOS_TRY(rocks::CreateDatabase(folder));
            return rocks::ChangeCounts::Write(folder, {});
          },
          rocks::RocksdbStore::Open};
}

}  // namespace helios

// RocksDB and the conformance suite.
#include <filesystem>

#include "helios/rocksdb_backend.h"
#include "store/conformance.h"

namespace helios {
namespace {

Result<std::unique_ptr<ObjectStore>> OpenRocksdb(const std::string& folder) {
  if (!std::filesystem::exists(folder + "/db")) HELIOS_TRY(RocksdbBackend().create(folder));
  return RocksdbBackend().open(folder, {});
}

INSTANTIATE_TEST_SUITE_P(Rocksdb, StoreConformance,
                         ::testing::ValuesIn(WithDecorators({"rocksdb", OpenRocksdb})),
                         ConformanceCaseName());
INSTANTIATE_TEST_SUITE_P(Rocksdb, SharedStoreConformance,
                         ::testing::ValuesIn(WithDecorators({"rocksdb", OpenRocksdb})),
                         ConformanceCaseName());

}  // namespace
}  // namespace helios

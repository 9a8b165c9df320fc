// RocksDB and the conformance suite.
#include "store/conformance.h"
#include "store/rocksdb/testing.h"

namespace helios {
namespace {

Result<std::unique_ptr<ObjectStore>> Open(const std::string& folder) {
  return test::OpenRocksdb(folder);
}

INSTANTIATE_TEST_SUITE_P(Rocksdb, StoreConformance,
                         ::testing::ValuesIn(WithDecorators({"rocksdb", Open})),
                         ConformanceCaseName());
INSTANTIATE_TEST_SUITE_P(Rocksdb, SharedStoreConformance,
                         ::testing::ValuesIn(WithDecorators({"rocksdb", Open})),
                         ConformanceCaseName());

}  // namespace
}  // namespace helios

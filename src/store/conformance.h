// The one suite that every ObjectStore passes. conformance_test.cc and conformance_model_test.cc
// hold the tests; a backend joins in its own test file:
//
//   INSTANTIATE_TEST_SUITE_P(Rocksdb, StoreConformance,
//                            ::testing::ValuesIn(WithDecorators({"rocksdb",
//                            OpenerOf(RocksdbBackend())})), ConformanceCaseName());
//   INSTANTIATE_TEST_SUITE_P(Rocksdb, SharedStoreConformance, …the same…);
#ifndef HELIOS_STORE_CONFORMANCE_H_
#define HELIOS_STORE_CONFORMANCE_H_

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "helios/object_store.h"
#include "store/testing.h"

namespace helios {

struct ConformanceCase {
  std::string name;
  // Opens the store in `folder`, which is empty the first time.
  std::function<Result<std::unique_ptr<ObjectStore>>(const std::string& folder)> open;
  // Stores opened over the same folder are the same store.
  bool is_shared = true;
  // Refuses to return bytes that do not hash to their key.
  bool verifies = false;
  // Reading alone may move objects to other packs.
  bool moves_objects_when_read = false;
};

inline auto OpenerOf(const Backend& backend) {
  return [open = backend.open](const std::string& folder) { return open(folder, {}); };
}

inline void PrintTo(const ConformanceCase& value, std::ostream* out) { *out << value.name; }

// The backend alone, and under each decorator and the stack of them that the engine puts together.
std::vector<ConformanceCase> WithDecorators(const ConformanceCase& backend);

inline auto ConformanceCaseName() {
  return [](const ::testing::TestParamInfo<ConformanceCase>& info) { return info.param.name; };
}

class StoreConformance : public ::testing::TestWithParam<ConformanceCase> {
 protected:
  void SetUp() override { store_ = Open(); }

  std::unique_ptr<ObjectStore> Open() {
    Result<std::unique_ptr<ObjectStore>> store = GetParam().open(folder_.path());
    EXPECT_TRUE(test::Ok(store));
    return store ? std::move(store).value() : nullptr;
  }

  test::TempFolder folder_;
  std::unique_ptr<ObjectStore> store_;
};

// What holds besides for a store on disk, which is_shared.
class SharedStoreConformance : public StoreConformance {};

}  // namespace helios

#endif  // HELIOS_STORE_CONFORMANCE_H_

// What the tests of the RocksDB backend share.
#ifndef HELIOS_STORE_ROCKSDB_TESTING_H_
#define HELIOS_STORE_ROCKSDB_TESTING_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "helios/rocksdb_backend.h"
#include "store/testing.h"

namespace helios::test {

// Made if there is none.
inline Result<std::unique_ptr<ObjectStore>> OpenRocksdb(const std::string& folder,
                                                        const OpenOptions& options = {}) {
  if (!std::filesystem::exists(folder + "/db")) HELIOS_TRY(RocksdbBackend().create(folder));
  return RocksdbBackend().open(folder, options);
}

// The paths of the database's files whose names end so, by name.
inline std::vector<std::string> DatabaseFiles(const std::string& folder, std::string_view ending) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/db")) {
    const std::string path = entry.path();
    if (path.ends_with(ending)) paths.push_back(path);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// Small ones that compress and that do not, and some that are large enough for blob files.
inline std::vector<Object> MixedObjects(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<Object> objects;
  for (size_t i = 0; i < count; ++i) {
    const size_t size = i % 16 == 0 ? 300'000 + random.Below(400'000) : random.Below(20'000);
    objects.push_back(MakeObject(kAllKinds[i % 5], i % 2 == 0 ? RandomBytes(size, random.Next())
                                                              : TextBytes(size, random.Next())));
  }
  return objects;
}

inline uint64_t BytesOnDisk(ObjectStore& store) {
  const Result<StoreTotals> totals = store.Totals();
  EXPECT_TRUE(Ok(totals));
  return totals ? totals->bytes_on_disk : 0;
}

}  // namespace helios::test

#endif  // HELIOS_STORE_ROCKSDB_TESTING_H_

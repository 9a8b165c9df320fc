// Damage in every file of a database: it is found, named, never handed out, and repaired as far as
// the bytes allow.
#include <filesystem>
#include <map>
#include <set>

#include "store/decorators.h"
#include "store/rocksdb/rocksdb_store.h"
#include "store/rocksdb/testing.h"

namespace helios::rocks {
namespace {

using test::DatabaseFiles;
using test::ExpectHolds;
using test::ExpectHoldsAll;
using test::Fails;
using test::MakeBlobs;
using test::MixedObjects;
using test::Ok;
using test::Random;
using test::RandomBytes;

class RocksdbDamageTest : public ::testing::Test {
 protected:
  RocksdbDamageTest() {
    logged_ = MakeBlobs(20, 1);
    staged_ = MixedObjects(250, 2);
    const std::unique_ptr<ObjectStore> store = Open();
    EXPECT_TRUE(Ok(store->PutMany(staged_)));
    EXPECT_TRUE(Ok(store->PutMany(logged_)));
    EXPECT_TRUE(Ok(store->Sync()));
    all_ = staged_;
    all_.insert(all_.end(), logged_.begin(), logged_.end());
  }

  std::unique_ptr<ObjectStore> Open() {
    Result<std::unique_ptr<ObjectStore>> store = test::OpenRocksdb(folder_.path());
    EXPECT_TRUE(Ok(store));
    return std::make_unique<VerifyingStore>(std::move(store).value());
  }
  static void FlipByte(const std::string& path, size_t at) {
    Bytes bytes = test::ReadWholeFile(path);
    ASSERT_LT(at, bytes.size());
    bytes[at] = static_cast<char>(bytes[at] ^ 0x5a);
    test::WriteWholeFile(path, bytes);
  }
  // How many of all objects the store gives; none may be wrong.
  size_t CountWhole(ObjectStore& store) {
    size_t whole = 0;
    for (const Object& object : all_) {
      const Result<std::optional<Bytes>> bytes = store.Get(object.key);
      if (bytes && *bytes) {
        EXPECT_EQ(**bytes, object.bytes);
        ++whole;
      }
      if (!bytes) {
        EXPECT_EQ(bytes.error().code(), ErrorCode::kCorrupt) << bytes.error().message();
      }
    }
    return whole;
  }
  uint64_t DamageFound(ObjectStore& store) {
    VerifyObjectsRequest request;
    request.threads = 2;
    const Result<VerifyObjectsReport> report = store.Verify(request);
    EXPECT_TRUE(Ok(report));
    return report ? report->damage.count : 0;
  }
  // Repairs, and expects a store afterwards that is whole and takes what it lost.
  RepairObjectsReport ExpectRepairs() {
    RepairObjectsReport result;
    {
      const std::unique_ptr<ObjectStore> store = Open();
      RepairObjectsRequest dry;
      dry.dry_run = true;
      const Result<RepairObjectsReport> planned = store->Repair(dry);
      EXPECT_TRUE(Ok(planned));
      const Result<RepairObjectsReport> report = store->Repair({});
      EXPECT_TRUE(Ok(report));
      if (!report || !planned) return result;
      result = *report;
      EXPECT_EQ(planned->salvaged_objects, result.salvaged_objects);
      EXPECT_EQ(planned->lost_objects, result.lost_objects);
      EXPECT_TRUE(result.left.empty()) << ::testing::PrintToString(result.left);
      EXPECT_EQ(DamageFound(*store), 0u);
      const size_t whole = CountWhole(*store);
      const Result<StoreTotals> totals = store->Totals();
      EXPECT_TRUE(Ok(totals));
      EXPECT_EQ(totals->objects, whole);
      if (!result.set_aside.empty()) {
        EXPECT_EQ(whole, result.salvaged_objects);
      }
      for (const std::string& path : result.set_aside) EXPECT_TRUE(std::filesystem::exists(path));
      EXPECT_TRUE(Ok(store->PutMany(all_)));
      EXPECT_TRUE(Ok(ExpectHoldsAll(*store, all_)));
    }
    EXPECT_TRUE(Ok(ExpectHoldsAll(*Open(), all_)));
    return result;
  }

  test::TempFolder folder_;
  std::vector<Object> logged_;
  std::vector<Object> staged_;
  std::vector<Object> all_;
};

TEST_F(RocksdbDamageTest, ADamagedBlobIsNamedAndTheOthersAreSalvaged) {
  const std::string blob = DatabaseFiles(folder_.path(), ".blob").front();
  FlipByte(blob, std::filesystem::file_size(blob) / 2);
  const std::unique_ptr<ObjectStore> store = Open();
  EXPECT_EQ(CountWhole(*store), all_.size() - 1);
  VerifyObjectsRequest request;
  const Result<VerifyObjectsReport> report = store->Verify(request);
  ASSERT_TRUE(Ok(report));
  ASSERT_EQ(report->damage.count, 1u);
  EXPECT_TRUE(report->damage.listed[0].object.has_value());
  EXPECT_NE(
      report->damage.listed[0].error.message().find(report->damage.listed[0].object->ToString()),
      std::string::npos);
  const RepairObjectsReport repaired = ExpectRepairs();
  EXPECT_EQ(repaired.salvaged_objects, all_.size() - 1);
  EXPECT_EQ(repaired.lost_objects, 1u);
}

TEST_F(RocksdbDamageTest, ADamagedByteAnywhereIsFoundOrHarmless) {
  Random random(7);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "db")) {
    if (entry.file_size() > 0) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  const std::string original = folder_ / "original";
  std::filesystem::copy(folder_ / "db", original, std::filesystem::copy_options::recursive);
  for (const std::string& name : names) {
    for (int round = 0; round < 3; ++round) {
      SCOPED_TRACE(name);
      std::filesystem::remove_all(folder_ / "db");
      std::filesystem::copy(original, folder_ / "db", std::filesystem::copy_options::recursive);
      const std::string path = folder_ / ("db/" + name);
      const size_t at = random.Below(std::filesystem::file_size(path));
      SCOPED_TRACE(at);
      FlipByte(path, at);
      const std::unique_ptr<ObjectStore> store = Open();
      const size_t whole = CountWhole(*store);
      // What a damaged log has lost at its end cannot be told from what was never written.
      if (!name.ends_with(".log") && whole < all_.size()) {
        EXPECT_GT(DamageFound(*store), 0u);
      }
      ExpectRepairs();
    }
  }
}

TEST_F(RocksdbDamageTest, AMissingFileIsFoundAndTheRestIsSalvaged) {
  const std::string original = folder_ / "original";
  std::filesystem::copy(folder_ / "db", original, std::filesystem::copy_options::recursive);
  std::vector<std::string> paths;
  for (const char* ending : {".sst", ".blob", "CURRENT"}) {
    for (std::string& path : DatabaseFiles(folder_.path(), ending)) {
      paths.push_back(std::move(path));
    }
  }
  for (const std::string& path : paths) {
    SCOPED_TRACE(path);
    std::filesystem::remove_all(folder_ / "db");
    std::filesystem::copy(original, folder_ / "db", std::filesystem::copy_options::recursive);
    ASSERT_TRUE(std::filesystem::remove(path));
    EXPECT_GT(DamageFound(*Open()), 0u);
    ExpectRepairs();
  }
}

TEST_F(RocksdbDamageTest, WithoutItsManifestNothingIsLost) {
  for (const bool damages_manifest : {false, true}) {
    SCOPED_TRACE(damages_manifest);
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "db")) {
      const std::string name = entry.path().filename();
      if (name == "CURRENT" || (damages_manifest && name.starts_with("MANIFEST"))) {
        test::WriteWholeFile(entry.path(), "nothing of any use\n");
      }
    }
    const RepairObjectsReport report = ExpectRepairs();
    EXPECT_EQ(report.salvaged_objects, all_.size());
    EXPECT_EQ(report.lost_objects, 0u);
  }
}

TEST_F(RocksdbDamageTest, WhoReliesOnObjectsHearsOfALostBlobFileAndOfARepair) {
  const Result<std::vector<uint64_t>> parts = Open()->Parts();
  ASSERT_TRUE(Ok(parts));
  EXPECT_TRUE(*Open()->HasParts(*parts));
  const std::vector<Object> more = MixedObjects(300, 9);
  ASSERT_TRUE(Ok(Open()->PutMany(more)));
  all_.insert(all_.end(), more.begin(), more.end());
  EXPECT_TRUE(*Open()->HasParts(*parts));
  std::filesystem::remove(DatabaseFiles(folder_.path(), ".blob").front());
  EXPECT_FALSE(*Open()->HasParts(*parts));
  ExpectRepairs();
  EXPECT_FALSE(*Open()->HasParts(*parts));
}

TEST_F(RocksdbDamageTest, ARepairThatWasKilledIsTakenUp) {
  const std::string blob = DatabaseFiles(folder_.path(), ".blob").front();
  FlipByte(blob, std::filesystem::file_size(blob) / 2);
  // As one leaves it that was killed while it made the new database.
  std::filesystem::create_directories(folder_ / "rebuilt/db");
  test::WriteWholeFile(folder_ / "rebuilt/db/CURRENT", "MANIFEST-0");
  EXPECT_EQ(ExpectRepairs().set_aside.size(), 2u);
}

}  // namespace
}  // namespace helios::rocks

#include "store/rocksdb/rocksdb_store.h"

#include "store/rocksdb/testing.h"

namespace helios::rocks {
namespace {

using test::BytesOnDisk;
using test::DatabaseFiles;
using test::ExpectHoldsAll;
using test::Fails;
using test::Has;
using test::KeysOf;
using test::MakeBlob;
using test::MakeBlobs;
using test::MixedObjects;
using test::Ok;
using test::RandomBytes;

class RocksdbStoreTest : public ::testing::Test {
 protected:
  RocksdbStoreTest() : store_(Open()) {}

  std::unique_ptr<ObjectStore> Open(
      std::chrono::milliseconds lock_timeout = std::chrono::seconds(60)) {
    OpenOptions options;
    options.lock_timeout = lock_timeout;
    Result<std::unique_ptr<ObjectStore>> store = test::OpenRocksdb(folder_.path(), options);
    EXPECT_TRUE(Ok(store));
    return store ? std::move(store).value() : nullptr;
  }
  uint64_t ObjectsCounted() {
    const Result<StoreTotals> totals = store_->Totals();
    EXPECT_TRUE(Ok(totals));
    return totals ? totals->objects : 0;
  }
  // A batch that holds the database, since it has large objects and more than passes the log.
  std::unique_ptr<ObjectBatch> HoldingBatch(const std::vector<Object>& objects) {
    Result<std::unique_ptr<ObjectBatch>> batch = store_->OpenBatch();
    EXPECT_TRUE(Ok(batch));
    for (const Object& object : objects) EXPECT_TRUE(Ok((*batch)->Put(object.key, object.bytes)));
    return std::move(batch).value();
  }

  test::TempFolder folder_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(RocksdbStoreTest, LargeObjectsOfALargeBatchLieInBlobFiles) {
  const std::vector<Object> objects = MixedObjects(200, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  EXPECT_FALSE(DatabaseFiles(folder_.path(), ".blob").empty());
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
  EXPECT_EQ(ObjectsCounted(), 200u);
  // Everything was taken in, and nothing left behind.
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "incoming"));
}

TEST_F(RocksdbStoreTest, ALargeBatchThatIsGivenUpIsNeverSeenAndItsSpaceComesBack) {
  const std::vector<Object> kept = MixedObjects(100, 1);
  ASSERT_TRUE(Ok(store_->PutMany(kept)));
  const uint64_t before = BytesOnDisk(*store_);
  const std::vector<Object> given_up = MixedObjects(1000, 2);
  HoldingBatch(given_up).reset();
  for (const Object& object : given_up) EXPECT_FALSE(Has(*store_, object.key));
  EXPECT_EQ(ObjectsCounted(), 100u);
  // A sweep finds what nothing leads to, also if nothing is dead.
  SweepRequest everything;
  everything.is_live = [](const ObjectKey&) { return true; };
  const Result<std::unique_ptr<ObjectSweep>> sweep = store_->OpenSweep(everything);
  ASSERT_TRUE(Ok(sweep));
  ASSERT_TRUE(Ok((*sweep)->Plan()));
  const Result<bool> is_ready = (*sweep)->Prepare();
  ASSERT_TRUE(Ok(is_ready));
  EXPECT_FALSE(*is_ready);
  EXPECT_LT(BytesOnDisk(*store_), before + before / 4);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, kept)));
}

TEST_F(RocksdbStoreTest, WhoWaitsTooLongIsToldSo) {
  const std::vector<Object> large = MixedObjects(300, 1);
  std::unique_ptr<ObjectBatch> batch = HoldingBatch(large);
  const std::unique_ptr<ObjectStore> other = Open(std::chrono::milliseconds(20));
  const std::vector<Object> small = MakeBlobs(3, 2);
  EXPECT_TRUE(Fails(other->PutMany(small), ErrorCode::kBusy, "write.lock"));
  // Reading waits for nobody.
  EXPECT_FALSE(Has(*other, small[0].key));
  ASSERT_TRUE(Ok(batch->Publish()));
  EXPECT_TRUE(Ok(other->PutMany(small)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*other, large)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, small)));
}

TEST_F(RocksdbStoreTest, ALogThatEndsInTheMiddleLosesNothingElse) {
  ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(10, 1))));
  store_.reset();
  for (uint64_t round = 2; round < 6; ++round) {
    // As a power cut leaves what nobody had synced: a record that was not written whole.
    const std::string log = DatabaseFiles(folder_.path(), ".log").back();
    test::WriteWholeFile(log, test::ReadWholeFile(log) + RandomBytes(100, round));
    store_ = Open();
    ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(10, round))));
    ASSERT_TRUE(Ok(store_->Sync()));
    for (uint64_t seed = 1; seed <= round; ++seed) {
      ASSERT_TRUE(Ok(ExpectHoldsAll(*store_, MakeBlobs(10, seed)))) << seed << " of " << round;
    }
    store_.reset();
  }
  store_ = Open();
  for (uint64_t seed = 1; seed < 6; ++seed) {
    EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, MakeBlobs(10, seed)))) << seed;
  }
  EXPECT_EQ(ObjectsCounted(), 50u);
}

TEST_F(RocksdbStoreTest, ManySmallCommitsLeaveFewFiles) {
  for (uint64_t round = 0; round < 120; ++round) {
    ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(3, round))));
    ASSERT_TRUE(Ok(store_->Maintain()));
  }
  EXPECT_LE(DatabaseFiles(folder_.path(), ".log").size(), 12u);
  EXPECT_LE(DatabaseFiles(folder_.path(), ".sst").size(), 40u);
  for (uint64_t round = 0; round < 120; ++round) {
    ASSERT_TRUE(Ok(ExpectHoldsAll(*store_, MakeBlobs(3, round))));
  }
}

TEST_F(RocksdbStoreTest, ReadersGoOnWhileTheirFilesAreReplaced) {
  const std::vector<Object> objects = MixedObjects(300, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  const std::unique_ptr<ObjectStore> reader = Open();
  ASSERT_TRUE(Has(*reader, objects[0].key));  // it has the database open now
  const std::vector<Object> doomed = MixedObjects(300, 2);
  ASSERT_TRUE(Ok(store_->PutMany(doomed)));
  ASSERT_TRUE(Ok(store_->Delete(KeysOf(doomed))));
  ASSERT_TRUE(Ok(store_->Optimize({})));
  size_t calls = 0;
  EXPECT_TRUE(Ok(reader->GetMany(KeysOf(objects), [&](size_t i, std::optional<ByteView> bytes) {
    EXPECT_TRUE(bytes == objects[i].bytes);
    ++calls;
    return Result<void>();
  })));
  EXPECT_EQ(calls, objects.size());
  EXPECT_TRUE(Ok(ExpectHoldsAll(*reader, objects)));
}

TEST_F(RocksdbStoreTest, OptimizeMakesAFastStoreSmallerAndHasNothingLeftToDoThen) {
  store_->SetCompression(Compression::kFast);
  const std::vector<Object> objects = MakeBlobs(300, 1, 20'000);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  const uint64_t before = BytesOnDisk(*store_);
  Result<OptimizeReport> report = store_->Optimize({});
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->objects, 300u);
  EXPECT_EQ(report->bytes, 300u * 20'000);
  EXPECT_LT(report->bytes_after, before / 4);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
  report = store_->Optimize({});
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->objects, 0u);
}

TEST_F(RocksdbStoreTest, DeletedObjectsGiveTheirSpaceBack) {
  const std::vector<Object> kept = MixedObjects(100, 1);
  const std::vector<Object> doomed = MixedObjects(900, 2);
  ASSERT_TRUE(Ok(store_->PutMany(kept)));
  const uint64_t before = BytesOnDisk(*store_);
  ASSERT_TRUE(Ok(store_->PutMany(doomed)));
  ASSERT_TRUE(Ok(store_->Delete(KeysOf(doomed))));
  EXPECT_LT(BytesOnDisk(*store_), before + before / 4);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, kept)));
}

TEST_F(RocksdbStoreTest, ADeleterThatWasKilledDoesNotMakeReadersWait) {
  const std::vector<Object> objects = MakeBlobs(5, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  const Result<ChangeCounts> changes = ChangeCounts::Open(folder_.path());
  ASSERT_TRUE(Ok(changes));
  Counts counts = *changes->Read();
  ++counts.generation;  // odd: it was at work
  ASSERT_TRUE(Ok(ChangeCounts::Write(folder_.path(), counts)));
  const std::unique_ptr<ObjectStore> reader = Open(std::chrono::milliseconds(0));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*reader, objects)));
  EXPECT_TRUE(Has(*reader, objects[1].key));
  // The next one to write tidies up.
  ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(5, 2))));
  EXPECT_FALSE(changes->Read()->IsDeleting());
}

TEST_F(RocksdbStoreTest, ADatabaseOfALaterFormatIsRefused) {
  store_.reset();
  {
    const Result<std::unique_ptr<Database>> database = Database::OpenToWrite(folder_.path(), {});
    ASSERT_TRUE(Ok(database));
    ASSERT_TRUE((*database)
                    ->db()
                    .Put({}, (*database)->Handle(Family::kStore), SliceOf(kFormatKey), "2")
                    .ok());
  }
  const Result<std::unique_ptr<ObjectStore>> store = test::OpenRocksdb(folder_.path());
  ASSERT_TRUE(Ok(store));
  const ObjectKey key = MakeBlob("x").key;
  EXPECT_TRUE(Fails((*store)->Get(key), ErrorCode::kUnsupported, "format version \"2\""));
  EXPECT_TRUE(Fails((*store)->PutMany(MakeBlobs(1, 1)), ErrorCode::kUnsupported, "version"));
}

}  // namespace
}  // namespace helios::rocks

#include "store/rocksdb/logs.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "helios/rocksdb_backend.h"
#include "object/hash.h"
#include "store/rocksdb/database.h"
#include "store/testing.h"

namespace helios::rocks {
namespace {

namespace fs = std::filesystem;
using test::Ok;

class LogsTest : public ::testing::Test {
 protected:
  LogsTest() { EXPECT_TRUE(Ok(RocksdbBackend().create(folder_.path()))); }

  // By a store of its own, as another process would: it begins another log.
  void Publish(const Bytes& bytes) {
    const auto store = RocksdbBackend().open(folder_.path(), {});
    ASSERT_TRUE(Ok(store));
    const Object object{HashBlob(bytes), bytes};
    ASSERT_TRUE(Ok((*store)->PutMany({&object, 1})));
  }
  size_t Sync() {
    const Result<size_t> synced = SyncLogs(folder_.path());
    EXPECT_TRUE(Ok(synced));
    return synced ? *synced : 0;
  }

  test::TempFolder folder_;
};

TEST_F(LogsTest, EachLogIsSyncedOnce) {
  Sync();
  Publish("one");
  Publish("two");
  EXPECT_EQ(Sync(), 2u);
  EXPECT_EQ(Sync(), 0u);
  Publish("three");
  EXPECT_EQ(Sync(), 1u);
}

TEST_F(LogsTest, ALogThatGrewIsSyncedAgain) {
  Publish("one");
  Sync();
  const Result<std::vector<Log>> logs = LogsOf(folder_.path());
  ASSERT_TRUE(Ok(logs));
  fs::resize_file(logs->back().path, logs->back().bytes + 1);
  EXPECT_EQ(Sync(), 1u);
}

TEST_F(LogsTest, WhatWasNotedOfOneDatabaseDoesNotHoldForAnother) {
  Publish("one");
  Sync();
  const std::string database = DatabaseFolder(folder_.path());
  fs::copy(database, database + "-copy");
  fs::rename(database, database + "-old");
  fs::rename(database + "-copy", database);
  EXPECT_GE(Sync(), 1u);
}

TEST_F(LogsTest, WithoutANoteEverythingIsSynced) {
  Publish("one");
  const size_t all = Sync();
  fs::resize_file(folder_.path() + "/synced", 7);
  EXPECT_EQ(Sync(), all);
  fs::remove(folder_.path() + "/synced");
  EXPECT_EQ(Sync(), all);
}

}  // namespace
}  // namespace helios::rocks

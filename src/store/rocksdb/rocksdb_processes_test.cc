// Several processes and one database. Each test begins in a process that has not used RocksDB: its
// threads would be missing in those that are forked.
#include "store/rocksdb/rocksdb_store.h"
#include "store/rocksdb/testing.h"

namespace helios::rocks {
namespace {

using test::ExpectHoldsAll;
using test::MakeBlobs;
using test::MixedObjects;

Result<std::unique_ptr<ObjectStore>> Open(const std::string& folder) {
  return RocksdbBackend().open(folder, {});
}

Result<void> Create(const std::string& folder) {
  test::Processes creator;
  creator.Add([&] { return RocksdbBackend().create(folder); });
  if (creator.WaitForAll() == 0) return {};
  return Error(ErrorCode::kFailed, "cannot create a store");
}

Result<void> ExpectCounts(ObjectStore& store, uint64_t objects) {
  HELIOS_TRY_ASSIGN(const StoreTotals totals, store.Totals());
  if (totals.objects == objects) return {};
  return Error(ErrorCode::kFailed, "there are " + std::to_string(totals.objects));
}

Result<void> PutFromEightProcesses() {
  const test::TempFolder folder;
  HELIOS_TRY(Create(folder.path()));
  test::Processes processes;
  for (uint64_t process = 0; process < 8; ++process) {
    processes.Add([&folder, process]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, Open(folder.path()));
      for (uint64_t round = 0; round < 5; ++round) {
        const std::vector<Object> objects = MixedObjects(60, process * 100 + round);
        HELIOS_TRY(store->PutMany(objects));
        HELIOS_TRY(store->Sync());
        HELIOS_TRY(store->Maintain());
        HELIOS_TRY(ExpectHoldsAll(*store, objects));
      }
      return {};
    });
  }
  if (processes.WaitForAll() != 0) return Error(ErrorCode::kFailed, "a process failed");
  HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, Open(folder.path()));
  for (uint64_t process = 0; process < 8; ++process) {
    for (uint64_t round = 0; round < 5; ++round) {
      HELIOS_TRY(ExpectHoldsAll(*store, MixedObjects(60, process * 100 + round)));
    }
  }
  return ExpectCounts(*store, 8 * 5 * 60);
}

Result<void> PutAndDie() {
  const test::TempFolder folder;
  HELIOS_TRY(Create(folder.path()));
  test::Processes processes;
  processes.Add([&folder]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, Open(folder.path()));
    HELIOS_TRY(store->PutMany(MakeBlobs(10, 1)));
    HELIOS_TRY(store->PutMany(MixedObjects(300, 2)));
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectBatch> batch, store->OpenBatch());
    for (const Object& object : MixedObjects(300, 3)) {
      HELIOS_TRY(batch->Put(object.key, object.bytes));
    }
    ::kill(::getpid(), SIGKILL);
    return {};
  });
  if (processes.WaitForAll() != 1) return Error(ErrorCode::kFailed, "it was not killed");
  HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, Open(folder.path()));
  HELIOS_TRY(ExpectHoldsAll(*store, MakeBlobs(10, 1)));
  HELIOS_TRY(ExpectHoldsAll(*store, MixedObjects(300, 2)));
  HELIOS_TRY(ExpectCounts(*store, 310));
  // And whoever comes next finds the lock free.
  HELIOS_TRY(store->PutMany(MixedObjects(300, 3)));
  return ExpectCounts(*store, 610);
}

[[noreturn]] void ExitWith(const Result<void>& result) {
  if (!result) std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::_Exit(result ? 0 : 1);
}

TEST(RocksdbProcesses, EightPutAtOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(ExitWith(PutFromEightProcesses()), ::testing::ExitedWithCode(0), "");
}

TEST(RocksdbProcesses, WhatOnePublishedOutlivesIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(ExitWith(PutAndDie()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace helios::rocks

// Packs that are compressed anew: the same objects come back, whatever happens meanwhile.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "object/hash.h"
#include "store/pack/pack_store.h"
#include "store/testing.h"

namespace helios::pack {
namespace {

using test::ExpectHolds;
using test::ExpectHoldsAll;
using test::Fails;
using test::KeysOf;
using test::ListKeys;
using test::MakeBlob;
using test::MakeBlobs;
using test::MakeObject;
using test::Ok;
using test::OpenPacks;
using test::PacksIn;
using test::Processes;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::TemporaryFilesIn;
using test::TextBytes;
using test::WriteWholeFile;

// Everything that packs distinguish: small and large, text and noise, each kind, nothing at all.
std::vector<Object> MixedObjects(uint64_t seed) {
  std::vector<Object> objects;
  for (uint64_t i = 0; i < 60; ++i) {
    objects.push_back(MakeBlob(TextBytes(200 + 97 * i, seed * 1000 + i)));
    objects.push_back(MakeObject(ObjectKind::kTree, RandomBytes(40 + i, seed * 1000 + i)));
    objects.push_back(MakeObject(ObjectKind::kAttributes, RandomBytes(30 + i, seed * 1000 + i)));
  }
  objects.push_back(MakeObject(ObjectKind::kManifest, RandomBytes(500, seed)));
  objects.push_back(MakeObject(ObjectKind::kRecord, TextBytes(300, seed)));
  objects.push_back(MakeBlob(""));
  objects.push_back(MakeBlob(RandomBytes(700'000, seed)));
  objects.push_back(MakeBlob(RandomBytes(150'000, seed + 1)));
  objects.push_back(MakeBlob(TextBytes(300'000, seed)));
  return objects;
}

Result<OptimizeReport> Optimize(ObjectStore& store, std::span<const ObjectKey> order = {},
                                unsigned threads = 2) {
  OptimizeRequest request;
  request.order = order;
  request.threads = threads;
  return store.Optimize(request);
}

TEST(PackOptimizeTest, HoldsWhatItHeldInOnePack) {
  const TempFolder folder;
  std::vector<Object> all;
  for (uint64_t i = 0; i < 3; ++i) {
    const std::vector<Object> objects = MixedObjects(i);
    ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
    all.insert(all.end(), objects.begin(), objects.end());
  }
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const std::unique_ptr<ObjectStore> other = OpenPacks(folder.path());
  const auto before = ListKeys(*store);
  const Result<OptimizeReport> report = Optimize(*store);
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->objects, before->size());
  EXPECT_TRUE(report->damage.empty());
  EXPECT_EQ(PacksIn(folder.path()).size(), 1u);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, all)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*other, all)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), all)));
  EXPECT_EQ(*ListKeys(*store), *before);
}

TEST(PackOptimizeTest, VersionsThatStandTogetherInTheOrderCostLittle) {
  const TempFolder folder;
  // Ten files of noise in eight versions each, put version by version.
  std::vector<std::vector<Object>> files(10);
  for (uint64_t version = 0; version < 8; ++version) {
    std::vector<Object> commit;
    for (uint64_t file = 0; file < files.size(); ++file) {
      Bytes bytes = RandomBytes(300'000, file);
      bytes.replace(version * 1000, 8, "version" + std::to_string(version));
      files[file].push_back(MakeBlob(std::move(bytes)));
      commit.push_back(files[file].back());
    }
    ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(commit)));
  }
  std::vector<ObjectKey> order;
  for (const std::vector<Object>& versions : files) {
    for (const Object& version : versions) order.push_back(version.key);
  }
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const Result<OptimizeReport> report = Optimize(*store, order);
  ASSERT_TRUE(Ok(report));
  EXPECT_GT(report->bytes_before, 23'000'000u);
  EXPECT_LT(report->bytes_after, 6'500'000u);
  for (const std::vector<Object>& versions : files) {
    EXPECT_TRUE(Ok(ExpectHoldsAll(*store, versions)));
  }
}

TEST(PackOptimizeTest, OrderIsOnlyAHint) {
  const TempFolder folder;
  const std::vector<Object> objects = MixedObjects(1);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  // Twice, backwards, without some of them, with some that are not there.
  std::vector<ObjectKey> order = KeysOf(objects);
  std::reverse(order.begin(), order.end());
  order.resize(order.size() / 2);
  const std::vector<ObjectKey> again = order;
  order.insert(order.end(), again.begin(), again.end());
  for (const Object& absent : MakeBlobs(5, 99)) order.push_back(absent.key);
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(Optimize(*store, order)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, objects)));
  EXPECT_EQ(ListKeys(*store)->size(), objects.size());
}

TEST(PackOptimizeTest, TheLargestObjectsFillFrames) {
  const TempFolder folder;
  std::vector<Object> objects;
  for (const char byte : {'a', 'b'}) objects.push_back(MakeBlob(Bytes(kObjectBytesMax, byte)));
  objects.push_back(MakeBlob(RandomBytes(kObjectBytesMax, 1)));
  objects.push_back(MakeBlob("small"));
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(store->PutMany(objects)));
  ASSERT_TRUE(Ok(Optimize(*store, KeysOf(objects))));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, objects)));
}

TEST(PackOptimizeTest, ObjectsInSeveralPacksAreKeptOnce) {
  const TempFolder folder;
  const std::vector<Object> objects = MixedObjects(1);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const Result<OptimizeReport> report = Optimize(*store);
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->objects, objects.size());
  EXPECT_EQ(store->Totals()->objects, objects.size());
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, objects)));
}

TEST(PackOptimizeTest, TheSecondTimeTakesOnlyWhatIsNew) {
  const TempFolder folder;
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(MixedObjects(1))));
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(Optimize(*store)));
  const std::vector<std::string> packs = PacksIn(folder.path());
  Result<OptimizeReport> again = Optimize(*store);
  ASSERT_TRUE(Ok(again));
  EXPECT_EQ(again->objects, 0u);
  EXPECT_EQ(PacksIn(folder.path()), packs);
  // Little beside much stays beside it, until it has grown.
  ASSERT_TRUE(Ok(store->PutMany(MakeBlobs(3, 7))));
  again = Optimize(*store);
  ASSERT_TRUE(Ok(again));
  EXPECT_EQ(again->objects, 3u);
  EXPECT_EQ(PacksIn(folder.path()).size(), 2u);
  ASSERT_TRUE(Ok(store->PutMany(MixedObjects(2))));
  again = Optimize(*store);
  ASSERT_TRUE(Ok(again));
  EXPECT_GT(again->objects, MixedObjects(2).size());
  EXPECT_EQ(PacksIn(folder.path()).size(), 1u);
}

TEST(PackOptimizeTest, StatIndexesGoOnToRelyOnWhatTheyNamed) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(store->PutMany(MixedObjects(1))));
  const Result<std::vector<uint64_t>> parts = store->Parts();
  ASSERT_TRUE(Ok(parts));
  ASSERT_TRUE(Ok(Optimize(*store)));
  EXPECT_TRUE(store->HasParts(*parts).value());
  std::filesystem::remove(folder / PacksIn(folder.path()).front());
  EXPECT_FALSE(OpenPacks(folder.path())->HasParts(*parts).value());
}

TEST(PackOptimizeTest, DamagedPackStaysAsItIsAndIsNamed) {
  const TempFolder folder;
  const std::vector<Object> broken = MakeBlobs(50, 1, 3000);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(broken)));
  const std::string name = PacksIn(folder.path()).front();
  Bytes bytes = ReadWholeFile(folder / name);
  bytes[200] = static_cast<char>(bytes[200] ^ 1);
  WriteWholeFile(folder / name, bytes);
  const std::vector<Object> whole = MixedObjects(2);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(whole)));
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const Result<OptimizeReport> report = Optimize(*store);
  ASSERT_TRUE(Ok(report));
  ASSERT_EQ(report->damage.size(), 1u);
  EXPECT_NE(report->damage[0].message().find(name), std::string::npos);
  EXPECT_EQ(report->objects, whole.size());
  EXPECT_EQ(ReadWholeFile(folder / name), bytes);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, whole)));
}

TEST(PackOptimizeTest, BytesThatAreNotThoseOfTheirIdAreNotCarriedOver) {
  // Written so, under checks that hold: a machine whose memory is not sound.
  const TempFolder folder;
  Object wrong = MakeBlob(TextBytes(5000, 1));
  wrong.bytes[100] = static_cast<char>(wrong.bytes[100] ^ 1);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany({&wrong, 1})));
  const std::vector<std::string> packs = PacksIn(folder.path());
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const Result<OptimizeReport> report = Optimize(*store);
  ASSERT_TRUE(Ok(report));
  ASSERT_EQ(report->damage.size(), 1u);
  EXPECT_NE(report->damage[0].message().find(wrong.key.ToString()), std::string::npos);
  EXPECT_EQ(PacksIn(folder.path()), packs);
}

TEST(PackOptimizeTest, DamageToAnOptimizedPackIsFound) {
  const TempFolder folder;
  const std::vector<Object> objects = MakeBlobs(100, 1, 3000);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  ASSERT_TRUE(Ok(Optimize(*OpenPacks(folder.path()))));
  const std::string path = folder / PacksIn(folder.path()).front();
  const Bytes whole = ReadWholeFile(path);
  test::Random random(1);
  for (int i = 0; i < 300; ++i) {
    Bytes damaged = whole;
    const size_t at = random.Below(damaged.size());
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.Below(8)));
    WriteWholeFile(path, damaged);
    const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
    for (size_t k = 0; k < objects.size(); k += 9) {
      const Result<std::optional<Bytes>> bytes = store->Get(objects[k].key);
      if (!bytes) continue;
      EXPECT_TRUE(*bytes == objects[k].bytes) << "byte " << at;
    }
  }
}

TEST(PackOptimizeTest, FailureAnywhereLosesNothing) {
  uint64_t size = 0;
  for (int step = 0; step < 12; ++step) {
    const TempFolder folder;
    std::vector<Object> all;
    for (uint64_t i = 0; i < 2; ++i) {
      const std::vector<Object> objects = MakeBlobs(40, i, 40'000);
      ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
      all.insert(all.end(), objects.begin(), objects.end());
    }
    if (step == 0) {
      ASSERT_TRUE(Ok(Optimize(*OpenPacks(folder.path()))));
      size = std::filesystem::file_size(folder / PacksIn(folder.path()).front());
      continue;
    }
    Processes processes;
    processes.Add([&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
      const rlimit limit{step == 11 ? size - 1 : size * (step - 1) / 10, RLIM_INFINITY};
      ::signal(SIGXFSZ, SIG_IGN);
      if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return Error::FromErrno(errno, "limit", "size");
      if (Optimize(*store)) return Error(ErrorCode::kFailed, "no limit");
      HELIOS_TRY(ExpectHoldsAll(*store, all));
      return TemporaryFilesIn(folder.path()) == 0 ? Result<void>()
                                                  : Error(ErrorCode::kFailed, "leaves a file");
    });
    EXPECT_EQ(processes.WaitForAll(), 0) << step;
    EXPECT_EQ(PacksIn(folder.path()).size(), 2u);
    ASSERT_TRUE(Ok(Optimize(*OpenPacks(folder.path()))));
    EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), all)));
  }
}

TEST(PackOptimizeTest, KilledAtAnyMomentItLosesNothing) {
  const TempFolder folder;
  std::vector<Object> all;
  test::Random random(5);
  for (uint64_t round = 0; round < 20; ++round) {
    const std::vector<Object> objects = MakeBlobs(30, round, 20'000);
    ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
    all.insert(all.end(), objects.begin(), objects.end());
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
      ::_exit(store != nullptr && Optimize(*store) ? 0 : 1);
    }
    // Where that hits is left to chance: every moment must do.
    std::this_thread::sleep_for(std::chrono::microseconds(random.Below(60'000)));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ASSERT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), all))) << round;
  }
  ASSERT_TRUE(Ok(Optimize(*OpenPacks(folder.path()))));
  EXPECT_EQ(PacksIn(folder.path()).size(), 1u);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), all)));
}

TEST(PackOptimizeTest, OthersReadAndPutMeanwhile) {
  const TempFolder folder;
  const std::vector<Object> first = MakeBlobs(200, 1, 10'000);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(first)));
  const auto batch_of = [](uint64_t writer, uint64_t batch) {
    return MakeBlobs(20, 1000 * writer + batch, 5'000);
  };
  Processes processes;
  for (uint64_t writer = 1; writer <= 2; ++writer) {
    processes.Add([&, writer]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
      for (uint64_t batch = 0; batch < 30; ++batch) {
        HELIOS_TRY(store->PutMany(batch_of(writer, batch)));
        HELIOS_TRY(store->Maintain());
        HELIOS_TRY(ExpectHoldsAll(*store, batch_of(writer, batch / 2)));
        HELIOS_TRY(ExpectHoldsAll(*store, first));
      }
      return {};
    });
  }
  for (int optimizer = 0; optimizer < 2; ++optimizer) {
    processes.Add([&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
      for (int i = 0; i < 5; ++i) HELIOS_TRY(Optimize(*store));
      return {};
    });
  }
  EXPECT_EQ(processes.WaitForAll(), 0);
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(Optimize(*store)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, first)));
  for (uint64_t writer = 1; writer <= 2; ++writer) {
    for (uint64_t batch = 0; batch < 30; ++batch) {
      EXPECT_TRUE(Ok(ExpectHoldsAll(*store, batch_of(writer, batch))));
    }
  }
}

TEST(PackOptimizeTest, MergesAndDeletionsTakeOptimizedPacks) {
  const TempFolder folder;
  const std::vector<Object> objects = MixedObjects(1);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(Optimize(*store)));
  ASSERT_TRUE(Ok(store->Delete({&objects[0].key, 1})));
  EXPECT_FALSE(test::Has(*store, objects[0].key));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, {objects.begin() + 1, objects.end()})));
  for (uint64_t i = 0; i < 30; ++i) {
    ASSERT_TRUE(Ok(store->PutMany(MakeBlobs(3, 100 + i, 1000))));
    ASSERT_TRUE(Ok(store->Maintain()));
  }
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, {objects.begin() + 1, objects.end()})));
}

TEST(PackOptimizeTest, EverySettingIsReadByEveryOther) {
  for (const Compression compression : kCompressions) {
    const TempFolder folder;
    const std::vector<Object> objects = MixedObjects(3);
    const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
    store->SetCompression(compression);
    ASSERT_TRUE(Ok(store->PutMany(objects)));
    EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), objects)));
  }
}

TEST(PackOptimizeTest, SettingsDifferInSizeAsTheirNamesSay) {
  uint64_t before = UINT64_MAX;
  std::vector<Object> objects;
  for (uint64_t i = 0; i < 200; ++i)
    objects.push_back(MakeBlob(TextBytes(8000, i % 40) + TextBytes(500, i)));
  for (const Compression compression : kCompressions) {
    const TempFolder folder;
    const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
    store->SetCompression(compression);
    ASSERT_TRUE(Ok(store->PutMany(objects)));
    const uint64_t bytes = store->Totals()->bytes_on_disk;
    EXPECT_LT(bytes, before) << CompressionName(compression);
    before = bytes;
  }
}

}  // namespace
}  // namespace helios::pack

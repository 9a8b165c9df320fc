// What a sweep takes from packs, and what it leaves.
#include "store/pack/pack_sweep.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <set>

#include "base/codec.h"
#include "store/testing.h"

namespace helios::pack {
namespace {

namespace fs = std::filesystem;
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
using test::TextBytes;
using test::WriteWholeFile;

class PackSweepTest : public ::testing::Test {
 protected:
  PackSweepTest() : store_(OpenPacks(folder_.path())) {}

  void Put(const std::vector<Object>& objects) {
    ASSERT_TRUE(Ok(store_->PutMany(objects)));
    for (const Object& object : objects) all_.push_back(object);
  }
  void Keep(const std::vector<Object>& objects) {
    for (const Object& object : objects) live_.insert(object.key);
  }
  std::unique_ptr<ObjectSweep> Open() {
    Result<std::unique_ptr<ObjectSweep>> sweep =
        store_->OpenSweep({[this](const ObjectKey& key) { return live_.contains(key); }, 2});
    EXPECT_TRUE(Ok(sweep));
    EXPECT_TRUE(Ok((*sweep)->Plan()));
    return std::move(sweep).value();
  }
  SweepFigures Sweep() {
    const std::unique_ptr<ObjectSweep> sweep = Open();
    steps_ = 0;
    while (true) {
      const Result<bool> ready = sweep->Prepare();
      EXPECT_TRUE(Ok(ready));
      if (!ready || !*ready) break;
      ++steps_;
      EXPECT_TRUE(Ok(sweep->Remove()));
    }
    return sweep->Figures();
  }
  // The live ones, each whole, and no others.
  void ExpectJustTheLive() {
    const std::unique_ptr<ObjectStore> fresh = OpenPacks(folder_.path());
    for (ObjectStore* store : {store_.get(), fresh.get()}) {
      const auto keys = ListKeys(*store);
      ASSERT_TRUE(Ok(keys));
      std::set<ObjectKey> held;
      for (const auto& [key, size] : *keys) held.insert(key);
      EXPECT_EQ(held, live_);
      for (const Object& object : all_) {
        if (live_.contains(object.key)) {
          EXPECT_TRUE(Ok(ExpectHolds(*store, object)));
        }
        EXPECT_EQ(test::Has(*store, object.key), live_.contains(object.key));
      }
    }
    EXPECT_EQ(test::TemporaryFilesIn(folder_.path()), 0u);
  }

  const TempFolder folder_;
  std::unique_ptr<ObjectStore> store_;
  std::vector<Object> all_;
  std::set<ObjectKey> live_;
  int steps_ = 0;
};

std::vector<Object> Mixed(uint64_t seed) {
  std::vector<Object> objects = MakeBlobs(100, seed);
  for (uint64_t i = 0; i < 5; ++i) {
    objects.push_back(MakeBlob(RandomBytes(100'000, seed << 8 | i)));
    objects.push_back(MakeObject(ObjectKind::kTree, TextBytes(500, seed << 8 | i)));
    objects.push_back(MakeObject(ObjectKind::kManifest, TextBytes(700, seed << 8 | i)));
    objects.push_back(MakeObject(ObjectKind::kRecord, TextBytes(50, seed << 8 | i)));
  }
  objects.push_back(MakeBlob(""));
  return objects;
}

TEST_F(PackSweepTest, LeavesAStoreInWhichAllIsLiveAsItIs) {
  Put(Mixed(1));
  Keep(all_);
  const std::vector<std::string> packs = PacksIn(folder_.path());
  EXPECT_EQ(Sweep().dead_objects, 0u);
  EXPECT_EQ(steps_, 0);
  EXPECT_EQ(PacksIn(folder_.path()), packs);
}

TEST_F(PackSweepTest, TakesPacksOfWhichNothingIsLiveWithoutWriting) {
  Put(Mixed(1));
  Keep(all_);
  const std::vector<std::string> kept = PacksIn(folder_.path());
  for (uint64_t i = 2; i < 6; ++i) {
    Put(MakeBlobs(50, i));
  }
  const SweepFigures figures = Sweep();
  EXPECT_EQ(PacksIn(folder_.path()), kept);
  EXPECT_EQ(steps_, 1);
  EXPECT_EQ(figures.written_bytes, 0u);
  EXPECT_EQ(figures.parts_removed, 4u);
  EXPECT_EQ(figures.freed_objects, 200u);
  ExpectJustTheLive();
}

TEST_F(PackSweepTest, TakesSomeOfEveryPack) {
  for (uint64_t i = 1; i < 5; ++i) Put(Mixed(i));
  test::Random random(1);
  for (const Object& object : all_) {
    if (random.Below(2) == 0) live_.insert(object.key);
  }
  live_.insert(MakeBlob("").key);  // that lies in all of them
  Sweep();
  ExpectJustTheLive();
}

TEST_F(PackSweepTest, GivesSpaceBack) {
  std::vector<Object> objects;
  for (uint64_t i = 0; i < 100; ++i) objects.push_back(MakeBlob(RandomBytes(100'000, i)));
  Put(objects);
  Keep({objects.begin(), objects.begin() + 20});
  const SweepFigures figures = Sweep();
  EXPECT_GT(figures.freed_bytes - figures.written_bytes, 7'900'000u);
  EXPECT_LT(store_->Totals()->bytes_on_disk, 2'100'000u);
  ExpectJustTheLive();
}

TEST_F(PackSweepTest, AFrameThatIsWholeIsCopiedAsItIs) {
  const std::vector<Object> objects{MakeBlob(TextBytes(100'000, 1)), MakeBlob("dead")};
  Put(objects);
  Keep({objects[0]});
  Bytes before = ReadWholeFile(folder_ / PacksIn(folder_.path()).front());
  Sweep();
  const Bytes after = ReadWholeFile(folder_ / PacksIn(folder_.path()).front());
  // The frame lies right behind the header.
  const auto ref = LoadLittleEndian<FrameHeader>(after.data() + sizeof(PackHeader));
  const size_t frame_bytes = sizeof(FrameHeader) + sizeof(Member) + ref.payload_length;
  EXPECT_NE(before.find(after.substr(sizeof(PackHeader), frame_bytes)), before.npos);
}

// Little is dead in it, and much would have to be written.
TEST_F(PackSweepTest, APackOfWhichLittleIsDeadIsLeft) {
  std::vector<Object> objects;
  for (uint64_t i = 0; i < 100; ++i) objects.push_back(MakeBlob(RandomBytes(100'000, i)));
  Put(objects);
  Keep({objects.begin(), objects.end() - 3});
  EXPECT_EQ(Sweep().dead_objects, 3u);
  EXPECT_EQ(steps_, 0);
  live_.erase(objects[0].key);
  live_.erase(objects[1].key);
  live_.erase(objects[2].key);
  Sweep();
  EXPECT_EQ(steps_, 1);
  ExpectJustTheLive();
}

TEST_F(PackSweepTest, WhatComesToLifeInBetweenStays) {
  for (uint64_t i = 1; i < 4; ++i) Put(Mixed(i));
  Keep({all_.begin(), all_.begin() + 50});
  const std::unique_ptr<ObjectSweep> sweep = Open();
  int step = 0;
  while (*sweep->Prepare()) {
    // Found to be there, and so not put, between the two halves of a step.
    for (int i = 0; i < 10; ++i) live_.insert(all_[static_cast<size_t>(60 + 20 * step + i)].key);
    live_.insert(all_.back().key);
    ASSERT_TRUE(Ok(sweep->Remove()));
    ++step;
    for (const Object& object : all_) {
      if (live_.contains(object.key)) {
        ASSERT_TRUE(Ok(ExpectHolds(*store_, object)));
      }
    }
  }
  EXPECT_GE(step, 2);
}

TEST_F(PackSweepTest, WhatComesToLifeInBetweenAndIsMuchKeepsItsPack) {
  std::vector<Object> objects;
  for (uint64_t i = 0; i < 40; ++i) objects.push_back(MakeBlob(RandomBytes(1'000'000, i)));
  Put(objects);
  const std::unique_ptr<ObjectSweep> sweep = Open();
  ASSERT_TRUE(*sweep->Prepare());
  Keep(objects);
  ASSERT_TRUE(Ok(sweep->Remove()));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
  EXPECT_EQ(sweep->Figures().parts_removed, 0u);
}

TEST_F(PackSweepTest, WhatIsPutMeanwhileIsNotTouched) {
  Put(MakeBlobs(50, 1));
  const std::unique_ptr<ObjectSweep> sweep = Open();
  const std::vector<Object> later = MakeBlobs(50, 2);
  ASSERT_TRUE(Ok(OpenPacks(folder_.path())->PutMany(later)));
  while (*sweep->Prepare()) ASSERT_TRUE(Ok(sweep->Remove()));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, later)));
  EXPECT_FALSE(test::Has(*store_, all_.front().key));
}

// As a collection leaves it that was killed between copying and removing.
TEST_F(PackSweepTest, WhatLiesInTwoPacksIsKeptOnce) {
  std::vector<Object> live;
  for (uint64_t i = 0; i < 30; ++i) live.push_back(MakeBlob(RandomBytes(100'000, i)));
  std::vector<Object> both = live;
  for (uint64_t i = 0; i < 30; ++i) both.push_back(MakeBlob(RandomBytes(100'000, 100 + i)));
  Put(both);
  {
    const TempFolder other;
    ASSERT_TRUE(Ok(OpenPacks(other.path())->PutMany(live)));
    fs::copy(other / PacksIn(other.path()).front(), folder_ / PacksIn(other.path()).front());
  }
  store_ = OpenPacks(folder_.path());
  Keep(live);
  const SweepFigures figures = Sweep();
  EXPECT_EQ(figures.written_bytes, 0u);
  ExpectJustTheLive();
  EXPECT_LT(store_->Totals()->bytes_on_disk, 3'100'000u);
}

// The other copy is damaged: it does not count.
TEST_F(PackSweepTest, ADamagedCopyIsNoReasonToLetGoOfAWholeOne) {
  std::vector<Object> live{MakeBlob(RandomBytes(100'000, 1))};
  Put({live[0], MakeBlob("dead")});
  const TempFolder other;
  ASSERT_TRUE(Ok(OpenPacks(other.path())->PutMany(live)));
  const std::string name = PacksIn(other.path()).front();
  Bytes bytes = ReadWholeFile(other / name);
  bytes[5000] = static_cast<char>(bytes[5000] ^ 1);
  WriteWholeFile(folder_ / name, bytes);
  store_ = OpenPacks(folder_.path());
  Keep(live);
  Sweep();
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder_.path()), live)));
}

TEST_F(PackSweepTest, ADamagedPackIsLeftAndTheOthersAreSwept) {
  std::vector<Object> first{MakeBlob(RandomBytes(100'000, 1)), MakeBlob(TextBytes(100, 1))};
  Put(first);
  const std::string damaged = folder_ / PacksIn(folder_.path()).front();
  Put({MakeBlob(RandomBytes(100'000, 2)), MakeBlob(TextBytes(100, 2))});
  Bytes bytes = ReadWholeFile(damaged);
  bytes[50'000] = static_cast<char>(bytes[50'000] ^ 1);
  WriteWholeFile(damaged, bytes);
  store_ = OpenPacks(folder_.path());
  Keep({all_[0], all_[2]});
  const SweepFigures figures = Sweep();
  ASSERT_EQ(figures.damage.size(), 1u);
  EXPECT_NE(figures.damage[0].message().find(damaged), std::string::npos);
  EXPECT_TRUE(fs::exists(damaged));
  EXPECT_TRUE(Ok(ExpectHolds(*store_, all_[2])));
  EXPECT_FALSE(test::Has(*store_, all_[3].key));
}

TEST_F(PackSweepTest, APackThatCannotBeOpenedIsLeft) {
  Put(MakeBlobs(10, 1));
  WriteWholeFile(folder_ / "00000000000000000000000000000000.pack", "no pack");
  store_ = OpenPacks(folder_.path());
  const SweepFigures figures = Sweep();
  EXPECT_EQ(figures.damage.size(), 1u);
  EXPECT_EQ(PacksIn(folder_.path()).size(), 1u);
}

TEST_F(PackSweepTest, WithoutRoomToCopyTakesWhatNeedsNone) {
  Put(MakeBlobs(50, 1));  // nothing of it is live
  std::vector<Object> large;
  for (uint64_t i = 0; i < 20; ++i) large.push_back(MakeBlob(RandomBytes(100'000, i)));
  Put(large);
  std::vector<Object> small{MakeBlob(RandomBytes(1000, 50)), MakeBlob(RandomBytes(30'000, 51))};
  Put(small);
  Keep({large.begin(), large.begin() + 10});
  Keep({small[0]});
  Processes processes;
  processes.Add([&]() -> Result<void> {
    const rlimit limit{100'000, RLIM_INFINITY};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return Error(ErrorCode::kFailed, "no limit");
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder_.path()));
    HELIOS_TRY_ASSIGN(
        const std::unique_ptr<ObjectSweep> sweep,
        store->OpenSweep({[this](const ObjectKey& key) { return live_.contains(key); }, 2}));
    HELIOS_TRY(sweep->Plan());
    while (true) {
      const Result<bool> ready = sweep->Prepare();
      if (!ready && ready.error().code() == ErrorCode::kNoSpace) return {};
      if (!ready || !*ready) return Error(ErrorCode::kFailed, "did not say that there is no room");
      HELIOS_TRY(sweep->Remove());
    }
  });
  EXPECT_EQ(processes.WaitForAll(), 0);
  store_ = OpenPacks(folder_.path());
  for (const Object& object : all_) {
    if (live_.contains(object.key)) {
      EXPECT_TRUE(Ok(ExpectHolds(*store_, object)));
    }
  }
  EXPECT_FALSE(test::Has(*store_, all_.front().key)) << "of the pack that needs no room";
  EXPECT_FALSE(test::Has(*store_, small[1].key)) << "of the one that needs little";
  EXPECT_TRUE(test::Has(*store_, large[15].key));
  EXPECT_EQ(test::TemporaryFilesIn(folder_.path()), 0u);
  Sweep();
  ExpectJustTheLive();
}

TEST_F(PackSweepTest, WhatIsOptimizedStaysCompressed) {
  std::vector<Object> objects;
  for (uint64_t i = 0; i < 300; ++i) objects.push_back(MakeBlob(TextBytes(20'000, i)));
  Put(objects);
  ASSERT_TRUE(Ok(store_->Optimize({})));
  const uint64_t optimized = store_->Totals()->bytes_on_disk;
  Keep({objects.begin(), objects.begin() + 150});
  Sweep();
  ExpectJustTheLive();
  EXPECT_LT(store_->Totals()->bytes_on_disk, optimized);
}

TEST_F(PackSweepTest, NobodyMergesMeanwhile) {
  for (uint64_t i = 0; i < 12; ++i) Put(MakeBlobs(5, i));
  Keep(all_);
  const std::unique_ptr<ObjectSweep> sweep = Open();
  ASSERT_TRUE(Ok(OpenPacks(folder_.path())->Maintain()));
  EXPECT_EQ(PacksIn(folder_.path()).size(), 12u);
}

TEST_F(PackSweepTest, KilledAtAnyMomentItLosesNothing) {
  test::Random random(7);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 3; ++i) Put(Mixed(static_cast<uint64_t>(round * 3 + i + 1)));
    for (const Object& object : all_) {
      if (random.Below(3) == 0) live_.insert(object.key);
    }
    store_.reset();
    const pid_t child = ::fork();
    if (child == 0) {
      store_ = OpenPacks(folder_.path());
      Sweep();
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(random.Below(15'000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    store_ = OpenPacks(folder_.path());
    for (const Object& object : all_) {
      if (live_.contains(object.key)) {
        ASSERT_TRUE(Ok(ExpectHolds(*store_, object))) << round;
      }
    }
    for (const auto& file : fs::directory_iterator(folder_.path())) {
      if (file.path().filename().string().starts_with(".tmp-")) fs::remove(file);
    }
    Sweep();
    ExpectJustTheLive();
    // What is gone can be put again.
    std::erase_if(all_, [&](const Object& object) { return !live_.contains(object.key); });
  }
}

}  // namespace
}  // namespace helios::pack

#include "store/conformance.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "store/decorators.h"
#include "store/exchangeable_store.h"

namespace helios {

using test::ExpectHolds;
using test::ExpectHoldsAll;
using test::Fails;
using test::Has;
using test::kAllKinds;
using test::KeysOf;
using test::ListKeys;
using test::MakeBlob;
using test::MakeBlobs;
using test::MakeObject;
using test::Ok;
using test::RandomBytes;
using test::TextBytes;

std::vector<ConformanceCase> WithDecorators(const ConformanceCase& backend) {
  // What a stack needs besides its layers. A base class, so that it outlives them.
  struct StackParts {
    MetricsRecorder metrics;
    ObjectCache cache{size_t{1} << 20, &metrics};
  };
  class Stack : private StackParts, public ForwardingStore {
   public:
    Stack(std::unique_ptr<ObjectStore> inner, bool counts, bool verifies, bool caches)
        : ForwardingStore(Pile(std::move(inner), *this, counts, verifies, caches)) {}

   private:
    static std::unique_ptr<ObjectStore> Pile(std::unique_ptr<ObjectStore> store, StackParts& parts,
                                             bool counts, bool verifies, bool caches) {
      store = std::make_unique<ExchangeableStore>(std::move(store));
      if (counts) store = std::make_unique<CountingStore>(std::move(store), &parts.metrics);
      if (verifies) store = std::make_unique<VerifyingStore>(std::move(store));
      if (caches) {
        store = std::make_unique<CachedStore>(std::move(store), &parts.cache, &parts.metrics);
      }
      return store;
    }
  };
  const auto stacked = [&backend](const std::string& name, bool counts, bool verifies,
                                  bool caches) {
    ConformanceCase result = backend;
    result.name = name + "_over_" + backend.name;
    result.verifies = backend.verifies || verifies;
    result.open = [=, open = backend.open](
                      const std::string& folder) -> Result<std::unique_ptr<ObjectStore>> {
      HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> inner, open(folder));
      return std::unique_ptr<ObjectStore>(
          std::make_unique<Stack>(std::move(inner), counts, verifies, caches));
    };
    return result;
  };
  return {backend, stacked("counting", true, false, false),
          stacked("verifying", false, true, false), stacked("cached", false, false, true),
          stacked("engine_stack", true, true, true)};
}

namespace {

TEST_P(StoreConformance, AbsentIsNullopt) {
  const ObjectKey key = MakeBlob("nobody put this").key;
  const Result<std::optional<Bytes>> bytes = store_->Get(key);
  ASSERT_TRUE(Ok(bytes));
  EXPECT_FALSE(bytes->has_value());
  EXPECT_FALSE(Has(*store_, key));

  ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(10, 1))));
  const Result<std::optional<Bytes>> still = store_->Get(key);
  ASSERT_TRUE(Ok(still));
  EXPECT_FALSE(still->has_value());
}

TEST_P(StoreConformance, GivesBackEveryKind) {
  std::vector<Object> objects;
  for (const ObjectKind kind : kAllKinds) {
    objects.push_back(MakeObject(kind, TextBytes(300, 1)));
    objects.push_back(MakeObject(kind, RandomBytes(70'000, 2)));
  }
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
}

TEST_P(StoreConformance, GivesBackObjectsOfZeroBytes) {
  std::vector<Object> objects;
  for (const ObjectKind kind : kAllKinds) objects.push_back(MakeObject(kind, ""));
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
  int calls = 0;
  ASSERT_TRUE(Ok(store_->GetMany(KeysOf(objects), [&](size_t, std::optional<ByteView> bytes) {
    EXPECT_TRUE(bytes.has_value() && bytes->empty());
    ++calls;
    return Result<void>();
  })));
  EXPECT_EQ(calls, 5);
}

TEST_P(StoreConformance, GivesBackSizesAroundEveryBoundary) {
  std::vector<Object> objects;
  for (const size_t size : {1, 4095, 4096, 65'535, 65'536, 65'537, 131'071, 131'072, 131'073}) {
    objects.push_back(MakeBlob(RandomBytes(size, size)));
    objects.push_back(MakeBlob(TextBytes(size, size)));
    objects.push_back(MakeObject(ObjectKind::kTree, TextBytes(size, size)));
  }
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
}

TEST_P(StoreConformance, GivesBackTheLargestObject) {
  const std::vector<Object> objects{MakeBlob(RandomBytes(kObjectBytesMax, 1)),
                                    MakeBlob(TextBytes(kObjectBytesMax, 2)),
                                    MakeObject(ObjectKind::kTree, RandomBytes(kObjectBytesMax, 3))};
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
}

TEST_P(StoreConformance, RefusesLargerObjects) {
  for (const ObjectKind kind : kAllKinds) {
    const Object object = MakeObject(kind, Bytes(kObjectBytesMax + 1, 'x'));
    Result<std::unique_ptr<ObjectBatch>> batch = store_->OpenBatch();
    ASSERT_TRUE(Ok(batch));
    EXPECT_TRUE(
        Fails((*batch)->Put(object.key, object.bytes), ErrorCode::kInvalidArgument, "larger"));
    EXPECT_FALSE(Has(*store_, object.key));
  }
}

TEST_P(StoreConformance, PuttingTwiceInOneBatchIsPuttingOnce) {
  const Object small = MakeBlob(TextBytes(1000, 1));
  const Object large = MakeBlob(RandomBytes(200'000, 2));
  ASSERT_TRUE(Ok(store_->PutMany(std::vector<Object>{small, large, small, large, small})));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, {small, large})));
  EXPECT_TRUE(Has(*store_, small.key));
  const Result<std::map<ObjectKey, uint64_t>> keys = ListKeys(*store_);
  ASSERT_TRUE(Ok(keys));
  EXPECT_EQ(*keys, (std::map<ObjectKey, uint64_t>{{small.key, 1000}, {large.key, 200'000}}));
  const Result<StoreTotals> totals = store_->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, 2u);
  EXPECT_EQ(totals->bytes, 201'000u);
}

TEST_P(StoreConformance, PuttingWhatIsThereChangesNothing) {
  const std::vector<Object> objects = MakeBlobs(20, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  const Result<std::map<ObjectKey, uint64_t>> before = ListKeys(*store_);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
  const Result<std::map<ObjectKey, uint64_t>> after = ListKeys(*store_);
  ASSERT_TRUE(Ok(before));
  ASSERT_TRUE(Ok(after));
  EXPECT_EQ(*before, *after);
  EXPECT_EQ(after->size(), 20u);
}

TEST_P(StoreConformance, BatchIsInvisibleBeforePublish) {
  const std::vector<Object> objects{MakeBlob("small"), MakeBlob(RandomBytes(3 << 20, 1)),
                                    MakeObject(ObjectKind::kTree, "tree")};
  Result<std::unique_ptr<ObjectBatch>> batch = store_->OpenBatch();
  ASSERT_TRUE(Ok(batch));
  for (const Object& object : objects) {
    ASSERT_TRUE(Ok((*batch)->Put(object.key, object.bytes)));
    const Result<std::optional<Bytes>> bytes = store_->Get(object.key);
    ASSERT_TRUE(Ok(bytes));
    EXPECT_FALSE(bytes->has_value());
    EXPECT_FALSE(Has(*store_, object.key));
  }
  const Result<std::map<ObjectKey, uint64_t>> keys = ListKeys(*store_);
  ASSERT_TRUE(Ok(keys));
  EXPECT_TRUE(keys->empty());

  ASSERT_TRUE(Ok((*batch)->Publish()));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
}

TEST_P(StoreConformance, OwnPublicationIsPresentAtOnce) {
  // Only another process's publication may be reported absent.
  for (uint64_t round = 0; round < 3; ++round) {
    const Object object = MakeBlob(TextBytes(100, round));
    EXPECT_FALSE(Has(*store_, object.key));
    ASSERT_TRUE(Ok(store_->PutMany({&object, 1})));
    EXPECT_TRUE(Has(*store_, object.key)) << "round " << round;
  }
}

TEST_P(StoreConformance, UnpublishedBatchLeavesNoTrace) {
  const std::vector<Object> objects{MakeBlob("small"), MakeBlob(RandomBytes(3 << 20, 1))};
  const auto list_files = [this] {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      files.insert(entry.path());
    }
    return files;
  };
  ASSERT_TRUE(Ok(store_->Get(objects[0].key)));  // what reading makes is there then
  const std::set<std::string> before = list_files();
  {
    Result<std::unique_ptr<ObjectBatch>> batch = store_->OpenBatch();
    ASSERT_TRUE(Ok(batch));
    for (const Object& object : objects) ASSERT_TRUE(Ok((*batch)->Put(object.key, object.bytes)));
  }
  for (const Object& object : objects) {
    EXPECT_FALSE(Has(*store_, object.key));
    const Result<std::optional<Bytes>> bytes = store_->Get(object.key);
    ASSERT_TRUE(Ok(bytes));
    EXPECT_FALSE(bytes->has_value());
  }
  EXPECT_EQ(list_files(), before);
}

TEST_P(StoreConformance, EmptyBatchPublishes) {
  Result<std::unique_ptr<ObjectBatch>> batch = store_->OpenBatch();
  ASSERT_TRUE(Ok(batch));
  EXPECT_TRUE(Ok((*batch)->Publish()));
  EXPECT_TRUE(Ok(store_->PutMany({})));
  const Result<StoreTotals> totals = store_->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, 0u);
}

TEST_P(StoreConformance, RefusedObjectTakesItsBatchAlong) {
  std::vector<Object> objects = MakeBlobs(5, 1);
  objects.push_back(MakeBlob(Bytes(kObjectBytesMax + 1, 'x')));
  EXPECT_TRUE(Fails(store_->PutMany(objects), ErrorCode::kInvalidArgument, "larger"));
  for (const Object& object : objects) EXPECT_FALSE(Has(*store_, object.key));
  const Result<std::map<ObjectKey, uint64_t>> keys = ListKeys(*store_);
  ASSERT_TRUE(Ok(keys));
  EXPECT_TRUE(keys->empty());
}

TEST_P(StoreConformance, BatchAppearsAsAWhole) {
  constexpr uint64_t kBatches = 30;
  std::atomic<uint64_t> failures{0};
  std::atomic<bool> done{false};
  std::thread reader([&] {
    uint64_t batch = 0;
    while (batch < kBatches && !done) {
      const std::vector<Object> objects = MakeBlobs(40, batch);
      // Whoever sees any object of a batch sees all of them from then on.
      const Result<std::optional<Bytes>> last = store_->Get(objects.back().key);
      if (!last) ++failures;
      if (!last || !last->has_value()) continue;
      if (!ExpectHoldsAll(*store_, objects)) ++failures;
      ++batch;
    }
  });
  for (uint64_t batch = 0; batch < kBatches; ++batch) {
    EXPECT_TRUE(Ok(store_->PutMany(MakeBlobs(40, batch))));
  }
  done = true;
  reader.join();
  EXPECT_EQ(failures, 0u);
}

TEST_P(StoreConformance, TakesBatchesFromManyThreadsAtOnce) {
  constexpr uint64_t kThreads = 8;
  constexpr uint64_t kBatches = 12;
  std::atomic<uint64_t> failures{0};
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t batch = 0; batch < kBatches; ++batch) {
        // Half of each batch is what every other thread puts too.
        std::vector<Object> objects = MakeBlobs(4, 1000 + thread * kBatches + batch);
        const std::vector<Object> common = MakeBlobs(4, batch);
        objects.insert(objects.end(), common.begin(), common.end());
        if (!store_->PutMany(objects)) ++failures;
        // Before anything else looks: this thread's publication is present for this thread.
        const Result<std::vector<bool>> has = store_->HasMany(KeysOf(objects));
        if (!has || std::count(has->begin(), has->end(), true) != 8) ++failures;
        if (!ExpectHoldsAll(*store_, objects)) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0u);
  for (uint64_t i = 0; i < kThreads * kBatches; ++i) {
    ASSERT_TRUE(Ok(ExpectHoldsAll(*store_, MakeBlobs(4, 1000 + i))));
  }
  const Result<std::map<ObjectKey, uint64_t>> keys = ListKeys(*store_);
  ASSERT_TRUE(Ok(keys));
  EXPECT_EQ(keys->size(), 4 * (kThreads * kBatches + kBatches));
}

TEST_P(StoreConformance, OpenBatchesDoNotMix) {
  std::vector<std::unique_ptr<ObjectBatch>> batches;
  for (uint64_t i = 0; i < 16; ++i) {
    Result<std::unique_ptr<ObjectBatch>> batch = store_->OpenBatch();
    ASSERT_TRUE(Ok(batch));
    batches.push_back(std::move(batch).value());
    for (const Object& object : MakeBlobs(5, i)) {
      ASSERT_TRUE(Ok(batches.back()->Put(object.key, object.bytes)));
    }
  }
  for (uint64_t i = 0; i < 16; i += 2) ASSERT_TRUE(Ok(batches[i]->Publish()));
  batches.clear();
  for (uint64_t i = 0; i < 16; ++i) {
    for (const Object& object : MakeBlobs(5, i)) {
      const Result<std::optional<Bytes>> bytes = store_->Get(object.key);
      ASSERT_TRUE(Ok(bytes));
      EXPECT_EQ(bytes->has_value(), i % 2 == 0) << "batch " << i;
    }
  }
}

TEST_P(StoreConformance, GetManyCallsTheSinkOncePerKey) {
  std::vector<Object> objects = MakeBlobs(300, 1);
  objects.push_back(MakeBlob(RandomBytes(100'000, 7)));
  objects.push_back(MakeObject(ObjectKind::kTree, TextBytes(5000, 8)));
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  // Present ones twice, in two orders, with absent ones between, one of them twice too.
  std::vector<ObjectKey> keys;
  std::vector<std::optional<Bytes>> wanted;
  for (const Object& object : objects) {
    keys.push_back(object.key);
    wanted.emplace_back(object.bytes);
    if (keys.size() % 7 != 0) continue;
    keys.push_back(MakeBlob("absent " + std::to_string(keys.size() % 14)).key);
    wanted.emplace_back(std::nullopt);
  }
  for (auto object = objects.rbegin(); object != objects.rend(); ++object) {
    keys.push_back(object->key);
    wanted.emplace_back(object->bytes);
  }
  std::vector<int> calls(keys.size(), 0);
  ASSERT_TRUE(Ok(store_->GetMany(keys, [&](size_t index, std::optional<ByteView> bytes) {
    if (index >= keys.size()) return Result<void>(Error(ErrorCode::kFailed, "index"));
    ++calls[index];
    const std::optional<Bytes> got = bytes ? std::optional<Bytes>(*bytes) : std::nullopt;
    EXPECT_TRUE(got == wanted[index]) << index;
    return Result<void>();
  })));
  EXPECT_EQ(calls, std::vector<int>(keys.size(), 1));
}

TEST_P(StoreConformance, GetManyOfNothingCallsNobody) {
  EXPECT_TRUE(Ok(store_->GetMany({}, [](size_t, std::optional<ByteView>) {
    return Result<void>(Error(ErrorCode::kFailed, "called"));
  })));
}

TEST_P(StoreConformance, ErrorOfTheSinkEndsGetMany) {
  const std::vector<Object> objects = MakeBlobs(20, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  int calls = 0;
  const auto refuse_third = [&](size_t, std::optional<ByteView>) -> Result<void> {
    if (++calls == 3) return Error(ErrorCode::kWouldLoseWork, "the sink is full");
    return {};
  };
  EXPECT_TRUE(Fails(store_->GetMany(KeysOf(objects), refuse_third), ErrorCode::kWouldLoseWork,
                    "the sink is full"));
  EXPECT_EQ(calls, 3);
  // Absent ones as well.
  calls = 0;
  EXPECT_TRUE(Fails(store_->GetMany(KeysOf(MakeBlobs(20, 2)), refuse_third),
                    ErrorCode::kWouldLoseWork, "the sink is full"));
  EXPECT_EQ(calls, 3);
}

TEST_P(StoreConformance, SinkMayUseTheStore) {
  const std::vector<Object> objects = MakeBlobs(20, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  EXPECT_TRUE(Ok(store_->GetMany(KeysOf(objects), [&](size_t index, std::optional<ByteView>) {
    return ExpectHolds(*store_, objects[objects.size() - 1 - index]);
  })));
}

TEST_P(StoreConformance, HasManyTellsForEachKey) {
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  std::vector<ObjectKey> keys;
  std::vector<bool> wanted;
  for (size_t i = 0; i < objects.size(); ++i) {
    keys.push_back(objects[i].key);
    wanted.push_back(true);
    keys.push_back(MakeBlob("absent " + std::to_string(i)).key);
    wanted.push_back(false);
    keys.push_back(objects[0].key);
    wanted.push_back(true);
  }
  const Result<std::vector<bool>> has = store_->HasMany(keys);
  ASSERT_TRUE(Ok(has));
  EXPECT_EQ(*has, wanted);
  const Result<std::vector<bool>> none = store_->HasMany({});
  ASSERT_TRUE(Ok(none));
  EXPECT_TRUE(none->empty());
}

TEST_P(StoreConformance, ForEachKeyVisitsAll) {
  std::map<ObjectKey, uint64_t> wanted;
  for (uint64_t batch = 0; batch < 5; ++batch) {
    std::vector<Object> objects = MakeBlobs(200, batch, 50 + batch);
    objects.push_back(MakeObject(kAllKinds[batch], TextBytes(100'000, batch)));
    for (const Object& object : objects) wanted[object.key] = object.bytes.size();
    ASSERT_TRUE(Ok(store_->PutMany(objects)));
  }
  const Result<std::map<ObjectKey, uint64_t>> keys = ListKeys(*store_);
  ASSERT_TRUE(Ok(keys));
  EXPECT_EQ(*keys, wanted);
}

TEST_P(StoreConformance, ErrorOfTheVisitorEndsForEachKey) {
  ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(10, 1))));
  int calls = 0;
  EXPECT_TRUE(Fails(store_->ForEachKey([&](const ObjectKey&, uint64_t) -> Result<void> {
    if (++calls == 4) return Error(ErrorCode::kWouldLoseWork, "seen enough");
    return {};
  }),
                    ErrorCode::kWouldLoseWork, "seen enough"));
  EXPECT_EQ(calls, 4);
}

TEST_P(StoreConformance, VisitorMayUseTheStore) {
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  EXPECT_TRUE(Ok(store_->ForEachKey(
      [&](const ObjectKey&, uint64_t) { return ExpectHoldsAll(*store_, objects); })));
}

TEST_P(StoreConformance, DeleteRemovesJustThose) {
  std::vector<Object> doomed;
  std::vector<Object> kept;
  for (uint64_t batch = 0; batch < 3; ++batch) {
    std::vector<Object> objects = MakeBlobs(100, batch);
    objects.push_back(MakeBlob(RandomBytes(100'000, batch)));
    objects.push_back(MakeBlob(RandomBytes(100'001, batch)));
    objects.push_back(MakeObject(ObjectKind::kTree, TextBytes(500, batch)));
    objects.push_back(MakeObject(ObjectKind::kRecord, TextBytes(500, batch)));
    ASSERT_TRUE(Ok(store_->PutMany(objects)));
    for (size_t i = 0; i < objects.size(); ++i) (i % 2 == 0 ? doomed : kept).push_back(objects[i]);
  }
  // Also from whatever remembers what was read.
  ASSERT_TRUE(Ok(ExpectHoldsAll(*store_, doomed)));
  std::vector<ObjectKey> keys = KeysOf(doomed);
  keys.push_back(MakeBlob("absent keys are ignored").key);
  keys.push_back(doomed.front().key);
  ASSERT_TRUE(Ok(store_->Delete(keys)));

  for (const Object& object : doomed) {
    const Result<std::optional<Bytes>> bytes = store_->Get(object.key);
    ASSERT_TRUE(Ok(bytes));
    ASSERT_FALSE(bytes->has_value()) << object.key.ToString();
    ASSERT_FALSE(Has(*store_, object.key)) << object.key.ToString();
  }
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, kept)));
  const Result<std::map<ObjectKey, uint64_t>> left = ListKeys(*store_);
  ASSERT_TRUE(Ok(left));
  EXPECT_EQ(left->size(), kept.size());
}

TEST_P(StoreConformance, ASweepRemovesWhatIsNotLive) {
  std::set<ObjectKey> live;
  std::vector<Object> all;
  for (uint64_t batch = 0; batch < 3; ++batch) {
    std::vector<Object> objects = MakeBlobs(50, batch);
    objects.push_back(MakeBlob(RandomBytes(100'000, batch)));
    objects.push_back(MakeObject(ObjectKind::kTree, TextBytes(500, batch)));
    ASSERT_TRUE(Ok(store_->PutMany(objects)));
    for (const Object& object : objects) {
      if (all.size() % 3 == batch) live.insert(object.key);
      all.push_back(object);
    }
  }
  Result<std::unique_ptr<ObjectSweep>> sweep =
      store_->OpenSweep({[&](const ObjectKey& key) { return live.contains(key); }, 2});
  ASSERT_TRUE(Ok(sweep));
  // Put since, and therefore none of its business.
  const Object later = MakeBlob("later");
  ASSERT_TRUE(Ok(store_->PutMany({&later, 1})));
  ASSERT_TRUE(Ok((*sweep)->Plan()));
  EXPECT_EQ((*sweep)->Figures().dead_objects, all.size() - live.size());
  bool is_first = true;
  while (true) {
    const Result<bool> is_ready = (*sweep)->Prepare();
    ASSERT_TRUE(Ok(is_ready));
    if (!*is_ready) break;
    // It is wanted again.
    if (is_first) live.insert(all.front().key);
    is_first = false;
    ASSERT_TRUE(Ok((*sweep)->Remove()));
  }
  EXPECT_EQ((*sweep)->Figures().freed_objects, all.size() - live.size());
  // Whoever merges may go on.
  sweep->reset();
  live.insert(later.key);
  const Result<std::map<ObjectKey, uint64_t>> left = ListKeys(*store_);
  ASSERT_TRUE(Ok(left));
  EXPECT_EQ(left->size(), live.size());
  for (const Object& object : all) {
    if (live.contains(object.key)) {
      EXPECT_TRUE(Ok(ExpectHolds(*store_, object)));
    }
    EXPECT_EQ(Has(*store_, object.key), live.contains(object.key));
  }
}

TEST_P(StoreConformance, DeleteKeepsTheSameDigestOfAnotherKind) {
  const Object blob = MakeBlob("same digest");
  const ObjectKey tree(ObjectKind::kTree, blob.key.digest);
  ASSERT_TRUE(Ok(store_->PutMany({&blob, 1})));
  ASSERT_TRUE(Ok(store_->Delete({&tree, 1})));
  EXPECT_TRUE(Ok(ExpectHolds(*store_, blob)));
}

TEST_P(StoreConformance, DeletedObjectsCanBePutAgain) {
  const std::vector<Object> objects = MakeBlobs(20, 1);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(Ok(store_->PutMany(objects)));
    EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
    ASSERT_TRUE(Ok(store_->Delete(KeysOf(objects))));
    EXPECT_FALSE(Has(*store_, objects.front().key));
  }
  const Result<std::map<ObjectKey, uint64_t>> left = ListKeys(*store_);
  ASSERT_TRUE(Ok(left));
  EXPECT_TRUE(left->empty());
}

TEST_P(StoreConformance, GenerationChangesWithDelete) {
  const std::vector<Object> objects = MakeBlobs(20, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  std::set<uint64_t> seen;
  Result<uint64_t> generation = store_->Generation();
  ASSERT_TRUE(Ok(generation));
  seen.insert(*generation);
  for (const Object& object : objects) {
    const ObjectKey key = object.key;
    ASSERT_TRUE(Ok(store_->Delete({&key, 1})));
    generation = store_->Generation();
    ASSERT_TRUE(Ok(generation));
    EXPECT_TRUE(seen.insert(*generation).second) << "again: " << *generation;
  }
}

TEST_P(StoreConformance, GenerationStaysWhenNothingMoves) {
  if (GetParam().moves_objects_when_read) return;
  const Result<uint64_t> before = store_->Generation();
  const std::vector<Object> objects = MakeBlobs(20, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  ASSERT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
  ASSERT_TRUE(Ok(store_->Sync()));
  const Result<uint64_t> after = store_->Generation();
  ASSERT_TRUE(Ok(before));
  ASSERT_TRUE(Ok(after));
  EXPECT_EQ(*before, *after);
}

TEST_P(StoreConformance, TotalsAddUp) {
  Result<StoreTotals> totals = store_->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, 0u);
  EXPECT_EQ(totals->bytes, 0u);
  for (uint64_t batch = 0; batch < 3; ++batch) {
    ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(50, batch, 200))));
  }
  totals = store_->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, 150u);
  EXPECT_EQ(totals->bytes, 150u * 200);
  ASSERT_TRUE(Ok(store_->Delete(KeysOf(MakeBlobs(50, 1, 200)))));
  totals = store_->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, 100u);
  EXPECT_EQ(totals->bytes, 100u * 200);
}

TEST_P(StoreConformance, CheckFindsNothingInAWholeStore) {
  const auto expect_whole = [&] {
    const Result<std::vector<Error>> damage = store_->Check();
    ASSERT_TRUE(Ok(damage));
    EXPECT_TRUE(damage->empty()) << ::testing::PrintToString(*damage);
  };
  expect_whole();
  for (uint64_t batch = 0; batch < 20; ++batch) {
    ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(5, batch))));
  }
  expect_whole();
  ASSERT_TRUE(Ok(store_->Maintain()));
  expect_whole();
  ASSERT_TRUE(Ok(store_->Delete(KeysOf(MakeBlobs(5, 3)))));
  expect_whole();
  ASSERT_TRUE(Ok(ExpectHoldsAll(*store_, MakeBlobs(5, 4))));
}

TEST_P(StoreConformance, SameDigestOfTwoKindsAreTwoObjects) {
  const Object blob = MakeBlob("a blob");
  const ObjectKey tree_key(ObjectKind::kTree, blob.key.digest);
  ASSERT_TRUE(Ok(store_->PutMany({&blob, 1})));
  EXPECT_FALSE(Has(*store_, tree_key));
  // No true tree has this digest: a store that verifies says so, every other one gives it back.
  const Object tree{tree_key, "a tree"};
  ASSERT_TRUE(Ok(store_->PutMany({&tree, 1})));
  EXPECT_TRUE(Ok(ExpectHolds(*store_, blob)));
  if (GetParam().verifies) {
    EXPECT_TRUE(Fails(store_->Get(tree_key), ErrorCode::kCorrupt, tree_key.ToString()));
  } else {
    EXPECT_TRUE(Ok(ExpectHolds(*store_, tree)));
  }
  EXPECT_TRUE(Ok(ExpectHolds(*store_, blob)));
  const Result<std::map<ObjectKey, uint64_t>> keys = ListKeys(*store_);
  ASSERT_TRUE(Ok(keys));
  EXPECT_EQ(keys->size(), 2u);
}

TEST_P(StoreConformance, VerifyReadsEveryObjectAndFindsEachWhole) {
  std::vector<Object> objects = MakeBlobs(300, 1);
  for (const ObjectKind kind : kAllKinds) objects.push_back(MakeObject(kind, "of every kind"));
  objects.push_back(MakeBlob(""));
  objects.push_back(MakeBlob(RandomBytes(300'000, 2)));
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  std::mutex mutex;
  std::set<ObjectKey> whole;
  VerifyObjectsRequest request;
  request.threads = 3;
  request.object = [&](const ObjectKey& key, uint64_t, bool is_whole) {
    const std::lock_guard<std::mutex> lock(mutex);
    EXPECT_TRUE(is_whole);
    whole.insert(key);
  };
  const Result<VerifyObjectsReport> report = store_->Verify(request);
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->damage.count, 0u);
  EXPECT_EQ(report->objects, objects.size());
  const std::vector<ObjectKey> keys = KeysOf(objects);
  EXPECT_EQ(whole, std::set<ObjectKey>(keys.begin(), keys.end()));

  request.reads = [](uint64_t) { return false; };
  whole.clear();
  const Result<VerifyObjectsReport> unread = store_->Verify(request);
  ASSERT_TRUE(Ok(unread));
  EXPECT_EQ(unread->objects, 0u);
  EXPECT_EQ(whole.size(), keys.size()) << "what is not read counts as whole";
}

TEST_P(StoreConformance, RepairLeavesAWholeStoreAsItIs) {
  const std::vector<Object> objects = MakeBlobs(100, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  const Result<RepairObjectsReport> report = store_->Repair({});
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->salvaged_objects, 0u);
  EXPECT_EQ(report->set_aside, std::vector<std::string>());
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
}

TEST_P(StoreConformance, MaintainChangesNothingThatIsHeld) {
  std::vector<Object> all;
  for (uint64_t batch = 0; batch < 30; ++batch) {
    const std::vector<Object> objects = MakeBlobs(3, batch);
    ASSERT_TRUE(Ok(store_->PutMany(objects)));
    all.insert(all.end(), objects.begin(), objects.end());
    ASSERT_TRUE(Ok(store_->Maintain()));
    ASSERT_TRUE(Ok(ExpectHoldsAll(*store_, all)));
  }
  const Result<std::map<ObjectKey, uint64_t>> keys = ListKeys(*store_);
  ASSERT_TRUE(Ok(keys));
  EXPECT_EQ(keys->size(), all.size());
}

TEST_P(SharedStoreConformance, InstancesSeeEachOthersPublications) {
  const std::unique_ptr<ObjectStore> other = Open();
  for (uint64_t batch = 0; batch < 10; ++batch) {
    ObjectStore& writer = batch % 2 == 0 ? *store_ : *other;
    ObjectStore& reader = batch % 2 == 0 ? *other : *store_;
    const std::vector<Object> objects = MakeBlobs(5, batch);
    const Result<std::optional<Bytes>> before = reader.Get(objects[0].key);
    ASSERT_TRUE(Ok(before));
    EXPECT_FALSE(before->has_value());
    ASSERT_TRUE(Ok(writer.PutMany(objects)));
    ASSERT_TRUE(Ok(ExpectHoldsAll(reader, objects)));
    const Result<std::map<ObjectKey, uint64_t>> keys = ListKeys(reader);
    ASSERT_TRUE(Ok(keys));
    EXPECT_EQ(keys->size(), 5 * (batch + 1));
  }
}

TEST_P(SharedStoreConformance, InstanceSeesAnothersDeletions) {
  const std::unique_ptr<ObjectStore> other = Open();
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  ASSERT_TRUE(Ok(ExpectHoldsAll(*other, objects)));
  const ObjectKey doomed = objects[3].key;
  EXPECT_TRUE(Has(*other, doomed));
  ASSERT_TRUE(Ok(store_->Delete({&doomed, 1})));
  // "One reported present is present": a commit would rely on it.
  EXPECT_FALSE(Has(*other, doomed));
  EXPECT_TRUE(Has(*other, objects[4].key));
}

TEST_P(SharedStoreConformance, HoldsEverythingAfterReopening) {
  const std::vector<Object> objects = MakeBlobs(100, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  ASSERT_TRUE(Ok(store_->Sync()));
  store_.reset();
  store_ = Open();
  ASSERT_NE(store_, nullptr);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store_, objects)));
}

}  // namespace
}  // namespace helios

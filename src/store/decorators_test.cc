#include "store/decorators.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::ExpectHolds;
using test::Fails;
using test::KeysOf;
using test::MakeBlob;
using test::MakeBlobs;
using test::MakeObject;
using test::Ok;
using test::TextBytes;

// A store that answers with what it was told to answer, whatever that hashes to.
class LyingStore : public MemoryStore {
 public:
  void Answer(const ObjectKey& key, const Bytes& bytes) {
    const Object object{key, bytes};
    EXPECT_TRUE(Ok(PutMany({&object, 1})));
  }
};

// Every read fails.
class FailingStore : public MemoryStore {
 public:
  Result<std::optional<Bytes>> Get(const ObjectKey&) override {
    return Error(ErrorCode::kFailed, "the medium failed");
  }
};

// Holds every read back until it is opened: what a read finds is settled before it waits.
class GatedStore : public MemoryStore {
 public:
  Result<std::optional<Bytes>> Get(const ObjectKey& key) override {
    Result<std::optional<Bytes>> bytes = MemoryStore::Get(key);
    MutexLock lock(mutex_);
    ++reads_;
    while (!is_open_) opened_.Wait(mutex_);
    if (error_) return *error_;
    return bytes;
  }
  void Open() {
    MutexLock lock(mutex_);
    is_open_ = true;
    opened_.NotifyAll();
  }
  void FailWith(std::optional<Error> error) {
    MutexLock lock(mutex_);
    error_ = std::move(error);
  }
  int reads() {
    MutexLock lock(mutex_);
    return reads_;
  }

 private:
  Mutex mutex_;
  CondVar opened_;
  bool is_open_ HELIOS_GUARDED_BY(mutex_) = false;
  int reads_ HELIOS_GUARDED_BY(mutex_) = 0;
  std::optional<Error> error_ HELIOS_GUARDED_BY(mutex_);
};

void WaitUntil(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::yield();
}

// ---- VerifyingStore ----

class VerifyingStoreTest : public ::testing::Test {
 protected:
  VerifyingStoreTest() {
    auto inner = std::make_unique<LyingStore>();
    inner_ = inner.get();
    store_ = std::make_unique<VerifyingStore>(std::move(inner));
  }
  LyingStore* inner_;
  std::unique_ptr<VerifyingStore> store_;
};

TEST_F(VerifyingStoreTest, LetsRightBytesPass) {
  for (const ObjectKind kind : test::kAllKinds) {
    const Object object = MakeObject(kind, "right");
    inner_->Answer(object.key, object.bytes);
    EXPECT_TRUE(Ok(ExpectHolds(*store_, object)));
  }
}

TEST_F(VerifyingStoreTest, RefusesWrongBytes) {
  const ObjectKey key = MakeBlob("right").key;
  for (const Bytes& wrong : {Bytes("Right"), Bytes("righ"), Bytes("right "), Bytes()}) {
    LyingStore* inner = new LyingStore;
    VerifyingStore store{std::unique_ptr<ObjectStore>(inner)};
    inner->Answer(key, wrong);
    EXPECT_TRUE(Fails(store.Get(key), ErrorCode::kCorrupt, key.ToString())) << wrong;
  }
}

TEST_F(VerifyingStoreTest, RefusesTheRightBytesOfAnotherKind) {
  // A file whose content is a tree's encoding must not pass for the tree.
  const Object blob = MakeBlob("bytes");
  const ObjectKey as_tree(ObjectKind::kTree, blob.key.digest);
  inner_->Answer(as_tree, blob.bytes);
  EXPECT_TRUE(Fails(store_->Get(as_tree), ErrorCode::kCorrupt, as_tree.ToString()));
}

TEST_F(VerifyingStoreTest, RefusesWrongBytesToThoseWhoShareThemToo) {
  const Object right = MakeBlob("right");
  inner_->Answer(right.key, "wrong");
  EXPECT_TRUE(Fails(store_->GetShared(right.key), ErrorCode::kCorrupt, right.key.ToString()));
}

TEST_F(VerifyingStoreTest, AbsenceIsNotDamage) {
  const Result<std::optional<Bytes>> bytes = store_->Get(MakeBlob("absent").key);
  ASSERT_TRUE(Ok(bytes));
  EXPECT_FALSE(bytes->has_value());
}

TEST_F(VerifyingStoreTest, WrongBytesNeverReachTheSink) {
  std::vector<Object> objects = MakeBlobs(10, 1);
  for (size_t i = 0; i < objects.size(); ++i) {
    inner_->Answer(objects[i].key, i == 6 ? "wrong" : objects[i].bytes);
  }
  std::vector<ObjectKey> keys = KeysOf(objects);
  keys.push_back(MakeBlob("absent").key);
  const Result<void> result =
      store_->GetMany(keys, [&](size_t i, std::optional<ByteView> bytes) -> Result<void> {
        EXPECT_NE(i, 6u);
        EXPECT_TRUE(i == 10 ? !bytes.has_value() : bytes && *bytes == objects[i].bytes);
        return {};
      });
  EXPECT_TRUE(Fails(result, ErrorCode::kCorrupt, objects[6].key.ToString()));
}

// ---- CountingStore ----

TEST(CountingStoreTest, CountsGetsAndTheirBytes) {
  MetricsRecorder metrics;
  CountingStore store(std::make_unique<MemoryStore>(), &metrics);
  const std::vector<Object> objects = MakeBlobs(4, 1, 250);
  ASSERT_TRUE(Ok(store.PutMany(objects)));
  Metrics delta = metrics.Take();
  EXPECT_EQ(delta[Counter::kL2Puts], 4u);
  EXPECT_EQ(delta[Counter::kL2PutBytes], 1000u);
  EXPECT_EQ(delta[Latency::kL2Put].count, 4u);
  EXPECT_EQ(delta[Counter::kL2Gets], 0u);
  EXPECT_EQ(delta[Counter::kL2GetBytes], 0u);

  ASSERT_TRUE(Ok(store.Get(objects[0].key)));
  ASSERT_TRUE(Ok(store.Get(MakeBlob("absent").key)));
  delta = metrics.Take();
  EXPECT_EQ(delta[Counter::kL2Gets], 2u);
  EXPECT_EQ(delta[Counter::kL2GetBytes], 250u);
  EXPECT_EQ(delta[Latency::kL2Get].count, 2u);
  EXPECT_EQ(delta[Counter::kL2Puts], 0u);
}

TEST(CountingStoreTest, CountsSharedGetsAsGets) {
  MetricsRecorder metrics;
  CountingStore store(std::make_unique<MemoryStore>(), &metrics);
  const Object object = MakeBlob(TextBytes(250, 1));
  ASSERT_TRUE(Ok(store.PutMany({&object, 1})));
  metrics.Take();
  const Result<std::shared_ptr<const Bytes>> bytes = store.GetShared(object.key);
  ASSERT_TRUE(Ok(bytes));
  ASSERT_NE(*bytes, nullptr);
  EXPECT_EQ(**bytes, object.bytes);
  const Result<std::shared_ptr<const Bytes>> absent = store.GetShared(MakeBlob("absent").key);
  ASSERT_TRUE(Ok(absent));
  EXPECT_EQ(*absent, nullptr);
  const Metrics delta = metrics.Take();
  EXPECT_EQ(delta[Counter::kL2Gets], 2u);
  EXPECT_EQ(delta[Counter::kL2GetBytes], 250u);
}

TEST(CountingStoreTest, GetManyIsOneSampleOfTheLatency) {
  MetricsRecorder metrics;
  CountingStore store(std::make_unique<MemoryStore>(), &metrics);
  const std::vector<Object> objects = MakeBlobs(4, 1, 250);
  ASSERT_TRUE(Ok(store.PutMany(objects)));
  metrics.Take();
  std::vector<ObjectKey> keys = KeysOf(objects);
  keys.push_back(MakeBlob("absent").key);
  ASSERT_TRUE(
      Ok(store.GetMany(keys, [](size_t, std::optional<ByteView>) { return Result<void>(); })));
  const Metrics delta = metrics.Take();
  EXPECT_EQ(delta[Counter::kL2Gets], 5u);
  EXPECT_EQ(delta[Counter::kL2GetBytes], 1000u);
  EXPECT_EQ(delta[Latency::kL2Get].count, 1u);
}

TEST(CountingStoreTest, LeavesEverythingElseUncounted) {
  MetricsRecorder metrics;
  CountingStore store(std::make_unique<MemoryStore>(), &metrics);
  const std::vector<Object> objects = MakeBlobs(4, 1);
  ASSERT_TRUE(Ok(store.PutMany(objects)));
  metrics.Take();
  ASSERT_TRUE(Ok(store.HasMany(KeysOf(objects))));
  ASSERT_TRUE(Ok(store.ForEachKey([](const ObjectKey&, uint64_t) { return Result<void>(); })));
  ASSERT_TRUE(Ok(store.Sync()));
  ASSERT_TRUE(Ok(store.Maintain()));
  ASSERT_TRUE(Ok(store.Totals()));
  ASSERT_TRUE(Ok(store.Generation()));
  ASSERT_TRUE(Ok(store.Delete(KeysOf(objects))));
  EXPECT_EQ(metrics.Take(), Metrics());
}

TEST(CountingStoreTest, CountsExactlyFromManyThreads) {
  MetricsRecorder metrics;
  CountingStore store(std::make_unique<MemoryStore>(), &metrics);
  const std::vector<Object> objects = MakeBlobs(10, 1, 100);
  ASSERT_TRUE(Ok(store.PutMany(objects)));
  metrics.Take();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        for (const Object& object : objects) EXPECT_TRUE(ExpectHolds(store, object));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Metrics delta = metrics.Take();
  EXPECT_EQ(delta[Counter::kL2Gets], 8000u);
  EXPECT_EQ(delta[Counter::kL2GetBytes], 800'000u);
  EXPECT_EQ(delta[Latency::kL2Get].count, 8000u);
}

// ---- CachedStore, and the stack as the engine puts it together ----

class EngineStackTest : public ::testing::Test {
 protected:
  void Build(std::unique_ptr<ObjectStore> backend) {
    backend_ = backend.get();
    auto counting = std::make_unique<CountingStore>(std::move(backend), &metrics_);
    auto verifying = std::make_unique<VerifyingStore>(std::move(counting));
    store_ = std::make_unique<CachedStore>(std::move(verifying), &cache_, &metrics_);
  }
  void PutBehindTheCache(const Object& object) {
    ASSERT_TRUE(Ok(backend_->PutMany({&object, 1})));
    metrics_.Take();
  }

  MetricsRecorder metrics_;
  ObjectCache cache_{16 << 20, &metrics_};
  ObjectStore* backend_ = nullptr;
  std::unique_ptr<CachedStore> store_;
};

TEST_F(EngineStackTest, FirstReadPromotesFromL2ToL1) {
  Build(std::make_unique<MemoryStore>());
  const Object object = MakeBlob(TextBytes(300, 1));
  PutBehindTheCache(object);

  ASSERT_TRUE(Ok(ExpectHolds(*store_, object)));
  Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], 1u);
  EXPECT_EQ(delta[Counter::kL1Hits], 0u);
  EXPECT_EQ(delta[Counter::kL2Gets], 1u);
  EXPECT_EQ(delta[Counter::kL2GetBytes], 300u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 1u);
  EXPECT_EQ(delta[Counter::kLazyRestorePromotions], 1u);
  EXPECT_EQ(cache_.items(), 1u);
  EXPECT_EQ(cache_.bytes(), 300u);

  ASSERT_TRUE(Ok(ExpectHolds(*store_, object)));
  delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], 0u);
  EXPECT_EQ(delta[Counter::kL1Hits], 1u);
  EXPECT_EQ(delta[Counter::kL2Gets], 0u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 0u);
  EXPECT_EQ(delta[Counter::kLazyRestorePromotions], 0u);
  EXPECT_EQ(cache_.items(), 1u);
}

TEST_F(EngineStackTest, AbsenceIsNotPromoted) {
  Build(std::make_unique<MemoryStore>());
  const Object object = MakeBlob("later");
  const Result<std::optional<Bytes>> absent = store_->Get(object.key);
  ASSERT_TRUE(Ok(absent));
  EXPECT_FALSE(absent->has_value());
  Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], 1u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 0u);
  EXPECT_EQ(cache_.items(), 0u);
  // And not remembered.
  PutBehindTheCache(object);
  EXPECT_TRUE(Ok(ExpectHolds(*store_, object)));
}

TEST_F(EngineStackTest, WrongBytesAreNotPromoted) {
  auto backend = std::make_unique<LyingStore>();
  LyingStore* lying = backend.get();
  Build(std::move(backend));
  const ObjectKey key = MakeBlob("right").key;
  lying->Answer(key, "wrong");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(Fails(store_->Get(key), ErrorCode::kCorrupt, key.ToString()));
  }
  EXPECT_EQ(cache_.items(), 0u);
  const Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], 2u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 0u);
}

TEST_F(EngineStackTest, FailureIsNotPromoted) {
  Build(std::make_unique<FailingStore>());
  EXPECT_TRUE(Fails(store_->Get(MakeBlob("x").key), ErrorCode::kFailed, "the medium failed"));
  EXPECT_EQ(cache_.items(), 0u);
}

TEST_F(EngineStackTest, HitAsksNobodyBelow) {
  auto backend = std::make_unique<MemoryStore>();
  MemoryStore* memory = backend.get();
  Build(std::move(backend));
  const Object object = MakeBlob("kept in memory");
  PutBehindTheCache(object);
  ASSERT_TRUE(Ok(ExpectHolds(*store_, object)));
  ASSERT_TRUE(Ok(memory->Delete({&object.key, 1})));
  EXPECT_TRUE(Ok(ExpectHolds(*store_, object)));
}

TEST_F(EngineStackTest, PuttingDoesNotFillTheCache) {
  Build(std::make_unique<MemoryStore>());
  ASSERT_TRUE(Ok(store_->PutMany(MakeBlobs(10, 1))));
  EXPECT_EQ(cache_.items(), 0u);
  EXPECT_EQ(metrics_.Take()[Counter::kL2Puts], 10u);
}

TEST_F(EngineStackTest, GetManyPassesByTheCache) {
  Build(std::make_unique<MemoryStore>());
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  metrics_.Take();
  int calls = 0;
  ASSERT_TRUE(Ok(store_->GetMany(KeysOf(objects), [&](size_t, std::optional<ByteView>) {
    ++calls;
    return Result<void>();
  })));
  EXPECT_EQ(calls, 10);
  EXPECT_EQ(cache_.items(), 0u);
  const Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Hits] + delta[Counter::kL1Misses], 0u);
  EXPECT_EQ(delta[Counter::kL2Gets], 10u);
}

TEST_F(EngineStackTest, SharedBytesAreThoseOfTheCache) {
  Build(std::make_unique<MemoryStore>());
  const Object object = MakeBlob(TextBytes(300, 1));
  PutBehindTheCache(object);
  const Result<std::shared_ptr<const Bytes>> first = store_->GetShared(object.key);
  ASSERT_TRUE(Ok(first));
  ASSERT_NE(*first, nullptr);
  EXPECT_EQ(**first, object.bytes);
  const Result<std::shared_ptr<const Bytes>> second = store_->GetShared(object.key);
  ASSERT_TRUE(Ok(second));
  EXPECT_EQ(*second, *first);
  EXPECT_EQ(*second, cache_.Peek(object.key));
  const Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], 1u);
  EXPECT_EQ(delta[Counter::kL1Hits], 1u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 1u);
}

TEST_F(EngineStackTest, DeletedObjectIsGoneFromTheCacheToo) {
  Build(std::make_unique<MemoryStore>());
  const Object object = MakeBlob("to be deleted");
  PutBehindTheCache(object);
  ASSERT_TRUE(Ok(ExpectHolds(*store_, object)));
  ASSERT_TRUE(Ok(store_->Delete({&object.key, 1})));
  EXPECT_EQ(cache_.items(), 0u);
  const Result<std::optional<Bytes>> absent = store_->Get(object.key);
  ASSERT_TRUE(Ok(absent));
  EXPECT_FALSE(absent->has_value());
}

TEST_F(EngineStackTest, L1DisabledReadsFromL2EveryTime) {
  ObjectCache none(0, &metrics_);
  CachedStore store(std::make_unique<MemoryStore>(), &none, &metrics_);
  const Object object = MakeBlob("not kept");
  ASSERT_TRUE(Ok(store.PutMany({&object, 1})));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Ok(ExpectHolds(store, object)));
  const Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Hits], 0u);
  EXPECT_EQ(delta[Counter::kL1Misses], 3u);
  EXPECT_EQ(delta[Counter::kL1Evictions], 0u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 3u);
  EXPECT_EQ(delta[Counter::kLazyRestorePromotions], 0u);
  EXPECT_EQ(none.items(), 0u);
  EXPECT_EQ(none.bytes(), 0u);
}

TEST_F(EngineStackTest, WhatL1HasNoRoomForIsNoPromotion) {
  ObjectCache small(1000, &metrics_);
  CachedStore store(std::make_unique<MemoryStore>(), &small, &metrics_);
  const Object fits = MakeBlob(TextBytes(1000 - ObjectCache::kItemOverheadBytes, 1));
  const Object too_large = MakeBlob(TextBytes(1001 - ObjectCache::kItemOverheadBytes, 2));
  for (const Object& object : {fits, too_large}) ASSERT_TRUE(Ok(store.PutMany({&object, 1})));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(Ok(ExpectHolds(store, fits)));
    EXPECT_TRUE(Ok(ExpectHolds(store, too_large)));
  }
  const Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 3u);
  EXPECT_EQ(delta[Counter::kLazyRestorePromotions], 1u);
}

// ---- Concurrent reads of one object ----

class ConcurrentReadTest : public EngineStackTest {
 protected:
  static constexpr size_t kThreads = 16;
  using Shared = Result<std::shared_ptr<const Bytes>>;

  ConcurrentReadTest() {
    auto backend = std::make_unique<GatedStore>();
    gate_ = backend.get();
    Build(std::move(backend));
  }
  ~ConcurrentReadTest() override { gate_->Open(); }

  // One reads and is held back; the others wait for it, all of them; then it goes on.
  std::vector<Shared> ReadFromAllAtOnce(CachedStore* store, GatedStore* gate,
                                        const ObjectKey& key) {
    std::vector<std::optional<Shared>> results(kThreads);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] { results[i].emplace(store->GetShared(key)); });
    }
    // The one that reads may be slower on its way than the others are.
    WaitUntil([&] { return store->waiting_reads() == kThreads - 1 && gate->reads() > 0; });
    EXPECT_EQ(gate->reads(), 1);
    gate->Open();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(store->waiting_reads(), 0u);
    std::vector<Shared> all;
    for (std::optional<Shared>& result : results) all.push_back(*std::move(result));
    return all;
  }

  GatedStore* gate_;
};

TEST_F(ConcurrentReadTest, ConcurrentPromotionReadsL2Once) {
  const Object object = MakeBlob(TextBytes(300, 1));
  PutBehindTheCache(object);
  const std::vector<Shared> results = ReadFromAllAtOnce(store_.get(), gate_, object.key);
  for (const Shared& result : results) {
    ASSERT_TRUE(Ok(result));
    ASSERT_NE(*result, nullptr);
    EXPECT_EQ(**result, object.bytes);
    EXPECT_EQ(*result, *results[0]);
  }
  EXPECT_EQ(gate_->reads(), 1);
  const Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], kThreads);
  EXPECT_EQ(delta[Counter::kL1Hits], 0u);
  EXPECT_EQ(delta[Counter::kL2Gets], 1u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 1u);
  EXPECT_EQ(delta[Counter::kLazyRestorePromotions], 1u);
  EXPECT_EQ(cache_.items(), 1u);
  EXPECT_EQ(cache_.bytes(), 300u);
}

TEST_F(ConcurrentReadTest, AreOneReadOfL2WithoutL1Too) {
  ObjectCache none(0, &metrics_);
  auto backend = std::make_unique<GatedStore>();
  GatedStore* const gate = backend.get();
  CachedStore store(std::move(backend), &none, &metrics_);
  const Object object = MakeBlob("not kept");
  ASSERT_TRUE(Ok(store.PutMany({&object, 1})));
  for (const Shared& result : ReadFromAllAtOnce(&store, gate, object.key)) {
    ASSERT_TRUE(Ok(result));
    ASSERT_NE(*result, nullptr);
    EXPECT_EQ(**result, object.bytes);
  }
  EXPECT_EQ(gate->reads(), 1);
  EXPECT_EQ(metrics_.Take()[Counter::kL1Misses], kThreads);
  EXPECT_EQ(none.items(), 0u);
}

TEST_F(ConcurrentReadTest, AllAreGivenTheErrorAndNobodyRemembersIt) {
  const Object object = MakeBlob("behind an error");
  PutBehindTheCache(object);
  gate_->FailWith(Error(ErrorCode::kFailed, "the medium failed", EIO));
  for (const Shared& result : ReadFromAllAtOnce(store_.get(), gate_, object.key)) {
    ASSERT_TRUE(Fails(result, ErrorCode::kFailed, "the medium failed"));
    EXPECT_EQ(result.error().os_error(), EIO);
  }
  EXPECT_EQ(gate_->reads(), 1);
  EXPECT_EQ(cache_.items(), 0u);
  const Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], kThreads);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 0u);

  gate_->FailWith(std::nullopt);
  EXPECT_TRUE(Ok(ExpectHolds(*store_, object)));
  EXPECT_EQ(gate_->reads(), 2);
}

// Who has published an object finds it, even if another began to look for it before.
TEST_F(ConcurrentReadTest, AbsenceThatAnotherSawIsAskedForAgain) {
  const Object object = MakeBlob("published meanwhile");
  std::optional<Shared> before;
  std::optional<Shared> after;
  std::thread early([&] { before.emplace(store_->GetShared(object.key)); });
  WaitUntil([&] { return gate_->reads() == 1; });
  ASSERT_TRUE(Ok(store_->PutMany({&object, 1})));
  std::thread late([&] { after.emplace(store_->GetShared(object.key)); });
  WaitUntil([&] { return store_->waiting_reads() == 1; });
  gate_->Open();
  early.join();
  late.join();
  ASSERT_TRUE(Ok(*before));
  EXPECT_EQ(**before, nullptr);
  ASSERT_TRUE(Ok(*after));
  ASSERT_NE(**after, nullptr);
  EXPECT_EQ(***after, object.bytes);
}

TEST_F(ConcurrentReadTest, ReadsOfDifferentObjectsDoNotWaitForEachOther) {
  const std::vector<Object> objects = MakeBlobs(4, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  std::vector<std::thread> threads;
  for (const Object& object : objects) {
    threads.emplace_back([&] { EXPECT_TRUE(Ok(ExpectHolds(*store_, object))); });
  }
  WaitUntil([&] { return gate_->reads() == 4; });  // all are in L2 at once
  EXPECT_EQ(store_->waiting_reads(), 0u);
  gate_->Open();
  for (std::thread& thread : threads) thread.join();
}

// No gate: whoever comes too late for the read finds the object in L1.
TEST_F(ConcurrentReadTest, EachObjectIsReadFromL2OnceWhateverTheOrder) {
  gate_->Open();
  const std::vector<Object> objects = MakeBlobs(200, 1);
  ASSERT_TRUE(Ok(store_->PutMany(objects)));
  metrics_.Take();
  std::atomic<uint64_t> wrong{0};
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (const Object& object : objects) wrong += ExpectHolds(*store_, object) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
  const Metrics delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Hits] + delta[Counter::kL1Misses], kThreads * objects.size());
  EXPECT_EQ(delta[Counter::kL2Gets], objects.size());
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], objects.size());
  EXPECT_EQ(delta[Counter::kLazyRestorePromotions], objects.size());
  EXPECT_EQ(cache_.items(), objects.size());
}

}  // namespace
}  // namespace helios

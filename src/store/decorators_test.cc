#include "store/decorators.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <thread>

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
  std::unique_ptr<ObjectStore> store_;
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
  EXPECT_EQ(cache_.items(), 1u);
  EXPECT_EQ(cache_.bytes(), 300u);

  ASSERT_TRUE(Ok(ExpectHolds(*store_, object)));
  delta = metrics_.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], 0u);
  EXPECT_EQ(delta[Counter::kL1Hits], 1u);
  EXPECT_EQ(delta[Counter::kL2Gets], 0u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 0u);
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

}  // namespace
}  // namespace helios

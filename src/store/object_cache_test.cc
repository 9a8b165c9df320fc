#include "store/object_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace helios {
namespace {

// A sixteenth of the budget belongs to each value of the digest's last byte modulo 16; with that
// byte fixed, a cache of 16 × 100 units is one least-recently-used list of 100 units. The unit is
// what an item takes besides its bytes, so that a value of n units has n − 1 units of bytes.
constexpr size_t kUnit = ObjectCache::kItemOverheadBytes;
ObjectKey KeyNumber(uint8_t number, uint8_t last_byte = 0) {
  Digest digest;
  digest.bytes[0] = number;
  digest.bytes[31] = last_byte;
  return {ObjectKind::kBlob, digest};
}
ObjectCache::Value ValueOf(size_t units) {
  return std::make_shared<const Bytes>((units - 1) * kUnit, 'x');
}
size_t UnitsIn(ObjectCache& cache) {
  EXPECT_EQ(cache.bytes() % kUnit, 0u);
  return cache.bytes() / kUnit + cache.items();
}

class ObjectCacheTest : public ::testing::Test {
 protected:
  void Expect(uint64_t hits, uint64_t misses, uint64_t evictions) {
    const Metrics delta = metrics_.Take();
    sum_.Merge(delta);
    EXPECT_EQ(sum_[Counter::kL1Hits], hits);
    EXPECT_EQ(sum_[Counter::kL1Misses], misses);
    EXPECT_EQ(sum_[Counter::kL1Evictions], evictions);
  }

  MetricsRecorder metrics_;
  Metrics sum_;
  ObjectCache cache_{1600 * kUnit, &metrics_};
};

TEST_F(ObjectCacheTest, CountsAMissThenAHit) {
  EXPECT_EQ(cache_.Get(KeyNumber(1)), nullptr);
  Expect(0, 1, 0);
  const ObjectCache::Value value = ValueOf(40);
  cache_.Put(KeyNumber(1), value);
  Expect(0, 1, 0);  // putting is neither
  EXPECT_EQ(cache_.Get(KeyNumber(1)), value);
  EXPECT_EQ(cache_.Get(KeyNumber(1)), value);
  Expect(2, 1, 0);
  EXPECT_EQ(cache_.Get(KeyNumber(2)), nullptr);
  Expect(2, 2, 0);
}

TEST_F(ObjectCacheTest, TellsItemsAndBytes) {
  EXPECT_EQ(cache_.items(), 0u);
  EXPECT_EQ(UnitsIn(cache_), 0u);
  cache_.Put(KeyNumber(1), ValueOf(40));
  cache_.Put(KeyNumber(2), ValueOf(30));
  cache_.Put(KeyNumber(3, 7), ValueOf(90));
  EXPECT_EQ(cache_.items(), 3u);
  EXPECT_EQ(UnitsIn(cache_), 160u);
}

TEST_F(ObjectCacheTest, EvictsOldestWhenOverByteBudget) {
  cache_.Put(KeyNumber(1), ValueOf(40));
  cache_.Put(KeyNumber(2), ValueOf(40));
  EXPECT_EQ(UnitsIn(cache_), 80u);
  cache_.Put(KeyNumber(3), ValueOf(40));  // 120 > 100: number 1 goes
  EXPECT_EQ(cache_.items(), 2u);
  EXPECT_EQ(UnitsIn(cache_), 80u);
  Expect(0, 0, 1);
  EXPECT_EQ(cache_.Get(KeyNumber(1)), nullptr);
  EXPECT_NE(cache_.Get(KeyNumber(2)), nullptr);
  EXPECT_NE(cache_.Get(KeyNumber(3)), nullptr);
  Expect(2, 1, 1);
}

TEST_F(ObjectCacheTest, FillsTheBudgetToTheLastByte) {
  cache_.Put(KeyNumber(1), ValueOf(60));
  cache_.Put(KeyNumber(2), ValueOf(40));
  EXPECT_EQ(cache_.items(), 2u);
  EXPECT_EQ(UnitsIn(cache_), 100u);
  Expect(0, 0, 0);
  cache_.Put(KeyNumber(3), ValueOf(1));
  EXPECT_EQ(cache_.items(), 2u);
  EXPECT_EQ(UnitsIn(cache_), 41u);
  Expect(0, 0, 1);
}

TEST_F(ObjectCacheTest, ReadingMakesRecent) {
  cache_.Put(KeyNumber(1), ValueOf(40));
  cache_.Put(KeyNumber(2), ValueOf(40));
  EXPECT_NE(cache_.Get(KeyNumber(1)), nullptr);
  cache_.Put(KeyNumber(3), ValueOf(40));  // number 2 is the oldest now
  EXPECT_NE(cache_.Get(KeyNumber(1)), nullptr);
  EXPECT_EQ(cache_.Get(KeyNumber(2)), nullptr);
  EXPECT_NE(cache_.Get(KeyNumber(3)), nullptr);
}

TEST_F(ObjectCacheTest, EvictsInOrderOfLastUse) {
  for (uint8_t i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  for (const int i : {7, 3, 9, 0}) {
    EXPECT_NE(cache_.Get(KeyNumber(static_cast<uint8_t>(i))), nullptr);
  }
  // Six untouched ones in the order they came, then the four in the order they were read.
  const uint8_t order[] = {1, 2, 4, 5, 6, 8, 7, 3, 9, 0};
  for (uint8_t i = 0; i < 10; ++i) {
    cache_.Put(KeyNumber(static_cast<uint8_t>(100 + i)), ValueOf(10));
    Metrics delta = metrics_.Take();
    EXPECT_EQ(delta[Counter::kL1Evictions], 1u);
    EXPECT_EQ(cache_.Get(KeyNumber(order[i])), nullptr) << "round " << int{i};
    EXPECT_EQ(cache_.items(), 10u);
  }
}

TEST_F(ObjectCacheTest, OneLargeObjectEvictsManySmallOnes) {
  for (uint8_t i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  cache_.Put(KeyNumber(50), ValueOf(75));  // leaves room for two of ten units
  EXPECT_EQ(cache_.items(), 3u);
  EXPECT_EQ(UnitsIn(cache_), 95u);
  Expect(0, 0, 8);
}

TEST_F(ObjectCacheTest, NeverKeepsAnObjectLargerThanItsShare) {
  cache_.Put(KeyNumber(1), ValueOf(40));
  cache_.Put(KeyNumber(2), ValueOf(101));
  EXPECT_EQ(cache_.Get(KeyNumber(2)), nullptr);
  EXPECT_NE(cache_.Get(KeyNumber(1)), nullptr);  // and it pushes nothing out
  EXPECT_EQ(UnitsIn(cache_), 40u);
  Expect(1, 1, 0);
  cache_.Put(KeyNumber(3), ValueOf(100));  // just fits, alone
  EXPECT_NE(cache_.Get(KeyNumber(3)), nullptr);
  EXPECT_EQ(cache_.items(), 1u);
  EXPECT_EQ(UnitsIn(cache_), 100u);
}

TEST_F(ObjectCacheTest, CapacityZeroKeepsNothing) {
  ObjectCache none(0, &metrics_);
  none.Put(KeyNumber(1), ValueOf(1));
  none.Put(KeyNumber(2), std::make_shared<const Bytes>());
  EXPECT_EQ(none.Get(KeyNumber(1)), nullptr);
  EXPECT_EQ(none.Get(KeyNumber(2)), nullptr);
  EXPECT_EQ(none.items(), 0u);
  EXPECT_EQ(none.bytes(), 0u);
  Expect(0, 2, 0);
}

TEST_F(ObjectCacheTest, PuttingAgainChangesNothing) {
  const ObjectCache::Value first = ValueOf(40);
  cache_.Put(KeyNumber(1), first);
  cache_.Put(KeyNumber(1), ValueOf(40));
  EXPECT_EQ(cache_.items(), 1u);
  EXPECT_EQ(UnitsIn(cache_), 40u);
  EXPECT_EQ(cache_.Get(KeyNumber(1)), first);
  Expect(1, 0, 0);
}

TEST_F(ObjectCacheTest, KeepsZeroByteObjects) {
  cache_.Put(KeyNumber(1), std::make_shared<const Bytes>());
  ASSERT_NE(cache_.Get(KeyNumber(1)), nullptr);
  EXPECT_TRUE(cache_.Get(KeyNumber(1))->empty());
  EXPECT_EQ(cache_.items(), 1u);
  EXPECT_EQ(cache_.bytes(), 0u);
}

TEST_F(ObjectCacheTest, ManyTinyObjectsStayWithinTheBudgetToo) {
  const auto empty = std::make_shared<const Bytes>();
  for (size_t i = 0; i < 1000; ++i) {
    ObjectKey key = KeyNumber(static_cast<uint8_t>(i));
    key.digest.bytes[1] = static_cast<uint8_t>(i >> 8);
    cache_.Put(key, empty);
  }
  EXPECT_EQ(cache_.items(), 100u);
  Expect(0, 0, 900);
}

TEST_F(ObjectCacheTest, SameDigestOfTwoKindsAreTwoItems) {
  const ObjectKey blob = KeyNumber(1);
  const ObjectKey tree(ObjectKind::kTree, blob.digest);
  cache_.Put(blob, ValueOf(10));
  EXPECT_EQ(cache_.Get(tree), nullptr);
  cache_.Put(tree, ValueOf(20));
  EXPECT_EQ(cache_.Get(blob)->size(), 9 * kUnit);
  EXPECT_EQ(cache_.Get(tree)->size(), 19 * kUnit);
}

TEST_F(ObjectCacheTest, EvictedValueLivesOnInTheHandsOfItsReader) {
  cache_.Put(KeyNumber(1), ValueOf(80));
  const ObjectCache::Value held = cache_.Get(KeyNumber(1));
  cache_.Put(KeyNumber(2), ValueOf(80));
  EXPECT_EQ(cache_.Get(KeyNumber(1)), nullptr);
  ASSERT_NE(held, nullptr);
  EXPECT_EQ(*held, Bytes(79 * kUnit, 'x'));
}

TEST_F(ObjectCacheTest, CountsExactlyFromManyThreads) {
  constexpr uint64_t kThreads = 8;
  constexpr uint64_t kRounds = 5000;
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      uint64_t state = thread;
      for (uint64_t round = 0; round < kRounds; ++round) {
        state = state * 6364136223846793005 + 1442695040888963407;
        // 60 objects of 10 units compete for four shares of 100.
        const auto number = static_cast<uint8_t>(state >> 33);
        const ObjectKey key = KeyNumber(number % 15, number % 4);
        if (cache_.Get(key) != nullptr) {
          ++hits;
        } else {
          ++misses;
          cache_.Put(key, ValueOf(10));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Metrics counted = metrics_.Take();
  EXPECT_EQ(counted[Counter::kL1Hits], hits);
  EXPECT_EQ(counted[Counter::kL1Misses], misses);
  EXPECT_EQ(hits + misses, kThreads * kRounds);
  EXPECT_EQ(UnitsIn(cache_), 10 * cache_.items());
  EXPECT_LE(UnitsIn(cache_), 400u);
  // Every item came by a miss, and left by an eviction if it is not there any more; of two threads
  // that missed the same key only one put it.
  EXPECT_LE(counted[Counter::kL1Evictions] + cache_.items(), misses);
  EXPECT_GT(counted[Counter::kL1Evictions], 0u);
}

}  // namespace
}  // namespace helios

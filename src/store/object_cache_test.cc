#include "store/object_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "store/testing.h"

namespace helios {
namespace {

// A sixteenth of the budget belongs to each value of the digest's last byte modulo 16; with that
// byte fixed, a cache of 16 × 100 units is one pair of queues of 100 units, 10 of them the small
// queue's. The unit is what an item takes besides its bytes, so that a value of n units has n − 1
// units of bytes.
constexpr size_t kUnit = ObjectCache::kItemOverheadBytes;
ObjectKey KeyNumber(int number, int last_byte = 0) {
  Digest digest;
  digest.bytes[0] = static_cast<uint8_t>(number);
  digest.bytes[31] = static_cast<uint8_t>(last_byte);
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
  // Reads as often as it takes to outlive the small queue.
  void Use(const ObjectKey& key) {
    for (int i = 0; i < 2; ++i) EXPECT_NE(cache_.Get(key), nullptr);
  }
  bool Holds(const ObjectKey& key) { return cache_.Peek(key) != nullptr; }

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

TEST_F(ObjectCacheTest, WhatWasReadAtMostOnceGoesInTheOrderItCame) {
  for (int i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  for (const int i : {7, 3, 9, 0}) EXPECT_NE(cache_.Get(KeyNumber(i)), nullptr);
  for (int i = 0; i < 10; ++i) {
    cache_.Put(KeyNumber(100 + i), ValueOf(10));
    EXPECT_FALSE(Holds(KeyNumber(i)));
    EXPECT_EQ(cache_.items(), 10u);
  }
  Expect(4, 0, 10);
}

TEST_F(ObjectCacheTest, WhatWasReadTwiceOutlivesItsQueue) {
  for (int i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  Use(KeyNumber(0));
  cache_.Put(KeyNumber(100), ValueOf(10));  // 0 moves on, 1 goes
  EXPECT_TRUE(Holds(KeyNumber(0)));
  EXPECT_FALSE(Holds(KeyNumber(1)));
  for (int i = 101; i < 120; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  EXPECT_TRUE(Holds(KeyNumber(0)));
  Expect(2, 0, 20);
}

TEST_F(ObjectCacheTest, PeekingIsNoUse) {
  for (int i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  for (int i = 0; i < 5; ++i) EXPECT_NE(cache_.Peek(KeyNumber(0)), nullptr);
  EXPECT_EQ(cache_.Peek(KeyNumber(50)), nullptr);
  cache_.Put(KeyNumber(100), ValueOf(10));
  EXPECT_FALSE(Holds(KeyNumber(0)));
  Expect(0, 0, 1);
}

// Whoever comes back soon after it went goes into the main queue, where one-time objects do not
// reach it.
TEST_F(ObjectCacheTest, ComesBackIntoTheMainQueue) {
  for (int i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  cache_.Put(KeyNumber(10), ValueOf(10));  // 0 goes
  EXPECT_FALSE(Holds(KeyNumber(0)));
  cache_.Put(KeyNumber(0), ValueOf(10));  // 1 goes
  for (int i = 100; i < 120; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  EXPECT_TRUE(Holds(KeyNumber(0)));
  EXPECT_EQ(cache_.items(), 10u);
}

// With ten items, ten that went are remembered.
TEST_F(ObjectCacheTest, RemembersAsManyThatWentAsThereAreItems) {
  for (const int later : {9, 10}) {
    ObjectCache cache(1600 * kUnit, &metrics_);
    for (int i = 0; i < 11; ++i) cache.Put(KeyNumber(i), ValueOf(10));  // 0 went
    for (int i = 0; i < later; ++i) {
      cache.Put(KeyNumber(50 + i), ValueOf(10));
    }
    cache.Put(KeyNumber(0), ValueOf(10));
    for (int i = 100; i < 120; ++i) cache.Put(KeyNumber(i), ValueOf(10));
    EXPECT_EQ(cache.Peek(KeyNumber(0)) != nullptr, later == 9) << later;
  }
}

TEST_F(ObjectCacheTest, MainQueueLetsGoOfWhatIsNoLongerUsed) {
  for (int i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  for (int i = 0; i < 10; ++i) Use(KeyNumber(i));
  // Nine move on, the tenth is within the small queue's part.
  cache_.Put(KeyNumber(50), ValueOf(10));
  EXPECT_EQ(cache_.items(), 10u);
  Expect(20, 0, 1);
  EXPECT_FALSE(Holds(KeyNumber(0)));  // the first that had moved on
  EXPECT_TRUE(Holds(KeyNumber(9)));
}

// 80 of 100 units are hot; 500 units pass by. A least-recently-used list keeps nothing of that.
TEST_F(ObjectCacheTest, ScanDoesNotEvictTheHotSet) {
  for (int i = 0; i < 8; ++i) {
    cache_.Put(KeyNumber(i), ValueOf(10));
    Use(KeyNumber(i));
  }
  for (int i = 100; i < 200; ++i) {
    EXPECT_EQ(cache_.Get(KeyNumber(i)), nullptr);
    cache_.Put(KeyNumber(i), ValueOf(5));
  }
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(Holds(KeyNumber(i))) << i;
  Expect(16, 100, 96);  // of the scan the last four remain: 80 + 4 × 5 units
  EXPECT_EQ(UnitsIn(cache_), 100u);
}

TEST_F(ObjectCacheTest, OneLargeObjectEvictsManySmallOnes) {
  for (int i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  cache_.Put(KeyNumber(50), ValueOf(75));  // leaves room for two of ten units
  EXPECT_EQ(cache_.items(), 3u);
  EXPECT_EQ(UnitsIn(cache_), 95u);
  Expect(0, 0, 8);
}

TEST_F(ObjectCacheTest, KeepsTwoItemsThatAreLargerThanTheirShare) {
  cache_.Put(KeyNumber(1), ValueOf(40));
  cache_.Put(KeyNumber(2), ValueOf(300));
  EXPECT_EQ(UnitsIn(cache_), 340u);
  cache_.Put(KeyNumber(3), ValueOf(500));  // 1 goes, as the older of the two
  EXPECT_EQ(UnitsIn(cache_), 800u);
  EXPECT_TRUE(Holds(KeyNumber(2)));
  EXPECT_TRUE(Holds(KeyNumber(3)));
  cache_.Put(KeyNumber(4), ValueOf(10));  // 2 goes; the minimum is a minimum, not a reserve
  EXPECT_EQ(UnitsIn(cache_), 510u);
  cache_.Put(KeyNumber(5), ValueOf(10));  // 3 goes
  cache_.Put(KeyNumber(6), ValueOf(10));  // nobody goes: 30 units
  EXPECT_EQ(UnitsIn(cache_), 30u);
  Expect(0, 0, 3);
}

TEST_F(ObjectCacheTest, NeverKeepsAnObjectLargerThanTheWholeBudget) {
  cache_.Put(KeyNumber(1), ValueOf(40));
  cache_.Put(KeyNumber(2), ValueOf(1601));
  EXPECT_EQ(cache_.Get(KeyNumber(2)), nullptr);
  EXPECT_NE(cache_.Get(KeyNumber(1)), nullptr);  // and it pushes nothing out
  EXPECT_EQ(UnitsIn(cache_), 40u);
  cache_.Put(KeyNumber(3), ValueOf(1600));  // just fits
  EXPECT_NE(cache_.Get(KeyNumber(3)), nullptr);
  EXPECT_EQ(UnitsIn(cache_), 1640u);
  Expect(2, 1, 0);
}

TEST_F(ObjectCacheTest, CapacityZeroKeepsNothing) {
  ObjectCache none(0, &metrics_);
  none.Put(KeyNumber(1), ValueOf(1));
  none.Put(KeyNumber(2), std::make_shared<const Bytes>());
  EXPECT_EQ(none.Get(KeyNumber(1)), nullptr);
  EXPECT_EQ(none.Get(KeyNumber(2)), nullptr);
  EXPECT_EQ(none.Peek(KeyNumber(1)), nullptr);
  none.Erase(KeyNumber(1));
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

TEST_F(ObjectCacheTest, PuttingAgainIsNoUse) {
  for (int i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  for (int i = 0; i < 5; ++i) cache_.Put(KeyNumber(0), ValueOf(10));
  cache_.Put(KeyNumber(100), ValueOf(10));
  EXPECT_FALSE(Holds(KeyNumber(0)));
}

TEST_F(ObjectCacheTest, ErasedItemIsGoneAndCanBePutAnew) {
  cache_.Put(KeyNumber(1), ValueOf(40));
  cache_.Put(KeyNumber(2), ValueOf(30));
  Use(KeyNumber(1));
  cache_.Erase(KeyNumber(1));
  cache_.Erase(KeyNumber(3));  // not there: nothing happens
  EXPECT_FALSE(Holds(KeyNumber(1)));
  EXPECT_EQ(UnitsIn(cache_), 30u);
  const ObjectCache::Value again = ValueOf(20);
  cache_.Put(KeyNumber(1), again);
  EXPECT_EQ(cache_.Get(KeyNumber(1)), again);
  EXPECT_EQ(UnitsIn(cache_), 50u);
  Expect(3, 0, 0);  // erasing is no eviction
}

TEST_F(ObjectCacheTest, ErasesFromTheMiddleOfBothQueues) {
  for (int i = 0; i < 10; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  for (const int i : {0, 1, 2}) Use(KeyNumber(i));
  cache_.Put(KeyNumber(50), ValueOf(10));  // 0, 1 and 2 move on, 3 goes
  for (const int i : {1, 6, 50, 0, 4}) cache_.Erase(KeyNumber(i));
  EXPECT_EQ(cache_.items(), 5u);
  EXPECT_EQ(UnitsIn(cache_), 50u);
  for (int i = 100; i < 110; ++i) cache_.Put(KeyNumber(i), ValueOf(10));
  EXPECT_TRUE(Holds(KeyNumber(2)));
  for (const int i : {5, 7, 8, 9, 100}) EXPECT_FALSE(Holds(KeyNumber(i))) << i;
  EXPECT_EQ(UnitsIn(cache_), 100u);
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
  cache_.Put(KeyNumber(3), ValueOf(80));
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

TEST_F(ObjectCacheTest, ConcurrentIdempotentPuts) {
  constexpr int kKeys = 60;
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 16; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < kKeys; ++i) taken += cache_.Put(KeyNumber(i, i), ValueOf(10)) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kKeys) << "each key is put by one of them";
  EXPECT_EQ(cache_.items(), 60u);
  EXPECT_EQ(UnitsIn(cache_), 600u);
  Expect(0, 0, 0);
}

TEST_F(ObjectCacheTest, StaysWholeUnderPutsReadsAndErasesFromManyThreads) {
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      test::Random random(thread);
      for (int round = 0; round < 5000; ++round) {
        const ObjectKey key = KeyNumber(static_cast<uint8_t>(random.Below(40)));
        const size_t action = random.Below(10);
        if (action == 0) {
          cache_.Erase(key);
        } else if (action < 4) {
          cache_.Put(key, ValueOf(10));
        } else {
          const ObjectCache::Value value = cache_.Get(key);
          EXPECT_TRUE(value == nullptr || value->size() == 9 * kUnit);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(UnitsIn(cache_), 10 * cache_.items());
  EXPECT_LE(cache_.items(), 10u);
  // Whatever the order was, the gauges come back to nothing.
  for (int i = 0; i < 40; ++i) cache_.Erase(KeyNumber(i));
  EXPECT_EQ(cache_.items(), 0u);
  EXPECT_EQ(cache_.bytes(), 0u);
}

// ---- Against a model ----

// S3-FIFO as the paper has it, in the plainest form: three lists, searched from end to end.
class Model {
 public:
  explicit Model(size_t budget) : budget_(budget) {}

  bool Get(uint8_t number) {
    for (List* list : {&small_, &main_}) {
      for (Entry& entry : *list) {
        if (entry.number != number) continue;
        entry.uses = std::min(entry.uses + 1, 3);
        return true;
      }
    }
    return false;
  }
  void Put(uint8_t number, size_t units) {
    if (units > budget_ * ObjectCache::kShards || Has(number)) return;
    while (items() >= ObjectCache::kItemsMin && this->units() + units > budget_) MakeRoom();
    const auto ghost = std::find(ghosts_.begin(), ghosts_.end(), number);
    if (ghost != ghosts_.end()) *ghost = std::nullopt;
    (ghost != ghosts_.end() ? main_ : small_).push_back({number, units, 0});
    Trim();
  }
  void Erase(uint8_t number) {
    for (List* list : {&small_, &main_}) {
      std::erase_if(*list, [&](const Entry& entry) { return entry.number == number; });
    }
    Trim();
  }

  size_t items() const { return small_.size() + main_.size(); }
  size_t units() const { return Units(small_) + Units(main_); }
  uint64_t evictions() const { return evictions_; }

 private:
  struct Entry {
    uint8_t number;
    size_t units;
    int uses;
  };
  using List = std::deque<Entry>;

  static size_t Units(const List& list) {
    size_t sum = 0;
    for (const Entry& entry : list) sum += entry.units;
    return sum;
  }
  bool Has(uint8_t number) const {
    const auto is_it = [&](const Entry& entry) { return entry.number == number; };
    return std::any_of(small_.begin(), small_.end(), is_it) ||
           std::any_of(main_.begin(), main_.end(), is_it);
  }
  void MakeRoom() {
    const bool from_small = Units(small_) * 10 > budget_ || main_.empty();
    List& list = from_small ? small_ : main_;
    Entry oldest = list.front();
    list.pop_front();
    if (oldest.uses >= (from_small ? 2 : 1)) {
      oldest.uses = from_small ? 0 : oldest.uses - 1;
      main_.push_back(oldest);
      return;
    }
    if (from_small) ghosts_.emplace_back(oldest.number);
    ++evictions_;
  }
  void Trim() {
    while (ghosts_.size() > items()) ghosts_.pop_front();
  }

  const size_t budget_;
  List small_;
  List main_;
  std::deque<std::optional<uint8_t>> ghosts_;  // without a value: came back
  uint64_t evictions_ = 0;
};

// Numbers near zero come often; sizes are mostly small and sometimes beyond the share or the whole.
void RunAgainstModel(uint64_t seed) {
  test::Random random(seed);
  MetricsRecorder metrics;
  ObjectCache cache(1600 * kUnit, &metrics);
  Model model(100);
  uint64_t hits = 0;
  uint64_t misses = 0;
  for (int step = 0; step < 3000; ++step) {
    const auto number = static_cast<uint8_t>(random.Below(1 + random.Below(100)));
    const size_t action = random.Below(100);
    if (action < 2) {
      cache.Erase(KeyNumber(number));
      model.Erase(number);
    } else if (const bool hit = model.Get(number); true) {
      ASSERT_EQ(cache.Get(KeyNumber(number)) != nullptr, hit) << "step " << step;
      ++(hit ? hits : misses);
      const size_t units = action < 4 ? 90 + random.Below(2000) : 1 + random.Below(12);
      cache.Put(KeyNumber(number), ValueOf(units));
      model.Put(number, units);
    }
    ASSERT_EQ(cache.items(), model.items()) << "step " << step;
    ASSERT_EQ(UnitsIn(cache), model.units()) << "step " << step;
  }
  const Metrics counted = metrics.Take();
  EXPECT_EQ(counted[Counter::kL1Hits], hits);
  EXPECT_EQ(counted[Counter::kL1Misses], misses);
  EXPECT_EQ(counted[Counter::kL1Evictions], model.evictions());
  EXPECT_GT(hits, 100u);
  EXPECT_GT(model.evictions(), 100u);
}

TEST(ObjectCacheModelTest, DoesWhatTheModelDoes) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_NO_FATAL_FAILURE(RunAgainstModel(seed));
  }
}

}  // namespace
}  // namespace helios

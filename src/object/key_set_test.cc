#include "object/key_set.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "object/hash.h"
#include "object/testing.h"

namespace helios {
namespace {

RC_GTEST_PROP(KeySet, HoldsWhatASetHolds, ()) {
  KeySet keys;
  std::set<ObjectKey> model;
  // Few digests, so that many come again: zeros, and some that differ in their last byte alone.
  for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4000))) {
    Digest digest;
    digest.bytes.back() = static_cast<uint8_t>(step % 200);
    const ObjectKey key(static_cast<ObjectKind>(1 + step % 5), digest);
    RC_ASSERT(keys.Contains(key) == (model.count(key) > 0));
    RC_ASSERT(keys.Insert(key) == model.insert(key).second);
    RC_ASSERT(keys.Contains(key));
  }
  RC_ASSERT(keys.size() == model.size());
}

TEST(KeySet, EveryKeyIsNewToOneOfManyThreads) {
  KeySet keys;
  std::vector<ObjectKey> all;
  for (int i = 0; i < 20'000; ++i) all.emplace_back(HashBlob(std::to_string(i)));
  std::atomic<size_t> inserted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (const ObjectKey& key : all) inserted += keys.Insert(key) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(inserted, all.size());
  EXPECT_EQ(keys.size(), all.size());
  for (const ObjectKey& key : all) EXPECT_TRUE(keys.Contains(key));
  EXPECT_FALSE(keys.Contains(TreeId{all[0].digest})) << "a key is more than its digest";
}

}  // namespace
}  // namespace helios

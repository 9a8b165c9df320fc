// L1: objects in memory.
#ifndef HELIOS_STORE_OBJECT_CACHE_H_
#define HELIOS_STORE_OBJECT_CACHE_H_

#include <array>
#include <list>
#include <memory>
#include <unordered_map>

#include "base/metrics_recorder.h"
#include "base/mutex.h"
#include "helios/ids.h"

namespace helios {

// Invariants, for each shard: `bytes` is the sum of the sizes in `recent`; every item of `recent`
// is found through `items` and the reverse; the least recently used item is at the back. The budget
// covers what the items take in memory: their bytes, and kItemOverheadBytes for each. An object
// that is larger with it than a shard's budget is never cached. Capacity 0 stores nothing: every
// Get is a miss.
//
// Thread-safe. Hits, misses and evictions are counted exactly.
class ObjectCache {
 public:
  using Value = std::shared_ptr<const Bytes>;
  // What an item takes besides its bytes: a node of the list (80 bytes with what malloc adds), one
  // of the table (80) and its share of the buckets (16), the string with its reference count (64)
  // and the heap's word for its bytes (16). glibc on 64 bits; others differ little.
  static constexpr size_t kItemOverheadBytes = 256;

  ObjectCache(size_t bytes_max, MetricsRecorder* metrics)
      : shard_bytes_max_(bytes_max / kShards), metrics_(metrics) {}

  // nullptr is a miss.
  Value Get(const ObjectKey& key);
  void Put(const ObjectKey& key, Value value);

  void Erase(const ObjectKey& key);

  // Gauges of this process. Bytes are those of the objects, without overhead.
  uint64_t items();
  uint64_t bytes();

 private:
  static constexpr size_t kShards = 16;
  struct Item {
    ObjectKey key;
    Value value;
  };
  struct Shard {
    Mutex mutex;
    std::list<Item> recent HELIOS_GUARDED_BY(mutex);
    std::unordered_map<ObjectKey, std::list<Item>::iterator, ObjectKeyHash> items
        HELIOS_GUARDED_BY(mutex);
    size_t bytes HELIOS_GUARDED_BY(mutex) = 0;
  };
  Shard& ShardOf(const ObjectKey& key) { return shards_[key.digest.bytes[31] % kShards]; }

  const size_t shard_bytes_max_;
  MetricsRecorder* const metrics_;
  std::array<Shard, kShards> shards_;
};

}  // namespace helios

#endif  // HELIOS_STORE_OBJECT_CACHE_H_

// L1: objects in memory.
#ifndef HELIOS_STORE_OBJECT_CACHE_H_
#define HELIOS_STORE_OBJECT_CACHE_H_

#include <memory>

#include "base/metrics_recorder.h"
#include "helios/ids.h"

namespace helios {

// Keeps what is read again and lets go of what is read once: S3-FIFO (Yang, Zhang, Qiu, Yue,
// Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023), in kShards parts that
// share the budget and nothing else.
//
// The budget covers what the items take in memory: their bytes, and kItemOverheadBytes for each. An
// object that is larger with it than the whole budget is never cached, so capacity 0 stores
// nothing: every Get is a miss.
//
// Thread-safe. Hits, misses and evictions are counted exactly: each Get is one hit or one miss.
class ObjectCache {
 public:
  using Value = std::shared_ptr<const Bytes>;
  static constexpr size_t kShards = 16;
  // What an item takes besides its bytes: a node of the table (112 bytes with what malloc adds),
  // its share of the buckets (12), the string with its reference count (64) and the heap's word for
  // its bytes (16), and a remembered id of an item that left (52). glibc on 64 bits; others differ
  // little.
  static constexpr size_t kItemOverheadBytes = 256;
  // So many items of a shard stay, however large they are. A shard's share of a small budget is
  // less than an object may have, and without this every range read from a large chunk would
  // decompress the chunk anew; two, for a range that begins in one chunk and ends in the next.
  static constexpr size_t kItemsMin = 2;

  ObjectCache(size_t bytes_max, MetricsRecorder* metrics);
  ~ObjectCache();
  ObjectCache(const ObjectCache&) = delete;
  ObjectCache& operator=(const ObjectCache&) = delete;

  // nullptr is a miss.
  Value Get(const ObjectKey& key);
  // As Get, but neither counted nor taken for a use.
  Value Peek(const ObjectKey& key);
  // A key always means the same bytes: putting one that is there changes nothing. False if nothing
  // was put: it is there already, or larger than the whole budget.
  bool Put(const ObjectKey& key, Value value);
  // For an object that is gone from L2 or must be read again. Not an eviction.
  void Erase(const ObjectKey& key);

  // Gauges of this process. Bytes are those of the objects, without overhead.
  uint64_t items();
  uint64_t bytes();

 private:
  class Shard;
  Shard& ShardOf(const ObjectKey& key);

  const size_t bytes_max_;
  MetricsRecorder* const metrics_;
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace helios

#endif  // HELIOS_STORE_OBJECT_CACHE_H_

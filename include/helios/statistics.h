// What Helios counts. Counters only grow and histograms have fixed buckets, so that the figures of
// many processes add up: each process adds its own to the store with every operation it finishes.
#ifndef HELIOS_STATISTICS_H_
#define HELIOS_STATISTICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace helios {

// Stored by position: new ones go before kCount, none is ever moved or removed.
enum class Counter : uint8_t {
  kCommits,
  kCommitsUnchanged,  // commits that found nothing new
  kRestores,
  kMaterializes,
  kDiffs,
  kL1Hits,
  kL1Misses,  // those too who waited for another's read of the same object
  kL1Evictions,
  kFirstReadFromL2,        // objects read from L2 after a miss; once, however many waited for it
  kLazyRestorePromotions,  // of those, the ones put into L1
  kNewObjects,
  kNewBytes,  // before compression
  kReusedObjects,
  kReusedBytes,
  kFilesScanned,
  kFilesHashed,  // files whose content was read by a scan
  kBytesHashed,
  kFilesWritten,  // by restore and materialize
  kBytesWritten,
  kL2Gets,
  kL2GetBytes,
  kL2Puts,
  kL2PutBytes,
  kCollections,
  kCollectedObjects,
  kCollectedBytes,  // given back, on disk
  kCount
};

enum class Latency : uint8_t { kCommit, kRestore, kMaterialize, kL2Get, kL2Put, kCount };

// "commits", "l1_hits", …: the names that JSON and Prometheus use.
std::string_view CounterName(Counter counter);
std::string_view LatencyName(Latency latency);

// How often something took how long, in microseconds: four buckets per power of two.
struct Histogram {
  static constexpr size_t kBuckets = 128;
  std::array<uint64_t, kBuckets> buckets{};
  uint64_t count = 0;
  uint64_t sum_us = 0;

  static size_t BucketOf(uint64_t us);
  // The smallest value that falls into the bucket.
  static uint64_t BucketStart(size_t bucket);
  void Add(uint64_t us);
  void Merge(const Histogram& other);
  // The value that the fraction `q` (0 to 1) of all samples does not exceed, as exactly as the
  // buckets tell; 0 without samples.
  uint64_t Quantile(double q) const;
  friend bool operator==(const Histogram&, const Histogram&) = default;
};

struct Metrics {
  std::array<uint64_t, static_cast<size_t>(Counter::kCount)> counters{};
  std::array<Histogram, static_cast<size_t>(Latency::kCount)> latencies{};

  uint64_t operator[](Counter counter) const { return counters[static_cast<size_t>(counter)]; }
  const Histogram& operator[](Latency latency) const {
    return latencies[static_cast<size_t>(latency)];
  }
  void Merge(const Metrics& other);
  friend bool operator==(const Metrics&, const Metrics&) = default;
};

}  // namespace helios

#endif  // HELIOS_STATISTICS_H_

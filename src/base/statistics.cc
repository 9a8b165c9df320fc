#include "helios/statistics.h"

#include <algorithm>
#include <bit>

namespace helios {

std::string_view CounterName(Counter counter) {
  static constexpr std::array<std::string_view, static_cast<size_t>(Counter::kCount)> kNames = {
      "commits",
      "commits_unchanged",
      "restores",
      "materializes",
      "diffs",
      "l1_hits",
      "l1_misses",
      "l1_evictions",
      "first_read_from_l2_total",
      "lazy_restore_promotions",
      "new_objects",
      "new_bytes",
      "reused_objects",
      "reused_bytes",
      "files_scanned",
      "files_hashed",
      "bytes_hashed",
      "files_written",
      "bytes_written",
      "l2_gets",
      "l2_get_bytes",
      "l2_puts",
      "l2_put_bytes",
      "collections",
      "collected_objects",
      "collected_bytes"};
  return kNames[static_cast<size_t>(counter)];
}

std::string_view LatencyName(Latency latency) {
  static constexpr std::array<std::string_view, static_cast<size_t>(Latency::kCount)> kNames = {
      "commit", "restore", "materialize", "l2_get", "l2_put"};
  return kNames[static_cast<size_t>(latency)];
}

// Values 0 to 3 have a bucket each; above, the exponent and the two bits below the leading one.
size_t Histogram::BucketOf(uint64_t us) {
  if (us < 4) return static_cast<size_t>(us);
  const auto exponent = static_cast<int>(std::bit_width(us)) - 1;
  const auto quarter = static_cast<size_t>(us >> (exponent - 2)) & 3;
  return std::min(kBuckets - 1, static_cast<size_t>(exponent - 1) * 4 + quarter);
}

uint64_t Histogram::BucketStart(size_t bucket) {
  if (bucket < 4) return bucket;
  return (4 + bucket % 4) << (bucket / 4 - 1);
}

void Histogram::Add(uint64_t us) {
  ++buckets[BucketOf(us)];
  ++count;
  sum_us += us;
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets[i] += other.buckets[i];
  count += other.count;
  sum_us += other.sum_us;
}

uint64_t Histogram::Quantile(double q) const {
  if (count == 0) return 0;
  const double rank = q * static_cast<double>(count);
  double seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    const auto here = static_cast<double>(buckets[i]);
    if (here > 0 && seen + here >= rank) {
      const auto start = static_cast<double>(BucketStart(i));
      const auto end = static_cast<double>(BucketStart(i + 1));
      return static_cast<uint64_t>(start + (end - start) * (rank - seen) / here);
    }
    seen += here;
  }
  return BucketStart(kBuckets - 1);
}

void Metrics::Merge(const Metrics& other) {
  for (size_t i = 0; i < counters.size(); ++i) counters[i] += other.counters[i];
  for (size_t i = 0; i < latencies.size(); ++i) latencies[i].Merge(other.latencies[i]);
}

}  // namespace helios

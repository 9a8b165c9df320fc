#include "helios/statistics.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace helios {
namespace {

Histogram Of(const std::vector<uint64_t>& samples) {
  Histogram histogram;
  for (const uint64_t us : samples) histogram.Add(us);
  return histogram;
}

TEST(HistogramTest, HasFourBucketsPerPowerOfTwo) {
  // Up to 8 every number has its own; then 8 to 9, 10 to 11, …; then 16 to 19, …
  const std::vector<uint64_t> starts = {0,  1,  2,  3,  4,  5,  6,  7,  8,  10, 12,
                                        14, 16, 20, 24, 28, 32, 40, 48, 56, 64};
  for (size_t i = 0; i < starts.size(); ++i) {
    EXPECT_EQ(Histogram::BucketStart(i), starts[i]);
    EXPECT_EQ(Histogram::BucketOf(starts[i]), i);
    if (i > 0) {
      EXPECT_EQ(Histogram::BucketOf(starts[i] - 1), i - 1);
    }
  }
}

TEST(HistogramTest, BucketOfAndBucketStartAgree) {
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    const uint64_t start = Histogram::BucketStart(bucket);
    EXPECT_EQ(Histogram::BucketOf(start), bucket);
    if (bucket == 0) continue;
    EXPECT_EQ(Histogram::BucketOf(start - 1), bucket - 1);
    EXPECT_GT(start, Histogram::BucketStart(bucket - 1));
  }
}

TEST(HistogramTest, PutsWhatIsTooLongIntoTheLastBucket) {
  const uint64_t last = Histogram::BucketStart(Histogram::kBuckets - 1);
  EXPECT_EQ(last, uint64_t{7} << 30);  // microseconds: a little over two hours
  EXPECT_EQ(Histogram::BucketOf(last), Histogram::kBuckets - 1);
  EXPECT_EQ(Histogram::BucketOf(~uint64_t{0}), Histogram::kBuckets - 1);
}

TEST(HistogramTest, CountsAndSums) {
  const Histogram histogram = Of({0, 3, 10, 11, 1000});
  EXPECT_EQ(histogram.count, 5u);
  EXPECT_EQ(histogram.sum_us, 1024u);
  EXPECT_EQ(histogram.buckets[0], 1u);
  EXPECT_EQ(histogram.buckets[3], 1u);
  EXPECT_EQ(histogram.buckets[9], 2u);
}

TEST(HistogramTest, GivesQuantilesByArithmetic) {
  EXPECT_EQ(Histogram().Quantile(0.5), 0u);
  // Four samples in the bucket from 64 to 80: a quarter of them lies in each quarter of it.
  const Histogram one_bucket = Of({64, 65, 70, 79});
  EXPECT_EQ(one_bucket.Quantile(0), 64u);
  EXPECT_EQ(one_bucket.Quantile(0.25), 68u);
  EXPECT_EQ(one_bucket.Quantile(0.5), 72u);
  EXPECT_EQ(one_bucket.Quantile(1), 80u);
  // 90 samples from 8 to 10, then 10 samples from 1024 to 1280.
  Histogram two_buckets;
  for (int i = 0; i < 90; ++i) two_buckets.Add(8);
  for (int i = 0; i < 10; ++i) two_buckets.Add(1024);
  EXPECT_EQ(two_buckets.Quantile(0.45), 9u);
  EXPECT_EQ(two_buckets.Quantile(0.9), 10u);
  EXPECT_EQ(two_buckets.Quantile(0.95), 1152u);
  EXPECT_EQ(two_buckets.Quantile(1), 1280u);
}

TEST(HistogramTest, EndsQuantilesWithTheLastBucket) {
  EXPECT_EQ(Of({~uint64_t{0}}).Quantile(1), uint64_t{1} << 33);
}

TEST(HistogramTest, MergesByAdding) {
  Histogram sum = Of({1, 5, 900});
  sum.Merge(Of({5, 70'000}));
  EXPECT_EQ(sum, Of({1, 5, 900, 5, 70'000}));
  sum.Merge(Histogram());
  EXPECT_EQ(sum, Of({1, 5, 900, 5, 70'000}));
}

TEST(MetricsTest, MergesByAdding) {
  Metrics a;
  a.counters[0] = 1;
  a.counters.back() = 2;
  a.latencies[0].Add(7);
  Metrics b;
  b.counters[0] = 10;
  b.latencies[0].Add(9);
  b.latencies.back().Add(11);
  Metrics sum = a;
  sum.Merge(b);
  EXPECT_EQ(sum[Counter::kCommits], 11u);
  EXPECT_EQ(sum[Counter::kCollectedBytes], 2u);
  EXPECT_EQ(sum[Latency::kCommit], Of({7, 9}));
  EXPECT_EQ(sum[Latency::kL2Put], Of({11}));
}

TEST(MetricsTest, GivesEveryFigureItsOwnName) {
  std::set<std::string> names;
  for (size_t i = 0; i < static_cast<size_t>(Counter::kCount); ++i) {
    names.emplace(CounterName(static_cast<Counter>(i)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(Counter::kCount));
  EXPECT_EQ(names.count(""), 0u);
  EXPECT_EQ(CounterName(Counter::kFirstReadFromL2), "first_read_from_l2_total");
  EXPECT_EQ(CounterName(Counter::kLazyRestorePromotions), "lazy_restore_promotions");
  EXPECT_EQ(CounterName(Counter::kL2PutBytes), "l2_put_bytes");
  EXPECT_EQ(LatencyName(Latency::kCommit), "commit");
  EXPECT_EQ(LatencyName(Latency::kL2Put), "l2_put");
}

RC_GTEST_PROP(HistogramProperty, PutsEverySampleIntoTheBucketAroundIt, (uint64_t number)) {
  const uint64_t us = number >> *rc::gen::inRange(0, 64);
  const size_t bucket = Histogram::BucketOf(us);
  RC_ASSERT(bucket < Histogram::kBuckets);
  RC_ASSERT(Histogram::BucketStart(bucket) <= us);
  if (bucket + 1 < Histogram::kBuckets) {
    RC_ASSERT(us < Histogram::BucketStart(bucket + 1));
  }
}

RC_GTEST_PROP(HistogramProperty, MergesToWhatOneWouldHaveCounted,
              (const std::vector<uint64_t>& a, const std::vector<uint64_t>& b)) {
  Histogram merged = Of(a);
  merged.Merge(Of(b));
  std::vector<uint64_t> all = a;
  all.insert(all.end(), b.begin(), b.end());
  RC_ASSERT(merged == Of(all));
}

RC_GTEST_PROP(HistogramProperty, NeverLetsAHigherQuantileBeSmaller,
              (const std::vector<uint32_t>& samples)) {
  const Histogram histogram = Of({samples.begin(), samples.end()});
  uint64_t before = 0;
  for (const double q : {0.0, 0.1, 0.5, 0.9, 0.95, 0.99, 1.0}) {
    RC_ASSERT(histogram.Quantile(q) >= before);
    before = histogram.Quantile(q);
  }
}

}  // namespace
}  // namespace helios

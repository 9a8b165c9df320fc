#include "store/metrics_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;
using test::Processes;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

Metrics MakeMetrics(uint64_t commits, uint64_t latency_us) {
  Metrics metrics;
  metrics.counters[static_cast<size_t>(Counter::kCommits)] = commits;
  metrics.counters[static_cast<size_t>(Counter::kL2PutBytes)] = commits * 1000;
  metrics.latencies[static_cast<size_t>(Latency::kCommit)].Add(latency_us);
  return metrics;
}

class MetricsFileTest : public ::testing::Test {
 protected:
  Metrics Read() {
    const Result<Metrics> metrics = ReadMetricsFile(path_);
    EXPECT_TRUE(Ok(metrics));
    return metrics ? *metrics : Metrics();
  }
  void Add(uint64_t commits, uint64_t latency_us) {
    ASSERT_TRUE(Ok(AddToMetricsFile(path_, MakeMetrics(commits, latency_us))));
  }
  // The file after `adds` additions of one commit each.
  Bytes FileAfter(int adds) {
    for (int i = 0; i < adds; ++i) Add(1, 10);
    return ReadWholeFile(path_);
  }

  TempFolder folder_;
  const std::string path_ = folder_ / "statistics";
};

TEST_F(MetricsFileTest, NoFileIsAllZeros) {
  EXPECT_EQ(Read(), Metrics());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(MetricsFileTest, GivesBackWhatWasAdded) {
  Metrics sum;
  for (uint64_t i = 1; i <= 5; ++i) {
    Add(i, i * 100);
    sum.Merge(MakeMetrics(i, i * 100));
    EXPECT_EQ(Read(), sum);
  }
  EXPECT_EQ(Read()[Counter::kCommits], 15u);
  EXPECT_EQ(Read()[Counter::kL2PutBytes], 15'000u);
  EXPECT_EQ(Read()[Latency::kCommit].count, 5u);
  EXPECT_EQ(Read()[Latency::kCommit].sum_us, 1500u);
}

TEST_F(MetricsFileTest, EveryCounterAndHistogramHasItsPlace) {
  Metrics metrics;
  for (size_t i = 0; i < metrics.counters.size(); ++i) metrics.counters[i] = 1000 + i;
  for (size_t i = 0; i < metrics.latencies.size(); ++i) {
    for (size_t j = 0; j <= i; ++j) metrics.latencies[i].Add(uint64_t{1} << (j * 7));
  }
  ASSERT_TRUE(Ok(AddToMetricsFile(path_, metrics)));
  EXPECT_EQ(Read(), metrics);
}

TEST_F(MetricsFileTest, AddsOfManyProcessesMerge) {
  Processes processes;
  for (uint64_t process = 0; process < 8; ++process) {
    processes.Add([&, process]() -> Result<void> {
      for (uint64_t i = 0; i < 50; ++i) {
        HELIOS_TRY(AddToMetricsFile(path_, MakeMetrics(process + 1, i)));
        HELIOS_TRY(ReadMetricsFile(path_));
      }
      return {};
    });
  }
  ASSERT_EQ(processes.WaitForAll(), 0);
  const Metrics sum = Read();
  EXPECT_EQ(sum[Counter::kCommits], 50u * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8));
  EXPECT_EQ(sum[Latency::kCommit].count, 400u);
  EXPECT_EQ(sum[Latency::kCommit].sum_us, 8u * 49 * 50 / 2);
}

TEST_F(MetricsFileTest, DamagedSlotFallsBackToTheOther) {
  const Bytes file = FileAfter(4);  // additions 1 and 3 in the first slot, 2 and 4 in the second
  const size_t slot = file.size() / 2;
  for (size_t at = 0; at < file.size(); at += 61) {
    Bytes damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    WriteWholeFile(path_, damaged);
    EXPECT_EQ(Read()[Counter::kCommits], at < slot ? 4u : 3u) << "byte " << at;
  }
}

TEST_F(MetricsFileTest, TornWriteFallsBackToTheOtherSlot) {
  const Bytes three = FileAfter(3);
  const Bytes four = FileAfter(1);
  const size_t slot = three.size() / 2;
  ASSERT_EQ(three.size(), four.size());
  for (size_t written = 0; written <= slot; written += 97) {
    WriteWholeFile(path_, four.substr(0, slot + written) + three.substr(slot + written));
    const uint64_t commits = Read()[Counter::kCommits];
    EXPECT_TRUE(commits == 3 || commits == 4) << written;
    // And goes on from there.
    Add(10, 1);
    EXPECT_EQ(Read()[Counter::kCommits], commits + 10) << written;
    Add(10, 1);
    EXPECT_EQ(Read()[Counter::kCommits], commits + 20) << written;
  }
}

TEST_F(MetricsFileTest, FirstWritesThatWereCutShortLoseNothingBeforeThem) {
  const Bytes one = FileAfter(1);
  const Bytes two = FileAfter(1);
  ASSERT_EQ(two.size(), 2 * one.size());
  for (size_t size = 0; size < one.size(); size += 97) {
    WriteWholeFile(path_, one.substr(0, size));
    EXPECT_EQ(Read(), Metrics()) << size;
    Add(1, 1);
    EXPECT_EQ(Read()[Counter::kCommits], 1u) << size;
  }
  for (size_t size = one.size(); size < two.size(); size += 97) {
    WriteWholeFile(path_, two.substr(0, size));
    EXPECT_EQ(Read()[Counter::kCommits], 1u) << size;
    Add(1, 1);
    EXPECT_EQ(Read()[Counter::kCommits], 2u) << size;
  }
}

TEST_F(MetricsFileTest, DamageToBothSlotsIsCorrupt) {
  Bytes file = FileAfter(4);
  file[100] = static_cast<char>(file[100] ^ 1);
  file[file.size() / 2 + 100] = static_cast<char>(file[file.size() / 2 + 100] ^ 1);
  WriteWholeFile(path_, file);
  EXPECT_TRUE(Fails(ReadMetricsFile(path_), ErrorCode::kCorrupt, path_));
  EXPECT_TRUE(Fails(AddToMetricsFile(path_, MakeMetrics(1, 1)), ErrorCode::kCorrupt, path_));
  EXPECT_EQ(ReadWholeFile(path_), file);  // nothing is overwritten
}

TEST_F(MetricsFileTest, DamageToTheOnlySlotIsCorrupt) {
  Bytes file = FileAfter(1);
  file[100] = static_cast<char>(file[100] ^ 1);
  WriteWholeFile(path_, file);
  EXPECT_TRUE(Fails(ReadMetricsFile(path_), ErrorCode::kCorrupt, path_));
}

TEST_F(MetricsFileTest, FileOfAnotherKindIsCorrupt) {
  const size_t size = FileAfter(2).size();
  WriteWholeFile(path_, Bytes(size, 'x'));
  EXPECT_TRUE(Fails(ReadMetricsFile(path_), ErrorCode::kCorrupt, path_));
  WriteWholeFile(path_, Bytes(size, '\0'));
  EXPECT_TRUE(Fails(ReadMetricsFile(path_), ErrorCode::kCorrupt, path_));
  WriteWholeFile(path_, Bytes(size + 1, 'x'));
  EXPECT_TRUE(Fails(ReadMetricsFile(path_), ErrorCode::kCorrupt, path_));
}

TEST_F(MetricsFileTest, FileDoesNotGrow) {
  const size_t size = FileAfter(2).size();
  EXPECT_EQ(FileAfter(20).size(), size);
}

}  // namespace
}  // namespace helios

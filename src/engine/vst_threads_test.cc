// Everything at once: readers, forks, commits of both durabilities, promotions and statistics. What
// the thread sanitizer is to see; the contents are checked all the same.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "helios/branch.h"
#include "helios/engine.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Ok;
using test::TempFolder;

constexpr int kFiles = 200;
constexpr int kRounds = 40;

TreePath PathOf(int file) {
  return TreePath::Parse("d" + std::to_string(file % 7) + "/f" + std::to_string(file)).value();
}
Bytes ContentOf(int file) { return Bytes(static_cast<size_t>(file), 'x') + std::to_string(file); }

class VstThreadsTest : public ::testing::Test {
 protected:
  VstThreadsTest() {
    EngineOptions options;
    options.store = folder_ / "store";
    options.backends = {PackBackend()};
    options.create_with = "pack";
    options.threads = 2;
    options.l1_bytes_max = 20'000;  // too small for all: promotions and evictions go on
    Result<std::unique_ptr<Engine>> engine = Engine::Open(options);
    EXPECT_TRUE(Ok(engine));
    engine_ = std::move(engine).value();
    Vst first = engine_->NewVst().value();
    for (int i = 0; i < kFiles; ++i) EXPECT_TRUE(Ok(first.Write(PathOf(i), ContentOf(i))));
    VstCommitRequest request;
    request.branch = "main";
    EXPECT_TRUE(Ok(engine_->CommitVst(first, request)));
  }

  void Start(std::function<bool(int round)> work) {
    threads_.emplace_back([this, work = std::move(work)] {
      for (int round = 0; round < kRounds; ++round) {
        if (!work(round)) ++failures_;
      }
    });
  }
  void ExpectAllWell() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    EXPECT_EQ(failures_, 0);
  }

  TempFolder folder_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::thread> threads_;
  std::atomic<int> failures_ = 0;
};

TEST_F(VstThreadsTest, ReadersForksCommitsPromotionsAndStatisticsAtOnce) {
  // One working set, lazily opened, that many read and fork while it loads.
  const Vst shared = engine_->OpenVst("main").value();
  Branch branch(shared);
  std::atomic<int> advanced = 0;
  for (int reader = 0; reader < 4; ++reader) {
    Start([&, reader](int round) {
      const int file = (round * 37 + reader * 11) % kFiles;
      const auto content = shared.Read(PathOf(file));
      return content && **content == ContentOf(file);
    });
  }
  for (int forker = 0; forker < 2; ++forker) {
    Start([&, forker](int round) {
      Vst fork = shared.Fork();
      const TreePath path = PathOf((round + forker) % kFiles);
      return fork.Write(path, "changed") && fork.Commit() && **fork.Read(path) == "changed" &&
             Vst::Diff(fork, *std::make_unique<Vst>(shared.Fork()))->size() == 1;
    });
    Start([&, forker](int round) {
      Vst next = branch.Fork();
      if (!next.Write(PathOf(forker), std::to_string(round))) return false;
      const Result<void> moved = branch.Advance(next);
      if (moved) ++advanced;
      return moved || moved.error().code() == ErrorCode::kStale;
    });
    Start([&, forker](int round) {
      Vst fork = shared.Fork();
      VstCommitRequest request;
      request.message = std::to_string(forker) + "." + std::to_string(round);
      return fork.Write(PathOf(round), request.message) && engine_->CommitVst(fork, request);
    });
    Start([&](int round) {
      ReadRequest request;
      request.id = "main";
      request.path = PathOf(round * 3 % kFiles);
      Bytes content;
      const auto report = engine_->Read(request, [&](ByteView piece) -> Result<void> {
        content.append(piece);
        return {};
      });
      return report && content == ContentOf(round * 3 % kFiles);
    });
  }
  Start([&](int) { return engine_->Statistics().has_value(); });
  ExpectAllWell();
  EXPECT_GT(advanced, 0);
  const StatisticsReport report = engine_->Statistics().value();
  EXPECT_EQ(report.all[Counter::kCommits], 1u + 2 * kRounds);
  EXPECT_EQ(report.all[Counter::kFirstReadFromL2], report.all[Counter::kLazyRestorePromotions]);
}

}  // namespace
}  // namespace helios

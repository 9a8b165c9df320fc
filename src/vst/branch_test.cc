#include "helios/branch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;

constexpr int kRacers = 16;

TreePath P(std::string_view text) { return TreePath::Parse(text).value(); }

std::string Text(const Vst& vst, std::string_view path) {
  const Result<std::shared_ptr<const Bytes>> content = vst.Read(P(path));
  return content ? **content : "error: " + content.error().message();
}

SnapshotId IdOf(const Vst& vst) { return vst.Fork().Commit().value(); }

TEST(BranchTest, HeadIsTheStateThatAdvancedIt) {
  Vst start;
  ASSERT_TRUE(Ok(start.Write(P("f"), "0")));
  Branch branch(start);
  Vst next = branch.Fork();
  EXPECT_EQ(Text(next, "f"), "0");
  for (const char* content : {"1", "2"}) {  // and goes on from there
    ASSERT_TRUE(Ok(next.Write(P("f"), content)));
    ASSERT_TRUE(Ok(branch.Advance(next)));
    EXPECT_EQ(Text(branch.Fork(), "f"), content);
  }
  EXPECT_EQ(Text(start, "f"), "0");
  ASSERT_TRUE(Ok(next.Write(P("f"), "3")));
  EXPECT_EQ(Text(branch.Fork(), "f"), "2");
}

TEST(BranchTest, ForkOfAForkCanAdvanceIt) {
  Branch branch{Vst()};
  const Vst fork = branch.Fork();
  Vst variant = fork.Fork();
  ASSERT_TRUE(Ok(variant.Write(P("f"), "variant")));
  ASSERT_TRUE(Ok(branch.Advance(variant)));
  EXPECT_EQ(Text(branch.Fork(), "f"), "variant");
}

TEST(BranchTest, StaleLoserKeepsItsFork) {
  Branch branch{Vst()};
  Vst winner = branch.Fork();
  Vst loser = branch.Fork();
  ASSERT_TRUE(Ok(winner.Write(P("winner"), "w")));
  ASSERT_TRUE(Ok(loser.Write(P("loser"), "l")));
  ASSERT_TRUE(Ok(branch.Advance(winner)));
  const SnapshotId before = IdOf(loser);
  EXPECT_TRUE(Fails(branch.Advance(loser), ErrorCode::kStale, "moved on"));
  EXPECT_EQ(IdOf(loser), before);
  EXPECT_EQ(Text(loser, "loser"), "l");
  EXPECT_EQ(IdOf(branch.Fork()), IdOf(winner));
  // It stays stale, and what it holds can be done again upon the new head.
  EXPECT_TRUE(Fails(branch.Advance(loser), ErrorCode::kStale, "moved on"));
  Vst again = branch.Fork();
  ASSERT_TRUE(Ok(again.Write(P("loser"), Text(loser, "loser"))));
  ASSERT_TRUE(Ok(branch.Advance(again)));
  EXPECT_EQ(Text(branch.Fork(), "winner"), "w");
  EXPECT_EQ(Text(branch.Fork(), "loser"), "l");
}

TEST(BranchTest, HeadWithTheSameContentIsAnotherHead) {
  Branch branch{Vst()};
  Vst loser = branch.Fork();
  Vst same = branch.Fork();
  ASSERT_TRUE(Ok(branch.Advance(same)));
  EXPECT_TRUE(Fails(branch.Advance(loser), ErrorCode::kStale, "moved on"));
}

TEST(BranchTest, WhatWasNotForkedFromItIsStale) {
  Branch branch{Vst()};
  Branch other{Vst()};
  Vst unrelated;
  Vst others = other.Fork();
  EXPECT_TRUE(Fails(branch.Advance(unrelated), ErrorCode::kStale, "moved on"));
  EXPECT_TRUE(Fails(branch.Advance(others), ErrorCode::kStale, "moved on"));
}

TEST(BranchTest, SixteenRacersOnOneBranchGiveSixteenWinners) {
  Branch branch{Vst()};
  std::atomic<int> wins = 0;
  std::atomic<int> errors = 0;
  std::vector<std::thread> racers;
  for (int racer = 0; racer < kRacers; ++racer) {
    racers.emplace_back([&, racer] {
      while (true) {
        Vst next = branch.Fork();
        if (!next.Write(P("racer" + std::to_string(racer)), std::to_string(racer))) ++errors;
        const Result<void> advanced = branch.Advance(next);
        if (advanced) break;
        if (advanced.error().code() != ErrorCode::kStale) ++errors;
      }
      ++wins;
    });
  }
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(errors, 0);
  EXPECT_EQ(wins, kRacers);
  // Nobody overwrote another's work.
  const Vst head = branch.Fork();
  EXPECT_EQ(head.List(TreePath())->size(), size_t{kRacers});
  for (int racer = 0; racer < kRacers; ++racer) {
    EXPECT_EQ(Text(head, "racer" + std::to_string(racer)), std::to_string(racer));
  }
}

TEST(BranchTest, WithoutRetryOneOfTheRacersWins) {
  Branch branch{Vst()};
  std::vector<Vst> forks;
  for (int racer = 0; racer < kRacers; ++racer) {
    forks.push_back(branch.Fork());
    ASSERT_TRUE(Ok(forks.back().Write(P("f"), std::to_string(racer))));
  }
  std::atomic<int> wins = 0;
  std::vector<std::thread> racers;
  for (Vst& fork : forks) {
    racers.emplace_back([&] { wins += branch.Advance(fork) ? 1 : 0; });
  }
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(wins, 1);
}

}  // namespace
}  // namespace helios

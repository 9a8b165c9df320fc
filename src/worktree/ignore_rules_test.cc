#include "worktree/ignore_rules.h"

#include <thread>

#include "worktree/pattern_testing.h"

namespace helios {
namespace {

using Chain = std::shared_ptr<const IgnoreRules>;

Chain Extend(Chain parent, std::string base, std::string_view text) {
  return IgnoreRules::Extend(std::move(parent), std::move(base), ParseFile(text));
}

TEST(IgnoreRulesTest, LetsDeeperFilesWin) {
  const Chain root = Extend(IgnoreRules::Empty(), "", "*.log\n/top\n!keep.log\n");
  const Chain rules = Extend(Extend(root, "a", "!*.log\n/x\n"), "a/b", "last.log\n");
  EXPECT_TRUE(rules->Ignores("c.log", false));
  EXPECT_FALSE(rules->Ignores("keep.log", false));
  EXPECT_TRUE(rules->Ignores("top", false));
  EXPECT_FALSE(rules->Ignores("a/c.log", false));
  EXPECT_TRUE(rules->Ignores("a/x", true));
  EXPECT_FALSE(rules->Ignores("a/b/x", true));
  EXPECT_FALSE(rules->Ignores("a/b/c.log", false));
  EXPECT_TRUE(rules->Ignores("a/b/last.log", false));
  EXPECT_FALSE(rules->Ignores("a/last.log", false));
  // A base is a path, not a start of a string.
  EXPECT_TRUE(rules->Ignores("ab/c.log", false));
  EXPECT_TRUE(root->Ignores("a/c.log", false));
}

TEST(IgnoreRulesTest, GivesADigestOfAllThatCounts) {
  const Chain empty = IgnoreRules::Empty();
  EXPECT_EQ(empty->digest(), 0u);
  EXPECT_FALSE(empty->Ignores("a", false));
  EXPECT_EQ(Extend(empty, "", "# nothing\n\n"), empty);

  const Chain one = Extend(empty, "", "a\n");
  EXPECT_NE(one->digest(), 0u);
  EXPECT_EQ(one->digest(), Extend(empty, "", "# a comment\na  \n")->digest());
  EXPECT_NE(one->digest(), Extend(empty, "", "b\n")->digest());
  EXPECT_NE(one->digest(), Extend(empty, "", "!a\n")->digest());
  EXPECT_NE(one->digest(), Extend(empty, "", "a/\n")->digest());
  EXPECT_NE(one->digest(), Extend(empty, "x", "a\n")->digest());
  EXPECT_NE(one->digest(), Extend(one, "x", "a\n")->digest());
  EXPECT_NE(Extend(empty, "", "a\nb\n")->digest(), Extend(empty, "", "b\na\n")->digest());
  EXPECT_NE(Extend(one, "x", "a\n")->digest(),
            Extend(Extend(empty, "", "b\n"), "x", "a\n")->digest());
}

TEST(IgnoreRulesTest, LetsGoOfADeepChainWithoutRecursion) {
  Chain rules = IgnoreRules::Empty();
  const PatternList list = ParseFile("a\n");
  for (int i = 0; i < 300000; ++i) rules = IgnoreRules::Extend(std::move(rules), "", list);
  const Chain shared = rules;
  rules = IgnoreRules::Extend(std::move(rules), "", list);
  rules.reset();
  EXPECT_TRUE(shared->Ignores("a", false));
}

TEST(IgnoreRulesTest, LetsGoOfSharedChainsInManyThreads) {
  const PatternList list = ParseFile("a\n");
  for (int round = 0; round < 100; ++round) {
    Chain shared = IgnoreRules::Empty();
    for (int i = 0; i < 20; ++i) shared = IgnoreRules::Extend(std::move(shared), "", list);
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([rules = IgnoreRules::Extend(shared, "b", list)]() mutable {
        EXPECT_TRUE(rules->Ignores("a", false));
        EXPECT_FALSE(rules->Ignores("c", false));
        rules.reset();
      });
    }
    shared.reset();
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace helios

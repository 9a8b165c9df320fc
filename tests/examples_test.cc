// The programs of examples/ do what they say.
#include <gtest/gtest.h>

#include <cstdlib>

#include "program.h"

namespace helios {
namespace {

class ExamplesTest : public ::testing::Test {
 protected:
  std::string At(const std::string& relative) const { return folder_.path() + "/" + relative; }

  const TemporaryFolder folder_;
};

TEST_F(ExamplesTest, SnapshotFolderGoesBackToHowItWas) {
  const RunResult example = RunProgram(HELIOS_EXAMPLES_DIR "/snapshot_folder", {At("demo")});
  ASSERT_EQ(example.exit_code, 0) << example;
  EXPECT_EQ(ReadFile(At("demo/work/notes.txt")), "first\n");
  EXPECT_EQ(ListFolder(At("demo/work")), std::vector<std::string>{"notes.txt"});

  // What it printed is what the program knows of its store.
  const auto commit = [&] {
    const RunResult result =
        RunHelios({"commit", "--id-only", "--work", At("demo/work"), "--store", At("demo/store")});
    EXPECT_EQ(result.exit_code, 0) << result;
    return result.out;
  };
  const std::string before = commit();
  WriteFile(At("demo/work/notes.txt"), "second\n");
  WriteFile(At("demo/work/plan.txt"), "a plan\n");
  const std::string after = commit();
  EXPECT_EQ(example.out, "before " + before + "after " + after +
                             "changed notes.txt\nadded plan.txt\n"
                             "restored: 1 replaced, 1 deleted\n");
}

TEST_F(ExamplesTest, AgentSearchCommitsTheWinnerAndWritesItOut) {
  const RunResult example = RunProgram(HELIOS_EXAMPLES_DIR "/agent_search", {At("demo")});
  ASSERT_EQ(example.exit_code, 0) << example;
  EXPECT_NE(example.out.find("start: score 1240\n"), std::string::npos) << example;
  EXPECT_NE(example.out.find("written: 16 files\n"), std::string::npos) << example;
  // What is on disk is what the branch of the store holds, from another process.
  const RunResult materialized =
      RunHelios({"materialize", "search", At("from_store"), "--store", At("demo/store"), "--json"});
  ASSERT_EQ(materialized.exit_code, 0) << materialized;
  int score = 0;
  for (int i = 0; i < 16; ++i) {
    const std::string name = "/settings/" + std::to_string(i);
    const std::string content = ReadFile(At("demo/result") + name);
    EXPECT_EQ(ReadFile(At("from_store") + name), content) << name;
    score += std::abs(std::stoi(content) - i * i);
  }
  EXPECT_LT(score, 600);  // better than at the start by much
  const std::string best = "score " + std::to_string(score);
  EXPECT_NE(example.out.find("round 40: " + best + ","), std::string::npos) << example;
  // The start is kept as well.
  EXPECT_EQ(
      RunHelios({"materialize", "search~1", At("start"), "--store", At("demo/store")}).exit_code,
      0);
  EXPECT_EQ(ReadFile(At("start/settings/15")), "0\n");
}

TEST_F(ExamplesTest, SnapshotFolderLeavesAnExistingFolderAlone) {
  WriteFile(At("demo/file"), "mine\n");
  const RunResult example = RunProgram(HELIOS_EXAMPLES_DIR "/snapshot_folder", {At("demo")});
  EXPECT_EQ(example.exit_code, 1) << example;
  EXPECT_EQ(ListFolder(At("demo")), std::vector<std::string>{"file"});
}

}  // namespace
}  // namespace helios

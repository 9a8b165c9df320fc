// The programs of examples/ do what they say.
#include <gtest/gtest.h>

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

TEST_F(ExamplesTest, SnapshotFolderLeavesAnExistingFolderAlone) {
  WriteFile(At("demo/file"), "mine\n");
  const RunResult example = RunProgram(HELIOS_EXAMPLES_DIR "/snapshot_folder", {At("demo")});
  EXPECT_EQ(example.exit_code, 1) << example;
  EXPECT_EQ(ListFolder(At("demo")), std::vector<std::string>{"file"});
}

}  // namespace
}  // namespace helios

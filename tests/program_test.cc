// The helpers themselves: a comparison that cannot fail would make every test look good.
#include "program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace helios {
namespace {

TEST(ProgramTest, DifferenceNamesWhatDiffers) {
  const TemporaryFolder folder;
  WriteFile(folder.path() + "/a/same", "1");
  WriteFile(folder.path() + "/a/content", "1");
  WriteFile(folder.path() + "/b/only-before", "");
  MakeLink("x", folder.path() + "/b/link");
  const TreeState before = ReadTree(folder.path());
  EXPECT_EQ(Difference(before, before), "");

  WriteFile(folder.path() + "/a/content", "2");
  SetMode(folder.path() + "/a/same", 0600);
  Remove(folder.path() + "/b/only-before");
  WriteFile(folder.path() + "/b/only-after", "");
  Remove(folder.path() + "/b/link");
  MakeLink("y", folder.path() + "/b/link");
  const std::string difference = Difference(before, ReadTree(folder.path()));
  for (const char* name : {"a/content", "a/same", "b/only-before", "b/only-after", "b/link"}) {
    EXPECT_NE(difference.find(std::string("\"") + name + "\""), std::string::npos) << difference;
  }
  const std::string contents = Difference(before, ReadTree(folder.path()), Compare::kContents);
  EXPECT_EQ(contents.find("a/same"), std::string::npos) << contents;
  EXPECT_NE(contents.find("a/content"), std::string::npos) << contents;
}

TEST(ProgramTest, DifferenceSeesAnotherMtime) {
  const TemporaryFolder folder;
  WriteFile(folder.path() + "/a", "1");
  SetMtime(folder.path() + "/a", 5, 1);
  const TreeState before = ReadTree(folder.path());
  SetMtime(folder.path() + "/a", 5, 2);
  EXPECT_NE(Difference(before, ReadTree(folder.path())), "");
  EXPECT_EQ(Difference(before, ReadTree(folder.path()), Compare::kContents), "");
}

TEST(ProgramTest, TemporaryFolderGoesWithAllThatIsInIt) {
  std::string path;
  {
    const TemporaryFolder folder;
    path = folder.path();
    WriteFile(path + "/read-only/below/file", "x");
    SetMode(path + "/read-only/below", 0500);
    SetMode(path + "/read-only", 0500);
    WriteFile(path + "/closed/file", "x");
    SetMode(path + "/closed", 0);
    int at = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::string name(200, 'd');
    for (int depth = 0; depth < 100; ++depth) {
      ASSERT_EQ(::mkdirat(at, name.c_str(), 0700), 0);
      const int below = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      ASSERT_GE(below, 0);
      ::close(at);
      at = below;
    }
    ::close(at);
  }
  EXPECT_FALSE(Exists(path));
}

TEST(ProgramTest, RunGivesExitCodeOutputAndSignals) {
  RunOptions options;
  options.input = "from input";
  options.env["NAME"] = "value";
  const RunResult result =
      RunProgram("sh", {"-c", "cat; echo \"$NAME\" >&2; umask; exit 7"}, options);
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_TRUE(result.out.starts_with("from input")) << result;
  EXPECT_EQ(result.err, "value\n");
  const RunResult killed = RunProgram("sh", {"-c", "kill -9 $$"});
  EXPECT_TRUE(killed.by_signal);
  EXPECT_EQ(killed.exit_code, 128 + 9);
}

TEST(ProgramTest, TheEnvironmentIsNotInherited) {
  ASSERT_EQ(::setenv("HELIOS_STORE_DIR", "/nonexistent", 1), 0);
  const RunResult result = RunProgram("sh", {"-c", "echo \"$HELIOS_STORE_DIR\""});
  ASSERT_EQ(::unsetenv("HELIOS_STORE_DIR"), 0);
  EXPECT_EQ(result.out, "\n");
}

TEST(ProgramTest, LimitsAreMet) {
  const TemporaryFolder folder;
  RunOptions options;
  Limits limits;
  limits.below = folder.path();
  limits.write_bytes = 3;
  Impose(limits, &options);
  const std::string file = folder.path() + "/file";
  const RunResult result =
      RunProgram("dd", {"of=" + file, "bs=2", "count=2", "if=/dev/zero"}, options);
  EXPECT_NE(result.exit_code, 0);
  EXPECT_EQ(ReadFile(file).size(), 3u);
}

}  // namespace
}  // namespace helios

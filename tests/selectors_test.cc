// One matcher for --include, --exclude, positional paths and .heliosignore.
#include <gtest/gtest.h>

#include "program.h"

namespace helios {
namespace {

std::vector<std::string> FilesOf(const TreeState& tree) {
  std::vector<std::string> files;
  for (const auto& [path, node] : tree) {
    if (node.type != 'd') files.push_back(path);
  }
  return files;
}

using Strings = std::vector<std::string>;

class SelectorsTest : public HeliosTest {
 protected:
  SelectorsTest() {
    for (const char* path : {"demo/a.txt", "demo/b.go", "demo/deep/c.go", "src/main.go",
                             "src/dir/x.txt", "top.go", "top.txt", "dir/y.txt"}) {
      Write(path, path);
    }
    MakeFolders(Work("demo/empty"));
  }

  Strings Selected(const Strings& options) {
    if (id_.empty()) id_ = Commit();
    return FilesOf(ReadTree(Materialize(id_, options)));
  }

  std::string id_;
};

TEST_F(SelectorsTest, IncludesDoWhatAGitUserExpects) {
  EXPECT_EQ(Selected({"--include", "demo/**"}),
            (Strings{"demo/a.txt", "demo/b.go", "demo/deep/c.go"}));
  EXPECT_EQ(Selected({"--include", "*.go"}),
            (Strings{"demo/b.go", "demo/deep/c.go", "src/main.go", "top.go"}));
  EXPECT_EQ(Selected({"--include", "src"}), (Strings{"src/dir/x.txt", "src/main.go"}));
  EXPECT_EQ(Selected({"--include", "dir/"}), (Strings{"dir/y.txt", "src/dir/x.txt"}));
  EXPECT_EQ(Selected({"--include", "/dir/"}), (Strings{"dir/y.txt"}));
  EXPECT_EQ(Selected({"--include", "/*.go"}), (Strings{"top.go"}));
  EXPECT_EQ(Selected({"--include", "demo/*.go"}), (Strings{"demo/b.go"}));
  EXPECT_EQ(Selected({"--include", "**/c.go"}), (Strings{"demo/deep/c.go"}));
  EXPECT_EQ(Selected({"--include", "top.[gt]*"}), (Strings{"top.go", "top.txt"}));
  EXPECT_EQ(Selected({"--include", "a.txt", "--include", "y.txt"}),
            (Strings{"demo/a.txt", "dir/y.txt"}));
  EXPECT_EQ(Selected({"--include", "*.go", "--include", "!top.go"}),
            (Strings{"demo/b.go", "demo/deep/c.go", "src/main.go"}));
}

TEST_F(SelectorsTest, ExcludeWins) {
  EXPECT_EQ(Selected({"--exclude", "*.go"}),
            (Strings{"demo/a.txt", "dir/y.txt", "src/dir/x.txt", "top.txt"}));
  EXPECT_EQ(Selected({"--include", "demo/**", "--exclude", "*.go"}), (Strings{"demo/a.txt"}));
  EXPECT_EQ(Selected({"--exclude", "*.go", "--include", "demo/**"}), (Strings{"demo/a.txt"}));
  EXPECT_EQ(Selected({"--include", "b.go", "--exclude", "demo"}), (Strings{}));
  EXPECT_EQ(Selected({"-i", "demo", "-x", "deep/"}), (Strings{"demo/a.txt", "demo/b.go"}));
}

TEST_F(SelectorsTest, NoPatternMeansEverything) {
  const TreeState before = ReadTree(work_);
  ExpectGives(Commit(), before);
}

TEST_F(SelectorsTest, PositionalPathsRestrictToo) {
  EXPECT_EQ(Selected({}).size(), 8u);
  RunWell({"materialize", id_, At("positional"), "src", "*.txt", "--exclude", "/top.txt"});
  EXPECT_EQ(FilesOf(ReadTree(At("positional"))),
            (Strings{"demo/a.txt", "dir/y.txt", "src/dir/x.txt", "src/main.go"}));
}

TEST_F(SelectorsTest, EmptyFoldersAreSelectedLikeFiles) {
  Selected({});
  EXPECT_TRUE(Exists(Materialize(id_, {"--include", "demo"}) + "/demo/empty"));
  EXPECT_TRUE(Exists(Materialize(id_, {"--include", "demo/**"}) + "/demo/empty"));
  EXPECT_TRUE(Exists(Materialize(id_, {"--include", "empty/"}) + "/demo/empty"));
  EXPECT_FALSE(Exists(Materialize(id_, {"--include", "*.txt"}) + "/demo/empty"));
  EXPECT_FALSE(Exists(Materialize(id_, {"--exclude", "empty"}) + "/demo/empty"));
}

TEST_F(SelectorsTest, FoldersThatHoldNothingSelectedAreNotMade) {
  Selected({});
  EXPECT_EQ(ListFolder(Materialize(id_, {"--include", "src/**"})), Strings{"src"});
}

TEST_F(SelectorsTest, ModeAndMtimeOfSelectedFilesAreKept) {
  SetMode(Work("demo/a.txt"), 0750);
  SetMtime(Work("demo/a.txt"), 1'000'000'000, 123'456'789);
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  const TreeState out = ReadTree(Materialize(id, {"--include", "a.txt"}));
  EXPECT_EQ(out.at("demo/a.txt"), before.at("demo/a.txt"));
}

TEST_F(SelectorsTest, DiffSelects) {
  const std::string before = Commit();
  Write("demo/b.go", "changed");
  Write("src/main.go", "changed");
  Write("top.txt", "changed");
  const std::string after = Commit();
  const auto changed = [&](const Strings& options) {
    Strings args{"diff", before, after};
    args.insert(args.end(), options.begin(), options.end());
    const Json json = RunWell(args).Object();
    Strings paths;
    for (const Json& entry : json["entries"]) paths.push_back(entry["path"]);
    EXPECT_EQ(json["Changed"], paths.size());
    return paths;
  };
  EXPECT_EQ(changed({}), (Strings{"demo/b.go", "src/main.go", "top.txt"}));
  EXPECT_EQ(changed({"*.go"}), (Strings{"demo/b.go", "src/main.go"}));
  EXPECT_EQ(changed({"--include", "*.go", "--exclude", "demo/"}), (Strings{"src/main.go"}));
  EXPECT_EQ(changed({"--exclude", "*.go"}), (Strings{"top.txt"}));
  EXPECT_EQ(Run({"diff", "--exit-code", before, after, "dir"}).exit_code, 0);
}

TEST_F(SelectorsTest, RestoreSelects) {
  const std::string before = Commit();
  const TreeState original = ReadTree(work_);
  Write("demo/b.go", "changed");
  Write("src/main.go", "changed");
  Remove(Work("top.txt"));
  const std::string after = Commit();
  RunWell({"restore", before, "--include", "*.go", "--exclude", "src/"});
  EXPECT_EQ(ReadFile(Work("demo/b.go")), "demo/b.go");
  EXPECT_EQ(ReadFile(Work("src/main.go")), "changed");
  EXPECT_FALSE(Exists(Work("top.txt")));
  RunWell({"restore", before, "/top.txt"});
  EXPECT_EQ(ReadFile(Work("top.txt")), "top.txt");
  EXPECT_EQ(ReadFile(Work("src/main.go")), "changed");
  // What is restored in part stands where it stood.
  EXPECT_EQ(RunWell({"diff", "@", after}).Object()["from"], after);
}

TEST_F(SelectorsTest, RestoreOfAMissingFolderWritesOnlyWhatIsSelected) {
  const std::string before = Commit();
  Remove(Work("demo"));
  Commit();
  const Json json = RunWell({"restore", before, "demo/a.txt"}).Object();
  EXPECT_EQ(FilesOf(ReadTree(Work("demo"))), Strings{"a.txt"});
  EXPECT_EQ(json["written"]["files"], 1);
  EXPECT_EQ(json["created"], 1) << "the plan counts what is not selected";
}

TEST_F(SelectorsTest, RestoreWithExcludeLeavesThatAlone) {
  const std::string before = Commit();
  Remove(Work("demo"));
  Write("top.txt", "changed");
  Commit();
  RunWell({"restore", before, "--exclude", "*.go", "--exclude", "/top.txt"});
  EXPECT_EQ(FilesOf(ReadTree(Work("demo"))), Strings{"a.txt"});
  EXPECT_EQ(ReadFile(Work("top.txt")), "changed");
}

TEST_F(SelectorsTest, RestoreDeletesOnlyWhatIsSelected) {
  Remove(Work("src"));
  const std::string before = Commit();
  Write("src/one.go", "1");
  Write("src/two.txt", "2");
  Commit();
  RunWell({"restore", before, "*.go"});
  EXPECT_FALSE(Exists(Work("src/one.go")));
  EXPECT_EQ(ReadFile(Work("src/two.txt")), "2");
}

TEST_F(SelectorsTest, APatternThatMatchesNothingIsAWarning) {
  const std::string before = Commit();
  Write("top.txt", "changed");
  Commit();
  int next = 0;
  for (const Strings& pattern : std::vector<Strings>{
           {"--include", "no-such-name.*"}, {"--exclude", "no-such-name.*"}, {"no-such-name.*"}}) {
    for (const Strings& command :
         std::vector<Strings>{{"materialize", before, At("warn-" + std::to_string(next++))},
                              {"restore", "-n", before},
                              {"diff", before, "@"}}) {
      Strings args = command;
      args.insert(args.end(), pattern.begin(), pattern.end());
      const RunResult result = RunWell(args);
      EXPECT_EQ(result.err, "helios: warning: the pattern \"no-such-name.*\" matches nothing\n")
          << ::testing::PrintToString(args);
      result.Object();
      args.push_back("--text");
      if (command.front() == "materialize") args[2] += "-as-text";
      EXPECT_EQ(RunWell(args).err, result.err) << ::testing::PrintToString(args);
    }
  }
}

TEST_F(SelectorsTest, APatternThatMatchesSomethingIsNoWarning) {
  const std::string before = Commit();
  Write("top.txt", "changed");
  Remove(Work("demo"));
  const std::string after = Commit();
  const Strings patterns{"--include", "top.txt", "--include", "demo/a.txt", "--exclude", "*.go"};
  for (const Strings& command : std::vector<Strings>{{"materialize", before, At("out")},
                                                     {"diff", before, after},
                                                     {"restore", "-n", before},
                                                     {"restore", before}}) {
    Strings args = command;
    args.insert(args.end(), patterns.begin(), patterns.end());
    EXPECT_EQ(RunWell(args).err, "") << command.front();
  }
}

// The pattern is right, there is just nothing to do.
TEST_F(SelectorsTest, RestoreOfWhatIsThereAlreadyIsNoWarning) {
  const std::string id = Commit();
  EXPECT_EQ(RunWell({"restore", id, "top.txt"}).err, "");
  EXPECT_EQ(RunWell({"restore", id, "src/main.go"}).err, "");
}

TEST_F(SelectorsTest, AMalformedPatternIsExit2AndTouchesNothing) {
  const std::string before = Commit();
  Write("top.txt", "changed");
  const std::string after = Commit();
  const TreeState state = ReadTree(work_);
  for (const char* pattern : {"[a", "", "a\\", "../x", "a/../b", "/"}) {
    for (const Strings& selection :
         std::vector<Strings>{{"--include", pattern}, {"--exclude", pattern}, {pattern}}) {
      for (const Strings& command : std::vector<Strings>{
               {"materialize", before, At("out")}, {"restore", before}, {"diff", before, after}}) {
        Strings args = command;
        args.insert(args.end(), selection.begin(), selection.end());
        const RunResult result = Run(args);
        EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(args) << result;
        EXPECT_EQ(result.out, "");
        EXPECT_NE(result.ErrorMessage().find(pattern), std::string::npos) << result;
      }
    }
  }
  EXPECT_FALSE(Exists(At("out")));
  EXPECT_EQ(Difference(state, ReadTree(work_)), "");
}

// --- .heliosignore -------------------------------------------------------------------------------

class IgnoreTest : public HeliosTest {
 protected:
  // The files that a commit captures now.
  Strings Captured() { return FilesOf(ReadTree(Materialize(Commit()))); }
};

TEST_F(IgnoreTest, NestedFilesWithExceptions) {
  Write(".heliosignore", "# comment\n*.log\n/build/\n!keep.log\n\\#odd\n");
  Write("sub/.heliosignore", "!debug.log\nlocal\n");
  for (const char* path :
       {"a.log", "keep.log", "build/x", "src/build/x", "sub/debug.log", "sub/other.log",
        "sub/local", "sub/deep/local/x", "local", "#odd", "a.txt"}) {
    Write(path, "x");
  }
  EXPECT_EQ(Captured(), (Strings{".heliosignore", "a.txt", "keep.log", "local", "src/build/x",
                                 "sub/.heliosignore", "sub/debug.log"}));
}

TEST_F(IgnoreTest, NothingBelowAnIgnoredFolderCanBeTakenBack) {
  Write(".heliosignore", "out/\n!out/keep\n");
  Write("out/keep", "x");
  Write("out/.heliosignore", "!*\n");
  EXPECT_EQ(Captured(), Strings{".heliosignore"});
}

TEST_F(IgnoreTest, IgnoredPathsAreReported) {
  Write(".heliosignore", "*.o\n");
  Write("a.o", "x");
  Write("sub/b.o", "x");
  const Json json = RunWell({"commit"}).Object();
  EXPECT_EQ(json["not_captured"]["ignored"]["count"], 2);
  EXPECT_EQ(json["whole"], true);
}

TEST_F(IgnoreTest, AMalformedLineIsAWarningWithItsPlace) {
  Write(".heliosignore", "*.tmp\n[a\n");
  Write("sub/.heliosignore", "# fine\n\nb\\\n");
  Write("a.tmp", "x");
  // The second commit knows the folders from the index; the third lists them anew.
  for (int round = 0; round < 3; ++round) {
    if (round == 2) Write("sub/new", "x");
    const RunResult result = RunWell({"commit"});
    const Json warnings = result.Object()["ignore_warnings"];
    ASSERT_EQ(warnings["first"].size(), 2u) << result;
    EXPECT_EQ(warnings["first"][0]["path"], ".heliosignore");
    EXPECT_EQ(warnings["first"][0]["line"], 2);
    EXPECT_EQ(warnings["first"][0]["text"], "malformed pattern '[a': a '[' without its ']'");
    EXPECT_EQ(warnings["first"][1]["path"], "sub/.heliosignore");
    EXPECT_EQ(warnings["first"][1]["line"], 3);
    EXPECT_EQ(warnings["has_more"], false);
    EXPECT_NE(result.err.find("helios: warning: .heliosignore line 2 has no effect: malformed "
                              "pattern '[a'"),
              std::string::npos)
        << result;
    EXPECT_NE(result.err.find("sub/.heliosignore line 3"), std::string::npos) << result;
    EXPECT_EQ(result.Object()["not_captured"]["ignored"]["count"], 1) << "the other lines count";
  }
  EXPECT_EQ(RunWell({"commit", "-q"}).err, "");
  Write(".heliosignore", "*.tmp\n");
  Remove(Work("sub/.heliosignore"));
  const RunResult mended = RunWell({"commit"});
  EXPECT_EQ(mended.err, "");
  EXPECT_TRUE(mended.Object()["ignore_warnings"]["first"].empty()) << mended;
}

TEST_F(IgnoreTest, AMalformedLineThatIsNotTextIsQuotedAndExact) {
  Write("bad\xff/.heliosignore", "[\x1b\xff\n");
  const RunResult result = RunWell({"commit"});
  const Json warning = result.Object()["ignore_warnings"]["first"][0];
  EXPECT_TRUE(warning.contains("path_b64")) << warning;
  EXPECT_TRUE(warning.contains("text_b64")) << warning;
  EXPECT_NE(result.err.find("bad\\xff/.heliosignore line 1"), std::string::npos) << result;
  EXPECT_EQ(result.err.find('\x1b'), std::string::npos);
  EXPECT_EQ(result.err.find('\xff'), std::string::npos);
}

TEST_F(IgnoreTest, AFileThatIsTooLargeIsAWarningAndIsCaptured) {
  Write(".heliosignore", std::string(5 << 20, '#'));
  const RunResult result = RunWell({"commit"});
  EXPECT_EQ(result.Object()["files"], 1);
  EXPECT_EQ(result.Object()["whole"], true);
  const Json warning = result.Object()["ignore_warnings"]["first"][0];
  EXPECT_EQ(warning["path"], ".heliosignore");
  EXPECT_EQ(warning["line"], 0);
  EXPECT_NE(result.err.find(".heliosignore has no effect: the file is larger"), std::string::npos)
      << result;
}

TEST_F(IgnoreTest, WarningsAreBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "[" + std::string(300, 'a') + "\n";
  Write(".heliosignore", text);
  const RunResult result = RunWell({"commit"});
  EXPECT_EQ(result.Object()["ignore_warnings"]["has_more"], true);
  EXPECT_LT(result.err.size(), 10'000u);
}

TEST_F(IgnoreTest, AChangedFileTakesEffectAtTheNextCommit) {
  Write(".heliosignore", "*.tmp\n");
  for (const char* path : {"a.tmp", "a.txt", "sub/b.tmp", "sub/deep/c.tmp", "sub/deep/c.txt"}) {
    Write(path, "x");
  }
  EXPECT_EQ(Captured(), (Strings{".heliosignore", "a.txt", "sub/deep/c.txt"}));
  Write(".heliosignore", "*.txt\n");
  EXPECT_EQ(Captured(), (Strings{".heliosignore", "a.tmp", "sub/b.tmp", "sub/deep/c.tmp"}));
  Write(".heliosignore", "!.x\n#xx\n");
  EXPECT_EQ(Captured().size(), 6u);
  Write(".heliosignore", "*.tmp\n");
  EXPECT_EQ(Captured(), (Strings{".heliosignore", "a.txt", "sub/deep/c.txt"}));
  Remove(Work(".heliosignore"));
  EXPECT_EQ(Captured(),
            (Strings{"a.tmp", "a.txt", "sub/b.tmp", "sub/deep/c.tmp", "sub/deep/c.txt"}));
  Write("sub/.heliosignore", "c.*\n");
  EXPECT_EQ(Captured(), (Strings{"a.tmp", "a.txt", "sub/.heliosignore", "sub/b.tmp"}));
}

// Same length, same mtime: only the content tells.
TEST_F(IgnoreTest, AFileChangedInPlaceTakesEffectWhateverItsMtime) {
  Write("a.tmp", "x");
  Write("a.txt", "x");
  Write(".heliosignore", "*.tmp\n");
  SetMtime(Work(".heliosignore"), 1'000'000'000, 0);
  EXPECT_EQ(Captured(), (Strings{".heliosignore", "a.txt"}));
  Write(".heliosignore", "*.txt\n");
  SetMtime(Work(".heliosignore"), 1'000'000'000, 0);
  EXPECT_EQ(Captured(), (Strings{".heliosignore", "a.tmp"}));
}

TEST_F(IgnoreTest, AFolderOfThatNameOrALinkToOneIsNoIgnoreFile) {
  Write("a.txt", "x");
  Write(".heliosignore/file", "x");
  EXPECT_EQ(Captured(), (Strings{".heliosignore/file", "a.txt"}));
  Remove(Work(".heliosignore"));
  WriteFile(At("elsewhere"), "*.txt\n");
  MakeLink(At("elsewhere"), Work(".heliosignore"));
  EXPECT_EQ(Captured(), (Strings{".heliosignore", "a.txt"}));
}

TEST_F(IgnoreTest, OnesOwnGitIsLeftOutAndNestedOnesAreContent) {
  Write(".git/config", "x");
  Write("vendor/.git/config", "y");
  Write("a.txt", "x");
  EXPECT_EQ(Captured(), (Strings{"a.txt", "vendor/.git/config"}));
  const std::string with = RunWell({"commit", "--git", "include"}).Object()["snapshot_id"];
  EXPECT_EQ(FilesOf(ReadTree(Materialize(with))),
            (Strings{".git/config", "a.txt", "vendor/.git/config"}));
  EXPECT_EQ(Captured(), (Strings{"a.txt", "vendor/.git/config"}));
}

}  // namespace
}  // namespace helios

// Which store a command uses: every way to name one reaches the same store, mixed freely.
#include <gtest/gtest.h>

#include <thread>

#include "program.h"

namespace helios {
namespace {

enum class Way {
  kFlag,
  kEnvironment,
  kFolderInWork,
  kFolderAbove,
  kLink,
  kFileAbsolute,
  kFileRelative,
  kDefault,
};
constexpr Way kWays[] = {Way::kFlag, Way::kEnvironment,  Way::kFolderInWork, Way::kFolderAbove,
                         Way::kLink, Way::kFileAbsolute, Way::kFileRelative, Way::kDefault};

std::string NameOf(Way way) {
  switch (way) {
    case Way::kFlag:
      return "Flag";
    case Way::kEnvironment:
      return "Environment";
    case Way::kFolderInWork:
      return "FolderInWork";
    case Way::kFolderAbove:
      return "FolderAbove";
    case Way::kLink:
      return "Link";
    case Way::kFileAbsolute:
      return "FileAbsolute";
    case Way::kFileRelative:
      return "FileRelative";
    case Way::kDefault:
      return "Default";
  }
  return "?";
}

// How a command reaches the store home/.helios.
struct Reach {
  std::string work;
  std::vector<std::string> flags;
  RunOptions options;
  std::string rule;  // what stats should say, in part

  RunResult Run(std::vector<std::string> args) const {
    args.insert(args.end(), flags.begin(), flags.end());
    return RunHelios(args, options);
  }
};

class StoreMatrixTest : public ::testing::TestWithParam<std::tuple<Way, Way>> {
 protected:
  std::string At(const std::string& relative) const { return folder_.path() + "/" + relative; }

  Reach MakeReach(Way way, const std::string& name) const {
    Reach reach;
    reach.work = At(name);
    if (way == Way::kFolderInWork || way == Way::kDefault) reach.work = At("home");
    if (way == Way::kFolderAbove) reach.work = At("home/below/" + name);
    MakeFolders(reach.work);
    reach.options.cwd = reach.work;
    reach.rule = "found " + reach.work + "/.helios";
    if (way == Way::kFolderAbove) reach.rule = "found " + store_;
    if (way == Way::kFlag) {
      reach.flags = {"--store", store_};
      reach.rule = "--store";
    } else if (way == Way::kEnvironment) {
      reach.options.env["HELIOS_STORE_DIR"] = store_;
      reach.rule = "HELIOS_STORE_DIR";
    } else if (way == Way::kLink) {
      MakeLink(store_, reach.work + "/.helios");
    } else if (way == Way::kFileAbsolute) {
      WriteFile(reach.work + "/.helios", "store: " + store_ + "\n");
    } else if (way == Way::kFileRelative) {
      WriteFile(reach.work + "/.helios", "store: ../home/.helios\n");
    }
    return reach;
  }

  const TemporaryFolder folder_;
  const std::string store_ = At("home/.helios");
};

TEST_P(StoreMatrixTest, CommitAndMaterializeMeet) {
  const auto [commit_way, materialize_way] = GetParam();
  MakeFolders(At("home"));
  if (commit_way != Way::kDefault) {
    WriteFile(At("first/earlier.txt"), "earlier");
    ASSERT_EQ(RunHelios({"commit", "--work", At("first"), "--store", store_}).exit_code, 0);
  }
  const Reach from = MakeReach(commit_way, "from");
  WriteFile(from.work + "/dir/a.txt", "by " + NameOf(commit_way));
  const RunResult commit = from.Run({"commit"});
  ASSERT_EQ(commit.exit_code, 0) << commit;
  const std::string id = commit.Object()["snapshot_id"];

  const Reach to = MakeReach(materialize_way, "to");
  const RunResult materialize = to.Run({"materialize", "--id", id, "--out", At("out")});
  ASSERT_EQ(materialize.exit_code, 0) << materialize;
  EXPECT_EQ(ReadFile(At("out/dir/a.txt")), "by " + NameOf(commit_way));
  EXPECT_EQ(ListFolder(At("out/dir")), std::vector<std::string>{"a.txt"});
  EXPECT_FALSE(Exists(At("out/.helios"))) << "a store, or what leads to it, was captured";

  for (const Reach* reach : {&from, &to}) {
    const RunResult stats = reach->Run({"stats"});
    ASSERT_EQ(stats.exit_code, 0) << stats;
    const Json store = stats.Object()["store"];
    EXPECT_EQ(store["path"], store_);
    EXPECT_NE(store["rule"].get<std::string>().find(reach->rule), std::string::npos) << store;
    EXPECT_EQ(store["snapshots"], commit_way == Way::kDefault ? 1 : 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, StoreMatrixTest,
                         ::testing::Combine(::testing::ValuesIn(kWays), ::testing::ValuesIn(kWays)),
                         [](const auto& made) {
                           return NameOf(std::get<0>(made.param)) + "Then" +
                                  NameOf(std::get<1>(made.param));
                         });

class StoreResolutionTest : public ::testing::Test {
 protected:
  StoreResolutionTest() { WriteFile(At("work/a.txt"), "a"); }

  std::string At(const std::string& relative) const { return folder_.path() + "/" + relative; }
  // Runs in `work`.
  RunResult Run(const std::vector<std::string>& args, const std::string& environment = "") const {
    RunOptions options;
    options.cwd = At("work");
    if (!environment.empty()) options.env["HELIOS_STORE_DIR"] = environment;
    return RunHelios(args, options);
  }
  void MakeStore(const std::string& path) const {
    const RunResult result = Run({"commit", "--store", path, "-w", At("work")});
    ASSERT_EQ(result.exit_code, 0) << result;
  }
  std::string StoreOf(const RunResult& stats) const {
    EXPECT_EQ(stats.exit_code, 0) << stats;
    return stats.Object()["store"]["path"];
  }

  const TemporaryFolder folder_;
};

TEST_F(StoreResolutionTest, FlagBeforeEnvironmentBeforeDiscoveryBeforeDefault) {
  MakeStore(At("flag"));
  MakeStore(At("environment"));
  MakeStore(At(".helios"));
  EXPECT_EQ(StoreOf(Run({"stats", "--store", At("flag")}, At("environment"))), At("flag"));
  EXPECT_EQ(StoreOf(Run({"stats"}, At("environment"))), At("environment"));
  EXPECT_EQ(StoreOf(Run({"stats"})), At(".helios"));
  Remove(At(".helios"));
  EXPECT_EQ(Run({"stats"}).exit_code, 10);
  ASSERT_EQ(Run({"commit"}).exit_code, 0);
  EXPECT_TRUE(Exists(At("work/.helios/helios-store")));
}

TEST_F(StoreResolutionTest, TheNearestStoreWins) {
  MakeStore(At(".helios"));
  MakeStore(At("work/.helios"));
  EXPECT_EQ(StoreOf(Run({"stats"})), At("work/.helios"));
  MakeFolders(At("work/sub/deep"));
  EXPECT_EQ(StoreOf(Run({"stats", "--work", At("work/sub/deep")})), At("work/.helios"));
}

TEST_F(StoreResolutionTest, DiscoveryStartsAtWorkAndNotAtTheCurrentFolder) {
  MakeStore(At("work/.helios"));
  MakeStore(At("other/.helios"));
  EXPECT_EQ(StoreOf(Run({"stats", "--work", At("other")})), At("other/.helios"));
  EXPECT_EQ(StoreOf(Run({"stats", "--work", "../other"})), At("other/.helios"));
  EXPECT_EQ(StoreOf(Run({"-C", At("other"), "stats"})), At("other/.helios"));
}

TEST_F(StoreResolutionTest, AnEmptyVariableIsNone) {
  MakeStore(At("work/.helios"));
  RunOptions options;
  options.cwd = At("work");
  options.env["HELIOS_STORE_DIR"] = "";
  EXPECT_EQ(StoreOf(RunHelios({"stats"}, options)), At("work/.helios"));
}

TEST_F(StoreResolutionTest, RelativePathsStartAtTheCurrentFolder) {
  MakeStore(At("store"));
  EXPECT_EQ(StoreOf(Run({"stats", "--store", "../store"})), At("store"));
  EXPECT_EQ(StoreOf(Run({"stats", "--store", "../store/"})), At("store"));
  EXPECT_EQ(StoreOf(Run({"stats"}, "../store")), At("store"));
  EXPECT_EQ(StoreOf(Run({"-C", "..", "stats", "--store", "store"})), At("store"));
}

TEST_F(StoreResolutionTest, AWorkspaceReachedThroughALinkIsTheSame) {
  MakeStore(At("work/.helios"));
  MakeLink("work", At("link"));
  const RunResult through_link = Run({"commit", "--work", At("link")});
  ASSERT_EQ(through_link.exit_code, 0) << through_link;
  EXPECT_EQ(through_link.Object()["unchanged"], true);
}

TEST_F(StoreResolutionTest, StopsAtAFileSystemBoundary) {
  if (!CanMount()) GTEST_SKIP() << "no second file system can be had below the first";
  MakeStore(At("work/.helios"));
  MakeFolders(At("work/mounted"));
  const std::vector<std::string> stats{"stats", "--work", At("work/mounted")};
  EXPECT_EQ(RunHelios(stats).exit_code, 0);
  RunOptions options;
  options.mount_at = At("work/mounted");
  const RunResult result = RunHelios(stats, options);
  EXPECT_EQ(result.exit_code, 10) << result;
}

TEST_F(StoreResolutionTest, TheStoreMayLieOnAnotherFileSystem) {
  if (!Exists("/dev/shm")) GTEST_SKIP() << "no /dev/shm";
  const TemporaryFolder elsewhere("/dev/shm");
  const std::string store = elsewhere.path() + "/store";
  const RunResult commit = Run({"commit", "--store", store});
  ASSERT_EQ(commit.exit_code, 0) << commit;
  MakeLink(store, At("work/.helios"));
  EXPECT_EQ(StoreOf(Run({"stats"})), store);
  const std::string id = commit.Object()["snapshot_id"];
  const std::string out = elsewhere.path() + "/out";
  ASSERT_EQ(Run({"materialize", id, out}).exit_code, 0);
  EXPECT_EQ(ReadFile(out + "/a.txt"), "a");
}

TEST_F(StoreResolutionTest, RefusesWhatAnotherUserOwns) {
  if (!Nobody()) GTEST_SKIP() << "only root can give files away";
  const auto expect_refused = [&](const std::vector<std::string>& args, const char* what) {
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 1) << what << " " << result;
    EXPECT_NE(result.ErrorMessage().find("65534"), std::string::npos) << what << " " << result;
  };
  MakeStore(At("work/.helios"));
  SetOwner(At("work/.helios"), *Nobody());
  expect_refused({"stats"}, "a folder");
  expect_refused({"commit"}, "a folder");
  expect_refused({"commit", "--store", At("work/.helios")}, "a folder by name");
  Remove(At("work/.helios"));

  MakeStore(At("store"));
  MakeLink(At("store"), At("work/.helios"));
  SetOwner(At("work/.helios"), *Nobody());
  expect_refused({"stats"}, "a link");
  Remove(At("work/.helios"));

  WriteFile(At("work/.helios"), "store: " + At("store") + "\n");
  SetOwner(At("work/.helios"), *Nobody());
  expect_refused({"commit"}, "a file");

  // One's own file that leads to a store of somebody else.
  SetOwner(At("work/.helios"), 0);
  SetOwner(At("store"), *Nobody());
  expect_refused({"stats"}, "what a file leads to");
}

TEST_F(StoreResolutionTest, RefusesAStoreOfRoot) {
  if (!Nobody()) GTEST_SKIP() << "only root can become somebody else";
  MakeStore(At("work/.helios"));
  RunOptions options;
  options.cwd = At("work");
  options.uid = Nobody();
  const RunResult result = RunHelios({"stats"}, options);
  EXPECT_EQ(result.exit_code, 1) << result;
}

TEST_F(StoreResolutionTest, CommandsOtherThanCommitCreateNothing) {
  const std::string id = "blake3:" + std::string(64, 'a');
  const std::vector<std::vector<std::string>> commands = {
      {"stats"},
      {"diff", "--from", id, "--to", id},
      {"restore", "--id", id},
      {"materialize", "--id", id, "--out", At("out")},
  };
  const TreeState before = ReadTree(folder_.path());
  for (const std::vector<std::string>& command : commands) {
    const RunResult by_default = Run(command);
    EXPECT_EQ(by_default.exit_code, 10) << command.front() << " " << by_default;
    EXPECT_EQ(by_default.ErrorObject()["code"], "no_store");
    EXPECT_EQ(by_default.out, "");
    EXPECT_EQ(Run(command, At("nothing")).exit_code, 10) << command.front();
    std::vector<std::string> with_flag = command;
    with_flag.insert(with_flag.end(), {"--store", At("deep/nothing")});
    EXPECT_EQ(Run(with_flag).exit_code, 10) << command.front();
  }
  EXPECT_EQ(Difference(before, ReadTree(folder_.path())), "");
}

TEST_F(StoreResolutionTest, CommitCreatesTheStoreThatTheRulesName) {
  ASSERT_EQ(Run({"commit", "--store", At("deep/down/store")}).exit_code, 0);
  EXPECT_TRUE(Exists(At("deep/down/store/helios-store")));
  EXPECT_EQ(ListFolder(At("deep/down")), std::vector<std::string>{"store"});
  ASSERT_EQ(Run({"commit"}, At("environment")).exit_code, 0);
  EXPECT_TRUE(Exists(At("environment/helios-store")));
  EXPECT_FALSE(Exists(At("work/.helios")));
}

TEST_F(StoreResolutionTest, CommitLeavesAFolderAloneThatIsNoStore) {
  WriteFile(At("mine/precious.txt"), "p");
  const TreeState before = ReadTree(folder_.path());
  const RunResult result = Run({"commit", "--store", At("mine")});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.ErrorMessage().find(At("mine")), std::string::npos);
  WriteFile(At("file"), "f");
  EXPECT_NE(Run({"commit", "--store", At("file/store")}).exit_code, 0);
  Remove(At("file"));
  EXPECT_EQ(Difference(before, ReadTree(folder_.path()), Compare::kContents), "");
}

TEST_F(StoreResolutionTest, CommitOfAFolderThatIsNotThereCreatesNothing) {
  const TreeState before = ReadTree(folder_.path());
  const RunResult by_default = Run({"commit", "--work", At("mistyped")});
  EXPECT_NE(by_default.exit_code, 0) << by_default;
  const RunResult with_store =
      Run({"commit", "--work", At("mistyped"), "--store", At("new-store")});
  EXPECT_NE(with_store.exit_code, 0) << with_store;
  EXPECT_EQ(Difference(before, ReadTree(folder_.path())), "");
}

TEST_F(StoreResolutionTest, CommitOfAFileIsAnErrorThatNamesIt) {
  const TreeState before = ReadTree(folder_.path());
  const RunResult result = Run({"commit", "--work", At("work/a.txt")});
  EXPECT_NE(result.exit_code, 0) << result;
  EXPECT_NE(result.ErrorMessage().find("a.txt"), std::string::npos) << result;
  EXPECT_EQ(Difference(before, ReadTree(folder_.path())), "");
}

TEST_F(StoreResolutionTest, AFileThatSaysSomethingElseIsWrongUsage) {
  for (const std::string_view content :
       {std::string_view(""), std::string_view("\n"), std::string_view("hello\n"),
        std::string_view("store:\n"), std::string_view("store:   \n"),
        std::string_view("gitdir: x\n"), std::string_view("\0\xff\x01 store: x", 12)}) {
    WriteFile(At("work/.helios"), content);
    for (const char* command : {"commit", "stats"}) {
      const RunResult result = Run({command});
      EXPECT_EQ(result.exit_code, 2) << command << " '" << content << "' " << result;
      EXPECT_NE(result.ErrorMessage().find(".helios"), std::string::npos) << result;
    }
    EXPECT_EQ(ReadFile(At("work/.helios")), content);
  }
}

TEST_F(StoreResolutionTest, AFileMayEndInManyWays) {
  MakeStore(At("store with space"));
  const std::string store = At("store with space");
  for (const std::string& content :
       {"store: " + store, "store: " + store + "\n", "store:" + store + "\r\n",
        "store:\t" + store + "  \nmore\n", "store: " + store + "/\n"}) {
    WriteFile(At("work/.helios"), content);
    EXPECT_EQ(StoreOf(Run({"stats"})), store) << content;
  }
}

TEST_F(StoreResolutionTest, WhatLeadsNowhereIsNoStoreEvenForCommit) {
  MakeLink(At("nowhere"), At("work/.helios"));
  const TreeState before = ReadTree(folder_.path());
  for (const char* command : {"commit", "stats"}) {
    const RunResult result = Run({command});
    EXPECT_EQ(result.exit_code, 10) << command << " " << result;
  }
  EXPECT_EQ(Difference(before, ReadTree(folder_.path())), "");
  Remove(At("work/.helios"));

  WriteFile(At("work/.helios"), "store: nowhere\n");
  for (const char* command : {"commit", "stats"}) {
    const RunResult result = Run({command});
    EXPECT_EQ(result.exit_code, 10) << command << " " << result;
    EXPECT_NE(result.ErrorMessage().find("nowhere"), std::string::npos) << result;
  }
  EXPECT_FALSE(Exists(At("work/nowhere")));
}

TEST_F(StoreResolutionTest, AFileThatLeadsToAFolderWithoutAStoreIsNoStore) {
  WriteFile(At("other/thing"), "x");
  WriteFile(At("work/.helios"), "store: ../other\n");
  EXPECT_EQ(Run({"stats"}).exit_code, 10);
  const TreeState before = ReadTree(At("other"));
  EXPECT_NE(Run({"commit"}).exit_code, 0);
  EXPECT_EQ(Difference(before, ReadTree(At("other"))), "");
}

TEST_F(StoreResolutionTest, DebugNamesTheStoreOnStandardErrorOnly) {
  RunOptions options;
  options.cwd = At("work");
  options.env["HELIOS_DEBUG"] = "1";
  const RunResult result = RunHelios({"commit"}, options);
  ASSERT_EQ(result.exit_code, 0) << result;
  result.Object();
  EXPECT_NE(result.err.find(At("work/.helios")), std::string::npos) << result;
}

TEST_F(StoreResolutionTest, TextSaysWhichStoreAndWhichRule) {
  MakeStore(At("store"));
  const RunResult result = Run({"stats", "--text"}, At("store"));
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find(At("store")), std::string::npos) << result;
  EXPECT_NE(result.out.find("HELIOS_STORE_DIR"), std::string::npos) << result;
}

class StoreIsNotCapturedTest : public StoreResolutionTest,
                               public ::testing::WithParamInterface<std::string> {};

TEST_P(StoreIsNotCapturedTest, WhereverItLiesAndWhateverItIsCalled) {
  const std::string store = At("work/" + GetParam());
  const RunResult first = Run({"commit", "--store", store});
  ASSERT_EQ(first.exit_code, 0) << first;
  WriteFile(At("work/b.txt"), "b");
  const RunResult second = Run({"commit", "--store", store});
  ASSERT_EQ(second.exit_code, 0) << second;
  EXPECT_EQ(second.Object()["files"], 2);
  EXPECT_EQ(second.Object()["not_captured"]["store"]["count"], 1);
  const std::string id = second.Object()["snapshot_id"];
  ASSERT_EQ(Run({"materialize", id, At("out"), "--store", store}).exit_code, 0);
  const TreeState out = ReadTree(At("out"));
  for (const auto& [path, node] : out) {
    EXPECT_EQ(path.find("helios-store"), std::string::npos) << path;
    EXPECT_EQ(path.find(".pack"), std::string::npos) << path;
  }
  // Under another name it is still a store, and nothing else has changed.
  Rename(store, At("work/moved"));
  const RunResult third = Run({"commit", "--store", At("work/moved")});
  ASSERT_EQ(third.exit_code, 0) << third;
  EXPECT_EQ(third.Object()["files"], 2);
  if (GetParam().find('/') == std::string::npos) {
    EXPECT_EQ(third.Object()["snapshot_id"], id);
  }
}

INSTANTIATE_TEST_SUITE_P(Names, StoreIsNotCapturedTest,
                         ::testing::Values(".helios", ".helios-store", "data", "deep/down/cache",
                                           "a b",
                                           "sp\xc3\xa9"
                                           "cial",
                                           "\xff\xfe", ".hidden"),
                         [](const auto& made) { return "Name" + std::to_string(made.index); });

TEST_F(StoreResolutionTest, AnotherStoreInTheWorkspaceIsNotCapturedEither) {
  MakeStore(At("work/sub/old-store"));
  const RunResult result = Run({"commit", "--store", At("store")});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.Object()["files"], 1);
  EXPECT_EQ(result.Object()["not_captured"]["store"]["paths"], Json::array({"sub/old-store"}));
}

TEST_F(StoreResolutionTest, AFolderThatOnlyLooksLikeAStoreIsCaptured) {
  WriteFile(At("work/sub/helios-store"), "a file of mine\n");
  WriteFile(At("work/sub/pack/x.pack"), "p");
  const RunResult result = Run({"commit", "--store", At("store")});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.Object()["files"], 3);
}

TEST_F(StoreResolutionTest, AStoreThatAppearsInAFolderAlreadyKnownIsNotCaptured) {
  MakeFolders(At("work/later"));
  ASSERT_EQ(Run({"commit", "--store", At("store")}).exit_code, 0);
  MakeStore(At("work/later/here"));
  const RunResult result = Run({"commit", "--store", At("store")});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.Object()["files"], 1);
}

// Neither the times of the folder nor those of the one that it lies in tell.
TEST_F(StoreResolutionTest, AStoreThatIsNoneAnyMoreIsCaptured) {
  MakeStore(At("work/sub/old-store"));
  const auto commit = [&] { return Run({"commit", "--store", At("store")}); };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(commit().Object()["files"], 1);
  EXPECT_EQ(commit().Object()["unchanged"], true) << "a store in a folder makes no commit new";
  Remove(At("work/sub/old-store/helios-store"));
  EXPECT_GT(commit().Object()["files"], 1);
  WriteFile(At("work/sub/old-store/helios-store"), "helios store\nversion: 1\nbackend: pack\n");
  EXPECT_EQ(commit().Object()["files"], 1);
}

TEST_F(StoreResolutionTest, AMarkerThatIsWrittenOverInPlaceMakesAStore) {
  WriteFile(At("work/sub/helios-store"), "a file of mine\n");
  WriteFile(At("work/sub/other"), "x");
  const auto commit = [&] { return Run({"commit", "--store", At("store")}); };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(commit().Object()["files"], 3);
  WriteFile(At("work/sub/helios-store"), "helios store\nversion: 1\nbackend: pack\n");
  const RunResult result = commit();
  EXPECT_EQ(result.Object()["files"], 1) << result;
  EXPECT_EQ(result.Object()["not_captured"]["store"]["paths"], Json::array({"sub"})) << result;
}

TEST_F(StoreResolutionTest, AFolderOfTheStoresNameThatIsNoStoreIsCaptured) {
  WriteFile(At("work/.helios/notes"), "mine");
  const RunResult folder = Run({"commit", "--store", At("store")});
  ASSERT_EQ(folder.exit_code, 0) << folder;
  EXPECT_EQ(folder.Object()["files"], 2);
  Remove(At("work/.helios"));
  MakeLink("a.txt", At("work/.helios"));
  EXPECT_EQ(Run({"commit", "--store", At("store")}).Object()["files"], 2);
  // What leads to a store is left out, wherever the store is that is used.
  Remove(At("work/.helios"));
  MakeStore(At("elsewhere"));
  MakeLink(At("elsewhere"), At("work/.helios"));
  EXPECT_EQ(Run({"commit", "--store", At("store")}).Object()["files"], 1);
  Remove(At("work/.helios"));
  WriteFile(At("work/.helios"), "store: /not/mounted\n");
  EXPECT_EQ(Run({"commit", "--store", At("store")}).Object()["files"], 1);
}

TEST_F(StoreResolutionTest, WhatOthersAreJustMakingIsNotCaptured) {
  ASSERT_EQ(Run({"commit", "--store", At("store")}).exit_code, 0);
  const std::string id = Run({"commit", "--store", At("store")}).Object()["snapshot_id"];
  const std::string digits = "0123456789abcdef0123456789abcdef";
  WriteFile(At("work/.helios-new-" + digits + "/pack/half"), "half a store");
  WriteFile(At("work/.helios-tmp-" + digits), "half a file");
  EXPECT_EQ(Run({"commit", "--store", At("store")}).Object()["snapshot_id"], id);
  // What only looks like it is the user's.
  WriteFile(At("work/.helios-tmp-" + digits + ".txt"), "mine");
  WriteFile(At("work/.helios-new-" + digits.substr(1)), "mine");
  WriteFile(At("work/deep/down/.helios-tmp-" + digits), "half a file");
  EXPECT_EQ(Run({"commit", "--store", At("store")}).Object()["files"], 3);
}

// Each captured the others' half-made stores.
TEST_F(StoreResolutionTest, ManyFirstCommitsOfOneFolderGiveOneId) {
  constexpr size_t kProcesses = 8;
  for (int round = 0; round < 5; ++round) {
    const std::string work = At("first" + std::to_string(round));
    for (int i = 0; i < 30; ++i) WriteFile(work + "/" + std::to_string(i), std::to_string(i));
    std::vector<RunResult> results(kProcesses);
    std::vector<std::thread> threads;
    for (RunResult& result : results) {
      threads.emplace_back([&result, work] { result = RunHelios({"commit", "-w", work}); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const RunResult& result : results) {
      ASSERT_EQ(result.exit_code, 0) << result;
      EXPECT_EQ(result.Object()["snapshot_id"], results.front().Object()["snapshot_id"]);
    }
  }
}

TEST_F(StoreResolutionTest, AFolderInsideTheStoreIsNotCommitted) {
  MakeStore(At("store"));
  const std::string backend = "store/" + TestedBackend();
  for (const std::string& inside :
       {std::string("store"), backend, std::string("store/workspaces")}) {
    const RunResult result = Run({"commit", "--store", At("store"), "--work", At(inside)});
    EXPECT_NE(result.exit_code, 0) << inside << " " << result;
  }
}

TEST_F(StoreResolutionTest, NothingIsMaterializedIntoTheStore) {
  MakeStore(At("store"));
  const std::string backend = "store/" + TestedBackend();
  const TreeState before = ReadTree(At(backend));
  MakeLink(At(backend), At("link"));
  for (const std::string& out :
       {std::string("store"), backend, backend + "/new", std::string("link")}) {
    const RunResult result = Run({"materialize", "@", At(out), "--store", At("store")});
    EXPECT_NE(result.exit_code, 0) << out << " " << result;
  }
  EXPECT_EQ(Difference(before, ReadTree(At(backend)), Compare::kContents), "");
}

TEST_F(StoreResolutionTest, ManyFirstCommitsAtOnceMakeOneStore) {
  constexpr int kProcesses = 8;
  std::vector<RunResult> results(kProcesses);
  std::vector<std::thread> threads;
  for (int i = 0; i < kProcesses; ++i) {
    const std::string work = At("many/" + std::to_string(i));
    WriteFile(work + "/file", std::to_string(i));
    threads.emplace_back([&results, i, work, store = At("shared")] {
      results[static_cast<size_t>(i)] =
          RunHelios({"commit", "--work", work, "--store", store, "-j1"});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kProcesses; ++i) {
    const RunResult& result = results[static_cast<size_t>(i)];
    ASSERT_EQ(result.exit_code, 0) << result;
    const std::string out = At("out-" + std::to_string(i));
    const std::string id = result.Object()["snapshot_id"];
    ASSERT_EQ(Run({"materialize", id, out, "--store", At("shared")}).exit_code, 0);
    EXPECT_EQ(ReadFile(out + "/file"), std::to_string(i));
  }
  for (const std::string& name : ListFolder(folder_.path())) {
    EXPECT_FALSE(name.starts_with(".helios-new-")) << name << " was left behind";
  }
}

}  // namespace
}  // namespace helios

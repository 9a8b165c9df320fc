// Restore --lazy: the folder stands at a snapshot whose files were not brought.
#include <gtest/gtest.h>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class LazyRestoreTest : public HeliosTest {
 protected:
  // Two snapshots: some files are in both, some in one, and one has two contents.
  void CommitTwice() {
    Write("same", "same");
    Write("changed", "first");
    Write("sub/only-first", "1");
    first_state_ = ReadTree(work_);
    first_ = Commit();
    Write("changed", "second");
    Remove(Work("sub"));
    Write("only-second", "2");
    Write("folder/only-second", "2");
    second_state_ = ReadTree(work_);
    second_ = Commit();
  }
  std::string Operations() const { return ReadFile(store_ + "/operations"); }
  std::string Read(const std::string& argument) const { return RunWell({"read", argument}).out; }
  std::string StandsAt() const { return RunWell({"diff", "@", "@"}).Object()["from"]; }

  std::string first_, second_;
  TreeState first_state_, second_state_;
};

TEST_F(LazyRestoreTest, MovesWhereTheFolderStandsAndTouchesNothing) {
  CommitTwice();
  Write("changed", "unsaved");
  Write("untracked", "u");
  const TreeState before = ReadTree(work_);
  const Json json = RunWell({"restore", "--lazy", first_.substr(0, 20)}).Object();
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  EXPECT_EQ(json["restored"], first_.substr(0, 20));
  EXPECT_EQ(json["snapshot_id"], first_);
  EXPECT_EQ(json["mode"], "lazy");
  EXPECT_EQ(json["files"], 3);
  EXPECT_EQ(json["bytes"], 10);
  for (const char* key : {"created", "replaced", "deleted", "kept_untracked"}) {
    EXPECT_EQ(json[key], 0) << key;
  }
  EXPECT_EQ(json["written"]["files"], 0);
  EXPECT_EQ(StandsAt(), first_);
  EXPECT_EQ(Read("@:changed"), "first");
  EXPECT_EQ(Read("@:sub/only-first"), "1");
}

TEST_F(LazyRestoreTest, TheDoctorSaysSo) {
  CommitTwice();
  EXPECT_EQ(RunWell({"doctor"}).out.find("restored lazily"), std::string::npos);
  RunWell({"restore", "--lazy", first_});
  EXPECT_NE(RunWell({"doctor"}).out.find("restored lazily"), std::string::npos);
}

TEST_F(LazyRestoreTest, AnEagerRestoreSaysThatItIsOne) {
  CommitTwice();
  const Json json = RunWell({"restore", first_}).Object();
  EXPECT_EQ(json["mode"], "eager");
  EXPECT_FALSE(json.contains("bytes")) << "the mapping's";
}

TEST_F(LazyRestoreTest, IntoAFolderThatIsNotThere) {
  CommitTwice();
  const std::string fresh = At("fresh");
  RunWell({"restore", "--lazy", first_, "--work", fresh});
  EXPECT_EQ(ListFolder(fresh), Strings{});
  EXPECT_EQ(RunWell({"read", "@:changed", "--work", fresh}).out, "first");
  RunWell({"restore", "@", "--work", fresh});
  EXPECT_EQ(Difference(first_state_, ReadTree(fresh)), "");
}

TEST_F(LazyRestoreTest, OfTheSameSnapshotAgainChangesNothing) {
  CommitTwice();
  RunWell({"restore", "--lazy", first_});
  const std::string operations = Operations();
  RunWell({"restore", "--lazy", "@"});
  EXPECT_EQ(Operations(), operations);
}

TEST_F(LazyRestoreTest, WithDryRunTellsAndDoesNothing) {
  CommitTwice();
  const std::string operations = Operations();
  const Json json = RunWell({"restore", "--lazy", "-n", first_, "--work", At("fresh")}).Object();
  EXPECT_EQ(json["dry_run"], true);
  EXPECT_EQ(json["files"], 3);
  EXPECT_FALSE(Exists(At("fresh")));
  EXPECT_EQ(Operations(), operations);
}

TEST_F(LazyRestoreTest, WhatMakesNoSenseWithItIsExit2) {
  CommitTwice();
  const std::string operations = Operations();
  for (const Strings& more : std::vector<Strings>{{"same"},
                                                  {"--include", "same"},
                                                  {"--exclude", "same"},
                                                  {"--force"},
                                                  {"--delete-untracked"}}) {
    Strings args{"restore", "--lazy", first_};
    args.insert(args.end(), more.begin(), more.end());
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(args) << result;
    EXPECT_EQ(result.ErrorObject()["code"], "usage");
    EXPECT_NE(result.ErrorMessage().find("lazy"), std::string::npos) << result;
  }
  EXPECT_EQ(Operations(), operations);
}

TEST_F(LazyRestoreTest, OfASnapshotWithAFolderMissingIsExit13AndMovesNothing) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is damaged");
  Write("sub/deep/file", "x");
  Commit();
  const Strings packs = Packs();
  Write("beside", "b");
  const std::string id = Commit();
  for (const std::string& pack : packs) Remove(pack);
  const std::string operations = Operations();
  for (const Strings& more : std::vector<Strings>{{}, {"-n"}, {"-w", At("fresh")}}) {
    Strings args{"restore", "--lazy", id};
    args.insert(args.end(), more.begin(), more.end());
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 13) << result;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.ErrorMessage().find("sub: object is missing"), std::string::npos) << result;
    EXPECT_NE(result.ErrorMessage().find("tree blake3:"), std::string::npos) << result;
  }
  EXPECT_EQ(Operations(), operations);
  EXPECT_FALSE(Exists(At("fresh")));
}

// ---- Commits: the files that are not in the folder were not deleted ----

TEST_F(LazyRestoreTest, ACommitIsRefusedUntilTheFilesAreThere) {
  CommitTwice();
  RunWell({"restore", "--lazy", first_});
  const std::string operations = Operations();
  const Strings files = ObjectFiles();
  const RunResult refused = Run({"commit", "-m", "anything"});
  EXPECT_EQ(refused.exit_code, 4) << refused;
  EXPECT_EQ(refused.out, "");
  EXPECT_EQ(refused.ErrorObject()["code"], "would_lose_work");
  EXPECT_NE(refused.ErrorMessage().find("helios restore @"), std::string::npos) << refused;
  EXPECT_EQ(Operations(), operations);
  EXPECT_EQ(ObjectFiles(), files);

  RunWell({"restore", "@"});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
  EXPECT_EQ(RunWell({"commit"}).Object()["unchanged"], true);
  Write("new", "n");
  RunWell({"commit"});
  const Json diff = RunWell({"diff", "@~1", "@"}).Object();
  EXPECT_EQ(diff["from"], first_);
  EXPECT_EQ(diff["Added"], 1);
  EXPECT_EQ(diff["Deleted"], 0);
}

TEST_F(LazyRestoreTest, APartialRestoreBringsFilesAndDoesNotEndIt) {
  CommitTwice();
  const std::string fresh = At("fresh");
  RunWell({"restore", "--lazy", first_, "-w", fresh});
  RunWell({"restore", "@", "sub/", "-w", fresh});
  EXPECT_EQ(ListFolder(fresh), Strings{"sub"});
  EXPECT_EQ(Run({"commit", "-w", fresh}).exit_code, 4);
  // What it brought is not taken for the user's own.
  RunWell({"restore", second_, "-w", fresh});
  EXPECT_EQ(Difference(second_state_, ReadTree(fresh)), "");
}

TEST_F(LazyRestoreTest, AForcedCommitTakesTheFolderAsItIs) {
  CommitTwice();
  const std::string fresh = At("fresh");
  RunWell({"restore", "--lazy", first_, "-w", fresh});
  WriteFile(fresh + "/changed", "mine");
  RunWell({"commit", "--force", "-w", fresh});
  EXPECT_EQ(RunWell({"diff", "@~1", "@", "-w", fresh}).Object()["from"], first_);
  EXPECT_EQ(RunWell({"read", "@:changed", "-w", fresh}).out, "mine");
  EXPECT_EQ(Run({"read", "@:same", "-w", fresh}).exit_code, 1);
  EXPECT_EQ(RunWell({"commit", "-w", fresh}).Object()["unchanged"], true) << "no longer lazy";
}

TEST_F(LazyRestoreTest, AForcedCommitOfJustTheSameEndsItToo) {
  CommitTwice();
  RunWell({"restore", "--lazy", second_});
  EXPECT_EQ(RunWell({"commit", "--force"}).Object()["snapshot_id"], second_);
  RunWell({"commit"});
}

TEST_F(LazyRestoreTest, ForceChangesNothingOtherwise) {
  CommitTwice();
  EXPECT_EQ(RunWell({"commit", "--force"}).Object()["unchanged"], true);
}

// ---- Eager restores after it: nothing is lost, and nothing is left over ----

TEST_F(LazyRestoreTest, TheSameSnapshotEagerlyEndsIt) {
  CommitTwice();
  RunWell({"restore", "--lazy", "@"});  // all files are there, but nobody vouches for that
  EXPECT_EQ(Run({"commit"}).exit_code, 4);
  const Json json = RunWell({"restore", "@"}).Object();
  EXPECT_EQ(json["written"]["files"], 0);
  EXPECT_EQ(RunWell({"commit"}).Object()["unchanged"], true);
}

TEST_F(LazyRestoreTest, UntrackedFilesSurvive) {
  CommitTwice();
  Write("untracked", "u");
  Write("folder/untracked", "u");
  Write("new/deep/file", "u");
  MakeFolders(Work("new-and-empty"));
  RunWell({"restore", "--lazy", first_});
  const Json json = RunWell({"restore", "@"}).Object();
  EXPECT_EQ(json["kept_untracked"], 4);
  EXPECT_EQ(ReadFile(Work("untracked")), "u");
  EXPECT_EQ(ReadFile(Work("new/deep/file")), "u");
  EXPECT_EQ(ListFolder(Work("folder")), Strings{"untracked"}) << "the other file is in a snapshot";
  EXPECT_TRUE(Exists(Work("new-and-empty")));
  EXPECT_FALSE(Exists(Work("only-second")));
  EXPECT_EQ(ReadFile(Work("changed")), "first");
}

TEST_F(LazyRestoreTest, UnsavedWorkIsRefused) {
  CommitTwice();
  // Of the snapshot where the files are from, of the one where the folder stands, and of both.
  Write("changed", "unsaved");
  Write("sub/only-first", "mine");
  Write("same", "unsaved");
  RunWell({"restore", "--lazy", first_});
  const TreeState before = ReadTree(work_);
  for (const Strings& args :
       std::vector<Strings>{{"restore", "@"}, {"restore", first_}, {"restore", second_}}) {
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 4) << result;
    for (const char* path : {"changed", "same"}) {
      EXPECT_NE(result.ErrorMessage().find(std::string("\n  ") + path), std::string::npos)
          << path << result;
    }
    EXPECT_NE(result.ErrorMessage().find("helios commit --force"), std::string::npos) << result;
    EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  }
  // The way out that the message names.
  const std::string saved = RunWell({"commit", "--force"}).Object()["snapshot_id"];
  RunWell({"restore", first_});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
  RunWell({"restore", saved});
  EXPECT_EQ(ReadFile(Work("changed")), "unsaved");
  EXPECT_EQ(ReadFile(Work("sub/only-first")), "mine");
}

TEST_F(LazyRestoreTest, FilesThatNoSnapshotOfAFreshFolderHoldsAreRefused) {
  CommitTwice();
  WriteFile(At("other/changed"), "mine");
  RunWell({"restore", "--lazy", first_, "-w", At("other")});
  EXPECT_EQ(Run({"restore", "@", "-w", At("other")}).exit_code, 4);
  EXPECT_EQ(ReadFile(At("other/changed")), "mine");
}

// Through any number of lazy restores, the eager one at the end comes to the same.
class LazyThenEagerTest : public LazyRestoreTest,
                          public ::testing::WithParamInterface<std::tuple<int, int>> {
 protected:
  void Make(int kind) const {
    Write("beside", "b");
    switch (kind) {
      case 0:
        return Write("name", "a file");
      case 1:
        return MakeLink("target", Work("name"));
      case 2:
        return MakeFolders(Work("name"));
      case 3:
        Write("name/sub/file", "in a folder");
        return MakeLink("x", Work("name/link"));
      case 4:
        Write("name", "an executable");
        return SetMode(Work("name"), 0755);
      case 5:
        return Write("name/sub", "a file where another has a folder");
      default:
        return;  // nothing
    }
  }
  std::string CommitKind(int kind, TreeState* state) {
    for (const std::string& name : ListFolder(work_)) Remove(Work(name));
    Make(kind);
    *state = ReadTree(work_);
    return Commit();
  }
};

TEST_P(LazyThenEagerTest, IsAnEagerRestore) {
  const auto [here, there] = GetParam();
  TreeState third_state;
  const std::string third = CommitKind((there + 1) % 7, &third_state);
  first_ = CommitKind(there, &first_state_);
  second_ = CommitKind(here, &second_state_);
  const auto expect_at = [&](const TreeState& state) {
    EXPECT_EQ(Difference(state, ReadTree(work_), Compare::kContents), "");
  };
  RunWell({"restore", "--lazy", first_});
  RunWell({"restore", "@"});
  expect_at(first_state_);
  RunWell({"restore", "--lazy", third});
  RunWell({"restore", "--lazy", first_});
  RunWell({"restore", second_});
  expect_at(second_state_);
  RunWell({"restore", "--lazy", first_});
  RunWell({"restore", third});
  expect_at(third_state);
}

INSTANTIATE_TEST_SUITE_P(Kinds, LazyThenEagerTest,
                         ::testing::Combine(::testing::Range(0, 7), ::testing::Range(0, 7)),
                         [](const auto& made) {
                           return "From" + std::to_string(std::get<0>(made.param)) + "To" +
                                  std::to_string(std::get<1>(made.param));
                         });

}  // namespace
}  // namespace helios

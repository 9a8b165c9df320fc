// Restore in place: touches only what differs, and never loses work.
#include <gtest/gtest.h>

#include <algorithm>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class RestoreTest : public HeliosTest {
 protected:
  // Two snapshots that share some files.
  void CommitTwice() {
    Write("same", "same");
    Write("sub/same", "same");
    Write("changed", "first");
    Write("sub/changed", "first");
    Write("only-first", "1");
    first_state_ = ReadTree(work_);
    first_ = Commit();
    Write("changed", "second");
    Write("sub/changed", "second");
    Remove(Work("only-first"));
    Write("only-second", "2");
    second_state_ = ReadTree(work_);
    second_ = Commit();
  }

  // Expects exit 4, all of `paths` named, and nothing touched.
  void ExpectRefused(const Strings& args, const Strings& paths) {
    const TreeState before = ReadTree(work_);
    const std::string operations = ReadFile(store_ + "/operations");
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 4) << result;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.ErrorObject()["code"], "would_lose_work");
    for (const std::string& path : paths) {
      EXPECT_NE(result.ErrorMessage().find("\n  " + path), std::string::npos) << path << result;
    }
    EXPECT_EQ(Difference(before, ReadTree(work_)), "");
    EXPECT_EQ(ReadFile(store_ + "/operations"), operations);
  }

  std::string first_, second_;
  TreeState first_state_, second_state_;
};

TEST_F(RestoreTest, TouchesOnlyWhatDiffers) {
  CommitTwice();
  std::map<std::string, uint64_t> inodes;
  for (const char* path : {"same", "sub/same", "sub", "changed"})
    inodes[path] = InodeOf(Work(path));
  const Json json = RunWell({"restore", first_}).Object();
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
  for (const char* path : {"same", "sub/same", "sub"}) {
    EXPECT_EQ(InodeOf(Work(path)), inodes[path]) << path << " was made anew";
  }
  EXPECT_EQ(json["created"], 1);
  EXPECT_EQ(json["replaced"], 2);
  EXPECT_EQ(json["deleted"], 1);
  EXPECT_EQ(json["written"]["files"], 3);
}

TEST_F(RestoreTest, FoldersInWhichNothingChangesAreNotTouched) {
  Write("above/beside/file", "same");
  Write("above/below/file", "first");
  const std::string first = Commit();
  Write("above/below/file", "second");
  Commit();
  std::map<std::string, uint64_t> changes;
  for (const char* path : {"", "above", "above/beside"}) changes[path] = ChangeTimeOf(Work(path));
  const uint64_t below = ChangeTimeOf(Work("above/below"));
  RunWell({"restore", first});
  EXPECT_EQ(ReadFile(Work("above/below/file")), "first");
  for (const auto& [path, time] : changes) EXPECT_EQ(ChangeTimeOf(Work(path)), time) << path;
  EXPECT_NE(ChangeTimeOf(Work("above/below")), below);
}

TEST_F(RestoreTest, ARestoreOfWhatIsThereDoesNothing) {
  CommitTwice();
  const TreeState before = ReadTree(work_);
  const Json json = RunWell({"restore", second_}).Object();
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  EXPECT_EQ(json["written"]["files"], 0);
}

TEST_F(RestoreTest, GoesBackAndForth) {
  CommitTwice();
  for (int i = 0; i < 3; ++i) {
    RunWell({"restore", first_});
    EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
    RunWell({"restore", second_});
    EXPECT_EQ(Difference(second_state_, ReadTree(work_)), "");
  }
}

TEST_F(RestoreTest, ModesAndTimesComeBackWithoutRewritingFiles) {
  CommitTwice();
  const uint64_t inode = InodeOf(Work("same"));
  SetMode(Work("same"), 0600);
  SetMtime(Work("sub/same"), 5, 5);
  SetMtime(Work("sub"), 6, 6);
  const Json json = RunWell({"restore", second_}).Object();
  EXPECT_EQ(Difference(second_state_, ReadTree(work_)), "");
  EXPECT_EQ(InodeOf(Work("same")), inode);
  EXPECT_EQ(json["written"]["files"], 0);
}

TEST_F(RestoreTest, DeletesComeLast) {
  CommitTwice();
  // A restore that fails while it writes has deleted nothing yet.
  RunOptions options = Options();
  Limits limits;
  limits.below = work_;
  limits.new_files = 0;
  Impose(limits, &options);
  const RunResult result = RunHelios({"restore", first_}, options);
  EXPECT_EQ(result.exit_code, 14) << result;
  EXPECT_EQ(ReadFile(Work("only-second")), "2");
  // And is finished when it is run again.
  RunWell({"restore", first_});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
}

TEST_F(RestoreTest, APartialRestoreIsFinishedByTheNext) {
  for (int i = 0; i < 30; ++i) Write("sub" + std::to_string(i) + "/file", "first");
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  for (int i = 0; i < 30; ++i) Write("sub" + std::to_string(i) + "/file", "second");
  Write("new", "n");
  Commit();
  for (const uint64_t files : {3u, 7u, 11u}) {
    RunOptions options = Options();
    Limits limits;
    limits.below = work_;
    limits.new_files = files;
    Impose(limits, &options);
    EXPECT_EQ(RunHelios({"restore", id}, options).exit_code, 14);
  }
  for (const auto& [path, node] : ReadTree(work_)) {
    EXPECT_EQ(path.find(".helios-tmp"), std::string::npos) << path;
    if (node.type == '-') {
      EXPECT_TRUE(node.content == "first" || node.content == "second" || path == "new") << path;
    }
  }
  RunWell({"restore", id});
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
}

// --- Work that no snapshot holds -----------------------------------------------------------------

TEST_F(RestoreTest, RefusesToOverwriteModifiedFiles) {
  CommitTwice();
  Write("changed", "unsaved one");
  Write("sub/changed", "unsaved two");
  ExpectRefused({"restore", first_}, {"changed", "sub/changed"});
  // Committed, they are safe, and the restore goes through.
  const std::string saved = Commit();
  RunWell({"restore", first_});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
  RunWell({"restore", saved});
  EXPECT_EQ(ReadFile(Work("changed")), "unsaved one");
}

TEST_F(RestoreTest, RefusesToOverwriteUntrackedFiles) {
  CommitTwice();
  Write("only-first", "mine");
  ExpectRefused({"restore", first_}, {"only-first"});
}

TEST_F(RestoreTest, RefusesToDeleteModifiedFiles) {
  CommitTwice();
  Write("only-second", "modified");
  ExpectRefused({"restore", first_}, {"only-second"});
}

TEST_F(RestoreTest, RefusesToGoBackOverUnsavedWorkInPlace) {
  CommitTwice();
  Write("same", "modified");
  ExpectRefused({"restore", second_}, {"same"});
}

TEST_F(RestoreTest, AModeIsNotWorkThatIsLost) {
  CommitTwice();
  SetMode(Work("same"), 0600);
  RunWell({"restore", first_});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
}

TEST_F(RestoreTest, WhatHappensToBeTheTargetIsNoConflict) {
  CommitTwice();
  Write("changed", "first");
  Write("only-first", "1");
  RunWell({"restore", first_});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
}

TEST_F(RestoreTest, ForceOverwritesAndSaysWhat) {
  CommitTwice();
  Write("changed", "unsaved");
  Write("only-first", "mine");
  Write("only-second", "modified");
  const Json json = RunWell({"restore", "--force", first_}).Object();
  Strings conflicts = json["conflicts"];
  std::sort(conflicts.begin(), conflicts.end());
  EXPECT_EQ(conflicts, (Strings{"changed", "only-first", "only-second"}));
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
}

TEST_F(RestoreTest, UntrackedFilesStay) {
  CommitTwice();
  Write("untracked", "u");
  Write("sub/untracked", "u");
  Write("new-folder/deep/file", "u");
  const Json json = RunWell({"restore", first_}).Object();
  EXPECT_EQ(json["kept_untracked"], 3);
  EXPECT_EQ(ReadFile(Work("untracked")), "u");
  EXPECT_EQ(ReadFile(Work("sub/untracked")), "u");
  EXPECT_EQ(ReadFile(Work("new-folder/deep/file")), "u");
  EXPECT_EQ(ReadFile(Work("changed")), "first");
}

TEST_F(RestoreTest, ForceAloneKeepsUntrackedFiles) {
  CommitTwice();
  Write("untracked", "u");
  RunWell({"restore", "--force", first_});
  EXPECT_EQ(ReadFile(Work("untracked")), "u");
}

TEST_F(RestoreTest, DeleteUntrackedDeletesThem) {
  CommitTwice();
  Write("untracked", "u");
  Write("new-folder/deep/file", "u");
  MakeLink("x", Work("new-link"));
  RunWell({"restore", "--delete-untracked", first_});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
}

TEST_F(RestoreTest, AFolderWithUntrackedFilesIsNotDeleted) {
  Write("a", "a");
  const std::string before = Commit();
  Write("folder/tracked", "t");
  Commit();
  Write("folder/untracked", "u");
  RunWell({"restore", before});
  EXPECT_EQ(ListFolder(Work("folder")), Strings{"untracked"});
}

TEST_F(RestoreTest, DryRunTouchesNothing) {
  CommitTwice();
  Write("changed", "unsaved");
  Write("untracked", "u");
  const TreeState before = ReadTree(work_);
  const std::string operations = ReadFile(store_ + "/operations");
  for (const char* spelling : {"--dry-run", "-n"}) {
    const Json json = RunWell({"restore", spelling, first_}).Object();
    EXPECT_EQ(json["dry_run"], true);
    EXPECT_EQ(json["conflicts"], Json::array({"changed"}));
    EXPECT_EQ(json["created"], 1);
    EXPECT_EQ(json["deleted"], 1);
    EXPECT_EQ(json["kept_untracked"], 1);
    EXPECT_EQ(json["written"]["files"], 0);
  }
  RunWell({"restore", "-n", "--force", "--delete-untracked", first_});
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  EXPECT_EQ(ReadFile(store_ + "/operations"), operations);
  // Nor does it make the folder.
  const RunResult absent = Run({"restore", "-n", first_, "--work", At("absent")});
  EXPECT_FALSE(Exists(At("absent"))) << absent;
}

TEST_F(RestoreTest, DryRunAndRestoreAgree) {
  CommitTwice();
  const Json plan = RunWell({"restore", "-n", first_}).Object();
  const Json done = RunWell({"restore", first_}).Object();
  for (const char* key : {"created", "replaced", "deleted", "kept_untracked", "conflicts"}) {
    EXPECT_EQ(plan[key], done[key]) << key;
  }
}

TEST_F(RestoreTest, ThePlanNamesEachPathAndWhy) {
  CommitTwice();
  Write("changed", "unsaved");
  Write("only-first", "mine");
  Write("untracked", "u");
  Write("new-folder/u", "u");
  SetMode(Work("same"), 0600);
  const Json plan = RunWell({"restore", "-n", "--force", first_}).Object();
  EXPECT_EQ(plan["kept"], Json::array({"new-folder/", "untracked"}));
  EXPECT_EQ(plan["conflicts"], Json::array({"changed", "only-first"}));
  EXPECT_EQ(plan["conflict_reasons"], Json::array({"changed, and no snapshot holds what it is now",
                                                   "no snapshot ever held it"}));
  EXPECT_EQ(plan["bytes_to_write"], 5 + 1 + 5);
  EXPECT_EQ(plan["attributes"], 1);
  EXPECT_EQ(
      RunWell({"restore", "-n", "-z", "--force", first_}).out,
      std::string("C\0changed\0C\0only-first\0D\0only-second\0P\0same\0C\0sub/changed\0", 58));
  const std::string list = RunWell({"restore", "-n", "--list", "--force", first_}).out;
  EXPECT_EQ(std::count(list.begin(), list.end(), '\n'), 6) << list;
  const std::string text = RunWell({"restore", "-n", "--text", "--force", first_}).out;
  EXPECT_NE(text.find("\n  D only-second\n"), text.npos) << text;
  EXPECT_NE(text.find("unsaved: changed (changed, and no"), text.npos) << text;
}

TEST_F(RestoreTest, WhatCannotBeReadCannotBeSavedAndStays) {
  const std::optional<unsigned> nobody = Nobody();
  if (!nobody) GTEST_SKIP() << "a file that cannot be read needs another user than root";
  CommitTwice();
  Write("only-first", "mine");
  SetMode(Work("only-first"), 0);
  SetOwner(folder_.path(), *nobody);
  RunOptions options = Options();
  options.uid = nobody;
  const RunResult result = RunHelios({"restore", "--force", first_}, options);
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_NE(result.ErrorMessage().find("only-first (cannot be read"), std::string::npos) << result;
  SetMode(Work("only-first"), 0600);
  EXPECT_EQ(ReadFile(Work("only-first")), "mine");
}

TEST_F(RestoreTest, IgnoredFilesAreProtected) {
  Write("file", "first");
  Write("folder/in-it", "first");
  const std::string before = Commit();
  Remove(Work("file"));
  Remove(Work("folder"));
  Write(".heliosignore", "/file\n/folder\n*.log\n");
  Commit();
  Write("file", "ignored and mine");
  ExpectRefused({"restore", before, "--exclude", ".heliosignore"}, {"file"});
  Remove(Work("file"));
  Write("folder/mine", "ignored and mine");
  Write("folder/in-it", "ignored and mine");
  ExpectRefused({"restore", before, "--exclude", ".heliosignore"}, {"folder/in-it"});
  RunWell({"restore", "--force", "--delete-untracked", before, "--exclude", ".heliosignore"});
  EXPECT_EQ(ReadFile(Work("folder/in-it")), "first");
  EXPECT_EQ(ReadFile(Work("folder/mine")), "ignored and mine");
}

// The index did not say that what it knew to be ignored was a folder.
TEST_F(RestoreTest, AnIgnoredFolderIsInTheWayWhetherOrNotItIsIndexed) {
  Write("name", "a file");
  const std::string before = Commit();
  Remove(Work("name"));
  Write("name/mine", "ignored and mine");
  Write(".heliosignore", "/name\n");
  const auto expect_refused = [&] {
    ExpectRefused({"restore", "--force", before, "--exclude", ".heliosignore"}, {"name"});
  };
  expect_refused();
  for (int i = 0; i < 5; ++i) RunWell({"commit"});
  expect_refused();
}

TEST_F(RestoreTest, IgnoredFilesThatAreNotInTheWayStay) {
  CommitTwice();
  Write(".heliosignore", "*.log\n");
  Commit();
  Write("sub/a.log", "mine");
  RunWell({"restore", "--delete-untracked", "--force", first_, "--exclude", ".heliosignore"});
  EXPECT_EQ(ReadFile(Work("sub/a.log")), "mine");
}

TEST_F(RestoreTest, AFolderWithIgnoredFilesDoesNotMakeWayForAFile) {
  Write("name", "a file");
  const std::string before = Commit();
  Remove(Work("name"));
  Write("name/tracked", "t");
  Write(".heliosignore", "*.log\n");
  Commit();
  Write("name/mine.log", "mine");
  ExpectRefused({"restore", "--force", before}, {"name/"});
}

TEST_F(RestoreTest, AWorkspaceWithoutHistoryIsAllUnsaved) {
  CommitTwice();
  MakeFolders(At("other"));
  WriteFile(At("other/changed"), "mine");
  const RunResult result = Run({"restore", first_, "--work", At("other")});
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_EQ(ReadFile(At("other/changed")), "mine");
  EXPECT_EQ(ListFolder(At("other")), Strings{"changed"});
}

// The folder at this path is another one than the one that was committed.
TEST_F(RestoreTest, AReplacedWorkspaceIsTreatedWithSuspicion) {
  CommitTwice();
  Rename(work_, At("old-work"));
  MakeFolders(work_);
  Write("changed", "of another folder");
  const RunResult result = Run({"restore", first_});
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_EQ(ReadFile(Work("changed")), "of another folder");
}

// --- Kinds that change ---------------------------------------------------------------------------

class TypeChangeTest : public RestoreTest,
                       public ::testing::WithParamInterface<std::tuple<int, int>> {
 protected:
  void Make(int kind) const {
    switch (kind) {
      case 0:
        Write("name", "a file");
        return;
      case 1:
        MakeLink("target", Work("name"));
        return;
      case 2:
        MakeFolders(Work("name"));
        return;
      case 3:
        Write("name/sub/file", "in a folder");
        MakeLink("x", Work("name/link"));
        return;
      case 4:
        Write("name", "an executable");
        SetMode(Work("name"), 0755);
        return;
      case 5:
        Write("name/sub", "a file where another has a folder");
        return;
      default:
        return;  // nothing
    }
  }
};

TEST_P(TypeChangeTest, AreRestoredBothWays) {
  const auto [from, to] = GetParam();
  if (from == to) return;  // one snapshot, two records: the newer one's times come back
  Write("beside", "b");
  Make(from);
  const TreeState first = ReadTree(work_);
  const std::string first_id = Commit();
  if (Exists(Work("name"))) Remove(Work("name"));
  Make(to);
  const TreeState second = ReadTree(work_);
  const std::string second_id = Commit();
  RunWell({"restore", first_id});
  EXPECT_EQ(Difference(first, ReadTree(work_)), "");
  RunWell({"restore", second_id});
  EXPECT_EQ(Difference(second, ReadTree(work_)), "");
  EXPECT_EQ(Commit(), second_id);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TypeChangeTest,
                         ::testing::Combine(::testing::Range(0, 7), ::testing::Range(0, 7)),
                         [](const auto& made) {
                           return "From" + std::to_string(std::get<0>(made.param)) + "To" +
                                  std::to_string(std::get<1>(made.param));
                         });

TEST_F(RestoreTest, AnUntrackedFolderWhereAFileGoesIsRefused) {
  Write("name", "a file");
  const std::string before = Commit();
  Remove(Work("name"));
  Commit();
  Write("name/mine", "m");
  ExpectRefused({"restore", before}, {"name/"});
  RunWell({"restore", "--force", before});
  EXPECT_EQ(ReadFile(Work("name")), "a file");
}

TEST_F(RestoreTest, AnUntrackedFileWhereAFolderGoesIsRefused) {
  Write("name/inside", "i");
  const std::string before = Commit();
  Remove(Work("name"));
  Commit();
  Write("name", "mine");
  ExpectRefused({"restore", before}, {"name"});
  RunWell({"restore", "--force", before});
  EXPECT_EQ(ReadFile(Work("name/inside")), "i");
}

TEST_F(RestoreTest, AFolderThatHoldsAStoreIsNotReplaced) {
  Write("name", "a file");
  const std::string before = Commit();
  Remove(Work("name"));
  Commit();
  RunWell({"commit", "--work", work_, "--store", Work("name")});
  EXPECT_EQ(Run({"restore", "--force", before}).exit_code, 4);
  EXPECT_TRUE(Exists(Work("name/helios-store")));
}

// --- Where it stands, and where it goes ----------------------------------------------------------

TEST_F(RestoreTest, MovesWhereTheFolderStands) {
  CommitTwice();
  RunWell({"restore", first_});
  EXPECT_EQ(RunWell({"diff", "@", first_}).Object()["from"], first_);
  Write("next", "n");
  const Json json = RunWell({"commit"}).Object();
  EXPECT_EQ(RunWell({"diff", "@~1", "@"}).Object()["from"], first_)
      << "a commit after a restore continues from there";
  EXPECT_EQ(json["unchanged"], false);
}

TEST_F(RestoreTest, ASelectionDoesNotMoveWhereTheFolderStands) {
  CommitTwice();
  RunWell({"restore", first_, "/changed"});
  EXPECT_EQ(RunWell({"diff", "@", first_}).Object()["from"], second_);
  EXPECT_EQ(ReadFile(Work("changed")), "first");
  EXPECT_EQ(ReadFile(Work("sub/changed")), "second");
}

TEST_F(RestoreTest, WhatASelectionRestoredIsNotUnsavedWork) {
  CommitTwice();
  RunWell({"restore", first_, "/changed"});
  RunWell({"restore", second_});
  EXPECT_EQ(Difference(second_state_, ReadTree(work_)), "");
}

TEST_F(RestoreTest, IntoAFreshFolder) {
  CommitTwice();
  const std::string fresh = At("deep/down/fresh");
  RunWell({"restore", first_, "--work", fresh});
  EXPECT_EQ(Difference(first_state_, ReadTree(fresh)), "");
  RunWell({"restore", second_, "--work", fresh});
  EXPECT_EQ(Difference(second_state_, ReadTree(fresh)), "");
  EXPECT_EQ(RunWell({"commit", "--work", fresh}).Object()["unchanged"], true);
}

TEST_F(RestoreTest, ThroughALinkedWorkspacePath) {
  CommitTwice();
  MakeLink("work", At("link"));
  RunWell({"restore", first_, "--work", At("link")});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
}

TEST_F(RestoreTest, ALinkedFolderInTheWorkspaceIsNotFollowed) {
  CommitTwice();
  Rename(Work("sub"), At("victim"));
  MakeLink(At("victim"), Work("sub"));
  const TreeState victim = ReadTree(At("victim"));
  ExpectRefused({"restore", first_}, {"sub"});
  RunWell({"restore", "--force", first_});
  EXPECT_EQ(Difference(first_state_, ReadTree(work_)), "");
  EXPECT_EQ(Difference(victim, ReadTree(At("victim"))), "");
}

TEST_F(RestoreTest, OnesOwnGitIsLeftAlone) {
  CommitTwice();
  Write(".git/HEAD", "ref");
  RunWell({"restore", "--delete-untracked", "--force", first_});
  EXPECT_EQ(ReadFile(Work(".git/HEAD")), "ref");
}

// --- Folders that may not be written (by anybody but root) ---------------------------------------

class ReadOnlyFolderTest : public RestoreTest {
 protected:
  // As an unprivileged user, root or not.
  RunResult RunAsUser(const Strings& args) {
    if (Nobody()) SetOwner(folder_.path(), *Nobody());
    RunOptions options = Options();
    options.uid = Nobody();
    return RunHelios(args, options);
  }
  std::string CommitAsUser() {
    const RunResult result = RunAsUser({"commit"});
    EXPECT_EQ(result.exit_code, 0) << result;
    return result.Object()["snapshot_id"];
  }
  void ExpectRestores(const std::string& id, const TreeState& expected) {
    const RunResult result = RunAsUser({"restore", id});
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(Difference(expected, ReadTree(work_)), "");
  }
};

TEST_F(ReadOnlyFolderTest, AreMade) {
  Write("closed/deep/file", "x");
  Write("closed/file", "x");
  SetMode(Work("closed/file"), 0400);
  SetMode(Work("closed/deep"), 0555);
  SetMode(Work("closed"), 0555);
  const TreeState before = ReadTree(work_);
  const std::string id = CommitAsUser();
  const RunResult result = RunAsUser({"materialize", id, At("out")});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(Difference(before, ReadTree(At("out"))), "");
}

TEST_F(ReadOnlyFolderTest, FilesInThemAreReplaced) {
  Write("closed/file", "first");
  SetMode(Work("closed"), 0555);
  const TreeState before = ReadTree(work_);
  const std::string id = CommitAsUser();
  SetMode(Work("closed"), 0755);
  Write("closed/file", "second");
  Write("closed/new", "n");
  SetMode(Work("closed"), 0555);
  const TreeState after = ReadTree(work_);
  const std::string second = CommitAsUser();
  ExpectRestores(id, before);
  ExpectRestores(second, after);
}

TEST_F(ReadOnlyFolderTest, FoldersInThemAreRemoved) {
  MakeFolders(Work("closed"));
  SetMode(Work("closed"), 0555);
  const TreeState before = ReadTree(work_);
  const std::string id = CommitAsUser();
  SetMode(Work("closed"), 0755);
  Write("closed/sub/file", "x");
  SetMode(Work("closed/sub"), 0555);
  SetMode(Work("closed"), 0555);
  const TreeState after = ReadTree(work_);
  const std::string second = CommitAsUser();
  ExpectRestores(id, before);
  ExpectRestores(second, after);
}

TEST_F(ReadOnlyFolderTest, TheyGoAsAWhole) {
  Write("beside", "b");
  const TreeState before = ReadTree(work_);
  const std::string id = CommitAsUser();
  Write("closed/sub/file", "x");
  SetMode(Work("closed/sub"), 0555);
  SetMode(Work("closed"), 0555);
  CommitAsUser();
  ExpectRestores(id, before);
}

TEST_F(ReadOnlyFolderTest, TheyMakeWayForAFile) {
  Write("closed", "a file");
  const TreeState before = ReadTree(work_);
  const std::string id = CommitAsUser();
  Remove(Work("closed"));
  Write("closed/sub/file", "x");
  SetMode(Work("closed/sub"), 0555);
  SetMode(Work("closed"), 0555);
  CommitAsUser();
  ExpectRestores(id, before);
}

TEST_F(ReadOnlyFolderTest, ModesOfFilesThatMayNotBeReadComeBack) {
  Write("file", "x");
  const TreeState before = ReadTree(work_);
  const std::string id = CommitAsUser();
  SetMode(Work("file"), 0200);
  // Unreadable, so nobody can say whether its content is saved: it is not simply overwritten.
  const RunResult refused = RunAsUser({"restore", id});
  EXPECT_EQ(refused.exit_code, 4) << refused;
  // Nor by force, for it could not be saved before.
  const RunResult forced = RunAsUser({"restore", "--force", id});
  EXPECT_EQ(forced.exit_code, 4) << forced;
  SetMode(Work("file"), 0600);
  const RunResult readable = RunAsUser({"restore", id});
  EXPECT_EQ(readable.exit_code, 0) << readable;
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
}

}  // namespace
}  // namespace helios

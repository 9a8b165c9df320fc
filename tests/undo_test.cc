// Undo: whatever a restore, a commit or a tag did is taken back, unsaved work included.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class UndoTest : public HeliosTest {
 protected:
  // Expects that what was there comes back by `helios undo`, and goes again by another one.
  void ExpectUndoable(const TreeState& before) {
    const TreeState after = ReadTree(work_);
    RunWell({"undo"});
    EXPECT_EQ(Difference(before, ReadTree(work_)), "") << "after undo";
    RunWell({"undo"});
    EXPECT_EQ(Difference(after, ReadTree(work_)), "") << "after undo of undo";
    RunWell({"undo"});
    EXPECT_EQ(Difference(before, ReadTree(work_)), "") << "after the third";
  }
  std::string StandsAt(const Strings& more = {}) const {
    Strings args = {"status"};
    args.insert(args.end(), more.begin(), more.end());
    return RunWell(args).Object().value("snapshot_id", "nowhere");
  }
  std::vector<Json> Operations() const {
    std::vector<Json> operations;
    std::string lines = RunWell({"op", "log"}).out;
    for (size_t end; (end = lines.find('\n')) != lines.npos; lines.erase(0, end + 1)) {
      operations.push_back(Json::parse(lines.substr(0, end)));
    }
    return operations;
  }
  std::string LastOperation() const { return Operations().front()["operation"]; }
  std::string SnapshotOf(const std::string& id) const {
    return RunWell({"restore", "-n", id}).Object()["snapshot_id"];
  }
};

TEST_F(UndoTest, BringsBackUnsavedWorkThatForceTook) {
  Write("a", "first");
  Write("sub/b", "b");
  const std::string first = Commit();
  Write("a", "unsaved");
  Write("sub/new", "never captured");
  SetMode(Work("sub/b"), 0600);
  SetMtime(Work("sub/b"), 77, 5);
  const TreeState before = ReadTree(work_);
  const Json done = RunWell({"restore", "--force", "--delete-untracked", first}).Object();
  EXPECT_EQ(ReadFile(Work("a")), "first");
  EXPECT_FALSE(Exists(Work("sub/new")));
  EXPECT_EQ(done["saved_files"], 2);
  ExpectUndoable(before);
}

TEST_F(UndoTest, WhatIsSavedAlreadyIsNotSavedAgain) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "2");
  const Json second = RunWell({"commit"}).Object();
  const Strings files = ObjectFiles();
  const Json done = RunWell({"restore", first}).Object();
  EXPECT_EQ(done["safety_record_id"], second["record_id"]);
  EXPECT_EQ(ObjectFiles(), files);
  RunWell({"undo"});
  // What stays is not saved, but when the folder that it lies in was changed.
  Write("untracked", RandomBytes(100'000, 1));
  const Json again = RunWell({"restore", first}).Object();
  EXPECT_EQ(again["saved_files"], 0);
  EXPECT_TRUE(!TestsPacks() || Packs().size() == files.size() + 1);
  uint64_t bytes = 0;
  for (const std::string& file : ObjectFiles()) bytes += ReadFile(file).size();
  EXPECT_LT(bytes, 10'000u);
}

TEST_F(UndoTest, MovesBackWhereTheFolderStands) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "2");
  Write("b", "2");
  const std::string second = Commit();
  const TreeState before = ReadTree(work_);
  RunWell({"restore", first});
  EXPECT_EQ(StandsAt(), first);
  RunWell({"undo"});
  EXPECT_EQ(StandsAt(), second);
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  RunWell({"undo"});
  EXPECT_EQ(StandsAt(), first);
}

TEST_F(UndoTest, ACommitIsTakenBackAndTheFilesStay) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "2");
  const TreeState before = ReadTree(work_);
  const std::string second = Commit();
  RunWell({"undo"});
  EXPECT_EQ(StandsAt(), first);
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  EXPECT_EQ(RunWell({"status"}).Object()["Changed"], 1);
  RunWell({"undo"});
  EXPECT_EQ(StandsAt(), second);
  RunWell({"undo"});
  EXPECT_EQ(Commit(), second) << "the same content has the same id";
}

TEST_F(UndoTest, TheFirstCommitIsTakenBack) {
  Write("a", "1");
  const std::string first = Commit();
  RunWell({"undo"});
  EXPECT_EQ(StandsAt(), "nowhere");
  EXPECT_EQ(Run({"diff", "@", "@"}).exit_code, 1);
  RunWell({"undo"});
  EXPECT_EQ(StandsAt(), first);
  RunWell({"undo"});
  EXPECT_EQ(Commit(), first);
}

TEST_F(UndoTest, ARestoreIntoAnEmptyFolderIsTakenBack) {
  Write("a", "1");
  Write("sub/b", "2");
  const std::string id = Commit();
  const std::string other = At("other");
  RunWell({"restore", id, "--work", other});
  EXPECT_EQ(ReadFile(other + "/sub/b"), "2");
  WriteFile(other + "/mine", "kept");
  RunWell({"undo", "--work", other});
  EXPECT_EQ(ListFolder(other), Strings{"mine"});
  EXPECT_EQ(StandsAt({"--work", other}), "nowhere");
  RunWell({"undo", "--work", other});
  EXPECT_EQ(ReadFile(other + "/sub/b"), "2");
}

TEST_F(UndoTest, APartialRestoreIsTakenBackAndNothingElse) {
  Write("src/a", "1");
  Write("docs/b", "1");
  const std::string first = Commit();
  Write("src/a", "2");
  Write("src/new", "2");
  Write("docs/b", "2");
  const std::string second = Commit();
  Write("docs/b", "unsaved");
  RunWell({"restore", first, "src"});
  EXPECT_EQ(ReadFile(Work("src/a")), "1");
  EXPECT_FALSE(Exists(Work("src/new")));
  EXPECT_EQ(StandsAt(), second);
  Write("docs/b", "edited since");
  Write("more", "made since");
  RunWell({"undo"});
  EXPECT_EQ(ReadFile(Work("src/a")), "2");
  EXPECT_EQ(ReadFile(Work("src/new")), "2");
  EXPECT_EQ(ReadFile(Work("docs/b")), "edited since");
  EXPECT_EQ(ReadFile(Work("more")), "made since");
  RunWell({"undo"});
  EXPECT_EQ(ReadFile(Work("src/a")), "1");
  EXPECT_FALSE(Exists(Work("src/new")));
  EXPECT_EQ(StandsAt(), second);
}

TEST_F(UndoTest, WhatChangedSinceIsNotOverwrittenUnasked) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "2");
  Commit();
  RunWell({"restore", first});
  Write("a", "edited since");
  const RunResult refused = Run({"undo"});
  EXPECT_EQ(refused.exit_code, 4) << refused;
  EXPECT_NE(refused.ErrorMessage().find("\n  a ("), std::string::npos) << refused;
  EXPECT_EQ(ReadFile(Work("a")), "edited since");
  RunWell({"undo", "--force"});
  EXPECT_EQ(ReadFile(Work("a")), "2");
  RunWell({"undo"});
  EXPECT_EQ(ReadFile(Work("a")), "edited since");
}

TEST_F(UndoTest, AnEarlierOperationIsUndoneOnlyAfterTheLater) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "2");
  const std::string second = Commit();
  const std::string id = LastOperation();
  RunWell({"restore", first});
  const RunResult refused = Run({"undo", id});
  EXPECT_EQ(refused.exit_code, 1) << refused;
  RunWell({"undo"});
  RunWell({"undo", id.substr(0, 8)});
  EXPECT_EQ(StandsAt(), first);
  EXPECT_EQ(Run({"undo", id}).exit_code, 1) << "it is undone already";
  EXPECT_EQ(Run({"undo", "ffffffffffff"}).exit_code, 1);
  EXPECT_EQ(Run({"undo", "nonsense"}).exit_code, 2);
}

TEST_F(UndoTest, TagsAreMovedBack) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "2");
  const std::string second = Commit();
  RunWell({"tag", "v", first});
  RunWell({"tag", "--force", "v", second});
  RunWell({"undo"});
  EXPECT_EQ(SnapshotOf("v"), first);
  RunWell({"undo"});
  EXPECT_EQ(SnapshotOf("v"), second);
  RunWell({"tag", "--delete", "v"});
  RunWell({"undo"});
  EXPECT_EQ(SnapshotOf("v"), second);
  RunWell({"undo"});
  EXPECT_EQ(Run({"restore", "-n", "v"}).exit_code, 1);
  RunWell({"tag", "w"});
  RunWell({"undo"});
  EXPECT_EQ(Run({"restore", "-n", "w"}).exit_code, 1);
  // And not if others have moved it since.
  RunWell({"tag", "w"});
  const std::string set = LastOperation();
  RunWell({"tag", "--force", "w", first});
  EXPECT_EQ(Run({"undo", set}).exit_code, 1);
  EXPECT_EQ(SnapshotOf("w"), first);
}

TEST_F(UndoTest, ALazyRestoreIsTakenBack) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "2");
  const std::string second = Commit();
  const auto is_lazy = [&] { return RunWell({"status"}).Object()["lazy"] == true; };
  RunWell({"restore", "--lazy", first});
  EXPECT_TRUE(is_lazy());
  RunWell({"undo"});
  EXPECT_EQ(StandsAt(), second);
  EXPECT_FALSE(is_lazy());
  RunWell({"undo"});
  EXPECT_TRUE(is_lazy());
  RunWell({"restore", "@"});
  EXPECT_EQ(ReadFile(Work("a")), "1");
  EXPECT_FALSE(is_lazy());
  RunWell({"undo"});
  EXPECT_EQ(ReadFile(Work("a")), "2");
  EXPECT_TRUE(is_lazy());
}

TEST_F(UndoTest, DryRunChangesNothing) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "2");
  Commit();
  RunWell({"restore", first});
  const TreeState before = ReadTree(work_);
  const std::string operations = ReadFile(store_ + "/operations");
  const Json plan = RunWell({"undo", "-n"}).Object();
  EXPECT_EQ(plan["replaced"], 1);
  EXPECT_EQ(plan["changes"][0]["path"], "a");
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  EXPECT_EQ(ReadFile(store_ + "/operations"), operations);
}

TEST_F(UndoTest, NothingToUndoIsSaid) {
  Commit();
  const RunResult nothing = Run({"undo", "--work", folder_.path()});
  EXPECT_EQ(nothing.exit_code, 1) << nothing;
}

TEST_F(UndoTest, AnIgnoredFileThatMadeWayComesBack) {
  Write("x.log", "captured");
  const std::string first = Commit();
  Write(".heliosignore", "*.log\n");
  Commit();
  Write("x.log", "ignored and mine");
  const TreeState before = ReadTree(work_);
  EXPECT_EQ(Run({"restore", first}).exit_code, 4);
  RunWell({"restore", "--force", first});
  EXPECT_EQ(ReadFile(Work("x.log")), "captured");
  ExpectUndoable(before);
}

TEST_F(UndoTest, TheLogTellsWhatWasDoneByWhichCommand) {
  Write("a", "1");
  RunWell({"commit", "-m", "why not"});
  Write("a", "2");
  RunWell({"restore", "--force", "@"});
  RunWell({"tag", "v"});
  RunWell({"undo"});
  const std::vector<Json> operations = Operations();
  ASSERT_EQ(operations.size(), 4u);
  EXPECT_EQ(operations[0]["kind"], "undo");
  EXPECT_EQ(operations[0]["took_back"], operations[1]["operation"]);
  EXPECT_EQ(operations[1]["kind"], "tag");
  EXPECT_EQ(operations[1]["undone"], true);
  EXPECT_EQ(operations[1]["ref"], "tags/v");
  EXPECT_EQ(operations[2]["kind"], "restore");
  EXPECT_TRUE(operations[2].contains("safety"));
  EXPECT_EQ(operations[3]["kind"], "commit");
  const Strings command = operations[3]["command"];
  EXPECT_EQ((Strings{command.begin() + 1, command.end()}), (Strings{"commit", "-m", "why not"}));
  EXPECT_FALSE(operations[3].contains("before"));
  const Json shown = RunWell({"op", "show", operations[2]["operation"]}).Object();
  EXPECT_EQ(shown["changes"].size(), 1u);
  EXPECT_EQ(shown["changes"][0]["path"], "a");
  // What was lost can be read from the safety snapshot by itself.
  EXPECT_EQ(RunWell({"read", operations[2]["safety"].get<std::string>() + ":a"}).out, "2");
  const std::string text = RunWell({"op", "log", "--text"}).out;
  EXPECT_NE(text.find("commit -m 'why not'"), text.npos) << text;
  // Of this folder alone, unless asked for all.
  EXPECT_EQ(RunWell({"op", "log", "--work", folder_.path()}).out, "");
  EXPECT_EQ(RunWell({"op", "log", "--all"}).out, RunWell({"op", "log"}).out);
}

TEST_F(UndoTest, ALongCommandLineIsCutOff) {
  Strings args = {"commit", "-m", std::string(3000, 'x'), "-m", std::string(3000, 'y')};
  RunWell(args);
  const Strings command = Operations().front()["command"];
  EXPECT_EQ(command.back(), "…");
  EXPECT_EQ(command[3], std::string(3000, 'x'));
}

// --- Whatever there is, and however it is restored -----------------------------------------------

class RandomUndoTest : public UndoTest {
 protected:
  uint64_t Below(uint64_t end) { return random_() % end; }
  std::string SomeName() {
    static const Strings kNames = {"a", "b", "c.log", "d e", "sub", "deep", "x", "\xc3\xa4"};
    return kNames[Below(kNames.size())];
  }
  std::string SomePath() {
    std::string path = SomeName();
    for (uint64_t i = Below(3); i > 0; --i) path += "/" + SomeName();
    return path;
  }
  char TypeOf(const std::string& path) const {
    const TreeState tree = ReadTree(work_);
    const auto found = tree.find(path);
    return found == tree.end() ? ' ' : found->second.type;
  }
  // Whatever is in the way of a path goes, and the folders above it are made.
  void MakeRoom(const std::string& path) const {
    for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
      const std::string above = path.substr(0, slash);
      if (TypeOf(above) != 'd' && TypeOf(above) != ' ') Remove(Work(above));
    }
    if (Exists(Work(path))) Remove(Work(path));
    if (path.find('/') != path.npos) MakeFolders(Work(path.substr(0, path.rfind('/'))));
  }
  void ChangeSomething() {
    const std::string path = SomePath();
    switch (Below(9)) {
      case 0:
        if (Exists(Work(path))) Remove(Work(path));
        break;
      case 1:
        MakeRoom(path);
        MakeFolders(Work(path));
        break;
      case 2:
        MakeRoom(path);
        MakeLink("target " + std::to_string(Below(3)), Work(path));
        break;
      case 3:
        if (TypeOf(path) != 'l' && TypeOf(path) != ' ') {
          SetMode(Work(path), Below(2) == 0 ? 0700 : 0755);
        }
        break;
      case 4:
        if (TypeOf(path) != 'l' && TypeOf(path) != ' ') {
          SetXattr(Work(path), "user.note", RandomBytes(Below(2) == 0 ? 20 : 2000, Below(5)));
        }
        break;
      case 5: {
        const std::string other = SomePath();
        MakeRoom(other);
        if (TypeOf(path) == '-') MakeHardLink(Work(path), Work(other));
        break;
      }
      case 6:
        MakeRoom(path);
        Write(path, RandomBytes(Below(4) == 0 ? 2'500'000 : 3000, Below(4)));
        break;
      default:
        MakeRoom(path);
        Write(path, "content " + std::to_string(Below(6)));
    }
    if (Below(3) == 0 && TypeOf(path) == '-') {
      SetMtime(Work(path), static_cast<int64_t>(1'000'000'000 + Below(1000)), 5);
    }
  }

  // What happened to files and symlinks, as the letters of a plan.
  static std::map<std::string, char> Changes(const TreeState& before, const TreeState& after) {
    std::map<std::string, char> changes;
    const auto is_file = [](const TreeState& tree, const std::string& path) {
      const auto found = tree.find(path);
      return found != tree.end() && found->second.type != 'd';
    };
    for (const auto& [path, was] : before) {
      if (was.type == 'd') continue;
      const auto now = after.find(path);
      if (now == after.end()) {
        changes[path] = 'D';
      } else if (now->second.type != was.type) {
        changes[path] = 'T';
      } else if (now->second.content != was.content ||
                 (was.type == '-' && (now->second.mode & 0100) != (was.mode & 0100))) {
        changes[path] = 'C';
      } else if (now->second.mode != was.mode || now->second.mtime_ns != was.mtime_ns ||
                 now->second.xattrs != was.xattrs) {
        changes[path] = 'P';
      }
    }
    for (const auto& [path, now] : after) {
      if (now.type == 'd' || is_file(before, path)) continue;
      changes[path] = before.contains(path) ? 'T' : 'A';
    }
    return changes;
  }
  // What links do to their attributes alone shows in no mode or time: such may be planned besides.
  static void ExpectPlanned(const Json& plan, const std::map<std::string, char>& changes) {
    std::map<std::string, char> planned;
    for (const Json& change : plan) {
      const bool of_folder = change.value("/after/type"_json_pointer, "directory") == "directory" &&
                             change.value("/before/type"_json_pointer, "directory") == "directory";
      if (!of_folder) {
        planned[change["path"]] = change["change"].get<std::string>().front();
      }
    }
    for (const auto& [path, change] : changes) {
      EXPECT_EQ(std::string(1, planned[path]), std::string(1, change)) << path;
      planned.erase(path);
    }
    for (const auto& [path, change] : planned) EXPECT_EQ(change, 'P') << path;
  }

  std::minstd_rand random_{20261126};
};

TEST_F(RandomUndoTest, WhatARestoreDidIsUndoneToTheByte) {
  Strings ids;
  int undone = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    for (uint64_t i = Below(12); i > 0; --i) ChangeSomething();
    if (ids.size() < 3 || Below(3) == 0) ids.push_back(Commit());
    for (uint64_t i = Below(5); i > 0; --i) ChangeSomething();
    if (Below(10) == 0) Write(".heliosignore", "*.log\n");
    Strings args = {"restore", ids[Below(ids.size())]};
    if (Below(3) > 0) args.push_back("--force");
    if (Below(3) == 0) args.push_back("--delete-untracked");
    if (Below(3) == 0) args.push_back(SomeName());
    const TreeState before = ReadTree(work_);
    Strings dry = args;
    dry.push_back("-n");
    const RunResult plan = Run(dry);
    ASSERT_EQ(plan.exit_code, 0) << plan;
    const RunResult result = Run(args);
    const TreeState after = ReadTree(work_);
    if (result.exit_code == 4) {
      ASSERT_EQ(Difference(before, after), "") << "a restore that was refused";
      continue;
    }
    ASSERT_EQ(result.exit_code, 0) << result;
    ExpectPlanned(plan.Object()["changes"], Changes(before, after));
    if (!result.Object().contains("operation")) {
      ASSERT_EQ(Difference(before, after), "");
      continue;
    }
    ASSERT_NO_FATAL_FAILURE(ExpectUndoable(before));
    ++undone;
    if (HasFailure()) return;
    if (Below(2) == 0) RunWell({"undo"});
  }
  EXPECT_GT(undone, 20);
}

}  // namespace
}  // namespace helios

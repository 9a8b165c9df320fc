// What counts as saved when a restore would overwrite or delete it: damage, ignored files, restores
// that were interrupted.
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class UnsavedWorkTest : public HeliosTest {
 protected:
  RunResult ExpectRefused(const Strings& args, const std::string& path) {
    const TreeState before = ReadTree(work_);
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 4) << result;
    EXPECT_NE(result.ErrorMessage().find("\n  " + path), std::string::npos) << result;
    EXPECT_EQ(Difference(before, ReadTree(work_)), "");
    return result;
  }
  std::string IntentPath() const {
    for (const std::string& key : ListFolder(store_ + "/workspaces")) {
      return store_ + "/workspaces/" + key + "/restoring";
    }
    return "";
  }
  // What a restore of the record leaves that is killed.
  void Interrupt(const std::string& record) const { WriteFile(IntentPath(), record + "\n"); }
};

TEST_F(UnsavedWorkTest, AFileWhoseBlobIsLostIsNotSaved) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is damaged");
  for (const size_t size : {size_t{300} << 10, size_t{3} << 20}) {
    Write("a", "old");
    const std::string first = Commit();
    const Strings packs = Packs();
    Write("a", RandomBytes(size, size));
    RunWell({"commit", "-j1"});
    for (const std::string& pack : Packs()) {
      if (std::find(packs.begin(), packs.end(), pack) == packs.end()) Remove(pack);
    }
    ExpectRefused({"restore", first}, "a");
    RunWell({"restore", "--force", first});
  }
}

TEST_F(UnsavedWorkTest, AnIgnoredFileThatASnapshotHoldsIsSaved) {
  Write("x.log", "log");
  Write("build/o", "object");
  Write("build/p", "other");
  const std::string first = Commit();
  const TreeState state = ReadTree(work_);
  Write(".heliosignore", "build/\n*.log\n");
  Commit();
  RunWell({"restore", first});
  EXPECT_EQ(Difference(state, ReadTree(work_)), "");

  Write(".heliosignore", "build/\n*.log\n");
  Commit();
  Write("build/o", "changed");
  Write("build/made", "by a compiler");
  ExpectRefused({"restore", first}, "build/o");
  RunWell({"restore", "--force", first});
  EXPECT_EQ(ReadFile(Work("build/o")), "object");
  EXPECT_EQ(ReadFile(Work("build/made")), "by a compiler");
}

TEST_F(UnsavedWorkTest, WhatAnInterruptedRestoreWroteIsNotUnsaved) {
  Write("same", "same");
  const std::string second = Commit();
  const std::string big = RandomBytes(5 << 20, 1);
  Write("big", big);
  Write("dir/small", "small");
  const Json first = RunWell({"commit"}).Object();
  const TreeState state = ReadTree(work_);
  RunWell({"restore", second});

  // Cut short, complete, and edited since.
  const auto leave_half = [&] {
    Write("big", big.substr(0, 3 << 20));
    Write("dir/small", "small");
    Interrupt(first["record_id"]);
  };
  leave_half();
  const RunResult refused = Run({"commit"});
  EXPECT_EQ(refused.exit_code, 4) << refused;
  EXPECT_EQ(Run({"doctor"}).exit_code, 4);
  RunWell({"restore", first["snapshot_id"], "dir"});
  EXPECT_TRUE(Exists(IntentPath())) << "the rest is still a mixture";
  RunWell({"restore", first["snapshot_id"]});
  EXPECT_EQ(Difference(
                Without(state, [](auto& path) { return path.empty() || path == "dir"; }),
                Without(ReadTree(work_), [](auto& path) { return path.empty() || path == "dir"; })),
            "");
  EXPECT_FALSE(Exists(IntentPath()));
  RunWell({"commit"});

  RunWell({"restore", second});
  leave_half();
  RunWell({"restore", second});
  EXPECT_EQ(ListFolder(work_), Strings{"same"});

  leave_half();
  Write("big", "edited since");
  ExpectRefused({"restore", first["snapshot_id"]}, "big");
  RunWell({"commit", "--force"});
  EXPECT_FALSE(Exists(IntentPath()));
  RunWell({"commit"});
}

TEST_F(UnsavedWorkTest, ARestoreThatCouldNotWriteAllCanBeRunAgain) {
  const std::optional<unsigned> nobody = Nobody();
  if (!nobody) GTEST_SKIP() << "a folder that cannot be written needs another user than root";
  Write("keep", "1");
  const std::string store = At("their-store");
  MakeFolders(store);
  SetOwner(store, *nobody);
  SetOwner(work_, *nobody);
  SetOwner(folder_.path(), *nobody);
  RunOptions options = Options();
  options.uid = nobody;
  options.env["HELIOS_STORE_DIR"] = store + "/store";
  const std::string first = RunHelios({"commit"}, options).Object()["snapshot_id"];
  Write("d/x", "x");
  SetOwner(work_, *nobody);
  ASSERT_EQ(RunHelios({"commit"}, options).exit_code, 0);
  SetOwner(Work("d"), 0);
  EXPECT_EQ(RunHelios({"restore", first}, options).exit_code, 3);
  SetOwner(Work("d"), *nobody);
  const RunResult again = RunHelios({"restore", first}, options);
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_FALSE(Exists(Work("d")));
}

TEST_F(UnsavedWorkTest, MaterializeDoesNotOverwriteAWorkspace) {
  Write("a", "1");
  const std::string first = Commit();
  Write("a", "unsaved");
  const RunResult result = Run({"materialize", first, "."});
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_EQ(ReadFile(Work("a")), "unsaved");
}

TEST_F(UnsavedWorkTest, NeitherTheRootNorAHomeFolderIsCleared) {
  const std::string first = Commit();
  const RunResult root = Run({"restore", "--work", "/", first, "--dry-run"});
  EXPECT_EQ(root.exit_code, 2) << root;
  const passwd* user = ::getpwuid(::geteuid());
  ASSERT_NE(user, nullptr);
  const RunResult home =
      Run({"restore", "--work", user->pw_dir, first, "--delete-untracked", "--dry-run"});
  EXPECT_EQ(home.exit_code, 2) << home;
}

}  // namespace
}  // namespace helios

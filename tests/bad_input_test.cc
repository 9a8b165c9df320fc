// Damage, wrong ids, unreadable files, full disks: a clear error, never a crash, never wrong bytes.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class BadInputTest : public HeliosTest {};

// --- Damage in the store -------------------------------------------------------------------------

class DamageTest : public HeliosTest {
 protected:
  DamageTest() {
    for (int i = 0; i < 20; ++i) {
      Write("dir" + std::to_string(i % 3) + "/file" + std::to_string(i),
            "content " + std::to_string(i) + RandomBytes(50, static_cast<uint64_t>(i)));
    }
    // Large enough for a blob file of its own where the store is in RocksDB.
    Write("large", RandomBytes(300'000, 77));
    state_ = ReadTree(work_);
    const RunResult commit = RunWell({"commit", "-j1"});
    id_ = commit.Object()["snapshot_id"];
    FoldLogs();
    EXPECT_TRUE(!TestsPacks() || Packs().size() == 1);
    pack_ = LargestObjectFile();
    good_ = ReadFile(pack_);
  }

  // Whatever was written must be right; returns the result.
  RunResult MaterializeDamaged(const std::string& what) {
    const std::string out = At("damaged");
    RunResult result = Run({"materialize", id_, out});
    EXPECT_FALSE(result.by_signal) << what << " " << result;
    if (Exists(out)) {
      for (const auto& [path, node] : ReadTree(out)) {
        if (node.type == 'd') continue;
        const auto expected = state_.find(path);
        EXPECT_TRUE(expected != state_.end() && expected->second.content == node.content)
            << what << ": " << path << " has wrong bytes";
      }
      Remove(out);
    }
    EXPECT_TRUE(result.exit_code == 0 || result.out.empty()) << what << " " << result;
    return result;
  }
  void ExpectDamage(const std::string& what) {
    const RunResult result = MaterializeDamaged(what);
    EXPECT_EQ(result.exit_code, 12) << what << " " << result;
    EXPECT_EQ(result.ErrorObject()["code"], "damaged") << what;
    EXPECT_NE(result.ErrorMessage().find(TestsPacks() ? pack_ : FolderOfObjects()),
              std::string::npos)
        << what << " " << result;
  }

  TreeState state_;
  std::string id_;
  std::string pack_;
  std::string good_;
};

TEST_F(DamageTest, AFlippedByteAnywhereInAPack) {
  // Every byte of the first header, the index and the footer; the payload at many places.
  size_t damage_seen = 0;
  const size_t tail_start = good_.size() - (TestsPacks() ? std::min<size_t>(good_.size(), 120) : 0);
  for (size_t at = 0; at < good_.size();) {
    std::string bad = good_;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    WriteFile(pack_, bad);
    const std::string what = "byte " + std::to_string(at) + " of " + std::to_string(good_.size());
    const RunResult result = MaterializeDamaged(what);
    // A version that this build does not know is exit 1; bytes that nobody reads hurt nobody.
    ASSERT_TRUE(result.exit_code == 0 || result.exit_code == 1 || result.exit_code == 12)
        << what << " " << result;
    if (result.exit_code != 0) {
      const std::string message = result.ErrorMessage();
      ASSERT_TRUE(message.find(TestsPacks() ? pack_ : FolderOfObjects()) != message.npos ||
                  message.find(" blake3:") != message.npos)
          << what << " names neither pack nor object " << result;
      ++damage_seen;
    }
    const bool is_dense = TestsPacks() && (at < 64 || at >= tail_start);
    const size_t step = 1 + good_.size() / (TestsPacks() ? 150 : 40);
    at = is_dense ? at + 1 : std::max(at + 1, std::min(tail_start, at + step));
  }
  EXPECT_GT(damage_seen, TestsPacks() ? 300u : 30u) << "nearly every byte counts";
  WriteFile(pack_, good_);
  ExpectGives(id_, state_);
}

TEST_F(DamageTest, AFlippedBitInAFileNamesTheFileAndTheObject) {
  // The large file's random bytes do not compress: they lie in the pack as they are.
  const std::string content = state_.at("large").content;
  const size_t at = good_.find(content.substr(1000, 64));
  ASSERT_NE(at, std::string::npos);
  std::string bad = good_;
  bad[at] = static_cast<char>(bad[at] ^ 1);
  WriteFile(pack_, bad);
  const RunResult result = MaterializeDamaged("payload");
  EXPECT_EQ(result.exit_code, 12) << result;
  EXPECT_NE(result.ErrorMessage().find("large"), std::string::npos) << result;
  EXPECT_NE(result.ErrorMessage().find("blob"), std::string::npos) << result;
}

TEST_F(DamageTest, APackCutShortAtAnyLength) {
  for (size_t size = 0; size < good_.size(); size += 1 + good_.size() / 40) {
    WriteFile(pack_, good_.substr(0, size));
    ExpectDamage("cut to " + std::to_string(size));
  }
  WriteFile(pack_, good_.substr(0, good_.size() - 1));
  ExpectDamage("the last byte cut off");
  if (!TestsPacks()) return;  // RocksDB knows how long a table is, and does not look further
  WriteFile(pack_, good_ + "x");
  ExpectDamage("a byte appended");
}

TEST_F(DamageTest, AnEmptyPackIsDamage) {
  WriteFile(pack_, "");
  ExpectDamage("empty");
}

TEST_F(DamageTest, AnEmptyPackBesideAGoodOneHurtsNobody) {
  HELIOS_SKIP_UNLESS_PACKS("its folder is its own");
  WriteFile(store_ + "/pack/0123456789abcdef0123456789abcdef.pack", "");
  ExpectGives(id_, state_);
}

TEST_F(DamageTest, OtherThingsInThePackFolderHurtNobody) {
  HELIOS_SKIP_UNLESS_PACKS("its folder is its own");
  MakeFolders(store_ + "/pack/folder");
  WriteFile(store_ + "/pack/readme", "x");
  WriteFile(store_ + "/pack/.tmp-0123", "half a pack");
  ASSERT_EQ(::mkfifo((store_ + "/pack/pipe.pack").c_str(), 0600), 0);
  ExpectGives(id_, state_);
  Write("more", "m");
  Commit();
}

TEST_F(DamageTest, AnEarlierSnapshotInAnotherPackIsStillReadable) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is repaired first");
  Write("new", "n");
  const std::string second = RunWell({"commit", "-j1"}).Object()["snapshot_id"];
  for (const std::string& pack : Packs()) {
    if (pack != pack_) WriteFile(pack, "damaged");
  }
  ExpectGives(id_, state_);
  const RunResult result = Run({"materialize", second, At("out")});
  EXPECT_EQ(result.exit_code, 12) << result;
}

TEST_F(DamageTest, ADeletedPackIsAMissingObject) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is repaired first");
  Remove(pack_);
  const RunResult result = MaterializeDamaged("deleted");
  EXPECT_EQ(result.exit_code, 13) << result;
  EXPECT_EQ(result.ErrorObject()["code"], "missing_object");
  EXPECT_NE(result.ErrorMessage().find("blake3:"), std::string::npos) << result;
  EXPECT_EQ(Run({"diff", id_, "@"}).exit_code, 13);
  EXPECT_EQ(Run({"restore", id_}).exit_code, 13);
  EXPECT_EQ(Difference(state_, ReadTree(work_)), "");
}

TEST_F(DamageTest, AMissingPackFolderIsAnError) {
  Remove(BackendFolder());
  const RunResult result = MaterializeDamaged("no folder");
  EXPECT_NE(result.exit_code, 0) << result;
}

// The commit finds out by looking, and what it answers with can be had.
TEST_F(DamageTest, ACommitThatReadsEverythingPutsBackWhatWasLost) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is repaired first");
  Remove(pack_);
  for (const std::string& name : ListFolder(store_ + "/workspaces")) {
    Remove(store_ + "/workspaces/" + name + "/index");
  }
  const RunResult commit = RunWell({"commit"});
  EXPECT_EQ(commit.Object()["snapshot_id"], id_);
  ExpectGives(id_, state_);
}

// The index vouched for objects that were gone: "unchanged", and nothing could be read.
TEST_F(DamageTest, ACommitAfterALostPackStoresEverythingAnew) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is repaired first");
  for (const bool damaged : {false, true}) {
    CommitUntilNothingIsRead();
    for (const std::string& pack : Packs()) {
      Remove(pack);
      if (damaged) WriteFile(pack, "damaged");
    }
    const RunResult commit = RunWell({"commit"});
    EXPECT_EQ(commit.Object()["snapshot_id"], id_);
    EXPECT_EQ(commit.Object()["unchanged"], false);
    ExpectGives(id_, state_);
    for (const std::string& pack : Packs()) {
      if (ReadFile(pack) == "damaged") Remove(pack);
    }
    RunWell({"doctor"});
  }
}

TEST_F(DamageTest, ACommitAfterALostPackStoresUnchangedFilesToo) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is repaired first");
  CommitUntilNothingIsRead();
  Remove(pack_);
  Write("new", "n");
  const TreeState now = ReadTree(work_);
  ExpectGives(Commit(), now);
}

TEST_F(DamageTest, ALostRecordIsMadeAnew) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is repaired first");
  const Strings before = Packs();
  RunWell({"commit", "-m", "a record and nothing else"});
  for (const std::string& pack : Packs()) {
    if (std::find(before.begin(), before.end(), pack) == before.end()) Remove(pack);
  }
  EXPECT_EQ(Run({"materialize", "@", At("out")}).exit_code, 13);
  RunWell({"commit"});
  ExpectGives("@", state_);
}

TEST_F(DamageTest, MergesOfOthersCostNoStatIndex) {
  WriteFile(At("small/file"), "small");
  const Strings commit{"commit", "--work", At("small")};
  CommitUntilNothingIsRead(commit);
  const Strings before = ObjectFiles();
  for (int i = 0; i < 40; ++i) {
    WriteFile(At("other/file"), "other " + std::to_string(i));
    RunWell({"commit", "--work", At("other")});
  }
  const Strings after = ObjectFiles();
  EXPECT_FALSE(std::includes(after.begin(), after.end(), before.begin(), before.end()))
      << "nothing was merged";
  const Json again = RunWell(commit).Object();
  EXPECT_EQ(again["files_hashed"], 0);
  EXPECT_EQ(again["unchanged"], true);
}

TEST_F(DamageTest, ACommitBesideADamagedPackStoresWhatItNeeds) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is repaired first");
  WriteFile(pack_, "damaged");
  Write("new", "n");
  for (const std::string& name : ListFolder(store_ + "/workspaces")) {
    Remove(store_ + "/workspaces/" + name + "/index");
  }
  const TreeState now = ReadTree(work_);
  ExpectGives(Commit(), now);
}

TEST_F(DamageTest, RestoreFromADamagedPackDestroysNothing) {
  Write("dir0/file0", "second");
  Write("large", "second");
  Write("added", "a");
  RunWell({"commit", "-j1"});
  const TreeState now = ReadTree(work_);
  WriteFile(pack_, "damaged");
  const RunResult result = Run({"restore", id_});
  EXPECT_EQ(result.exit_code, 12) << result;
  // Of other files than the damaged one, some may have been written until that was met.
  if (RunWell({"status", "-q"}).Object()["interrupted"] == true) {
    EXPECT_FALSE(TestsPacks()) << "all was in that pack";
    RunWell({"restore", "--abort"});
  }
  EXPECT_EQ(Difference(now, ReadTree(work_), Compare::kContents), "");
}

TEST_F(DamageTest, AnUnknownFormatVersionIsNamed) {
  const std::string marker = store_ + "/helios-store";
  const std::string good = ReadFile(marker);
  std::string bad = good;
  const size_t at = bad.find("version: 1");
  ASSERT_NE(at, std::string::npos) << good;
  bad.replace(at, 10, "version: 987");
  WriteFile(marker, bad);
  for (const Strings& command :
       std::vector<Strings>{{"commit"}, {"stats"}, {"materialize", id_, At("out")}}) {
    const RunResult result = Run(command);
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.ErrorMessage().find("987"), std::string::npos) << result;
    EXPECT_EQ(result.ErrorObject()["code"], "unsupported");
  }
  EXPECT_EQ(ReadFile(marker), bad);
}

TEST_F(DamageTest, AnUnknownBackendIsNamed) {
  const std::string marker = store_ + "/helios-store";
  std::string bad = ReadFile(marker);
  const size_t at = bad.find("backend: " + TestedBackend());
  ASSERT_NE(at, std::string::npos);
  for (const char* name : {"punchcards", "../../evil", "/tmp/evil.so", ""}) {
    WriteFile(marker, bad.substr(0, at) + "backend: " + name + "\n");
    const RunResult result = Run({"stats"});
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.ErrorMessage().find("\"" + std::string(name) + "\""), std::string::npos)
        << result;
  }
  const RunResult created = Run({"commit", "--backend", "punchcards", "--store", At("other")});
  EXPECT_EQ(created.exit_code, 1) << created;
  EXPECT_NE(created.ErrorMessage().find("punchcards"), std::string::npos);
  EXPECT_FALSE(Exists(At("other")));
}

TEST_F(DamageTest, ADamagedMarkerIsDamage) {
  for (const std::string& content : {std::string("not a store"), RandomBytes(100, 1)}) {
    WriteFile(store_ + "/helios-store", content);
    EXPECT_EQ(Run({"stats"}).exit_code, 12);
    EXPECT_EQ(Run({"commit"}).exit_code, 12);
    EXPECT_EQ(ReadFile(store_ + "/helios-store"), content);
  }
}

TEST_F(DamageTest, DamagedStatisticsDoNotFailACommit) {
  int next = 0;
  for (const std::string& content : {std::string(), std::string("garbage"), RandomBytes(100'000, 3),
                                     RandomBytes(50, 4), std::string(50'000, '\0')}) {
    WriteFile(store_ + "/statistics", content);
    Write("new", "n" + std::to_string(next++));
    const TreeState now = ReadTree(work_);
    ExpectGives(Commit(), now);
  }
  Remove(store_ + "/statistics");
  EXPECT_EQ(Run({"commit"}).exit_code, 0);
  RunWell({"stats"});
}

TEST_F(DamageTest, DamagedStatisticsDoNotHideTheStore) {
  WriteFile(store_ + "/statistics", RandomBytes(100'000, 3));
  const RunResult result = Run({"stats"});
  EXPECT_FALSE(result.by_signal);
  if (result.exit_code != 0) {
    EXPECT_EQ(result.exit_code, 12) << result;
    EXPECT_NE(result.ErrorMessage().find("statistics"), std::string::npos) << result;
    EXPECT_NE(result.ErrorMessage().find("remove it"), std::string::npos) << result;
  }
}

// --- Damage in the operation log -----------------------------------------------------------------

class OperationLogDamageTest : public HeliosTest {
 protected:
  OperationLogDamageTest() {
    for (int i = 0; i < 3; ++i) {
      Write("file", "version " + std::to_string(i));
      states_.push_back(ReadTree(work_));
      ids_.push_back(Commit());
    }
    good_ = ReadFile(log_);
    for (const std::string& name : ListFolder(store_ + "/workspaces")) {
      checkpoint_ = store_ + "/workspaces/" + name + "/baseline";
    }
    good_checkpoint_ = ReadFile(checkpoint_);
  }

  std::string checkpoint_;
  std::string good_checkpoint_;
  const std::string log_ = store_ + "/operations";
  std::vector<TreeState> states_;
  Strings ids_;
  std::string good_;
};

TEST_F(OperationLogDamageTest, ATornTailIsCutOffAndForgotten) {
  // No checkpoint knows of an append that was cut short.
  Remove(checkpoint_);
  const size_t entry = good_.size() / 3;
  for (size_t cut = 1; cut < entry; cut += 7) {
    WriteFile(log_, good_.substr(0, good_.size() - cut));
    const std::string out = At("cut-" + std::to_string(cut));
    const RunResult result = Run({"materialize", ids_[1], out});
    ASSERT_EQ(result.exit_code, 0) << cut << " " << result;
    EXPECT_EQ(ReadFile(out + "/file"), "version 1");
    ASSERT_EQ(Run({"stats"}).exit_code, 0);
  }
  // The next commit writes over the rest.
  EXPECT_EQ(Commit(), ids_[2]);
  for (size_t i = 0; i < ids_.size(); ++i) ExpectGives(ids_[i], states_[i]);
  EXPECT_EQ(RunWell({"stats"}).Object()["store"]["operations"], 3);
}

TEST_F(OperationLogDamageTest, WhatAnAppendLeftBehindIsNotAnOperation) {
  for (const std::string& tail :
       {std::string("\x01"), std::string(40, '\0'), RandomBytes(100, 5), good_.substr(0, 30)}) {
    WriteFile(log_, good_ + tail);
    WriteFile(checkpoint_, good_checkpoint_);
    ExpectGives(ids_[2], states_[2]);
    EXPECT_EQ(RunWell({"diff", "@~1", "@"}).Object()["from"], ids_[1]);
    Write("file", "more" + std::to_string(tail.size()));
    const TreeState now = ReadTree(work_);
    ExpectGives(Commit(), now);
    ExpectGives(ids_[0], states_[0]);
  }
}

TEST_F(OperationLogDamageTest, AFlippedByteInTheMiddleIsNamed) {
  const size_t entry = good_.size() / 3;
  // The first entry is shorter than the others: it replaces nothing.
  for (size_t at = 0; at < 2 * entry - 64; at += 11) {
    std::string bad = good_;
    bad[at] = static_cast<char>(bad[at] ^ 0x04);
    WriteFile(log_, bad);
    for (const Strings& command :
         std::vector<Strings>{{"materialize", ids_[2], At("out")}, {"stats"}}) {
      const RunResult result = Run(command);
      ASSERT_EQ(result.exit_code, 12) << "byte " << at << " " << command.front() << " " << result;
      EXPECT_NE(result.ErrorMessage().find(log_), std::string::npos) << result;
    }
  }
  EXPECT_FALSE(Exists(At("out")));
}

// The last entry is as long as it says at both ends: it was written whole, and then damaged. To
// forget it would be to lose, without a word, a commit that was acknowledged.
TEST_F(OperationLogDamageTest, AFlippedByteInTheLastOperationIsDamageToo) {
  std::string bad = good_;
  const size_t at = bad.size() - bad.size() / 6;
  bad[at] = static_cast<char>(bad[at] ^ 0x04);
  WriteFile(log_, bad);
  const RunResult result = Run({"materialize", ids_[2], At("out")});
  EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 12) << result;
}

TEST_F(OperationLogDamageTest, AMissingLogIsDamageForEveryCommand) {
  Remove(log_);
  for (const Strings& command : std::vector<Strings>{
           {"materialize", ids_[0], At("out")}, {"commit"}, {"diff", "@", "@"}, {"stats"}}) {
    const RunResult result = Run(command);
    EXPECT_EQ(result.exit_code, 12) << result;
    EXPECT_NE(result.ErrorMessage().find(log_), std::string::npos) << result;
    EXPECT_NE(result.ErrorMessage().find("copy the store before"), std::string::npos) << result;
  }
  EXPECT_EQ(Run({"doctor"}).exit_code, 12);
  EXPECT_FALSE(Exists(log_));
}

// All of it looked like an append that was cut short, and the next commit cut it off for good.
TEST_F(OperationLogDamageTest, ALogThatLostItsTailIsDamage) {
  const size_t entry = good_.size() / 3;
  for (const std::string& bad :
       {std::string(), good_.substr(0, good_.size() - 1), good_.substr(0, good_.size() - entry),
        RandomBytes(good_.size(), 8)}) {
    WriteFile(log_, bad);
    for (const Strings& command : std::vector<Strings>{
             {"commit"}, {"diff", "@", "@"}, {"materialize", ids_[2], At("out")}}) {
      const RunResult result = Run(command);
      EXPECT_EQ(result.exit_code, 12) << bad.size() << " " << command.front() << " " << result;
      EXPECT_NE(result.ErrorMessage().find(checkpoint_), std::string::npos) << result;
    }
    EXPECT_EQ(Run({"doctor"}).exit_code, 12);
    EXPECT_EQ(ReadFile(log_), bad);
  }
}

TEST_F(OperationLogDamageTest, AnotherFolderCutsNothingOff) {
  MakeFolders(At("other"));
  const std::string bad = good_.substr(0, good_.size() - 1);
  WriteFile(log_, bad);
  const RunResult result = Run({"commit", "--work", At("other")});
  EXPECT_EQ(result.exit_code, 12) << result;
  EXPECT_EQ(ReadFile(log_), bad);
  WriteFile(log_, good_);
  RunWell({"commit", "--work", At("other")});
  RunWell({"doctor"});
}

TEST_F(OperationLogDamageTest, TheCheckpointIsOnlyAShortcut) {
  for (const std::string& name : ListFolder(store_ + "/workspaces")) {
    const std::string checkpoint = store_ + "/workspaces/" + name + "/baseline";
    const std::string good = ReadFile(checkpoint);
    for (const std::string& content :
         {std::string(), std::string("garbage"), good.substr(1), RandomBytes(good.size(), 9)}) {
      WriteFile(checkpoint, content);
      EXPECT_EQ(RunWell({"diff", "@", "@"}).Object()["from"], ids_[2]);
    }
    Remove(checkpoint);
    EXPECT_EQ(RunWell({"diff", "@", "@"}).Object()["from"], ids_[2]);
  }
}

// --- Ids -----------------------------------------------------------------------------------------

TEST_F(BadInputTest, TheIdOfAnotherKindOfObjectIsNoSnapshot) {
  Write("sub/file", "content");
  const std::string id = Commit();
  // The snapshot of `sub` alone is the id of its tree.
  const std::string subfolder =
      RunWell({"commit", "--work", Work("sub"), "--store", At("other")}).Object()["snapshot_id"];
  // The id of a blob is the plain BLAKE3 of its bytes: b3sum of "content".
  const std::string blob =
      "blake3:3fba5250be9ac259c56e7250c526bc83bacb4be825f2799d3d59e5b4878dd74e";
  for (const std::string& wrong : {subfolder, blob}) {
    const RunResult result = Run({"materialize", wrong, At("out")});
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.ErrorMessage().find("unknown snapshot: " + wrong + " (it is the id of"),
              std::string::npos)
        << result;
    EXPECT_EQ(Run({"restore", wrong}).exit_code, 1);
    EXPECT_EQ(Run({"diff", id, wrong}).exit_code, 1);
  }
  EXPECT_FALSE(Exists(At("out")));
  EXPECT_EQ(ReadFile(Work("sub/file")), "content");
}

TEST_F(BadInputTest, VeryLongAndVeryOddArguments) {
  Write("a", "a");
  const std::string id = Commit();
  const std::string huge(100'000, 'f');
  EXPECT_EQ(Run({"materialize", huge, At("out")}).exit_code, 1);
  EXPECT_EQ(Run({"materialize", "@~99999999999999999999", At("out")}).exit_code, 2);
  EXPECT_EQ(Run({"materialize", "\xff\xfe", At("out")}).exit_code, 1);
  EXPECT_EQ(Run({"materialize", id, huge}).exit_code, 1);
  EXPECT_EQ(Run({"materialize", id, At("out"), huge}).exit_code, 2) << "a pattern that is too long";
  EXPECT_NE(Run({"stats", "--store", huge}).exit_code, 0);
  EXPECT_NE(Run({"commit", "--work", huge}).exit_code, 0);
}

// --- The workspace -------------------------------------------------------------------------------

TEST_F(BadInputTest, UnreadableFilesAndFoldersAreNamedAndTheRestIsCaptured) {
  Write("readable", "r");
  Write("secret-file", "s");
  Write("secret-folder/file", "s");
  Write("unlisted-folder/file", "s");
  SetMode(Work("secret-file"), 0);
  SetMode(Work("secret-folder"), 0);
  SetMode(Work("unlisted-folder"), 0300);
  if (Nobody()) SetOwner(folder_.path(), *Nobody());
  RunOptions options = Options();
  options.uid = Nobody();
  const RunResult result = RunHelios({"commit"}, options);
  EXPECT_EQ(result.exit_code, 3) << result;
  const Json unreadable = result.Object()["not_captured"]["unreadable"];
  EXPECT_EQ(unreadable["count"], 3) << unreadable;
  for (const char* name : {"secret-file", "secret-folder", "unlisted-folder"}) {
    EXPECT_NE(unreadable["paths"].dump().find(name), std::string::npos) << name << unreadable;
    EXPECT_NE(result.err.find(name + std::string(": Permission denied")), std::string::npos);
  }
  for (const Json& path : unreadable["paths"]) {
    EXPECT_EQ(path.get<std::string>().find(':'), std::string::npos) << "not the path alone";
  }
  EXPECT_EQ(unreadable["reasons"], Json(Strings(3, "Permission denied")));
  EXPECT_EQ(result.Object()["files"], 1);
  // Again, now with an index: still named, still exit 3.
  EXPECT_EQ(RunHelios({"commit"}, options).exit_code, 3);
  // Readable again, they are captured, although nothing but their mode has changed.
  SetMode(Work("secret-file"), 0644);
  SetMode(Work("secret-folder"), 0755);
  SetMode(Work("unlisted-folder"), 0755);
  const RunResult whole = RunHelios({"commit"}, options);
  EXPECT_EQ(whole.exit_code, 0) << whole;
  EXPECT_EQ(whole.Object()["files"], 4);
}

TEST_F(BadInputTest, AWorkspaceThatCannotBeListedIsAnError) {
  Write("file", "x");
  const std::string id = [&] {
    if (Nobody()) SetOwner(folder_.path(), *Nobody());
    RunOptions options = Options();
    options.uid = Nobody();
    return RunHelios({"commit"}, options).Object()["snapshot_id"].get<std::string>();
  }();
  SetMode(work_, 0);
  RunOptions options = Options();
  options.cwd = folder_.path();
  options.uid = Nobody();
  for (const Strings& command :
       std::vector<Strings>{{"commit", "--work", work_}, {"restore", id, "--work", work_}}) {
    const RunResult result = RunHelios(command, options);
    EXPECT_EQ(result.exit_code, 1) << command.front() << " " << result;
    EXPECT_NE(result.ErrorMessage().find(work_), std::string::npos) << result;
  }
}

TEST_F(BadInputTest, AStoreThatCannotBeWrittenIsAnErrorThatNamesIt) {
  Write("file", "x");
  if (Nobody()) SetOwner(folder_.path(), *Nobody());
  RunOptions options = Options();
  options.uid = Nobody();
  const std::string id = RunHelios({"commit"}, options).Object()["snapshot_id"];
  SetMode(FolderOfObjects(), 0500);
  Write("file", "changed");
  const RunResult result = RunHelios({"commit"}, options);
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.ErrorMessage().find(store_), std::string::npos) << result;
  EXPECT_EQ(RunHelios({"materialize", id, At("out")}, options).exit_code, 0)
      << "reading still works";
  SetMode(FolderOfObjects(), 0700);
  EXPECT_EQ(RunHelios({"commit"}, options).exit_code, 0);
}

// The lock that readers share was opened for writing.
TEST_F(BadInputTest, AStoreThatMayOnlyBeReadCanBeRead) {
  Write("file", "x");
  if (Nobody()) SetOwner(folder_.path(), *Nobody());
  RunOptions options = Options();
  options.uid = Nobody();
  ASSERT_EQ(RunHelios({"commit"}, options).exit_code, 0);
  const TreeState writable = ReadTree(store_);
  for (const auto& [path, node] : writable) {
    SetMode(path.empty() ? store_ : store_ + "/" + path, node.type == 'd' ? 0500 : 0400);
  }
  for (const Strings& command : std::vector<Strings>{
           {"diff", "@", "@"}, {"materialize", "@", At("out")}, {"read", "@:file"}}) {
    const RunResult result = RunHelios(command, options);
    EXPECT_EQ(result.exit_code, 0) << command.front() << " " << result;
  }
  for (const auto& [path, node] : writable) {
    SetMode(path.empty() ? store_ : store_ + "/" + path, node.mode & 07777);
  }
}

TEST_F(BadInputTest, ACurrentFolderThatIsGoneIsAnError) {
  for (const char* arguments : {"commit", "stats", "doctor", "diff @ @", "materialize @ out"}) {
    RunOptions options = Options();
    options.env.erase("HELIOS_STORE_DIR");
    const RunResult result = RunProgram(
        "sh",
        {"-c", "mkdir \"$1\" && cd \"$1\" && rmdir \"$1\" && exec \"$2\" " + std::string(arguments),
         "sh", At("gone"), HELIOS_BINARY},
        options);
    EXPECT_EQ(result.exit_code, 1) << arguments << " " << result;
    EXPECT_NE(result.ErrorMessage().find("current folder"), std::string::npos) << result;
  }
}

TEST_F(BadInputTest, WithoutMoreThreadsTheOneThatThereIsDoesTheWork) {
  for (int i = 0; i < 100; ++i) Write("dir" + std::to_string(i) + "/file", std::to_string(i));
  if (Nobody()) SetOwner(folder_.path(), *Nobody());
  RunOptions options = Options();
  options.uid = Nobody();
  options.limits[RLIMIT_NPROC] = 1;
  const TreeState state = ReadTree(work_);
  const RunResult result = RunHelios({"commit", "-j", "8"}, options);
  if (!TestsPacks()) {  // RocksDB cannot do without
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.ErrorMessage().find("Resource temporarily"), std::string::npos) << result;
    return;
  }
  ASSERT_EQ(result.exit_code, 0) << result;
  ASSERT_EQ(RunHelios({"materialize", "@", At("out"), "-j", "8"}, options).exit_code, 0);
  EXPECT_EQ(Difference(state, ReadTree(At("out")), Compare::kContents), "");
}

TEST_F(BadInputTest, AFileSizeLimitIsAnErrorAndNotTheEnd) {
  Write("file", RandomBytes(3'000'000, 1));
  RunOptions options = Options();
  options.limits[RLIMIT_FSIZE] = 100'000;
  const RunResult result = RunHelios({"commit"}, options);
  EXPECT_EQ(result.exit_code, 14) << result;
  EXPECT_EQ(result.ErrorObject()["code"], "no_space");
  RunWell({"commit"});
}

TEST_F(BadInputTest, WantOfMemoryIsAnErrorAndNotTheEnd) {
  HELIOS_SKIP_UNLESS_PACKS("RocksDB ends the process where it finds no memory");
  for (int i = 0; i < 200; ++i) Write("file" + std::to_string(i), RandomBytes(20'000, 3));
  Commit();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  for (uint64_t megabytes = 8; megabytes < 64; megabytes += 4) {
    RunOptions options = Options();
    options.limits[RLIMIT_AS] = megabytes << 20;
    const RunResult result = RunHelios({"materialize", "@", At("out"), "-j", "2"}, options);
    // With less than it takes to load the program the system ends it, before main.
    if (result.exit_code == 127 || result.exit_code == 120) continue;
    EXPECT_FALSE(result.by_signal && megabytes >= 16) << megabytes << " MiB: " << result;
  }
#endif
}

TEST_F(BadInputTest, ANameMakesNoLinesInAListOfPaths) {
  Write("x\n  everything is fine", "first");
  const std::string first = Commit();
  Write("x\n  everything is fine", "second");
  Commit();
  Write("x\n  everything is fine", "unsaved");
  const RunResult result = Run({"restore", first, "--text"});
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_EQ(result.err.find("\n  everything"), std::string::npos) << result;
  EXPECT_NE(result.err.find("\n  x\\x0a  everything is fine"), std::string::npos) << result;
}

TEST_F(BadInputTest, StatisticsOfAStoreThatMayOnlyBeRead) {
  Write("file", "x");
  if (Nobody()) SetOwner(folder_.path(), *Nobody());
  RunOptions options = Options();
  options.uid = Nobody();
  ASSERT_EQ(RunHelios({"commit"}, options).exit_code, 0);
  for (const bool has_statistics : {true, false}) {
    if (!has_statistics) Remove(store_ + "/statistics");
    const TreeState writable = ReadTree(store_);
    for (const auto& [path, node] : writable) {
      SetMode(path.empty() ? store_ : store_ + "/" + path, node.type == 'd' ? 0500 : 0400);
    }
    const TreeState before = ReadTree(store_);
    const RunResult result = RunHelios({"stats"}, options);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(Difference(before, ReadTree(store_)), "");
    for (const auto& [path, node] : writable) {
      SetMode(path.empty() ? store_ : store_ + "/" + path, node.mode & 07777);
    }
  }
}

// Files come, change and go while commits run. A commit succeeds with 0 or 3, and what stood still
// is right.
TEST_F(BadInputTest, AWorkspaceThatChangesWhileItIsRead) {
  for (int i = 0; i < 50; ++i)
    Write("still/file" + std::to_string(i), "still " + std::to_string(i));
  const TreeState still = ReadTree(Work("still"));
  MakeFolders(Work("busy"));
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (uint64_t round = 0; !stop; ++round) {
      const std::string name = Work("busy/file" + std::to_string(round % 7));
      WriteFile(name, std::string(1 + round % 5000, static_cast<char>('a' + round % 26)));
      if (round % 3 == 0) ::unlink(Work("busy/file" + std::to_string(round % 5)).c_str());
      if (round % 5 == 0) ::mkdir(Work("busy/folder").c_str(), 0755);
      if (round % 5 == 2) ::rmdir(Work("busy/folder").c_str());
      if (round % 11 == 0) {
        ::unlink(Work("busy/link").c_str());
        if (::symlink("x", Work("busy/link").c_str()) != 0 && errno != EEXIST) break;
      }
    }
  });
  constexpr int kCommits = 25;
  Strings ids;
  for (int i = 0; i < kCommits; ++i) {
    const RunResult result = Run({"commit"});
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 3) << result;
    ids.push_back(result.Object().value("snapshot_id", ""));
  }
  stop = true;
  changer.join();
  for (const std::string& id : ids) {
    const std::string out = Materialize(id, {"--include", "/still"});
    EXPECT_EQ(Difference(still, ReadTree(out + "/still")), "");
  }
  // At rest again, the next commit has what lies there now, whatever the races left in the index.
  const TreeState now = ReadTree(work_);
  ExpectGives(Commit(), now);
}

TEST_F(BadInputTest, CommitsOfOneWorkspaceAtOnce) {
  for (int i = 0; i < 20; ++i) Write("file" + std::to_string(i), "x");
  const TreeState state = ReadTree(work_);
  constexpr size_t kProcesses = 6;
  std::vector<RunResult> results(kProcesses);
  std::vector<std::thread> threads;
  for (RunResult& result : results) {
    threads.emplace_back([&, slot = &result] { *slot = Run({"commit", "-m", "at once"}); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const RunResult& result : results) ASSERT_EQ(result.exit_code, 0) << result;
  // They are one chain: each has the one before it as its parent.
  EXPECT_EQ(RunWell({"stats"}).Object()["store"]["operations"], kProcesses);
  EXPECT_EQ(Run({"diff", "@~5", "@"}).exit_code, 0);
  EXPECT_EQ(Run({"diff", "@~6", "@"}).exit_code, 1);
  ExpectGives("@", state);
}

// --- The target ----------------------------------------------------------------------------------

TEST_F(BadInputTest, ATargetThatIsAFile) {
  Write("a", "a");
  const std::string id = Commit();
  WriteFile(At("file"), "mine");
  for (const char* out : {"file", "file/below"}) {
    const RunResult result = Run({"materialize", id, At(out)});
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.ErrorMessage().find(At(out)), std::string::npos) << result;
  }
  EXPECT_EQ(ReadFile(At("file")), "mine");
  MakeLink(At("nowhere"), At("dangling"));
  EXPECT_EQ(Run({"materialize", id, At("dangling")}).exit_code, 1);
  EXPECT_EQ(Run({"restore", id, "--work", At("file")}).exit_code, 1);
}

TEST_F(BadInputTest, ATargetThatMayNotBeWritten) {
  Write("a", "a");
  Write("sub/b", "b");
  if (Nobody()) SetOwner(folder_.path(), *Nobody());
  RunOptions options = Options();
  options.uid = Nobody();
  const std::string id = RunHelios({"commit"}, options).Object()["snapshot_id"];
  MakeFolders(At("closed"));
  if (Nobody()) SetOwner(At("closed"), *Nobody());
  SetMode(At("closed"), 0500);
  const RunResult inside = RunHelios({"materialize", id, At("closed")}, options);
  EXPECT_EQ(inside.exit_code, 3) << inside;
  EXPECT_EQ(inside.Object()["written"]["failed"], 2);
  const RunResult below = RunHelios({"materialize", id, At("closed/new")}, options);
  EXPECT_EQ(below.exit_code, 1) << below;
}

TEST_F(BadInputTest, MaterializeOverWhatIsThereReplacesFilesAndKeepsOthers) {
  Write("a", "from the snapshot");
  Write("sub/b", "b");
  const std::string id = Commit();
  WriteFile(At("out/a"), "old and longer than what comes");
  WriteFile(At("out/other"), "o");
  const TreeState before = ReadTree(work_);
  RunWell({"materialize", id, At("out")});
  const TreeState after = ReadTree(At("out"));
  EXPECT_EQ(after.at("a"), before.at("a"));
  EXPECT_EQ(after.at("sub/b"), before.at("sub/b"));
  EXPECT_EQ(after.at("other").content, "o");
  EXPECT_EQ(after.size(), 5u) << "something was left behind";
}

// --- Full disks ----------------------------------------------------------------------------------

class FullDiskTest : public HeliosTest {
 protected:
  FullDiskTest() {
    for (int i = 0; i < 8; ++i) {
      Write("file" + std::to_string(i), RandomBytes(30'000, static_cast<uint64_t>(i)));
    }
    Write("large", RandomBytes(size_t{3} << 20, 50));
    state_ = ReadTree(work_);
  }
  RunResult RunWithin(const Strings& args, const std::string& below, std::optional<uint64_t> bytes,
                      std::optional<uint64_t> files = std::nullopt) const {
    RunOptions options = Options();
    Limits limits;
    limits.below = below;
    limits.write_bytes = bytes;
    limits.new_files = files;
    Impose(limits, &options);
    return RunHelios(args, options);
  }

  TreeState state_;
};

TEST_F(FullDiskTest, TheTarget) {
  const std::string id = Commit();
  for (const uint64_t bytes : {0u, 1u, 29'999u, 45'000u, 100'000u, 1'000'000u, 3'000'000u}) {
    const std::string out = At("target-" + std::to_string(bytes));
    const RunResult result = RunWithin({"materialize", id, out}, out, bytes);
    EXPECT_EQ(result.exit_code, 14) << bytes << " " << result;
    EXPECT_EQ(result.ErrorObject()["code"], "no_space");
    EXPECT_NE(result.ErrorMessage().find(out), std::string::npos) << result;
    if (!Exists(out)) continue;
    for (const auto& [path, node] : ReadTree(out)) {
      if (node.type == 'd') continue;
      ASSERT_EQ(state_.count(path), 1u) << path << " was left behind";
      EXPECT_TRUE(node.content == state_.at(path).content) << path << " is partial";
    }
    // With room again, the same command finishes. (The folder itself is no longer its own.)
    RunWell({"materialize", id, out});
    const auto is_root = [](const std::string& path) { return path.empty(); };
    EXPECT_EQ(Difference(Without(state_, is_root), Without(ReadTree(out), is_root)), "");
  }
}

TEST_F(FullDiskTest, TheStore) {
  Remove(Work("large"));
  const TreeState before = ReadTree(work_);
  const std::string earlier = Commit();
  Write("file0", "changed");
  // What RocksDB's log takes is less than a pack.
  const uint64_t nearly_all = TestsPacks() ? 3'146'000 : 2'500'000;
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{10}, uint64_t{5'000}, uint64_t{100'000},
                               uint64_t{1'500'000}, nearly_all}) {
    // What one thread could still publish of the last one, another attempt would not write again.
    Write("large", RandomBytes(size_t{3} << 20, bytes));
    const RunResult result = RunWithin({"commit"}, store_, bytes);
    EXPECT_EQ(result.exit_code, 14) << bytes << " " << result;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.ErrorMessage().find(store_), std::string::npos) << result;
    for (const std::string& name : ListFolder(FolderOfObjects())) {
      EXPECT_FALSE(name.starts_with(".tmp-")) << name << " was left behind";
    }
    ExpectGives(earlier, before);
    EXPECT_EQ(RunWell({"diff", "@", earlier}).Object()["from"], earlier);
  }
  const TreeState after = ReadTree(work_);
  ExpectGives(Commit(), after);
}

// At every byte: a full disk may come at any moment of a commit.
TEST_F(FullDiskTest, TheStoreAtAnyMomentOfASmallCommit) {
  for (const std::string& name : ListFolder(work_)) Remove(Work(name));
  Write("a", "a");
  const TreeState before = ReadTree(work_);
  const std::string earlier = Commit();
  const TreeState after = [&] {
    Write("a", "b");
    return ReadTree(work_);
  }();
  bool succeeded = false;
  const uint64_t step = TestsPacks() ? 23 : 997;  // RocksDB writes its options and a manifest, too
  for (uint64_t bytes = 0; bytes < 180 * step && !succeeded; bytes += step) {
    const RunResult result = RunWithin({"commit"}, store_, bytes);
    ASSERT_TRUE(result.exit_code == 14 || result.exit_code == 0) << bytes << " " << result;
    succeeded = result.exit_code == 0;
    // Once acknowledged it is there, cache files or not.
    if (succeeded) ExpectGives(result.Object()["snapshot_id"], after);
    ExpectGives(earlier, before);
  }
  EXPECT_TRUE(succeeded);
  ExpectGives(Commit(), after);
}

TEST_F(FullDiskTest, NoNewFilesInTheStore) {
  const RunResult first = RunWithin({"commit"}, store_, std::nullopt, 0);
  EXPECT_EQ(first.exit_code, 14) << first;
  const std::string earlier = Commit();
  Write("file0", "changed");
  const RunResult result = RunWithin({"commit"}, store_, std::nullopt, 0);
  EXPECT_EQ(result.exit_code, 14) << result;
  ExpectGives(earlier, state_);
}

TEST_F(FullDiskTest, ANewStore) {
  for (const uint64_t bytes : {0u, 5u, 20u}) {
    const RunResult result = RunWithin({"commit"}, folder_.path(), bytes);
    EXPECT_EQ(result.exit_code, 14) << bytes << " " << result;
    EXPECT_EQ(ListFolder(folder_.path()), Strings{"work"}) << "half a store was left behind";
  }
  ExpectGives(Commit(), state_);
}

TEST_F(FullDiskTest, ARestoreThatRunsOutOfRoom) {
  const std::string id = Commit();
  Write("file3", "second");
  Remove(Work("large"));
  Write("surplus", "s");
  Commit();
  for (const uint64_t bytes : {0u, 10'000u, 2'000'000u}) {
    const RunResult result = RunWithin({"restore", id}, work_, bytes);
    EXPECT_EQ(result.exit_code, 14) << bytes << " " << result;
    EXPECT_TRUE(Exists(Work("surplus"))) << "deletes come last";
    const TreeState now = ReadTree(work_);
    for (const auto& [path, node] : now) {
      EXPECT_EQ(path.find(".helios"), std::string::npos) << path << " was left behind";
    }
    EXPECT_TRUE(now.at("file3").content == "second" ||
                now.at("file3").content == state_.at("file3").content);
  }
  RunWell({"restore", id});
  EXPECT_EQ(Difference(state_, ReadTree(work_)), "");
}

TEST_F(FullDiskTest, ReadingNeedsNoRoomInTheStore) {
  const std::string id = Commit();
  const RunResult result = RunWithin({"materialize", id, At("out")}, store_, 0, 0);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(Difference(state_, ReadTree(At("out"))), "");
  EXPECT_EQ(RunWithin({"diff", id, id}, store_, 0, 0).exit_code, 0);
}

}  // namespace
}  // namespace helios

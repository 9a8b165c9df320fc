// `helios repair`: what comes back, what is said of the rest, and that nothing is lost by it.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>

#include "program.h"

namespace helios {
namespace {

class RepairTest : public HeliosTest {
 protected:
  RepairTest() {
    Write("noise", RandomBytes(300'000, 1));
    for (int i = 0; i < 20; ++i) {
      Write("sub/file" + std::to_string(i), "content " + std::to_string(i));
    }
    state_ = ReadTree(work_);
    id_ = RunWell({"commit", "-j1"}).Object().at("snapshot_id");
    FoldLogs();
    pack_ = LargestObjectFile();
    // Made when it is needed.
    WriteFile(BackendFolder() + (TestsPacks() ? "/merge.lock" : "/tables.lock"), "");
  }

  Json Repair(const std::vector<std::string>& more, int exit_code) const {
    std::vector<std::string> args{"repair"};
    args.insert(args.end(), more.begin(), more.end());
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, exit_code) << result;
    return result.Object();
  }
  // Flips a bit in `noise`, which lies in the pack as it is.
  void DamageNoise() const {
    std::string bytes = ReadFile(pack_);
    const size_t at = bytes.find(state_.at("noise").content.substr(1000, 64));
    ASSERT_NE(at, std::string::npos);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    WriteFile(pack_, bytes);
  }
  void DamageIndex() const {
    std::string bytes = ReadFile(pack_);
    bytes.resize(bytes.size() - 100);
    WriteFile(pack_, bytes);
  }

  TreeState state_;
  std::string id_;
  std::string pack_;
};

TEST_F(RepairTest, AWholeStoreIsLeftAsItIs) {
  const TreeState before = ReadTree(store_, {"statistics"});
  EXPECT_EQ(Repair({}, 0).at("was_whole"), true);
  EXPECT_EQ(Difference(before, ReadTree(store_, {"statistics"})), "");
}

TEST_F(RepairTest, AnIndexIsMadeAnewOfTheFrames) {
  HELIOS_SKIP_UNLESS_PACKS("what ends its largest file is an object");
  DamageIndex();
  EXPECT_EQ(Run({"verify"}).exit_code, 12);
  const Json report = Repair({}, 0);
  EXPECT_EQ(report.at("was_whole"), false);
  ASSERT_EQ(report.at("set_aside").size(), 1u);
  EXPECT_TRUE(Exists(report.at("set_aside")[0].get<std::string>()));
  RunWell({"verify"});
  RunWell({"doctor"});
  ExpectGives(id_, state_);
  EXPECT_EQ(Repair({}, 0).at("was_whole"), true);
}

TEST_F(RepairTest, DryRunSaysWhatItWouldDoAndChangesNothing) {
  DamageIndex();
  const TreeState before = ReadTree(store_, {"statistics"});
  const RunResult result = Run({"repair", "--dry-run"});
  EXPECT_NE(result.exit_code, 0) << result;
  const Json report = result.Object();
  EXPECT_EQ(report.at("steps").size(), 1u);
  EXPECT_GT(report.at("salvaged_objects"), 20);
  EXPECT_EQ(Difference(before, ReadTree(store_, {"statistics"})), "");
}

TEST_F(RepairTest, SaysWhichPathsAreLostAfterAll) {
  DamageNoise();
  const Json report = Repair({}, 12 + 1);
  EXPECT_EQ(report.at("after").at("lost_paths"), 1);
  EXPECT_EQ(report.at("after").at("lost")[0].at("paths")[0].at("path"), "noise");
  // Everything else comes back.
  RunWell({"materialize", id_, At("out"), "sub"});
  EXPECT_EQ(Run({"verify"}).exit_code, 13) << "missing from now on, and damaged no more";
}

TEST_F(RepairTest, FillsHolesFromAFolder) {
  DamageNoise();
  const Json report = Repair({"--from-workspace", work_}, 0);
  EXPECT_EQ(report.at("filled_objects"), 1);
  EXPECT_EQ(report.at("filled_bytes"), 300'000);
  RunWell({"verify"});
  ExpectGives(id_, state_);
}

TEST_F(RepairTest, FillsHolesFromAnotherStore) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is damaged");
  Write("large", RandomBytes(5'000'000, 9));
  const std::string id = Commit();
  const TreeState state = ReadTree(work_);
  CopyTree(store_, At("copy"));
  for (const std::string& pack : Packs()) Remove(pack);
  EXPECT_EQ(Run({"verify"}).exit_code, 13);
  const Json report = Repair({"--from-store", At("copy")}, 0);
  EXPECT_GT(report.at("filled_objects"), 20);
  RunWell({"verify"});
  ExpectGives(id, state);
  ExpectGives(id_, state_);
}

TEST_F(RepairTest, AnOtherStoreThatIsDamagedGivesOnlyWhatIsWhole) {
  CopyTree(store_, At("copy"));
  DamageNoise();
  const std::string broken = ReadFile(pack_);
  WriteFile(At("copy") + pack_.substr(store_.size()), broken);
  EXPECT_EQ(Repair({"--from-store", At("copy")}, 13).at("filled_objects"), 0);
}

TEST_F(RepairTest, TheNextCommitStoresWhatTheFolderStillHas) {
  DamageNoise();
  Repair({}, 13);
  RunWell({"commit"});
  RunWell({"verify"});
  ExpectGives(id_, state_);
}

TEST_F(RepairTest, ALostOperationLogComesBackFromCheckpointsAndRecords) {
  Write("more", "m");
  const RunResult second = RunWell({"commit"});
  Remove(store_ + "/operations");
  EXPECT_EQ(Run({"diff", "@~1", "@"}).exit_code, 12);
  CopyTree(store_, At("copy"));
  // The checkpoint knows the last commit; the one before is noted again.
  EXPECT_EQ(Repair({}, 0).at("recovered").size(), 1u);
  EXPECT_EQ(RunWell({"read", "@:more"}).out, "m");
  EXPECT_EQ(RunWell({"read", "@~1:sub/file1"}).out, "content 1");
  RunWell({"verify"});

  // Without checkpoints they are records that nothing leads to.
  Remove(store_);
  CopyTree(At("copy"), store_);
  for (const std::string& key : ListFolder(store_ + "/workspaces")) {
    Remove(store_ + "/workspaces/" + key);
  }
  const Json report = Repair({}, 0);
  ASSERT_EQ(report.at("recovered").size(), 2u) << report;
  const std::string record = second.Object().at("record_id");
  EXPECT_EQ(report.at("recovered")[1], record);
  EXPECT_EQ(RunWell({"read", record + ":more"}).out, "m");
  ExpectGives(id_, state_);
  RunWell({"verify"});
  RunWell({"doctor"});
  RunWell({"commit"});
  EXPECT_EQ(Repair({}, 0).at("was_whole"), true);
}

TEST_F(RepairTest, ADamagedLogKeepsAllWholeEntries) {
  for (int i = 0; i < 3; ++i) {
    Write("more", std::to_string(i));
    RunWell({"commit"});
  }
  std::string log = ReadFile(store_ + "/operations");
  log[30] = static_cast<char>(log[30] ^ 1);
  WriteFile(store_ + "/operations", log);
  EXPECT_EQ(Run({"verify"}).exit_code, 12);
  Repair({}, 0);
  RunWell({"verify"});
  EXPECT_EQ(RunWell({"read", "@:more"}).out, "2");
  EXPECT_EQ(RunWell({"read", "@~3:sub/file1"}).out, "content 1");
  EXPECT_EQ(ListFolder(store_ + "/damaged").size(), 1u);
}

TEST_F(RepairTest, DamagedRefsAreMadeAnewOrRemoved) {
  RunWell({"tag", "good"});
  RunWell({"tag", "bad"});
  std::vector<std::string> files;
  for (const std::string& folder : ListFolder(store_ + "/refs")) {
    for (const std::string& name : ListFolder(store_ + "/refs/" + folder)) {
      if (name != "lock") files.push_back(store_ + "/refs/" + folder + "/" + name);
    }
  }
  ASSERT_EQ(files.size(), 2u);
  std::string good_file;
  for (const std::string& file : files) {
    std::string bytes = ReadFile(file);
    if (bytes.find("tags/good") != bytes.npos) {
      bytes.back() = static_cast<char>(bytes.back() ^ 1);  // its check
    } else {
      bytes[bytes.size() - 20] = static_cast<char>(bytes[bytes.size() - 20] ^ 1);  // its record
    }
    WriteFile(file, bytes);
  }
  Repair({}, 0);
  RunWell({"materialize", "good", At("out")});
  EXPECT_NE(Run({"materialize", "bad", At("out2")}).exit_code, 0);
  EXPECT_EQ(ListFolder(store_ + "/damaged").size(), 2u);
  RunWell({"verify"});
}

TEST_F(RepairTest, ExchangedRefsFindHome) {
  RunWell({"tag", "first"});
  Write("more", "m");
  RunWell({"commit"});
  RunWell({"tag", "second"});
  std::vector<std::string> files;
  for (const std::string& folder : ListFolder(store_ + "/refs")) {
    for (const std::string& name : ListFolder(store_ + "/refs/" + folder)) {
      if (name != "lock") files.push_back(store_ + "/refs/" + folder + "/" + name);
    }
  }
  ASSERT_EQ(files.size(), 2u);
  const std::string one = ReadFile(files[0]);
  WriteFile(files[0], ReadFile(files[1]));
  WriteFile(files[1], one);
  EXPECT_EQ(Run({"verify"}).exit_code, 12);
  Repair({}, 0);
  EXPECT_EQ(Run({"read", "first:more"}).exit_code, 1);
  EXPECT_EQ(RunWell({"read", "second:more"}).out, "m");
}

TEST_F(RepairTest, ALostMarkerIsWrittenAnew) {
  Remove(store_ + "/helios-store");
  EXPECT_EQ(Run({"verify"}).exit_code, 10);
  Repair({}, 0);
  RunWell({"verify"});
  ExpectGives(id_, state_);
  // But no folder becomes a store by it.
  RunOptions elsewhere = Options();
  elsewhere.env["HELIOS_STORE_DIR"] = work_;
  EXPECT_EQ(RunHelios({"repair"}, elsewhere).exit_code, 10);
}

// What a process leaves that is ended by a full disk at its n-th write or file is what any sudden
// end leaves.
TEST_F(RepairTest, EndedAtAnyMomentItCanBeRunAgain) {
  HELIOS_SKIP_UNLESS_PACKS("what ends its largest file is an object");
  RunWell({"tag", "v1"});
  DamageIndex();
  std::string log = ReadFile(store_ + "/operations");
  log[30] = static_cast<char>(log[30] ^ 1);
  WriteFile(store_ + "/operations", log);
  CopyTree(store_, At("damaged-store"));
  bool finished = false;
  int ended = 0;
  for (uint64_t limit = 0; !finished; ++limit) {
    ASSERT_LT(limit, 60u);
    Remove(store_);
    CopyTree(At("damaged-store"), store_);
    RunOptions options = Options();
    Limits limits;
    limits.below = store_;
    if (limit % 2 == 0) limits.new_files = limit / 2;
    if (limit % 2 == 1) limits.write_bytes = limit * 2000;
    Impose(limits, &options);
    const RunResult result = RunHelios({"repair"}, options);
    ASSERT_FALSE(result.by_signal) << result;
    ended += result.exit_code == 14 ? 1 : 0;
    finished = result.exit_code == 0 && limit > 20;
    Repair({}, 0);
    RunWell({"verify"});
    ExpectGives(id_, state_);
    RunWell({"materialize", "v1", At("out" + std::to_string(limit))});
  }
  EXPECT_GT(ended, 3);
}

TEST_F(RepairTest, KilledAtAnyMomentItCanBeRunAgain) {
  HELIOS_SKIP_UNLESS_PACKS("what ends its largest file is an object");
  DamageIndex();
  CopyTree(store_, At("damaged-store"));
  for (int delay = 0; delay < 12; ++delay) {
    Remove(store_);
    CopyTree(At("damaged-store"), store_);
    const std::string wait = "0.00" + std::to_string(delay);
    RunProgram("timeout", {"-s", "KILL", wait, HELIOS_BINARY, "repair"}, Options());
    Repair({}, 0);
    RunWell({"verify"});
    ExpectGives(id_, state_);
  }
}

}  // namespace
}  // namespace helios

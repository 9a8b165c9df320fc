// `helios verify`: what it reads, what it says of damage, and that it changes nothing.
#include <gtest/gtest.h>

#include <algorithm>

#include "program.h"

namespace helios {
namespace {

class VerifyTest : public HeliosTest {
 protected:
  // Two commits, a pack each: the second adds `new` and changes `sub/text`.
  VerifyTest() {
    Write("noise", RandomBytes(300'000, 1));
    Write("sub/text", "one");
    Write("sub/deep/leaf", "leaf");
    first_ = CommitAlone();
    if (TestsPacks()) first_pack_ = Packs().front();
    Write("new", RandomBytes(300'000, 2));
    Write("sub/text", "two");
    second_ = CommitAlone();
    if (!TestsPacks()) FoldLogs();
    for (const std::string& file : ObjectFiles()) {
      if (file != first_pack_) second_pack_ = file;
    }
  }

  std::string CommitAlone() const {
    return RunWell({"commit", "-j1"}).Object().at("snapshot_id").get<std::string>();
  }
  // Flips a bit where these bytes lie, which did not compress.
  void Damage(const std::string& content) const {
    for (const std::string& file : ObjectFiles()) {
      std::string bytes = ReadFile(file);
      const size_t at = bytes.find(content.substr(1000, 64));
      if (at == bytes.npos) continue;
      bytes[at] = static_cast<char>(bytes[at] ^ 1);
      return WriteFile(file, bytes);
    }
    ADD_FAILURE() << "the bytes are nowhere";
  }
  Json Verify(const std::vector<std::string>& more, int exit_code) const {
    std::vector<std::string> args{"verify"};
    args.insert(args.end(), more.begin(), more.end());
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, exit_code) << result;
    Json report = result.Object();
    EXPECT_EQ(report.at("ok"), exit_code == 0) << result;
    return report;
  }

  std::string first_, second_, first_pack_, second_pack_;
};

TEST_F(VerifyTest, AWholeStore) {
  const Json report = Verify({}, 0);
  EXPECT_EQ(report.at("records"), 2);
  if (TestsPacks()) {
    EXPECT_EQ(report.at("packs"), 2);
  }
  EXPECT_GE(report.at("bytes"), 300'000);
  EXPECT_EQ(report.at("damaged_places"), 0);
  EXPECT_EQ(report.at("lost_paths"), 0);
  EXPECT_EQ(report.at("unreferenced_records"), 0);
  for (const Json& check : report.at("checks")) EXPECT_EQ(check.at("ok"), true) << check;
}

TEST_F(VerifyTest, SaysTheSameInText) {
  const RunResult whole = RunWell({"verify", "--text"});
  EXPECT_NE(whole.out.find("whole: 2 snapshots"), std::string::npos) << whole;
  Damage(RandomBytes(300'000, 1));
  const RunResult damaged = Run({"verify", "--text"});
  EXPECT_EQ(damaged.exit_code, 12);
  for (const std::string& part :
       {TestsPacks() ? first_pack_ : FolderOfObjects(),
        std::string(TestsPacks() ? "frame at " : ""), std::string("noise"),
        std::string("2 paths of 2 snapshots"), std::string("helios repair")}) {
    EXPECT_NE(damaged.out.find(part), std::string::npos) << part << damaged;
  }
}

TEST_F(VerifyTest, ChangesNothing) {
  const TreeState before = ReadTree(store_, {"statistics"});
  RunWell({"verify"});
  EXPECT_EQ(Difference(before, ReadTree(store_, {"statistics"})), "");
}

TEST_F(VerifyTest, NamesPackOffsetObjectAndEverySnapshotsPaths) {
  Damage(RandomBytes(300'000, 1));
  const Json report = Verify({}, 12);
  ASSERT_EQ(report.at("damaged_places"), 1);
  EXPECT_EQ(report.at("damage")[0].at("file"), TestsPacks() ? first_pack_ : FolderOfObjects());
  EXPECT_EQ(report.at("damage")[0].contains("offset"), TestsPacks());
  ASSERT_EQ(report.at("damaged_objects"), 1);
  EXPECT_EQ(report.at("unreadable")[0].at("kind"), "blob");
  EXPECT_EQ(report.at("lost_snapshots"), 2);
  EXPECT_EQ(report.at("lost_paths"), 2);
  // The newest first.
  EXPECT_EQ(report.at("lost")[0].at("snapshot_id"), second_);
  EXPECT_EQ(report.at("lost")[1].at("snapshot_id"), first_);
  for (const Json& lost : report.at("lost")) {
    EXPECT_EQ(lost.at("workspace"), work_);
    EXPECT_EQ(lost.at("paths"), Json::parse(R"([{"path": "noise", "lost": "content"}])"));
  }
}

TEST_F(VerifyTest, ALostPackIsMissing) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is damaged");
  Remove(second_pack_);
  const Json report = Verify({}, 13);
  EXPECT_GT(report.at("missing_objects"), 0);
  EXPECT_EQ(report.at("damaged_places"), 0);
  ASSERT_EQ(report.at("lost_snapshots"), 1);
  EXPECT_EQ(report.at("lost")[0].at("record_lost"), true) << "its record was in that pack, too";
}

TEST_F(VerifyTest, ALostFolderIsOnePathOfManyFiles) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is damaged");
  // Only the first pack has the folder's tree; the second commit changed something else in `sub`.
  Remove(first_pack_);
  const Json report = Verify({}, 13);
  const Json& newest = report.at("lost")[0];
  EXPECT_EQ(newest.at("snapshot_id"), second_);
  const auto has = [&](const Json& wanted) {
    const Json& paths = newest.at("paths");
    return std::find(paths.begin(), paths.end(), wanted) != paths.end();
  };
  EXPECT_TRUE(has({{"path", "sub/deep"}, {"lost", "folder"}})) << newest;
  EXPECT_TRUE(has({{"path", "noise"}, {"lost", "content"}})) << newest;
}

TEST_F(VerifyTest, SingleSnapshotsAndPathsOfThem) {
  Damage(RandomBytes(300'000, 2));
  Verify({}, 12);
  EXPECT_EQ(Verify({first_}, 0).at("records"), 1);
  EXPECT_EQ(Verify({"@~1", "--id", first_}, 0).at("records"), 1) << "each once";
  const Json report = Verify({"@"}, 12);
  EXPECT_EQ(report.at("lost")[0].at("paths")[0].at("path"), "new");
  Verify({"@", "-i", "new"}, 12);
  Verify({"@", "-i", "sub"}, 0);
  Verify({"@", "-x", "new"}, 0);
  EXPECT_EQ(Run({"verify", "@", "-i", "nowhere"}).err.find("nowhere") != std::string::npos, true);
  EXPECT_EQ(Run({"verify", "v1"}).exit_code, Run({"read", "v1:noise"}).exit_code);
}

TEST_F(VerifyTest, StructureAloneReadsNoContents) {
  EXPECT_EQ(Verify({"--structure"}, 0).at("objects"), 0);
  Damage(RandomBytes(300'000, 1));
  Verify({"--structure"}, 0);
  if (!TestsPacks()) return;  // a database that lacks a file is damaged
  Remove(second_pack_);
  Verify({"--structure"}, 13);
}

TEST_F(VerifyTest, PartsTogetherAreTheWhole) {
  const auto all = Verify({}, 0).at("objects").get<uint64_t>();
  uint64_t sum = 0;
  for (int part = 1; part <= 7; ++part) {
    sum += Verify({"--part", std::to_string(part) + "/7"}, 0).at("objects").get<uint64_t>();
  }
  EXPECT_EQ(sum, all);
  EXPECT_EQ(Verify({"--sample", "0%"}, 0).at("objects"), 0);
  EXPECT_EQ(Verify({"--sample", "100%"}, 0).at("objects"), all);
  Damage(RandomBytes(300'000, 1));
  int damaged = 0;
  for (int part = 1; part <= 7; ++part) {
    damaged += Run({"verify", "--part", std::to_string(part) + "/7"}).exit_code == 12 ? 1 : 0;
  }
  EXPECT_EQ(damaged, 1);
}

TEST_F(VerifyTest, RefusesWhatMakesNoSense) {
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--part", "8/7"},
                                                {"--part", "0/7"},
                                                {"--part", "x"},
                                                {"--sample", "101%"},
                                                {"--sample", "x"},
                                                {"-i", "a"},
                                                {"--part", "1/7", "@"},
                                                {"--structure", "--sample", "5%"}}) {
    std::vector<std::string> args{"verify"};
    args.insert(args.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(Run(args).exit_code, 2) << wrong.front();
  }
  RunOptions elsewhere = Options();
  elsewhere.env["HELIOS_STORE_DIR"] = At("nowhere");
  EXPECT_EQ(RunHelios({"verify"}, elsewhere).exit_code, 10);
}

TEST_F(VerifyTest, ErrorsOfDamageSayWhatToDo) {
  Damage(RandomBytes(300'000, 1));
  const RunResult read = Run({"read", "@:noise"});
  EXPECT_EQ(read.exit_code, 12);
  EXPECT_NE(read.err.find("helios repair"), std::string::npos) << read;
  const RunResult doctor = Run({"doctor"});
  EXPECT_EQ(doctor.exit_code, 0) << "the doctor reads no contents";
}

TEST_F(VerifyTest, DamageOfTheStoresOwnFiles) {
  RunWell({"tag", "v1"});
  const std::vector<std::string> folders = ListFolder(store_ + "/refs");
  for (const std::string& name : ListFolder(store_ + "/refs/" + folders.front())) {
    if (name != "lock") WriteFile(store_ + "/refs/" + folders.front() + "/" + name, "damaged");
  }
  WriteFile(store_ + "/operations", "damaged" + ReadFile(store_ + "/operations"));
  const Json report = Verify({}, 12);
  for (const Json& check : report.at("checks")) {
    const bool is_damaged = check.at("name") == "refs" || check.at("name") == "operation_log";
    EXPECT_EQ(check.at("ok"), !is_damaged) << check;
  }
  EXPECT_EQ(report.at("records"), 2) << "what a damaged log still says is followed";
  EXPECT_EQ(report.at("lost_snapshots"), 0);
}

}  // namespace
}  // namespace helios

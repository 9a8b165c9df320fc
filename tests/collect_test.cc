// helios gc and the size of a store, as people and scripts use them.
#include <gtest/gtest.h>

#include "program.h"

namespace helios {
namespace {

class GcTest : public testing::Test {
 protected:
  GcTest() { MakeFolders(work_); }

  RunResult Run(std::vector<std::string> args, const RunOptions& options = {}) const {
    args.insert(args.end(), {"--work", work_, "--store", store_});
    return RunHelios(args, options);
  }
  std::string Commit() const {
    const RunResult result = Run({"commit"});
    EXPECT_EQ(result.exit_code, 0) << result;
    return result.Object().at("snapshot_id");
  }
  // A state of so many bytes that do not compress.
  std::string CommitState(int number, size_t size = 200'000) const {
    WriteFile(work_ + "/file", RandomBytes(size, static_cast<uint64_t>(number)));
    return Commit();
  }
  std::string FolderOfObjects() const {
    return store_ + (TestsPacks() ? "/pack" : "/" + TestedBackend() + "/db");
  }
  // Of packs, or of the whole database.
  uint64_t ObjectBytes() const {
    uint64_t bytes = 0;
    for (const std::string& name : ListFolder(FolderOfObjects())) {
      if (!TestsPacks() || name.ends_with(".pack")) {
        bytes += ReadFile(FolderOfObjects() + "/" + name).size();
      }
    }
    return bytes;
  }
  bool CanRead(const std::string& id) const { return Run({"read", id + ":file"}).exit_code == 0; }

  const TemporaryFolder folder_;
  const std::string work_ = folder_.path() + "/work";
  const std::string store_ = folder_.path() + "/store";
};

TEST_F(GcTest, LetsGoOfWhatTheRulesDoNotKeepAndFreesItsSpace) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(CommitState(i));
  EXPECT_EQ(Run({"tag", "v1", ids[0]}).exit_code, 0);
  const RunResult result = Run({"gc", "--keep-last", "2"});
  ASSERT_EQ(result.exit_code, 0) << result;
  const Json report = result.Object();
  EXPECT_EQ(report.at("records_removed"), 2);
  EXPECT_EQ(report.at("operations_removed"), 2);
  EXPECT_EQ(report.at("bytes_after"), ObjectBytes());
  EXPECT_LT(ObjectBytes(), 650'000u);
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(CanRead(ids[i]), i == 0 || i >= 3) << i;
  }
  EXPECT_EQ(Run({"read", "@~1:file"}).exit_code, 0);
  const RunResult before = Run({"read", "@~2:file"});
  EXPECT_EQ(before.exit_code, 1);
  EXPECT_NE(before.ErrorMessage().find("helios gc"), std::string::npos);
  EXPECT_EQ(Run({"doctor"}).exit_code, 0);
}

TEST_F(GcTest, ADryRunSaysForEachSnapshotWhatBecomesOfItAndWhy) {
  const std::string first = CommitState(1);
  const std::string second = CommitState(2);
  const uint64_t bytes = ObjectBytes();
  const RunResult result = Run({"gc", "--keep-last", "1", "--dry-run"});
  ASSERT_EQ(result.exit_code, 0) << result;
  const Json decisions = result.Object().at("decisions");
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions[0].at("snapshot_id"), first);
  EXPECT_EQ(decisions[0].at("keep"), false);
  EXPECT_EQ(decisions[1].at("reasons"), Json::parse(R"(["@", "last"])"));
  EXPECT_EQ(ObjectBytes(), bytes);
  const RunResult text = Run({"gc", "--keep-last", "1", "-n", "--text"});
  EXPECT_NE(text.out.find("remove  " + first), std::string::npos) << text;
  EXPECT_NE(text.out.find("(@, last)"), std::string::npos) << text;
  EXPECT_TRUE(CanRead(first));
}

TEST_F(GcTest, RefusesRulesThatAreNone) {
  Commit();
  for (const std::vector<std::string>& args : {std::vector<std::string>{"--keep-last", "x"},
                                               {"--keep-last", "-1"},
                                               {"--keep-within", "7y"},
                                               {"--keep-within", "d"},
                                               {"--keep-within", "99999999999999999999d"},
                                               {"--keep-label", "=v"},
                                               {"--keep-daily", ""},
                                               {"now"}}) {
    std::vector<std::string> command{"gc"};
    command.insert(command.end(), args.begin(), args.end());
    EXPECT_EQ(Run(command).exit_code, 2) << args.front();
  }
}

TEST_F(GcTest, MakesNoStore) {
  EXPECT_EQ(Run({"gc"}).exit_code, 10);
  EXPECT_FALSE(Exists(store_));
}

TEST_F(GcTest, TheRulesOfTheStoreCountIfNoneAreGiven) {
  for (int i = 0; i < 4; ++i) CommitState(i);
  EXPECT_EQ(Run({"gc"}).Object().at("records_removed"), 0);
  ASSERT_EQ(Run({"config", "keep-last", "2"}).exit_code, 0);
  EXPECT_EQ(Run({"gc", "--keep-last", "3"}).Object().at("records_removed"), 1);
  EXPECT_EQ(Run({"gc"}).Object().at("records_removed"), 1);
}

TEST_F(GcTest, SettingsAreShownAndTakenAway) {
  Commit();
  ASSERT_EQ(Run({"config", "max-size", "10G"}).exit_code, 0);
  ASSERT_EQ(Run({"config", "keep-within", "2w"}).exit_code, 0);
  ASSERT_EQ(Run({"config", "compression", "small"}).exit_code, 0);
  const Json settings = Run({"config"}).Object();
  EXPECT_EQ(settings.at("max-size"), uint64_t{10} << 30);
  EXPECT_EQ(settings.at("keep-within"), 14 * 86400);
  EXPECT_EQ(settings.at("compression"), "small");
  EXPECT_FALSE(settings.contains("keep-last"));
  EXPECT_NE(Run({"config", "--text"}).out.find("keep-within: 2w\n"), std::string::npos);
  EXPECT_EQ(Run({"config", "max-size", "none"}).Object().at("max-size"), nullptr);
  EXPECT_FALSE(Run({"config"}).Object().contains("max-size"));
  EXPECT_EQ(Run({"config", "max-size", "much"}).exit_code, 2);
}

TEST_F(GcTest, AStoreDoesNotGrowBeyondItsSize) {
  CommitState(0);
  ASSERT_EQ(Run({"config", "max-size", "500K"}).exit_code, 0);
  ASSERT_EQ(Run({"config", "keep-last", "1"}).exit_code, 0);
  std::string last;
  for (int i = 1; i < 5; ++i) {
    last = CommitState(i);
    EXPECT_LE(ObjectBytes(), 500u << 10) << i;
  }
  WriteFile(work_ + "/file", RandomBytes(400'000, 9));
  const RunResult refused = Run({"commit"});
  EXPECT_EQ(refused.exit_code, 14) << refused;
  EXPECT_NE(refused.ErrorMessage().find("max-size"), std::string::npos);
  EXPECT_TRUE(CanRead(last));
  EXPECT_EQ(Run({"commit", "--max-size", "1M"}).exit_code, 0);
}

TEST_F(GcTest, OnAFullDiskGivesBackWhatNeedsNoRoom) {
  HELIOS_SKIP_UNLESS_PACKS("it writes tables anew, which needs room");
  for (int i = 0; i < 4; ++i) CommitState(i, 1'000'000);
  for (const uint64_t room : {uint64_t{0}, uint64_t{4000}, uint64_t{100'000}}) {
    CommitState(static_cast<int>(room) + 10, 1'000'000);
    const uint64_t before = ObjectBytes();
    RunOptions full;
    Limits limits;
    limits.below = store_;
    limits.write_bytes = room;
    Impose(limits, &full);
    const RunResult result = Run({"gc", "--keep-last", "1"}, full);
    // The log must be written anew, which is a few kilobytes.
    EXPECT_EQ(result.exit_code, room == 0 ? 14 : 0) << result;
    if (room > 0) {
      EXPECT_LT(ObjectBytes(), before);
    }
    EXPECT_TRUE(CanRead("@"));
  }
  EXPECT_EQ(Run({"gc", "--keep-last", "1"}).exit_code, 0);
  EXPECT_LT(ObjectBytes(), 1'100'000u);
}

TEST_F(GcTest, NothingGoesOfADamagedStoreAndItSaysWhatToDo) {
  CommitState(1);
  // A tree that is needed cannot be read.
  WriteFile(work_ + "/only", "here");
  CommitState(2);
  if (!TestsPacks()) {
    ASSERT_EQ(Run({"optimize"}).exit_code, 0);  // into tables
  }
  for (const std::string& name : ListFolder(FolderOfObjects())) {
    std::string bytes = ReadFile(FolderOfObjects() + "/" + name);
    for (size_t i = 20; i + 400 < bytes.size(); i += 97) bytes[i] = static_cast<char>(~bytes[i]);
    if (name.ends_with(".pack") || name.ends_with(".sst")) {
      WriteFile(FolderOfObjects() + "/" + name, bytes);
    }
  }
  const uint64_t before = ObjectBytes();
  const RunResult result = Run({"gc", "--keep-last", "1"});
  EXPECT_EQ(result.exit_code, 12) << result;
  EXPECT_NE(result.err.find("helios verify"), std::string::npos) << result;
  EXPECT_EQ(ObjectBytes(), before);
}

}  // namespace
}  // namespace helios

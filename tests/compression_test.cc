// Settings of a store and `helios optimize`, as users meet them.
#include <gtest/gtest.h>

#include <filesystem>

#include "program.h"

namespace helios {
namespace {

class CompressionTest : public HeliosTest {
 protected:
  CompressionTest() {
    for (int i = 0; i < 50; ++i) {
      Write(
          "folder/" + std::to_string(i) + ".txt",
          "file " + std::to_string(i) + "\n" + std::string(3000, static_cast<char>('a' + i % 20)));
    }
    Write("large", RandomBytes(3'000'000, 1));
  }
  std::string Setting() const { return RunWell({"config"}).Object()["compression"]; }
  std::string SettingsFile() const { return store_ + "/settings"; }
};

TEST_F(CompressionTest, SettingIsTheDefaultUntilItIsSetAndThenStays) {
  Commit();
  EXPECT_EQ(Setting(), "default");
  for (const char* name : {"fast", "small", "default"}) {
    EXPECT_EQ(RunWell({"config", "compression", name}).Object()["compression"], name);
    EXPECT_EQ(Setting(), name);
    EXPECT_EQ(RunWell({"config", "compression"}).Object()["compression"], name);
    EXPECT_EQ(RunWell({"stats"}).Object()["store"]["compression"], name);
  }
}

TEST_F(CompressionTest, CommitMakesAStoreOfTheSettingThatIsAskedFor) {
  RunWell({"commit", "--compression", "small"});
  EXPECT_EQ(Setting(), "small");
  RunWell({"commit", "--compression", "small"});
  const RunResult other = Run({"commit", "--compression", "fast"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(other.ErrorMessage().find("helios config compression fast"), std::string::npos);
  EXPECT_EQ(Setting(), "small");
}

TEST_F(CompressionTest, CommitsObeyTheSetting) {
  HELIOS_SKIP_UNLESS_PACKS("what is new lies in its log for a while, as it is");
  Commit();
  RunWell({"config", "compression", "fast"});
  const auto bytes_on_disk = [&]() -> uint64_t {
    return RunWell({"stats"}).Object()["store"]["bytes_on_disk"];
  };
  uint64_t before = bytes_on_disk();
  Write("text", std::string(500'000, 't'));
  Commit();
  EXPECT_GT(bytes_on_disk(), before + 500'000);
  RunWell({"config", "compression", "small"});
  before = bytes_on_disk();
  Write("text", std::string(500'000, 'u'));
  ExpectGives(Commit(), ReadTree(work_));
  EXPECT_LT(bytes_on_disk(), before + 50'000);
}

TEST_F(CompressionTest, UnknownSettingsAndValuesAreUsageErrors) {
  Commit();
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"config", "colour"},
                                             {"config", "compression", "tiny"},
                                             {"config", "compression", "fast", "small"},
                                             {"commit", "--compression", "tiny"},
                                             {"commit", "--compression="}}) {
    EXPECT_EQ(Run(args).exit_code, 2) << ::testing::PrintToString(args);
  }
  EXPECT_EQ(Setting(), "default");
}

TEST_F(CompressionTest, ConfigAndOptimizeMakeNoStore) {
  EXPECT_EQ(Run({"config"}).exit_code, 10);
  EXPECT_EQ(Run({"config", "compression", "small"}).exit_code, 10);
  EXPECT_EQ(Run({"optimize"}).exit_code, 10);
  EXPECT_FALSE(Exists(store_));
}

TEST_F(CompressionTest, DamagedSettingsStopCommitsAndNothingElse) {
  const std::string id = Commit();
  RunWell({"config", "compression", "small"});
  WriteFile(SettingsFile(), ReadFile(SettingsFile()) + "x");
  Write("more", "more");
  const RunResult commit = Run({"commit"});
  EXPECT_EQ(commit.exit_code, 12);
  EXPECT_NE(commit.ErrorMessage().find(SettingsFile()), std::string::npos);
  EXPECT_EQ(Run({"config"}).exit_code, 12);
  EXPECT_EQ(Run({"doctor"}).exit_code, 12);
  RunWell({"stats"});
  Remove(Materialize(id));
  RunWell({"optimize"});
  RunWell({"config", "compression", "default"});
  Commit();
  RunWell({"doctor"});
}

TEST_F(CompressionTest, OptimizedStoreIsSmallerAndGivesTheSame) {
  std::vector<std::pair<std::string, TreeState>> snapshots;
  for (int version = 0; version < 5; ++version) {
    Write("folder/7.txt", "version " + std::to_string(version));
    std::string large = RandomBytes(3'000'000, 1);
    large.replace(1'500'000, 9, "version " + std::to_string(version));
    Write("large", large);
    snapshots.emplace_back(Commit(), ReadTree(work_));
  }
  CommitUntilNothingIsRead();
  const Json report = RunWell({"optimize"}).Object();
  const uint64_t before = report["bytes_before"];
  // RocksDB knows no deltas.
  EXPECT_LT(report["bytes_after"], TestsPacks() ? before / 4 * 3 : before) << report;
  EXPECT_EQ(report["snapshots"], 5);
  EXPECT_GT(report["objects"], 60);
  EXPECT_TRUE(report["seconds"].is_number());
  EXPECT_EQ(report["damage"], Json::array());
  for (const auto& [id, tree] : snapshots) ExpectGives(id, tree);
  EXPECT_EQ(RunWell({"commit"}).Object()["files_hashed"], 0) << "the stat index is still believed";
  RunWell({"doctor"});
  EXPECT_EQ(RunWell({"optimize"}).Object()["objects"], 0);
  // It was packed, and is written as ever when there is something new.
  Write("folder/7.txt", "another version");
  EXPECT_EQ(RunWell({"commit"}).Object()["files_hashed"], 1);
}

TEST_F(CompressionTest, OptimizeNamesDamageAndLeavesIt) {
  HELIOS_SKIP_UNLESS_PACKS("it writes tables anew as a whole");
  Commit();
  std::string pack;
  for (const std::string& name : ListFolder(store_ + "/pack")) {
    if (name.ends_with(".pack")) pack = store_ + "/pack/" + name;
  }
  std::string bytes = ReadFile(pack);
  bytes[50] = static_cast<char>(bytes[50] ^ 1);
  WriteFile(pack, bytes);
  const RunResult result = Run({"optimize"});
  EXPECT_EQ(result.exit_code, 12) << result;
  EXPECT_EQ(result.Object()["damage"].size(), 1u) << result;
  EXPECT_EQ(ReadFile(pack), bytes);
}

TEST_F(CompressionTest, TextIsForPeople) {
  Commit();
  EXPECT_EQ(RunWell({"config", "--text"}).out, "compression: default\n");
  const std::string text = RunWell({"optimize", "--text"}).out;
  EXPECT_NE(text.find(" before, "), text.npos) << text;
  for (const char* command : {"config", "optimize"}) {
    EXPECT_NE(RunWell({command, "--help"}).out.find("Examples:"), std::string::npos);
  }
}

}  // namespace
}  // namespace helios

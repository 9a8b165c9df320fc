// helios init and helios store: what stores are made of, and moving them, as people and scripts do.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class StoreTest : public HeliosTest {
 protected:
  StoreTest() { Write("a.txt", "a"); }

  // A backend beside "pack" of which this build can make stores; empty if there is none.
  std::string OtherBackend() const {
    const RunResult unknown = Run({"init", "--backend", "punchcards", "--store", At("unknown")});
    const std::string message = unknown.ErrorMessage();
    for (size_t at = message.find("knows"); (at = message.find('"', at)) != message.npos;) {
      const size_t end = message.find('"', ++at);
      const std::string name = message.substr(at, end - at);
      at = end + 1;
      if (name == "pack") continue;
      const RunResult made = Run({"init", "--backend", name, "--store", At("try-" + name)});
      if (made.exit_code == 0) return name;
    }
    return "";
  }
  RunResult Migrate(const std::string& to, const Strings& more = {}) const {
    Strings args{"store", "migrate", "--to", to};
    args.insert(args.end(), more.begin(), more.end());
    return Run(args);
  }
  void Fill(uint64_t number, int files = 60) const {
    for (int i = 0; i < files; ++i) {
      Write("f/" + std::to_string(i), RandomBytes(5000 + 100 * number, 1000 * number + i));
    }
  }
  // What must stay as it is: ids and totals.
  Json Figures() const {
    const Json stats = RunWell({"stats"}).Object();
    const Json& store = stats["store"];
    return {store["objects"],           store["bytes"],
            store["snapshots"],         store["operations"],
            stats["engine"]["commits"], RunWell({"tag"}).Object()};
  }
};

TEST_F(StoreTest, InitMakesAnEmptyStoreAndSaysSoTwice) {
  const Json made = RunWell({"init"}).Object();
  EXPECT_EQ(made["store"], store_);
  EXPECT_EQ(made["rule"], "HELIOS_STORE_DIR");
  EXPECT_EQ(made["backend"], "pack");
  EXPECT_EQ(made["created"], true);
  EXPECT_EQ(RunWell({"stats"}).Object()["store"]["objects"], 0);
  EXPECT_EQ(RunWell({"doctor"}).exit_code, 0);
  const std::string id = Commit();
  const Json again = RunWell({"init"}).Object();
  EXPECT_EQ(again["created"], false);
  EXPECT_NE(RunWell({"init", "--text"}).out.find("already"), std::string::npos);
  ExpectGives(id, ReadTree(work_));
}

TEST_F(StoreTest, InitGoesWhereCommitWould) {
  RunOptions options;
  options.cwd = work_;
  const RunResult made = RunHelios({"init", "--compression", "small"}, options);
  EXPECT_EQ(made.exit_code, 0) << made;
  EXPECT_EQ(made.Object()["store"], work_ + "/.helios");
  MakeFolders(work_ + "/below");
  const RunResult below = RunHelios({"init", "--work", "below"}, options);
  EXPECT_EQ(below.Object()["store"], work_ + "/.helios");
  EXPECT_EQ(below.Object()["created"], false);
  const RunResult info = RunHelios({"store", "info"}, options);
  EXPECT_EQ(info.Object()["settings"]["compression"], "small") << info;
  EXPECT_EQ(RunHelios({"init", "--work", "nowhere"}, options).exit_code, 1);
  EXPECT_FALSE(Exists(work_ + "/nowhere"));
}

TEST_F(StoreTest, UnknownBackendsAreNamedAndNothingIsMade) {
  for (const Strings& args : std::vector<Strings>{{"init", "--backend", "punchcards"},
                                                  {"commit", "--backend", "punchcards"}}) {
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.ErrorMessage().find("\"punchcards\""), std::string::npos);
    EXPECT_NE(result.ErrorMessage().find("\"pack\""), std::string::npos);
  }
  RunOptions options = Options();
  options.env["HELIOS_BACKEND"] = "punchcards";
  EXPECT_EQ(RunHelios({"commit"}, options).exit_code, 1);
  EXPECT_FALSE(Exists(store_));
  // What is asked for wins, and a store that is there is what it is.
  EXPECT_EQ(RunHelios({"commit", "--backend", "pack"}, options).exit_code, 0);
  EXPECT_EQ(RunHelios({"commit"}, options).exit_code, 0);
  EXPECT_EQ(RunHelios({"init"}, options).exit_code, 0);
  EXPECT_EQ(Run({"commit", "--backend", ""}).exit_code, 2);
}

TEST_F(StoreTest, InfoSaysWhatAStoreIsMadeOf) {
  Commit();
  RunWell({"tag", "v1"});
  RunWell({"config", "keep-last", "7"});
  const Json info = RunWell({"store", "info"}).Object();
  EXPECT_EQ(info["path"], store_);
  EXPECT_EQ(info["version"], 1);
  EXPECT_EQ(info["backend"], "pack");
  EXPECT_EQ(info["folder"], store_ + "/pack");
  EXPECT_EQ(info["moved"], 0);
  EXPECT_EQ(info["tags"], 1);
  EXPECT_EQ(info["branches"], 0);
  EXPECT_EQ(info["workspaces"], 1);
  EXPECT_EQ(info["snapshots"], 1);
  EXPECT_EQ(info["operations"], 2);
  EXPECT_EQ(info["leases"], 0);
  EXPECT_EQ(info["epoch"]["collection"], 0);
  EXPECT_EQ(info["settings"]["keep-last"], 7);
  EXPECT_FALSE(info.contains("migration"));
  const Json stats = RunWell({"stats"}).Object()["store"];
  for (const char* key : {"objects", "bytes", "bytes_on_disk", "packs"}) {
    EXPECT_EQ(info[key], stats[key]) << key;
  }
  const std::string text = RunWell({"store", "info", "--text"}).out;
  for (const char* part : {"pack", "1 tag", "1 workspace", "keep-last: 7"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  EXPECT_EQ(Run({"store", "info", "--store", At("none")}).exit_code, 10);
}

TEST_F(StoreTest, MigrateToWhatItIsMadeOfIsNothingToDo) {
  Commit();
  const RunResult result = Migrate("pack");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.Object()["already"], true);
  EXPECT_EQ(Migrate("punchcards").exit_code, 1);
  EXPECT_EQ(Run({"store", "migrate", "--abort"}).exit_code, 1);
  for (const Strings& args : std::vector<Strings>{{"store"},
                                                  {"store", "migrate"},
                                                  {"store", "migrate", "--to="},
                                                  {"store", "migrate", "--to", "pack", "--abort"},
                                                  {"store", "migrate", "--verify"},
                                                  {"store", "shrink"}}) {
    EXPECT_EQ(Run(args).exit_code, 2) << ::testing::PrintToString(args);
  }
  EXPECT_EQ(Run({"store", "migrate", "--to", "pack", "--store", At("none")}).exit_code, 10);
}

class MoveTest : public StoreTest {
 protected:
  void SetUp() override {
    other_ = OtherBackend();
    if (other_.empty()) GTEST_SKIP() << "this build knows one backend";
  }
  std::string BackendNow() const { return RunWell({"store", "info"}).Object()["backend"]; }

  std::string other_;
};

TEST_F(MoveTest, ABackendIsChosenWhenAStoreIsMade) {
  RunOptions options = Options();
  options.env["HELIOS_BACKEND"] = other_;
  EXPECT_EQ(RunHelios({"commit"}, options).exit_code, 0);
  EXPECT_EQ(BackendNow(), other_);
  const RunResult refused = Run({"commit", "--backend", "pack"});
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_NE(refused.ErrorMessage().find("helios store migrate --to pack"), std::string::npos);
  EXPECT_EQ(Run({"commit", "--backend", other_}).exit_code, 0);
}

TEST_F(MoveTest, ThereAndBackEverythingIsAsItWas) {
  std::vector<std::pair<std::string, TreeState>> states;
  for (uint64_t i = 0; i < 3; ++i) {
    Fill(i, 20);
    states.emplace_back(Commit(), ReadTree(work_));
  }
  RunWell({"tag", "v1", states[0].first});
  Json figures = Figures();
  for (const std::string& to : {other_, std::string("pack")}) {
    const RunResult moved = Migrate(to, {"--verify"});
    ASSERT_EQ(moved.exit_code, 0) << moved;
    const Json report = moved.Object();
    EXPECT_EQ(report["to"], to);
    EXPECT_EQ(report["objects"], figures[0]);
    EXPECT_EQ(report["bytes"], figures[1]);
    EXPECT_EQ(report["folder"], store_ + "/" + to);
    EXPECT_GT(report["bytes_after"], 0);
    EXPECT_EQ(BackendNow(), to);
    EXPECT_EQ(Figures(), figures);
    for (const auto& [id, tree] : states) ExpectGives(id, tree);
    EXPECT_EQ(RunWell({"verify"}).exit_code, 0);
    EXPECT_EQ(RunWell({"doctor"}).exit_code, 0);
    EXPECT_EQ(RunWell({"commit"}).Object()["unchanged"], true);
    figures = Figures();
  }
  EXPECT_EQ(RunWell({"store", "info"}).Object()["moved"], 2);
  EXPECT_FALSE(Exists(store_ + "/" + other_));
}

TEST_F(MoveTest, KilledAtAnyMomentItGoesOn) {
  Fill(1, 300);
  const std::string id = Commit();
  const TreeState tree = ReadTree(work_);
  std::string from = "pack";
  int killed = 0;
  for (int round = 0; round < 12; ++round) {
    const std::string& to = from == "pack" ? other_ : "pack";
    // Where that hits is left to chance: every moment must do.
    const std::string seconds = "0.0" + std::to_string(10 + 7 * round);
    const RunResult result = RunProgram(
        "timeout", {"-s", "KILL", seconds, HELIOS_BINARY, "store", "migrate", "--to", to},
        Options());
    killed += result.exit_code == 0 ? 0 : 1;
    ExpectGives(id, tree);
    EXPECT_EQ(RunWell({"doctor"}).exit_code, 0);
    Write("own", "round " + std::to_string(round));
    Commit();
    const RunResult again = Migrate(to);
    ASSERT_EQ(again.exit_code, 0) << again;
    EXPECT_EQ(BackendNow(), to);
    EXPECT_FALSE(Exists(store_ + "/" + from));
    EXPECT_FALSE(Exists(store_ + "/move"));
    from = to;
  }
  EXPECT_GT(killed, 0);
  ExpectGives(id, tree);
  EXPECT_EQ(RunWell({"verify"}).exit_code, 0);
}

TEST_F(MoveTest, OthersCommitMeanwhile) {
  Fill(1, 200);
  Commit();
  std::atomic<bool> over = false;
  std::vector<std::vector<std::string>> ids(3);
  std::vector<std::thread> writers;
  for (size_t writer = 0; writer < ids.size(); ++writer) {
    writers.emplace_back([&, writer] {
      const std::string work = At("w" + std::to_string(writer));
      for (int i = 0; !over || i < 3; ++i) {
        WriteFile(work + "/file", "commit " + std::to_string(i));
        const RunResult result = RunHelios({"commit", "--work", work}, Options());
        ASSERT_EQ(result.exit_code, 0) << result;
        ids[writer].push_back(result.Object()["snapshot_id"]);
        const RunResult read = RunHelios({"read", ids[writer].front() + ":file"}, Options());
        ASSERT_EQ(read.exit_code, 0) << read;
        ASSERT_EQ(RunHelios({"stats"}, Options()).exit_code, 0);
      }
    });
  }
  for (const std::string& to : {other_, std::string("pack"), other_, std::string("pack")}) {
    const RunResult moved = Migrate(to);
    EXPECT_EQ(moved.exit_code, 0) << moved;
  }
  over = true;
  for (std::thread& writer : writers) writer.join();
  for (const std::vector<std::string>& list : ids) {
    for (size_t i = 0; i < list.size(); ++i) {
      EXPECT_EQ(RunWell({"read", list[i] + ":file"}).out, "commit " + std::to_string(i));
    }
  }
  EXPECT_EQ(RunWell({"verify"}).exit_code, 0);
}

TEST_F(MoveTest, AFullDiskMovesNothingAndAbortGivesTheSpaceBack) {
  Fill(1, 300);
  const std::string id = Commit();
  RunOptions options = Options();
  Limits limits;
  limits.below = store_;
  limits.write_bytes = 700'000;
  Impose(limits, &options);
  const RunResult refused = RunHelios({"store", "migrate", "--to", other_}, options);
  EXPECT_EQ(refused.exit_code, 14) << refused;
  EXPECT_NE(refused.ErrorMessage().find("nothing was moved"), std::string::npos);
  EXPECT_EQ(BackendNow(), "pack");
  EXPECT_EQ(RunWell({"store", "info"}).Object()["migration"]["to"], other_);
  const Json aborted = RunWell({"store", "migrate", "--abort"}).Object();
  EXPECT_EQ(aborted["aborted"], other_);
  EXPECT_FALSE(Exists(store_ + "/move"));
  ExpectGives(id, ReadTree(work_));
}

}  // namespace
}  // namespace helios

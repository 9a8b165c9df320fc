// Restores that are killed: they go on, or back to the byte, whenever it happens, and once more if
// that is killed.
//
// HELIOS_CRASH_ROUNDS says how often (default 20).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;
using Duration = std::chrono::microseconds;

uint64_t Rounds() {
  const char* given = std::getenv("HELIOS_CRASH_ROUNDS");
  return given == nullptr ? 20 : std::strtoull(given, nullptr, 10);
}

class ResumeTest : public HeliosTest {
 protected:
  static constexpr int kFolders = 12;
  static constexpr int kFiles = 8;

  void WriteAll(const std::string& what) {
    for (int i = 0; i < kFolders; ++i) {
      for (int k = 0; k < kFiles; ++k) {
        Write("folder-" + std::to_string(i) + "/" + std::to_string(k), what + std::to_string(k));
      }
    }
    Write("large", RandomBytes(4'000'000, what.size()));
  }
  // The target, and then a snapshot upon it.
  void CommitTwice() {
    WriteAll("first");
    Write("only-first/x", "1");
    MakeLink("x", Work("link"));
    target_state_ = ReadTree(work_);
    target_ = Commit();
    WriteAll("the second");
    Remove(Work("only-first"));
    Remove(Work("link"));
    Write("link/is/a/folder", "2");
    Write("only-second/y", "2");
    second_ = Commit();
  }
  // What no snapshot holds.
  void Edit(uint64_t round) {
    Write("folder-3/3", "unsaved " + std::to_string(round));
    Write("folder-5/new", "never captured " + std::to_string(round));
    Write("large", RandomBytes(3'500'000, 100 + round));
    Write("only-first", "a file in the way " + std::to_string(round));
    SetMode(Work("folder-7"), 0711);
    SetMtime(Work("folder-8/1"), 99, 9);
  }

  pid_t Start(const Strings& args) const {
    Strings all{HELIOS_BINARY};
    all.insert(all.end(), args.begin(), args.end());
    for (const std::string& more : {std::string("--work"), work_, std::string("--store"), store_}) {
      all.push_back(more);
    }
    Strings environment = EnvironmentOf({});
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;  // for the child: no O_CLOEXEC
    ::posix_spawn_file_actions_addopen(&actions, 1, At("out").c_str(), flags, 0600);
    ::posix_spawn_file_actions_addopen(&actions, 2, At("err").c_str(), flags, 0600);
    pid_t pid = -1;
    EXPECT_EQ(::posix_spawn(&pid, HELIOS_BINARY, &actions, nullptr, PointersTo(all).data(),
                            PointersTo(environment).data()),
              0);
    ::posix_spawn_file_actions_destroy(&actions);
    return pid;
  }
  static int WaitFor(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // Begins a restore of the target that ends in the middle for want of room.
  void Interrupt(uint64_t new_files, const Strings& more = {}) const {
    RunOptions options = Options();
    Limits limits;
    limits.below = work_;
    limits.new_files = new_files;
    Impose(limits, &options);
    Strings args = {"restore", target_};
    args.insert(args.end(), more.begin(), more.end());
    ASSERT_EQ(RunHelios(args, options).exit_code, 14);
  }
  // Kills it at some moment, unless it has ended: whether it was killed.
  bool RunAndKill(const Strings& args) {
    const pid_t pid = Start(args);
    // Where that hits is left to chance: every moment must do.
    std::this_thread::sleep_for(longest_ * (random_() % 1000) / 1000);
    ::kill(pid, SIGKILL);
    return WaitFor(pid) == -1;
  }

  std::string target_, second_;
  TreeState target_state_;
  std::minstd_rand random_{20261126};
  Duration longest_{30'000};
};

TEST_F(ResumeTest, AKilledRestoreGoesOnOrBack) {
  CommitTwice();
  const Strings restore = {"restore", "--force", "--delete-untracked", target_};
  uint64_t interrupted = 0, aborted = 0, killed_again = 0;
  // Until one is hit while it works, which is a small part of the time where the backend opens
  // slowly.
  for (uint64_t round = 0; round < Rounds() || (interrupted == 0 && round < 200); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    RunWell({"restore", "--force", "--delete-untracked", second_});
    Edit(round);
    const TreeState before = ReadTree(work_);
    if (round % 5 == 0) {
      const auto start = std::chrono::steady_clock::now();
      ASSERT_EQ(WaitFor(Start(restore)), 0) << ReadFile(At("err"));
      longest_ = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start);
    } else {
      RunAndKill(restore);
    }
    bool goes_back = false;
    while (RunWell({"status", "-q"}).Object()["interrupted"] == true) {
      ++interrupted;
      EXPECT_EQ(Run({"commit"}).exit_code, 4);
      EXPECT_EQ(Run({"undo"}).exit_code, 4);
      goes_back = random_() % 2 == 0;
      const Strings resume = {"restore", goes_back ? "--abort" : "--continue"};
      if (random_() % 2 == 0) {
        killed_again += RunAndKill(resume) ? 1 : 0;
        continue;
      }
      const RunResult result = Run(resume);
      ASSERT_EQ(result.exit_code, 0) << result;
      ASSERT_EQ(Difference(goes_back ? before : target_state_, ReadTree(work_)), "")
          << (goes_back ? "aborted" : "continued");
      aborted += goes_back ? 1 : 0;
      break;
    }
    const TreeState now = ReadTree(work_);
    if (Difference(before, now) != "") {
      ASSERT_EQ(Difference(target_state_, now), "") << "neither before nor after";
      RunWell({"undo"});
      ASSERT_EQ(Difference(before, ReadTree(work_)), "") << "after undo";
    }
    ASSERT_EQ(RunWell({"status", "-q"}).Object()["snapshot_id"], second_);
  }
  EXPECT_GT(interrupted, 0) << "no restore was killed while it worked";
  RecordProperty("interrupted", std::to_string(interrupted));
  RecordProperty("aborted", std::to_string(aborted));
  RecordProperty("killed_again", std::to_string(killed_again));
}

// An undo is a restore like any other.
TEST_F(ResumeTest, AKilledUndoGoesOnOrBack) {
  CommitTwice();
  uint64_t interrupted = 0;
  for (uint64_t round = 0; round < Rounds() / 2; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    RunWell({"restore", "--force", "--delete-untracked", second_});
    Edit(round);
    const TreeState before = ReadTree(work_);
    RunWell({"restore", "--force", "--delete-untracked", target_});
    RunAndKill({"undo"});
    if (RunWell({"status", "-q"}).Object()["interrupted"] == false) continue;
    ++interrupted;
    const bool goes_back = random_() % 2 == 0;
    RunWell({"restore", goes_back ? "--abort" : "--continue"});
    ASSERT_EQ(Difference(goes_back ? target_state_ : before, ReadTree(work_)), "")
        << (goes_back ? "aborted" : "continued");
    RunWell({"undo"});
    ASSERT_EQ(Difference(goes_back ? before : target_state_, ReadTree(work_)), "") << "undone";
  }
  RecordProperty("interrupted", std::to_string(interrupted));
}

// What an earlier restore saved is not forgotten when another one overtakes it.
TEST_F(ResumeTest, WhatAnInterruptedRestoreSavedCanBeUndoneAfterAnother) {
  CommitTwice();
  Write("folder-3/3", "unsaved");
  Interrupt(60, {"--force"});
  EXPECT_EQ(RunWell({"status"}).Object()["can_abort"], true);
  RunWell({"restore", second_});
  EXPECT_EQ(ReadFile(Work("folder-3/3")), "the second3");
  RunWell({"undo"});
  std::string id;
  std::string lines = RunWell({"op", "log"}).out;
  for (size_t end; (end = lines.find('\n')) != lines.npos; lines.erase(0, end + 1)) {
    const Json operation = Json::parse(lines.substr(0, end));
    if (operation["kind"] == "partial-restore") id = operation["operation"];
  }
  ASSERT_NE(id, "");
  RunWell({"undo", id});
  EXPECT_EQ(ReadFile(Work("folder-3/3")), "unsaved");
}

TEST_F(ResumeTest, WhatWasEditedSinceIsNotOverwrittenUnasked) {
  CommitTwice();
  Interrupt(60);
  Write("folder-0/0", "edited since");
  for (const char* resume : {"--continue", "--abort"}) {
    const RunResult refused = Run({"restore", resume});
    EXPECT_EQ(refused.exit_code, 4) << refused;
    EXPECT_NE(refused.ErrorMessage().find("\n  folder-0/0 ("), std::string::npos) << refused;
    const Json plan = RunWell({"restore", resume, "-n"}).Object();
    EXPECT_EQ(plan["conflicts"], Json::array({"folder-0/0"}));
  }
  EXPECT_EQ(ReadFile(Work("folder-0/0")), "edited since");
  RunWell({"restore", "--continue", "--force"});
  EXPECT_EQ(Difference(target_state_, ReadTree(work_)), "");
  EXPECT_EQ(Run({"restore", "--continue"}).exit_code, 1);
  EXPECT_EQ(Run({"restore", "--abort", target_}).exit_code, 2);
}

// A file that both states have is never half of one of them, for it takes the other's place whole.
TEST_F(ResumeTest, WhatWasCutShortOrMadeExecutableSinceIsNotOverwrittenUnasked) {
  CommitTwice();
  Interrupt(60);
  for (const bool cut : {true, false}) {
    Write("folder-11/7", cut ? "" : "the second7");
    if (!cut) SetMode(Work("folder-11/7"), 0755);
    for (const char* resume : {"--continue", "--abort"}) {
      const RunResult refused = Run({"restore", resume});
      EXPECT_EQ(refused.exit_code, 4) << refused;
      EXPECT_NE(refused.ErrorMessage().find("\n  folder-11/7 ("), std::string::npos) << refused;
    }
  }
}

// What the end of an interrupted restore wrote when it was killed itself is no edit.
TEST_F(ResumeTest, WhatAKilledAbortBeganIsNoEdit) {
  CommitTwice();
  const TreeState before = ReadTree(work_);
  for (const bool goes_back : {false, true}) {
    SCOPED_TRACE(goes_back ? "--abort" : "--continue");
    Interrupt(60);
    for (const char* path : {"link", "only-second"}) {
      if (Exists(Work(path))) Remove(Work(path));
    }
    Write("link/is/a/folder", "");
    Write("only-second/y", "");
    RunWell({"restore", goes_back ? "--abort" : "--continue"});
    EXPECT_EQ(Difference(goes_back ? before : target_state_, ReadTree(work_)), "");
    RunWell({"restore", second_});
  }
}

// A file that was just being taken away when the restore was killed is removed only if nothing is
// lost with it.
TEST_F(ResumeTest, LeftoversAreRemovedIfTheirContentIsHeld) {
  CommitTwice();
  Interrupt(60);
  const auto name = [](char digit) { return ".helios-tmp-" + std::string(32, digit); };
  Write("folder-1/" + name('1'), "the second3");  // a whole file of the folder
  Write("folder-1/" + name('2'), "the sec");      // the beginning of one
  Write("folder-1/" + name('3'), "what nobody else holds");
  MakeLink("x", Work(name('4')));
  MakeLink("nowhere else", Work(name('5')));
  const Json json = RunWell({"restore", "--abort", "-q"}).Object();
  EXPECT_EQ(json["leftovers"], Json::array({name('5'), "folder-1/" + name('3')}));
  EXPECT_EQ(ReadFile(Work("folder-1/" + name('3'))), "what nobody else holds");
  EXPECT_TRUE(Exists(Work(name('5'))));
  for (const char digit : {'1', '2'}) EXPECT_FALSE(Exists(Work("folder-1/" + name(digit))));
  EXPECT_FALSE(Exists(Work(name('4'))));
}

// They are not in the way of another restore either.
TEST_F(ResumeTest, LeftoversDoNotKeepAFolderFromGoing) {
  CommitTwice();
  Interrupt(20);
  Write("only-second/.helios-tmp-" + std::string(32, 'a'), "2");
  RunWell({"restore", target_});
  EXPECT_EQ(Difference(target_state_, ReadTree(work_)), "");
}

TEST_F(ResumeTest, AFolderThatWasMovedMeanwhileStaysThere) {
  CommitTwice();
  Interrupt(60);
  RunWell({"restore", "--lazy", target_});
  RunWell({"restore", "--continue"});
  EXPECT_EQ(Difference(target_state_, ReadTree(work_)), "");
  const Json status = RunWell({"status", "-q"}).Object();
  EXPECT_EQ(status["lazy"], true);
  EXPECT_EQ(status["interrupted"], false);
}

TEST_F(ResumeTest, AnIntentThatIsNoneCountsAsAbsent) {
  CommitTwice();
  Interrupt(60);
  std::string path;
  for (const std::string& key : ListFolder(store_ + "/workspaces")) {
    path = store_ + "/workspaces/" + key + "/restoring";
  }
  const std::string intent = ReadFile(path);
  const auto is_interrupted = [&] { return RunWell({"status"}).Object()["interrupted"] == true; };
  EXPECT_TRUE(is_interrupted());
  for (size_t length = 0; length < intent.size(); length += 7) {
    WriteFile(path, intent.substr(0, length));
    EXPECT_FALSE(is_interrupted()) << length;
  }
  for (size_t at = 0; at < intent.size(); at += 5) {
    std::string flipped = intent;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    WriteFile(path, flipped);
    EXPECT_FALSE(is_interrupted()) << at;
  }
  WriteFile(path, intent + "x");
  EXPECT_FALSE(is_interrupted());
  WriteFile(path, intent);
  RunWell({"restore", "--abort"});
  // As if a power cut had brought it back after it was finished.
  RunWell({"restore", target_});
  RunWell({"undo"});
  WriteFile(path, intent);
  EXPECT_TRUE(is_interrupted());
  RunWell({"restore", "--continue"});
  WriteFile(path, intent);
  EXPECT_FALSE(is_interrupted()) << "the log has that operation";
}

TEST_F(ResumeTest, TwoRestoresAtOnceTakeTurns) {
  CommitTwice();
  const TreeState second_state = ReadTree(work_);
  for (int i = 0; i < 5; ++i) {
    const pid_t a = Start({"restore", target_});
    const pid_t b = WaitFor(a) == 0 ? Start({"restore", second_}) : -1;
    const pid_t c = Start({"restore", target_});
    EXPECT_EQ(WaitFor(b), 0) << ReadFile(At("err"));
    EXPECT_EQ(WaitFor(c), 0) << ReadFile(At("err"));
    const TreeState now = ReadTree(work_);
    EXPECT_TRUE(Difference(target_state_, now).empty() || Difference(second_state, now).empty());
  }
}

}  // namespace
}  // namespace helios

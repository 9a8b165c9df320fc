// Processes that are killed, whatever they are doing: what was acknowledged is there, and whatever
// comes next works.
//
// HELIOS_CRASH_ROUNDS says how often (default 20, and 100 for processes of all kinds).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <set>
#include <thread>

#include "program.h"

namespace helios {
namespace {

constexpr uint64_t kWorkspaces = 3;
constexpr uint64_t kCommitsPerRound = 3;

uint64_t Rounds(uint64_t otherwise = 20) {
  const char* given = std::getenv("HELIOS_CRASH_ROUNDS");
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

using Duration = std::chrono::microseconds;

struct Ended {
  bool was_killed = false;
  int exit_code = 0;
  std::string said;  // on standard output
  std::string complained;
  Duration took{0};

  // Acknowledged is what it said, even if it was killed right after.
  bool IsAcknowledged() const { return said.ends_with('\n'); }
};

// Runs the binary; kills it after that time, if it is given one. `out` names files for what it
// says.
Ended RunAndKill(std::vector<std::string> args, const std::string& out,
                 std::optional<Duration> kill_after) {
  const std::string binary = HELIOS_BINARY;
  args.insert(args.begin(), binary);
  std::vector<std::string> environment = EnvironmentOf({});
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;  // for the child: no O_CLOEXEC
  ::posix_spawn_file_actions_addopen(&actions, 1, (out + ".out").c_str(), flags, 0600);
  ::posix_spawn_file_actions_addopen(&actions, 2, (out + ".err").c_str(), flags, 0600);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, binary.c_str(), &actions, nullptr, PointersTo(args).data(),
                                   PointersTo(environment).data());
  EXPECT_EQ(failed, 0);
  ::posix_spawn_file_actions_destroy(&actions);
  const auto start = std::chrono::steady_clock::now();
  if (kill_after) {
    // Where that hits is left to chance: every moment must do.
    std::this_thread::sleep_for(*kill_after);
    ::kill(pid, SIGKILL);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  Ended ended;
  ended.was_killed = !WIFEXITED(status);
  ended.exit_code = ended.was_killed ? 0 : WEXITSTATUS(status);
  ended.said = ReadFile(out + ".out");
  ended.complained = ReadFile(out + ".err");
  ended.took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - start);
  return ended;
}

struct Acknowledged {
  std::string id;
  TreeState tree;
};

// Commits its workspace over and over and kills what commits, at any moment.
class Committer {
 public:
  Committer(std::string work, std::string store, uint64_t number)
      : work_(std::move(work)), store_(std::move(store)), number_(number), random_(number) {
    MakeFolders(work_);
  }

  void CommitAndKill(uint64_t commits) {
    for (uint64_t i = 0; i < commits; ++i) {
      Change();
      // A quarter may come to their end; the others die where they happen to be.
      const bool is_spared = random_() % 4 == 0;
      Commit(is_spared ? std::nullopt : std::optional(longest_ * (random_() % 1000) / 1000));
    }
  }
  // Those since the last call.
  std::vector<Acknowledged> TakeAcknowledged() { return std::exchange(acknowledged_, {}); }
  uint64_t killed() const { return killed_; }

 private:
  // Some files of its own, some that all workspaces come to have, so that commits rely on each
  // other's objects.
  void Change() {
    ++step_;
    const std::string name = std::to_string(random_() % 8);
    WriteFile(work_ + "/own/" + name, RandomBytes(random_() % 20'000, number_ << 32 | step_));
    WriteFile(work_ + "/shared/" + name, RandomBytes(5000, step_));
    WriteFile(work_ + "/deep/a/b/" + name + ".txt", "step " + std::to_string(step_));
    if (step_ % 5 == 0) WriteFile(work_ + "/large", RandomBytes(300'000, step_));
    if (step_ % 3 == 0) Remove(work_ + "/deep/a");
  }

  void Commit(std::optional<Duration> kill_after) {
    const Ended ended =
        RunAndKill({"commit", "--work", work_, "--store", store_}, work_, kill_after);
    if (ended.was_killed) ++killed_;
    EXPECT_EQ(ended.exit_code, 0) << ended.complained;
    if (!kill_after) longest_ = ended.took;
    EXPECT_TRUE(ended.was_killed || ended.IsAcknowledged()) << ended.said;
    if (!ended.IsAcknowledged()) return;
    acknowledged_.push_back({Json::parse(ended.said)["snapshot_id"], ReadTree(work_)});
  }

  const std::string work_;
  const std::string store_;
  const uint64_t number_;
  std::minstd_rand random_;
  uint64_t step_ = 0;
  uint64_t killed_ = 0;
  Duration longest_{20'000};
  std::vector<Acknowledged> acknowledged_;
};

class CrashTest : public HeliosTest {
 protected:
  CrashTest() {
    for (uint64_t i = 0; i < kWorkspaces; ++i) {
      committers_.emplace_back(At("work-" + std::to_string(i)), store_, i + 1);
    }
  }

  void RunARound() {
    std::vector<std::thread> threads;
    for (Committer& committer : committers_) {
      threads.emplace_back([&] { committer.CommitAndKill(kCommitsPerRound); });
    }
    for (std::thread& thread : threads) thread.join();
    for (Committer& committer : committers_) {
      for (Acknowledged& one : committer.TakeAcknowledged()) all_.push_back(std::move(one));
    }
  }
  // Everything from the acknowledgement number `first` on is there, byte for byte.
  void ExpectAcknowledged(size_t first) {
    for (size_t i = first; i < all_.size(); ++i) {
      const std::string out = Materialize(all_[i].id);
      ASSERT_EQ(Difference(all_[i].tree, ReadTree(out)), "") << all_[i].id;
      Remove(out);
    }
  }
  // Paths below the store of files that are written under a temporary name.
  std::vector<std::string> TemporaryFiles() const {
    std::vector<std::string> paths;
    if (!Exists(store_)) return paths;  // not one commit has come so far
    for (const auto& [path, node] : ReadTree(store_)) {
      if (path.find(".tmp-") != path.npos) paths.push_back(store_ + "/" + path);
    }
    return paths;
  }

  std::vector<Committer> committers_;
  std::vector<Acknowledged> all_;
};

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenCommitsAreKilled) {
  for (uint64_t round = 0; round < Rounds(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const size_t known = all_.size();
    RunARound();
    ExpectAcknowledged(known);
    Write("file", "round " + std::to_string(round));
    ExpectGives(Commit(), ReadTree(work_));
    RunWell({"stats"});
    if (HasFailure()) return;
  }
  ExpectAcknowledged(0);
  uint64_t killed = 0;
  for (const Committer& committer : committers_) killed += committer.killed();
  EXPECT_GT(killed, Rounds() / 2) << "hardly anything was killed";
  EXPECT_GT(all_.size(), Rounds() / 2) << "hardly anything was acknowledged";
}

// Besides those who commit: who restores a workspace of its own, who moves a tag, who makes the
// store smaller, who collects what nothing refers to, and who reads. Each dies in most rounds.
class AllKindsCrashTest : public CrashTest {
 protected:
  void RunARoundOfAllKinds() {
    std::vector<std::thread> threads;
    for (Committer& committer : committers_) {
      threads.emplace_back([&] { committer.CommitAndKill(1); });
    }
    const std::string id = Any();
    if (!id.empty()) {
      threads.emplace_back([&] { Restore(id); });
      threads.emplace_back([&] { MoveTag(id); });
      threads.emplace_back([&] { RunOne({"optimize"}, "optimizer"); });
      threads.emplace_back([&] { RunOne({"gc"}, "collector"); });
      threads.emplace_back([&] { RunOne({"materialize", id, At("read")}, "reader"); });
    }
    for (std::thread& thread : threads) thread.join();
    if (Exists(At("read"))) Remove(At("read"));
    for (Committer& committer : committers_) {
      for (Acknowledged& one : committer.TakeAcknowledged()) all_.push_back(std::move(one));
    }
  }
  void ExpectTagStands() {
    const RunResult tagged = Run({"materialize", "moving", At("tagged")});
    const bool is_there = tagged.exit_code == 0;
    const std::string at = is_there ? tagged.Object()["snapshot_id"] : Json("");
    EXPECT_TRUE(tag_may_stand_at_.contains(at)) << tagged;
    if (is_there) Remove(At("tagged"));
  }
  // Killed in the middle or not: the same again gives what it should.
  void ExpectRestores() {
    if (all_.empty()) return;
    const Acknowledged& one = all_[random_() % all_.size()];
    RunWell({"restore", one.id, "--force", "--work", At("restored")});
    // What a killed one was writing may be left under a temporary name.
    const TreeState restored = Without(ReadTree(At("restored")), [](const std::string& path) {
      return path.find(".helios-tmp-") != path.npos;
    });
    ASSERT_EQ(Difference(one.tree, restored, Compare::kContents), "");
  }

 private:
  std::string Any() { return all_.empty() ? "" : all_[random_() % all_.size()].id; }
  Ended RunOne(std::vector<std::string> args, const std::string& name) {
    args.insert(args.end(), {"--store", store_});
    const uint64_t moment = std::hash<std::string>()(name + std::to_string(round_)) % 1000;
    const Duration after(30'000 * moment / 1000);
    Ended ended = RunAndKill(args, At(name), moment < 200 ? std::nullopt : std::optional(after));
    EXPECT_EQ(ended.exit_code, 0) << ended.complained;
    return ended;
  }
  void Restore(const std::string& id) {
    RunOne({"restore", id, "--force", "--work", At("restored")}, "restorer");
  }
  void MoveTag(const std::string& id) {
    const Ended ended = RunOne({"tag", "moving", id, "--force", "--work", work_}, "tagger");
    if (ended.IsAcknowledged()) tag_may_stand_at_.clear();
    tag_may_stand_at_.insert(id);
  }

 protected:
  uint64_t round_ = 0;

 private:
  std::minstd_rand random_;
  std::set<std::string> tag_may_stand_at_{""};
};

TEST_F(AllKindsCrashTest, NothingAcknowledgedIsLostWhenProcessesOfAllKindsAreKilled) {
  constexpr uint64_t kLookBackEvery = 25;
  for (round_ = 0; round_ < Rounds(100); ++round_) {
    SCOPED_TRACE("round " + std::to_string(round_));
    const size_t known = all_.size();
    RunARoundOfAllKinds();
    ExpectAcknowledged(round_ % kLookBackEvery == kLookBackEvery - 1 ? 0 : known);
    if (Exists(store_)) {
      ExpectTagStands();
      ExpectRestores();
    }
    if (HasFailure()) return;
  }
  ExpectAcknowledged(0);
  RunWell({"doctor"});
  EXPECT_GT(all_.size(), Rounds(100) / 4) << "hardly anything was acknowledged";
}

TEST_F(CrashTest, WhatKilledCommitsLeftBehindIsRemoved) {
  // Until one of them dies while it writes.
  for (uint64_t round = 0; TemporaryFiles().empty(); ++round) {
    ASSERT_LT(round, 200u) << "no commit dies while it writes";
    RunARound();
  }
  for (const std::string& path : TemporaryFiles()) SetMtime(path, 1'000'000'000, 0);
  Write("file", "one more");
  Commit();
  for (uint64_t i = 0; i < kWorkspaces; ++i) {
    WriteFile(At("work-" + std::to_string(i)) + "/last", "one more");
    RunWell({"commit", "--work", At("work-" + std::to_string(i))});
  }
  EXPECT_EQ(TemporaryFiles(), std::vector<std::string>());
}

}  // namespace
}  // namespace helios

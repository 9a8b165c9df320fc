// Processes that are killed while they commit working sets: what was acknowledged is there.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "helios/engine.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Ok;
using test::Random;
using test::RandomBytes;
using test::TempFolder;

constexpr int kThreads = 4;
constexpr int kRounds = 25;

TreePath P(std::string_view text) { return TreePath::Parse(text).value(); }

// Told through a pipe once the commit has returned. Small enough to arrive whole.
struct Acknowledged {
  int thread;
  int value;
  RecordId record;
};
// The last that a thread told, and in which round.
struct Newest {
  int value = 0;
  int round = 0;
};

std::string BranchOf(int thread) { return "b" + std::to_string(thread); }

// What a state with this value holds besides the value.
std::string FillOf(int thread, int value) {
  return RandomBytes(static_cast<size_t>(value % 5) * 20'000,
                     static_cast<uint64_t>(thread) << 32 | static_cast<uint64_t>(value));
}

std::unique_ptr<Engine> Open(const std::string& store) {
  EngineOptions options;
  options.store = store;
  options.backends = {PackBackend()};
  options.create_with = "pack";
  Result<std::unique_ptr<Engine>> engine = Engine::Open(options);
  if (!engine) std::abort();
  return std::move(engine).value();
}

// Goes on from where the branch stands, until the process is killed.
void CommitUntilKilled(Engine& engine, int thread, int out) {
  Result<Vst> opened = engine.OpenVst(BranchOf(thread));
  Vst vst = opened ? std::move(opened).value() : engine.NewVst().value();
  int value = 0;
  if (const auto content = vst.Read(P("value"))) value = std::stoi(**content);
  VstCommitRequest request;
  request.branch = BranchOf(thread);
  while (true) {
    ++value;
    const bool written = vst.Write(P("value"), std::to_string(value)) &&
                         vst.Write(P("fill/" + std::to_string(value % 7)), FillOf(thread, value));
    const Result<VstCommitReport> report = engine.CommitVst(vst, request);
    if (!written || !report) ::_exit(1);
    const Acknowledged acknowledged{thread, value, report->record};
    if (::write(out, &acknowledged, sizeof(acknowledged)) != sizeof(acknowledged)) ::_exit(1);
  }
}

[[noreturn]] void CommitInManyThreads(const std::string& store, int out) {
  const std::unique_ptr<Engine> engine = Open(store);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] { CommitUntilKilled(*engine, thread, out); });
  }
  for (std::thread& thread : threads) thread.join();
  ::_exit(1);
}

class VstCrashTest : public ::testing::Test {
 protected:
  // Runs a process that commits, until it has acknowledged so many; what it acknowledged.
  std::vector<Acknowledged> RunAndKill(size_t count) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t pid = ::fork();
    EXPECT_GE(pid, 0);
    if (pid == 0) CommitInManyThreads(folder_ / "store", ends[1]);
    ::close(ends[1]);
    std::vector<Acknowledged> all;
    Acknowledged next;
    while (::read(ends[0], &next, sizeof(next)) == sizeof(next)) {
      all.push_back(next);
      if (all.size() == count) ::kill(pid, SIGKILL);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself";
    ::close(ends[0]);
    return all;
  }
  static void ExpectIsThere(const Vst& vst, const Acknowledged& told) {
    const Result<std::shared_ptr<const Bytes>> value = vst.Read(P("value"));
    ASSERT_TRUE(Ok(value));
    EXPECT_EQ(**value, std::to_string(told.value));
    for (int at = std::max(1, told.value - 6); at <= told.value; ++at) {
      const Result<std::shared_ptr<const Bytes>> fill =
          vst.Read(P("fill/" + std::to_string(at % 7)));
      ASSERT_TRUE(Ok(fill));
      EXPECT_EQ(**fill, FillOf(told.thread, at));
    }
  }

  TempFolder folder_;
};

TEST_F(VstCrashTest, AcknowledgedCommitsAreThereAfterKill) {
  std::vector<Acknowledged> all;
  std::map<int, Newest> newest;
  for (int round = 0; round < kRounds; ++round) {
    for (const Acknowledged& told : RunAndKill(static_cast<size_t>(1 + round * 2))) {
      all.push_back(told);
      newest[told.thread] = {told.value, round};
    }
    const std::unique_ptr<Engine> engine = Open(folder_ / "store");
    for (const auto& [thread, told] : newest) {
      // In each round one commit more may have been written than could be told.
      const Result<Vst> head = engine->OpenVst(BranchOf(thread));
      ASSERT_TRUE(Ok(head));
      const int stands_at = std::stoi(*head->Read(P("value")).value());
      EXPECT_GE(stands_at, told.value);
      EXPECT_LE(stands_at, told.value + 1 + round - told.round);
      ExpectIsThere(*head, {thread, stands_at, {}});
    }
  }
  const std::unique_ptr<Engine> engine = Open(folder_ / "store");
  for (const Acknowledged& told : all) {
    const Result<Vst> vst = engine->OpenVst(FormatId(told.record));
    ASSERT_TRUE(Ok(vst));
    ExpectIsThere(*vst, told);
  }
}

}  // namespace
}  // namespace helios

// Many processes at once on one store, each in PID and mount namespaces of its own where the
// machine allows that: all succeed, nothing is lost, and nothing is left that others would wait
// for.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "program.h"

namespace helios {
namespace {

constexpr int kWriters = 8;
constexpr int kReaders = 2;
constexpr int kCommits = 12;

// How to start a program in namespaces of its own; empty if that is not allowed here.
std::vector<std::string> InOwnNamespaces() {
  const std::vector<std::vector<std::string>> ways = {{"--pid", "--fork", "--mount"},
                                                      {"--user", "--pid", "--fork", "--mount"}};
  for (const std::vector<std::string>& way : ways) {
    std::vector<std::string> args = way;
    args.emplace_back("/bin/true");
    try {
      if (RunProgram("unshare", args).exit_code == 0) return way;
    } catch (const std::exception&) {
      break;  // there is no unshare
    }
  }
  return {};
}

struct Committed {
  std::string id;
  std::string content;
};

class ManyProcessesTest : public HeliosTest {
 protected:
  // As Run, from any thread.
  RunResult RunApart(std::vector<std::string> args) const {
    if (namespaces_.empty()) return RunHelios(args, Options());
    std::vector<std::string> all = namespaces_;
    all.emplace_back(HELIOS_BINARY);
    all.insert(all.end(), args.begin(), args.end());
    return RunProgram("unshare", all, Options());
  }
  std::string Workspace(int writer) const { return At("w" + std::to_string(writer)); }

  void RunWriter(int writer, std::vector<Committed>* committed) const {
    for (int i = 0; i < kCommits; ++i) {
      const auto seed = static_cast<uint64_t>(writer * kCommits + i);
      const std::string content = RandomBytes(20'000, seed);
      WriteFile(Workspace(writer) + "/own", content);
      WriteFile(Workspace(writer) + "/shared", RandomBytes(5000, static_cast<uint64_t>(i)));
      const RunResult result = RunApart({"commit", "--work", Workspace(writer)});
      ASSERT_EQ(result.exit_code, 0) << result;
      committed->push_back({result.Object()["snapshot_id"], content});
    }
  }
  // Reads what there is until all have written.
  void RunReader(const std::string& id, const std::string& content, const std::atomic<bool>& over,
                 int reader) const {
    for (int i = 0; !over; ++i) {
      const std::string out = At("read-" + std::to_string(reader) + "-" + std::to_string(i));
      const RunResult result = RunApart({"materialize", id, out});
      ASSERT_EQ(result.exit_code, 0) << result;
      ASSERT_EQ(ReadFile(out + "/own"), content);
      Remove(out);
    }
  }
  void RunOverAndOver(const std::string& command, const std::atomic<bool>& over) const {
    while (!over) {
      const RunResult result = RunApart({command});
      ASSERT_EQ(result.exit_code, 0) << result;
    }
  }
  // Names of what lies in the store, but for what commits make: packs, or a database's files.
  std::set<std::string> NamesInStore() const {
    std::set<std::string> names;
    for (const auto& [path, node] : ReadTree(store_)) {
      if (!path.ends_with(".pack") && !path.starts_with("rocksdb/db/")) names.insert(path);
    }
    return names;
  }

  const std::vector<std::string> namespaces_ = InOwnNamespaces();
};

TEST_F(ManyProcessesTest, AllSucceedAndNothingIsLost) {
  const std::string first = RandomBytes(20'000, 999);
  Write("own", first);
  const std::string id = Commit();
  std::vector<std::vector<Committed>> committed(kWriters);
  std::atomic<bool> over = false;
  std::vector<std::thread> writers;
  std::vector<std::thread> others;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] { RunWriter(i, &committed[static_cast<size_t>(i)]); });
  }
  for (int i = 0; i < kReaders; ++i) {
    others.emplace_back([&, i] { RunReader(id, first, over, i); });
  }
  others.emplace_back([&] { RunOverAndOver("optimize", over); });
  others.emplace_back([&] { RunOverAndOver("gc", over); });
  for (std::thread& writer : writers) writer.join();
  over = true;
  for (std::thread& other : others) other.join();
  for (const std::vector<Committed>& of_one : committed) {
    ASSERT_EQ(of_one.size(), static_cast<size_t>(kCommits));
    for (const Committed& one : of_one) {
      const RunResult read = Run({"read", one.id + ":own"});
      ASSERT_EQ(read.out, one.content) << one.id;
    }
  }
  RunWell({"doctor"});
  if (namespaces_.empty()) GTEST_SKIP() << "all went well, but not in namespaces of their own";
}

TEST_F(ManyProcessesTest, NoFileIsMadePerOperation) {
  const auto do_everything = [&](int round) {
    Write("own", "round " + std::to_string(round));
    const std::string id = Commit();
    RunWell({"tag", "moving", id, "--force"});
    Write("own", "more of round " + std::to_string(round));
    Commit();
    RunWell({"restore", id});
    RunWell({"read", id + ":own"});
    Materialize(id);
    RunWell({"undo"});
    RunWell({"status"});
    RunWell({"optimize"});
    RunWell({"gc", "--keep-last", "1"});
    RunWell({"verify"});
    RunWell({"stats"});
  };
  do_everything(0);
  const std::set<std::string> names = NamesInStore();
  for (int round = 1; round < 5; ++round) do_everything(round);
  EXPECT_EQ(NamesInStore(), names);
}

}  // namespace
}  // namespace helios

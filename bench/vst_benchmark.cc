// The virtual state tree: what an agent does that explores states in memory. The whole tree is kept
// from commit to commit, and the last id is checked against a tree that was built anew.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "helios/vst.h"

namespace {

using helios::Bytes;
using helios::TreePath;
using helios::Vst;

// An error here is a bug of the benchmark.
template <typename T>
T Must(helios::Result<T> result) {
  if (!result) std::abort();
  return std::move(result).value();
}
void Must(const helios::Result<void>& result) {
  if (!result) std::abort();
}

TreePath PathOf(const std::string& text) { return Must(TreePath::Parse(text)); }

// `count` paths: in one folder, or ten to a folder, folders upon folders.
std::vector<TreePath> MakePaths(int64_t count, bool deep) {
  std::vector<TreePath> paths;
  for (int64_t i = 0; i < count; ++i) {
    std::string text;
    if (deep) {
      for (int64_t rest = i / 10; rest > 0; rest /= 10) {
        text.insert(0, "d" + std::to_string(rest % 10) + "/");
      }
    }
    paths.push_back(PathOf(text + "file" + std::to_string(i)));
  }
  return paths;
}

Bytes RandomContent(std::mt19937_64& random, size_t size) {
  Bytes content(size, '\0');
  for (char& byte : content) byte = static_cast<char>(random());
  return content;
}

Vst MakeTree(const std::vector<TreePath>& paths, size_t size) {
  std::mt19937_64 random(1);
  Vst vst;
  for (const TreePath& path : paths) Must(vst.Write(path, RandomContent(random, size)));
  Must(vst.Commit());
  return vst;
}

// One file of 1 KB is written among so many, then a speculative commit.
void CommitOneAmong(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  Vst vst = MakeTree(paths, 32);
  std::mt19937_64 random(2);
  std::vector<Bytes> contents;
  for (int i = 0; i < 64; ++i) contents.push_back(RandomContent(random, 1024));
  size_t round = 0;
  for (auto _ : state) {
    const size_t at = random() % paths.size();
    Must(vst.Write(paths[at], contents[round % contents.size()]));
    benchmark::DoNotOptimize(Must(vst.Commit()));
    ++round;
  }
  // The same files, written to a new tree in one go, have the same id.
  Vst anew;
  for (const TreePath& path : paths) Must(anew.Write(path, *Must(vst.Read(path))));
  if (Must(anew.Commit()) != Must(vst.Commit())) state.SkipWithError("another id");
}
BENCHMARK_CAPTURE(CommitOneAmong, flat, false)->Arg(1)->Arg(100)->Arg(1000)->Arg(100000);
BENCHMARK_CAPTURE(CommitOneAmong, deep, true)->Arg(1)->Arg(100)->Arg(1000)->Arg(100000);

// 64 files of 2 KiB are written, then a speculative commit.
void Commit64Files(benchmark::State& state) {
  const std::vector<TreePath> paths = MakePaths(64, false);
  Vst vst = MakeTree(paths, 2048);
  std::mt19937_64 random(3);
  std::vector<Bytes> contents;
  for (int i = 0; i < 256; ++i) contents.push_back(RandomContent(random, 2048));
  size_t round = 0;
  for (auto _ : state) {
    for (const TreePath& path : paths) Must(vst.Write(path, contents[round++ % 256]));
    benchmark::DoNotOptimize(Must(vst.Commit()));
  }
}
BENCHMARK(Commit64Files);

void Fork(benchmark::State& state) {
  const Vst vst = MakeTree(MakePaths(state.range(0), false), 32);
  for (auto _ : state) {
    Vst fork = vst.Fork();
    benchmark::DoNotOptimize(fork);
  }
}
BENCHMARK(Fork)->Arg(1)->Arg(100000);

void ForkWriteDiscard(benchmark::State& state) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), true);
  const Vst vst = MakeTree(paths, 32);
  const Bytes content(1024, 'x');
  size_t round = 0;
  for (auto _ : state) {
    Vst fork = vst.Fork();
    Must(fork.Write(paths[(round += 7919) % paths.size()], content));
    benchmark::DoNotOptimize(fork);
  }
}
BENCHMARK(ForkWriteDiscard)->Arg(1)->Arg(100000);

void ReadLoadedFile(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  const Vst vst = MakeTree(paths, 32);
  size_t round = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(Must(vst.Read(paths[(round += 7919) % paths.size()])));
  }
}
BENCHMARK_CAPTURE(ReadLoadedFile, flat, false)->Arg(100)->Arg(100000);
BENCHMARK_CAPTURE(ReadLoadedFile, deep, true)->Arg(100)->Arg(100000);

void Diff64Among100000(benchmark::State& state) {
  const std::vector<TreePath> paths = MakePaths(100000, state.range(0) != 0);
  Vst before = MakeTree(paths, 32);
  Vst after = before.Fork();
  for (size_t i = 0; i < 64; ++i) Must(after.Write(paths[i * 1500], "changed"));
  Must(after.Commit());
  for (auto _ : state) {
    const auto changes = Must(Vst::Diff(before, after));
    if (changes.size() != 64) state.SkipWithError("not 64 changes");
  }
}
BENCHMARK(Diff64Among100000)->Arg(0)->Arg(1);

}  // namespace

BENCHMARK_MAIN();

// The virtual state tree: what an agent does that explores states in memory. The whole tree is kept
// from commit to commit; what was made is verified after the clock stops. Rows that have a limit
// say so (bench/README.md has them all).
//
//   vst_benchmark [--benchmark_filter=REGEX …]
//
// Unless told otherwise it prints the medians of nine repetitions. On a machine that
// others use compare the column CPU: the other one counts the time of others, too.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics_recorder.h"
#include "helios/vst.h"
#include "object/batch_hash.h"
#include "object/directory_builder.h"
#include "store/decorators.h"
#include "store/memory/memory_store.h"

namespace helios {
namespace {

// An error here is a bug of the benchmark.
template <typename T>
T Must(Result<T> result) {
  if (!result) std::abort();
  return std::move(result).value();
}
void Must(const Result<void>& result) {
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

std::vector<Bytes> RandomContents(size_t count, size_t size) {
  std::mt19937_64 random(count);
  std::vector<Bytes> contents;
  while (contents.size() < count) contents.push_back(RandomContent(random, size));
  return contents;
}

Vst MakeTree(const std::vector<TreePath>& paths, size_t size) {
  std::mt19937_64 random(1);
  Vst vst;
  for (const TreePath& path : paths) Must(vst.Write(path, RandomContent(random, size)));
  Must(vst.Commit());
  return vst;
}

// 64 of the paths, spread over all of them: what one works with, so that it is in the processor's
// caches, while all of 100,000 files never are.
std::vector<TreePath> HotPaths(const std::vector<TreePath>& paths) {
  std::vector<TreePath> hot;
  for (size_t i = 0; i < 64; ++i) hot.push_back(paths[i * paths.size() / 64]);
  return hot;
}

// The same files, written to a new tree in one go, must have the same id.
void CheckAgainstNewTree(benchmark::State& state, const std::vector<TreePath>& paths, Vst& vst) {
  Vst anew;
  for (const TreePath& path : paths) Must(anew.Write(path, *Must(vst.Read(path))));
  if (Must(anew.Commit()) != Must(vst.Commit())) state.SkipWithError("another id");
}

// One file of 1 KB, any of all, is written, then a speculative commit.
void CommitOneAmong(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  Vst vst = MakeTree(paths, 32);
  const std::vector<Bytes> contents = RandomContents(64, 1024);
  std::mt19937_64 random(2);
  size_t round = 0;
  for (auto _ : state) {
    const size_t at = random() % paths.size();
    Must(vst.Write(paths[at], contents[round++ % contents.size()]));
    benchmark::DoNotOptimize(Must(vst.Commit()));
  }
  CheckAgainstNewTree(state, paths, vst);
  const int64_t files = state.range(0);
  state.SetLabel(files == 1      ? "limit 3 us"
                 : files == 100  ? "limit 5 us"
                 : files == 1000 ? "limit 8 us"
                                 : "limit 15 us");
}
BENCHMARK_CAPTURE(CommitOneAmong, flat, false)->Arg(1)->Arg(100)->Arg(1000)->Arg(100000);
BENCHMARK_CAPTURE(CommitOneAmong, deep, true)->Arg(1)->Arg(100)->Arg(1000)->Arg(100000);

// 64 files of 2 KiB are written, then a speculative commit.
void Commit64Files(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  const std::vector<TreePath> paths = MakePaths(64, false);
  Vst vst = MakeTree(paths, 2048);
  const std::vector<Bytes> contents = RandomContents(256, 2048);
  std::vector<double> microseconds;
  size_t round = 0;
  for (auto _ : state) {
    const Clock::time_point start = Clock::now();
    for (const TreePath& path : paths) Must(vst.Write(path, contents[round++ % contents.size()]));
    benchmark::DoNotOptimize(Must(vst.Commit()));
    microseconds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  CheckAgainstNewTree(state, paths, vst);
  std::sort(microseconds.begin(), microseconds.end());
  state.counters["p50_us"] = microseconds[microseconds.size() / 2];
  state.counters["p99_us"] = microseconds[microseconds.size() * 99 / 100];
  state.SetLabel("limit 120 us, p99 <= 2 * p50");
}
BENCHMARK(Commit64Files);

void Fork(benchmark::State& state) {
  const Vst vst = MakeTree(MakePaths(state.range(0), false), 32);
  for (auto _ : state) {
    Vst fork = vst.Fork();
    benchmark::DoNotOptimize(fork);
  }
  state.SetLabel("limit 200 ns");
}
BENCHMARK(Fork)->Arg(1)->Arg(100000);

// A working set becomes one state in memory, then another, again and again.
void RestoreInMemory(benchmark::State& state) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), false);
  Vst first = MakeTree(paths, 32);
  Vst second = first.Fork();
  Must(second.Write(paths[0], "changed"));
  Must(second.Commit());
  Vst vst;
  for (auto _ : state) {
    vst = first.Fork();
    std::swap(first, second);
    benchmark::DoNotOptimize(vst);
  }
  if (Must(vst.Commit()) != Must(second.Commit())) state.SkipWithError("another id");
  state.SetLabel("limit 200 ns");
}
BENCHMARK(RestoreInMemory)->Arg(1)->Arg(100000);

void ForkWriteDiscard(benchmark::State& state, const std::vector<TreePath>& written,
                      const std::vector<TreePath>& paths) {
  Vst vst = MakeTree(paths, 32);
  const SnapshotId before = Must(vst.Commit());
  const Bytes content(1024, 'x');
  size_t round = 0;
  for (auto _ : state) {
    Vst fork = vst.Fork();
    Must(fork.Write(written[(round += 7919) % written.size()], content));
    benchmark::DoNotOptimize(fork);
  }
  if (Must(vst.Commit()) != before) state.SkipWithError("another id");
}
void ForkWriteDiscard(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  ForkWriteDiscard(state, HotPaths(paths), paths);
  state.SetLabel("limit 1 us");
}
BENCHMARK_CAPTURE(ForkWriteDiscard, flat, false)->Arg(1)->Arg(100000);
BENCHMARK_CAPTURE(ForkWriteDiscard, deep, true)->Arg(1)->Arg(100000);
// The next file each time, so that nothing is in the caches: no limit.
void ForkWriteDiscardAnywhere(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  ForkWriteDiscard(state, paths, paths);
}
BENCHMARK_CAPTURE(ForkWriteDiscardAnywhere, deep, true)->Arg(100000);

void ReadLoadedFile(benchmark::State& state, const Vst& vst, const std::vector<TreePath>& read) {
  size_t round = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(Must(vst.Read(read[(round += 7919) % read.size()])));
  }
}
void ReadLoadedFile(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  ReadLoadedFile(state, MakeTree(paths, 32), HotPaths(paths));
  state.SetLabel("limit 150 ns");
}
BENCHMARK_CAPTURE(ReadLoadedFile, flat, false)->Arg(100)->Arg(1000)->Arg(100000);
BENCHMARK_CAPTURE(ReadLoadedFile, deep, true)->Arg(100)->Arg(1000)->Arg(100000);
void ReadLoadedFileAnywhere(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  ReadLoadedFile(state, MakeTree(paths, 32), paths);
}
BENCHMARK_CAPTURE(ReadLoadedFileAnywhere, flat, false)->Arg(100000);
BENCHMARK_CAPTURE(ReadLoadedFileAnywhere, deep, true)->Arg(100000);

// All threads read one working set, each its own files. items_per_second is of all of them.
void ReadInThreads(benchmark::State& state) {
  static const std::vector<TreePath> paths = MakePaths(1600, true);
  static const Vst vst = MakeTree(paths, 32);
  const size_t own = static_cast<size_t>(state.thread_index()) * 100;
  size_t round = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(Must(vst.Read(paths[own + round++ % 100])));
  }
  state.SetItemsProcessed(state.iterations());
  state.SetLabel("scales with the cores");
}
BENCHMARK(ReadInThreads)->ThreadRange(1, 16)->UseRealTime();

// Stores the folder of these paths, which are sorted and of which `prefix_bytes` are its own path.
// Every file holds its path.
BuiltDirectory StoreFolder(std::span<const TreePath> paths, size_t prefix_bytes,
                           ObjectStore* store) {
  const auto put = [store](const ObjectKey& key, ByteView bytes) {
    const Object object{key, Bytes(bytes)};
    return store->PutMany({&object, 1});
  };
  DirectoryBuilder builder(put);
  for (size_t i = 0; i < paths.size();) {
    const std::string& path = paths[i].text();
    const std::string rest = path.substr(prefix_bytes);
    TreeEntry entry;
    entry.name = rest.substr(0, rest.find('/'));
    AttributesEntry attributes;
    if (entry.name == rest) {
      const ByteView content = path;
      const BlobId id = HashBlobs({&content, 1})[0];
      entry.size = content.size();
      entry.id = id.digest;
      Must(put(id, content));
      ++i;
    } else {
      const std::string prefix = path.substr(0, prefix_bytes) + entry.name + "/";
      size_t end = i;
      while (end < paths.size() && paths[end].text().starts_with(prefix)) ++end;
      const BuiltDirectory below = StoreFolder(paths.subspan(i, end - i), prefix.size(), store);
      entry.kind = EntryKind::kDirectory;
      entry.id = below.tree.digest;
      entry.below = below.totals;
      attributes = {true, {}, below.attributes};
      i = end;
    }
    Must(builder.Add(entry, attributes));
  }
  return Must(builder.Finish({}));
}

SnapshotId StoreTree(std::vector<TreePath> paths, ObjectStore* store) {
  std::sort(paths.begin(), paths.end());
  return StoreFolder(paths, 0, store).tree;
}

// A working set restored from a store; what is read is in L1.
void ReadL1Hit(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  MetricsRecorder metrics;
  ObjectCache cache(size_t{256} << 20, &metrics);
  CachedStore store(std::make_unique<MemoryStore>(), &cache, &metrics);
  Vst vst(&store);
  Must(vst.Restore(StoreTree(paths, &store)));
  const std::vector<TreePath> hot = HotPaths(paths);
  for (const TreePath& path : hot) {
    if (*Must(vst.Read(path)) != path.text()) state.SkipWithError("another content");
  }
  metrics.Take();
  ReadLoadedFile(state, vst, hot);
  const auto counters = metrics.Take().counters;
  if (counters[static_cast<size_t>(Counter::kL1Misses)] != 0) state.SkipWithError("not in L1");
  state.SetLabel("limit 500 ns");
}
BENCHMARK_CAPTURE(ReadL1Hit, flat, false)->Arg(100)->Arg(100000);
BENCHMARK_CAPTURE(ReadL1Hit, deep, true)->Arg(100)->Arg(100000);

void Diff64Among(benchmark::State& state, bool deep) {
  const std::vector<TreePath> paths = MakePaths(state.range(0), deep);
  Vst before = MakeTree(paths, 32);
  Vst after = before.Fork();
  for (size_t i = 0; i < 64; ++i) Must(after.Write(paths[i * 1500], "changed"));
  Must(after.Commit());
  for (auto _ : state) {
    const auto changes = Must(Vst::Diff(before, after));
    if (changes.size() != 64) state.SkipWithError("not 64 changes");
  }
  state.SetLabel("limit 50 us");
}
BENCHMARK_CAPTURE(Diff64Among, flat, false)->Arg(100000);
BENCHMARK_CAPTURE(Diff64Among, deep, true)->Arg(100000);

// What the heap holds, in MB. Of the main arena: of one thread.
double HeapMegabytes() { return static_cast<double>(mallinfo2().uordblks) / 1e6; }

Result<void> LoadFolders(const Vst& vst, const TreePath& folder) {
  HELIOS_TRY_ASSIGN(const std::vector<VstEntry> entries, vst.List(folder));
  for (const VstEntry& entry : entries) {
    if (entry.kind == VstEntry::Kind::kDirectory) {
      HELIOS_TRY(LoadFolders(vst, folder.Child(entry.name)));
    }
  }
  return {};
}

// Names, sizes and ids of all files of a snapshot, in memory: what is restored and then listed.
void LoadMetadata(benchmark::State& state, bool deep) {
  MemoryStore store;
  const SnapshotId snapshot = StoreTree(MakePaths(state.range(0), deep), &store);
  double megabytes = 0;
  for (auto _ : state) {
    const double before = HeapMegabytes();
    Vst vst(&store);
    Must(vst.Restore(snapshot));
    Must(LoadFolders(vst, TreePath()));
    megabytes = HeapMegabytes() - before;
  }
  state.counters["heap_MB"] = megabytes;
  state.SetLabel("limit 12 MB");
}
BENCHMARK_CAPTURE(LoadMetadata, flat, false)->Arg(100000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(LoadMetadata, deep, true)->Arg(100000)->Unit(benchmark::kMillisecond);

// Self-play that is kept: 1,600 positions of 361 bytes, a commit after every 100.
void AlphaGo(benchmark::State& state) {
  const std::vector<TreePath> paths = MakePaths(1600, false);
  const std::vector<Bytes> contents = RandomContents(paths.size(), 361);
  Vst vst;
  for (auto _ : state) {
    vst = Vst();
    for (size_t i = 0; i < paths.size(); ++i) {
      Must(vst.Write(paths[i], contents[i]));
      if (i % 100 == 99) benchmark::DoNotOptimize(Must(vst.Commit()));
    }
  }
  CheckAgainstNewTree(state, paths, vst);
}
BENCHMARK(AlphaGo)->Unit(benchmark::kMicrosecond);

// 50 states of 1 KB, then a commit.
void MuZero(benchmark::State& state) {
  const std::vector<TreePath> paths = MakePaths(50, false);
  const std::vector<Bytes> contents = RandomContents(200, 1024);
  Vst vst;
  size_t round = 0;
  for (auto _ : state) {
    for (const TreePath& path : paths) Must(vst.Write(path, contents[round++ % contents.size()]));
    benchmark::DoNotOptimize(Must(vst.Commit()));
  }
  CheckAgainstNewTree(state, paths, vst);
}
BENCHMARK(MuZero)->Unit(benchmark::kMicrosecond);

// 100 files are written, committed, and read back.
void CommitAndRead(benchmark::State& state) {
  const std::vector<TreePath> paths = MakePaths(100, true);
  const std::vector<Bytes> contents = RandomContents(400, 1024);
  Vst vst;
  size_t round = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < paths.size(); ++i) {
      Must(vst.Write(paths[i], contents[(round + i) % contents.size()]));
    }
    benchmark::DoNotOptimize(Must(vst.Commit()));
    for (size_t i = 0; i < paths.size(); ++i) {
      const auto content = Must(vst.Read(paths[i]));
      if (*content != contents[(round + i) % contents.size()])
        state.SkipWithError("another content");
    }
    ++round;
  }
}
BENCHMARK(CommitAndRead)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace helios

int main(int argc, char** argv) {
  // Defaults first: what the caller says comes later and wins.
  std::vector<std::string> arguments{argv[0]};
  arguments.emplace_back("--benchmark_repetitions=9");
  arguments.emplace_back("--benchmark_min_time=0.05");
  arguments.emplace_back("--benchmark_report_aggregates_only=true");
  arguments.insert(arguments.end(), argv + 1, argv + argc);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 1;
  benchmark::RunSpecifiedBenchmarks();
}

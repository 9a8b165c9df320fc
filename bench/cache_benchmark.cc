// L1 by itself: what a hit costs, alone and contended, and how many reads hit, beside a plain
// least-recently-used cache with the same shards and the same budget.
//
//   cache_benchmark --benchmark_filter=hits
//   cache_benchmark --benchmark_filter=ratio [--tree=DIR]
//
// The trace "session" is recorded from the engine: every object that it reads one by one while it
// commits DIR (default /usr/include), materializes it, and then edits, commits, compares and
// restores the copy a few times. DIR is only read.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/metrics_recorder.h"
#include "base/mutex.h"
#include "helios/engine.h"
#include "measured_backends.h"
#include "store/decorators.h"
#include "store/object_cache.h"

namespace helios {
namespace {

using Value = ObjectCache::Value;

// The least recently used goes first.
class LruCache {
 public:
  LruCache(size_t bytes_max, MetricsRecorder* metrics)
      : share_(bytes_max / ObjectCache::kShards), metrics_(metrics) {}

  Value Get(const ObjectKey& key) {
    Shard& shard = ShardOf(key);
    MutexLock lock(shard.mutex);
    const auto it = shard.items.find(key);
    metrics_->Add(it == shard.items.end() ? Counter::kL1Misses : Counter::kL1Hits);
    if (it == shard.items.end()) return nullptr;
    shard.recent.splice(shard.recent.begin(), shard.recent, it->second);
    return it->second->value;
  }
  void Put(const ObjectKey& key, Value value) {
    Shard& shard = ShardOf(key);
    MutexLock lock(shard.mutex);
    shard.weight += value->size() + ObjectCache::kItemOverheadBytes;
    shard.recent.push_front({key, std::move(value)});
    shard.items.emplace(key, shard.recent.begin());
    while (shard.weight > share_ && shard.items.size() > ObjectCache::kItemsMin) {
      const Item& oldest = shard.recent.back();
      shard.weight -= oldest.value->size() + ObjectCache::kItemOverheadBytes;
      shard.items.erase(oldest.key);
      shard.recent.pop_back();
    }
  }

 private:
  struct Item {
    ObjectKey key;
    Value value;
  };
  struct Shard {
    Mutex mutex;
    std::list<Item> recent HELIOS_GUARDED_BY(mutex);
    std::unordered_map<ObjectKey, std::list<Item>::iterator, ObjectKeyHash> items
        HELIOS_GUARDED_BY(mutex);
    size_t weight HELIOS_GUARDED_BY(mutex) = 0;
  };
  Shard& ShardOf(const ObjectKey& key) {
    return shards_[key.digest.bytes[31] % ObjectCache::kShards];
  }

  const size_t share_;
  MetricsRecorder* const metrics_;
  Shard shards_[ObjectCache::kShards];
};

uint64_t Mix(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

ObjectKey KeyOf(uint64_t number) {
  Digest digest;
  for (size_t i = 0; i < Digest::kSize; ++i) {
    digest.bytes[i] = static_cast<uint8_t>(Mix(number * 4 + i / 8) >> (i % 8 * 8));
  }
  return {ObjectKind::kBlob, digest};
}

// ---- What a hit costs ----

constexpr uint64_t kItems = 10'000;

// Each thread reads every item over and over, all in the same order, each from another start.
template <typename Cache>
void Hits(benchmark::State& state) {
  static MetricsRecorder metrics;
  static Cache* cache = nullptr;
  static std::vector<ObjectKey> keys;
  if (state.thread_index() == 0) {
    cache = new Cache(64 << 20, &metrics);
    keys.clear();
    for (uint64_t i = 0; i < kItems; ++i) {
      keys.push_back(KeyOf(i));
      cache->Put(keys.back(), std::make_shared<const Bytes>(300, 'x'));
    }
  }
  size_t next = static_cast<size_t>(state.thread_index()) * 617;
  for (auto _ : state) benchmark::DoNotOptimize(cache->Get(keys[next++ % kItems]));
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) {
    delete cache;
    if (metrics.Take()[Counter::kL1Misses] > 0) state.SkipWithError("misses");
  }
}
BENCHMARK(Hits<ObjectCache>)
    ->Name("hits/s3-fifo")
    ->ThreadRange(1, 2)
    ->Threads(4)
    ->Threads(16)
    ->UseRealTime();
BENCHMARK(Hits<LruCache>)
    ->Name("hits/lru")
    ->ThreadRange(1, 2)
    ->Threads(4)
    ->Threads(16)
    ->UseRealTime();

// ---- How many reads hit ----

struct Read {
  ObjectKey key;
  size_t bytes;
};
using Trace = std::vector<Read>;

// The object of rank r is read in proportion to 1/r: half of all reads go to a few hundred objects.
Trace ZipfTrace() {
  constexpr size_t kObjects = 100'000;
  std::vector<double> sums;  // of 1/rank
  for (size_t i = 1; i <= kObjects; ++i) {
    sums.push_back((sums.empty() ? 0 : sums.back()) + 1 / static_cast<double>(i));
  }
  Trace trace;
  for (uint64_t i = 0; i < 500'000; ++i) {
    const double point = std::ldexp(static_cast<double>(Mix(i) >> 11), -53) * sums.back();
    const auto rank = std::lower_bound(sums.begin(), sums.end(), point) - sums.begin();
    const auto object = static_cast<uint64_t>(rank);
    trace.push_back({KeyOf(object), 200 + Mix(object) % 8000});
  }
  return trace;
}

// Bursts of reads from a hot set, and between them walks over what is never read again.
Trace ScanTrace() {
  constexpr uint64_t kHot = 1000;
  Trace trace;
  uint64_t cold = kHot;
  for (uint64_t round = 0; round < 20; ++round) {
    for (uint64_t i = 0; i < 5000; ++i)
      trace.push_back({KeyOf(Mix(round * 5000 + i) % kHot), 4000});
    for (uint64_t i = 0; i < 5000; ++i) trace.push_back({KeyOf(cold++), 4000});
  }
  return trace;
}

class RecordingStore : public ForwardingStore {
 public:
  RecordingStore(std::unique_ptr<ObjectStore> inner, Trace* trace)
      : ForwardingStore(std::move(inner)), trace_(trace) {}
  Result<std::optional<Bytes>> Get(const ObjectKey& key) override {
    Result<std::optional<Bytes>> bytes = inner().Get(key);
    MutexLock lock(mutex_);
    if (bytes && *bytes) trace_->push_back({key, (*bytes)->size()});
    return bytes;
  }

 private:
  Mutex mutex_;
  Trace* trace_;
};

// The engine with L1 turned off, so that all its reads come down to the recorder.
std::unique_ptr<Engine> RecordingEngine(const std::string& store, Trace* trace) {
  Backend pack = PackBackend();
  const auto open = pack.open;
  pack.open = [=](const std::string& folder,
                  const OpenOptions& how) -> Result<std::unique_ptr<ObjectStore>> {
    HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> inner, open(folder, how));
    return std::unique_ptr<ObjectStore>(std::make_unique<RecordingStore>(std::move(inner), trace));
  };
  EngineOptions options;
  options.store = store;
  options.backends = {pack};
  options.create_with = pack.name;
  options.l1_bytes_max = 0;
  options.threads = 1;
  return Must(Engine::Open(std::move(options)));
}

CommitRequest CommitOf(const Workspace& workspace) {
  CommitRequest request;
  request.workspace = workspace;
  request.author = "benchmark";
  return request;
}

// Adds a line to every 500th file, each round to others.
void Edit(const std::string& folder, size_t round) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (size_t i = round * 7; i < files.size(); i += 500) {
    std::ofstream(files[i], std::ios::app) << "round " << round << "\n";
  }
}

Trace SessionTrace(const std::string& tree) {
  const char* parent = std::getenv("TMPDIR");
  std::string folder = std::string(parent != nullptr ? parent : "/tmp") + "/helios-trace-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) std::exit(1);
  Trace trace;
  const std::unique_ptr<Engine> engine = RecordingEngine(folder + "/store", &trace);
  Workspace source;
  source.path = tree;
  Workspace copy;
  copy.path = folder + "/copy";
  const CommitReport first = Must(engine->Commit(CommitOf(source)));
  Must(engine->Materialize({FormatId(first.snapshot), copy.path, source, {}}));
  std::string before = FormatId(Must(engine->Commit(CommitOf(copy))).record);
  for (size_t round = 0; round < 5; ++round) {
    Edit(copy.path, round);
    const std::string after = FormatId(Must(engine->Commit(CommitOf(copy))).record);
    Must(engine->Diff({before, after, copy, {}}));
    RestoreRequest restore;
    restore.workspace = copy;
    for (const std::string& id : {before, after}) {
      restore.id = id;
      Must(engine->Restore(restore));
    }
    before = after;
  }
  std::error_code ignored;  // it lies in the folder for temporary files
  std::filesystem::remove_all(folder, ignored);
  return trace;
}

// What a cache would need to hold all that the trace reads.
size_t Footprint(const Trace& trace) {
  std::unordered_set<ObjectKey, ObjectKeyHash> seen;
  size_t sum = 0;
  for (const Read& read : trace) {
    if (seen.insert(read.key).second) sum += read.bytes + ObjectCache::kItemOverheadBytes;
  }
  return sum;
}

// Reads the trace once through a cache that holds so many percent of its footprint.
template <typename Cache>
void Ratio(benchmark::State& state, const Trace& trace, size_t footprint) {
  std::map<size_t, Value> values;  // one for each size: what is in them does not matter
  for (const Read& read : trace) {
    Value& value = values[read.bytes];
    if (value == nullptr) value = std::make_shared<const Bytes>(read.bytes, 'x');
  }
  MetricsRecorder metrics;
  for (auto _ : state) {
    Cache cache(footprint * static_cast<size_t>(state.range(0)) / 100, &metrics);
    for (const Read& read : trace) {
      if (cache.Get(read.key) == nullptr) cache.Put(read.key, values[read.bytes]);
    }
  }
  const Metrics counted = metrics.Take();
  const auto hits = static_cast<double>(counted[Counter::kL1Hits]);
  state.counters["hit_percent"] =
      100 * hits / (hits + static_cast<double>(counted[Counter::kL1Misses]));
  state.counters["reads"] = static_cast<double>(trace.size());
  state.counters["footprint"] = static_cast<double>(footprint);
  state.SetItemsProcessed(static_cast<int64_t>(trace.size()) * state.iterations());
}

// The trace is made when the first of its benchmarks runs, and kept.
void RegisterRatios(const std::string& name, const std::function<Trace()>& make) {
  struct Lazy {
    Trace trace;
    size_t footprint = 0;
  };
  const auto lazy = std::make_shared<Lazy>();
  const auto add = [&](const std::string& policy, auto run) {
    benchmark::RegisterBenchmark(("ratio/" + name + "/" + policy).c_str(),
                                 [=](benchmark::State& state) {
                                   if (lazy->trace.empty()) {
                                     lazy->trace = make();
                                     lazy->footprint = Footprint(lazy->trace);
                                   }
                                   run(state, lazy->trace, lazy->footprint);
                                 })
        ->Arg(1)
        ->Arg(5)
        ->Arg(10)
        ->Arg(25)
        ->Arg(50)
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  };
  add("s3-fifo", Ratio<ObjectCache>);
  add("lru", Ratio<LruCache>);
}

}  // namespace
}  // namespace helios

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::string tree = "/usr/include";
  const std::string option = "--tree=";
  if (argc == 2 && std::string(argv[1]).starts_with(option)) {
    tree = std::string(argv[1]).substr(option.size());
    argc = 1;
  }
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  helios::RegisterRatios("zipf", helios::ZipfTrace);
  helios::RegisterRatios("scan", helios::ScanTrace);
  helios::RegisterRatios("session", [=] { return helios::SessionTrace(tree); });
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

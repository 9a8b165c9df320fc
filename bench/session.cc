// What a program that links Helios sees of a backend: one process commits a tree, writes it out and
// reads single objects through L1 from L2. bench/backends runs it once for each backend.
//
//   session BACKEND TREE FOLDER
//
// FOLDER is empty; the store and what is written out stay in it. TREE is only read. Prints JSON:
// seconds, microseconds (…_us) and objects per second.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics_recorder.h"
#include "helios/engine.h"
#include "measured_backends.h"
#include "store/decorators.h"
#include "store/object_cache.h"

namespace helios {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReads = 1000;
constexpr size_t kPromoted = 10'000;
constexpr size_t kThreads = 8;
constexpr uint64_t kSmallBytesMax = 64 << 10;
constexpr size_t kL1Bytes = size_t{512} << 20;  // holds all that is promoted

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Quantile(std::vector<double> samples, double q) {
  const auto at = static_cast<ptrdiff_t>(q * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), samples.begin() + at, samples.end());
  return samples[static_cast<size_t>(at)];
}

void Print(const char* name, double value, const char* end = ",") {
  std::printf("  \"%s\": %.9g%s\n", name, value, end);
}

// A backend whose store can be looked at while the engine has it open.
struct Watched {
  std::string folder;
  ObjectStore* store = nullptr;

  Backend Watch(Backend backend) {
    const auto open = backend.open;
    backend.open = [this, open](
                       const std::string& where,
                       const OpenOptions& options) -> Result<std::unique_ptr<ObjectStore>> {
      HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> opened, open(where, options));
      folder = where;
      store = opened.get();
      return opened;
    };
    return backend;
  }
};

// Contents of small files, in the order of their hashes: any, from anywhere in the tree.
std::vector<ObjectKey> SmallFiles(ObjectStore& store) {
  std::vector<ObjectKey> keys;
  Must(store.ForEachKey([&](const ObjectKey& key, uint64_t size) -> Result<void> {
    if (key.kind == ObjectKind::kBlob && size <= kSmallBytesMax) keys.push_back(key);
    return {};
  }));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (keys.size() < kReads + kThreads) Fail("the tree has too few small files");
  return keys;
}

using Opener = std::function<std::unique_ptr<ObjectStore>()>;

// Each object for the first time, one after the other; the first one's time is with opening.
void MeasureReads(const Opener& open, const std::vector<ObjectKey>& keys, const char* how) {
  std::vector<double> microseconds;
  auto start = Clock::now();
  const std::unique_ptr<ObjectStore> store = open();
  for (size_t i = 0; i < kReads; ++i) {
    if (!Must(store->Get(keys[i * keys.size() / kReads]))) Fail("an object is missing");
    microseconds.push_back(SecondsSince(start) * 1e6);
    start = Clock::now();
  }
  const std::string name = std::string("read_") + how;
  Print((name + "_first_us").c_str(), microseconds.front());
  Print((name + "_p50_us").c_str(), Quantile(microseconds, 0.5));
  Print((name + "_p99_us").c_str(), Quantile(microseconds, 0.99));
}

// Threads that each read other objects, through L1 and verified, as the engine reads.
void MeasurePromotion(std::unique_ptr<ObjectStore> store, std::vector<ObjectKey> keys) {
  keys.resize(std::min(keys.size(), kPromoted));
  MetricsRecorder metrics;
  ObjectCache cache(kL1Bytes, &metrics);
  CachedStore cached(std::make_unique<VerifyingStore>(std::move(store)), &cache, &metrics);
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t i = thread; i < keys.size(); i += kThreads) {
        if (Must(cached.GetShared(keys[i])) == nullptr) Fail("an object is missing");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Print("promoted_per_second", static_cast<double>(keys.size()) / SecondsSince(start));
  if (cache.items() != keys.size()) Fail("what was read is not in L1");
}

// The engine's own store, for a backend that has no other.
class BorrowedStore : public ForwardingStore {
 public:
  explicit BorrowedStore(ObjectStore* store) : ForwardingStore(nullptr), store_(store) {}
  Result<std::optional<Bytes>> Get(const ObjectKey& key) override { return store_->Get(key); }

 private:
  ObjectStore* const store_;
};

void MeasureObjects(const Measured& measured, const Watched& watched) {
  const std::vector<ObjectKey> keys = SmallFiles(*watched.store);
  const Opener open = [&]() -> std::unique_ptr<ObjectStore> {
    if (!measured.is_on_disk) return std::make_unique<BorrowedStore>(watched.store);
    return Must(measured.backend.open(watched.folder, {}));
  };
  if (measured.is_on_disk) {
    DropFromPageCache(watched.folder);
    MeasureReads(open, keys, "cold");
  }
  Must(watched.store->GetMany(keys, [](size_t, auto) { return Result<void>(); }));
  MeasureReads(open, keys, "warm");
  MeasurePromotion(open(), keys);
}

void Run(const Measured& measured, const std::string& tree, const std::string& folder) {
  Watched watched;
  EngineOptions options;
  options.store = folder + "/store";
  options.backends = {watched.Watch(measured.backend)};
  options.create_with = measured.backend.name;
  std::printf("{\n");
  const std::unique_ptr<Engine> engine = Must(Engine::Open(options));
  CommitRequest commit;
  commit.workspace.path = tree;
  auto start = Clock::now();
  const CommitReport report = Must(engine->Commit(commit));
  Print("commit", SecondsSince(start));
  start = Clock::now();
  if (!Must(engine->Commit(commit)).unchanged) Fail("the tree has changed");
  Print("unchanged", SecondsSince(start));
  MaterializeRequest request;
  request.id = FormatId(report.snapshot);
  request.out = folder + "/out";
  start = Clock::now();
  Must(engine->Materialize(request));
  Print("materialize", SecondsSince(start));
  MeasureObjects(measured, watched);
  Print("objects", static_cast<double>(report.new_objects), "");
  std::printf("}\n");
}

}  // namespace
}  // namespace helios

int main(int argc, char** argv) {
  if (argc == 4) {
    for (const auto& measured : helios::MeasuredBackends()) {
      if (measured.backend.name != argv[1]) continue;
      helios::Run(measured, argv[2], argv[3]);
      return 0;
    }
  }
  std::fprintf(stderr, "usage: session memory|pack|rocksdb TREE FOLDER\n");
  return 2;
}

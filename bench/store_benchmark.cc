// The L2 interface under load: one suite over every backend of measured_backends.h. It knows public
// headers only, so that a backend in a library of its own is measured the same way.
//
//   store_benchmark --benchmark_filter='(pack|rocksdb)/Get' --benchmark_min_time=1
//
// Objects are named by numbers, not by hashes: backends do not look, and hashing is measured
// elsewhere.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measured_backends.h"

namespace helios {
namespace {

constexpr size_t kSmallBytes = 4 << 10;
constexpr size_t kLargeBytes = 1 << 20;
constexpr uint64_t kStored = 20'000;  // objects in the store that is read from: 80 MB

uint64_t Mix(uint64_t number) {
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

ObjectKey KeyOf(uint64_t number) {
  Digest digest;
  for (size_t i = 0; i < Digest::kSize; ++i) {
    const uint64_t word = Mix(number * 4 + i / 8 + 0x9e3779b97f4a7c15);
    digest.bytes[i] = static_cast<uint8_t>(word >> (i % 8 * 8));
  }
  return {ObjectKind::kBlob, digest};
}

// Half noise, half text: compresses to about half, as sources do.
Bytes BytesOf(uint64_t number, size_t size) {
  Bytes bytes;
  bytes.reserve(size + 64);
  for (uint64_t i = 0; bytes.size() < size; ++i) {
    const uint64_t noise[3] = {Mix(number + i), Mix(number ^ i), Mix(number * 3 + i)};
    bytes.append(reinterpret_cast<const char*>(noise), sizeof(noise));
    bytes.append("return std::move(value);");
  }
  bytes.resize(size);
  return bytes;
}

// A store in a folder of its own; both go with it. TMPDIR says on which disk.
class BenchmarkStore {
 public:
  explicit BenchmarkStore(const Measured& measured) : measured_(measured) {
    const char* parent = std::getenv("TMPDIR");
    folder_ = std::string(parent != nullptr ? parent : "/tmp") + "/helios-benchmark-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) {
      std::perror(folder_.c_str());
      std::exit(1);
    }
    Must(measured_.backend.create(folder_));
    store_ = Must(measured_.backend.open(folder_, {}));
  }
  ~BenchmarkStore() {
    store_.reset();
    std::error_code ignored;  // it lies in the folder for temporary files
    std::filesystem::remove_all(folder_, ignored);
  }
  BenchmarkStore(const BenchmarkStore&) = delete;
  BenchmarkStore& operator=(const BenchmarkStore&) = delete;

  ObjectStore* operator->() { return store_.get(); }
  void Reopen() {
    if (!measured_.is_on_disk) return;
    store_.reset();
    store_ = Must(measured_.backend.open(folder_, {}));
  }
  void PutNumbers(uint64_t first, uint64_t count, size_t size) {
    const std::unique_ptr<ObjectBatch> batch = Must(store_->OpenBatch());
    for (uint64_t i = first; i < first + count; ++i) Must(batch->Put(KeyOf(i), BytesOf(i, size)));
    Must(batch->Publish());
  }
  void DropFromPageCache() { helios::DropFromPageCache(folder_); }

 private:
  const Measured measured_;
  std::string folder_;
  std::unique_ptr<ObjectStore> store_;
};

void SetBytes(benchmark::State& state, uint64_t bytes) {
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
void SetItems(benchmark::State& state, uint64_t items) {
  state.SetItemsProcessed(static_cast<int64_t>(items));
}

// One batch of small objects, published; each time other ones.
void PutSmallObjects(benchmark::State& state, const Measured& measured) {
  BenchmarkStore store(measured);
  const auto count = static_cast<uint64_t>(state.range(0));
  std::vector<Bytes> contents;  // enough that those of one frame differ
  for (uint64_t i = 0; i < 256; ++i) contents.push_back(BytesOf(i * 1000, kSmallBytes));
  uint64_t next = 0;
  for (auto _ : state) {
    const std::unique_ptr<ObjectBatch> batch = Must(store->OpenBatch());
    for (uint64_t i = 0; i < count; ++i) {
      Must(batch->Put(KeyOf(next), contents[next % contents.size()]));
      ++next;
    }
    Must(batch->Publish());
  }
  SetItems(state, next);
  SetBytes(state, next * kSmallBytes);
}

void PutLargeObjects(benchmark::State& state, const Measured& measured) {
  BenchmarkStore store(measured);
  const Bytes bytes = BytesOf(1, kLargeBytes);
  uint64_t next = 0;
  for (auto _ : state) {
    const std::unique_ptr<ObjectBatch> batch = Must(store->OpenBatch());
    for (int i = 0; i < 16; ++i) Must(batch->Put(KeyOf(next++), bytes));
    Must(batch->Publish());
  }
  SetBytes(state, next * kLargeBytes);
}

// What the smallest durable commit pays for its object.
void PublishAndSyncOne(benchmark::State& state, const Measured& measured) {
  BenchmarkStore store(measured);
  const Bytes bytes = BytesOf(1, 300);
  uint64_t next = 0;
  for (auto _ : state) {
    const std::unique_ptr<ObjectBatch> batch = Must(store->OpenBatch());
    Must(batch->Put(KeyOf(next++), bytes));
    Must(batch->Publish());
    Must(store->Sync());
    if (next % 64 != 0) continue;
    state.PauseTiming();
    Must(store->Maintain());
    state.ResumeTiming();
  }
  SetItems(state, next);
}

// The same object again and again.
void GetHot(benchmark::State& state, const Measured& measured) {
  BenchmarkStore store(measured);
  store.PutNumbers(0, kStored, kSmallBytes);
  const ObjectKey key = KeyOf(kStored / 2);
  for (auto _ : state) benchmark::DoNotOptimize(Must(store->Get(key)));
  SetBytes(state, static_cast<uint64_t>(state.iterations()) * kSmallBytes);
}

// Objects far from each other, each for the first time: nothing that the store keeps helps.
void GetCold(benchmark::State& state, const Measured& measured) {
  BenchmarkStore store(measured);
  store.PutNumbers(0, kStored, kSmallBytes);
  uint64_t next = 0;
  for (auto _ : state) {
    if (next % 1000 == 0) {
      state.PauseTiming();
      store.DropFromPageCache();
      store.Reopen();
      state.ResumeTiming();
    }
    benchmark::DoNotOptimize(Must(store->Get(KeyOf(next++ * 7919 % kStored))));
  }
  SetBytes(state, next * kSmallBytes);
}

// A thousand keys of a directory's files: put together, asked for together, in no order.
void GetMany(benchmark::State& state, const Measured& measured) {
  BenchmarkStore store(measured);
  store.PutNumbers(0, kStored, kSmallBytes);
  uint64_t bytes = 0;
  uint64_t round = 0;
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<ObjectKey> keys;
    const uint64_t first = round++ * 1000 % kStored;
    for (uint64_t i = 0; i < 1000; ++i) keys.push_back(KeyOf(first + i * 389 % 1000));
    state.ResumeTiming();
    Must(store->GetMany(keys, [&](size_t, std::optional<ByteView> object) -> Result<void> {
      bytes += object ? object->size() : 0;
      return {};
    }));
  }
  if (bytes != round * 1000 * kSmallBytes) state.SkipWithError("objects are missing");
  SetItems(state, round * 1000);
  SetBytes(state, bytes);
}

// What a first commit asks: a thousand keys that nobody has.
void HasManyMiss(benchmark::State& state, const Measured& measured) {
  BenchmarkStore store(measured);
  store.PutNumbers(0, kStored, 100);
  store.Reopen();
  std::vector<ObjectKey> keys;
  for (uint64_t i = 0; i < 1000; ++i) keys.push_back(KeyOf(kStored * 2 + i));
  for (auto _ : state) {
    const std::vector<bool> has = Must(store->HasMany(keys));
    if (std::count(has.begin(), has.end(), true) != 0) state.SkipWithError("impossible hits");
  }
  SetItems(state, static_cast<uint64_t>(state.iterations()) * 1000);
}

// The price that every process pays before its first object.
void Open(benchmark::State& state, const Measured& measured) {
  BenchmarkStore store(measured);
  for (uint64_t batch = 0; batch < 7; ++batch) {
    store.PutNumbers(batch * kStored / 7, kStored / 7, kSmallBytes);
  }
  for (auto _ : state) store.Reopen();
}

void RegisterSuite(const Measured& measured) {
  using Function = void (*)(benchmark::State&, const Measured&);
  const auto add = [&](const char* name, Function function) {
    return benchmark::RegisterBenchmark((measured.backend.name + "/" + name).c_str(),
                                        [=](benchmark::State& state) { function(state, measured); })
        ->UseRealTime();
  };
  add("PutSmallObjects", PutSmallObjects)->Arg(1)->Arg(100)->Arg(10'000);
  add("PutLargeObjects", PutLargeObjects);
  add("PublishAndSyncOne", PublishAndSyncOne);
  add("GetHot", GetHot);
  add("GetMany1000", GetMany);
  add("HasManyMiss1000", HasManyMiss);
  if (!measured.is_on_disk) return;
  add("GetCold", GetCold);
  add("Open", Open);
}

}  // namespace
}  // namespace helios

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (const auto& measured : helios::MeasuredBackends()) helios::RegisterSuite(measured);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

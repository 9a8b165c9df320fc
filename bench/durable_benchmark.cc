// Durable commits of working sets in memory, beside a floor: the same three syncs (a new file and
// its bytes, the folder after its rename, a line in a log) and nothing else. Each round does both,
// one after the other, so that a busy machine hides nothing. Over every backend that lies on a
// disk; TMPDIR says on which.
//
//   durable_benchmark --benchmark_filter=pack/ --benchmark_min_time=5
//
// Medians of all rounds are in the counters: what is above the floor is what Helios adds.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "helios/engine.h"
#include "measured_backends.h"

namespace helios {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int kFiles = 1000;
constexpr int kThreads = 16;
constexpr int kCommitsPerThread = 16;
// About what a small commit puts into its pack and into the log.
constexpr size_t kPackBytes = 9 << 10;
constexpr size_t kEntryBytes = 220;

void MustBeZero(int outcome) {
  if (outcome == 0) return;
  std::perror("durable_benchmark");
  std::exit(1);
}

double MicrosecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double Quantile(std::vector<double> samples, double q) {
  if (samples.empty()) return 0;
  const auto at = static_cast<ptrdiff_t>(q * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), samples.begin() + at, samples.end());
  return samples[static_cast<size_t>(at)];
}

// A folder of its own, gone afterwards.
class Scratch {
 public:
  Scratch() {
    const char* parent = std::getenv("TMPDIR");
    path_ = std::string(parent == nullptr ? "/tmp" : parent) + "/durable_benchmark-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) MustBeZero(-1);
  }
  ~Scratch() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// What physics asks of a small durable commit.
class Floor {
 public:
  explicit Floor(const std::string& folder) : folder_(folder + "/packs") {
    fs::create_directories(folder_);
    log_ = ::open((folder + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log_ < 0) MustBeZero(-1);
  }
  ~Floor() { ::close(log_); }

  void CommitOne(const std::string& name) {
    const std::string temporary = folder_ + "/.tmp-" + name;
    const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    Write(file, kPackBytes);
    MustBeZero(::fdatasync(file));
    ::close(file);
    MustBeZero(::rename(temporary.c_str(), (folder_ + "/" + name).c_str()));
    const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
    MustBeZero(::fsync(folder));
    ::close(folder);
    Write(log_, kEntryBytes);
    MustBeZero(::fdatasync(log_));
  }

 private:
  static void Write(int file, size_t size) {
    static const std::string bytes(kPackBytes, 'x');
    if (::write(file, bytes.data(), size) != static_cast<ssize_t>(size)) MustBeZero(-1);
  }

  const std::string folder_;
  int log_ = -1;
};

std::unique_ptr<Engine> OpenEngine(const std::string& store, const Backend& backend) {
  EngineOptions options;
  options.store = store;
  options.backends = {backend};
  options.create_with = backend.name;
  return Must(Engine::Open(options));
}

TreePath PathOf(size_t index) {
  return Must(
      TreePath::Parse("folder" + std::to_string(index % 10) + "/file" + std::to_string(index)));
}

// Half noise, half text, as sources compress.
Bytes RandomContent(std::mt19937_64& random) {
  Bytes content;
  while (content.size() < 1024) {
    const uint64_t noise[2] = {random(), random()};
    content.append(reinterpret_cast<const char*>(noise), sizeof(noise));
    content.append("return std::move");
  }
  return content;
}

// A working set of a thousand files of 1 KB, in the store.
Vst MakeTree(Engine& engine, const std::string& branch) {
  std::mt19937_64 random(1);
  Vst vst = Must(engine.NewVst());
  for (size_t i = 0; i < kFiles; ++i) Must(vst.Write(PathOf(i), RandomContent(random)));
  VstCommitRequest request;
  request.branch = branch;
  Must(engine.CommitVst(vst, request));
  return vst;
}

void ChangeOne(Vst& vst, std::mt19937_64& random) {
  Must(vst.Write(PathOf(random() % kFiles), RandomContent(random)));
}

// One file of 1 KB is written among a thousand, then a durable commit.
void CommitOneBesideFloor(benchmark::State& state, const Backend& backend) {
  const Scratch scratch;
  Floor floor(scratch / "floor");
  const std::unique_ptr<Engine> engine = OpenEngine(scratch / "store", backend);
  Vst vst = MakeTree(*engine, "main");
  VstCommitRequest request;
  request.branch = "main";
  std::mt19937_64 random(2);
  std::vector<double> commits, floors;
  for (auto _ : state) {
    const auto floor_start = Clock::now();
    floor.CommitOne(std::to_string(floors.size()));
    floors.push_back(MicrosecondsSince(floor_start));
    const auto start = Clock::now();
    ChangeOne(vst, random);
    Must(engine->CommitVst(vst, request));
    commits.push_back(MicrosecondsSince(start));
    state.SetIterationTime(commits.back() / 1e6);
  }
  state.counters["floor_us_p50"] = Quantile(floors, 0.5);
  state.counters["commit_us_p50"] = Quantile(commits, 0.5);
  state.counters["above_us_p50"] = Quantile(commits, 0.5) - Quantile(floors, 0.5);
  state.counters["floor_us_p95"] = Quantile(floors, 0.95);
  state.counters["commit_us_p95"] = Quantile(commits, 0.95);
  const Vst back = Must(OpenEngine(scratch / "store", backend)->OpenVst("main"));
  if (back.Fork().Commit().value() != vst.Commit().value()) state.SkipWithError("another id");
}

template <typename Work>
double RunThreads(const Work& work) {
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] { work(thread); });
  for (std::thread& thread : threads) thread.join();
  return MicrosecondsSince(start) / (kThreads * kCommitsPerThread);
}

// Sixteen threads, sixteen commits each, each thread on a branch of its own; the floor is as many
// threads that share nothing.
void SixteenThreadsAtOnce(benchmark::State& state, const Backend& backend) {
  const Scratch scratch;
  Floor floor(scratch / "floor");
  const std::unique_ptr<Engine> engine = OpenEngine(scratch / "store", backend);
  const Vst start = MakeTree(*engine, "main");
  std::vector<Vst> forks;
  for (int thread = 0; thread < kThreads; ++thread) forks.push_back(start.Fork());
  std::vector<double> commits, floors;
  int round = 0;
  for (auto _ : state) {
    ++round;
    floors.push_back(RunThreads([&](int thread) {
      for (int i = 0; i < kCommitsPerThread; ++i) {
        floor.CommitOne(std::to_string(round) + "." + std::to_string(thread) + "." +
                        std::to_string(i));
      }
    }));
    commits.push_back(RunThreads([&](int thread) {
      std::mt19937_64 random(static_cast<uint64_t>(round * kThreads + thread));
      VstCommitRequest request;
      request.branch = "branch" + std::to_string(thread);
      for (int i = 0; i < kCommitsPerThread; ++i) {
        ChangeOne(forks[static_cast<size_t>(thread)], random);
        Must(engine->CommitVst(forks[static_cast<size_t>(thread)], request));
      }
    }));
    state.SetIterationTime(commits.back() * kThreads * kCommitsPerThread / 1e6);
  }
  state.counters["floor_us_per_commit"] = Quantile(floors, 0.5);
  state.counters["us_per_commit"] = Quantile(commits, 0.5);
}

// A file is written and committed: 987 times of a thousand speculatively, 13 times durably.
void MixedThousandCommits(benchmark::State& state, const Backend& backend) {
  const Scratch scratch;
  Floor floor(scratch / "floor");
  const std::unique_ptr<Engine> engine = OpenEngine(scratch / "store", backend);
  Vst vst = MakeTree(*engine, "main");
  VstCommitRequest request;
  request.branch = "main";
  std::mt19937_64 random(3);
  std::vector<double> speculative, durable, floors;
  for (auto _ : state) {
    for (int i = 0; i < 1000; ++i) {
      const bool is_durable = i % 77 == 76;
      if (is_durable) {
        state.PauseTiming();
        const auto floor_start = Clock::now();
        floor.CommitOne(std::to_string(floors.size()));
        floors.push_back(MicrosecondsSince(floor_start));
        state.ResumeTiming();
      }
      const auto start = Clock::now();
      ChangeOne(vst, random);
      if (is_durable) {
        Must(engine->CommitVst(vst, request));
      } else {
        Must(vst.Commit());
      }
      (is_durable ? durable : speculative).push_back(MicrosecondsSince(start));
    }
  }
  state.counters["speculative_us_p50"] = Quantile(speculative, 0.5);
  state.counters["durable_us_p50"] = Quantile(durable, 0.5);
  state.counters["floor_us_p50"] = Quantile(floors, 0.5);
}

void RegisterSuite(const Backend& backend) {
  using Function = void (*)(benchmark::State&, const Backend&);
  const auto add = [&](const char* name, Function function) {
    return benchmark::RegisterBenchmark((backend.name + "/" + name).c_str(),
                                        [=](benchmark::State& state) { function(state, backend); });
  };
  add("CommitOneBesideFloor", CommitOneBesideFloor)->UseManualTime()->Unit(benchmark::kMicrosecond);
  add("SixteenThreadsAtOnce", SixteenThreadsAtOnce)->UseManualTime()->Unit(benchmark::kMillisecond);
  add("MixedThousandCommits", MixedThousandCommits)->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace helios

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (const auto& measured : helios::MeasuredBackends()) {
    if (measured.is_on_disk) helios::RegisterSuite(measured.backend);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

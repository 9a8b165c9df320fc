// What large files cost in computing: where chunks are cut beside BLAKE3 of the same bytes, in one
// run, so that a busy machine slows both down alike.
//
//   content_benchmark
//
// Every row works on 64 MiB, more than caches hold, of bytes that do not compress or of text.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "object/chunker.h"
#include "object/hash.h"
#include "object/span_hash.h"

namespace helios {
namespace {

constexpr size_t kBytes = size_t{64} << 20;
// About what a chunk has.
constexpr size_t kSpanBytes = 600'000;

// SplitMix64 (Steele, Lea, Flood 2014).
Bytes MakeRandom() {
  Bytes bytes(kBytes, '\0');
  uint64_t state = 1;
  for (size_t at = 0; at < kBytes; at += sizeof(uint64_t)) {
    state += 0x9e3779b97f4a7c15;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    std::memcpy(&bytes[at], &z, sizeof(z));
  }
  return bytes;
}

Bytes MakeText() {
  Bytes bytes;
  while (bytes.size() < kBytes) bytes += "line " + std::to_string(bytes.size()) + " of a text\n";
  bytes.resize(kBytes);
  return bytes;
}

ByteView Content(bool is_text) {
  static const Bytes random = MakeRandom();
  static const Bytes text = MakeText();
  return is_text ? text : random;
}

void CountBytes(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(kBytes));
}

void Cut(benchmark::State& state, bool is_text) {
  for (auto _ : state) {
    ByteView rest = Content(is_text);
    while (!rest.empty()) rest.remove_prefix(NextChunkLength(rest));
    benchmark::DoNotOptimize(rest);
  }
  CountBytes(state);
}

void HashWhole(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(HashBlob(Content(false)));
  CountBytes(state);
}

void HashInSpans(benchmark::State& state) {
  for (auto _ : state) {
    const ByteView content = Content(false);
    SpanJoiner joiner;
    for (size_t at = 0; at < content.size(); at += kSpanBytes) {
      joiner.Add(HashSpan(at, content.substr(at, kSpanBytes)));
    }
    benchmark::DoNotOptimize(joiner.Finish());
  }
  CountBytes(state);
}

BENCHMARK_CAPTURE(Cut, random, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Cut, text, true)->Unit(benchmark::kMillisecond);
BENCHMARK(HashWhole)->Unit(benchmark::kMillisecond);
BENCHMARK(HashInSpans)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace helios

BENCHMARK_MAIN();

#include "store/metrics_file.h"

#include <chrono>
#include <cstring>
#include <optional>

#include "base/codec.h"
#include "base/durable_file.h"
#include "object/hash.h"

namespace helios {
namespace {

constexpr uint64_t kMagic = 0x31534d534f494c48;  // "HLIOSMS1"
constexpr size_t kCountersMax = 64;
constexpr size_t kLatenciesMax = 16;
constexpr auto kLockWait = std::chrono::seconds(10);

// Fixed positions with room to spare, so that counters that come later find zeros.
struct Slot {
  uint64_t magic;
  uint64_t sequence;
  uint64_t counters[kCountersMax];
  struct {
    uint64_t count;
    uint64_t sum_us;
    uint64_t buckets[Histogram::kBuckets];
  } latencies[kLatenciesMax];
  uint64_t check;
};
static_assert(static_cast<size_t>(Counter::kCount) <= kCountersMax);
static_assert(static_cast<size_t>(Latency::kCount) <= kLatenciesMax);

uint64_t CheckOf(const Slot& slot) {
  return Checksum64({reinterpret_cast<const char*>(&slot), offsetof(Slot, check)});
}

Slot ToSlot(const Metrics& metrics, uint64_t sequence) {
  Slot slot{};
  slot.magic = kMagic;
  slot.sequence = sequence;
  std::copy(metrics.counters.begin(), metrics.counters.end(), slot.counters);
  for (size_t i = 0; i < metrics.latencies.size(); ++i) {
    const Histogram& histogram = metrics.latencies[i];
    slot.latencies[i].count = histogram.count;
    slot.latencies[i].sum_us = histogram.sum_us;
    std::copy(histogram.buckets.begin(), histogram.buckets.end(), slot.latencies[i].buckets);
  }
  slot.check = CheckOf(slot);
  return slot;
}

Metrics FromSlot(const Slot& slot) {
  Metrics metrics;
  std::copy_n(slot.counters, metrics.counters.size(), metrics.counters.begin());
  for (size_t i = 0; i < metrics.latencies.size(); ++i) {
    Histogram& histogram = metrics.latencies[i];
    histogram.count = slot.latencies[i].count;
    histogram.sum_us = slot.latencies[i].sum_us;
    std::copy_n(slot.latencies[i].buckets, Histogram::kBuckets, histogram.buckets.begin());
  }
  return metrics;
}

// The newer of the slots that are whole; sequence 0 and zeros if the file is empty.
Result<Slot> ReadNewest(int fd, const std::string& path) {
  const Error damage(ErrorCode::kCorrupt,
                     "statistics file " + path + " is damaged; remove it to count from zero again");
  Result<Bytes> read = ReadToEnd(fd, 2 * sizeof(Slot), path);
  if (!read && read.error().code() == ErrorCode::kCorrupt) return damage;
  HELIOS_TRY_ASSIGN(const Bytes bytes, std::move(read));
  Slot newest{};
  for (size_t start = 0; start + sizeof(Slot) <= bytes.size(); start += sizeof(Slot)) {
    const auto slot = LoadLittleEndian<Slot>(bytes.data() + start);
    if (slot.magic != kMagic || slot.check != CheckOf(slot)) continue;
    if (slot.sequence > newest.sequence) newest = slot;
  }
  // A first write that was cut short leaves less than a slot: nothing had been counted before it.
  if (newest.sequence == 0 && bytes.size() >= sizeof(Slot)) return damage;
  return newest;
}

}  // namespace

Result<void> AddToMetricsFile(const std::string& path, const Metrics& delta) {
  HELIOS_TRY_ASSIGN(const FileLock lock,
                    FileLock::Acquire(path, FileLock::Mode::kExclusive, kLockWait));
  HELIOS_TRY_ASSIGN(const Slot newest, ReadNewest(lock.fd(), path));
  Metrics sum = FromSlot(newest);
  sum.Merge(delta);
  const Slot slot = ToSlot(sum, newest.sequence + 1);
  return WriteAllAt(lock.fd(), {reinterpret_cast<const char*>(&slot), sizeof(slot)},
                    slot.sequence % 2 == 1 ? 0 : sizeof(Slot), path);
}

Result<Metrics> ReadMetricsFile(const std::string& path) {
  HELIOS_TRY_ASSIGN(const std::optional<FileLock> lock, FileLock::AcquireToRead(path, kLockWait));
  if (!lock) return Metrics();
  HELIOS_TRY_ASSIGN(const Slot newest, ReadNewest(lock->fd(), path));
  return FromSlot(newest);
}

}  // namespace helios

// Counts what one process does, from any thread.
#ifndef HELIOS_BASE_METRICS_RECORDER_H_
#define HELIOS_BASE_METRICS_RECORDER_H_

#include <atomic>
#include <chrono>

#include "base/mutex.h"
#include "helios/statistics.h"

namespace helios {

class MetricsRecorder {
 public:
  void Add(Counter counter, uint64_t amount = 1) {
    counters_[static_cast<size_t>(counter)].fetch_add(amount, std::memory_order_relaxed);
  }
  void Record(Latency latency, std::chrono::nanoseconds elapsed) {
    MutexLock lock(mutex_);
    latencies_[static_cast<size_t>(latency)].Add(static_cast<uint64_t>(elapsed.count()) / 1000);
  }
  // Everything since the last Take.
  Metrics Take() {
    Metrics metrics;
    for (size_t i = 0; i < counters_.size(); ++i) metrics.counters[i] = counters_[i].exchange(0);
    MutexLock lock(mutex_);
    metrics.latencies = latencies_;
    latencies_ = {};
    return metrics;
  }

 private:
  std::array<std::atomic<uint64_t>, static_cast<size_t>(Counter::kCount)> counters_{};
  Mutex mutex_;
  std::array<Histogram, static_cast<size_t>(Latency::kCount)> latencies_
      HELIOS_GUARDED_BY(mutex_){};
};

// Records the time from its making to its end.
class LatencyTimer {
 public:
  LatencyTimer(MetricsRecorder* recorder, Latency latency)
      : recorder_(recorder), latency_(latency), start_(std::chrono::steady_clock::now()) {}
  ~LatencyTimer() { recorder_->Record(latency_, std::chrono::steady_clock::now() - start_); }
  LatencyTimer(const LatencyTimer&) = delete;
  LatencyTimer& operator=(const LatencyTimer&) = delete;

 private:
  MetricsRecorder* recorder_;
  Latency latency_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace helios

#endif  // HELIOS_BASE_METRICS_RECORDER_H_

// How far a long operation has come, for whoever wants to show it.
#ifndef HELIOS_PROGRESS_H_
#define HELIOS_PROGRESS_H_

#include <atomic>
#include <cstdint>

namespace helios {

// Written by the operation, read by anyone at any time. Numbers only grow within a phase.
struct Progress {
  std::atomic<const char*> phase{""};      // such as "scanning"; a string literal
  std::atomic<const char*> noun{"files"};  // what is counted
  std::atomic<uint64_t> files{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> files_total{0};  // 0 while unknown
};

}  // namespace helios

#endif  // HELIOS_PROGRESS_H_

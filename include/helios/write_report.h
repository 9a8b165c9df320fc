// What a materialize or restore wrote, and what it could not.
#ifndef HELIOS_WRITE_REPORT_H_
#define HELIOS_WRITE_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace helios {

struct WriteReport {
  static constexpr size_t kFailuresMax = 20;

  uint64_t files = 0;                       // files and symlinks written
  uint64_t bytes = 0;                       // of file contents
  uint64_t shared = 0;                      // files that share their bytes with the file cache
  uint64_t folders = 0;                     // made
  uint64_t deleted = 0;                     // files, symlinks and folders removed
  uint64_t attributes = 0;                  // files and folders of which only mode or time was set
  uint64_t failed = 0;                      // names that could not be written or removed
  std::vector<std::string> first_failures;  // at most kFailuresMax: "<path>: <why>"

  void Merge(const WriteReport& other) {
    files += other.files;
    bytes += other.bytes;
    shared += other.shared;
    folders += other.folders;
    deleted += other.deleted;
    attributes += other.attributes;
    failed += other.failed;
    for (const std::string& failure : other.first_failures) {
      if (first_failures.size() < kFailuresMax) first_failures.push_back(failure);
    }
  }
};

}  // namespace helios

#endif  // HELIOS_WRITE_REPORT_H_

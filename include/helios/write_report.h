// What a materialize or restore wrote, and what it could not.
#ifndef HELIOS_WRITE_REPORT_H_
#define HELIOS_WRITE_REPORT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace helios {

// Names that were written, but not in every respect as the snapshot has them.
struct WriteShortfall {
  static constexpr size_t kPathsMax = 10;
  uint64_t count = 0;
  std::vector<std::string> first_paths;   // at most kPathsMax
  std::vector<std::string> first_causes;  // for each of them why

  void Add(std::string path, std::string cause) {
    ++count;
    if (first_paths.size() == kPathsMax) return;
    first_paths.push_back(std::move(path));
    first_causes.push_back(std::move(cause));
  }
  void Merge(const WriteShortfall& other) {
    for (size_t i = 0; i < other.first_paths.size(); ++i) {
      Add(other.first_paths[i], other.first_causes[i]);
    }
    count += other.count - other.first_paths.size();
  }
};

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
  uint64_t links = 0;                       // of `files`, those made as hard links to another one
  // Hard links that were made as files of their own, and files and folders that the file system did
  // not let have all of their extended attributes. No failure: contents are as they should be.
  WriteShortfall links_as_copies;
  WriteShortfall without_xattrs;

  void Merge(const WriteReport& other) {
    files += other.files;
    bytes += other.bytes;
    shared += other.shared;
    folders += other.folders;
    deleted += other.deleted;
    attributes += other.attributes;
    failed += other.failed;
    links += other.links;
    links_as_copies.Merge(other.links_as_copies);
    without_xattrs.Merge(other.without_xattrs);
    for (const std::string& failure : other.first_failures) {
      if (first_failures.size() < kFailuresMax) first_failures.push_back(failure);
    }
  }
};

}  // namespace helios

#endif  // HELIOS_WRITE_REPORT_H_

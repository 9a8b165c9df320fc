// One path of a plan: what a restore does to it, or how it differs from a snapshot.
#ifndef HELIOS_PLANNED_PATH_H_
#define HELIOS_PLANNED_PATH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace helios {

struct PlannedPath {
  enum class Change { kAdded, kChanged, kDeleted, kTypeChanged, kAttributes };
  Change change = Change::kAdded;
  std::string path;              // relative to the workspace
  std::string_view type_before;  // "file", "executable", "symlink", "directory", or empty
  std::string_view type_after;
  uint64_t size_before = 0;
  uint64_t size_after = 0;
};

// Takes paths one by one, however many there are.
using PathSink = std::function<void(const PlannedPath& path)>;

}  // namespace helios

#endif  // HELIOS_PLANNED_PATH_H_

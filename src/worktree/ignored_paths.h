// Paths that a scan of a workspace left out because they are ignored, scanned after all.
#ifndef HELIOS_WORKTREE_IGNORED_PATHS_H_
#define HELIOS_WORKTREE_IGNORED_PATHS_H_

#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "worktree/scan.h"

namespace helios {

// Thread-safe. `root` is the open workspace, which must outlive this.
class IgnoredPaths {
 public:
  explicit IgnoredPaths(int root) : root_(root) {}

  // The entry at `path`, everything below a folder included, as if nothing were ignored; null if it
  // is gone. Lives as long as this.
  Result<ScannedEntry*> LookAt(const std::string& path) HELIOS_EXCLUDES(mutex_);

 private:
  const int root_;
  Mutex mutex_;
  std::vector<std::unique_ptr<ScanResult>> scans_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_IGNORED_PATHS_H_

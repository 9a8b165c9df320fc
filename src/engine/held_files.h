// What the snapshots of a workspace hold: whether something on disk may go without being lost.
#ifndef HELIOS_ENGINE_HELD_FILES_H_
#define HELIOS_ENGINE_HELD_FILES_H_

#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "history/operation_log.h"
#include "vst/tree_reader.h"

namespace helios {

// Answers whether one of the snapshots in which a workspace stood holds a path as it is now.
// Thread-safe.
class HeldFiles {
 public:
  // `interrupted`: what a restore that did not finish was bringing. It may have written the
  // beginning of a file.
  HeldFiles(ObjectStore* store, const OperationLog& log, std::string workspace,
            const std::optional<SnapshotId>& interrupted)
      : reader_(store), log_(log), workspace_(std::move(workspace)), interrupted_(interrupted) {}

  Result<bool> Holds(const std::string& path, const TreeEntry& present) HELIOS_EXCLUDES(mutex_);

 private:
  bool IsOfInterrupted(const std::string& path, const TreeEntry& present) const;
  Result<const std::vector<TreeId>*> Snapshots() HELIOS_EXCLUDES(mutex_);

  const TreeReader reader_;
  const OperationLog& log_;
  const std::string workspace_;
  const std::optional<SnapshotId> interrupted_;
  Mutex mutex_;
  std::optional<std::vector<TreeId>> snapshots_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios

#endif  // HELIOS_ENGINE_HELD_FILES_H_

#include "vst/tree_mapping.h"

#include <string>

#include "vst/reachable.h"

namespace helios {

Result<void> CheckMapping(ObjectStore* store, const SnapshotId& snapshot, const TreeTotals& totals,
                          unsigned threads) {
  ReachableWalk walk(
      store, {threads, false}, [](const Reached&) { return Result<void>(); },
      [](const Reached& reached, Error error) -> Result<void> {
        if (reached.folder.empty()) return error;
        return std::move(error).WithContext(reached.folder);
      });
  const ReachableRoot root{std::nullopt, snapshot, std::nullopt, totals};
  return walk.Run({&root, 1});
}

}  // namespace helios

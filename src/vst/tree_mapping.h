// Which path stands for which object in a snapshot: what a lazy restore brings.
#ifndef HELIOS_VST_TREE_MAPPING_H_
#define HELIOS_VST_TREE_MAPPING_H_

#include "helios/object_store.h"
#include "object/tree.h"

namespace helios {

// Reads every tree object of a snapshot, and no content: on success, each of its paths leads to an
// object id. `totals`: what is known of the snapshot; each folder must hold what its parent says.
// Errors: kMissingObject and kCorrupt, naming the object and the folder.
Result<void> CheckMapping(ObjectStore* store, const SnapshotId& snapshot, const TreeTotals& totals,
                          unsigned threads);

}  // namespace helios

#endif  // HELIOS_VST_TREE_MAPPING_H_

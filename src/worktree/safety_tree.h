// What a restore changes, as it is before: the tree of a safety snapshot.
#ifndef HELIOS_WORKTREE_SAFETY_TREE_H_
#define HELIOS_WORKTREE_SAFETY_TREE_H_

#include "object/directory_builder.h"
#include "vst/tree_reader.h"
#include "worktree/large_content.h"
#include "worktree/restore_plan.h"

namespace helios {

struct SafetyTree {
  BuiltDirectory root;
  uint64_t files = 0;  // whose content the store did not hold
  uint64_t bytes = 0;
};

// Makes the tree that differs from the plan's target in just what the plan changes, and there is
// what the workspace has: to go from the target to it takes back what the plan does and nothing
// else. Every content that the store lacks is read once more and given to the sink with the trees;
// the sink may be called from several threads. `root` is the open workspace, as it was scanned.
//
// Of a target without attributes, which says nothing of what stays as it is, the whole workspace is
// taken instead.
//
// Errors: kFailed, naming the file, if one cannot be read or is not what the scan saw: then nothing
// was touched.
Result<SafetyTree> BuildSafetyTree(ObjectStore* store, int root, const RestorePlan& plan,
                                   unsigned threads, const ObjectSink& sink);

}  // namespace helios

#endif  // HELIOS_WORKTREE_SAFETY_TREE_H_

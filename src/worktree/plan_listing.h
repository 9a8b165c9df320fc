// The paths of a restore plan, one by one.
#ifndef HELIOS_WORKTREE_PLAN_LISTING_H_
#define HELIOS_WORKTREE_PLAN_LISTING_H_

#include "helios/planned_path.h"
#include "worktree/restore_plan.h"

namespace helios {

// Gives every file and symlink that the plan makes, replaces, removes or sets attributes of to the
// sink, and folders where one that is empty comes or goes: folder by folder, names by bytes within
// each. Memory does not grow with the plan. `selector` as it was planned with; may be null.
Result<void> ListPlan(const TreeReader& reader, const RestorePlan& plan, const Selector* selector,
                      const PathSink& sink);

// The plan that removes everything in a scanned folder: for listing it.
RestorePlan PlanToRemoveAll(ScannedDirectory* workspace);

}  // namespace helios

#endif  // HELIOS_WORKTREE_PLAN_LISTING_H_

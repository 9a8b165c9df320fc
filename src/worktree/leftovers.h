// What a restore that was killed left beside the files of a workspace.
#ifndef HELIOS_WORKTREE_LEFTOVERS_H_
#define HELIOS_WORKTREE_LEFTOVERS_H_

#include <string>
#include <vector>

#include "vst/tree_reader.h"
#include "worktree/scan.h"

namespace helios {

// Removes the files that a scan met under temporary names, if nothing is lost with them: the store
// holds what they are, or they are the beginning of a file that lies beside them in one of `trees`.
// They count as vanished then. Returns the paths of the others, which stay.
Result<std::vector<std::string>> RemoveLeftovers(const TreeReader& reader, int root,
                                                 ScanResult& scan,
                                                 const std::vector<TreeId>& trees);

}  // namespace helios

#endif  // HELIOS_WORKTREE_LEFTOVERS_H_

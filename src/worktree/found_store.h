// Stores that are met in a user's folders: they are never captured, and never written into.
#ifndef HELIOS_WORKTREE_FOUND_STORE_H_
#define HELIOS_WORKTREE_FOUND_STORE_H_

#include <string>

namespace helios {

// Whether an open folder is a store's.
bool IsStoreFolder(int folder);
// Whether that name in an open folder is a store's folder, a link to one, or a text file that names
// one.
bool LeadsToStore(int folder, const std::string& name);

}  // namespace helios

#endif  // HELIOS_WORKTREE_FOUND_STORE_H_

// The folder that a materialize writes into.
#ifndef HELIOS_WORKTREE_TARGET_FOLDER_H_
#define HELIOS_WORKTREE_TARGET_FOLDER_H_

#include <string>

#include "base/fd.h"

namespace helios {

struct TargetFolder {
  Fd root;
  bool made = false;  // it was not there before
};

// Opens the folder, and makes it and those above it if need be. Errors: kInvalidArgument for one
// that lies inside a store, before anything is made; kFailed if something else is there.
Result<TargetFolder> OpenTargetFolder(const std::string& out);

}  // namespace helios

#endif  // HELIOS_WORKTREE_TARGET_FOLDER_H_

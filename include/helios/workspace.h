// A directory on disk whose states are committed and restored.
#ifndef HELIOS_WORKSPACE_H_
#define HELIOS_WORKSPACE_H_

#include <string>

namespace helios {

struct Workspace {
  std::string path;          // of the directory
  std::string name;          // if not empty, what it is known by instead of its real path
  bool include_git = false;  // capture the workspace's own .git as well
};

}  // namespace helios

#endif  // HELIOS_WORKSPACE_H_

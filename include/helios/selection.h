// Which paths of a snapshot or working set an operation acts on.
#ifndef HELIOS_SELECTION_H_
#define HELIOS_SELECTION_H_

#include <string>
#include <vector>

namespace helios {

// Paths to act on: gitignore patterns. No include means everything; an exclude wins.
struct Selection {
  std::vector<std::string> includes;
  std::vector<std::string> excludes;
};

}  // namespace helios

#endif  // HELIOS_SELECTION_H_

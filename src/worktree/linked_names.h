// Hard links in a scanned workspace: which names are one file.
#ifndef HELIOS_WORKTREE_LINKED_NAMES_H_
#define HELIOS_WORKTREE_LINKED_NAMES_H_

#include <string>
#include <unordered_map>
#include <vector>

#include "object/hash.h"
#include "worktree/scanned_directory.h"

namespace helios {

// An entry whose file or symlink has more than one name, here or elsewhere.
struct LinkedName {
  ScannedDirectory* directory = nullptr;
  size_t index = 0;  // of its entries
};

// A name as the scan saw it.
struct LinkedFile {
  std::string path;  // relative to the scanned folder
  TreeEntry entry;
  FileAttributes attributes;
  FileStatus status;
};
LinkedFile Describe(const LinkedName& name);

// The first name of each group.
using LinkedFiles = std::unordered_map<Digest, LinkedName, DigestHash>;

struct JoinedNames {
  LinkedFiles first;
  std::vector<std::string> torn;  // paths whose content was not that of the first name
};

// Gives every entry in `names` its group: those that are one file, if there are two or more, that
// of the first of their paths; the others none. An entry for which that is news is expanded with
// its directory; paths begin with `prefix`.
JoinedNames JoinLinkedNames(const std::vector<LinkedName>& names, const std::string& prefix);

}  // namespace helios

#endif  // HELIOS_WORKTREE_LINKED_NAMES_H_

// Which of several names of one file is written, and which are linked to it, while many threads
// write.
#ifndef HELIOS_WORKTREE_LINK_TABLE_H_
#define HELIOS_WORKTREE_LINK_TABLE_H_

#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "object/hash.h"
#include "worktree/file_writer.h"

namespace helios {

// What names have in common that are to be one file: their group, and everything that a tree and
// its attributes say of them but the name. Names of one group that differ in anything are not.
Digest LinkKeyOf(const TreeEntry& entry, const FileAttributes& attributes);

// The first name that comes makes the file. Whoever comes while that goes on leaves a continuation
// behind, which the first one runs afterwards: nobody waits. Thread-safe.
class LinkTable {
 public:
  // Begins once more with the same name.
  using Later = std::function<Result<void>(unsigned worker)>;

  struct Turn {
    enum class What { kMake, kLink, kLater };
    What what = What::kMake;
    LinkBase base;  // for kLink
  };
  // kMake: the caller makes the file and then calls Settle. kLater: `later` was kept.
  Turn Join(const Digest& key, Later later) HELIOS_EXCLUDES(mutex_);
  // Says where the file is; absent if it could not be made: then it is the next one's turn. Returns
  // what the caller is to run.
  [[nodiscard]] std::vector<Later> Settle(const Digest& key, std::optional<LinkBase> base)
      HELIOS_EXCLUDES(mutex_);
  // From now on names are linked to this one: the file before has as many as it can have, say.
  void SetBase(const Digest& key, LinkBase base) HELIOS_EXCLUDES(mutex_);

 private:
  struct File {
    std::optional<LinkBase> base;  // absent while it is being made
    std::vector<Later> later;
  };

  Mutex mutex_;
  std::unordered_map<Digest, File, DigestHash> files_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_LINK_TABLE_H_

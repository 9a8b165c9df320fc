// Which paths of a snapshot need objects that are lost.
#ifndef HELIOS_VST_LOST_PATHS_H_
#define HELIOS_VST_LOST_PATHS_H_

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "helios/verify_report.h"
#include "vst/tree_reader.h"

namespace helios {

// What was found out of one snapshot serves all that share folders with it. Used by one thread.
class LostPaths {
 public:
  using IsLost = std::function<bool(const ObjectKey& key)>;
  LostPaths(ObjectStore* store, IsLost is_lost) : reader_(store), is_lost_(std::move(is_lost)) {}

  struct Found {
    uint64_t count = 0;            // of a folder that cannot be read, whatever it holds
    std::vector<LostPath> listed;  // the first ones, in the order of a walk
  };
  // `totals`: what is known of the snapshot.
  Result<Found> Of(const TreeId& tree, const std::optional<AttributesId>& attributes,
                   const TreeTotals& totals, size_t listed_max);

 private:
  // A folder, or a page of one.
  struct Place {
    TreeId tree;
    std::optional<AttributesId> attributes;
    TreeTotals totals;
  };
  struct Below {
    std::string name;  // empty: a page of the folder itself
    Place place;
  };
  // What one page says.
  struct Contents {
    std::vector<LostPath> lost;  // of its own: names of files, or "" for the folder itself
    std::vector<Below> below;
    bool is_lost = false;  // it cannot be read
  };

  Contents Read(const Place& place);
  bool IsFileLost(const TreeEntry& entry);
  void Count(const Place& root);
  uint64_t CountOf(const Place& place) const;
  void List(const Place& root, size_t max, std::vector<LostPath>* listed);
  static Digest KeyOf(const Place& place);

  const TreeReader reader_;
  const IsLost is_lost_;
  std::unordered_map<Digest, uint64_t, DigestHash> counts_;
  std::unordered_map<Digest, bool, DigestHash> manifests_;
};

}  // namespace helios

#endif  // HELIOS_VST_LOST_PATHS_H_

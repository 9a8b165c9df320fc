// What snapshots refer to: one walk over records, trees, attributes, manifests, and to contents.
#ifndef HELIOS_VST_REACHABLE_H_
#define HELIOS_VST_REACHABLE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/thread_pool.h"
#include "helios/object_store.h"
#include "object/key_set.h"
#include "vst/tree_reader.h"

namespace helios {

// A reference to an object. Valid during the call that it is given to.
struct Reached {
  ObjectKey key;
  // In bytes, where what refers to the object says it.
  std::optional<uint64_t> size;
  // An object is loaded, and walked below, for the first reference to it only, and for others that
  // say something else of it.
  bool is_new = false;
  const std::optional<RecordId>& record;  // the one that led here; absent below other roots
  // Where the file or folder is that the object is of, or of which it is a part: components joined
  // by '/', the root empty. For people: an object has as many paths as references lead to it.
  std::string_view folder;
  std::string_view name;

  std::string Path() const;
};

// Where a walk begins: a record, or, without one, a folder.
struct ReachableRoot {
  std::optional<RecordId> record;
  TreeId tree;
  std::optional<AttributesId> attributes;
  std::optional<TreeTotals> totals;  // what is known of the folder

  static ReachableRoot Of(const RecordId& id) { return {id, {}, {}, {}}; }
};

// Visits all that roots refer to: of a record, its tree and attributes, not its parents (which part
// of history is kept is for the caller to know); of a tree and the attributes beside it, pages,
// folders and files; manifests and chunks; the blobs of long lists of extended attributes.
// Contents are named, not loaded.
class ReachableWalk {
 public:
  struct Options {
    unsigned threads = 1;
    // False: files are passed over, and extended attributes with them.
    bool contents = true;
  };
  // Called on any of the threads, several at once. An error ends the walk and is returned.
  using Visitor = std::function<Result<void>(const Reached& reached)>;
  // An object that the walk had to load could not be (kMissingObject, kCorrupt, or what the store
  // says), or is not what refers to it says (kCorrupt). The error names the object; of one that
  // several pages share, each can bring it. Whatever can be understood is walked nevertheless, if
  // this returns no error.
  using DamageSink = std::function<Result<void>(const Reached& reached, Error error)>;

  ReachableWalk(ObjectStore* store, const Options& options, Visitor visit, DamageSink damage)
      : reader_(store),
        store_(store),
        options_(options),
        visit_(std::move(visit)),
        damage_(std::move(damage)) {}

  // May be called again: what was walked is not walked again, however it came out.
  Result<void> Run(std::span<const ReachableRoot> roots);

  // Every object that was visited.
  const KeySet& visited() const { return visited_; }

 private:
  // What the tasks below one folder share.
  struct Folder {
    std::optional<RecordId> record;
    std::string path;
  };
  using FolderPointer = std::shared_ptr<const Folder>;

  void PushRoots(TaskStack& tasks, std::span<const ReachableRoot> roots);
  Result<void> EnterRoot(TaskStack& tasks, const ReachableRoot& root);
  Result<void> EnterTree(TaskStack& tasks, FolderPointer folder, TreePlace place);
  Result<void> ReadTree(TaskStack& tasks, const FolderPointer& folder, const TreePlace& place);
  Result<void> EnterEntry(TaskStack& tasks, const FolderPointer& folder, const TreeEntry& entry,
                          const AttributesEntry* attributes);
  // Attributes whose tree is lost.
  Result<void> EnterAttributes(TaskStack& tasks, FolderPointer folder, const AttributesId& id);
  Result<void> EnterBelow(TaskStack& tasks, const FolderPointer& folder,
                          const AttributesPage& page);
  Result<void> EnterXattrs(const FolderPointer& folder, std::string_view name,
                           const FileAttributes& attributes);
  Result<void> EnterManifest(TaskStack& tasks, FolderPointer folder, std::string name,
                             const ManifestPlace& place);

  // Calls the visitor; true if the object was not visited before.
  Result<bool> Visit(const FolderPointer& folder, std::string_view name, const ObjectKey& key,
                     std::optional<uint64_t> size = std::nullopt);
  Result<void> Damaged(const FolderPointer& folder, std::string_view name, const ObjectKey& key,
                       Error error);

  const TreeReader reader_;
  ObjectStore* const store_;
  const Options options_;
  const Visitor visit_;
  const DamageSink damage_;
  KeySet visited_;
  KeySet places_;  // of trees and manifests, by all that is said of them
};

}  // namespace helios

#endif  // HELIOS_VST_REACHABLE_H_

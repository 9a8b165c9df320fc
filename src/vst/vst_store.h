// From a working set in memory to objects: what a durable commit has to bring into the store.
#ifndef HELIOS_VST_VST_STORE_H_
#define HELIOS_VST_VST_STORE_H_

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "helios/object_store.h"
#include "helios/vst.h"
#include "object/tree.h"

namespace helios {

class VstNode;

// Keeps snapshots from being collected while somebody relies on them.
class SnapshotKeeper {
 public:
  virtual ~SnapshotKeeper() = default;
  // The snapshot stays, with all that it leads to, while the result lives. Errors: kMissingObject
  // if it is not kept already.
  virtual Result<std::shared_ptr<const void>> Keep(const SnapshotId& snapshot) = 0;
};

// What a working set relies on of a store from which objects may be taken away.
struct VstHold {
  SnapshotKeeper* keeper = nullptr;   // outlives the working set
  std::shared_ptr<const void> lease;  // on what of it is not in memory
  // What is marked as stored was in the store when so many collections had been.
  uint64_t epoch = 0;
};

// The record that a working set was opened from or last committed as, and what it held then.
struct VstBase {
  RecordId record;
  SnapshotId snapshot;
};

// An object whose bytes someone else keeps.
struct BorrowedObject {
  ObjectKey key;
  ByteView bytes;
};

// The objects of a working set that are not known to be in its store. Valid as long as the working
// set is not changed.
struct VstObjects {
  std::vector<BorrowedObject> objects;  // children before parents; one may come more than once
  std::deque<Bytes> made;               // bytes that no node has: manifests
  std::vector<const VstNode*> nodes;    // what the objects were made of
};

// What the rest of Helios may know of a working set.
class VstAccess {
 public:
  static ObjectStore* StoreOf(const Vst& vst);  // null if it has none
  static const std::optional<VstBase>& BaseOf(const Vst& vst);
  static void SetBase(Vst& vst, const VstBase& base);
  // As of the last Commit, since which nothing was written.
  static TreeTotals TotalsOf(const Vst& vst);
  // Null for one that no engine made. Forks inherit it.
  static const std::shared_ptr<const VstHold>& HoldOf(const Vst& vst);
  static void SetHold(Vst& vst, std::shared_ptr<const VstHold> hold);
  // As Vst::Restore, of a snapshot that the working set's hold keeps already.
  static Result<void> RestoreHeld(Vst& vst, const SnapshotId& snapshot, RestoreMode mode);
  // Commits, then lists what is not known to be in the store. Costs what has been written since it
  // last was. `all`: what was stored may not be there any more; lists all that is in memory.
  static Result<VstObjects> CollectObjects(Vst& vst, bool all = false);
};

// Remembers, for every working set that shares these nodes, that they are in its store. Only for
// objects that were collected from a working set over that store, and all of which are durable in
// it. Thread-safe.
void MarkStored(const VstObjects& objects);

}  // namespace helios

#endif  // HELIOS_VST_VST_STORE_H_

// In which order the objects of a store resemble each other.
#ifndef HELIOS_ENGINE_STORAGE_ORDER_H_
#define HELIOS_ENGINE_STORAGE_ORDER_H_

#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include "helios/object_store.h"
#include "history/operation_log.h"
#include "history/ref_store.h"
#include "object/attributes.h"
#include "object/tree.h"

namespace helios {

// Lists objects for ObjectStore::Optimize: the versions of each file one after the other, files in
// the order of their paths; likewise trees and attributes. What cannot be read is left out: the
// order is a hint.
//
// All versions of a folder are walked at once, so that no path is remembered. Memory: 33 bytes for
// each object that is listed, about twice that while the list is made, and the trees of one folder
// in at most kVersionsMax versions.
class StorageOrder {
 public:
  // The versions of a folder that are walked together; more are walked one lot after the other.
  static constexpr size_t kVersionsMax = 128;

  // A snapshot: a folder in one version.
  struct Version {
    TreeId tree;
    std::optional<AttributesId> attributes;
  };

  explicit StorageOrder(ObjectStore* store) : store_(store) {}

  void AddRecord(const RecordId& record) { Add(record); }
  // Everything below these, which resemble each other. Errors: those of reading, but for objects
  // that are missing or damaged.
  Result<void> AddSnapshots(const std::vector<Version>& versions);
  // What was listed, in order.
  std::vector<ObjectKey> TakeKeys() { return std::move(keys_); }

 private:
  struct Page {
    TreePage tree;
    std::optional<AttributesPage> attributes;
  };
  // An entry of one version of a folder.
  struct Child {
    TreeEntry entry;
    std::optional<AttributesId> attributes;  // of a folder
  };

  // True if it was not listed before.
  bool Add(const ObjectKey& key);
  Result<void> AddLot(std::vector<Version> versions);
  // Lists the pages of some versions of one folder and returns what is in those that are new.
  Result<std::vector<Child>> AddFolder(std::vector<Version> versions);
  Result<std::vector<Page>> LoadPages(const std::vector<Version>& pages);
  // Lists the chunks of the versions of one file, by where they begin.
  Result<void> AddChunks(const std::vector<TreeEntry>& versions);
  // Each object's bytes; nullopt for what cannot be read.
  Result<std::vector<std::optional<Bytes>>> Load(const std::vector<ObjectKey>& keys);

  ObjectStore* store_;
  std::vector<ObjectKey> keys_;
  std::unordered_set<ObjectKey, ObjectKeyHash> listed_;
};

// All that the operation log, the refs and the history behind them lead to, in that order.
struct StorageListing {
  std::vector<ObjectKey> keys;
  uint64_t snapshots = 0;  // different ones
};
// Errors: those of reading, but for objects that are missing or damaged.
Result<StorageListing> ListInStorageOrder(ObjectStore* store, const OperationLog& log,
                                          const RefStore& refs);

// Damage of one object, and not what keeps from reading any.
bool IsOfOneObject(const Error& error);

}  // namespace helios

#endif  // HELIOS_ENGINE_STORAGE_ORDER_H_

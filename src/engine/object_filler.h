// Brings objects that a store has lost from other places.
#ifndef HELIOS_ENGINE_OBJECT_FILLER_H_
#define HELIOS_ENGINE_OBJECT_FILLER_H_

#include <memory>
#include <string>

#include "base/mutex.h"
#include "helios/engine.h"
#include "object/key_set.h"

namespace helios {

// Puts what is wanted into a batch, each once. Nothing is taken that does not hash to its id.
class ObjectFiller {
 public:
  ObjectFiller(ObjectStore* store, const KeySet& wanted, bool dry_run)
      : store_(store), wanted_(wanted), dry_run_(dry_run) {}

  // Whatever of a folder's files, folders and their attributes is wanted.
  Result<void> TakeFromWorkspace(const Workspace& workspace, unsigned threads, Progress* progress);
  // What another store holds of these.
  Result<void> TakeFromStore(const std::string& path, const std::vector<Backend>& backends,
                             const OpenOptions& open_options, const std::vector<ObjectKey>& keys);
  // Makes it visible and durable.
  Result<void> Publish();

  uint64_t objects() const { return objects_; }
  uint64_t bytes() const { return bytes_; }

 private:
  Result<void> Put(const ObjectKey& key, ByteView bytes) HELIOS_EXCLUDES(mutex_);

  ObjectStore* const store_;
  const KeySet& wanted_;
  const bool dry_run_;
  Mutex mutex_;
  KeySet taken_;
  std::unique_ptr<ObjectBatch> batch_ HELIOS_GUARDED_BY(mutex_);
  uint64_t objects_ = 0;  // under mutex_ while others put
  uint64_t bytes_ = 0;
};

}  // namespace helios

#endif  // HELIOS_ENGINE_OBJECT_FILLER_H_

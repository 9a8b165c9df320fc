// Brings the objects of one commit into the store: each once, only those that it lacks.
#ifndef HELIOS_ENGINE_COMMIT_WRITER_H_
#define HELIOS_ENGINE_COMMIT_WRITER_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"
#include "helios/object_store.h"

namespace helios {

// Thread-safe; each worker fills a batch of its own. The store is opened with the first object: a
// commit that finds nothing new never touches it.
class CommitWriter {
 public:
  using StoreOpener = std::function<Result<ObjectStore*>()>;
  CommitWriter(StoreOpener open, unsigned workers) : open_(std::move(open)), batches_(workers) {}

  Result<void> Put(unsigned worker, const ObjectKey& key, ByteView bytes);

  // Makes everything that was put visible. Durable after the store's next Sync.
  Result<void> Publish();

  uint64_t new_objects() const { return new_objects_; }
  uint64_t new_bytes() const { return new_bytes_; }
  uint64_t reused_objects() const { return reused_objects_; }
  uint64_t reused_bytes() const { return reused_bytes_; }

 private:
  static constexpr size_t kShards = 64;
  struct Shard {
    Mutex mutex;
    std::unordered_set<ObjectKey, ObjectKeyHash> seen HELIOS_GUARDED_BY(mutex);
  };

  // True the first time that a key comes by.
  bool IsFirst(const ObjectKey& key);

  const StoreOpener open_;
  std::vector<std::unique_ptr<ObjectBatch>> batches_;
  std::array<Shard, kShards> shards_;
  std::atomic<uint64_t> new_objects_{0};
  std::atomic<uint64_t> new_bytes_{0};
  std::atomic<uint64_t> reused_objects_{0};
  std::atomic<uint64_t> reused_bytes_{0};
};

}  // namespace helios

#endif  // HELIOS_ENGINE_COMMIT_WRITER_H_

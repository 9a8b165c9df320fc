#include "engine/commit_writer.h"

#include "base/thread_pool.h"

namespace helios {

bool CommitWriter::IsFirst(const ObjectKey& key) {
  Shard& shard = shards_[key.digest.bytes[31] % kShards];
  MutexLock lock(shard.mutex);
  return shard.seen.insert(key).second;
}

Result<void> CommitWriter::Put(unsigned worker, const ObjectKey& key, ByteView bytes) {
  bool is_new = IsFirst(key);
  if (is_new) {
    HELIOS_TRY_ASSIGN(ObjectStore * store, open_());
    HELIOS_TRY_ASSIGN(const std::vector<bool> has, store->HasMany({&key, 1}));
    is_new = !has.front();
    if (is_new && batches_[worker] == nullptr) {
      HELIOS_TRY_ASSIGN(batches_[worker], store->OpenBatch());
    }
  }
  (is_new ? new_objects_ : reused_objects_).fetch_add(1, std::memory_order_relaxed);
  (is_new ? new_bytes_ : reused_bytes_).fetch_add(bytes.size(), std::memory_order_relaxed);
  return is_new ? batches_[worker]->Put(key, bytes) : Result<void>();
}

Result<void> CommitWriter::Publish() {
  // Each batch waits for the disk: together they wait once.
  return TaskStack::Run(static_cast<unsigned>(batches_.size()), [this](TaskStack& tasks) {
    for (std::unique_ptr<ObjectBatch>& batch : batches_) {
      if (batch == nullptr) continue;
      tasks.Push([&batch](unsigned) -> Result<void> {
        HELIOS_TRY(batch->Publish());
        batch.reset();
        return {};
      });
    }
  });
}

}  // namespace helios

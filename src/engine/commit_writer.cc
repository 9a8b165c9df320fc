#include "engine/commit_writer.h"

#include <algorithm>

#include "base/thread_pool.h"

namespace helios {

bool CommitWriter::IsFirst(const ObjectKey& key) {
  Shard& shard = shards_[key.digest.bytes[31] % kShards];
  MutexLock lock(shard.mutex);
  return shard.seen.insert(key).second;
}

Result<void> CommitWriter::Put(unsigned worker, const ObjectKey& key, ByteView bytes) {
  const BorrowedObject object{key, bytes};
  return PutMany(worker, {&object, 1});
}

Result<void> CommitWriter::PutMany(unsigned worker, std::span<const BorrowedObject> objects) {
  std::vector<ObjectKey> firsts;
  std::vector<size_t> places;
  for (size_t i = 0; i < objects.size(); ++i) {
    if (!IsFirst(objects[i].key)) continue;
    firsts.push_back(objects[i].key);
    places.push_back(i);
  }
  std::vector<bool> is_new(objects.size(), false);
  if (!firsts.empty()) {
    HELIOS_TRY_ASSIGN(ObjectStore * store, open_());
    HELIOS_TRY_ASSIGN(const std::vector<bool> has, store->HasMany(firsts));
    for (size_t i = 0; i < places.size(); ++i) is_new[places[i]] = !has[i];
    const bool any_new = std::find(has.begin(), has.end(), false) != has.end();
    if (any_new && batches_[worker] == nullptr) {
      HELIOS_TRY_ASSIGN(batches_[worker], store->OpenBatch());
    }
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    const ByteView bytes = objects[i].bytes;
    (is_new[i] ? new_objects_ : reused_objects_).fetch_add(1, std::memory_order_relaxed);
    (is_new[i] ? new_bytes_ : reused_bytes_).fetch_add(bytes.size(), std::memory_order_relaxed);
    if (is_new[i]) HELIOS_TRY(batches_[worker]->Put(objects[i].key, bytes));
  }
  return batches_[worker] == nullptr ? Result<void>() : CheckRoom(worker);
}

Result<void> CommitWriter::CheckRoom(unsigned worker) {
  if (room_ == nullptr) return {};
  taken_[worker] = batches_[worker]->BytesOnDisk();
  uint64_t all = 0;
  for (const std::atomic<uint64_t>& taken : taken_) all += taken;
  if (all <= room_->bytes) return {};
  room_->is_over = true;
  return Error(ErrorCode::kNoSpace, "the store would grow beyond the size that it may have");
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

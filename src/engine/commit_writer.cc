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
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    (is_new[i] ? new_objects_ : reused_objects_).fetch_add(1, std::memory_order_relaxed);
    (is_new[i] ? new_bytes_ : reused_bytes_)
        .fetch_add(objects[i].bytes.size(), std::memory_order_relaxed);
  }
  const bool any_new = std::find(is_new.begin(), is_new.end(), true) != is_new.end();
  return any_new ? PutNew(worker, objects, is_new) : Result<void>();
}

class CommitWriter::Turn {
 public:
  Turn(CommitWriter* writer, unsigned worker) : writer_(writer), batch_(writer->Take(worker)) {}
  ~Turn() {
    MutexLock lock(writer_->turns_mutex_);
    batch_.in_use = false;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  SharedBatch& batch() { return batch_; }

 private:
  CommitWriter* const writer_;
  SharedBatch& batch_;
};

// Its own, or, while that is not open, another that is and is idle. There are as many as workers:
// one is always free.
CommitWriter::SharedBatch& CommitWriter::Take(unsigned worker) {
  MutexLock lock(turns_mutex_);
  SharedBatch* taken = nullptr;
  for (size_t i = 0; i < batches_.size(); ++i) {
    SharedBatch& batch = batches_[(worker + i) % batches_.size()];
    if (batch.in_use) continue;
    if (taken == nullptr || (batch.batch != nullptr && taken->batch == nullptr)) taken = &batch;
  }
  taken->in_use = true;
  return *taken;
}

Result<void> CommitWriter::PutNew(unsigned worker, std::span<const BorrowedObject> objects,
                                  const std::vector<bool>& is_new) {
  Turn turn(this, worker);
  SharedBatch& mine = turn.batch();
  if (mine.batch == nullptr) {
    HELIOS_TRY_ASSIGN(ObjectStore * store, open_());
    HELIOS_TRY_ASSIGN(mine.batch, store->OpenBatch());
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    if (is_new[i]) HELIOS_TRY(mine.batch->Put(objects[i].key, objects[i].bytes));
  }
  return CheckRoom(mine);
}

Result<void> CommitWriter::CheckRoom(SharedBatch& batch) {
  if (room_ == nullptr) return {};
  batch.taken = batch.batch->BytesOnDisk();
  uint64_t all = 0;
  for (const SharedBatch& each : batches_) all += each.taken;
  if (all <= room_->bytes) return {};
  room_->is_over = true;
  return Error(ErrorCode::kNoSpace, "the store would grow beyond the size that it may have");
}

Result<void> CommitWriter::Publish() {
  // Each batch waits for the disk: together they wait once.
  return TaskStack::Run(static_cast<unsigned>(batches_.size()), [this](TaskStack& tasks) {
    for (SharedBatch& each : batches_) {
      if (each.batch == nullptr) continue;
      tasks.Push([&each](unsigned) -> Result<void> {
        HELIOS_TRY(each.batch->Publish());
        each.batch.reset();
        return {};
      });
    }
  });
}

}  // namespace helios

#include "engine/commit_writer.h"

#include <algorithm>

#include "base/check.h"
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
  Turn(CommitWriter* writer, unsigned worker) : writer_(writer), slot_(writer->Take(worker)) {}
  ~Turn() {
    MutexLock lock(writer_->turns_mutex_);
    slot_.in_use = false;
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  Slot& slot() { return slot_; }

 private:
  CommitWriter* const writer_;
  Slot& slot_;
};

// Its own if that is open and idle, else another that is, else any that is idle. There are as many
// as workers: one always is.
CommitWriter::Slot& CommitWriter::Take(unsigned worker) {
  MutexLock lock(turns_mutex_);
  Slot* chosen = nullptr;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[(worker + i) % slots_.size()];
    if (slot.in_use) continue;
    if (chosen == nullptr || (slot.batch != nullptr && chosen->batch == nullptr)) chosen = &slot;
  }
  HELIOS_CHECK(chosen != nullptr);
  chosen->in_use = true;
  return *chosen;
}

Result<void> CommitWriter::Slot::Check() const {
  if (!is_half_put) return {};
  if (failure) return Error(*failure);
  return Error(ErrorCode::kFailed, "memory ran out while an object was being put");  // it threw
}

Result<void> CommitWriter::PutNew(unsigned worker, std::span<const BorrowedObject> objects,
                                  const std::vector<bool>& is_new) {
  Turn turn(this, worker);
  Slot& slot = turn.slot();
  HELIOS_TRY(slot.Check());
  slot.is_half_put = true;
  Result<void> put = PutInto(slot, objects, is_new);
  if (!put) slot.failure = put.error();
  slot.is_half_put = !put;
  return put;
}

Result<void> CommitWriter::PutInto(Slot& slot, std::span<const BorrowedObject> objects,
                                   const std::vector<bool>& is_new) {
  if (slot.batch == nullptr) {
    HELIOS_TRY_ASSIGN(ObjectStore * store, open_());
    HELIOS_TRY_ASSIGN(slot.batch, store->OpenBatch());
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    if (is_new[i]) HELIOS_TRY(slot.batch->Put(objects[i].key, objects[i].bytes));
  }
  return CheckRoom(slot);
}

Result<void> CommitWriter::CheckRoom(Slot& slot) {
  if (room_ == nullptr) return {};
  slot.bytes_on_disk = slot.batch->BytesOnDisk();
  uint64_t all = 0;
  for (const Slot& each : slots_) all += each.bytes_on_disk;
  if (all <= room_->bytes) return {};
  room_->is_over = true;
  return Error(ErrorCode::kNoSpace, "the store would grow beyond the size that it may have");
}

Result<void> CommitWriter::Publish() {
  for (const Slot& slot : slots_) HELIOS_TRY(slot.Check());
  // Each batch waits for the disk: together they wait once.
  return TaskStack::Run(static_cast<unsigned>(slots_.size()), [this](TaskStack& tasks) {
    for (Slot& slot : slots_) {
      if (slot.batch == nullptr) continue;
      tasks.Push([&slot](unsigned) -> Result<void> {
        HELIOS_TRY(slot.batch->Publish());
        slot.batch.reset();
        return {};
      });
    }
  });
}

}  // namespace helios

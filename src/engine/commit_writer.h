// Brings the objects of one commit into the store: each once, only those that it lacks.
#ifndef HELIOS_ENGINE_COMMIT_WRITER_H_
#define HELIOS_ENGINE_COMMIT_WRITER_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"
#include "helios/object_store.h"
#include "vst/vst_store.h"

namespace helios {

// What became of the objects that were put.
struct WriteCounts {
  uint64_t new_objects = 0;
  uint64_t new_bytes = 0;
  uint64_t reused_objects = 0;
  uint64_t reused_bytes = 0;

  WriteCounts& operator+=(const WriteCounts& other) {
    new_objects += other.new_objects;
    new_bytes += other.new_bytes;
    reused_objects += other.reused_objects;
    reused_bytes += other.reused_bytes;
    return *this;
  }
  friend WriteCounts operator-(const WriteCounts& after, const WriteCounts& before) {
    return {after.new_objects - before.new_objects, after.new_bytes - before.new_bytes,
            after.reused_objects - before.reused_objects, after.reused_bytes - before.reused_bytes};
  }
};

// What a store of limited size has room for.
struct Room {
  uint64_t bytes = 0;                // on disk
  std::atomic<bool> is_over{false};  // a commit failed (kNoSpace) because it needed more
};

// Thread-safe; workers that put at the same time fill batches of their own, so that none waits, and
// those that take turns share one: a small commit is one batch. The store is opened with the first
// object: a commit that finds nothing new never touches it.
class CommitWriter {
 public:
  using StoreOpener = std::function<Result<ObjectStore*>()>;
  // `room` may be null: then there is as much as the disk has.
  CommitWriter(StoreOpener open, unsigned workers, Room* room = nullptr)
      : open_(std::move(open)), room_(room), slots_(workers) {}

  // `worker` is less than the number of workers; one thread at a time puts as one of them.
  Result<void> Put(unsigned worker, const ObjectKey& key, ByteView bytes);
  // The same for many, of which the store is asked at once.
  Result<void> PutMany(unsigned worker, std::span<const BorrowedObject> objects);

  // Makes everything that was put visible. Durable after the store's next Sync. After an error of a
  // put nothing is published of the batch that it went to: this and every further put into it fail
  // as that one did.
  Result<void> Publish();

  WriteCounts counts() const { return {new_objects_, new_bytes_, reused_objects_, reused_bytes_}; }
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

  // What whose turn it is alone touches, but for bytes_on_disk and in_use.
  struct Slot {
    std::unique_ptr<ObjectBatch> batch;      // null until the first object
    std::atomic<uint64_t> bytes_on_disk{0};  // if there is a limit
    bool is_half_put = false;                // a put has begun, and not or badly ended
    std::optional<Error> failure;            // how, if it is known
    bool in_use = false;                     // guarded by turns_mutex_
    Result<void> Check() const;
  };
  // As long as it lives, its worker alone puts into its batch.
  class Turn;

  // True the first time that a key comes by.
  bool IsFirst(const ObjectKey& key);
  Slot& Take(unsigned worker) HELIOS_EXCLUDES(turns_mutex_);
  Result<void> PutNew(unsigned worker, std::span<const BorrowedObject> objects,
                      const std::vector<bool>& is_new);
  Result<void> PutInto(Slot& slot, std::span<const BorrowedObject> objects,
                       const std::vector<bool>& is_new);
  Result<void> CheckRoom(Slot& slot);

  const StoreOpener open_;
  Room* const room_;
  Mutex turns_mutex_;
  std::vector<Slot> slots_;
  std::array<Shard, kShards> shards_;
  std::atomic<uint64_t> new_objects_{0};
  std::atomic<uint64_t> new_bytes_{0};
  std::atomic<uint64_t> reused_objects_{0};
  std::atomic<uint64_t> reused_bytes_{0};
};

}  // namespace helios

#endif  // HELIOS_ENGINE_COMMIT_WRITER_H_

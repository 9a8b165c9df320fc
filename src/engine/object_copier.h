// Brings objects from one store into another, and proves that they are there.
#ifndef HELIOS_ENGINE_OBJECT_COPIER_H_
#define HELIOS_ENGINE_OBJECT_COPIER_H_

#include <atomic>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "helios/object_store.h"
#include "helios/progress.h"

namespace helios {

// On several threads, each of which takes a lot of keys at a time, in their order. Memory: what the
// stores themselves need for a lot and a batch on each thread.
class ObjectCopier {
 public:
  struct Options {
    unsigned threads = 1;
    Progress* progress = nullptr;  // may be null
    // A thread publishes what it copied when it is so much.
    uint64_t batch_bytes = uint64_t{64} << 20;
  };

  explicit ObjectCopier(const Options& options) : options_(options) {}

  // Copies from a store that lets nothing out that does not hash to its key. What is damaged there,
  // or missing, is in damage(); an error is all else. Durable after the other's Sync.
  Result<void> Copy(ObjectStore* from, ObjectStore* to, std::span<const ObjectKey> keys);

  // kMissingObject or kCorrupt unless the store, which lets nothing out that does not hash to its
  // key, gives each of the objects.
  Result<void> Prove(ObjectStore* store, std::span<const ObjectKey> keys);

  uint64_t objects() const { return objects_; }  // copied
  uint64_t bytes() const { return bytes_; }
  std::vector<Error> TakeDamage() HELIOS_EXCLUDES(mutex_);

 private:
  class Writer;
  using Lot = std::span<const ObjectKey>;
  // Calls `work` on every lot, each thread with a worker of its own.
  template <typename Worker>
  Result<void> InLots(std::span<const ObjectKey> keys, const Worker& worker);
  Result<void> CopyLot(ObjectStore* from, Lot lot, Writer* writer) HELIOS_EXCLUDES(mutex_);
  void Count(uint64_t bytes);

  const Options options_;
  std::atomic<uint64_t> objects_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  Mutex mutex_;
  std::vector<Error> damage_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios

#endif  // HELIOS_ENGINE_OBJECT_COPIER_H_

// The memory backend: for tests and for engines that are thrown away.
#ifndef HELIOS_STORE_MEMORY_MEMORY_STORE_H_
#define HELIOS_STORE_MEMORY_MEMORY_STORE_H_

#include <map>
#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "helios/object_store.h"

namespace helios {

// Holds objects in a hash table; durable for as long as it lives.
class MemoryStore : public ObjectStore {
 public:
  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override;
  Result<std::vector<bool>> HasMany(std::span<const ObjectKey> keys) override;
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override;
  Result<void> ForEachKey(const KeyVisitor& visitor) override;
  Result<void> Sync() override { return {}; }
  Result<void> Maintain() override { return {}; }
  Result<void> Delete(std::span<const ObjectKey> keys) override;
  Result<uint64_t> Generation() override;
  Result<StoreTotals> Totals() override;

 private:
  class Batch;
  using Value = std::shared_ptr<const Bytes>;

  Value Find(const ObjectKey& key) HELIOS_EXCLUDES(mutex_);

  Mutex mutex_;
  std::unordered_map<ObjectKey, Value, ObjectKeyHash> objects_ HELIOS_GUARDED_BY(mutex_);
  uint64_t generation_ HELIOS_GUARDED_BY(mutex_) = 0;
};

}  // namespace helios

#endif  // HELIOS_STORE_MEMORY_MEMORY_STORE_H_

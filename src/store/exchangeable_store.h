// A store whose backend can be exchanged under those who use it.
#ifndef HELIOS_STORE_EXCHANGEABLE_STORE_H_
#define HELIOS_STORE_EXCHANGEABLE_STORE_H_

#include <memory>
#include <utility>

#include "base/mutex.h"
#include "helios/object_store.h"

namespace helios {

// Passes everything on to a store that can be exchanged for another one with the same objects. Who
// is in the midst of a call ends it with the old one, which lives until then; a batch or a sweep is
// of the store that it was opened in, and must be done with before that is exchanged.
class ExchangeableStore : public ObjectStore {
 public:
  explicit ExchangeableStore(std::unique_ptr<ObjectStore> store) : store_(std::move(store)) {}

  void Exchange(std::unique_ptr<ObjectStore> store) HELIOS_EXCLUDES(mutex_) {
    std::shared_ptr<ObjectStore> other(std::move(store));
    MutexLock lock(mutex_);
    store_.swap(other);
  }

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override { return store()->Get(key); }
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override {
    return store()->GetMany(keys, sink);
  }
  Result<std::vector<bool>> HasMany(std::span<const ObjectKey> keys) override {
    return store()->HasMany(keys);
  }
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override { return store()->OpenBatch(); }
  Result<void> ForEachKey(const KeyVisitor& visitor) override {
    return store()->ForEachKey(visitor);
  }
  Result<void> Sync() override { return store()->Sync(); }
  Result<void> Maintain() override { return store()->Maintain(); }
  Result<OptimizeReport> Optimize(const OptimizeRequest& request) override {
    return store()->Optimize(request);
  }
  Result<void> Delete(std::span<const ObjectKey> keys) override { return store()->Delete(keys); }
  Result<std::unique_ptr<ObjectSweep>> OpenSweep(SweepRequest request) override {
    return store()->OpenSweep(std::move(request));
  }
  Result<uint64_t> Generation() override { return store()->Generation(); }
  Result<StoreTotals> Totals() override { return store()->Totals(); }
  Result<std::vector<uint64_t>> Parts() override { return store()->Parts(); }
  Result<bool> HasParts(std::span<const uint64_t> parts) override {
    return store()->HasParts(parts);
  }
  Result<std::vector<Error>> Check() override { return store()->Check(); }
  Result<VerifyObjectsReport> Verify(const VerifyObjectsRequest& request) override {
    return store()->Verify(request);
  }
  Result<RepairObjectsReport> Repair(const RepairObjectsRequest& request) override {
    return store()->Repair(request);
  }
  void SetCompression(Compression compression) override { store()->SetCompression(compression); }

 private:
  std::shared_ptr<ObjectStore> store() HELIOS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return store_;
  }

  Mutex mutex_;
  std::shared_ptr<ObjectStore> store_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios

#endif  // HELIOS_STORE_EXCHANGEABLE_STORE_H_

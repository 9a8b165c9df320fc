// What the engine stacks upon a backend: L1 → verify → count → backend. Each is an ObjectStore that
// passes on what it has no opinion about.
#ifndef HELIOS_STORE_DECORATORS_H_
#define HELIOS_STORE_DECORATORS_H_

#include <memory>

#include "base/metrics_recorder.h"
#include "helios/object_store.h"
#include "store/object_cache.h"

namespace helios {

class ForwardingStore : public ObjectStore {
 public:
  explicit ForwardingStore(std::unique_ptr<ObjectStore> inner) : inner_(std::move(inner)) {}

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override { return inner_->Get(key); }
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override {
    return inner_->GetMany(keys, sink);
  }
  Result<std::vector<bool>> HasMany(std::span<const ObjectKey> keys) override {
    return inner_->HasMany(keys);
  }
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override { return inner_->OpenBatch(); }
  Result<void> ForEachKey(const KeyVisitor& visitor) override {
    return inner_->ForEachKey(visitor);
  }
  Result<void> Sync() override { return inner_->Sync(); }
  Result<void> Maintain() override { return inner_->Maintain(); }
  Result<void> Delete(std::span<const ObjectKey> keys) override { return inner_->Delete(keys); }
  Result<uint64_t> Generation() override { return inner_->Generation(); }
  Result<StoreTotals> Totals() override { return inner_->Totals(); }
  Result<std::vector<Error>> Check() override { return inner_->Check(); }

 protected:
  ObjectStore& inner() { return *inner_; }

 private:
  std::unique_ptr<ObjectStore> inner_;
};

// Counts what passes, and how long it takes.
class CountingStore : public ForwardingStore {
 public:
  CountingStore(std::unique_ptr<ObjectStore> inner, MetricsRecorder* metrics)
      : ForwardingStore(std::move(inner)), metrics_(metrics) {}

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  // One call is one sample of the latency, whatever the number of keys.
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override;
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override;

 private:
  MetricsRecorder* metrics_;
};

// Lets nothing out that does not hash to its key: kCorrupt, naming the object.
class VerifyingStore : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override;
};

// Answers Get from L1 where it can and puts into L1 what L2 returned. GetMany passes by: bulk reads
// use each object once and would only push out what is used again.
class CachedStore : public ForwardingStore {
 public:
  CachedStore(std::unique_ptr<ObjectStore> inner, ObjectCache* cache, MetricsRecorder* metrics)
      : ForwardingStore(std::move(inner)), cache_(cache), metrics_(metrics) {}

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  Result<void> Delete(std::span<const ObjectKey> keys) override;

 private:
  ObjectCache* cache_;
  MetricsRecorder* metrics_;
};

}  // namespace helios

#endif  // HELIOS_STORE_DECORATORS_H_

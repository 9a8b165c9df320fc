#include "store/decorators.h"

#include "object/hash.h"

namespace helios {
namespace {

class CountingBatch : public ObjectBatch {
 public:
  CountingBatch(std::unique_ptr<ObjectBatch> inner, MetricsRecorder* metrics)
      : inner_(std::move(inner)), metrics_(metrics) {}

  Result<void> Put(const ObjectKey& key, ByteView bytes) override {
    const LatencyTimer timer(metrics_, Latency::kL2Put);
    metrics_->Add(Counter::kL2Puts);
    metrics_->Add(Counter::kL2PutBytes, bytes.size());
    return inner_->Put(key, bytes);
  }
  Result<void> Publish() override { return inner_->Publish(); }

 private:
  std::unique_ptr<ObjectBatch> inner_;
  MetricsRecorder* metrics_;
};

Result<void> Verify(const ObjectKey& key, ByteView bytes) {
  if (HashObject(key.kind, bytes) == key.digest) return {};
  return Error(ErrorCode::kCorrupt,
               "object is damaged: the stored bytes of " + key.ToString() + " have another hash");
}

}  // namespace

Result<std::optional<Bytes>> CountingStore::Get(const ObjectKey& key) {
  const LatencyTimer timer(metrics_, Latency::kL2Get);
  metrics_->Add(Counter::kL2Gets);
  Result<std::optional<Bytes>> bytes = inner().Get(key);
  if (bytes && bytes->has_value()) metrics_->Add(Counter::kL2GetBytes, (*bytes)->size());
  return bytes;
}

Result<void> CountingStore::GetMany(std::span<const ObjectKey> keys, const GetSink& sink) {
  const LatencyTimer timer(metrics_, Latency::kL2Get);
  metrics_->Add(Counter::kL2Gets, keys.size());
  return inner().GetMany(keys, [&](size_t index, std::optional<ByteView> bytes) {
    if (bytes) metrics_->Add(Counter::kL2GetBytes, bytes->size());
    return sink(index, bytes);
  });
}

Result<std::unique_ptr<ObjectBatch>> CountingStore::OpenBatch() {
  HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectBatch> batch, inner().OpenBatch());
  return std::unique_ptr<ObjectBatch>(std::make_unique<CountingBatch>(std::move(batch), metrics_));
}

Result<std::optional<Bytes>> VerifyingStore::Get(const ObjectKey& key) {
  HELIOS_TRY_ASSIGN(std::optional<Bytes> bytes, inner().Get(key));
  if (bytes) HELIOS_TRY(Verify(key, *bytes));
  return bytes;
}

Result<void> VerifyingStore::GetMany(std::span<const ObjectKey> keys, const GetSink& sink) {
  return inner().GetMany(keys, [&](size_t index, std::optional<ByteView> bytes) -> Result<void> {
    if (bytes) HELIOS_TRY(Verify(keys[index], *bytes));
    return sink(index, bytes);
  });
}

Result<void> CachedStore::Delete(std::span<const ObjectKey> keys) {
  for (const ObjectKey& key : keys) cache_->Erase(key);
  return inner().Delete(keys);
}

Result<std::optional<Bytes>> CachedStore::Get(const ObjectKey& key) {
  if (const ObjectCache::Value hit = cache_->Get(key)) return std::optional<Bytes>(*hit);
  HELIOS_TRY_ASSIGN(std::optional<Bytes> bytes, inner().Get(key));
  if (bytes) {
    metrics_->Add(Counter::kFirstReadFromL2);
    cache_->Put(key, std::make_shared<const Bytes>(*bytes));
  }
  return bytes;
}

}  // namespace helios

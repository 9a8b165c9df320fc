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
  uint64_t BytesOnDisk() const override { return inner_->BytesOnDisk(); }

 private:
  std::unique_ptr<ObjectBatch> inner_;
  MetricsRecorder* metrics_;
};

Result<void> CheckHash(const ObjectKey& key, ByteView bytes) {
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
  if (bytes) HELIOS_TRY(CheckHash(key, *bytes));
  return bytes;
}

Result<void> VerifyingStore::GetMany(std::span<const ObjectKey> keys, const GetSink& sink) {
  return inner().GetMany(keys, [&](size_t index, std::optional<ByteView> bytes) -> Result<void> {
    if (bytes) HELIOS_TRY(CheckHash(keys[index], *bytes));
    return sink(index, bytes);
  });
}

Result<void> CachedStore::Delete(std::span<const ObjectKey> keys) {
  Result<void> deleted = inner().Delete(keys);
  // Afterwards, and after an error too: what is promoted from here on was not deleted.
  for (const ObjectKey& key : keys) cache_->Erase(key);
  return deleted;
}

Result<std::optional<Bytes>> CachedStore::Get(const ObjectKey& key) {
  HELIOS_TRY_ASSIGN(const ObjectCache::Value value, GetShared(key));
  if (value == nullptr) return std::optional<Bytes>();
  return std::optional<Bytes>(*value);
}

Result<ObjectCache::Value> CachedStore::GetShared(const ObjectKey& key) {
  if (ObjectCache::Value hit = cache_->Get(key)) return hit;
  const JoinedRead joined = JoinRead(key);
  if (joined.is_mine) {
    Result<ObjectCache::Value> result = ReadAndPromote(key);
    EndRead(key, joined.read.get(), result);
    return result;
  }
  if (joined.read->error) return *joined.read->error;
  if (joined.read->value != nullptr) return joined.read->value;
  // The object may have been published after that read had begun: absence is asked for again.
  return ReadAndPromote(key);
}

CachedStore::JoinedRead CachedStore::JoinRead(const ObjectKey& key) {
  MutexLock lock(mutex_);
  std::shared_ptr<PendingRead>& pending = pending_[key];
  if (pending == nullptr) {
    pending = std::make_shared<PendingRead>();
    return {pending, /*is_mine=*/true};
  }
  const std::shared_ptr<PendingRead> read = pending;
  ++waiting_reads_;
  while (!read->is_done) read->done.Wait(mutex_);
  --waiting_reads_;
  return {read, /*is_mine=*/false};
}

void CachedStore::EndRead(const ObjectKey& key, PendingRead* read,
                          const Result<ObjectCache::Value>& result) {
  MutexLock lock(mutex_);
  if (result) {
    read->value = *result;
  } else {
    read->error = result.error();
  }
  read->is_done = true;
  read->done.NotifyAll();
  // What was found is in L1 by now; what was not is read anew by whoever comes next.
  pending_.erase(key);
}

Result<ObjectCache::Value> CachedStore::ReadAndPromote(const ObjectKey& key) {
  // Another's read may have ended between this one's miss and its turn.
  if (ObjectCache::Value promoted = cache_->Peek(key)) return promoted;
  HELIOS_TRY_ASSIGN(ObjectCache::Value value, inner().GetShared(key));
  if (value != nullptr) {
    metrics_->Add(Counter::kFirstReadFromL2);
    if (cache_->Put(key, value)) metrics_->Add(Counter::kLazyRestorePromotions);
  }
  return value;
}

size_t CachedStore::waiting_reads() {
  MutexLock lock(mutex_);
  return waiting_reads_;
}

}  // namespace helios

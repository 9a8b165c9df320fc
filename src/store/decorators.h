// What the engine stacks upon a backend: L1 → verify → count → backend. Each is an ObjectStore that
// passes on what it has no opinion about.
#ifndef HELIOS_STORE_DECORATORS_H_
#define HELIOS_STORE_DECORATORS_H_

#include <memory>
#include <unordered_map>

#include "base/metrics_recorder.h"
#include "base/mutex.h"
#include "helios/object_store.h"
#include "store/object_cache.h"

namespace helios {

// GetShared is not passed on: ObjectStore's own is made of Get, so that whoever changes Get, to
// count or to verify, has changed both.
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
  Result<OptimizeReport> Optimize(const OptimizeRequest& request) override {
    return inner_->Optimize(request);
  }
  Result<void> Delete(std::span<const ObjectKey> keys) override { return inner_->Delete(keys); }
  // What is removed may stay in L1: it is what it says it is, and nobody relies on it.
  Result<std::unique_ptr<ObjectSweep>> OpenSweep(SweepRequest request) override {
    return inner_->OpenSweep(std::move(request));
  }
  Result<uint64_t> Generation() override { return inner_->Generation(); }
  Result<StoreTotals> Totals() override { return inner_->Totals(); }
  Result<std::vector<uint64_t>> Parts() override { return inner_->Parts(); }
  Result<bool> HasParts(std::span<const uint64_t> parts) override {
    return inner_->HasParts(parts);
  }
  Result<std::vector<Error>> Check() override { return inner_->Check(); }
  Result<VerifyObjectsReport> Verify(const VerifyObjectsRequest& request) override {
    return inner_->Verify(request);
  }
  Result<RepairObjectsReport> Repair(const RepairObjectsRequest& request) override {
    return inner_->Repair(request);
  }
  void SetCompression(Compression compression) override { inner_->SetCompression(compression); }

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

// Answers Get and GetShared from L1 where it can and puts into L1 what L2 returned. Concurrent
// reads of an object that is not in L1 are one read of L2: the first reads, the others wait and are
// given the same bytes, or the same error. Neither errors nor absence are remembered, and absence
// is not shared either.
//
// GetMany passes by: it serves those who write whole trees out and use each object once. Looking
// here first would cost them a lock per object to find next to nothing, what they promoted would be
// what nobody reads again, and L1's figures would say how much was written out instead of how often
// a second read was saved.
class CachedStore : public ForwardingStore {
 public:
  CachedStore(std::unique_ptr<ObjectStore> inner, ObjectCache* cache, MetricsRecorder* metrics)
      : ForwardingStore(std::move(inner)), cache_(cache), metrics_(metrics) {}

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  Result<std::shared_ptr<const Bytes>> GetShared(const ObjectKey& key) override
      HELIOS_EXCLUDES(mutex_);
  Result<void> Delete(std::span<const ObjectKey> keys) override;

  // How many reads wait at this moment for another's read of the same object.
  size_t waiting_reads() HELIOS_EXCLUDES(mutex_);

 private:
  // A read of L2 that one does and others may wait for. Guarded by mutex_ until it is done, and not
  // changed afterwards.
  struct PendingRead {
    bool is_done = false;
    ObjectCache::Value value;    // nullptr for absence
    std::optional<Error> error;  // if there is one, there is no value
    CondVar done;
  };

  struct JoinedRead {
    std::shared_ptr<PendingRead> read;
    bool is_mine = false;
  };

  // Either a read that the caller has to do and end (`is_mine`), or another's, when it is done.
  JoinedRead JoinRead(const ObjectKey& key) HELIOS_EXCLUDES(mutex_);
  void EndRead(const ObjectKey& key, PendingRead* read, const Result<ObjectCache::Value>& result)
      HELIOS_EXCLUDES(mutex_);
  Result<ObjectCache::Value> ReadAndPromote(const ObjectKey& key);

  ObjectCache* cache_;
  MetricsRecorder* metrics_;
  Mutex mutex_;
  std::unordered_map<ObjectKey, std::shared_ptr<PendingRead>, ObjectKeyHash> pending_
      HELIOS_GUARDED_BY(mutex_);
  size_t waiting_reads_ HELIOS_GUARDED_BY(mutex_) = 0;
};

}  // namespace helios

#endif  // HELIOS_STORE_DECORATORS_H_

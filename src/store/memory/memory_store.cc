#include "store/memory/memory_store.h"

namespace helios {

class MemoryStore::Batch : public ObjectBatch {
 public:
  explicit Batch(MemoryStore* store) : store_(store) {}

  Result<void> Put(const ObjectKey& key, ByteView bytes) override {
    if (bytes.size() > kObjectBytesMax) {
      return Error(ErrorCode::kInvalidArgument,
                   key.ToString() + " is larger than an object can be");
    }
    objects_.emplace_back(key, std::make_shared<const Bytes>(bytes));
    return {};
  }

  Result<void> Publish() override {
    MutexLock lock(store_->mutex_);
    for (auto& [key, value] : objects_) store_->objects_.emplace(key, std::move(value));
    objects_.clear();
    return {};
  }

 private:
  MemoryStore* store_;
  std::vector<std::pair<ObjectKey, Value>> objects_;
};

MemoryStore::Value MemoryStore::Find(const ObjectKey& key) {
  MutexLock lock(mutex_);
  const auto it = objects_.find(key);
  return it == objects_.end() ? nullptr : it->second;
}

Result<std::optional<Bytes>> MemoryStore::Get(const ObjectKey& key) {
  const Value value = Find(key);
  return value == nullptr ? std::nullopt : std::optional<Bytes>(*value);
}

Result<void> MemoryStore::GetMany(std::span<const ObjectKey> keys, const GetSink& sink) {
  for (size_t i = 0; i < keys.size(); ++i) {
    const Value value = Find(keys[i]);
    HELIOS_TRY(sink(i, value == nullptr ? std::nullopt : std::optional<ByteView>(*value)));
  }
  return {};
}

Result<std::vector<bool>> MemoryStore::HasMany(std::span<const ObjectKey> keys) {
  std::vector<bool> has;
  for (const ObjectKey& key : keys) has.push_back(Find(key) != nullptr);
  return has;
}

Result<std::unique_ptr<ObjectBatch>> MemoryStore::OpenBatch() {
  return std::unique_ptr<ObjectBatch>(std::make_unique<Batch>(this));
}

Result<void> MemoryStore::ForEachKey(const KeyVisitor& visitor) {
  std::vector<std::pair<ObjectKey, uint64_t>> keys;
  {
    MutexLock lock(mutex_);
    for (const auto& [key, value] : objects_) keys.emplace_back(key, value->size());
  }
  for (const auto& [key, size] : keys) HELIOS_TRY(visitor(key, size));
  return {};
}

Result<void> MemoryStore::Delete(std::span<const ObjectKey> keys) {
  MutexLock lock(mutex_);
  for (const ObjectKey& key : keys) objects_.erase(key);
  ++generation_;
  return {};
}

Result<uint64_t> MemoryStore::Generation() {
  MutexLock lock(mutex_);
  return generation_;
}

Result<StoreTotals> MemoryStore::Totals() {
  MutexLock lock(mutex_);
  StoreTotals totals;
  for (const auto& [key, value] : objects_) {
    ++totals.objects;
    totals.bytes += value->size();
  }
  return totals;
}

}  // namespace helios

#include "store/object_cache.h"

namespace helios {

ObjectCache::Value ObjectCache::Get(const ObjectKey& key) {
  Shard& shard = ShardOf(key);
  MutexLock lock(shard.mutex);
  const auto it = shard.items.find(key);
  if (it == shard.items.end()) {
    metrics_->Add(Counter::kL1Misses);
    return nullptr;
  }
  metrics_->Add(Counter::kL1Hits);
  shard.recent.splice(shard.recent.begin(), shard.recent, it->second);
  return it->second->value;
}

void ObjectCache::Put(const ObjectKey& key, Value value) {
  if (value->size() + kItemOverheadBytes > shard_bytes_max_) return;
  Shard& shard = ShardOf(key);
  MutexLock lock(shard.mutex);
  if (shard.items.count(key) > 0) return;  // a key always means the same bytes
  shard.bytes += value->size();
  shard.recent.push_front({key, std::move(value)});
  shard.items.emplace(key, shard.recent.begin());
  while (shard.bytes + shard.items.size() * kItemOverheadBytes > shard_bytes_max_) {
    const Item& oldest = shard.recent.back();
    shard.bytes -= oldest.value->size();
    shard.items.erase(oldest.key);
    shard.recent.pop_back();
    metrics_->Add(Counter::kL1Evictions);
  }
}

void ObjectCache::Erase(const ObjectKey& key) {
  Shard& shard = ShardOf(key);
  MutexLock lock(shard.mutex);
  const auto it = shard.items.find(key);
  if (it == shard.items.end()) return;
  shard.bytes -= it->second->value->size();
  shard.recent.erase(it->second);
  shard.items.erase(it);
}

uint64_t ObjectCache::items() {
  uint64_t sum = 0;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    sum += shard.items.size();
  }
  return sum;
}

uint64_t ObjectCache::bytes() {
  uint64_t sum = 0;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    sum += shard.bytes;
  }
  return sum;
}

}  // namespace helios

#include "store/object_cache.h"

#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace helios {
namespace {

// The small queue's part of the budget: a tenth, as in the paper.
constexpr size_t kSmallQueueDivisor = 10;
// Uses are counted up to here: two bits, as in the paper.
constexpr uint8_t kUsesMax = 3;
// As often an item must have been used in the small queue to move on into the main one.
constexpr uint8_t kUsesToStay = 2;

struct Item {
  ObjectCache::Value value;
  const ObjectKey* key = nullptr;
  Item* older = nullptr;  // neighbours in the queue
  Item* newer = nullptr;
  uint8_t uses = 0;
  bool in_main = false;

  size_t Weight() const { return value->size() + ObjectCache::kItemOverheadBytes; }
};

// Items in the order in which they came, linked through themselves.
class Queue {
 public:
  void Push(Item* item) {
    item->older = newest_;
    item->newer = nullptr;
    (newest_ != nullptr ? newest_->newer : oldest_) = item;
    newest_ = item;
    weight_ += item->Weight();
  }
  void Remove(Item* item) {
    (item->older != nullptr ? item->older->newer : oldest_) = item->newer;
    (item->newer != nullptr ? item->newer->older : newest_) = item->older;
    weight_ -= item->Weight();
  }
  Item* oldest() const { return oldest_; }
  size_t weight() const { return weight_; }

 private:
  Item* oldest_ = nullptr;
  Item* newest_ = nullptr;
  size_t weight_ = 0;
};

// Hashes of the ids that were last let go, in the order in which they went. Two ids with one hash
// are taken for each other, which is only a wrong guess.
class Ghosts {
 public:
  void Add(size_t hash) {
    positions_[hash] = first_ + order_.size();
    order_.push_back(hash);
  }
  // Whether it was remembered. It no longer is, but its place counts until Trim passes it.
  bool Take(size_t hash) { return positions_.erase(hash) > 0; }
  void Trim(size_t places_max) {
    for (; order_.size() > places_max; ++first_) {
      const auto position = positions_.find(order_.front());
      if (position != positions_.end() && position->second == first_) positions_.erase(position);
      order_.pop_front();
    }
  }

 private:
  std::deque<size_t> order_;
  uint64_t first_ = 0;  // the position of order_.front(), counted from the beginning
  std::unordered_map<size_t, uint64_t> positions_;
};

}  // namespace

// Invariants:
// - every item of `items_` is in exactly one queue: the main one if `in_main`, else the small one;
// - a queue's weight is the sum of its items' bytes and overheads. Both together are within the
//   budget as long as there are more than kItemsMin items;
// - there are never more ghosts than items, so that each item's overhead pays for one.
//
// A new item goes into the small queue, or into the main one if it is remembered as a ghost. When
// there is no room, the small queue's oldest goes if that queue has more than its tenth: into the
// main queue if it was used often enough, else out, to be remembered as a ghost. Otherwise the main
// queue's oldest goes: out if it was not used since it last came to the end, else back to the
// beginning with one use less. So what is used once passes through the small queue alone, and a hit
// moves nothing: it counts a use.
class alignas(64) ObjectCache::Shard {
 public:
  // nullptr if it is not there.
  Value Use(const ObjectKey& key) {
    MutexLock lock(mutex_);
    const auto it = items_.find(key);
    if (it == items_.end()) return nullptr;
    if (it->second.uses < kUsesMax) ++it->second.uses;
    return it->second.value;
  }

  Value Look(const ObjectKey& key) {
    MutexLock lock(mutex_);
    const auto it = items_.find(key);
    return it == items_.end() ? nullptr : it->second.value;
  }

  // Returns how many items had to go; nullopt if the key is there already.
  std::optional<size_t> Put(const ObjectKey& key, Value value, size_t budget) {
    std::vector<Value> evicted;  // freed when the lock is no longer held
    MutexLock lock(mutex_);
    if (items_.count(key) > 0) return std::nullopt;
    evicted = MakeRoom(value->size() + kItemOverheadBytes, budget);
    const auto it = items_.try_emplace(key).first;
    Item& item = it->second;
    item.value = std::move(value);
    item.key = &it->first;
    item.in_main = ghosts_.Take(ObjectKeyHash()(key));
    QueueOf(item).Push(&item);
    ghosts_.Trim(items_.size());
    return evicted.size();
  }

  void Erase(const ObjectKey& key) {
    MutexLock lock(mutex_);
    const auto it = items_.find(key);
    if (it == items_.end()) return;
    QueueOf(it->second).Remove(&it->second);
    items_.erase(it);
    ghosts_.Trim(items_.size());
  }

  size_t items() {
    MutexLock lock(mutex_);
    return items_.size();
  }
  size_t bytes() {
    MutexLock lock(mutex_);
    return small_.weight() + main_.weight() - items_.size() * kItemOverheadBytes;
  }

 private:
  Queue& QueueOf(const Item& item) HELIOS_REQUIRES(mutex_) { return item.in_main ? main_ : small_; }

  // Returns what had to go. Every step takes an item out, or moves one on that has only so many
  // moves left.
  std::vector<Value> MakeRoom(size_t weight, size_t budget) HELIOS_REQUIRES(mutex_) {
    std::vector<Value> evicted;
    while (items_.size() >= kItemsMin && small_.weight() + main_.weight() + weight > budget) {
      const bool small_is_over = small_.weight() > budget / kSmallQueueDivisor;
      const bool from_small = small_is_over || main_.oldest() == nullptr;
      if (Value gone = from_small ? AdvanceSmall() : AdvanceMain()) {
        evicted.push_back(std::move(gone));
      }
    }
    return evicted;
  }

  // Moves the queue's oldest on, or returns it if it had to go.
  Value AdvanceSmall() HELIOS_REQUIRES(mutex_) {
    Item* const item = small_.oldest();
    small_.Remove(item);
    if (item->uses < kUsesToStay) {
      ghosts_.Add(ObjectKeyHash()(*item->key));
      return TakeOut(item);
    }
    item->uses = 0;
    item->in_main = true;
    main_.Push(item);
    return nullptr;
  }
  Value AdvanceMain() HELIOS_REQUIRES(mutex_) {
    Item* const item = main_.oldest();
    main_.Remove(item);
    if (item->uses == 0) return TakeOut(item);
    --item->uses;
    main_.Push(item);
    return nullptr;
  }

  Value TakeOut(Item* item) HELIOS_REQUIRES(mutex_) {
    Value value = std::move(item->value);
    items_.erase(items_.find(*item->key));
    return value;
  }

  Mutex mutex_;
  // Nodes stay where they are: the queues point to them.
  std::unordered_map<ObjectKey, Item, ObjectKeyHash> items_ HELIOS_GUARDED_BY(mutex_);
  Queue small_ HELIOS_GUARDED_BY(mutex_);
  Queue main_ HELIOS_GUARDED_BY(mutex_);
  Ghosts ghosts_ HELIOS_GUARDED_BY(mutex_);
};

ObjectCache::ObjectCache(size_t bytes_max, MetricsRecorder* metrics)
    : bytes_max_(bytes_max), metrics_(metrics), shards_(new Shard[kShards]) {}

ObjectCache::~ObjectCache() = default;

ObjectCache::Shard& ObjectCache::ShardOf(const ObjectKey& key) {
  return shards_[key.digest.bytes[31] % kShards];
}

ObjectCache::Value ObjectCache::Get(const ObjectKey& key) {
  Value value = ShardOf(key).Use(key);
  metrics_->Add(value != nullptr ? Counter::kL1Hits : Counter::kL1Misses);
  return value;
}

ObjectCache::Value ObjectCache::Peek(const ObjectKey& key) { return ShardOf(key).Look(key); }

bool ObjectCache::Put(const ObjectKey& key, Value value) {
  if (value->size() + kItemOverheadBytes > bytes_max_) return false;
  const std::optional<size_t> evicted =
      ShardOf(key).Put(key, std::move(value), bytes_max_ / kShards);
  if (evicted && *evicted > 0) metrics_->Add(Counter::kL1Evictions, *evicted);
  return evicted.has_value();
}

void ObjectCache::Erase(const ObjectKey& key) { ShardOf(key).Erase(key); }

uint64_t ObjectCache::items() {
  uint64_t sum = 0;
  for (size_t i = 0; i < kShards; ++i) sum += shards_[i].items();
  return sum;
}

uint64_t ObjectCache::bytes() {
  uint64_t sum = 0;
  for (size_t i = 0; i < kShards; ++i) sum += shards_[i].bytes();
  return sum;
}

}  // namespace helios

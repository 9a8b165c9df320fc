#include "engine/object_copier.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/thread_pool.h"
#include "engine/storage_order.h"

namespace helios {
namespace {

// Enough to be read in the order of the medium, few enough for every thread to have some.
constexpr size_t kLotKeys = 256;

}  // namespace

// What one thread puts.
class ObjectCopier::Writer {
 public:
  Writer(ObjectStore* store, uint64_t batch_bytes) : store_(store), batch_bytes_(batch_bytes) {}

  Result<void> Put(const ObjectKey& key, ByteView bytes) {
    if (bytes_ >= batch_bytes_) HELIOS_TRY(Publish());
    if (batch_ == nullptr) {
      HELIOS_TRY_ASSIGN(batch_, store_->OpenBatch());
    }
    bytes_ += bytes.size();
    return batch_->Put(key, bytes);
  }
  Result<void> Publish() {
    bytes_ = 0;
    const std::unique_ptr<ObjectBatch> batch = std::move(batch_);
    return batch == nullptr ? Result<void>() : batch->Publish();
  }

 private:
  ObjectStore* const store_;
  const uint64_t batch_bytes_;
  std::unique_ptr<ObjectBatch> batch_;
  uint64_t bytes_ = 0;  // in it
};

template <typename Worker>
Result<void> ObjectCopier::InLots(std::span<const ObjectKey> keys, const Worker& worker) {
  std::atomic<size_t> next = 0;
  return TaskStack::Run(options_.threads, [&](TaskStack& stack) {
    const auto next_lot = [&]() -> Lot {
      const size_t begin = next.fetch_add(kLotKeys);
      if (begin >= keys.size() || stack.HasFailed()) return {};
      return keys.subspan(begin, std::min(kLotKeys, keys.size() - begin));
    };
    for (unsigned i = 0; i < options_.threads; ++i) {
      stack.Push([&worker, next_lot](unsigned) { return worker(next_lot); });
    }
  });
}

Result<void> ObjectCopier::Copy(ObjectStore* from, ObjectStore* to,
                                std::span<const ObjectKey> keys) {
  return InLots(keys, [&](const auto& next_lot) -> Result<void> {
    Writer writer(to, options_.batch_bytes);
    for (Lot lot = next_lot(); !lot.empty(); lot = next_lot()) {
      HELIOS_TRY(CopyLot(from, lot, &writer));
    }
    return writer.Publish();
  });
}

Result<void> ObjectCopier::CopyLot(ObjectStore* from, Lot lot, Writer* writer) {
  std::vector<bool> is_done(lot.size());
  std::optional<Error> refused;  // by the other store
  const auto put = [&](size_t i, std::optional<ByteView> bytes) -> Result<void> {
    if (!bytes) {
      return Error(ErrorCode::kMissingObject, "the store lacks " + lot[i].ToString());
    }
    Result<void> written = writer->Put(lot[i], *bytes);
    if (!written) {
      refused = written.error();
      return written;
    }
    is_done[i] = true;
    Count(bytes->size());
    return {};
  };
  const Result<void> all = from->GetMany(lot, put);
  if (all) return {};
  if (refused || !IsOfOneObject(all.error())) return all.error();
  // The others can be had one by one.
  for (size_t i = 0; i < lot.size(); ++i) {
    if (is_done[i]) continue;
    Result<void> one = from->GetMany(
        lot.subspan(i, 1), [&](size_t, std::optional<ByteView> bytes) { return put(i, bytes); });
    if (one) continue;
    if (refused || !IsOfOneObject(one.error())) return one;
    MutexLock lock(mutex_);
    damage_.push_back(std::move(one).error());
  }
  return {};
}

Result<void> ObjectCopier::Prove(ObjectStore* store, std::span<const ObjectKey> keys) {
  return InLots(keys, [&](const auto& next_lot) -> Result<void> {
    for (Lot lot = next_lot(); !lot.empty(); lot = next_lot()) {
      HELIOS_TRY(store->GetMany(lot, [&](size_t i, std::optional<ByteView> bytes) -> Result<void> {
        if (!bytes) {
          return Error(ErrorCode::kMissingObject, "the copy lacks " + lot[i].ToString());
        }
        if (options_.progress == nullptr) return {};
        options_.progress->files.fetch_add(1, std::memory_order_relaxed);
        options_.progress->bytes.fetch_add(bytes->size(), std::memory_order_relaxed);
        return {};
      }));
    }
    return {};
  });
}

void ObjectCopier::Count(uint64_t bytes) {
  objects_.fetch_add(1, std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (options_.progress == nullptr) return;
  options_.progress->files.fetch_add(1, std::memory_order_relaxed);
  options_.progress->bytes.fetch_add(bytes, std::memory_order_relaxed);
}

std::vector<Error> ObjectCopier::TakeDamage() {
  MutexLock lock(mutex_);
  return std::exchange(damage_, {});
}

}  // namespace helios

#include "helios/object_store.h"

#include <algorithm>
#include <utility>

namespace helios {
namespace {

// Of a store that only knows how to delete: one step for all.
class WholeSweep : public ObjectSweep {
 public:
  WholeSweep(ObjectStore* store, LiveFilter is_live)
      : store_(store), is_live_(std::move(is_live)) {}

  Result<void> Begin() {
    HELIOS_TRY_ASSIGN(const StoreTotals totals, store_->Totals());
    figures_.bytes_before = totals.bytes_on_disk;
    return store_->ForEachKey([this](const ObjectKey& key, uint64_t) -> Result<void> {
      doomed_.push_back(key);
      return {};
    });
  }
  Result<void> Plan() override {
    figures_.objects = doomed_.size();
    std::erase_if(doomed_, is_live_);
    figures_.dead_objects = doomed_.size();
    return {};
  }
  Result<bool> Prepare() override { return !doomed_.empty(); }
  Result<void> Remove() override {
    std::vector<ObjectKey> gone = std::exchange(doomed_, {});
    std::erase_if(gone, is_live_);
    HELIOS_TRY(store_->Delete(gone));
    HELIOS_TRY_ASSIGN(const StoreTotals totals, store_->Totals());
    figures_.freed_objects = gone.size();
    figures_.freed_bytes =
        figures_.bytes_before - std::min(figures_.bytes_before, totals.bytes_on_disk);
    return {};
  }
  SweepFigures Figures() const override { return figures_; }

 private:
  ObjectStore* const store_;
  const LiveFilter is_live_;
  std::vector<ObjectKey> doomed_;
  SweepFigures figures_;
};

}  // namespace

Result<std::shared_ptr<const Bytes>> ObjectStore::GetShared(const ObjectKey& key) {
  HELIOS_TRY_ASSIGN(std::optional<Bytes> bytes, Get(key));
  if (!bytes) return std::shared_ptr<const Bytes>();
  return std::make_shared<const Bytes>(*std::move(bytes));
}

Result<void> ObjectStore::PutMany(std::span<const Object> objects) {
  HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectBatch> batch, OpenBatch());
  for (const Object& object : objects) HELIOS_TRY(batch->Put(object.key, object.bytes));
  return batch->Publish();
}

Result<std::unique_ptr<ObjectSweep>> ObjectStore::OpenSweep(SweepRequest request) {
  auto sweep = std::make_unique<WholeSweep>(this, std::move(request.is_live));
  HELIOS_TRY(sweep->Begin());
  return std::unique_ptr<ObjectSweep>(std::move(sweep));
}

Result<OptimizeReport> ObjectStore::Optimize(const OptimizeRequest&) {
  OptimizeReport report;
  HELIOS_TRY_ASSIGN(const StoreTotals before, Totals());
  HELIOS_TRY(Maintain());
  HELIOS_TRY_ASSIGN(const StoreTotals after, Totals());
  report.bytes_before = before.bytes_on_disk;
  report.bytes_after = after.bytes_on_disk;
  return report;
}

}  // namespace helios

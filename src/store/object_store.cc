#include "helios/object_store.h"

#include <algorithm>
#include <utility>

#include "base/codec.h"
#include "object/hash.h"

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

Result<VerifyObjectsReport> ObjectStore::Verify(const VerifyObjectsRequest& request) {
  VerifyObjectsReport report;
  std::vector<ObjectKey> keys;
  HELIOS_TRY(ForEachKey([&](const ObjectKey& key, uint64_t) -> Result<void> {
    keys.push_back(key);
    return {};
  }));
  for (const ObjectKey& key : keys) {
    const auto piece = LoadLittleEndian<uint64_t>(key.digest.bytes.data());
    if (!request.contents || (request.reads && !request.reads(piece))) {
      if (request.object) request.object(key, 0, true);
      continue;
    }
    const Result<std::optional<Bytes>> bytes = Get(key);
    if (bytes && !*bytes) continue;  // deleted meanwhile
    const bool is_whole = bytes && HashObject(key.kind, **bytes) == key.digest;
    const uint64_t size = bytes ? (*bytes)->size() : 0;
    ++report.objects;
    report.bytes += size;
    if (request.object) request.object(key, size, is_whole);
    if (is_whole) continue;
    const Error error = !bytes
                            ? bytes.error()
                            : Error(ErrorCode::kCorrupt,
                                    "the stored bytes of " + key.ToString() + " have another hash");
    report.damage.Add({"", std::nullopt, key, error});
  }
  return report;
}

Result<RepairObjectsReport> ObjectStore::Repair(const RepairObjectsRequest&) {
  return RepairObjectsReport();
}

}  // namespace helios

#include "helios/object_store.h"

namespace helios {

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

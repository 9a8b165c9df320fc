#include "helios/object_store.h"

#include "base/codec.h"
#include "object/hash.h"

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

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

}  // namespace helios

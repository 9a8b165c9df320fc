#include "helios/object_store.h"

namespace helios {

Result<void> ObjectStore::PutMany(std::span<const Object> objects) {
  HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectBatch> batch, OpenBatch());
  for (const Object& object : objects) HELIOS_TRY(batch->Put(object.key, object.bytes));
  return batch->Publish();
}

}  // namespace helios

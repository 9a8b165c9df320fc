// Entries of the operation log: what decodes encodes to itself, and two readings agree.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "history/operation_entry.h"

namespace helios {
namespace {

void CheckPayload(ByteView bytes) {
  const std::optional<std::vector<Operation>> operations = DecodePayload(bytes);
  HELIOS_CHECK(operations == DecodePayload(Bytes(bytes)));
  if (!operations) return;
  Bytes again;
  for (const Operation& operation : *operations) again += EncodeOperation(operation);
  HELIOS_CHECK(again == bytes);
}

void CheckEntry(ByteView bytes) {
  ByteView rest = bytes;
  const std::optional<ByteView> payload = TakeEntry(&rest);
  if (payload) HELIOS_CHECK(EncodeEntry(*payload) == bytes.substr(0, bytes.size() - rest.size()));
  (void)IsDamage(bytes, 0);
}

}  // namespace
}  // namespace helios

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const helios::ByteView bytes(reinterpret_cast<const char*>(data), size);
  helios::CheckPayload(bytes);
  helios::CheckEntry(bytes);
  return 0;
}

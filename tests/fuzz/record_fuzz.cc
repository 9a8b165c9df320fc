// Records: what decodes encodes to itself, and two readings agree.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "object/record.h"

namespace helios {
namespace {

void Check(ByteView bytes) {
  const Result<Record> record = DecodeRecord(bytes);
  const Result<Record> again = DecodeRecord(Bytes(bytes));
  HELIOS_CHECK(record.has_value() == again.has_value());
  if (!record) {
    HELIOS_CHECK(record.error().code() == ErrorCode::kCorrupt);
    HELIOS_CHECK(record.error().message() == again.error().message());
    return;
  }
  HELIOS_CHECK(*record == *again);
  HELIOS_CHECK(EncodeRecord(*record) == bytes);
  HELIOS_CHECK(!DecodeRecord(bytes.substr(0, bytes.size() - 1)).has_value());
}

}  // namespace
}  // namespace helios

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  helios::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}

// Attributes: what decodes encodes to itself, and two readings agree.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "object/attributes.h"

namespace helios {
namespace {

void Check(ByteView bytes) {
  const Result<AttributesPage> page = DecodeAttributesPage(bytes);
  const Result<AttributesPage> again = DecodeAttributesPage(Bytes(bytes));
  HELIOS_CHECK(page.has_value() == again.has_value());
  if (!page) {
    HELIOS_CHECK(page.error().code() == ErrorCode::kCorrupt);
    HELIOS_CHECK(page.error().message() == again.error().message());
    return;
  }
  HELIOS_CHECK(*page == *again);
  HELIOS_CHECK(EncodeAttributesPage(*page) == bytes);
  HELIOS_CHECK(!DecodeAttributesPage(bytes.substr(0, bytes.size() - 1)).has_value());
}

}  // namespace
}  // namespace helios

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  helios::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}

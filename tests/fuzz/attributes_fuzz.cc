// Attributes, and lists of extended attributes: what decodes encodes to itself, and two readings
// agree.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "object/attributes.h"
#include "object/xattrs.h"

namespace helios {
namespace {

void CheckList(ByteView bytes) {
  const Result<XattrList> list = DecodeXattrs(bytes);
  HELIOS_CHECK(list ? EncodeXattrs(*list) == bytes : list.error().code() == ErrorCode::kCorrupt);
}

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
  const helios::ByteView bytes(reinterpret_cast<const char*>(data), size);
  helios::Check(bytes);
  helios::CheckList(bytes);
  return 0;
}

// Trees: what decodes encodes to itself, and two ways of writing it agree.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "object/directory_builder.h"
#include "object/hash.h"
#include "object/tree.h"

namespace helios {
namespace {

// A page of entries is what the builder makes of them: they do not fill more than one page.
void CheckAgainstBuilder(const TreePage& page, ByteView bytes) {
  DirectoryBuilder builder([](const ObjectKey&, ByteView) -> Result<void> { return {}; });
  for (const TreeEntry& entry : page.entries) {
    const AttributesEntry attributes{entry.kind == EntryKind::kDirectory, {}, {}};
    HELIOS_CHECK(builder.Add(entry, attributes).has_value());
  }
  const Result<BuiltDirectory> built = builder.Finish({});
  HELIOS_CHECK(built.has_value());
  HELIOS_CHECK(built->tree.digest == HashObject(ObjectKind::kTree, bytes));
  HELIOS_CHECK(built->totals == page.Totals());
}

void Check(ByteView bytes) {
  const Result<TreePage> page = DecodeTreePage(bytes);
  const Result<TreePage> again = DecodeTreePage(Bytes(bytes));
  HELIOS_CHECK(page.has_value() == again.has_value());
  if (!page) {
    HELIOS_CHECK(page.error().code() == ErrorCode::kCorrupt);
    HELIOS_CHECK(page.error().message() == again.error().message());
    return;
  }
  HELIOS_CHECK(*page == *again);
  HELIOS_CHECK(EncodeTreePage(*page) == bytes);
  HELIOS_CHECK(!DecodeTreePage(bytes.substr(0, bytes.size() - 1)).has_value());
  if (page->level == 0) CheckAgainstBuilder(*page, bytes);
}

}  // namespace
}  // namespace helios

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  helios::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}

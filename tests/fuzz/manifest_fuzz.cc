// Manifests: what decodes encodes to itself, and two ways of writing it agree.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "object/hash.h"
#include "object/manifest.h"

namespace helios {
namespace {

// A list of chunks is what the builder makes of them: they do not fill more than one list.
void CheckAgainstBuilder(const Manifest& manifest, ByteView bytes) {
  ManifestBuilder builder([](const ObjectKey&, ByteView) -> Result<void> { return {}; });
  for (const ManifestItem& item : manifest.items) {
    HELIOS_CHECK(builder.AddChunk(item.length, {item.id}).has_value());
  }
  const Result<ManifestId> id = builder.Finish();
  HELIOS_CHECK(id.has_value());
  HELIOS_CHECK(id->digest == HashObject(ObjectKind::kManifest, bytes));
}

void Check(ByteView bytes) {
  const Result<Manifest> manifest = DecodeManifest(bytes);
  const Result<Manifest> again = DecodeManifest(Bytes(bytes));
  HELIOS_CHECK(manifest.has_value() == again.has_value());
  if (!manifest) {
    HELIOS_CHECK(manifest.error().code() == ErrorCode::kCorrupt);
    HELIOS_CHECK(manifest.error().message() == again.error().message());
    return;
  }
  HELIOS_CHECK(*manifest == *again);
  HELIOS_CHECK(EncodeManifest(*manifest) == bytes);
  HELIOS_CHECK(!DecodeManifest(bytes.substr(0, bytes.size() - 1)).has_value());
  if (manifest->level == 0) CheckAgainstBuilder(*manifest, bytes);
}

}  // namespace
}  // namespace helios

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  helios::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}

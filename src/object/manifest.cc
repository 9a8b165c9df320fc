#include "object/manifest.h"

#include "base/check.h"
#include "base/codec.h"
#include "object/hash.h"

namespace helios {
namespace {

Error Malformed(std::string_view reason) {
  return Error(ErrorCode::kCorrupt, "malformed manifest: " + std::string(reason));
}

}  // namespace

uint64_t Manifest::Length() const {
  uint64_t length = 0;
  for (const ManifestItem& item : items) length += item.length;
  return length;
}

Bytes EncodeManifest(const Manifest& manifest) {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(manifest.level);
  encoder.Varint(manifest.items.size());
  for (const ManifestItem& item : manifest.items) {
    encoder.Varint(item.length);
    encoder.Raw(item.id);
  }
  return bytes;
}

Result<Manifest> DecodeManifest(ByteView bytes) {
  Decoder decoder(bytes);
  Manifest manifest;
  manifest.level = decoder.Fixed<uint8_t>();
  const uint64_t count = decoder.Varint();
  if (!decoder.ok()) return Malformed("cut short");
  if (manifest.level > kManifestLevelMax) return Malformed("too many levels");
  if (count == 0 || count > kManifestItemsMax) return Malformed("impossible number of items");
  uint64_t length = 0;
  for (uint64_t i = 0; i < count; ++i) {
    ManifestItem item;
    item.length = decoder.Varint();
    item.id = decoder.RawDigest();
    if (!decoder.ok()) return Malformed("item cut short");
    if (item.length == 0) return Malformed("empty item");
    if (__builtin_add_overflow(length, item.length, &length)) return Malformed("length overflow");
    manifest.items.push_back(item);
  }
  if (!decoder.AtEnd()) return Malformed("bytes after the end");
  return manifest;
}

Result<ManifestItem> ManifestBuilder::Emit(uint8_t level) {
  Manifest& manifest = levels_[level];
  const Bytes bytes = EncodeManifest(manifest);
  const ObjectKey key(ObjectKind::kManifest, HashObject(ObjectKind::kManifest, bytes));
  HELIOS_TRY(sink_(key, bytes));
  ManifestItem item{manifest.Length(), key.digest};
  manifest.items.clear();
  return item;
}

Result<void> ManifestBuilder::Add(uint8_t level, const ManifestItem& item) {
  HELIOS_CHECK(level <= kManifestLevelMax);
  if (levels_.size() <= level) levels_.push_back({.level = level, .items = {}});
  // A full list is passed up only when one more item shows that it is not the last.
  if (levels_[level].items.size() == kManifestItemsMax) {
    HELIOS_TRY_ASSIGN(const ManifestItem full, Emit(level));
    HELIOS_TRY(Add(static_cast<uint8_t>(level + 1), full));
  }
  levels_[level].items.push_back(item);
  return {};
}

Result<ManifestId> ManifestBuilder::Finish() {
  HELIOS_CHECK(!levels_.empty());
  for (uint8_t level = 0;; ++level) {
    HELIOS_TRY_ASSIGN(const ManifestItem item, Emit(level));
    if (level + 1u == levels_.size()) return ManifestId{item.id};
    HELIOS_TRY(Add(static_cast<uint8_t>(level + 1), item));
  }
}

}  // namespace helios

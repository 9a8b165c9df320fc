#include "helios/ids.h"

#include "base/hex.h"

namespace helios {

std::string Digest::ToHex() const { return HexEncode(view()); }

std::optional<Digest> Digest::FromHex(std::string_view hex) {
  if (hex.size() != 2 * kSize) return std::nullopt;
  const std::optional<Bytes> bytes = HexDecode(hex);
  if (!bytes) return std::nullopt;
  return FromBytes(bytes->data());
}

std::string_view ObjectKindName(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kBlob:
      return "blob";
    case ObjectKind::kManifest:
      return "manifest";
    case ObjectKind::kTree:
      return "tree";
    case ObjectKind::kAttributes:
      return "attributes";
    case ObjectKind::kRecord:
      return "record";
  }
  return "unknown";
}

std::string ObjectKey::ToString() const {
  return std::string(ObjectKindName(kind)) + " " + FormatId(digest);
}

std::string FormatId(const Digest& digest) { return "blake3:" + digest.ToHex(); }

}  // namespace helios

// Ids: BLAKE3 digests, one strong type per kind of object. docs/format.md says what is hashed.
#ifndef HELIOS_IDS_H_
#define HELIOS_IDS_H_

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace helios {

// Object bytes, owned and borrowed. Names, contents and encodings are all just bytes.
using Bytes = std::string;
using ByteView = std::string_view;

// A BLAKE3 digest: 32 bytes.
struct Digest {
  static constexpr size_t kSize = 32;
  std::array<uint8_t, kSize> bytes{};

  friend auto operator<=>(const Digest&, const Digest&) = default;

  ByteView view() const { return {reinterpret_cast<const char*>(bytes.data()), kSize}; }
  // 64 lower-case hex digits.
  std::string ToHex() const;
  // From exactly 64 hex digits; nullopt for anything else.
  static std::optional<Digest> FromHex(std::string_view hex);
  // From exactly 32 bytes at `data`.
  static Digest FromBytes(const void* data) {
    Digest digest;
    std::memcpy(digest.bytes.data(), data, kSize);
    return digest;
  }
};

// The kinds of object. The numbers are part of the format (docs/format.md) and never change.
enum class ObjectKind : uint8_t {
  kBlob = 1,        // the content of a file, or one chunk of it
  kManifest = 2,    // the chunk list of a file larger than 2 MiB
  kTree = 3,        // one directory, or one page of a large one
  kAttributes = 4,  // how one directory lay on disk
  kRecord = 5,      // one commit
};

// "blob", "manifest", "tree", "attributes" or "record".
std::string_view ObjectKindName(ObjectKind kind);

// The id of one kind of object: ids of different kinds do not convert into each other.
template <ObjectKind kKind>
struct Id {
  Digest digest;
  friend auto operator<=>(const Id&, const Id&) = default;
};
using BlobId = Id<ObjectKind::kBlob>;
using ManifestId = Id<ObjectKind::kManifest>;
using TreeId = Id<ObjectKind::kTree>;
using AttributesId = Id<ObjectKind::kAttributes>;
using RecordId = Id<ObjectKind::kRecord>;
// A snapshot is named by its root tree.
using SnapshotId = TreeId;

// What a store knows an object by.
struct ObjectKey {
  ObjectKind kind = ObjectKind::kBlob;
  Digest digest;

  ObjectKey() = default;
  ObjectKey(ObjectKind object_kind, const Digest& object_digest)
      : kind(object_kind), digest(object_digest) {}
  template <ObjectKind kKind>
  ObjectKey(const Id<kKind>& id) : kind(kKind), digest(id.digest) {}  // NOLINT: implicit

  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
  // "tree blake3:<64 hex>", for messages.
  std::string ToString() const;
};

// "blake3:<64 hex>", as ids are printed.
std::string FormatId(const Digest& digest);
template <ObjectKind kKind>
std::string FormatId(const Id<kKind>& id) {
  return FormatId(id.digest);
}

// Digests are uniform already: their first bytes serve as a hash.
struct DigestHash {
  size_t operator()(const Digest& digest) const {
    size_t hash;
    std::memcpy(&hash, digest.bytes.data(), sizeof(hash));
    return hash;
  }
};
struct ObjectKeyHash {
  size_t operator()(const ObjectKey& key) const {
    return DigestHash()(key.digest) ^ static_cast<size_t>(key.kind);
  }
};

}  // namespace helios

#endif  // HELIOS_IDS_H_

#include "object/hash.h"

#include <array>

#include "base/check.h"
#include "base/codec.h"

namespace helios {
namespace {

// Context strings name kind and version; they are part of the format (docs/format.md).
const char* ContextOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kManifest:
      return "helios 2026-11-22 manifest v1";
    case ObjectKind::kTree:
      return "helios 2026-11-22 tree v1";
    case ObjectKind::kAttributes:
      return "helios 2026-11-22 attributes v1";
    case ObjectKind::kRecord:
      return "helios 2026-11-22 record v1";
    case ObjectKind::kBlob:
      break;
  }
  return nullptr;
}

}  // namespace

// Deriving a key costs as much as hashing a kilobyte, so each kind's start state is made once.
const blake3_hasher& HashStart(ObjectKind kind) {
  static const std::array<blake3_hasher, 6> states = [] {
    std::array<blake3_hasher, 6> made;
    for (size_t i = 0; i < made.size(); ++i) {
      const char* context = ContextOf(static_cast<ObjectKind>(i));
      if (context == nullptr) {
        blake3_hasher_init(&made[i]);
      } else {
        blake3_hasher_init_derive_key(&made[i], context);
      }
    }
    return made;
  }();
  const auto index = static_cast<size_t>(kind);
  HELIOS_CHECK(index < states.size());
  return states[index];
}

Hasher::Hasher(ObjectKind kind) : state_(HashStart(kind)) {}

Digest Hasher::Finish() const {
  Digest digest;
  blake3_hasher_finalize(&state_, digest.bytes.data(), Digest::kSize);
  return digest;
}

Digest HashObject(ObjectKind kind, ByteView bytes) {
  Hasher hasher(kind);
  hasher.Update(bytes);
  return hasher.Finish();
}

uint64_t Checksum64(ByteView bytes) {
  return LoadLittleEndian<uint64_t>(HashObject(ObjectKind::kBlob, bytes).bytes.data());
}

}  // namespace helios

// What ids are made of: BLAKE3, plain for blobs, in derive-key mode for every other kind.
#ifndef HELIOS_OBJECT_HASH_H_
#define HELIOS_OBJECT_HASH_H_

#include <blake3.h>

#include "helios/ids.h"

namespace helios {

// BLAKE3 of bytes that come in pieces.
class Hasher {
 public:
  // Plain BLAKE3: blob ids, and checks.
  Hasher() { blake3_hasher_init(&state_); }
  // The hash that ids of `kind` are made with.
  explicit Hasher(ObjectKind kind);

  void Update(ByteView bytes) { blake3_hasher_update(&state_, bytes.data(), bytes.size()); }
  // Leaves the state as it is: more may be added afterwards.
  Digest Finish() const;

 private:
  blake3_hasher state_;
};

// The id of an object: of its content for a blob, of its stored bytes in derive-key mode for the
// other kinds, so that a file can never pass for a tree.
Digest HashObject(ObjectKind kind, ByteView bytes);

inline BlobId HashBlob(ByteView bytes) { return {HashObject(ObjectKind::kBlob, bytes)}; }

// The state that hashing an object of `kind` begins with, for code that is of one piece with
// BLAKE3.
const blake3_hasher& HashStart(ObjectKind kind);

// The first eight bytes of plain BLAKE3, little-endian: a check against damage, not an id.
uint64_t Checksum64(ByteView bytes);

}  // namespace helios

#endif  // HELIOS_OBJECT_HASH_H_

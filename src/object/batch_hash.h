// BLAKE3 of many inputs at once, and of an input of which little is new.
//
// BLAKE3 hashes chunks of 1 KiB, each by itself, and joins their values two by two. (Its chunks
// have nothing to do with those of large files.) A processor hashes 16 of them in SIMD lanes in the
// time of two or three, but a small input alone leaves most lanes empty.
#ifndef HELIOS_OBJECT_BATCH_HASH_H_
#define HELIOS_OBJECT_BATCH_HASH_H_

#include <span>
#include <vector>

#include "helios/ids.h"

namespace helios {

// HashBlob of each, in the same order. Small ones share SIMD lanes.
std::vector<BlobId> HashBlobs(std::span<const ByteView> contents);

// The hash of some bytes, with what helps to hash others that are the same in most places.
struct PiecewiseHash {
  Digest digest;
  // The values of the chunks. Empty if there is but one, or BLAKE3's inner functions are not at
  // hand: then everything is hashed each time.
  std::vector<Digest> pieces;
};

// HashObject of `bytes`. Of what is the same in `before`, at the same place, the pieces are taken
// from there: `before_pieces` are those of `before`, or empty.
PiecewiseHash HashPiecewise(ObjectKind kind, ByteView bytes, ByteView before = {},
                            std::span<const Digest> before_pieces = {});

}  // namespace helios

#endif  // HELIOS_OBJECT_BATCH_HASH_H_

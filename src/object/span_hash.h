// BLAKE3 of one long input that several threads hash, each of them some of its spans.
//
// BLAKE3 hashes chunks of 1 KiB, each by itself, and joins their values two by two into a binary
// tree. (Its chunks have nothing to do with those of large files.) Wherever a span lies, most of it
// is whole subtrees, whose values need nothing but the span's bytes and its place.
#ifndef HELIOS_OBJECT_SPAN_HASH_H_
#define HELIOS_OBJECT_SPAN_HASH_H_

#include <vector>

#include "helios/ids.h"
#include "object/hash.h"

namespace helios {

// What the hash of the whole needs to know of one span: some 2 KB for a span of 1 MB.
struct SpanHash {
  // 2^level BLAKE3 chunks.
  struct Subtree {
    unsigned level;
    Digest value;
  };
  // The bytes before the first and after the last whole BLAKE3 chunk. If BLAKE3's inner functions
  // are not at hand, `head` is all of the span, to be hashed when its turn comes.
  Bytes head;
  std::vector<Subtree> subtrees;
  Bytes tail;
};

// Of the bytes that begin at `offset` of the input.
SpanHash HashSpan(uint64_t offset, ByteView bytes);

// Joins spans into plain BLAKE3 of the whole, which must be longer than the largest subtree, 1 MiB,
// or longer than 1 KiB and than every span of it.
class SpanJoiner {
 public:
  // The next span, in the order of the input.
  void Add(const SpanHash& span);
  // After the last one.
  Digest Finish();

 private:
  void AddSubtree(const SpanHash::Subtree& subtree);
  void AddBytes(ByteView bytes);

  Bytes partial_;  // the beginning of a BLAKE3 chunk
  uint64_t chunks_ = 0;
  // Subtrees that wait for their right neighbours, the largest first.
  std::vector<Digest> stack_;
  Hasher hasher_;  // does everything if the inner functions are not at hand
};

}  // namespace helios

#endif  // HELIOS_OBJECT_SPAN_HASH_H_

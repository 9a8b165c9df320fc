#include "object/batch_hash.h"

#include "object/blake3_inner.h"
#include "object/hash.h"

#if HELIOS_BLAKE3_HAS_HASH_MANY
#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#endif

namespace helios {

#if HELIOS_BLAKE3_HAS_HASH_MANY
namespace {

// Larger inputs fill the lanes by themselves.
constexpr size_t kSharedBytesMax = 16 * kBlake3ChunkBytes;

size_t ChunkCount(ByteView bytes) {
  return std::max<size_t>((bytes.size() + kBlake3ChunkBytes - 1) / kBlake3ChunkBytes, 1);
}

ByteView ChunkAt(ByteView bytes, size_t index) {
  return bytes.substr(std::min(index * kBlake3ChunkBytes, bytes.size()), kBlake3ChunkBytes);
}

// What inputs must have in common to be hashed side by side.
struct Shape {
  size_t blocks = 0;
  int flags = 0;  // of all blocks
  int flags_start = 0;
  int flags_end = 0;

  friend auto operator<=>(const Shape&, const Shape&) = default;
};

// Gathers inputs of one shape until the lanes are full. Their counters must be the same, or go up
// by one. `value`s are written when they are hashed, at Flush at the latest.
class Lanes {
 public:
  explicit Lanes(const blake3_hasher& start) : start_(start) {}

  void Add(const Shape& shape, uint64_t counter, const void* input, Digest* value) {
    if (count_ == 1) is_counting_ = counter == counter_ + 1;
    const uint64_t expected = counter_ + (is_counting_ ? count_ : 0);
    if (count_ == inputs_.size() || shape != shape_ || counter != expected) Flush();
    if (count_ == 0) {
      shape_ = shape;
      counter_ = counter;
      is_counting_ = false;
    }
    inputs_[count_] = static_cast<const uint8_t*>(input);
    values_[count_++] = value;
  }
  void Flush() {
    if (count_ == 0) return;
    std::array<uint8_t, MAX_SIMD_DEGREE * Digest::kSize> made;
    blake3_hash_many(inputs_.data(), count_, shape_.blocks, start_.key, counter_, is_counting_,
                     static_cast<uint8_t>(start_.chunk.flags | shape_.flags),
                     static_cast<uint8_t>(shape_.flags_start),
                     static_cast<uint8_t>(shape_.flags_end), made.data());
    for (size_t i = 0; i < count_; ++i) *values_[i] = Digest::FromBytes(&made[i * Digest::kSize]);
    count_ = 0;
  }

 private:
  const blake3_hasher& start_;
  Shape shape_;
  uint64_t counter_ = 0;
  bool is_counting_ = false;
  size_t count_ = 0;
  std::array<const uint8_t*, MAX_SIMD_DEGREE> inputs_;
  std::array<Digest*, MAX_SIMD_DEGREE> values_;
};

// A chunk to be hashed.
struct Chunk {
  ByteView bytes;
  uint64_t index = 0;
  bool is_root = false;  // the only one of its input
  Digest* value = nullptr;

  bool EndsInBlock() const { return bytes.empty() || bytes.size() % kBlake3BlockBytes != 0; }
  int LastFlags() const { return CHUNK_END | (is_root ? ROOT : 0); }
  // Of the blocks that are whole.
  Shape WholeBlocks() const {
    return {bytes.size() / kBlake3BlockBytes, 0, CHUNK_START, EndsInBlock() ? 0 : LastFlags()};
  }
};

// Adds the last block of a chunk that is not whole to the value of those before it.
void FinishChunk(const blake3_hasher& start, const Chunk& chunk) {
  const size_t whole = chunk.bytes.size() / kBlake3BlockBytes;
  const ByteView rest = chunk.bytes.substr(whole * kBlake3BlockBytes);
  std::array<uint8_t, kBlake3BlockBytes> block{};
  std::copy(rest.begin(), rest.end(), block.begin());
  std::array<uint32_t, 8> words;
  static_assert(sizeof(words) == Digest::kSize);
  std::memcpy(words.data(), whole == 0 ? start.key : static_cast<const void*>(chunk.value),
              sizeof(words));
  const int flags = start.chunk.flags | chunk.LastFlags() | (whole == 0 ? CHUNK_START : 0);
  blake3_compress_in_place(words.data(), block.data(), static_cast<uint8_t>(rest.size()),
                           chunk.index, static_cast<uint8_t>(flags));
  *chunk.value = Digest::FromBytes(words.data());
}

// A chunk alone.
void HashChunk(const blake3_hasher& start, const Chunk& chunk) {
  const Shape shape = chunk.WholeBlocks();
  Lanes lanes(start);
  if (shape.blocks > 0) lanes.Add(shape, chunk.index, chunk.bytes.data(), chunk.value);
  lanes.Flush();
  if (chunk.EndsInBlock()) FinishChunk(start, chunk);
}

// The hash of an input of one chunk. A Hasher does more than that: its state is 2 KB.
Digest HashOnlyChunk(ObjectKind kind, ByteView bytes) {
  Digest digest;
  HashChunk(HashStart(kind), {bytes, 0, true, &digest});
  return digest;
}

void HashChunks(const blake3_hasher& start, std::vector<Chunk> chunks) {
  if (chunks.size() == 1) return HashChunk(start, chunks[0]);
  const auto by_shape = [](const Chunk& a, const Chunk& b) {
    return std::tuple(a.WholeBlocks(), a.index) < std::tuple(b.WholeBlocks(), b.index);
  };
  std::sort(chunks.begin(), chunks.end(), by_shape);
  Lanes lanes(start);
  for (const Chunk& chunk : chunks) {
    const Shape shape = chunk.WholeBlocks();
    if (shape.blocks > 0) lanes.Add(shape, chunk.index, chunk.bytes.data(), chunk.value);
  }
  lanes.Flush();
  for (const Chunk& chunk : chunks) {
    if (chunk.EndsInBlock()) FinishChunk(start, chunk);
  }
}

// The values of one input's chunks, in a row.
struct Values {
  Digest* first = nullptr;
  size_t count = 0;
};

// Joins the values of each input until one is left, which is its hash, at the first place. A level
// joins neighbours, and one without a neighbour goes up as it is.
void JoinValues(const blake3_hasher& start, std::span<Values> inputs) {
  static_assert(sizeof(Digest) == Digest::kSize, "neighbours are one block");
  const Shape inner{1, PARENT, 0, 0};
  const Shape root{1, PARENT | ROOT, 0, 0};
  for (bool is_done = false; !is_done;) {
    is_done = true;
    Lanes inner_lanes(start), root_lanes(start);
    for (const Values& values : inputs) {
      for (size_t i = 0; i < values.count / 2; ++i) {
        Lanes& lanes = values.count == 2 ? root_lanes : inner_lanes;
        lanes.Add(values.count == 2 ? root : inner, 0, &values.first[2 * i], &values.first[i]);
      }
    }
    inner_lanes.Flush();
    root_lanes.Flush();
    for (Values& values : inputs) {
      if (values.count % 2 == 1) values.first[values.count / 2] = values.first[values.count - 1];
      values.count = (values.count + 1) / 2;
      is_done = is_done && values.count == 1;
    }
  }
}

}  // namespace

std::vector<BlobId> HashBlobs(std::span<const ByteView> contents) {
  if (contents.size() == 1) return {{HashPiecewise(ObjectKind::kBlob, contents[0]).digest}};
  size_t count = 0;
  for (const ByteView content : contents) {
    if (content.size() <= kSharedBytesMax) count += ChunkCount(content);
  }
  std::vector<BlobId> ids(contents.size());
  std::vector<Digest> values(count);
  std::vector<Chunk> chunks;
  chunks.reserve(count);
  std::vector<Values> inputs;
  inputs.reserve(contents.size());
  Digest* next = values.data();
  for (size_t i = 0; i < contents.size(); ++i) {
    if (contents[i].size() > kSharedBytesMax) {
      ids[i] = HashBlob(contents[i]);
      continue;
    }
    const size_t own = ChunkCount(contents[i]);
    inputs.push_back({next, own});
    for (size_t at = 0; at < own; ++at) {
      chunks.push_back({ChunkAt(contents[i], at), at, own == 1, next++});
    }
  }
  const blake3_hasher& start = HashStart(ObjectKind::kBlob);
  HashChunks(start, std::move(chunks));
  JoinValues(start, inputs);
  auto input = inputs.begin();
  for (size_t i = 0; i < contents.size(); ++i) {
    if (contents[i].size() <= kSharedBytesMax) ids[i] = {*(input++)->first};
  }
  return ids;
}

PiecewiseHash HashPiecewise(ObjectKind kind, ByteView bytes, ByteView before,
                            std::span<const Digest> before_pieces) {
  if (bytes.size() <= kBlake3ChunkBytes) return {HashOnlyChunk(kind, bytes), {}};
  PiecewiseHash hash;
  hash.pieces.resize(ChunkCount(bytes));
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < hash.pieces.size(); ++i) {
    const ByteView chunk = ChunkAt(bytes, i);
    if (i < before_pieces.size() && chunk == ChunkAt(before, i)) {
      hash.pieces[i] = before_pieces[i];
    } else {
      chunks.push_back({chunk, i, false, &hash.pieces[i]});
    }
  }
  const blake3_hasher& start = HashStart(kind);
  HashChunks(start, std::move(chunks));
  std::vector<Digest> values = hash.pieces;
  Values joined{values.data(), values.size()};
  JoinValues(start, {&joined, 1});
  hash.digest = values[0];
  return hash;
}

#else

std::vector<BlobId> HashBlobs(std::span<const ByteView> contents) {
  std::vector<BlobId> ids;
  ids.reserve(contents.size());
  for (const ByteView content : contents) ids.push_back(HashBlob(content));
  return ids;
}

PiecewiseHash HashPiecewise(ObjectKind kind, ByteView bytes, ByteView, std::span<const Digest>) {
  return {HashObject(kind, bytes), {}};
}

#endif

}  // namespace helios

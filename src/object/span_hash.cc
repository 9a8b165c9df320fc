#include "object/span_hash.h"

#include "base/check.h"
#include "object/blake3_inner.h"

#if HELIOS_BLAKE3_HAS_HASH_MANY
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#endif

namespace helios {

#if HELIOS_BLAKE3_HAS_HASH_MANY
namespace {

// 1 MiB: a longer input is never a single subtree, of which the joiner could not make a root.
constexpr unsigned kSubtreeLevelMax = 10;
static_assert(sizeof(Digest) == Digest::kSize && 2 * Digest::kSize == kBlake3BlockBytes,
              "neighbours are one block");

// Values of inputs that lie in a row, each of `blocks` blocks.
std::vector<Digest> HashRow(const void* first, size_t count, size_t blocks, uint64_t counter,
                            bool is_counting, uint8_t flags, uint8_t flags_start,
                            uint8_t flags_end) {
  std::vector<Digest> values(count);
  std::array<const uint8_t*, MAX_SIMD_DEGREE> inputs;
  const auto* input = static_cast<const uint8_t*>(first);
  for (size_t done = 0; done < count;) {
    const size_t batch = std::min(inputs.size(), count - done);
    for (size_t i = 0; i < batch; ++i, input += blocks * kBlake3BlockBytes) inputs[i] = input;
    blake3_hash_many(inputs.data(), batch, blocks, HashStart(ObjectKind::kBlob).key,
                     is_counting ? counter + done : counter, is_counting, flags, flags_start,
                     flags_end, reinterpret_cast<uint8_t*>(&values[done]));
    done += batch;
  }
  return values;
}

std::vector<Digest> HashWholeChunks(ByteView bytes, uint64_t first_index) {
  return HashRow(bytes.data(), bytes.size() / kBlake3ChunkBytes,
                 kBlake3ChunkBytes / kBlake3BlockBytes, first_index, true, 0, CHUNK_START,
                 CHUNK_END);
}

std::vector<Digest> JoinPairs(const Digest* first, size_t pairs) {
  return HashRow(first, pairs, 1, 0, false, PARENT, 0, 0);
}

Digest JoinPair(const Digest& left, const Digest& right, int flags) {
  std::array<Digest, 2> block{left, right};
  std::array<uint32_t, 8> words;
  static_assert(sizeof(words) == Digest::kSize);
  std::memcpy(words.data(), HashStart(ObjectKind::kBlob).key, sizeof(words));
  blake3_compress_in_place(words.data(), block[0].bytes.data(), kBlake3BlockBytes, 0,
                           static_cast<uint8_t>(PARENT | flags));
  return Digest::FromBytes(words.data());
}

// Of 1 to 1024 bytes.
Digest HashChunk(ByteView bytes, uint64_t index) {
  std::array<uint32_t, 8> words;
  std::memcpy(words.data(), HashStart(ObjectKind::kBlob).key, sizeof(words));
  for (size_t at = 0; at < bytes.size(); at += kBlake3BlockBytes) {
    const ByteView part = bytes.substr(at, kBlake3BlockBytes);
    std::array<uint8_t, kBlake3BlockBytes> block{};
    std::copy(part.begin(), part.end(), block.begin());
    const int flags = (at == 0 ? CHUNK_START : 0) |
                      (at + part.size() == bytes.size() ? static_cast<int>(CHUNK_END) : 0);
    blake3_compress_in_place(words.data(), block.data(), static_cast<uint8_t>(part.size()), index,
                             static_cast<uint8_t>(flags));
  }
  return Digest::FromBytes(words.data());
}

}  // namespace

SpanHash HashSpan(uint64_t offset, ByteView bytes) {
  SpanHash span;
  const size_t into_chunk = offset % kBlake3ChunkBytes;
  if (into_chunk > 0) span.head = bytes.substr(0, kBlake3ChunkBytes - into_chunk);
  bytes.remove_prefix(span.head.size());
  span.tail = bytes.substr(bytes.size() / kBlake3ChunkBytes * kBlake3ChunkBytes);
  bytes.remove_suffix(span.tail.size());

  // Level by level: neighbours are joined, and what has none in this span stands for itself. On the
  // left that goes from small to large subtrees, on the right from large to small.
  uint64_t index = (offset + span.head.size()) / kBlake3ChunkBytes;  // of the first, on its level
  std::vector<Digest> values = HashWholeChunks(bytes, index);
  std::vector<SpanHash::Subtree> right;
  unsigned level = 0;
  for (; level < kSubtreeLevelMax && !values.empty(); ++level) {
    const size_t left = index % 2;
    if (left == 1) span.subtrees.push_back({level, values.front()});
    const size_t pairs = (values.size() - left) / 2;
    if (left + 2 * pairs < values.size()) right.push_back({level, values.back()});
    values = JoinPairs(values.data() + left, pairs);
    index = (index + left) / 2;
  }
  for (const Digest& value : values) span.subtrees.push_back({level, value});
  span.subtrees.insert(span.subtrees.end(), right.rbegin(), right.rend());
  return span;
}

void SpanJoiner::Add(const SpanHash& span) {
  AddBytes(span.head);
  for (const SpanHash::Subtree& subtree : span.subtrees) AddSubtree(subtree);
  AddBytes(span.tail);
}

// A pair is joined only when more comes after it: the last one of all is the root.
void SpanJoiner::AddSubtree(const SpanHash::Subtree& subtree) {
  HELIOS_CHECK(partial_.empty());
  while (stack_.size() > static_cast<size_t>(std::popcount(chunks_))) {
    const Digest right = stack_.back();
    stack_.pop_back();
    stack_.back() = JoinPair(stack_.back(), right, 0);
  }
  stack_.push_back(subtree.value);
  chunks_ += uint64_t{1} << subtree.level;
}

void SpanJoiner::AddBytes(ByteView bytes) {
  partial_.append(bytes);
  if (partial_.size() < kBlake3ChunkBytes) return;
  const Digest value = HashChunk(partial_, chunks_);
  partial_.clear();
  AddSubtree({0, value});
}

Digest SpanJoiner::Finish() {
  if (!partial_.empty()) {
    const Digest value = HashChunk(partial_, chunks_);
    partial_.clear();
    AddSubtree({0, value});
  }
  HELIOS_CHECK(stack_.size() >= 2);
  while (stack_.size() > 1) {
    const Digest right = stack_.back();
    stack_.pop_back();
    stack_.back() = JoinPair(stack_.back(), right, stack_.size() == 1 ? static_cast<int>(ROOT) : 0);
  }
  return stack_.front();
}

#else

SpanHash HashSpan(uint64_t, ByteView bytes) { return {Bytes(bytes), {}, {}}; }

void SpanJoiner::Add(const SpanHash& span) { hasher_.Update(span.head); }

Digest SpanJoiner::Finish() { return hasher_.Finish(); }

#endif

}  // namespace helios

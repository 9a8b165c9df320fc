#include "object/span_hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "object/hash.h"

namespace helios {
namespace {

Bytes MakeBytes(size_t size) {
  std::mt19937 random(1);
  Bytes bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Hashed in spans that end at `ends`, ascending.
Digest HashInSpans(ByteView bytes, const std::vector<size_t>& ends) {
  SpanJoiner joiner;
  size_t begin = 0;
  for (const size_t end : ends) {
    joiner.Add(HashSpan(begin, bytes.substr(begin, end - begin)));
    begin = end;
  }
  return joiner.Finish();
}

TEST(SpanHashTest, SpansOfAnySizeMakeTheHashOfTheWhole) {
  const Bytes bytes = MakeBytes(70'000);
  for (const size_t size : {1025, 2048, 3072, 4096, 5000, 16'384, 32'769, 65'536, 70'000}) {
    const ByteView input = ByteView(bytes).substr(0, size);
    const Digest expected = HashBlob(input).digest;
    for (size_t step = 1; step < size; step += 1 + step / 7) {
      std::vector<size_t> ends;
      for (size_t end = step; end < size; end += step) ends.push_back(end);
      ends.push_back(size);
      ASSERT_EQ(HashInSpans(input, ends), expected) << size << " bytes in steps of " << step;
    }
  }
}

TEST(SpanHashTest, EveryPlaceOfOneCutIsTheSame) {
  const Bytes bytes = MakeBytes(9 * 1024 + 1);
  const Digest expected = HashBlob(bytes).digest;
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    ASSERT_EQ(HashInSpans(bytes, {cut, bytes.size()}), expected) << cut;
  }
}

// Every shape of tree, whole chunks only: where the root must not be joined too early.
TEST(SpanHashTest, EveryNumberOfWholeBlake3Chunks) {
  const Bytes bytes = MakeBytes(130 * 1024);
  for (size_t chunks = 2; chunks <= 130; ++chunks) {
    const ByteView input = ByteView(bytes).substr(0, chunks * 1024);
    for (const size_t first : {size_t{1}, chunks / 2, chunks - 1}) {
      ASSERT_EQ(HashInSpans(input, {first * 1024, input.size()}), HashBlob(input).digest) << chunks;
    }
  }
}

RC_GTEST_PROP(SpanHashProperty, AnyCutsGiveTheHashOfTheWhole,
              (const std::vector<uint16_t>& steps)) {
  static const Bytes bytes = MakeBytes(size_t{4} << 20);
  std::vector<size_t> ends{1};  // no span is the whole
  for (const uint16_t step : steps) ends.push_back(ends.back() + step);
  ends.push_back(ends.back() + 1024);
  const ByteView input = ByteView(bytes).substr(0, ends.back());
  RC_PRE(input.size() == ends.back());
  RC_ASSERT(HashInSpans(input, ends) == HashBlob(input).digest);
}

TEST(SpanHashTest, AnInputAboveOneMebibyteMayBeOneSpan) {
  const Bytes bytes = MakeBytes(size_t{4} << 20);
  for (const size_t size :
       {(size_t{1} << 20) + 1, size_t{2} << 20, size_t{3'000'000}, bytes.size()}) {
    const ByteView input = ByteView(bytes).substr(0, size);
    ASSERT_EQ(HashInSpans(input, {size}), HashBlob(input).digest) << size;
  }
}

TEST(SpanHashTest, ASpanIsHeldInLittleMemory) {
  const Bytes bytes = MakeBytes(2'000'000);
  const SpanHash span = HashSpan(1'000'001, bytes);
#if HELIOS_BLAKE3_HAS_HASH_MANY
  EXPECT_LE(span.head.size() + span.tail.size() + span.subtrees.size() * sizeof(SpanHash::Subtree),
            4096u);
#else
  EXPECT_EQ(span.head.size(), bytes.size());
#endif
}

}  // namespace
}  // namespace helios

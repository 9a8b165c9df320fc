#include "store/pack/frame.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>

#include "base/codec.h"
#include "base/hex.h"
#include "store/testing.h"

namespace helios::pack {
namespace {

using test::Fails;
using test::Ok;
using test::Random;
using test::RandomBytes;
using test::TextBytes;

// Bytes and the table that cuts them into members of the given lengths.
struct Sample {
  Bytes raw;
  std::vector<Member> members;
};

Sample MakeSample(const std::vector<size_t>& lengths, bool is_compressible) {
  Sample sample;
  for (size_t i = 0; i < lengths.size(); ++i) {
    sample.raw += is_compressible ? TextBytes(lengths[i], i) : RandomBytes(lengths[i], i);
    Member member{};
    member.length = static_cast<uint32_t>(lengths[i]);
    member.kind = static_cast<uint8_t>(1 + i % 5);
    sample.members.push_back(member);
  }
  return sample;
}

Bytes Encode(const Sample& sample) {
  Bytes frame;
  FrameEncoder encoder(EffortOf(Compression::kDefault));
  EXPECT_TRUE(Ok(encoder.Append(sample.members, sample.raw, &frame)));
  return frame;
}

FrameHeader HeaderOf(const Bytes& frame) { return LoadLittleEndian<FrameHeader>(frame.data()); }

// A frame that tells other numbers than it was made with, under a check that is right for them:
// what a writer with a bug, or with bad intent, could leave behind.
Bytes Lie(const Bytes& frame, const std::function<void(FrameHeader&, Member*)>& lie) {
  Bytes changed = frame;
  FrameHeader header = HeaderOf(changed);
  std::vector<Member> members(header.member_count);
  std::memcpy(members.data(), changed.data() + sizeof(header), members.size() * sizeof(Member));
  lie(header, members.data());
  std::memcpy(changed.data() + sizeof(header), members.data(), members.size() * sizeof(Member));
  header.check = FrameCheck(header, {}, ByteView(changed).substr(sizeof(header)));
  std::memcpy(changed.data(), &header, sizeof(header));
  return changed;
}

void ExpectRoundTrip(const Sample& sample) {
  const Result<DecodedFrame> decoded = DecodeFrame(Encode(sample));
  ASSERT_TRUE(Ok(decoded));
  EXPECT_TRUE(decoded->view() == sample.raw);
  ASSERT_EQ(decoded->members.size(), sample.members.size());
  for (size_t i = 0; i < sample.members.size(); ++i) {
    EXPECT_EQ(decoded->members[i].length, sample.members[i].length);
    EXPECT_EQ(decoded->members[i].kind, sample.members[i].kind);
  }
}

TEST(FrameTest, GivesBackWhatWasPutIn) {
  for (const bool is_compressible : {true, false}) {
    ExpectRoundTrip(MakeSample({1}, is_compressible));
    ExpectRoundTrip(MakeSample({100, 0, 5000, 1, 0}, is_compressible));
    ExpectRoundTrip(MakeSample(std::vector<size_t>(1000, 100), is_compressible));
    ExpectRoundTrip(MakeSample({kFrameRawBytesMax}, is_compressible));
    ExpectRoundTrip(MakeSample({kFrameRawBytesMax - 7, 7}, is_compressible));
  }
}

TEST(FrameTest, GivesBackMembersOfZeroBytes) {
  ExpectRoundTrip(MakeSample({0}, true));
  ExpectRoundTrip(MakeSample({0, 0, 0}, true));
  ExpectRoundTrip(MakeSample(std::vector<size_t>(kFrameMembersMax, 0), true));
}

TEST(FrameTest, EveryEffortGivesBackWhatWasPutIn) {
  for (const Effort& effort : {EffortOf(Compression::kFast), EffortOf(Compression::kDefault),
                               EffortOf(Compression::kSmall), OptimizingEffort()}) {
    for (const bool is_compressible : {true, false}) {
      const Sample sample = MakeSample({100'000, 0, 1, 300'000}, is_compressible);
      Bytes frame;
      ASSERT_TRUE(Ok(FrameEncoder(effort).Append(sample.members, sample.raw, &frame)));
      const Result<DecodedFrame> decoded = DecodeFrame(frame);
      ASSERT_TRUE(Ok(decoded));
      EXPECT_TRUE(decoded->view() == sample.raw) << effort.level;
      const bool is_stored = HeaderOf(frame).encoding == static_cast<uint8_t>(Encoding::kStored);
      EXPECT_EQ(is_stored, !is_compressible || effort.level == 0) << effort.level;
    }
  }
}

TEST(IncompressibleTest, NoiseLooksSoAndTextDoesNot) {
  for (const size_t size : {size_t{64} << 10, size_t{65'537}, size_t{2} << 20}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      EXPECT_TRUE(LooksIncompressible(RandomBytes(size, seed))) << size;
    }
    EXPECT_FALSE(LooksIncompressible(TextBytes(size, 1))) << size;
    EXPECT_FALSE(LooksIncompressible(Bytes(size, 'x'))) << size;
  }
}

TEST(IncompressibleTest, WhatIsSmallIsAlwaysWorthTrying) {
  EXPECT_FALSE(LooksIncompressible(""));
  EXPECT_FALSE(LooksIncompressible(RandomBytes(1000, 1)));
  EXPECT_FALSE(LooksIncompressible(RandomBytes((size_t{64} << 10) - 1, 1)));
}

TEST(IncompressibleTest, TextAmidNoiseIsSeenWhereverItLies) {
  // A sixteenth of text saves about 3 %.
  constexpr size_t kSize = size_t{512} << 10;
  for (size_t at = 0; at + kSize / 14 <= kSize; at += 10'000) {
    Bytes mixed = RandomBytes(kSize, 1);
    mixed.replace(at, kSize / 14, TextBytes(kSize / 14, 2));
    EXPECT_FALSE(LooksIncompressible(mixed)) << at;
  }
}

TEST(IncompressibleTest, NoiseThatRepeatsCompresses) {
  Bytes repeated;
  while (repeated.size() < 200'000) repeated += RandomBytes(10'000, 1);
  EXPECT_FALSE(LooksIncompressible(repeated));
}

TEST(IncompressibleTest, NoiseOfFewerBytesCompresses) {
  Bytes base64 = RandomBytes(200'000, 1);
  for (char& byte : base64) byte = static_cast<char>('0' + (byte & 63));
  EXPECT_FALSE(LooksIncompressible(base64));
}

TEST(FrameTest, AppendsBehindWhatIsThere) {
  const Sample first = MakeSample({3000}, true);
  const Sample second = MakeSample({10, 20}, false);
  FrameEncoder encoder(EffortOf(Compression::kDefault));
  Bytes out = "before";
  ASSERT_TRUE(Ok(encoder.Append(first.members, first.raw, &out)));
  const size_t end_of_first = out.size();
  ASSERT_TRUE(Ok(encoder.Append(second.members, second.raw, &out)));
  EXPECT_EQ(out.substr(0, 6), "before");
  const Result<DecodedFrame> one = DecodeFrame(ByteView(out).substr(6, end_of_first - 6));
  const Result<DecodedFrame> two = DecodeFrame(ByteView(out).substr(end_of_first));
  ASSERT_TRUE(Ok(one));
  ASSERT_TRUE(Ok(two));
  EXPECT_TRUE(one->view() == first.raw);
  EXPECT_TRUE(two->view() == second.raw);
}

TEST(FrameTest, CompressesText) {
  const Bytes frame = Encode(MakeSample({100'000}, true));
  EXPECT_EQ(HeaderOf(frame).encoding, static_cast<uint8_t>(Encoding::kZstd));
  EXPECT_LT(frame.size(), 50'000u);
}

TEST(FrameTest, StoresWhatDoesNotCompress) {
  const Sample sample = MakeSample({100'000}, false);
  const Bytes frame = Encode(sample);
  EXPECT_EQ(HeaderOf(frame).encoding, static_cast<uint8_t>(Encoding::kStored));
  EXPECT_EQ(frame.size(), sizeof(FrameHeader) + sizeof(Member) + 100'000);
  EXPECT_TRUE(ByteView(frame).substr(sizeof(FrameHeader) + sizeof(Member)) == sample.raw);
}

TEST(FrameTest, SameObjectsMakeTheSameFrame) {
  const Sample sample = MakeSample({100, 70'000, 3}, true);
  EXPECT_EQ(Encode(sample), Encode(sample));
}

TEST(FrameTest, RefusesEveryTruncation) {
  for (const bool is_compressible : {true, false}) {
    const Bytes frame = Encode(MakeSample({300, 400, 0}, is_compressible));
    for (size_t size = 0; size < frame.size(); ++size) {
      EXPECT_TRUE(Fails(DecodeFrame(ByteView(frame).substr(0, size)), ErrorCode::kCorrupt, ""))
          << size;
    }
    EXPECT_TRUE(Fails(DecodeFrame(frame + "x"), ErrorCode::kCorrupt, "length differs"));
  }
}

TEST(FrameTest, RefusesEveryFlippedBit) {
  for (const bool is_compressible : {true, false}) {
    const Bytes frame = Encode(MakeSample({300, 400}, is_compressible));
    EXPECT_TRUE(IsWholeFrame(frame));
    for (size_t bit = 0; bit < 8 * frame.size(); ++bit) {
      Bytes damaged = frame;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      EXPECT_TRUE(Fails(DecodeFrame(damaged), ErrorCode::kCorrupt, "")) << "bit " << bit;
      EXPECT_FALSE(IsWholeFrame(damaged)) << "bit " << bit;
    }
  }
}

TEST(FrameTest, RefusesRawLengthOverTheLimit) {
  const Bytes frame = Encode(MakeSample({3000}, true));
  for (const uint32_t length : {static_cast<uint32_t>(kFrameRawBytesMax) + 1, 0xffffffffu}) {
    const Bytes lying = Lie(frame, [&](FrameHeader& header, Member* members) {
      header.raw_length = length;
      members[0].length = length;
    });
    EXPECT_TRUE(Fails(DecodeFrame(lying), ErrorCode::kCorrupt, "impossible size"));
  }
}

TEST(FrameTest, RefusesMemberCountOverTheLimit) {
  const Bytes frame = Encode(MakeSample({3000}, true));
  for (const uint32_t count : {kFrameMembersMax + 1, 0xffffffffu}) {
    const Bytes lying =
        Lie(frame, [&](FrameHeader& header, Member*) { header.member_count = count; });
    EXPECT_TRUE(Fails(DecodeFrame(lying), ErrorCode::kCorrupt, "impossible size"));
  }
}

TEST(FrameTest, RefusesMembersThatDoNotAddUp) {
  const Bytes frame = Encode(MakeSample({3000, 200}, true));
  EXPECT_TRUE(
      Fails(DecodeFrame(Lie(frame, [](FrameHeader&, Member* members) { members[0].length += 1; })),
            ErrorCode::kCorrupt, "member lengths differ"));
  // A sum that is right only modulo 2^32.
  EXPECT_TRUE(Fails(DecodeFrame(Lie(frame,
                                    [](FrameHeader&, Member* members) {
                                      members[0].length = 0x80000000u + 3000;
                                      members[1].length = 0x80000000u + 200;
                                    })),
                    ErrorCode::kCorrupt, "member lengths differ"));
}

TEST(FrameTest, RefusesPayloadOfAnotherLength) {
  for (const bool is_compressible : {true, false}) {
    const Bytes frame = Encode(MakeSample({3000}, is_compressible));
    for (const uint32_t length : {0u, 2999u, 3001u}) {
      // Both what the header says and what the member says.
      const Bytes lying = Lie(frame, [&](FrameHeader& header, Member* members) {
        header.raw_length = length;
        members[0].length = length;
      });
      EXPECT_TRUE(Fails(DecodeFrame(lying), ErrorCode::kCorrupt, "")) << length;
    }
    const Bytes longer = Lie(frame, [](FrameHeader& header, Member*) { ++header.payload_length; });
    EXPECT_TRUE(Fails(DecodeFrame(longer), ErrorCode::kCorrupt, "length differs"));
    const Bytes longest =
        Lie(frame, [](FrameHeader& header, Member*) { header.payload_length = 0xffffffff; });
    EXPECT_TRUE(Fails(DecodeFrame(longest), ErrorCode::kCorrupt, "length differs"));
  }
}

TEST(FrameTest, NamesAnUnknownEncoding) {
  const Bytes frame = Encode(MakeSample({3000}, true));
  for (const uint8_t encoding : {uint8_t{4}, uint8_t{77}, uint8_t{255}}) {
    const Bytes later =
        Lie(frame, [&](FrameHeader& header, Member*) { header.encoding = encoding; });
    EXPECT_TRUE(Fails(DecodeFrame(later), ErrorCode::kUnsupported, std::to_string(encoding)));
  }
}

// As they were written before checks were of XXH3.
TEST(FrameTest, ReadsFramesWhoseCheckIsOfBlake3) {
  for (const bool is_compressible : {true, false}) {
    const Sample sample = MakeSample({3000, 200}, is_compressible);
    const Bytes frame = Lie(Encode(sample), [](FrameHeader& header, Member*) {
      header.encoding = static_cast<uint8_t>(IsStored(static_cast<Encoding>(header.encoding))
                                                 ? Encoding::kStoredBlake3
                                                 : Encoding::kZstdBlake3);
    });
    const Result<DecodedFrame> decoded = DecodeFrame(frame);
    ASSERT_TRUE(Ok(decoded));
    EXPECT_TRUE(decoded->view() == sample.raw);
    for (size_t at = 0; at < frame.size(); ++at) {
      Bytes damaged = frame;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      EXPECT_FALSE(IsWholeFrame(damaged)) << at;
    }
  }
  EXPECT_TRUE(IsWholeFrame(
      *HexDecode("4652414d00000000010000000300000003000000121aaefb0300000001000000616263")));
}

TEST(FrameTest, RefusesNoise) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Bytes noise = RandomBytes(200, seed);
    EXPECT_FALSE(DecodeFrame(noise));
    std::memcpy(noise.data(), &kFrameMagic, sizeof(kFrameMagic));
    EXPECT_FALSE(DecodeFrame(noise));
  }
}

TEST(FrameTest, SurvivesNoiseUnderARightHeader) {
  // The payload is anything, the header vouches for it: the decompressor must hold its limits.
  const Bytes frame = Encode(MakeSample({3000}, true));
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Bytes damaged = frame;
    Random random(seed);
    for (size_t i = random.Below(20); i > 0; --i) {
      const size_t payload = sizeof(FrameHeader) + sizeof(Member);
      damaged[payload + random.Below(damaged.size() - payload)] = static_cast<char>(random.Next());
    }
    damaged = Lie(damaged, [](FrameHeader&, Member*) {});
    const Result<DecodedFrame> decoded = DecodeFrame(damaged);
    EXPECT_EQ(decoded ? decoded->raw_length : 3000u, 3000u) << "seed " << seed;
  }
}

// The bytes of docs/format.md.
TEST(FrameTest, StoredAbcIsAsTheFormatPageSays) {
  Member member{};
  member.length = 3;
  member.kind = static_cast<uint8_t>(ObjectKind::kBlob);
  Bytes frame;
  ASSERT_TRUE(
      Ok(FrameEncoder(EffortOf(Compression::kDefault)).Append({&member, 1}, "abc", &frame)));
  EXPECT_EQ(HexEncode(frame),
            "4652414d02000000010000000300000003000000a65a1ee90300000001000000616263");
}

}  // namespace
}  // namespace helios::pack

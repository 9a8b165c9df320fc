#include "base/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/hex.h"

namespace helios {
namespace {

Bytes Varint(uint64_t value) {
  Bytes bytes;
  Encoder(&bytes).Varint(value);
  return bytes;
}

Bytes SignedVarint(int64_t value) {
  Bytes bytes;
  Encoder(&bytes).SignedVarint(value);
  return bytes;
}

// The number that `hex` decodes to and that leaves nothing behind.
std::optional<uint64_t> DecodeVarint(std::string_view hex) {
  const std::optional<Bytes> bytes = HexDecode(hex);
  Decoder decoder(*bytes);
  const uint64_t value = decoder.Varint();
  if (!decoder.AtEnd()) return std::nullopt;
  return value;
}

TEST(CodecTest, WritesVarintsLeastSignificantFirst) {
  EXPECT_EQ(HexEncode(Varint(0)), "00");
  EXPECT_EQ(HexEncode(Varint(1)), "01");
  EXPECT_EQ(HexEncode(Varint(127)), "7f");
  EXPECT_EQ(HexEncode(Varint(128)), "8001");
  EXPECT_EQ(HexEncode(Varint(300)), "ac02");
  EXPECT_EQ(HexEncode(Varint(16'383)), "ff7f");
  EXPECT_EQ(HexEncode(Varint(16'384)), "808001");
  EXPECT_EQ(HexEncode(Varint(uint64_t{1} << 63)), "80808080808080808001");
  EXPECT_EQ(HexEncode(Varint(~uint64_t{0})), "ffffffffffffffffff01");
}

TEST(CodecTest, WritesSignedVarintsInZigzag) {
  EXPECT_EQ(HexEncode(SignedVarint(0)), "00");
  EXPECT_EQ(HexEncode(SignedVarint(-1)), "01");
  EXPECT_EQ(HexEncode(SignedVarint(1)), "02");
  EXPECT_EQ(HexEncode(SignedVarint(-2)), "03");
  EXPECT_EQ(HexEncode(SignedVarint(INT64_MAX)), "feffffffffffffffff01");
  EXPECT_EQ(HexEncode(SignedVarint(INT64_MIN)), "ffffffffffffffffff01");
}

TEST(CodecTest, WritesFixedNumbersLittleEndian) {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(uint8_t{0x01});
  encoder.Fixed(uint16_t{0x0203});
  encoder.Fixed(uint32_t{0x04050607});
  encoder.Fixed(uint64_t{0x08090a0b0c0d0e0f});
  EXPECT_EQ(HexEncode(bytes),
            "01"
            "0302"
            "07060504"
            "0f0e0d0c0b0a0908");
  Decoder decoder(bytes);
  EXPECT_EQ(decoder.Fixed<uint8_t>(), 0x01);
  EXPECT_EQ(decoder.Fixed<uint16_t>(), 0x0203);
  EXPECT_EQ(decoder.Fixed<uint32_t>(), 0x04050607u);
  EXPECT_EQ(decoder.Fixed<uint64_t>(), 0x08090a0b0c0d0e0fu);
  EXPECT_TRUE(decoder.AtEnd());
}

TEST(CodecTest, RefusesVarintsThatAreLongerThanNeedBe) {
  for (const char* hex : {"8000", "8100", "ff00", "808000", "ffff00", "80808080808080808000"}) {
    EXPECT_EQ(DecodeVarint(hex), std::nullopt) << hex;
  }
}

TEST(CodecTest, RefusesVarintsOfMoreThan64Bits) {
  EXPECT_EQ(DecodeVarint("ffffffffffffffffff01"), ~uint64_t{0});
  for (const char* hex :
       {"80808080808080808002", "ffffffffffffffffff02", "ffffffffffffffffff7f",
        "8080808080808080808001", "ffffffffffffffffff8001", "ffffffffffffffffffffff"}) {
    EXPECT_EQ(DecodeVarint(hex), std::nullopt) << hex;
  }
}

TEST(CodecTest, RefusesVarintsThatAreCutShort) {
  for (const char* hex : {"", "80", "ff", "8080", "ffffffffffffffffff"}) {
    EXPECT_EQ(DecodeVarint(hex), std::nullopt) << hex;
  }
}

TEST(CodecTest, RefusesNumbersThatAreCutShort) {
  Decoder decoder("abc");
  EXPECT_EQ(decoder.Fixed<uint32_t>(), 0u);
  EXPECT_FALSE(decoder.ok());
}

TEST(CodecTest, RefusesADigestThatIsCutShort) {
  const Bytes bytes(Digest::kSize - 1, 'd');
  Decoder decoder(bytes);
  EXPECT_EQ(decoder.RawDigest(), Digest());
  EXPECT_FALSE(decoder.ok());
}

TEST(CodecTest, RefusesAStringBeyondItsLimit) {
  Bytes bytes;
  Encoder(&bytes).String("four");
  Decoder within(bytes);
  EXPECT_EQ(within.String(4), "four");
  EXPECT_TRUE(within.AtEnd());
  Decoder beyond(bytes);
  EXPECT_EQ(beyond.String(3), "");
  EXPECT_FALSE(beyond.ok());
}

TEST(CodecTest, RefusesAStringBeyondTheEnd) {
  for (const uint64_t size : {uint64_t{4}, uint64_t{1} << 32, ~uint64_t{0}}) {
    const Bytes bytes = Varint(size) + "abc";
    Decoder decoder(bytes);
    EXPECT_EQ(decoder.String(SIZE_MAX), "");
    EXPECT_FALSE(decoder.ok());
  }
}

TEST(CodecTest, StaysFailedAfterTheFirstFailure) {
  Decoder decoder("\x80");
  (void)decoder.Varint();
  EXPECT_FALSE(decoder.ok());
  EXPECT_FALSE(decoder.AtEnd());
  EXPECT_EQ(decoder.remaining(), 0u);
  EXPECT_EQ(decoder.Varint(), 0u);
  EXPECT_EQ(decoder.SignedVarint(), 0);
  EXPECT_EQ(decoder.Fixed<uint8_t>(), 0);
  EXPECT_EQ(decoder.Raw(0), "");
  EXPECT_EQ(decoder.String(9), "");
  EXPECT_EQ(decoder.RawDigest(), Digest());
  EXPECT_FALSE(decoder.ok());
}

TEST(CodecTest, IsNotAtTheEndWhileBytesAreLeft) {
  Decoder decoder("ab");
  EXPECT_EQ(decoder.Raw(1), "a");
  EXPECT_FALSE(decoder.AtEnd());
  EXPECT_EQ(decoder.remaining(), 1u);
  EXPECT_EQ(decoder.Raw(1), "b");
  EXPECT_TRUE(decoder.AtEnd());
}

RC_GTEST_PROP(CodecProperty, DecodesWhatItEncoded, (const std::vector<std::string>& strings)) {
  const auto shift = *rc::gen::inRange(0, 64);
  const uint64_t number = *rc::gen::arbitrary<uint64_t>() << shift;
  const auto signed_number = static_cast<int64_t>(number);
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Varint(number);
  encoder.SignedVarint(signed_number);
  encoder.Fixed(number);
  for (const std::string& string : strings) encoder.String(string);
  Decoder decoder(bytes);
  RC_ASSERT(decoder.Varint() == number);
  RC_ASSERT(decoder.SignedVarint() == signed_number);
  RC_ASSERT(decoder.Fixed<uint64_t>() == number);
  for (const std::string& string : strings) RC_ASSERT(decoder.String(SIZE_MAX) == string);
  RC_ASSERT(decoder.AtEnd());
}

RC_GTEST_PROP(CodecProperty, HasOneEncodingForEachNumber, (const std::vector<uint8_t>& front)) {
  // Many bytes with the continuation bit, so that long forms come up.
  Bytes bytes;
  for (const uint8_t byte : front) bytes.push_back(static_cast<char>(byte | 0x80));
  bytes.push_back(static_cast<char>(*rc::gen::inRange(0, 128)));
  Decoder decoder(bytes);
  const uint64_t value = decoder.Varint();
  if (decoder.AtEnd()) {
    RC_ASSERT(Varint(value) == bytes);
  }
}

}  // namespace
}  // namespace helios

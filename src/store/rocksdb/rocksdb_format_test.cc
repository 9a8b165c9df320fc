#include "store/rocksdb/rocksdb_format.h"

#include "base/hex.h"
#include "store/testing.h"

namespace helios::rocks {
namespace {

using test::kAllKinds;
using test::MakeBlob;
using test::Random;

ObjectKey KeyOfOnes(ObjectKind kind) {
  Digest digest;
  digest.bytes.fill(0x11);
  return {kind, digest};
}

TEST(RocksdbFormat, BytesAreAsDocumented) {
  const std::string ones = Bytes(32, '\x11');
  const ObjectKey key = KeyOfOnes(ObjectKind::kTree);
  EXPECT_EQ(EncodeObjectKey(key), "\x03" + ones);
  const Place place{0x0102030405060708, 0x090a0b0c};
  const std::string place_bytes = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c";
  EXPECT_EQ(EncodePlace(place), place_bytes);
  EXPECT_EQ(EncodeDataKey(place, key), place_bytes + "\x03" + ones);
  EXPECT_EQ(EncodeEntry({Family::kSmall, place, 300}), "\x02" + place_bytes + "\xac\x02");
  EXPECT_EQ(EncodeEntry({Family::kLarge, place, 1}), "\x03" + place_bytes + "\x01");
  EXPECT_EQ(EncodeTotals({1, 128}), std::string("\x01\x80\x01"));
}

TEST(RocksdbFormat, DecodesWhatItEncodes) {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const ObjectKey key(kAllKinds[random.Below(5)], MakeBlob(std::to_string(i)).key.digest);
    const Place place{random.Next() >> random.Below(64), static_cast<uint32_t>(random.Next())};
    const Entry entry{random.Below(2) == 0 ? Family::kSmall : Family::kLarge, place,
                      random.Next() >> random.Below(64)};
    EXPECT_EQ(DecodeObjectKey(EncodeObjectKey(key)), key);
    EXPECT_EQ(DecodeEntry(EncodeEntry(entry)), entry);
    const std::optional<DataKey> data = DecodeDataKey(EncodeDataKey(place, key));
    ASSERT_TRUE(data.has_value());
    EXPECT_EQ(data->place, place);
    EXPECT_EQ(data->object, key);
    const Totals totals{random.Next(), random.Next()};
    EXPECT_EQ(DecodeTotals(EncodeTotals(totals)), totals);
  }
}

TEST(RocksdbFormat, RefusesEverythingElse) {
  const ObjectKey key = KeyOfOnes(ObjectKind::kBlob);
  const Place place{7, 8};
  const auto refuses_other_lengths = [](const Bytes& bytes, const auto& decode) {
    for (size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_FALSE(decode(ByteView(bytes).substr(0, length))) << length;
    }
    EXPECT_FALSE(decode(bytes + '\0'));
  };
  refuses_other_lengths(EncodeObjectKey(key), DecodeObjectKey);
  refuses_other_lengths(EncodeDataKey(place, key), DecodeDataKey);
  refuses_other_lengths(EncodeEntry({Family::kSmall, place, 5}), DecodeEntry);
  refuses_other_lengths(EncodeTotals({1, 2}), DecodeTotals);
  for (const char kind : {'\0', '\x06', '\xff'}) {
    Bytes bytes = EncodeObjectKey(key);
    bytes[0] = kind;
    EXPECT_FALSE(DecodeObjectKey(bytes));
  }
  for (const char family : {'\0', '\x01', '\x04', '\xff'}) {
    Bytes bytes = EncodeEntry({Family::kSmall, place, 5});
    bytes[0] = family;
    EXPECT_FALSE(DecodeEntry(bytes));
  }
  // A size in more bytes than it needs.
  Bytes longer = EncodeEntry({Family::kSmall, place, 5});
  longer.back() = '\x85';
  EXPECT_FALSE(DecodeEntry(longer + '\0'));
}

TEST(RocksdbFormat, DataLiesInTheOrderOfPlaces) {
  Random random(2);
  for (int i = 0; i < 1000; ++i) {
    const Place a{random.Below(300), static_cast<uint32_t>(random.Below(70'000))};
    const Place b{random.Below(300), static_cast<uint32_t>(random.Below(70'000))};
    if (a == b) continue;
    EXPECT_EQ(a < b, EncodePlace(a) < EncodePlace(b));
    EXPECT_EQ(a < b, EncodeDataKey(a, KeyOfOnes(ObjectKind::kRecord)) <
                         EncodeDataKey(b, KeyOfOnes(ObjectKind::kBlob)));
  }
}

}  // namespace
}  // namespace helios::rocks

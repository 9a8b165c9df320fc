#include "object/record.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>

#include "object/testing.h"

namespace helios {
namespace {

using test::Counted;
using test::ExpectCorrupt;
using test::Varint;

// The ids are those of the tree and attributes examples.
Record Example() {
  Record record;
  record.snapshot = {
      test::DigestFromHex("8d3b9b4a8cbe8130a543b7b7c56ee0359a6b8be0b8ed22b57fe73fde48850283")};
  record.attributes = {
      test::DigestFromHex("212dba77176dc3b011ea1f6c8770ad1326bb07ca7cec75fae874f11635f6f7cd")};
  record.totals = {5, 2'097'456};
  record.parents = {{test::Repeated(0xbb)}, {test::Repeated(0xcc)}};
  record.time = {1'795'305'600, 123'456'789};
  record.author = "ada";
  record.workspace = "/w";
  record.message = "first\nsecond";
  record.labels = {{"k", ""}, {"key", "v"}};
  record.torn = true;
  return record;
}

Record BareExample() {
  Record record;
  record.snapshot = {
      test::DigestFromHex("e34b8bcf1ef77244a98ee26e48b04208c9bfcd0e9f75ddd1dc0ab8e2cc005a43")};
  record.attributes = {
      test::DigestFromHex("6524d55dcd72f50aac23bd98eb2e68be7813c962af54742448aa207d3877aa1f")};
  return record;
}

// A record in pieces, each of which can be made wrong.
struct Raw {
  Bytes flags = Bytes(1, '\0');
  Bytes roots = Bytes(64, 'r');
  Bytes totals = Bytes(2, '\0');
  Bytes parents = Varint(0);
  Bytes time = Bytes(2, '\0');
  Bytes texts = Bytes(3, '\0');
  Bytes labels = Varint(0);
  Bytes Join() const { return flags + roots + totals + parents + time + texts + labels; }
};

// The worked examples of docs/format.md. These are the format: they never change.

TEST(RecordGolden, EveryField) {
  test::ExpectGolden(ObjectKind::kRecord, Example(), EncodeRecord, DecodeRecord,
                     "01"
                     "8d3b9b4a8cbe8130a543b7b7c56ee0359a6b8be0b8ed22b57fe73fde48850283"
                     "212dba77176dc3b011ea1f6c8770ad1326bb07ca7cec75fae874f11635f6f7cd"
                     "05 b0828001"
                     "02"
                     "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                     "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
                     "80c291b00d 959aef3a"
                     "03 616461 02 2f77 0c 66697273740a7365636f6e64"
                     "02 01 6b 00 03 6b6579 01 76",
                     "19fed1da40cd3cbf3abd7822c1c647d402b700b820f52628dda8aef85a3bf066");
}

TEST(RecordGolden, NothingButRoots) {
  test::ExpectGolden(ObjectKind::kRecord, BareExample(), EncodeRecord, DecodeRecord,
                     "00"
                     "e34b8bcf1ef77244a98ee26e48b04208c9bfcd0e9f75ddd1dc0ab8e2cc005a43"
                     "6524d55dcd72f50aac23bd98eb2e68be7813c962af54742448aa207d3877aa1f"
                     "00 00 00 00 00 00 00 00 00",
                     "e5160b904402189d8348b5159a7e161c00303e4c5e89289d2d4aac0360adf6df");
}

TEST(RecordGolden, WithoutAttributes) {
  Record record = BareExample();
  record.attributes.reset();
  test::ExpectGolden(ObjectKind::kRecord, record, EncodeRecord, DecodeRecord,
                     "00"
                     "e34b8bcf1ef77244a98ee26e48b04208c9bfcd0e9f75ddd1dc0ab8e2cc005a43"
                     "0000000000000000000000000000000000000000000000000000000000000000"
                     "00 00 00 00 00 00 00 00 00",
                     "db845f7a66d6cd7e7df5f6444407aa3d77ae835f91db499455071a393ebc6925");
}

TEST(RecordTest, RefusesOtherLengths) {
  test::ExpectRefusesOtherLengths(EncodeRecord(Example()), DecodeRecord);
  test::ExpectRefusesOtherLengths(EncodeRecord(BareExample()), DecodeRecord);
  ASSERT_TRUE(DecodeRecord(Raw().Join()).has_value());
}

TEST(RecordTest, RefusesUnknownFlags) {
  for (const int flags : {2, 3, 0x81, 0xff}) {
    ExpectCorrupt(DecodeRecord(Raw{.flags = Bytes(1, static_cast<char>(flags))}.Join()),
                  "unknown flags");
  }
}

TEST(RecordTest, RefusesTooManyParents) {
  EXPECT_TRUE(DecodeRecord(Raw{.parents = Varint(16) + Bytes(16 * 32, 'p')}.Join()).has_value());
  ExpectCorrupt(DecodeRecord(Raw{.parents = Varint(17) + Bytes(17 * 32, 'p')}.Join()),
                "too many parents");
  ExpectCorrupt(DecodeRecord(Raw{.parents = Varint(~uint64_t{0})}.Join()), "too many parents");
}

TEST(RecordTest, RefusesNanosecondsOutOfRange) {
  EXPECT_TRUE(DecodeRecord(Raw{.time = Bytes(1, '\0') + Varint(999'999'999)}.Join()).has_value());
  ExpectCorrupt(DecodeRecord(Raw{.time = Bytes(1, '\0') + Varint(1'000'000'000)}.Join()),
                "time out of range");
  ExpectCorrupt(DecodeRecord(Raw{.time = Bytes(1, '\0') + Varint(uint64_t{1} << 32)}.Join()),
                "time out of range");
}

TEST(RecordTest, RefusesATextOver64Kibibytes) {
  const std::string longest(kRecordTextBytesMax, 't');
  const Bytes none(1, '\0');
  EXPECT_TRUE(DecodeRecord(Raw{.texts = none + none + Counted(longest)}.Join()).has_value());
  const Bytes too_long = Counted(longest + "t");
  for (const Bytes& texts :
       {too_long + none + none, none + too_long + none, none + none + too_long}) {
    ExpectCorrupt(DecodeRecord(Raw{.texts = texts}.Join()), "out of range");
  }
}

TEST(RecordTest, RefusesLabelsOutOfOrder) {
  const Bytes a = Counted("a") + Counted("1");
  const Bytes b = Counted("b") + Counted("2");
  EXPECT_TRUE(DecodeRecord(Raw{.labels = Varint(2) + a + b}.Join()).has_value());
  ExpectCorrupt(DecodeRecord(Raw{.labels = Varint(2) + b + a}.Join()), "labels out of order");
}

TEST(RecordTest, SortsLabelsAsUnsignedBytes) {
  const Bytes low = Counted("\x7f") + Counted("");
  const Bytes high = Counted("\x80") + Counted("");
  EXPECT_TRUE(DecodeRecord(Raw{.labels = Varint(2) + low + high}.Join()).has_value());
  ExpectCorrupt(DecodeRecord(Raw{.labels = Varint(2) + high + low}.Join()), "labels out of order");
}

TEST(RecordTest, RefusesARepeatedLabel) {
  const Bytes label = Counted("a") + Counted("1");
  ExpectCorrupt(DecodeRecord(Raw{.labels = Varint(2) + label + label}.Join()), "repeated");
}

TEST(RecordTest, RefusesTooManyLabels) {
  Record record;
  for (int i = 0; i < 256; ++i) record.labels["k" + std::to_string(i)] = "";
  EXPECT_TRUE(DecodeRecord(EncodeRecord(record)).has_value());
  ExpectCorrupt(DecodeRecord(Raw{.labels = Varint(257)}.Join()), "too many labels");
  ExpectCorrupt(DecodeRecord(Raw{.labels = Varint(~uint64_t{0})}.Join()), "too many labels");
}

TEST(RecordTest, RefusesALabelOver64Kibibytes) {
  const Bytes too_long = Counted(std::string(kRecordTextBytesMax + 1, 't'));
  ExpectCorrupt(DecodeRecord(Raw{.labels = Varint(1) + too_long + Counted("")}.Join()),
                "out of range");
  ExpectCorrupt(DecodeRecord(Raw{.labels = Varint(1) + Counted("k") + too_long}.Join()),
                "out of range");
}

TEST(RecordTest, RefusesAnOverlongVarint) {
  ExpectCorrupt(DecodeRecord(Raw{.totals = test::OverlongVarint() + "\x01"}.Join()), "cut short");
  ExpectCorrupt(DecodeRecord(Raw{.time = test::OverlongVarint() + Bytes(1, '\0')}.Join()),
                "cut short");
  ExpectCorrupt(
      DecodeRecord(Raw{.labels = test::OverlongVarint() + Counted("k") + Counted("")}.Join()),
      "cut short");
}

TEST(RecordTest, RefusesAnOverlargeVarint) {
  ExpectCorrupt(DecodeRecord(Raw{.totals = test::OverlargeVarint() + "\x01"}.Join()), "cut short");
  ExpectCorrupt(DecodeRecord(Raw{.time = test::OverlargeVarint() + Bytes(1, '\0')}.Join()),
                "cut short");
}

TEST(RecordTest, RefusesBytesAfterTheEnd) {
  ExpectCorrupt(DecodeRecord(Raw().Join() + Bytes(1, '\0')), "bytes after the end");
}

TEST(RecordTest, KeepsTextsThatAreNotUtf8) {
  Record record = BareExample();
  record.author = Bytes("\xff\0\n", 3);
  record.labels[Bytes("\0", 1)] = "\xfe";
  const Result<Record> decoded = DecodeRecord(EncodeRecord(record));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, record);
}

Record AnyRecord() {
  Record record;
  record.snapshot = {*test::AnyDigest()};
  if (*rc::gen::arbitrary<bool>()) {
    record.attributes = AttributesIdUnlessZero(*test::AnyDigest());
  }
  record.totals = {*test::AnyNumber(), *test::AnyNumber()};
  const auto parents = *rc::gen::inRange<size_t>(0, kRecordParentsMax + 1);
  for (size_t i = 0; i < parents; ++i) record.parents.push_back({*test::AnyDigest()});
  record.time = (*test::AnyFileAttributes()).mtime;
  record.author = *rc::gen::arbitrary<std::string>();
  record.workspace = *rc::gen::arbitrary<std::string>();
  record.message = *rc::gen::arbitrary<std::string>();
  record.labels = *rc::gen::arbitrary<std::map<std::string, std::string>>();
  record.torn = *rc::gen::arbitrary<bool>();
  return record;
}

RC_GTEST_PROP(RecordProperty, DecodesWhatItEncoded, ()) {
  const Record record = AnyRecord();
  const Result<Record> decoded = DecodeRecord(EncodeRecord(record));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == record);
}

RC_GTEST_PROP(RecordProperty, EncodesWhatItDecoded, ()) {
  test::CheckMutations(EncodeRecord(AnyRecord()), EncodeRecord, DecodeRecord);
}

RC_GTEST_PROP(RecordProperty, RefusesEveryTruncation, ()) {
  const Bytes bytes = EncodeRecord(AnyRecord());
  const auto size = *rc::gen::inRange<size_t>(0, bytes.size());
  RC_ASSERT(!DecodeRecord(ByteView(bytes).substr(0, size)).has_value());
}

}  // namespace
}  // namespace helios

#include "object/attributes.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "helios/object_store.h"
#include "object/hash.h"
#include "object/paging.h"
#include "object/testing.h"
#include "object/xattrs.h"

namespace helios {
namespace {

using test::ExpectCorrupt;
using test::Varint;

constexpr int64_t kTime = 1'795'305'600;  // 2026-11-22 00:00:00 UTC
const FileAttributes kOwn{0755, {kTime, 500'000'000}};

AttributesPage EmptyDirectory() { return {kOwn, 0, {}, {}}; }

// The items beside the entries of the tree example.
AttributesPage Example() {
  return {
      kOwn,
      0,
      {{false, {0644, {kTime, 1}}, {}},
       {false, {04755, {kTime, 999'999'999}}, {}},
       {false, {0600, {-1, 0}}, {}},
       {false, {0777, {0, 0}}, {}},
       {true, {}, {HashObject(ObjectKind::kAttributes, EncodeAttributesPage(EmptyDirectory()))}},
       {false, {0, {kTime, 0}}, {}}},
      {}};
}

// What few files have, each alone and then together.
AttributesPage RareExample() {
  const StoredXattrs xattrs = StoreXattrs(EncodeXattrs({{"checksum", "abc"}, {"empty", ""}}));
  const StoredXattrs long_xattrs = StoreXattrs(EncodeXattrs({{"long", Bytes(1020, 'x')}}));
  FileAttributes own = kOwn;
  own.rare.xattrs = xattrs;
  const Digest group = LinkGroupOf("a/first");
  return {own,
          0,
          {{false, {0644, {kTime, 0}, {true, std::nullopt, {}}}, {}},
           {false, {0644, {kTime, 0}, {false, group, {}}}, {}},
           {false, {0644, {kTime, 0}, {false, std::nullopt, xattrs}}, {}},
           {false, {0644, {kTime, 0}, {true, group, long_xattrs}}, {}}},
          {}};
}

AttributesPage ExampleList() {
  return {kOwn, 1, {}, {{test::Repeated(0x66)}, {test::Repeated(0x77)}}};
}

// The worked examples of docs/format.md. These are the format: they never change.

TEST(AttributesGolden, EmptyDirectory) {
  test::ExpectGolden(ObjectKind::kAttributes, EmptyDirectory(), EncodeAttributesPage,
                     DecodeAttributesPage, "01 ed03 80c291b00d 80cab5ee01 00 00",
                     "6524d55dcd72f50aac23bd98eb2e68be7813c962af54742448aa207d3877aa1f");
}

TEST(AttributesGolden, EveryKindOfItem) {
  test::ExpectGolden(ObjectKind::kAttributes, Example(), EncodeAttributesPage, DecodeAttributesPage,
                     "01 ed03 80c291b00d 80cab5ee01 00 06"
                     "00 a403 80c291b00d 01"
                     "00 ed13 80c291b00d ff93ebdc03"
                     "00 8003 01 00"
                     "00 ff03 00 00"
                     "01 6524d55dcd72f50aac23bd98eb2e68be7813c962af54742448aa207d3877aa1f"
                     "00 00 80c291b00d 00",
                     "212dba77176dc3b011ea1f6c8770ad1326bb07ca7cec75fae874f11635f6f7cd");
}

TEST(AttributesGolden, PageBelowAnother) {
  test::ExpectGolden(ObjectKind::kAttributes,
                     AttributesPage{std::nullopt, 0, {{false, {0644, {kTime, 1}}, {}}}, {}},
                     EncodeAttributesPage, DecodeAttributesPage, "00 00 01 00 a403 80c291b00d 01",
                     "cfc91d065fd3f57bc3174dd0b94bede81f3a43cb7ec413cbf518271ce7752cc8");
}

TEST(AttributesGolden, ListOfPages) {
  test::ExpectGolden(ObjectKind::kAttributes, ExampleList(), EncodeAttributesPage,
                     DecodeAttributesPage,
                     "01 ed03 80c291b00d 80cab5ee01 01 02"
                     "6666666666666666666666666666666666666666666666666666666666666666"
                     "7777777777777777777777777777777777777777777777777777777777777777",
                     "bd2e7a28eeee6091214febb48114242309cd8a5b11dd71dc94c44c3b6eb5d177");
}

TEST(AttributesGolden, WhatIsRare) {
  test::ExpectGolden(
      ObjectKind::kAttributes, RareExample(), EncodeAttributesPage, DecodeAttributesPage,
      "09 ed03 80c291b00d 80cab5ee01 14 08 636865636b73756d 03 616263"
      "05 656d707479 00 00 04"
      "02 a403 80c291b00d 00"
      "04 a403 80c291b00d 00 2d4e00a9447f98a5dfb503b99a6f90c70fce51e688b88bb7f67280e46a5aa66a"
      "08 a403 80c291b00d 00 14 08 636865636b73756d 03 616263 05 656d707479 00"
      "0e a403 80c291b00d 00 2d4e00a9447f98a5dfb503b99a6f90c70fce51e688b88bb7f67280e46a5aa66a"
      "8308 8d45027a8f16d912ab8907e0f2bec409c30dd67cdb970653b11594c5eda57486",
      "1b584fdcff6cac4cc2a44c023738f1e00d39513d51fe5c55100e594621f24881");
}

TEST(AttributesTest, RefusesOtherLengths) {
  test::ExpectRefusesOtherLengths(EncodeAttributesPage(RareExample()), DecodeAttributesPage);
  test::ExpectRefusesOtherLengths(EncodeAttributesPage(EmptyDirectory()), DecodeAttributesPage);
  test::ExpectRefusesOtherLengths(EncodeAttributesPage(Example()), DecodeAttributesPage);
  test::ExpectRefusesOtherLengths(EncodeAttributesPage(ExampleList()), DecodeAttributesPage);
}

TEST(AttributesTest, KeepsEveryTime) {
  for (const int64_t seconds : {INT64_MIN, int64_t{-1}, int64_t{0}, INT64_MAX}) {
    AttributesPage page = EmptyDirectory();
    page.own->mtime = {seconds, 999'999'999};
    const Result<AttributesPage> decoded = DecodeAttributesPage(EncodeAttributesPage(page));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(*decoded, page);
  }
}

TEST(AttributesTest, RefusesAModeOutOfRange) {
  const Bytes rest = Bytes(2, '\0');  // seconds and nanoseconds
  const Bytes empty_level(2, '\0');
  EXPECT_TRUE(DecodeAttributesPage("\x01" + Varint(07777) + rest + empty_level).has_value());
  ExpectCorrupt(DecodeAttributesPage("\x01" + Varint(010000) + rest + empty_level), "out of range");
  // 65536 would be 0 if it were cut to the width of the field.
  ExpectCorrupt(DecodeAttributesPage("\x01" + Varint(65536) + rest + empty_level), "out of range");
  const Bytes head("\0\0\x01\0", 4);  // no own attributes, level 0, one item: a file
  EXPECT_TRUE(DecodeAttributesPage(head + Varint(07777) + rest).has_value());
  ExpectCorrupt(DecodeAttributesPage(head + Varint(010000) + rest), "out of range");
}

TEST(AttributesTest, RefusesNanosecondsOutOfRange) {
  const Bytes head("\0\0\x01\0\0\0", 6);  // one file with mode 0 and second 0
  EXPECT_TRUE(DecodeAttributesPage(head + Varint(999'999'999)).has_value());
  ExpectCorrupt(DecodeAttributesPage(head + Varint(1'000'000'000)), "out of range");
  ExpectCorrupt(DecodeAttributesPage(head + Varint(uint64_t{1} << 32)), "out of range");
  const Bytes own("\x01\0\0", 3);
  ExpectCorrupt(DecodeAttributesPage(own + Varint(1'000'000'000) + Bytes(2, '\0')), "out of range");
}

TEST(AttributesTest, RefusesUnknownFlagsOfAPage) {
  // 8 alone says that extended attributes follow what does not.
  for (const int flags : {2, 3, 4, 5, 8, 0x0b, 0x0d, 0x11, 0x81, 0xff}) {
    Bytes bytes = EncodeAttributesPage(EmptyDirectory());
    bytes[0] = static_cast<char>(flags);
    ExpectCorrupt(DecodeAttributesPage(bytes), "unknown flags");
  }
}

TEST(AttributesTest, RefusesUnknownFlagsOfAnItem) {
  for (const int flags : {3, 5, 9, 0x0f, 0x10, 0x12, 0x81, 0xff}) {
    Bytes bytes("\0\0\x01", 3);
    bytes += static_cast<char>(flags);
    ExpectCorrupt(DecodeAttributesPage(bytes + Bytes(32, '\0')), "unknown flags");
  }
}

TEST(AttributesTest, RefusesAnOverlongVarint) {
  // As the mode of the directory, the number of items, and the seconds of an item.
  ExpectCorrupt(DecodeAttributesPage("\x01" + test::OverlongVarint() + Bytes(4, '\0')),
                "cut short");
  ExpectCorrupt(DecodeAttributesPage(Bytes(2, '\0') + test::OverlongVarint() + Bytes(4, '\0')),
                "cut short");
  ExpectCorrupt(DecodeAttributesPage(Bytes("\0\0\x01\0\0", 5) + test::OverlongVarint() + "\x01"),
                "item cut short");
}

TEST(AttributesTest, RefusesAnOverlargeVarint) {
  ExpectCorrupt(DecodeAttributesPage(Bytes(2, '\0') + test::OverlargeVarint()), "cut short");
  ExpectCorrupt(DecodeAttributesPage(Bytes("\0\0\x01\0\0", 5) + test::OverlargeVarint() + "\x01"),
                "item cut short");
}

TEST(AttributesTest, RefusesACountOverTheLimit) {
  for (const uint64_t count : {uint64_t{513}, uint64_t{1} << 32, ~uint64_t{0}}) {
    ExpectCorrupt(DecodeAttributesPage(Bytes(2, '\0') + Varint(count)), "too many items");
  }
  ExpectCorrupt(DecodeAttributesPage(Bytes(2, '\0') + Varint(512)), "item cut short");
}

TEST(AttributesTest, RefusesBytesAfterTheEnd) {
  ExpectCorrupt(DecodeAttributesPage(Bytes(4, '\0')), "bytes after the end");
}

TEST(AttributesTest, RefusesALevelThatIsTooHigh) {
  AttributesPage page = ExampleList();
  page.level = kPageLevelMax;
  EXPECT_TRUE(DecodeAttributesPage(EncodeAttributesPage(page)).has_value());
  page.level = kPageLevelMax + 1;
  ExpectCorrupt(DecodeAttributesPage(EncodeAttributesPage(page)), "too many levels");
}

TEST(AttributesTest, RefusesAListOfPagesWithoutAPage) {
  ExpectCorrupt(DecodeAttributesPage(Bytes("\0\x01\0", 3)), "a list of pages without a page");
}

// One file with mode 0 and second 0, of which `flags` say that `rest` follows.
Bytes OneFile(uint8_t flags, ByteView rest) {
  return Bytes("\0\0\x01", 3) + static_cast<char>(flags) + Bytes(3, '\0') + Bytes(rest);
}

TEST(AttributesTest, RefusesAPartThatItsFlagNamesAndThatIsNotThere) {
  EXPECT_TRUE(DecodeAttributesPage(OneFile(2, "")).has_value());
  EXPECT_TRUE(DecodeAttributesPage(OneFile(4, Bytes(32, 'g'))).has_value());
  ExpectCorrupt(DecodeAttributesPage(OneFile(4, Bytes(31, 'g'))), "item cut short");
  ExpectCorrupt(DecodeAttributesPage(OneFile(8, "")), "item cut short");
  ExpectCorrupt(DecodeAttributesPage(OneFile(8, Varint(0))), "item cut short");
  ExpectCorrupt(DecodeAttributesPage(OneFile(12, Varint(4) + "\x01n\x01v")), "item cut short");
}

TEST(AttributesTest, RefusesAListOfExtendedAttributesThatIsNone) {
  const auto decode = [](ByteView list) {
    return DecodeAttributesPage(OneFile(8, Varint(list.size()) + Bytes(list)));
  };
  EXPECT_TRUE(decode("\x01n\x01v").has_value());
  ExpectCorrupt(decode("\x01n\x01vx"), "item cut short");
  ExpectCorrupt(decode("\x01n\x02v"), "item cut short");
  ExpectCorrupt(decode("\x01n\x01v\x01n\x01w"), "item cut short");
  ExpectCorrupt(decode("\x01n\x01v\x01m\x01v"), "item cut short");
}

TEST(AttributesTest, AListOfExtendedAttributesIsInABlobIfItIsLong) {
  for (const size_t bytes : {kInlineXattrsBytesMax + 1, kXattrListBytesMax}) {
    EXPECT_TRUE(DecodeAttributesPage(OneFile(8, Varint(bytes) + Bytes(32, 'x'))).has_value());
    ExpectCorrupt(DecodeAttributesPage(OneFile(8, Varint(bytes) + Bytes(bytes, 'x'))), "after");
  }
  for (const uint64_t bytes : {uint64_t{kXattrListBytesMax} + 1, (uint64_t{1} << 32) + 1}) {
    ExpectCorrupt(DecodeAttributesPage(OneFile(8, Varint(bytes) + Bytes(32, 'x'))), "cut short");
  }
  for (const size_t value : {kInlineXattrsBytesMax - 4, kInlineXattrsBytesMax - 3}) {
    const Bytes list = EncodeXattrs({{"n", Bytes(value, 'v')}});
    const StoredXattrs stored = StoreXattrs(list);
    EXPECT_EQ(stored.IsInBlob(), value != kInlineXattrsBytesMax - 4);
    EXPECT_EQ(stored.content, stored.IsInBlob() ? HashBlob(list).digest.view() : ByteView(list));
  }
}

TEST(AttributesTest, ALargestPageIsAnObject) {
  AttributesPage page{kOwn, 0, {}, {}};
  const StoredXattrs xattrs =
      StoreXattrs(EncodeXattrs({{"n", Bytes(kInlineXattrsBytesMax - 4, 'v')}}));
  page.own->rare.xattrs = xattrs;
  const FileAttributes largest{07777, {INT64_MIN, 999'999'999}, {true, LinkGroupOf("x"), xattrs}};
  page.entries.assign(kPageItemsMax, {false, largest, {}});
  const Bytes bytes = EncodeAttributesPage(page);
  EXPECT_LT(bytes.size(), kObjectBytesMax);
  EXPECT_EQ(*DecodeAttributesPage(bytes), page);
}

RC_GTEST_PROP(AttributesProperty, TheIndexKeepsWhatIsRare, ()) {
  const RareAttributes rare = test::AnyAttributesOf(EntryKind::kFile).rare;
  const Bytes bytes = EncodeRareAttributes(rare);
  const Result<RareAttributes> decoded = DecodeRareAttributes(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == rare);
  RC_ASSERT(!DecodeRareAttributes(ByteView(bytes).substr(0, bytes.size() - 1)).has_value());
  RC_ASSERT(!DecodeRareAttributes(bytes + "x").has_value());
}

AttributesPage AnyPage() {
  AttributesPage page;
  if (*rc::gen::arbitrary<bool>()) page.own = test::AnyAttributesOf(EntryKind::kDirectory);
  const auto items = *rc::gen::inRange<size_t>(0, 40);
  page.level = items == 0 ? uint8_t{0} : static_cast<uint8_t>(*rc::gen::inRange(0, 8));
  for (size_t i = 0; i < items; ++i) {
    if (page.level > 0) {
      page.pages.push_back({*test::AnyDigest()});
    } else if (*rc::gen::arbitrary<bool>()) {
      page.entries.push_back({true, {}, {*test::AnyDigest()}});
    } else {
      page.entries.push_back({false, test::AnyAttributesOf(EntryKind::kFile), {}});
    }
  }
  return page;
}

RC_GTEST_PROP(AttributesProperty, DecodesWhatItEncoded, ()) {
  const AttributesPage page = AnyPage();
  const Result<AttributesPage> decoded = DecodeAttributesPage(EncodeAttributesPage(page));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == page);
}

RC_GTEST_PROP(AttributesProperty, EncodesWhatItDecoded, ()) {
  test::CheckMutations(EncodeAttributesPage(AnyPage()), EncodeAttributesPage, DecodeAttributesPage);
}

RC_GTEST_PROP(AttributesProperty, RefusesEveryTruncation, ()) {
  const Bytes bytes = EncodeAttributesPage(AnyPage());
  const auto size = *rc::gen::inRange<size_t>(0, bytes.size());
  RC_ASSERT(!DecodeAttributesPage(ByteView(bytes).substr(0, size)).has_value());
}

}  // namespace
}  // namespace helios

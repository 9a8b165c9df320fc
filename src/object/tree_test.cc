#include "object/tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "object/paging.h"
#include "object/testing.h"

namespace helios {
namespace {

using test::Counted;
using test::DirectoryEntry;
using test::ExpectCorrupt;
using test::FileEntry;
using test::SymlinkEntry;
using test::Varint;

// Pieces of encodings, made by hand so that they can be wrong.
Bytes RawPage(uint8_t level, const std::vector<Bytes>& items) {
  Bytes bytes = Bytes(1, static_cast<char>(level)) + Varint(items.size());
  for (const Bytes& item : items) bytes += item;
  return bytes;
}
Bytes RawFile(std::string_view name, uint64_t size = 1) {
  return Bytes(1, '\0') + Counted(name) + Varint(size) + Bytes(Digest::kSize, 'i');
}
Bytes RawSymlink(std::string_view target) { return "\x02" + Counted("link") + Counted(target); }
Bytes RawDirectory(std::string_view name, uint64_t files, uint64_t bytes) {
  return "\x03" + Counted(name) + Bytes(Digest::kSize, 'i') + Varint(files) + Varint(bytes);
}
Bytes RawPageRef(std::string_view last_name, uint64_t files, uint64_t bytes) {
  return Counted(last_name) + Bytes(Digest::kSize, 'i') + Varint(files) + Varint(bytes);
}

// `count` names in order of which none ends a page.
std::vector<std::string> NamesWithoutBoundary(uint8_t level, size_t count) {
  std::vector<std::string> names;
  for (int i = 100'000; names.size() < count; ++i) {
    const std::string name = "n" + std::to_string(i);
    if (!PageEndsAfter(level, kPageItemsMin, NameHash(name))) names.push_back(name);
  }
  return names;
}
// The first of such names, from 200,000 on, that does end one.
std::string NameWithBoundary(uint8_t level) {
  for (int i = 200'000;; ++i) {
    const std::string name = "n" + std::to_string(i);
    if (PageEndsAfter(level, kPageItemsMin, NameHash(name))) return name;
  }
}

TreePage Example() {
  TreeEntry script = FileEntry("build.sh", 0, HashBlob("").digest);
  script.kind = EntryKind::kExecutable;
  const TreeId empty{HashObject(ObjectKind::kTree, EncodeTreePage({}))};
  TreePage page;
  page.entries = {
      FileEntry("LICENSE", 3, HashBlob("abc").digest),
      script,
      FileEntry("disk.img", 2'097'153, test::Repeated(0x11), {test::Repeated(0x22)}),
      SymlinkEntry("link", "../x"),
      DirectoryEntry("sub", empty, {}),
      FileEntry("\xff", 300, test::Repeated(0x33)),
  };
  return page;
}

TreePage ExampleList() {
  TreePage page;
  page.level = 1;
  page.pages = {{"m", {test::Repeated(0x44)}, {64, 300}},
                {"zebra", {test::Repeated(0x55)}, {7, uint64_t{1} << 40}}};
  return page;
}

// The worked examples of docs/format.md. These are the format: they never change.

TEST(TreeGolden, EmptyDirectory) {
  test::ExpectGolden(ObjectKind::kTree, TreePage{}, EncodeTreePage, DecodeTreePage, "00 00",
                     "e34b8bcf1ef77244a98ee26e48b04208c9bfcd0e9f75ddd1dc0ab8e2cc005a43");
}

TEST(TreeGolden, EveryKindOfEntry) {
  test::ExpectGolden(ObjectKind::kTree, Example(), EncodeTreePage, DecodeTreePage,
                     "00 06"
                     "00 07 4c4943454e5345 03"
                     "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
                     "01 08 6275696c642e7368 00"
                     "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
                     "00 08 6469736b2e696d67 81808001"
                     "1111111111111111111111111111111111111111111111111111111111111111"
                     "2222222222222222222222222222222222222222222222222222222222222222"
                     "02 04 6c696e6b 04 2e2e2f78"
                     "03 03 737562"
                     "e34b8bcf1ef77244a98ee26e48b04208c9bfcd0e9f75ddd1dc0ab8e2cc005a43 00 00"
                     "00 01 ff ac02"
                     "3333333333333333333333333333333333333333333333333333333333333333",
                     "8d3b9b4a8cbe8130a543b7b7c56ee0359a6b8be0b8ed22b57fe73fde48850283");
}

TEST(TreeGolden, ListOfPages) {
  test::ExpectGolden(ObjectKind::kTree, ExampleList(), EncodeTreePage, DecodeTreePage,
                     "01 02"
                     "01 6d 4444444444444444444444444444444444444444444444444444444444444444"
                     "40 ac02"
                     "05 7a65627261"
                     "5555555555555555555555555555555555555555555555555555555555555555"
                     "07 808080808020",
                     "780338828e04643ac760c3bfb5de08f4177c2ba72aee24be4a9655ab26001b21");
}

TEST(TreeTest, AddsUpWhatLiesBelow) {
  EXPECT_EQ(Example().Totals(), (TreeTotals{5, 3 + 2'097'153 + 300}));
  EXPECT_EQ(ExampleList().Totals(), (TreeTotals{71, (uint64_t{1} << 40) + 300}));
  EXPECT_EQ(TreePage().Totals(), TreeTotals());
}

TEST(TreeTest, RefusesOtherLengths) {
  test::ExpectRefusesOtherLengths(EncodeTreePage({}), DecodeTreePage);
  test::ExpectRefusesOtherLengths(EncodeTreePage(Example()), DecodeTreePage);
  test::ExpectRefusesOtherLengths(EncodeTreePage(ExampleList()), DecodeTreePage);
}

TEST(TreeTest, SortsNamesAsUnsignedBytes) {
  EXPECT_TRUE(DecodeTreePage(RawPage(0, {RawFile("\x7f"), RawFile("\x80")})).has_value());
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile("\x80"), RawFile("\x7f")})), "out of order");
  EXPECT_TRUE(DecodeTreePage(RawPage(0, {RawFile("a"), RawFile("a\x01")})).has_value());
}

TEST(TreeTest, RefusesNamesOutOfOrder) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile("b"), RawFile("a")})), "names out of order");
  ExpectCorrupt(DecodeTreePage(RawPage(1, {RawPageRef("b", 1, 1), RawPageRef("a", 1, 1)})),
                "names out of order");
}

TEST(TreeTest, RefusesARepeatedName) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile("a"), RawDirectory("a", 0, 0)})), "repeated");
  ExpectCorrupt(DecodeTreePage(RawPage(1, {RawPageRef("a", 1, 1), RawPageRef("a", 1, 1)})),
                "repeated");
}

TEST(TreeTest, RefusesInvalidNames) {
  const std::vector<std::string> names = {"",   ".",  "..",      "a/b",          "/",
                                          "a/", "/a", "../../x", Bytes(1, '\0'), Bytes("a\0b", 3)};
  for (const std::string& name : names) {
    SCOPED_TRACE(HexEncode(name));
    ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile(name)})), "invalid name");
    ExpectCorrupt(DecodeTreePage(RawPage(0, {RawDirectory(name, 0, 0)})), "invalid name");
    ExpectCorrupt(DecodeTreePage(RawPage(1, {RawPageRef(name, 1, 1)})), "invalid name");
  }
}

TEST(TreeTest, RefusesAnEmptyName) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile("")})), "invalid name");
}
TEST(TreeTest, RefusesTheNameDot) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile(".")})), "invalid name");
}
TEST(TreeTest, RefusesTheNameDotDot) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawDirectory("..", 0, 0)})), "invalid name");
}
TEST(TreeTest, RefusesASlashInAName) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile("a/b")})), "invalid name");
}
TEST(TreeTest, RefusesNulInAName) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile(Bytes("a\0", 2))})), "invalid name");
}

TEST(TreeTest, AcceptsNamesThatOnlyLookInvalid) {
  for (const char* name : {"...", ".a", "..a", " ", "\n", ":", "\\", "\xff\xfe", "~"}) {
    EXPECT_TRUE(DecodeTreePage(RawPage(0, {RawFile(name)})).has_value()) << name;
  }
}

TEST(TreeTest, RefusesANameOver255Bytes) {
  EXPECT_TRUE(DecodeTreePage(RawPage(0, {RawFile(std::string(255, 'a'))})).has_value());
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile(std::string(256, 'a'))})), "name");
  ExpectCorrupt(DecodeTreePage(RawPage(1, {RawPageRef(std::string(256, 'a'), 1, 1)})), "name");
}

TEST(TreeTest, RefusesAnUnknownKind) {
  for (const int kind : {4, 5, 0x80, 0xff}) {
    Bytes entry = RawFile("a");
    entry[0] = static_cast<char>(kind);
    ExpectCorrupt(DecodeTreePage(RawPage(0, {entry})), "unknown entry kind");
  }
}

TEST(TreeTest, RefusesAnOverlongVarint) {
  // As the number of items, the length of a name, a size and a total.
  ExpectCorrupt(DecodeTreePage(Bytes(1, '\0') + test::OverlongVarint() + RawFile("a")),
                "cut short");
  const Bytes id(Digest::kSize, 'i');
  const Bytes kind(1, '\0');
  ExpectCorrupt(DecodeTreePage(RawPage(0, {kind + test::OverlongVarint() + "a" + "\x01" + id})),
                "name cut short");
  ExpectCorrupt(DecodeTreePage(RawPage(0, {kind + Counted("a") + test::OverlongVarint() + id})),
                "entry cut short");
  ExpectCorrupt(
      DecodeTreePage(RawPage(0, {"\x03" + Counted("a") + id + test::OverlongVarint() + "\x01"})),
      "entry cut short");
  ExpectCorrupt(DecodeTreePage(RawPage(1, {Counted("a") + id + "\x01" + test::OverlongVarint()})),
                "page reference cut short");
}

TEST(TreeTest, RefusesAnOverlargeVarint) {
  const Bytes id(Digest::kSize, 'i');
  ExpectCorrupt(DecodeTreePage(Bytes(1, '\0') + test::OverlargeVarint()), "cut short");
  ExpectCorrupt(
      DecodeTreePage(RawPage(0, {Bytes(1, '\0') + Counted("a") + test::OverlargeVarint() + id})),
      "entry cut short");
  ExpectCorrupt(
      DecodeTreePage(RawPage(0, {"\x03" + Counted("a") + id + test::OverlargeVarint() + "\x01"})),
      "entry cut short");
}

TEST(TreeTest, RefusesALengthBeyondTheEnd) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {Bytes(1, '\0') + Varint(200) + "abc"})),
                "name cut short");
  ExpectCorrupt(DecodeTreePage(RawPage(0, {"\x02" + Counted("a") + Varint(4095) + "abc"})),
                "entry cut short");
}

TEST(TreeTest, RefusesACountOverTheLimit) {
  for (const uint64_t count : {uint64_t{513}, uint64_t{1} << 32, ~uint64_t{0}}) {
    ExpectCorrupt(DecodeTreePage(Bytes(1, '\0') + Varint(count)), "too many items");
    ExpectCorrupt(DecodeTreePage(Bytes(1, '\x01') + Varint(count)), "too many items");
  }
  ExpectCorrupt(DecodeTreePage(Bytes(1, '\0') + Varint(512)), "cut short");
}

TEST(TreeTest, RefusesBytesAfterTheEnd) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {}) + "x"), "bytes after the end");
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile("a")}) + RawFile("b")), "bytes after the end");
}

TEST(TreeTest, RefusesAPageThatIsNotCutWhereItMustBe) {
  for (const uint8_t level : {uint8_t{0}, uint8_t{1}, uint8_t{7}}) {
    const std::vector<std::string> names = NamesWithoutBoundary(level, kPageItemsMin);
    const auto item = [&](std::string_view name) {
      return level == 0 ? RawFile(name) : RawPageRef(name, 1, 1);
    };
    std::vector<Bytes> items;
    for (size_t i = 0; i + 1 < names.size(); ++i) items.push_back(item(names[i]));
    // With 64 items the boundary counts; the page has to end after it.
    items.push_back(item(NameWithBoundary(level)));
    EXPECT_TRUE(DecodeTreePage(RawPage(level, items)).has_value());
    items.push_back(item("z"));
    ExpectCorrupt(DecodeTreePage(RawPage(level, items)), "page not cut where it must be");
    // With fewer it does not count.
    items.erase(items.begin());
    EXPECT_TRUE(DecodeTreePage(RawPage(level, items)).has_value());
  }
}

TEST(TreeTest, AcceptsAFullPageWithoutABoundary) {
  std::vector<Bytes> items;
  for (const std::string& name : NamesWithoutBoundary(0, kPageItemsMax)) {
    items.push_back(RawFile(name));
  }
  EXPECT_TRUE(DecodeTreePage(RawPage(0, items)).has_value());
  items.push_back(RawFile("z"));
  ExpectCorrupt(DecodeTreePage(RawPage(0, items)), "too many items");
}

TEST(TreeTest, RefusesTotalsThatOverflow) {
  const uint64_t most = ~uint64_t{0};
  EXPECT_TRUE(DecodeTreePage(RawPage(0, {RawDirectory("a", most, most)})).has_value());
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawDirectory("a", most, 0), RawFile("b")})),
                "totals overflow");
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawDirectory("a", 0, most), RawDirectory("b", 0, 1)})),
                "totals overflow");
  ExpectCorrupt(DecodeTreePage(RawPage(1, {RawPageRef("a", most, 0), RawPageRef("b", 1, 0)})),
                "totals overflow");
}

TEST(TreeTest, RefusesAnEmptySymlinkTarget) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawSymlink("")})), "empty symlink target");
}

TEST(TreeTest, RefusesNulInASymlinkTarget) {
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawSymlink(Bytes("a\0b", 3))})),
                "NUL in a symlink target");
}

TEST(TreeTest, RefusesASymlinkTargetOver4095Bytes) {
  EXPECT_TRUE(DecodeTreePage(RawPage(0, {RawSymlink(std::string(4095, 'a'))})).has_value());
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawSymlink(std::string(4096, 'a'))})),
                "entry cut short");
}

TEST(TreeTest, KeepsSymlinkTargetsAsTheyAre) {
  for (const char* target : {"/", "..", "a//b/", "\xff", "/etc/passwd"}) {
    const Result<TreePage> page = DecodeTreePage(RawPage(0, {RawSymlink(target)}));
    ASSERT_TRUE(page.has_value()) << target;
    EXPECT_EQ(page->entries[0].target, target);
  }
}

TEST(TreeTest, RefusesALevelThatIsTooHigh) {
  EXPECT_TRUE(DecodeTreePage(RawPage(7, {RawPageRef("a", 1, 1)})).has_value());
  ExpectCorrupt(DecodeTreePage(RawPage(8, {RawPageRef("a", 1, 1)})), "too many levels");
  ExpectCorrupt(DecodeTreePage(RawPage(255, {RawPageRef("a", 1, 1)})), "too many levels");
}

TEST(TreeTest, RefusesAListOfPagesWithoutAPage) {
  ExpectCorrupt(DecodeTreePage(RawPage(1, {})), "a list of pages without a page");
}

TEST(TreeTest, WantsAManifestExactlyAboveTwoMebibytes) {
  const uint64_t limit = uint64_t{2} << 20;
  EXPECT_TRUE(DecodeTreePage(RawPage(0, {RawFile("a", limit)})).has_value());
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile("a", limit + 1)})), "entry cut short");
  EXPECT_TRUE(DecodeTreePage(RawPage(0, {RawFile("a", limit + 1) + Bytes(32, 'm')})).has_value());
  ExpectCorrupt(DecodeTreePage(RawPage(0, {RawFile("a", limit) + Bytes(32, 'm')})),
                "bytes after the end");
}

TEST(TreeDeathTest, DoesNotEncodeAnInvalidName) {
  Bytes bytes;
  EXPECT_DEATH(AppendTreeEntry(FileEntry("..", 0, {}), &bytes), "IsValidName");
}

// A page as a builder would make it: sorted, and cut at the first boundary.
TreePage AnyPage() {
  TreePage page;
  page.level = static_cast<uint8_t>(*rc::gen::inRange(0, 8));
  const auto names = *rc::gen::container<std::set<std::string>>(test::AnyName());
  for (const std::string& name : names) {
    if (page.level == 0) {
      page.entries.push_back(test::AnyEntry(name));
    } else {
      page.pages.push_back(
          {name, {*test::AnyDigest()}, {*test::AnyNumber() >> 12, *test::AnyNumber() >> 12}});
    }
    const size_t items = page.entries.size() + page.pages.size();
    if (PageEndsAfter(page.level, items, NameHash(name))) break;
  }
  if (names.empty()) page.level = 0;
  return page;
}

RC_GTEST_PROP(TreeProperty, DecodesWhatItEncoded, ()) {
  const TreePage page = AnyPage();
  const Bytes bytes = EncodeTreePage(page);
  const Result<TreePage> decoded = DecodeTreePage(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == page);
  RC_ASSERT(decoded->Totals() == page.Totals());
}

RC_GTEST_PROP(TreeProperty, EncodesWhatItDecoded, ()) {
  test::CheckMutations(EncodeTreePage(AnyPage()), EncodeTreePage, DecodeTreePage);
}

RC_GTEST_PROP(TreeProperty, RefusesEveryTruncation, ()) {
  const Bytes bytes = EncodeTreePage(AnyPage());
  const auto size = *rc::gen::inRange<size_t>(0, bytes.size());
  RC_ASSERT(!DecodeTreePage(ByteView(bytes).substr(0, size)).has_value());
}

}  // namespace
}  // namespace helios

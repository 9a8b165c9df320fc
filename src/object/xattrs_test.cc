#include "object/xattrs.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "object/testing.h"

namespace helios {
namespace {

using test::Counted;
using test::ExpectCorrupt;
using test::Varint;

TEST(XattrsGolden, TwoAttributes) {
  const XattrList list = {{"checksum", "abc"}, {"empty", ""}};
  EXPECT_EQ(EncodeXattrs(list), test::FromHex("08 636865636b73756d 03 616263 05 656d707479 00"));
  const Result<XattrList> decoded = DecodeXattrs(EncodeXattrs(list));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, list);
}

TEST(XattrsTest, NoAttributesAreNoList) {
  EXPECT_EQ(EncodeXattrs({}), "");
  ExpectCorrupt(DecodeXattrs(""), "an empty list");
}

TEST(XattrsTest, RefusesNamesOutOfOrder) {
  const auto two = [](std::string_view a, std::string_view b) {
    return DecodeXattrs(Counted(a) + Counted("v") + Counted(b) + Counted("v"));
  };
  EXPECT_TRUE(two("a", "b").has_value());
  EXPECT_TRUE(two("\x7f", "\x80").has_value()) << "bytes are unsigned";
  ExpectCorrupt(two("b", "a"), "names out of order");
  ExpectCorrupt(two("a", "a"), "names out of order");
}

TEST(XattrsTest, RefusesImpossibleNames) {
  ExpectCorrupt(DecodeXattrs(Counted("") + Counted("v")), "impossible name");
  ExpectCorrupt(DecodeXattrs(Counted(std::string_view("a\0b", 3)) + Counted("v")),
                "impossible name");
  EXPECT_TRUE(DecodeXattrs(Counted(std::string(250, 'n')) + Counted("v")).has_value());
  ExpectCorrupt(DecodeXattrs(Counted(std::string(251, 'n')) + Counted("v")), "out of range");
}

TEST(XattrsTest, RefusesWhatIsTooLong) {
  EXPECT_TRUE(DecodeXattrs(Counted("n") + Counted(Bytes(65536, 'v'))).has_value());
  ExpectCorrupt(DecodeXattrs(Counted("n") + Counted(Bytes(65537, 'v'))), "out of range");
  Bytes list;
  for (char name = 'a'; list.size() <= kXattrListBytesMax; ++name) {
    EXPECT_TRUE(list.empty() || DecodeXattrs(list).has_value());
    list += Counted(std::string(1, name)) + Counted(Bytes(65000, 'v'));
  }
  ExpectCorrupt(DecodeXattrs(list), "too many bytes");
}

TEST(XattrsTest, RefusesOddVarints) {
  ExpectCorrupt(DecodeXattrs(test::OverlongVarint() + "n" + Counted("v")), "cut short");
  ExpectCorrupt(DecodeXattrs(Counted("n") + test::OverlargeVarint()), "cut short");
}

RC_GTEST_PROP(XattrsProperty, DecodesWhatItEncoded, ()) {
  const XattrList list = test::AnyXattrs();
  RC_PRE(!list.empty());
  const Result<XattrList> decoded = DecodeXattrs(EncodeXattrs(list));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == list);
}

RC_GTEST_PROP(XattrsProperty, EncodesWhatItDecoded, ()) {
  const XattrList list = test::AnyXattrs();
  RC_PRE(!list.empty());
  test::CheckMutations(EncodeXattrs(list), EncodeXattrs, DecodeXattrs);
}

}  // namespace
}  // namespace helios

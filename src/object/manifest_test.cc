#include "object/manifest.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <utility>
#include <vector>

#include "object/testing.h"

namespace helios {
namespace {

using test::ExpectCorrupt;
using test::Varint;

Manifest Example() { return {0, {{2'097'152, test::Repeated(0x88)}, {1, test::Repeated(0x99)}}}; }

Manifest ExampleList() {
  return {1,
          {{uint64_t{1} << 30, HashObject(ObjectKind::kManifest, EncodeManifest(Example()))},
           {2'097'153, test::Repeated(0xaa)}}};
}

Bytes RawManifest(uint8_t level, uint64_t count, const Bytes& items) {
  return Bytes(1, static_cast<char>(level)) + Varint(count) + items;
}
Bytes RawItem(const Bytes& length) { return length + Bytes(Digest::kSize, 'i'); }

// The worked examples of docs/format.md. These are the format: they never change.

TEST(ManifestGolden, ListOfChunks) {
  test::ExpectGolden(ObjectKind::kManifest, Example(), EncodeManifest, DecodeManifest,
                     "00 02"
                     "80808001 8888888888888888888888888888888888888888888888888888888888888888"
                     "01 9999999999999999999999999999999999999999999999999999999999999999",
                     "91cc81ad834eb9b4a3acfa333d7322a9a289564067f2b1511b73340da305f625");
}

TEST(ManifestGolden, ListOfManifests) {
  test::ExpectGolden(ObjectKind::kManifest, ExampleList(), EncodeManifest, DecodeManifest,
                     "01 02"
                     "8080808004 91cc81ad834eb9b4a3acfa333d7322a9a289564067f2b1511b73340da305f625"
                     "81808001 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                     "74860d9ab5802c29ca6530bb8360be92004ab8913d66224f28c5b9a5daaff5d6");
}

TEST(ManifestTest, AddsUpItsLength) {
  EXPECT_EQ(Example().Length(), 2'097'153u);
  EXPECT_EQ(ExampleList().Length(), (uint64_t{1} << 30) + 2'097'153);
}

TEST(ManifestTest, RefusesOtherLengths) {
  test::ExpectRefusesOtherLengths(EncodeManifest(Example()), DecodeManifest);
  test::ExpectRefusesOtherLengths(EncodeManifest(ExampleList()), DecodeManifest);
}

TEST(ManifestTest, RefusesAnEmptyItem) {
  ExpectCorrupt(DecodeManifest(RawManifest(0, 1, RawItem(Varint(0)))), "empty item");
}

TEST(ManifestTest, RefusesAnEmptyList) {
  ExpectCorrupt(DecodeManifest(RawManifest(0, 0, "")), "impossible number of items");
  ExpectCorrupt(DecodeManifest(RawManifest(1, 0, "")), "impossible number of items");
}

TEST(ManifestTest, RefusesTooManyItems) {
  Bytes items;
  for (size_t i = 0; i < kManifestItemsMax; ++i) items += RawItem(Varint(1));
  EXPECT_TRUE(DecodeManifest(RawManifest(0, kManifestItemsMax, items)).has_value());
  items += RawItem(Varint(1));
  ExpectCorrupt(DecodeManifest(RawManifest(0, kManifestItemsMax + 1, items)),
                "impossible number of items");
  ExpectCorrupt(DecodeManifest(RawManifest(0, ~uint64_t{0}, "")), "impossible number of items");
}

TEST(ManifestTest, RefusesALengthThatOverflows) {
  const Bytes most = RawItem(Varint(~uint64_t{0}));
  EXPECT_TRUE(DecodeManifest(RawManifest(0, 1, most)).has_value());
  ExpectCorrupt(DecodeManifest(RawManifest(0, 2, most + RawItem(Varint(1)))), "length overflow");
}

TEST(ManifestTest, RefusesALevelThatIsTooHigh) {
  const Bytes item = RawItem(Varint(1));
  EXPECT_TRUE(DecodeManifest(RawManifest(kManifestLevelMax, 1, item)).has_value());
  ExpectCorrupt(DecodeManifest(RawManifest(kManifestLevelMax + 1, 1, item)), "too many levels");
  ExpectCorrupt(DecodeManifest(RawManifest(255, 1, item)), "too many levels");
}

TEST(ManifestTest, RefusesAnOverlongVarint) {
  ExpectCorrupt(DecodeManifest(Bytes(1, '\0') + test::OverlongVarint() + RawItem(Varint(1))),
                "cut short");
  ExpectCorrupt(DecodeManifest(RawManifest(0, 1, RawItem(test::OverlongVarint()))),
                "item cut short");
}

TEST(ManifestTest, RefusesAnOverlargeVarint) {
  ExpectCorrupt(DecodeManifest(Bytes(1, '\0') + test::OverlargeVarint()), "cut short");
  ExpectCorrupt(DecodeManifest(RawManifest(0, 1, RawItem(test::OverlargeVarint()))),
                "item cut short");
}

TEST(ManifestTest, RefusesBytesAfterTheEnd) {
  const Bytes item = RawItem(Varint(1));
  ExpectCorrupt(DecodeManifest(RawManifest(0, 1, item + item)), "bytes after the end");
}

TEST(ManifestTest, RefusesAMissingItem) {
  ExpectCorrupt(DecodeManifest(RawManifest(0, 2, RawItem(Varint(1)))), "item cut short");
}

// Every manifest of a file with `chunks` chunks of 1, 2, 3, … bytes, in the order in which they
// came.
struct BuiltFile {
  std::vector<std::pair<ManifestId, Manifest>> manifests;
  ManifestId top;
};
BuiltFile Build(size_t chunks) {
  BuiltFile built;
  ManifestBuilder builder([&](const ObjectKey& key, ByteView bytes) -> Result<void> {
    EXPECT_EQ(key.kind, ObjectKind::kManifest);
    EXPECT_EQ(key.digest, HashObject(ObjectKind::kManifest, bytes));
    built.manifests.emplace_back(ManifestId{key.digest}, *DecodeManifest(bytes));
    return {};
  });
  for (size_t i = 0; i < chunks; ++i) {
    EXPECT_TRUE(builder.AddChunk(i + 1, {test::Repeated(static_cast<uint8_t>(i))}).has_value());
  }
  built.top = *builder.Finish();
  return built;
}

TEST(ManifestBuilderTest, MakesOneListOfUpTo8192Chunks) {
  for (const size_t chunks : {size_t{1}, size_t{2}, kManifestItemsMax}) {
    const BuiltFile built = Build(chunks);
    ASSERT_EQ(built.manifests.size(), 1u);
    EXPECT_EQ(built.manifests[0].first, built.top);
    EXPECT_EQ(built.manifests[0].second.level, 0);
    EXPECT_EQ(built.manifests[0].second.items.size(), chunks);
    EXPECT_EQ(built.manifests[0].second.Length(), uint64_t{chunks} * (chunks + 1) / 2);
  }
}

TEST(ManifestBuilderTest, FillsEveryListButTheLast) {
  for (const size_t chunks : {kManifestItemsMax + 1, 2 * kManifestItemsMax,
                              2 * kManifestItemsMax + 1, 3 * kManifestItemsMax - 1}) {
    const BuiltFile built = Build(chunks);
    const size_t lists = (chunks + kManifestItemsMax - 1) / kManifestItemsMax;
    ASSERT_EQ(built.manifests.size(), lists + 1);
    const Manifest& top = built.manifests.back().second;
    EXPECT_EQ(built.manifests.back().first, built.top);
    EXPECT_EQ(top.level, 1);
    ASSERT_EQ(top.items.size(), lists);
    for (size_t i = 0; i < lists; ++i) {
      const auto& [id, list] = built.manifests[i];
      EXPECT_EQ(list.level, 0);
      if (i + 1 < lists) {
        EXPECT_EQ(list.items.size(), kManifestItemsMax);
      }
      EXPECT_EQ(top.items[i], (ManifestItem{list.Length(), id.digest}));
    }
    EXPECT_EQ(top.Length(), uint64_t{chunks} * (chunks + 1) / 2);
  }
}

TEST(ManifestBuilderTest, PassesOnTheErrorOfTheSink) {
  ManifestBuilder builder([](const ObjectKey&, ByteView) -> Result<void> {
    return Error(ErrorCode::kNoSpace, "full");
  });
  ASSERT_TRUE(builder.AddChunk(1, {}).has_value());
  const Result<ManifestId> top = builder.Finish();
  ASSERT_FALSE(top.has_value());
  EXPECT_EQ(top.error().code(), ErrorCode::kNoSpace);
}

Manifest AnyManifest() {
  Manifest manifest;
  manifest.level = static_cast<uint8_t>(*rc::gen::inRange(0, kManifestLevelMax + 1));
  const auto items = *rc::gen::inRange<size_t>(1, 40);
  for (size_t i = 0; i < items; ++i) {
    manifest.items.push_back({(*test::AnyNumber() >> 8) + 1, *test::AnyDigest()});
  }
  return manifest;
}

RC_GTEST_PROP(ManifestProperty, DecodesWhatItEncoded, ()) {
  const Manifest manifest = AnyManifest();
  const Result<Manifest> decoded = DecodeManifest(EncodeManifest(manifest));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == manifest);
}

RC_GTEST_PROP(ManifestProperty, EncodesWhatItDecoded, ()) {
  test::CheckMutations(EncodeManifest(AnyManifest()), EncodeManifest, DecodeManifest);
}

RC_GTEST_PROP(ManifestProperty, RefusesEveryTruncation, ()) {
  const Bytes bytes = EncodeManifest(AnyManifest());
  const auto size = *rc::gen::inRange<size_t>(0, bytes.size());
  RC_ASSERT(!DecodeManifest(ByteView(bytes).substr(0, size)).has_value());
}

}  // namespace
}  // namespace helios

#include "worktree/stat_index.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <cstring>
#include <filesystem>

#include "object/xattrs.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::TempFolder;

// An index of one folder: a large file with rare attributes, and extended attributes of the folder
// itself. The text is "f", NUL, the manifest's id, the length of what is rare, that, and the
// folder's.
class StatIndexTest : public ::testing::Test {
 protected:
  StatIndexTest() {
    rare_.has_holes = true;
    rare_.link_group = LinkGroupOf("f");
    own_.xattrs = StoreXattrs(EncodeXattrs({{"n", "value"}}));
    const Bytes rare = EncodeRareAttributes(rare_);
    const Bytes own = EncodeRareAttributes(own_);
    Bytes text("f\0", 2);
    entry_.name_length = 1;
    entry_.size = kWholeBlobBytesMax + 1;
    entry_.extra_offset = static_cast<uint32_t>(text.size());
    text.append(Digest::kSize, 'm');
    const auto rare_bytes = static_cast<uint32_t>(rare.size());
    text.append(reinterpret_cast<const char*>(&rare_bytes), sizeof(rare_bytes));
    text += rare;
    entry_.flags = IndexedEntry::kTrusted | IndexedEntry::kHasRare | IndexedEntry::kIsLinked;
    section_.own_offset = static_cast<uint32_t>(text.size());
    section_.own_bytes = static_cast<uint32_t>(own.size());
    text += own;
    text.resize((text.size() + 7) / 8 * 8);
    text_ = text;
    section_.entry_count = 1;
    section_.section_bytes =
        static_cast<uint32_t>(sizeof(section_) + sizeof(entry_) + text_.size());
  }

  // Writes it, reads it, and looks at the section; nullptr if that is not to be believed.
  const IndexedSection* Load() {
    Save();
    index_ = StatIndex::Load(Path(), header_);
    EXPECT_TRUE(index_.has_value());
    return index_ ? index_->Root() : nullptr;
  }

  void Save() {
    Bytes body(reinterpret_cast<const char*>(&section_), sizeof(section_));
    body.append(reinterpret_cast<const char*>(&entry_), sizeof(entry_));
    body += text_;
    SealSection(reinterpret_cast<IndexedSection*>(body.data()));
    header_.root_offset = sizeof(IndexHeader);
    const std::vector<uint64_t> parts{7};
    EXPECT_TRUE(test::Ok(
        StatIndex::Save(folder_.path(), "index", header_, body, sizeof(IndexHeader), parts)));
  }

  void SaveAndPack() {
    Save();
    EXPECT_TRUE(test::Ok(StatIndex::Pack(folder_.path(), "index")));
  }

  std::string Path() const { return folder_ / "index"; }
  Bytes File() const { return test::ReadWholeFile(Path()); }

  TempFolder folder_;
  IndexHeader header_{};
  RareAttributes rare_, own_;
  IndexedSection section_{};
  IndexedEntry entry_{};
  Bytes text_;
  std::optional<StatIndex> index_;
};

TEST_F(StatIndexTest, KeepsWhatIsRare) {
  const IndexedSection* section = Load();
  ASSERT_NE(section, nullptr);
  const IndexedEntry& entry = section->Entries()[0];
  EXPECT_TRUE(entry.IsTrusted());
  EXPECT_TRUE(entry.IsLinked());
  EXPECT_EQ(section->Extra(entry), Bytes(Digest::kSize, 'm'));
  EXPECT_EQ(*DecodeRareAttributes(section->Rare(entry)), rare_);
  EXPECT_EQ(*DecodeRareAttributes(section->OwnRare()), own_);
}

TEST_F(StatIndexTest, WhatIsRareMustLieInTheText) {
  const auto end = static_cast<uint32_t>(text_.size());
  for (const uint32_t offset : {end - uint32_t{Digest::kSize} - 3, ~uint32_t{0}}) {
    entry_.extra_offset = offset;
    EXPECT_EQ(Load(), nullptr) << offset;
  }
}

TEST_F(StatIndexTest, TheLengthOfWhatIsRareMustFit) {
  const size_t at = entry_.extra_offset + Digest::kSize;
  for (const uint32_t bytes :
       {uint32_t{0}, static_cast<uint32_t>(text_.size()), ~uint32_t{0}, uint32_t{32}}) {
    std::memcpy(text_.data() + at, &bytes, sizeof(bytes));
    EXPECT_EQ(Load(), nullptr) << bytes;
  }
}

TEST_F(StatIndexTest, WhatIsRareMustDecode) {
  text_[entry_.extra_offset + Digest::kSize + sizeof(uint32_t)] = '\x10';
  EXPECT_EQ(Load(), nullptr);
}

TEST_F(StatIndexTest, WhatTheFolderHasMustLieInTheTextAndDecode) {
  const IndexedSection whole = section_;
  section_.own_bytes = static_cast<uint32_t>(text_.size());
  EXPECT_EQ(Load(), nullptr);
  section_.own_offset = ~uint32_t{0};
  EXPECT_EQ(Load(), nullptr);
  section_ = whole;
  --section_.own_bytes;
  EXPECT_EQ(Load(), nullptr);
  section_ = whole;
  EXPECT_NE(Load(), nullptr);
}

TEST_F(StatIndexTest, WithoutTheFlagThereIsNothingRare) {
  entry_.flags = IndexedEntry::kTrusted;
  section_.own_bytes = 0;
  text_.resize(40, 'x');
  section_.section_bytes = static_cast<uint32_t>(sizeof(section_) + sizeof(entry_) + text_.size());
  EXPECT_NE(Load(), nullptr);
}

TEST_F(StatIndexTest, PackedItGivesTheSameAndIsNotAddedTo) {
  ASSERT_NE(Load(), nullptr);
  EXPECT_TRUE(index_->CanGrow());
  const Bytes whole = File();
  SaveAndPack();
  EXPECT_LT(File().size(), whole.size());
  const std::optional<StatIndex> packed = StatIndex::Load(Path(), header_);
  ASSERT_TRUE(packed.has_value());
  EXPECT_FALSE(packed->CanGrow());
  EXPECT_EQ(packed->size(), whole.size());
  EXPECT_EQ(packed->parts(), std::vector<uint64_t>{7});
  ASSERT_NE(packed->Root(), nullptr);
  EXPECT_EQ(*DecodeRareAttributes(packed->Root()->OwnRare()), own_);
  ASSERT_NE(Load(), nullptr);  // it is replaced
  EXPECT_EQ(File(), whole);
}

TEST_F(StatIndexTest, PackingLeavesAloneWhatIsNoIndexOrOneAlready) {
  EXPECT_TRUE(test::Ok(StatIndex::Pack(folder_.path(), "index")));
  EXPECT_FALSE(std::filesystem::exists(Path()));
  SaveAndPack();
  const Bytes packed = File();
  EXPECT_TRUE(test::Ok(StatIndex::Pack(folder_.path(), "index")));
  EXPECT_EQ(File(), packed);
  for (const Bytes& other : {Bytes(), Bytes("x"), Bytes(5000, '\0')}) {
    test::WriteWholeFile(Path(), other);
    EXPECT_TRUE(test::Ok(StatIndex::Pack(folder_.path(), "index")));
    EXPECT_EQ(File(), other);
  }
}

TEST_F(StatIndexTest, DamagedPackedIndexCountsAsAbsentOrItsSectionsDo) {
  SaveAndPack();
  const Bytes packed = File();
  for (size_t size = 0; size < packed.size(); ++size) {
    test::WriteWholeFile(Path(), packed.substr(0, size));
    EXPECT_FALSE(StatIndex::Load(Path(), header_).has_value()) << size;
  }
  for (size_t at = 0; at < packed.size(); ++at) {
    Bytes damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    test::WriteWholeFile(Path(), damaged);
    const std::optional<StatIndex> index = StatIndex::Load(Path(), header_);
    if (index) (void)index->Root();  // damage is found where it is looked at
  }
  for (const uint64_t length : {uint64_t{0}, uint64_t{71}, uint64_t{1} << 40, ~uint64_t{0}}) {
    Bytes damaged = packed;
    std::memcpy(damaged.data() + 8, &length, sizeof(length));
    test::WriteWholeFile(Path(), damaged);
    EXPECT_FALSE(StatIndex::Load(Path(), header_).has_value()) << length;
  }
}

TEST_F(StatIndexTest, PackedFormOfTheDocument) {
  SaveAndPack();
  const Bytes whole_start("HELSINDX\4\0\0\0", 12);
  const Bytes packed = File();
  EXPECT_EQ(packed.substr(0, 8), "HELSINDZ");
  Bytes whole(LoadLittleEndian<uint64_t>(packed.data() + 8), '\0');
  const size_t count =
      ZSTD_decompress(whole.data(), whole.size(), packed.data() + 16, packed.size() - 16);
  EXPECT_EQ(count, whole.size());
  EXPECT_EQ(whole.substr(0, 12), whole_start);
}

}  // namespace
}  // namespace helios

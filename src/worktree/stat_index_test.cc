#include "worktree/stat_index.h"

#include <gtest/gtest.h>

#include <cstring>

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
    Bytes body(reinterpret_cast<const char*>(&section_), sizeof(section_));
    body.append(reinterpret_cast<const char*>(&entry_), sizeof(entry_));
    body += text_;
    SealSection(reinterpret_cast<IndexedSection*>(body.data()));
    IndexHeader header{};
    header.root_offset = sizeof(IndexHeader);
    EXPECT_TRUE(
        test::Ok(StatIndex::Save(folder_.path(), "index", header, body, sizeof(IndexHeader), {})));
    index_ = StatIndex::Load(folder_ / "index", header);
    EXPECT_TRUE(index_.has_value());
    return index_ ? index_->Root() : nullptr;
  }

  TempFolder folder_;
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

}  // namespace
}  // namespace helios

#include "object/attributes.h"

#include "base/check.h"
#include "base/codec.h"
#include "helios/object_store.h"
#include "object/hash.h"
#include "object/paging.h"
#include "object/xattrs.h"

namespace helios {
namespace {

constexpr uint16_t kModeMax = 07777;
constexpr uint32_t kNanosecondsMax = 999'999'999;

// Flags of an object and of an item. Those of what is rare follow what they had before.
constexpr uint8_t kOwnFollows = 1;   // of an object
constexpr uint8_t kIsDirectory = 1;  // of an item
constexpr uint8_t kHasHoles = 2;
constexpr uint8_t kIsLinked = 4;
constexpr uint8_t kHasXattrs = 8;
constexpr uint8_t kRareOfFile = kHasHoles | kIsLinked | kHasXattrs;

// The largest page: every item with a list of extended attributes of its own.
static_assert(kPageItemsMax * (64 + Digest::kSize + kInlineXattrsBytesMax) < kObjectBytesMax);

Error Malformed(std::string_view reason) {
  return Error(ErrorCode::kCorrupt, "malformed attributes: " + std::string(reason));
}

uint8_t FlagsOf(const RareAttributes& rare) {
  uint8_t flags = 0;
  if (rare.has_holes) flags |= kHasHoles;
  if (rare.link_group) flags |= kIsLinked;
  if (rare.xattrs.bytes > 0) flags |= kHasXattrs;
  return flags;
}

void AppendRare(const RareAttributes& rare, Bytes* out) {
  Encoder encoder(out);
  if (rare.link_group) encoder.Raw(*rare.link_group);
  if (rare.xattrs.bytes == 0) return;
  HELIOS_CHECK(rare.xattrs.bytes <= kXattrListBytesMax);
  HELIOS_CHECK(rare.xattrs.content.size() ==
               (rare.xattrs.IsInBlob() ? Digest::kSize : rare.xattrs.bytes));
  encoder.Varint(rare.xattrs.bytes);
  encoder.Raw(rare.xattrs.content);
}

void AppendFileAttributes(const FileAttributes& attributes, Bytes* out) {
  HELIOS_CHECK(attributes.mode <= kModeMax);
  HELIOS_CHECK(attributes.mtime.nanoseconds <= kNanosecondsMax);
  Encoder encoder(out);
  encoder.Varint(attributes.mode);
  encoder.SignedVarint(attributes.mtime.seconds);
  encoder.Varint(attributes.mtime.nanoseconds);
  AppendRare(attributes.rare, out);
}

StoredXattrs DecodeStoredXattrs(Decoder& decoder) {
  StoredXattrs xattrs;
  const uint64_t bytes = decoder.Varint();
  if (bytes == 0 || bytes > kXattrListBytesMax) decoder.Fail();
  if (!decoder.ok()) return xattrs;
  xattrs.bytes = static_cast<uint32_t>(bytes);
  xattrs.content = decoder.Raw(xattrs.IsInBlob() ? Digest::kSize : xattrs.bytes);
  if (decoder.ok() && !xattrs.IsInBlob() && !DecodeXattrs(xattrs.content)) decoder.Fail();
  return xattrs;
}

RareAttributes DecodeRare(uint8_t flags, Decoder& decoder) {
  RareAttributes rare;
  rare.has_holes = (flags & kHasHoles) != 0;
  if ((flags & kIsLinked) != 0) rare.link_group = decoder.RawDigest();
  if ((flags & kHasXattrs) != 0) rare.xattrs = DecodeStoredXattrs(decoder);
  return rare;
}

FileAttributes DecodeFileAttributes(uint8_t flags, Decoder& decoder) {
  FileAttributes attributes;
  const uint64_t mode = decoder.Varint();
  attributes.mtime.seconds = decoder.SignedVarint();
  const uint64_t nanoseconds = decoder.Varint();
  if (mode > kModeMax || nanoseconds > kNanosecondsMax) decoder.Fail();
  attributes.mode = static_cast<uint16_t>(mode);
  attributes.mtime.nanoseconds = static_cast<uint32_t>(nanoseconds);
  attributes.rare = DecodeRare(flags, decoder);
  return attributes;
}

}  // namespace

StoredXattrs StoreXattrs(ByteView list) {
  StoredXattrs xattrs;
  HELIOS_CHECK(list.size() <= kXattrListBytesMax);
  xattrs.bytes = static_cast<uint32_t>(list.size());
  xattrs.content = xattrs.IsInBlob() ? Bytes(HashBlob(list).digest.view()) : Bytes(list);
  return xattrs;
}

Digest LinkGroupOf(std::string_view path) { return HashBlob(path).digest; }

Bytes EncodeRareAttributes(const RareAttributes& rare) {
  Bytes bytes(1, static_cast<char>(FlagsOf(rare)));
  AppendRare(rare, &bytes);
  return bytes;
}

Result<RareAttributes> DecodeRareAttributes(ByteView bytes) {
  Decoder decoder(bytes);
  const auto flags = decoder.Fixed<uint8_t>();
  RareAttributes rare = DecodeRare(flags, decoder);
  if ((flags & ~kRareOfFile) != 0 || !decoder.AtEnd()) return Malformed("what is rare");
  return rare;
}

Bytes AttributesPageHeader(const std::optional<FileAttributes>& own, uint8_t level,
                           size_t item_count) {
  Bytes header;
  Encoder encoder(&header);
  HELIOS_CHECK(!own || (FlagsOf(own->rare) & ~kHasXattrs) == 0);
  encoder.Fixed(static_cast<uint8_t>(own ? kOwnFollows | FlagsOf(own->rare) : 0));
  if (own) AppendFileAttributes(*own, &header);
  encoder.Fixed(level);
  encoder.Varint(item_count);
  return header;
}

void AppendAttributesEntry(const AttributesEntry& entry, Bytes* out) {
  Encoder encoder(out);
  encoder.Fixed(entry.is_directory ? kIsDirectory : FlagsOf(entry.attributes.rare));
  if (entry.is_directory) {
    encoder.Raw(entry.directory.digest);
  } else {
    AppendFileAttributes(entry.attributes, out);
  }
}

Bytes EncodeAttributesPage(const AttributesPage& page) {
  HELIOS_CHECK(page.level == 0 ? page.pages.empty() : page.entries.empty());
  Bytes bytes = AttributesPageHeader(page.own, page.level, page.entries.size() + page.pages.size());
  for (const AttributesEntry& entry : page.entries) AppendAttributesEntry(entry, &bytes);
  for (const AttributesId& id : page.pages) bytes.append(id.digest.view());
  return bytes;
}

Result<AttributesPage> DecodeAttributesPage(ByteView bytes) {
  Decoder decoder(bytes);
  AttributesPage page;
  const auto head = decoder.Fixed<uint8_t>();
  const bool has_own = (head & kOwnFollows) != 0;
  if ((head & ~(has_own ? kOwnFollows | kHasXattrs : 0)) != 0) return Malformed("unknown flags");
  if (has_own) page.own = DecodeFileAttributes(head, decoder);
  page.level = decoder.Fixed<uint8_t>();
  const uint64_t count = decoder.Varint();
  if (!decoder.ok()) return Malformed("cut short or out of range");
  if (page.level > kPageLevelMax) return Malformed("too many levels");
  if (count > kPageItemsMax) return Malformed("too many items");
  if (page.level > 0 && count == 0) return Malformed("a list of pages without a page");
  if (page.level == 0) page.entries.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count && decoder.ok(); ++i) {
    if (page.level > 0) {
      page.pages.push_back({decoder.RawDigest()});
      continue;
    }
    AttributesEntry& entry = page.entries.emplace_back();
    const auto flags = decoder.Fixed<uint8_t>();
    if (flags != kIsDirectory && (flags & ~kRareOfFile) != 0) return Malformed("unknown flags");
    entry.is_directory = flags == kIsDirectory;
    if (entry.is_directory) {
      entry.directory = {decoder.RawDigest()};
    } else {
      entry.attributes = DecodeFileAttributes(flags, decoder);
    }
  }
  if (!decoder.ok()) return Malformed("item cut short or out of range");
  if (!decoder.AtEnd()) return Malformed("bytes after the end");
  return page;
}

}  // namespace helios

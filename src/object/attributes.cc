#include "object/attributes.h"

#include "base/check.h"
#include "base/codec.h"
#include "object/paging.h"

namespace helios {
namespace {

constexpr uint16_t kModeMax = 07777;
constexpr uint32_t kNanosecondsMax = 999'999'999;

Error Malformed(std::string_view reason) {
  return Error(ErrorCode::kCorrupt, "malformed attributes: " + std::string(reason));
}

void AppendFileAttributes(const FileAttributes& attributes, Bytes* out) {
  HELIOS_CHECK(attributes.mode <= kModeMax);
  HELIOS_CHECK(attributes.mtime.nanoseconds <= kNanosecondsMax);
  Encoder encoder(out);
  encoder.Varint(attributes.mode);
  encoder.SignedVarint(attributes.mtime.seconds);
  encoder.Varint(attributes.mtime.nanoseconds);
}

FileAttributes DecodeFileAttributes(Decoder& decoder) {
  FileAttributes attributes;
  const uint64_t mode = decoder.Varint();
  attributes.mtime.seconds = decoder.SignedVarint();
  const uint64_t nanoseconds = decoder.Varint();
  if (mode > kModeMax || nanoseconds > kNanosecondsMax) decoder.Fail();
  attributes.mode = static_cast<uint16_t>(mode);
  attributes.mtime.nanoseconds = static_cast<uint32_t>(nanoseconds);
  return attributes;
}

}  // namespace

Bytes AttributesPageHeader(const std::optional<FileAttributes>& own, uint8_t level,
                           size_t item_count) {
  Bytes header;
  Encoder encoder(&header);
  encoder.Fixed(static_cast<uint8_t>(own.has_value() ? 1 : 0));
  if (own) AppendFileAttributes(*own, &header);
  encoder.Fixed(level);
  encoder.Varint(item_count);
  return header;
}

void AppendAttributesEntry(const AttributesEntry& entry, Bytes* out) {
  Encoder encoder(out);
  encoder.Fixed(static_cast<uint8_t>(entry.is_directory ? 1 : 0));
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
  if (head > 1) return Malformed("unknown flags");
  if (head == 1) page.own = DecodeFileAttributes(decoder);
  page.level = decoder.Fixed<uint8_t>();
  const uint64_t count = decoder.Varint();
  if (!decoder.ok()) return Malformed("cut short or out of range");
  if (page.level > kPageLevelMax) return Malformed("too many levels");
  if (count > kPageItemsMax) return Malformed("too many items");
  if (page.level > 0 && count == 0) return Malformed("a list of pages without a page");
  for (uint64_t i = 0; i < count && decoder.ok(); ++i) {
    if (page.level > 0) {
      page.pages.push_back({decoder.RawDigest()});
      continue;
    }
    AttributesEntry& entry = page.entries.emplace_back();
    const auto flags = decoder.Fixed<uint8_t>();
    if (flags > 1) return Malformed("unknown flags");
    entry.is_directory = flags == 1;
    if (entry.is_directory) {
      entry.directory = {decoder.RawDigest()};
    } else {
      entry.attributes = DecodeFileAttributes(decoder);
    }
  }
  if (!decoder.ok()) return Malformed("item cut short or out of range");
  if (!decoder.AtEnd()) return Malformed("bytes after the end");
  return page;
}

}  // namespace helios

#include "object/tree.h"

#include "base/check.h"
#include "base/codec.h"
#include "helios/tree_path.h"
#include "object/paging.h"

namespace helios {
namespace {

Error Malformed(std::string_view reason) {
  return Error(ErrorCode::kCorrupt, "malformed tree: " + std::string(reason));
}

// Decodes what follows the kind and the name.
const char* DecodeEntryBody(Decoder& decoder, TreeEntry* entry) {
  switch (entry->kind) {
    case EntryKind::kFile:
    case EntryKind::kExecutable:
      entry->size = decoder.Varint();
      entry->id = decoder.RawDigest();
      if (entry->HasManifest()) entry->manifest = {decoder.RawDigest()};
      return nullptr;
    case EntryKind::kSymlink:
      entry->target = decoder.String(kSymlinkTargetBytesMax);
      if (!decoder.ok()) return nullptr;
      if (entry->target.empty()) return "empty symlink target";
      if (entry->target.find('\0') != entry->target.npos) return "NUL in a symlink target";
      return nullptr;
    case EntryKind::kDirectory:
      entry->id = decoder.RawDigest();
      entry->below.files = decoder.Varint();
      entry->below.bytes = decoder.Varint();
      return nullptr;
  }
  return "unknown entry kind";
}

const char* DecodeEntry(Decoder& decoder, TreeEntry* entry) {
  const auto kind = decoder.Fixed<uint8_t>();
  if (!decoder.ok()) return "cut short";
  if (kind > static_cast<uint8_t>(EntryKind::kDirectory)) return "unknown entry kind";
  entry->kind = static_cast<EntryKind>(kind);
  entry->name = decoder.String(kNameBytesMax);
  if (!decoder.ok()) return "name cut short or too long";
  if (!IsValidName(entry->name)) return "invalid name";
  const char* problem = DecodeEntryBody(decoder, entry);
  if (problem == nullptr && !decoder.ok()) problem = "entry cut short";
  return problem;
}

const char* DecodePageRef(Decoder& decoder, TreePageRef* ref) {
  ref->last_name = decoder.String(kNameBytesMax);
  if (!decoder.ok()) return "name cut short or too long";
  if (!IsValidName(ref->last_name)) return "invalid name";
  ref->id = {decoder.RawDigest()};
  ref->totals.files = decoder.Varint();
  ref->totals.bytes = decoder.Varint();
  return decoder.ok() ? nullptr : "page reference cut short";
}

const std::string& NameOf(const TreeEntry& entry) { return entry.name; }
const std::string& NameOf(const TreePageRef& ref) { return ref.last_name; }
TreeTotals TotalsOf(const TreeEntry& entry) { return entry.Totals(); }
TreeTotals TotalsOf(const TreePageRef& ref) { return ref.totals; }

template <typename Item>
const char* DecodeItems(Decoder& decoder, uint8_t level, size_t count,
                        const char* (*decode)(Decoder&, Item*), std::vector<Item>* items) {
  TreeTotals totals;
  items->reserve(count);
  for (size_t i = 0; i < count; ++i) {
    Item& item = items->emplace_back();
    if (const char* problem = decode(decoder, &item)) return problem;
    if (i > 0 && NameOf(item) <= NameOf((*items)[i - 1])) {
      return "names out of order or repeated";
    }
    if (i + 1 < count && PageEndsAfter(level, i + 1, NameHash(NameOf(item)))) {
      return "page not cut where it must be";
    }
    if (!AddTotals(TotalsOf(item), &totals)) return "totals overflow";
  }
  return nullptr;
}

}  // namespace

bool AddTotals(const TreeTotals& more, TreeTotals* sum) {
  return !__builtin_add_overflow(sum->files, more.files, &sum->files) &&
         !__builtin_add_overflow(sum->bytes, more.bytes, &sum->bytes);
}

Error TotalsOverflow() {
  return Error(ErrorCode::kFailed, "directory too large: its total size overflows");
}

std::string_view EntryKindName(EntryKind kind) {
  switch (kind) {
    case EntryKind::kFile:
      return "file";
    case EntryKind::kExecutable:
      return "executable";
    case EntryKind::kSymlink:
      return "symlink";
    case EntryKind::kDirectory:
      return "directory";
  }
  return "unknown";
}

TreeTotals TreeEntry::Totals() const {
  if (kind == EntryKind::kDirectory) return below;
  return {1, IsFile(kind) ? size : 0};
}

TreeTotals TreePage::Totals() const {
  TreeTotals totals;
  for (const TreeEntry& entry : entries) HELIOS_CHECK(AddTotals(entry.Totals(), &totals));
  for (const TreePageRef& page : pages) HELIOS_CHECK(AddTotals(page.totals, &totals));
  return totals;
}

void AppendTreeEntry(const TreeEntry& entry, Bytes* out) {
  HELIOS_CHECK(IsValidName(entry.name));
  Encoder encoder(out);
  encoder.Fixed(static_cast<uint8_t>(entry.kind));
  encoder.String(entry.name);
  if (IsFile(entry.kind)) {
    encoder.Varint(entry.size);
    encoder.Raw(entry.id);
    if (entry.HasManifest()) encoder.Raw(entry.manifest.digest);
  } else if (entry.kind == EntryKind::kSymlink) {
    HELIOS_CHECK(!entry.target.empty() && entry.target.size() <= kSymlinkTargetBytesMax);
    encoder.String(entry.target);
  } else {
    encoder.Raw(entry.id);
    encoder.Varint(entry.below.files);
    encoder.Varint(entry.below.bytes);
  }
}

void AppendTreePageRef(const TreePageRef& ref, Bytes* out) {
  Encoder encoder(out);
  encoder.String(ref.last_name);
  encoder.Raw(ref.id.digest);
  encoder.Varint(ref.totals.files);
  encoder.Varint(ref.totals.bytes);
}

Bytes TreePageHeader(uint8_t level, size_t item_count) {
  Bytes header;
  Encoder encoder(&header);
  encoder.Fixed(level);
  encoder.Varint(item_count);
  return header;
}

Bytes EncodeTreePage(const TreePage& page) {
  HELIOS_CHECK(page.level == 0 ? page.pages.empty() : page.entries.empty());
  Bytes bytes = TreePageHeader(page.level, page.entries.size() + page.pages.size());
  for (const TreeEntry& entry : page.entries) AppendTreeEntry(entry, &bytes);
  for (const TreePageRef& ref : page.pages) AppendTreePageRef(ref, &bytes);
  return bytes;
}

Result<TreePage> DecodeTreePage(ByteView bytes) {
  Decoder decoder(bytes);
  TreePage page;
  page.level = decoder.Fixed<uint8_t>();
  const uint64_t count = decoder.Varint();
  if (!decoder.ok()) return Malformed("cut short");
  if (page.level > kPageLevelMax) return Malformed("too many levels");
  if (count > kPageItemsMax) return Malformed("too many items");
  if (page.level > 0 && count == 0) return Malformed("a list of pages without a page");
  const char* problem =
      page.level == 0
          ? DecodeItems(decoder, page.level, static_cast<size_t>(count), DecodeEntry, &page.entries)
          : DecodeItems(decoder, page.level, static_cast<size_t>(count), DecodePageRef,
                        &page.pages);
  if (problem != nullptr) return Malformed(problem);
  if (!decoder.AtEnd()) return Malformed("bytes after the end");
  return page;
}

}  // namespace helios

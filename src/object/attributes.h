// Attributes: how one directory lay on disk. A second Merkle tree beside the content tree: one
// object per tree object, items in the tree's order and pages, without names. docs/format.md is
// normative.
#ifndef HELIOS_OBJECT_ATTRIBUTES_H_
#define HELIOS_OBJECT_ATTRIBUTES_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "helios/ids.h"
#include "helios/result.h"

namespace helios {

// A point in time as file systems keep it.
struct Timestamp {
  int64_t seconds = 0;       // since 1970-01-01 00:00:00 UTC
  uint32_t nanoseconds = 0;  // 0 to 999,999,999
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

// Lists of user extended attributes up to so many bytes stand in the attributes object itself,
// longer ones in a blob: a page of them stays far below the largest object.
inline constexpr size_t kInlineXattrsBytesMax = 1024;

// The user extended attributes of a file or folder, as an attributes object holds them.
struct StoredXattrs {
  uint32_t bytes = 0;  // length of the list (EncodeXattrs); 0: there are none
  Bytes content;       // the list, or, above kInlineXattrsBytesMax, the id of the blob that it is

  bool IsInBlob() const { return bytes > kInlineXattrsBytesMax; }
  BlobId Blob() const { return {Digest::FromBytes(content.data())}; }  // where IsInBlob()
  friend bool operator==(const StoredXattrs&, const StoredXattrs&) = default;
};
// Of an encoded list of at most kXattrListBytesMax bytes.
StoredXattrs StoreXattrs(ByteView list);

// What only few have, beside mode and time.
struct RareAttributes {
  // A file that did not take as much room as its size needs.
  bool has_holes = false;
  // Names of one tree with the same group are one file: hard links. It is the hash of the first of
  // their paths (LinkGroupOf).
  std::optional<Digest> link_group;
  StoredXattrs xattrs;  // of files and folders

  bool IsEmpty() const { return *this == RareAttributes(); }
  friend bool operator==(const RareAttributes&, const RareAttributes&) = default;
};

// The group of hard links of which `path`, relative to the root, components joined by '/', is the
// first in the order of their bytes.
Digest LinkGroupOf(std::string_view path);

struct FileAttributes {
  uint16_t mode = 0;  // the twelve permission bits
  Timestamp mtime;
  RareAttributes rare = {};
  friend bool operator==(const FileAttributes&, const FileAttributes&) = default;
};

// One item of level 0: a file's or symlink's own attributes, or the attributes object of a
// subdirectory.
struct AttributesEntry {
  bool is_directory = false;
  FileAttributes attributes;  // where !is_directory
  AttributesId directory;     // where is_directory
  friend bool operator==(const AttributesEntry&, const AttributesEntry&) = default;
};

struct AttributesPage {
  // The directory's own attributes: present in its top page only. Of what is rare, it can have
  // extended attributes.
  std::optional<FileAttributes> own;
  uint8_t level = 0;
  std::vector<AttributesEntry> entries;  // level 0
  std::vector<AttributesId> pages;       // other levels
  friend bool operator==(const AttributesPage&, const AttributesPage&) = default;
};

Bytes EncodeAttributesPage(const AttributesPage& page);
// Errors: kCorrupt for anything but a canonical encoding, with the reason.
Result<AttributesPage> DecodeAttributesPage(ByteView bytes);

// Where a format has room for the id of attributes and there are none, it holds the zero digest,
// which nothing hashes to.
inline Digest DigestOrZero(const std::optional<AttributesId>& id) {
  return id ? id->digest : Digest();
}
inline std::optional<AttributesId> AttributesIdUnlessZero(const Digest& digest) {
  if (digest == Digest()) return std::nullopt;
  return AttributesId{digest};
}

// The parts that EncodeAttributesPage strings together.
Bytes AttributesPageHeader(const std::optional<FileAttributes>& own, uint8_t level,
                           size_t item_count);
void AppendAttributesEntry(const AttributesEntry& entry, Bytes* out);

// What is rare alone, as the stat index holds it.
Bytes EncodeRareAttributes(const RareAttributes& rare);
Result<RareAttributes> DecodeRareAttributes(ByteView bytes);

}  // namespace helios

#endif  // HELIOS_OBJECT_ATTRIBUTES_H_

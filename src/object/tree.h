// Trees: one directory, or one page of a large one. docs/format.md is normative.
#ifndef HELIOS_OBJECT_TREE_H_
#define HELIOS_OBJECT_TREE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "helios/ids.h"
#include "helios/result.h"

namespace helios {

// Files up to this size are one blob; larger ones are chunks under a manifest.
inline constexpr uint64_t kWholeBlobBytesMax = uint64_t{2} << 20;
// The longest symlink target, in bytes.
inline constexpr size_t kSymlinkTargetBytesMax = 4095;

// The numbers are part of the format.
enum class EntryKind : uint8_t { kFile = 0, kExecutable = 1, kSymlink = 2, kDirectory = 3 };

inline bool IsFile(EntryKind kind) {
  return kind == EntryKind::kFile || kind == EntryKind::kExecutable;
}
std::string_view EntryKindName(EntryKind kind);

// What lies below a directory, at any depth.
struct TreeTotals {
  uint64_t files = 0;  // files, executables and symlinks
  uint64_t bytes = 0;  // contents of files and executables
  friend bool operator==(const TreeTotals&, const TreeTotals&) = default;
};

// Adds to `sum`; false, and no meaning in it, if that overflows.
bool AddTotals(const TreeTotals& more, TreeTotals* sum);
// For writers, to whom that happens with contents that cannot be.
Error TotalsOverflow();

// One name in a directory. Which fields count depends on `kind`.
struct TreeEntry {
  EntryKind kind = EntryKind::kFile;
  std::string name;     // a valid name (tree_path.h)
  uint64_t size = 0;    // file: bytes
  Digest id;            // file: BlobId of the content; directory: TreeId
  ManifestId manifest;  // file above kWholeBlobBytesMax
  std::string target;   // symlink: raw bytes
  TreeTotals below;     // directory

  bool HasManifest() const { return IsFile(kind) && size > kWholeBlobBytesMax; }
  // What this entry adds to the totals of its directory.
  TreeTotals Totals() const;
  friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

// A page of a directory that has more than one: where it ends and what it holds.
struct TreePageRef {
  std::string last_name;  // of the page's last entry
  TreeId id;
  TreeTotals totals;
  friend bool operator==(const TreePageRef&, const TreePageRef&) = default;
};

// A tree object. Level 0 holds entries; level n holds references to pages of level n-1.
struct TreePage {
  uint8_t level = 0;
  std::vector<TreeEntry> entries;  // level 0, sorted by name as unsigned bytes, unique
  std::vector<TreePageRef> pages;  // other levels, sorted likewise, not empty

  TreeTotals Totals() const;
  friend bool operator==(const TreePage&, const TreePage&) = default;
};

// The page must be in canonical form: what DecodeTreePage refuses must not be encoded.
Bytes EncodeTreePage(const TreePage& page);
// Errors: kCorrupt for anything but a canonical encoding, with the reason.
Result<TreePage> DecodeTreePage(ByteView bytes);

// The encoding of one entry or page reference alone: what EncodeTreePage strings together. For
// writers that build pages without building entries first.
void AppendTreeEntry(const TreeEntry& entry, Bytes* out);
void AppendTreePageRef(const TreePageRef& ref, Bytes* out);
Bytes TreePageHeader(uint8_t level, size_t item_count);

}  // namespace helios

#endif  // HELIOS_OBJECT_TREE_H_

// Pages of directories in memory: what the virtual state tree is made of.
//
// A page is a tree object as it is stored, with an index of its items, and the nodes below it that
// are in memory. Invariants:
//  - Its bytes, id and totals never change once it is made; states share pages.
//  - A node below is loaded at most once and then stays as long as the page.
//  - All of it lies in one block of memory, in the order in which a look-up needs it: what a
//    look-up costs is the lines of memory that it touches, and small pages are a few in a row.
//  - What is in no store is in memory: a page has a node for every content, page and directory
//    below it that was not read from one.
#ifndef HELIOS_VST_PAGE_H_
#define HELIOS_VST_PAGE_H_

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/codec.h"
#include "base/ref.h"
#include "object/batch_hash.h"
#include "object/tree.h"

namespace helios {

// A node of a virtual state tree: a page, a directory, or a file's content.
class VstNode : public RefCounted {
 public:
  // For pages and contents: true only if this and everything below it is in the store that the
  // working sets which hold it were made for.
  bool IsStored() const { return is_stored_.load(std::memory_order_acquire); }
  void MarkStored() const { is_stored_.store(true, std::memory_order_release); }

 private:
  mutable std::atomic<bool> is_stored_ = false;
};

// The content of a file that was written.
class VstContent : public VstNode {
 public:
  explicit VstContent(std::shared_ptr<const Bytes> bytes) : bytes_(std::move(bytes)) {}
  const std::shared_ptr<const Bytes>& bytes() const { return bytes_; }

 private:
  const std::shared_ptr<const Bytes> bytes_;
};

// One item of a page, borrowed from its bytes.
struct PageItem {
  EntryKind kind = EntryKind::kDirectory;  // of level 0
  std::string_view name;                   // of a page reference: the last name
  uint64_t size = 0;                       // file
  const char* id = nullptr;                // 32 bytes; null for a symlink
  const char* manifest = nullptr;          // 32 bytes, of a large file
  std::string_view target;                 // symlink
  TreeTotals below;                        // directory or page

  TreeTotals Totals() const;
};

// An item of a page to be made: its encoding and the node that belongs to it.
struct NewItem {
  std::string_view name;  // of the edit or the page that it comes from
  Bytes bytes;
  TreeTotals totals;
  Ref<VstNode> node;  // null: in L2
};

class Page : public VstNode {
 public:
  // From a tree object as it was read and verified. Errors: kCorrupt.
  static Result<Ref<Page>> Decode(const TreeId& id, ByteView bytes);
  // From items in order, cut where the form says. Errors: kFailed if the totals overflow.
  static Result<Ref<Page>> Make(uint8_t level, std::span<NewItem> items);
  // An item that takes the place of another of the same name.
  struct Replacement {
    size_t place;
    const NewItem* item;
  };
  // This page with some items replaced, places ascending.
  Result<Ref<Page>> Replace(std::span<const Replacement> replacements) const;
  ~Page() override;

  const TreeId& id() const { return id_; }
  uint8_t level() const { return level_; }
  const TreeTotals& totals() const { return totals_; }
  size_t size() const { return size_; }
  ByteView bytes() const { return {data(), bytes_size_}; }
  PageItem Item(size_t index) const;
  EntryKind Kind(size_t index) const {  // of level 0
    return static_cast<EntryKind>(data()[offsets()[index]]);
  }
  ByteView ItemBytes(size_t index) const {
    return {data() + offsets()[index], offsets()[index + 1] - offsets()[index]};
  }
  std::string_view Name(size_t index) const;
  // The first item whose name is not before `name`; size() if there is none.
  size_t LowerBound(std::string_view name) const;
  // The item of that name; size() if there is none. Of level 0.
  size_t Find(std::string_view name) const;
  // Begins to fetch what a look-up is about to read, which it would else wait for line by line.
  void Prefetch() const {
    for (size_t line = 0; line < kLinesPrefetched; ++line) {
      __builtin_prefetch(reinterpret_cast<const char*>(this) + line * kCacheLineBytes);
    }
  }
  // The item as it would be made anew, its node included.
  NewItem CopyItem(size_t index) const;
  // Whether the other was made from this one, or both from a third, by replacing items: then they
  // have the same names at the same places. Finds out nothing about others.
  bool IsVersionOf(const Page& other) const { return lineage_.get() == other.lineage_.get(); }
  // The first item from `index` on that is not the same in another version; size() if there is
  // none.
  size_t NextDifference(const Page& other, size_t index) const;

  // The node below an item, or null. Thread-safe.
  VstNode* Node(size_t index) const {
    const Segment* segment = segments()[index / kSegmentItems].get();
    return segment == nullptr ? nullptr : segment->nodes[index % kSegmentItems].get();
  }
  // Keeps a node that was loaded; returns the one that is kept. Thread-safe.
  VstNode* KeepNode(size_t index, const Ref<VstNode>& node) const;

 private:
  // The nodes of some items in a row: a page that differs in one item shares all other segments.
  static constexpr size_t kSegmentItems = 8;
  static constexpr size_t kCacheLineBytes = 64;
  static constexpr size_t kLinesPrefetched = 6;
  struct Segment : RefCounted {
    RefSlot<VstNode> nodes[kSegmentItems];
  };

  // What all versions of a page have in common and no other page has.
  struct Lineage : RefCounted {};

  Page(uint8_t level, size_t size, size_t bytes_size);
  // A page whose tags, keys, offsets and bytes are still to be filled in.
  static Ref<Page> Allocate(uint8_t level, size_t size, size_t bytes_size);
  // The page is larger than its type.
  static void operator delete(void* page) { ::operator delete(page); }
  static void* operator new(size_t, void* place) { return place; }

  // Behind the page itself, one after the other: segments, tags, keys, offsets, bytes.
  static size_t SegmentCount(size_t size) { return (size + kSegmentItems - 1) / kSegmentItems; }
  size_t segment_count() const { return SegmentCount(size_); }
  RefSlot<Segment>* segments() const {
    return reinterpret_cast<RefSlot<Segment>*>(const_cast<Page*>(this) + 1);
  }
  // Of each name a byte of a hash, where they are few: then a look-up compares them, eight at once.
  static constexpr size_t kTagsMax = 64;
  static constexpr size_t kTagsAtOnce = sizeof(uint64_t);
  static size_t TagBytes(size_t size) {
    return size > kTagsMax ? 0 : (size + kTagsAtOnce - 1) / kTagsAtOnce * kTagsAtOnce;
  }
  static uint8_t TagOf(std::string_view name);
  uint8_t* tags() const { return reinterpret_cast<uint8_t*>(segments() + segment_count()); }
  // Of each name the four bytes after those that are the same in all, as a number: ascending as the
  // names are, so that a search reads a few lines of memory and not a name, somewhere else, at each
  // step.
  uint32_t* keys() const { return reinterpret_cast<uint32_t*>(tags() + TagBytes(size_)); }
  // Of the items in bytes(), and of the end of the last.
  uint32_t* offsets() const { return keys() + size_; }
  char* data() const { return reinterpret_cast<char*>(offsets() + size_ + 1); }

  // This page's segments for `page`, a version of it, but for those of the replaced items.
  void ShareNodes(std::span<const Replacement> replacements, Page* page) const;
  // A version of this page, with its bytes but for the items replaced; nothing else.
  Ref<Page> ReplaceBytes(std::span<const Replacement> replacements) const;
  // The items from `first` on, before `end`, whose keys are that of `name`, which is not shorter
  // than what all names begin with.
  struct Range {
    size_t first;
    size_t end;
  };
  Range WithKeyOf(std::string_view name) const;
  // Whether the item has that name. Of level 0.
  bool HasName(size_t index, std::string_view name) const;
  // Find where there are no tags.
  size_t FindByKey(std::string_view name) const;
  // Makes tags and keys, from the items.
  void MakeKeys();
  void SetHash(PiecewiseHash hash);

  uint32_t bytes_size_;
  uint16_t size_;
  uint8_t level_;
  uint8_t prefix_bytes_ = 0;  // so many bytes are the same in all names
  Ref<Lineage> lineage_;
  TreeId id_;
  TreeTotals totals_;
  std::vector<Digest> pieces_;  // of the hash, where it was made here
};

// Names that lie in one folder mostly differ in one of these. None is empty.
inline uint8_t Page::TagOf(std::string_view name) {
  const size_t size = name.size();
  const auto byte = [&](size_t at) {
    return static_cast<uint32_t>(static_cast<uint8_t>(name[at]));
  };
  const uint32_t sample =
      byte(0) ^ byte(size / 2) << 8 ^ byte(size * 3 / 4) << 16 ^ byte(size - 1) << 24;
  return static_cast<uint8_t>((sample + static_cast<uint32_t>(size)) * 0x9e3779b1u >> 24);
}

inline bool Page::HasName(size_t index, std::string_view name) const {
  const char* at = data() + offsets()[index] + 1;  // behind the kind
  if (name.size() >= 0x80) return Name(index) == name;
  return static_cast<uint8_t>(*at) == name.size() &&
         std::memcmp(at + 1, name.data(), name.size()) == 0;
}

inline size_t Page::Find(std::string_view name) const {
  if (size_ > kTagsMax) return FindByKey(name);
  constexpr uint64_t kLowBits = 0x0101010101010101u;
  constexpr uint64_t kHighBits = kLowBits << 7;
  const uint64_t wanted = TagOf(name) * kLowBits;
  for (size_t at = 0; at < size_; at += kTagsAtOnce) {
    const uint64_t different = LoadLittleEndian<uint64_t>(tags() + at) ^ wanted;
    // A high bit for each byte that is zero, and for some others.
    for (uint64_t maybe = (different - kLowBits) & ~different & kHighBits; maybe != 0;
         maybe &= maybe - 1) {
      const size_t index = at + static_cast<size_t>(std::countr_zero(maybe)) / 8;
      if (index < size_ && HasName(index, name)) return index;
    }
  }
  return size_;
}

}  // namespace helios

#endif  // HELIOS_VST_PAGE_H_

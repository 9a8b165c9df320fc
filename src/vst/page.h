// Pages of directories in memory: what the virtual state tree is made of.
//
// A page is a tree object as it is stored, with an index of its items, and the nodes below it that
// are in memory. Invariants:
//  - Its bytes, id and totals never change once it is made; states share pages.
//  - A node below is loaded at most once and then stays as long as the page.
//  - What is in no store is in memory: a page has a node for every content, page and directory
//    below it that was not read from one.
#ifndef HELIOS_VST_PAGE_H_
#define HELIOS_VST_PAGE_H_

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  static Result<Ref<Page>> Decode(const TreeId& id, Bytes bytes);
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
  ByteView bytes() const { return bytes_; }
  PageItem Item(size_t index) const;
  EntryKind Kind(size_t index) const {  // of level 0
    return static_cast<EntryKind>(bytes_[offsets_[index]]);
  }
  ByteView ItemBytes(size_t index) const {
    return ByteView(bytes_).substr(offsets_[index], offsets_[index + 1] - offsets_[index]);
  }
  std::string_view Name(size_t index) const;
  // The first item whose name is not before `name`; size() if there is none.
  size_t LowerBound(std::string_view name) const;
  // The item of that name; size() if there is none. Of level 0.
  size_t Find(std::string_view name) const;
  // The item as it would be made anew, its node included.
  NewItem CopyItem(size_t index) const;
  // Whether the other was made from this one, or both from a third, by replacing items: then they
  // have the same names at the same places. Finds out nothing about others.
  bool IsVersionOf(const Page& other) const { return keys_ == other.keys_; }
  // The first item from `index` on that is not the same in another version; size() if there is
  // none.
  size_t NextDifference(const Page& other, size_t index) const;

  // The node below an item, or null. Thread-safe.
  VstNode* Node(size_t index) const {
    const Segment* segment = SegmentOf(index);
    return segment == nullptr ? nullptr : segment->nodes[index % kSegmentItems].get();
  }
  // Keeps a node that was loaded; returns the one that is kept. Thread-safe.
  VstNode* KeepNode(size_t index, const Ref<VstNode>& node) const;

 private:
  // The nodes of some items in a row: a page that differs in one item shares all other segments.
  static constexpr size_t kSegmentItems = 8;
  struct Segment : RefCounted {
    RefSlot<VstNode> nodes[kSegmentItems];
  };

  Page() = default;
  size_t segment_count() const { return (size() + kSegmentItems - 1) / kSegmentItems; }
  const Segment* SegmentOf(size_t index) const {
    const RefSlot<Segment>* segments = segments_.load(std::memory_order_acquire);
    return segments == nullptr ? nullptr : segments[index / kSegmentItems].get();
  }
  // This page's segments for `page`, a version of it, but for those of the replaced items.
  void ShareNodes(std::span<const Replacement> replacements, Page* page) const;
  // This page's bytes with the items replaced, for `page`, a version of it.
  void ReplaceBytes(std::span<const Replacement> replacements, Page* page) const;
  // The items from `first` on, before `end`, whose keys are that of `name`, which is not shorter
  // than what all names begin with.
  struct Range {
    size_t first;
    size_t end;
  };
  Range WithKeyOf(std::string_view name) const;
  // Makes the keys, from the items.
  void MakeKeys();
  void SetHash(PiecewiseHash hash);

  // In the order in which a look-up needs them.
  Bytes bytes_;
  uint16_t size_ = 0;
  uint8_t level_ = 0;
  uint8_t prefix_bytes_ = 0;  // so many bytes are the same in all names
  // Of each name the four bytes after those, as a number: ascending as the names are, so that a
  // search reads a few lines of memory and not a name, somewhere else, at each step. Versions of a
  // page share them.
  std::shared_ptr<const uint32_t[]> keys_;
  // Of the items in bytes_, and of the end of the last. Shared where no item changes its length.
  std::shared_ptr<const uint32_t[]> offsets_;
  // Made when the first node is kept.
  mutable std::atomic<RefSlot<Segment>*> segments_ = nullptr;
  TreeId id_;
  TreeTotals totals_;
  std::vector<Digest> pieces_;  // of the hash, where it was made here
};

}  // namespace helios

#endif  // HELIOS_VST_PAGE_H_

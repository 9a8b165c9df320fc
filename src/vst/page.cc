#include "vst/page.h"

#include <algorithm>

#include "base/check.h"
#include "base/codec.h"
#include "object/paging.h"

namespace helios {
namespace {

// Items of a page that was decoded or made here are well-formed: reading them cannot fail.
class ItemParser {
 public:
  explicit ItemParser(const char* at) : at_(at) {}

  const char* at() const { return at_; }
  uint8_t Byte() { return static_cast<uint8_t>(*at_++); }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const uint8_t byte = Byte();
      value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }
  std::string_view String() {
    const auto size = static_cast<size_t>(Varint());
    return {std::exchange(at_, at_ + size), size};
  }
  const char* Digest() { return std::exchange(at_, at_ + helios::Digest::kSize); }

 private:
  const char* at_;
};

PageItem ParseItem(ItemParser& parser, uint8_t level) {
  PageItem item;
  if (level == 0) item.kind = static_cast<EntryKind>(parser.Byte());
  item.name = parser.String();
  if (level == 0 && IsFile(item.kind)) {
    item.size = parser.Varint();
    item.id = parser.Digest();
    if (item.size > kWholeBlobBytesMax) item.manifest = parser.Digest();
  } else if (level == 0 && item.kind == EntryKind::kSymlink) {
    item.target = parser.String();
  } else {
    item.id = parser.Digest();
    item.below.files = parser.Varint();
    item.below.bytes = parser.Varint();
  }
  return item;
}

// The first four bytes of a name as a number that is ordered as they are. No name has a NUL.
uint32_t KeyOf(std::string_view name) {
  uint32_t key = 0;
  for (size_t i = 0; i < sizeof(key); ++i) {
    key = key << 8 | (i < name.size() ? static_cast<uint8_t>(name[i]) : 0u);
  }
  return key;
}

// The size of the header before the items.
size_t HeaderBytes(const Bytes& bytes) {
  ItemParser parser(bytes.data());
  parser.Byte();
  parser.Varint();
  return static_cast<size_t>(parser.at() - bytes.data());
}

}  // namespace

TreeTotals PageItem::Totals() const {
  if (kind == EntryKind::kDirectory) return below;
  return {1, IsFile(kind) ? size : 0};
}

Page::~Page() { delete[] segments_.load(std::memory_order_relaxed); }

Result<Ref<Page>> Page::Decode(const TreeId& id, Bytes bytes) {
  HELIOS_TRY_ASSIGN(const TreePage decoded, DecodeTreePage(bytes));
  Ref<Page> page(new Page());
  page->id_ = id;
  page->level_ = decoded.level;
  page->totals_ = decoded.Totals();
  page->bytes_ = std::move(bytes);
  const char* start = page->bytes_.data();
  ItemParser parser(start + HeaderBytes(page->bytes_));
  page->size_ = static_cast<uint16_t>(decoded.entries.size() + decoded.pages.size());
  const auto offsets = std::make_shared<uint32_t[]>(page->size() + 1);
  for (size_t i = 0; i < page->size(); ++i) {
    offsets[i] = static_cast<uint32_t>(parser.at() - start);
    ParseItem(parser, page->level_);
  }
  offsets[page->size()] = static_cast<uint32_t>(parser.at() - start);
  page->offsets_ = offsets;
  page->MakeKeys();
  return page;
}

Result<Ref<Page>> Page::Make(uint8_t level, std::span<NewItem> items) {
  HELIOS_CHECK(items.size() <= kPageItemsMax);
  Ref<Page> page(new Page());
  page->level_ = level;
  page->bytes_ = TreePageHeader(level, items.size());
  page->size_ = static_cast<uint16_t>(items.size());
  const auto offsets = std::make_shared<uint32_t[]>(items.size() + 1);
  for (size_t i = 0; i < items.size(); ++i) {
    if (!AddTotals(items[i].totals, &page->totals_)) return TotalsOverflow();
    offsets[i] = static_cast<uint32_t>(page->bytes_.size());
    page->bytes_.append(items[i].bytes);
  }
  offsets[items.size()] = static_cast<uint32_t>(page->bytes_.size());
  page->offsets_ = offsets;
  page->MakeKeys();
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].node) page->KeepNode(i, items[i].node);
  }
  page->SetHash(HashPiecewise(ObjectKind::kTree, page->bytes_));
  return page;
}

Result<Ref<Page>> Page::Replace(std::span<const Replacement> replacements) const {
  Ref<Page> page(new Page());
  page->level_ = level_;
  page->size_ = size_;
  page->prefix_bytes_ = prefix_bytes_;
  page->keys_ = keys_;
  page->totals_ = totals_;
  for (const auto& [place, item] : replacements) {
    const TreeTotals old = Item(place).Totals();
    page->totals_.files -= old.files;
    page->totals_.bytes -= old.bytes;
    if (!AddTotals(item->totals, &page->totals_)) return TotalsOverflow();
  }
  ReplaceBytes(replacements, page.get());
  ShareNodes(replacements, page.get());
  page->SetHash(HashPiecewise(ObjectKind::kTree, page->bytes_, bytes_, pieces_));
  return page;
}

void Page::ReplaceBytes(std::span<const Replacement> replacements, Page* page) const {
  const bool keeps_lengths =
      std::all_of(replacements.begin(), replacements.end(), [this](const Replacement& replacement) {
        return replacement.item->bytes.size() == ItemBytes(replacement.place).size();
      });
  if (keeps_lengths) {
    page->bytes_ = bytes_;
    page->offsets_ = offsets_;
    for (const auto& [place, item] : replacements)
      item->bytes.copy(&page->bytes_[offsets_[place]], item->bytes.size());
    return;
  }
  const auto offsets = std::make_shared<uint32_t[]>(size() + 1);
  page->bytes_.assign(bytes_, 0, offsets_[0]);
  auto next = replacements.begin();
  for (size_t i = 0; i < size(); ++i) {
    offsets[i] = static_cast<uint32_t>(page->bytes_.size());
    const bool is_replaced = next != replacements.end() && next->place == i;
    page->bytes_.append(is_replaced ? ByteView((next++)->item->bytes) : ItemBytes(i));
  }
  offsets[size()] = static_cast<uint32_t>(page->bytes_.size());
  page->offsets_ = offsets;
}

void Page::SetHash(PiecewiseHash hash) {
  id_ = {hash.digest};
  pieces_ = std::move(hash.pieces);
}

void Page::ShareNodes(std::span<const Replacement> replacements, Page* page) const {
  const RefSlot<Segment>* own = segments_.load(std::memory_order_acquire);
  auto shared = std::make_unique<RefSlot<Segment>[]>(segment_count());
  size_t next = 0;
  for (size_t at = 0; at < segment_count(); ++at) {
    Segment* old = own == nullptr ? nullptr : own[at].get();
    const size_t end = (at + 1) * kSegmentItems;
    if (next == replacements.size() || replacements[next].place >= end) {
      shared[at].Init(old);
      continue;
    }
    auto* made = new Segment();
    for (size_t i = 0; i < kSegmentItems; ++i) {
      if (next < replacements.size() && replacements[next].place == at * kSegmentItems + i) {
        made->nodes[i].Init(replacements[next++].item->node.get());
      } else if (old != nullptr) {
        made->nodes[i].Init(old->nodes[i].get());
      }
    }
    shared[at].Init(made);
  }
  page->segments_.store(shared.release(), std::memory_order_release);
}

size_t Page::NextDifference(const Page& other, size_t index) const {
  const RefSlot<Segment>* own = segments_.load(std::memory_order_acquire);
  const RefSlot<Segment>* others = other.segments_.load(std::memory_order_acquire);
  while (index < size()) {
    // Versions share the segments in which no item was replaced.
    const size_t at = index / kSegmentItems;
    if (own != nullptr && others != nullptr && own[at].get() != nullptr &&
        own[at].get() == others[at].get()) {
      index = (at + 1) * kSegmentItems;
      continue;
    }
    if (ItemBytes(index) != other.ItemBytes(index)) return index;
    ++index;
  }
  return size();
}

PageItem Page::Item(size_t index) const {
  ItemParser parser(bytes_.data() + offsets_[index]);
  return ParseItem(parser, level_);
}

std::string_view Page::Name(size_t index) const {
  ItemParser parser(bytes_.data() + offsets_[index]);
  if (level_ == 0) parser.Byte();
  return parser.String();
}

void Page::MakeKeys() {
  if (size() == 0) return;
  // What the first and the last name have in common, all have.
  const std::string_view first = Name(0), last = Name(size() - 1);
  prefix_bytes_ = static_cast<uint8_t>(
      std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first - first.begin());
  const auto keys = std::make_shared<uint32_t[]>(size());
  for (size_t i = 0; i < size(); ++i) keys[i] = KeyOf(Name(i).substr(prefix_bytes_));
  keys_ = keys;
}

size_t Page::LowerBound(std::string_view name) const {
  if (size() == 0) return 0;
  const int order = name.substr(0, prefix_bytes_).compare(Name(0).substr(0, prefix_bytes_));
  if (order != 0) return order < 0 ? 0 : size();
  auto [low, high] = WithKeyOf(name);
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (Name(middle) < name) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

size_t Page::Find(std::string_view name) const {
  if (name.size() < prefix_bytes_) return size();
  // A name that begins in another way leads to one that it is not equal to.
  const auto [first, end] = WithKeyOf(name);
  const size_t index = end - first == 1 ? first : LowerBound(name);
  return index < size() && Name(index) == name ? index : size();
}

Page::Range Page::WithKeyOf(std::string_view name) const {
  const uint32_t key = KeyOf(name.substr(prefix_bytes_));
  // Without a branch that depends on a key: it would be mispredicted every other time.
  size_t first = 0;
  for (size_t count = size(); count > 0; count -= (count + 1) / 2) {
    const size_t half = (count + 1) / 2;
    first += keys_[first + half - 1] < key ? half : 0;
  }
  size_t end = first;
  while (end < size() && keys_[end] == key) ++end;
  return {first, end};
}

NewItem Page::CopyItem(size_t index) const {
  const PageItem item = Item(index);
  return {item.name, Bytes(ItemBytes(index)), item.Totals(), Node(index)};
}

VstNode* Page::KeepNode(size_t index, const Ref<VstNode>& node) const {
  HELIOS_CHECK(index < size());
  RefSlot<Segment>* segments = segments_.load(std::memory_order_acquire);
  if (segments == nullptr) {
    auto made = std::make_unique<RefSlot<Segment>[]>(segment_count());
    if (segments_.compare_exchange_strong(segments, made.get(), std::memory_order_acq_rel)) {
      segments = made.release();
    }
  }
  RefSlot<Segment>& place = segments[index / kSegmentItems];
  Segment* segment = place.get();
  if (segment == nullptr) segment = place.Fill(new Segment());
  return segment->nodes[index % kSegmentItems].Fill(node);
}

}  // namespace helios

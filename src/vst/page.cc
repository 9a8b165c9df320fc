#include "vst/page.h"

#include <memory>
#include <new>

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
size_t HeaderBytes(ByteView bytes) {
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

Page::Page(uint8_t level, size_t size, size_t bytes_size)
    : bytes_size_(static_cast<uint32_t>(bytes_size)),
      size_(static_cast<uint16_t>(size)),
      level_(level) {
  std::uninitialized_default_construct_n(segments(), segment_count());
}

Page::~Page() { std::destroy_n(segments(), segment_count()); }

Ref<Page> Page::Allocate(uint8_t level, size_t size, size_t bytes_size) {
  static_assert(sizeof(Page) % alignof(RefSlot<Segment>) == 0);
  HELIOS_CHECK(size <= kPageItemsMax);
  void* block = ::operator new(sizeof(Page) + SegmentCount(size) * sizeof(RefSlot<Segment>) +
                               TagBytes(size) + (2 * size + 1) * sizeof(uint32_t) + bytes_size);
  return new (block) Page(level, size, bytes_size);
}

Result<Ref<Page>> Page::Decode(const TreeId& id, ByteView bytes) {
  HELIOS_TRY_ASSIGN(const TreePage decoded, DecodeTreePage(bytes));
  const Ref<Page> page =
      Allocate(decoded.level, decoded.entries.size() + decoded.pages.size(), bytes.size());
  page->id_ = id;
  page->lineage_ = new Lineage();
  page->totals_ = decoded.Totals();
  bytes.copy(page->data(), bytes.size());
  const char* start = page->data();
  ItemParser parser(start + HeaderBytes(bytes));
  for (size_t i = 0; i < page->size(); ++i) {
    page->offsets()[i] = static_cast<uint32_t>(parser.at() - start);
    ParseItem(parser, page->level_);
  }
  page->offsets()[page->size()] = static_cast<uint32_t>(parser.at() - start);
  page->MakeKeys();
  return page;
}

Result<Ref<Page>> Page::Make(uint8_t level, std::span<NewItem> items) {
  const Bytes header = TreePageHeader(level, items.size());
  size_t bytes_size = header.size();
  for (const NewItem& item : items) bytes_size += item.bytes.size();
  const Ref<Page> page = Allocate(level, items.size(), bytes_size);
  page->lineage_ = new Lineage();
  size_t at = header.copy(page->data(), header.size());
  for (size_t i = 0; i < items.size(); ++i) {
    if (!AddTotals(items[i].totals, &page->totals_)) return TotalsOverflow();
    page->offsets()[i] = static_cast<uint32_t>(at);
    at += items[i].bytes.copy(page->data() + at, items[i].bytes.size());
  }
  page->offsets()[items.size()] = static_cast<uint32_t>(at);
  page->MakeKeys();
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].node) page->KeepNode(i, items[i].node);
  }
  page->SetHash(HashPiecewise(ObjectKind::kTree, page->bytes()));
  return page;
}

Result<Ref<Page>> Page::Replace(std::span<const Replacement> replacements) const {
  TreeTotals totals = totals_;
  for (const auto& [place, item] : replacements) {
    const TreeTotals old = Item(place).Totals();
    totals.files -= old.files;
    totals.bytes -= old.bytes;
    if (!AddTotals(item->totals, &totals)) return TotalsOverflow();
  }
  const Ref<Page> page = ReplaceBytes(replacements);
  page->prefix_bytes_ = prefix_bytes_;
  page->lineage_ = lineage_;
  page->totals_ = totals;
  ShareNodes(replacements, page.get());
  page->SetHash(HashPiecewise(ObjectKind::kTree, page->bytes(), bytes(), pieces_));
  return page;
}

Ref<Page> Page::ReplaceBytes(std::span<const Replacement> replacements) const {
  size_t bytes_size = bytes_size_;
  bool keeps_lengths = true;
  for (const auto& [place, item] : replacements) {
    bytes_size += item->bytes.size() - ItemBytes(place).size();
    keeps_lengths = keeps_lengths && item->bytes.size() == ItemBytes(place).size();
  }
  const Ref<Page> page = Allocate(level_, size_, bytes_size);
  std::copy_n(tags(), TagBytes(size_), page->tags());
  std::copy_n(keys(), size_, page->keys());
  if (keeps_lengths) {
    std::copy_n(offsets(), size_ + 1, page->offsets());
    std::copy_n(data(), bytes_size_, page->data());
    for (const auto& [place, item] : replacements) {
      item->bytes.copy(page->data() + offsets()[place], item->bytes.size());
    }
    return page;
  }
  size_t at = bytes().copy(page->data(), size_ == 0 ? bytes_size_ : offsets()[0]);
  auto next = replacements.begin();
  for (size_t i = 0; i < size(); ++i) {
    page->offsets()[i] = static_cast<uint32_t>(at);
    const bool is_replaced = next != replacements.end() && next->place == i;
    const ByteView item = is_replaced ? ByteView((next++)->item->bytes) : ItemBytes(i);
    at += item.copy(page->data() + at, item.size());
  }
  page->offsets()[size()] = static_cast<uint32_t>(at);
  return page;
}

void Page::SetHash(PiecewiseHash hash) {
  id_ = {hash.digest};
  pieces_ = std::move(hash.pieces);
}

void Page::ShareNodes(std::span<const Replacement> replacements, Page* page) const {
  size_t next = 0;
  for (size_t at = 0; at < segment_count(); ++at) {
    Segment* old = segments()[at].get();
    const size_t end = (at + 1) * kSegmentItems;
    if (next == replacements.size() || replacements[next].place >= end) {
      page->segments()[at].Init(old);
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
    page->segments()[at].Init(made);
  }
}

size_t Page::NextDifference(const Page& other, size_t index) const {
  while (index < size()) {
    // Versions share the segments in which no item was replaced.
    const size_t at = index / kSegmentItems;
    const Segment* segment = segments()[at].get();
    if (segment != nullptr && segment == other.segments()[at].get()) {
      index = (at + 1) * kSegmentItems;
      continue;
    }
    if (ItemBytes(index) != other.ItemBytes(index)) return index;
    ++index;
  }
  return size();
}

PageItem Page::Item(size_t index) const {
  ItemParser parser(data() + offsets()[index]);
  return ParseItem(parser, level_);
}

std::string_view Page::Name(size_t index) const {
  ItemParser parser(data() + offsets()[index]);
  if (level_ == 0) parser.Byte();
  return parser.String();
}

void Page::MakeKeys() {
  if (size() == 0) return;
  // What the first and the last name have in common, all have.
  const std::string_view first = Name(0), last = Name(size() - 1);
  prefix_bytes_ = static_cast<uint8_t>(
      std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first - first.begin());
  for (size_t i = 0; i < size(); ++i) keys()[i] = KeyOf(Name(i).substr(prefix_bytes_));
  if (level_ > 0 || size() > kTagsMax) return;
  for (size_t i = 0; i < size(); ++i) tags()[i] = TagOf(Name(i));
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

size_t Page::FindByKey(std::string_view name) const {
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
    first += keys()[first + half - 1] < key ? half : 0;
  }
  size_t end = first;
  while (end < size() && keys()[end] == key) ++end;
  return {first, end};
}

NewItem Page::CopyItem(size_t index) const {
  const PageItem item = Item(index);
  return {item.name, Bytes(ItemBytes(index)), item.Totals(), Node(index)};
}

VstNode* Page::KeepNode(size_t index, const Ref<VstNode>& node) const {
  HELIOS_CHECK(index < size());
  RefSlot<Segment>& place = segments()[index / kSegmentItems];
  Segment* segment = place.get();
  if (segment == nullptr) segment = place.Fill(new Segment());
  return segment->nodes[index % kSegmentItems].Fill(node);
}

}  // namespace helios

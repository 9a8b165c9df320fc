#include "vst/page.h"

#include "base/check.h"
#include "base/codec.h"
#include "object/hash.h"

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
  const size_t count = decoded.entries.size() + decoded.pages.size();
  page->offsets_.reserve(count + 1);
  for (size_t i = 0; i < count; ++i) {
    page->offsets_.push_back(static_cast<uint32_t>(parser.at() - start));
    ParseItem(parser, page->level_);
  }
  page->offsets_.push_back(static_cast<uint32_t>(parser.at() - start));
  return page;
}

Result<Ref<Page>> Page::Make(uint8_t level, std::span<NewItem> items) {
  Ref<Page> page(new Page());
  page->level_ = level;
  page->bytes_ = TreePageHeader(level, items.size());
  page->offsets_.reserve(items.size() + 1);
  for (const NewItem& item : items) {
    if (!AddTotals(item.totals, &page->totals_)) return TotalsOverflow();
    page->offsets_.push_back(static_cast<uint32_t>(page->bytes_.size()));
    page->bytes_.append(item.bytes);
  }
  page->offsets_.push_back(static_cast<uint32_t>(page->bytes_.size()));
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].node) page->KeepNode(i, items[i].node);
  }
  page->id_ = {HashObject(ObjectKind::kTree, page->bytes_)};
  return page;
}

Result<Ref<Page>> Page::Replace(std::span<const std::pair<size_t, NewItem>> replacements) const {
  Ref<Page> page(new Page());
  page->level_ = level_;
  page->totals_ = totals_;
  size_t grown = bytes_.size();
  for (const auto& [place, item] : replacements) grown += item.bytes.size();
  page->bytes_.reserve(grown);
  page->offsets_ = offsets_;
  size_t copied = 0;  // bytes of this page
  size_t next = 0;    // the first item whose offset is not moved yet
  const auto move_offsets = [&](size_t end) {
    const auto shift = static_cast<uint32_t>(page->bytes_.size() - copied);
    for (; next < end && shift != 0; ++next) page->offsets_[next] += shift;
    next = end;
  };
  for (const auto& [place, item] : replacements) {
    move_offsets(place + 1);
    page->bytes_.append(bytes_, copied, offsets_[place] - copied);
    page->bytes_.append(item.bytes);
    copied = offsets_[place + 1];
    const TreeTotals old = Item(place).Totals();
    page->totals_.files -= old.files;
    page->totals_.bytes -= old.bytes;
    if (!AddTotals(item.totals, &page->totals_)) return TotalsOverflow();
  }
  move_offsets(offsets_.size());
  page->bytes_.append(bytes_, copied);
  ShareNodes(replacements, page.get());
  page->id_ = {HashObject(ObjectKind::kTree, page->bytes_)};
  return page;
}

void Page::ShareNodes(std::span<const std::pair<size_t, NewItem>> replacements, Page* page) const {
  const RefSlot<Segment>* own = segments_.load(std::memory_order_acquire);
  auto shared = std::make_unique<RefSlot<Segment>[]>(segment_count());
  size_t next = 0;
  for (size_t at = 0; at < segment_count(); ++at) {
    Segment* old = own == nullptr ? nullptr : own[at].get();
    const size_t end = (at + 1) * kSegmentItems;
    if (next == replacements.size() || replacements[next].first >= end) {
      shared[at].Init(old);
      continue;
    }
    auto* made = new Segment();
    for (size_t i = 0; i < kSegmentItems; ++i) {
      if (next < replacements.size() && replacements[next].first == at * kSegmentItems + i) {
        made->nodes[i].Init(replacements[next++].second.node.get());
      } else if (old != nullptr) {
        made->nodes[i].Init(old->nodes[i].get());
      }
    }
    shared[at].Init(made);
  }
  page->segments_.store(shared.release(), std::memory_order_release);
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

size_t Page::LowerBound(std::string_view name) const {
  size_t low = 0, high = size();
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

NewItem Page::CopyItem(size_t index) const {
  const PageItem item = Item(index);
  return {std::string(item.name), Bytes(ItemBytes(index)), item.Totals(), Node(index)};
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

// Vst::Diff: walks two states side by side, and only where their ids differ.
#include "vst/vst_diff.h"

#include <algorithm>
#include <iterator>

namespace helios {
namespace {

using Pages = std::vector<const Page*>;
struct PageRefAt {
  const Page* page;
  size_t index;
  std::string_view name() const { return page->Name(index); }
  std::string_view id() const { return {page->Item(index).id, Digest::kSize}; }
};
using PageRefs = std::vector<PageRefAt>;

PageRefs RefsIn(const Pages& pages) {
  PageRefs refs;
  for (const Page* page : pages) {
    for (size_t i = 0; i < page->size(); ++i) refs.push_back({page, i});
  }
  return refs;
}

// Drops what both have: pages that are the same end at the same name. Both are in order.
void DropCommon(PageRefs* a, PageRefs* b) {
  PageRefs rest_a, rest_b;
  auto at_b = b->begin();
  for (const PageRefAt& ref : *a) {
    for (; at_b != b->end() && at_b->name() < ref.name(); ++at_b) rest_b.push_back(*at_b);
    if (at_b != b->end() && at_b->name() == ref.name() && at_b->id() == ref.id()) {
      ++at_b;
    } else {
      rest_a.push_back(ref);
    }
  }
  rest_b.insert(rest_b.end(), at_b, b->end());
  *a = std::move(rest_a);
  *b = std::move(rest_b);
}

Result<Pages> LoadAll(const PageSource& source, const PageRefs& refs) {
  Pages pages;
  for (const PageRefAt& ref : refs) {
    HELIOS_TRY_ASSIGN(const Page* page, source.Child(*ref.page, ref.index));
    pages.push_back(page);
  }
  return pages;
}

uint8_t LevelOf(const Pages& pages) { return pages.empty() ? uint8_t{0} : pages[0]->level(); }

// One name that is not the same on both sides.
struct Pair {
  std::string name;
  std::optional<VstItem> before;
  std::optional<VstItem> after;
};

bool SameItem(const Page& a, size_t i, const Page& b, size_t j) {
  return a.ItemBytes(i) == b.ItemBytes(j);
}

void MergeLeaves(const PageRefs& a, const PageRefs& b, std::vector<Pair>* pairs) {
  auto at_a = a.begin();
  auto at_b = b.begin();
  while (at_a != a.end() || at_b != b.end()) {
    const bool takes_a = at_a != a.end() && (at_b == b.end() || at_a->name() <= at_b->name());
    const bool takes_b = at_b != b.end() && (at_a == a.end() || at_b->name() <= at_a->name());
    Pair pair;
    pair.name = takes_a ? at_a->name() : at_b->name();
    if (!takes_a || !takes_b || !SameItem(*at_a->page, at_a->index, *at_b->page, at_b->index)) {
      if (takes_a) pair.before = ItemOf(*at_a->page, at_a->index);
      if (takes_b) pair.after = ItemOf(*at_b->page, at_b->index);
      pairs->push_back(std::move(pair));
    }
    if (takes_a) ++at_a;
    if (takes_b) ++at_b;
  }
}

// What differs between two clean directories, either of which may be absent.
Result<std::vector<Pair>> DifferingItems(const PageSource& source, const VstDirectory* before,
                                         const VstDirectory* after) {
  Pages a, b;
  if (before != nullptr) {
    HELIOS_TRY_ASSIGN(const Page* top, before->Top(source));
    a.push_back(top);
  }
  if (after != nullptr) {
    HELIOS_TRY_ASSIGN(const Page* top, after->Top(source));
    b.push_back(top);
  }
  while (LevelOf(a) > 0 || LevelOf(b) > 0) {
    const uint8_t level_a = LevelOf(a);
    const uint8_t level_b = LevelOf(b);
    PageRefs refs_a, refs_b;
    if (level_a >= level_b) refs_a = RefsIn(a);
    if (level_b >= level_a) refs_b = RefsIn(b);
    if (level_a == level_b) DropCommon(&refs_a, &refs_b);
    if (level_a >= level_b) {
      HELIOS_TRY_ASSIGN(a, LoadAll(source, refs_a));
    }
    if (level_b >= level_a) {
      HELIOS_TRY_ASSIGN(b, LoadAll(source, refs_b));
    }
  }
  std::vector<Pair> pairs;
  MergeLeaves(RefsIn(a), RefsIn(b), &pairs);
  return pairs;
}

// A folder whose differences are being handed out.
struct Frame {
  std::string path;
  std::vector<Pair> pairs;
  size_t next = 0;
};

bool IsDirectory(const std::optional<VstItem>& item) {
  return item && item->kind == EntryKind::kDirectory;
}

// Whether the directory is empty; one that is absent is not.
Result<bool> IsEmpty(const PageSource& source, const std::optional<VstItem>& item) {
  if (!IsDirectory(item)) return false;
  HELIOS_TRY_ASSIGN(const Page* top, item->directory()->Top(source));
  return top->size() == 0;
}

}  // namespace

Result<std::vector<VstChange>> DiffStates(const PageSource& source, const VstDirectory& before,
                                          const VstDirectory& after) {
  std::vector<VstChange> changes;
  if (before.id() == after.id()) return changes;
  std::vector<Frame> stack;
  HELIOS_TRY_ASSIGN(std::vector<Pair> pairs, DifferingItems(source, &before, &after));
  stack.push_back({"", std::move(pairs)});
  while (!stack.empty()) {
    Frame& frame = stack.back();
    if (frame.next == frame.pairs.size()) {
      stack.pop_back();
      continue;
    }
    const Pair pair = std::move(frame.pairs[frame.next++]);
    const std::string path = frame.path + pair.name;
    // A file that becomes a folder is a deletion and additions; a folder counts if it is empty.
    HELIOS_TRY_ASSIGN(const bool was_empty, IsEmpty(source, pair.before));
    HELIOS_TRY_ASSIGN(const bool is_empty, IsEmpty(source, pair.after));
    const bool was_leaf = pair.before && (!IsDirectory(pair.before) || was_empty);
    const bool is_leaf = pair.after && (!IsDirectory(pair.after) || is_empty);
    const bool same_kind = IsDirectory(pair.before) == IsDirectory(pair.after);
    if (was_leaf && is_leaf && same_kind) {
      changes.push_back({VstChange::Kind::kChanged, path});
    } else {
      if (was_leaf) changes.push_back({VstChange::Kind::kDeleted, path});
      if (is_leaf) changes.push_back({VstChange::Kind::kAdded, path});
    }
    if (!IsDirectory(pair.before) && !IsDirectory(pair.after)) continue;
    HELIOS_TRY_ASSIGN(
        std::vector<Pair> below,
        DifferingItems(source, IsDirectory(pair.before) ? pair.before->directory() : nullptr,
                       IsDirectory(pair.after) ? pair.after->directory() : nullptr));
    stack.push_back({path + "/", std::move(below)});
  }
  return changes;
}

}  // namespace helios

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
  ByteView bytes() const { return page->ItemBytes(index); }
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
  std::string_view name;  // in the bytes of a page
  VstPlace before;
  VstPlace after;
};

void MergeLeaves(const PageRefs& a, const PageRefs& b, std::vector<Pair>* pairs) {
  auto at_a = a.begin();
  auto at_b = b.begin();
  while (at_a != a.end() || at_b != b.end()) {
    const bool is_in_a = at_a != a.end() && (at_b == b.end() || at_a->name() <= at_b->name());
    const bool is_in_b = at_b != b.end() && (at_a == a.end() || at_b->name() <= at_a->name());
    if (!is_in_a || !is_in_b || at_a->bytes() != at_b->bytes()) {
      Pair pair;
      pair.name = is_in_a ? at_a->name() : at_b->name();
      if (is_in_a) pair.before = VstPlace(at_a->page, at_a->index);
      if (is_in_b) pair.after = VstPlace(at_b->page, at_b->index);
      pairs->push_back(pair);
    }
    if (is_in_a) ++at_a;
    if (is_in_b) ++at_b;
  }
}

// What differs between two lists of pages, none of which need be like any other.
Result<void> ComparePages(const PageSource& source, Pages a, Pages b, std::vector<Pair>* pairs) {
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
  MergeLeaves(RefsIn(a), RefsIn(b), pairs);
  return {};
}

// What differs between two pages and below. Two versions of one page are compared place by place;
// lists of pages are as deep as kPageLevelMax at most.
Result<void> ComparePages(const PageSource& source, const Page& before, const Page& after,
                          std::vector<Pair>* pairs) {
  if (!before.IsVersionOf(after)) return ComparePages(source, {&before}, {&after}, pairs);
  for (size_t i = before.NextDifference(after, 0); i < before.size();
       i = before.NextDifference(after, i + 1)) {
    if (before.level() == 0) {
      pairs->push_back({before.Name(i), VstPlace(&before, i), VstPlace(&after, i)});
      continue;
    }
    HELIOS_TRY_ASSIGN(const Page* child_before, source.Child(before, i));
    HELIOS_TRY_ASSIGN(const Page* child_after, source.Child(after, i));
    HELIOS_TRY(ComparePages(source, *child_before, *child_after, pairs));
  }
  return {};
}

// What differs between two clean directories, either of which may be absent.
Result<std::vector<Pair>> DifferingItems(const PageSource& source, const VstDirectory* before,
                                         const VstDirectory* after) {
  const Page* a = nullptr;
  const Page* b = nullptr;
  if (before != nullptr) {
    HELIOS_TRY_ASSIGN(a, before->Top(source));
  }
  if (after != nullptr) {
    HELIOS_TRY_ASSIGN(b, after->Top(source));
  }
  std::vector<Pair> pairs;
  if (a != nullptr && b != nullptr) {
    HELIOS_TRY(ComparePages(source, *a, *b, &pairs));
  } else {
    HELIOS_TRY(ComparePages(source, a == nullptr ? Pages() : Pages{a},
                            b == nullptr ? Pages() : Pages{b}, &pairs));
  }
  return pairs;
}

// A folder whose differences are being handed out.
struct Frame {
  std::string path;
  std::vector<Pair> pairs;
  size_t next = 0;
};

// The directory at a place, or null.
const VstDirectory* DirectoryAt(const VstPlace& place) {
  return place ? place.directory() : nullptr;
}

// Whether a change of the item is to be told: of a directory only if it is empty.
Result<bool> IsLeaf(const PageSource& source, const VstPlace& place) {
  if (!place) return false;
  const VstDirectory* directory = place.directory();
  if (directory == nullptr) return true;
  HELIOS_TRY_ASSIGN(const Page* top, directory->Top(source));
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
    const Pair pair = frame.pairs[frame.next++];
    std::string path = frame.path;
    path += pair.name;
    const VstDirectory* const directory_before = DirectoryAt(pair.before);
    const VstDirectory* const directory_after = DirectoryAt(pair.after);
    // A file that becomes a folder is a deletion and additions.
    HELIOS_TRY_ASSIGN(const bool was_leaf, IsLeaf(source, pair.before));
    HELIOS_TRY_ASSIGN(const bool is_leaf, IsLeaf(source, pair.after));
    const bool same_kind = (directory_before == nullptr) == (directory_after == nullptr);
    if (was_leaf && is_leaf && same_kind) {
      changes.push_back({VstChange::Kind::kChanged, path});
    } else {
      if (was_leaf) changes.push_back({VstChange::Kind::kDeleted, path});
      if (is_leaf) changes.push_back({VstChange::Kind::kAdded, path});
    }
    if (directory_before == nullptr && directory_after == nullptr) continue;
    HELIOS_TRY_ASSIGN(std::vector<Pair> below,
                      DifferingItems(source, directory_before, directory_after));
    stack.push_back({std::move(path) + "/", std::move(below)});
  }
  return changes;
}

}  // namespace helios

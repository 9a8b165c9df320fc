#include "vst/page_editor.h"

#include <algorithm>
#include <span>

#include "base/check.h"
#include "object/paging.h"

namespace helios {
namespace {

NewItem RefTo(const Ref<Page>& page) {
  NewItem item;
  item.name = page->Name(page->size() - 1);
  AppendTreePageRef({std::string(item.name), page->id(), page->totals()}, &item.bytes);
  item.totals = page->totals();
  item.node = page;
  return item;
}

// Replaces items page by page; the names stay. Null if a name comes or goes.
Result<Ref<Page>> ReplaceItems(const PageSource& source, const Page& page,
                               std::span<PageEdit> edits) {
  std::vector<Page::Replacement> replacements;
  replacements.reserve(edits.size());
  std::vector<NewItem> refs;
  if (page.level() > 0) refs.reserve(edits.size());  // replacements point into it
  for (size_t i = 0; i < edits.size();) {
    const size_t place = page.LowerBound(edits[i].name);
    if (place == page.size()) return Ref<Page>();
    if (page.level() == 0) {
      if (!edits[i].item || page.Name(place) != edits[i].name) return Ref<Page>();
      replacements.push_back({place, &*edits[i++].item});
      continue;
    }
    const std::string_view last = page.Name(place);
    size_t end = i;
    while (end < edits.size() && edits[end].name <= last) ++end;
    HELIOS_TRY_ASSIGN(const Page* child, source.Child(page, place));
    HELIOS_TRY_ASSIGN(const Ref<Page> made,
                      ReplaceItems(source, *child, edits.subspan(i, end - i)));
    if (!made) return Ref<Page>();
    refs.push_back(RefTo(made));
    replacements.push_back({place, &refs.back()});
    i = end;
  }
  return page.Replace(replacements);
}

// Cuts a sequence of items into the pages of one level.
class PageCutter {
 public:
  explicit PageCutter(uint8_t level) : level_(level) {}

  Result<void> Add(NewItem item) {
    const uint64_t hash = NameHash(item.name);
    items_.push_back(std::move(item));
    return PageEndsAfter(level_, items_.size(), hash) ? Cut() : Result<void>();
  }
  // A page that stays as it is. Only where no page is begun.
  void AddPage(NewItem ref) { pages_.push_back(std::move(ref)); }
  bool IsBetweenPages() const { return items_.empty(); }
  // References to the pages, the last of which may end anywhere.
  Result<std::vector<NewItem>> Finish() {
    if (!items_.empty()) HELIOS_TRY(Cut());
    return std::move(pages_);
  }

 private:
  Result<void> Cut() {
    HELIOS_TRY_ASSIGN(const Ref<Page> page, Page::Make(level_, items_));
    pages_.push_back(RefTo(page));
    items_.clear();
    return {};
  }

  const uint8_t level_;
  std::vector<NewItem> items_;
  std::vector<NewItem> pages_;
};

// The leaves of a directory in order. Lists of pages are as deep as kPageLevelMax at most.
Result<void> CollectLeaves(const PageSource& source, const Page& page,
                           std::vector<std::pair<const Page*, size_t>>* leaves) {
  for (size_t i = 0; i < page.size(); ++i) {
    if (page.level() == 1) {
      leaves->emplace_back(&page, i);
      continue;
    }
    HELIOS_TRY_ASSIGN(const Page* child, source.Child(page, i));
    HELIOS_TRY(CollectLeaves(source, *child, leaves));
  }
  return {};
}

// Merges the items of a leaf with the edits that fall into it.
Result<void> MergeLeaf(const Page& leaf, std::span<PageEdit> edits, PageCutter* cutter) {
  size_t at = 0;
  for (PageEdit& edit : edits) {
    for (; at < leaf.size() && leaf.Name(at) < edit.name; ++at) {
      HELIOS_TRY(cutter->Add(leaf.CopyItem(at)));
    }
    if (at < leaf.size() && leaf.Name(at) == edit.name) ++at;
    if (edit.item) HELIOS_TRY(cutter->Add(*std::move(edit.item)));
  }
  for (; at < leaf.size(); ++at) HELIOS_TRY(cutter->Add(leaf.CopyItem(at)));
  return {};
}

// The leaves after the edits, as references: those that no edit falls into and before which a page
// ends stay as they are.
Result<std::vector<NewItem>> CutLeaves(const PageSource& source, const Page& top,
                                       std::span<PageEdit> edits) {
  PageCutter cutter(0);
  if (top.level() == 0) {
    HELIOS_TRY(MergeLeaf(top, edits, &cutter));
    return cutter.Finish();
  }
  std::vector<std::pair<const Page*, size_t>> leaves;
  HELIOS_TRY(CollectLeaves(source, top, &leaves));
  size_t next = 0;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const auto [parent, place] = leaves[i];
    const bool is_last = i + 1 == leaves.size();
    size_t end = next;
    while (end < edits.size() && (is_last || edits[end].name <= parent->Name(place))) ++end;
    if (next == end && cutter.IsBetweenPages()) {
      cutter.AddPage(parent->CopyItem(place));
      continue;
    }
    HELIOS_TRY_ASSIGN(const Page* leaf, source.Child(*parent, place));
    HELIOS_TRY(MergeLeaf(*leaf, edits.subspan(next, end - next), &cutter));
    next = end;
  }
  return cutter.Finish();
}

}  // namespace

Result<Ref<Page>> EditPages(const PageSource& source, const Ref<Page>& top,
                            std::vector<PageEdit> edits) {
  HELIOS_TRY_ASSIGN(const Ref<Page> base, top ? Result<Ref<Page>>(top) : Page::Make(0, {}));
  if (edits.empty()) return base;
  HELIOS_TRY_ASSIGN(const Ref<Page> replaced, ReplaceItems(source, *base, edits));
  if (replaced) return replaced;
  HELIOS_TRY_ASSIGN(std::vector<NewItem> pages, CutLeaves(source, *base, edits));
  if (pages.empty()) return Page::Make(0, {});
  for (uint8_t level = 1; pages.size() > 1; ++level) {
    HELIOS_CHECK(level <= kPageLevelMax);
    PageCutter cutter(level);
    for (NewItem& page : pages) HELIOS_TRY(cutter.Add(std::move(page)));
    HELIOS_TRY_ASSIGN(pages, cutter.Finish());
  }
  HELIOS_TRY_ASSIGN(const Ref<Page> above, Page::Make(1, pages));
  HELIOS_TRY_ASSIGN(Page * only, source.Child(*above, 0));
  return Ref<Page>(only);
}

}  // namespace helios

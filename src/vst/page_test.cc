#include "vst/page.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "base/codec.h"
#include "object/paging.h"
#include "object/testing.h"

namespace helios {
namespace {

// Names that are like each other: few letters, often long ones that begin and end alike.
rc::Gen<std::string> SimilarName() {
  return rc::gen::apply(
      [](const std::string& start, const std::string& middle, const std::string& end) {
        return start + middle + end;
      },
      rc::gen::element<std::string>("", "file", std::string(130, 'n')),
      rc::gen::resize(6, rc::gen::nonEmpty(rc::gen::container<std::string>(
                             rc::gen::element('a', 'b', '\x01', '\x7f', '\xff')))),
      rc::gen::element<std::string>("", ".cc", std::string(20, 'z')));
}

std::vector<std::string> Sorted(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

TreeEntry SymlinkTo(const std::string& name, std::string target) {
  TreeEntry entry;
  entry.kind = EntryKind::kSymlink;
  entry.name = name;
  entry.target = std::move(target);
  return entry;
}

NewItem ItemFor(const TreeEntry& entry) {
  NewItem item;
  item.name = entry.name;
  AppendTreeEntry(entry, &item.bytes);
  item.totals = entry.Totals();
  return item;
}

Ref<Page> PageOf(const std::vector<std::string>& names) {
  std::vector<TreeEntry> entries;
  for (const std::string& name : names) entries.push_back(SymlinkTo(name, "to " + name));
  std::vector<NewItem> items;
  for (const TreeEntry& entry : entries) items.push_back(ItemFor(entry));
  return Page::Make(0, items).value();
}

// As many names as a page may have, more than it keeps tags of among them.
rc::Gen<std::set<std::string>> Names() {
  return rc::gen::scale(4.0, rc::gen::container<std::set<std::string>>(SimilarName()));
}

RC_GTEST_PROP(PageTest, FindsEveryNameAndNoOther, ()) {
  const std::set<std::string> names = *Names();
  const std::vector<std::string> sorted = Sorted(names);
  RC_PRE(sorted.size() <= kPageItemsMax);
  RC_CLASSIFY(sorted.size() > 64, "without tags");
  const Ref<Page> page = PageOf(sorted);
  for (size_t i = 0; i < sorted.size(); ++i) {
    RC_ASSERT(page->Find(sorted[i]) == i);
    RC_ASSERT(page->LowerBound(sorted[i]) == i);
    RC_ASSERT(page->Name(i) == sorted[i]);
    RC_ASSERT(page->Item(i).target == "to " + sorted[i]);
  }
  for (const std::string& other : *rc::gen::container<std::vector<std::string>>(SimilarName())) {
    const auto place =
        static_cast<size_t>(std::lower_bound(sorted.begin(), sorted.end(), other) - sorted.begin());
    RC_ASSERT(page->LowerBound(other) == place);
    RC_ASSERT(page->Find(other) == (names.contains(other) ? place : sorted.size()));
  }
}

RC_GTEST_PROP(PageTest, AVersionIsThePageMadeAnew, (bool keeps_lengths)) {
  const std::vector<std::string> names = Sorted(*Names());
  RC_PRE(!names.empty() && names.size() <= kPageItemsMax);
  const Ref<Page> page = PageOf(names);
  std::vector<TreeEntry> entries;
  std::set<size_t> places =
      *rc::gen::container<std::set<size_t>>(rc::gen::inRange(size_t{0}, names.size()));
  for (size_t i = 0; i < names.size(); ++i) {
    std::string target = "to " + names[i];
    if (places.contains(i)) target = keeps_lengths ? "TO " + names[i] : std::string(1 + i, 't');
    entries.push_back(SymlinkTo(names[i], target));
  }
  std::vector<NewItem> items;
  for (const TreeEntry& entry : entries) items.push_back(ItemFor(entry));
  std::vector<Page::Replacement> replacements;
  for (size_t place : places) replacements.push_back({place, &items[place]});

  const Ref<Page> version = page->Replace(replacements).value();
  const Ref<Page> anew = Page::Make(0, items).value();
  RC_ASSERT(version->bytes() == anew->bytes());
  RC_ASSERT(version->id() == anew->id());
  RC_ASSERT(version->totals() == anew->totals());
  RC_ASSERT(version->IsVersionOf(*page));
  RC_ASSERT(!anew->IsVersionOf(*page));
  size_t difference = 0;
  for (size_t place : places) {
    difference = page->NextDifference(*version, difference);
    RC_ASSERT(difference++ == place);
  }
  RC_ASSERT(page->NextDifference(*version, difference) == names.size());
  for (size_t i = 0; i < names.size(); ++i) RC_ASSERT(version->Find(names[i]) == i);
}

TEST(PageTest, AnEmptyPageHasNothing) {
  const Ref<Page> page = PageOf({});
  EXPECT_EQ(page->size(), 0u);
  EXPECT_EQ(page->Find("a"), 0u);
  EXPECT_EQ(page->LowerBound("a"), 0u);
}

TEST(PageTest, KeepsTheFirstNodeOfAnItemAndSharesItWithVersions) {
  const Ref<Page> page = PageOf({"a", "b"});
  const Ref<VstNode> first(new VstContent(nullptr));
  EXPECT_EQ(page->Node(1), nullptr);
  EXPECT_EQ(page->KeepNode(1, first), first.get());
  EXPECT_EQ(page->KeepNode(1, new VstContent(nullptr)), first.get());
  const TreeEntry changed = SymlinkTo("a", "elsewhere");
  const NewItem item = ItemFor(changed);
  const Page::Replacement replacement{0, &item};
  const Ref<Page> version = page->Replace({&replacement, 1}).value();
  EXPECT_EQ(version->Node(0), nullptr);
  EXPECT_EQ(version->Node(1), first.get());
}

}  // namespace
}  // namespace helios

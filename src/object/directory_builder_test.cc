#include "object/directory_builder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "object/paging.h"
#include "object/testing.h"

namespace helios {
namespace {

using Objects = std::map<ObjectKey, Bytes>;

const FileAttributes kOwn{0755, {1'795'305'600, 500'000'000}};

struct Item {
  TreeEntry entry;
  AttributesEntry attributes;
};
using Items = std::vector<Item>;

struct Built {
  BuiltDirectory directory;
  Objects objects;
};

Item FileItem(const std::string& name, size_t number) {
  const auto byte = static_cast<uint8_t>(number);
  return {test::FileEntry(name, number, test::Repeated(byte)),
          {false,
           {0644, {1'000'000'000 + static_cast<int64_t>(number), static_cast<uint32_t>(number)}},
           {}}};
}

// The directory of docs/format.md's example: file-0000, file-0001, …
Items NumberedFiles(size_t count) {
  Items items;
  for (size_t i = 0; i < count; ++i) {
    const std::string digits = std::to_string(i);
    items.push_back(
        FileItem("file-" + std::string(4 - std::min<size_t>(4, digits.size()), '0') + digits, i));
  }
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return a.entry.name < b.entry.name; });
  return items;
}

Items RandomNames(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::set<std::string> names;
  while (names.size() < count) names.insert(std::to_string(random()));
  Items items;
  for (const std::string& name : names) items.push_back(FileItem(name, items.size()));
  return items;
}

// `count` names in order that all satisfy a condition on their hash.
Items NamesWhere(size_t count, const std::function<bool(uint64_t)>& condition) {
  Items items;
  for (int i = 100'000'000; items.size() < count; ++i) {
    const std::string name = std::to_string(i);
    if (condition(NameHash(name))) items.push_back(FileItem(name, items.size()));
  }
  return items;
}

Built Build(const Items& items, const FileAttributes& own = kOwn) {
  Built built;
  DirectoryBuilder builder([&](const ObjectKey& key, ByteView bytes) -> Result<void> {
    EXPECT_EQ(key.digest, HashObject(key.kind, bytes));
    built.objects.emplace(key, bytes);
    return {};
  });
  for (const Item& item : items) {
    EXPECT_TRUE(builder.Add(item.entry, item.attributes).has_value());
  }
  built.directory = *builder.Finish(own);
  return built;
}

// The rule of docs/format.md, "Paging", in its plainest form: one level after the other, all of it
// in memory, with its own copy of the numbers.
struct ModelItem {
  std::string last_name;
  TreeTotals totals;
  std::function<void(TreePage*, AttributesPage*)> add_to;
};

BuiltDirectory BuildLevel(const std::vector<ModelItem>& items, uint8_t level, Objects* objects) {
  std::vector<std::vector<ModelItem>> pages(1);
  for (size_t i = 0; i < items.size(); ++i) {
    pages.back().push_back(items[i]);
    const bool matches = ((NameHash(items[i].last_name) >> (6 * level)) & 0x3f) == 0;
    const bool ends = pages.back().size() == 512 || (pages.back().size() >= 64 && matches);
    if (ends && i + 1 < items.size()) pages.emplace_back();
  }
  std::vector<ModelItem> above;
  BuiltDirectory built;
  for (const std::vector<ModelItem>& page_items : pages) {
    TreePage page;
    AttributesPage beside;
    page.level = beside.level = level;
    if (pages.size() == 1) beside.own = kOwn;
    for (const ModelItem& item : page_items) item.add_to(&page, &beside);
    const Bytes tree = EncodeTreePage(page);
    const Bytes attributes = EncodeAttributesPage(beside);
    built = {{HashObject(ObjectKind::kTree, tree)},
             {HashObject(ObjectKind::kAttributes, attributes)},
             page.Totals()};
    objects->emplace(built.tree, tree);
    objects->emplace(built.attributes, attributes);
    if (pages.size() == 1) return built;
    const std::string& last_name = page_items.back().last_name;
    above.push_back(
        {last_name, built.totals, [built, last_name](TreePage* list, AttributesPage* list_beside) {
           list->pages.push_back({last_name, built.tree, built.totals});
           list_beside->pages.push_back(built.attributes);
         }});
  }
  return BuildLevel(above, static_cast<uint8_t>(level + 1), objects);
}

Built BuildByTheRule(const Items& items) {
  std::vector<ModelItem> level;
  for (const Item& item : items) {
    level.push_back(
        {item.entry.name, item.entry.Totals(), [&item](TreePage* page, AttributesPage* beside) {
           page->entries.push_back(item.entry);
           beside->entries.push_back(item.attributes);
         }});
  }
  Built built;
  built.directory = BuildLevel(level, 0, &built.objects);
  return built;
}

// How many items the pages of each level hold, from level 0 up, in order.
using PageSizes = std::vector<std::vector<size_t>>;

void CollectPages(const Objects& objects, const TreeId& id, PageSizes* sizes,
                  std::vector<TreeEntry>* entries) {
  const Result<TreePage> page = DecodeTreePage(objects.at(id));
  ASSERT_TRUE(page.has_value()) << page.error().message();
  if (sizes->size() <= page->level) sizes->resize(page->level + size_t{1});
  (*sizes)[page->level].push_back(page->entries.size() + page->pages.size());
  entries->insert(entries->end(), page->entries.begin(), page->entries.end());
  for (const TreePageRef& ref : page->pages) {
    const Result<TreePage> below = DecodeTreePage(objects.at(ref.id));
    ASSERT_TRUE(below.has_value()) << below.error().message();
    EXPECT_EQ(below->level + 1, page->level);
    EXPECT_EQ(below->Totals(), ref.totals);
    const std::string& last =
        below->level == 0 ? below->entries.back().name : below->pages.back().last_name;
    EXPECT_EQ(last, ref.last_name);
    CollectPages(objects, ref.id, sizes, entries);
  }
}

PageSizes PageSizesOf(const Built& built) {
  PageSizes sizes;
  std::vector<TreeEntry> entries;
  CollectPages(built.objects, built.directory.tree, &sizes, &entries);
  return sizes;
}

void CollectAttributes(const Objects& objects, const AttributesId& id,
                       std::vector<AttributesEntry>* entries, size_t* with_own) {
  const Result<AttributesPage> page = DecodeAttributesPage(objects.at(id));
  ASSERT_TRUE(page.has_value()) << page.error().message();
  if (page->own) ++*with_own;
  entries->insert(entries->end(), page->entries.begin(), page->entries.end());
  for (const AttributesId& below : page->pages) {
    CollectAttributes(objects, below, entries, with_own);
  }
}

void ExpectWithinBounds(const PageSizes& sizes) {
  for (size_t level = 0; level < sizes.size(); ++level) {
    for (size_t i = 0; i < sizes[level].size(); ++i) {
      EXPECT_LE(sizes[level][i], 512u) << "level " << level << " page " << i;
      const bool last = i + 1 == sizes[level].size();
      if (!last) {
        EXPECT_GE(sizes[level][i], 64u) << "level " << level << " page " << i;
      }
    }
    // The top is one page, and no level lies above a single page.
    if (level + 1 == sizes.size()) {
      EXPECT_EQ(sizes[level].size(), 1u);
    }
    if (level + 1 < sizes.size()) {
      EXPECT_GT(sizes[level].size(), 1u);
    }
  }
}

// Everything that must hold of a directory, whatever is in it.
void ExpectSound(const Items& items, const Built& built) {
  PageSizes sizes;
  std::vector<TreeEntry> entries;
  CollectPages(built.objects, built.directory.tree, &sizes, &entries);
  ExpectWithinBounds(sizes);
  std::vector<AttributesEntry> attributes;
  size_t with_own = 0;
  CollectAttributes(built.objects, built.directory.attributes, &attributes, &with_own);
  EXPECT_EQ(with_own, 1u);
  ASSERT_EQ(entries.size(), items.size());
  ASSERT_EQ(attributes.size(), items.size());
  TreeTotals totals;
  for (size_t i = 0; i < items.size(); ++i) {
    ASSERT_TRUE(entries[i] == items[i].entry) << i;
    ASSERT_TRUE(attributes[i] == items[i].attributes) << i;
    totals.files += items[i].entry.Totals().files;
    totals.bytes += items[i].entry.Totals().bytes;
  }
  EXPECT_EQ(built.directory.totals, totals);
  const Built model = BuildByTheRule(items);
  EXPECT_EQ(built.directory.tree, model.directory.tree);
  EXPECT_EQ(built.directory.attributes, model.directory.attributes);
  EXPECT_EQ(built.objects, model.objects);
}

// How many objects of `kind` the second directory has that the first has not.
size_t CountNew(ObjectKind kind, const Built& before, const Built& after) {
  return static_cast<size_t>(
      std::count_if(after.objects.begin(), after.objects.end(), [&](const auto& object) {
        return object.first.kind == kind && before.objects.count(object.first) == 0;
      }));
}

// Made with an independent implementation of docs/format.md. These are the format.

TEST(PagingGolden, HashesNames) {
  EXPECT_EQ(NameHash(""), 0xefd01f60ba992926);
  EXPECT_EQ(NameHash("a"), 0x82a2a958a9bece5b);
  EXPECT_EQ(NameHash("file-0000"), 0x3460ce30c0395b0d);
  EXPECT_EQ(NameHash("\xff"), 0x1bbd5c813c69a8d7);
}

TEST(DirectoryBuilderGolden, NumberedFiles) {
  struct Case {
    size_t count;
    const char* tree;
    const char* attributes;
    PageSizes sizes;
  };
  const std::vector<Case> cases = {
      {0,
       "e34b8bcf1ef77244a98ee26e48b04208c9bfcd0e9f75ddd1dc0ab8e2cc005a43",
       "6524d55dcd72f50aac23bd98eb2e68be7813c962af54742448aa207d3877aa1f",
       {{0}}},
      {1,
       "ffe9bee71e12cf8e338b56057e4b6e88a34a9837dcfee061773ea9b12e3f752a",
       "9ef77f40514898fb1b178291dd8ea8f49b2db7b67f63c14a728191377277cf11",
       {{1}}},
      {65,
       "72eb103e3c30f235d3a67bd6eee909bd6b3a7ccfeb95b461eeda3438841c402c",
       "6e4149ae2f316a2c185da25b16ace2a1e58d366a57363d9ea82502eff8b19edb",
       {{65}}},
      {1000,
       "404313ce2c894691b2ee710d20503936ebc38bbdf3960a23cc9651112c67c70e",
       "b5ead82f3c87192146b307f8e5e5a400e222b3e276a898d84408ce6ca4577fd2",
       {{263, 152, 169, 84, 80, 252}, {6}}},
  };
  for (const Case& one : cases) {
    const Built built = Build(NumberedFiles(one.count));
    EXPECT_EQ(built.directory.tree.digest.ToHex(), one.tree) << one.count;
    EXPECT_EQ(built.directory.attributes.digest.ToHex(), one.attributes) << one.count;
    EXPECT_EQ(PageSizesOf(built), one.sizes) << one.count;
  }
}

TEST(DirectoryBuilderTest, KeepsEverySizeWithinBounds) {
  for (const size_t count : {0, 1, 63, 64, 65, 128, 511, 512, 513, 1000, 5000}) {
    SCOPED_TRACE(count);
    const Items items = RandomNames(count, count);
    ExpectSound(items, Build(items));
  }
}

TEST(DirectoryBuilderTest, KeepsAHundredThousandEntriesWithinBounds) {
  const Items items = RandomNames(100'000, 1);
  const Built built = Build(items);
  ExpectSound(items, built);
  EXPECT_EQ(PageSizesOf(built).size(), 3u);
}

TEST(DirectoryBuilderTest, FillsPagesToAbout128OnAverage) {
  const PageSizes sizes = PageSizesOf(Build(RandomNames(100'000, 2)));
  const size_t average = 100'000 / sizes[0].size();
  EXPECT_GE(average, 100u);
  EXPECT_LE(average, 160u);
}

TEST(DirectoryBuilderTest, RewritesOnePagePerLevelWhenOneEntryChanges) {
  for (const size_t count : {1, 63, 64, 65, 1000, 100'000}) {
    Items items = RandomNames(count, 3);
    const Built before = Build(items);
    const size_t levels = PageSizesOf(before).size();
    for (const size_t place : {size_t{0}, count / 2, count - 1}) {
      SCOPED_TRACE(testing::Message() << count << " entries, entry " << place);
      const Item original = items[place];
      items[place].entry.id = test::Repeated(0xee);
      const Built other_content = Build(items);
      EXPECT_EQ(CountNew(ObjectKind::kTree, before, other_content), levels);
      EXPECT_EQ(CountNew(ObjectKind::kAttributes, before, other_content), 0u);
      items[place] = original;
      items[place].attributes.attributes.mtime.nanoseconds = 999'999'999;
      const Built other_mtime = Build(items);
      EXPECT_EQ(CountNew(ObjectKind::kTree, before, other_mtime), 0u);
      EXPECT_EQ(CountNew(ObjectKind::kAttributes, before, other_mtime), levels);
      items[place] = original;
    }
    // The directory's own attributes lie in the top page alone.
    const Built other_own = Build(items, {0700, {1, 2}});
    EXPECT_EQ(other_own.directory.tree, before.directory.tree);
    EXPECT_EQ(CountNew(ObjectKind::kAttributes, before, other_own), 1u);
  }
}

TEST(DirectoryBuilderTest, RewritesFewPagesWhenANameIsAdded) {
  const Items items = RandomNames(20'000, 4);
  const Built before = Build(items);
  size_t rewritten = 0;
  constexpr size_t kTries = 20;
  for (size_t i = 0; i < kTries; ++i) {
    Items more = items;
    const size_t place = i * items.size() / kTries;
    more.insert(more.begin() + static_cast<std::ptrdiff_t>(place) + 1,
                FileItem(items[place].entry.name + "x", 7));
    rewritten += CountNew(ObjectKind::kTree, before, Build(more));
  }
  // Pages find together again after a few: far fewer than the 160 that follow on average.
  EXPECT_LE(rewritten / kTries, 12u);
}

TEST(DirectoryBuilderTest, GivesTheSameIdsForTheSameEntriesInWhateverOrderTheyCame) {
  const Items items = RandomNames(1000, 5);
  const Built expected = Build(items);
  for (uint64_t seed = 0; seed < 5; ++seed) {
    Items shuffled = items;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937_64(seed));
    std::map<std::string, Item> sorted;
    for (const Item& item : shuffled) sorted.emplace(item.entry.name, item);
    Items again;
    for (const auto& [name, item] : sorted) again.push_back(item);
    const Built built = Build(again);
    EXPECT_EQ(built.directory.tree, expected.directory.tree);
    EXPECT_EQ(built.directory.attributes, expected.directory.attributes);
  }
}

TEST(DirectoryBuilderTest, StaysWithinBoundsWhenEveryNameIsABoundary) {
  const Items items = NamesWhere(64 * 20 + 1, [](uint64_t hash) { return (hash & 0x3f) == 0; });
  const Built built = Build(items);
  ExpectSound(items, built);
  std::vector<size_t> expected(20, 64);
  expected.push_back(1);
  EXPECT_EQ(PageSizesOf(built)[0], expected);
}

TEST(DirectoryBuilderTest, StaysWithinBoundsWhenEveryNameIsABoundaryOnTwoLevels) {
  const Items items = NamesWhere(64 * 64 + 1, [](uint64_t hash) { return (hash & 0xfff) == 0; });
  const Built built = Build(items);
  ExpectSound(items, built);
  const PageSizes sizes = PageSizesOf(built);
  ASSERT_EQ(sizes.size(), 3u);
  EXPECT_EQ(sizes[1], (std::vector<size_t>{64, 1}));
  EXPECT_EQ(sizes[2], (std::vector<size_t>{2}));
}

TEST(DirectoryBuilderTest, StaysWithinBoundsWhenNoNameIsABoundary) {
  const Items items = NamesWhere(512 * 4 + 1, [](uint64_t hash) { return (hash & 0x3f) != 0; });
  const Built built = Build(items);
  ExpectSound(items, built);
  EXPECT_EQ(PageSizesOf(built), (PageSizes{{512, 512, 512, 512, 1}, {5}}));
}

TEST(DirectoryBuilderTest, MakesOnePageOf512NamesWithoutABoundary) {
  const Items items = NamesWhere(512, [](uint64_t hash) { return (hash & 0x3f) != 0; });
  EXPECT_EQ(PageSizesOf(Build(items)), (PageSizes{{512}}));
}

TEST(DirectoryBuilderTest, HandsOutPagesBeforeWhatRefersToThem) {
  std::set<ObjectKey> seen;
  DirectoryBuilder builder([&](const ObjectKey& key, ByteView bytes) -> Result<void> {
    if (key.kind == ObjectKind::kTree) {
      const Result<TreePage> page = DecodeTreePage(bytes);
      for (const TreePageRef& ref : page->pages) EXPECT_EQ(seen.count(ref.id), 1u);
    } else {
      const Result<AttributesPage> page = DecodeAttributesPage(bytes);
      for (const AttributesId& id : page->pages) EXPECT_EQ(seen.count(id), 1u);
    }
    seen.insert(key);
    return {};
  });
  for (const Item& item : RandomNames(30'000, 6)) {
    ASSERT_TRUE(builder.Add(item.entry, item.attributes).has_value());
  }
  ASSERT_TRUE(builder.Finish(kOwn).has_value());
}

TEST(DirectoryBuilderTest, IsReadyForTheNextDirectoryAfterFinish) {
  DirectoryBuilder builder([](const ObjectKey&, ByteView) -> Result<void> { return {}; });
  for (const size_t count : {3, 1000, 0, 65}) {
    const Items items = RandomNames(count, count);
    for (const Item& item : items) {
      ASSERT_TRUE(builder.Add(item.entry, item.attributes).has_value());
    }
    const Result<BuiltDirectory> built = builder.Finish(kOwn);
    ASSERT_TRUE(built.has_value());
    EXPECT_EQ(built->tree, Build(items).directory.tree) << count;
    EXPECT_EQ(built->attributes, Build(items).directory.attributes) << count;
  }
}

TEST(DirectoryBuilderTest, PassesOnTheErrorOfTheSink) {
  DirectoryBuilder builder([](const ObjectKey&, ByteView) -> Result<void> {
    return Error(ErrorCode::kNoSpace, "full");
  });
  Result<void> added;
  for (const Item& item : RandomNames(1000, 7)) {
    added = builder.Add(item.entry, item.attributes);
    if (!added) break;
  }
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code(), ErrorCode::kNoSpace);
}

TEST(DirectoryBuilderTest, RefusesTotalsThatOverflow) {
  DirectoryBuilder builder([](const ObjectKey&, ByteView) -> Result<void> { return {}; });
  const TreeEntry huge = test::DirectoryEntry("a", {}, {1, ~uint64_t{0}});
  ASSERT_TRUE(builder.Add(huge, {true, {}, {}}).has_value());
  const Item one = FileItem("b", 1);
  const Result<void> added = builder.Add(one.entry, one.attributes);
  ASSERT_FALSE(added.has_value());
  EXPECT_NE(added.error().message().find("overflows"), std::string::npos);
}

TEST(DirectoryBuilderDeathTest, TakesNamesInOrderOnly) {
  const auto add_both = [](const std::string& first, const std::string& second) {
    DirectoryBuilder builder([](const ObjectKey&, ByteView) -> Result<void> { return {}; });
    for (const std::string& name : {first, second}) {
      const Item item = FileItem(name, 1);
      (void)builder.Add(item.entry, item.attributes);
    }
  };
  EXPECT_DEATH(add_both("b", "a"), "last_name < entry.name");
  EXPECT_DEATH(add_both("a", "a"), "last_name < entry.name");
}

// Faults of an older program.

Item DirectoryItem(const std::string& name, const BuiltDirectory& built) {
  return {test::DirectoryEntry(name, built.tree, built.totals), {true, {}, built.attributes}};
}

TEST(DirectoryBuilderTest, TreesWithoutAFileInTheRootDoNotAllGetTheIdOfTheEmptyTree) {
  const BuiltDirectory empty = Build({}).directory;
  const BuiltDirectory one_file = Build({FileItem("f", 1)}).directory;
  const BuiltDirectory other_file = Build({FileItem("f", 2)}).directory;
  const std::vector<Items> roots = {
      {},
      {DirectoryItem("d", empty)},
      {DirectoryItem("e", empty)},
      {DirectoryItem("d", empty), DirectoryItem("e", empty)},
      {DirectoryItem("d", one_file)},
      {DirectoryItem("e", one_file)},
      {DirectoryItem("d", other_file)},
      {DirectoryItem("d", Build({DirectoryItem("d", empty)}).directory)},
  };
  std::set<TreeId> ids;
  for (const Items& root : roots) ids.insert(Build(root).directory.tree);
  EXPECT_EQ(ids.size(), roots.size());
}

TEST(DirectoryBuilderTest, ANameWithColonOrNewlineCannotMakeTwoTreesEqual) {
  // Whatever separators an encoding might use, one odd name never stands for two plain ones.
  std::set<TreeId> ids;
  size_t trees = 0;
  const auto add = [&](const std::vector<std::string>& names) {
    Items items;
    for (const std::string& name : names) items.push_back(FileItem(name, 1));
    ids.insert(Build(items).directory.tree);
    ++trees;
  };
  const std::string id = test::Repeated(1).ToHex();
  add({"a", "b"});
  add({"a\nb"});
  add({"a:b"});
  add({"a\n"});
  add({"a:"});
  add({"a"});
  add({"b"});
  add({"a:" + id + "\nb"});
  add({"a:1:" + id + "\nfile:b"});
  add({"a\nfile:b", "c"});
  add({"a", "file:b\nc"});
  add({std::string("a\x01") + std::string(32, '\x01'), "b"});
  EXPECT_EQ(ids.size(), trees);
}

TEST(DirectoryBuilderTest, TwoNonUtf8NamesDoNotMerge) {
  const std::string replacement = "\xef\xbf\xbd";  // U+FFFD, which a lossy conversion would give
  const Items items = {FileItem(replacement, 1), FileItem("\xfe", 2), FileItem("\xff", 3)};
  const Built built = Build(items);
  ExpectSound(items, built);
  std::set<TreeId> ids = {built.directory.tree};
  for (const Item& item : items) ids.insert(Build({FileItem(item.entry.name, 1)}).directory.tree);
  EXPECT_EQ(ids.size(), 4u);
}

RC_GTEST_PROP(DirectoryBuilderProperty, FollowsTheRule, ()) {
  const auto count = *rc::gen::inRange<size_t>(0, 2000);
  const Items items = RandomNames(count, *rc::gen::arbitrary<uint64_t>());
  const Built built = Build(items);
  RC_ASSERT(built.objects == BuildByTheRule(items).objects);
  ExpectSound(items, built);
}

RC_GTEST_PROP(DirectoryBuilderProperty, TakesHostileNames, ()) {
  const auto names = *rc::gen::container<std::set<std::string>>(test::AnyName());
  Items items;
  for (const std::string& name : names) {
    const TreeEntry entry = test::AnyEntry(name);
    const bool is_directory = entry.kind == EntryKind::kDirectory;
    AttributesEntry attributes{is_directory, {}, {}};
    if (is_directory) {
      attributes.directory = {*test::AnyDigest()};
    } else {
      attributes.attributes = test::AnyAttributesOf(entry.kind);
    }
    items.push_back({entry, attributes});
  }
  ExpectSound(items, Build(items));
}

}  // namespace
}  // namespace helios

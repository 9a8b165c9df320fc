#include "worktree/link_table.h"

#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "object/testing.h"

namespace helios {
namespace {

using What = LinkTable::Turn::What;

const Digest kKey = test::Repeated(1);
const LinkBase kBase{"folder/first", 1, 2, 3, {}, {}};

LinkTable::Later Count(int* count) {
  return [count](unsigned) -> Result<void> {
    ++*count;
    return {};
  };
}

TEST(LinkTableTest, TheFirstMakesItAndTheOthersLink) {
  LinkTable table;
  int later = 0;
  EXPECT_EQ(table.Join(kKey, Count(&later)).what, What::kMake);
  EXPECT_EQ(table.Join(test::Repeated(2), Count(&later)).what, What::kMake) << "another file";
  EXPECT_TRUE(table.Settle(kKey, kBase).empty());
  const LinkTable::Turn turn = table.Join(kKey, Count(&later));
  EXPECT_EQ(turn.what, What::kLink);
  EXPECT_EQ(turn.base.path, kBase.path);
}

TEST(LinkTableTest, WhoComesMeanwhileIsRunByTheFirst) {
  LinkTable table;
  int later = 0;
  table.Join(kKey, Count(&later));
  EXPECT_EQ(table.Join(kKey, Count(&later)).what, What::kLater);
  EXPECT_EQ(table.Join(kKey, Count(&later)).what, What::kLater);
  for (const LinkTable::Later& next : table.Settle(kKey, kBase)) {
    EXPECT_TRUE(next(0).has_value());
  }
  EXPECT_EQ(later, 2);
}

TEST(LinkTableTest, IfTheFirstFailsItIsTheNextOnesTurn) {
  LinkTable table;
  int later = 0;
  table.Join(kKey, Count(&later));
  table.Join(kKey, Count(&later));
  EXPECT_EQ(table.Settle(kKey, std::nullopt).size(), 1u);
  EXPECT_EQ(table.Join(kKey, Count(&later)).what, What::kMake);
}

TEST(LinkTableTest, ABaseCanBeGivenAndReplaced) {
  LinkTable table;
  int later = 0;
  table.SetBase(kKey, kBase);
  EXPECT_EQ(table.Join(kKey, Count(&later)).base.path, "folder/first");
  LinkBase other = kBase;
  other.path = "other";
  table.SetBase(kKey, other);
  EXPECT_EQ(table.Join(kKey, Count(&later)).base.path, "other");
}

TEST(LinkTableTest, ManyThreadsMakeEachFileOnce) {
  constexpr int kFiles = 50;
  constexpr int kNames = 20;
  LinkTable table;
  std::vector<std::atomic<int>> made(kFiles), linked(kFiles);
  std::function<Result<void>(unsigned, int)> write = [&](unsigned worker,
                                                         int file) -> Result<void> {
    const Digest key = test::Repeated(static_cast<uint8_t>(file));
    const LinkTable::Turn turn =
        table.Join(key, [&write, file](unsigned other) { return write(other, file); });
    if (turn.what == What::kLater) return {};
    if (turn.what == What::kLink) {
      ++linked[static_cast<size_t>(file)];
      return {};
    }
    ++made[static_cast<size_t>(file)];
    for (const LinkTable::Later& next : table.Settle(key, kBase)) HELIOS_TRY(next(worker));
    return {};
  };
  ASSERT_TRUE(TaskStack::Run(8, [&](TaskStack& tasks) {
                for (int i = 0; i < kFiles * kNames; ++i) {
                  const int file = i % kFiles;
                  tasks.Push([&write, file](unsigned worker) { return write(worker, file); });
                }
              }).has_value());
  for (size_t i = 0; i < kFiles; ++i) {
    EXPECT_EQ(made[i], 1);
    EXPECT_EQ(linked[i], kNames - 1);
  }
}

TEST(LinkTableTest, OnlyNamesThatAgreeInEverythingAreOneFile) {
  const TreeEntry file = test::FileEntry("a", 3, test::Repeated(3));
  FileAttributes attributes{0644, {1, 2}, {}};
  attributes.rare.link_group = test::Repeated(4);
  const Digest key = LinkKeyOf(file, attributes);
  EXPECT_EQ(LinkKeyOf(test::FileEntry("b", 3, test::Repeated(3)), attributes), key);
  EXPECT_NE(LinkKeyOf(test::FileEntry("a", 3, test::Repeated(5)), attributes), key);
  EXPECT_NE(LinkKeyOf(test::FileEntry("a", 4, test::Repeated(3)), attributes), key);
  TreeEntry executable = file;
  executable.kind = EntryKind::kExecutable;
  EXPECT_NE(LinkKeyOf(executable, attributes), key);
  EXPECT_NE(LinkKeyOf(test::SymlinkEntry("a", "abc"), attributes), key);
  for (const auto& change : std::vector<std::function<void(FileAttributes*)>>{
           [](FileAttributes* other) { other->mode = 0600; },
           [](FileAttributes* other) { other->mtime.nanoseconds = 3; },
           [](FileAttributes* other) { other->rare.link_group = test::Repeated(5); },
           [](FileAttributes* other) { other->rare.has_holes = true; },
           [](FileAttributes* other) {
             other->rare.xattrs = StoreXattrs(EncodeXattrs({{"n", "v"}}));
           }}) {
    FileAttributes other = attributes;
    change(&other);
    EXPECT_NE(LinkKeyOf(file, other), key);
  }
}

}  // namespace
}  // namespace helios

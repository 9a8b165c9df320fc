#include "vst/tree_diff.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "object/directory_builder.h"
#include "object/hash.h"
#include "store/memory/memory_store.h"

namespace helios {
namespace {

// A tree as a map from path to content; a path that ends in '/' is an empty folder.
using Model = std::map<std::string, std::string>;

class TreeDiffTest : public testing::Test {
 protected:
  // Builds the folder of all paths that begin with `prefix`.
  BuiltDirectory Build(const Model& model, const std::string& prefix = "") {
    std::map<std::string, bool> names;  // name → is a folder
    for (const auto& [path, content] : model) {
      if (!path.starts_with(prefix) || path == prefix) continue;
      const std::string rest = path.substr(prefix.size());
      const size_t slash = rest.find('/');
      names[rest.substr(0, slash)] = slash != rest.npos;
    }
    DirectoryBuilder builder([this](const ObjectKey& key, ByteView bytes) {
      const Object object{key, Bytes(bytes)};
      return store_.PutMany({&object, 1});
    });
    for (const auto& [name, is_folder] : names) {
      TreeEntry entry;
      entry.name = name;
      AttributesEntry attributes;
      if (is_folder) {
        const BuiltDirectory below = Build(model, prefix + name + "/");
        entry.kind = EntryKind::kDirectory;
        entry.id = below.tree.digest;
        entry.below = below.totals;
        attributes = {true, {}, below.attributes};
      } else {
        const std::string& content = model.at(prefix + name);
        entry.size = content.size();
        entry.id = HashBlob(content).digest;
      }
      EXPECT_TRUE(builder.Add(entry, attributes));
    }
    return *builder.Finish({});
  }

  std::vector<TreeChange> Diff(const TreeId& a, const TreeId& b) {
    std::vector<TreeChange> changes;
    const TreeDiffFilter everything{[](std::string_view, bool) { return true; },
                                    [](std::string_view) { return true; }};
    const Result<void> result =
        DiffTrees(TreeReader(&store_), a, b, everything, [&](TreeChange change) -> Result<void> {
          changes.push_back(std::move(change));
          return {};
        });
    EXPECT_TRUE(result) << result.error().message();
    return changes;
  }

  // What `model` becomes; contents are looked up by id in `contents`.
  static Model Apply(Model model, const std::vector<TreeChange>& changes, const Model& target) {
    for (const TreeChange& change : changes) {
      const bool folder_before = change.before && change.before->kind == EntryKind::kDirectory;
      const bool folder_after = change.after && change.after->kind == EntryKind::kDirectory;
      if (change.before) model.erase(change.path + (folder_before ? "/" : ""));
      if (!change.after) continue;
      const std::string path = change.path + (folder_after ? "/" : "");
      const auto it = target.find(path);
      EXPECT_NE(it, target.end()) << path;
      if (it != target.end()) model[path] = it->second;
    }
    return model;
  }

  MemoryStore store_;
};

Model RandomModel(std::mt19937& random, size_t size) {
  Model model;
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  for (size_t i = 0; i < size; ++i) {
    std::string path;
    for (unsigned depth = below(4); depth > 0; --depth)
      path += "d" + std::to_string(below(3)) + "/";
    path += (below(2) == 0 ? "f" : "\xff:\n") + std::to_string(below(20));
    model[path] = std::to_string(below(5));
  }
  return model;
}

// Folders that the removal of their last file leaves empty do not exist in the model.
TEST_F(TreeDiffTest, DiffAppliedToTheFirstGivesTheSecond) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 300; ++round) {
    const Model a = RandomModel(random, random() % 60);
    const Model b = RandomModel(random, random() % 60);
    const std::vector<TreeChange> changes = Diff(Build(a).tree, Build(b).tree);
    EXPECT_EQ(Apply(a, changes, b), b);
    EXPECT_EQ(changes.empty(), a == b);
  }
}

TEST_F(TreeDiffTest, FindsOneChangeAmongManyPagesAndReadsFew) {
  Model a;
  for (int i = 0; i < 20'000; ++i) a["dir/file" + std::to_string(i)] = "same";
  Model b = a;
  b["dir/file7777"] = "other";
  const std::vector<TreeChange> changes = Diff(Build(a).tree, Build(b).tree);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].path, "dir/file7777");
  EXPECT_EQ(changes[0].kind, ChangeKind::kChanged);
}

TEST_F(TreeDiffTest, FolderOfAnotherHeightComparesRight) {
  Model a;
  for (int i = 0; i < 30'000; ++i) a["file" + std::to_string(i)] = "same";
  Model b;
  for (int i = 0; i < 30'000; i += 1000) b["file" + std::to_string(i)] = "same";
  b["new"] = "x";
  EXPECT_EQ(Apply(a, Diff(Build(a).tree, Build(b).tree), b), b);
  EXPECT_EQ(Apply(b, Diff(Build(b).tree, Build(a).tree), a), a);
}

TEST_F(TreeDiffTest, EmptyFolderThatComesOrGoesIsAChange) {
  const Model without{{"a", "1"}};
  const Model with{{"a", "1"}, {"empty/", ""}};
  const std::vector<TreeChange> changes = Diff(Build(without).tree, Build(with).tree);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].path, "empty");
  EXPECT_EQ(changes[0].kind, ChangeKind::kAdded);
  EXPECT_EQ(Diff(Build(with).tree, Build(without).tree).at(0).kind, ChangeKind::kDeleted);
}

TEST_F(TreeDiffTest, FileThatBecomesAFolderIsADeletionAndAdditions) {
  const std::vector<TreeChange> changes =
      Diff(Build({{"x", "1"}}).tree, Build({{"x/y", "1"}, {"x/z", "1"}}).tree);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].kind, ChangeKind::kDeleted);
  EXPECT_EQ(changes[1].path, "x/y");
  EXPECT_EQ(changes[2].path, "x/z");
}

TEST_F(TreeDiffTest, MissingTreeIsAnErrorThatNamesIt) {
  const TreeId a = Build({{"d/x", "1"}}).tree;
  const TreeId b = Build({{"d/x", "2"}}).tree;
  const ObjectKey gone(b);
  ASSERT_TRUE(store_.Delete({&gone, 1}));
  const TreeDiffFilter everything{[](std::string_view, bool) { return true; },
                                  [](std::string_view) { return true; }};
  const Result<void> result = DiffTrees(TreeReader(&store_), a, b, everything,
                                        [](TreeChange) -> Result<void> { return {}; });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kMissingObject);
  EXPECT_NE(result.error().message().find(FormatId(b)), std::string::npos);
}

}  // namespace
}  // namespace helios

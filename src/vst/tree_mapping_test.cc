#include "vst/tree_mapping.h"

#include <gtest/gtest.h>

#include "object/directory_builder.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;

class CheckMappingTest : public ::testing::Test {
 protected:
  // A folder with `entries`, as an entry of the one above it.
  TreeEntry Folder(const std::string& name, const std::vector<TreeEntry>& entries) {
    DirectoryBuilder builder([this](const ObjectKey& key, ByteView bytes) -> Result<void> {
      if (key.kind == ObjectKind::kTree) trees_.push_back(key);
      const Object object{key, Bytes(bytes)};
      return store_.PutMany({&object, 1});
    });
    for (const TreeEntry& entry : entries) {
      EXPECT_TRUE(Ok(builder.Add(entry, {entry.kind == EntryKind::kDirectory, {}, {}})));
    }
    const BuiltDirectory built = builder.Finish({}).value();
    TreeEntry folder;
    folder.kind = EntryKind::kDirectory;
    folder.name = name;
    folder.id = built.tree.digest;
    folder.below = built.totals;
    return folder;
  }
  // Whose content is in no store.
  static TreeEntry File(const std::string& name) {
    TreeEntry file;
    file.name = name;
    file.size = name.size();
    file.id = HashBlob(name).digest;
    return file;
  }
  Result<void> Check(const TreeEntry& root) {
    return CheckMapping(&store_, {root.id}, root.below, 2);
  }

  MemoryStore store_;
  std::vector<ObjectKey> trees_;
};

TEST_F(CheckMappingTest, NeedsEveryTreeAndNoContent) {
  std::vector<TreeEntry> many;
  for (int i = 10000; i < 11000; ++i) many.push_back(File("name" + std::to_string(i)));
  const TreeEntry root =
      Folder("", {Folder("empty", {}), File("file"), Folder("many", many),
                  Folder("sub", {Folder("deep", {File("leaf")}), Folder("empty", {})})});
  ASSERT_TRUE(Ok(Check(root)));
  EXPECT_GT(trees_.size(), 10u) << "the large folder has pages";
  for (const ObjectKey& tree : trees_) {
    const Object object{tree, *store_.Get(tree).value()};
    ASSERT_TRUE(Ok(store_.Delete({&tree, 1})));
    EXPECT_TRUE(Fails(Check(root), ErrorCode::kMissingObject, tree.ToString()));
    ASSERT_TRUE(Ok(store_.PutMany({&object, 1})));
  }
  const ObjectKey leaf(TreeId{Folder("deep", {File("leaf")}).id});
  ASSERT_TRUE(Ok(store_.Delete({&leaf, 1})));
  EXPECT_TRUE(Fails(Check(root), ErrorCode::kMissingObject, "sub/deep: "));
}

TEST_F(CheckMappingTest, TotalsThatAreNotThoseOfTheFolderAreDamage) {
  TreeEntry lying = Folder("lying", {File("file")});
  ++lying.below.files;
  EXPECT_TRUE(Fails(Check(Folder("", {lying})), ErrorCode::kCorrupt, "lying: "));
  EXPECT_TRUE(Fails(Check(lying), ErrorCode::kCorrupt, "other totals"));
  // The second time that a folder is referred to, too.
  EXPECT_TRUE(Fails(Check(Folder("", {Folder("honest", {File("file")}), lying})),
                    ErrorCode::kCorrupt, "other totals"));
}

// Sixty folders, each of which has the next one twice: more paths than could ever be visited.
TEST_F(CheckMappingTest, ReadsAFolderOnceHoweverManyPathsLeadThere) {
  TreeEntry folder = Folder("b", {});
  for (int i = 0; i < 60; ++i) {
    TreeEntry twin = folder;
    twin.name = "a";
    folder = Folder("b", {twin, folder});
  }
  EXPECT_TRUE(Ok(Check(folder)));
}

TEST_F(CheckMappingTest, AsDeepAsTreesMayBe) {
  TreeEntry folder = Folder("d", {File("leaf")});
  for (int i = 0; i < 20'000; ++i) folder = Folder("d", {folder});
  EXPECT_TRUE(Ok(Check(folder)));
}

}  // namespace
}  // namespace helios

#include "vst/lost_paths.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "object/directory_builder.h"
#include "object/xattrs.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Ok;

struct Node {
  TreeEntry entry;
  AttributesEntry attributes;
};

class LostPathsTest : public ::testing::Test {
 protected:
  Result<void> Put(const ObjectKey& key, ByteView bytes) {
    const Object object{key, Bytes(bytes)};
    return store_.PutMany({&object, 1});
  }
  static Node File(const std::string& name, const std::string& content) {
    Node file;
    file.entry.name = name;
    file.entry.size = content.size();
    file.entry.id = HashBlob(content).digest;
    return file;
  }
  Node Folder(const std::string& name, std::vector<Node> children) {
    DirectoryBuilder builder([this](const ObjectKey& key, ByteView b) { return Put(key, b); });
    for (const Node& child : children) EXPECT_TRUE(Ok(builder.Add(child.entry, child.attributes)));
    const BuiltDirectory built = builder.Finish({0755, {++seconds_, 0}, {}}).value();
    Node folder;
    folder.entry.kind = EntryKind::kDirectory;
    folder.entry.name = name;
    folder.entry.id = built.tree.digest;
    folder.entry.below = built.totals;
    folder.attributes = {true, {}, built.attributes};
    return folder;
  }
  LostPaths Lost(std::set<ObjectKey> lost) {
    return LostPaths(&store_, [lost](const ObjectKey& key) { return lost.contains(key); });
  }
  static LostPaths::Found In(LostPaths& lost, const Node& root, size_t max = 100) {
    Result<LostPaths::Found> found =
        lost.Of({root.entry.id}, root.attributes.directory, root.entry.below, max);
    EXPECT_TRUE(Ok(found));
    return found ? *found : LostPaths::Found();
  }
  static std::vector<std::string> Paths(const LostPaths::Found& found) {
    std::vector<std::string> paths;
    for (const LostPath& lost : found.listed) {
      const char* const kinds[] = {"", "/", " attributes"};
      paths.push_back(lost.path + kinds[static_cast<int>(lost.what)]);
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  MemoryStore store_;
  int64_t seconds_ = 0;
};

using Strings = std::vector<std::string>;

TEST_F(LostPathsTest, NothingIsLost) {
  const Node root = Folder("", {File("a", "1"), Folder("sub", {File("b", "2")})});
  LostPaths none = Lost({});
  EXPECT_EQ(In(none, root).count, 0u);
  LostPaths another = Lost({HashBlob("of another snapshot")});
  EXPECT_EQ(In(another, root).count, 0u);
}

TEST_F(LostPathsTest, EveryPathOfALostContent) {
  const Node sub = Folder("sub", {File("b", "1"), File("c", "2")});
  Node twin = sub;
  twin.entry.name = "twin";
  const Node root = Folder("", {File("a", "1"), sub, twin});
  LostPaths lost = Lost({HashBlob("1")});
  const LostPaths::Found found = In(lost, root);
  EXPECT_EQ(found.count, 3u);
  EXPECT_EQ(Paths(found), (Strings{"a", "sub/b", "twin/b"}));
  // The next snapshot shares folders with it.
  const Node next = Folder("", {File("new", "1"), sub});
  EXPECT_EQ(Paths(In(lost, next)), (Strings{"new", "sub/b"}));
}

TEST_F(LostPathsTest, ALostFolderIsOnePathAndCountsItsFiles) {
  const Node sub =
      Folder("sub", {File("b", "1"), File("c", "2"), Folder("deep", {File("d", "3")})});
  const Node empty = Folder("empty", {});
  const Node root = Folder("", {File("a", "1"), empty, sub});
  LostPaths lost = Lost({TreeId{sub.entry.id}, TreeId{empty.entry.id}});
  const LostPaths::Found found = In(lost, root);
  EXPECT_EQ(found.count, 3u + 1u);
  EXPECT_EQ(Paths(found), (Strings{"empty/", "sub/"}));
  LostPaths all = Lost({TreeId{root.entry.id}});
  EXPECT_EQ(Paths(In(all, root)), (Strings{"/"}));
}

TEST_F(LostPathsTest, LostAttributesAreSaidOfTheirFolder) {
  const Node sub = Folder("sub", {File("b", "1")});
  const Node root = Folder("", {File("a", "2"), sub});
  LostPaths lost = Lost({sub.attributes.directory, HashBlob("1")});
  EXPECT_EQ(Paths(In(lost, root)), (Strings{"sub attributes", "sub/b"}));
  LostPaths top = Lost({root.attributes.directory});
  EXPECT_EQ(Paths(In(top, root)), (Strings{" attributes"}));
}

TEST_F(LostPathsTest, LostExtendedAttributesAreSaidOfTheirFile) {
  Node file = File("a", "1");
  file.attributes.attributes.rare.xattrs = StoreXattrs(EncodeXattrs({{"x", Bytes(2000, 'x')}}));
  const BlobId list = file.attributes.attributes.rare.xattrs.Blob();
  const Node root = Folder("", {file});
  LostPaths lost = Lost({list});
  EXPECT_EQ(Paths(In(lost, root)), (Strings{"a attributes"}));
  LostPaths both = Lost({list, HashBlob("1")});
  EXPECT_EQ(Paths(In(both, root)), (Strings{"a"}));
}

TEST_F(LostPathsTest, ChunksAndManifestsOfLargeFiles) {
  ManifestBuilder manifest([this](const ObjectKey& key, ByteView b) { return Put(key, b); });
  Node file = File("large", "whole");
  for (const std::string chunk : {"one", "two", "three"}) {
    ASSERT_TRUE(Ok(manifest.AddChunk(uint64_t{1} << 20, HashBlob(chunk))));
  }
  file.entry.manifest = manifest.Finish().value();
  file.entry.size = uint64_t{3} << 20;
  const Node root = Folder("", {file, File("small", "two")});
  LostPaths chunk = Lost({HashBlob("two")});
  EXPECT_EQ(Paths(In(chunk, root)), (Strings{"large", "small"}));
  LostPaths list = Lost({file.entry.manifest});
  EXPECT_EQ(Paths(In(list, root)), (Strings{"large"}));
}

TEST_F(LostPathsTest, PagesOfLargeFoldersAndBoundedLists) {
  std::vector<Node> many;
  for (int i = 1000; i < 3000; ++i) many.push_back(File("f" + std::to_string(i), "same"));
  const Node root = Folder("", {Folder("many", many)});
  LostPaths lost = Lost({HashBlob("same")});
  const LostPaths::Found found = In(lost, root, 5);
  EXPECT_EQ(found.count, 2000u);
  EXPECT_EQ(Paths(found),
            (Strings{"many/f1000", "many/f1001", "many/f1002", "many/f1003", "many/f1004"}));
}

// What is only gone, and not among the lost, was collected: nobody asked for it.
TEST_F(LostPathsTest, WhatIsMerelyGoneIsNotLost) {
  const Node sub = Folder("sub", {File("b", "1")});
  const Node root = Folder("", {File("a", "1"), sub});
  const ObjectKey gone(TreeId{sub.entry.id});
  ASSERT_TRUE(Ok(store_.Delete({&gone, 1})));
  LostPaths lost = Lost({HashBlob("1")});
  EXPECT_EQ(Paths(In(lost, root)), (Strings{"a"}));
}

}  // namespace
}  // namespace helios

#include "vst/reachable.h"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>

#include "object/directory_builder.h"
#include "object/record.h"
#include "object/xattrs.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;

struct Node {
  TreeEntry entry;
  AttributesEntry attributes;
};

class ReachableTest : public ::testing::Test {
 protected:
  // What is referred to, whether or not the store holds it, with the size that is said of it.
  using Expected = std::map<ObjectKey, std::optional<uint64_t>>;

  // Objects that the walk loads.
  Result<void> Put(const ObjectKey& key, ByteView bytes) {
    loaded_.insert(key);
    expected_.emplace(key, std::nullopt);
    const Object object{key, Bytes(bytes)};
    return store_.PutMany({&object, 1});
  }
  // Contents, which it must not: the store does not even hold them.
  BlobId Content(uint64_t size) {
    const BlobId id = HashBlob(std::to_string(++contents_));
    expected_[id] = size;
    return id;
  }

  Node File(const std::string& name, uint64_t size) {
    Node file;
    file.entry.name = name;
    file.entry.size = size;
    if (size <= kWholeBlobBytesMax) {
      file.entry.id = Content(size).digest;
      return file;
    }
    file.entry.id = HashBlob(name).digest;  // of the whole: no object of its own
    ManifestBuilder manifest([this](const ObjectKey& key, ByteView b) { return Put(key, b); });
    const uint64_t chunk = size > uint64_t{1} << 30 ? 1 << 17 : 1 << 20;  // 8193 or few
    for (uint64_t at = 0; at < size; at += chunk) {
      const uint64_t length = std::min(chunk, size - at);
      const BlobId id = Content(length);
      chunks_.insert(id);
      EXPECT_TRUE(Ok(manifest.AddChunk(length, id)));
    }
    file.entry.manifest = manifest.Finish().value();
    return file;
  }
  static Node Symlink(const std::string& name) {
    Node link;
    link.entry.kind = EntryKind::kSymlink;
    link.entry.name = name;
    link.entry.target = "elsewhere";
    return link;
  }
  // With a list of extended attributes so long that it is a blob.
  FileAttributes LongXattrs() {
    FileAttributes attributes;
    const Bytes list = EncodeXattrs({{"long", Bytes(2000, static_cast<char>('a' + ++lists_))}});
    attributes.rare.xattrs = StoreXattrs(list);
    EXPECT_TRUE(attributes.rare.xattrs.IsInBlob());
    expected_[attributes.rare.xattrs.Blob()] = list.size();
    xattrs_.insert(attributes.rare.xattrs.Blob());
    return attributes;
  }
  Node Folder(const std::string& name, const std::vector<Node>& children,
              const FileAttributes& own = {}) {
    DirectoryBuilder builder([this](const ObjectKey& key, ByteView b) { return Put(key, b); });
    for (const Node& child : children) EXPECT_TRUE(Ok(builder.Add(child.entry, child.attributes)));
    const BuiltDirectory built = builder.Finish(own).value();
    Node folder;
    folder.entry.kind = EntryKind::kDirectory;
    folder.entry.name = name;
    folder.entry.id = built.tree.digest;
    folder.entry.below = built.totals;
    folder.attributes = {true, {}, built.attributes};
    return folder;
  }
  ReachableRoot Commit(const Node& root, const std::string& message = "") {
    Record record;
    record.snapshot = {root.entry.id};
    record.attributes = root.attributes.directory;
    record.totals = root.entry.below;
    record.message = message;
    record.parents = {{HashBlob("a record that was collected").digest}};
    const Bytes bytes = EncodeRecord(record);
    const RecordId id{HashObject(ObjectKind::kRecord, bytes)};
    EXPECT_TRUE(Ok(Put(id, bytes)));
    return ReachableRoot::Of(id);
  }
  // Every kind of object, a large folder, and a file with manifests upon manifests.
  Node EveryKind() {
    std::vector<Node> many;
    for (int i = 10'000; i < 11'000; ++i) many.push_back(File("name" + std::to_string(i), 7));
    Node tagged = File("tagged", 1);
    tagged.attributes.attributes = LongXattrs();
    return Folder("", {Folder("empty", {}), File("huge", (uint64_t{1} << 30) + 5),
                       File("large", (uint64_t{3} << 20) + 1), Symlink("link"),
                       Folder("many", many), File("small", 100),
                       Folder("sub", {Folder("deep", {File("leaf", 0)}), tagged}, LongXattrs())});
  }

  Result<void> Walk(ReachableWalk& walk, const std::vector<ReachableRoot>& roots) {
    return walk.Run(roots);
  }
  Result<void> Walk(const std::vector<ReachableRoot>& roots) {
    reached_.clear();
    paths_.clear();
    damage_.clear();
    ReachableWalk walk(&store_, {3, true}, Visitor(), Damage());
    return walk.Run(roots);
  }
  ReachableWalk::Visitor Visitor() {
    return [this](const Reached& reached) -> Result<void> {
      const std::lock_guard<std::mutex> lock(mutex_);
      paths_[reached.key].insert(reached.Path());
      if (!reached.is_new) return {};
      EXPECT_TRUE(reached_.emplace(reached.key, reached.size).second) << "new twice";
      return {};
    };
  }
  ReachableWalk::DamageSink Damage() {
    return [this](const Reached& reached, const Error& error) -> Result<void> {
      const std::lock_guard<std::mutex> lock(mutex_);
      damage_.emplace_back(reached.Path() + ": " + error.message());
      return {};
    };
  }

  MemoryStore store_;
  Expected expected_;
  std::set<ObjectKey> loaded_;
  std::set<ObjectKey> xattrs_;
  std::set<ObjectKey> chunks_;
  int contents_ = 0;
  int lists_ = 0;
  std::mutex mutex_;
  Expected reached_;
  std::map<ObjectKey, std::set<std::string>> paths_;
  std::vector<std::string> damage_;
};

TEST_F(ReachableTest, VisitsAllThatWasWrittenOfASnapshotAndNothingElse) {
  const ReachableRoot root = Commit(EveryKind());
  ASSERT_TRUE(Ok(Walk({root})));
  EXPECT_EQ(damage_, std::vector<std::string>());
  EXPECT_EQ(reached_, expected_);
  std::set<ObjectKind> kinds;
  for (const auto& [key, size] : reached_) kinds.insert(key.kind);
  EXPECT_EQ(kinds.size(), 5u);
}

TEST_F(ReachableTest, SaysThePathsOfWhatItVisits) {
  const Node leaf = File("leaf", 3);
  const Node twin = Folder("twin", {leaf});
  Node again = twin;
  again.entry.name = "twin2";
  ASSERT_TRUE(Ok(Walk({Commit(Folder("", {leaf, Folder("sub", {twin, again})}))})));
  EXPECT_EQ(paths_[TreeId{twin.entry.id}], (std::set<std::string>{"sub/twin", "sub/twin2"}));
  // The twins are one folder, which is walked once, by whichever path came first.
  std::set<std::string> paths = paths_[BlobId{leaf.entry.id}];
  EXPECT_EQ(paths.count("leaf"), 1u);
  EXPECT_EQ(paths.count("sub/twin/leaf") + paths.count("sub/twin2/leaf"), 1u);
  EXPECT_EQ(paths.size(), 2u);
}

TEST_F(ReachableTest, EachObjectOnceOverAllRootsAndRuns) {
  const Node shared = Folder("shared", {File("a", 1), File("b", 2)});
  const ReachableRoot first = Commit(Folder("", {shared}));
  const ReachableRoot second = Commit(Folder("", {File("new", 3), shared}));
  // Only attributes differ.
  Node touched = shared;
  touched.attributes = Folder("shared", {File("a", 1), File("b", 2)}, LongXattrs()).attributes;
  expected_.clear();
  ReachableWalk walk(&store_, {2, true}, Visitor(), Damage());
  ASSERT_TRUE(Ok(Walk(walk, {first, second, first})));
  const size_t visited = reached_.size();
  EXPECT_EQ(walk.visited().size(), visited);
  ASSERT_TRUE(Ok(Walk(walk, {second})));
  EXPECT_EQ(reached_.size(), visited) << "visited in the run before";
  // Record, root's tree and attributes, the folder's attributes, the blob of their list.
  ASSERT_TRUE(Ok(Walk(walk, {Commit(Folder("", {touched}), "touched")})));
  EXPECT_EQ(reached_.size(), visited + 4);
  EXPECT_EQ(damage_, std::vector<std::string>());
}

TEST_F(ReachableTest, AFolderCanBeARootWithItsAttributesOrWithout) {
  const Node root = EveryKind();
  const TreeId tree{root.entry.id};
  ASSERT_TRUE(Ok(Walk({{std::nullopt, tree, root.attributes.directory, root.entry.below}})));
  EXPECT_EQ(reached_, expected_);
  ASSERT_TRUE(Ok(Walk({{std::nullopt, tree, std::nullopt, std::nullopt}})));
  for (const auto& [key, size] : reached_) EXPECT_NE(key.kind, ObjectKind::kAttributes);
  EXPECT_LT(reached_.size(), expected_.size());
  EXPECT_EQ(damage_, std::vector<std::string>());
}

TEST_F(ReachableTest, TellsOfWhateverIsMissingAndWalksTheRest) {
  const ReachableRoot root = Commit(EveryKind());
  for (const ObjectKey& key : loaded_) {
    const Object object{key, *store_.Get(key).value()};
    ASSERT_TRUE(Ok(store_.Delete({&key, 1})));
    ASSERT_TRUE(Ok(Walk({root})));
    // More than once, if several pages share it.
    ASSERT_GE(damage_.size(), 1u) << key.ToString();
    for (const std::string& damage : damage_) {
      EXPECT_NE(damage.find(MissingObject(key).message()), std::string::npos) << damage;
    }
    for (const auto& [reached, size] : reached_) EXPECT_EQ(expected_.count(reached), 1u);
    // Attributes lead to nothing but attributes; what only a lost tree knows is out of reach.
    for (const auto& [wanted, said] : expected_) {
      const bool is_beside = wanted.kind == ObjectKind::kAttributes || xattrs_.count(wanted) > 0;
      const bool is_in_reach = (key.kind == ObjectKind::kAttributes && !is_beside) ||
                               (key.kind == ObjectKind::kTree && is_beside) ||
                               (key.kind == ObjectKind::kManifest && wanted.kind != key.kind &&
                                chunks_.count(wanted) == 0);
      if (!is_in_reach) continue;
      EXPECT_EQ(reached_.count(wanted), 1u) << key.ToString() << ", " << wanted.ToString();
    }
    ASSERT_TRUE(Ok(store_.PutMany({&object, 1})));
  }
}

TEST_F(ReachableTest, AnErrorOfTheVisitorOrTheDamageSinkEndsTheWalk) {
  const ReachableRoot root = Commit(EveryKind());
  const auto fail = [](const Reached&, const Error& error) -> Result<void> { return error; };
  const auto ignore = [](const Reached&) { return Result<void>(); };
  ReachableWalk broken(
      &store_, {2, true},
      [](const Reached&) -> Result<void> { return Error(ErrorCode::kFailed, "enough"); }, fail);
  EXPECT_TRUE(Fails(broken.Run({&root, 1}), ErrorCode::kFailed, "enough"));
  const ObjectKey key(*root.record);
  ASSERT_TRUE(Ok(store_.Delete({&key, 1})));
  ReachableWalk ends(&store_, {2, true}, ignore, fail);
  EXPECT_TRUE(Fails(ends.Run({&root, 1}), ErrorCode::kMissingObject, key.ToString()));
}

TEST_F(ReachableTest, WhatContradictsWhatRefersToItIsDamageEachTime) {
  const Node folder = Folder("honest", {File("file", 5)});
  Node lying = folder;
  lying.entry.name = "lying";
  ++lying.entry.below.files;
  Node other = folder;
  other.entry.name = "other";
  other.attributes = Folder("x", {}).attributes;
  ASSERT_TRUE(Ok(Walk({Commit(Folder("", {folder, lying, other}))})));
  std::sort(damage_.begin(), damage_.end());
  ASSERT_EQ(damage_.size(), 2u);
  EXPECT_NE(damage_[0].find("lying: "), std::string::npos) << damage_[0];
  EXPECT_NE(damage_[0].find("other totals"), std::string::npos) << damage_[0];
  EXPECT_NE(damage_[1].find("other: "), std::string::npos) << damage_[1];
  EXPECT_NE(damage_[1].find("does not fit"), std::string::npos) << damage_[1];
}

// More paths than could ever be visited.
TEST_F(ReachableTest, ReadsAFolderOnceHoweverManyPathsLeadThere) {
  Node folder = Folder("b", {});
  for (int i = 0; i < 60; ++i) {
    Node twin = folder;
    twin.entry.name = "a";
    folder = Folder("b", {twin, folder});
  }
  EXPECT_TRUE(Ok(Walk({Commit(folder)})));
}

}  // namespace
}  // namespace helios

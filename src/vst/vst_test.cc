#include "helios/vst.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <map>
#include <optional>
#include <random>
#include <thread>

#include "object/chunker.h"
#include "object/directory_builder.h"
#include "object/hash.h"
#include "object/manifest.h"
#include "object/paging.h"
#include "object/tree.h"
#include "store/decorators.h"
#include "store/memory/memory_store.h"
#include "store/object_cache.h"

namespace helios {
namespace {

TreePath P(std::string_view text) { return TreePath::Parse(text).value(); }

std::string Text(const Result<std::shared_ptr<const Bytes>>& content) {
  return content ? **content : "error: " + std::string(content.error().message());
}

// What a working set is, in the simplest way: every path, folders included.
class Model {
 public:
  using Kind = VstEntry::Kind;
  struct Node {
    Kind kind;
    std::string content;  // or the target
    friend bool operator==(const Node&, const Node&) = default;
  };

  bool Put(const std::string& path, const Node& node) {
    for (size_t at = path.find('/'); at != path.npos; at = path.find('/', at + 1)) {
      const auto above = nodes.find(path.substr(0, at));
      if (above != nodes.end() && above->second.kind != Kind::kDirectory) return false;
    }
    const auto present = nodes.find(path);
    const bool is_folder = present != nodes.end() && present->second.kind == Kind::kDirectory;
    if (node.kind == Kind::kDirectory) {
      if (present != nodes.end()) return is_folder;
    } else if (is_folder) {
      return false;
    }
    for (size_t at = path.find('/'); at != path.npos; at = path.find('/', at + 1)) {
      nodes.emplace(path.substr(0, at), Node{Kind::kDirectory, ""});
    }
    nodes[path] = node;
    return true;
  }
  bool Remove(const std::string& path) {
    if (nodes.erase(path) == 0) return false;
    std::erase_if(nodes, [&](const auto& node) { return node.first.starts_with(path + "/"); });
    return true;
  }
  bool Rename(const std::string& from, const std::string& to) {
    const auto moved = nodes.find(from);
    if (moved == nodes.end()) return false;
    if (from == to) return true;
    if (to.starts_with(from + "/")) return false;
    const auto present = nodes.find(to);
    if (present != nodes.end() && present->second.kind == Kind::kDirectory) return false;
    Model changed = *this;
    std::map<std::string, Node> below;
    for (const auto& [path, node] : nodes) {
      if (path == from || path.starts_with(from + "/")) below[to + path.substr(from.size())] = node;
    }
    changed.Remove(from);
    // A file in the way of `to` is an error; one at `to` is replaced.
    if (!changed.Put(to, {Kind::kFile, ""})) return false;
    changed.nodes.erase(to);
    changed.nodes.insert(below.begin(), below.end());
    *this = changed;
    return true;
  }

  // The objects of the tree, made page by page as a scan makes them.
  SnapshotId Store(ObjectStore* store) const { return Build("", store).tree; }

  std::map<std::string, Node> nodes;

 private:
  BuiltDirectory Build(const std::string& prefix, ObjectStore* store) const {
    const auto put = [store](const ObjectKey& key, ByteView bytes) -> Result<void> {
      const Object object{key, Bytes(bytes)};
      return store == nullptr ? Result<void>() : store->PutMany({&object, 1});
    };
    DirectoryBuilder builder(put);
    for (auto it = nodes.lower_bound(prefix); it != nodes.end(); ++it) {
      if (!it->first.starts_with(prefix)) break;
      const std::string name = it->first.substr(prefix.size());
      if (name.find('/') != name.npos) continue;
      by_name_[prefix][name] = &it->second;
    }
    for (const auto& [name, node] : by_name_[prefix]) {
      TreeEntry entry;
      entry.name = name;
      AttributesEntry attributes;
      if (node->kind == Kind::kDirectory) {
        const BuiltDirectory below = Build(prefix + name + "/", store);
        entry.kind = EntryKind::kDirectory;
        entry.id = below.tree.digest;
        entry.below = below.totals;
        attributes = {true, {}, below.attributes};
      } else if (node->kind == Kind::kSymlink) {
        entry.kind = EntryKind::kSymlink;
        entry.target = node->content;
      } else {
        entry.kind = node->kind == Kind::kFile ? EntryKind::kFile : EntryKind::kExecutable;
        StoreContent(node->content, put, &entry);
      }
      EXPECT_TRUE(builder.Add(entry, attributes));
    }
    by_name_.erase(prefix);
    return builder.Finish({}).value();
  }

  static void StoreContent(ByteView content, const ManifestBuilder::Sink& put, TreeEntry* entry) {
    entry->size = content.size();
    entry->id = HashBlob(content).digest;
    if (!entry->HasManifest()) {
      EXPECT_TRUE(put({ObjectKind::kBlob, entry->id}, content));
      return;
    }
    ManifestBuilder manifest(put);
    while (!content.empty()) {
      const ByteView chunk = content.substr(0, NextChunkLength(content));
      EXPECT_TRUE(put(HashBlob(chunk), chunk));
      EXPECT_TRUE(manifest.AddChunk(chunk.size(), HashBlob(chunk)));
      content.remove_prefix(chunk.size());
    }
    entry->manifest = manifest.Finish().value();
  }

  mutable std::map<std::string, std::map<std::string, const Node*>> by_name_;
};

void ExpectSame(const Vst& vst, const Model& model) {
  std::map<std::string, Model::Node> found;
  std::vector<std::string> folders{""};
  while (!folders.empty()) {
    const std::string folder = folders.back();
    folders.pop_back();
    const auto entries = vst.List(P(folder));
    ASSERT_TRUE(entries) << entries.error().message();
    for (const VstEntry& entry : *entries) {
      const std::string path = folder.empty() ? entry.name : folder + "/" + entry.name;
      Model::Node node{entry.kind, entry.target};
      if (entry.kind == VstEntry::Kind::kDirectory) folders.push_back(path);
      if (entry.kind == VstEntry::Kind::kFile || entry.kind == VstEntry::Kind::kExecutable) {
        node.content = Text(vst.Read(P(path)));
        EXPECT_EQ(entry.size, node.content.size()) << path;
      }
      found[path] = node;
    }
  }
  EXPECT_EQ(found, model.nodes);
}

// A working set and its model, and random things done to both.
class Pair {
 public:
  explicit Pair(ObjectStore* store) : vst(store) {}
  Pair Fork() const { return {vst.Fork(), model}; }

  void Step(std::mt19937& random, const std::vector<std::string>& names) {
    const auto path = [&] {
      std::string text = names[random() % names.size()];
      while (random() % 3 == 0) text += "/" + names[random() % names.size()];
      return text;
    };
    const std::string a = path();
    const std::string content = std::to_string(random() % 1000);
    switch (random() % 8) {
      case 0:
        Expect(vst.Remove(P(a)), model.Remove(a), "remove " + a);
        break;
      case 1: {
        const std::string b = path();
        Expect(vst.Rename(P(a), P(b)), model.Rename(a, b), "rename " + a + " " + b);
        break;
      }
      case 2:
        Expect(vst.MakeDirectory(P(a)), model.Put(a, {VstEntry::Kind::kDirectory, ""}),
               "make " + a);
        break;
      case 3:
        Expect(vst.WriteSymlink(P(a), "to" + content),
               model.Put(a, {VstEntry::Kind::kSymlink, "to" + content}), "link " + a);
        break;
      case 4:
        Expect(vst.Write(P(a), content, true), model.Put(a, {VstEntry::Kind::kExecutable, content}),
               "write " + a);
        break;
      default:
        Expect(vst.Write(P(a), content), model.Put(a, {VstEntry::Kind::kFile, content}),
               "write " + a);
    }
  }

  Vst vst;
  Model model;

 private:
  Pair(Vst forked, Model same) : vst(std::move(forked)), model(std::move(same)) {}
  static void Expect(const Result<void>& result, bool expected, const std::string& what) {
    EXPECT_EQ(result.has_value(), expected)
        << what << ": " << (result ? "" : std::string(result.error().message()));
  }
};

// A store under L1 as the engine stacks them, and what both counted.
struct Stack {
  explicit Stack(size_t l1_bytes_max) : cache(l1_bytes_max, &metrics) {
    auto memory = std::make_unique<MemoryStore>();
    backend = memory.get();
    store = std::make_unique<CachedStore>(std::make_unique<VerifyingStore>(std::move(memory)),
                                          &cache, &metrics);
  }

  MetricsRecorder metrics;
  ObjectCache cache;
  MemoryStore* backend;
  std::unique_ptr<CachedStore> store;
};

// How many of the last snapshots of a history are restored again.
constexpr size_t kCommittedMax = 20;

void RunHistory(unsigned seed, size_t steps, const std::vector<std::string>& names,
                ObjectStore* store) {
  std::mt19937 random(seed);
  std::vector<Pair> pairs;
  pairs.emplace_back(store);
  std::vector<std::pair<SnapshotId, Model>> committed;
  for (size_t step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
    const size_t at = random() % pairs.size();
    if (random() % 50 == 0) {
      Pair fork = pairs[at].Fork();
      if (pairs.size() < 4) {
        pairs.push_back(std::move(fork));
      } else {
        pairs[random() % pairs.size()] = std::move(fork);
      }
    }
    if (random() % 20 == 0) {
      const Result<SnapshotId> id = pairs[at].vst.Commit();
      ASSERT_TRUE(id) << id.error().message();
      const SnapshotId expected = pairs[at].model.Store(store);
      ASSERT_EQ(*id, expected) << "seed " << seed << ", step " << step;
      // With a store: what was committed, now or earlier, is restored from there and loaded again.
      if (committed.size() == kCommittedMax) committed.erase(committed.begin());
      committed.emplace_back(expected, pairs[at].model);
      if (store != nullptr && random() % 3 == 0) {
        const auto& [snapshot, model] = committed[random() % committed.size()];
        const RestoreMode mode = random() % 3 == 0 ? RestoreMode::kEager : RestoreMode::kLazy;
        ASSERT_TRUE(pairs[at].vst.Restore(snapshot, mode));
        pairs[at].model = model;
      }
    }
    if (random() % 100 == 0) ExpectSame(pairs[at].vst, pairs[at].model);
    pairs[at].Step(random, names);
  }
  for (const Pair& pair : pairs) ExpectSame(pair.vst, pair.model);
}

TEST(VstTest, RandomHistoriesAreAsTheModel) {
  for (unsigned seed = 0; seed < 20; ++seed) RunHistory(seed, 1500, {"a", "b", "c", "dd"}, nullptr);
}

// None; for hardly an object; for some; for all.
constexpr size_t kL1Sizes[] = {0, 600, 20'000, 16 << 20};

TEST(VstTest, RandomHistoriesOverAStoreAreAsTheModel) {
  for (const size_t l1_bytes_max : kL1Sizes) {
    for (unsigned seed = 100; seed < 106; ++seed) {
      SCOPED_TRACE("L1 of " + std::to_string(l1_bytes_max));
      Stack stack(l1_bytes_max);
      RunHistory(seed, 1500, {"a", "b", "c", "dd"}, stack.store.get());
    }
  }
}

// Enough names for two levels of pages.
TEST(VstTest, RandomHistoriesInLargeFoldersAreAsTheModel) {
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i) names.push_back("name" + std::to_string(i));
  RunHistory(7, 6000, names, nullptr);
  Stack stack(100'000);
  RunHistory(8, 6000, names, stack.store.get());
}

// Names that begin alike, that are the beginning of others, and bytes from both ends: what a search
// by the first bytes of names could take for one another.
TEST(VstTest, RandomHistoriesWithNamesThatLookAlikeAreAsTheModel) {
  std::vector<std::string> names{"\x01", "\xff", "\xff\xff", "a", "common", "commonplace"};
  for (int i = 0; i < 40; ++i) {
    names.push_back("common" + std::string(static_cast<size_t>(i % 7), 'x') + std::to_string(i));
    names.push_back("common" + std::string(5, static_cast<char>(1 + 6 * i)));
  }
  MemoryStore store;
  RunHistory(9, 3000, names, &store);
  names.erase(names.begin(), names.begin() + 4);  // all that is left begins alike
  RunHistory(10, 3000, names, &store);
}

TEST(VstTest, AnEmptyWorkingSetHasTheIdOfTheEmptyTree) {
  Vst vst;
  EXPECT_EQ(vst.Commit().value(), Model().Store(nullptr));
  ASSERT_TRUE(vst.Write(P("a"), "x"));
  ASSERT_TRUE(vst.Remove(P("a")));
  EXPECT_EQ(vst.Commit().value(), Model().Store(nullptr));
}

TEST(VstTest, RestoreOfEmptySnapshotEmpties) {
  MemoryStore store;
  const SnapshotId empty = Model().Store(&store);
  for (const RestoreMode mode : {RestoreMode::kLazy, RestoreMode::kEager}) {
    Vst vst(&store);
    ASSERT_TRUE(vst.Write(P("a/b"), "x"));
    ASSERT_TRUE(vst.Restore(empty, mode));
    EXPECT_TRUE(vst.List(P("")).value().empty());
    EXPECT_EQ(vst.Commit().value(), empty);
  }
}

TEST(VstTest, WriteAfterLazyRestoreKeepsUnreadFiles) {
  MemoryStore store;
  Model model;
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(model.Put("folder" + std::to_string(i % 7) + "/file" + std::to_string(i),
                          {VstEntry::Kind::kFile, std::to_string(i)}));
  }
  const SnapshotId before = model.Store(&store);
  Vst vst(&store);
  ASSERT_TRUE(vst.Restore(before));
  ASSERT_TRUE(vst.Write(P("folder3/new"), "new"));
  ASSERT_TRUE(model.Put("folder3/new", {VstEntry::Kind::kFile, "new"}));
  EXPECT_EQ(vst.Commit().value(), model.Store(&store));
  ExpectSame(vst, model);
}

// Neither reading it, nor a commit, nor going to and fro brings it back; only a snapshot that has
// it.
TEST(VstTest, DeletedFileStaysDeleted) {
  MemoryStore store;
  Model model;
  for (const char* path : {"folder/gone", "folder/stays", "stays"}) {
    ASSERT_TRUE(model.Put(path, {VstEntry::Kind::kFile, path}));
  }
  const SnapshotId with = model.Store(&store);
  Vst vst(&store);
  ASSERT_TRUE(vst.Restore(with));
  ASSERT_TRUE(vst.Remove(P("folder/gone")));
  ASSERT_TRUE(model.Remove("folder/gone"));
  const SnapshotId without = model.Store(&store);
  const auto expect_gone = [&] {
    EXPECT_FALSE(vst.Contains(P("folder/gone")).value());
    const auto content = vst.Read(P("folder/gone"));
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().code(), ErrorCode::kNotFound);
    ExpectSame(vst, model);
  };
  expect_gone();
  EXPECT_EQ(vst.Commit().value(), without);
  expect_gone();
  for (const RestoreMode mode : {RestoreMode::kLazy, RestoreMode::kEager}) {
    ASSERT_TRUE(vst.Restore(with, mode));
    EXPECT_EQ(Text(vst.Read(P("folder/gone"))), "folder/gone");
    ASSERT_TRUE(vst.Restore(without, mode));
    expect_gone();
  }
}

TEST(VstTest, ForksGoTheirOwnWays) {
  Vst first;
  ASSERT_TRUE(first.Write(P("shared"), "1"));
  ASSERT_TRUE(first.Write(P("folder/shared"), "1"));
  Vst second = first.Fork();
  ASSERT_TRUE(first.Write(P("folder/shared"), "2"));
  ASSERT_TRUE(second.Remove(P("shared")));
  EXPECT_EQ(Text(first.Read(P("folder/shared"))), "2");
  EXPECT_EQ(Text(second.Read(P("folder/shared"))), "1");
  EXPECT_TRUE(first.Contains(P("shared")).value());
  EXPECT_FALSE(second.Contains(P("shared")).value());
  EXPECT_NE(first.Commit().value(), second.Commit().value());
}

TEST(VstTest, WhatWasReadStaysValid) {
  std::shared_ptr<const Bytes> content;
  {
    Vst vst;
    ASSERT_TRUE(vst.Write(P("a"), "content"));
    content = vst.Read(P("a")).value();
    ASSERT_TRUE(vst.Remove(P("a")));
  }
  EXPECT_EQ(*content, "content");
}

TEST(VstTest, L2MissNamesIdAndPath) {
  MemoryStore store;
  Model model;
  ASSERT_TRUE(model.Put("folder/file", {VstEntry::Kind::kFile, "content"}));
  const SnapshotId id = model.Store(&store);
  const ObjectKey blob(HashBlob("content"));
  ASSERT_TRUE(store.Delete({&blob, 1}));
  Vst vst(&store);
  ASSERT_TRUE(vst.Restore(id));
  const auto content = vst.Read(P("folder/file"));
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), ErrorCode::kMissingObject);
  EXPECT_NE(content.error().message().find(blob.ToString()), std::string::npos);
  EXPECT_NE(content.error().message().find("folder/file"), std::string::npos);
  for (const RestoreMode mode : {RestoreMode::kLazy, RestoreMode::kEager}) {
    EXPECT_FALSE(Vst(&store).Restore({HashBlob("no tree").digest}, mode));
    EXPECT_FALSE(Vst().Restore(id, mode));
  }
}

TEST(VstTest, RestorePromotesFromL2ToL1) {
  Stack stack(16 << 20);
  Model model;
  ASSERT_TRUE(model.Put("file", {VstEntry::Kind::kFile, "content"}));
  Vst vst(stack.store.get());
  ASSERT_TRUE(vst.Restore(model.Store(stack.backend)));
  EXPECT_TRUE(vst.Contains(P("file")).value());
  // The root's page so far, and nothing of the contents.
  EXPECT_EQ(stack.metrics.Take()[Counter::kLazyRestorePromotions], 1u);
  EXPECT_EQ(stack.cache.items(), 1u);

  EXPECT_EQ(Text(vst.Read(P("file"))), "content");
  Metrics delta = stack.metrics.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], 1u);
  EXPECT_EQ(delta[Counter::kL1Hits], 0u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 1u);
  EXPECT_EQ(delta[Counter::kLazyRestorePromotions], 1u);
  EXPECT_EQ(stack.cache.items(), 2u);

  EXPECT_EQ(Text(vst.Read(P("file"))), "content");
  delta = stack.metrics.Take();
  EXPECT_EQ(delta[Counter::kL1Misses], 0u);
  EXPECT_EQ(delta[Counter::kL1Hits], 1u);
  EXPECT_EQ(delta[Counter::kFirstReadFromL2], 0u);
  EXPECT_EQ(delta[Counter::kLazyRestorePromotions], 0u);
}

// A tree with everything in it: a folder of several pages, a file of several chunks, links, and
// what is empty.
class EagerRestoreTest : public testing::Test {
 protected:
  EagerRestoreTest() {
    for (int i = 0; i < 1000; ++i) Put("large folder/" + std::to_string(i), std::to_string(i));
    Put("a/b/c/file", "content");
    Put("empty", "");
    std::string large(size_t{5} << 20, '\0');
    std::mt19937 random(1);
    for (char& byte : large) byte = static_cast<char>(random());
    Put("a/large", large);
    EXPECT_TRUE(model_.Put("a/link", {VstEntry::Kind::kSymlink, "file"}));
    EXPECT_TRUE(model_.Put("a/nothing in it", {VstEntry::Kind::kDirectory, ""}));
    id_ = model_.Store(stack_.backend);
  }
  void Put(const std::string& path, const std::string& content) {
    EXPECT_TRUE(model_.Put(path, {VstEntry::Kind::kFile, content}));
  }
  // Of all that the tree is made of.
  std::vector<ObjectKey> AllKeys() {
    std::vector<ObjectKey> keys;
    EXPECT_TRUE(stack_.backend->ForEachKey([&](const ObjectKey& key, uint64_t) -> Result<void> {
      if (key.kind != ObjectKind::kAttributes) keys.push_back(key);
      return {};
    }));
    return keys;
  }

  Stack stack_{0};  // nothing can come from L1
  Model model_;
  SnapshotId id_;
};

TEST_F(EagerRestoreTest, NeedsTheStoreNoMore) {
  Vst vst(stack_.store.get());
  ASSERT_TRUE(vst.Restore(id_, RestoreMode::kEager));
  ASSERT_TRUE(stack_.backend->Delete(AllKeys()));
  ExpectSame(vst, model_);
  ExpectSame(vst.Fork(), model_);
  // And goes on like any other.
  ASSERT_TRUE(vst.Rename(P("a/b"), P("large folder/b")));
  ASSERT_TRUE(model_.Rename("a/b", "large folder/b"));
  EXPECT_EQ(vst.Commit().value(), model_.Store(nullptr));
  ExpectSame(vst, model_);
}

TEST_F(EagerRestoreTest, FailsForAnyMissingObjectAndChangesNothing) {
  Vst vst(stack_.store.get());
  ASSERT_TRUE(vst.Write(P("mine"), "mine"));
  Model mine;
  ASSERT_TRUE(mine.Put("mine", {VstEntry::Kind::kFile, "mine"}));
  size_t tried = 0;
  for (const ObjectKey& key : AllKeys()) {
    // Of the thousand contents, some.
    if (key.kind == ObjectKind::kBlob && key.digest.bytes[0] % 32 != 0) continue;
    ++tried;
    const Object object{key, *stack_.backend->Get(key).value()};
    ASSERT_TRUE(stack_.backend->Delete({&key, 1}));
    const Result<void> restored = vst.Restore(id_, RestoreMode::kEager);
    ASSERT_FALSE(restored) << key.ToString();
    EXPECT_EQ(restored.error().code(), ErrorCode::kMissingObject);
    EXPECT_NE(restored.error().message().find(key.ToString()), std::string::npos);
    ExpectSame(vst, mine);
    ASSERT_TRUE(stack_.backend->PutMany({&object, 1}));
  }
  EXPECT_GT(tried, 20u);
  ASSERT_TRUE(vst.Restore(id_, RestoreMode::kEager));
  ExpectSame(vst, model_);
}

TEST_F(EagerRestoreTest, NamesThePathOfWhatIsMissing) {
  const ObjectKey blob(HashBlob("content"));
  ASSERT_TRUE(stack_.backend->Delete({&blob, 1}));
  const Result<void> restored = Vst(stack_.store.get()).Restore(id_, RestoreMode::kEager);
  ASSERT_FALSE(restored);
  EXPECT_NE(restored.error().message().find("a/b/c/file"), std::string::npos);
}

// Pages that decode by themselves and do not fit together.
class HostilePagesTest : public testing::Test {
 protected:
  TreePageRef Put(const TreePage& page) {
    const Bytes bytes = EncodeTreePage(page);
    const Object object{{ObjectKind::kTree, HashObject(ObjectKind::kTree, bytes)}, bytes};
    EXPECT_TRUE(store_.PutMany({&object, 1}));
    const std::string last =
        page.level == 0 ? page.entries.back().name : page.pages.back().last_name;
    return {last, {object.key.digest}, page.Totals()};
  }
  // A page of the names from `first` on up to one where a page may end, or so many.
  static TreePage Leaf(int first, size_t count) {
    TreePage page;
    for (int i = first; page.entries.size() < count; ++i) {
      TreeEntry entry;
      entry.name = "name" + std::to_string(i);
      if (page.entries.size() + 1 < count &&
          PageEndsAfter(0, page.entries.size() + 1, NameHash(entry.name))) {
        continue;
      }
      page.entries.push_back(entry);
    }
    return page;
  }
  void ExpectCorrupt(const TreeId& top) {
    Vst vst(&store_);
    const Result<void> restored = vst.Restore(top);
    const auto listed = vst.List(P(""));
    ASSERT_FALSE(restored && listed);
    const Error& error = restored ? listed.error() : restored.error();
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << error.message();
  }

  MemoryStore store_;
};

TEST_F(HostilePagesTest, APageThatEndsWhereNoPageEndsIsDamage) {
  TreePage top;
  top.level = 1;
  top.pages = {Put(Leaf(10000, 3)), Put(Leaf(20000, 3))};
  ExpectCorrupt(Put(top).id);
}

TEST_F(HostilePagesTest, ALevelAboveASinglePageIsDamage) {
  TreePage top;
  top.level = 1;
  top.pages = {Put(Leaf(10000, 3))};
  ExpectCorrupt(Put(top).id);
}

TEST_F(HostilePagesTest, PagesWhoseNamesOverlapAreDamage) {
  // The first ends where it must; the second begins before that.
  TreePage first;
  for (int i = 10000; first.entries.size() < kPageItemsMax; ++i) {
    TreeEntry entry;
    entry.name = "name" + std::to_string(i);
    first.entries.push_back(entry);
    if (PageEndsAfter(0, first.entries.size(), NameHash(entry.name))) break;
  }
  TreePage second = Leaf(20000, 2);
  second.entries[0].name = "name10000";
  TreePage top;
  top.level = 1;
  top.pages = {Put(first), Put(second)};
  ExpectCorrupt(Put(top).id);
}

TEST(VstTest, LargeFilesHaveManifests) {
  Bytes large(size_t{5} << 20, '\0');
  std::mt19937 random(1);
  for (char& byte : large) byte = static_cast<char>(random());
  Vst vst;
  ASSERT_TRUE(vst.Write(P("large"), large));
  const SnapshotId id = vst.Commit().value();
  EXPECT_EQ(vst.Read(P("large")).value()->size(), large.size());
  ASSERT_TRUE(vst.Write(P("large"), "small"));
  EXPECT_NE(vst.Commit().value(), id);
}

TEST(VstTest, VeryDeepTreesAreMadeCommittedAndFreed) {
  std::string path = "d";
  for (int i = 0; i < 20'000; ++i) path += "/d";
  Vst vst;
  ASSERT_TRUE(vst.Write(P(path), "deep"));
  ASSERT_TRUE(vst.Commit());
  EXPECT_EQ(Text(vst.Read(P(path))), "deep");
  ASSERT_TRUE(vst.Remove(P("d")));
  EXPECT_EQ(vst.Commit().value(), Model().Store(nullptr));
}

TEST(VstTest, DiffAppliedToTheFirstGivesTheSecond) {
  const std::vector<std::string> names{"a", "b", "c", "dd"};
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    Pair before(nullptr);
    for (int i = 0; i < 60; ++i) before.Step(random, names);
    Pair after = before.Fork();
    for (int i = 0; i < 10; ++i) after.Step(random, names);
    const auto changes = Vst::Diff(before.vst, after.vst);
    ASSERT_TRUE(changes);
    // Leaves: files, symlinks, and folders that are empty.
    const auto leaves = [](const Model& model) {
      std::map<std::string, Model::Node> found;
      for (auto it = model.nodes.begin(); it != model.nodes.end(); ++it) {
        const auto below = model.nodes.lower_bound(it->first + "/");
        const bool holds = below != model.nodes.end() && below->first.starts_with(it->first + "/");
        if (!holds) found.insert(*it);
      }
      return found;
    };
    std::map<std::string, Model::Node> state = leaves(before.model);
    const std::map<std::string, Model::Node> wanted = leaves(after.model);
    for (const VstChange& change : *changes) {
      if (change.kind == VstChange::Kind::kDeleted) {
        EXPECT_EQ(state.erase(change.path), 1u) << change.path;
        continue;
      }
      EXPECT_EQ(state.count(change.path), change.kind == VstChange::Kind::kChanged ? 1u : 0u);
      ASSERT_TRUE(wanted.contains(change.path)) << change.path;
      state[change.path] = wanted.at(change.path);
    }
    EXPECT_EQ(state, wanted) << "seed " << seed;
  }
}

// Lengths change, so that versions of a page differ in more than the bytes of an item.
TEST(VstTest, DiffOfVersionsFindsChangedLengths) {
  for (const size_t size : {size_t{1}, size_t{300}}) {
    Vst before;
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(before.Write(P("f" + std::to_string(i)), "x"));
    ASSERT_TRUE(before.Commit());
    Vst after = before.Fork();
    for (int i = 0; i < 2000; i += 100) {
      ASSERT_TRUE(after.Write(P("f" + std::to_string(i)), Bytes(size, 'y')));
    }
    EXPECT_EQ(Vst::Diff(before, after)->size(), 20u);
    ASSERT_TRUE(after.Write(P("f100"), "x"));
    EXPECT_EQ(Vst::Diff(before, after)->size(), 19u);
    EXPECT_EQ(Vst::Diff(after, after)->size(), 0u);
  }
}

TEST(VstTest, DiffOfLargeFoldersFindsJustWhatChanged) {
  Vst before;
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(before.Write(P("f" + std::to_string(i)), "x"));
  ASSERT_TRUE(before.Commit());
  Vst after = before.Fork();
  for (int i = 0; i < 20'000; i += 1000) {
    ASSERT_TRUE(after.Write(P("f" + std::to_string(i)), "y"));
  }
  ASSERT_TRUE(after.Remove(P("f777")));
  const auto changes = Vst::Diff(before, after).value();
  EXPECT_EQ(changes.size(), 21u);
}

// What the heap holds, in bytes; none where the heap does not say (sanitizers have their own).
std::optional<size_t> HeapBytes() {
  const size_t bytes = mallinfo2().uordblks;
  return bytes == 0 ? std::nullopt : std::optional(bytes);
}

TEST(VstTest, MemoryIsFlatOverManyCommits) {
  if (!HeapBytes()) GTEST_SKIP() << "the heap does not say what it holds";
  Vst vst;
  for (int i = 0; i < 500; ++i) {
    const std::string name = "f" + std::to_string(i);
    ASSERT_TRUE(vst.Write(P(i % 2 == 0 ? name : "folder/" + name), "before"));
  }
  const Vst before = vst.Fork();
  const auto commit = [&vst](int round) {
    const std::string name = "f" + std::to_string(round % 500);
    ASSERT_TRUE(vst.Write(P(round % 2 == 0 ? name : "folder/" + name), std::to_string(round)));
    ASSERT_TRUE(vst.Commit());
    const Vst discarded = vst.Fork();
  };
  for (int round = 0; round < 1000; ++round) commit(round);
  const size_t heap_before = *HeapBytes();
  for (int round = 0; round < 100'000; ++round) commit(round);
  EXPECT_LT(*HeapBytes(), heap_before + (size_t{64} << 10));
}

TEST(VstTest, MetadataOfAHundredThousandFilesFitsInTwelveMegabytes) {
  if (!HeapBytes()) GTEST_SKIP() << "the heap does not say what it holds";
  MemoryStore store;
  SnapshotId id;
  {
    Model model;
    for (int i = 0; i < 100'000; ++i) {
      ASSERT_TRUE(model.Put("folder" + std::to_string(i / 20) + "/file" + std::to_string(i),
                            {VstEntry::Kind::kFile, ""}));
    }
    id = model.Store(&store);
  }
  const size_t heap_before = *HeapBytes();
  Vst vst(&store);
  ASSERT_TRUE(vst.Restore(id));
  size_t files = 0;
  const std::vector<VstEntry> folders = vst.List(P("")).value();
  for (const VstEntry& folder : folders) files += vst.List(P(folder.name))->size();
  EXPECT_EQ(files, 100'000u);
  EXPECT_LT(*HeapBytes() - heap_before, size_t{12'000'000});
}

// Readers, forks and commits of states that share their nodes, all at once.
TEST(VstTest, ForksAreIndependentAmongThreads) {
  MemoryStore store;
  Model model;
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(model.Put("folder" + std::to_string(i % 5) + "/file" + std::to_string(i),
                          {VstEntry::Kind::kFile, std::to_string(i)}));
  }
  Vst base(&store);
  ASSERT_TRUE(base.Restore(model.Store(&store)));
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&base, thread] {
      for (int round = 0; round < 50; ++round) {
        Vst mine = base.Fork();
        const std::string text = std::to_string(thread) + "." + std::to_string(round);
        EXPECT_TRUE(mine.Write(P("folder1/mine"), text));
        EXPECT_TRUE(mine.Commit());
        EXPECT_EQ(Text(mine.Read(P("folder1/mine"))), text);
        EXPECT_EQ(Text(base.Read(P("folder2/file" + std::to_string(2 + 5 * round)))),
                  std::to_string(2 + 5 * round));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectSame(base, model);
}

}  // namespace
}  // namespace helios

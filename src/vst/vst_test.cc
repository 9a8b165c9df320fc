#include "helios/vst.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <map>
#include <optional>
#include <random>
#include <thread>

#include "object/directory_builder.h"
#include "object/hash.h"
#include "object/paging.h"
#include "object/tree.h"
#include "store/memory/memory_store.h"

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
        entry.size = node->content.size();
        entry.id = HashBlob(node->content).digest;
        EXPECT_TRUE(put({ObjectKind::kBlob, entry.id}, node->content));
      }
      EXPECT_TRUE(builder.Add(entry, attributes));
    }
    by_name_.erase(prefix);
    return builder.Finish({}).value();
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

void RunHistory(unsigned seed, size_t steps, const std::vector<std::string>& names,
                ObjectStore* store) {
  std::mt19937 random(seed);
  std::vector<Pair> pairs;
  pairs.emplace_back(store);
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
      // With a store: what was committed is restored from there, and loaded again.
      const SnapshotId expected = pairs[at].model.Store(store);
      ASSERT_EQ(*id, expected) << "seed " << seed << ", step " << step;
      if (store != nullptr && random() % 3 == 0) {
        ASSERT_TRUE(pairs[at].vst.Restore(expected));
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

TEST(VstTest, RandomHistoriesOverAStoreAreAsTheModel) {
  for (unsigned seed = 100; seed < 110; ++seed) {
    MemoryStore store;
    RunHistory(seed, 1500, {"a", "b", "c", "dd"}, &store);
  }
}

// Enough names for two levels of pages.
TEST(VstTest, RandomHistoriesInLargeFoldersAreAsTheModel) {
  std::vector<std::string> names;
  for (int i = 0; i < 3000; ++i) names.push_back("name" + std::to_string(i));
  MemoryStore store;
  RunHistory(7, 6000, names, nullptr);
  RunHistory(8, 6000, names, &store);
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

TEST(VstTest, RestoringTheEmptySnapshotEmpties) {
  MemoryStore store;
  const SnapshotId empty = Model().Store(&store);
  Vst vst(&store);
  ASSERT_TRUE(vst.Write(P("a/b"), "x"));
  ASSERT_TRUE(vst.Restore(empty));
  EXPECT_TRUE(vst.List(P("")).value().empty());
}

TEST(VstTest, AWriteAfterALazyRestoreKeepsEveryFileThatWasNotRead) {
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

TEST(VstTest, MissingAndDamagedObjectsAreNamed) {
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
  EXPECT_FALSE(Vst(&store).Restore({HashBlob("no tree").digest}));
  EXPECT_FALSE(Vst().Restore(id));
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

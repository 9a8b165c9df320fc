#include "vst/vst_store.h"

#include <gtest/gtest.h>

#include <set>

#include "object/hash.h"
#include "object/manifest.h"
#include "object/tree.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"
#include "vst/vst_view.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;
using test::RandomBytes;

TreePath P(std::string_view text) { return TreePath::Parse(text).value(); }

// What an object refers to.
std::vector<ObjectKey> ReferencesOf(const BorrowedObject& object) {
  std::vector<ObjectKey> references;
  if (object.key.kind == ObjectKind::kTree) {
    const Result<TreePage> page = DecodeTreePage(object.bytes);
    EXPECT_TRUE(Ok(page));
    for (const TreePageRef& ref : page->pages) references.emplace_back(ref.id);
    for (const TreeEntry& entry : page->entries) {
      if (entry.kind == EntryKind::kDirectory) references.emplace_back(TreeId{entry.id});
      if (!IsFile(entry.kind)) continue;
      references.push_back(entry.HasManifest() ? ObjectKey(entry.manifest)
                                               : ObjectKey(BlobId{entry.id}));
    }
  } else if (object.key.kind == ObjectKind::kManifest) {
    const Result<Manifest> manifest = DecodeManifest(object.bytes);
    EXPECT_TRUE(Ok(manifest));
    for (const ManifestItem& item : manifest->items) {
      references.emplace_back(manifest->level == 0 ? ObjectKind::kBlob : ObjectKind::kManifest,
                              item.id);
    }
  }
  return references;
}

// Every object hashes to its key, and comes after what it refers to, as far as `known` lacks that.
void ExpectChildrenFirst(const VstObjects& collected, std::set<ObjectKey> known = {}) {
  for (const BorrowedObject& object : collected.objects) {
    EXPECT_EQ(HashObject(object.key.kind, object.bytes), object.key.digest);
    for (const ObjectKey& reference : ReferencesOf(object)) {
      EXPECT_TRUE(known.contains(reference)) << reference.ToString();
    }
    known.insert(object.key);
  }
}

std::set<ObjectKey> KeysOf(const VstObjects& collected) {
  std::set<ObjectKey> keys;
  for (const BorrowedObject& object : collected.objects) keys.insert(object.key);
  return keys;
}

VstObjects Collect(Vst& vst) {
  Result<VstObjects> collected = VstAccess::CollectObjects(vst);
  EXPECT_TRUE(Ok(collected));
  return std::move(collected).value();
}

Vst Filled(ObjectStore* store) {
  Vst vst(store);
  for (int i = 0; i < 2000; ++i) {
    EXPECT_TRUE(Ok(
        vst.Write(P("d" + std::to_string(i % 3) + "/f" + std::to_string(i)), std::to_string(i))));
  }
  EXPECT_TRUE(Ok(vst.Write(P("large"), RandomBytes(6 << 20, 1))));
  EXPECT_TRUE(Ok(vst.MakeDirectory(P("empty/inner"))));
  return vst;
}

TEST(VstStoreTest, EveryObjectComesAfterWhatItRefersTo) {
  Vst vst = Filled(nullptr);
  const VstObjects collected = Collect(vst);
  ExpectChildrenFirst(collected);
  EXPECT_EQ(collected.objects.back().key, ObjectKey(vst.Commit().value()));
}

TEST(VstStoreTest, WhatIsKnownToBeStoredIsLeftOut) {
  MemoryStore store;
  Vst vst = Filled(&store);
  const VstObjects first = Collect(vst);
  MarkStored(first);
  // The empty page is every store's, and never taken for known.
  EXPECT_TRUE(Collect(vst).objects.empty());
  ASSERT_TRUE(Ok(vst.Write(P("d1/f1"), "changed")));
  const VstObjects second = Collect(vst);
  ExpectChildrenFirst(second, KeysOf(first));
  EXPECT_EQ(second.objects.size(), 4u);  // blob, page, top page, root
  EXPECT_EQ(second.nodes.size(), 4u);
}

TEST(VstStoreTest, WhatWasReadFromTheStoreIsLeftOut) {
  MemoryStore store;
  Vst first = Filled(&store);
  const VstObjects collected = Collect(first);
  for (const BorrowedObject& borrowed : collected.objects) {
    const Object object{borrowed.key, Bytes(borrowed.bytes)};
    ASSERT_TRUE(Ok(store.PutMany({&object, 1})));
  }
  Vst vst(&store);
  ASSERT_TRUE(Ok(vst.Restore(first.Commit().value())));
  ASSERT_TRUE(Ok(vst.Read(P("d2/f2"))));
  EXPECT_TRUE(Collect(vst).objects.empty());
  // Names that come and go cut pages anew, of which the store has most.
  ASSERT_TRUE(Ok(vst.Write(P("d0/new"), "new")));
  ASSERT_TRUE(Ok(vst.Remove(P("d0/f3"))));
  ASSERT_TRUE(Ok(vst.Rename(P("d1"), P("moved"))));
  ExpectChildrenFirst(Collect(vst), KeysOf(collected));
}

TEST(VstStoreTest, ForksKnowWhatOneOfThemStored) {
  MemoryStore store;
  Vst vst = Filled(&store);
  ASSERT_TRUE(Ok(vst.Commit()));
  Vst fork = vst.Fork();
  MarkStored(Collect(vst));
  EXPECT_TRUE(Collect(fork).objects.empty());
}

TEST(VstViewTest, GivesWhatIsInMemoryAndInTheStoreAndNothingElse) {
  MemoryStore store;
  const Object stored = test::MakeBlob("stored");
  ASSERT_TRUE(Ok(store.PutMany({&stored, 1})));
  Vst vst(&store);
  ASSERT_TRUE(Ok(vst.Write(P("f"), "memory")));
  const Result<std::unique_ptr<VstView>> view = VstView::Of(vst);
  ASSERT_TRUE(Ok(view));
  const Object memory = test::MakeBlob("memory");
  const ObjectKey absent = test::MakeBlob("absent").key;
  EXPECT_TRUE(Ok(test::ExpectHoldsAll(**view, {stored, memory})));
  EXPECT_EQ(*(*view)->GetShared(memory.key).value(), memory.bytes);
  EXPECT_EQ((*view)->GetShared(absent).value(), nullptr);
  const std::vector<ObjectKey> keys{absent, stored.key, memory.key};
  EXPECT_EQ((*view)->HasMany(keys).value(), (std::vector<bool>{false, true, true}));
  std::vector<std::string> got(3, "not told");
  const auto sink = [&](size_t index, std::optional<ByteView> bytes) -> Result<void> {
    got[index] = bytes ? std::string(*bytes) : "absent";
    return {};
  };
  ASSERT_TRUE(Ok((*view)->GetMany(keys, sink)));
  EXPECT_EQ(got, (std::vector<std::string>{"absent", "stored", "memory"}));
  EXPECT_TRUE(Fails((*view)->OpenBatch(), ErrorCode::kUnsupported, ""));
}

}  // namespace
}  // namespace helios

#include "history/id_resolver.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "history/branches.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::MakeBlob;
using test::MakeObject;
using test::Ok;
using test::TempFolder;
using test::WriteWholeFile;

class IdResolverTest : public ::testing::Test {
 protected:
  IdResolverTest() {
    WriteWholeFile(folder_ / "operations", "");
    std::filesystem::create_directory(folder_ / "workspaces");
  }

  // Commits the snapshot from the workspace, as the engine does.
  RecordId Commit(const std::string& workspace, const SnapshotId& snapshot) {
    const Result<std::optional<Operation>> latest = log_.Latest(workspace);
    EXPECT_TRUE(Ok(latest));
    Record record;
    record.snapshot = snapshot;
    record.time.seconds = ++clock_;
    record.workspace = workspace;
    Operation operation;
    if (latest && latest->has_value()) {
      record.parents = {(*latest)->record};
      operation.replaced = (*latest)->record;
    }
    const Object object = MakeObject(ObjectKind::kRecord, EncodeRecord(record));
    EXPECT_TRUE(Ok(store_.PutMany({&object, 1})));
    operation.workspace = workspace;
    operation.record = {object.key.digest};
    operation.snapshot = snapshot;
    const Result<bool> appended = log_.Append(operation);
    EXPECT_TRUE(Ok(appended));
    EXPECT_TRUE(appended && *appended);
    return operation.record;
  }
  static SnapshotId Snapshot(const std::string& name) {
    return {HashObject(ObjectKind::kTree, name)};
  }
  Result<ResolvedRecord> Resolve(std::string_view text, const std::string& workspace = "a") {
    return ResolveId(&store_, log_, refs_, workspace, text);
  }
  void ExpectIs(const RecordId& wanted, std::string_view text, const std::string& workspace = "a") {
    const Result<ResolvedRecord> resolved = Resolve(text, workspace);
    ASSERT_TRUE(Ok(resolved)) << text;
    EXPECT_EQ(resolved->id.digest.ToHex(), wanted.digest.ToHex()) << text;
    const Result<Record> record = LoadRecord(&store_, wanted);
    ASSERT_TRUE(Ok(record));
    EXPECT_TRUE(resolved->record == *record) << text;
  }

  void Point(const std::string& name, const RecordId& record) {
    const Result<bool> made = refs_.CompareAndSwap(name, std::nullopt, record);
    ASSERT_TRUE(Ok(made));
    ASSERT_TRUE(*made) << name;
  }

  // Makes the branch stand at a record.
  void Advance(const std::string& branch, const RecordId& record) {
    const Result<std::optional<RecordId>> head = HeadOfBranch(log_, branch);
    ASSERT_TRUE(Ok(head));
    Operation operation;
    operation.kind = OperationKind::kBranchCommit;
    operation.workspace = BranchKey(branch);
    operation.path = branch;
    operation.record = record;
    operation.replaced = *head;
    const Result<bool> appended = log_.Append(operation);
    ASSERT_TRUE(Ok(appended));
    ASSERT_TRUE(*appended) << branch;
  }

  TempFolder folder_;
  MemoryStore store_;
  const OperationLog log_{folder_ / "operations", folder_ / "workspaces"};
  const RefStore refs_{folder_ / "refs"};
  int64_t clock_ = 1'700'000'000;
};

TEST_F(IdResolverTest, TakesFullIdsAndPrefixesOfSnapshotsAndRecords) {
  const SnapshotId snapshot = Snapshot("one");
  const RecordId record = Commit("a", snapshot);
  Commit("a", Snapshot("two"));
  for (const Digest& digest : {snapshot.digest, record.digest}) {
    const std::string hex = digest.ToHex();
    for (const size_t length : {8, 9, 31, 63, 64}) {
      ExpectIs(record, hex.substr(0, length));
      ExpectIs(record, "blake3:" + hex.substr(0, length));
    }
    std::string upper = hex;
    std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
      return static_cast<char>(c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c);
    });
    ExpectIs(record, upper);
  }
}

TEST_F(IdResolverTest, FourDigitsAreEnoughThreeAreNot) {
  const SnapshotId snapshot = Snapshot("one");
  const RecordId record = Commit("a", snapshot);
  const std::string hex = snapshot.digest.ToHex();
  ASSERT_NE(hex.substr(0, 4), record.digest.ToHex().substr(0, 4));
  ExpectIs(record, hex.substr(0, 4));
  ExpectIs(record, "blake3:" + hex.substr(0, 4));
  for (const size_t length : {1, 2, 3}) {
    EXPECT_TRUE(
        Fails(Resolve(hex.substr(0, length)), ErrorCode::kInvalidArgument, "at least 4 hex"));
    EXPECT_TRUE(Fails(Resolve("blake3:" + hex.substr(0, length)), ErrorCode::kInvalidArgument,
                      "at least 4 hex"));
  }
}

TEST_F(IdResolverTest, SnapshotIsTheNewestRecordOfThisWorkspace) {
  const SnapshotId snapshot = Snapshot("one");
  Commit("a", snapshot);
  const RecordId newest_of_a = Commit("a", snapshot);
  const RecordId newest_of_b = Commit("b", snapshot);
  const std::string hex = snapshot.digest.ToHex();
  ExpectIs(newest_of_a, hex, "a");
  ExpectIs(newest_of_b, hex, "b");
  ExpectIs(newest_of_b, hex, "c");  // none of its own: the newest in the store
  ExpectIs(newest_of_a, hex.substr(0, 10), "a");
}

TEST_F(IdResolverTest, RecordIdIsThatRecordWhoeverAsks) {
  const SnapshotId snapshot = Snapshot("one");
  const RecordId first = Commit("a", snapshot);
  const RecordId second = Commit("a", snapshot);
  const RecordId other = Commit("b", snapshot);
  for (const char* workspace : {"a", "b", "c"}) {
    ExpectIs(first, first.digest.ToHex(), workspace);
    ExpectIs(second, second.digest.ToHex(), workspace);
    ExpectIs(other, other.digest.ToHex(), workspace);
  }
}

TEST_F(IdResolverTest, AtIsWhereTheWorkspaceStands) {
  const RecordId first = Commit("a", Snapshot("one"));
  ExpectIs(first, "@");
  const RecordId second = Commit("a", Snapshot("two"));
  const RecordId third = Commit("a", Snapshot("three"));
  const RecordId other = Commit("b", Snapshot("four"));
  ExpectIs(third, "@");
  ExpectIs(third, "@~0");
  ExpectIs(second, "@~1");
  ExpectIs(first, "@~2");
  ExpectIs(other, "@", "b");
  EXPECT_TRUE(Fails(Resolve("@~3"), ErrorCode::kNotFound, "only 2 records"));
  EXPECT_TRUE(Fails(Resolve("@~1", "b"), ErrorCode::kNotFound, "only 0 records"));
  EXPECT_TRUE(Fails(Resolve("@", "c"), ErrorCode::kNotFound, "nothing was committed"));
}

TEST_F(IdResolverTest, RefusesMalformedAts) {
  Commit("a", Snapshot("one"));
  for (const char* text :
       {"@~", "@~-1", "@~+1", "@~x", "@~1x", "@1", "@@", "@~ 1", "@^", "@~1~1",
        "@~99999999999999999999", "@~1000001", "~", "~1", "v1~", "v1~x", "v1~1~1", "abcd~-1"}) {
    EXPECT_TRUE(Fails(Resolve(text), ErrorCode::kInvalidArgument, text)) << text;
  }
}

TEST_F(IdResolverTest, TakesRefsByTheirFullAndTheirShortName) {
  const RecordId first = Commit("a", Snapshot("one"));
  const RecordId second = Commit("a", Snapshot("two"));
  Point("tags/v1", first);
  Advance("main", second);
  Point("other/thing", first);
  ExpectIs(first, "v1");
  ExpectIs(first, "tags/v1");
  ExpectIs(second, "main");
  ExpectIs(second, "heads/main");
  ExpectIs(first, "other/thing", "b");
  for (const char* text : {"thing", "heads/v1", "tags/main", "tags", "tags/", "V1", "v1/", " v1"}) {
    EXPECT_TRUE(
        Fails(Resolve(text), ErrorCode::kNotFound, std::string("unknown snapshot: ") + text))
        << text;
  }
}

TEST_F(IdResolverTest, ExactRefGoesBeforeTagGoesBeforeHead) {
  const RecordId first = Commit("a", Snapshot("one"));
  const RecordId second = Commit("a", Snapshot("two"));
  const RecordId third = Commit("a", Snapshot("three"));
  Advance("x", first);
  ExpectIs(first, "x");
  Point("tags/x", second);
  ExpectIs(second, "x");
  Point("x", third);
  ExpectIs(third, "x");
  ExpectIs(first, "heads/x");
  ExpectIs(second, "tags/x");
}

TEST_F(IdResolverTest, BranchIsWhereItsLastCommitLeftIt) {
  const RecordId first = Commit("a", Snapshot("one"));
  const RecordId second = Commit("a", Snapshot("two"));
  Advance("main", first);
  Advance("main", second);
  Advance("old", first);
  ExpectIs(second, "main", "b");
  ExpectIs(first, "main~1", "b");
  ExpectIs(first, "heads/old");
  const Result<std::vector<Ref>> branches = ListBranches(log_);
  ASSERT_TRUE(Ok(branches));
  EXPECT_EQ(*branches, (std::vector<Ref>{{"heads/main", second}, {"heads/old", first}}));
}

TEST_F(IdResolverTest, CountsBackFromNamesAndIds) {
  const RecordId first = Commit("a", Snapshot("one"));
  const RecordId second = Commit("a", Snapshot("two"));
  Point("tags/v2", second);
  for (const std::string& base : {std::string("v2"), std::string("tags/v2"), second.digest.ToHex(),
                                  FormatId(Snapshot("two"))}) {
    ExpectIs(second, base + "~0", "b");
    ExpectIs(first, base + "~1", "b");
    EXPECT_TRUE(Fails(Resolve(base + "~2"), ErrorCode::kNotFound,
                      "unknown snapshot: " + base + "~2 (history has only 1 records before"));
  }
}

TEST_F(IdResolverTest, ShortHexIsANameOrTooShort) {
  const RecordId record = Commit("a", Snapshot("one"));
  EXPECT_TRUE(Fails(Resolve("abc"), ErrorCode::kInvalidArgument, "at least 4 hex"));
  Point("tags/abc", record);
  ExpectIs(record, "abc");
  EXPECT_TRUE(Fails(Resolve("blake3:abc"), ErrorCode::kInvalidArgument, "at least 4 hex"));
}

TEST_F(IdResolverTest, DamagedRefIsNamedAndHidesNothingElse) {
  const RecordId record = Commit("a", Snapshot("one"));
  Point("tags/v1", record);
  Point("tags/v2", record);
  const std::string hex = HashBlob("tags/v1").digest.ToHex();
  WriteWholeFile(folder_ / ("refs/" + hex.substr(0, 2) + "/" + hex), "garbage");
  EXPECT_TRUE(Fails(Resolve("v1"), ErrorCode::kCorrupt, "\"tags/v1\""));
  ExpectIs(record, "v2");
  ExpectIs(record, "@");
}

TEST_F(IdResolverTest, RefToARecordThatIsMissingIsNamed) {
  Commit("a", Snapshot("one"));
  const RecordId missing{HashBlob("no such record").digest};
  Point("tags/v1", missing);
  EXPECT_TRUE(Fails(Resolve("v1"), ErrorCode::kMissingObject, "tags/v1"));
  EXPECT_TRUE(Fails(Resolve("v1"), ErrorCode::kMissingObject, ObjectKey(missing).ToString()));
}

TEST_F(IdResolverTest, UnknownIsNotFound) {
  Commit("a", Snapshot("one"));
  for (const std::string& text :
       {std::string(), std::string("blake3:"), std::string("hello"), std::string("12345g"),
        std::string("blake3:xyz0"), std::string("blake3:blake3:abcd"), std::string(64, '0'),
        std::string(65, '0'), std::string("0000"), std::string("sha256:0000"),
        std::string("abcd\0", 5), std::string(" abcd")}) {
    EXPECT_TRUE(Fails(Resolve(text), ErrorCode::kNotFound, text)) << text;
  }
}

TEST_F(IdResolverTest, SaysWhatElseAFullIdIs) {
  Commit("a", Snapshot("one"));
  const Object blob = MakeBlob("some file");
  const Object tree = MakeObject(ObjectKind::kTree, "a folder inside");
  const Object attributes = MakeObject(ObjectKind::kAttributes, "attributes");
  const Object objects[] = {blob, tree, attributes};
  ASSERT_TRUE(Ok(store_.PutMany(objects)));
  EXPECT_TRUE(Fails(Resolve(blob.key.digest.ToHex()), ErrorCode::kNotFound, "id of blob"));
  EXPECT_TRUE(
      Fails(Resolve(tree.key.digest.ToHex()), ErrorCode::kNotFound, "a folder inside a snapshot"));
  EXPECT_TRUE(
      Fails(Resolve(attributes.key.digest.ToHex()), ErrorCode::kNotFound, "id of attributes"));
}

TEST_F(IdResolverTest, AmbiguousPrefixListsWhatItCouldBe) {
  // Snapshots are just names here: take any whose ids begin alike.
  std::vector<SnapshotId> alike;
  for (int i = 0; alike.size() < 7; ++i) {
    SnapshotId snapshot = Snapshot(std::to_string(i));
    snapshot.digest.bytes[0] = 0xab;
    snapshot.digest.bytes[1] = 0xcd;
    alike.push_back(snapshot);
  }
  Commit("a", alike[0]);
  const Result<ResolvedRecord> one = Resolve("abcd");
  EXPECT_TRUE(Ok(one));
  Commit("a", alike[1]);
  const Result<ResolvedRecord> two = Resolve("abcd");
  for (const SnapshotId& snapshot : {alike[0], alike[1]}) {
    EXPECT_TRUE(Fails(two, ErrorCode::kAmbiguous, FormatId(snapshot)));
  }
  EXPECT_TRUE(Fails(two, ErrorCode::kAmbiguous, "\"abcd\""));
  for (size_t i = 2; i < 7; ++i) Commit("a", alike[i]);
  const Result<ResolvedRecord> many = Resolve("blake3:abcd");
  ASSERT_TRUE(Fails(many, ErrorCode::kAmbiguous, "…"));
  size_t listed = 0;
  for (const SnapshotId& snapshot : alike) {
    listed += many.error().message().find(FormatId(snapshot)) != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(listed, 5u);
  // One digit more that tells them apart.
  for (const SnapshotId& snapshot : alike) EXPECT_TRUE(Ok(Resolve(snapshot.digest.ToHex())));
}

TEST_F(IdResolverTest, SameSnapshotTwiceIsNotAmbiguous) {
  const SnapshotId snapshot = Snapshot("one");
  Commit("a", snapshot);
  const RecordId newest = Commit("a", snapshot);
  ExpectIs(newest, snapshot.digest.ToHex().substr(0, 6));
}

TEST_F(IdResolverTest, RecordThatIsMissingOrDamagedIsNamed) {
  const SnapshotId snapshot = Snapshot("one");
  const RecordId record = Commit("a", snapshot);
  const ObjectKey key(record);
  ASSERT_TRUE(Ok(store_.Delete({&key, 1})));
  EXPECT_TRUE(Fails(Resolve("@"), ErrorCode::kMissingObject, key.ToString()));
  EXPECT_TRUE(Fails(Resolve(snapshot.digest.ToHex()), ErrorCode::kMissingObject, key.ToString()));
  const Object damaged{key, "no record"};
  ASSERT_TRUE(Ok(store_.PutMany({&damaged, 1})));
  EXPECT_TRUE(Fails(Resolve("@"), ErrorCode::kCorrupt, key.ToString()));
}

TEST_F(IdResolverTest, MissingParentIsNamed) {
  const RecordId first = Commit("a", Snapshot("one"));
  Commit("a", Snapshot("two"));
  const ObjectKey key(first);
  ASSERT_TRUE(Ok(store_.Delete({&key, 1})));
  EXPECT_TRUE(Ok(Resolve("@")));
  EXPECT_TRUE(Fails(Resolve("@~1"), ErrorCode::kMissingObject, key.ToString()));
}

}  // namespace
}  // namespace helios

// The known faults of the program that Helios replaces, each as a test that it must pass.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "program.h"

namespace helios {
namespace {

class GoFaultsTest : public HeliosTest {};

TEST_F(GoFaultsTest, RestoringTheEmptySnapshotEmptiesTheFolder) {
  const std::string empty = Commit();
  Write("a.txt", "a");
  Write("sub/deep/b.txt", "b");
  MakeFolders(Work("hollow"));
  MakeLink("a.txt", Work("link"));
  Commit();
  RunWell({"restore", "--id", empty});
  EXPECT_EQ(ListFolder(work_), std::vector<std::string>{});
}

TEST_F(GoFaultsTest, RestoreWritesFiles) {
  Write("a.txt", "a");
  Write("sub/deep/b.txt", "b");
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  Remove(Work("a.txt"));
  Remove(Work("sub"));
  Commit();
  RunWell({"restore", "--id", id});
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
}

TEST_F(GoFaultsTest, DiffWorksAcrossProcesses) {
  Write("a.txt", "a");
  const std::string before = Commit();
  Write("a.txt", "A");
  Write("b.txt", "b");
  const std::string after = Commit();
  const Json json = RunWell({"diff", "--from", before, "--to", after}).Object();
  EXPECT_EQ(json["Added"], 1);
  EXPECT_EQ(json["Changed"], 1);
  EXPECT_EQ(json["Deleted"], 0);
}

TEST_F(GoFaultsTest, StatsIsNotZeroAcrossProcesses) {
  Write("a.txt", "some content");
  const std::string id = Commit();
  Materialize(id);
  const Json json = RunWell({"stats"}).Object();
  EXPECT_GT(json["engine"]["new_objects"], 0);
  EXPECT_GT(json["engine"]["new_bytes"], 0);
  EXPECT_GT(json["engine"]["commit_latency_us_p50"], 0);
  EXPECT_GT(json["engine"]["commit_latency_us_p99"], 0);
  EXPECT_GT(json["l1"]["misses"], 0);
}

TEST_F(GoFaultsTest, ADeletedFileDoesNotComeBackAfterCommit) {
  Write("keep.txt", "k");
  Write("gone.txt", "g");
  const std::string before = Commit();
  Remove(Work("gone.txt"));
  const std::string after = Commit();
  EXPECT_NE(before, after);
  EXPECT_EQ(ListFolder(Materialize(after)), std::vector<std::string>{"keep.txt"});
  Write("more.txt", "m");
  EXPECT_EQ(ListFolder(Materialize(Commit())), (std::vector<std::string>{"keep.txt", "more.txt"}));
  EXPECT_EQ(ListFolder(Materialize(before)), (std::vector<std::string>{"gone.txt", "keep.txt"}));
}

TEST_F(GoFaultsTest, TheStoreIsNotCapturedUnderAnotherName) {
  Write("a.txt", "a");
  RunOptions options = Options();
  options.env["HELIOS_STORE_DIR"] = Work(".my-store");
  const RunResult first = RunHelios({"commit"}, options);
  ASSERT_EQ(first.exit_code, 0) << first;
  const RunResult second = RunHelios({"commit"}, options);
  ASSERT_EQ(second.exit_code, 0) << second;
  EXPECT_EQ(first.Object()["snapshot_id"], second.Object()["snapshot_id"]);
  EXPECT_EQ(second.Object()["files"], 1);
}

TEST_F(GoFaultsTest, MaterializeCannotWriteOutsideItsTarget) {
  Write("a/secret.txt", "from the snapshot");
  Write("x", "x");
  const std::string id = Commit();
  WriteFile(At("victim/secret.txt"), "untouched");
  WriteFile(At("x"), "untouched");

  // A folder of the target that is a link is not followed.
  MakeFolders(At("out"));
  MakeLink("../victim", At("out/a"));
  const RunResult through_link = Run({"materialize", id, At("out")});
  EXPECT_EQ(through_link.exit_code, 3) << through_link;
  EXPECT_NE(through_link.err.find("a"), std::string::npos);
  EXPECT_EQ(ReadFile(At("victim/secret.txt")), "untouched");
  EXPECT_EQ(ReadFile(At("out/x")), "x") << "the rest is written all the same";

  // Nor is a file that is a link: it is replaced, not written through.
  MakeFolders(At("out2"));
  MakeLink("../x", At("out2/x"));
  EXPECT_EQ(Run({"materialize", id, At("out2")}).exit_code, 0);
  EXPECT_EQ(ReadFile(At("x")), "untouched");
  EXPECT_EQ(ReadTree(At("out2")).at("x").type, '-');

  // Patterns and ids are no paths.
  for (const char* pattern : {"../x", "../victim/**", "a/../../x"}) {
    EXPECT_EQ(Run({"materialize", id, At("out3"), "--include", pattern}).exit_code, 2) << pattern;
  }
  for (const char* bad_id : {"../x", "/etc/passwd", "blake3:../../x", "a/b"}) {
    EXPECT_EQ(Run({"materialize", bad_id, At("out3")}).exit_code, 1) << bad_id;
  }
  EXPECT_FALSE(Exists(At("out3")));
  EXPECT_EQ(ReadFile(At("x")), "untouched");
}

TEST_F(GoFaultsTest, LinksInASnapshotDoNotLeadItsOwnFilesOutside) {
  // First a link, in the next snapshot a folder of that name: written over what the first left.
  WriteFile(At("victim/file"), "untouched");
  MakeLink(At("victim"), Work("name"));
  const std::string link = Commit();
  Remove(Work("name"));
  Write("name/file", "inside");
  const std::string folder = Commit();
  const std::string out = Materialize(link);
  const RunResult over_it = Run({"materialize", folder, out});
  EXPECT_EQ(over_it.exit_code, 3) << over_it;
  EXPECT_EQ(ReadFile(At("victim/file")), "untouched");
}

TEST_F(GoFaultsTest, ACommitDoesNotRewriteEveryBlob) {
  for (int i = 0; i < 300; ++i) {
    Write("dir" + std::to_string(i % 10) + "/file" + std::to_string(i), RandomBytes(500, i + 1u));
  }
  const Json first = RunWell({"commit"}).Object();
  EXPECT_GE(first["new_objects"], 300);
  Write("dir3/file3", "changed");
  const Json second = RunWell({"commit"}).Object();
  EXPECT_LE(second["new_objects"], 10) << "one blob, two trees, their attributes, one record";
  EXPECT_LE(second["new_bytes"], 20'000);
  const Json third = RunWell({"commit"}).Object();
  EXPECT_EQ(third["new_objects"], 0);
  EXPECT_EQ(third["unchanged"], true);
}

TEST_F(GoFaultsTest, TwoHundredFilesEveryTenthChangedDiffSaysChanged20) {
  for (int i = 0; i < 200; ++i) Write("file" + std::to_string(i), "content " + std::to_string(i));
  const std::string before = Commit();
  for (int i = 0; i < 200; i += 10) Write("file" + std::to_string(i), "changed");
  const std::string after = Commit();
  const Json json = RunWell({"diff", "--from", before, "--to", after}).Object();
  EXPECT_EQ(json["Added"], 0);
  EXPECT_EQ(json["Changed"], 20);
  EXPECT_EQ(json["Deleted"], 0);
}

// Same size and the same mtime: the racy-timestamp problem in its plainest form.
TEST_F(GoFaultsTest, AFileRewrittenAtOnceIsSeen) {
  for (int i = 0; i < 20; ++i) {
    const std::string content = "version " + std::to_string(100 + i);
    Write("file", content);
    SetMtime(Work("file"), 1'600'000'000, 0);
    ASSERT_EQ(ReadFile(Materialize(Commit()) + "/file"), content);
  }
}

TEST_F(GoFaultsTest, ATreeWithoutAFileAtItsRootComesBack) {
  Write("only/below/file", "x");
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  ExpectGives(id, before);
  Remove(Work("only"));
  Commit();
  RunWell({"restore", id});
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
}

TEST_F(GoFaultsTest, NamesWithColonsNewlinesAndTheLikeComeBack) {
  for (const char* name :
       {"a:b", ":", "a\nb", "tab\there", " leading", "trailing ", "quote\"'", "*", "[", "\\", "-rf",
        "#", "!x", "~", "$HOME", ".a", "...", "c:d/e:f"}) {
    Write(name, name);
  }
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  ExpectGives(id, before);
  const std::string empty_id = [&] {
    RunOptions options = Options();
    MakeFolders(At("empty"));
    options.cwd = At("empty");
    return RunHelios({"commit"}, options).Object()["snapshot_id"].get<std::string>();
  }();
  EXPECT_EQ(RunWell({"diff", empty_id, id}).Object()["Added"], 18);
}

TEST_F(GoFaultsTest, TwoNamesThatAreNotUtf8StayTwo) {
  Write("\xff", "first");
  Write("\xfe", "second");
  const std::string id = Commit();
  const TreeState out = ReadTree(Materialize(id));
  EXPECT_EQ(out.at("\xff").content, "first");
  EXPECT_EQ(out.at("\xfe").content, "second");
  Write("\xff", "changed");
  const std::string after = Commit();
  const Json json = RunWell({"diff", id, after}).Object();
  EXPECT_EQ(json["Changed"], 1);
  EXPECT_EQ(json["entries"][0]["path_b64"], "/w==");
}

TEST_F(GoFaultsTest, NamesThatDifferInCaseOrNormalizationStayTwo) {
  Write("Name", "1");
  Write("name", "2");
  Write("caf\xc3\xa9", "3");
  Write("cafe\xcc\x81", "4");
  const TreeState before = ReadTree(work_);
  if (before.size() != 5) GTEST_SKIP() << "this file system folds names";
  ExpectGives(Commit(), before);
}

TEST_F(GoFaultsTest, EmptyFoldersAndEmptyFilesAreContent) {
  MakeFolders(Work("hollow/inner"));
  Write("nothing", "");
  const TreeState before = ReadTree(work_);
  ExpectGives(Commit(), before);
}

TEST_F(GoFaultsTest, AFifoIsSkippedAndReportedAndDoesNotBlock) {
  Write("a.txt", "a");
  ASSERT_EQ(::mkfifo(Work("pipe").c_str(), 0600), 0);
  const RunResult result = RunWell({"commit"});
  EXPECT_EQ(result.Object()["not_captured"]["special"]["paths"], Json::array({"pipe"}));
  EXPECT_EQ(result.Object()["files"], 1);
}

}  // namespace
}  // namespace helios

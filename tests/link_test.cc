// materialize --link: files that share their bytes on disk with the store's file cache.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class LinkTest : public HeliosTest {
 protected:
  void WriteTree() {
    Write("a.txt", "alpha");
    Write("deep/b.txt", "beta");
    Write("deep/copy-of-a.txt", "alpha");
    Write("run.sh", "#!/bin/sh\n");
    Write("empty", "");
    Write("big", RandomBytes(size_t{3} << 20, 1));
    MakeLink("a.txt", Work("link"));
    SetMode(Work("run.sh"), 0755);
    SetMtime(Work("a.txt"), 1'600'000'000, 123'456'789);
    SetMtime(Work("deep/copy-of-a.txt"), 1'600'000'000, 123'456'789);
  }
  std::string HardLink(const std::string& id) { return Materialize(id, {"--link=hardlink"}); }

  static unsigned ModeOf(const std::string& path) {
    struct stat status;
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }
  // A folder whose files share their bytes with others, which of them with each other does not
  // matter.
  static TreeState ReadShared(const std::string& folder) {
    TreeState state = ReadTree(folder);
    for (auto& [path, node] : state) node.first_link.clear();
    return state;
  }
  // What `state` is as hard links: no file can be written to.
  static TreeState ReadOnly(TreeState state) {
    for (auto& [path, node] : state) {
      if (node.type == '-') node.mode &= ~0222u;
    }
    return state;
  }
  // The one file of the cache that has this content.
  std::string Cached(const std::string& content) const {
    std::string found;
    for (const auto& [path, node] : ReadTree(store_ + "/files")) {
      if (node.type == '-' && node.content == content) {
        EXPECT_EQ(found, "");
        found = store_ + "/files/" + path;
      }
    }
    EXPECT_NE(found, "") << content;
    return found;
  }
  // Somebody makes a file writable, writes to it, and hides that.
  static void WriteThrough(const std::string& path, const std::string& content) {
    struct stat before;
    ASSERT_EQ(::lstat(path.c_str(), &before), 0);
    SetMode(path, 0644);
    WriteFile(path, content);
    SetMode(path, before.st_mode & 07777);
    SetMtime(path, before.st_mtim.tv_sec, before.st_mtim.tv_nsec);
  }
};

TEST_F(LinkTest, HardLinksHaveContentModeAndTimeButCannotBeWrittenTo) {
  WriteTree();
  const std::string id = Commit();
  const TreeState expected = ReadOnly(ReadTree(work_));
  const std::string first = HardLink(id);
  const std::string second = HardLink(id);
  EXPECT_EQ(Difference(expected, ReadShared(first)), "");
  EXPECT_EQ(Difference(expected, ReadShared(second)), "");
  for (const char* file : {"a.txt", "deep/b.txt", "run.sh", "empty", "big"}) {
    EXPECT_EQ(InodeOf(first + "/" + file), InodeOf(second + "/" + file)) << file;
  }
  EXPECT_EQ(InodeOf(first + "/a.txt"), InodeOf(first + "/deep/copy-of-a.txt"));
  EXPECT_NE(InodeOf(first + "/link"), InodeOf(second + "/link"));
}

TEST_F(LinkTest, TheWorkspaceItselfIsNeverLinkedTo) {
  WriteTree();
  const std::string id = Commit();
  const std::string out = HardLink(id);
  EXPECT_NE(InodeOf(out + "/a.txt"), InodeOf(Work("a.txt")));
  Write("a.txt", "changed in the workspace");
  EXPECT_EQ(ReadFile(out + "/a.txt"), "alpha");
  EXPECT_EQ(RunWell({"restore", "--force", id}).exit_code, 0);
  EXPECT_EQ(ModeOf(Work("a.txt")) & 0200u, 0200u);
}

TEST_F(LinkTest, FilesOfAnotherModeOrTimeAreOtherFiles) {
  Write("a", "same");
  Write("b", "same");
  Write("c", "same");
  SetMtime(Work("a"), 1'000'000'000, 0);
  SetMtime(Work("b"), 1'000'000'000, 1);
  SetMtime(Work("c"), 1'000'000'000, 0);
  SetMode(Work("c"), 0600);
  const std::string id = Commit();
  const std::string out = HardLink(id);
  EXPECT_EQ(Difference(ReadOnly(ReadTree(work_)), ReadShared(out)), "");
  EXPECT_NE(InodeOf(out + "/a"), InodeOf(out + "/b"));
  EXPECT_NE(InodeOf(out + "/a"), InodeOf(out + "/c"));
}

TEST_F(LinkTest, ReportsHowManyFilesShareTheirBytes) {
  WriteTree();
  const std::string id = Commit();
  const Strings args{"materialize", id, At("out"), "--link=hardlink"};
  Json written = RunWell(args).Object()["written"];
  EXPECT_EQ(written["files"], 7);
  EXPECT_EQ(written["shared"], 6);
  Strings again = args;
  again[2] = At("again");
  EXPECT_EQ(RunWell(again).Object()["written"], written);
  again[2] = At("copies");
  again[3] = "--link=copy";
  EXPECT_FALSE(RunWell(again).Object()["written"].contains("shared"));
}

TEST_F(LinkTest, ALinkThatWasWrittenThroughIsFoundAndMadeAnew) {
  WriteTree();
  const std::string id = Commit();
  const TreeState expected = ReadOnly(ReadTree(work_));
  const std::string first = HardLink(id);
  EXPECT_EQ(RunWell({"doctor"}).exit_code, 0);
  WriteThrough(first + "/a.txt", "ALPHA");
  const std::string cached = Cached("ALPHA");

  const RunResult doctor = Run({"doctor"});
  EXPECT_EQ(doctor.exit_code, 12) << doctor;
  EXPECT_NE(doctor.out.find(cached), std::string::npos) << doctor;

  const RunResult result = RunWell({"materialize", id, At("second"), "--link=hardlink"});
  EXPECT_EQ(Difference(expected, ReadShared(At("second"))), "");
  EXPECT_NE(result.err.find("had been written to"), std::string::npos) << result;
  const Json report = result.Object();
  ASSERT_EQ(report["written_through"].size(), 1u) << result;
  EXPECT_EQ(store_ + "/files/" + report["written_through"][0].get<std::string>(), cached);
  EXPECT_EQ(ReadFile(first + "/a.txt"), "ALPHA");  // whoever wrote it has it still
  EXPECT_EQ(RunWell({"doctor"}).exit_code, 0);
  EXPECT_FALSE(RunWell({"materialize", id, At("third"), "--link=hardlink"})
                   .Object()
                   .contains("written_through"));
}

TEST_F(LinkTest, AChangedModeOrTimeOfALinkIsFound) {
  Write("a", "alpha");
  const std::string id = Commit();
  const TreeState expected = ReadOnly(ReadTree(work_));
  std::string out = HardLink(id);
  SetMode(out + "/a", 0666);
  out = HardLink(id);
  EXPECT_EQ(Difference(expected, ReadShared(out)), "");
  SetMtime(out + "/a", 5, 6);
  out = HardLink(id);
  EXPECT_EQ(Difference(expected, ReadShared(out)), "");
}

TEST_F(LinkTest, WhatIsInTheWayIsReplaced) {
  WriteTree();
  const std::string id = Commit();
  const TreeState expected = ReadOnly(ReadTree(work_));
  HardLink(id);  // so that the cache has everything
  MakeFolders(At("out/deep"));
  WriteFile(At("out/a.txt"), "in the way");
  MakeLink("/nowhere", At("out/deep/b.txt"));
  RunWell({"materialize", id, At("out"), "--link=hardlink"});
  RunWell({"materialize", id, At("out"), "--link=hardlink"});  // onto the links themselves
  TreeState actual = ReadShared(At("out"));
  actual[""] = expected.at("");  // a folder that was there keeps its own attributes
  EXPECT_EQ(Difference(expected, actual), "");
}

TEST_F(LinkTest, TheCacheMayBeDeletedAtAnyTime) {
  WriteTree();
  const std::string id = Commit();
  const TreeState expected = ReadOnly(ReadTree(work_));
  HardLink(id);
  Remove(store_ + "/files");
  EXPECT_EQ(Difference(expected, ReadShared(HardLink(id))), "");
}

TEST_F(LinkTest, HardLinksToAnotherFileSystemAreRefusedBeforeAnythingIsWritten) {
  if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no second file system";
  const TemporaryFolder other("/dev/shm");
  WriteTree();
  const std::string id = Commit();
  const std::string out = other.path() + "/out";
  const RunResult result = Run({"materialize", id, out, "--link=hardlink"});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.ErrorMessage().find("another file system"), std::string::npos) << result;
  EXPECT_NE(result.ErrorMessage().find("--link=copy"), std::string::npos) << result;
  EXPECT_EQ(ListFolder(out), Strings{});
}

TEST_F(LinkTest, MoreFilesThanOneMayHaveLinks) {
  constexpr int kFiles = 8'000;
  constexpr int kFolders = 9;  // in all, more than the 65,000 links that ext4 allows
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = "d" + std::to_string(i / 1000) + "/" + std::to_string(i);
    Write(name, "x");
    SetMtime(Work(name), 1'000'000'000, 0);
  }
  const std::string id = Commit();
  const TreeState expected = ReadOnly(ReadTree(work_));
  for (int i = 0; i < kFolders; ++i) {
    EXPECT_EQ(Difference(expected, ReadShared(HardLink(id))), "");
  }
}

TEST_F(LinkTest, AnUnknownModeIsRefused) {
  Write("a", "alpha");
  const std::string id = Commit();
  const RunResult result = Run({"materialize", id, At("out"), "--link=symlink"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_NE(result.ErrorMessage().find("hardlink"), std::string::npos) << result;
  EXPECT_FALSE(Exists(At("out")));
}

// Whether files in this folder can be cloned.
bool HasClones(const std::string& folder) {
  const int from = ::open((folder + "/from").c_str(), O_RDWR | O_CREAT, 0600);
  const int to = ::open((folder + "/to").c_str(), O_RDWR | O_CREAT, 0600);
  const bool has_clones = ::ioctl(to, FICLONE, from) == 0;
  ::close(from);
  ::close(to);
  return has_clones;
}

TEST_F(LinkTest, WithoutClonesAutoCopiesAndReflinkIsRefused) {
  if (HasClones(folder_.path())) GTEST_SKIP() << "this file system has clones";
  WriteTree();
  const std::string id = Commit();
  EXPECT_EQ(Difference(ReadTree(work_), ReadTree(Materialize(id))), "");
  EXPECT_EQ(Difference(ReadTree(work_), ReadTree(Materialize(id, {"--link=auto"}))), "");
  EXPECT_FALSE(Exists(store_ + "/files"));
  const RunResult result = Run({"materialize", id, At("out"), "--link=reflink"});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.ErrorMessage().find("does not allow"), std::string::npos) << result;
  EXPECT_EQ(ListFolder(At("out")), Strings{});
}

TEST_F(LinkTest, ClonesAreFilesOfTheirOwn) {
  if (!HasClones(folder_.path())) GTEST_SKIP() << "run with TMPDIR on xfs or btrfs to see clones";
  WriteTree();
  const std::string id = Commit();
  for (const char* mode : {"--link=reflink", "--link=reflink", "--link=auto"}) {
    const std::string out = Materialize(id, {mode});
    EXPECT_EQ(Difference(ReadTree(work_), ReadShared(out)), "");
    WriteFile(out + "/big", "changed");
  }
  const Json written =
      RunWell({"materialize", id, At("again"), "--link=reflink"}).Object()["written"];
  EXPECT_EQ(written["shared"], 1);  // only the large one is worth it
  EXPECT_EQ(Difference(ReadTree(work_), ReadTree(At("again"))), "");
}

}  // namespace
}  // namespace helios

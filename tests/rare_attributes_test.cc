// What only few files have: hard links, holes and user extended attributes. They come back, and no
// snapshot id depends on them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <random>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class RareAttributesTest : public HeliosTest {
 protected:
  // Commits, materializes, and restores over an emptied folder: all of it comes back, and is what
  // was committed.
  std::string ExpectComesBack() {
    const TreeState before = ReadTree(work_);
    const std::string id = Commit();
    ExpectUnchanged(id);
    ExpectGives(id, before);
    for (const std::string& name : ListFolder(work_)) {
      Rename(Work(name), At("removed-" + std::to_string(next_++)));
    }
    RunWell({"restore", "--force", id});
    EXPECT_EQ(Difference(before, ReadTree(work_)), "") << "after restore";
    ExpectUnchanged(id);
    return id;
  }

  void ExpectUnchanged(const std::string& id) {
    const Json json = RunWell({"commit"}).Object();
    EXPECT_EQ(json["snapshot_id"], id);
    EXPECT_EQ(json["unchanged"], true);
  }

  // A restore of what is there already does nothing.
  void ExpectRestores(const std::string& id, const TreeState& expected) {
    RunWell({"restore", id});
    EXPECT_EQ(Difference(expected, ReadTree(work_)), "");
    const Json again = RunWell({"restore", id}).Object()["written"];
    EXPECT_EQ(again["files"], 0);
    EXPECT_EQ(again["attributes"], 0);
  }

  void Set(const std::string& relative, const std::string& name, const std::string& value) {
    if (!SetXattr(Work(relative), name, value)) GTEST_SKIP() << "no extended attributes here";
  }

  RunResult RunWithLimits(const Strings& args, Limits limits, const std::string& below) {
    RunOptions options = Options();
    limits.below = below;
    Impose(limits, &options);
    return RunHelios(args, options);
  }

 private:
  int next_ = 0;
};

// --- Extended attributes -------------------------------------------------------------------------

TEST_F(RareAttributesTest, UserXattrsComeBack) {
  Write("file", "x");
  Set("file", "user.checksum", "abc");
  if (IsSkipped()) return;
  Set("file", "user.empty", "");
  Set("file", "user.bytes", std::string("\0\xff\n", 3));
  Write("tool", "#!/bin/sh\n");
  SetMode(Work("tool"), 0755);
  Set("tool", "user.long", std::string(2500, 'x'));
  Write("read-only", "r");
  Set("read-only", "user.a", "1");
  SetMode(Work("read-only"), 0444);
  MakeFolders(Work("folder/hollow"));
  Set("folder", "user.folder", "f");
  Set("folder/hollow", std::string("user.") + std::string(250, 'n'), "longest name");
  SetMode(Work("folder/hollow"), 0555);
  Set("", "user.root", "of the workspace");
  ExpectComesBack();
}

TEST_F(RareAttributesTest, ASnapshotIdDoesNotDependOnThem) {
  Write("a", "same");
  Write("b", "same");
  Write("large", std::string(size_t{3} << 20, '\0'));
  const std::string id = Commit();
  Remove(Work("b"));
  MakeHardLink(Work("a"), Work("b"));
  Remove(Work("large"));
  Write("large", "");
  ASSERT_EQ(::truncate(Work("large").c_str(), off_t{3} << 20), 0);
  SetXattr(Work("a"), "user.a", "1");
  const Json json = RunWell({"commit"}).Object();
  EXPECT_EQ(json["snapshot_id"], id);
  EXPECT_EQ(json["unchanged"], false) << "but a record says what changed";
}

TEST_F(RareAttributesTest, RestoreMakesXattrsEqualWithoutWritingFiles) {
  for (const char* name : {"changed", "removed", "added", "folder/inner"}) Write(name, name);
  Set("changed", "user.a", "before");
  if (IsSkipped()) return;
  Set("removed", "user.a", "before");
  Set("folder", "user.a", "before");
  SetMode(Work("changed"), 0444);
  const TreeState before = ReadTree(work_);
  const Json first = RunWell({"commit"}).Object();
  std::map<std::string, uint64_t> inodes;
  for (const auto& [path, node] : before) inodes[path] = InodeOf(Work(path));

  SetMode(Work("changed"), 0644);  // only who may write may do this
  Set("changed", "user.a", "after");
  SetMode(Work("changed"), 0444);
  ASSERT_EQ(::removexattr(Work("removed").c_str(), "user.a"), 0);
  Set("added", "user.b", "new");
  Set("folder", "user.b", "new");
  const TreeState after = ReadTree(work_);
  const Json second = RunWell({"commit"}).Object();
  EXPECT_EQ(second["snapshot_id"], first["snapshot_id"]);
  EXPECT_EQ(second["unchanged"], false);

  ExpectRestores(first["record_id"], before);
  ExpectRestores(second["record_id"], after);
  for (const auto& [path, inode] : inodes) EXPECT_EQ(InodeOf(Work(path)), inode) << path;
}

TEST_F(RareAttributesTest, OnlyUserXattrsAreCapturedAndSet) {
  Write("file", "x");
  if (!SetXattr(Work("file"), "trusted.helios", "t")) GTEST_SKIP() << "only root can set others";
  Set("file", "user.a", "1");
  const std::string out = Materialize(Commit());
  char value[8];
  EXPECT_EQ(::getxattr((out + "/file").c_str(), "trusted.helios", value, sizeof(value)), -1);
  EXPECT_EQ(::getxattr((out + "/file").c_str(), "user.a", value, sizeof(value)), 1);
  // Nor are others taken away.
  Set("file", "user.a", "2");
  RunWell({"restore", "@"});
  EXPECT_EQ(::getxattr(Work("file").c_str(), "user.a", value, sizeof(value)), 1);
  EXPECT_EQ(value[0], '1');
  EXPECT_EQ(::getxattr(Work("file").c_str(), "trusted.helios", value, sizeof(value)), 1);
}

TEST_F(RareAttributesTest, XattrsThatAreRefusedAreReportedAndNoFailure) {
  Write("file", "x");
  Set("file", "user.a", "1");
  if (IsSkipped()) return;
  MakeFolders(Work("folder"));
  Set("folder", "user.a", "1");
  const std::string id = Commit();
  Limits limits;
  limits.set_xattr_error = ENOTSUP;
  const RunResult result = RunWithLimits({"materialize", id, At("out")}, limits, At("out"));
  EXPECT_EQ(result.exit_code, 0) << result;
  const Json refused = result.Object()["written"]["without_xattrs"];
  EXPECT_EQ(refused["count"], 2);
  Strings paths = refused["paths"];
  std::sort(paths.begin(), paths.end());
  EXPECT_EQ(paths, (Strings{"file", "folder/"}));
  EXPECT_NE(result.err.find("without all of its extended attributes"), std::string::npos) << result;
  EXPECT_EQ(ReadFile(At("out/file")), "x");
  EXPECT_EQ(ReadTree(At("out")).at("file").xattrs.size(), 0u);
}

TEST_F(RareAttributesTest, XattrsThatCannotBeReadAreReported) {
  Write("file", "x");
  Set("file", "user.a", "1");
  if (IsSkipped()) return;
  Limits limits;
  limits.get_xattr_error = EIO;
  const RunResult result = RunWithLimits({"commit"}, limits, work_);
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_EQ(result.Object()["not_captured"]["xattrs"]["paths"], Strings{"file"});
}

TEST_F(RareAttributesTest, AFileSystemWithoutXattrsIsNoFailure) {
  Write("folder/file", "x");
  Limits limits;
  limits.list_xattrs_error = ENOTSUP;
  const RunResult result = RunWithLimits({"commit"}, limits, work_);
  EXPECT_EQ(result.exit_code, 0) << result;
  const std::string id = result.Object()["snapshot_id"];
  Write("folder/file", "y");
  Commit();
  EXPECT_EQ(RunWithLimits({"restore", id}, limits, work_).exit_code, 0);
  EXPECT_EQ(ReadFile(Work("folder/file")), "x");
}

TEST_F(RareAttributesTest, XattrsGoFromOneFileSystemToAnother) {
  if (!Exists("/dev/shm")) GTEST_SKIP() << "no second file system";
  const TemporaryFolder other("/dev/shm");
  Write("file", "x");
  Set("file", "user.a", "1");
  if (IsSkipped()) return;
  if (!SetXattr(other.path(), "user.a", "1")) GTEST_SKIP() << "the other one has none";
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  RunWell({"materialize", id, other.path() + "/out"});
  EXPECT_EQ(Difference(before, ReadTree(other.path() + "/out")), "");
}

// --- Hard links ----------------------------------------------------------------------------------

TEST_F(RareAttributesTest, HardLinksComeBack) {
  Write("one", "first file");
  MakeFolders(Work("deep/er"));
  MakeHardLink(Work("one"), Work("two"));
  MakeHardLink(Work("one"), Work("deep/er/three"));
  Write("deep/empty", "");
  MakeHardLink(Work("deep/empty"), Work("another"));
  Write("large", RandomBytes(size_t{3} << 20, 1));
  MakeHardLink(Work("large"), Work("deep/large"));
  MakeLink("one", Work("symlink"));
  MakeHardLink(Work("symlink"), Work("deep/symlink"));
  // The same content, and a file of its own.
  Write("copy", "first file");
  ExpectComesBack();
}

TEST_F(RareAttributesTest, ManyLinksOverManyFoldersAndThreads) {
  for (int i = 0; i < 200; ++i) {
    Write("file" + std::to_string(i), std::to_string(i % 10));
    for (int k = 0; k < 5; ++k) {
      const std::string folder = Work("folder" + std::to_string((i + k) % 17));
      MakeFolders(folder);
      MakeHardLink(Work("file" + std::to_string(i)), folder + "/link" + std::to_string(i));
    }
  }
  const TreeState before = ReadTree(work_);
  const std::string id = ExpectComesBack();
  const Json json = RunWell({"materialize", id, At("fast"), "-j8"}).Object();
  EXPECT_EQ(Difference(before, ReadTree(At("fast"))), "");
  EXPECT_EQ(json["written"]["links"], 1000);
  EXPECT_EQ(json["written"]["files"], 1200);
}

TEST_F(RareAttributesTest, AFileWithSeveralNamesIsReadOnce) {
  Write("file", RandomBytes(size_t{1} << 20, 1));
  for (int i = 0; i < 10; ++i) MakeHardLink(Work("file"), Work("link" + std::to_string(i)));
  Write("clock", "ticks");
  // A file as young as the last tick of the clock that a scan goes by proves nothing, and is read
  // each time. A file system may stamp with a finer one.
  timespec tick;
  do {
    ::clock_gettime(CLOCK_REALTIME_COARSE, &tick);
  } while (static_cast<uint64_t>(tick.tv_sec) * 1'000'000'000 +
               static_cast<uint64_t>(tick.tv_nsec) <=
           ChangeTimeOf(Work("file")));
  EXPECT_EQ(RunWell({"commit"}).Object()["files_hashed"], 2);
  EXPECT_EQ(RunWell({"commit"}).Object()["unchanged"], true);
}

TEST_F(RareAttributesTest, ALinkThatComesOrGoesIsAChangeOfAttributesAlone) {
  Write("a", "x");
  Write("b", "x");
  Write("folder/c", "x");
  const TreeState separate = ReadTree(work_);
  const Json first = RunWell({"commit"}).Object();
  const uint64_t inode = InodeOf(Work("a"));
  for (const char* name : {"b", "folder/c"}) {
    Remove(Work(name));
    MakeHardLink(Work("a"), Work(name));
  }
  const TreeState linked = ReadTree(work_);
  const Json second = RunWell({"commit"}).Object();
  EXPECT_EQ(second["snapshot_id"], first["snapshot_id"]);
  EXPECT_EQ(second["unchanged"], false);
  ExpectUnchanged(first["snapshot_id"]);
  ExpectRestores(first["record_id"], separate);
  const uint64_t first_inode = InodeOf(Work("a"));
  ExpectRestores(second["record_id"], linked);
  EXPECT_NE(first_inode, inode) << "what shares its inode is made anew";
  EXPECT_EQ(InodeOf(Work("a")), first_inode) << "the first name of a new group stays";
}

TEST_F(RareAttributesTest, WhenAFolderIsRenamedItsLinksStay) {
  Write("a/file", "x");
  MakeFolders(Work("b"));
  MakeHardLink(Work("a/file"), Work("b/link"));
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  Rename(Work("a"), Work("c"));
  const TreeState after = ReadTree(work_);
  const std::string second = Commit();
  ExpectGives(second, after);
  ExpectRestores(id, before);
  ExpectRestores(second, after);
}

TEST_F(RareAttributesTest, AnEditThroughOneNameIsRestoredInAll) {
  Write("a", "before");
  MakeHardLink(Work("a"), Work("b"));
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  Write("b", "after!");
  EXPECT_EQ(Run({"restore", id}).exit_code, 4) << "unsaved work";
  EXPECT_EQ(ReadFile(Work("a")), "after!");
  const std::string second = Commit();
  const TreeState after = ReadTree(work_);
  ExpectRestores(id, before);
  ExpectRestores(second, after);
}

TEST_F(RareAttributesTest, AllNamesOfAFileCanGoAtOnce) {
  Write("stays", "s");
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  Write("a", "x");
  MakeHardLink(Work("a"), Work("b"));
  MakeFolders(Work("folder"));
  MakeHardLink(Work("a"), Work("folder/c"));
  Commit();
  ExpectRestores(id, before);
}

TEST_F(RareAttributesTest, NamesOutsideOfTheWorkspaceAreNoGroupAndAreNotWrittenThrough) {
  Write("one", "x");
  MakeHardLink(Work("one"), At("outside"));
  const std::string id = RunWell({"commit"}).Object()["record_id"];
  EXPECT_EQ(ReadTree(Materialize(id)).at("one").first_link, "");
  Write("one", "changed");
  Commit();
  RunWell({"restore", id});
  EXPECT_EQ(ReadFile(Work("one")), "x");
  EXPECT_EQ(ReadFile(At("outside")), "changed");
  // Neither are modes, times and extended attributes.
  Remove(At("outside"));
  MakeHardLink(Work("one"), At("outside"));
  SetMode(Work("one"), 0600);
  SetMtime(Work("one"), 5, 5);
  SetXattr(Work("one"), "user.a", "1");
  const TreeState outside = ReadTree(folder_.path(), {"work", "store"});
  Commit();
  RunWell({"restore", "--force", id});
  EXPECT_EQ(ReadTree(work_).at("one").mode, 0644u);
  EXPECT_EQ(ReadTree(folder_.path(), {"work", "store"}).at("outside"), outside.at("outside"));
}

TEST_F(RareAttributesTest, OfAGroupThatIsPartlySelectedThoseAreLinked) {
  for (const char* name : {"b", "c", "d/e"}) {
    if (!Exists(Work("a"))) Write("a", "linked");
    MakeFolders(Work("d"));
    MakeHardLink(Work("a"), Work(name));
  }
  const std::string id = Commit();
  const std::string out = Materialize(id, {"--include", "c", "--include", "d/**"});
  EXPECT_EQ(ListFolder(out), (Strings{"c", "d"}));
  EXPECT_EQ(InodeOf(out + "/c"), InodeOf(out + "/d/e"));
  EXPECT_EQ(ReadFile(out + "/c"), "linked");
  // In place: what is not selected is not touched, and nothing is linked to it that would change
  // it.
  for (const char* name : {"a", "b", "c", "d/e"}) {
    Remove(Work(name));
    Write(name, "other");
  }
  Commit();
  const uint64_t a = InodeOf(Work("a"));
  RunWell({"restore", id, "b", "c"});
  EXPECT_EQ(ReadFile(Work("a")), "other");
  EXPECT_EQ(InodeOf(Work("a")), a);
  EXPECT_EQ(ReadFile(Work("c")), "linked");
  EXPECT_EQ(InodeOf(Work("b")), InodeOf(Work("c")));
  EXPECT_EQ(ReadFile(Work("d/e")), "other");
}

TEST_F(RareAttributesTest, ANewNameIsLinkedToTheFileThatIsThere) {
  Write("a", RandomBytes(100'000, 1));
  MakeHardLink(Work("a"), Work("b"));
  MakeFolders(Work("folder"));
  MakeHardLink(Work("a"), Work("folder/c"));
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  const uint64_t inode = InodeOf(Work("a"));
  const auto restore = [&] {
    Commit();
    const Json json = RunWell({"restore", id}).Object();
    EXPECT_EQ(Difference(before, ReadTree(work_)), "");
    return json;
  };
  Remove(Work("folder"));
  EXPECT_EQ(restore()["written"]["bytes"], 0);
  EXPECT_EQ(InodeOf(Work("folder/c")), inode);
  Remove(Work("b"));
  EXPECT_EQ(restore()["written"]["bytes"], 0);
  EXPECT_EQ(InodeOf(Work("b")), inode);
  // The first name gives the group its id: without it, the others are another group.
  Remove(Work("a"));
  restore();
}

TEST_F(RareAttributesTest, WhatCannotBeLinkedIsCopiedAndReported) {
  Write("a", "x");
  for (const char* name : {"b", "c", "d", "e"}) MakeHardLink(Work("a"), Work(name));
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  for (const uint64_t links : {0u, 2u}) {
    Limits limits;
    limits.links = links;
    const std::string out = At("out" + std::to_string(links));
    const RunResult result = RunWithLimits({"materialize", id, out}, limits, out);
    EXPECT_EQ(result.exit_code, 0) << result;
    const Json written = result.Object()["written"];
    EXPECT_EQ(written["files"], 5);
    EXPECT_EQ(written.value("links", 0u), links);
    EXPECT_EQ(written["links_as_copies"]["count"], 4 - links);
    EXPECT_NE(result.err.find("as a file of its own"), std::string::npos) << result;
    EXPECT_EQ(Difference(before, ReadTree(out), Compare::kContents), "");
  }
}

TEST_F(RareAttributesTest, MaterializingOverWhatIsThereLinksToo) {
  Write("a", "x");
  MakeHardLink(Work("a"), Work("b"));
  MakeLink("a", Work("l"));
  MakeHardLink(Work("l"), Work("m"));
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  const std::string out = At("out");
  WriteFile(out + "/a", "other");
  WriteFile(out + "/b", "other");
  MakeLink("/etc/passwd", out + "/m");
  for (int i = 0; i < 2; ++i) {
    RunWell({"materialize", id, out});
    TreeState actual = ReadTree(out);
    actual[""] = before.at("");
    EXPECT_EQ(Difference(before, actual), "");
  }
}

TEST_F(RareAttributesTest, FilesThatAreIgnoredSinceAreLinkedAgain) {
  Write("cache/a", "x");
  MakeHardLink(Work("cache/a"), Work("cache/b"));
  const std::string id = Commit();
  Write(".heliosignore", "cache\n");
  Remove(Work("cache/b"));
  Write("cache/b", "x");
  Commit();
  RunWell({"restore", "--force", id});
  EXPECT_EQ(InodeOf(Work("cache/a")), InodeOf(Work("cache/b")));
  EXPECT_EQ(RunWell({"restore", id}).Object()["written"]["files"], 0);
}

// --- Holes ---------------------------------------------------------------------------------------

class SparseTest : public RareAttributesTest {
 protected:
  // A file of `size` bytes with `data` at these places and holes elsewhere.
  void WriteSparse(const std::string& relative, uint64_t size,
                   const std::map<uint64_t, std::string>& data) {
    Write(relative, "");
    const int fd = ::open(Work(relative).c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::ftruncate(fd, static_cast<off_t>(size)), 0);
    for (const auto& [offset, bytes] : data) {
      ASSERT_EQ(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
                static_cast<ssize_t>(bytes.size()));
    }
    ASSERT_EQ(::fsync(fd), 0);
    ::close(fd);
  }
};

TEST_F(SparseTest, HolesComeBackAndTheIdIsThatOfADenseFile) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  WriteSparse("large", 64 * kMiB,
              {{0, "begin"}, {20 * kMiB + 123, RandomBytes(3 * kMiB, 1)}, {64 * kMiB - 1, "e"}});
  WriteSparse("small", kMiB, {{kMiB / 2, "middle"}});
  WriteSparse("hollow", 5 * kMiB, {});
  WriteSparse("tiny", 100, {});
  const uint64_t bytes = DiskBytesOf(Work("large"));
  ASSERT_LT(bytes, 8 * kMiB);
  const std::string id = ExpectComesBack();
  EXPECT_LE(DiskBytesOf(Work("large")), bytes + 16384);
  EXPECT_LE(DiskBytesOf(Work("small")), 16384u);
  EXPECT_EQ(DiskBytesOf(Work("hollow")), 0u);
  EXPECT_EQ(DiskBytesOf(Work("tiny")), 0u);
  for (const char* name : {"large", "small", "hollow", "tiny"}) {
    const std::string content = ReadFile(Work(name));
    Remove(Work(name));
    Write(name, content);
  }
  const Json json = RunWell({"commit"}).Object();
  EXPECT_EQ(json["snapshot_id"], id);
  EXPECT_EQ(json["unchanged"], false) << "modification times changed";
}

TEST_F(SparseTest, ZerosThatWereWrittenStayWritten) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  Write("zeros", std::string(3 * kMiB, '\0'));
  Write("small", std::string(100'000, '\0'));
  const std::string out = Materialize(Commit());
  EXPECT_GE(DiskBytesOf(out + "/zeros"), 3 * kMiB);
  EXPECT_GE(DiskBytesOf(out + "/small"), 100'000u);
}

TEST_F(SparseTest, ALongHoleCostsNothingInTheStore) {
  constexpr uint64_t kSize = uint64_t{4} << 30;
  WriteSparse("disk.img", kSize, {{0, "boot"}, {kSize - 3, "end"}});
  const Json json = RunWell({"commit"}).Object();
  EXPECT_EQ(json["bytes"], kSize);
  EXPECT_LT(json["new_bytes"], 8'000'000) << "three chunks and a manifest";
  const std::string out = Materialize(json["snapshot_id"]);
  EXPECT_LT(DiskBytesOf(out + "/disk.img"), 65536u);
  struct stat status;
  ASSERT_EQ(::stat((out + "/disk.img").c_str(), &status), 0);
  EXPECT_EQ(static_cast<uint64_t>(status.st_size), kSize);
}

TEST_F(SparseTest, AFileThatIsThereIsNotWrittenForItsHoles) {
  WriteSparse("file", 1'000'000, {{500'000, "x"}});
  const std::string id = Commit();
  const TreeState before = ReadTree(work_);
  const std::string content = ReadFile(Work("file"));
  Write("file", content);
  SetMtime(Work("file"), before.at("file").mtime_ns / 1'000'000'000,
           before.at("file").mtime_ns % 1'000'000'000);
  Commit();
  const uint64_t inode = InodeOf(Work("file"));
  ExpectRestores(id, before);
  EXPECT_EQ(InodeOf(Work("file")), inode);
}

TEST_F(SparseTest, AFileThatIsTooLongForTheFileSystemIsRefusedAtOnce) {
  WriteSparse("file", 8'000'000, {});
  const std::string id = Commit();
  RunOptions options = Options();
  options.limits[RLIMIT_FSIZE] = 4'000'000;
  const RunResult result = RunHelios({"materialize", id, At("out")}, options);
  EXPECT_NE(result.exit_code, 0) << result;
  EXPECT_FALSE(result.by_signal);
  EXPECT_FALSE(Exists(At("out/file")));
}

// --- All of it at random -------------------------------------------------------------------------

class RandomHistoryTest : public RareAttributesTest,
                          public ::testing::WithParamInterface<unsigned> {
 protected:
  size_t Below(size_t end) { return std::uniform_int_distribution<size_t>(0, end - 1)(random_); }
  std::string AnyPath() {
    static const Strings kFolders = {"", "D/", "D/E/", "F/"};
    return kFolders[Below(kFolders.size())] + static_cast<char>('a' + Below(6));
  }
  std::string AnyFile() {
    Strings files;
    for (const auto& [path, node] : ReadTree(work_)) {
      if (node.type == '-') files.push_back(path);
    }
    return files.empty() ? "" : files[Below(files.size())];
  }

  void ChangeSomething() {
    const std::string file = AnyFile();
    const std::string path = AnyPath();
    switch (Below(9)) {
      case 0:
        if (!file.empty() && !Exists(Work(path))) {
          MakeFolders(Work(path.substr(0, path.rfind('/') + 1)));
          MakeHardLink(Work(file), Work(path));
        }
        break;
      case 1:
        if (!file.empty()) Remove(Work(file));
        break;
      case 2:
        if (!file.empty()) Write(file, "edit " + std::to_string(Below(5)));
        break;
      case 3:
        if (!file.empty()) SetMode(Work(file), Below(2) == 0 ? 0644 : 0600);
        break;
      case 4:
        if (!file.empty()) SetXattr(Work(file), "user.a", std::to_string(Below(3)));
        break;
      case 5:
        if (Exists(Work("D")) && !Exists(Work("G"))) Rename(Work("D"), Work("G"));
        break;
      case 6:
        if (!file.empty()) SetMtime(Work(file), static_cast<int64_t>(Below(3)), 5);
        break;
      default:
        if (!Exists(Work(path))) Write(path, "content " + std::to_string(Below(3)));
    }
  }

 private:
  std::mt19937_64 random_{GetParam()};
};

TEST_P(RandomHistoryTest, EveryStateComesBackFromEveryOther) {
  std::map<std::string, TreeState> states;  // by record
  for (int round = 0; round < 12; ++round) {
    for (size_t changes = Below(8); changes > 0; --changes) ChangeSomething();
    const TreeState state = ReadTree(work_);
    const Json json = RunWell({"commit"}).Object();
    states[json["record_id"]] = state;
    if (round % 2 == 0) continue;
    const auto& [record, expected] =
        *std::next(states.begin(), static_cast<std::ptrdiff_t>(Below(states.size())));
    ExpectRestores(record, expected);
    RunWell({"materialize", record, At("out" + std::to_string(round))});
    EXPECT_EQ(Difference(expected, ReadTree(At("out" + std::to_string(round)))), "");
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomHistoryTest, ::testing::Range(0u, 12u));

}  // namespace
}  // namespace helios

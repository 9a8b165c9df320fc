// What goes in comes out: commit, then materialize or restore, then compare.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

namespace helios {
namespace {

class RoundTripTest : public HeliosTest {
 protected:
  // Commits what lies in `work`, materializes it elsewhere and restores it over an emptied folder.
  // Compares both with the original. Returns the id.
  std::string ExpectComesBack() {
    const TreeState before = ReadTree(work_);
    const std::string id = Commit();
    EXPECT_EQ(Difference(before, ReadTree(work_)), "") << "a commit changed the folder";
    ExpectGives(id, before);
    for (const std::string& name : ListFolder(work_)) RemoveDeep(Work(name));
    RunWell({"restore", "--force", id});
    EXPECT_EQ(Difference(before, ReadTree(work_)), "") << "after restore";
    EXPECT_EQ(Commit(), id) << "what was restored has another id";
    return id;
  }

  // Out of the way, for the temporary folder to remove: it copes with any depth.
  void RemoveDeep(const std::string& path) {
    // Only who may write to a folder may move it.
    if (ReadTree(work_).at(path.substr(work_.size() + 1)).type == 'd') SetMode(path, 0700);
    Rename(path, At("removed-" + std::to_string(next_removed_++)));
  }

 private:
  int next_removed_ = 0;
};

TEST_F(RoundTripTest, ExecutableBit) {
  Write("plain", "x");
  Write("tool", "x");
  SetMode(Work("tool"), 0755);
  const std::string id = ExpectComesBack();
  SetMode(Work("plain"), 0755);
  EXPECT_NE(Commit(), id) << "the executable bit is part of the id";
  SetMode(Work("plain"), 0655);
  EXPECT_EQ(Commit(), id) << "only its owner's bit counts";
}

TEST_F(RoundTripTest, RawSymlinkTargets) {
  MakeLink("target", Work("relative"));
  MakeLink("/etc/passwd", Work("absolute"));
  MakeLink("no/such/../thing", Work("dangling"));
  MakeLink(".", Work("self"));
  MakeLink("../../../..", Work("far-up"));
  MakeLink("//double//slash/", Work("odd"));
  MakeLink("\xff\n target ", Work("bytes"));
  MakeLink("loop", Work("loop"));
  MakeLink(std::string(4095, 'x'), Work("long"));
  Write("target", "x");
  MakeFolders(Work("folder"));
  MakeLink("folder", Work("to-folder"));
  ExpectComesBack();
}

TEST_F(RoundTripTest, SymlinkTimes) {
  MakeLink("target", Work("link"));
  SetMtime(Work("link"), 1'234'567'890, 987'654'321);
  ExpectComesBack();
}

TEST_F(RoundTripTest, EmptyFolders) {
  MakeFolders(Work("a/b/c"));
  MakeFolders(Work("hollow"));
  SetMtime(Work("hollow"), 1'000, 1);
  const std::string id = ExpectComesBack();
  Remove(Work("hollow"));
  EXPECT_NE(Commit(), id);
}

TEST_F(RoundTripTest, NothingAtAll) { ExpectComesBack(); }

TEST_F(RoundTripTest, Modes) {
  unsigned next = 0;
  for (const unsigned mode : {0400u, 0600u, 0640u, 0644u, 0666u, 0700u, 0711u, 0755u, 0777u}) {
    const std::string name = "file" + std::to_string(next++);
    Write(name, name);
    SetMode(Work(name), mode);
  }
  if (Nobody()) {  // root reads what nobody may
    Write("closed", "closed");
    SetMode(Work("closed"), 0);
    Write("execute-only", "x");
    SetMode(Work("execute-only"), 0111);
  }
  for (const unsigned mode : {0500u, 0700u, 0750u, 0755u, 0775u, 0777u}) {
    const std::string name = "folder" + std::to_string(next++);
    Write(name + "/file", "x");
    SetMode(Work(name), mode);
  }
  ExpectComesBack();
}

TEST_F(RoundTripTest, ModesDoNotDependOnTheUmask) {
  Write("open", "x");
  SetMode(Work("open"), 0666);
  Write("folder/tool", "x");
  SetMode(Work("folder/tool"), 0777);
  SetMode(Work("folder"), 0777);
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();
  for (const unsigned umask : {0u, 022u, 077u}) {
    RunOptions options = Options();
    options.umask = umask;
    const std::string out = At("umask-" + std::to_string(umask));
    const RunResult result = RunHelios({"materialize", id, out}, options);
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(Difference(before, ReadTree(out)), "") << umask;
  }
}

TEST_F(RoundTripTest, SetuidSetgidAndStickyAreMaskedOnTheWayOut) {
  Write("tool", "x");
  SetMode(Work("tool"), 06755);
  Write("folder/file", "x");
  SetMode(Work("folder"), 03777);
  const std::string id = Commit();
  const TreeState out = ReadTree(Materialize(id));
  EXPECT_EQ(out.at("tool").mode, 0755u);
  EXPECT_EQ(out.at("folder").mode, 0777u);
  Remove(Work("tool"));
  Commit();
  RunWell({"restore", id});
  EXPECT_EQ(ReadTree(work_).at("tool").mode, 0755u);
}

TEST_F(RoundTripTest, TimesInNanosecondsFarBackAndFarAhead) {
  const std::vector<std::pair<int64_t, int64_t>> times = {
      {0, 0},
      {0, 1},
      {1, 999'999'999},
      {-1, 999'999'999},
      {-1, 0},
      {-1'000'000'000, 5},           // 1938
      {-2'147'483'648, 0},           // 1901, the first second of 32 bits
      {2'147'483'647, 999'999'999},  // 2038, the last
      {2'147'483'648, 0},
      {4'102'444'800, 123'456'789},  // 2100
      {1'700'000'000, 100},
  };
  for (size_t i = 0; i < times.size(); ++i) {
    const std::string file = Work("file" + std::to_string(i));
    const std::string folder = Work("folder" + std::to_string(i));
    const std::string link = Work("link" + std::to_string(i));
    WriteFile(file, "x");
    MakeFolders(folder);
    MakeLink("x", link);
    for (const std::string& path : {file, folder, link}) {
      SetMtime(path, times[i].first, times[i].second);
    }
  }
  SetMtime(work_, -5, 7);
  ExpectComesBack();
}

TEST_F(RoundTripTest, NamesOfEveryByte) {
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    const std::string name(1, static_cast<char>(byte));
    if (name == ".") continue;
    Write(name, "byte " + std::to_string(byte));
  }
  Write("\xed\xa0\x80", "a surrogate");
  Write("\xc0\xaf", "an overlong slash");
  ExpectComesBack();
}

TEST_F(RoundTripTest, NamesOf255Bytes) {
  const std::string longest(255, 'n');
  Write(longest, "x");
  Write(std::string(255, '\xff') + "/" + longest, "y");
  MakeLink(longest, Work("link"));
  const std::string id = ExpectComesBack();
  // Replaced, too: a temporary name must not be longer than the name itself may be.
  Write(longest, "changed");
  Commit();
  RunWell({"restore", id});
  EXPECT_EQ(ReadFile(Work(longest)), "x");
}

TEST_F(RoundTripTest, FilesWithoutBytes) {
  Write("a", "");
  Write("sub/b", "");
  SetMtime(Work("a"), 77, 7);
  ExpectComesBack();
}

TEST_F(RoundTripTest, DeeperThanAnyPathMayBe) {
  int at = ::open(work_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(at, 0);
  for (int depth = 0; depth < 60; ++depth) {
    const std::string name = std::string(200, 'd') + std::to_string(depth);
    ASSERT_EQ(::mkdirat(at, name.c_str(), 0755), 0);
    const int below = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(below, 0);
    ::close(at);
    at = below;
    if (depth % 20 != 19) continue;
    const int file = ::openat(at, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_EQ(::write(file, "deep", 4), 4);
    ::close(file);
    ASSERT_EQ(::symlinkat("../file", at, "link"), 0);
  }
  ::close(at);
  const std::string id = ExpectComesBack();
  EXPECT_EQ(RunWell({"commit"}).Object()["files"], 6);
  // And away with it again.
  Rename(work_, At("kept"));
  MakeFolders(work_);
  const std::string empty = RunWell({"commit", "--workspace", "w"}).Object()["snapshot_id"];
  RunWell({"restore", id, "--workspace", "w"});
  RunWell({"restore", empty, "--workspace", "w"});
  EXPECT_EQ(ListFolder(work_), std::vector<std::string>{});
}

TEST_F(RoundTripTest, AThousandFoldersDeep) {
  int at = ::open(work_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(at, 0);
  constexpr int kDepth = 1000;
  for (int depth = 0; depth < kDepth; ++depth) {
    ASSERT_EQ(::mkdirat(at, "d", 0755), 0);
    const int below = ::openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(below, 0);
    ::close(at);
    at = below;
  }
  const int file = ::openat(at, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_EQ(::write(file, "deep", 4), 4);
  ::close(file);
  ::close(at);
  const std::string id = Commit();
  EXPECT_EQ(Commit(), id);
  const std::string out = Materialize(id);
  RunOptions options = Options();
  options.cwd = out;
  EXPECT_EQ(RunHelios({"commit"}, options).Object()["snapshot_id"], id);
}

TEST_F(RoundTripTest, AFolderOf5000Files) {
  for (int i = 0; i < 5000; ++i) Write("many/file" + std::to_string(i), std::to_string(i));
  const std::string id = ExpectComesBack();
  Write("many/file2500", "changed");
  Remove(Work("many/file17"));
  Write("many/new", "n");
  const RunResult commit = RunWell({"commit"});
  EXPECT_LE(commit.Object()["new_bytes"], 200'000) << "one change rewrites one page per level";
  const Json json = RunWell({"diff", id, "@"}).Object();
  EXPECT_EQ(json["Added"], 1);
  EXPECT_EQ(json["Changed"], 1);
  EXPECT_EQ(json["Deleted"], 1);
  RunWell({"restore", id});
  EXPECT_EQ(RunWell({"commit"}).Object()["snapshot_id"], id);
}

TEST_F(RoundTripTest, SizesAroundTheChunkingLimit) {
  constexpr size_t kLimit = size_t{2} << 20;
  Write("one-below", RandomBytes(kLimit - 1, 1));
  Write("exactly", RandomBytes(kLimit, 2));
  Write("one-above", RandomBytes(kLimit + 1, 3));
  Write("zeros", std::string(kLimit + 1, '\0'));
  Write("page", RandomBytes(4096, 4));
  ExpectComesBack();
}

TEST_F(RoundTripTest, OneByteInsertedIntoALargeFileStoresLittleMore) {
  constexpr size_t kSize = size_t{5} << 20;
  std::string content = RandomBytes(kSize, 7);
  Write("large", content);
  const std::string before = ExpectComesBack();
  content.insert(content.size() / 2, "!");
  Write("large", content);
  const Json json = RunWell({"commit"}).Object();
  // A chunk has 2 MiB at most, and one insertion touches two at most.
  EXPECT_LT(json["new_bytes"], size_t{4} << 20) << json;
  EXPECT_EQ(json["bytes"], kSize + 1);
  EXPECT_TRUE(ReadFile(Materialize(json["snapshot_id"]) + "/large") == content);
  RunWell({"restore", before});
  content.erase(content.size() / 2, 1);
  EXPECT_TRUE(ReadFile(Work("large")) == content);
}

TEST_F(RoundTripTest, ChangesOfEveryKindAreRestored) {
  Write("stays", "s");
  Write("changes", "before");
  Write("goes", "g");
  Write("mode", "m");
  Write("time", "t");
  MakeLink("before", Work("link"));
  Write("folder/file", "f");
  MakeFolders(Work("hollow"));
  const TreeState before = ReadTree(work_);
  const std::string id = Commit();

  Write("changes", "after!");
  Remove(Work("goes"));
  SetMode(Work("mode"), 0600);
  SetMtime(Work("time"), 5, 5);
  Remove(Work("link"));
  MakeLink("after", Work("link"));
  Remove(Work("folder"));
  Remove(Work("hollow"));
  Write("comes/new", "n");
  const TreeState after = ReadTree(work_);
  const std::string second = Commit();

  RunWell({"restore", id});
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  RunWell({"restore", second});
  EXPECT_EQ(Difference(after, ReadTree(work_)), "");
}

// --- The same content has the same id ------------------------------------------------------------

class SameIdTest : public HeliosTest {
 protected:
  SameIdTest() { Fill(work_); }

  static void Fill(const std::string& folder) {
    for (int i = 0; i < 200; ++i) {
      WriteFile(folder + "/dir" + std::to_string(i % 7) + "/file" + std::to_string(i),
                RandomBytes(static_cast<size_t>(i) * 10, static_cast<uint64_t>(i)));
    }
    WriteFile(folder + "/large", RandomBytes(size_t{3} << 20, 99));
    WriteFile(folder + "/tool", "#!/bin/sh\n");
    SetMode(folder + "/tool", 0755);
    MakeLink("tool", folder + "/link");
    MakeFolders(folder + "/hollow");
  }

  // In a store of its own, with nothing known.
  std::string IdOf(const std::string& work, const std::vector<std::string>& more = {},
                   RunOptions options = {}) {
    std::vector<std::string> args{"commit", "--work", work, "--store",
                                  At("fresh-" + std::to_string(next_++))};
    args.insert(args.end(), more.begin(), more.end());
    const RunResult result = RunHelios(args, options);
    EXPECT_EQ(result.exit_code, 0) << result;
    return result.Object()["snapshot_id"];
  }

 private:
  int next_ = 0;
};

TEST_F(SameIdTest, WhateverTheThreads) {
  const std::string id = IdOf(work_);
  EXPECT_EQ(IdOf(work_, {"-j1"}), id);
  EXPECT_EQ(IdOf(work_, {"-j8"}), id);
  EXPECT_EQ(IdOf(work_, {"-j64"}), id);
}

TEST_F(SameIdTest, WhateverPathTimeModeAndUmask) {
  const std::string id = IdOf(work_);
  Fill(At("other/place"));
  EXPECT_EQ(IdOf(At("other/place")), id);
  SetMtime(Work("tool"), 5, 5);
  SetMtime(work_, -5, 5);
  SetMode(Work("dir1"), 0700);
  SetMode(Work("dir1/file1"), 0600);
  EXPECT_EQ(IdOf(work_), id);
  RunOptions options;
  options.umask = 0077;
  options.env["TZ"] = "Asia/Tokyo";
  options.env["LC_ALL"] = "C";
  EXPECT_EQ(IdOf(work_, {"-m", "a message", "--workspace", "name"}, options), id);
}

TEST_F(SameIdTest, WhateverTheOwner) {
  if (!Nobody()) GTEST_SKIP() << "only root can give files away";
  const std::string id = IdOf(work_);
  SetOwner(folder_.path(), *Nobody());
  RunOptions options;
  options.uid = Nobody();
  EXPECT_EQ(IdOf(work_, {}, options), id);
}

TEST_F(SameIdTest, WhateverTheOrderOfMaking) {
  const std::string id = IdOf(work_);
  const std::string out = At("copy");
  for (int i = 199; i >= 0; --i) {
    const std::string name = "/dir" + std::to_string(i % 7) + "/file" + std::to_string(i);
    WriteFile(out + name, ReadFile(work_ + name));
  }
  MakeFolders(out + "/hollow");
  MakeLink("tool", out + "/link");
  WriteFile(out + "/tool", ReadFile(Work("tool")));
  SetMode(out + "/tool", 0700);
  WriteFile(out + "/large", ReadFile(Work("large")));
  EXPECT_EQ(IdOf(out), id);
}

TEST_F(SameIdTest, WithAndWithoutTheStatIndex) {
  const std::string id = Commit();
  const auto for_each_index = [&](const std::function<void(const std::string&)>& act) {
    int seen = 0;
    for (const std::string& name : ListFolder(store_ + "/workspaces")) {
      const std::string index = store_ + "/workspaces/" + name + "/index";
      if (!Exists(index)) continue;
      act(index);
      ++seen;
    }
    EXPECT_EQ(seen, 1);
  };
  EXPECT_EQ(Commit(), id);
  for_each_index([](const std::string& index) { Remove(index); });
  const Json without = RunWell({"commit"}).Object();
  EXPECT_EQ(without["snapshot_id"], id);
  EXPECT_GE(without["files_hashed"], 200);
  EXPECT_EQ(without["new_objects"], 0);
  for_each_index([](const std::string& index) { WriteFile(index, "garbage"); });
  EXPECT_EQ(Commit(), id);
  for_each_index([](const std::string& index) { WriteFile(index, ""); });
  EXPECT_EQ(Commit(), id);
  // One flipped byte at a time, at many places: a wrong index may cost time, never truth.
  std::string good;
  for_each_index([&](const std::string& index) { good = ReadFile(index); });
  for (size_t at = 0; at < good.size(); at += 1 + good.size() / 60) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    for_each_index([&](const std::string& index) { WriteFile(index, bad); });
    ASSERT_EQ(Commit(), id) << "byte " << at << " of the index flipped";
  }
  for (size_t size = 0; size < good.size(); size += 1 + good.size() / 20) {
    for_each_index([&](const std::string& index) { WriteFile(index, good.substr(0, size)); });
    ASSERT_EQ(Commit(), id) << "index cut to " << size;
  }
}

TEST_F(SameIdTest, UnchangedFilesAreNotReadAgain) {
  // Fresh files are too young to be believed; old ones are not.
  Commit();
  const Json again = RunWell({"commit"}).Object();
  EXPECT_EQ(again["unchanged"], true);
  Write("dir0/file0", "changed");
  const Json changed = RunWell({"commit"}).Object();
  EXPECT_EQ(changed["unchanged"], false);
  const Json after = RunWell({"commit"}).Object();
  EXPECT_LE(after["files_hashed"], 5) << "nearly all files are as they were";
}

TEST_F(SameIdTest, AnyChangeOfContentChangesTheId) {
  std::vector<std::string> ids{Commit()};
  const auto expect_new = [&](const char* what) {
    ids.push_back(Commit());
    for (size_t i = 0; i + 1 < ids.size(); ++i) EXPECT_NE(ids[i], ids.back()) << what;
  };
  Write("dir0/file0", "x");
  expect_new("content");
  Rename(Work("dir0/file0"), Work("dir0/renamed"));
  expect_new("name");
  Remove(Work("link"));
  MakeLink("elsewhere", Work("link"));
  expect_new("target");
  Remove(Work("link"));
  Write("link", "elsewhere");
  expect_new("type");
  Remove(Work("hollow"));
  expect_new("an empty folder");
  Rename(Work("dir1"), Work("dir9"));
  expect_new("a folder's name");
}

}  // namespace
}  // namespace helios

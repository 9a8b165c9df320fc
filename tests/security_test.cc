// What Helios defends against, row by row: made-up snapshots and stores, and a hostile or careless
// process that works in the folder that is being written.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "helios/backend_library.h"
#include "helios/engine.h"
#include "history/operation_log.h"
#include "object/hash.h"
#include "object/record.h"
#include "object/tree.h"
#include "program.h"
#include "store/store_root.h"

namespace helios {
namespace {

namespace fs = std::filesystem;

constexpr int kRacingRounds = 12;
constexpr int kRacedFiles = 40;

class Security : public HeliosTest {
 protected:
  // --- A snapshot that somebody made up ----------------------------------------------------------

  Result<std::unique_ptr<ObjectStore>> OpenObjects() const {
    const Backend backend =
        TestsPacks() ? PackBackend() : BackendFromLibrary(TestedBackend(), HELIOS_ROCKSDB_MODULE);
    return backend.open(BackendFolder(), {});
  }
  // Puts an object into the store as it is, under the id that its bytes have.
  Digest Put(ObjectKind kind, const Bytes& bytes) {
    return PutAs(HashObject(kind, bytes), kind, bytes);
  }
  Digest PutAs(const Digest& id, ObjectKind kind, const Bytes& bytes) {
    const Object object{{kind, id}, bytes};
    const auto objects = OpenObjects();
    EXPECT_TRUE(objects && (*objects)->PutMany({&object, 1}) && (*objects)->Sync());
    return id;
  }
  // A record of that root, known to the store as any other: its id.
  std::string RecordOf(const Digest& root, const TreeTotals& totals = {}) {
    Record record;
    record.snapshot = {root};
    record.totals = totals;
    Operation operation;
    operation.kind = OperationKind::kBranchCommit;
    operation.record = {Put(ObjectKind::kRecord, EncodeRecord(record))};
    operation.snapshot = record.snapshot;
    const StorePaths paths{store_};
    const Result<bool> appended =
        OperationLog(paths.OperationLog(), paths.Workspaces()).Append(operation);
    EXPECT_TRUE(appended && *appended);
    return FormatId(operation.record);
  }
  // A file of the store that holds `content`.
  TreeEntry FileNamed(const std::string& name, const std::string& content) {
    TreeEntry entry;
    entry.kind = EntryKind::kFile;
    entry.name = name;
    entry.size = content.size();
    entry.id = Put(ObjectKind::kBlob, content);
    return entry;
  }
  static Bytes EncodedTree(std::vector<TreeEntry> entries) {
    TreePage page;
    page.entries = std::move(entries);
    return EncodeTreePage(page);
  }
  // The same bytes with a name changed to another one of its length.
  static Bytes Renamed(Bytes tree, const std::string& from, const std::string& to) {
    EXPECT_EQ(from.size(), to.size());
    tree.replace(tree.find(from), from.size(), to);
    return tree;
  }
  // It is damage, whatever is done with it, and nothing is written.
  void ExpectRefused(const std::string& record, int exit_code = 12) {
    for (const std::vector<std::string>& args :
         {std::vector<std::string>{"materialize", record, At("refused")},
          {"restore", "--work", At("restored"), record}}) {
      const RunResult result = Run(args);
      EXPECT_EQ(result.exit_code, exit_code) << result;
      EXPECT_FALSE(result.by_signal);
    }
    for (const char* folder : {"refused", "restored"}) {
      EXPECT_TRUE(!Exists(At(folder)) || ListFolder(At(folder)).empty());
    }
  }

  // --- A process that works where Helios writes --------------------------------------------------

  // A folder that must stay as it is, with the names that a snapshot has.
  void MakeVictim() {
    for (int i = 0; i < kRacedFiles; ++i) {
      WriteFile(At("victim/f" + std::to_string(i)), "untouched");
      SetMtime(At("victim/f" + std::to_string(i)), 1'000'000'000, 0);
    }
    WriteFile(At("victim/sub/f0"), "untouched");
    SetMode(At("victim"), 0755);
    victim_ = ReadTree(At("victim"));
  }
  void WriteRaced(const std::string& content) {
    for (int i = 0; i < kRacedFiles; ++i) Write("a/f" + std::to_string(i), content);
    Write("a/sub/f0", content);
    SetMode(Work("a"), 0700);
  }
  void ExpectVictimUntouched() { ASSERT_EQ(Difference(victim_, ReadTree(At("victim"))), ""); }
  // Runs `args` again and again while `adversary` makes its move as often as it can. What comes out
  // is not known; that it comes to an end, not by a signal, and leaves the victim alone is.
  void Race(const std::function<void(int round)>& prepare, const std::vector<std::string>& args,
            const std::function<void()>& adversary) {
    for (int round = 0; round < kRacingRounds; ++round) {
      prepare(round);
      std::atomic<bool> is_over = false;
      std::thread other([&] {
        while (!is_over) adversary();
      });
      const RunResult result = Run(args);
      is_over = true;
      other.join();
      ASSERT_FALSE(result.by_signal) << result;
      ExpectVictimUntouched();
      if (HasFatalFailure()) return;
    }
  }
  // Swaps a folder for a link to the victim, and back. What fails does so because Helios was
  // faster.
  static void SwapForLink(const std::string& folder) {
    const std::string away = folder + "-away";
    (void)::rename(folder.c_str(), away.c_str());
    (void)::symlink("../victim", folder.c_str());
    (void)::unlink(folder.c_str());
    (void)::rename(away.c_str(), folder.c_str());
  }

  TreeState victim_;
};

// --- 1, 2: names ---------------------------------------------------------------------------------

TEST_F(Security, Row01NamesThatLeaveTheFolderAreRefused) {
  Write("file", "x");
  Commit();
  const Bytes tree = EncodedTree({FileNamed("evil", "evil")});
  using namespace std::string_literals;
  for (const std::string& name : {"../x"s, "/etc"s, "a/bc"s, "ab/."s, "a\0bc"s}) {
    ExpectRefused(RecordOf(Put(ObjectKind::kTree, Renamed(tree, "evil", name)), {1, 4}));
  }
  for (const std::string& name : {".."s, "."s, ""s}) {
    const std::string stand_in(name.size(), 'e');
    Bytes short_tree = EncodedTree({FileNamed("e" + stand_in, "evil")});
    // The length of the name stands before it.
    short_tree.replace(short_tree.find("e" + stand_in) - 1, stand_in.size() + 2,
                       std::string(1, static_cast<char>(name.size())) + name);
    ExpectRefused(RecordOf(Put(ObjectKind::kTree, short_tree), {1, 4}));
  }
  EXPECT_FALSE(Exists(At("x")));
}

TEST_F(Security, Row02ANameThatIsThereTwiceIsRefused) {
  Write("file", "x");
  Commit();
  TreeEntry link;
  link.kind = EntryKind::kSymlink;
  link.name = "aa";
  link.target = At("victim");
  TreeEntry folder;
  folder.kind = EntryKind::kDirectory;
  folder.name = "ab";
  folder.id = Put(ObjectKind::kTree, EncodedTree({FileNamed("f0", "evil")}));
  folder.below = {1, 4};
  const Bytes tree = EncodedTree({link, folder});
  ExpectRefused(RecordOf(Put(ObjectKind::kTree, Renamed(tree, "ab", "aa")), {2, 4}));
}

TEST_F(Security, Row02ALinkOfTheSnapshotLeadsNoLaterFileOutside) {
  MakeVictim();
  MakeLink(At("victim"), Work("a"));
  const std::string link = Commit();
  Remove(Work("a"));
  WriteRaced("evil");
  const std::string folder = Commit();
  const std::string out = Materialize(link);
  EXPECT_EQ(Run({"materialize", folder, out}).exit_code, 3);
  ExpectVictimUntouched();
  RunWell({"restore", link});
  RunWell({"restore", folder});
  ExpectVictimUntouched();
}

// --- 3, 4, 9: who works in the folder meanwhile --------------------------------------------------

TEST_F(Security, Row03ThingsInTheWayAreNeitherFollowedNorOpened) {
  MakeVictim();
  WriteRaced("evil");
  const std::string id = Commit();
  MakeFolders(At("out/a/f2"));
  MakeLink(At("victim/f0"), At("out/a/f0"));
  ASSERT_EQ(::mkfifo(At("out/a/f1").c_str(), 0644), 0);
  MakeLink(At("victim/sub"), At("out/a/sub"));
  const RunResult result = Run({"materialize", id, At("out")});
  EXPECT_EQ(result.exit_code, 3) << result;  // the two folders
  ExpectVictimUntouched();
  EXPECT_EQ(ReadTree(At("out")).at("a/f0").content, "evil");
  EXPECT_EQ(ReadTree(At("out")).at("a/f1").content, "evil");
}

TEST_F(Security, Row03ThingsThatAppearWhileMaterializing) {
  MakeVictim();
  WriteRaced("evil");
  const std::string id = Commit();
  const auto put_in_the_way = [this, turn = 0]() mutable {
    const std::string path = At("out/a/f" + std::to_string(turn % kRacedFiles));
    (void)::unlink(path.c_str());
    (void)::rmdir(path.c_str());
    switch (turn++ % 3) {
      case 0:
        (void)::symlink(At("victim/f0").c_str(), path.c_str());
        break;
      case 1:
        (void)::mkfifo(path.c_str(), 0644);
        break;
      default:
        (void)::mkdir(path.c_str(), 0755);
    }
  };
  Race([&](int) { MakeFolders(At("out/a")); }, {"materialize", id, At("out")}, put_in_the_way);
}

TEST_F(Security, Row03ThingsThatAppearWhileRestoring) {
  MakeVictim();
  WriteRaced("one");
  const std::string one = Commit();
  WriteRaced("two, longer");
  Commit();
  const auto put_in_the_way = [this, turn = 0]() mutable {
    const std::string path = Work("a/f" + std::to_string(turn % kRacedFiles));
    (void)::unlink(path.c_str());
    if (turn++ % 2 == 0) {
      (void)::symlink(At("victim/f0").c_str(), path.c_str());
    } else {
      (void)::mkfifo(path.c_str(), 0644);
    }
  };
  const auto prepare = [&](int) {
    Remove(Work("a"));
    WriteRaced("two, longer");
  };
  Race(prepare, {"restore", one, "--force"}, put_in_the_way);
}

TEST_F(Security, Row04ParentSwappedForASymlinkWhileMaterializing) {
  MakeVictim();
  WriteRaced("evil");
  const std::string id = Commit();
  Race([&](int) { MakeFolders(At("out/a")); }, {"materialize", id, At("out")},
       [&] { SwapForLink(At("out/a")); });
}

TEST_F(Security, Row04ParentSwappedForASymlinkWhileRestoring) {
  MakeVictim();
  WriteRaced("one");
  const std::string one = Commit();
  WriteRaced("two, longer");
  Commit();
  const auto prepare = [&](int) {
    if (Exists(Work("a-away"))) Remove(Work("a-away"));
    WriteRaced("two, longer");
  };
  Race(prepare, {"restore", one, "--force"}, [&] { SwapForLink(Work("a")); });
}

TEST_F(Security, Row04ParentSwappedForASymlinkWhileCommitting) {
  // Nothing outside is captured either.
  MakeVictim();
  WriteRaced("inside");
  const auto adversary = [&] { SwapForLink(Work("a")); };
  Race([](int) {}, {"commit"}, adversary);
  const std::string out = Materialize("@");
  for (const auto& [path, node] : ReadTree(out)) EXPECT_NE(node.content, "untouched") << path;
}

// No kernel is asked for openat2: every folder is entered one component at a time, through no link.
// So what other tools need a fallback for is the only way, and tested by the rows above.
TEST_F(Security, Row04NeedsNoOpenat2) {
  for (const auto& file : fs::recursive_directory_iterator(HELIOS_SOURCE_DIR "/src")) {
    if (!file.is_regular_file()) continue;
    EXPECT_EQ(ReadFile(file.path()).find("openat2("), std::string::npos) << file.path();
  }
}

TEST_F(Security, Row09DeletionsStayInTheFolder) {
  MakeVictim();
  Write("keep", "x");
  const std::string empty = Commit();
  WriteRaced("goes");
  Commit();
  const auto prepare = [&](int) {
    if (Exists(Work("a-away"))) Remove(Work("a-away"));
    if (!Exists(Work("a"))) WriteRaced("goes");
    (void)Run({"commit"});
  };
  Race(prepare, {"restore", empty, "--force", "--delete-untracked"},
       [&] { SwapForLink(Work("a")); });
}

TEST_F(Security, Row09TheRootTheStoreAndItsParentsAreNotCleared) {
  Write("file", "x");
  const std::string id = Commit();
  EXPECT_EQ(Run({"restore", "--work", "/", id, "--delete-untracked"}).exit_code, 2);
  EXPECT_EQ(Run({"restore", "--work", store_, id, "--delete-untracked"}).exit_code, 2);
  EXPECT_EQ(Run({"restore", "--work", BackendFolder(), id, "--delete-untracked"}).exit_code, 2);
  // A folder above the store: all may go but that.
  RunOptions above = Options();
  above.cwd = folder_.path();
  const RunResult cleared = RunHelios({"restore", id, "--delete-untracked", "--force"}, above);
  EXPECT_EQ(cleared.exit_code, 0) << cleared;
  EXPECT_EQ(ListFolder(folder_.path()), (std::vector<std::string>{"file", "store"}));
  EXPECT_EQ(RunHelios({"materialize", id, "out"}, above).exit_code, 0);
}

// --- 5: hard links -------------------------------------------------------------------------------

TEST_F(Security, Row05HardLinksReachNeitherOutsideNorIntoTheStore) {
  // Names outside of the workspace are no names of the snapshot's file.
  WriteFile(At("outside"), "shared");
  MakeHardLink(At("outside"), Work("inside"));
  const std::string id = Commit();
  const std::string out = Materialize(id);
  EXPECT_NE(InodeOf(out + "/inside"), InodeOf(At("outside")));
  Write("other", "x");
  RunWell({"restore", id, "--delete-untracked", "--force"});
  EXPECT_EQ(ReadFile(At("outside")), "shared");
}

TEST_F(Security, Row05FilesOfTheStoreAreNotFollowed) {
  Write("file", "x");
  const std::string id = Commit();
  for (const std::string& path : {TestsPacks() ? EssentialFile() : BackendFolder() + "/changes",
                                  store_ + "/operations", store_ + "/helios-store"}) {
    Rename(path, At("moved"));
    MakeLink(At("moved"), path);
    EXPECT_NE(Run({"materialize", id, At("out")}).exit_code, 0) << path;
    Remove(path);
    Rename(At("moved"), path);
  }
  RunWell({"materialize", id, At("out")});
}

// --- 7, 8: names on a terminal, modes ------------------------------------------------------------

TEST_F(Security, Row07ControlCharactersAreQuoted) {
  const std::string before = Commit();
  Write("red\x1b[31m\nline", "x");
  const std::string after = Commit();
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"diff", "--text", before, after},
        {"restore", "--text", "-n", before},
        {"restore", "--text", "no\x1b[31m"}}) {
    const RunResult result = Run(args);
    EXPECT_FALSE(HasControlCharacters(result.out + result.err)) << result;
  }
  const std::string json = RunWell({"diff", before, after}).out;
  EXPECT_EQ(json.find('\x1b'), std::string::npos);
  EXPECT_NE(RunWell({"diff", "-z", before, after}).out.find("red\x1b[31m\nline"),
            std::string::npos);
}

TEST_F(Security, Row08NoBitsNoDevicesNoOtherXattrs) {
  Write("tool", "x");
  SetMode(Work("tool"), 07755);
  ASSERT_EQ(::mkfifo(Work("fifo").c_str(), 0644), 0);
  (void)SetXattr(Work("tool"), "security.helios", "x");  // only where root may
  const std::string out = Materialize(Commit());
  const TreeState tree = ReadTree(out);
  EXPECT_EQ(tree.at("tool").mode, 0755u);
  EXPECT_TRUE(tree.at("tool").xattrs.empty());
  EXPECT_FALSE(tree.contains("fifo"));
}

// --- 10, 13: objects -----------------------------------------------------------------------------

TEST_F(Security, Row10WrongDigestsAreRefused) {
  Write("file", "x");
  Commit();
  TreeEntry entry = FileNamed("evil", "evil");
  entry.id.bytes[0] ^= 1;
  PutAs(entry.id, ObjectKind::kBlob, "evil");
  ExpectRefused(RecordOf(Put(ObjectKind::kTree, EncodedTree({entry})), {1, 4}));
}

TEST_F(Security, Row10SizesAndCountsThatLieAreRefused) {
  Write("file", "x");
  Commit();
  TreeEntry entry = FileNamed("evil", "evil");
  entry.size = 5;
  ExpectRefused(RecordOf(Put(ObjectKind::kTree, EncodedTree({entry})), {1, 5}));
  // Counts and lengths far beyond what is there.
  Bytes tree = EncodedTree({FileNamed("evil", "evil")});
  for (size_t at = 1; at < 4; ++at) {
    Bytes huge = tree;
    huge.replace(at, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    ExpectRefused(RecordOf(Put(ObjectKind::kTree, huge), {1, 4}));
  }
}

TEST_F(Security, Row10DeepNestingNeedsNoDeepStack) {
  Write("file", "x");
  Commit();
  std::vector<Object> deep;
  Bytes below = EncodedTree({FileNamed("leaf", "leaf")});
  for (int depth = 0; depth < 3000; ++depth) {
    TreeEntry folder;
    folder.kind = EntryKind::kDirectory;
    folder.name = "d";
    folder.id = HashObject(ObjectKind::kTree, below);
    folder.below = {1, 4};
    deep.push_back({{ObjectKind::kTree, folder.id}, below});
    below = EncodedTree({folder});
  }
  const auto objects = OpenObjects();
  ASSERT_TRUE(objects && (*objects)->PutMany(deep) && (*objects)->Sync());
  const std::string record = RecordOf(Put(ObjectKind::kTree, below), {1, 4});
  RunOptions options = Options();
  options.limits[RLIMIT_STACK] = 256 << 10;
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"materialize", record, At("out")}, {"diff", "@", record}}) {
    const RunResult result = RunHelios(args, options);
    EXPECT_EQ(result.exit_code, 0) << result;
  }
}

TEST_F(Security, Row13OneKindIsNotTakenForAnother) {
  Write("file", "x");
  Commit();
  // A folder that is a blob: the bytes of a tree, but under the id of a file.
  const Bytes tree = EncodedTree({FileNamed("evil", "evil")});
  TreeEntry folder;
  folder.kind = EntryKind::kDirectory;
  folder.name = "folder";
  folder.id = Put(ObjectKind::kBlob, tree);
  folder.below = {1, 4};
  const std::string record = RecordOf(Put(ObjectKind::kTree, EncodedTree({folder})), {1, 4});
  EXPECT_EQ(Run({"materialize", record, At("out")}).exit_code, 13);
  EXPECT_FALSE(Exists(At("out/folder/evil")));
  // And a file that is a tree.
  TreeEntry file = FileNamed("file", "x");
  file.id = Put(ObjectKind::kTree, tree);
  file.size = tree.size();
  const std::string other = RecordOf(Put(ObjectKind::kTree, EncodedTree({file})), {1, tree.size()});
  EXPECT_EQ(Run({"materialize", other, At("out2")}).exit_code, 13);
}

// --- 11, 12: stores of others, names like options ------------------------------------------------

TEST_F(Security, Row11AStoreOfSomeoneElseIsRefused) {
  if (!Nobody()) GTEST_SKIP() << "only root can give files away";
  Write("file", "x");
  Commit();
  Rename(store_, Work(".helios"));
  SetOwner(Work(".helios"), *Nobody());
  RunOptions options = Options();
  options.env.erase("HELIOS_STORE_DIR");
  const RunResult result = RunHelios({"stats"}, options);
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.ErrorMessage().find("belongs to user"), std::string::npos) << result;
}

TEST_F(Security, Row11NothingOfAStoreOrWorkspaceIsExecuted) {
  Write("file", "x");
  const std::string id = Commit();
  const std::string trap = "#!/bin/sh\ntouch " + At("executed") + "\n";
  for (const char* name :
       {"hooks/pre-commit", "hooks/post-commit", "hooks/post-restore", "config"}) {
    for (const std::string& folder : {store_, work_, Work(".helios-hooks")}) {
      WriteFile(folder + "/" + name, trap);
      SetMode(folder + "/" + name, 0755);
    }
  }
  Commit();
  RunWell({"restore", id, "--force", "--delete-untracked"});
  RunWell({"materialize", id, At("out")});
  RunWell({"stats"});
  EXPECT_FALSE(Exists(At("executed")));
}

TEST_F(Security, Row12NamesThatLookLikeOptionsAreNames) {
  Write("--force", "x");
  Write("-n", "y");
  const std::string id = Commit();
  RunWell({"materialize", id, At("--out"), "--include", "--force"});
  EXPECT_EQ(ListFolder(At("--out")), std::vector<std::string>{"--force"});
  Write("-n", "changed");
  RunWell({"restore", "--force", "--", id, "-n"});
  EXPECT_EQ(ReadFile(Work("-n")), "y");
  EXPECT_EQ(Run({"tag", "--", "--delete"}).exit_code, 2);
  EXPECT_EQ(Run({"restore", "--", "--force"}).exit_code, 1);
}

// --- 14: secrets ---------------------------------------------------------------------------------

TEST_F(Security, Row14TheStoreIsItsOwnersAlone) {
  RunOptions options = Options();
  options.umask = 0;
  Write("secret", "x");
  ASSERT_EQ(RunHelios({"commit"}, options).exit_code, 0);
  ASSERT_EQ(RunHelios({"tag", "v1"}, options).exit_code, 0);
  for (const auto& [path, node] : ReadTree(store_)) {
    // RocksDB leaves modes to the user's mask; the folder that its files lie in is closed.
    if (path.starts_with("rocksdb/db/")) continue;
    EXPECT_EQ(node.mode & 077u, 0u) << path;
  }
}

TEST_F(Security, Row14NoContentsAndNoPathsInFigures) {
  Write("secret-name", "secret-content");
  RunWell({"commit", "-m", "secret-message"});
  RunWell({"restore", "@"});
  std::string told = ReadFile(store_ + "/statistics");
  for (const char* form : {"--json", "--text", "--prometheus"}) {
    const RunResult result = Run({"stats", form});
    if (result.exit_code == 0) told += result.out;
  }
  EXPECT_EQ(told.find("secret"), std::string::npos);
}

// --- 15: exhaustion ------------------------------------------------------------------------------

TEST_F(Security, Row15FewDescriptorsAreEnough) {
  for (int i = 0; i < 300; ++i) Write("d" + std::to_string(i) + "/e/f", std::to_string(i));
  RunOptions options = Options();
  options.limits[RLIMIT_NOFILE] = 64;
  const RunResult commit = RunHelios({"commit", "-j", "4"}, options);
  ASSERT_EQ(commit.exit_code, 0) << commit;
  const std::string id = commit.Object()["snapshot_id"];
  const RunResult written = RunHelios({"materialize", id, At("out"), "-j", "4"}, options);
  ASSERT_EQ(written.exit_code, 0) << written;
  EXPECT_EQ(Difference(ReadTree(work_), ReadTree(At("out"))), "");
}

TEST_F(Security, Row15TreesDeeperThanAnyPath) {
  // 300 levels of 100 bytes: seven times what a path may have.
  const std::string name(100, 'd');
  int at = ::open(work_.c_str(), O_RDONLY | O_DIRECTORY);
  for (int depth = 0; depth < 300; ++depth) {
    ASSERT_EQ(::mkdirat(at, name.c_str(), 0755), 0);
    const int below = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY);
    ::close(at);
    at = below;
  }
  const int file = ::openat(at, "file", O_WRONLY | O_CREAT, 0644);
  ASSERT_EQ(::write(file, "deep", 4), 4);
  ::close(file);
  ::close(at);
  ExpectGives(Commit(), ReadTree(work_));
}

TEST_F(Security, Row15ManyFiles) {
  constexpr int kFiles = 100'000;
  // In memory: it is not the disk that is looked at.
  const TemporaryFolder memory(::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "");
  const std::string work = memory.path() + "/work";
  const std::string out = memory.path() + "/out";
  MakeFolders(work + "/many");
  const int folder = ::open((work + "/many").c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < kFiles; ++i) {
    const int fd = ::openat(folder, std::to_string(i).c_str(), O_WRONLY | O_CREAT, 0644);
    ASSERT_GE(fd, 0);
    ::close(fd);
  }
  ::close(folder);
  const RunResult commit = RunWell({"commit", "--work", work});
  EXPECT_EQ(commit.Object()["files"], kFiles);
  const RunResult written = RunWell({"materialize", commit.Object()["snapshot_id"], out});
  EXPECT_EQ(written.Object()["written"]["files"], kFiles);
  EXPECT_EQ(ListFolder(out + "/many").size(), static_cast<size_t>(kFiles));
}

}  // namespace
}  // namespace helios

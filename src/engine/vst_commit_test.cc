// Durable commits of working sets in memory: what they write, what they leave, who wins.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <map>
#include <thread>

#include "helios/engine.h"
#include "store/decorators.h"
#include "store/testing.h"

namespace helios {
namespace {

namespace fs = std::filesystem;
using test::Fails;
using test::Ok;
using test::Random;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

constexpr int kRacers = 16;

TreePath P(std::string_view text) { return TreePath::Parse(text).value(); }

// What was asked of a store, and what it is to refuse.
struct Watch {
  std::atomic<int> puts = 0;
  std::atomic<int> batches = 0;
  std::atomic<int> syncs = 0;
  std::atomic<bool> fails = false;
};

class WatchedStore : public ForwardingStore {
 public:
  WatchedStore(std::unique_ptr<ObjectStore> inner, Watch* watch)
      : ForwardingStore(std::move(inner)), watch_(watch) {}

  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override {
    ++watch_->batches;
    HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectBatch> batch, inner().OpenBatch());
    return std::unique_ptr<ObjectBatch>(std::make_unique<Batch>(std::move(batch), watch_));
  }
  Result<void> Sync() override {
    ++watch_->syncs;
    return inner().Sync();
  }

 private:
  class Batch : public ObjectBatch {
   public:
    Batch(std::unique_ptr<ObjectBatch> inner, Watch* watch)
        : inner_(std::move(inner)), watch_(watch) {}
    Result<void> Put(const ObjectKey& key, ByteView bytes) override {
      ++watch_->puts;
      return inner_->Put(key, bytes);
    }
    Result<void> Publish() override {
      if (watch_->fails) return Error(ErrorCode::kNoSpace, "the disk is full");
      return inner_->Publish();
    }

   private:
    std::unique_ptr<ObjectBatch> inner_;
    Watch* watch_;
  };

  Watch* watch_;
};

using Files = std::map<std::string, std::string>;

class VstCommitTest : public ::testing::Test {
 protected:
  VstCommitTest() : engine_(Open(folder_ / "store")) {}

  std::unique_ptr<Engine> Open(const std::string& store) {
    Backend backend = PackBackend();
    backend.open = [this, open = backend.open](
                       const std::string& folder,
                       const OpenOptions& how) -> Result<std::unique_ptr<ObjectStore>> {
      HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> inner, open(folder, how));
      return std::unique_ptr<ObjectStore>(
          std::make_unique<WatchedStore>(std::move(inner), &watch_));
    };
    EngineOptions options;
    options.store = store;
    options.backends = {backend};
    options.create_with = "pack";
    options.threads = 2;
    Result<std::unique_ptr<Engine>> engine = Engine::Open(options);
    EXPECT_TRUE(Ok(engine));
    return engine ? std::move(engine).value() : nullptr;
  }
  void Reopen() {
    engine_.reset();
    engine_ = Open(folder_ / "store");
  }

  Workspace Work() const {
    Workspace work;
    work.path = folder_ / "work";
    return work;
  }
  Vst New() { return std::move(engine_->NewVst()).value(); }
  Vst OpenVst(const std::string& id) {
    Result<Vst> vst = engine_->OpenVst(id);
    EXPECT_TRUE(Ok(vst)) << id;
    return vst ? std::move(vst).value() : Vst();
  }
  Result<VstCommitReport> TryCommit(Vst& vst, const std::string& branch = "",
                                    const std::string& message = "") {
    VstCommitRequest request;
    request.branch = branch;
    request.message = message;
    return engine_->CommitVst(vst, request);
  }
  VstCommitReport Commit(Vst& vst, const std::string& branch = "",
                         const std::string& message = "") {
    const Result<VstCommitReport> report = TryCommit(vst, branch, message);
    EXPECT_TRUE(Ok(report));
    return report ? *report : VstCommitReport();
  }
  static void Write(Vst& vst, std::string_view path, std::string_view content) {
    EXPECT_TRUE(Ok(vst.Write(P(path), content))) << path;
  }

  // Every file of a working set, with its content.
  static Files ReadAll(const Vst& vst) {
    Files files;
    std::vector<TreePath> folders{TreePath()};
    while (!folders.empty()) {
      const TreePath folder = folders.back();
      folders.pop_back();
      const Result<std::vector<VstEntry>> entries = vst.List(folder);
      EXPECT_TRUE(Ok(entries));
      if (!entries) return files;
      for (const VstEntry& entry : *entries) {
        const TreePath path = folder.Child(entry.name);
        if (entry.kind == VstEntry::Kind::kDirectory) {
          folders.push_back(path);
        } else {
          const Result<std::shared_ptr<const Bytes>> content = vst.Read(path);
          EXPECT_TRUE(Ok(content)) << path.text();
          if (content) files[path.text()] = **content;
        }
      }
    }
    return files;
  }

  TempFolder folder_;
  Watch watch_;
  std::unique_ptr<Engine> engine_;
};

// ---- What is there afterwards ----

TEST_F(VstCommitTest, IsReadBackByAnotherEngine) {
  Vst vst = New();
  const std::string large = RandomBytes(5 << 20, 1);
  Write(vst, "a/b/c", "content");
  Write(vst, "large", large);
  ASSERT_TRUE(Ok(vst.WriteSymlink(P("link"), "a/b/c")));
  ASSERT_TRUE(Ok(vst.Write(P("run"), "#!/bin/sh\n", true)));
  ASSERT_TRUE(Ok(vst.MakeDirectory(P("empty"))));
  const SnapshotId speculative = vst.Commit().value();
  const VstCommitReport report = Commit(vst);
  EXPECT_EQ(report.snapshot, speculative);
  EXPECT_EQ(report.files, 4u);
  Reopen();
  for (const std::string& id : {FormatId(report.snapshot), FormatId(report.record)}) {
    const Vst back = OpenVst(id);
    EXPECT_EQ(**back.Read(P("a/b/c")), "content");
    EXPECT_EQ(**back.Read(P("large")), large);
    EXPECT_EQ(back.Stat(P("link"))->value().target, "a/b/c");
    EXPECT_EQ(back.Stat(P("run"))->value().kind, VstEntry::Kind::kExecutable);
    EXPECT_EQ(back.Stat(P("empty"))->value().kind, VstEntry::Kind::kDirectory);
  }
}

TEST_F(VstCommitTest, EmptyWorkingSetCanBeCommitted) {
  Vst vst = New();
  const VstCommitReport report = Commit(vst, "main");
  EXPECT_FALSE(report.unchanged);
  Reopen();
  EXPECT_TRUE(ReadAll(OpenVst("main")).empty());
}

TEST_F(VstCommitTest, HistoryIsAChainOfRecords) {
  Vst vst = New();
  for (const char* content : {"1", "2", "3"}) {
    Write(vst, "f", content);
    Commit(vst, "main");
  }
  Reopen();
  EXPECT_EQ(ReadAll(OpenVst("main"))["f"], "3");
  EXPECT_EQ(ReadAll(OpenVst("main~1"))["f"], "2");
  EXPECT_EQ(ReadAll(OpenVst("heads/main~2"))["f"], "1");
  EXPECT_TRUE(Fails(engine_->OpenVst("main~3"), ErrorCode::kNotFound, "main~3"));
}

TEST_F(VstCommitTest, ForksInheritTheirParent) {
  Vst vst = New();
  Write(vst, "f", "base");
  Commit(vst);
  Vst one = vst.Fork();
  Vst other = vst.Fork();
  Write(one, "f", "one");
  Write(other, "f", "other");
  for (Vst* fork : {&one, &other}) {
    const VstCommitReport report = Commit(*fork);
    EXPECT_EQ(ReadAll(OpenVst(FormatId(report.record) + "~1"))["f"], "base");
  }
}

TEST_F(VstCommitTest, BranchesAndTagsAreListedAndTaggable) {
  Vst vst = New();
  Write(vst, "f", "1");
  const VstCommitReport first = Commit(vst, "work/one");
  TagRequest tag;
  tag.name = "v1";
  tag.id = "work/one";
  ASSERT_TRUE(Ok(engine_->Tag(tag)));
  Write(vst, "f", "2");
  const VstCommitReport second = Commit(vst, "work/one");
  const Result<std::vector<NamedRecord>> refs = engine_->ListRefs();
  ASSERT_TRUE(Ok(refs));
  ASSERT_EQ(refs->size(), 2u);
  EXPECT_EQ((*refs)[0].name, "heads/work/one");
  EXPECT_EQ((*refs)[0].record, second.record);
  EXPECT_EQ((*refs)[1].name, "tags/v1");
  EXPECT_EQ((*refs)[1].record, first.record);
  EXPECT_FALSE(fs::exists(folder_ / "store/refs/heads"));
}

TEST_F(VstCommitTest, RefusesWhatNoBranchMayBeCalled) {
  Vst vst = New();
  for (const char* name : {"heads/main", "tags/v1", "a b", "../up", "-x", "abcd", "x.lock"}) {
    EXPECT_TRUE(Fails(TryCommit(vst, name), ErrorCode::kInvalidArgument, name)) << name;
  }
  EXPECT_TRUE(Fails(TryCommit(vst, "", std::string(70'000, 'm')), ErrorCode::kInvalidArgument, ""));
}

TEST_F(VstCommitTest, UnchangedMakesNoRecord) {
  Vst vst = New();
  Write(vst, "f", "1");
  const VstCommitReport first = Commit(vst, "main");
  const int syncs = watch_.syncs;
  Write(vst, "f", "2");
  Write(vst, "f", "1");
  for (const char* branch : {"main", ""}) {
    const VstCommitReport again = Commit(vst, branch);
    EXPECT_TRUE(again.unchanged);
    EXPECT_EQ(again.record, first.record);
    EXPECT_EQ(again.new_objects, 0u);
  }
  EXPECT_EQ(watch_.syncs, syncs);
  // Something to say is a record of its own.
  EXPECT_FALSE(Commit(vst, "main", "as before").unchanged);
  // A branch can begin where another stands.
  Vst opened = OpenVst("main~1");
  EXPECT_TRUE(Commit(opened, "second").unchanged);
  Reopen();
  EXPECT_EQ(ReadAll(OpenVst("second")), (Files{{"f", "1"}}));
  Vst late = OpenVst("second");
  EXPECT_TRUE(Fails(TryCommit(late, "main"), ErrorCode::kStale, "\"main\""));
}

// ---- What is written ----

TEST_F(VstCommitTest, WritesExactlyWhatTheStoreLacks) {
  Vst vst = New();
  for (int i = 0; i < 1000; ++i) Write(vst, "d/f" + std::to_string(i), std::to_string(i));
  const VstCommitReport first = Commit(vst);
  EXPECT_EQ(static_cast<uint64_t>(watch_.puts), first.new_objects);
  EXPECT_EQ(first.reused_objects, 0u);
  const int puts = watch_.puts;
  // Three speculative states, of which one becomes durable: blob, page, top page, root, record.
  for (const char* content : {"x", "y", "z"}) {
    Write(vst, "d/f500", content);
    ASSERT_TRUE(Ok(vst.Commit()));
  }
  const VstCommitReport second = Commit(vst);
  EXPECT_EQ(second.new_objects, 5u);
  EXPECT_EQ(second.reused_objects, 0u);
  EXPECT_EQ(watch_.puts, puts + 5);
  // What another working set wrote meanwhile is asked for and not written again.
  Vst other = New();
  for (int i = 0; i < 1000; ++i) Write(other, "d/f" + std::to_string(i), std::to_string(i));
  const VstCommitReport third = Commit(other, "", "again");
  EXPECT_EQ(third.new_objects, 1u);
  EXPECT_EQ(third.reused_objects, first.new_objects - 1);
  EXPECT_EQ(watch_.puts, puts + 6);
}

TEST_F(VstCommitTest, ForkKnowsWhatTheOtherCommitted) {
  Vst vst = New();
  for (int i = 0; i < 300; ++i) Write(vst, "f" + std::to_string(i), std::to_string(i));
  Vst fork = vst.Fork();
  ASSERT_TRUE(Ok(vst.Commit()));
  Vst sealed_fork = vst.Fork();
  Commit(vst);
  Write(sealed_fork, "f7", "changed");
  EXPECT_EQ(Commit(sealed_fork).reused_objects, 0u);
  // Pages that it made itself it must ask for; contents it shares.
  Write(fork, "f8", "changed too");
  EXPECT_EQ(Commit(fork).new_objects, 4u);
}

TEST_F(VstCommitTest, LargeFileSharesItsChunks) {
  Vst vst = New();
  std::string content = RandomBytes(9 << 20, 3);
  Write(vst, "big", content);
  const VstCommitReport first = Commit(vst);
  EXPECT_GT(first.new_objects, 8u);
  content[4'500'000] = static_cast<char>(content[4'500'000] ^ 1);
  Write(vst, "big", content);
  const VstCommitReport second = Commit(vst);
  EXPECT_LE(second.new_objects, 6u);  // one or two chunks, manifest, root, record
  EXPECT_LT(second.new_bytes, 5u << 20);
  Reopen();
  EXPECT_EQ(ReadAll(OpenVst(FormatId(second.record)))["big"], content);
}

TEST_F(VstCommitTest, DeepTreeNeedsNoStack) {
  Vst vst = New();
  std::string path;
  for (int i = 0; i < 20'000; ++i) path += "d/";
  Write(vst, path + "f", "deep");
  const VstCommitReport report = Commit(vst);
  EXPECT_EQ(report.new_objects, 20'003u);
  Vst back = OpenVst(FormatId(report.record));
  EXPECT_EQ(**back.Read(P(path + "f")), "deep");
  Write(back, path + "f", "changed");
  EXPECT_EQ(Commit(back).new_objects, 20'003u);
}

TEST_F(VstCommitTest, OneCommitIsOnePackOneFolderSyncAndOneEntry) {
  Vst vst = New();
  Write(vst, "f", "0");
  Commit(vst, "main");
  for (int i = 1; i < 10; ++i) {
    const int batches = watch_.batches, syncs = watch_.syncs;
    Write(vst, "f", std::to_string(i));
    Commit(vst, "main");
    EXPECT_EQ(watch_.batches, batches + 1);
    EXPECT_EQ(watch_.syncs, syncs + 1);
  }
}

TEST_F(VstCommitTest, EmptyFoldersReachEveryStore) {
  // All empty folders of a process are one page in memory, whatever store they are for.
  Vst vst = New();
  ASSERT_TRUE(Ok(vst.MakeDirectory(P("empty"))));
  Commit(vst);
  const std::unique_ptr<Engine> other = Open(folder_ / "other");
  Vst there = std::move(other->NewVst()).value();
  ASSERT_TRUE(Ok(there.MakeDirectory(P("empty"))));
  const Result<VstCommitReport> report = other->CommitVst(there, {});
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->new_objects, 3u);
  const Result<Vst> back = other->OpenVst(FormatId(report->snapshot));
  ASSERT_TRUE(Ok(back));
  EXPECT_TRUE(Ok(back->List(P("empty"))));
}

TEST_F(VstCommitTest, WorkingSetOfAnotherEngineIsRefused) {
  const std::unique_ptr<Engine> other = Open(folder_ / "other");
  Vst theirs = std::move(other->NewVst()).value();
  Vst nobodys;
  for (Vst* vst : {&theirs, &nobodys}) {
    Write(*vst, "f", "1");
    EXPECT_TRUE(Fails(TryCommit(*vst), ErrorCode::kInvalidArgument, "not made by this engine"));
    EXPECT_EQ(ReadAll(*vst), (Files{{"f", "1"}}));
  }
  EXPECT_TRUE(Ok(other->CommitVst(theirs, {})));
}

TEST_F(VstCommitTest, FailedCommitLeavesTheWorkingSetUsable) {
  Vst vst = New();
  Write(vst, "f", "1");
  watch_.fails = true;
  EXPECT_TRUE(Fails(TryCommit(vst, "main"), ErrorCode::kNoSpace, "the disk is full"));
  EXPECT_EQ(ReadAll(vst), (Files{{"f", "1"}}));
  watch_.fails = false;
  EXPECT_TRUE(Fails(engine_->OpenVst("main"), ErrorCode::kNotFound, "main"));
  const VstCommitReport report = Commit(vst, "main");
  EXPECT_EQ(report.new_objects, 3u);
  Reopen();
  EXPECT_EQ(ReadAll(OpenVst("main")), (Files{{"f", "1"}}));
}

// ---- Branches ----

TEST_F(VstCommitTest, StaleLoserKeepsItsFork) {
  Vst base = New();
  Write(base, "f", "base");
  Commit(base, "main");
  Vst winner = base.Fork();
  Vst loser = base.Fork();
  Write(winner, "winner", "w");
  Write(loser, "loser", "l");
  Commit(winner, "main");
  const SnapshotId before = loser.Commit().value();
  EXPECT_TRUE(Fails(TryCommit(loser, "main"), ErrorCode::kStale, "\"main\""));
  EXPECT_EQ(loser.Commit().value(), before);
  EXPECT_EQ(ReadAll(loser), (Files{{"f", "base"}, {"loser", "l"}}));
  // It can still be kept, on a branch of its own, or be done again.
  Vst kept = loser.Fork();
  Commit(kept, "kept");
  Vst again = OpenVst("main");
  Write(again, "loser", **loser.Read(P("loser")));
  Commit(again, "main");
  Reopen();
  EXPECT_EQ(ReadAll(OpenVst("main")), (Files{{"f", "base"}, {"loser", "l"}, {"winner", "w"}}));
  EXPECT_EQ(ReadAll(OpenVst("kept")), (Files{{"f", "base"}, {"loser", "l"}}));
}

TEST_F(VstCommitTest, StaleLargeCommitWritesNothing) {
  Vst first = New();
  Commit(first, "main");
  Vst second = New();
  Write(second, "large", RandomBytes(6 << 20, 1));
  const int puts = watch_.puts;
  EXPECT_TRUE(Fails(TryCommit(second, "main"), ErrorCode::kStale, "\"main\""));
  EXPECT_EQ(watch_.puts, puts);
}

TEST_F(VstCommitTest, NewWorkingSetDoesNotOverwriteABranch) {
  Vst first = New();
  Commit(first, "main");
  Vst second = New();
  Write(second, "f", "2");
  EXPECT_TRUE(Fails(TryCommit(second, "main"), ErrorCode::kStale, "\"main\""));
}

TEST_F(VstCommitTest, SixteenRacersOnOneBranchGiveSixteenWinners) {
  Vst start = New();
  Commit(start, "main");
  std::atomic<int> wins = 0;
  std::atomic<int> errors = 0;
  std::vector<std::thread> racers;
  for (int racer = 0; racer < kRacers; ++racer) {
    racers.emplace_back([&, racer] {
      for (bool won = false; !won && errors == 0;) {
        Result<Vst> vst = engine_->OpenVst("main");
        if (!vst || !vst->Write(P("racer" + std::to_string(racer)), "x")) ++errors;
        if (errors > 0) return;
        const Result<VstCommitReport> report = TryCommit(*vst, "main");
        won = report.has_value();
        if (!won && report.error().code() != ErrorCode::kStale) ++errors;
      }
      ++wins;
    });
  }
  for (std::thread& racer : racers) racer.join();
  ASSERT_EQ(errors, 0);
  EXPECT_EQ(wins, kRacers);
  Reopen();
  EXPECT_EQ(ReadAll(OpenVst("main")).size(), size_t{kRacers});
  // Each upon another's: as many records as winners.
  EXPECT_TRUE(ReadAll(OpenVst("main~" + std::to_string(kRacers))).empty());
  EXPECT_FALSE(engine_->OpenVst("main~" + std::to_string(kRacers + 1)));
}

TEST_F(VstCommitTest, SixteenThreadsCommitSixteenTimesOnBranchesOfTheirOwn) {
  Vst start = New();
  for (int i = 0; i < 200; ++i) Write(start, "f" + std::to_string(i), std::to_string(i));
  Commit(start, "start");
  const int syncs = watch_.syncs;
  std::atomic<int> errors = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kRacers; ++thread) {
    threads.emplace_back([&, thread, vst = start.Fork()]() mutable {
      for (int round = 0; round < kRacers; ++round) {
        const std::string name = std::to_string(thread) + "." + std::to_string(round);
        if (!vst.Write(P("f" + std::to_string(round)), name)) ++errors;
        if (!TryCommit(vst, "b" + std::to_string(thread))) ++errors;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(errors, 0);
  EXPECT_LT(watch_.syncs - syncs, kRacers * kRacers);  // how few depends on the machine
  Reopen();
  for (int thread = 0; thread < kRacers; ++thread) {
    const std::string branch = "b" + std::to_string(thread);
    const Files files = ReadAll(OpenVst(branch));
    for (int round = 0; round < kRacers; ++round) {
      EXPECT_EQ(files.at("f" + std::to_string(round)),
                std::to_string(thread) + "." + std::to_string(round));
    }
    EXPECT_EQ(ReadAll(OpenVst(branch + "~16")).at("f0"), "0");
  }
}

TEST_F(VstCommitTest, SecondEngineSeesAndRacesTheFirst) {
  Vst mine = New();
  Write(mine, "f", "1");
  Commit(mine, "main");
  const std::unique_ptr<Engine> other = Open(folder_ / "store");
  Result<Vst> theirs = other->OpenVst("main");
  ASSERT_TRUE(Ok(theirs));
  ASSERT_TRUE(Ok(theirs->Write(P("f"), "2")));
  VstCommitRequest request;
  request.branch = "main";
  ASSERT_TRUE(Ok(other->CommitVst(*theirs, request)));
  Write(mine, "f", "mine");
  EXPECT_TRUE(Fails(TryCommit(mine, "main"), ErrorCode::kStale, "\"main\""));
  Vst again = OpenVst("main");
  Write(again, "f", "3");
  Commit(again, "main");
  EXPECT_EQ(ReadAll(OpenVst("main~1"))["f"], "2");
}

// ---- On disk ----

TEST_F(VstCommitTest, RestoreLeavesAloneWhatIsRightAndGivesNewFilesDefaultModes) {
  const Workspace work = Work();
  fs::create_directory(work.path);
  WriteWholeFile(work.path + "/same", "same");
  WriteWholeFile(work.path + "/changes", "before");
  WriteWholeFile(work.path + "/becomes_executable", "#!/bin/sh\n");
  WriteWholeFile(work.path + "/goes", "goes");
  ::chmod((work.path + "/same").c_str(), 0640);
  struct stat before {};
  ASSERT_EQ(::stat((work.path + "/same").c_str(), &before), 0);
  CommitRequest commit;
  commit.workspace = work;
  ASSERT_TRUE(Ok(engine_->Commit(commit)));

  Result<Vst> vst = engine_->OpenVst("@", work);
  ASSERT_TRUE(Ok(vst));
  Write(*vst, "changes", "after");
  Write(*vst, "sub/new", "new");
  ASSERT_TRUE(Ok(vst->Write(P("becomes_executable"), "#!/bin/sh\n", true)));
  ASSERT_TRUE(Ok(vst->WriteSymlink(P("link"), "same")));
  ASSERT_TRUE(Ok(vst->Remove(P("goes"))));
  const VstCommitReport report = Commit(*vst, "main");

  const mode_t umask = ::umask(022);
  RestoreRequest restore;
  restore.workspace = work;
  restore.id = "main";
  const Result<RestoreReport> restored = engine_->Restore(restore);
  ::umask(umask);
  ASSERT_TRUE(Ok(restored));
  EXPECT_EQ(restored->snapshot, report.snapshot);
  EXPECT_EQ(restored->written.failed, 0u);
  EXPECT_EQ(ReadWholeFile(work.path + "/changes"), "after");
  EXPECT_EQ(fs::read_symlink(work.path + "/link"), "same");
  EXPECT_FALSE(fs::exists(work.path + "/goes"));
  struct stat after {};
  ASSERT_EQ(::stat((work.path + "/same").c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  const auto mode_of = [&](const std::string& name) {
    struct stat status {};
    EXPECT_EQ(::stat((work.path + "/" + name).c_str(), &status), 0) << name;
    return status.st_mode & 07777;
  };
  EXPECT_EQ(mode_of("sub/new"), 0644u);
  EXPECT_EQ(mode_of("sub"), 0755u);
  EXPECT_EQ(mode_of("becomes_executable"), 0755u);

  // Once more there is nothing to do; then the folder's own commit knows modes and times again.
  const Result<RestoreReport> again = engine_->Restore(restore);
  ASSERT_TRUE(Ok(again));
  EXPECT_EQ(again->created + again->replaced + again->deleted + again->written.files, 0u);
  const Result<CommitReport> own = engine_->Commit(commit);
  ASSERT_TRUE(Ok(own));
  EXPECT_EQ(own->snapshot, report.snapshot);
  EXPECT_FALSE(own->unchanged);
  EXPECT_NE(own->record, report.record);
  const Result<CommitReport> unchanged = engine_->Commit(commit);
  ASSERT_TRUE(Ok(unchanged));
  EXPECT_TRUE(unchanged->unchanged);
}

TEST_F(VstCommitTest, RestoreWithoutAttributesKeepsTheModeOfAReadOnlyFolder) {
  const Workspace work = Work();
  fs::create_directories(work.path + "/locked");
  WriteWholeFile(work.path + "/locked/f", "before");
  ::chmod((work.path + "/locked").c_str(), 0555);
  CommitRequest commit;
  commit.workspace = work;
  ASSERT_TRUE(Ok(engine_->Commit(commit)));
  Result<Vst> vst = engine_->OpenVst("@", work);
  ASSERT_TRUE(Ok(vst));
  Write(*vst, "locked/f", "after");
  Commit(*vst, "main");
  RestoreRequest restore;
  restore.workspace = work;
  restore.id = "main";
  ASSERT_TRUE(Ok(engine_->Restore(restore)));
  EXPECT_EQ(ReadWholeFile(work.path + "/locked/f"), "after");
  struct stat status {};
  ASSERT_EQ(::stat((work.path + "/locked").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0555u);
  ::chmod((work.path + "/locked").c_str(), 0755);
}

TEST_F(VstCommitTest, CommitOfAWorkspaceIsOpenedAndDiffed) {
  const Workspace work = Work();
  fs::create_directory(work.path);
  WriteWholeFile(work.path + "/f", "disk");
  CommitRequest commit;
  commit.workspace = work;
  ASSERT_TRUE(Ok(engine_->Commit(commit)));
  Result<Vst> vst = engine_->OpenVst("@", work);
  ASSERT_TRUE(Ok(vst));
  Write(*vst, "f", "memory");
  Commit(*vst, "main");
  DiffRequest diff;
  diff.from = "main~1";
  diff.to = "main";
  const Result<DiffReport> report = engine_->Diff(diff);
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->changed, 1u);
  // The folder itself has not moved.
  Result<Vst> at = engine_->OpenVst("@", work);
  ASSERT_TRUE(Ok(at));
  EXPECT_EQ(ReadAll(*at), (Files{{"f", "disk"}}));
}

TEST_F(VstCommitTest, DoctorCountsBranchesAndMissesTheirRecords) {
  Vst vst = New();
  Write(vst, "f", "1");
  Commit(vst, "main");
  const auto refs = [&] {
    EngineOptions options;
    options.store = folder_ / "store";
    options.backends = {PackBackend()};
    const Result<HealthReport> report = Engine::CheckHealth(options, Work());
    EXPECT_TRUE(Ok(report));
    for (const HealthCheck& check : report->checks) {
      if (check.name == "refs") return check;
    }
    return HealthCheck();
  };
  EXPECT_TRUE(refs().ok);
  EXPECT_EQ(refs().message, "1 ref");
  for (const std::string& pack : test::PacksIn(folder_ / "store/pack")) {
    fs::remove(folder_ / ("store/pack/" + pack));
  }
  EXPECT_FALSE(refs().ok);
  EXPECT_NE(refs().message.find("heads/main"), std::string::npos) << refs().message;
}

// ---- Figures ----

TEST_F(VstCommitTest, IsCountedAtTheLatestWhenTheEngineIsClosed) {
  Vst vst = New();
  uint64_t objects = 0;
  for (int i = 0; i < 5; ++i) {
    Write(vst, "f", std::to_string(i));
    objects += Commit(vst, "main").new_objects;
  }
  Reopen();
  const Result<StatisticsReport> statistics = engine_->Statistics();
  ASSERT_TRUE(Ok(statistics));
  EXPECT_EQ(statistics->all[Counter::kCommits], 5u);
  EXPECT_EQ(statistics->all[Counter::kNewObjects], objects);
  EXPECT_EQ(statistics->all[Latency::kCommit].count, 5u);
  EXPECT_EQ(statistics->operations, 5u);
  EXPECT_EQ(statistics->snapshots, 5u);
}

TEST_F(VstCommitTest, PacksAreMergedNowAndThen) {
  Vst vst = New();
  for (int i = 0; i < 200; ++i) {
    Write(vst, "f", std::to_string(i));
    Commit(vst, "main");
  }
  EXPECT_LT(test::PacksIn(folder_ / "store/pack").size(), 50u);
}

// ---- Against a model ----

// A state in memory and what it must hold.
struct Modelled {
  Vst vst;
  Files files;
};

class VstHistoryTest : public VstCommitTest, public ::testing::WithParamInterface<uint64_t> {
 protected:
  std::string RandomPath() {
    std::string path;
    for (size_t depth = random_.Below(3); depth > 0; --depth) {
      path += "d" + std::to_string(random_.Below(3)) + "/";
    }
    return path + "f" + std::to_string(random_.Below(40));
  }
  void Change(Modelled& state) {
    const std::string path = RandomPath();
    if (random_.Below(4) == 0) {
      EXPECT_EQ(state.vst.Remove(P(path)).has_value(), state.files.erase(path) == 1);
      return;
    }
    const size_t size = random_.Below(50) == 0 ? (3u << 20) : random_.Below(200);
    const std::string content = RandomBytes(size, random_.Next());
    Write(state.vst, path, content);
    state.files[path] = content;
  }
  // After a durable commit all of it is in the store: an engine that knows nothing reads it back.
  void CommitDurably(Modelled& state) {
    std::string branch;
    if (random_.Below(2) == 0) branch = "b" + std::to_string(random_.Below(4));
    const Result<VstCommitReport> report = TryCommit(state.vst, branch);
    if (!report) {
      ASSERT_TRUE(Fails(report, ErrorCode::kStale, branch));
      ASSERT_EQ(ReadAll(state.vst), state.files);
      return;
    }
    if (!branch.empty()) durable_["heads/" + branch] = state.files;
    durable_[FormatId(report->record)] = state.files;
    const std::unique_ptr<Engine> fresh = Open(folder_ / "store");
    const Result<Vst> back = fresh->OpenVst(FormatId(report->record));
    ASSERT_TRUE(Ok(back));
    ASSERT_EQ(ReadAll(*back), state.files);
  }

  // What a state is on disk.
  Files Materialize(Modelled& state) {
    const std::string out = folder_ / "out";
    fs::remove_all(out);
    EXPECT_TRUE(Ok(state.vst.Materialize(out)));
    Files files;
    for (const auto& item : fs::recursive_directory_iterator(out)) {
      const std::string path = item.path().string().substr(out.size() + 1);
      if (!item.is_directory()) files[path] = ReadWholeFile(item.path().string());
    }
    return files;
  }

  Random random_{GetParam()};
  std::map<std::string, Files> durable_;  // by id
};

TEST_P(VstHistoryTest, OfDurableAndSpeculativeCommitsIsWhatAMapSays) {
  std::vector<Modelled> states;
  states.push_back({New(), {}});
  for (int step = 0; step < 250; ++step) {
    Modelled& state = states[random_.Below(states.size())];
    const size_t action = random_.Below(20);
    if (action < 11) {
      Change(state);
    } else if (action < 14) {
      ASSERT_TRUE(Ok(state.vst.Commit()));
    } else if (action < 16) {
      CommitDurably(state);
      if (HasFatalFailure()) return;
    } else if (action < 18) {
      states.push_back({state.vst.Fork(), state.files});
    } else if (action == 18 && !durable_.empty()) {
      const auto at =
          std::next(durable_.begin(), static_cast<ptrdiff_t>(random_.Below(durable_.size())));
      states.push_back({OpenVst(at->first), at->second});
    } else if (states.size() > 1) {
      ASSERT_EQ(ReadAll(state.vst), state.files);
      ASSERT_EQ(Materialize(state), state.files);
      std::swap(state, states.back());
      states.pop_back();
    }
    if (step % 100 == 99) {  // what is in memory goes with its engine
      states.clear();
      Reopen();
      states.push_back({New(), {}});
    }
  }
  for (const auto& [id, files] : durable_) {
    const Vst vst = OpenVst(id);
    ASSERT_EQ(ReadAll(vst), files) << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, VstHistoryTest, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace helios

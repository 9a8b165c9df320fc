// Collections against a model, beside others who work, and killed: what stays is whole, the rest is
// gone.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <map>
#include <set>
#include <thread>

#include "helios/engine.h"
#include "history/operation_log.h"
#include "store/lease_table.h"
#include "store/store_epoch.h"
#include "store/store_root.h"
#include "store/testing.h"
#include "vst/reachable.h"

namespace helios {
namespace {

namespace fs = std::filesystem;
using test::Fails;
using test::ListKeys;
using test::Ok;
using test::OpenPacks;
using test::Processes;
using test::Random;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

TreePath P(std::string_view text) { return TreePath::Parse(text).value(); }

using Files = std::map<std::string, std::string>;

std::unique_ptr<Engine> OpenEngine(const std::string& store) {
  EngineOptions options;
  options.store = store;
  options.backends = {PackBackend()};
  options.create_with = "pack";
  options.threads = 2;
  Result<std::unique_ptr<Engine>> engine = Engine::Open(options);
  EXPECT_TRUE(Ok(engine));
  return engine ? std::move(engine).value() : nullptr;
}

CollectRequest KeepLast(uint64_t count) {
  CollectRequest request;
  request.keep.emplace();
  request.keep->last = count;
  return request;
}

// All that a working set holds; an error where it cannot be read.
Result<Files> ReadAll(const Vst& vst) {
  Files files;
  std::vector<std::string> pending{""};
  while (!pending.empty()) {
    const std::string folder = pending.back();
    pending.pop_back();
    HELIOS_TRY_ASSIGN(const TreePath path, TreePath::Parse(folder));
    HELIOS_TRY_ASSIGN(const std::vector<VstEntry> entries, vst.List(path));
    for (const VstEntry& entry : entries) {
      const std::string name = folder.empty() ? entry.name : folder + "/" + entry.name;
      if (entry.kind == VstEntry::Kind::kDirectory) {
        pending.push_back(name);
        continue;
      }
      HELIOS_TRY_ASSIGN(const auto content, vst.Read(P(name)));
      files[name] = *content;
    }
  }
  return files;
}

// Of any id, by an engine that has nothing in memory.
Result<Files> ReadSnapshot(const std::string& store, const std::string& id) {
  const std::unique_ptr<Engine> engine = OpenEngine(store);
  HELIOS_TRY_ASSIGN(const Vst vst, engine->OpenVst(id, {}, RestoreMode::kEager));
  return ReadAll(vst);
}

Result<void> Fill(Vst* vst, const Files& files) {
  HELIOS_TRY_ASSIGN(const Files now, ReadAll(*vst));
  for (const auto& [path, content] : now) {
    if (!files.contains(path)) HELIOS_TRY(vst->Remove(P(path)));
  }
  for (const auto& [path, content] : files) {
    const auto at = now.find(path);
    if (at == now.end() || at->second != content) HELIOS_TRY(vst->Write(P(path), content));
  }
  return {};
}

class CollectTest : public ::testing::Test {
 protected:
  CollectTest() : engine_(OpenEngine(store_)) { fs::create_directory(work_); }

  // A state of its own on a branch, upon where that stands.
  RecordId CommitTo(Engine& engine, const std::string& branch, const Files& files) {
    Result<Vst> opened =
        heads_.contains(branch) ? engine.OpenVst("heads/" + branch) : engine.NewVst();
    EXPECT_TRUE(Ok(opened));
    EXPECT_TRUE(Ok(Fill(&*opened, files)));
    VstCommitRequest request;
    request.branch = branch;
    const Result<VstCommitReport> report = engine.CommitVst(*opened, request);
    EXPECT_TRUE(Ok(report));
    heads_.insert(branch);
    return report ? report->record : RecordId();
  }
  CommitReport CommitWork(Engine& engine) {
    CommitRequest request;
    request.workspace.path = work_;
    const Result<CommitReport> report = engine.Commit(request);
    EXPECT_TRUE(Ok(report));
    return report ? *report : CommitReport();
  }
  CollectReport Collect(const CollectRequest& request = {}) {
    const Result<CollectReport> report = engine_->Collect(request);
    EXPECT_TRUE(Ok(report));
    return report ? *report : CollectReport();
  }
  uint64_t EpochNow() const { return ReadEpoch(StorePaths{store_}.Epoch())->collection; }
  std::set<ObjectKey> Objects() const { return ObjectsIn(store_); }
  std::set<ObjectKey> Needed(const std::set<RecordId>& records) const {
    return NeededIn(store_, records);
  }
  static std::set<ObjectKey> ObjectsIn(const std::string& store) {
    std::set<ObjectKey> keys;
    const auto list = ListKeys(*OpenPacks(store + "/pack"));
    EXPECT_TRUE(Ok(list));
    for (const auto& [key, size] : *list) keys.insert(key);
    return keys;
  }
  // All that these records need.
  static std::set<ObjectKey> NeededIn(const std::string& store, const std::set<RecordId>& records) {
    std::set<ObjectKey> keys;
    Mutex mutex;
    const std::unique_ptr<ObjectStore> packs = OpenPacks(store + "/pack");
    ReachableWalk walk(
        packs.get(), {},
        [&](const Reached& reached) -> Result<void> {
          MutexLock lock(mutex);
          keys.insert(reached.key);
          return {};
        },
        [](const Reached&, Error error) -> Result<void> { return error; });
    std::vector<ReachableRoot> roots;
    for (const RecordId& record : records) roots.push_back(ReachableRoot::Of(record));
    EXPECT_TRUE(Ok(walk.Run(roots)));
    return keys;
  }

  const TempFolder folder_;
  const std::string store_ = folder_ / "store";
  const std::string work_ = folder_ / "work";
  std::set<std::string> heads_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(CollectTest, WithoutARuleEverythingThatTheLogNamesStays) {
  for (int i = 0; i < 5; ++i) CommitTo(*engine_, "b", {{"f", "state " + std::to_string(i)}});
  const std::set<ObjectKey> before = Objects();
  const CollectReport report = Collect();
  EXPECT_EQ(report.records_removed, 0u);
  EXPECT_EQ(report.objects_dead, 0u);
  EXPECT_EQ(Objects(), before);
  EXPECT_EQ(EpochNow(), 0u) << "nothing was taken away";
}

TEST_F(CollectTest, WhatNothingRefersToGoes) {
  const RecordId kept = CommitTo(*engine_, "b", {{"f", "kept"}});
  // As a commit leaves it that was killed before it reached the log.
  const std::vector<Object> lost = test::MakeBlobs(50, 7);
  ASSERT_TRUE(Ok(OpenPacks(store_ + "/pack")->PutMany(lost)));
  const CollectReport report = Collect();
  EXPECT_EQ(report.objects_removed, lost.size());
  EXPECT_LT(report.bytes_after, report.bytes_before);
  EXPECT_EQ(Objects(), Needed({kept}));
  EXPECT_EQ(EpochNow(), 1u);
}

TEST_F(CollectTest, ADryRunSaysWhatWouldGoAndChangesNothing) {
  const RecordId first = CommitTo(*engine_, "b", {{"f", RandomBytes(100'000, 1)}});
  const RecordId second = CommitTo(*engine_, "b", {{"f", RandomBytes(100'000, 2)}});
  CollectRequest request = KeepLast(1);
  request.dry_run = true;
  const Bytes log = ReadWholeFile(store_ + "/operations");
  const std::set<ObjectKey> before = Objects();
  const CollectReport report = Collect(request);
  EXPECT_EQ(report.records_removed, 1u);
  EXPECT_EQ(report.objects_dead, 3u);  // record, tree, blob
  EXPECT_GT(report.bytes_dead, 100'000u);
  ASSERT_EQ(report.decisions.size(), 2u);
  EXPECT_EQ(report.decisions[0].record, first);
  EXPECT_FALSE(report.decisions[0].keep);
  EXPECT_EQ(report.decisions[1].record, second);
  EXPECT_EQ(report.decisions[1].reasons, (std::vector<std::string>{"head of the branch", "last"}));
  EXPECT_EQ(Objects(), before);
  EXPECT_EQ(ReadWholeFile(store_ + "/operations"), log);
  EXPECT_EQ(EpochNow(), 0u);
}

// Branches, commits onto none, tags that come and go, collections with rules and without.
TEST_F(CollectTest, KeepsWhatTheModelKeepsAndNothingElse) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string store = folder_ / ("model-" + std::to_string(seed));
    std::unique_ptr<Engine> engine = OpenEngine(store);
    Random random(seed);
    std::map<RecordId, Files> states;
    std::map<std::string, std::vector<RecordId>> lines;  // what of each is still in the log
    std::map<std::string, RecordId> tags;
    for (int step = 0; step < 60; ++step) {
      const size_t what = random.Below(20);
      const std::string line = "b" + std::to_string(random.Below(4));
      if (what < 13) {
        // "b3" stands for no branch.
        const bool is_new = lines[line].empty() || line == "b3";
        Result<Vst> vst = is_new ? engine->NewVst() : engine->OpenVst("heads/" + line);
        ASSERT_TRUE(Ok(vst));
        Files files = is_new ? Files() : states.at(lines[line].back());
        for (size_t i = 0; i < 1 + random.Below(4); ++i) {
          const std::string path =
              "d" + std::to_string(random.Below(3)) + "/f" + std::to_string(random.Below(6));
          files[path] = RandomBytes(1 + random.Below(40'000), random.Below(12));
        }
        if (random.Below(8) == 0) files["large"] = RandomBytes((2 << 20) + 1000, 1);
        ASSERT_TRUE(Ok(Fill(&*vst, files)));
        VstCommitRequest request;
        request.message = std::to_string(step);
        if (line != "b3") request.branch = line;
        const Result<VstCommitReport> report = engine->CommitVst(*vst, request);
        ASSERT_TRUE(Ok(report));
        lines[line].push_back(report->record);
        states[report->record] = files;
      } else if (what < 15 && !lines[line].empty()) {
        TagRequest request;
        request.name = "t" + std::to_string(random.Below(3));
        const std::vector<RecordId>& records = lines[line];
        const RecordId record = records[random.Below(records.size())];
        request.id = FormatId(record);
        request.move = true;
        ASSERT_TRUE(Ok(engine->Tag(request)));
        tags[request.name] = record;
      } else if (what == 15 && !tags.empty()) {
        ASSERT_TRUE(Ok(engine->DeleteTag(tags.begin()->first)));
        tags.erase(tags.begin());
      } else if (what == 16) {
        engine = OpenEngine(store);
      } else if (what > 16) {
        const bool has_rule = random.Below(3) > 0;
        const size_t last = random.Below(4);
        CollectRequest request;
        if (has_rule) request = KeepLast(last);
        ASSERT_TRUE(Ok(engine->Collect(request)));
        std::set<RecordId> tagged;
        for (const auto& [name, record] : tags) tagged.insert(record);
        for (auto& [name, records] : lines) {
          std::vector<RecordId> kept;
          for (size_t i = 0; i < records.size(); ++i) {
            const bool is_head = i + 1 == records.size() && name != "b3";
            const bool is_last = records.size() - i <= last;
            if (!has_rule || is_head || is_last || tagged.contains(records[i])) {
              kept.push_back(records[i]);
            }
          }
          records = kept;
        }
        std::set<RecordId> all = tagged;
        for (const auto& [name, records] : lines) all.insert(records.begin(), records.end());
        // Everything else is gone…
        ASSERT_EQ(ObjectsIn(store), NeededIn(store, all)) << "step " << step;
      }
    }
    // … and what stays can be read, every byte of it.
    std::set<RecordId> kept;
    for (const auto& [name, record] : tags) kept.insert(record);
    for (const auto& [name, records] : lines) kept.insert(records.begin(), records.end());
    for (const auto& [record, files] : states) {
      const Result<Files> read = ReadSnapshot(store, FormatId(record));
      if (kept.contains(record)) {
        ASSERT_TRUE(Ok(read));
        ASSERT_EQ(*read, files);
      } else {
        EXPECT_TRUE(Fails(read, ErrorCode::kNotFound, "unknown snapshot"));
      }
    }
  }
}

TEST_F(CollectTest, ATagKeepsWhatTheLogLetGoOf) {
  const RecordId old = CommitTo(*engine_, "b", {{"f", "old"}});
  TagRequest tag;
  tag.name = "v1";
  tag.id = FormatId(old);
  ASSERT_TRUE(Ok(engine_->Tag(tag)));
  for (int i = 0; i < 3; ++i) CommitTo(*engine_, "b", {{"f", std::to_string(i)}});
  Collect(KeepLast(1));
  EXPECT_EQ(ReadSnapshot(store_, "v1").value(), (Files{{"f", "old"}}));
  ASSERT_TRUE(Ok(engine_->DeleteTag("v1")));
  Collect(KeepLast(1));
  EXPECT_TRUE(Fails(ReadSnapshot(store_, FormatId(old)), ErrorCode::kNotFound, "unknown"));
}

TEST_F(CollectTest, HistoryEndsWhereItWasNotKept) {
  for (int i = 0; i < 4; ++i) CommitTo(*engine_, "b", {{"f", std::to_string(i)}});
  Collect(KeepLast(2));
  EXPECT_TRUE(Ok(ReadSnapshot(store_, "heads/b~1")));
  EXPECT_TRUE(Fails(ReadSnapshot(store_, "heads/b~2"), ErrorCode::kNotFound, "helios gc"));
  EXPECT_TRUE(Fails(ReadSnapshot(store_, "heads/b~3"), ErrorCode::kNotFound, "helios gc"));
}

// A record that is still there, in a pack that was not worth rewriting, is not kept for that.
TEST_F(CollectTest, WhatIsThereInPartIsNotGivenANewName) {
  const RecordId old = CommitTo(*engine_, "b", {{"f", "old"}});
  CommitTo(*engine_, "b", {{"f", "new"}});
  const std::optional<Bytes> record = OpenPacks(store_ + "/pack")->Get(old).value();
  Collect(KeepLast(1));
  const Object object{old, *record};
  ASSERT_TRUE(Ok(OpenPacks(store_ + "/pack")->PutMany({&object, 1})));
  TagRequest tag;
  tag.name = "v1";
  tag.id = "heads/b~1";
  EXPECT_TRUE(Fails(engine_->Tag(tag), ErrorCode::kNotFound, "helios gc"));
}

TEST_F(CollectTest, WhatAWorkingSetHasNotLoadedYetIsKept) {
  const Files files{{"a/one", RandomBytes(50'000, 1)}, {"b/two", RandomBytes(60'000, 2)}};
  const RecordId first = CommitTo(*engine_, "b", files);
  std::optional<Vst> lazy = std::move(engine_->OpenVst(FormatId(first))).value();
  const std::unique_ptr<Engine> other = OpenEngine(store_);
  CommitTo(*other, "b", {{"f", "else"}});
  ASSERT_TRUE(Ok(other->Collect(KeepLast(1))));
  EXPECT_EQ(ReadAll(*lazy).value(), files);
  // A fork holds it on.
  std::optional<Vst> fork = lazy->Fork();
  lazy.reset();
  ASSERT_TRUE(Ok(other->Collect(KeepLast(1))));
  EXPECT_TRUE(test::Has(*OpenPacks(store_ + "/pack"), first));
  fork.reset();
  ASSERT_TRUE(Ok(other->Collect(KeepLast(1))));
  EXPECT_FALSE(test::Has(*OpenPacks(store_ + "/pack"), first));
}

TEST_F(CollectTest, ALeaseDiesWithItsProcess) {
  const RecordId first = CommitTo(*engine_, "b", {{"f", "old"}});
  CommitTo(*engine_, "b", {{"f", "new"}});
  engine_.reset();
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::unique_ptr<Engine> engine = OpenEngine(store_);
    const Result<Vst> vst = engine->OpenVst(FormatId(first));
    (void)!::write(ready[1], vst ? "y" : "n", 1);
    ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  engine_ = OpenEngine(store_);
  Collect(KeepLast(1));
  EXPECT_TRUE(test::Has(*OpenPacks(store_ + "/pack"), first));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(LeaseTable::Held(StorePaths{store_}.Leases())->empty());
  Collect(KeepLast(1));
  EXPECT_FALSE(test::Has(*OpenPacks(store_ + "/pack"), first));
}

TEST_F(CollectTest, AWorkingSetFromBeforeACollectionIsCommittedWhole) {
  // Committed durably by this engine: it knows all of it to be stored.
  Vst vst = engine_->NewVst().value();
  const Files files{{"a/one", RandomBytes(50'000, 1)}, {"a/two", "2"}, {"three", "3"}};
  ASSERT_TRUE(Ok(Fill(&vst, files)));
  const Result<VstCommitReport> before = engine_->CommitVst(vst, {});
  ASSERT_TRUE(Ok(before));
  Vst fork = vst.Fork();
  // Another process lets go of it.
  CollectRequest nothing = KeepLast(0);
  ASSERT_TRUE(Ok(OpenEngine(store_)->Collect(nothing)));
  ASSERT_TRUE(Objects().empty());
  // Neither its nodes nor its record are believed to be there.
  const Result<VstCommitReport> same = engine_->CommitVst(vst, {});
  ASSERT_TRUE(Ok(same));
  EXPECT_FALSE(same->unchanged);
  EXPECT_EQ(ReadSnapshot(store_, FormatId(same->record)).value(), files);
  ASSERT_TRUE(Ok(OpenEngine(store_)->Collect(nothing)));
  ASSERT_TRUE(Ok(fork.Write(P("four"), "4")));
  const Result<VstCommitReport> more = engine_->CommitVst(fork, {});
  ASSERT_TRUE(Ok(more));
  Files with_four = files;
  with_four["four"] = "4";
  EXPECT_EQ(ReadSnapshot(store_, FormatId(more->record)).value(), with_four);
  // And it is believed again.
  ASSERT_TRUE(Ok(fork.Write(P("five"), "5")));
  EXPECT_EQ(engine_->CommitVst(fork, {})->reused_objects, 0u);
}

TEST_F(CollectTest, AWorkingSetDoesNotBecomeWhatIsThereInPart) {
  const std::unique_ptr<Engine> other = OpenEngine(store_);
  Vst first = engine_->NewVst().value();
  ASSERT_TRUE(Ok(Fill(&first, {{"a/one", "1"}, {"two", "2"}})));
  const SnapshotId snapshot = engine_->CommitVst(first, {})->snapshot;
  const std::optional<Bytes> root = OpenPacks(store_ + "/pack")->Get(snapshot).value();
  ASSERT_TRUE(Ok(other->Collect(KeepLast(0))));
  const Object object{snapshot, *root};
  ASSERT_TRUE(Ok(OpenPacks(store_ + "/pack")->PutMany({&object, 1})));
  Vst vst = engine_->NewVst().value();
  EXPECT_TRUE(Fails(vst.Restore(snapshot), ErrorCode::kMissingObject, "let go"));
}

TEST_F(CollectTest, ACommitAfterACollectionReadsNoFileWhoseObjectsAreThere) {
  for (int i = 0; i < 200; ++i) {
    fs::create_directories(work_ + "/d" + std::to_string(i % 3));
    WriteWholeFile(work_ + "/d" + std::to_string(i % 3) + "/f" + std::to_string(i),
                   std::to_string(i));
  }
  WriteWholeFile(work_ + "/large", RandomBytes(3 << 20, 1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // files older than the scan's clock
  CommitWork(*engine_);
  CommitTo(*engine_, "b", {{"f", "old"}});
  CommitTo(*engine_, "b", {{"f", "new"}});
  Collect(KeepLast(1));
  ASSERT_EQ(EpochNow(), 1u);
  const CommitReport after = CommitWork(*engine_);
  EXPECT_TRUE(after.unchanged);
  EXPECT_EQ(after.files_hashed, 0u);
}

TEST_F(CollectTest, ACommitAfterACollectionStoresWhatWent) {
  const Bytes large = RandomBytes(3 << 20, 1);
  WriteWholeFile(work_ + "/stays", "stays");
  WriteWholeFile(work_ + "/goes", "goes");
  WriteWholeFile(work_ + "/large", large);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // files older than the scan's clock
  const CommitReport first = CommitWork(*engine_);
  // The stat index speaks of more than the workspace's head keeps.
  const std::string index = ReadWholeFile(store_ + "/workspaces/" +
                                          WorkspaceKey(fs::canonical(work_).string()) + "/index");
  fs::rename(work_ + "/goes", folder_ / "goes");
  fs::rename(work_ + "/large", folder_ / "large");
  const CommitReport second = CommitWork(*engine_);
  Collect(KeepLast(1));
  ASSERT_EQ(Objects(), Needed({second.record}));
  WriteWholeFile(store_ + "/workspaces/" + WorkspaceKey(fs::canonical(work_).string()) + "/index",
                 index);
  fs::rename(folder_ / "goes", work_ + "/goes");
  fs::rename(folder_ / "large", work_ + "/large");
  const CommitReport third = CommitWork(*engine_);
  EXPECT_EQ(third.snapshot, first.snapshot);
  EXPECT_EQ(ReadSnapshot(store_, FormatId(third.record)).value(),
            (Files{{"stays", "stays"}, {"goes", "goes"}, {"large", large}}));
}

TEST_F(CollectTest, NothingGoesIfWhatStaysCannotBeRead) {
  const RecordId first = CommitTo(*engine_, "b", {{"f", "old"}});
  const RecordId second = CommitTo(*engine_, "b", {{"f", "new"}});
  const ObjectKey tree = engine_->OpenVst(FormatId(second))->Commit().value();
  engine_.reset();
  ASSERT_TRUE(Ok(OpenPacks(store_ + "/pack")->Delete({&tree, 1})));
  engine_ = OpenEngine(store_);
  const std::set<ObjectKey> before = Objects();
  const Bytes log = ReadWholeFile(store_ + "/operations");
  EXPECT_TRUE(Fails(engine_->Collect(KeepLast(1)), ErrorCode::kMissingObject, "helios verify"));
  EXPECT_EQ(Objects(), before);
  EXPECT_EQ(ReadWholeFile(store_ + "/operations"), log);
  EXPECT_TRUE(test::Has(*OpenPacks(store_ + "/pack"), first));
}

TEST_F(CollectTest, ADamagedRefKeepsEverything) {
  const RecordId record = CommitTo(*engine_, "b", {{"f", "old"}});
  TagRequest tag;
  tag.name = "v1";
  tag.id = FormatId(record);
  ASSERT_TRUE(Ok(engine_->Tag(tag)));
  CommitTo(*engine_, "b", {{"f", "new"}});
  for (const auto& file : fs::recursive_directory_iterator(store_ + "/refs")) {
    if (file.is_regular_file() && file.file_size() > 0) WriteWholeFile(file.path(), "damaged");
  }
  EXPECT_TRUE(Fails(engine_->Collect(KeepLast(1)), ErrorCode::kCorrupt, "ref"));
  EXPECT_TRUE(test::Has(*OpenPacks(store_ + "/pack"), record));
}

TEST_F(CollectTest, AnUnfinishedRestoreKeepsWhatItWasBringing) {
  WriteWholeFile(work_ + "/f", "old");
  const CommitReport first = CommitWork(*engine_);
  WriteWholeFile(work_ + "/f", "newer");
  CommitWork(*engine_);
  const std::string workspace =
      store_ + "/workspaces/" + WorkspaceKey(fs::canonical(work_).string());
  WriteWholeFile(workspace + "/restoring", FormatId(first.record) + "\n");
  Collect(KeepLast(1));
  EXPECT_TRUE(test::Has(*OpenPacks(store_ + "/pack"), first.record));
  fs::remove(workspace + "/restoring");
  Collect(KeepLast(1));
  EXPECT_FALSE(test::Has(*OpenPacks(store_ + "/pack"), first.record));
}

TEST_F(CollectTest, RulesAreThoseOfTheSettingsIfNoneAreGiven) {
  for (int i = 0; i < 4; ++i) CommitTo(*engine_, "b", {{"f", std::to_string(i)}});
  StoreSettings settings;
  settings.keep.last = 2;
  ASSERT_TRUE(Ok(engine_->SetSettings(settings)));
  EXPECT_EQ(Collect().records_removed, 2u);
}

// What they write comes from few contents, so that commits come back to what is just being taken
// away.
Result<void> CommitOverAndOver(const std::string& store, const std::string& work, uint64_t seed,
                               int commits) {
  Random random(seed);
  const std::string branch = "racer-" + std::to_string(seed);
  const auto content = [&] { return RandomBytes(30'000, random.Below(10)); };
  for (int i = 0; i < commits; ++i) {
    const std::unique_ptr<Engine> engine = OpenEngine(store);
    for (int inner = 0; inner < 5; ++inner) {
      WriteWholeFile(work + "/f" + std::to_string(random.Below(4)), content());
      CommitRequest request;
      request.workspace.path = work;
      HELIOS_TRY_ASSIGN(const CommitReport report, engine->Commit(request));
      Result<Vst> opened = engine->OpenVst("heads/" + branch);
      Vst vst = opened ? std::move(opened).value() : engine->NewVst().value();
      HELIOS_TRY(vst.Write(P("g" + std::to_string(random.Below(4))), content()));
      VstCommitRequest vst_request;
      vst_request.branch = branch;
      HELIOS_TRY(engine->CommitVst(vst, vst_request));
      HELIOS_TRY(ReadSnapshot(store, "heads/" + branch));
      HELIOS_TRY(ReadSnapshot(store, FormatId(report.record)));
    }
  }
  return {};
}

TEST_F(CollectTest, CommitsThatReuseWhatIsBeingTakenAwayAreWhole) {
  engine_.reset();
  constexpr int kWriters = 4;
  Processes processes;
  for (int i = 0; i < kWriters; ++i) {
    const std::string work = folder_ / ("work-" + std::to_string(i));
    fs::create_directory(work);
    processes.Add(
        [=, this] { return CommitOverAndOver(store_, work, static_cast<uint64_t>(i), 6); });
  }
  processes.Add([this]() -> Result<void> {
    for (int round = 0; round < 40; ++round) {
      const std::unique_ptr<Engine> engine = OpenEngine(store_);
      HELIOS_TRY(engine->Collect(KeepLast(1)));
    }
    return {};
  });
  EXPECT_EQ(processes.WaitForAll(), 0);
  engine_ = OpenEngine(store_);
  Collect(KeepLast(1));
  for (int i = 0; i < kWriters; ++i) {
    EXPECT_TRUE(Ok(ReadSnapshot(store_, "heads/racer-" + std::to_string(i))));
  }
}

TEST_F(CollectTest, ThreadsOfOneEngineCommitWhileItCollects) {
  std::atomic<bool> is_done = false;
  std::vector<std::thread> threads;
  std::vector<Result<void>> outcomes(4);
  for (size_t i = 0; i < outcomes.size(); ++i) {
    threads.emplace_back([&, i] {
      Random random(i);
      const std::string branch = "b" + std::to_string(i);
      Vst vst = engine_->NewVst().value();
      const auto run = [&]() -> Result<void> {
        while (!is_done) {
          HELIOS_TRY(vst.Write(P("f" + std::to_string(random.Below(4))),
                               RandomBytes(10'000, random.Below(8))));
          VstCommitRequest request;
          request.branch = branch;
          HELIOS_TRY_ASSIGN(const VstCommitReport report, engine_->CommitVst(vst, request));
          HELIOS_TRY(ReadSnapshot(store_, FormatId(report.record)));
        }
        return {};
      };
      outcomes[i] = run();
    });
  }
  for (int round = 0; round < 25; ++round) EXPECT_TRUE(Ok(engine_->Collect(KeepLast(1))));
  is_done = true;
  for (std::thread& thread : threads) thread.join();
  for (const Result<void>& outcome : outcomes) EXPECT_TRUE(Ok(outcome));
}

TEST_F(CollectTest, KilledAtAnyMomentItLosesNothing) {
  Random random(1);
  for (int round = 0; round < 25; ++round) {
    std::map<std::string, Files> heads;
    for (int i = 0; i < 3; ++i) {
      const std::string branch = "b" + std::to_string(i);
      for (int j = 0; j < 2; ++j) {
        heads[branch]["f" + std::to_string(random.Below(5))] =
            RandomBytes(20'000, random.Below(1000));
        CommitTo(*engine_, branch, heads[branch]);
      }
    }
    engine_.reset();
    const pid_t child = ::fork();
    if (child == 0) {
      (void)OpenEngine(store_)->Collect(KeepLast(1));
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.Below(20'000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    engine_ = OpenEngine(store_);
    for (const auto& [branch, files] : heads) {
      const Result<Files> read = ReadSnapshot(store_, "heads/" + branch);
      ASSERT_TRUE(Ok(read)) << "round " << round;
      ASSERT_EQ(*read, files);
    }
    const Result<std::vector<NamedRecord>> refs = engine_->ListRefs();
    ASSERT_TRUE(Ok(refs));
    std::set<RecordId> records;
    for (const NamedRecord& ref : *refs) records.insert(ref.record);
    if (round % 5 != 4) continue;
    Collect(KeepLast(1));
    ASSERT_EQ(Objects(), Needed(records)) << "round " << round;
  }
}

TEST_F(CollectTest, ACommitThatWouldGrowBeyondTheSizeCollectsFirst) {
  StoreSettings settings;
  settings.max_size = 1'000'000;
  settings.keep.last = 1;
  ASSERT_TRUE(Ok(engine_->SetSettings(settings)));
  for (uint64_t i = 0; i < 8; ++i) {
    WriteWholeFile(work_ + "/f", RandomBytes(400'000, i));
    const CommitReport report = CommitWork(*engine_);
    EXPECT_TRUE(Ok(ReadSnapshot(store_, FormatId(report.record))));
    EXPECT_LE(engine_->Statistics()->totals.bytes_on_disk, *settings.max_size);
  }
  for (uint64_t i = 0; i < 8; ++i) {
    CommitTo(*engine_, "b", {{"f", RandomBytes(200'000, 100 + i)}});
    EXPECT_LE(engine_->Statistics()->totals.bytes_on_disk, *settings.max_size);
  }
}

TEST_F(CollectTest, ACommitThatIsTooLargeIsRefusedAndLosesNothing) {
  WriteWholeFile(work_ + "/f", RandomBytes(400'000, 1));
  const CommitReport first = CommitWork(*engine_);
  WriteWholeFile(work_ + "/g", RandomBytes(900'000, 2));
  CommitRequest request;
  request.workspace.path = work_;
  request.max_size = 1'000'000;
  EXPECT_TRUE(Fails(engine_->Commit(request), ErrorCode::kNoSpace, "max-size"));
  EXPECT_TRUE(Ok(ReadSnapshot(store_, FormatId(first.record))));
  EXPECT_EQ(Objects(), Needed({first.record}));
  EXPECT_EQ(test::TemporaryFilesIn(store_ + "/pack"), 0u);
  request.max_size.reset();
  EXPECT_TRUE(Ok(engine_->Commit(request)));
}

}  // namespace
}  // namespace helios

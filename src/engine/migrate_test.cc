// Stores that move from one backend to another: against a model, killed, beside others who work,
// damaged on either side.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "helios/engine.h"
#include "object/key_set.h"
#include "store/decorators.h"
#include "store/store_move.h"
#include "store/store_root.h"
#include "store/testing.h"

namespace helios {
namespace {

namespace fs = std::filesystem;
using test::Fails;
using test::ListKeys;
using test::Ok;
using test::Random;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::TextBytes;
using test::WriteWholeFile;

TreePath P(std::string_view text) { return TreePath::Parse(text).value(); }

using Files = std::map<std::string, std::string>;

Backend Named(const std::string& name) {
  Backend backend = PackBackend();
  backend.name = name;
  return backend;
}

// What goes wrong with what is put.
struct Trouble {
  std::atomic<int64_t> puts_left = INT64_MAX;  // after so many there is no space
  std::atomic<bool> kills = false;             // instead of that, the process ends
  std::atomic<bool> garbles = false;           // something else is kept than was put
  std::atomic<uint64_t> puts = 0;
};

class TroubledBatch : public ObjectBatch {
 public:
  TroubledBatch(std::unique_ptr<ObjectBatch> inner, Trouble* trouble)
      : inner_(std::move(inner)), trouble_(trouble) {}
  Result<void> Put(const ObjectKey& key, ByteView bytes) override {
    if (trouble_->puts_left.fetch_sub(1) <= 0) {
      if (trouble_->kills) ::raise(SIGKILL);
      return Error(ErrorCode::kNoSpace, "the medium is full");
    }
    ++trouble_->puts;
    if (trouble_->garbles) return inner_->Put(key, Bytes(bytes) + "!");
    return inner_->Put(key, bytes);
  }
  Result<void> Publish() override { return inner_->Publish(); }

 private:
  std::unique_ptr<ObjectBatch> inner_;
  Trouble* trouble_;
};

class TroubledStore : public ForwardingStore {
 public:
  TroubledStore(std::unique_ptr<ObjectStore> inner, Trouble* trouble)
      : ForwardingStore(std::move(inner)), trouble_(trouble) {}
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override {
    HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectBatch> batch, inner().OpenBatch());
    return std::unique_ptr<ObjectBatch>(
        std::make_unique<TroubledBatch>(std::move(batch), trouble_));
  }

 private:
  Trouble* trouble_;
};

class MigrateTest : public ::testing::Test {
 protected:
  MigrateTest() {
    fs::create_directory(work_);
    Backend troubled = Named("troubled");
    troubled.open = [this, open = troubled.open](
                        const std::string& folder,
                        const OpenOptions& how) -> Result<std::unique_ptr<ObjectStore>> {
      HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> inner, open(folder, how));
      return std::unique_ptr<ObjectStore>(
          std::make_unique<TroubledStore>(std::move(inner), &trouble_));
    };
    options_.store = folder_ / "store";
    options_.backends = {PackBackend(), Named("other"), troubled};
    options_.create_with = "pack";
    options_.threads = 2;
  }

  std::unique_ptr<Engine> Open() const {
    Result<std::unique_ptr<Engine>> engine = Engine::Open(options_);
    EXPECT_TRUE(Ok(engine));
    return engine ? std::move(engine).value() : nullptr;
  }
  Result<MigrateReport> Migrate(const std::string& to, bool verify = false) const {
    MigrateRequest request;
    request.to = to;
    request.verify = verify;
    request.batch_bytes = 10'000;
    return Engine::Migrate(options_, request);
  }
  RecordId CommitWork(Engine& engine) {
    CommitRequest request;
    request.workspace.path = work_;
    const Result<CommitReport> report = engine.Commit(request);
    EXPECT_TRUE(Ok(report));
    return report ? report->record : RecordId();
  }
  // A state of the workspace of its own, committed.
  RecordId CommitState(Engine& engine, uint64_t seed, size_t files = 30) {
    Random random(seed);
    fs::remove_all(work_ + "/f");
    for (size_t i = 0; i < files; ++i) {
      const std::string folder = work_ + "/f/" + std::to_string(random.Below(5));
      fs::create_directories(folder);
      const size_t size = random.Below(9) == 0 ? 70'000 : random.Below(3000);
      WriteWholeFile(folder + "/" + std::to_string(i),
                     i % 2 == 0 ? RandomBytes(size, seed + i) : TextBytes(size, seed * i));
    }
    const RecordId record = CommitWork(engine);
    states_[record] = FilesOf(work_);
    return record;
  }
  static Files FilesOf(const std::string& folder) {
    Files files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      files[fs::relative(entry.path(), folder)] = ReadWholeFile(entry.path());
    }
    return files;
  }
  // Every state that was committed is there, byte for byte, read by a new engine.
  void ExpectStates() {
    const std::unique_ptr<Engine> engine = Open();
    ASSERT_NE(engine, nullptr);
    int number = 0;
    for (const auto& [record, files] : states_) {
      const std::string out = folder_ / ("out" + std::to_string(number++));
      fs::remove_all(out);
      MaterializeRequest request;
      request.id = FormatId(record);
      request.out = out;
      EXPECT_TRUE(Ok(engine->Materialize(request)));
      EXPECT_EQ(FilesOf(out), files);
    }
    const Result<VerifyReport> verified = Engine::Verify(options_, {});
    ASSERT_TRUE(Ok(verified));
    EXPECT_TRUE(verified->IsWhole());
  }
  std::string BackendNow() const {
    const Result<StoreIdentity> identity = ReadIdentity(options_.store);
    EXPECT_TRUE(Ok(identity));
    return identity ? identity->backend : "";
  }
  // Of objects, nothing but what the store is made of.
  void ExpectNothingIsLeft() const {
    for (const Backend& backend : options_.backends) {
      EXPECT_EQ(fs::exists(options_.store + "/" + backend.name), backend.name == BackendNow())
          << backend.name;
    }
    EXPECT_FALSE(fs::exists(options_.store + "/move"));
  }
  std::map<ObjectKey, uint64_t> Objects() const {
    Result<std::unique_ptr<ObjectStore>> store =
        PackBackend().open(options_.store + "/" + BackendNow(), {});
    EXPECT_TRUE(Ok(store));
    const auto keys = ListKeys(**store);
    EXPECT_TRUE(Ok(keys));
    return *keys;
  }

  const TempFolder folder_;
  const std::string work_ = folder_ / "work";
  EngineOptions options_;
  Trouble trouble_;
  std::map<RecordId, Files> states_;
};

TEST_F(MigrateTest, RandomStoresThereAndBackHaveTheSameIdsAndTotals) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    fs::remove_all(options_.store);
    states_.clear();
    RecordId last;
    {
      const std::unique_ptr<Engine> engine = Open();
      for (uint64_t i = 0; i < 3 + seed; ++i) last = CommitState(*engine, 100 * seed + i);
      // Files that are older than the scan's clock: the index trusts them.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      EXPECT_EQ(CommitWork(*engine), last);
      TagRequest tag;
      tag.name = "v1";
      tag.id = "@~1";
      tag.workspace.path = work_;
      EXPECT_TRUE(Ok(engine->Tag(tag)));
      Result<Vst> vst = engine->NewVst();
      ASSERT_TRUE(Ok(vst));
      EXPECT_TRUE(Ok(vst->Write(P("folder/file"), "of a branch")));
      VstCommitRequest request;
      request.branch = "main";
      EXPECT_TRUE(Ok(engine->CommitVst(*vst, request)));
      EXPECT_TRUE(
          Ok(engine->SetCompression(seed % 2 == 0 ? Compression::kSmall : Compression::kFast)));
    }
    const auto figures = [&] {
      const Result<StatisticsReport> report = Open()->Statistics();
      EXPECT_TRUE(Ok(report));
      return std::tuple(report->totals.objects, report->totals.bytes, report->snapshots,
                        report->operations, *report->compression, report->all[Counter::kCommits],
                        report->all[Counter::kNewObjects]);
    };
    const auto refs = [&] {
      std::map<std::string, RecordId> list;
      const Result<std::vector<NamedRecord>> listed = Open()->ListRefs();
      EXPECT_TRUE(Ok(listed));
      for (const NamedRecord& ref : *listed) list[ref.name] = ref.record;
      return list;
    };
    const auto figures_before = figures();
    const auto refs_before = refs();
    const auto objects_before = Objects();
    for (const std::string to : {"other", "pack", "other"}) {
      const Result<MigrateReport> report = Migrate(to, /*verify=*/seed == 1);
      ASSERT_TRUE(Ok(report));
      EXPECT_FALSE(report->already);
      EXPECT_EQ(report->to, to);
      EXPECT_EQ(report->objects, objects_before.size());
      EXPECT_EQ(report->copied_objects, report->objects);
      EXPECT_EQ(report->bytes, report->copied_bytes);
      EXPECT_GT(report->bytes_after, 0u);
      EXPECT_EQ(BackendNow(), to);
      EXPECT_EQ(Objects(), objects_before);
      EXPECT_EQ(figures(), figures_before);
      EXPECT_EQ(refs(), refs_before);
      ExpectNothingIsLeft();
      ExpectStates();
    }
    // Nothing has changed since: the same record, and no file is read again.
    CommitRequest request;
    request.workspace.path = work_;
    const Result<CommitReport> again = Open()->Commit(request);
    ASSERT_TRUE(Ok(again));
    EXPECT_EQ(again->record, last);
    EXPECT_EQ(again->files_hashed, 0u) << "the stat index was not believed";
  }
}

TEST_F(MigrateTest, ToWhatItIsMadeOfThereIsNothingToDo) {
  CommitState(*Open(), 1);
  const Result<MigrateReport> report = Migrate("pack");
  ASSERT_TRUE(Ok(report));
  EXPECT_TRUE(report->already);
  EXPECT_EQ(report->unfinished, "");
  EXPECT_TRUE(Fails(Migrate("punchcards"), ErrorCode::kUnsupported, "\"pack\", \"other\""));
  EXPECT_TRUE(Fails(Engine::AbortMigration(options_), ErrorCode::kNotFound, "no migration"));
  ExpectNothingIsLeft();
}

TEST_F(MigrateTest, EnginesThatAreOpenGoOnWithTheNewBackend) {
  const std::unique_ptr<Engine> engine = Open();
  const std::unique_ptr<Engine> idle = Open();  // has opened nothing yet
  CommitState(*engine, 1);
  Result<Vst> vst = engine->NewVst();
  ASSERT_TRUE(Ok(vst));
  EXPECT_TRUE(Ok(vst->Write(P("a"), "before")));
  for (const std::string to : {"other", "pack", "other", "pack"}) {
    ASSERT_TRUE(Ok(Migrate(to)));
    const Result<StatisticsReport> statistics = engine->Statistics();
    ASSERT_TRUE(Ok(statistics));
    EXPECT_EQ(statistics->backend, to);
    EXPECT_EQ(statistics->totals.objects, Objects().size());
    CommitState(*engine, 10 + Objects().size());
    CommitState(*idle, 20 + Objects().size());
    EXPECT_TRUE(Ok(vst->Write(P("b"), to + std::to_string(Objects().size()))));
    const Result<VstCommitReport> committed = engine->CommitVst(*vst, {});
    ASSERT_TRUE(Ok(committed));
    // What it held was not to be kept from the next move.
    Result<Vst> fresh = engine->NewVst();
    ASSERT_TRUE(Ok(fresh));
    EXPECT_TRUE(Ok(fresh->Write(P("a"), "of " + to)));
    *vst = std::move(fresh).value();
    ExpectNothingIsLeft();
  }
  ExpectStates();
}

TEST_F(MigrateTest, WhoeverHoldsASnapshotIsWaitedForAndNamed) {
  const std::unique_ptr<Engine> engine = Open();
  const RecordId record = CommitState(*engine, 1);
  std::optional<Vst> held = engine->OpenVst(FormatId(record)).value();
  options_.lock_timeout = std::chrono::milliseconds(0);
  const Result<MigrateReport> refused = Migrate("other");
  EXPECT_TRUE(Fails(refused, ErrorCode::kBusy, "nothing was moved"));
  EXPECT_TRUE(Fails(refused, ErrorCode::kBusy, "process " + std::to_string(::getpid())));
  EXPECT_EQ(BackendNow(), "pack");
  const Result<StoreInfo> info = Open()->Info();
  ASSERT_TRUE(Ok(info));
  EXPECT_EQ(info->moving_to, "other");
  EXPECT_EQ(info->leases, 1u);
  // What it waits for may end meanwhile.
  options_.lock_timeout.reset();
  std::thread ends([&] { held.reset(); });
  const Result<MigrateReport> report = Migrate("other");
  ends.join();
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->copied_objects, 0u) << "all of it was there";
  ExpectStates();
}

TEST_F(MigrateTest, DamageInTheStoreIsNamedAndNothingMoves) {
  CommitState(*Open(), 1, 60);
  const std::string pack =
      options_.store + "/pack/" + test::PacksIn(options_.store + "/pack").front();
  const Bytes whole = ReadWholeFile(pack);
  Bytes damaged = whole;
  damaged[whole.size() / 3] = static_cast<char>(damaged[whole.size() / 3] ^ 1);
  WriteWholeFile(pack, damaged);
  const Result<MigrateReport> refused = Migrate("other");
  EXPECT_TRUE(Fails(refused, ErrorCode::kCorrupt, "helios repair"));
  EXPECT_TRUE(Fails(refused, ErrorCode::kCorrupt, "nothing was moved"));
  EXPECT_EQ(BackendNow(), "pack");
  WriteWholeFile(pack, whole);
  const Result<MigrateReport> report = Migrate("other");
  ASSERT_TRUE(Ok(report));
  EXPECT_LT(report->copied_objects, report->objects) << "what was whole had been copied";
  ExpectNothingIsLeft();
  ExpectStates();
}

TEST_F(MigrateTest, DamageOfAnIndexIsNotTakenForFewerObjects) {
  CommitState(*Open(), 1, 60);
  const std::string pack =
      options_.store + "/pack/" + test::PacksIn(options_.store + "/pack").front();
  Bytes bytes = ReadWholeFile(pack);
  bytes[bytes.size() - 3] = static_cast<char>(bytes[bytes.size() - 3] ^ 1);
  WriteWholeFile(pack, bytes);
  EXPECT_TRUE(Fails(Migrate("other"), ErrorCode::kCorrupt, "nothing was moved"));
  EXPECT_EQ(BackendNow(), "pack");
}

TEST_F(MigrateTest, WhatASnapshotLacksIsFoundIfAsked) {
  CommitState(*Open(), 1);
  std::optional<ObjectKey> lost;
  for (const auto& [key, size] : Objects()) {
    if (key.kind == ObjectKind::kTree) lost = key;
  }
  ASSERT_TRUE(Ok(test::OpenPacks(options_.store + "/pack")->Delete({&*lost, 1})));
  EXPECT_TRUE(Fails(Migrate("other", true), ErrorCode::kMissingObject, lost->ToString()));
  EXPECT_EQ(BackendNow(), "pack");
  EXPECT_TRUE(Ok(Migrate("other")));
}

TEST_F(MigrateTest, AFullDiskMovesNothingAndTheNextCallGoesOn) {
  CommitState(*Open(), 1, 100);
  trouble_.puts_left = 60;
  const Result<MigrateReport> refused = Migrate("troubled");
  EXPECT_TRUE(Fails(refused, ErrorCode::kNoSpace, "--abort"));
  EXPECT_EQ(BackendNow(), "pack");
  trouble_.puts_left = INT64_MAX;
  trouble_.puts = 0;
  CommitState(*Open(), 2, 50);
  const Result<MigrateReport> report = Migrate("troubled");
  ASSERT_TRUE(Ok(report));
  EXPECT_LT(report->copied_objects, report->objects);
  EXPECT_EQ(report->copied_objects, trouble_.puts);
  ExpectNothingIsLeft();
  ExpectStates();
}

TEST_F(MigrateTest, ACopyThatGivesOtherBytesIsRefused) {
  CommitState(*Open(), 1);
  trouble_.garbles = true;
  EXPECT_TRUE(Fails(Migrate("troubled"), ErrorCode::kCorrupt, "nothing was moved"));
  EXPECT_EQ(BackendNow(), "pack");
  trouble_.garbles = false;
  EXPECT_TRUE(Fails(Migrate("troubled"), ErrorCode::kCorrupt, "--abort")) << "it is there still";
  const Result<AbortMigrationReport> aborted = Engine::AbortMigration(options_);
  ASSERT_TRUE(Ok(aborted));
  EXPECT_EQ(aborted->to, "troubled");
  EXPECT_GT(aborted->bytes_freed, 0u);
  ExpectNothingIsLeft();
  EXPECT_TRUE(Ok(Migrate("troubled")));
  ExpectStates();
}

TEST_F(MigrateTest, OneThatWasBegunIsEndedOrGivenUpBeforeAnother) {
  CommitState(*Open(), 1, 100);
  trouble_.puts_left = 60;
  EXPECT_FALSE(Migrate("troubled"));
  EXPECT_TRUE(Fails(Migrate("other"), ErrorCode::kInvalidArgument, "--to troubled"));
  const Result<MigrateReport> already = Migrate("pack");
  ASSERT_TRUE(Ok(already));
  EXPECT_EQ(already->unfinished, "troubled");
  EXPECT_TRUE(Ok(Engine::AbortMigration(options_)));
  ExpectNothingIsLeft();
  EXPECT_TRUE(Ok(Migrate("other")));
  ExpectStates();
}

TEST_F(MigrateTest, WhatWasCollectedSinceItWasBegunIsNotCounted) {
  {
    const std::unique_ptr<Engine> engine = Open();
    states_.erase(CommitState(*engine, 1, 100));
    trouble_.puts_left = 80;
    EXPECT_FALSE(Migrate("troubled"));
    trouble_.puts_left = INT64_MAX;
    CommitState(*engine, 2, 5);
    CollectRequest request;
    request.keep.emplace();
    request.keep->last = 1;
    EXPECT_TRUE(Ok(engine->Collect(request)));
  }
  const auto objects = Objects();
  ASSERT_TRUE(Ok(Migrate("troubled")));
  EXPECT_EQ(Objects(), objects);
  ExpectStates();
}

TEST_F(MigrateTest, WhatAKilledSwitchLeavesIsRemoved) {
  CommitState(*Open(), 1);
  ASSERT_TRUE(Ok(Migrate("other")));
  // Between the marker and the removal.
  fs::copy(options_.store + "/other", options_.store + "/pack");
  const Result<MigrateReport> again = Migrate("other");
  ASSERT_TRUE(Ok(again));
  EXPECT_TRUE(again->already);
  ExpectNothingIsLeft();
  // In the midst of it.
  fs::create_directories(options_.store + "/move/.old");
  fs::create_directories(options_.store + "/move/.new");
  EXPECT_TRUE(Ok(Engine::AbortMigration(options_)));
  ExpectNothingIsLeft();
  // Before the marker: what stands there is a copy still.
  fs::copy(options_.store + "/other", options_.store + "/pack");
  CommitState(*Open(), 2);
  const Result<MigrateReport> back = Migrate("pack");
  ASSERT_TRUE(Ok(back));
  EXPECT_LT(back->copied_objects, back->objects);
  ExpectNothingIsLeft();
  ExpectStates();
}

TEST_F(MigrateTest, AMarkerIsMadeAnewWhileACopyIsThere) {
  CommitState(*Open(), 1, 100);
  trouble_.puts_left = 60;
  EXPECT_FALSE(Migrate("troubled"));
  fs::remove(options_.store + "/helios-store");
  ASSERT_TRUE(Ok(Engine::Repair(options_, {})));
  EXPECT_EQ(BackendNow(), "pack");
  ExpectStates();
}

TEST_F(MigrateTest, KilledAnywhereItGoesOn) {
  CommitState(*Open(), 1, 60);
  const size_t objects = Objects().size();
  uint64_t copied = 0;
  for (size_t puts = 1; puts < objects; puts += 1 + objects / 9) {
    SCOPED_TRACE(puts);
    const pid_t child = ::fork();
    if (child == 0) {
      trouble_.puts_left = static_cast<int64_t>(puts);
      trouble_.kills = true;
      (void)Migrate("troubled");
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(BackendNow(), WIFSIGNALED(status) ? "pack" : "troubled");
    if (!WIFSIGNALED(status)) break;
    ExpectStates();
    copied = puts;
  }
  EXPECT_GT(copied, 0u);
  const Result<MigrateReport> report = Migrate("troubled");
  ASSERT_TRUE(Ok(report));
  EXPECT_TRUE(report->already || report->copied_objects < report->objects);
  ExpectNothingIsLeft();
  ExpectStates();
}

TEST_F(MigrateTest, OthersCommitAndReadMeanwhile) {
  CommitState(*Open(), 1, 60);
  // Each with an engine of its own for all of it, or for each commit.
  const auto commit = [&](const std::string& name, bool stays, std::atomic<bool>* stop,
                          std::vector<std::string>* records) -> Result<void> {
    Result<std::unique_ptr<Engine>> engine = Engine::Open(options_);
    for (uint64_t i = 0; !*stop || i < 5; ++i) {
      if (!stays) engine = Engine::Open(options_);
      if (!engine) return engine.error();
      HELIOS_TRY_ASSIGN(Vst vst, (*engine)->NewVst());
      HELIOS_TRY(vst.Write(P(name), name + std::to_string(i)));
      HELIOS_TRY(vst.Write(P("folder/" + std::to_string(i)), RandomBytes(500, i)));
      HELIOS_TRY_ASSIGN(const VstCommitReport report, (*engine)->CommitVst(vst, {}));
      records->push_back(FormatId(report.record));
      HELIOS_TRY((*engine)->OpenVst(records->front(), {}, RestoreMode::kEager));
      HELIOS_TRY((*engine)->Statistics());
    }
    return {};
  };
  std::atomic<bool> stop = false;
  std::vector<std::vector<std::string>> records(3);
  std::vector<Result<void>> results(3);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; ++i) {
    threads.emplace_back(
        [&, i] { results[i] = commit("of " + std::to_string(i), i > 0, &stop, &records[i]); });
  }
  for (const std::string to : {"other", "pack", "other", "pack"}) {
    EXPECT_TRUE(Ok(Migrate(to, /*verify=*/to == "pack")));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const Result<void>& result : results) EXPECT_TRUE(Ok(result));
  const std::unique_ptr<Engine> engine = Open();
  for (size_t i = 0; i < 3; ++i) {
    for (size_t n = 0; n < records[i].size(); ++n) {
      const Result<Vst> vst = engine->OpenVst(records[i][n], {}, RestoreMode::kEager);
      ASSERT_TRUE(Ok(vst)) << i << " " << n;
      const auto content = vst->Read(P("of " + std::to_string(i)));
      ASSERT_TRUE(Ok(content));
      EXPECT_EQ(**content, "of " + std::to_string(i) + std::to_string(n));
    }
  }
  ExpectNothingIsLeft();
  ExpectStates();
}

TEST_F(MigrateTest, AWantedBackendIsMadeOrMustBe) {
  options_.backend = "other";
  const Result<InitReport> made = Engine::Init(options_);
  ASSERT_TRUE(Ok(made));
  EXPECT_TRUE(made->created);
  EXPECT_EQ(made->backend, "other");
  const Result<InitReport> again = Engine::Init(options_);
  ASSERT_TRUE(Ok(again));
  EXPECT_FALSE(again->created);
  options_.backend = "pack";
  EXPECT_TRUE(
      Fails(Engine::Open(options_), ErrorCode::kInvalidArgument, "helios store migrate --to pack"));
  options_.backend = "punchcards";
  EXPECT_TRUE(Fails(Engine::Init(options_), ErrorCode::kUnsupported, "punchcards"));
  options_.backend.clear();
  const std::unique_ptr<Engine> engine = Open();
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->Info()->backend, "other");
}

}  // namespace
}  // namespace helios

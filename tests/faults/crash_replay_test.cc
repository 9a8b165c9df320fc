// Power cuts and kills at every moment of everything that changes a store: each scenario is
// recorded call by call (file_layer.h), and the store is opened in every state that a crash may
// have left of it (trace.h).
//
// HELIOS_CRASH_RANDOM says how many random choices are tried at each moment (default 8), and
// HELIOS_CRASH_EXHAUSTIVE up to how many unsynced things all combinations are (default 0). Of what
// a power cut may leave one in HELIOS_CRASH_ONE_OF is looked at (default 1; 20 of RocksDB, which
// has more of it and takes longer to open).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "faults/file_layer.h"
#include "faults/trace.h"
#include "faults/world.h"

namespace helios::faults {
namespace {

using test::Ok;
using test::RandomBytes;
using test::TextBytes;

constexpr size_t kStatesPerSecondCrash = 7;

// Makes no sync: what comes after a crash is not what is looked at.
class WithoutSyncs : public Watcher {
 public:
  ssize_t Make(Call& call, const Real& real) override {
    return call.kind == CallKind::kSync ? 0 : real(SIZE_MAX);
  }
};

// Whether the event is a sync, and of something that was not durable before.
bool MakesDurable(const Trace& trace, size_t sync) {
  if (trace.events[sync].kind != Event::Kind::kSync) return false;
  const InodeNumber inode = trace.events[sync].inode;
  for (size_t i = sync; i-- > 0;) {
    const Event& event = trace.events[i];
    if (event.kind == Event::Kind::kSync && event.inode == inode) return false;
    if (event.kind < Event::Kind::kNames && event.inode == inode) return true;
    for (const NameChange& change : event.names) {
      if (change.folder == inode) return true;
    }
  }
  return false;
}

enum class Recorded { kStore, kStoreAndWorkspace };

class CrashReplayTest : public ::testing::Test {
 protected:
  // What is there before, and is durable.
  template <typename Scenario>
  void Prepare(const Scenario& scenario) {
    WithoutSyncs without_syncs;
    const Watched watched(&without_syncs);
    const Result<void> prepared = scenario();
    ASSERT_TRUE(Ok(prepared));
    world_.GoOnFrom(world_.history(), SIZE_MAX);
  }

  // Records the scenario, then checks each state that a crash in it may leave.
  template <typename Scenario>
  void Replay(const Scenario& scenario, Recorded recorded = Recorded::kStore) {
    const Trace trace = Record(scenario, recorded);
    if (HasFailure()) return;
    size_t states = 0;
    const std::optional<std::string> broken = FirstBroken(trace, &states);
    EXPECT_FALSE(broken) << *broken;
    std::printf("%zu operations, %zu states\n", trace.events.size(), states);
  }

  template <typename Scenario>
  Trace Record(const Scenario& scenario, Recorded recorded = Recorded::kStore) {
    const std::string root = world_.path() + "/world";
    std::filesystem::create_directory(root + "/w");
    // A store that is not there yet comes to be in a folder that is.
    const bool is_new = !std::filesystem::exists(root + "/store");
    has_workspace_ = is_new || recorded == Recorded::kStoreAndWorkspace;
    Recorder recorder(has_workspace_ ? root : root + "/store");
    world_.clock = [&recorder] { return recorder.position(); };
    const Watched watched(&recorder);
    const Result<void> done = scenario();
    EXPECT_TRUE(Ok(done));
    EXPECT_GT(recorder.position(), 0u) << "calls are not seen";
    return recorder.Take();
  }

  // What the first state says that does not keep a promise.
  std::optional<std::string> FirstBroken(const Trace& trace, size_t* states) {
    const std::string replayed = world_.path() + "/replayed";
    CheckOptions check;
    check.store = replayed + (has_workspace_ ? "/store" : "");
    check.workspace_path = has_workspace_ ? replayed + "/w" : world_.WorkspaceAt("w");
    check.workspace_name = "w";
    std::optional<std::string> broken;
    WithoutSyncs without_syncs;
    const Watched watched(&without_syncs);
    ForEachCrashState(trace, Options(), [&](const CrashState& state) {
      if (broken) return;
      ++*states;
      state.image.WriteTo(replayed);
      Promises promises = world_.PromisedAt(state.position);
      Result<void> kept = CheckAfterCrash(state, replayed, check, &promises);
      if (kept) return;
      broken = kept.error().message() + "\nafter a " + (state.is_kill ? "kill" : "power cut") +
               " at " + std::to_string(state.position) + ", of the unsynced there was " +
               state.what + DescribeEvents(trace, state.position);
    });
    return broken;
  }

  Result<void> CheckAfterCrash(const CrashState& state, const std::string& replayed,
                               const CheckOptions& check, Promises* promises) {
    if (after_crash_) {
      HELIOS_TRY(CheckStore(*promises, {check.store, "", ""}));
      HELIOS_TRY(after_crash_(state, replayed, promises));
    }
    return CheckStore(*promises, check);
  }

  CrashOptions Options() const {
    CrashOptions options;
    options.random_states = FromEnvironment("HELIOS_CRASH_RANDOM", 8);
    options.exhaustive_max = FromEnvironment("HELIOS_CRASH_EXHAUSTIVE", 0);
    options.one_of = FromEnvironment("HELIOS_CRASH_ONE_OF", TestsPacks() ? 1 : 20);
    options.promises_at = [this](size_t position) { return world_.PromiseCount(position); };
    return options;
  }

  // Each sync of a scenario is there for something: on a disk that does not carry it out a promise
  // is broken, and that is found.
  void ExpectNeedsEverySync(const Trace& trace) {
    if (!TestsPacks()) GTEST_SKIP() << "RocksDB has syncs of its own, and more than it needs";
    for (size_t i = 0; i < trace.events.size(); ++i) {
      if (!MakesDurable(trace, i)) continue;
      Trace without = trace;
      without.events[i].kind = Event::Kind::kLostSync;
      size_t states = 0;
      EXPECT_TRUE(FirstBroken(without, &states))
          << "without " << trace.events[i].text << " at " << i;
    }
  }

  // So many packs; or logs, tables and blob files.
  size_t FilesOfObjects() const {
    if (TestsPacks()) return test::PacksIn(world_.store() + "/pack").size();
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(world_.store() + "/rocksdb/db")) {
      const std::string kind = entry.path().extension();
      count += kind == ".log" || kind == ".sst" || kind == ".blob" ? 1 : 0;
    }
    return count;
  }

  std::string W(const std::string& name) const { return world_.WorkspaceAt("w") + "/" + name; }
  // A workspace of some files, different for each number.
  void Fill(const std::string& workspace, uint64_t number) const {
    const std::string at = world_.WorkspaceAt(workspace);
    Write(at + "/text", TextBytes(3000, number));
    Write(at + "/folder/random", RandomBytes(9000, number));
    Write(at + "/folder/deep/own " + std::to_string(number), "number " + std::to_string(number));
    Write(at + "/same", "always the same");
  }
  // So many commits, each with a pack of its own.
  Result<std::vector<std::string>> CommitMany(Engine& engine, const std::string& workspace,
                                              uint64_t count) {
    std::vector<std::string> ids;
    for (uint64_t i = 0; i < count; ++i) {
      Fill(workspace, i);
      HELIOS_TRY_ASSIGN(const CommitReport report, world_.Commit(engine, workspace));
      ids.push_back(FormatId(report.record));
    }
    return ids;
  }

  // The same, of "w", before anything is recorded.
  std::vector<std::string> PrepareCommits(uint64_t count) {
    std::vector<std::string> ids;
    Prepare([&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
      HELIOS_TRY_ASSIGN(ids, CommitMany(*engine, "w", count));
      return {};
    });
    return ids;
  }

  World world_;
  bool has_workspace_ = false;  // recorded with the store
  // What a user does first after the crash, if anything, and what else must hold.
  std::function<Result<void>(const CrashState& state, const std::string& replayed,
                             Promises* promises)>
      after_crash_;
};

TEST_F(CrashReplayTest, FirstCommitCreatesTheStore) {
  Fill("w", 1);
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
}

TEST_F(CrashReplayTest, SmallCommits) {
  PrepareCommits(2);
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    Write(W("text"), "one");
    HELIOS_TRY(world_.Commit(*engine, "w"));
    HELIOS_TRY(world_.Commit(*engine, "w"));  // of nothing new
    Write(W("new"), RandomBytes(5000, 7));
    RemoveFile(W("same"));
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
}

TEST_F(CrashReplayTest, CommitsByDifferentProcesses) {
  PrepareCommits(1);
  // Each engine is as good as a process. The second relies on what the first has published.
  Replay([&]() -> Result<void> {
    Fill("w", 5);
    Fill("v", 5);
    {
      HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
      HELIOS_TRY(world_.Commit(*engine, "w"));
    }
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Commit(*engine, "v"));
    return {};
  });
}

TEST_F(CrashReplayTest, TwoCommitsAtOnce) {
  PrepareCommits(1);
  Replay([&]() -> Result<void> {
    Fill("w", 5);
    Fill("v", 5);
    Result<CommitReport> first = Error(ErrorCode::kFailed, "has not run");
    std::thread other([&] {
      const auto engine = world_.Open();
      if (engine) first = world_.Commit(**engine, "v");
    });
    const auto engine = world_.Open(2);
    const Result<CommitReport> second = world_.Commit(**engine, "w");
    other.join();
    if (!first) return first.error();
    if (!second) return second.error();
    return {};
  });
}

TEST_F(CrashReplayTest, TagIsSetMovedAndDeleted) {
  const std::vector<std::string> ids = PrepareCommits(2);
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Tag(*engine, "v1", ids[0]));
    HELIOS_TRY(world_.Tag(*engine, "v1", ids[1]));
    HELIOS_TRY(world_.DeleteTag(*engine, "v1"));
    HELIOS_TRY(world_.Tag(*engine, "v1", ids[0]));
    return {};
  });
}

// Packs, or logs and tables.
TEST_F(CrashReplayTest, CommitThatMerges) {
  PrepareCommits(TestsPacks() ? 7 : 15);
  const size_t before = FilesOfObjects();
  ASSERT_GE(before, 7u);
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    Write(W("text"), "the eighth");
    HELIOS_TRY(world_.Commit(*engine, "w"));
    Write(W("text"), "the first after the merge");
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
  EXPECT_LT(FilesOfObjects(), before) << "nothing was merged";
}

TEST_F(CrashReplayTest, Optimize) {
  PrepareCommits(4);
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(engine->Optimize());
    Write(W("text"), "the first after it");
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
  if (TestsPacks()) {
    EXPECT_EQ(FilesOfObjects(), 2u);
  }
}

TEST_F(CrashReplayTest, Collection) {
  Prepare([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY_ASSIGN(const std::vector<std::string> ids, CommitMany(*engine, "w", 4));
    return world_.Tag(*engine, "kept", ids[1]);
  });
  const size_t before = FilesOfObjects();
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Collect(*engine));
    Write(W("text"), "the first after it");
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
  if (TestsPacks()) {
    EXPECT_LT(FilesOfObjects(), before + 1);
  }
}

TEST_F(CrashReplayTest, MigrationGoesOnWhereItCrashed) {
  PrepareCommits(3);
  after_crash_ = [&](const CrashState&, const std::string& replayed, Promises*) -> Result<void> {
    HELIOS_TRY(MigrateStore(replayed, "other"));
    for (const std::string& name : {TestedBackend().name, std::string("move")}) {
      if (std::filesystem::exists(replayed + "/" + name)) {
        return Error(ErrorCode::kFailed, name + " was left");
      }
    }
    return {};
  };
  Replay([&]() -> Result<void> {
    HELIOS_TRY(MigrateStore(world_.store(), "other"));
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    Write(W("text"), "the first after it");
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
}

TEST_F(CrashReplayTest, BranchCommitsOfAWorkingSet) {
  Prepare([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    Fill("w", 1);
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY_ASSIGN(Vst vst, engine->NewVst());
    Files files;
    for (const std::string name : {"a", "folder/b", "folder/c", "a"}) {
      files[name] = RandomBytes(2000, files.size());
      HELIOS_TRY(vst.Write(TreePath::Parse(name).value(), files[name]));
      HELIOS_TRY(world_.CommitVst(*engine, vst, "main", files));
    }
    Vst fork = vst.Fork();
    files["d"] = "of the fork";
    HELIOS_TRY(fork.Write(TreePath::Parse("d").value(), files["d"]));
    HELIOS_TRY(world_.CommitVst(*engine, fork, "other", files));
    return {};
  });
}

TEST_F(CrashReplayTest, CompressionIsSet) {
  PrepareCommits(1);
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(engine->SetCompression(Compression::kSmall));
    HELIOS_TRY(engine->SetCompression(Compression::kFast));
    Write(W("text"), "stored");
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
}

TEST_F(CrashReplayTest, CommitAfterACrashCrashesToo) {
  PrepareCommits(1);
  const auto commit = [&](const std::string& content) -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    Write(W("text"), content);
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  };
  const Trace first = Record([&] { return commit("one"); });
  const World::History promises = world_.history();
  CrashOptions options = Options();
  options.random_states = 2 * options.random_states;
  size_t number = 0;
  size_t states = 0;
  ForEachCrashState(first, options, [&](const CrashState& state) {
    // What comes after a kill or a power cut alike, wherever it was: a part of them will do.
    if (HasFailure() || number++ % kStatesPerSecondCrash != 0) return;
    state.image.WriteTo(world_.store());
    world_.GoOnFrom(promises, state.position);
    const Trace second =
        Record([&] { return commit("two, after crash " + std::to_string(number)); });
    const std::optional<std::string> broken = FirstBroken(second, &states);
    EXPECT_FALSE(broken) << *broken << "\nbefore that, a crash at " << state.position << ": "
                         << state.what << DescribeEvents(first, state.position);
  });
  std::printf("%zu first states, %zu second states\n", number / kStatesPerSecondCrash, states);
}

TEST_F(CrashReplayTest, FindsEachSyncOfASmallCommitThatIsNotCarriedOut) {
  PrepareCommits(1);
  ExpectNeedsEverySync(Record([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    Write(W("text"), "one");
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  }));
}

TEST_F(CrashReplayTest, FindsEachSyncOfATagThatIsNotCarriedOut) {
  const std::vector<std::string> ids = PrepareCommits(1);
  ExpectNeedsEverySync(Record([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Tag(*engine, "v1", ids[0]));
    HELIOS_TRY(world_.DeleteTag(*engine, "v1"));
    return {};
  }));
}

TEST_F(CrashReplayTest, FindsEachSyncOfAMergeThatIsNotCarriedOut) {
  PrepareCommits(3);
  ExpectNeedsEverySync(Record([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(engine->Optimize());
    return {};
  }));
}

TEST_F(CrashReplayTest, FindsEachSyncOfANewStoreThatIsNotCarriedOut) {
  Fill("w", 1);
  ExpectNeedsEverySync(Record([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  }));
}

class CrashingRestoreTest : public CrashReplayTest {
 protected:
  // Two snapshots that differ in every way, and a file that no snapshot holds.
  void MakeSnapshots() {
    Prepare([&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
      HELIOS_TRY_ASSIGN(ids_, CommitMany(*engine, "w", 1));
      target_ = ReadFiles(world_.WorkspaceAt("w"));
      std::filesystem::remove_all(W("folder/deep"));
      Write(W("folder/deep"), "a file where a folder was");
      Write(W("text"), TextBytes(4000, 9));
      Write(W("only here"), "goes");
      HELIOS_TRY(world_.Commit(*engine, "w"));
      Write(W("untracked"), kUntracked);
      return {};
    });
    target_["untracked"] = kUntracked;
  }
  Result<RestoreReport> RestoreAt(const std::string& replayed, bool force) const {
    EngineOptions options;
    options.store = replayed + "/store";
    options.backends = {TestedBackend()};
    options.threads = 1;
    HELIOS_TRY_ASSIGN(const auto engine, Engine::Open(options));
    RestoreRequest request;
    request.workspace = {replayed + "/w", "w", false};
    request.id = ids_[0];
    request.force = force;
    return engine->Restore(request);
  }

  static constexpr char kUntracked[] = "never captured";
  std::vector<std::string> ids_;
  Files target_;  // what is to be there after the restore
};

TEST_F(CrashingRestoreTest, RestoreGoesOnWhereItWasInterrupted) {
  MakeSnapshots();
  after_crash_ = [&](const CrashState& state, const std::string& replayed,
                     Promises* promises) -> Result<void> {
    if (ReadFiles(replayed + "/w")["untracked"] != kUntracked) {
      return Error(ErrorCode::kFailed, "what no snapshot holds is gone");
    }
    // Killed, it goes on: nothing in the folder counts as anybody's work. A power cut may take the
    // intent, and leave files of which a part is missing: those are not overwritten unasked.
    Result<RestoreReport> report = RestoreAt(replayed, false);
    if (!report && !state.is_kill && report.error().code() == ErrorCode::kWouldLoseWork) {
      report = RestoreAt(replayed, true);
    }
    if (!report) return report.error();
    promises->workspaces["w"] = {ids_[0]};
    Files now = ReadFiles(replayed + "/w");
    // Nothing in the folder was synced: what had been deleted may be there again, and be nobody's.
    if (!state.is_kill) now.erase("only here");
    if (now == target_) return {};
    return Error(ErrorCode::kFailed, "the restore left" + ListOf(now) + "\nnot" + ListOf(target_));
  };
  Replay(
      [&]() -> Result<void> {
        HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
        HELIOS_TRY(world_.Restore(*engine, "w", ids_[0]));
        return {};
      },
      Recorded::kStoreAndWorkspace);
}

TEST_F(CrashingRestoreTest, LazyRestoreMovesTheWorkspaceOrNot) {
  MakeSnapshots();
  Replay([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Restore(*engine, "w", ids_[0], RestoreMode::kLazy));
    return {};
  });
}

}  // namespace
}  // namespace helios::faults

// Every file call of everything that Helios does fails once, in each way that it may, and from
// there on for good: nothing is lost, the error is one, and the same again succeeds.
//
// A signal that interrupts a call, and a read or write that takes a part, must not show at all.
//
// HELIOS_FAULTS_ONE_OF says that only one failure in so many is tried, by chance (default 1). Of
// RocksDB they are tried only if it is set: Debian's is built with its assertions, and some calls
// that fail (sync_file_range, say) end the process.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "faults/file_layer.h"
#include "faults/world.h"

namespace helios::faults {
namespace {

using test::Ok;
using test::RandomBytes;
using test::TextBytes;

constexpr int kInPart = -1;  // instead of an errno: half of what was asked for

struct Failure {
  CallKind kind = CallKind::kOpen;
  size_t number = 0;  // of the calls of that kind
  int os_error = 0;
  bool stays = false;  // all later ones fail, too

  // Whoever calls cannot be expected to notice.
  bool MustNotShow() const {
    // RocksDB tells of a sync that is interrupted and of a file that cannot be closed.
    const bool is_told = kind == CallKind::kSync || kind == CallKind::kClose;
    if (!TestsPacks() && is_told) return false;
    return os_error == EINTR || os_error == kInPart || kind == CallKind::kClose ||
           kind == CallKind::kStartWriteBack;
  }
};

std::string DescribeFailure(const Failure& failure, const std::string& call) {
  return call + ", number " + std::to_string(failure.number) + " of its kind: " +
         (failure.os_error == kInPart ? "in part" : std::strerror(failure.os_error)) +
         (failure.stays ? ", and all later ones" : "");
}

// How calls of a kind fail on real systems.
std::vector<int> ErrorsOf(CallKind kind) {
  switch (kind) {
    case CallKind::kOpen:
      return {EMFILE, EACCES, ENOSPC, EIO, EINTR};
    case CallKind::kRead:
      return {EIO, EINTR, kInPart};
    case CallKind::kWrite:
      return {ENOSPC, EIO, EINTR, kInPart};
    case CallKind::kSync:
      return {EIO, ENOSPC, EINTR};
    case CallKind::kResize:
      return {EIO, ENOSPC, EINTR};
    case CallKind::kRename:
    case CallKind::kLink:
    case CallKind::kSymlink:
    case CallKind::kMakeFolder:
      return {ENOSPC, EACCES, EIO};
    case CallKind::kUnlink:
    case CallKind::kRemoveFolder:
      return {EACCES, EIO};
    case CallKind::kOpenFolder:
      return {EMFILE, EACCES};
    case CallKind::kLock:
      return {ENOLCK, EINTR};
    case CallKind::kClose:
      return {EIO, EINTR};
    case CallKind::kClone:
      return {EOPNOTSUPP};
    case CallKind::kSeek:
      return {EINVAL};
    case CallKind::kSetAttributes:
      return {EPERM};
    case CallKind::kGetXattr:
    case CallKind::kSetXattr:
      return {EIO, ENOTSUP};
    case CallKind::kStat:
    case CallKind::kListFolder:
    case CallKind::kStartWriteBack:
      return {EIO};
  }
  return {};
}
constexpr auto kKindCount = static_cast<size_t>(CallKind::kSeek) + 1;

class FailingCalls : public Watcher {
 public:
  explicit FailingCalls(const Failure& failure) : failure_(failure) {}

  ssize_t Make(Call& call, const Real& real) override {
    // No disk has to follow: syncs are only made to fail.
    const auto make = [&](size_t size) { return call.kind == CallKind::kSync ? 0 : real(size); };
    const size_t number = counts_[static_cast<size_t>(call.kind)]++;
    // What is opened to be read needs no space.
    const bool can_fail =
        failure_.os_error != ENOSPC || call.kind != CallKind::kOpen || (call.flags & O_CREAT) != 0;
    const bool fails = can_fail && call.kind == failure_.kind && failure_.os_error != 0 &&
                       (number == failure_.number || (failure_.stays && number > failure_.number));
    if (!fails) return make(SIZE_MAX);
    if (number == failure_.number) failed_ = Describe(call);
    if (failure_.os_error == kInPart) return make(std::max<size_t>(call.size / 2, 1));
    if (call.kind == CallKind::kClose) (void)make(SIZE_MAX);  // it is closed all the same
    errno = failure_.os_error;
    return -1;
  }

  size_t count(CallKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  // The call that failed; empty if it did not come to it.
  const std::string& failed() const { return failed_; }

 private:
  const Failure failure_;
  std::array<std::atomic<size_t>, kKindCount> counts_ = {};
  std::string failed_;  // by one call alone
};

size_t OpenDescriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += entry.path().empty() ? 0 : 1;
  }
  return count;
}

// What is done, with everything that may fail in it, opening the store included.
using Action = std::function<Result<void>()>;

class FailingCallsTest : public ::testing::Test {
 protected:
  FailingCallsTest() {
    world_.clock = [this] { return ++time_; };
  }

  void SetUp() override {
    if (!TestsPacks() && FromEnvironment("HELIOS_FAULTS_ONE_OF", 0) == 0) {
      GTEST_SKIP() << "RocksDB's assertions end the process; HELIOS_FAULTS_ONE_OF=60 tries";
    }
  }

  // Two snapshots of a workspace, a tag, a branch, and a change that is not committed.
  void MakeStore(size_t commits = 2) {
    FailingCalls none({});
    const Watched watched(&none);
    const auto make = [&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
      for (size_t i = 0; i < commits; ++i) {
        Fill(i);
        HELIOS_TRY_ASSIGN(const CommitReport report, world_.Commit(*engine, "w"));
        ids_.push_back(FormatId(report.record));
      }
      return world_.Tag(*engine, "old", ids_[0]);
    };
    const Result<void> made = make();
    ASSERT_TRUE(Ok(made));
  }
  void Fill(uint64_t number) const {
    Write(W("text"), TextBytes(3000, number));
    Write(W("folder/random"), RandomBytes(9000, number));
    Write(W("folder/deep/own " + std::to_string(number)), "number " + std::to_string(number));
    Write(W("same"), "always the same");
    if (number % 2 == 1) std::filesystem::remove(W("folder/deep/own 0"));
  }
  std::string W(const std::string& name) const { return world_.WorkspaceAt("w") + "/" + name; }

  // Does it with each of its calls failing in turn. `holds` says what else must hold once it has
  // succeeded.
  void FailEachCall(const Action& action, const std::function<Result<void>()>& holds = {}) {
    base_ = world_.path() + "/base";
    history_ = world_.history();
    std::filesystem::create_directory(world_.WorkspaceAt("w"));
    const std::string world = world_.path() + "/world";
    CopyFolder(world, base_);
    FailingCalls counting({});
    {
      const Watched watched(&counting);
      const Result<void> done = action();
      ASSERT_TRUE(Ok(done));
    }
    const size_t one_of = FromEnvironment("HELIOS_FAULTS_ONE_OF", TestsPacks() ? 1 : 60);
    size_t runs = 0;
    for (size_t kind = 0; kind < kKindCount; ++kind) {
      const auto call = static_cast<CallKind>(kind);
      for (size_t number = 0; number < counting.count(call); ++number) {
        for (const int os_error : ErrorsOf(call)) {
          for (const bool stays : {false, true}) {
            const Failure failure{call, number, os_error, stays};
            if (stays && failure.MustNotShow()) continue;
            if (chooser_.Below(one_of) != 0) continue;
            ++runs;
            FailOne(failure, action, holds);
            if (HasFailure() && ++failed_ == kShownMax) return;
          }
        }
      }
    }
    std::printf("%zu failures\n", runs);
  }

 private:
  void StartAgain() {
    const std::string world = world_.path() + "/world";
    std::filesystem::remove_all(world_.store());
    if (std::filesystem::exists(base_ + "/store")) CopyFolder(base_ + "/store", world_.store());
    // The folder itself stays the one that the stat index knows.
    CopyFolder(base_ + "/w", world_.WorkspaceAt("w"));
    std::filesystem::remove_all(world_.path() + "/out");
    world_.GoOnFrom(history_, SIZE_MAX);
  }

  void FailOne(const Failure& failure, const Action& action,
               const std::function<Result<void>()>& holds) {
    StartAgain();
    const Files before = ReadFiles(world_.WorkspaceAt("w"));
    const size_t descriptors = OpenDescriptors();
    FailingCalls calls(failure);
    Result<void> done;
    {
      const Watched watched(&calls);
      done = action();
    }
    SCOPED_TRACE(DescribeFailure(failure, calls.failed()));
    if (calls.failed().empty()) return;  // it went another way this time
    EXPECT_EQ(OpenDescriptors(), descriptors) << "left open";
    ExpectKind(failure, done);
    if (!done) ExpectNothingLost();
    EXPECT_TRUE(writes_workspace_ || before == ReadFiles(world_.WorkspaceAt("w"))) << "changed";
    // And again, on a sound system.
    FailingCalls none({});
    const Watched watched(&none);
    if (!done) {
      done = action();
      ASSERT_TRUE(Ok(done)) << "the second time";
    }
    const Result<void> holding = holds ? holds() : Result<void>();
    EXPECT_TRUE(Ok(holding));
    const Result<void> kept = CheckStore(world_.Promised(), {world_.store(), "", ""});
    EXPECT_TRUE(Ok(kept));
    const bool may_leave = failure.kind == CallKind::kUnlink;  // what was to remove it failed
    EXPECT_TRUE(may_leave || TemporaryFilesBelow(world_.path()).empty())
        << "left: " << TemporaryFilesBelow(world_.path()).front();
  }

  // An error of the system, not one that says that what is stored is bad.
  static void ExpectKind(const Failure& failure, const Result<void>& done) {
    if (!TestsPacks()) {
      // RocksDB has words of its own for what fails, and gives up where it could go on.
      EXPECT_TRUE(done || done.error().code() != ErrorCode::kCorrupt) << done.error().message();
      return;
    }
    EXPECT_TRUE(!failure.MustNotShow() || Ok(done));
    if (done) return;
    const Error& error = done.error();
    // What of the workspace could not be read is told by a report, and what is in the way of a
    // restore by its plan.
    if (error.message() == World::kNotWhole || error.code() == ErrorCode::kWouldLoseWork) return;
    // So is what could not be looked at again before it was to go.
    if (error.message().ends_with("changed meanwhile, left alone")) return;
    // A disk that cannot read a sector has lost what was there.
    const bool is_damage = failure.kind == CallKind::kRead && failure.os_error == EIO &&
                           error.code() == ErrorCode::kCorrupt &&
                           error.message().find("damaged pack") != std::string::npos;
    if (is_damage) return;
    const bool is_full = failure.os_error == ENOSPC;
    EXPECT_TRUE(error.code() == (is_full ? ErrorCode::kNoSpace : ErrorCode::kFailed))
        << "code " << static_cast<int>(error.code()) << ": " << error.message();
    const std::string cause = std::strerror(failure.os_error);
    EXPECT_NE(error.message().find(cause), std::string::npos) << error.message();
  }

  // It may have happened or not, and nobody was told.
  void ExpectNothingLost() {
    FailingCalls none({});
    const Watched watched(&none);
    if (!std::filesystem::exists(world_.store())) {
      EXPECT_TRUE(world_.Promised().snapshots.empty());
      return;
    }
    Promises promises = world_.Promised();
    promises.workspaces.clear();
    const Result<void> kept = CheckStore(promises, {world_.store(), "", ""});
    EXPECT_TRUE(Ok(kept)) << "after the failure";
  }

 protected:
  World world_;
  bool writes_workspace_ = false;
  std::vector<std::string> ids_;

 private:
  static constexpr size_t kShownMax = 20;
  size_t failed_ = 0;
  size_t time_ = 0;
  std::string base_;
  World::History history_;
  test::Random chooser_{1};
};

TEST_F(FailingCallsTest, FirstCommit) {
  Fill(1);
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
}

TEST_F(FailingCallsTest, Commit) {
  MakeStore();
  Fill(7);
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
}

TEST_F(FailingCallsTest, CommitThatMerges) {
  MakeStore(7);
  Fill(7);
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Commit(*engine, "w"));
    return {};
  });
}

TEST_F(FailingCallsTest, Optimize) {
  MakeStore(3);
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(engine->Optimize());
    return {};
  });
}

TEST_F(FailingCallsTest, Collection) {
  MakeStore(4);
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    return world_.Collect(*engine);
  });
}

TEST_F(FailingCallsTest, Migration) {
  MakeStore();
  // What could not be removed is removed by the next one.
  const auto holds = [&]() -> Result<void> {
    HELIOS_TRY(MigrateStore(world_.store(), "other"));
    for (const std::string& name : {TestedBackend().name, std::string("move")}) {
      if (!std::filesystem::exists(world_.store() + "/" + name)) continue;
      return Error(ErrorCode::kFailed, name + " was left");
    }
    return {};
  };
  FailEachCall(
      [&]() -> Result<void> {
        HELIOS_TRY(MigrateStore(world_.store(), "other"));
        return {};
      },
      holds);
}

TEST_F(FailingCallsTest, Restore) {
  MakeStore();
  Write(W("untracked"), "never captured");
  writes_workspace_ = true;
  const auto holds = [&]() -> Result<void> {
    Files wanted = world_.Promised().snapshots.at(ids_[0]);
    wanted["untracked"] = "never captured";
    const Files now = ReadFiles(world_.WorkspaceAt("w"));
    if (now == wanted) return {};
    return Error(ErrorCode::kFailed, "restored" + ListOf(now) + "\nnot" + ListOf(wanted));
  };
  FailEachCall(
      [&]() -> Result<void> {
        HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
        HELIOS_TRY_ASSIGN(const RestoreReport report, world_.Restore(*engine, "w", ids_[0]));
        if (report.written.failed == 0) return {};
        return Error(ErrorCode::kFailed, report.written.first_failures.front());
      },
      holds);
}

TEST_F(FailingCallsTest, LazyRestore) {
  MakeStore();
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Restore(*engine, "w", ids_[0], RestoreMode::kLazy));
    return {};
  });
}

TEST_F(FailingCallsTest, Materialize) {
  MakeStore();
  const auto holds = [&]() -> Result<void> {
    if (ReadFiles(world_.path() + "/out") == world_.Promised().snapshots.at(ids_[0])) return {};
    return Error(ErrorCode::kFailed, "materialized something else");
  };
  FailEachCall(
      [&]() -> Result<void> {
        HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
        MaterializeRequest request;
        request.id = ids_[0];
        request.out = world_.path() + "/out";
        HELIOS_TRY_ASSIGN(const MaterializeReport report, engine->Materialize(request));
        if (report.written.failed == 0) return {};
        return Error(ErrorCode::kFailed, report.written.first_failures.front());
      },
      holds);
}

TEST_F(FailingCallsTest, Tags) {
  MakeStore();
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY(world_.Tag(*engine, "new", ids_[0]));
    HELIOS_TRY(world_.Tag(*engine, "old", ids_[1]));
    return world_.DeleteTag(*engine, "new");
  });
}

TEST_F(FailingCallsTest, BranchCommit) {
  MakeStore(1);
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    HELIOS_TRY_ASSIGN(Vst vst, engine->OpenVst(ids_[0]));
    Files files = world_.Promised().snapshots.at(ids_[0]);
    files["a"] = "new";
    HELIOS_TRY(vst.Write(TreePath::Parse("a").value(), files["a"]));
    Result<VstCommitReport> report = world_.CommitVst(*engine, vst, "main", files);
    if (report) return {};
    // A branch that a failed commit has moved all the same is one that has moved on.
    if (report.error().code() != ErrorCode::kStale) return std::move(report).error();
    HELIOS_TRY_ASSIGN(vst, engine->OpenVst("heads/main"));
    HELIOS_TRY(world_.CommitVst(*engine, vst, "main", files));
    return {};
  });
}

TEST_F(FailingCallsTest, Settings) {
  MakeStore(1);
  FailEachCall([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const auto engine, world_.Open());
    return engine->SetCompression(Compression::kSmall);
  });
}

}  // namespace
}  // namespace helios::faults

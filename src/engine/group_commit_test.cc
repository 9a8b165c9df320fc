#include "engine/group_commit.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/codec.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::ExpectHoldsAll;
using test::Fails;
using test::MakeBlobs;
using test::Ok;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

constexpr int kThreads = 16;

// Counts syncs and batches, and holds the first sync up until it is let go.
class GatedStore : public MemoryStore {
 public:
  Result<void> Sync() override {
    ++syncs;
    if (on_sync) on_sync();
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return is_open_; });
    if (fails) return Error(ErrorCode::kNoSpace, "the disk is full");
    return {};
  }
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override {
    ++batches;
    return MemoryStore::OpenBatch();
  }
  void Close() { SetOpen(false); }
  void Open() { SetOpen(true); }

  std::function<void()> on_sync;
  std::atomic<int> syncs = 0;
  std::atomic<int> batches = 0;
  std::atomic<bool> fails = false;

 private:
  void SetOpen(bool is_open) {
    const std::lock_guard lock(mutex_);
    is_open_ = is_open;
    opened_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_open_ = true;
};

// One commit of some objects, and what became of it.
struct Committed {
  std::vector<Object> objects;
  std::vector<BorrowedObject> borrowed;
  DurableCommit commit;
  Result<void> result;
};

class GroupCommitTest : public ::testing::Test {
 protected:
  GroupCommitTest() {
    WriteWholeFile(log_path_, "");
    std::filesystem::create_directory(folder_ / "workspaces");
  }

  // `number` makes objects and record unlike any other's.
  Committed Make(const std::string& branch, const std::optional<RecordId>& base, int number) {
    Committed made;
    made.objects = MakeBlobs(3, static_cast<uint64_t>(number));
    for (const Object& object : made.objects) made.borrowed.push_back({object.key, object.bytes});
    made.commit.base = base;
    made.commit.operation.kind = OperationKind::kBranchCommit;
    made.commit.operation.record = RecordOf(number);
    if (!branch.empty()) made.commit.operation.workspace = BranchKey(branch);
    made.commit.operation.path = branch;
    return made;
  }
  static RecordId RecordOf(int number) { return {HashBlob(std::to_string(number)).digest}; }
  void Run(Committed* committed) {
    committed->commit.objects = committed->borrowed;
    committed->result = group_.Commit(&committed->commit);
  }
  // Starts all at once, while the first of them is held up: the others form a group.
  void RunTogether(std::vector<Committed>* all) {
    store_.Close();
    std::vector<std::thread> threads;
    threads.emplace_back([&] { Run(&all->front()); });
    while (store_.syncs == syncs_before_) std::this_thread::yield();
    for (size_t i = 1; i < all->size(); ++i) threads.emplace_back([&, i] { Run(&(*all)[i]); });
    while (group_.waiting() + 1 < all->size()) std::this_thread::yield();
    store_.Open();
    for (std::thread& thread : threads) thread.join();
  }
  size_t OperationCount() {
    size_t count = 0;
    EXPECT_TRUE(Ok(log_.ForEach([&](const Operation&) { ++count; })));
    return count;
  }
  // Entries of the log, each of which was one write and one sync.
  size_t EntryCount() {
    const Bytes log = ReadWholeFile(log_path_);
    size_t count = 0;
    for (size_t at = 0; at < log.size(); ++count) {
      at += 16 + LoadLittleEndian<uint32_t>(log.data() + at);
    }
    return count;
  }

  TempFolder folder_;
  const std::string log_path_ = folder_ / "operations";
  const OperationLog log_{log_path_, folder_ / "workspaces"};
  GatedStore store_;
  const int syncs_before_ = 0;
  GroupCommit group_{[this]() -> Result<ObjectStore*> { return &store_; }, &log_};
};

TEST_F(GroupCommitTest, OneAloneSyncsOnceAndIsInTheLog) {
  Committed one = Make("main", std::nullopt, 1);
  Run(&one);
  ASSERT_TRUE(Ok(one.result));
  EXPECT_FALSE(one.commit.is_stale);
  EXPECT_EQ(one.commit.written.new_objects, 3u);
  EXPECT_TRUE(Ok(ExpectHoldsAll(store_, one.objects)));
  EXPECT_EQ(store_.syncs, 1);
  EXPECT_EQ(log_.Latest(BranchKey("main"))->value().record, RecordOf(1));
}

TEST_F(GroupCommitTest, ThoseThatWaitShareOnePackOneSyncAndOneEntry) {
  std::vector<Committed> all;
  for (int i = 0; i < kThreads; ++i) {
    all.push_back(Make("b" + std::to_string(i), std::nullopt, i));
  }
  RunTogether(&all);
  for (const Committed& one : all) {
    EXPECT_TRUE(Ok(one.result));
    EXPECT_FALSE(one.commit.is_stale);
    EXPECT_EQ(one.commit.written.new_objects, 3u);
    EXPECT_TRUE(Ok(ExpectHoldsAll(store_, one.objects)));
  }
  EXPECT_EQ(store_.batches, 2);
  EXPECT_EQ(store_.syncs, 2);
  EXPECT_EQ(EntryCount(), 2u);
  EXPECT_EQ(OperationCount(), size_t{kThreads});
}

TEST_F(GroupCommitTest, SameObjectsInOneGroupAreWrittenOnce) {
  std::vector<Committed> all;
  for (int i = 0; i < kThreads; ++i) all.push_back(Make("", std::nullopt, i > 0 ? 1 : 0));
  RunTogether(&all);
  uint64_t written = 0, reused = 0;
  for (const Committed& one : all) {
    EXPECT_TRUE(Ok(one.result));
    written += one.commit.written.new_objects;
    reused += one.commit.written.reused_objects;
  }
  EXPECT_EQ(written, 6u);
  EXPECT_EQ(reused, 3u * kThreads - 6u);
}

TEST_F(GroupCommitTest, OfOneGroupOneAdvancesABranchAndTheOthersAreStale) {
  std::vector<Committed> all;
  all.push_back(Make("main", std::nullopt, 0));
  for (int i = 1; i < kThreads; ++i) all.push_back(Make("main", RecordOf(0), i));
  RunTogether(&all);
  int winners = 0;
  for (int i = 1; i < kThreads; ++i) {
    EXPECT_TRUE(Ok(all[static_cast<size_t>(i)].result));
    const bool stale = all[static_cast<size_t>(i)].commit.is_stale;
    winners += stale ? 0 : 1;
    // Nothing is written for a loser that is known as one.
    EXPECT_EQ(test::Has(store_, all[static_cast<size_t>(i)].objects[0].key), !stale);
  }
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(OperationCount(), 2u);
}

TEST_F(GroupCommitTest, BranchThatAnotherProcessAdvancedIsStale) {
  Committed mine = Make("main", std::nullopt, 1);
  Run(&mine);
  Operation theirs = Make("main", RecordOf(1), 2).commit.operation;
  theirs.replaced = RecordOf(1);
  ASSERT_EQ(log_.Append(theirs).value(), true);
  Committed late = Make("main", RecordOf(1), 3);
  Run(&late);
  EXPECT_TRUE(Ok(late.result));
  EXPECT_TRUE(late.commit.is_stale);
  Committed next = Make("main", RecordOf(2), 4);
  Run(&next);
  EXPECT_TRUE(Ok(next.result));
  EXPECT_FALSE(next.commit.is_stale);
}

TEST_F(GroupCommitTest, BranchThatStandsThereAlreadyIsLeft) {
  Committed one = Make("main", std::nullopt, 1);
  Run(&one);
  Committed again = Make("main", RecordOf(1), 1);
  Run(&again);
  EXPECT_TRUE(Ok(again.result));
  EXPECT_FALSE(again.commit.is_stale);
  EXPECT_EQ(OperationCount(), 1u);
  EXPECT_EQ(store_.syncs, 1);
}

TEST_F(GroupCommitTest, ErrorOfTheSharedWritingIsEveryonesAndEndsWithIt) {
  std::vector<Committed> all;
  for (int i = 0; i < kThreads; ++i) {
    all.push_back(Make("b" + std::to_string(i), std::nullopt, i));
  }
  store_.fails = true;
  RunTogether(&all);
  for (const Committed& one : all) {
    EXPECT_TRUE(Fails(one.result, ErrorCode::kNoSpace, "the disk is full"));
  }
  EXPECT_EQ(OperationCount(), 0u);
  store_.fails = false;
  for (Committed& one : all) {
    Run(&one);
    EXPECT_TRUE(Ok(one.result));
    EXPECT_FALSE(one.commit.is_stale);
  }
  EXPECT_EQ(OperationCount(), size_t{kThreads});
}

TEST_F(GroupCommitTest, OperationAppearsAfterItsObjectsAreSynced) {
  Committed one = Make("main", std::nullopt, 1);
  int synced = 0;
  store_.on_sync = [&] {
    ++synced;
    EXPECT_TRUE(Ok(ExpectHoldsAll(store_, one.objects)));
    EXPECT_EQ(OperationCount(), 0u);
  };
  Run(&one);
  EXPECT_EQ(synced, 1);
  EXPECT_EQ(OperationCount(), 1u);
}

TEST_F(GroupCommitTest, MaintenanceIsDueOnceForEverySixteenPacks) {
  int due = 0;
  for (int i = 0; i < 64; ++i) {
    Committed one = Make("", std::nullopt, i);
    Run(&one);
    due += group_.TakeMaintenanceDue() ? 1 : 0;
  }
  EXPECT_EQ(due, 4);
}

}  // namespace
}  // namespace helios

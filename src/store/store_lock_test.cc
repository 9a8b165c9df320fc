#include "store/store_lock.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "store/testing.h"

namespace helios {
namespace {

using std::chrono::milliseconds;
using test::Fails;
using test::Ok;
using test::TempFolder;

class StoreLockTest : public ::testing::Test {
 protected:
  const TempFolder folder_;
  const StorePaths paths_{folder_.path()};
};

TEST_F(StoreLockTest, ManyShareIt) {
  const Result<FileLock> first = ShareStore(paths_, milliseconds(0));
  ASSERT_TRUE(Ok(first));
  EXPECT_TRUE(Ok(ShareStore(paths_, milliseconds(0))));
  EXPECT_TRUE(Fails(TakeStoreAlone(paths_, milliseconds(10)), ErrorCode::kBusy, paths_.Lock()));
}

TEST_F(StoreLockTest, TheBusyMessageNamesTheHolder) {
  const Result<FileLock> alone = TakeStoreAlone(paths_, milliseconds(0));
  ASSERT_TRUE(Ok(alone));
  EXPECT_TRUE(Fails(ShareStore(paths_, milliseconds(5)), ErrorCode::kBusy,
                    "process " + std::to_string(::getpid())));
}

// There is hardly a moment at which nobody has it.
TEST_F(StoreLockTest, AStreamOfHoldersDoesNotKeepACollectorWaiting) {
  std::atomic<bool> is_done = false;
  std::atomic<int> failures = 0;
  std::atomic<int> held = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      while (!is_done) {
        const Result<FileLock> lock = ShareStore(paths_, std::chrono::seconds(60));
        if (!lock) ++failures;
        ++held;
        for (int turn = 0; turn < 20; ++turn) std::this_thread::yield();
      }
    });
  }
  while (held < 100) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Ok(TakeStoreAlone(paths_, std::chrono::seconds(60))));
  is_done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

TEST_F(StoreLockTest, TheGateOpensNowAndThenForThoseWhoWaitBehindALongHolder) {
  const Result<FileLock> held = ShareStore(paths_, milliseconds(0));
  ASSERT_TRUE(Ok(held));
  std::atomic<bool> is_done = false;
  std::thread collector([&] {
    const GateTimes times{milliseconds(20), milliseconds(20), milliseconds(50)};
    // The path of the lock, or that of the gate if it was never its turn.
    EXPECT_TRUE(Fails(TakeStoreAlone(paths_, std::chrono::seconds(2), times), ErrorCode::kBusy,
                      folder_.path()));
    is_done = true;
  });
  while (!is_done) EXPECT_TRUE(Ok(ShareStore(paths_, std::chrono::seconds(30))));
  collector.join();
}

// Who waits for a marker that is replaced meanwhile waits for the new one.
TEST_F(StoreLockTest, TheBackendIsThatOfTheMarkerAsItIs) {
  EXPECT_TRUE(Fails(UseBackend(paths_, milliseconds(0)), ErrorCode::kNoStore, folder_.path()));
  ASSERT_TRUE(Ok(WriteIdentity(folder_.path(), {"pack"})));
  {
    const Result<FileLock> use = UseBackend(paths_, milliseconds(0));
    ASSERT_TRUE(Ok(use));
    EXPECT_TRUE(Ok(UseBackend(paths_, milliseconds(0))));
    EXPECT_TRUE(
        Fails(TakeBackendAlone(paths_, milliseconds(0)), ErrorCode::kBusy, paths_.Marker()));
  }
  std::optional<FileLock> alone = TakeBackendAlone(paths_, milliseconds(0)).value();
  EXPECT_TRUE(Fails(UseBackend(paths_, milliseconds(0)), ErrorCode::kBusy, paths_.Marker()));
  std::atomic<bool> is_used = false;
  std::thread waiter([&] {
    const Result<FileLock> use = UseBackend(paths_, std::chrono::seconds(60));
    EXPECT_TRUE(Ok(use));
    is_used = true;
    EXPECT_TRUE(Fails(TakeBackendAlone(paths_, milliseconds(0)), ErrorCode::kBusy, ""))
        << "that of a file that is gone";
  });
  ASSERT_TRUE(Ok(WriteIdentity(folder_.path(), {"other", 1})));
  alone.reset();
  waiter.join();
  EXPECT_TRUE(is_used);
}

TEST_F(StoreLockTest, ADeadHolderLeavesNothing) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const Result<FileLock> lock = TakeStoreAlone(paths_, milliseconds(0));
    (void)!::write(ready[1], lock ? "y" : "n", 1);
    ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_FALSE(ShareStore(paths_, milliseconds(0)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(Ok(TakeStoreAlone(paths_, milliseconds(0))));
}

}  // namespace
}  // namespace helios

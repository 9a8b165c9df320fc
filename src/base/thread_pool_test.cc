#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace helios {
namespace {

TEST(TaskStackTest, RunsEveryTaskOnce) {
  for (const unsigned threads : {1u, 2u, 8u}) {
    std::vector<std::atomic<int>> runs(1000);
    const Result<void> result = TaskStack::Run(threads, [&](TaskStack& tasks) {
      for (std::atomic<int>& run : runs) {
        tasks.Push([&run](unsigned) -> Result<void> {
          ++run;
          return {};
        });
      }
    });
    EXPECT_TRUE(result);
    for (const std::atomic<int>& run : runs) EXPECT_EQ(run, 1);
  }
}

TEST(TaskStackTest, NothingToDoIsDone) {
  EXPECT_TRUE(TaskStack::Run(4, [](TaskStack&) {}));
}

TEST(TaskStackTest, RunsTasksThatTasksPush) {
  for (const unsigned threads : {1u, 2u, 8u}) {
    std::atomic<int> leaves{0};
    // A tree of tasks, twelve levels deep.
    std::function<Result<void>(TaskStack&, int)> grow = [&](TaskStack& tasks,
                                                            int level) -> Result<void> {
      if (level == 0) ++leaves;
      for (int i = 0; level > 0 && i < 2; ++i) {
        tasks.Push([&, level](unsigned) { return grow(tasks, level - 1); });
      }
      return {};
    };
    EXPECT_TRUE(TaskStack::Run(
        threads, [&](TaskStack& tasks) { tasks.Push([&](unsigned) { return grow(tasks, 12); }); }));
    EXPECT_EQ(leaves, 4096);
  }
}

TEST(TaskStackTest, RunsTheNewestTaskFirst) {
  std::vector<int> order;
  const Result<void> result = TaskStack::Run(1, [&](TaskStack& tasks) {
    for (int i = 0; i < 3; ++i) {
      tasks.Push([&, i](unsigned) -> Result<void> {
        order.push_back(i);
        if (i == 2) {
          tasks.Push([&](unsigned) -> Result<void> {
            order.push_back(3);
            return {};
          });
        }
        return {};
      });
    }
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(order, (std::vector<int>{2, 3, 1, 0}));
}

TEST(TaskStackTest, FirstErrorEndsTheWork) {
  std::vector<int> order;
  const Result<void> result = TaskStack::Run(1, [&](TaskStack& tasks) {
    for (int i = 0; i < 5; ++i) {
      tasks.Push([&, i](unsigned) -> Result<void> {
        order.push_back(i);
        if (i == 3) return Error(ErrorCode::kNoSpace, "task " + std::to_string(i));
        return {};
      });
    }
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kNoSpace);
  EXPECT_EQ(result.error().message(), "task 3");
  EXPECT_EQ(order, (std::vector<int>{4, 3}));
}

TEST(TaskStackTest, NothingIsPushedAfterAnError) {
  std::atomic<int> runs{0};
  const Result<void> result = TaskStack::Run(1, [&](TaskStack& tasks) {
    tasks.Push([&](unsigned) -> Result<void> {
      ++runs;
      return {};
    });
    tasks.Push([&](unsigned) -> Result<void> {
      // Pushed before the error, but not begun.
      tasks.Push([&](unsigned) -> Result<void> {
        ++runs;
        return {};
      });
      return Error(ErrorCode::kFailed, "no");
    });
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(runs, 0);
}

TEST(TaskStackTest, OneOfManyErrorsIsReturned) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> runs{0};
    const Result<void> result = TaskStack::Run(4, [&](TaskStack& tasks) {
      for (int i = 0; i < 100; ++i) {
        tasks.Push([&](unsigned) -> Result<void> {
          ++runs;
          return Error(ErrorCode::kFailed, "no");
        });
      }
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message(), "no");
    EXPECT_LE(runs, 4);  // each thread may have begun one
    EXPECT_GE(runs, 1);
  }
}

TEST(TaskStackTest, TasksAreGoneWhenRunReturns) {
  // Those that ran and those that an error dropped.
  const auto token = std::make_shared<int>(0);
  const Result<void> result = TaskStack::Run(2, [&](TaskStack& tasks) {
    for (int i = 0; i < 100; ++i) {
      tasks.Push([token, i](unsigned) -> Result<void> {
        if (i == 50) return Error(ErrorCode::kFailed, "no");
        return {};
      });
    }
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(token.use_count(), 1);
}

TEST(TaskStackTest, DroppedTasksAreDestroyedWithoutTheLock) {
  // What a dropped task captured comes back to the stack when it goes: with the lock held it would
  // wait for itself.
  struct ComesBack {
    explicit ComesBack(TaskStack* stack) : tasks(stack) {}
    TaskStack* tasks;
    ~ComesBack() {
      tasks->Push([](unsigned) { return Result<void>(); });
    }
  };
  int runs = 0;
  const Result<void> result = TaskStack::Run(1, [&](TaskStack& tasks) {
    const auto token = std::make_shared<ComesBack>(&tasks);
    tasks.Push([&runs, token](unsigned) -> Result<void> {
      ++runs;
      return {};
    });
    tasks.Push([](unsigned) -> Result<void> { return Error(ErrorCode::kFailed, "no"); });
  });
  EXPECT_FALSE(result);
  EXPECT_EQ(runs, 0);
}

TEST(TaskStackTest, WorkersAreNumberedAndNeverShareANumber) {
  constexpr unsigned kThreads = 6;
  std::atomic<int> busy[kThreads] = {};
  std::atomic<int> clashes{0};
  const Result<void> result = TaskStack::Run(kThreads, [&](TaskStack& tasks) {
    for (int i = 0; i < 2000; ++i) {
      tasks.Push([&](unsigned worker) -> Result<void> {
        if (worker >= kThreads) return Error(ErrorCode::kFailed, "number out of range");
        if (busy[worker].fetch_add(1) != 0) ++clashes;
        busy[worker].fetch_sub(1);
        return {};
      });
    }
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(clashes, 0);
}

TEST(TaskStackTest, ThreadsWaitForATaskThatIsStillToPush) {
  // One long chain: all threads but one find nothing to do, again and again.
  std::atomic<int> runs{0};
  std::function<Result<void>(TaskStack&)> step = [&](TaskStack& tasks) -> Result<void> {
    if (++runs < 5000) tasks.Push([&](unsigned) { return step(tasks); });
    return {};
  };
  const Result<void> result = TaskStack::Run(
      4, [&](TaskStack& tasks) { tasks.Push([&](unsigned) { return step(tasks); }); });
  EXPECT_TRUE(result);
  EXPECT_EQ(runs, 5000);
}

TEST(TaskStackTest, TaskThatThrowsHasFailed) {
  for (const unsigned threads : {1u, 4u}) {
    const Result<void> result = TaskStack::Run(threads, [](TaskStack& tasks) {
      tasks.Push([](unsigned) -> Result<void> { throw std::bad_alloc(); });
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message(), std::bad_alloc().what());
  }
}

TEST(TaskStackTest, MainRunsOnTheCallersThreadWhileOthersWork) {
  const std::thread::id caller = std::this_thread::get_id();
  for (const unsigned threads : {1u, 2u, 8u}) {
    std::atomic<int> runs{0};
    bool is_callers = false;
    const Result<void> result = TaskStack::RunWith(threads, [&](TaskStack& tasks) -> Result<void> {
      is_callers = std::this_thread::get_id() == caller;
      for (int i = 0; i < 100; ++i) {
        tasks.Push([&runs](unsigned) -> Result<void> {
          ++runs;
          return {};
        });
      }
      // With others to do it, it gets done before this returns.
      while (threads > 1 && runs < 100) std::this_thread::yield();
      return {};
    });
    EXPECT_TRUE(result);
    EXPECT_TRUE(is_callers);
    EXPECT_EQ(runs, 100);
  }
}

TEST(TaskStackTest, TheErrorOfMainIsReturned) {
  for (const unsigned threads : {1u, 4u}) {
    const Result<void> result = TaskStack::RunWith(
        threads, [](TaskStack&) -> Result<void> { return Error(ErrorCode::kNoSpace, "full"); });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message(), "full");
  }
}

TEST(ResolveThreadCountTest, TakesWhatIsAskedForElseWhatThereIs) {
  EXPECT_EQ(ResolveThreadCount(1), 1u);
  EXPECT_EQ(ResolveThreadCount(17), 17u);
  EXPECT_GE(ResolveThreadCount(0), 1u);
}

}  // namespace
}  // namespace helios

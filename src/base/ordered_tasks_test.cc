#include "base/ordered_tasks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace helios {
namespace {

std::vector<int> UpTo(int end) {
  std::vector<int> numbers(static_cast<size_t>(end));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// Runs `own` as a task that a stack of so many threads runs.
Result<void> RunAsTask(unsigned threads, const std::function<Result<void>(OrderedTasks&)>& own) {
  return TaskStack::Run(threads, [&](TaskStack& tasks) {
    tasks.Push([&](unsigned worker) -> Result<void> {
      OrderedTasks steps(tasks, worker);
      return own(steps);
    });
  });
}

TEST(OrderedTasksTest, EveryStepIsRunOnceAndTakenInOrder) {
  for (const unsigned threads : {1u, 2u, 8u}) {
    std::vector<std::atomic<int>> runs(1000);
    std::vector<int> taken;
    const Result<void> result = RunAsTask(threads, [&](OrderedTasks& steps) -> Result<void> {
      for (int i = 0; i < 1000; ++i) {
        steps.Add(
            [&runs, i](unsigned) -> Result<void> {
              ++runs[static_cast<size_t>(i)];
              return {};
            },
            [&taken, i]() -> Result<void> {
              taken.push_back(i);
              return {};
            });
        if (i % 7 == 0) HELIOS_TRY(steps.TakeOldest());
      }
      return steps.TakeAll();
    });
    EXPECT_TRUE(result);
    EXPECT_EQ(taken, UpTo(1000));
    for (const std::atomic<int>& run : runs) EXPECT_EQ(run, 1);
  }
}

TEST(OrderedTasksTest, AStepIsTakenAfterItWasRun) {
  const Result<void> result = RunAsTask(8, [&](OrderedTasks& steps) -> Result<void> {
    for (int i = 0; i < 2000; ++i) {
      auto value = std::make_shared<int>(-1);
      steps.Add(
          [value, i](unsigned) -> Result<void> {
            *value = i;
            return {};
          },
          [value, i]() -> Result<void> {
            if (*value != i) return Error(ErrorCode::kFailed, "taken before it was run");
            return {};
          });
    }
    return steps.TakeAll();
  });
  EXPECT_TRUE(result);
}

// Two steps that wait for each other get done by two threads only.
TEST(OrderedTasksTest, ThreadsWithNothingToDoTakePart) {
  std::atomic<int> arrived{0};
  std::set<unsigned> workers;
  const Result<void> result = RunAsTask(2, [&](OrderedTasks& steps) -> Result<void> {
    for (int i = 0; i < 2; ++i) {
      auto who = std::make_shared<unsigned>(99);
      steps.Add(
          [&arrived, who](unsigned worker) -> Result<void> {
            *who = worker;
            ++arrived;
            while (arrived < 2) std::this_thread::yield();
            return {};
          },
          [&workers, who]() -> Result<void> {
            workers.insert(*who);
            return {};
          });
    }
    return steps.TakeAll();
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(workers, (std::set<unsigned>{0, 1}));
}

TEST(OrderedTasksTest, TheErrorOfTheOldestStepIsTheOneReturned) {
  for (const unsigned threads : {1u, 4u}) {
    std::vector<int> taken;
    const Result<void> result = RunAsTask(threads, [&](OrderedTasks& steps) -> Result<void> {
      for (int i = 0; i < 100; ++i) {
        steps.Add(
            [i](unsigned) -> Result<void> {
              if (i >= 50) return Error(ErrorCode::kNoSpace, std::to_string(i));
              return {};
            },
            [&taken, i]() -> Result<void> {
              taken.push_back(i);
              return {};
            });
      }
      return steps.TakeAll();
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().message(), "50");
    EXPECT_EQ(taken, UpTo(50));
  }
}

TEST(OrderedTasksTest, AnErrorOfTakingEndsIt) {
  const Result<void> result = RunAsTask(2, [&](OrderedTasks& steps) -> Result<void> {
    steps.Add([](unsigned) { return Result<void>(); },
              []() -> Result<void> { return Error(ErrorCode::kFailed, "no"); });
    return steps.TakeAll();
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "no");
}

TEST(OrderedTasksTest, AStepThatThrowsHasFailed) {
  const Result<void> result = RunAsTask(2, [&](OrderedTasks& steps) -> Result<void> {
    steps.Add([](unsigned) -> Result<void> { throw std::runtime_error("thrown"); },
              []() -> Result<void> { return {}; });
    return steps.TakeAll();
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "thrown");
}

// What steps refer to may go as soon as the owner has gone, whatever was running.
TEST(OrderedTasksTest, NoStepRunsWhenTheOwnerHasGone) {
  for (int round = 0; round < 100; ++round) {
    std::atomic<bool> late{false};
    const auto token = std::make_shared<int>(0);
    const Result<void> result = TaskStack::Run(4, [&](TaskStack& tasks) {
      tasks.Push([&](unsigned worker) -> Result<void> {
        auto is_gone = std::make_shared<std::atomic<bool>>(false);
        {
          OrderedTasks steps(tasks, worker);
          for (int i = 0; i < 20; ++i) {
            steps.Add(
                [&late, is_gone, token](unsigned) -> Result<void> {
                  if (*is_gone) late = true;
                  return {};
                },
                []() -> Result<void> { return {}; });
          }
        }
        *is_gone = true;
        return {};
      });
    });
    EXPECT_TRUE(result);
    EXPECT_FALSE(late);
    EXPECT_EQ(token.use_count(), 1);
  }
}

TEST(OrderedTasksTest, ManyOwnersAtOnce) {
  std::atomic<int> runs{0};
  const Result<void> result = TaskStack::Run(4, [&](TaskStack& tasks) {
    for (int owner = 0; owner < 50; ++owner) {
      tasks.Push([&](unsigned worker) -> Result<void> {
        OrderedTasks steps(tasks, worker);
        for (int i = 0; i < 50; ++i) {
          steps.Add(
              [&runs](unsigned) -> Result<void> {
                ++runs;
                return {};
              },
              []() -> Result<void> { return {}; });
        }
        return steps.TakeAll();
      });
    }
  });
  EXPECT_TRUE(result);
  EXPECT_EQ(runs, 2500);
}

TEST(OrderedTasksTest, WorksAfterTheStackHasFailed) {
  std::vector<int> taken;
  const Result<void> result = TaskStack::RunWith(2, [&](TaskStack& tasks) -> Result<void> {
    tasks.Push([](unsigned) -> Result<void> { return Error(ErrorCode::kFailed, "other"); });
    while (!tasks.HasFailed()) std::this_thread::yield();
    OrderedTasks steps(tasks, 0);
    for (int i = 0; i < 10; ++i) {
      steps.Add([](unsigned) { return Result<void>(); },
                [&taken, i]() -> Result<void> {
                  taken.push_back(i);
                  return {};
                });
    }
    return steps.TakeAll();
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "other");
  EXPECT_EQ(taken, UpTo(10));
}

}  // namespace
}  // namespace helios

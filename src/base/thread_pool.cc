#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <exception>
#include <thread>

namespace helios {

Result<void> TaskStack::Run(unsigned threads, const std::function<void(TaskStack&)>& seed) {
  TaskStack stack(threads);
  seed(stack);
  return stack.RunAll(nullptr);
}

Result<void> TaskStack::RunWith(unsigned threads,
                                const std::function<Result<void>(TaskStack&)>& main) {
  TaskStack stack(threads);
  return stack.RunAll([&](unsigned) { return main(stack); });
}

Result<void> TaskStack::RunAll(const Task& main) {
  if (main) {
    MutexLock lock(mutex_);
    running_ = 1;  // the others wait for what it may push
  }
  std::vector<std::thread> others;
  try {
    for (unsigned worker = 1; worker < threads_; ++worker) {
      others.emplace_back([this, worker] { Work(worker); });
    }
  } catch (const std::exception&) {
    // The system gives no more of them: those that there are do the work, if need be the caller's
    // alone.
  }
  if (main) RunCounted(main, 0);
  Work(0);
  for (std::thread& thread : others) thread.join();
  MutexLock lock(mutex_);
  return std::move(outcome_);
}

Result<void> TaskStack::RunTask(const Task& task, unsigned worker) {
  try {
    return task(worker);
  } catch (const std::exception& exception) {
    return Error(ErrorCode::kFailed, exception.what());
  }
}

void TaskStack::Push(Task task) {
  MutexLock lock(mutex_);
  if (failed_) return;
  tasks_.push_back(std::move(task));
  if (waiting_ > 0) changed_.NotifyOne();
}

bool TaskStack::HasFailed() {
  MutexLock lock(mutex_);
  return failed_;
}

void TaskStack::Work(unsigned worker) {
  while (true) {
    Task task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && running_ > 0) {
        ++waiting_;
        changed_.Wait(mutex_);
        --waiting_;
      }
      if (tasks_.empty()) return;
      task = std::move(tasks_.back());
      tasks_.pop_back();
      ++running_;
    }
    RunCounted(std::move(task), worker);
  }
}

void TaskStack::RunCounted(Task task, unsigned worker) {
  Result<void> result = RunTask(task, worker);
  task = nullptr;  // what it captured goes before the lock is taken
  // What dropped tasks captured may take long to go, or come back to this stack.
  std::vector<Task> dropped;
  MutexLock lock(mutex_);
  --running_;
  if (!result && !failed_) {
    failed_ = true;
    outcome_ = std::move(result);
  }
  if (failed_) dropped.swap(tasks_);
  if (tasks_.empty() && running_ == 0) changed_.NotifyAll();
}

unsigned ResolveThreadCount(unsigned requested) {
  if (requested > 0) return requested;
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
    const int count = CPU_COUNT(&allowed);
    if (count > 0) return static_cast<unsigned>(count);
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace helios

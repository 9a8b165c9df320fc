#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <exception>
#include <thread>

namespace helios {

Result<void> TaskStack::Run(unsigned threads, const std::function<void(TaskStack&)>& seed) {
  TaskStack stack;
  seed(stack);
  std::vector<std::thread> others;
  try {
    for (unsigned worker = 1; worker < threads; ++worker) {
      others.emplace_back([&stack, worker] { stack.Work(worker); });
    }
  } catch (const std::exception&) {
    // The system gives no more of them: those that there are do the work, if need be the caller's
    // alone.
  }
  stack.Work(0);
  for (std::thread& thread : others) thread.join();
  MutexLock lock(stack.mutex_);
  return std::move(stack.outcome_);
}

namespace {

// What a task throws (for want of memory, say) would end the process if it left its thread.
Result<void> RunTask(const TaskStack::Task& task, unsigned worker) {
  try {
    return task(worker);
  } catch (const std::exception& exception) {
    return Error(ErrorCode::kFailed, exception.what());
  }
}

}  // namespace

void TaskStack::Push(Task task) {
  MutexLock lock(mutex_);
  if (failed_) return;
  tasks_.push_back(std::move(task));
  if (waiting_ > 0) changed_.NotifyOne();
}

void TaskStack::Work(unsigned worker) {
  mutex_.lock();
  while (true) {
    while (tasks_.empty() && running_ > 0) {
      ++waiting_;
      changed_.Wait(mutex_);
      --waiting_;
    }
    if (tasks_.empty()) break;
    Task task = std::move(tasks_.back());
    tasks_.pop_back();
    ++running_;
    mutex_.unlock();
    Result<void> result = RunTask(task, worker);
    task = nullptr;  // what it captured goes before the lock is taken again
    mutex_.lock();
    --running_;
    if (!result && !failed_) {
      failed_ = true;
      outcome_ = std::move(result);
    }
    std::vector<Task> dropped;
    if (failed_) dropped.swap(tasks_);
    if (tasks_.empty() && running_ == 0) changed_.NotifyAll();
    if (dropped.empty()) continue;
    // What they captured may take long to go, or come back to this stack.
    mutex_.unlock();
    dropped.clear();
    mutex_.lock();
  }
  mutex_.unlock();
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

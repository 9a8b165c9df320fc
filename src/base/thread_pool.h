// Tasks that spawn tasks, run by a fixed number of threads.
#ifndef HELIOS_BASE_THREAD_POOL_H_
#define HELIOS_BASE_THREAD_POOL_H_

#include <functional>
#include <vector>

#include "base/mutex.h"
#include "helios/result.h"

namespace helios {

// A last-in-first-out stack of tasks and the threads that empty it: depth first, so that few
// directories are open at once. The first error ends the work: tasks not yet begun are dropped.
class TaskStack {
 public:
  // `worker` is 0 … threads-1 and tells the running thread, for what each thread has of its own.
  using Task = std::function<Result<void>(unsigned worker)>;

  // Runs every task that `seed` and its tasks push, on `threads` threads of which the caller's is
  // one, or as many as the system gives; returns when all are done, with the first error. A task
  // that throws has failed.
  static Result<void> Run(unsigned threads, const std::function<void(TaskStack&)>& seed);

  // The same, but the other threads begin at once, and `main` runs on the caller's thread as worker
  // 0: for work that must stay there, such as handing out what others prepare.
  static Result<void> RunWith(unsigned threads,
                              const std::function<Result<void>(TaskStack&)>& main);

  void Push(Task task) HELIOS_EXCLUDES(mutex_);

  // What the stack runs on, the caller's thread counted.
  unsigned threads() const { return threads_; }
  // True once a task has failed: whatever else is done is in vain.
  bool HasFailed() HELIOS_EXCLUDES(mutex_);

  // A task that throws (for want of memory, say) has failed; it would end the process if it left
  // its thread.
  static Result<void> RunTask(const Task& task, unsigned worker);

 private:
  explicit TaskStack(unsigned threads) : threads_(threads) {}

  // Runs `main` on this thread, if there is one, and every task; returns when all are done.
  Result<void> RunAll(const Task& main) HELIOS_EXCLUDES(mutex_);
  void Work(unsigned worker) HELIOS_EXCLUDES(mutex_);
  // Runs a task that is counted as running already.
  void RunCounted(Task task, unsigned worker) HELIOS_EXCLUDES(mutex_);

  const unsigned threads_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<Task> tasks_ HELIOS_GUARDED_BY(mutex_);
  unsigned running_ HELIOS_GUARDED_BY(mutex_) = 0;
  unsigned waiting_ HELIOS_GUARDED_BY(mutex_) = 0;
  bool failed_ HELIOS_GUARDED_BY(mutex_) = false;
  Result<void> outcome_ HELIOS_GUARDED_BY(mutex_);
};

// `requested`, or the number of processors this process may run on if that is 0.
unsigned ResolveThreadCount(unsigned requested);

}  // namespace helios

#endif  // HELIOS_BASE_THREAD_POOL_H_

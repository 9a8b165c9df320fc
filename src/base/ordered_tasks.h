// Work of one task that other threads take part in, and whose results are taken in order.
#ifndef HELIOS_BASE_ORDERED_TASKS_H_
#define HELIOS_BASE_ORDERED_TASKS_H_

#include <climits>
#include <deque>
#include <functional>
#include <memory>

#include "base/thread_pool.h"

namespace helios {

// A task splits its work into steps. Each has two halves: `run`, done by whichever of the stack's
// threads has time, in any order, and `take`, done by the owner, in the order in which the steps
// were added. Whenever the owner has to wait for a step it runs others, so that the work gets done
// whether anybody else has time or not.
//
// Used by one thread, the one that runs the task; only the `run`s may be elsewhere. How much waits
// is up to the owner: TakeOldest makes room.
class OrderedTasks {
 public:
  using Take = std::function<Result<void>()>;

  // For the task that `worker` of `stack` is running. At most `threads_max` threads take part, the
  // owner's one of them: where more would only hold memory.
  OrderedTasks(TaskStack& stack, unsigned worker, unsigned threads_max = UINT_MAX);
  // Steps that were not begun are dropped; those that run are waited for.
  ~OrderedTasks();
  OrderedTasks(const OrderedTasks&) = delete;
  OrderedTasks& operator=(const OrderedTasks&) = delete;

  void Add(TaskStack::Task run, Take take);

  // Takes the oldest step, once it was run. Its error, or that of taking it; after an error there
  // is nothing to do but to end. There must be a step.
  Result<void> TakeOldest();
  // Takes all of them.
  Result<void> TakeAll();

  bool empty() const { return steps_.empty(); }

 private:
  struct Step {
    TaskStack::Task run;
    Take take;
    Result<void> outcome;
    bool is_done = false;  // guarded by Shared::mutex, as long as it is false
  };
  // What the other threads know. It outlives the owner: help may come when all is done.
  struct Shared {
    Mutex mutex;
    CondVar changed;
    std::deque<Step*> waiting HELIOS_GUARDED_BY(mutex);
    unsigned running HELIOS_GUARDED_BY(mutex) = 0;
    unsigned helpers HELIOS_GUARDED_BY(mutex) = 0;  // asked for, and not gone
  };

  // Takes the oldest step that waits out of the queue; nullptr if none does.
  static Step* Begin(Shared& shared) HELIOS_REQUIRES(shared.mutex);
  static void RunStep(Shared& shared, Step& step, unsigned worker) HELIOS_EXCLUDES(shared.mutex);
  static Result<void> Help(Shared& shared, unsigned worker);

  TaskStack& stack_;
  const unsigned worker_;
  const unsigned threads_;
  const std::shared_ptr<Shared> shared_;
  std::deque<Step> steps_;  // not taken yet
};

}  // namespace helios

#endif  // HELIOS_BASE_ORDERED_TASKS_H_

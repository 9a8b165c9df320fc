#include "base/ordered_tasks.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace helios {

OrderedTasks::OrderedTasks(TaskStack& stack, unsigned worker, unsigned threads_max)
    : stack_(stack),
      worker_(worker),
      threads_(std::min(stack.threads(), threads_max)),
      shared_(std::make_shared<Shared>()) {}

OrderedTasks::~OrderedTasks() {
  MutexLock lock(shared_->mutex);
  shared_->waiting.clear();
  while (shared_->running > 0) shared_->changed.Wait(shared_->mutex);
}

void OrderedTasks::Add(TaskStack::Task run, Take take) {
  Step& step = steps_.emplace_back();
  step.run = std::move(run);
  step.take = std::move(take);
  {
    MutexLock lock(shared_->mutex);
    shared_->waiting.push_back(&step);
    if (shared_->helpers + 1 >= threads_) return;
    ++shared_->helpers;
  }
  stack_.Push([shared = shared_](unsigned worker) { return Help(*shared, worker); });
}

Result<void> OrderedTasks::TakeOldest() {
  HELIOS_CHECK(!steps_.empty());
  Step& oldest = steps_.front();
  while (true) {
    Step* other = nullptr;
    {
      MutexLock lock(shared_->mutex);
      // With nothing else to do the owner waits; whoever runs a step says when it is done.
      while (!oldest.is_done && shared_->waiting.empty()) shared_->changed.Wait(shared_->mutex);
      if (oldest.is_done) break;
      other = Begin(*shared_);
    }
    RunStep(*shared_, *other, worker_);
  }
  HELIOS_TRY(std::move(oldest.outcome));
  HELIOS_TRY(oldest.take());
  steps_.pop_front();
  return {};
}

Result<void> OrderedTasks::TakeAll() {
  while (!steps_.empty()) HELIOS_TRY(TakeOldest());
  return {};
}

OrderedTasks::Step* OrderedTasks::Begin(Shared& shared) {
  if (shared.waiting.empty()) return nullptr;
  Step* step = shared.waiting.front();
  shared.waiting.pop_front();
  ++shared.running;
  return step;
}

void OrderedTasks::RunStep(Shared& shared, Step& step, unsigned worker) {
  step.outcome = TaskStack::RunTask(step.run, worker);
  step.run = nullptr;
  MutexLock lock(shared.mutex);
  step.is_done = true;
  --shared.running;
  shared.changed.NotifyAll();
}

Result<void> OrderedTasks::Help(Shared& shared, unsigned worker) {
  while (true) {
    Step* step = nullptr;
    {
      MutexLock lock(shared.mutex);
      step = Begin(shared);
      if (step == nullptr) {
        --shared.helpers;
        return {};
      }
    }
    RunStep(shared, *step, worker);
  }
}

}  // namespace helios

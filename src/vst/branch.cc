#include "helios/branch.h"

#include "base/mutex.h"
#include "vst/vst_state.h"

namespace helios {
namespace {

// Tells one head from all others, as long as somebody remembers it.
struct HeadToken {};

Error Stale() {
  return Error(ErrorCode::kStale,
               "the branch has moved on: take a new fork of it and do the work again");
}

}  // namespace

struct Branch::Head {
  explicit Head(Vst start) : state(std::move(start)) {}
  bool IsTheOneOf(const std::shared_ptr<const void>& token) HELIOS_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    return branch_head == token;
  }

  Mutex mutex;
  Vst state HELIOS_GUARDED_BY(mutex);
  std::shared_ptr<const void> branch_head HELIOS_GUARDED_BY(mutex) =
      std::make_shared<const HeadToken>();
};

Branch::Branch(const Vst& start) : head_(std::make_unique<Head>(start.Fork())) {}
Branch::~Branch() = default;

Vst Branch::Fork() const {
  MutexLock lock(head_->mutex);
  Vst fork = head_->state.Fork();
  fork.state_->branch_head = head_->branch_head;
  return fork;
}

Result<void> Branch::Advance(Vst& next) {
  // Before any work, and again when it is done: nobody waits for another's commit.
  if (!head_->IsTheOneOf(next.state_->branch_head)) return Stale();
  HELIOS_TRY(next.Commit());
  const auto token = std::make_shared<const HeadToken>();
  Vst state = next.Fork();
  {
    MutexLock lock(head_->mutex);
    if (head_->branch_head != next.state_->branch_head) return Stale();
    // The state that was the head is freed below, where nobody waits for it.
    std::swap(head_->state, state);
    head_->branch_head = token;
  }
  next.state_->branch_head = token;
  return {};
}

}  // namespace helios

#include "engine/group_commit.h"

#include <utility>

namespace helios {
namespace {

// A merge costs two syncs and as much writing as these packs together.
constexpr int kPacksPerMaintenance = 16;
// A leader waits at most this part of what the last group took.
constexpr int kWaitPart = 4;

}  // namespace

Result<void> GroupCommit::Commit(DurableCommit* commit) {
  Waiting own{commit, false, {}};
  const std::vector<Waiting*> led = WaitOrLead(&own);
  if (led.empty()) return std::move(own.outcome);
  Group group;
  for (const Waiting* waiting : led) group.push_back(waiting->commit);
  bool has_written = false;
  const Result<void> outcome = WriteGroup(group, &has_written);
  FinishGroup(led, outcome, has_written);
  return std::move(own.outcome);
}

std::vector<GroupCommit::Waiting*> GroupCommit::WaitOrLead(Waiting* own) {
  MutexLock lock(mutex_);
  waiting_.push_back(own);
  arrived_.NotifyOne();
  while (is_led_ && !own->is_done) done_.Wait(mutex_);
  if (own->is_done) return {};
  is_led_ = true;
  WaitForThoseOfTheLastGroup();
  group_start_ = std::chrono::steady_clock::now();
  return std::exchange(waiting_, {});
}

void GroupCommit::WaitForThoseOfTheLastGroup() {
  const auto deadline = std::chrono::steady_clock::now() + last_group_time_ / kWaitPart;
  while (waiting_.size() < last_group_size_ && arrived_.WaitUntil(mutex_, deadline)) {
  }
}

void GroupCommit::FinishGroup(std::span<Waiting* const> group, const Result<void>& outcome,
                              bool has_written) {
  MutexLock lock(mutex_);
  for (Waiting* waiting : group) {
    if (!outcome) waiting->outcome = outcome.error();
    waiting->is_done = true;
  }
  last_group_size_ = group.size();
  last_group_time_ = std::chrono::steady_clock::now() - group_start_;
  if (has_written) ++packs_since_maintenance_;
  is_led_ = false;
  done_.NotifyAll();
}

bool GroupCommit::TakeMaintenanceDue() {
  MutexLock lock(mutex_);
  if (packs_since_maintenance_ < kPacksPerMaintenance) return false;
  packs_since_maintenance_ = 0;
  return true;
}

size_t GroupCommit::waiting() {
  MutexLock lock(mutex_);
  return waiting_.size();
}

Result<void> GroupCommit::WriteGroup(const Group& group, bool* has_written) {
  HELIOS_TRY(log_->Follow(&tail_));
  const Group advancing = TakeAdvancing(group);
  if (advancing.empty()) return {};
  HELIOS_TRY_ASSIGN(*has_written, WriteObjects(advancing));
  return AppendOperations(advancing);
}

GroupCommit::Group GroupCommit::TakeAdvancing(const Group& group) {
  Group advancing;
  std::unordered_map<std::string, RecordId> heads;  // as far as this group moves them
  for (DurableCommit* commit : group) {
    Operation& operation = commit->operation;
    operation.replaced.reset();
    if (operation.workspace.empty()) {
      advancing.push_back(commit);
      continue;
    }
    const auto moved = heads.find(operation.workspace);
    const std::optional<RecordId> head =
        moved == heads.end() ? tail_.HeadOf(operation.workspace) : std::optional(moved->second);
    if (head == operation.record) continue;
    commit->is_stale = head.has_value() && head != commit->base;
    if (commit->is_stale) continue;
    operation.replaced = head;
    heads[operation.workspace] = operation.record;
    advancing.push_back(commit);
  }
  return advancing;
}

// Returns whether anything was written.
Result<bool> GroupCommit::WriteObjects(const Group& group) {
  CommitWriter writer(open_, 1);
  for (DurableCommit* commit : group) {
    const WriteCounts before = writer.counts();
    HELIOS_TRY(writer.PutMany(0, commit->objects));
    commit->written += writer.counts() - before;
  }
  const WriteCounts all = writer.counts();
  if (all.new_objects + all.reused_objects == 0) return false;
  HELIOS_TRY(writer.Publish());
  HELIOS_TRY_ASSIGN(ObjectStore * store, open_());
  HELIOS_TRY(store->Sync());
  return all.new_objects > 0;
}

Result<void> GroupCommit::AppendOperations(const Group& group) {
  std::vector<Operation> operations;
  for (const DurableCommit* commit : group) operations.push_back(commit->operation);
  HELIOS_TRY_ASSIGN(const std::vector<bool> appended, log_->AppendMany(operations, &tail_));
  for (size_t i = 0; i < group.size(); ++i) group[i]->is_stale = !appended[i];
  return {};
}

}  // namespace helios

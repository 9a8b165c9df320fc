// Durable commits of working sets in memory: those that come at the same time share one pack, its
// syncs, and the sync of the operation log.
#ifndef HELIOS_ENGINE_GROUP_COMMIT_H_
#define HELIOS_ENGINE_GROUP_COMMIT_H_

#include <chrono>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "engine/commit_writer.h"
#include "history/operation_log.h"
#include "vst/vst_store.h"

namespace helios {

// One commit on its way into the store.
struct DurableCommit {
  std::span<const BorrowedObject> objects;  // children before parents, the record last
  Operation operation;                      // `replaced` is found when it is appended
  // Where the branch must stand. It may also not exist yet: then this commit begins it.
  std::optional<RecordId> base;

  bool is_stale = false;  // the branch stands elsewhere, and nothing was appended
  WriteCounts written;
};

// Thread-safe. Whoever finds nobody at work leads: it does the work of all that wait, and they wait
// until it is done. One alone waits for nobody. Where the last group had several members, they are
// about to come again, and a leader that did not wait for them would lead a group of one, then one
// of all others, and so on: so it waits until as many are there, but not long beside the syncs.
//
// Order: objects of all, visible and synced; then all operations, by one write and one sync.
class GroupCommit {
 public:
  GroupCommit(CommitWriter::StoreOpener open, const OperationLog* log)
      : open_(std::move(open)), log_(log) {}

  // Durable on return, unless the branch has moved on. An error of the shared writing is everyone's
  // error: then none of the group's operations counts.
  Result<void> Commit(DurableCommit* commit) HELIOS_EXCLUDES(mutex_);

  // True once for every few packs that were written: time to merge.
  bool TakeMaintenanceDue() HELIOS_EXCLUDES(mutex_);

  // How many commits wait at this moment for another's group to end.
  size_t waiting() HELIOS_EXCLUDES(mutex_);

 private:
  struct Waiting {
    DurableCommit* commit;
    bool is_done = false;
    Result<void> outcome;
  };
  using Group = std::vector<DurableCommit*>;

  // Waits until the commit is done, or its thread leads the group that is returned.
  std::vector<Waiting*> WaitOrLead(Waiting* own) HELIOS_EXCLUDES(mutex_);
  void WaitForThoseOfTheLastGroup() HELIOS_REQUIRES(mutex_);
  void FinishGroup(std::span<Waiting* const> group, const Result<void>& outcome, bool has_written)
      HELIOS_EXCLUDES(mutex_);

  // The rest is for the one who leads.
  Result<void> WriteGroup(const Group& group, bool* has_written);
  // Those that have something to append: not the stale ones, nor those whose branch stands at their
  // record already.
  Group TakeAdvancing(const Group& group);
  Result<bool> WriteObjects(const Group& group);
  Result<void> AppendOperations(const Group& group);

  const CommitWriter::StoreOpener open_;
  const OperationLog* const log_;
  LogTail tail_;  // of the one who leads; handed on under mutex_

  Mutex mutex_;
  CondVar arrived_;  // one more waits: for the leader
  CondVar done_;     // a group is: for those that wait
  bool is_led_ HELIOS_GUARDED_BY(mutex_) = false;
  std::vector<Waiting*> waiting_ HELIOS_GUARDED_BY(mutex_);
  size_t last_group_size_ HELIOS_GUARDED_BY(mutex_) = 0;
  std::chrono::steady_clock::time_point group_start_ HELIOS_GUARDED_BY(mutex_);
  std::chrono::steady_clock::duration last_group_time_ HELIOS_GUARDED_BY(mutex_){};
  int packs_since_maintenance_ HELIOS_GUARDED_BY(mutex_) = 0;
};

}  // namespace helios

#endif  // HELIOS_ENGINE_GROUP_COMMIT_H_

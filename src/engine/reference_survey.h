// Whether all is there that snapshots refer to.
#ifndef HELIOS_ENGINE_REFERENCE_SURVEY_H_
#define HELIOS_ENGINE_REFERENCE_SURVEY_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "helios/progress.h"
#include "helios/verify_report.h"
#include "object/key_set.h"
#include "object/record.h"
#include "vst/reachable.h"
#include "worktree/selector.h"

namespace helios {

// Follows records to everything below them. What is not known to be whole it reads: the store
// compares whatever it gives with its id.
class ReferenceSurvey {
 public:
  struct Options {
    unsigned threads = 1;
    Progress* progress = nullptr;  // may be null
    // Of contents it suffices that they are there.
    bool structure = false;
    // What need not be read any more; grows by what was read and is whole. May be null.
    KeySet* whole = nullptr;
    // The contents of these paths alone; null: all.
    const Selector* selector = nullptr;
    // Follows the parents of records, too.
    bool history = true;
  };
  // What is wrong with an object that a snapshot needs.
  struct Problem {
    Error error;
    std::string path;  // where it was met first
  };
  using Problems = std::unordered_map<ObjectKey, Problem, ObjectKeyHash>;

  ReferenceSurvey(ObjectStore* store, const Options& options) : store_(store), options_(options) {}

  Result<void> Run(const std::vector<RecordId>& records);

  const Problems& problems() const { return problems_; }
  // Everything that was referred to.
  const KeySet& reached() const { return walk_->visited(); }

  // Adds to the report what was read, the problems, and the snapshots that have them.
  Result<void> Describe(VerifyReport* report);

 private:
  // A record of the history.
  struct Entry {
    RecordId id;
    std::optional<Record> record;  // absent if it cannot be read
    // One of those that were given. What only other records lead to may have been collected.
    bool is_named = false;
  };
  struct Wanted {
    ObjectKey key;
    std::string path;
  };

  void ListHistory(const std::vector<RecordId>& named);
  // Walks what the named records refer to, or what the others do.
  Result<void> Walk(bool named);
  // Reads what is selected below a folder.
  Result<void> ReadSelected(const SnapshotId& snapshot);
  // Any thread may add; the one that fills a batch reads it.
  Result<void> Add(const ObjectKey& key, std::string path) HELIOS_EXCLUDES(mutex_);
  Result<void> ReadRest() HELIOS_EXCLUDES(mutex_);
  Result<void> Read(const std::vector<Wanted>& batch) HELIOS_EXCLUDES(mutex_);
  // Whether each of the batch is whole, as far as one look tells.
  std::vector<bool> ReadAtOnce(std::span<const ObjectKey> keys) HELIOS_EXCLUDES(mutex_);
  void Count(uint64_t bytes) HELIOS_EXCLUDES(mutex_);
  void Note(const ObjectKey& key, std::string path, Error error) HELIOS_EXCLUDES(mutex_);
  Result<void> DescribeSnapshots(VerifyReport* report);

  ObjectStore* const store_;
  const Options options_;
  std::vector<Entry> history_;
  bool follows_named_ = true;  // what is walked now; not changed meanwhile
  std::unique_ptr<ReachableWalk> walk_;
  Mutex mutex_;
  std::vector<Wanted> wanted_ HELIOS_GUARDED_BY(mutex_);
  uint64_t objects_ HELIOS_GUARDED_BY(mutex_) = 0;
  uint64_t bytes_ HELIOS_GUARDED_BY(mutex_) = 0;
  Problems problems_;  // under mutex_ while others run
};

}  // namespace helios

#endif  // HELIOS_ENGINE_REFERENCE_SURVEY_H_

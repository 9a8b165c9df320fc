// Collection: what stays is marked while others work, and what does not is taken away in steps,
// each of which has the store for itself for a moment. docs/decisions/0019.
#include <chrono>
#include <filesystem>
#include <set>
#include <unordered_set>

#include "engine/engine_state.h"
#include "history/branches.h"
#include "history/restore_intent.h"
#include "history/retention.h"
#include "store/store_lock.h"
#include "store/store_settings.h"
#include "vst/reachable.h"

namespace helios {
namespace {

using Clock = std::chrono::steady_clock;

// Those who commit for minutes have to end.
constexpr auto kAloneWait = std::chrono::minutes(10);

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Error CannotMark(Error error) {
  std::string message =
      "nothing was taken away: something that stays cannot be read, and what it needs is not "
      "known: " +
      error.message() +
      "; see \"helios verify\" and \"helios repair\", or let go of its snapshot with a keep rule";
  return Error(error.code(), std::move(message), error.os_error());
}

std::string LineName(const LineRecord& record, bool is_branch) {
  return is_branch && !record.path.empty() ? std::string(kHeadsPrefix) + record.path : record.path;
}

}  // namespace

// One collection.
class Engine::Collector {
 public:
  Collector(State& state, const CollectRequest& request)
      : state_(state), request_(request), start_(Clock::now()) {}

  Result<CollectReport> Run();

 private:
  Result<void> Begin();
  Result<void> ChooseRecords();
  // Marks what refers to objects and was not seen yet. `is_alone`: nothing else comes meanwhile.
  Result<void> MarkWhatAppeared(bool is_alone);
  Result<void> AddLeases(bool is_alone);
  Result<void> AddInterruptedRestores();
  void AddRecord(const RecordId& record);
  void AddRecordsOf(const Operation& operation);
  Result<void> ShortenLog();
  Result<void> Sweep(ObjectSweep* sweep);
  Result<void> RemoveStep(ObjectSweep* sweep);
  void FillReport(const SweepFigures& figures);

  State& state_;
  const CollectRequest& request_;
  const Clock::time_point start_;
  CollectReport report_;
  ObjectStore* store_ = nullptr;
  std::optional<FileLock> lock_;  // no other collects meanwhile
  std::optional<FileLock> use_;
  LogTail tail_;
  std::vector<bool> keeps_;  // for each operation of the log when it was looked at first
  std::unordered_set<Digest, DigestHash> known_records_;
  std::vector<ReachableRoot> roots_;  // to be walked
  std::optional<ReachableWalk> walk_;
};

Result<CollectReport> Engine::Collect(const CollectRequest& request) {
  return Collector(*state_, request).Run();
}

Result<CollectReport> Engine::Collector::Run() {
  HELIOS_TRY(Begin());
  state_.SetPhase("choosing what stays");
  HELIOS_TRY(ChooseRecords());
  state_.SetPhase("marking");
  const Clock::time_point marking = Clock::now();
  // What is put from here on is not looked at.
  HELIOS_TRY_ASSIGN(
      const std::unique_ptr<ObjectSweep> sweep,
      store_->OpenSweep({[this](const ObjectKey& key) { return walk_->visited().Contains(key); },
                         state_.threads}));
  HELIOS_TRY(MarkWhatAppeared(/*is_alone=*/false));
  report_.seconds_marking = SecondsSince(marking);
  HELIOS_TRY(Sweep(sweep.get()));
  state_.SetPhase("counting");
  report_.seconds = SecondsSince(start_);
  if (!request_.dry_run) {
    state_.metrics.Add(Counter::kCollections);
    state_.metrics.Add(Counter::kCollectedObjects, report_.objects_removed);
    if (report_.bytes_after < report_.bytes_before) {
      state_.metrics.Add(Counter::kCollectedBytes, report_.bytes_before - report_.bytes_after);
    }
    state_.FlushMetrics();
  }
  state_.SetPhase("");
  return std::move(report_);
}

Result<void> Engine::Collector::Begin() {
  report_.dry_run = request_.dry_run;
  if (!request_.dry_run) {
    // Others only read that file.
    HELIOS_TRY_ASSIGN(lock_, FileLock::Acquire(state_.paths.Epoch(), FileLock::Mode::kExclusive,
                                               state_.LockWait()));
  }
  HELIOS_TRY_ASSIGN(use_, state_.UseBackend());
  HELIOS_TRY_ASSIGN(store_, state_.StoreToWrite());
  ReachableWalk::Options options;
  options.threads = state_.threads;
  Progress* const progress = state_.options.progress;
  if (progress != nullptr) progress->noun = "objects";
  walk_.emplace(
      store_, options,
      [progress](const Reached& reached) -> Result<void> {
        if (progress != nullptr && reached.is_new) {
          progress->files.fetch_add(1, std::memory_order_relaxed);
        }
        return {};
      },
      [](const Reached& reached, Error error) -> Result<void> {
        const std::string path = reached.Path();
        if (path.empty()) return error;
        return std::move(error).WithContext(path);
      });
  return {};
}

Result<void> Engine::Collector::ChooseRecords() {
  std::vector<Operation> operations;
  HELIOS_TRY(state_.log.Follow(
      &tail_, [&](const Operation& operation) { operations.push_back(operation); }));
  std::multimap<RecordId, std::string> tags;
  HELIOS_TRY_ASSIGN(const std::vector<Ref> refs, state_.refs.List());
  for (const Ref& ref : refs) tags.emplace(ref.record, ref.name.substr(kTagsPrefix.size()));
  RetentionRules rules;
  if (request_.keep) {
    rules = *request_.keep;
  } else {
    HELIOS_TRY_ASSIGN(const StoreSettings settings, ReadSettings(state_.paths.root));
    rules = settings.keep;
  }
  const auto labels_of = [this](const RecordId& id) -> Result<std::map<std::string, std::string>> {
    HELIOS_TRY_ASSIGN(Record record, LoadRecord(store_, id));
    return std::move(record.labels);
  };
  Result<Retention> retention = Retention::Choose(operations, rules, tags, labels_of);
  if (!retention) return CannotMark(std::move(retention).error());
  for (const Operation& operation : operations) {
    const bool is_kept = retention->Keeps(operation);
    keeps_.push_back(is_kept);
    if (is_kept) AddRecordsOf(operation);
    if (!is_kept) ++report_.operations_removed;
  }
  std::set<std::string> branches;
  for (const Operation& operation : operations) {
    if (operation.kind == OperationKind::kBranchCommit) branches.insert(operation.workspace);
  }
  for (const LineRecord& record : retention->records()) {
    std::optional<SnapshotId> snapshot = record.snapshot;
    if (!snapshot) {
      const Result<Record> safety = LoadRecord(store_, record.record);
      if (!safety) return CannotMark(safety.error());
      snapshot = safety->snapshot;
    }
    report_.decisions.push_back({record.record, *snapshot,
                                 LineName(record, branches.contains(record.line)),
                                 record.time.seconds, record.IsKept(), record.reasons});
    report_.records_removed += record.IsKept() ? 0 : 1;
  }
  return {};
}

void Engine::Collector::AddRecord(const RecordId& record) {
  if (known_records_.insert(record.digest).second) roots_.push_back(ReachableRoot::Of(record));
}

void Engine::Collector::AddRecordsOf(const Operation& operation) {
  for (const RecordId& record : operation.Records()) AddRecord(record);
}

// Leases first, then intents, then refs and the log: who lets go of a lease or an intent has put
// what it held into the log before.
Result<void> Engine::Collector::MarkWhatAppeared(bool is_alone) {
  HELIOS_TRY(AddLeases(is_alone));
  HELIOS_TRY(AddInterruptedRestores());
  HELIOS_TRY_ASSIGN(const std::vector<Ref> refs, state_.refs.List());
  for (const Ref& ref : refs) AddRecord(ref.record);
  HELIOS_TRY(
      state_.log.Follow(&tail_, [&](const Operation& operation) { AddRecordsOf(operation); }));
  Result<void> walked = walk_->Run(roots_);
  if (!walked) return CannotMark(std::move(walked).error());
  roots_.clear();
  return {};
}

Result<void> Engine::Collector::AddLeases(bool is_alone) {
  Result<std::vector<ObjectKey>> held = LeaseTable::Held(state_.paths.Leases());
  // A slot that is being written to says nothing yet; those are read again alone.
  if (!held && !is_alone) return {};
  if (!held) return CannotMark(std::move(held).error());
  // A slot can still say what one that was killed held: its next holder has yet to write. What a
  // lease holds was there when it was taken, and is.
  HELIOS_TRY_ASSIGN(const std::vector<bool> has, store_->HasMany(*held));
  for (size_t i = 0; i < held->size(); ++i) {
    const ObjectKey& key = (*held)[i];
    if (!has[i]) continue;
    if (key.kind == ObjectKind::kRecord) AddRecord({key.digest});
    if (key.kind == ObjectKind::kTree) roots_.push_back({std::nullopt, {key.digest}, {}, {}});
  }
  return {};
}

Result<void> Engine::Collector::AddInterruptedRestores() {
  const std::string& workspaces = state_.paths.Workspaces();
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(workspaces));
  for (const std::string& name : names) {
    HELIOS_TRY_ASSIGN(const std::optional<RestoreIntent> intent,
                      ReadRestoreIntent(workspaces + "/" + name));
    if (!intent) continue;
    std::vector<RecordId> records{intent->target};
    if (intent->operation) records = intent->operation->Records();
    for (const RecordId& record : records) {
      if (known_records_.contains(record.digest)) continue;
      // One that names what is not there counts as absent.
      HELIOS_TRY_ASSIGN(const bool has, state_.HasRecord(record));
      if (has) AddRecord(record);
    }
  }
  return {};
}

// What the log names must be there, and nothing else need be: so it is shortened before anything
// goes.
Result<void> Engine::Collector::ShortenLog() {
  if (report_.operations_removed == 0) return {};
  const auto keep = [this](uint64_t number, const Operation&) {
    return number >= keeps_.size() || keeps_[static_cast<size_t>(number)];
  };
  Result<uint64_t> dropped = state_.log.Retain(keep);
  if (!dropped && dropped.error().code() == ErrorCode::kNoSpace) {
    // Caches may go at any time, and are mostly larger than the log.
    std::error_code ignored;
    std::filesystem::remove_all(state_.paths.FileCache(), ignored);
    for (std::filesystem::directory_iterator it(state_.paths.Workspaces(), ignored), end;
         !ignored && it != end; it.increment(ignored)) {
      std::error_code stays;
      std::filesystem::remove(it->path() / kIndexFile, stays);
    }
    dropped = state_.log.Retain(keep);
  }
  if (!dropped) return std::move(dropped).error();
  report_.operations_removed = *dropped;
  return {};
}

Result<void> Engine::Collector::Sweep(ObjectSweep* sweep) {
  state_.SetPhase("looking at packs");
  HELIOS_TRY(sweep->Plan());
  FillReport(sweep->Figures());
  report_.bytes_after = report_.bytes_before;
  if (request_.dry_run) return {};
  HELIOS_TRY(ShortenLog());
  while (true) {
    state_.SetPhase("copying what stays");
    HELIOS_TRY_ASSIGN(const bool is_ready, sweep->Prepare());
    if (!is_ready) break;
    HELIOS_TRY(RemoveStep(sweep));
  }
  FillReport(sweep->Figures());
  HELIOS_TRY_ASSIGN(const StoreTotals after, store_->Totals());
  report_.bytes_after = after.bytes_on_disk;
  return {};
}

Result<void> Engine::Collector::RemoveStep(ObjectSweep* sweep) {
  // Most of what came meanwhile is marked before anybody has to wait.
  HELIOS_TRY(MarkWhatAppeared(/*is_alone=*/false));
  state_.SetPhase("waiting for others");
  HELIOS_TRY_ASSIGN(const FileLock alone,
                    TakeStoreAlone(state_.paths, state_.LockWait(kAloneWait)));
  const Clock::time_point since = Clock::now();
  state_.SetPhase("removing");
  HELIOS_TRY(MarkWhatAppeared(/*is_alone=*/true));
  // From here on nobody believes what was noted before: durable before anything goes.
  StoreEpoch epoch = state_.Epoch();
  epoch.collection = NextEpoch(epoch.collection, epoch.is_known);
  if (!epoch.is_known) epoch.log = epoch.collection;
  HELIOS_TRY(WriteEpoch(state_.paths.Epoch(), epoch));
  HELIOS_TRY(sweep->Remove());
  report_.seconds_alone_max = std::max(report_.seconds_alone_max, SecondsSince(since));
  return {};
}

void Engine::Collector::FillReport(const SweepFigures& figures) {
  report_.objects = figures.objects;
  report_.objects_dead = figures.dead_objects;
  report_.bytes_dead = figures.dead_bytes;
  report_.bytes_before = figures.bytes_before;
  report_.objects_removed = figures.freed_objects;
  report_.bytes_rewritten = figures.written_bytes;
  report_.damage.clear();
  for (const Error& error : figures.damage) report_.damage.push_back(error.message());
}

}  // namespace helios

// What every operation of the engine shares.
#ifndef HELIOS_ENGINE_ENGINE_STATE_H_
#define HELIOS_ENGINE_ENGINE_STATE_H_

#include <chrono>
#include <memory>
#include <string>

#include "base/metrics_recorder.h"
#include "base/mutex.h"
#include "base/one_line.h"
#include "engine/group_commit.h"
#include "engine/workspace_change.h"
#include "helios/engine.h"
#include "history/id_resolver.h"
#include "history/operation_log.h"
#include "history/ref_store.h"
#include "store/exchangeable_store.h"
#include "store/lease_table.h"
#include "store/object_cache.h"
#include "store/store_epoch.h"
#include "store/store_root.h"
#include "vst/tree_reader.h"
#include "vst/vst_store.h"
#include "worktree/scan.h"
#include "worktree/selector.h"
#include "worktree/tree_writer.h"

namespace helios {

// In a workspace's folder: its stat index.
inline constexpr char kIndexFile[] = "index";
// Of what was noted when no collection was known: never the present one's number.
inline constexpr uint64_t kNoEpoch = ~uint64_t{0};

// How backends are opened.
inline OpenOptions BackendOptions(const EngineOptions& options) {
  return {options.lock_timeout.value_or(OpenOptions().lock_timeout)};
}

class Engine::State : public SnapshotKeeper {
 public:
  State(EngineOptions options, Backend backend);

  // The stack L1 → verify → count → backend, opened when it is first needed. It stays the same if
  // the objects move to another backend.
  Result<ObjectStore*> Store() HELIOS_EXCLUDES(mutex_);
  // What the store is made of, as far as was seen last.
  Backend CurrentBackend() HELIOS_EXCLUDES(mutex_);
  // Looks whether the objects were moved to another backend since, and follows them. For who holds
  // the store or its backend: then they stay where they are.
  Result<void> FollowStore() HELIOS_EXCLUDES(mutex_);
  // The same for whoever will put something: it compresses as the store's settings say. Errors:
  // those of settings that cannot be read.
  Result<ObjectStore*> StoreToWrite() HELIOS_EXCLUDES(mutex_);

  Result<OpenWorkspace> OpenWorkspaceRoot(const Workspace& workspace, bool create) const;
  // The key alone: for resolving "@".
  std::string KeyOf(const Workspace& workspace) const;

  // How long to wait for what another process holds while it works.
  std::chrono::milliseconds LockWait(
      std::chrono::milliseconds unless_given = std::chrono::seconds(60)) const {
    return options.lock_timeout.value_or(unless_given);
  }

  // Held for as long as an operation relies on the store's objects. Not to be asked for by one who
  // holds it: a collector that waits would keep both waiting.
  Result<FileLock> LockShared() HELIOS_EXCLUDES(mutex_);
  // Held by what reads the backend without relying on objects, or reads long. Not to be asked for
  // by one who holds the store.
  Result<FileLock> UseBackend() HELIOS_EXCLUDES(mutex_);
  // Keeps what was found under `lock`, with all that it leads to, while the result lives, and lets
  // a collector work meanwhile. Where that cannot be, `lock` is held on.
  std::shared_ptr<const void> Hold(FileLock lock, const ObjectKey& key);
  // The same of what an id names.
  struct HeldRecord {
    ResolvedRecord resolved;
    std::shared_ptr<const void> hold;
  };
  Result<HeldRecord> ResolveAndHold(const std::string& id, const std::string& workspace_key);

  // The same of a snapshot, for a working set. What neither log nor ref names is looked through
  // before it is believed to be there.
  Result<std::shared_ptr<const void>> Keep(const SnapshotId& snapshot) override;
  // The hold of a working set that is in no store yet, or of one that is kept by `lease`.
  std::shared_ptr<const VstHold> MakeHold(std::shared_ptr<const void> lease);

  // How often objects were taken away. Does not change while the store is held shared.
  StoreEpoch Epoch() const;
  // Its collection's number for what is noted now; kNoEpoch if it is not known.
  uint64_t EpochToNote() const;

  // Held while a record is made upon the workspace's last one: those who commit one workspace at
  // once take turns, instead of overtaking each other again and again.
  Result<FileLock> TakeTurn(const OpenWorkspace& workspace) const;

  // Whether a record that the log names can be found: a look-up, nothing is read.
  Result<bool> HasRecord(const RecordId& record);

  Result<ResolvedRecord> Resolve(const std::string& id, const std::string& workspace_key);

  // Scans with the workspace's stat index. `index` must outlive the result.
  Result<std::unique_ptr<ScanResult>> Scan(const OpenWorkspace& workspace, const Workspace& request,
                                           const std::optional<StatIndex>& index, ObjectSink sink);
  std::string IndexPath(const OpenWorkspace& workspace) const;
  // nullopt too if the store has lost something that the index relies on: then every file is read,
  // and a commit stores what is missing anew.
  std::optional<StatIndex> LoadIndex(const OpenWorkspace& workspace, const Workspace& request);
  // Whether a snapshot is there with all that it leads to.
  Result<bool> IsWhole(const SnapshotId& snapshot);
  // Whether nothing was collected since the index was written.
  bool IsOfNow(const StatIndex& index) const;
  // Best effort: the index is a cache.
  void SaveIndex(const OpenWorkspace& workspace, const Workspace& request,
                 const std::optional<StatIndex>& old, ScanResult* scan);

  // What Engine::CommitVst does, but for the counting.
  Result<VstCommitReport> CommitVst(Vst& vst, const VstCommitRequest& request, Room* room);
  // How much more the store may take, null if there is no limit: of `max_size` bytes, or of what
  // the settings say.
  Result<std::unique_ptr<Room>> MakeRoom(const std::optional<uint64_t>& max_size);
  Error TooLarge(const std::optional<uint64_t>& max_size, uint64_t room);
  // Counts a commit of either kind.
  template <typename Report>
  void CountCommit(const Report& report);
  // Merges packs if it is time to. Best effort: what was committed stands without it.
  void Maintain(ObjectStore* store) const;
  // What Engine::Verify does with the whole store, and with single snapshots.
  Result<void> VerifyStore(const VerifyRequest& request, VerifyReport* report);
  Result<void> VerifySnapshots(const VerifyRequest& request, VerifyReport* report);
  // What Engine::Repair does with a store whose marker is whole.
  Result<void> RepairStore(const RepairRequest& request, RepairReport* report);
  // What Engine::Restore does in each mode, but for the counting.
  Result<RestoreReport> RestoreLazily(const RestoreRequest& request);
  Result<RestoreReport> RestoreEagerly(const RestoreRequest& request, const Selector& selector);
  // A restore into the workspace that was begun and not finished. One whose target the store does
  // not hold counts as none.
  Result<std::optional<InterruptedRestore>> FindInterruptedRestore(const OpenWorkspace& workspace);
  Result<Record> LoadTarget(const RecordId& id);

  // The steps of a change of files (workspace_change.cc).
  Result<WorkspaceChange> BeginChange(OpenWorkspace workspace, bool dry_run);
  // Scans, plans, fills the report and lists the paths.
  Result<void> PlanChange(WorkspaceChange& change, const Workspace& request, const ChangeGoal& goal,
                          const PathSink& on_path);
  // Removes what a killed restore left that holds nothing of its own.
  Result<void> ClearLeftovers(WorkspaceChange& change);
  // kWouldLoseWork unless the plan may be carried out.
  Result<void> CheckChange(const WorkspaceChange& change) const;
  // Makes the store hold all that the plan changes, durably: the record of the safety snapshot.
  Result<RecordId> SaveBefore(WorkspaceChange& change);
  // Changes the files.
  Result<void> Apply(WorkspaceChange& change);
  // Saves, writes the intent, applies, logs the operation and removes the intent.
  Result<void> CarryOut(WorkspaceChange& change, Operation operation);
  // Ends an interrupted restore where it stands: what it changed can be taken back.
  Result<void> LogInterrupted(const OpenWorkspace& workspace,
                              const InterruptedRestore& interrupted);
  // What Engine::ResumeRestore does, but for the counting.
  Result<RestoreReport> Resume(const ResumeRequest& request);
  // Puts the operation into the log that was interrupted: its id.
  Result<std::string> LogResumed(const WorkspaceChange& change, const Operation& operation);
  // Puts what the plan of a resumed restore would lose into a safety snapshot of the log.
  Result<void> SaveEdits(WorkspaceChange& change, Operation operation);
  void CountRestore(const RestoreReport& report);
  // What goes into the log when `workspace`, which stood at `latest`, is made to stand at `record`.
  Operation MakeOperation(OperationKind kind, const OpenWorkspace& workspace,
                          const ResolvedRecord& record,
                          const std::optional<Operation>& latest) const;
  // A record that an undo goes from or to: it may have been collected.
  Result<Record> LoadSide(const RecordId& id);
  // Sets snapshot and attributes to those of the operation's record.
  Result<void> SetRoots(Operation* operation);
  // What it would take to be where the workspace stands.
  Result<RestorePlan> PlanToBaseline(const WorkspaceChange& change, const Selector& selector);
  // Puts the move of a tag into the log.
  Result<void> LogTag(const std::string& ref, const Workspace& workspace,
                      const std::optional<RecordId>& before, const std::optional<RecordId>& after);
  // What Engine::Undo does, by what the operation moved.
  Result<void> UndoTag(const UndoRequest& request, const Operation& operation, UndoReport* report);
  Result<void> UndoBranch(const UndoRequest& request, const Operation& operation,
                          UndoReport* report);
  Result<void> UndoInWorkspace(const UndoRequest& request, const Operation& operation,
                               UndoReport* report);
  // A workspace's own folder in the store; it need not be there.
  std::string FolderOf(const OpenWorkspace& workspace) const;

  WriteOptions MakeWriteOptions(const Selector& selector) const;

  // Adds what this process counted to the store. Best effort: figures never fail an operation.
  void FlushMetrics() HELIOS_EXCLUDES(mutex_);
  // The same for operations that take less time than that: at most once a second. What is left then
  // is added with the next one or by FlushRest.
  void FlushMetricsNowAndThen() HELIOS_EXCLUDES(mutex_);
  void FlushRest() HELIOS_EXCLUDES(mutex_);
  void Debug(const std::string& line) const {
    if (options.debug) options.debug(line);
  }
  // Tells the progress what goes on from here, and the debug output how long the last phase took.
  void SetPhase(const char* phase) HELIOS_EXCLUDES(mutex_);

  const EngineOptions options;
  const StorePaths paths;
  const unsigned threads;
  MetricsRecorder metrics;
  ObjectCache cache;
  const OperationLog log;
  const RefStore refs;
  LeaseTable leases;
  GroupCommit group_commit;

 private:
  IndexHeader ExpectedIndex(const OpenWorkspace& workspace, const Workspace& request) const;
  // Whether the store still has what the index was written upon, as far as look-ups tell.
  bool IsBacked(const StatIndex& index);

  // Sets where the objects are, as the marker says.
  Result<void> Identify() HELIOS_REQUIRES(mutex_);
  Result<std::unique_ptr<ObjectStore>> OpenBackend() HELIOS_REQUIRES(mutex_);

  Mutex mutex_;
  Backend backend_ HELIOS_GUARDED_BY(mutex_);
  std::optional<StoreIdentity> identity_ HELIOS_GUARDED_BY(mutex_);       // once it was looked at
  ExchangeableStore* backend_store_ HELIOS_GUARDED_BY(mutex_) = nullptr;  // part of store_
  const char* phase_ HELIOS_GUARDED_BY(mutex_) = "";
  std::chrono::steady_clock::time_point phase_start_ HELIOS_GUARDED_BY(mutex_);
  std::unique_ptr<ObjectStore> store_ HELIOS_GUARDED_BY(mutex_);
  bool has_settings_ HELIOS_GUARDED_BY(mutex_) = false;   // StoreToWrite has read them
  bool has_unflushed_ HELIOS_GUARDED_BY(mutex_) = false;  // FlushMetricsNowAndThen left something
  std::chrono::steady_clock::time_point last_flush_ HELIOS_GUARDED_BY(mutex_);
};

template <typename Report>
void Engine::State::CountCommit(const Report& report) {
  metrics.Add(Counter::kCommits);
  if (report.unchanged) metrics.Add(Counter::kCommitsUnchanged);
  metrics.Add(Counter::kNewObjects, report.new_objects);
  metrics.Add(Counter::kNewBytes, report.new_bytes);
  metrics.Add(Counter::kReusedObjects, report.reused_objects);
  metrics.Add(Counter::kReusedBytes, report.reused_bytes);
}

// Says in the report of a commit of either kind what was written.
template <typename Report>
void FillWritten(const WriteCounts& written, Report* report) {
  report->new_objects = written.new_objects;
  report->new_bytes = written.new_bytes;
  report->reused_objects = written.reused_objects;
  report->reused_bytes = written.reused_bytes;
}

// kInvalidArgument unless a record holds these.
Result<void> CheckRecordTexts(const std::string& message, const std::string& author,
                              const std::map<std::string, std::string>& labels);

// The selector's patterns that match nothing in any of these trees. Reads them only as far as what
// has been asked so far leaves doubts.
Result<std::vector<std::string>> UnmatchedIn(const TreeReader& reader,
                                             const std::vector<TreeId>& trees,
                                             const Selector& selector);
// The path without links and dots, as far as it exists.
std::string RealPath(const std::string& path);
// True if `path` is `folder` or lies below it; both are real paths.
bool IsWithin(const std::string& path, const std::string& folder);
// Where files go that are made equal to a record.
inline TreeRoots RootsOf(const Record& record) { return {record.snapshot, record.attributes}; }
// Says that the operation log has moved on in a workspace.
std::string MovedMeanwhile(const OpenWorkspace& workspace);
// Wall-clock time as records and operations carry it.
Timestamp Now();
// A copy of a descriptor for someone who will close it.
Result<Fd> Duplicate(const Fd& fd);

}  // namespace helios

#endif  // HELIOS_ENGINE_ENGINE_STATE_H_

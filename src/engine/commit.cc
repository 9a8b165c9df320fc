#include "engine/commit_writer.h"
#include "engine/engine_state.h"
#include "engine/within_size.h"
#include "history/restore_intent.h"
#include "object/hash.h"

namespace helios {
namespace {

// How often a commit that others overtake in the same workspace tries again.
constexpr int kAppendAttemptsMax = 32;
// A record is one object, far smaller than the largest.
constexpr size_t kLabelBytesMax = size_t{1} << 20;

Record MakeRecord(const CommitRequest& request, const OpenWorkspace& workspace,
                  const ScanResult& scan, const std::optional<Operation>& latest) {
  Record record;
  record.snapshot = scan.root.tree;
  record.attributes = scan.root.attributes;
  record.totals = scan.root.totals;
  if (latest) record.parents.push_back(latest->record);
  record.time = Now();
  record.author = request.author;
  record.workspace = request.workspace.name.empty() ? workspace.real_path : request.workspace.name;
  record.message = request.message;
  record.labels = request.labels;
  record.torn = scan.report[OmissionReason::kTorn].count > 0;
  return record;
}

// What a restore was killed in the middle of is nobody's work.
Result<void> CheckInterrupted(const OpenWorkspace& workspace, bool is_interrupted) {
  if (!is_interrupted) return {};
  return Error(
      ErrorCode::kWouldLoseWork,
      "refused: a restore into " + workspace.real_path +
          " was interrupted, and some of its files may be cut short; \"helios restore --continue\" "
          "goes on, \"helios restore --abort\" goes back to how the folder was, --force commits "
          "it as it is");
}

// Files of a lazily restored snapshot are not on disk: the scan would take them for deleted.
Result<void> CheckBaseline(const std::optional<Operation>& latest, const CommitRequest& request) {
  if (!latest || !latest->IsLazy() || request.force) return {};
  return Error(ErrorCode::kWouldLoseWork,
               "refused: " + latest->path + " stands at snapshot " + FormatId(latest->snapshot) +
                   ", restored lazily: the files that are not in the folder would be recorded as "
                   "deleted; bring them first with \"helios restore @\", or give --force to commit "
                   "the folder as it is");
}

}  // namespace

Result<void> CheckRecordTexts(const std::string& message, const std::string& author,
                              const std::map<std::string, std::string>& labels) {
  size_t bytes = 0;
  bool fits = message.size() <= kRecordTextBytesMax && author.size() <= kRecordTextBytesMax &&
              labels.size() <= kRecordLabelsMax;
  for (const auto& [key, value] : labels) {
    fits = fits && !key.empty() && key.size() <= kRecordTextBytesMax &&
           value.size() <= kRecordTextBytesMax;
    bytes += key.size() + value.size();
  }
  if (fits && bytes <= kLabelBytesMax) return {};
  return Error(ErrorCode::kInvalidArgument,
               "message and labels may have at most 64 KiB each, there may be 256 labels, and all "
               "labels together may have 1 MiB");
}

Result<CommitReport> Engine::Commit(const CommitRequest& request) {
  return WithinSize<CommitReport>(request.max_size,
                                  [&](Room* room) { return CommitOnce(request, room); });
}

Result<CommitReport> Engine::CommitOnce(const CommitRequest& request, Room* room) {
  State& state = *state_;
  HELIOS_TRY(CheckRecordTexts(request.message, request.author, request.labels));
  CommitReport report;
  {
    const LatencyTimer timer(&state.metrics, Latency::kCommit);
    state.SetPhase("reading the index");
    HELIOS_TRY_ASSIGN(const OpenWorkspace workspace,
                      state.OpenWorkspaceRoot(request.workspace, false));
    HELIOS_TRY_ASSIGN(const FileLock lock, state.LockShared());
    HELIOS_TRY_ASSIGN(const std::optional<Operation> baseline, state.log.Latest(workspace.key));
    HELIOS_TRY(CheckBaseline(baseline, request));
    HELIOS_TRY_ASSIGN(const std::optional<InterruptedRestore> interrupted,
                      state.FindInterruptedRestore(workspace));
    HELIOS_TRY(CheckInterrupted(workspace, interrupted && !request.force));
    const std::optional<StatIndex> index = state.LoadIndex(workspace, request.workspace);
    CommitWriter writer([&state] { return state.StoreToWrite(); }, state.threads, room);
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ScanResult> scan,
                      state.Scan(workspace, request.workspace, index,
                                 [&writer](unsigned worker, const ObjectKey& key, ByteView bytes) {
                                   return writer.Put(worker, key, bytes);
                                 }));
    report.snapshot = scan->root.tree;
    report.files = scan->root.totals.files;
    report.bytes = scan->root.totals.bytes;
    report.capture = scan->report;
    report.files_hashed = scan->files_hashed;

    state.SetPhase("writing");
    const auto is_unchanged = [&](const std::optional<Operation>& latest) -> Result<bool> {
      const bool is_same = latest && !latest->IsLazy() && latest->snapshot == scan->root.tree &&
                           latest->attributes == scan->root.attributes &&
                           // What should have been there and was not (a lost pack, say) is put
                           // back.
                           writer.new_objects() == 0 && request.message.empty() &&
                           request.labels.empty() && scan->report[OmissionReason::kTorn].count == 0;
      return is_same ? state.HasRecord(latest->record) : Result<bool>(false);
    };
    HELIOS_TRY_ASSIGN(const FileLock turn, state.TakeTurn(workspace));
    // Contents and trees, the record, the operation: each is durable before the next is visible.
    for (int attempt = 0;; ++attempt) {
      HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, state.log.Latest(workspace.key));
      HELIOS_TRY(CheckBaseline(latest, request));
      HELIOS_TRY_ASSIGN(const bool unchanged, is_unchanged(latest));
      if (unchanged) {
        report.unchanged = true;
        report.record = latest->record;
        break;
      }
      if (attempt == kAppendAttemptsMax) {
        return Error(ErrorCode::kBusy,
                     "busy: other processes keep committing " + workspace.real_path);
      }
      const Record record = MakeRecord(request, workspace, *scan, latest);
      const Bytes bytes = EncodeRecord(record);
      report.record = {HashObject(ObjectKind::kRecord, bytes)};
      HELIOS_TRY(writer.Put(0, report.record, bytes));
      HELIOS_TRY(writer.Publish());
      HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
      HELIOS_TRY(store->Sync());
      state.SetPhase("logging");
      HELIOS_TRY_ASSIGN(const bool appended,
                        state.log.Append(state.MakeOperation(OperationKind::kCommit, workspace,
                                                             {report.record, record}, latest)));
      if (appended) break;
    }
    if (interrupted) {
      HELIOS_TRY(state.LogInterrupted(workspace, *interrupted));
      HELIOS_TRY(RemoveRestoreIntent(state.FolderOf(workspace)));
    }
    FillWritten(writer.counts(), &report);
    state.SetPhase("merging");
    if (!report.unchanged && report.new_objects > 0) {
      HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
      state.Maintain(store);
    }
    // Last, so that it never speaks of objects that are not there, and names the packs as they are.
    state.SetPhase("writing the index");
    if (scan->index_is_stale || !index || !state.IsOfNow(*index)) {
      state.SaveIndex(workspace, request.workspace, index, scan.get());
    }
  }
  state.SetPhase("counting");
  state.CountCommit(report);
  state.FlushMetrics();
  state.SetPhase("");
  return report;
}

}  // namespace helios

// Working sets in memory over the engine's store: made, opened, and committed durably.
#include "base/thread_pool.h"
#include "engine/engine_state.h"
#include "engine/within_size.h"
#include "history/branches.h"
#include "object/hash.h"
#include "vst/vst_store.h"

namespace helios {
namespace {

// What a commit brings along above this, it writes by itself before it joins others: they would
// wait for it.
constexpr uint64_t kSharedBytesMax = uint64_t{4} << 20;
// So many objects are handed to a thread at a time.
constexpr size_t kObjectsPerTask = 64;

Record MakeRecord(const VstCommitRequest& request, const Vst& vst, const SnapshotId& snapshot) {
  Record record;
  record.snapshot = snapshot;
  record.totals = VstAccess::TotalsOf(vst);
  if (const std::optional<VstBase>& base = VstAccess::BaseOf(vst)) {
    record.parents.push_back(base->record);
  }
  record.time = Now();
  record.author = request.author;
  if (!request.branch.empty()) record.workspace = std::string(kHeadsPrefix) + request.branch;
  record.message = request.message;
  record.labels = request.labels;
  return record;
}

Operation MakeBranchOperation(const std::string& branch, const RecordId& record,
                              const SnapshotId& snapshot) {
  Operation operation;
  operation.kind = OperationKind::kBranchCommit;
  operation.time = Now();
  if (!branch.empty()) operation.workspace = BranchKey(branch);
  operation.record = record;
  operation.snapshot = snapshot;
  operation.path = branch;
  return operation;
}

Error Stale(const std::string& branch) {
  return Error(ErrorCode::kStale, "the branch \"" + branch +
                                      "\" has moved on: open it again and do the work upon what "
                                      "is there now");
}

// What can be told before anything is written. The working set is committed already, speculatively.
Result<VstCommitReport> BeginReport(Vst& vst, const VstCommitRequest& request) {
  VstCommitReport report;
  HELIOS_TRY_ASSIGN(report.snapshot, vst.Commit());
  report.files = VstAccess::TotalsOf(vst).files;
  report.bytes = VstAccess::TotalsOf(vst).bytes;
  const std::optional<VstBase>& base = VstAccess::BaseOf(vst);
  report.unchanged = base && base->snapshot == report.snapshot && request.message.empty() &&
                     request.labels.empty();
  if (report.unchanged) report.record = base->record;
  return report;
}

// Tells who is stale already before much is written; whoever is not may still come too late.
Result<void> CheckBranch(const OperationLog& log, const std::string& branch,
                         const std::optional<RecordId>& base) {
  if (branch.empty()) return {};
  HELIOS_TRY_ASSIGN(const std::optional<RecordId> head, HeadOfBranch(log, branch));
  if (head && head != base) return Stale(branch);
  return {};
}

uint64_t BytesOf(std::span<const BorrowedObject> objects) {
  uint64_t bytes = 0;
  for (const BorrowedObject& object : objects) bytes += object.bytes.size();
  return bytes;
}

// Makes the objects visible; durable with the store's next Sync.
Result<WriteCounts> WriteAlone(CommitWriter::StoreOpener open, unsigned threads,
                               std::span<const BorrowedObject> objects, Room* room) {
  CommitWriter writer(std::move(open), threads, room);
  HELIOS_TRY(TaskStack::Run(threads, [&](TaskStack& tasks) {
    for (size_t at = 0; at < objects.size(); at += kObjectsPerTask) {
      const auto part = objects.subspan(at, std::min(kObjectsPerTask, objects.size() - at));
      tasks.Push([&writer, part](unsigned worker) { return writer.PutMany(worker, part); });
    }
  }));
  HELIOS_TRY(writer.Publish());
  return writer.counts();
}

// Those who share a pack do not share a limit: each counts what it brings, before compression.
Result<void> CheckRoom(uint64_t bytes, Room* room) {
  if (room == nullptr || bytes <= room->bytes) return {};
  room->is_over = true;
  return Error(ErrorCode::kNoSpace, "the store would grow beyond the size that it may have");
}

Result<void> CheckRequest(const VstCommitRequest& request) {
  HELIOS_TRY(CheckRecordTexts(request.message, request.author, request.labels));
  if (!request.branch.empty()) HELIOS_TRY(RefBelow(kHeadsPrefix, request.branch, "branch"));
  return {};
}

}  // namespace

Result<Vst> Engine::NewVst() {
  HELIOS_TRY_ASSIGN(ObjectStore * store, state_->Store());
  Vst vst(store);
  VstAccess::SetHold(vst, state_->MakeHold(nullptr));
  return vst;
}

Result<Vst> Engine::OpenVst(const std::string& id, const Workspace& workspace,
                            std::optional<RestoreMode> mode) {
  State& state = *state_;
  HELIOS_TRY_ASSIGN(State::HeldRecord held, state.ResolveAndHold(id, state.KeyOf(workspace)));
  const ResolvedRecord& source = held.resolved;
  HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
  Vst vst(store);
  VstAccess::SetHold(vst, state.MakeHold(std::move(held.hold)));
  HELIOS_TRY(VstAccess::RestoreHeld(
      vst, source.record.snapshot,
      mode.value_or(state.options.restore_mode.value_or(RestoreMode::kLazy))));
  VstAccess::SetBase(vst, {source.id, source.record.snapshot});
  return vst;
}

Result<VstCommitReport> Engine::CommitVst(Vst& vst, const VstCommitRequest& request) {
  State& state = *state_;
  HELIOS_TRY(CheckRequest(request));
  HELIOS_TRY_ASSIGN(ObjectStore * store, state.Store());
  if (VstAccess::StoreOf(vst) != store) {
    return Error(ErrorCode::kInvalidArgument,
                 "this working set was not made by this engine, and what it relies on may not be "
                 "in the store " +
                     state.paths.root);
  }
  VstCommitReport report;
  {
    const LatencyTimer timer(&state.metrics, Latency::kCommit);
    HELIOS_TRY_ASSIGN(report, WithinSize<VstCommitReport>(std::nullopt, [&](Room* room) {
                        return state.CommitVst(vst, request, room);
                      }));
  }
  state.CountCommit(report);
  state.FlushMetricsNowAndThen();
  if (state.group_commit.TakeMaintenanceDue()) {
    // Best effort, as the merging is.
    if (const Result<FileLock> use = state.UseBackend()) state.Maintain(store);
  }
  return report;
}

Result<VstCommitReport> Engine::State::CommitVst(Vst& vst, const VstCommitRequest& request,
                                                 Room* room) {
  HELIOS_TRY_ASSIGN(const FileLock lock, LockShared());
  const uint64_t epoch = EpochToNote();
  // What was stored when there had been fewer collections may have been taken away.
  const bool is_doubtful = epoch == kNoEpoch || VstAccess::HoldOf(vst)->epoch != epoch;
  HELIOS_TRY_ASSIGN(VstObjects collected, VstAccess::CollectObjects(vst, is_doubtful));
  HELIOS_TRY_ASSIGN(VstCommitReport report, BeginReport(vst, request));
  if (is_doubtful && report.unchanged) {
    HELIOS_TRY_ASSIGN(report.unchanged, IsNamed(log, refs, report.record));
  }
  if (report.unchanged && request.branch.empty()) return report;

  DurableCommit commit;
  if (const std::optional<VstBase>& base = VstAccess::BaseOf(vst)) commit.base = base->record;
  Bytes record;
  if (!report.unchanged) {
    record = EncodeRecord(MakeRecord(request, vst, report.snapshot));
    report.record = {HashObject(ObjectKind::kRecord, record)};
    if (BytesOf(collected.objects) > kSharedBytesMax) {
      HELIOS_TRY(CheckBranch(log, request.branch, commit.base));
      HELIOS_TRY_ASSIGN(commit.written, WriteAlone([this] { return StoreToWrite(); }, threads,
                                                   collected.objects, room));
      collected.objects.clear();
    }
    collected.objects.push_back({report.record, record});
    HELIOS_TRY(CheckRoom(BytesOf(collected.objects), room));
    commit.objects = collected.objects;
  }
  commit.operation = MakeBranchOperation(request.branch, report.record, report.snapshot);
  commit.operation.command = BoundedCommand(options.command);
  HELIOS_TRY(group_commit.Commit(&commit));
  if (commit.is_stale) return Stale(request.branch);
  MarkStored(collected);
  VstAccess::SetBase(vst, {report.record, report.snapshot});
  if (is_doubtful) VstAccess::SetHold(vst, MakeHold(VstAccess::HoldOf(vst)->lease));
  FillWritten(commit.written, &report);
  return report;
}

}  // namespace helios

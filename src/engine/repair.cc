// Makes a damaged store whole, as far as that can be.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/set_aside.h"
#include "engine/engine_state.h"
#include "engine/object_filler.h"
#include "engine/reference_survey.h"
#include "engine/store_health.h"
#include "history/log_repair.h"
#include "history/log_salvage.h"
#include "history/named_records.h"
#include "store/decorators.h"
#include "store/store_lock.h"
#include "worktree/file_cache.h"

namespace helios {
namespace {

// Each round of filling can show what else is lost; none goes deeper than trees do.
constexpr int kRoundsMax = 256;

// One repair of one store. Under dry_run it says what it would do, and does nothing.
class StoreRepair {
 public:
  StoreRepair(const EngineOptions& options, const StorePaths& paths, const OperationLog& log,
              const RefStore& refs, const RepairRequest& request, unsigned threads,
              RepairReport* report)
      : options_(options),
        paths_(paths),
        log_(log),
        refs_(refs),
        request_(request),
        threads_(threads),
        report_(report) {}

  // Before the log is read by anybody. `store`: as the backend gives it, and verified.
  Result<void> Run(ObjectStore* store, ObjectStore* verified);

 private:
  bool dry_run() const { return request_.dry_run; }
  void Step(std::string done) { report_->steps.push_back(std::move(done)); }
  void Step(const std::string& done, const std::string& place) {
    if (!place.empty()) report_->set_aside.push_back(place);
    Step(done);
  }

  Result<void> RepairObjects(ObjectStore* store);
  Result<void> RepairOperationLog();
  Result<void> RepairRefs(ObjectStore* verified);
  // Removes a damaged file that is not needed.
  Result<void> RemoveFile(const HealthCheck& check, const std::string& path,
                          const std::string& done);
  Result<void> RepairFileCache();
  Result<void> Fill(ObjectStore* store, ObjectStore* verified);
  // Reads everything once more, and says what is not whole.
  Result<void> Look(ObjectStore* verified);
  // Notes in the log the records that it does not name any more: they are found by their ids again,
  // and a collector treats them as all others.
  Result<void> RecoverRecords(ObjectStore* verified);

  const EngineOptions& options_;
  const StorePaths& paths_;
  const OperationLog& log_;
  const RefStore& refs_;
  const RepairRequest& request_;
  const unsigned threads_;
  RepairReport* const report_;
  KeySet whole_;  // what was read and need not be again
  bool log_was_damaged_ = false;
};

bool IsDamage(const HealthCheck& check) { return !check.ok && (check.code == ErrorCode::kCorrupt); }

Result<void> StoreRepair::Run(ObjectStore* store, ObjectStore* verified) {
  HELIOS_TRY(RepairObjects(store));
  HELIOS_TRY(RepairOperationLog());
  HELIOS_TRY(RepairRefs(verified));
  HELIOS_TRY(RemoveFile(CheckSettings(paths_.root), paths_.Settings(),
                        "set the settings back to what stores do by default"));
  HELIOS_TRY(RemoveFile(CheckStatistics(paths_.Metrics()), paths_.Metrics(),
                        "set the statistics back to zero"));
  HELIOS_TRY(RepairFileCache());
  if (log_was_damaged_ || request_.recover_records) HELIOS_TRY(RecoverRecords(verified));
  HELIOS_TRY(Fill(store, verified));
  return Look(verified);
}

Result<void> StoreRepair::RepairObjects(ObjectStore* store) {
  RepairObjectsRequest request;
  request.dry_run = dry_run();
  request.threads = threads_;
  request.progress = options_.progress;
  HELIOS_TRY_ASSIGN(report_->objects, store->Repair(request));
  const RepairObjectsReport& objects = report_->objects;
  if (objects.set_aside.empty() && objects.left.empty()) return {};
  report_->set_aside.insert(report_->set_aside.end(), objects.set_aside.begin(),
                            objects.set_aside.end());
  Step("brought " + Plural(objects.salvaged_objects, "whole object") + " out of " +
       Plural(objects.set_aside.size(), "damaged pack") +
       "; lost: " + Plural(objects.lost_objects, "object"));
  for (const Error& error : objects.left) Step("left as it is: " + error.message());
  return {};
}

Result<void> StoreRepair::RepairOperationLog() {
  // Without the epoch nobody can tell whether the log has lost its end.
  const bool is_whole = !IsDamage(CheckOperationLog(log_)) && !IsDamage(CheckEpoch(paths_.Epoch()));
  if (is_whole) return {};
  log_was_damaged_ = true;
  if (dry_run()) {
    Step("make the operation log anew of its whole entries");
    return {};
  }
  HELIOS_TRY_ASSIGN(const LogRepair repair, RepairLog(paths_.OperationLog(), paths_.Workspaces(),
                                                      paths_.Epoch(), paths_.Damaged()));
  std::string done = "made the operation log anew of " + Plural(repair.operations, "operation");
  if (repair.from_checkpoints > 0) {
    done += ", " + Plural(repair.from_checkpoints, "entry") + " of checkpoints among them";
  }
  Step(done, repair.set_aside);
  return {};
}

Result<void> StoreRepair::RepairRefs(ObjectStore* verified) {
  HELIOS_TRY_ASSIGN(const RefListing listing, refs_.ListAll());
  const bool any = std::any_of(listing.damage.begin(), listing.damage.end(), [](const auto& one) {
    return one.error.code() == ErrorCode::kCorrupt;
  });
  if (!any) return {};
  if (dry_run()) {
    Step("repair or remove " + Plural(listing.damage.size(), "damaged ref"));
    return {};
  }
  const auto has = [&](const RecordId& record) { return LoadRecord(verified, record).has_value(); };
  HELIOS_TRY_ASSIGN(RefRepair repair, refs_.Repair(has, paths_.Damaged()));
  for (const std::string& name : repair.repaired) Step("repaired ref \"" + name + "\"");
  for (const std::string& name : repair.lost) Step("removed the damaged ref " + name);
  report_->set_aside.insert(report_->set_aside.end(), repair.set_aside.begin(),
                            repair.set_aside.end());
  return {};
}

Result<void> StoreRepair::RemoveFile(const HealthCheck& check, const std::string& path,
                                     const std::string& done) {
  if (!IsDamage(check)) return {};
  std::string place;
  if (!dry_run()) {
    HELIOS_TRY_ASSIGN(place, KeepAside(path, paths_.Damaged()));
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return Error::FromErrno(errno, "remove", path);
    }
    HELIOS_TRY(SyncFolder(paths_.root));
  }
  Step(done, place);
  return {};
}

Result<void> StoreRepair::RepairFileCache() {
  const Result<std::vector<std::string>> changed = FileCache::Check(paths_.FileCache());
  if (!changed || changed->empty()) return {};
  for (const std::string& name : *changed) {
    const std::string path = paths_.FileCache() + "/" + name;
    if (!dry_run() && ::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return Error::FromErrno(errno, "remove", path);
    }
  }
  Step("removed " + Plural(changed->size(), "file") +
       " of the file cache that had been written to; folders linked to them keep what was written");
  return {};
}

Result<void> StoreRepair::Fill(ObjectStore* store, ObjectStore* verified) {
  if (request_.from_workspaces.empty() && request_.from_stores.empty()) return {};
  for (int round = 0; round < kRoundsMax; ++round) {
    HELIOS_TRY_ASSIGN(const std::vector<RecordId> records, NamedRecords(paths_, refs_));
    ReferenceSurvey survey(verified, {threads_, options_.progress, false, &whole_});
    HELIOS_TRY(survey.Run(records));
    if (survey.problems().empty()) return {};
    KeySet wanted;
    std::vector<ObjectKey> keys;
    for (const auto& [key, problem] : survey.problems()) {
      wanted.Insert(key);
      keys.push_back(key);
    }
    ObjectFiller filler(store, wanted, dry_run());
    for (const std::string& path : request_.from_stores) {
      HELIOS_TRY(filler.TakeFromStore(path, options_.backends, BackendOptions(options_), keys));
    }
    for (const Workspace& workspace : request_.from_workspaces) {
      HELIOS_TRY(filler.TakeFromWorkspace(workspace, threads_, options_.progress));
    }
    HELIOS_TRY(filler.Publish());
    report_->filled_objects += filler.objects();
    report_->filled_bytes += filler.bytes();
    if (filler.objects() == 0 || dry_run()) return {};
  }
  return {};
}

Result<void> StoreRepair::RecoverRecords(ObjectStore* verified) {
  // By the log: it is where ids are looked for.
  HELIOS_TRY_ASSIGN(const SalvagedLog logged,
                    SalvageLog(paths_.OperationLog(), paths_.Workspaces(), paths_.Epoch()));
  KeySet known;
  for (const Operation& operation : OperationsIn(logged.payloads)) {
    for (const RecordId& record : operation.Records()) known.Insert(record);
  }
  std::vector<RecordId> found;
  // However much of the store is damaged: what can be listed is.
  Mutex mutex;
  VerifyObjectsRequest listing;
  listing.contents = false;
  listing.object = [&](const ObjectKey& key, uint64_t, bool) {
    if (key.kind != ObjectKind::kRecord || !known.Insert(key)) return;
    MutexLock lock(mutex);
    found.push_back({key.digest});
  };
  HELIOS_TRY(verified->Verify(listing));
  std::vector<Operation> operations;
  for (const RecordId& id : found) {
    // What was collected in part is not to come back.
    ReferenceSurvey survey(verified, {threads_, options_.progress, false, &whole_, nullptr, false});
    HELIOS_TRY(survey.Run({id}));
    const Result<Record> record = LoadRecord(verified, id);
    if (!record || !survey.problems().empty()) continue;
    Operation& operation = operations.emplace_back();
    operation.kind = OperationKind::kBranchCommit;  // of no line: it is found by its ids
    operation.time = record->time;
    operation.record = id;
    operation.snapshot = record->snapshot;
    operation.attributes = record->attributes;
    operation.path = record->workspace;
  }
  std::sort(operations.begin(), operations.end(),
            [](const Operation& x, const Operation& y) { return x.time < y.time; });
  for (const Operation& operation : operations) {
    report_->recovered.push_back(FormatId(operation.record));
  }
  if (operations.empty()) return {};
  if (!dry_run()) HELIOS_TRY(log_.AppendMany(operations, nullptr));
  Step("noted " + Plural(operations.size(), "record") +
       " in the operation log that it did not name any more");
  return {};
}

Result<void> StoreRepair::Look(ObjectStore* verified) {
  HELIOS_TRY_ASSIGN(const std::vector<RecordId> records, NamedRecords(paths_, refs_));
  report_->after.checks = {CheckSettings(paths_.root),       CheckOperationLog(log_),
                           CheckRefs(refs_, log_, verified), CheckStatistics(paths_.Metrics()),
                           CheckEpoch(paths_.Epoch()),       CheckFileCache(paths_.FileCache())};
  ReferenceSurvey survey(verified, {threads_, options_.progress, false, &whole_});
  HELIOS_TRY(survey.Run(records));
  DamageList& damage = report_->after.objects.damage;
  for (const Error& error : report_->objects.left) {
    damage.Add({"", std::nullopt, std::nullopt, error});
  }
  if (dry_run()) {
    for (const std::string& place : report_->objects.set_aside) {
      damage.Add({"", std::nullopt, std::nullopt,
                  Error(ErrorCode::kCorrupt, "a damaged pack, to be set aside as " + place)});
    }
  }
  return survey.Describe(&report_->after);
}

}  // namespace

Result<void> Engine::State::RepairStore(const RepairRequest& request, RepairReport* report) {
  SetPhase("repairing");
  // Nobody collects meanwhile.
  std::optional<FileLock> collector;
  if (!request.dry_run) {
    HELIOS_TRY_ASSIGN(collector,
                      FileLock::Acquire(paths.Epoch(), FileLock::Mode::kExclusive, LockWait()));
  }
  HELIOS_TRY_ASSIGN(const FileLock lock, request.dry_run ? ShareStore(paths, LockWait())
                                                         : TakeStoreAlone(paths, LockWait()));
  HELIOS_TRY(FollowStore());
  const Backend backend = CurrentBackend();
  struct stat status;
  if (::stat(paths.BackendFolder(backend.name).c_str(), &status) != 0 && !request.dry_run) {
    HELIOS_TRY(MakeFolder(paths.BackendFolder(backend.name)));
    report->steps.push_back("made the folder of packs anew: it was gone");
  }
  // Past L1, which may hold what is damaged by now.
  HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> opened,
                    backend.open(paths.BackendFolder(backend.name), BackendOptions(options)));
  ObjectStore* const store = opened.get();
  VerifyingStore verified(std::move(opened));
  StoreRepair repair(options, paths, log, refs, request, threads, report);
  return repair.Run(store, &verified);
}

Result<RepairReport> Engine::Repair(const EngineOptions& options, const RepairRequest& request) {
  RepairReport report;
  Result<Backend> backend = IdentifyStore(options.store, options.backends);
  const bool is_damage = !backend && (backend.error().code() == ErrorCode::kCorrupt ||
                                      backend.error().code() == ErrorCode::kNoStore);
  if (is_damage) {
    HELIOS_TRY_ASSIGN(const bool is_store,
                      RepairMarker(options.store, options.backends,
                                   StorePaths{options.store}.Damaged(), request.dry_run));
    if (!is_store) return std::move(backend).error();
    report.steps.push_back("wrote the file that makes the folder a store anew");
    if (request.dry_run) return report;
    backend = IdentifyStore(options.store, options.backends);
  }
  if (!backend) return std::move(backend).error();
  State state(options, std::move(backend).value());
  HELIOS_TRY(state.RepairStore(request, &report));
  state.SetPhase("");
  report.was_whole = report.steps.empty() && report.filled_objects == 0 && report.after.IsWhole();
  return report;
}

}  // namespace helios

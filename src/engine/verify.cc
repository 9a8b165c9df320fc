// Every byte of a store against its id, and whether all is there that its snapshots refer to.
#include <algorithm>
#include <chrono>

#include "base/codec.h"
#include "engine/engine_state.h"
#include "engine/reference_survey.h"
#include "engine/store_health.h"
#include "history/named_records.h"
#include "object/hash.h"

namespace helios {
namespace {

Result<void> CheckRequest(const VerifyRequest& request) {
  const auto wrong = [](const std::string& message) {
    return Error(ErrorCode::kInvalidArgument, message);
  };
  if (request.parts == 0 || request.part == 0 || request.part > request.parts) {
    return wrong("there is no part " + std::to_string(request.part) + " of " +
                 std::to_string(request.parts));
  }
  if (!(request.share >= 0 && request.share <= 1)) return wrong("a share is between 0 and 1");
  const bool selects = !request.selection.includes.empty() || !request.selection.excludes.empty();
  if (selects && request.ids.empty()) return wrong("paths are those of a snapshot: name one");
  const bool is_partial = request.parts > 1 || request.share < 1;
  if (is_partial && !request.ids.empty()) {
    return wrong("a part or a sample is of the whole store, not of single snapshots");
  }
  if (is_partial && request.structure) {
    return wrong("a part or a sample is of contents, which are not looked at");
  }
  return {};
}

// Which pieces of the contents are read; empty: all.
std::function<bool(uint64_t)> ChoosePieces(const VerifyRequest& request) {
  if (request.parts == 1 && request.share >= 1) return {};
  const auto seed = LoadLittleEndian<uint64_t>(HashBlob(RandomName()).digest.bytes.data());
  return
      [=, part = request.part - 1, parts = request.parts, share = request.share](uint64_t piece) {
        if (piece % parts != part) return false;
        Bytes salted;
        Encoder(&salted).Fixed(piece ^ seed);
        return static_cast<double>(Checksum64(salted) >> 11) < share * 0x1p53;
      };
}

// What an object store says of its objects.
struct Seen {
  KeySet whole;
  Mutex mutex;
  std::vector<RecordId> records HELIOS_GUARDED_BY(mutex);

  void Add(const ObjectKey& key, bool is_whole) HELIOS_EXCLUDES(mutex) {
    if (is_whole) whole.Insert(key);
    if (key.kind != ObjectKind::kRecord) return;
    MutexLock lock(mutex);
    records.push_back({key.digest});
  }
  // Those that nothing leads to, each once.
  void ListRecordsNotIn(const KeySet& reached, VerifyReport* report) HELIOS_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    KeySet known;
    for (const RecordId& record : records) {
      if (reached.Contains(record) || !known.Insert(record)) continue;
      ++report->unreferenced_records;
      if (report->unreferenced.size() < kDamageListedMax) report->unreferenced.push_back(record);
    }
  }
};

}  // namespace

bool VerifyReport::IsWhole() const {
  const bool is_well =
      std::all_of(checks.begin(), checks.end(), [](const HealthCheck& check) { return check.ok; });
  return is_well && objects.damage.count == 0 && unreadable.count == 0 && missing.count == 0;
}

Result<void> Engine::State::VerifyStore(const VerifyRequest& request, VerifyReport* report) {
  Progress* const progress = options.progress;
  HELIOS_TRY_ASSIGN(const FileLock use, UseBackend());
  const Result<ObjectStore*> opened = Store();
  if (!opened) {
    report->checks = {StoreTrouble(opened.error())};
    return {};
  }
  ObjectStore* const store = *opened;
  SetPhase("reading objects");
  if (progress != nullptr) {
    progress->noun = "objects";
    if (const Result<StoreTotals> totals = store->Totals(); totals && !request.structure) {
      progress->files_total = totals->objects;
    }
  }
  Seen seen;
  VerifyObjectsRequest objects;
  objects.contents = !request.structure;
  objects.reads = ChoosePieces(request);
  objects.object = [&](const ObjectKey& key, uint64_t, bool is_whole) { seen.Add(key, is_whole); };
  objects.threads = threads;
  objects.progress = progress;
  // Without a lock: packs do not change, and what is published meanwhile is read below.
  HELIOS_TRY_ASSIGN(report->objects, store->Verify(objects));
  if (progress != nullptr) progress->files_total = 0;

  SetPhase("following snapshots");
  HELIOS_TRY_ASSIGN(const FileLock lock, LockShared());
  report->checks = {CheckSettings(paths.root),   CheckOperationLog(log),
                    CheckRefs(refs, log, store), CheckStatistics(paths.Metrics()),
                    CheckEpoch(paths.Epoch()),   CheckFileCache(paths.FileCache())};
  ReferenceSurvey survey(store, {threads, progress, request.structure, &seen.whole});
  HELIOS_TRY_ASSIGN(const std::vector<RecordId> records, NamedRecords(paths, refs));
  HELIOS_TRY(survey.Run(records));
  HELIOS_TRY(survey.Describe(report));
  seen.ListRecordsNotIn(survey.reached(), report);
  return {};
}

Result<void> Engine::State::VerifySnapshots(const VerifyRequest& request, VerifyReport* report) {
  HELIOS_TRY_ASSIGN(const Selector selector,
                    Selector::Parse(request.selection.includes, request.selection.excludes));
  HELIOS_TRY_ASSIGN(const FileLock lock, LockShared());
  HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
  std::vector<RecordId> records;
  std::vector<TreeId> snapshots;
  for (const std::string& id : request.ids) {
    HELIOS_TRY_ASSIGN(const ResolvedRecord resolved, Resolve(id, KeyOf(request.workspace)));
    records.push_back(resolved.id);
    snapshots.push_back(resolved.record.snapshot);
  }
  SetPhase("reading objects");
  if (options.progress != nullptr) options.progress->noun = "objects";
  KeySet read;
  ReferenceSurvey::Options survey_options{threads, options.progress, request.structure, &read};
  survey_options.selector = selector.SelectsEverything() ? nullptr : &selector;
  survey_options.history = false;
  ReferenceSurvey survey(store, survey_options);
  HELIOS_TRY(survey.Run(records));
  HELIOS_TRY(survey.Describe(report));
  report->unmatched_patterns = selector.UnmatchedPatterns();
  return {};
}

Result<VerifyReport> Engine::Verify(const EngineOptions& options, const VerifyRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  HELIOS_TRY(CheckRequest(request));
  VerifyReport report;
  Result<Backend> backend = IdentifyStore(options.store, options.backends);
  const bool is_damage = !backend && (backend.error().code() == ErrorCode::kCorrupt ||
                                      backend.error().code() == ErrorCode::kUnsupported);
  if (!backend && !is_damage) return std::move(backend).error();
  if (!backend) {
    report.checks = {StoreTrouble(backend.error())};
    return report;
  }
  State state(options, std::move(backend).value());
  HELIOS_TRY(request.ids.empty() ? state.VerifyStore(request, &report)
                                 : state.VerifySnapshots(request, &report));
  state.FlushMetrics();
  state.SetPhase("");
  if (options.progress != nullptr) options.progress->noun = "files";
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace helios

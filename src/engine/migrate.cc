// Moves a store to another backend: everything is copied while others work, read back from the
// copy, and then, with the store alone, what came since; then the marker is replaced.
// docs/decisions/0023.
#include <chrono>
#include <optional>
#include <thread>

#include "engine/engine_state.h"
#include "engine/object_copier.h"
#include "engine/reference_survey.h"
#include "engine/storage_order.h"
#include "engine/store_health.h"
#include "history/named_records.h"
#include "store/decorators.h"
#include "store/store_lock.h"
#include "store/store_move.h"
#include "store/store_settings.h"

namespace helios {
namespace {

using Clock = std::chrono::steady_clock;

// Those who commit for minutes have to end, and so has whoever has a working set open.
constexpr auto kAloneWait = std::chrono::minutes(10);
constexpr auto kLeasePause = std::chrono::milliseconds(20);
// What others committed meanwhile is copied with the store alone once it is no more than that, or
// after so many rounds.
constexpr size_t kFewObjects = 4096;
constexpr int kRoundsMax = 10;
constexpr size_t kKeysPerLookUp = 4096;
constexpr size_t kDamageNamedMax = 20;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::chrono::milliseconds Until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

Error NothingMoved(const Error& error, const std::string& advice) {
  return Error(error.code(),
               "nothing was moved, and the store is as it was: " + error.message() + advice,
               error.os_error());
}

constexpr char kAdviceOnCopy[] =
    "; what was copied stays, and the same command goes on with it (\"helios store migrate "
    "--abort\" gives its space back)";
constexpr char kAdviceOnSource[] =
    "; \"helios verify\" says which snapshots that concerns, \"helios repair\" saves what can be "
    "saved, then the same command goes on";
constexpr char kAdviceOnDamagedCopy[] =
    "; give the copy up (\"helios store migrate --abort\"), look after the disk, and try again";

// One error for many: the first ones are named.
Error Together(const std::vector<Error>& errors, const std::string& what) {
  std::string message = Plural(errors.size(), what) + ":";
  for (size_t i = 0; i < errors.size() && i < kDamageNamedMax; ++i) {
    message += "\n  " + OnOneLine(errors[i].message());
  }
  if (errors.size() > kDamageNamedMax) message += "\n  …";
  return Error(errors.front().code(), std::move(message), errors.front().os_error());
}

}  // namespace

// One migration.
class Engine::Migrator {
 public:
  Migrator(State& state, const MigrateRequest& request)
      : state_(state),
        request_(request),
        progress_(state.options.progress),
        copier_({state.threads, state.options.progress, request.batch_bytes}) {}

  Result<MigrateReport> Run();
  Result<AbortMigrationReport> Abort();

 private:
  // Held while the one who moves the store reads or writes what others may not change.
  struct Alone {
    FileLock backend;
    FileLock store;
  };

  Result<void> Begin();
  Result<std::string> CopyThatIsThere();
  Result<void> CheckNoOtherCopy();
  Result<void> OpenSource();
  // Goes on with the copy that was begun, or begins one.
  Result<void> OpenCopy();
  Result<std::unique_ptr<ObjectStore>> TryOpenCopy();
  Result<void> ReopenCopy();
  // Every key once; fills the report's totals.
  Result<std::vector<ObjectKey>> ListSource();
  Result<std::vector<ObjectKey>> MissingIn(ObjectStore* store, const std::vector<ObjectKey>& keys);
  // What resembles each other together.
  std::vector<ObjectKey> InOrder(std::vector<ObjectKey> keys);
  // Removes from the copy what the store let go of since it was begun.
  Result<void> DropExtra(const std::vector<ObjectKey>& keys);
  Result<void> Copy(const std::vector<ObjectKey>& keys);
  Result<void> Prove(const std::vector<ObjectKey>& keys);
  Result<void> CopyAll();
  // Copies and proves what came since; how many objects that were.
  Result<size_t> CatchUp();
  Result<void> VerifyCopy();
  Result<void> VerifySnapshots();
  Result<Alone> TakeAlone();
  Result<bool> IsAnythingHeld() const;
  Result<void> WaitForLeases(Clock::time_point deadline) const;
  Result<void> Finish();
  void SetPhase(const char* phase, uint64_t total = 0);

  State& state_;
  const MigrateRequest& request_;
  Progress* const progress_;
  ObjectCopier copier_;
  MigrateReport report_;
  std::optional<FileLock> lock_;  // nobody collects, repairs or moves meanwhile
  StoreIdentity identity_;
  Backend from_;
  Backend to_;
  std::unique_ptr<ObjectStore> source_;
  std::unique_ptr<ObjectStore> copy_;
  KeySet whole_;  // what VerifyCopy read
};

Result<MigrateReport> Engine::Migrate(const EngineOptions& options, const MigrateRequest& request) {
  HELIOS_TRY_ASSIGN(Backend backend, IdentifyStore(options.store, options.backends));
  State state(options, std::move(backend));
  return Migrator(state, request).Run();
}

Result<AbortMigrationReport> Engine::AbortMigration(const EngineOptions& options) {
  HELIOS_TRY_ASSIGN(Backend backend, IdentifyStore(options.store, options.backends));
  State state(options, std::move(backend));
  return Migrator(state, {}).Abort();
}

void Engine::Migrator::SetPhase(const char* phase, uint64_t total) {
  state_.SetPhase(phase);
  if (progress_ == nullptr) return;
  progress_->noun = "objects";
  progress_->files = 0;
  progress_->bytes = 0;
  progress_->files_total = total;
}

Result<void> Engine::Migrator::Begin() {
  HELIOS_TRY_ASSIGN(lock_, FileLock::Acquire(state_.paths.Epoch(), FileLock::Mode::kExclusive,
                                             state_.LockWait()));
  // From here on only this process moves it.
  HELIOS_TRY_ASSIGN(identity_, ReadIdentity(state_.paths.root));
  HELIOS_TRY_ASSIGN(from_, FindBackend(state_.options.backends, identity_.backend));
  return {};
}

Result<MigrateReport> Engine::Migrator::Run() {
  const Clock::time_point start = Clock::now();
  HELIOS_TRY_ASSIGN(to_, FindBackend(state_.options.backends, request_.to));
  HELIOS_TRY(Begin());
  report_.store = state_.paths.root;
  report_.from = from_.name;
  report_.to = to_.name;
  report_.folder = state_.paths.BackendFolder(to_.name);
  if (from_.name == to_.name) {
    report_.already = true;
    HELIOS_TRY_ASSIGN(report_.unfinished, CopyThatIsThere());
    HELIOS_TRY(ClearMove(state_.paths, identity_, state_.options.backends, report_.unfinished));
    return std::move(report_);
  }
  HELIOS_TRY(CheckNoOtherCopy());
  HELIOS_TRY(ClearMove(state_.paths, identity_, state_.options.backends, to_.name));
  HELIOS_TRY(OpenSource());
  HELIOS_TRY(OpenCopy());
  HELIOS_TRY(CopyAll());
  for (int round = 0; round < kRoundsMax; ++round) {
    HELIOS_TRY_ASSIGN(const size_t came, CatchUp());
    if (came <= kFewObjects) break;
  }
  if (request_.verify) HELIOS_TRY(VerifyCopy());
  HELIOS_TRY(Finish());
  SetPhase("removing what the store was made of");
  const Result<void> cleared =
      ClearMove(state_.paths, {to_.name, identity_.moved + 1}, state_.options.backends, "");
  if (!cleared) report_.left = cleared.error().message();
  state_.SetPhase("");
  report_.copied_objects = copier_.objects();
  report_.copied_bytes = copier_.bytes();
  report_.seconds = SecondsSince(start);
  return std::move(report_);
}

Result<AbortMigrationReport> Engine::Migrator::Abort() {
  HELIOS_TRY(Begin());
  AbortMigrationReport report;
  report.store = state_.paths.root;
  HELIOS_TRY_ASSIGN(report.to, CopyThatIsThere());
  report.bytes_freed = DiskBytesBelow(state_.paths.Move());
  for (const Backend& backend : state_.options.backends) {
    if (backend.name == identity_.backend) continue;
    report.bytes_freed += DiskBytesBelow(state_.paths.BackendFolder(backend.name));
  }
  const Result<std::vector<std::string>> names = NamesIn(state_.paths.Move());
  if (report.to.empty() && report.bytes_freed == 0 && names && names->empty()) {
    return Error(ErrorCode::kNotFound, "no migration of " + state_.paths.root + " is under way");
  }
  HELIOS_TRY(ClearMove(state_.paths, identity_, state_.options.backends, ""));
  return report;
}

Result<std::string> Engine::Migrator::CopyThatIsThere() {
  HELIOS_TRY_ASSIGN(const std::optional<std::string> copy, FindCopy(state_.paths));
  return copy.value_or("");
}

Result<void> Engine::Migrator::CheckNoOtherCopy() {
  HELIOS_TRY_ASSIGN(const std::string copy, CopyThatIsThere());
  if (copy.empty() || copy == to_.name) return {};
  return Error(ErrorCode::kInvalidArgument,
               "a migration of " + state_.paths.root + " to \"" + copy +
                   "\" was begun: end it (\"helios store migrate --to " + copy +
                   "\") or give it up (\"helios store migrate --abort\") first");
}

Result<void> Engine::Migrator::OpenSource() {
  source_.reset();
  HELIOS_TRY_ASSIGN(
      std::unique_ptr<ObjectStore> opened,
      from_.open(state_.paths.BackendFolder(from_.name), BackendOptions(state_.options)));
  source_ = std::make_unique<VerifyingStore>(std::move(opened));
  // What cannot be listed would be left behind.
  HELIOS_TRY_ASSIGN(const std::vector<Error> damage, source_->Check());
  if (damage.empty()) return {};
  return NothingMoved(Together(damage, "damaged place"), kAdviceOnSource);
}

Result<std::unique_ptr<ObjectStore>> Engine::Migrator::TryOpenCopy() {
  const std::string folder = CopyFolder(state_.paths, to_.name);
  HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> opened,
                    to_.open(folder, BackendOptions(state_.options)));
  HELIOS_TRY_ASSIGN(const StoreSettings settings, ReadSettings(state_.paths.root));
  opened->SetCompression(settings.compression);
  return opened;
}

Result<void> Engine::Migrator::OpenCopy() {
  HELIOS_TRY_ASSIGN(const std::string begun, CopyThatIsThere());
  if (!begun.empty()) {
    Result<std::unique_ptr<ObjectStore>> opened = TryOpenCopy();
    if (!opened && !IsOfOneObject(opened.error())) return std::move(opened).error();
    if (opened) {
      const Result<std::vector<Error>> damage = (*opened)->Check();
      if (damage && damage->empty()) {
        copy_ = std::move(opened).value();
        return {};
      }
    }
    // A power cut may have left it so: what is in doubt is copied anew.
    state_.Debug("the copy that was begun is damaged, and made anew");
    HELIOS_TRY(ClearMove(state_.paths, identity_, state_.options.backends, ""));
  }
  HELIOS_TRY(MakeCopy(state_.paths, to_));
  HELIOS_TRY_ASSIGN(copy_, TryOpenCopy());
  return {};
}

Result<void> Engine::Migrator::ReopenCopy() {
  // One process, and one store in it, is all that some backends allow.
  copy_.reset();
  HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> opened, TryOpenCopy());
  copy_ = std::make_unique<VerifyingStore>(std::move(opened));
  return {};
}

Result<std::vector<ObjectKey>> Engine::Migrator::ListSource() {
  std::vector<ObjectKey> keys;
  KeySet known;
  uint64_t bytes = 0;
  HELIOS_TRY(source_->ForEachKey([&](const ObjectKey& key, uint64_t size) -> Result<void> {
    if (!known.Insert(key)) return {};
    keys.push_back(key);
    bytes += size;
    return {};
  }));
  report_.objects = keys.size();
  report_.bytes = bytes;
  return keys;
}

Result<std::vector<ObjectKey>> Engine::Migrator::MissingIn(ObjectStore* store,
                                                           const std::vector<ObjectKey>& keys) {
  std::vector<ObjectKey> missing;
  const std::span<const ObjectKey> all(keys);
  for (size_t begin = 0; begin < all.size(); begin += kKeysPerLookUp) {
    const auto some = all.subspan(begin, std::min(kKeysPerLookUp, all.size() - begin));
    HELIOS_TRY_ASSIGN(const std::vector<bool> has, store->HasMany(some));
    for (size_t i = 0; i < some.size(); ++i) {
      if (!has[i]) missing.push_back(some[i]);
    }
  }
  return missing;
}

std::vector<ObjectKey> Engine::Migrator::InOrder(std::vector<ObjectKey> keys) {
  const Result<StorageListing> listing = ListInStorageOrder(source_.get(), state_.log, state_.refs);
  if (!listing) return keys;  // without a log that can be read there is no order that helps
  KeySet held;
  KeySet listed;
  for (const ObjectKey& key : keys) held.Insert(key);
  std::vector<ObjectKey> ordered;
  ordered.reserve(keys.size());
  for (const ObjectKey& key : listing->keys) {
    if (held.Contains(key) && listed.Insert(key)) ordered.push_back(key);
  }
  for (const ObjectKey& key : keys) {
    if (listed.Insert(key)) ordered.push_back(key);
  }
  return ordered;
}

Result<void> Engine::Migrator::DropExtra(const std::vector<ObjectKey>& keys) {
  KeySet held;
  for (const ObjectKey& key : keys) held.Insert(key);
  std::vector<ObjectKey> extra;
  HELIOS_TRY(copy_->ForEachKey([&](const ObjectKey& key, uint64_t) -> Result<void> {
    if (!held.Contains(key)) extra.push_back(key);
    return {};
  }));
  return extra.empty() ? Result<void>() : copy_->Delete(extra);
}

Result<void> Engine::Migrator::Copy(const std::vector<ObjectKey>& keys) {
  Result<void> copied = copier_.Copy(source_.get(), copy_.get(), keys);
  if (copied) copied = copy_->Sync();
  if (!copied) return NothingMoved(copied.error(), kAdviceOnCopy);
  const std::vector<Error> damage = copier_.TakeDamage();
  if (damage.empty()) return {};
  return NothingMoved(Together(damage, "damaged object"), kAdviceOnSource);
}

Result<void> Engine::Migrator::Prove(const std::vector<ObjectKey>& keys) {
  HELIOS_TRY(ReopenCopy());
  Result<void> proven = copier_.Prove(copy_.get(), keys);
  if (proven) return {};
  return NothingMoved(proven.error(), kAdviceOnDamagedCopy);
}

Result<void> Engine::Migrator::CopyAll() {
  SetPhase("reading the history");
  HELIOS_TRY_ASSIGN(const StoreTotals before, source_->Totals());
  report_.bytes_before = before.bytes_on_disk;
  HELIOS_TRY_ASSIGN(std::vector<ObjectKey> keys, ListSource());
  HELIOS_TRY(DropExtra(keys));
  keys = InOrder(std::move(keys));
  HELIOS_TRY_ASSIGN(const std::vector<ObjectKey> missing, MissingIn(copy_.get(), keys));
  SetPhase("copying", missing.size());
  HELIOS_TRY(Copy(missing));
  state_.Maintain(copy_.get());
  SetPhase("reading back", keys.size());
  return Prove(keys);
}

Result<size_t> Engine::Migrator::CatchUp() {
  HELIOS_TRY(OpenSource());
  HELIOS_TRY_ASSIGN(const std::vector<ObjectKey> keys, ListSource());
  HELIOS_TRY_ASSIGN(const std::vector<ObjectKey> missing, MissingIn(copy_.get(), keys));
  if (missing.empty()) return size_t{0};
  SetPhase("copying what came since", missing.size());
  HELIOS_TRY(Copy(missing));
  HELIOS_TRY(Prove(missing));
  return missing.size();
}

Result<void> Engine::Migrator::VerifyCopy() {
  SetPhase("verifying", report_.objects);
  VerifyObjectsRequest request;
  request.object = [this](const ObjectKey& key, uint64_t, bool is_whole) {
    if (is_whole) whole_.Insert(key);
  };
  request.threads = state_.threads;
  request.progress = progress_;
  HELIOS_TRY_ASSIGN(const VerifyObjectsReport report, copy_->Verify(request));
  if (report.damage.count == 0) return {};
  std::vector<Error> errors;
  for (const Damage& damage : report.damage.listed) errors.push_back(damage.error);
  return NothingMoved(Together(errors, "damaged place").WithContext("the copy"),
                      kAdviceOnDamagedCopy);
}

Result<void> Engine::Migrator::VerifySnapshots() {
  HELIOS_TRY_ASSIGN(const std::vector<RecordId> records, NamedRecords(state_.paths, state_.refs));
  ReferenceSurvey survey(copy_.get(), {state_.threads, progress_, /*structure=*/true, &whole_});
  HELIOS_TRY(survey.Run(records));
  if (survey.problems().empty()) return {};
  std::vector<Error> errors;
  for (const auto& [key, problem] : survey.problems()) errors.push_back(problem.error);
  return NothingMoved(Together(errors, "object").WithContext("snapshots are not whole"),
                      kAdviceOnSource);
}

// In the order in which others take these: see UseBackend.
Result<Engine::Migrator::Alone> Engine::Migrator::TakeAlone() {
  SetPhase("waiting for others");
  const Clock::time_point deadline = Clock::now() + state_.LockWait(kAloneWait);
  while (true) {
    HELIOS_TRY(WaitForLeases(deadline));
    HELIOS_TRY_ASSIGN(FileLock backend, TakeBackendAlone(state_.paths, Until(deadline)));
    HELIOS_TRY_ASSIGN(FileLock store, TakeStoreAlone(state_.paths, Until(deadline)));
    // Nobody takes one now.
    HELIOS_TRY_ASSIGN(const bool is_held, IsAnythingHeld());
    if (!is_held) return Alone{std::move(backend), std::move(store)};
  }
}

Result<bool> Engine::Migrator::IsAnythingHeld() const {
  const Result<std::vector<ObjectKey>> held = LeaseTable::Held(state_.paths.Leases());
  // A slot that is being written to.
  if (!held && held.error().code() == ErrorCode::kCorrupt) return true;
  if (!held) return held.error();
  return !held->empty();
}

Result<void> Engine::Migrator::WaitForLeases(Clock::time_point deadline) const {
  const std::string path = state_.paths.Leases();
  while (true) {
    HELIOS_TRY_ASSIGN(const bool is_held, IsAnythingHeld());
    if (!is_held) return {};
    if (Clock::now() >= deadline) {
      return Error(ErrorCode::kBusy,
                   "busy: another process reads what the store holds, or has it open as a working "
                   "set (" +
                       RangeLockHolders(path) + "see " + path + ")");
    }
    std::this_thread::sleep_for(kLeasePause);
  }
}

Result<void> Engine::Migrator::Finish() {
  std::optional<Alone> alone;
  {
    Result<Alone> taken = TakeAlone();
    if (!taken) return NothingMoved(taken.error(), kAdviceOnCopy);
    alone.emplace(std::move(taken).value());
  }
  const Clock::time_point since = Clock::now();
  HELIOS_TRY(CatchUp());
  if (request_.verify) {
    SetPhase("following snapshots");
    HELIOS_TRY(VerifySnapshots());
  }
  SetPhase("switching");
  HELIOS_TRY_ASSIGN(const StoreTotals before, source_->Totals());
  HELIOS_TRY_ASSIGN(const StoreTotals after, copy_->Totals());
  report_.bytes_before = before.bytes_on_disk;
  report_.bytes_after = after.bytes_on_disk;
  source_.reset();
  copy_.reset();
  // What was noted is looked up again, since the parts that it relies on are gone: durable before.
  StoreEpoch epoch = state_.Epoch();
  epoch.collection = NextEpoch(epoch.collection, epoch.is_known);
  if (!epoch.is_known) epoch.log = epoch.collection;
  HELIOS_TRY(WriteEpoch(state_.paths.Epoch(), epoch));
  HELIOS_TRY(SwitchToCopy(state_.paths, identity_, to_.name));
  report_.seconds_alone = SecondsSince(since);
  return {};
}

}  // namespace helios

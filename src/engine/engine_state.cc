#include "engine/engine_state.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>

#include "base/thread_pool.h"
#include "engine/index_check.h"
#include "history/restore_intent.h"
#include "store/decorators.h"
#include "store/metrics_file.h"
#include "store/store_lock.h"
#include "store/store_settings.h"
#include "worktree/selected_walk.h"

namespace helios {
namespace {

constexpr auto kFlushEvery = std::chrono::seconds(1);

// Somebody is always just writing: not to wait for that at all would be to fail by chance.
std::chrono::milliseconds WriteLockWait(const EngineOptions& options) {
  if (!options.lock_timeout) return kWriteLockWait;
  return std::max<std::chrono::milliseconds>(*options.lock_timeout, std::chrono::seconds(1));
}

}  // namespace

Result<std::vector<std::string>> UnmatchedIn(const TreeReader& reader,
                                             const std::vector<TreeId>& trees,
                                             const Selector& selector) {
  for (const TreeId& tree : trees) {
    if (selector.UnmatchedPatterns().empty()) break;
    HELIOS_TRY(CountSelected(reader, tree, "", selector));
  }
  return selector.UnmatchedPatterns();
}

std::string RealPath(const std::string& path) {
  std::error_code failure;
  std::string real = std::filesystem::weakly_canonical(path, failure).string();
  if (failure) return path;
  while (real.size() > 1 && real.ends_with('/')) real.pop_back();
  return real;
}

bool IsWithin(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder == "/" ? folder : folder + "/");
}

Operation Engine::State::MakeOperation(OperationKind kind, const OpenWorkspace& workspace,
                                       const ResolvedRecord& record,
                                       const std::optional<Operation>& latest) const {
  Operation operation;
  operation.command = BoundedCommand(options.command);
  operation.was_lazy = latest && latest->IsLazy();
  operation.kind = kind;
  operation.time = Now();
  operation.workspace = workspace.key;
  operation.record = record.id;
  if (latest) operation.replaced = latest->record;
  operation.snapshot = record.record.snapshot;
  operation.attributes = record.record.attributes;
  operation.device = workspace.status.device;
  operation.inode = workspace.status.inode;
  operation.path = workspace.real_path;
  return operation;
}

std::string MovedMeanwhile(const OpenWorkspace& workspace) {
  return "another process committed or restored " + workspace.real_path + " meanwhile";
}

Timestamp Now() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return {now.tv_sec, static_cast<uint32_t>(now.tv_nsec)};
}

Result<Fd> Duplicate(const Fd& fd) {
  const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return Error::FromErrno(errno, "duplicate", "a descriptor");
  return Fd(copy);
}

Engine::State::State(EngineOptions engine_options, Backend store_backend)
    : options(std::move(engine_options)),
      paths{options.store},
      threads(ResolveThreadCount(options.threads)),
      cache(options.l1_bytes_max, &metrics),
      log(paths.OperationLog(), paths.Workspaces(), WriteLockWait(options)),
      refs(paths.Refs(), WriteLockWait(options)),
      leases(paths.Leases()),
      group_commit([this] { return StoreToWrite(); }, &log),
      backend_(std::move(store_backend)) {}

Result<ObjectStore*> Engine::State::Store() {
  MutexLock lock(mutex_);
  if (store_ == nullptr) {
    HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> backend, OpenBackend());
    auto exchangeable = std::make_unique<ExchangeableStore>(std::move(backend));
    backend_store_ = exchangeable.get();
    std::unique_ptr<ObjectStore> store =
        std::make_unique<CountingStore>(std::move(exchangeable), &metrics);
    store = std::make_unique<VerifyingStore>(std::move(store));
    store_ = std::make_unique<CachedStore>(std::move(store), &cache, &metrics);
  }
  return store_.get();
}

Result<void> Engine::State::Identify() {
  HELIOS_TRY_ASSIGN(StoreIdentity identity, ReadIdentity(paths.root));
  HELIOS_TRY_ASSIGN(backend_, FindBackend(options.backends, identity.backend));
  identity_ = std::move(identity);
  return {};
}

Result<std::unique_ptr<ObjectStore>> Engine::State::OpenBackend() {
  while (true) {
    if (!identity_) HELIOS_TRY(Identify());
    Result<std::unique_ptr<ObjectStore>> opened =
        backend_.open(paths.BackendFolder(backend_.name), BackendOptions(options));
    if (opened) return opened;
    // Without a lock the objects may have been moved away meanwhile.
    const Result<StoreIdentity> now = ReadIdentity(paths.root);
    if (!now || *now == *identity_) return opened;
    identity_.reset();
  }
}

Backend Engine::State::CurrentBackend() {
  MutexLock lock(mutex_);
  return backend_;
}

Result<void> Engine::State::FollowStore() {
  HELIOS_TRY_ASSIGN(const StoreIdentity now, ReadIdentity(paths.root));
  MutexLock lock(mutex_);
  if (identity_ == now) return {};
  HELIOS_TRY(Identify());
  if (store_ == nullptr) return {};
  HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> backend, OpenBackend());
  backend_store_->Exchange(std::move(backend));
  has_settings_ = false;
  return {};
}

Result<ObjectStore*> Engine::State::StoreToWrite() {
  HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
  MutexLock lock(mutex_);
  if (!has_settings_) {
    HELIOS_TRY_ASSIGN(const StoreSettings settings, ReadSettings(paths.root));
    store->SetCompression(settings.compression);
    has_settings_ = true;
  }
  return store;
}

Result<OpenWorkspace> Engine::State::OpenWorkspaceRoot(const Workspace& workspace,
                                                       bool create) const {
  OpenWorkspace open;
  if (create) {
    std::error_code failure;
    std::filesystem::create_directories(workspace.path, failure);
    // What is wrong shows when it is opened.
  }
  HELIOS_TRY_ASSIGN(open.root, OpenAt(AT_FDCWD, workspace.path, O_RDONLY | O_DIRECTORY));
  const StatusOrErrno status = StatusOf(open.root.get());
  if (status.os_error != 0) return Error::FromErrno(status.os_error, "stat", workspace.path);
  open.status = status.status;
  open.real_path = RealPath(workspace.path);
  if (IsWithin(open.real_path, RealPath(paths.root))) {
    return Error(ErrorCode::kInvalidArgument,
                 "refused: " + workspace.path + " lies inside the store " + paths.root);
  }
  open.key = KeyOf(workspace);
  return open;
}

std::string Engine::State::KeyOf(const Workspace& workspace) const {
  if (!workspace.name.empty()) return WorkspaceKey("name:" + workspace.name);
  return WorkspaceKey(RealPath(workspace.path));
}

Result<FileLock> Engine::State::LockShared() {
  HELIOS_TRY_ASSIGN(FileLock lock, ShareStore(paths, LockWait()));
  HELIOS_TRY(FollowStore());
  return lock;
}

Result<FileLock> Engine::State::UseBackend() {
  HELIOS_TRY_ASSIGN(FileLock lock, helios::UseBackend(paths, LockWait()));
  HELIOS_TRY(FollowStore());
  return lock;
}

Result<FileLock> Engine::State::TakeTurn(const OpenWorkspace& workspace) const {
  HELIOS_TRY_ASSIGN(const std::string folder, log.WorkspaceFolder(workspace.key));
  return FileLock::Acquire(folder + "/turn", FileLock::Mode::kExclusive, LockWait());
}

Result<bool> Engine::State::HasRecord(const RecordId& record) {
  const ObjectKey key(record);
  HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
  HELIOS_TRY_ASSIGN(const std::vector<bool> has, store->HasMany({&key, 1}));
  return bool{has.front()};
}

Result<ResolvedRecord> Engine::State::Resolve(const std::string& id,
                                              const std::string& workspace_key) {
  HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
  return ResolveId(store, log, refs, workspace_key, id);
}

IndexHeader Engine::State::ExpectedIndex(const OpenWorkspace& workspace,
                                         const Workspace& request) const {
  IndexHeader header{};
  header.include_git = request.include_git ? 1 : 0;
  header.epoch = EpochToNote();
  header.device = workspace.status.device;
  header.inode = workspace.status.inode;
  return header;
}

std::string Engine::State::FolderOf(const OpenWorkspace& workspace) const {
  return paths.Workspaces() + "/" + workspace.key;
}

std::string Engine::State::IndexPath(const OpenWorkspace& workspace) const {
  return FolderOf(workspace) + "/" + kIndexFile;
}

std::optional<StatIndex> Engine::State::LoadIndex(const OpenWorkspace& workspace,
                                                  const Workspace& request) {
  std::optional<StatIndex> index =
      StatIndex::Load(IndexPath(workspace), ExpectedIndex(workspace, request));
  if (!index) return index;
  if (IsOfNow(*index)) {
    if (!IsBacked(*index)) index.reset();
    return index;
  }
  // Objects were taken away since: what it speaks of is looked up.
  const Result<ObjectStore*> store = Store();
  const Result<void> checked = store ? DoubtWhatIsLost(*store, &*index) : store.error();
  if (!checked) {
    Debug("stat index not used: " + checked.error().message());
    index.reset();
  }
  return index;
}

bool Engine::State::IsOfNow(const StatIndex& index) const {
  return index.epoch() != kNoEpoch && index.epoch() == EpochToNote();
}

bool Engine::State::IsBacked(const StatIndex& index) {
  const IndexedSection* root = index.Root();
  const Result<ObjectStore*> store = Store();
  if (root == nullptr || !store) return false;
  const Result<bool> has_parts = (*store)->HasParts(index.parts());
  if (!has_parts || !*has_parts) {
    Debug("stat index not used: the store has lost packs since it was written");
    return false;
  }
  const ObjectKey roots[] = {TreeId{Digest::FromBytes(root->tree)},
                             AttributesId{Digest::FromBytes(root->attributes)}};
  const Result<std::vector<bool>> has = (*store)->HasMany(roots);
  return has && std::find(has->begin(), has->end(), false) == has->end();
}

void Engine::State::SaveIndex(const OpenWorkspace& workspace, const Workspace& request,
                              const std::optional<StatIndex>& old, ScanResult* scan) {
  IndexHeader header = ExpectedIndex(workspace, request);
  uint64_t base = 0;
  Bytes body = scan->MakeIndex(old ? &*old : nullptr, &header, &base);
  const auto save = [&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const std::string folder, log.WorkspaceFolder(workspace.key));
    HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
    HELIOS_TRY_ASSIGN(const std::vector<uint64_t> parts, store->Parts());
    return StatIndex::Save(folder, kIndexFile, header, std::move(body), base, parts);
  };
  const Result<void> saved = save();
  if (!saved) Debug("stat index not written: " + saved.error().message());
}

Result<std::unique_ptr<ScanResult>> Engine::State::Scan(const OpenWorkspace& workspace,
                                                        const Workspace& request,
                                                        const std::optional<StatIndex>& index,
                                                        ObjectSink sink) {
  SetPhase("scanning");
  ScanOptions scan;
  scan.threads = threads;
  scan.include_git = request.include_git;
  scan.index = index ? &*index : nullptr;
  scan.sink = std::move(sink);
  scan.progress = options.progress;
  scan.metrics = &metrics;
  HELIOS_TRY_ASSIGN(Fd root, Duplicate(workspace.root));
  Result<std::unique_ptr<ScanResult>> result = ScanWorkspace(std::move(root), scan);
  if (!result) return std::move(result).error().WithContext(workspace.real_path);
  return result;
}

void Engine::State::Maintain(ObjectStore* store) const {
  const Result<void> maintained = store->Maintain();
  if (!maintained) Debug("packs not merged: " + maintained.error().message());
}

WriteOptions Engine::State::MakeWriteOptions(const Selector& selector) const {
  WriteOptions write;
  write.threads = threads;
  write.selector = &selector;
  write.progress = options.progress;
  return write;
}

void Engine::State::FlushMetrics() {
  {
    MutexLock lock(mutex_);
    last_flush_ = std::chrono::steady_clock::now();
    has_unflushed_ = false;
  }
  const Metrics delta = metrics.Take();
  if (delta == Metrics()) return;
  const Result<void> added = AddToMetricsFile(paths.Metrics(), delta);
  if (!added) Debug("statistics not added: " + added.error().message());
}

void Engine::State::FlushMetricsNowAndThen() {
  {
    MutexLock lock(mutex_);
    has_unflushed_ = true;
    if (std::chrono::steady_clock::now() - last_flush_ < kFlushEvery) return;
  }
  FlushMetrics();
}

void Engine::State::FlushRest() {
  {
    MutexLock lock(mutex_);
    if (!has_unflushed_) return;
  }
  FlushMetrics();
}

void Engine::State::SetPhase(const char* phase) {
  if (options.progress != nullptr) options.progress->phase = phase;
  MutexLock lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (*phase_ != '\0') {
    const std::chrono::duration<double, std::milli> elapsed = now - phase_start_;
    Debug(std::string(phase_) + ": " + std::to_string(elapsed.count()) + " ms");
  }
  phase_ = phase;
  phase_start_ = now;
}

}  // namespace helios

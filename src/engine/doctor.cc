// Looks at everything that a store consists of, and changes nothing.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "engine/engine_state.h"
#include "engine/store_health.h"
#include "store/store_move.h"

namespace helios {
namespace {

namespace fs = std::filesystem;

// A commit of a little work fits into this; with less, the next one may fail.
constexpr uint64_t kFreeBytesMin = uint64_t{16} << 20;
constexpr std::string_view kTemporaryPrefix = ".tmp-";

std::string AdviceOnObjects(const Error& error) {
  if (error.code() == ErrorCode::kUnsupported) return kAdviceVersion;
  return IsRefusal(error) ? kAdviceAccess : kAdvicePacks;
}

std::string Megabytes(uint64_t bytes) { return std::to_string(bytes / 1'000'000) + " MB"; }

// ---- The place ----

std::string FileSystemName(uint64_t magic) {
  static constexpr std::pair<uint64_t, const char*> kNames[] = {
      {EXT4_SUPER_MAGIC, "ext4"}, {XFS_SUPER_MAGIC, "xfs"}, {BTRFS_SUPER_MAGIC, "btrfs"},
      {F2FS_SUPER_MAGIC, "f2fs"}, {TMPFS_MAGIC, "tmpfs"},   {OVERLAYFS_SUPER_MAGIC, "overlay"},
      {NFS_SUPER_MAGIC, "nfs"},   {0xff534d42, "cifs"},     {0xfe534d42, "smb"},
      {0x65735546, "fuse"},       {0x2fc12fc1, "zfs"},      {V9FS_MAGIC, "9p"},
      {MSDOS_SUPER_MAGIC, "fat"},
  };
  for (const auto& [known, name] : kNames) {
    if (known == magic) return name;
  }
  char hex[2 + 16 + 1];
  std::snprintf(hex, sizeof(hex), "0x%llx", static_cast<unsigned long long>(magic));
  return "kind " + std::string(hex);
}

std::string FileSystemAdvice(const std::string& name) {
  if (name == "tmpfs") return "What lies in memory is gone after a restart of the machine.";
  if (name == "nfs" || name == "cifs" || name == "smb" || name == "9p") {
    return "Use the store from one machine at a time: locks may not reach the others.";
  }
  return "";
}

HealthCheck CheckFileSystem(const std::string& root) {
  struct statfs status;
  if (::statfs(root.c_str(), &status) != 0) {
    return Wrong("file_system", Error::FromErrno(errno, "ask for the file system of", root), "");
  }
  const std::string name = FileSystemName(static_cast<uint32_t>(status.f_type));
  const uint64_t free = uint64_t{status.f_bavail} * static_cast<uint64_t>(status.f_bsize);
  const std::string message = name + ", " + Megabytes(free) + " free";
  const bool no_files_left = status.f_files > 0 && status.f_ffree == 0;
  if (free < kFreeBytesMin || no_files_left) {
    return Wrong("file_system",
                 Error(ErrorCode::kNoSpace, message + (no_files_left ? ", no room for new files"
                                                                     : ", too little for commits")),
                 "Make room on the file system of the store.");
  }
  return Well("file_system", message, FileSystemAdvice(name));
}

HealthCheck CheckWritable(const StorePaths& paths, const std::string& backend_folder) {
  struct Wanted {
    std::string path;
    int access;
  };
  for (const auto& [path, access] :
       {Wanted{paths.root, W_OK | X_OK}, Wanted{backend_folder, W_OK | X_OK},
        Wanted{paths.Workspaces(), W_OK | X_OK}, Wanted{paths.OperationLog(), W_OK},
        Wanted{paths.Lock(), W_OK}}) {
    if (::faccessat(AT_FDCWD, path.c_str(), access, AT_EACCESS) == 0) continue;
    return Wrong("writable", Error::FromErrno(errno, "write to", path), kAdviceAccess);
  }
  return Well("writable", "the store can be written to");
}

// What begins with `prefix` in a folder; nothing if it cannot be listed: then a check that needs
// the folder says so.
uint64_t CountFiles(const std::string& folder, std::string_view prefix) {
  uint64_t count = 0;
  std::error_code failure;
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end;
       it.increment(failure)) {
    count += it->path().filename().string().starts_with(prefix) ? 1 : 0;
  }
  return count;
}

uint64_t CountFilesBelow(const std::string& folder, std::string_view prefix) {
  uint64_t count = CountFiles(folder, prefix);
  std::error_code failure;
  for (fs::directory_iterator it(folder, failure), end; !failure && it != end;
       it.increment(failure)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) count += CountFiles(it->path().string(), prefix);
  }
  return count;
}

HealthCheck CheckLeftovers(const StorePaths& paths, const std::string& backend_folder) {
  const uint64_t count = CountFiles(paths.root, kTemporaryPrefix) +
                         CountFiles(backend_folder, kTemporaryPrefix) +
                         CountFilesBelow(paths.Workspaces(), kTemporaryPrefix) +
                         CountFilesBelow(paths.Refs(), kTemporaryPrefix) +
                         CountFiles(fs::path(paths.root).parent_path().string(), kNewStorePrefix);
  if (count == 0) return Well("leftovers", "no temporary files");
  return Well("leftovers", Plural(count, "temporary file"),
              "They belong to commands that run, or were left by some that died. Later commits "
              "remove old ones among the packs; any may be deleted while no helios runs.");
}

// Only said where there is something.
std::optional<HealthCheck> CheckMigration(const StorePaths& paths,
                                          const std::vector<Backend>& backends,
                                          const std::string& backend) {
  const Result<std::optional<std::string>> copy = FindCopy(paths);
  if (copy && *copy) {
    return Well(
        "migration",
        "one to " + **copy + " was begun, " + Megabytes(DiskBytesBelow(CopyFolder(paths, **copy))),
        "\"helios store migrate --to " + **copy +
            "\" goes on with it, \"helios store migrate --abort\" gives it up.");
  }
  bool is_left = ::faccessat(AT_FDCWD, paths.Move().c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  for (const Backend& other : backends) {
    const std::string folder = paths.BackendFolder(other.name);
    is_left = is_left || (other.name != backend &&
                          ::faccessat(AT_FDCWD, folder.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0);
  }
  if (!is_left) return std::nullopt;
  return Well("migration", "one that ended has left something",
              "\"helios store migrate --abort\" removes it.");
}

// ---- What it holds ----

HealthCheck CheckObjects(ObjectStore* store) {
  const Result<std::vector<Error>> damage = store->Check();
  if (!damage) return Wrong("objects", damage.error(), AdviceOnObjects(damage.error()));
  const Result<StoreTotals> totals = store->Totals();
  if (!totals) return Wrong("objects", totals.error(), AdviceOnObjects(totals.error()));
  const std::string message = Plural(totals->objects, "object") + " in " +
                              Plural(totals->packs, "pack") + ", " +
                              Megabytes(totals->bytes_on_disk) + " on disk";
  if (damage->empty()) return Well("objects", message + ", every index is whole");
  return Wrong("objects", Error(damage->front().code(), message + "; besides:" + List(*damage)),
               AdviceOnObjects(damage->front()));
}

// ---- The workspace ----

HealthCheck CheckBaseline(const OperationLog& log, ObjectStore* store,
                          const OpenWorkspace& workspace) {
  const Result<std::optional<Operation>> latest = log.Latest(workspace.key);
  if (!latest) return Wrong("baseline", latest.error(), kAdviceCopy);
  if (!latest->has_value()) {
    return Well("baseline", "nothing was committed from this folder or restored to it yet");
  }
  const Operation& operation = **latest;
  const std::string message = "stands at snapshot " + FormatId(operation.snapshot) + ", record " +
                              FormatId(operation.record) +
                              (operation.IsLazy() ? ", restored lazily" : "");
  if (store != nullptr) {
    const Result<Record> record = LoadRecord(store, operation.record);
    if (!record) return Wrong("baseline", record.error(), kAdvicePacks);
    std::vector<ObjectKey> roots{operation.snapshot};
    if (operation.attributes) roots.emplace_back(*operation.attributes);
    const Result<std::vector<bool>> has = store->HasMany(roots);
    if (!has) return Wrong("baseline", has.error(), kAdvicePacks);
    for (size_t i = 0; i < roots.size(); ++i) {
      if ((*has)[i]) continue;
      return Wrong("baseline",
                   Error(ErrorCode::kMissingObject,
                         message + ", but the store does not hold " + roots[i].ToString()),
                   kAdvicePacks);
    }
  }
  if (operation.device == workspace.status.device && operation.inode == workspace.status.inode) {
    return Well("baseline", message);
  }
  return Well("baseline", message + "; then another folder was at this path",
              "Restore takes what no snapshot holds for unsaved work.");
}

// Only said where it is so.
HealthCheck CheckInterruptedRestore(const SnapshotId& snapshot) {
  return Wrong("interrupted_restore",
               Error(ErrorCode::kWouldLoseWork,
                     "a restore of " + FormatId(snapshot) +
                         " was killed while it worked; some of its files may be cut short"),
               "helios restore --continue goes on, helios restore --abort goes back to how the "
               "folder was; commit refuses until then, unless it is given --force.");
}

HealthCheck CheckIndex(const std::optional<StatIndex>& index, const std::string& path) {
  if (index && index->Root() != nullptr) {
    return Well("stat_index", "usable, " + Plural(index->size(), "byte"));
  }
  const bool exists = ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  return Well(
      "stat_index", exists ? path + " cannot be used" : "none yet",
      exists ? "It is only a cache: the next commit reads every file and makes it anew." : "");
}

}  // namespace

Result<HealthReport> Engine::CheckHealth(const EngineOptions& options, const Workspace& workspace) {
  HealthReport report;
  const auto add = [&](HealthCheck check) { report.checks.push_back(std::move(check)); };
  Result<Backend> backend = IdentifyStore(options.store, options.backends);
  if (!backend) {
    if (backend.error().code() == ErrorCode::kNoStore) return std::move(backend).error();
    add(StoreTrouble(backend.error()));
    return report;
  }
  State state(options, std::move(backend).value());
  const Result<FileLock> use = state.UseBackend();
  if (!use) {
    add(StoreTrouble(use.error()));
    return report;
  }
  const std::string backend_name = state.CurrentBackend().name;
  const std::string backend_folder = state.paths.BackendFolder(backend_name);
  add(Well("store", state.paths.root));
  add(Well("format", "version " + std::to_string(kStoreVersion) + ", backend " + backend_name));
  add(CheckSettings(state.paths.root));
  add(CheckFileSystem(state.paths.root));
  add(CheckWritable(state.paths, backend_folder));
  const Result<ObjectStore*> opened = state.Store();
  ObjectStore* const store = opened ? *opened : nullptr;
  add(opened ? CheckObjects(store)
             : Wrong("objects", opened.error(), AdviceOnObjects(opened.error())));
  add(CheckOperationLog(state.log));
  add(CheckRefs(state.refs, state.log, store));
  add(CheckStatistics(state.paths.Metrics()));
  add(CheckEpoch(state.paths.Epoch()));
  add(CheckFileCache(state.paths.FileCache()));
  add(CheckLeftovers(state.paths, backend_folder));
  if (std::optional<HealthCheck> migration =
          CheckMigration(state.paths, options.backends, backend_name)) {
    add(*std::move(migration));
  }
  const Result<OpenWorkspace> folder = state.OpenWorkspaceRoot(workspace, false);
  if (!folder) {
    add(Wrong("workspace", folder.error(), "Name the folder to look at with --work DIR."));
    return report;
  }
  add(Well("workspace", folder->real_path + ", key " + folder->key));
  add(CheckBaseline(state.log, store, *folder));
  const Result<std::optional<InterruptedRestore>> interrupted =
      state.FindInterruptedRestore(*folder);
  if (interrupted && *interrupted) add(CheckInterruptedRestore((*interrupted)->target.snapshot));
  // Whichever way the last commit took the folder's own .git.
  Workspace other = workspace;
  other.include_git = !workspace.include_git;
  std::optional<StatIndex> index = state.LoadIndex(*folder, workspace);
  if (!index) index = state.LoadIndex(*folder, other);
  add(CheckIndex(index, state.IndexPath(*folder)));
  return report;
}

}  // namespace helios

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
#include "history/branches.h"
#include "store/metrics_file.h"
#include "store/store_settings.h"
#include "worktree/file_cache.h"

namespace helios {
namespace {

namespace fs = std::filesystem;

// A commit of a little work fits into this; with less, the next one may fail.
constexpr uint64_t kFreeBytesMin = uint64_t{16} << 20;
constexpr std::string_view kTemporaryPrefix = ".tmp-";

constexpr char kAdviceCopy[] =
    "Copy the store before anything else is tried, then see what \"helios repair --dry-run\" would "
    "save. Commits into another store (--store DIR) are not affected.";
constexpr char kAdvicePacks[] =
    "Copy the store before anything else is tried. \"helios verify\" says which paths of which "
    "snapshots are lost, \"helios repair\" brings what is whole out of the damaged packs, and "
    "takes what is lost from a folder or another store that has it. A pack from a copy of the "
    "store can be put back under its name, too.";
constexpr char kAdviceVersion[] =
    "Use a build of Helios that knows this format, or another store (--store DIR).";
constexpr char kAdviceRefs[] =
    "\"helios repair\" makes a damaged tag anew if it can tell what it said, else removes it; then "
    "set it again (helios tag NAME ID).";
constexpr char kAdviceAccess[] =
    "Run as the user who owns the store, make it accessible to that user, or use another one "
    "(--store DIR).";

HealthCheck Well(std::string name, std::string message, std::string advice = "") {
  return {std::move(name), true, std::move(message), std::move(advice)};
}

HealthCheck Wrong(std::string name, const Error& error, std::string advice) {
  return {std::move(name), false, error.message(), std::move(advice), error.code()};
}

std::string List(const std::vector<Error>& errors) {
  std::string list;
  for (const Error& error : errors) list += "\n  " + OnOneLine(error.message());
  return list;
}

bool IsRefusal(const Error& error) {
  return error.os_error() == EACCES || error.os_error() == EPERM;
}

std::string AdviceOnStore(const Error& error) {
  if (error.code() == ErrorCode::kUnsupported) return kAdviceVersion;
  return error.code() == ErrorCode::kCorrupt ? kAdviceCopy : kAdviceAccess;
}

std::string AdviceOnObjects(const Error& error) {
  if (error.code() == ErrorCode::kUnsupported) return kAdviceVersion;
  return IsRefusal(error) ? kAdviceAccess : kAdvicePacks;
}

std::string Plural(uint64_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

std::string Megabytes(uint64_t bytes) { return std::to_string(bytes / 1'000'000) + " MB"; }

}  // namespace

HealthCheck StoreTrouble(const Error& error) {
  // What a store is made with is not there: that is damage, whatever the system calls it.
  if (error.os_error() == ENOENT) {
    return Wrong("store", Error(ErrorCode::kCorrupt, error.message()), kAdviceCopy);
  }
  return Wrong("store", error, AdviceOnStore(error));
}

namespace {

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

}  // namespace

HealthCheck CheckOperationLog(const OperationLog& log) {
  uint64_t operations = 0;
  const Result<void> read = log.ForEach([&](const Operation&) { ++operations; });
  if (!read) return Wrong("operation_log", read.error(), kAdviceCopy);
  const std::vector<Error> lost = log.CheckCheckpoints();
  if (lost.empty()) return Well("operation_log", Plural(operations, "operation"));
  return Wrong(
      "operation_log",
      Error(lost.front().code(), Plural(operations, "operation") + "; besides:" + List(lost)),
      kAdviceCopy);
}

HealthCheck CheckStatistics(const std::string& path) {
  const Result<Metrics> read = ReadMetricsFile(path);
  if (read) return Well("statistics", "readable");
  return Wrong("statistics", read.error(),
               IsRefusal(read.error()) ? kAdviceAccess
                                       : "Remove the file: it is counted from zero again then, and "
                                         "nothing else is lost.");
}

HealthCheck CheckEpoch(const std::string& path) {
  const Result<StoreEpoch> epoch = ReadEpoch(path);
  if (!epoch) return Wrong("epoch", epoch.error(), kAdviceAccess);
  if (epoch->is_known) return Well("epoch", "collection " + std::to_string(epoch->collection));
  return Wrong(
      "epoch", Error(ErrorCode::kCorrupt, path + " is damaged"),
      "\"helios repair\" writes it anew. Until then nothing that was noted of the store is "
      "believed: commands look everything up, and an end that the operation log has lost "
      "is not noticed.");
}

HealthCheck CheckFileCache(const std::string& path) {
  const Result<std::vector<std::string>> changed = FileCache::Check(path);
  if (!changed) return Wrong("file_cache", changed.error(), kAdviceAccess);
  if (changed->empty()) return Well("file_cache", "whatever it holds is whole");
  std::string list;
  for (const std::string& file : *changed) list += "\n  " + OnOneLine(file);
  return Wrong(
      "file_cache",
      Error(ErrorCode::kCorrupt,
            Plural(changed->size(), "file") +
                " that materialized folders are linked to were written to:" + list),
      "Find the other links (find FOLDER -samefile FILE): they hold what was written. Then "
      "remove the files named here; snapshots are not affected.");
}

HealthCheck CheckSettings(const std::string& root) {
  const Result<StoreSettings> settings = ReadSettings(root);
  if (settings) {
    return Well("settings", "compression " + std::string(CompressionName(settings->compression)));
  }
  return Wrong("settings", settings.error(),
               IsRefusal(settings.error())
                   ? kAdviceAccess
                   : "Nothing can be committed until they are set again (helios config compression "
                     "default); what is in the store can be read all the same.");
}

HealthCheck CheckRefs(const RefStore& refs, const OperationLog& log, ObjectStore* store) {
  Result<RefListing> listing = refs.ListAll();
  if (!listing) return Wrong("refs", listing.error(), kAdviceRefs);
  if (!listing->damage.empty()) {
    std::vector<Error> errors;
    for (const DamagedRef& damaged : listing->damage) errors.push_back(damaged.error);
    return Wrong("refs",
                 Error(errors.front().code(),
                       Plural(listing->refs.size(), "ref") + "; besides:" + List(errors)),
                 kAdviceRefs);
  }
  std::vector<Ref> list = std::move(listing->refs);
  // A log that cannot be read has a check of its own.
  if (const Result<std::vector<Ref>> branches = ListBranches(log)) {
    list.insert(list.end(), branches->begin(), branches->end());
  }
  std::vector<ObjectKey> records;
  for (const Ref& ref : list) records.emplace_back(ref.record);
  if (store == nullptr) return Well("refs", Plural(list.size(), "ref"));
  const Result<std::vector<bool>> has = store->HasMany(records);
  if (!has) return Wrong("refs", has.error(), kAdvicePacks);
  for (size_t i = 0; i < records.size(); ++i) {
    if ((*has)[i]) continue;
    return Wrong("refs",
                 Error(ErrorCode::kMissingObject, "ref \"" + list[i].name + "\" points to " +
                                                      records[i].ToString() +
                                                      ", which the store does not hold"),
                 list[i].name.starts_with(kHeadsPrefix) ? kAdvicePacks : kAdviceRefs);
  }
  return Well("refs", Plural(list.size(), "ref"));
}

namespace {

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
  const std::string backend_folder = state.paths.BackendFolder(state.backend.name);
  add(Well("store", state.paths.root));
  add(Well("format",
           "version " + std::to_string(kStoreVersion) + ", backend " + state.backend.name));
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

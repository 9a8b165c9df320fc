#include "history/log_repair.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_map>

#include "base/durable_file.h"
#include "base/set_aside.h"
#include "history/log_checkpoint.h"
#include "history/log_salvage.h"
#include "store/store_epoch.h"

namespace helios {
namespace {

// The last entry of each line, and where it ends.
struct Place {
  Bytes entry;
  uint64_t end = 0;
};
using Places = std::unordered_map<std::string, Place>;

// What a checkpoint says must hold of the new log. Those of lines that it does not know go.
Result<void> RenewCheckpoints(const std::string& workspaces, const Places& places, uint64_t log) {
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(workspaces));
  for (const std::string& name : names) {
    const std::string folder = workspaces + "/" + name;
    const std::string checkpoint = CheckpointPath(folder);
    struct stat status;
    if (::lstat(checkpoint.c_str(), &status) != 0) continue;
    const auto place = places.find(name);
    if (place != places.end()) {
      HELIOS_TRY(WriteCheckpoint(folder, place->second.entry, place->second.end, log));
    } else if (::unlink(checkpoint.c_str()) != 0 && errno != ENOENT) {
      return Error::FromErrno(errno, "remove", checkpoint);
    }
  }
  return {};
}

}  // namespace

Result<LogRepair> RepairLog(const std::string& path, const std::string& workspaces,
                            const std::string& epoch, const std::string& aside) {
  LogRepair repair;
  struct stat status;
  const bool exists = ::lstat(path.c_str(), &status) == 0;
  std::optional<FileLock> lock;
  if (exists && S_ISREG(status.st_mode)) {
    HELIOS_TRY_ASSIGN(lock, FileLock::Acquire(path, FileLock::Mode::kExclusive, kWriteLockWait));
  }
  HELIOS_TRY_ASSIGN(const SalvagedLog salvaged, SalvageLog(path, workspaces, epoch));
  repair.from_checkpoints = salvaged.from_checkpoints;
  Bytes log;
  Places places;
  for (const Bytes& payload : salvaged.payloads) {
    const Bytes entry = EncodeEntry(payload);
    log.append(entry);
    for (const Operation& operation : OperationsIn({payload})) {
      ++repair.operations;
      if (!operation.workspace.empty()) places[operation.workspace] = {entry, log.size()};
    }
  }
  if (exists) {
    HELIOS_TRY_ASSIGN(repair.set_aside, KeepAside(path, aside));
  }
  HELIOS_TRY(RaiseLogNumber(epoch));
  const size_t slash = path.rfind('/');
  HELIOS_TRY(ReplaceFile(path.substr(0, slash), path.substr(slash + 1), log, Durability::kDurable));
  HELIOS_TRY_ASSIGN(const StoreEpoch numbers, ReadEpoch(epoch));
  HELIOS_TRY(RenewCheckpoints(workspaces, places, numbers.log));
  return repair;
}

}  // namespace helios

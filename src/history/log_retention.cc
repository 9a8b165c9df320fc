// Which operations stay in the log: it is made anew without the others. docs/durability.md,
// "Collection".
#include <algorithm>
#include <map>

#include "history/operation_log.h"
#include "store/store_epoch.h"

namespace helios {
namespace {

// The log as it will be.
struct NewLog {
  struct Place {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  Bytes bytes;
  std::map<std::string, Place> last;  // of each line: the entry with its last operation
  uint64_t dropped = 0;
};

// An operation of the old log.
struct OldOperation {
  Operation operation;
  bool is_kept = false;
};

using OldEntries = std::vector<std::vector<OldOperation>>;

// One entry's operations that stay, as an entry; the entry itself if all do; nothing if none does.
Result<Bytes> Shorten(ByteView entry, ByteView payload, std::span<const OldOperation> operations) {
  const auto is_kept = [](const OldOperation& old) { return old.is_kept; };
  if (std::all_of(operations.begin(), operations.end(), is_kept)) return Bytes(entry);
  Bytes all;
  Bytes kept;
  for (const OldOperation& old : operations) {
    const Bytes bytes = EncodeOperation(old.operation);
    all += bytes;
    if (old.is_kept) kept += bytes;
  }
  if (kept.empty()) return Bytes();
  if (all == payload) return EncodeEntry(kept);
  return Error(ErrorCode::kUnsupported, "an entry of the operation log cannot be written as it is");
}

// The last of each line stays: it says where the line stands.
void KeepLastOfLines(OldEntries* entries) {
  std::map<std::string, OldOperation*> last;
  for (std::vector<OldOperation>& entry : *entries) {
    for (OldOperation& old : entry) {
      if (!old.operation.workspace.empty()) last[old.operation.workspace] = &old;
    }
  }
  for (const auto& [line, old] : last) old->is_kept = true;
}

// What stays of a log that was seen to be whole.
OldEntries ChooseKept(ByteView log, const OperationLog::RetainFilter& keep) {
  OldEntries entries;
  uint64_t number = 0;
  while (!log.empty()) {
    std::vector<OldOperation>& entry = entries.emplace_back();
    std::optional<std::vector<Operation>> operations = DecodePayload(*TakeEntry(&log));
    for (Operation& operation : *operations) {
      const bool is_kept = keep(number++, operation);
      entry.push_back({std::move(operation), is_kept});
    }
  }
  KeepLastOfLines(&entries);
  return entries;
}

Result<NewLog> MakeLog(ByteView old_log, const OldEntries& entries) {
  NewLog log;
  for (const std::vector<OldOperation>& entry : entries) {
    const ByteView from_here = old_log;
    const std::optional<ByteView> payload = TakeEntry(&old_log);
    const ByteView old_entry = from_here.substr(0, from_here.size() - old_log.size());
    HELIOS_TRY_ASSIGN(const Bytes shortened, Shorten(old_entry, *payload, entry));
    const uint64_t begin = log.bytes.size();
    log.bytes += shortened;
    for (const OldOperation& old : entry) {
      log.dropped += old.is_kept ? 0 : 1;
      const std::string& line = old.operation.workspace;
      if (old.is_kept && !line.empty()) log.last[line] = {begin, log.bytes.size()};
    }
  }
  return log;
}

}  // namespace

Result<uint64_t> OperationLog::Retain(const RetainFilter& keep) const {
  HELIOS_TRY_ASSIGN(const FileLock lock, LockToAppend());
  // Seen to be whole; of what an append that was cut short left at its end nobody was told.
  HELIOS_TRY_ASSIGN(const Scanned scanned, Scan(lock.fd(), 0, [](const Operation&) {}));
  HELIOS_TRY(CheckMayCut(lock.fd(), scanned.end));
  HELIOS_TRY_ASSIGN(Bytes old_log, ReadFrom(lock.fd(), 0));
  old_log.resize(static_cast<size_t>(scanned.end));
  HELIOS_TRY_ASSIGN(const NewLog log, MakeLog(old_log, ChooseKept(old_log, keep)));
  if (log.dropped == 0) return log.dropped;
  HELIOS_TRY(RaiseLogNumber(epoch_path_));
  const size_t slash = path_.rfind('/');
  HELIOS_TRY(ReplaceFile(path_.substr(0, slash), path_.substr(slash + 1), log.bytes,
                         Durability::kDurable));
  for (const auto& [line, place] : log.last) {
    const auto size = static_cast<size_t>(place.end - place.begin);
    const ByteView entry = ByteView(log.bytes).substr(static_cast<size_t>(place.begin), size);
    RememberPlace(line, entry, place.end);
  }
  return log.dropped;
}

}  // namespace helios

#include "history/log_salvage.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "base/durable_file.h"
#include "history/log_checkpoint.h"
#include "store/store_epoch.h"

namespace helios {
namespace {

constexpr size_t kLogBytesMax = size_t{4} << 30;

struct Entry {
  uint64_t offset = 0;  // in the log, where it stands or stood
  Bytes payload;
};

// Every whole entry, wherever in the bytes it begins.
std::vector<Entry> WholeEntries(ByteView log) {
  std::vector<Entry> entries;
  ByteView rest = log;
  while (!rest.empty()) {
    const uint64_t offset = log.size() - rest.size();
    if (const std::optional<ByteView> payload = TakeEntry(&rest)) {
      entries.push_back({offset, Bytes(*payload)});
    } else {
      rest.remove_prefix(1);
    }
  }
  // Zeros are an entry of nothing, for whoever looks at them in the midst of damage.
  std::erase_if(entries, [](const Entry& entry) { return entry.payload.empty(); });
  return entries;
}

}  // namespace

Result<SalvagedLog> SalvageLog(const std::string& path, const std::string& workspaces,
                               const std::string& epoch) {
  HELIOS_TRY_ASSIGN(const StoreEpoch numbers, ReadEpoch(epoch));
  HELIOS_TRY_ASSIGN(const std::optional<Bytes> log, ReadFileIfExists(path, kLogBytesMax));
  std::vector<Entry> entries = WholeEntries(log ? ByteView(*log) : ByteView());
  std::unordered_set<std::string> known;
  for (const Entry& entry : entries) known.insert(entry.payload);
  SalvagedLog salvaged;
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(workspaces));
  for (const std::string& name : names) {
    const std::optional<LogCheckpoint> checkpoint = ReadCheckpoint(workspaces + "/" + name, name);
    if (!checkpoint || (numbers.is_known && checkpoint->log != numbers.log)) continue;
    ByteView rest = checkpoint->entry;
    const std::optional<ByteView> payload = TakeEntry(&rest);
    if (!payload || !known.emplace(*payload).second) continue;
    ++salvaged.from_checkpoints;
    entries.push_back({checkpoint->end - checkpoint->entry.size(), Bytes(*payload)});
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.offset < b.offset; });
  for (Entry& entry : entries) salvaged.payloads.push_back(std::move(entry.payload));
  return salvaged;
}

std::vector<Operation> OperationsIn(const std::vector<Bytes>& payloads) {
  std::vector<Operation> operations;
  for (const Bytes& payload : payloads) {
    std::optional<std::vector<Operation>> decoded = DecodePayload(payload);
    if (!decoded) continue;
    std::move(decoded->begin(), decoded->end(), std::back_inserter(operations));
  }
  return operations;
}

}  // namespace helios

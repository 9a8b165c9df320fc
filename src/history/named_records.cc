#include "history/named_records.h"

#include <unordered_set>

#include "history/log_salvage.h"

namespace helios {

Result<std::vector<RecordId>> NamedRecords(const StorePaths& paths, const RefStore& refs) {
  std::vector<RecordId> records;
  std::unordered_set<Digest, DigestHash> known;
  const auto add = [&](const RecordId& record) {
    if (known.insert(record.digest).second) records.push_back(record);
  };
  HELIOS_TRY_ASSIGN(const SalvagedLog salvaged,
                    SalvageLog(paths.OperationLog(), paths.Workspaces(), paths.Epoch()));
  for (const Operation& operation : OperationsIn(salvaged.payloads)) {
    for (const RecordId& record : operation.Records()) add(record);
  }
  HELIOS_TRY_ASSIGN(const RefListing listing, refs.ListAll());
  for (const Ref& ref : listing.refs) add(ref.record);
  return records;
}

}  // namespace helios

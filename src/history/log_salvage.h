// What can still be understood of a store's operation log, however damaged it is.
#ifndef HELIOS_HISTORY_LOG_SALVAGE_H_
#define HELIOS_HISTORY_LOG_SALVAGE_H_

#include <string>
#include <vector>

#include "history/operation_entry.h"

namespace helios {

struct SalvagedLog {
  // The payloads of all whole entries in order, with those that only checkpoints still have.
  std::vector<Bytes> payloads;
  uint64_t from_checkpoints = 0;  // so many of them
};

// `path` of the log; `workspaces`: the folder of checkpoints, of which those count that are of the
// log's present number (StoreEpoch::log), and all if nobody knows that. A log that is not there is
// empty. Changes nothing. Errors: those of reading.
Result<SalvagedLog> SalvageLog(const std::string& path, const std::string& workspaces,
                               const std::string& epoch);

// The operations of some payloads, in order; of those that this build does not know, none.
std::vector<Operation> OperationsIn(const std::vector<Bytes>& payloads);

}  // namespace helios

#endif  // HELIOS_HISTORY_LOG_SALVAGE_H_

// Makes a store's operation log anew of what can be understood of a damaged one.
#ifndef HELIOS_HISTORY_LOG_REPAIR_H_
#define HELIOS_HISTORY_LOG_REPAIR_H_

#include <string>

#include "helios/result.h"

namespace helios {

struct LogRepair {
  uint64_t operations = 0;        // that the new log holds
  uint64_t from_checkpoints = 0;  // entries that only checkpoints still had
  std::string set_aside;          // where the damaged log is; empty if there was none
};

// For who holds the store alone, and the file `epoch` locked. Durable on return. Killed at any
// moment, the old log is there or the new one; checkpoints of the old one count as absent.
Result<LogRepair> RepairLog(const std::string& path, const std::string& workspaces,
                            const std::string& epoch, const std::string& aside);

}  // namespace helios

#endif  // HELIOS_HISTORY_LOG_REPAIR_H_

// What a store is made of.
#ifndef HELIOS_STORE_INFO_H_
#define HELIOS_STORE_INFO_H_

#include <cstdint>
#include <optional>
#include <string>

#include "helios/object_store.h"
#include "helios/store_settings.h"

namespace helios {

struct StoreInfo {
  std::string path;
  uint32_t version = 0;  // of the format
  std::string backend;
  std::string folder;  // the backend's
  uint64_t moved = 0;  // how often it was moved to another backend
  StoreTotals totals;
  std::optional<StoreSettings> settings;  // absent if they cannot be read
  uint64_t workspaces = 0;                // that were committed or restored
  uint64_t branches = 0;
  uint64_t tags = 0;
  uint64_t operations = 0;   // in the log
  uint64_t snapshots = 0;    // different ones in it
  uint64_t collections = 0;  // the epoch's number: rises whenever objects may have gone
  uint64_t log_number = 0;   // the same of the operation log
  bool is_epoch_known = true;
  uint64_t leases = 0;        // snapshots that processes that are alive hold
  std::string moving_to;      // a migration that was begun and did not end; empty if there is none
  uint64_t moving_bytes = 0;  // what it takes on disk
};

}  // namespace helios

#endif  // HELIOS_STORE_INFO_H_

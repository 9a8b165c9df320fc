// The logs of a store's database: what small batches were written to and is not in tables yet. Each
// opening of the database for writing begins a new one; the others do not change any more.
#ifndef HELIOS_STORE_ROCKSDB_LOGS_H_
#define HELIOS_STORE_ROCKSDB_LOGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

namespace helios::rocks {

struct Log {
  uint64_t number = 0;
  uint64_t bytes = 0;
  std::string path;
};
// In the order of their numbers, in which they are written one after the other. Without empty ones.
Result<std::vector<Log>> LogsOf(const std::string& store_folder);

// Syncs what is in the logs, whoever wrote it. How far that was done is noted in a small file
// beside the database, so that a log is synced once and not as long as it is there. The note holds
// for the database that it was made of alone: it names its folder by inode. Returns how many logs
// had something to sync.
Result<size_t> SyncLogs(const std::string& store_folder);

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_LOGS_H_

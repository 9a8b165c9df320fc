// The counters of a store: one small file to which every process adds what it did.
#ifndef HELIOS_STORE_METRICS_FILE_H_
#define HELIOS_STORE_METRICS_FILE_H_

#include <string>

#include "helios/result.h"
#include "helios/statistics.h"

namespace helios {

// Two slots, written in turn, each with a sequence number and a checksum: a writer that dies leaves
// the other slot whole. Not synced: a power cut may take the last figures, never the file.
Result<void> AddToMetricsFile(const std::string& path, const Metrics& delta);

// All that processes added so far; zeros if there is no file yet. Errors: kCorrupt if no slot is
// whole.
Result<Metrics> ReadMetricsFile(const std::string& path);

}  // namespace helios

#endif  // HELIOS_STORE_METRICS_FILE_H_

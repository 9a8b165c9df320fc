// Checkpoints into the operation log: where each workspace and branch stood when the log was so
// long. docs/format.md, "Checkpoint".
#ifndef HELIOS_HISTORY_LOG_CHECKPOINT_H_
#define HELIOS_HISTORY_LOG_CHECKPOINT_H_

#include <optional>
#include <string>

#include "history/operation_entry.h"

namespace helios {

// Says that the log held `entry` just before `end`, with `operation` in it.
struct LogCheckpoint {
  uint64_t end = 0;
  Bytes entry;
  Operation operation;
};

// `folder`: the workspace's own in the store.
std::string CheckpointPath(const std::string& folder);
// nullopt if there is none for that line, or one that is damaged.
std::optional<LogCheckpoint> ReadCheckpoint(const std::string& folder, const std::string& line);
// Only a shortcut: without it, the log is read from its start.
Result<void> WriteCheckpoint(const std::string& folder, ByteView entry, uint64_t end);

}  // namespace helios

#endif  // HELIOS_HISTORY_LOG_CHECKPOINT_H_

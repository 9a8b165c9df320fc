// What a restore leaves in its workspace's folder of the store while it works: who finds it knows
// that the restore was interrupted, and of what. docs/format.md, "Interrupted restores".
#ifndef HELIOS_HISTORY_RESTORE_INTENT_H_
#define HELIOS_HISTORY_RESTORE_INTENT_H_

#include <optional>
#include <string>

#include "history/operation_entry.h"

namespace helios {

// Begun and not finished.
struct RestoreIntent {
  RecordId target;  // what files were being made equal to
  // What goes into the log when it is finished. Absent if an earlier version of Helios began it:
  // its intent says no more than the target.
  std::optional<Operation> operation;
};

// nullopt if there is none. One that is damaged counts as none: then what it wrote is taken for
// work of the user's, and kept. Errors: those of reading.
Result<std::optional<RestoreIntent>> ReadRestoreIntent(const std::string& workspace_folder);

// Durable on return: before the first change to the workspace.
Result<void> WriteRestoreIntent(const std::string& workspace_folder, const Operation& operation);
// Not synced: an intent that comes back after a power cut is known by its operation being in the
// log.
Result<void> RemoveRestoreIntent(const std::string& workspace_folder);

}  // namespace helios

#endif  // HELIOS_HISTORY_RESTORE_INTENT_H_

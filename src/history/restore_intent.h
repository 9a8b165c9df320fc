// What a restore leaves in its workspace's folder of the store while it works: who finds it knows
// that the restore was interrupted, and of what. docs/format.md, "Interrupted restores".
#ifndef HELIOS_HISTORY_RESTORE_INTENT_H_
#define HELIOS_HISTORY_RESTORE_INTENT_H_

#include <optional>
#include <string>

#include "helios/ids.h"
#include "helios/result.h"

namespace helios {

// The record whose restore into the workspace of this folder was begun and not finished; nullopt if
// there is none. One that cannot be read counts as none: then what it wrote is taken for work of
// the user's, and kept.
std::optional<RecordId> ReadRestoreIntent(const std::string& workspace_folder);

// Survives the death of the process, not a power cut.
Result<void> WriteRestoreIntent(const std::string& workspace_folder, const RecordId& record);
Result<void> RemoveRestoreIntent(const std::string& workspace_folder);

}  // namespace helios

#endif  // HELIOS_HISTORY_RESTORE_INTENT_H_

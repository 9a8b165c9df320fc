// The branches of a store: names that durable commits of working sets in memory advance. A branch
// is a line of the operation log, as a workspace is. docs/decisions/0013.
#ifndef HELIOS_HISTORY_BRANCHES_H_
#define HELIOS_HISTORY_BRANCHES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "history/operation_log.h"
#include "history/ref_store.h"

namespace helios {

// The ref that `name` stands for below `prefix` (kTagsPrefix, kHeadsPrefix). Errors:
// kInvalidArgument, saying why, for what cannot be a name there. `what`: "tag" or "branch".
Result<std::string> RefBelow(std::string_view prefix, std::string_view name,
                             const std::string& what);

// The record at the head of a branch, by its name without "heads/"; nullopt if there is none.
Result<std::optional<RecordId>> HeadOfBranch(const OperationLog& log, std::string_view name);

// Every branch as "heads/NAME", by name.
Result<std::vector<Ref>> ListBranches(const OperationLog& log);

}  // namespace helios

#endif  // HELIOS_HISTORY_BRANCHES_H_

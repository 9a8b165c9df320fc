#include "history/branches.h"

#include <map>

namespace helios {

Result<std::string> RefBelow(std::string_view prefix, std::string_view name,
                             const std::string& what) {
  for (const std::string_view taken : {kTagsPrefix, kHeadsPrefix}) {
    if (name.starts_with(taken)) {
      return Error(ErrorCode::kInvalidArgument, "\"" + std::string(name) + "\" cannot be a " +
                                                    what + ": leave out \"" + std::string(taken) +
                                                    "\"");
    }
  }
  // By itself as well: what comes before must not make a name of what is none.
  HELIOS_TRY(CheckRefName(name));
  std::string ref = std::string(prefix).append(name);
  HELIOS_TRY(CheckRefName(ref));
  return ref;
}

Result<std::optional<RecordId>> HeadOfBranch(const OperationLog& log, std::string_view name) {
  HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log.Latest(BranchKey(name)));
  return latest ? std::optional(latest->record) : std::nullopt;
}

Result<std::vector<Ref>> ListBranches(const OperationLog& log) {
  std::map<std::string, RecordId> heads;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    if (operation.workspace.empty()) return;
    const bool on_branch =
        operation.kind == OperationKind::kBranchCommit || operation.ref.starts_with(kHeadsPrefix);
    if (!on_branch) return;
    if (operation.is_gone) {
      heads.erase(operation.path);
    } else {
      heads[operation.path] = operation.record;
    }
  }));
  std::vector<Ref> branches;
  for (const auto& [name, head] : heads) {
    branches.push_back({std::string(kHeadsPrefix).append(name), head});
  }
  return branches;
}

}  // namespace helios

// All operations of a store, and which of them were taken back.
#ifndef HELIOS_ENGINE_LOGGED_OPERATIONS_H_
#define HELIOS_ENGINE_LOGGED_OPERATIONS_H_

#include <string>
#include <vector>

#include "engine/engine_state.h"

namespace helios {

class OperationHistory {
 public:
  struct Entry {
    uint64_t id = 0;
    bool is_undone = false;
    Operation operation;
  };
  static Result<OperationHistory> Read(const OperationLog& log);

  const std::vector<Entry>& entries() const { return entries_; }  // oldest first
  // By its id or the beginning of it. Errors: kNotFound, kAmbiguous, kInvalidArgument.
  Result<const Entry*> Find(const std::string& id) const;
  // The last one of a workspace; null if there is none.
  const Entry* LastOf(const std::string& workspace) const;
  // An operation of the workspace that came later and counts; null if there is none.
  const Entry* BuiltUpon(const Entry& entry, const std::string& workspace) const;

 private:
  std::vector<Entry> entries_;
};

LoggedOperation Describe(const OperationHistory::Entry& entry);

}  // namespace helios

#endif  // HELIOS_ENGINE_LOGGED_OPERATIONS_H_

#include "helios/owner.h"

#include <unistd.h>

namespace helios {

Result<void> CheckOwner(const std::string& path, uid_t owner) {
  const uid_t user = ::geteuid();
  if (owner == user) return {};
  return Error(ErrorCode::kFailed,
               "refused: " + path + " belongs to user " + std::to_string(owner) + ", not to user " +
                   std::to_string(user) + "; use a store of your own (--store DIR)");
}

}  // namespace helios

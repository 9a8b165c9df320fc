// Whose files are trusted: only those of the user who runs.
#ifndef HELIOS_OWNER_H_
#define HELIOS_OWNER_H_

#include <sys/types.h>

#include <string>

#include "helios/result.h"

namespace helios {

// Refuses a store, or what leads to one, that another user owns: it may have been laid out as a
// trap. `owner` is the owner of `path` as the caller has seen it. Errors: kFailed, naming both.
Result<void> CheckOwner(const std::string& path, uid_t owner);

}  // namespace helios

#endif  // HELIOS_OWNER_H_

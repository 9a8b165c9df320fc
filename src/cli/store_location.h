// Which store a command uses. The rules are the contract's, in its order.
#ifndef HELIOS_CLI_STORE_LOCATION_H_
#define HELIOS_CLI_STORE_LOCATION_H_

#include <string>

#include "helios/result.h"

namespace helios::cli {

struct StoreLocation {
  std::string path;  // absolute
  std::string rule;  // what chose it, for people: "--store", "HELIOS_STORE_DIR", …
};

// 1. `flag`; 2. `environment` (the value of HELIOS_STORE_DIR); 3. the nearest `.helios` at or above
// `work`, without leaving its file system; 4. `.helios` in `work`. Empty strings are absent.
//
// A `.helios` may be a folder, a link to one, or a text file "store: PATH" that leads to an
// existing store (a relative PATH starts at the file). Errors: kFailed for one that another user
// owns, kNoStore for a link or file that leads nowhere, kInvalidArgument for a file that says
// something else.
Result<StoreLocation> LocateStore(const std::string& flag, const std::string& environment,
                                  const std::string& work);

}  // namespace helios::cli

#endif  // HELIOS_CLI_STORE_LOCATION_H_

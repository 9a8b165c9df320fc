// What `verify` prints, and `repair` of what is left.
#ifndef HELIOS_CLI_VERIFY_OUTPUT_H_
#define HELIOS_CLI_VERIFY_OUTPUT_H_

#include "cli/output.h"

namespace helios::cli {

// Damage before all else, then what is missing, then whatever else is wrong.
int ExitCodeOf(const VerifyReport& report);
Json ToJson(const VerifyReport& report);
// Everything that is wrong, in lines of text; nothing if all is whole.
void PrintTroubles(const Output& output, const VerifyReport& report);

}  // namespace helios::cli

#endif  // HELIOS_CLI_VERIFY_OUTPUT_H_

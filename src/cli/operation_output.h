// Operations of the log, as commands print them.
#ifndef HELIOS_CLI_OPERATION_OUTPUT_H_
#define HELIOS_CLI_OPERATION_OUTPUT_H_

#include <string>

#include "cli/output.h"

namespace helios::cli {

Json ToJson(const LoggedOperation& operation);
// One line: "3f2a77… restore (helios restore @~1)".
std::string SummaryOf(const LoggedOperation& operation);

}  // namespace helios::cli

#endif  // HELIOS_CLI_OPERATION_OUTPUT_H_

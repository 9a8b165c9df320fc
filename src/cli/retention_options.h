// The options that say which snapshots stay, as several commands take them.
#ifndef HELIOS_CLI_RETENTION_OPTIONS_H_
#define HELIOS_CLI_RETENTION_OPTIONS_H_

#include <optional>
#include <string>
#include <vector>

#include "helios/result.h"
#include "helios/retention.h"

namespace CLI {
class App;
}

namespace helios::cli {

struct RetentionOptions {
  std::optional<std::string> last;
  std::optional<std::string> within;
  std::optional<std::string> hourly;
  std::optional<std::string> daily;
  std::optional<std::string> weekly;
  std::vector<std::string> labels;
};

void AddRetentionOptions(CLI::App* command, RetentionOptions* options);

// nullopt if none was given. Errors: kInvalidArgument.
Result<std::optional<RetentionRules>> ParseRetention(const RetentionOptions& options);

// "7d", "12h", "2w 3d", "90m", "45s"; a number alone is days. In seconds.
Result<uint64_t> ParseDuration(const std::string& text);
Result<uint64_t> ParseCount(const std::string& what, const std::string& text);
// "7d", "36h", "45s": the shortest that says it exactly.
std::string FormatDuration(uint64_t seconds);

}  // namespace helios::cli

#endif  // HELIOS_CLI_RETENTION_OPTIONS_H_

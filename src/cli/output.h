// What commands print: JSON for programs, text for people, errors for both.
#ifndef HELIOS_CLI_OUTPUT_H_
#define HELIOS_CLI_OUTPUT_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "helios/engine.h"

namespace helios::cli {

using Json = nlohmann::ordered_json;

enum ExitCode {
  kExitSuccess = 0,
  kExitFailure = 1,
  kExitDiffers = 1,
  kExitUsage = 2,
  kExitIncomplete = 3,
  kExitWouldLoseWork = 4,
  kExitNoStore = 10,
  kExitBusy = 11,
  kExitDamage = 12,
  kExitMissingObject = 13,
  kExitNoSpace = 14,
};
ExitCode ExitCodeOf(const Error& error);

class Output {
 public:
  bool json = false;  // JSON on standard output, and errors as JSON
  bool color = false;
  bool quiet = false;  // no progress, no warnings

  // One object and a newline.
  void PrintJson(const Json& value) const;
  void PrintText(std::string_view text) const;
  // A file's bytes as they are, at once: nothing is left to be lost at the end. Not together with
  // the two above.
  Result<void> WriteRaw(std::string_view bytes) const;
  void Warn(const std::string& message) const;
  // Prints the error and returns its exit code.
  int Fail(const Error& error) const;
};

// Adds a path to an object: lossily where it is not UTF-8, and then with the exact bytes in
// "<key>_b64".
void AddPath(Json* object, const std::string& key, const std::string& path);
// A list of paths under `key`; those that are not UTF-8 again, exactly, under "<key>_b64".
void AddPaths(Json* object, const std::string& key, const std::vector<std::string>& paths);

Json ToJson(const std::vector<HealthCheck>& checks);

// A name as a terminal may show it: control characters and bytes that are no text as escapes.
std::string QuoteName(std::string_view name);
// One of the first paths of an omission, with what went wrong if that is known.
std::string QuoteOmitted(const Omission& omission, size_t index);
// A message with names in it, the same way, but for backslashes and the lines of a list.
std::string QuoteMessage(std::string_view message);
// "12 files", "1 file".
std::string Count(uint64_t number, std::string_view noun);
// "1.2 MB".
std::string FormatBytes(uint64_t bytes);

Json ToJson(const CaptureReport& report);
Json ToJson(const IgnoreWarnings& warnings);
Json ToJson(const WriteReport& report);
// One line for each reason for which something was not captured.
void PrintOmissions(const Output& output, const CaptureReport& report);
// A line for each name that could not be written, and for what else is not as in the snapshot.
void PrintFailures(const Output& output, const WriteReport& report);
// A line for each malformed line of an ignore file.
void WarnOfIgnoreFiles(const Output& output, const IgnoreWarnings& warnings);
void WarnUnmatched(const Output& output, const std::vector<std::string>& patterns);

}  // namespace helios::cli

#endif  // HELIOS_CLI_OUTPUT_H_

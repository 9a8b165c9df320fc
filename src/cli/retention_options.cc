#include "cli/retention_options.h"

#include <CLI/CLI.hpp>
#include <charconv>

#include "cli/command.h"

namespace helios::cli {
namespace {

struct Unit {
  char letter;
  uint64_t seconds;
};
constexpr Unit kUnits[] = {{'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

std::optional<uint64_t> SecondsOf(char letter) {
  for (const Unit& unit : kUnits) {
    if (unit.letter == letter) return unit.seconds;
  }
  return std::nullopt;
}

}  // namespace

Result<uint64_t> ParseDuration(const std::string& text) {
  const Error malformed(ErrorCode::kInvalidArgument,
                        "malformed duration \"" + text + "\": write 12h, 7d, 2w or 1w3d");
  uint64_t all = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  if (at == end) return malformed;
  while (at != end) {
    uint64_t count = 0;
    const auto [behind, error] = std::from_chars(at, end, count);
    if (error != std::errc()) return malformed;
    at = behind;
    const std::optional<uint64_t> unit = at == end ? SecondsOf('d') : SecondsOf(*at++);
    if (!unit || __builtin_mul_overflow(count, *unit, &count) ||
        __builtin_add_overflow(all, count, &all)) {
      return malformed;
    }
    while (at != end && *at == ' ') ++at;
  }
  return all;
}

Result<uint64_t> ParseCount(const std::string& what, const std::string& text) {
  uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [behind, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc() && behind == end) return count;
  return Error(ErrorCode::kInvalidArgument, what + ": \"" + text + "\" is not a number");
}

std::string FormatDuration(uint64_t seconds) {
  for (const Unit& unit : kUnits) {
    if (seconds == 0 || seconds % unit.seconds != 0) continue;
    return std::to_string(seconds / unit.seconds) + unit.letter;
  }
  return std::to_string(seconds) + "s";
}

void AddRetentionOptions(CLI::App* command, RetentionOptions* options) {
  AddValueOption(command, "--keep-last", "N", &options->last,
                 "Keep the N newest snapshots of each folder and branch");
  AddValueOption(command, "--keep-within", "TIME", &options->within,
                 "Keep those that are no older beside the newest: 12h, 7d, 4w");
  AddValueOption(command, "--keep-hourly", "N", &options->hourly,
                 "Keep the newest of each of the last N hours that have one (UTC)");
  AddValueOption(command, "--keep-daily", "N", &options->daily, "The same for days");
  AddValueOption(command, "--keep-weekly", "N", &options->weekly,
                 "The same for weeks, from Monday on");
  AddListOption(command, "--keep-label", "KEY[=VALUE]", &options->labels,
                "Keep those that carry this label (repeatable)");
}

Result<std::optional<RetentionRules>> ParseRetention(const RetentionOptions& options) {
  RetentionRules rules;
  struct Count {
    const char* name;
    const std::optional<std::string>* text;
    std::optional<uint64_t>* value;
  };
  for (const Count& count : {Count{"--keep-last", &options.last, &rules.last},
                             Count{"--keep-hourly", &options.hourly, &rules.hourly},
                             Count{"--keep-daily", &options.daily, &rules.daily},
                             Count{"--keep-weekly", &options.weekly, &rules.weekly}}) {
    if (!*count.text) continue;
    HELIOS_TRY_ASSIGN(*count.value, ParseCount(count.name, **count.text));
  }
  if (options.within) {
    HELIOS_TRY_ASSIGN(rules.within_seconds, ParseDuration(*options.within));
  }
  for (const std::string& label : options.labels) {
    const size_t equals = label.find('=');
    if (equals == 0 || label.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   "malformed label \"" + label + "\": write KEY or KEY=VALUE");
    }
    RetentionRules::Label rule{label.substr(0, equals), std::nullopt};
    if (equals != label.npos) rule.value = label.substr(equals + 1);
    rules.labels.push_back(std::move(rule));
  }
  return rules.IsEmpty() ? std::optional<RetentionRules>() : std::optional(std::move(rules));
}

}  // namespace helios::cli

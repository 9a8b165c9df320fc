// Paths that change or differ, as commands list them.
#ifndef HELIOS_CLI_PATHS_H_
#define HELIOS_CLI_PATHS_H_

#include <string>
#include <vector>

#include "cli/command.h"

namespace helios::cli {

// "A", "C", "D", "T" (became another type) or "P" (permissions, times or other attributes alone).
std::string LetterOf(PlannedPath::Change change);
Json ToJson(const PlannedPath& path);
// "C src/main.c", with what became what.
std::string TextOf(const PlannedPath& path);

// How a command lists paths. Where there can be very many, they are printed as they come.
class PathLister {
 public:
  static constexpr size_t kKeptMax = 1000;

  void AddOptions(CLI::App* command);
  PathSink SinkTo(const Output& output);
  // What was kept, under "changes"; how many others there were, under "changes_left_out".
  void AddTo(Json* json) const;
  void PrintKept(const Output& output) const;
  // Prints the report in one of two ways, unless the list is all that was asked for.
  template <typename AsJson, typename ForPeople>
  void PrintReport(const Output& output, const AsJson& as_json, const ForPeople& for_people) const {
    if (nul_) return;
    if (output.json) {
      output.PrintJson(as_json());
    } else {
      for_people();
    }
  }

 private:
  bool lines_ = false;  // --list: one JSON object, or line of text, for each path
  bool nul_ = false;    // -z: letter and raw path, each ended by NUL, and nothing else
  std::vector<PlannedPath> kept_;
  uint64_t left_out_ = 0;
};

// The plan's part of a report, in JSON.
void AddPlan(Json* json, const RestoreReport& report);
// The same, or what was done, for people.
void PrintPlan(const Output& output, const RestoreReport& report);
// What is to be warned of.
void WarnOfLeftovers(const Output& output, const std::vector<std::string>& leftovers);
// "2026-11-26 17:34:52" in local time.
std::string FormatTime(int64_t seconds);

}  // namespace helios::cli

#endif  // HELIOS_CLI_PATHS_H_

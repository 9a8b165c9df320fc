#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace helios::cli {
namespace {

Json ToJson(const OptimizeStoreReport& report) {
  Json damage = Json::array();
  for (const Error& error : report.store.damage) damage.push_back(error.message());
  return {{"bytes_before", report.store.bytes_before},
          {"bytes_after", report.store.bytes_after},
          {"objects", report.store.objects},
          {"object_bytes", report.store.bytes},
          {"snapshots", report.snapshots},
          {"seconds", report.seconds},
          {"damage", std::move(damage)}};
}

void PrintForPeople(const Output& output, const OptimizeStoreReport& report) {
  const OptimizeReport& store = report.store;
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.1f s", report.seconds);
  output.PrintText(FormatBytes(store.bytes_before) + " before, " + FormatBytes(store.bytes_after) +
                   " now\n  " + Count(store.objects, "object") + ", " + FormatBytes(store.bytes) +
                   ", compressed anew in " + seconds + "\n");
}

int Run(Session& session) {
  const Output& output = session.output;
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<OptimizeStoreReport> report = (*engine)->Optimize();
  if (!report) return output.Fail(report.error());
  if (output.json) {
    output.PrintJson(ToJson(*report));
  } else {
    PrintForPeople(output, *report);
  }
  for (const Error& error : report->store.damage) {
    output.Warn("left as it is: " + QuoteMessage(error.message()));
  }
  return report->store.damage.empty() ? kExitSuccess : ExitCodeOf(report->store.damage.front());
}

}  // namespace

void AddOptimizeCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("optimize", "Make a store as small as it gets");
  AddCommonOptions(command, session);
  command->footer(
      "Examples:\n"
      "  helios optimize               of the store that this folder uses\n"
      "  helios optimize -j 1          with one processor\n"
      "Takes some minutes for each gigabyte that was committed since the last time, about 90 MB "
      "of\n"
      "memory for each thread, and as much free space as it writes anew. Commits and restores go "
      "on\n"
      "meanwhile; it may be ended at any moment, and nothing is lost.\n"
      "Exit codes: 0 done; 10 no store; 11 another process optimizes; 12 done, but damage was "
      "found\n"
      "and left as it is; 14 no space.");
  command->callback([session] { session->run = [session] { return Run(*session); }; });
}

}  // namespace helios::cli

#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace helios::cli {
namespace {

// Damage before all else; otherwise what went wrong first.
int ExitCodeOf(const HealthReport& report) {
  int code = kExitSuccess;
  for (const HealthCheck& check : report.checks) {
    if (check.ok) continue;
    const int own = cli::ExitCodeOf(Error(check.code, ""));
    if (own == kExitDamage) return own;
    if (code == kExitSuccess) code = own;
  }
  return code;
}

Json ToJson(const HealthReport& report, const Session& session) {
  Json store = Json::object();
  AddPath(&store, "path", session.store_path);
  store["rule"] = session.store_rule;
  return {{"ok", ExitCodeOf(report) == kExitSuccess},
          {"store", std::move(store)},
          {"checks", cli::ToJson(report.checks)}};
}

void PrintForPeople(const Output& output, const HealthReport& report, const Session& session) {
  output.PrintText("store " + QuoteName(session.store_path) + " (" + QuoteName(session.store_rule) +
                   ")\n");
  for (const HealthCheck& check : report.checks) {
    output.PrintText((check.ok ? "  ok     " : "  WRONG  ") + check.name + ": " +
                     QuoteMessage(check.message) + "\n");
    if (!check.advice.empty()) output.PrintText("         " + check.advice + "\n");
  }
}

int Run(Session& session) {
  const Output& output = session.output;
  const Result<EngineOptions> options = session.MakeEngineOptions("");
  if (!options) return output.Fail(options.error());
  const Result<HealthReport> report = Engine::CheckHealth(*options, session.MakeWorkspace());
  if (!report) return output.Fail(report.error());
  if (output.json) {
    output.PrintJson(ToJson(*report, session));
  } else {
    PrintForPeople(output, *report, session);
  }
  return ExitCodeOf(*report);
}

}  // namespace

void AddDoctorCommand(CLI::App* app, Session* session) {
  CLI::App* command =
      app->add_subcommand("doctor", "Which store is used, and whether all is well with it");
  AddCommonOptions(command, session);
  command->footer(
      "Examples:\n"
      "  helios doctor                 of the store that this folder uses\n"
      "  helios doctor --store DIR --json\n"
      "Looks at the store's structures and at the file cache of \"materialize --link\", not at "
      "every\n"
      "content, and repairs nothing.\n"
      "Exit codes: 0 all is well; 10 no store; 12 damage found; 13 an object is missing; 14 no\n"
      "space; 1 anything else that is wrong.");
  command->callback([session] { session->run = [session] { return Run(*session); }; });
}

}  // namespace helios::cli

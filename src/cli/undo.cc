#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/operation_output.h"
#include "cli/paths.h"

namespace helios::cli {
namespace {

struct Options {
  UndoRequest request;
  PathLister paths;
};

Json ToJson(const UndoReport& report, const Options& options) {
  Json json = {{"undone", report.undone.id}, {"dry_run", options.request.dry_run}};
  json["operation_undone"] = cli::ToJson(report.undone);
  if (report.stands_at) json["stands_at"] = FormatId(*report.stands_at);
  AddPlan(&json, report.files);
  if (options.request.dry_run) options.paths.AddTo(&json);
  return json;
}

void PrintForPeople(const Output& output, const UndoReport& report, const Options& options) {
  output.PrintText((options.request.dry_run ? "would undo " : "undid ") + SummaryOf(report.undone) +
                   "\n");
  if (report.undone.safety) PrintPlan(output, report.files);
  if (options.request.dry_run) options.paths.PrintKept(output);
}

int Run(Session& session, Options& options) {
  const Output& output = session.output;
  options.request.workspace = session.MakeWorkspace();
  options.request.on_path = options.paths.SinkTo(output);
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<UndoReport> report = (*engine)->Undo(options.request);
  if (!report) return output.Fail(report.error());
  options.paths.PrintReport(
      output, [&] { return ToJson(*report, options); },
      [&] { PrintForPeople(output, *report, options); });
  PrintFailures(output, report->files.written);
  return report->files.written.failed > 0 ? kExitIncomplete : kExitSuccess;
}

}  // namespace

void AddUndoCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("undo", "Take back the last restore, commit or tag");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddGitOption(command, session);
  command->add_option("OPERATION", options->request.operation,
                      "Its id, from helios op log (default: this folder's last)");
  command->add_flag("--force", options->request.force,
                    "Overwrite and delete even what changed since; it is saved first");
  command->add_flag("-n,--dry-run", options->request.dry_run, "Only say what would be done");
  options->paths.AddOptions(command);
  command->footer(
      "Examples:\n"
      "  helios undo                   take back what was done last\n"
      "  helios undo                   and once more: take that back\n"
      "  helios undo -n                what it would do\n"
      "  helios undo 3f2a77            an operation of helios op log\n"
      "A restore: every file that it touched is what it was, unsaved work included; others stay "
      "as\n"
      "they are now. A commit: @ stands where it stood, no file is touched. A tag: it points "
      "where\n"
      "it did. What others have built upon since is not undone.\n"
      "Exit codes: 0 done; 1 not undone; 3 something could not be written; 4 refused: would lose\n"
      "unsaved work.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

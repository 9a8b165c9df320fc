#include <CLI/CLI.hpp>
#include <optional>

#include "cli/command.h"

namespace helios::cli {
namespace {

struct Options {
  std::optional<std::string> id;
  std::optional<std::string> out;
  std::vector<std::string> positional;
  Selection selection;
};

int Run(Session& session, Options& options) {
  const Output& output = session.output;
  MaterializeRequest request;
  Result<std::string> id = OneId(options.id, &options.positional, "the id to materialize");
  if (!id) return output.Fail(id.error());
  request.id = *id;
  Result<std::string> out = OneId(options.out, &options.positional, "the folder to write into");
  if (!out) return output.Fail(out.error());
  request.out = *out;
  request.workspace = session.MakeWorkspace();
  request.selection = options.selection;
  request.selection.includes.insert(request.selection.includes.end(), options.positional.begin(),
                                    options.positional.end());
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<MaterializeReport> report = (*engine)->Materialize(request);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    Json json = {{"materialized", request.id}};
    AddPath(&json, "out", request.out);
    json["snapshot_id"] = FormatId(report->snapshot);
    json["record_id"] = FormatId(report->record);
    json["written"] = ToJson(report->written);
    output.PrintJson(json);
  } else {
    output.PrintText("materialized " + FormatId(report->snapshot) + "\n  " +
                     Count(report->written.files, "file") + ", " +
                     FormatBytes(report->written.bytes) + " into " + QuoteName(request.out) + "\n");
  }
  WarnUnmatched(output, report->unmatched_patterns);
  PrintFailures(output, report->written);
  return report->written.failed > 0 ? kExitIncomplete : kExitSuccess;
}

}  // namespace

void AddMaterializeCommand(CLI::App* app, Session* session) {
  CLI::App* command =
      app->add_subcommand("materialize", "Write files of a snapshot into another folder");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddSelectionOptions(command, &options->selection);
  AddValueOption(command, "--id", "ID", &options->id, "The snapshot");
  AddValueOption(command, "-o,--out", "DIR", &options->out,
                 "The folder to write into, made if need be");
  AddPositionals(command, "ID_OUT", &options->positional,
                 "The snapshot and the folder, then paths to restrict it to");
  command->footer(
      "Examples:\n"
      "  helios materialize --id ID --out /tmp/copy\n"
      "  helios materialize @ /tmp/docs 'docs/**' --exclude '*.png'\n"
      "Exit codes: 0 done; 3 something could not be written; 12 damage found; 14 no space.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/paths.h"

namespace helios::cli {
namespace {

struct Options {
  std::vector<std::string> positional;
  StatusRequest request;
  PathLister paths;
  bool exit_code = false;
};

Json ToJson(const StatusReport& report, const Options& options) {
  Json json = Json::object();
  AddPath(&json, "workspace", report.path);
  json["changed"] = report.IsChanged();
  if (report.record) {
    json["snapshot_id"] = FormatId(*report.snapshot);
    json["record_id"] = FormatId(*report.record);
    json["time"] = report.seconds;
    AddPath(&json, "message", report.message);
  }
  json["lazy"] = report.is_lazy;
  json["interrupted"] = report.is_interrupted;
  if (report.is_interrupted) {
    json["interrupted_snapshot_id"] = FormatId(*report.interrupted);
    json["can_abort"] = report.can_resume;
  }
  json["files"] = report.files;
  json["bytes"] = report.bytes;
  json["Added"] = report.added;
  json["NeverCaptured"] = report.never_captured;
  json["Changed"] = report.changed;
  json["Deleted"] = report.deleted;
  json["TypeChanged"] = report.type_changed;
  json["AttributesOnly"] = report.attributes;
  options.paths.AddTo(&json);
  json["whole"] = report.capture.IsWhole();
  json["not_captured"] = cli::ToJson(report.capture);
  return json;
}

void PrintWhere(const Output& output, const StatusReport& report) {
  if (!report.record) {
    output.PrintText("Nothing was committed from this folder yet\n");
    return;
  }
  output.PrintText("Stands at " + FormatId(*report.snapshot) + "\n  of " +
                   FormatTime(report.seconds));
  const std::string subject = report.message.substr(0, report.message.find('\n'));
  if (!subject.empty()) output.PrintText(": " + QuoteName(subject));
  output.PrintText("\n");
  if (report.is_lazy) {
    output.PrintText(
        "Restored lazily: what is deleted below was never brought (helios restore @ brings it)\n");
  }
}

void PrintForPeople(const Output& output, const StatusReport& report, const Options& options) {
  PrintWhere(output, report);
  if (report.is_interrupted) {
    output.PrintText("A restore of " + FormatId(*report.interrupted) +
                     " was interrupted:\n  helios restore --continue goes on");
    if (report.can_resume) {
      output.PrintText(", helios restore --abort goes back to how the folder was");
    }
    output.PrintText("\n");
  }
  options.paths.PrintKept(output);
  if (report.IsChanged()) {
    output.PrintText(std::to_string(report.added) + " added" +
                     (report.never_captured < report.added
                          ? " (" + std::to_string(report.never_captured) + " in no snapshot ever)"
                          : "") +
                     ", " + std::to_string(report.changed) + " changed, " +
                     std::to_string(report.deleted) + " deleted");
    if (report.type_changed > 0) {
      output.PrintText(", " + std::to_string(report.type_changed) + " of another type");
    }
    output.PrintText("\n");
  } else {
    output.PrintText("Nothing changed\n");
  }
  if (report.attributes > 0) {
    output.PrintText(Count(report.attributes, "file") +
                     " with another mode, time or other attributes alone\n");
  }
  PrintOmissions(output, report.capture);
}

int Run(Session& session, Options& options) {
  const Output& output = session.output;
  StatusRequest& request = options.request;
  request.workspace = session.MakeWorkspace();
  request.selection.includes.insert(request.selection.includes.end(), options.positional.begin(),
                                    options.positional.end());
  request.on_path = options.paths.SinkTo(output);
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<StatusReport> report = (*engine)->Status(request);
  if (!report) return output.Fail(report.error());
  options.paths.PrintReport(
      output, [&] { return ToJson(*report, options); },
      [&] { PrintForPeople(output, *report, options); });
  WarnOfIgnoreFiles(output, report->capture.ignore_warnings);
  WarnUnmatched(output, report->unmatched_patterns);
  if (options.exit_code && report->IsChanged()) return kExitDiffers;
  return report->capture.IsWhole() ? kExitSuccess : kExitIncomplete;
}

}  // namespace

void AddStatusCommand(CLI::App* app, Session* session) {
  CLI::App* command =
      app->add_subcommand("status", "What changed in a folder since it was committed or restored");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddGitOption(command, session);
  AddSelectionOptions(command, &options->request.selection);
  AddPositionals(command, "PATH", &options->positional, "Paths to restrict it to");
  command->add_flag("--exit-code", options->exit_code, "Exit with 1 if something changed");
  options->paths.AddOptions(command);
  command->footer(
      "Examples:\n"
      "  helios status                 what a commit would record\n"
      "  helios status src/            of src alone\n"
      "  helios status --exit-code -q  for scripts: 0 if there is nothing to commit\n"
      "Letters: A added, C changed, D deleted, T another type, P mode, times, extended attributes\n"
      "or hard links alone. Says also if a restore was interrupted, what is ignored and what "
      "could\n"
      "not be read. Nothing is written.\n"
      "Exit codes: 0 done; 1 changed (--exit-code); 3 something could not be read.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

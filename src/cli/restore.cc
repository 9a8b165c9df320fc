#include <CLI/CLI.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/paths.h"

namespace helios::cli {
namespace {

struct Options {
  std::optional<std::string> id;
  std::vector<std::string> positional;
  bool lazy = false;
  bool resume = false;
  bool abort = false;
  RestoreRequest request;
  PathLister paths;
};

Json ToJson(const RestoreReport& report, const Options& options) {
  const bool has_id = !options.request.id.empty();
  Json json = {{"restored", has_id ? options.request.id : FormatId(report.snapshot)},
               {"snapshot_id", FormatId(report.snapshot)},
               {"record_id", FormatId(report.record)},
               {"dry_run", options.request.dry_run},
               {"mode", report.mode == RestoreMode::kLazy ? "lazy" : "eager"}};
  if (options.resume || options.abort) json["resumed"] = options.abort ? "abort" : "continue";
  if (report.mode == RestoreMode::kLazy) {
    json["files"] = report.files;
    json["bytes"] = report.bytes;
  }
  AddPlan(&json, report);
  if (options.request.dry_run) options.paths.AddTo(&json);
  return json;
}

void PrintLazy(const Output& output, const RestoreReport& report, const Options& options) {
  output.PrintText((options.request.dry_run ? "would restore " : "restored ") +
                   FormatId(report.snapshot) + " lazily\n  " + Count(report.files, "file") + ", " +
                   FormatBytes(report.bytes) + "; none of them was written\n");
}

void PrintForPeople(const Output& output, const RestoreReport& report, const Options& options) {
  if (report.mode == RestoreMode::kLazy) return PrintLazy(output, report, options);
  const std::string done = options.abort ? "brought back what was there before: " : "restored ";
  const std::string to_do =
      options.abort ? "would bring back what was there before: " : "would restore ";
  output.PrintText((options.request.dry_run ? to_do : done) + FormatId(report.snapshot) + "\n");
  PrintPlan(output, report);
  if (!options.request.dry_run) return;
  if (report.ignored.count > 0) {
    output.PrintText("  " + std::to_string(report.ignored.count) +
                     " that are ignored are not touched unless they are in the way\n");
  }
  options.paths.PrintKept(output);
}

Result<RestoreReport> Resume(Engine& engine, const Options& options) {
  if (!options.positional.empty() || options.id || options.lazy ||
      options.request.delete_untracked || !options.request.selection.includes.empty() ||
      !options.request.selection.excludes.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "--continue and --abort go on with what was begun: they take no id, paths or "
                 "patterns");
  }
  ResumeRequest request;
  request.workspace = options.request.workspace;
  request.abort = options.abort;
  request.force = options.request.force;
  request.dry_run = options.request.dry_run;
  request.on_path = options.request.on_path;
  return engine.ResumeRestore(request);
}

Result<RestoreReport> Restore(Engine& engine, Options& options) {
  if (options.resume || options.abort) return Resume(engine, options);
  RestoreRequest& request = options.request;
  if (options.lazy) request.mode = RestoreMode::kLazy;
  request.selection.includes.insert(request.selection.includes.end(), options.positional.begin(),
                                    options.positional.end());
  return engine.Restore(request);
}

int Run(Session& session, Options& options) {
  const Output& output = session.output;
  options.request.workspace = session.MakeWorkspace();
  if (!options.resume && !options.abort) {
    Result<std::string> id = OneId(options.id, &options.positional, "the id to restore");
    if (!id) return output.Fail(id.error());
    options.request.id = *id;
  }
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  options.request.on_path = options.paths.SinkTo(output);
  const Result<RestoreReport> report = Restore(**engine, options);
  if (!report) return output.Fail(report.error());
  options.paths.PrintReport(
      output, [&] { return ToJson(*report, options); },
      [&] { PrintForPeople(output, *report, options); });
  WarnUnmatched(output, report->unmatched_patterns);
  WarnOfLeftovers(output, report->leftovers);
  PrintFailures(output, report->written);
  return report->written.failed > 0 ? kExitIncomplete : kExitSuccess;
}

}  // namespace

void AddRestoreCommand(CLI::App* app, Session* session) {
  CLI::App* command =
      app->add_subcommand("restore", "Make a folder equal to a snapshot, touching what differs");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddGitOption(command, session);
  AddSelectionOptions(command, &options->request.selection);
  AddValueOption(command, "--id", "ID", &options->id, "The snapshot");
  AddPositionals(command, "ID", &options->positional, "The snapshot, then paths to restrict it to");
  command->add_flag("--force", options->request.force,
                    "Overwrite and delete even what no snapshot holds; it is saved first");
  command->add_flag("--delete-untracked", options->request.delete_untracked,
                    "Delete what no snapshot of this folder ever held, too; it is saved first");
  command->add_flag("-n,--dry-run", options->request.dry_run, "Only say what would be done");
  command->add_flag("--lazy", options->lazy,
                    "Only stand there: check every folder of the snapshot, write no file");
  CLI::Option* resume =
      command->add_flag("--continue", options->resume, "Go on with a restore that was killed");
  command
      ->add_flag("--abort", options->abort,
                 "Go back to how the folder was before a restore that was killed")
      ->excludes(resume);
  options->paths.AddOptions(command);
  command->footer(
      "Examples:\n"
      "  helios restore @~1            the state before the last commit\n"
      "  helios restore 3f2a src/      only src, from the snapshot that begins with 3f2a\n"
      "  helios restore -n --id ID     what would change (-n --list: every file)\n"
      "  helios restore --force @      throw away what changed since; helios undo brings it back\n"
      "  helios restore --abort        after a kill: every file as it was before\n"
      "  helios restore --lazy ID      stand there at once; helios read @:PATH reads its files\n"
      "After --lazy, commit refuses, since the files are not in the folder: helios restore @ "
      "brings\n"
      "them, helios restore @ PATH some of them.\n"
      "Nothing is lost: what no snapshot holds is refused, or by --force goes into a safety "
      "snapshot\n"
      "first. helios undo takes the last restore back. Letters: A added, C changed, D deleted, T\n"
      "another type, P mode, times and such alone.\n"
      "Modes, times, user extended attributes and hard links become those of the snapshot, too.\n"
      "Exit codes: 0 done; 3 something could not be written; 4 refused: would lose unsaved work.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

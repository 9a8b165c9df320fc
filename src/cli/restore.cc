#include <CLI/CLI.hpp>
#include <optional>

#include "cli/command.h"

namespace helios::cli {
namespace {

struct Options {
  std::optional<std::string> id;
  std::vector<std::string> positional;
  bool lazy = false;
  RestoreRequest request;
};

Json ToJson(const RestoreReport& report, const Options& options) {
  Json json = {{"restored", options.request.id},
               {"snapshot_id", FormatId(report.snapshot)},
               {"record_id", FormatId(report.record)},
               {"dry_run", options.request.dry_run},
               {"created", report.created},
               {"replaced", report.replaced},
               {"deleted", report.deleted},
               {"kept_untracked", report.kept_untracked},
               {"mode", report.mode == RestoreMode::kLazy ? "lazy" : "eager"}};
  if (report.mode == RestoreMode::kLazy) {
    json["files"] = report.files;
    json["bytes"] = report.bytes;
  }
  AddPaths(&json, "conflicts", report.conflicts);
  json["written"] = cli::ToJson(report.written);
  return json;
}

void PrintLazy(const Output& output, const RestoreReport& report, const Options& options) {
  output.PrintText((options.request.dry_run ? "would restore " : "restored ") +
                   FormatId(report.snapshot) + " lazily\n  " + Count(report.files, "file") + ", " +
                   FormatBytes(report.bytes) + "; none of them was written\n");
}

void PrintForPeople(const Output& output, const RestoreReport& report, const Options& options) {
  if (report.mode == RestoreMode::kLazy) return PrintLazy(output, report, options);
  output.PrintText((options.request.dry_run ? "would restore " : "restored ") +
                   FormatId(report.snapshot) + "\n  " + std::to_string(report.created) +
                   " created, " + std::to_string(report.replaced) + " replaced, " +
                   std::to_string(report.deleted) + " deleted");
  if (report.kept_untracked > 0) {
    output.PrintText("; " + std::to_string(report.kept_untracked) +
                     " that no snapshot of this folder holds were left alone");
  }
  output.PrintText("\n");
  for (const std::string& path : report.conflicts) {
    output.PrintText("  unsaved: " + QuoteName(path) + "\n");
  }
}

int Run(Session& session, Options& options) {
  const Output& output = session.output;
  Result<std::string> id = OneId(options.id, &options.positional, "the id to restore");
  if (!id) return output.Fail(id.error());
  RestoreRequest& request = options.request;
  request.id = *id;
  if (options.lazy) request.mode = RestoreMode::kLazy;
  request.workspace = session.MakeWorkspace();
  request.selection.includes.insert(request.selection.includes.end(), options.positional.begin(),
                                    options.positional.end());
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<RestoreReport> report = (*engine)->Restore(request);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    output.PrintJson(ToJson(*report, options));
  } else {
    PrintForPeople(output, *report, options);
  }
  WarnUnmatched(output, report->unmatched_patterns);
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
                    "Overwrite and delete even what no snapshot holds");
  command->add_flag("--delete-untracked", options->request.delete_untracked,
                    "Delete what no snapshot of this folder ever held, too");
  command->add_flag("-n,--dry-run", options->request.dry_run, "Only say what would be done");
  command->add_flag("--lazy", options->lazy,
                    "Only stand there: check every folder of the snapshot, write no file");
  command->footer(
      "Examples:\n"
      "  helios restore @~1            the state before the last commit\n"
      "  helios restore 3f2a src/      only src, from the snapshot that begins with 3f2a\n"
      "  helios restore -n --id ID     what would change\n"
      "  helios restore --lazy ID      stand there at once; helios read @:PATH reads its files\n"
      "After --lazy, commit refuses, since the files are not in the folder: helios restore @ "
      "brings\n"
      "them, helios restore @ PATH some of them.\n"
      "Modes, times, user extended attributes and hard links become those of the snapshot, too.\n"
      "Exit codes: 0 done; 3 something could not be written; 4 refused: would lose unsaved work.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

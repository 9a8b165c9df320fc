#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/verify_output.h"

namespace helios::cli {
namespace {

struct Options {
  bool dry_run = false;
  std::vector<std::string> workspaces;
  std::vector<std::string> stores;
  bool recover_records = false;
};

Json ToJson(const RepairReport& report, bool dry_run) {
  Json json = {{"was_whole", report.was_whole}, {"dry_run", dry_run}};
  AddPaths(&json, "steps", report.steps);
  json["salvaged_objects"] = report.objects.salvaged_objects;
  json["salvaged_bytes"] = report.objects.salvaged_bytes;
  json["filled_objects"] = report.filled_objects;
  json["filled_bytes"] = report.filled_bytes;
  AddPaths(&json, "set_aside", report.set_aside);
  AddPaths(&json, "recovered", report.recovered);
  json["after"] = cli::ToJson(report.after);
  return json;
}

void PrintForPeople(const Output& output, const RepairReport& report, bool dry_run) {
  if (report.was_whole) {
    output.PrintText("nothing is damaged or missing\n");
    return;
  }
  if (!report.steps.empty()) output.PrintText(dry_run ? "would have:\n" : "did:\n");
  for (const std::string& step : report.steps) output.PrintText("  " + QuoteMessage(step) + "\n");
  if (report.filled_objects > 0) {
    output.PrintText("  " + std::string(dry_run ? "found " : "took ") +
                     Count(report.filled_objects, "lost object") + ", " +
                     FormatBytes(report.filled_bytes) + ", elsewhere\n");
  }
  if (!report.set_aside.empty()) {
    output.PrintText(dry_run ? "damaged files would be kept in:\n"
                             : "damaged files are kept in:\n");
    for (const std::string& place : report.set_aside) {
      output.PrintText("  " + QuoteName(place) + "\n");
    }
  }
  if (report.after.IsWhole()) {
    output.PrintText(dry_run ? "all that snapshots need is whole\n"
                             : "now all that snapshots need is whole\n");
    return;
  }
  output.PrintText(dry_run ? "as it is now:\n" : "not whole after all:\n");
  PrintTroubles(output, report.after);
  if (report.after.lost_snapshots == 0) return;
  output.PrintText(
      "A folder that still has the files, or another store, may fill the holes:\n"
      "  helios repair --from-workspace DIR --from-store DIR\n");
}

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  RepairRequest request;
  request.dry_run = options.dry_run;
  request.from_stores = options.stores;
  request.recover_records = options.recover_records;
  for (const std::string& path : options.workspaces) {
    Workspace workspace = session.MakeWorkspace();
    workspace.path = path;
    request.from_workspaces.push_back(std::move(workspace));
  }
  const Result<EngineOptions> engine = session.MakeEngineOptions("");
  if (!engine) return output.Fail(engine.error());
  const Result<RepairReport> report = Engine::Repair(*engine, request);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    output.PrintJson(ToJson(*report, options.dry_run));
  } else {
    PrintForPeople(output, *report, options.dry_run);
  }
  return ExitCodeOf(report->after);
}

}  // namespace

void AddRepairCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("repair", "Save what can be saved of a damaged store");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddGitOption(command, session);
  command->add_flag("-n,--dry-run", options->dry_run, "Say what would be done, and do nothing");
  AddListOption(command, "--from-workspace", "DIR", &options->workspaces,
                "Take what is lost from the files of this folder (may be repeated)");
  AddListOption(command, "--from-store", "DIR", &options->stores,
                "Take what is lost from this store (may be repeated)");
  command->add_flag("--recover-records", options->recover_records,
                    "Note in the operation log the records that nothing names (done in any case if "
                    "it was damaged)");
  command->footer(
      "Examples:\n"
      "  helios repair --dry-run       what is damaged, and what could be saved\n"
      "  helios repair                 save it\n"
      "  helios repair --from-workspace . --from-store /backup/.helios\n"
      "Brings whole objects out of damaged packs, makes indexes, the operation log, refs and "
      "caches\n"
      "anew, and says which paths of which snapshots are lost after all. Damaged files are set "
      "aside\n"
      "(STORE/pack/damaged, STORE/damaged), never deleted; it may be ended at any moment and run\n"
      "again. Commits wait meanwhile.\n"
      "Exit codes: 0 all is whole now; 10 no store; 11 the store is in use; 12, 13 something is "
      "lost;\n"
      "14 no space.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

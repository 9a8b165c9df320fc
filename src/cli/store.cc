// What a store is made of, and moving it to another backend.
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/settings_output.h"

namespace helios::cli {
namespace {

struct MigrateOptions {
  std::optional<std::string> to;
  bool verify = false;
  bool abort = false;
};

// ---- info ----

Json ToJson(const StoreInfo& info, const Session& session) {
  Json json = Json::object();
  AddPath(&json, "path", info.path);
  AddPath(&json, "rule", session.store_rule);
  json.update({{"version", info.version}, {"backend", info.backend}});
  AddPath(&json, "folder", info.folder);
  json.update({{"moved", info.moved},
               {"objects", info.totals.objects},
               {"bytes", info.totals.bytes},
               {"bytes_on_disk", info.totals.bytes_on_disk},
               {"packs", info.totals.packs},
               {"snapshots", info.snapshots},
               {"operations", info.operations},
               {"workspaces", info.workspaces},
               {"branches", info.branches},
               {"tags", info.tags},
               {"leases", info.leases},
               {"epoch",
                {{"collection", info.collections},
                 {"log", info.log_number},
                 {"known", info.is_epoch_known}}}});
  if (info.settings) {
    json["settings"] = cli::ToJson(*info.settings);
    json["compression"] = std::string(CompressionName(info.settings->compression));
  }
  if (!info.moving_to.empty()) {
    json["migration"] = {{"to", info.moving_to}, {"bytes_on_disk", info.moving_bytes}};
  }
  return json;
}

void PrintForPeople(const Output& output, const StoreInfo& info, const Session& session) {
  const auto line = [&](const std::string& name, const std::string& value) {
    output.PrintText("  " + name + ": " + value + "\n");
  };
  const StoreTotals& totals = info.totals;
  output.PrintText("store " + QuoteName(info.path) + " (" + QuoteName(session.store_rule) + ")\n");
  line("backend", info.backend + " (" + QuoteName(info.folder) + "), format version " +
                      std::to_string(info.version));
  line("objects", Count(totals.objects, "object") + ", " + FormatBytes(totals.bytes) + " in " +
                      FormatBytes(totals.bytes_on_disk) + " on disk" +
                      (totals.packs > 0 ? ", " + Count(totals.packs, "pack") : ""));
  line("history", Count(info.snapshots, "snapshot") + ", " + Count(info.operations, "operation") +
                      " in the log");
  line("refs", Count(info.tags, "tag") + ", " +
                   (info.branches == 1 ? "1 branch" : std::to_string(info.branches) + " branches"));
  line("used by", Count(info.workspaces, "workspace") + "; " + Count(info.leases, "snapshot") +
                      " held by what runs now");
  line("collections",
       info.is_epoch_known ? std::to_string(info.collections) : "not known: see \"helios doctor\"");
  if (!info.settings) line("settings", "cannot be read: see \"helios doctor\"");
  if (info.settings) {
    for (const auto& [name, value] : ListSettings(*info.settings)) line(name, value);
  }
  if (info.moving_to.empty()) return;
  line("migration", "to " + info.moving_to + " was begun, and takes " +
                        FormatBytes(info.moving_bytes) + " (helios store migrate --to " +
                        info.moving_to + " goes on, --abort gives it up)");
}

int RunInfo(Session& session) {
  const Output& output = session.output;
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<StoreInfo> info = (*engine)->Info();
  if (!info) return output.Fail(info.error());
  if (output.json) {
    output.PrintJson(ToJson(*info, session));
  } else {
    PrintForPeople(output, *info, session);
  }
  return kExitSuccess;
}

// ---- migrate ----

Json ToJson(const MigrateReport& report) {
  Json json = Json::object();
  AddPath(&json, "store", report.store);
  json.update({{"from", report.from}, {"to", report.to}, {"already", report.already}});
  AddPath(&json, "folder", report.folder);
  if (!report.unfinished.empty()) json["unfinished"] = report.unfinished;
  if (report.already) return json;
  json.update({{"objects", report.objects},
               {"bytes", report.bytes},
               {"copied_objects", report.copied_objects},
               {"copied_bytes", report.copied_bytes},
               {"bytes_before", report.bytes_before},
               {"bytes_after", report.bytes_after},
               {"seconds", report.seconds},
               {"seconds_alone", report.seconds_alone}});
  return json;
}

void PrintForPeople(const Output& output, const MigrateReport& report) {
  if (report.already) {
    output.PrintText("the store " + QuoteName(report.store) + " is made of " + report.to +
                     " already\n");
    return;
  }
  char seconds[64];
  std::snprintf(seconds, sizeof(seconds), "%.1f s, for %.1f s of which others had to wait",
                report.seconds, report.seconds_alone);
  output.PrintText("moved from " + report.from + " to " + report.to + ": " +
                   Count(report.objects, "object") + ", " + FormatBytes(report.bytes) +
                   ", each read back\n  " + FormatBytes(report.bytes_before) + " on disk before, " +
                   FormatBytes(report.bytes_after) + " now, in " + QuoteName(report.folder) +
                   "\n  in " + seconds + "\n");
}

int RunAbort(Session& session) {
  const Output& output = session.output;
  const Result<EngineOptions> engine = session.MakeEngineOptions("");
  if (!engine) return output.Fail(engine.error());
  const Result<AbortMigrationReport> report = Engine::AbortMigration(*engine);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    Json json = Json::object();
    AddPath(&json, "store", report->store);
    json["aborted"] = report->to;
    json["bytes_freed"] = report->bytes_freed;
    output.PrintJson(json);
  } else {
    output.PrintText((report->to.empty() ? "removed what a migration had left: "
                                         : "gave up the migration to " + report->to + ": ") +
                     FormatBytes(report->bytes_freed) + " freed\n");
  }
  return kExitSuccess;
}

int RunMigrate(Session& session, const MigrateOptions& options) {
  const Output& output = session.output;
  if (options.abort == options.to.has_value() || (options.abort && options.verify)) {
    return output.Fail(Error(ErrorCode::kInvalidArgument,
                             "name the backend to move to (--to BACKEND), or give --abort alone"));
  }
  if (options.abort) return RunAbort(session);
  const Result<EngineOptions> engine = session.MakeEngineOptions("");
  if (!engine) return output.Fail(engine.error());
  MigrateRequest request;
  request.to = *options.to;
  request.verify = options.verify;
  const Result<MigrateReport> report = Engine::Migrate(*engine, request);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    output.PrintJson(ToJson(*report));
  } else {
    PrintForPeople(output, *report);
  }
  if (!report->unfinished.empty()) {
    output.Warn("a migration to " + report->unfinished +
                " was begun: \"helios store migrate --abort\" gives it up");
  }
  if (!report->left.empty()) {
    output.Warn("what the store was made of is still there: " + QuoteMessage(report->left));
  }
  return kExitSuccess;
}

void AddInfo(CLI::App* group, Session* session) {
  CLI::App* command = group->add_subcommand("info", "What a store is made of, and what it holds");
  AddCommonOptions(command, session);
  command->footer(
      "Examples:\n"
      "  helios store info             of the store that this folder uses\n"
      "  helios store info --store DIR --json\n"
      "\"helios stats\" has the counters, \"helios doctor\" says whether all is well.");
  command->callback([session] { session->run = [session] { return RunInfo(*session); }; });
}

void AddMigrate(CLI::App* group, Session* session) {
  CLI::App* command = group->add_subcommand("migrate", "Move a store to another backend");
  auto options = std::make_shared<MigrateOptions>();
  AddCommonOptions(command, session);
  AddValueOption(command, "--to", "BACKEND", &options->to, "What the store shall be made of");
  command->add_flag("--verify", options->verify,
                    "Before the switch also \"helios verify\" what was copied");
  command->add_flag("--abort", options->abort,
                    "Give up a migration that was begun, and its space back");
  command->footer(
      "Examples:\n"
      "  helios store migrate --to rocksdb\n"
      "  helios store migrate --to pack --verify\n"
      "  helios store migrate --abort\n"
      "Every object is copied beside the old ones, read back and compared with its id; only then\n"
      "does the store change over, and the old ones go. Ids, history, tags, settings and "
      "statistics\n"
      "stay as they are. Others may commit and read meanwhile, and wait at the end for what they\n"
      "committed to be brought, too; \"helios gc\" has to wait for all of it. It may be ended at "
      "any\n"
      "moment, and nothing is lost: the same command goes on where it was. It needs as much free\n"
      "space as the new backend takes.\n"
      "Exit codes: 0 done, or nothing to do; 1 no such backend; 10 no store; 11 others use the "
      "store\n"
      "or have it open; 12, 13 the store is damaged: repair it first; 14 no space. After an error\n"
      "nothing was moved.");
  command->callback(
      [session, options] { session->run = [=] { return RunMigrate(*session, *options); }; });
}

}  // namespace

void AddStoreCommand(CLI::App* app, Session* session) {
  CLI::App* command =
      app->add_subcommand("store", "What a store is made of; move it to another backend");
  command->require_subcommand(1);
  AddInfo(command, session);
  AddMigrate(command, session);
}

}  // namespace helios::cli

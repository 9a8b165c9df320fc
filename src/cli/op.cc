#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/operation_output.h"
#include "cli/paths.h"

namespace helios::cli {
namespace {

constexpr size_t kChangesListedMax = 1000;

struct Options {
  OperationsRequest request;
  std::string id;
};

std::string CommandLine(const LoggedOperation& operation) {
  std::string line;
  for (const std::string& argument : operation.command) {
    if (!line.empty()) line += " ";
    const bool is_plain =
        !argument.empty() && argument.find_first_of(" '\"\\\t\n") == argument.npos;
    line += is_plain ? QuoteName(argument) : "'" + QuoteName(argument) + "'";
  }
  return line;
}

void AddId(Json* json, const char* key, const std::optional<RecordId>& id) {
  if (id) (*json)[key] = FormatId(*id);
}

void PrintForPeople(const Output& output, const LoggedOperation& operation) {
  const std::string subject = operation.ref.empty() ? operation.path : operation.ref;
  std::string line = operation.id + "  " + FormatTime(operation.seconds) + "  " + operation.kind +
                     "  " + QuoteName(subject);
  if (operation.is_undone) line += "  (undone)";
  output.PrintText(line + "\n");
  if (!operation.command.empty()) output.PrintText("    " + CommandLine(operation) + "\n");
}

int RunLog(Session& session, Options& options) {
  const Output& output = session.output;
  options.request.workspace = session.MakeWorkspace();
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<void> listed =
      (*engine)->ForEachOperation(options.request, [&](const LoggedOperation& operation) {
        if (output.json) {
          output.PrintJson(ToJson(operation));
        } else {
          PrintForPeople(output, operation);
        }
      });
  return listed ? kExitSuccess : output.Fail(listed.error());
}

// The files that an operation changed: from what was there before to what it made of it.
Result<std::optional<DiffReport>> ChangesOf(Engine& engine, const Session& session,
                                            const LoggedOperation& operation) {
  if (!operation.safety) return std::optional<DiffReport>();
  DiffRequest request;
  request.from = FormatId(*operation.safety);
  request.to = FormatId(*operation.source);
  request.workspace = session.MakeWorkspace();
  HELIOS_TRY_ASSIGN(DiffReport report, engine.Diff(request));
  return std::optional(std::move(report));
}

PlannedPath ToPath(const DiffEntry& entry) {
  PlannedPath path;
  path.change = entry.kind == DiffEntry::Kind::kAdded     ? PlannedPath::Change::kAdded
                : entry.kind == DiffEntry::Kind::kDeleted ? PlannedPath::Change::kDeleted
                                                          : PlannedPath::Change::kChanged;
  path.path = entry.path;
  path.type_before = entry.type_before;
  path.type_after = entry.type_after;
  path.size_before = entry.size_before;
  path.size_after = entry.size_after;
  return path;
}

int RunShow(Session& session, const Options& options) {
  const Output& output = session.output;
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<LoggedOperation> operation = (*engine)->FindOperation(options.id);
  if (!operation) return output.Fail(operation.error());
  const Result<std::optional<DiffReport>> changes = ChangesOf(**engine, session, *operation);
  if (!changes) return output.Fail(changes.error());
  std::vector<PlannedPath> paths;
  size_t left_out = 0;
  if (*changes) {
    for (const DiffEntry& entry : (*changes)->entries) {
      if (paths.size() < kChangesListedMax) {
        paths.push_back(ToPath(entry));
      } else {
        ++left_out;
      }
    }
  }
  if (output.json) {
    Json json = ToJson(*operation);
    Json& list = json["changes"] = Json::array();
    for (const PlannedPath& path : paths) list.push_back(ToJson(path));
    json["changes_left_out"] = left_out;
    output.PrintJson(json);
    return kExitSuccess;
  }
  PrintForPeople(output, *operation);
  const auto print_id = [&](const char* what, const std::optional<RecordId>& id) {
    if (id) output.PrintText(std::string("    ") + what + FormatId(*id) + "\n");
  };
  print_id("before: ", operation->before);
  print_id("after:  ", operation->after);
  print_id("files from:      ", operation->source);
  print_id("safety snapshot: ", operation->safety);
  if (!operation->undone.empty()) output.PrintText("    took back " + operation->undone + "\n");
  for (const PlannedPath& path : paths) output.PrintText("  " + TextOf(path) + "\n");
  if (left_out > 0) output.PrintText("  … and " + std::to_string(left_out) + " more\n");
  return kExitSuccess;
}

}  // namespace

Json ToJson(const LoggedOperation& operation) {
  Json json = {{"operation", operation.id},
               {"kind", operation.kind},
               {"time", operation.seconds},
               {"nanoseconds", operation.nanoseconds}};
  if (!operation.path.empty()) AddPath(&json, "path", operation.path);
  if (!operation.ref.empty()) AddPath(&json, "ref", operation.ref);
  AddId(&json, "before", operation.before);
  AddId(&json, "after", operation.after);
  json["snapshot_id"] = FormatId(operation.snapshot);
  AddId(&json, "source", operation.source);
  AddId(&json, "safety", operation.safety);
  if (!operation.undone.empty()) json["took_back"] = operation.undone;
  json["undone"] = operation.is_undone;
  AddPaths(&json, "command", operation.command);
  return json;
}

std::string SummaryOf(const LoggedOperation& operation) {
  std::string summary = operation.id + " " + operation.kind;
  if (!operation.ref.empty()) summary += " " + QuoteName(operation.ref);
  if (!operation.command.empty()) summary += " (" + CommandLine(operation) + ")";
  return summary;
}

void AddOperationCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("op", "What was done, and by which command");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* log = command->add_subcommand("log", "The operations, newest first");
  AddCommonOptions(log, session);
  log->add_flag("--all", options->request.all,
                "Of all folders, branches and tags, not of this folder alone");
  log->add_option("-n,--count", options->request.count_max, "At most so many")->type_name("N");
  log->footer(
      "Examples:\n"
      "  helios op log                 what was done to this folder\n"
      "  helios op log --all -n 20     the last 20 operations of the store\n"
      "JSON: one object for each operation, a line each.");
  log->callback([session, options] { session->run = [=] { return RunLog(*session, *options); }; });
  CLI::App* show = command->add_subcommand("show", "One operation, and which files it changed");
  AddCommonOptions(show, session);
  show->add_option("OPERATION", options->id, "Its id or the beginning of it")->required();
  show->footer(
      "Examples:\n"
      "  helios op show 3f2a77\n"
      "The safety snapshot holds what the files were: helios restore ID PATH brings one of them\n"
      "back, helios undo OPERATION all of them.");
  show->callback(
      [session, options] { session->run = [=] { return RunShow(*session, *options); }; });
}

}  // namespace helios::cli

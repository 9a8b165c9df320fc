#include <CLI/CLI.hpp>
#include <optional>

#include "cli/command.h"

namespace helios::cli {
namespace {

struct Options {
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::vector<std::string> positional;
  Selection selection;
  bool exit_code = false;
  bool nul = false;
};

char Letter(DiffEntry::Kind kind) {
  switch (kind) {
    case DiffEntry::Kind::kAdded:
      return 'A';
    case DiffEntry::Kind::kChanged:
      return 'C';
    case DiffEntry::Kind::kDeleted:
      return 'D';
  }
  return '?';
}

Json ToJson(const DiffReport& report) {
  Json json = {{"Added", report.added},
               {"Changed", report.changed},
               {"Deleted", report.deleted},
               {"from", FormatId(report.from)},
               {"to", FormatId(report.to)}};
  Json& entries = json["entries"] = Json::array();
  for (const DiffEntry& entry : report.entries) {
    Json item = {{"change", std::string(1, Letter(entry.kind))}};
    AddPath(&item, "path", entry.path);
    if (!entry.type_before.empty()) {
      item["before"] = {{"type", entry.type_before}, {"size", entry.size_before}};
    }
    if (!entry.type_after.empty()) {
      item["after"] = {{"type", entry.type_after}, {"size", entry.size_after}};
    }
    entries.push_back(std::move(item));
  }
  return json;
}

void PrintForPeople(const Output& output, const DiffReport& report) {
  for (const DiffEntry& entry : report.entries) {
    const char letter = Letter(entry.kind);
    const char* color = letter == 'A' ? "\033[32m" : letter == 'D' ? "\033[31m" : "\033[33m";
    std::string line = std::string(1, letter) + " " + QuoteName(entry.path);
    if (entry.type_before != entry.type_after && letter == 'C') {
      line += " (" + entry.type_before + " became " + entry.type_after + ")";
    }
    output.PrintText(output.color ? color + line + "\033[0m\n" : line + "\n");
  }
  output.PrintText(std::to_string(report.added) + " added, " + std::to_string(report.changed) +
                   " changed, " + std::to_string(report.deleted) + " deleted\n");
}

void PrintNul(const Output& output, const DiffReport& report) {
  for (const DiffEntry& entry : report.entries) {
    output.PrintText(std::string(1, Letter(entry.kind)) + '\0' + entry.path + '\0');
  }
}

int Run(Session& session, Options& options) {
  const Output& output = session.output;
  DiffRequest request;
  Result<std::string> from = OneId(options.from, &options.positional, "the ids to compare");
  if (!from) return output.Fail(from.error());
  request.from = *from;
  // One id alone is compared with where the folder stands.
  request.to = "@";
  if (options.to || !options.positional.empty()) {
    Result<std::string> to = OneId(options.to, &options.positional, "the id to compare with");
    if (!to) return output.Fail(to.error());
    request.to = *to;
  }
  request.workspace = session.MakeWorkspace();
  request.selection = options.selection;
  request.selection.includes.insert(request.selection.includes.end(), options.positional.begin(),
                                    options.positional.end());
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<DiffReport> report = (*engine)->Diff(request);
  if (!report) return output.Fail(report.error());
  if (options.nul) {
    PrintNul(output, *report);
  } else if (output.json) {
    output.PrintJson(ToJson(*report));
  } else {
    PrintForPeople(output, *report);
  }
  WarnUnmatched(output, report->unmatched_patterns);
  return options.exit_code && !report->entries.empty() ? kExitDiffers : kExitSuccess;
}

}  // namespace

void AddDiffCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("diff", "What differs between two snapshots");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddSelectionOptions(command, &options->selection);
  AddValueOption(command, "--from", "ID", &options->from, "The earlier snapshot");
  AddValueOption(command, "--to", "ID", &options->to, "The later one (default: @)");
  AddPositionals(command, "IDS", &options->positional,
                 "The two snapshots, then paths to restrict it to");
  command->add_flag("--exit-code", options->exit_code, "Exit with 1 if there are differences");
  command->add_flag("-z", options->nul, "Letter and raw path, each ended by NUL");
  command->footer(
      "Examples:\n"
      "  helios diff @~1 @             what the last commit changed\n"
      "  helios diff 3f2a 77c0 '*.go'  only Go files\n"
      "Files and symlinks count, folders only where an empty one comes or goes.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

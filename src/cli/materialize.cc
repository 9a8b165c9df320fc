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
  std::optional<std::string> link;
};

Result<LinkMode> ParseLinkMode(const std::string& text) {
  if (text == "auto") return LinkMode::kAuto;
  if (text == "reflink") return LinkMode::kReflink;
  if (text == "hardlink") return LinkMode::kHardLink;
  if (text == "copy") return LinkMode::kCopy;
  return Error(ErrorCode::kInvalidArgument,
               "unknown --link \"" + text + "\": auto, reflink, hardlink or copy");
}

void WarnWrittenThrough(const Output& output, const std::vector<std::string>& files) {
  if (files.empty()) return;
  output.Warn(Count(files.size(), "hard-linked file") +
              " of the store's file cache had been written to and " +
              (files.size() == 1 ? "was" : "were") +
              " made anew; folders materialized before hold what was written:");
  for (const std::string& file : files) output.Warn("  files/" + QuoteName(file));
}

int Run(Session& session, Options& options) {
  const Output& output = session.output;
  MaterializeRequest request;
  Result<std::string> id = OneId(options.id, &options.positional, "the id to materialize");
  if (!id) return output.Fail(id.error());
  request.id = *id;
  Result<std::string> out = OneId(options.out, &options.positional, "the folder to write into");
  if (!out) return output.Fail(out.error());
  request.out = *out;
  const Result<LinkMode> link = ParseLinkMode(options.link.value_or("auto"));
  if (!link) return output.Fail(link.error());
  request.link = *link;
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
    if (!report->written_through.empty()) {
      AddPaths(&json, "written_through", report->written_through);
    }
    output.PrintJson(json);
  } else {
    output.PrintText("materialized " + FormatId(report->snapshot) + "\n  " +
                     Count(report->written.files, "file") + ", " +
                     FormatBytes(report->written.bytes) + " into " + QuoteName(request.out) + "\n");
    if (report->written.shared > 0) {
      output.PrintText("  the bytes of " + Count(report->written.shared, "file") +
                       " are shared with the store's file cache\n");
    }
  }
  WarnUnmatched(output, report->unmatched_patterns);
  WarnWrittenThrough(output, report->written_through);
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
  AddValueOption(command, "--link", "MODE", &options->link,
                 "auto: reflinks where the file system can, else copies (default); reflink; "
                 "hardlink: read-only, see below; copy");
  AddPositionals(command, "ID_OUT", &options->positional,
                 "The snapshot and the folder, then paths to restrict it to");
  command->footer(
      "Examples:\n"
      "  helios materialize --id ID --out /tmp/copy\n"
      "  helios materialize @ /tmp/docs 'docs/**' --exclude '*.png'\n"
      "  helios materialize @ /ci/run-17 --link=hardlink\n"
      "With --link=hardlink, files are hard links to read-only files of the store, which later "
      "ones\n"
      "of the same content, mode and time share: nothing is written, and nothing more is on disk.\n"
      "But whoever makes one writable and writes to it writes to all of them. Each is checked "
      "when\n"
      "it is linked again, and \"helios doctor\" checks all; so use it for folders that are only\n"
      "read. Reflinks have no such danger: who writes gets a copy.\n"
      "Exit codes: 0 done; 3 something could not be written; 12 damage found; 14 no space.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

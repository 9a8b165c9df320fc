#include <CLI/CLI.hpp>
#include <charconv>
#include <optional>

#include "cli/command.h"
#include "cli/verify_output.h"

namespace helios::cli {
namespace {

struct Options {
  std::vector<std::string> ids;
  std::vector<std::string> positional;
  Selection selection;
  bool structure = false;
  std::optional<std::string> part;
  std::optional<std::string> sample;
};

std::optional<unsigned> ParseNumber(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "3/7".
Result<void> ParsePart(const std::string& text, VerifyRequest* request) {
  const size_t slash = text.find('/');
  const std::optional<unsigned> part = ParseNumber(std::string_view(text).substr(0, slash));
  const std::optional<unsigned> parts =
      slash == text.npos ? std::nullopt : ParseNumber(std::string_view(text).substr(slash + 1));
  if (!part || !parts) {
    return Error(ErrorCode::kInvalidArgument, "--part \"" + text + "\" is not like 3/7");
  }
  request->part = *part;
  request->parts = *parts;
  return {};
}

// "5%", "0.5%".
Result<void> ParseSample(std::string text, VerifyRequest* request) {
  const std::string given = text;
  if (text.ends_with('%')) text.pop_back();
  double percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || !(percent >= 0 && percent <= 100)) {
    return Error(ErrorCode::kInvalidArgument, "--sample \"" + given + "\" is not like 5%");
  }
  request->share = percent / 100;
  return {};
}

Result<VerifyRequest> MakeRequest(const Session& session, const Options& options) {
  VerifyRequest request;
  request.ids = options.ids;
  request.ids.insert(request.ids.end(), options.positional.begin(), options.positional.end());
  request.workspace = session.MakeWorkspace();
  request.selection = options.selection;
  request.structure = options.structure;
  if (options.part) HELIOS_TRY(ParsePart(*options.part, &request));
  if (options.sample) HELIOS_TRY(ParseSample(*options.sample, &request));
  return request;
}

void PrintForPeople(const Output& output, const VerifyReport& report,
                    const VerifyRequest& request) {
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.1f s", report.seconds);
  const VerifyObjectsReport& objects = report.objects;
  output.PrintText(std::string(report.IsWhole() ? "whole" : "DAMAGED") + ": " +
                   Count(report.records, "snapshot") + ", " + Count(objects.objects, "object") +
                   " (" + FormatBytes(objects.bytes) + ") " +
                   (request.structure ? "looked up" : "compared with their ids") + " in " +
                   seconds + "\n");
  PrintTroubles(output, report);
  if (report.IsWhole()) return;
  output.PrintText("Copy the store, then see what can be saved: helios repair --dry-run\n");
}

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  const Result<VerifyRequest> request = MakeRequest(session, options);
  if (!request) return output.Fail(request.error());
  const Result<EngineOptions> engine = session.MakeEngineOptions("");
  if (!engine) return output.Fail(engine.error());
  const Result<VerifyReport> report = Engine::Verify(*engine, *request);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    output.PrintJson(ToJson(*report));
  } else {
    PrintForPeople(output, *report, *request);
  }
  WarnUnmatched(output, report->unmatched_patterns);
  return ExitCodeOf(*report);
}

}  // namespace

void AddVerifyCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("verify", "Compare every byte of the store with its id");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddSelectionOptions(command, &options->selection);
  AddListOption(command, "--id", "ID", &options->ids,
                "This snapshot alone (may be repeated; default: the whole store)");
  command->add_flag("--structure", options->structure,
                    "Everything but the contents of files: quick");
  AddValueOption(command, "--part", "I/N", &options->part,
                 "Of the contents, the I-th of N parts alone: one for each night");
  AddValueOption(command, "--sample", "P%", &options->sample,
                 "Of the contents, about so many percent, chosen at random");
  AddPositionals(command, "ID", &options->positional, "Snapshots, as with --id");
  command->footer(
      "Examples:\n"
      "  helios verify                 everything: packs, objects, history, refs, operation log\n"
      "  helios verify @ v1            what two snapshots refer to\n"
      "  helios verify @ -i 'src/**'   the files of one that match\n"
      "  helios verify --part 3/7      all structures, and a seventh of the contents\n"
      "Says what is damaged (pack, offset, object) and which paths of which snapshots are lost.\n"
      "Changes nothing; commits go on meanwhile. \"helios repair\" saves what can be saved.\n"
      "Exit codes: 0 all is whole; 10 no store; 12 damage found; 13 an object is missing.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

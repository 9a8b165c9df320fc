#include <CLI/CLI.hpp>
#include <filesystem>

#include "cli/command.h"

namespace helios::cli {
namespace {

struct Options {
  std::optional<std::string> backend;
  std::optional<std::string> compression;
};

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  // Before a store is made for a folder that is only a slip of the pen.
  std::error_code failure;
  if (!std::filesystem::is_directory(session.work, failure)) {
    return output.Fail(Error(ErrorCode::kFailed, "no such folder: " + session.work));
  }
  const Result<EngineOptions> engine =
      session.MakeCreatingOptions(options.backend, options.compression);
  if (!engine) return output.Fail(engine.error());
  const Result<InitReport> report = Engine::Init(*engine);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    Json json = Json::object();
    AddPath(&json, "store", session.store_path);
    AddPath(&json, "rule", session.store_rule);
    json["backend"] = report->backend;
    json["created"] = report->created;
    output.PrintJson(json);
  } else {
    output.PrintText((report->created ? "created the store " : "there is a store already: ") +
                     QuoteName(session.store_path) + " (" + QuoteName(session.store_rule) + ", " +
                     report->backend + ")\n");
  }
  return kExitSuccess;
}

}  // namespace

void AddInitCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("init", "Create an empty store");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddValueOption(command, "--backend", "NAME", &options->backend, kBackendDescription);
  AddValueOption(command, "--compression", "HOW", &options->compression,
                 "How it compresses: fast, default or small (see helios config)");
  command->footer(
      "Examples:\n"
      "  helios init                          .helios in this folder, unless one is found above\n"
      "  helios init --store /data/snapshots --backend pack\n"
      "The first \"helios commit\" does the same. A store that is there already is left as it is "
      "(exit\n"
      "code 0, and \"created\" is false), but asking for another backend than it has is an error: "
      "see\n"
      "\"helios store migrate\".\n"
      "Exit codes: 0 there is a store; 1 no such folder or backend; 2 it is there, and otherwise.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

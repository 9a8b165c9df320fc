#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace helios::cli {
namespace {

constexpr std::string_view kCompression = "compression";

struct Options {
  std::vector<std::string> positional;  // NAME, then VALUE
};

// The value to set, if one was given.
Result<std::optional<Compression>> ParseOptions(const Options& options) {
  if (options.positional.size() > 2) {
    return Error(ErrorCode::kInvalidArgument, "too many arguments: give a setting and its value");
  }
  if (!options.positional.empty() && options.positional[0] != kCompression) {
    return Error(ErrorCode::kInvalidArgument,
                 "unknown setting \"" + options.positional[0] + "\": there is \"compression\"");
  }
  if (options.positional.size() < 2) return std::optional<Compression>();
  return ParseCompression(options.positional[1]);
}

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  const Result<std::optional<Compression>> wanted = ParseOptions(options);
  if (!wanted) return output.Fail(wanted.error());
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  if (*wanted) {
    const Result<void> set = (*engine)->SetCompression(**wanted);
    if (!set) return output.Fail(set.error());
  }
  const Result<Compression> compression = (*engine)->GetCompression();
  if (!compression) return output.Fail(compression.error());
  const std::string name(CompressionName(*compression));
  if (output.json) {
    output.PrintJson({{std::string(kCompression), name}});
  } else {
    output.PrintText(std::string(kCompression) + ": " + name + "\n");
  }
  return kExitSuccess;
}

}  // namespace

Result<std::optional<Compression>> ParseCompression(const std::string& name) {
  const std::optional<Compression> compression = CompressionFromName(name);
  if (compression) return compression;
  return Error(ErrorCode::kInvalidArgument,
               "unknown compression \"" + name + "\": there are fast, default and small");
}

void AddConfigCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("config", "Show or change a store's settings");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddPositionals(command, "NAME_VALUE", &options->positional,
                 "The setting and what it shall be; neither: show all settings");
  command->footer(
      "Examples:\n"
      "  helios config                        show the settings\n"
      "  helios config compression small      for all commits from now on\n"
      "compression: fast (stored as it is: commits take two thirds of the time), default, or small "
      "(more "
      "for\n"
      "several times the time; small files are read more slowly). What was committed before stays\n"
      "as it is: \"helios optimize\" compresses it anew.\n"
      "Exit codes: 0 done; 2 no such setting or value; 10 no store; 12 the settings are damaged:\n"
      "setting them again repairs them.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

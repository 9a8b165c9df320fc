#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace helios::cli {
namespace {

constexpr std::string_view kIdScheme = "blake3:";

// "ID:path". No id and no name has a colon, but for the one in "blake3:", which is always that; so
// the path may have any.
Result<ReadRequest> ParseArgument(const Session& session, const std::string& argument) {
  const size_t id_start = argument.starts_with(kIdScheme) ? kIdScheme.size() : 0;
  const size_t colon = argument.find(':', id_start);
  if (colon == argument.npos) {
    return Error(ErrorCode::kInvalidArgument,
                 "no file is named in \"" + argument + "\": write ID:PATH, such as @:README.md");
  }
  if (colon == id_start) {
    return Error(ErrorCode::kInvalidArgument, "no snapshot is named in \"" + argument +
                                                  "\": write ID:PATH, such as @:README.md");
  }
  Result<TreePath> path = TreePath::Parse(std::string_view(argument).substr(colon + 1));
  if (!path) return std::move(path).error().WithContext(argument);
  ReadRequest request;
  request.id = argument.substr(0, colon);
  request.path = *std::move(path);
  request.workspace = session.MakeWorkspace();
  return request;
}

struct Options {
  std::vector<std::string> positional;
  std::optional<uint64_t> offset;
  std::optional<uint64_t> length;
};

Result<std::vector<ReadRequest>> ParseArguments(const Session& session, const Options& options) {
  if (options.positional.empty()) {
    return Error(ErrorCode::kInvalidArgument, "missing what to read: write ID:PATH");
  }
  std::vector<ReadRequest> requests;
  for (const std::string& argument : options.positional) {
    HELIOS_TRY_ASSIGN(ReadRequest request, ParseArgument(session, argument));
    request.offset = options.offset.value_or(0);
    request.length = options.length;
    requests.push_back(std::move(request));
  }
  return requests;
}

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  // All of them before anything is printed.
  const Result<std::vector<ReadRequest>> requests = ParseArguments(session, options);
  if (!requests) return output.Fail(requests.error());
  session.output.quiet = true;  // a line of progress would stand amid the contents on a terminal
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  for (const ReadRequest& request : *requests) {
    const Result<ReadReport> report = (*engine)->Read(
        request, [&output](std::string_view piece) { return output.WriteRaw(piece); });
    if (!report) return output.Fail(report.error());
  }
  return kExitSuccess;
}

}  // namespace

void AddReadCommand(CLI::App* app, Session* session) {
  CLI::App* command =
      app->add_subcommand("read", "Write the contents of files of a snapshot to standard output");
  command->alias("cat");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddSizeOption(command, "--offset", &options->offset,
                "Begin so many bytes into the file; K, M, G … count in 1024s");
  AddSizeOption(command, "--length", &options->length,
                "Give so many bytes, fewer where the file ends (default: up to its end)");
  AddPositionals(command, "ID:PATH", &options->positional,
                 "A snapshot and a path in it, from the folder that was committed");
  command->footer(
      "Examples:\n"
      "  helios read @:src/main.cc             as this folder was last committed or restored\n"
      "  helios read @~1:a.txt v1:a.txt        one behind the other\n"
      "  helios cat 3f2a:logo.png > logo.png   the bytes as they are\n"
      "  helios read @:model.bin --offset 5G --length 64K\n"
      "Of a symlink, its target. Every byte is verified; of a file above 2 MiB the last check "
      "comes\n"
      "at its end, so what was written counts only if the exit code is 0. Of a part, only what "
      "holds\n"
      "it is read from the store. Touches no folder.\n"
      "Exit codes: 0 done; 1 unknown snapshot or path, or a folder; 12 damage found; 13 an object "
      "is\n"
      "missing; 14 standard output is full.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

// What every command has in common. One file per command; each adds itself to the parser.
#ifndef HELIOS_CLI_COMMAND_H_
#define HELIOS_CLI_COMMAND_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output.h"
#include "helios/engine.h"

namespace CLI {
class App;
}

namespace helios::cli {

// The options that every command takes, and what running a command needs. They may stand before the
// command and behind it; what stands behind it is read later, and so wins.
class Session {
 public:
  std::vector<std::string> folders;  // -C, each relative to the one before
  std::string work = ".";
  std::string store;           // --store
  std::string workspace_name;  // --workspace
  std::string git = "exclude";
  unsigned threads = 0;
  std::optional<std::chrono::milliseconds> lock_timeout;
  std::string color = "auto";
  Output output;
  std::vector<std::string> command;  // the program's own, for the operation log
  std::string store_path;            // filled with the options of the engine
  std::string store_rule;

  // The chosen command; set while parsing.
  std::function<int()> run;

  // `create_with`: the backend with which a store is created where there is none; empty to refuse.
  Result<std::unique_ptr<Engine>> OpenEngine(const std::string& create_with);
  Result<EngineOptions> MakeEngineOptions(const std::string& create_with);
  // For a command that creates the store if there is none: of `backend`, and it must be that; else
  // of what HELIOS_BACKEND names, or of the default. `compression`: as is given.
  Result<EngineOptions> MakeCreatingOptions(const std::optional<std::string>& backend,
                                            const std::optional<std::string>& compression);
  Workspace MakeWorkspace() const;

 private:
  Progress progress_;
  class ProgressDisplay;
  std::shared_ptr<ProgressDisplay> display_;
};

// Every backend that this binary knows: the only place that names them.
std::vector<Backend> KnownBackends();
inline constexpr char kDefaultBackend[] = "pack";
inline constexpr char kBackendDescription[] =
    "What a new store is made of (default: HELIOS_BACKEND, else pack)";

void AddInitCommand(CLI::App* app, Session* session);
void AddCommitCommand(CLI::App* app, Session* session);
void AddRestoreCommand(CLI::App* app, Session* session);
void AddDiffCommand(CLI::App* app, Session* session);
void AddMaterializeCommand(CLI::App* app, Session* session);
void AddReadCommand(CLI::App* app, Session* session);
void AddTagCommand(CLI::App* app, Session* session);
void AddStatsCommand(CLI::App* app, Session* session);
void AddConfigCommand(CLI::App* app, Session* session);
void AddOptimizeCommand(CLI::App* app, Session* session);
void AddGcCommand(CLI::App* app, Session* session);
void AddDoctorCommand(CLI::App* app, Session* session);
void AddStatusCommand(CLI::App* app, Session* session);
void AddUndoCommand(CLI::App* app, Session* session);
void AddOperationCommand(CLI::App* app, Session* session);
void AddVerifyCommand(CLI::App* app, Session* session);
void AddRepairCommand(CLI::App* app, Session* session);
void AddStoreCommand(CLI::App* app, Session* session);

// Options that several commands share.
void AddCommonOptions(CLI::App* command, Session* session);
void AddGitOption(CLI::App* command, Session* session);
void AddLabelOption(CLI::App* command, std::vector<std::string>* labels);
void AddSelectionOptions(CLI::App* command, Selection* selection);
// An option whose value, if it is given, is not empty.
void AddValueOption(CLI::App* command, const std::string& name, const std::string& type,
                    std::optional<std::string>* value, const std::string& description);
// An option whose value is a number of bytes: "4096", "64K", "5GiB".
void AddSizeOption(CLI::App* command, const std::string& name, std::optional<uint64_t>* value,
                   const std::string& description);
// "4096", "64K", "64kb", "5GiB": factors of 1024.
std::optional<uint64_t> ParseSize(const std::string& text);
// An option that may be repeated.
void AddListOption(CLI::App* command, const std::string& name, const std::string& type,
                   std::vector<std::string>* values, const std::string& description);
void AddPositionals(CLI::App* command, const std::string& name, std::vector<std::string>* values,
                    const std::string& description);
// "fast", "default" or "small"; never absent. Errors: kInvalidArgument.
Result<std::optional<Compression>> ParseCompression(const std::string& name);
// "--id a", or else the first positional argument, which it takes away. Errors: kInvalidArgument
// if there is neither, or it is empty.
Result<std::string> OneId(const std::optional<std::string>& option,
                          std::vector<std::string>* positional, std::string_view what);

}  // namespace helios::cli

#endif  // HELIOS_CLI_COMMAND_H_

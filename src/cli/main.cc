// helios: the command line over the engine.
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <string_view>

#include "cli/command.h"

namespace helios::cli {
namespace {

constexpr char kFooter[] =
    "Ids: blake3:<64 hex>, any unique prefix of at least 4 digits, a tag, @ (where this folder\n"
    "stands), and ~N behind any of them (N commits before). The store: --store, HELIOS_STORE_DIR,\n"
    "the nearest .helios at or above the folder, else .helios in the folder.\n"
    "Output is JSON unless it goes to a terminal.\n"
    "The options above may also stand behind the command; what stands there wins.\n"
    "Try: helios COMMAND --help";

constexpr char kVersionLine[] = "helios " HELIOS_VERSION;

void PrintVersion() { std::puts(kVersionLine); }

// Deep trees hold a descriptor open for every level: take what the system allows an ordinary user.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);  // with less, only very deep trees suffer
}

// Frames of a hundred kilobytes come and go by the thousand: giving each back to the system and
// asking for it again would cost more than filling it.
void KeepFreedMemory() {
  (void)::mallopt(M_MMAP_THRESHOLD, 16 << 20);
  (void)::mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

bool WantsColor(const std::string& when) {
  if (when != "auto") return when == "always";
  const char* no_color = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

// A file that is opened where standard output was closed would take what is printed: a pack, say.
// What stands in its place refuses writes, so that a result that nobody could read is an error.
void OccupyStandardDescriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free descriptor is `fd`. Without one for lack of /dev/null there is no help.
    (void)::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// The exit code: that of the command, unless what it printed was lost.
int Finish(const Output& output, int code) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  return output.Fail(Error::FromErrno(errno == 0 ? EIO : errno, "write", "standard output"));
}

// Help and its kin are asked for, not errors; but not behind what there is not: "comit --help".
std::optional<std::string> FindUnknownBeforeHelp(const CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> unknown = app.remaining(true);
  for (int i = 1;
       i < argc && std::strcmp(argv[i], "--help") != 0 && std::strcmp(argv[i], "-h") != 0; ++i) {
    if (std::find(unknown.begin(), unknown.end(), argv[i]) != unknown.end()) return argv[i];
  }
  return std::nullopt;
}

int ReportParseError(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv,
                     const Output& output) {
  const bool is_help = error.get_exit_code() == 0;
  const std::optional<std::string> unknown =
      is_help ? FindUnknownBeforeHelp(app, argc, argv) : std::nullopt;
  if (unknown) {
    output.Fail(Error(ErrorCode::kInvalidArgument,
                      (unknown->starts_with('-') ? "unknown option: " : "unknown command: ") +
                          *unknown + " (helios --help tells more)"));
    return kExitUsage;
  }
  if (is_help) {
    std::ostringstream text;
    app.exit(error, text, text);
    output.PrintText(text.str());
    return Finish(output, kExitSuccess);
  }
  std::string message = error.what();
  if (error.get_name() == "RequiredError") {  // the command is all that is ever required
    const std::vector<std::string> rest = app.remaining();
    message = rest.empty() ? "name a command" : "unknown command: " + rest.front();
  }
  output.Fail(Error(ErrorCode::kInvalidArgument, message + " (helios --help tells more)"));
  return kExitUsage;
}

// Whether free text follows, whatever it looks like: "-m --wip=".
bool TakesText(std::string_view argument) {
  return argument == "-m" || argument == "--message" || argument == "-l" || argument == "--label";
}

// For "--id=" CLI11 would take the next argument. In a script it comes of an unset variable.
const char* FindOptionWithoutValue(int argc, char** argv) {
  for (int i = 1; i < argc && std::strcmp(argv[i], "--") != 0; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) return argv[i];
    if (TakesText(argument)) ++i;
  }
  return nullptr;
}

// CLI11 would add to a positional how many values it takes at most.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_usage(const CLI::Option* option) const override {
    const std::string name = option->get_name(true) + (option->get_expected_max() > 1 ? "..." : "");
    return option->get_required() ? name : "[" + name + "]";
  }
};

void AddCommands(CLI::App* app, Session* session) {
  app->formatter(std::make_shared<HelpFormatter>());
  app->require_subcommand(1);
  app->footer(kFooter);
  app->set_version_flag("-v,--version", kVersionLine, "Print the version");
  AddCommonOptions(app, session);
  AddInitCommand(app, session);
  AddCommitCommand(app, session);
  AddRestoreCommand(app, session);
  AddDiffCommand(app, session);
  AddMaterializeCommand(app, session);
  AddReadCommand(app, session);
  AddTagCommand(app, session);
  AddStatsCommand(app, session);
  AddConfigCommand(app, session);
  AddOptimizeCommand(app, session);
  AddGcCommand(app, session);
  AddDoctorCommand(app, session);
  AddStatusCommand(app, session);
  AddUndoCommand(app, session);
  AddOperationCommand(app, session);
  AddVerifyCommand(app, session);
  AddRepairCommand(app, session);
  AddStoreCommand(app, session);
  CLI::App* version = app->add_subcommand("version", "Print the version");
  AddCommonOptions(version, session);
  version->callback([session] {
    session->run = [] {
      PrintVersion();
      return 0;
    };
  });
}

Result<void> GoToFolders(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    if (::chdir(folder.c_str()) != 0) return Error::FromErrno(errno, "go to", folder);
  }
  return {};
}

int RunCommand(int argc, char** argv, Session& session) {
  Output& output = session.output;
  output.json = ::isatty(STDOUT_FILENO) == 0;
  if (argc == 2 && (std::strcmp(argv[1], "version") == 0 ||
                    std::strcmp(argv[1], "--version") == 0 || std::strcmp(argv[1], "-v") == 0)) {
    PrintVersion();
    return Finish(output, kExitSuccess);
  }
  CLI::App app("Snapshots of folders: take them, compare them, give them back.", "helios");
  AddCommands(&app, &session);
  if (const char* option = FindOptionWithoutValue(argc, argv)) {
    return output.Fail(
        Error(ErrorCode::kInvalidArgument, std::string(option) + " stands without a value"));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportParseError(app, error, argc, argv, output);
  }
  output.color = WantsColor(session.color);
  if (const Result<void> went = GoToFolders(session.folders); !went) {
    return output.Fail(went.error());
  }
  RaiseDescriptorLimit();
  KeepFreedMemory();
  return Finish(output, session.run());
}

int Main(int argc, char** argv) {
  OccupyStandardDescriptors();
  // What is too large for a limit is an error of the write, and not the end.
  (void)::signal(SIGXFSZ, SIG_IGN);
  Session session;
  session.command.assign(argv, argv + argc);
  // Nothing of ours throws; the system's library does, for want of memory.
  try {
    return RunCommand(argc, argv, session);
  } catch (const std::bad_alloc&) {
    return session.output.Fail(Error(ErrorCode::kFailed, "out of memory"));
  } catch (const std::exception& exception) {
    return session.output.Fail(Error(ErrorCode::kFailed, exception.what()));
  }
}

}  // namespace
}  // namespace helios::cli

int main(int argc, char** argv) {
  try {
    return helios::cli::Main(argc, argv);
  } catch (...) {
    // Not even room to say what happened.
    (void)std::fputs("helios: out of memory\n", stderr);
    return helios::cli::kExitFailure;
  }
}

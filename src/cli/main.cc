// helios: the command line over the engine.
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/command.h"

namespace helios::cli {
namespace {

constexpr char kFooter[] =
    "Ids: blake3:<64 hex>, any unique prefix of at least 4 digits, a tag, @ (where this folder\n"
    "stands), and ~N behind any of them (N commits before). The store: --store, HELIOS_STORE_DIR,\n"
    "the nearest .helios at or above the folder, else .helios in the folder.\n"
    "Output is JSON unless it goes to a terminal.\n"
    "Try: helios COMMAND --help";

void PrintVersion() { std::puts("helios " HELIOS_VERSION); }

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

bool WantsColor() {
  const char* no_color = std::getenv("NO_COLOR");
  return ::isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

int ReportParseError(const CLI::App& app, const CLI::ParseError& error, const Output& output) {
  // Help and its kin are asked for, not errors.
  if (error.get_exit_code() == 0) return app.exit(error);
  output.Fail(Error(ErrorCode::kInvalidArgument,
                    std::string(error.what()) + " (helios --help tells more)"));
  return kExitUsage;
}

int Main(int argc, char** argv) {
  if (argc == 2 && (std::strcmp(argv[1], "version") == 0 ||
                    std::strcmp(argv[1], "--version") == 0 || std::strcmp(argv[1], "-v") == 0)) {
    PrintVersion();
    return kExitSuccess;
  }
  Session session;
  session.output.json = ::isatty(STDOUT_FILENO) == 0;
  session.output.color = WantsColor();
  CLI::App app("Snapshots of folders: take them, compare them, give them back.", "helios");
  app.require_subcommand(1);
  app.footer(kFooter);
  std::string folder;
  app.add_option("-C", folder, "Go to this folder first")->type_name("DIR");
  app.add_flag_callback(
      "-v,--version",
      [&session] {
        session.run = [] {
          PrintVersion();
          return 0;
        };
      },
      "Print the version");
  AddCommitCommand(&app, &session);
  AddRestoreCommand(&app, &session);
  AddDiffCommand(&app, &session);
  AddMaterializeCommand(&app, &session);
  AddTagCommand(&app, &session);
  AddStatsCommand(&app, &session);
  AddDoctorCommand(&app, &session);
  app.add_subcommand("version", "Print the version")->callback([&session] {
    session.run = [] {
      PrintVersion();
      return 0;
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return ReportParseError(app, error, session.output);
  }
  if (!folder.empty() && ::chdir(folder.c_str()) != 0) {
    return session.output.Fail(Error::FromErrno(errno, "go to", folder));
  }
  RaiseDescriptorLimit();
  KeepFreedMemory();
  const int code = session.run();
  if (std::fflush(stdout) != 0) {
    return session.output.Fail(Error::FromErrno(errno, "write", "standard output"));
  }
  return code;
}

}  // namespace
}  // namespace helios::cli

int main(int argc, char** argv) { return helios::cli::Main(argc, argv); }

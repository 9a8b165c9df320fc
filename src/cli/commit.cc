#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>

#include "cli/command.h"

namespace helios::cli {
namespace {

struct Options {
  std::vector<std::string> messages;
  std::vector<std::string> labels;
  std::optional<std::string> backend;
  std::optional<std::string> compression;
  std::optional<uint64_t> max_size;
  bool id_only = false;
  bool force = false;
};

std::string Author() {
  for (const char* name : {"HELIOS_AUTHOR", "USER", "LOGNAME"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    if (std::string_view(name) == "HELIOS_AUTHOR") return value;
    char host[256] = "";
    if (::gethostname(host, sizeof(host) - 1) != 0) return value;
    return std::string(value) + "@" + host;
  }
  return "uid " + std::to_string(::geteuid());
}

std::string JoinParagraphs(const std::vector<std::string>& paragraphs) {
  std::string text;
  for (const std::string& paragraph : paragraphs) {
    if (!text.empty()) text += "\n\n";
    text += paragraph;
  }
  return text;
}

Result<CommitRequest> MakeRequest(const Session& session, const Options& options) {
  CommitRequest request;
  request.workspace = session.MakeWorkspace();
  request.message = JoinParagraphs(options.messages);
  request.author = Author();
  request.force = options.force;
  request.max_size = options.max_size;
  for (const std::string& label : options.labels) {
    const size_t equals = label.find('=');
    if (equals == 0 || equals == label.npos) {
      return Error(ErrorCode::kInvalidArgument,
                   "malformed label \"" + label + "\": write KEY=VALUE");
    }
    request.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  return request;
}

Json ToJson(const CommitReport& report) {
  return {{"snapshot_id", FormatId(report.snapshot)},
          {"record_id", FormatId(report.record)},
          {"unchanged", report.unchanged},
          {"files", report.files},
          {"bytes", report.bytes},
          {"files_hashed", report.files_hashed},
          {"new_objects", report.new_objects},
          {"new_bytes", report.new_bytes},
          {"reused_objects", report.reused_objects},
          {"reused_bytes", report.reused_bytes},
          {"whole", report.capture.IsWhole()},
          {"not_captured", cli::ToJson(report.capture)},
          {"ignore_warnings", cli::ToJson(report.capture.ignore_warnings)}};
}

void PrintForPeople(const Output& output, const CommitReport& report) {
  output.PrintText(FormatId(report.snapshot) + "\n");
  output.PrintText("  " + Count(report.files, "file") + ", " + FormatBytes(report.bytes));
  if (report.unchanged) {
    output.PrintText("; nothing changed\n");
  } else {
    output.PrintText("; " + Count(report.new_objects, "new object") + ", " +
                     FormatBytes(report.new_bytes) + "\n");
  }
  PrintOmissions(output, report.capture);
}

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  const Result<CommitRequest> request = MakeRequest(session, options);
  if (!request) return output.Fail(request.error());
  // Before a store is made for a folder that is only a slip of the pen.
  std::error_code failure;
  if (!std::filesystem::is_directory(session.work, failure)) {
    return output.Fail(Error(ErrorCode::kFailed, "no such folder: " + session.work));
  }
  Result<EngineOptions> open = session.MakeCreatingOptions(options.backend, options.compression);
  if (!open) return output.Fail(open.error());
  Result<std::unique_ptr<Engine>> engine = Engine::Open(*std::move(open));
  if (!engine) return output.Fail(engine.error());
  const Result<CommitReport> report = (*engine)->Commit(*request);
  if (!report) return output.Fail(report.error());
  if (options.id_only) {
    output.PrintText(FormatId(report->snapshot) + "\n");
  } else if (output.json) {
    output.PrintJson(ToJson(*report));
  } else {
    PrintForPeople(output, *report);
  }
  WarnOfIgnoreFiles(output, report->capture.ignore_warnings);
  if (report->capture.IsWhole()) return kExitSuccess;
  for (const OmissionReason reason : {OmissionReason::kUnreadable, OmissionReason::kBadName,
                                      OmissionReason::kTorn, OmissionReason::kXattrs}) {
    const Omission& omission = report->capture[reason];
    for (size_t i = 0; i < omission.first_paths.size(); ++i) {
      output.Warn("not captured whole (" + std::string(OmissionReasonName(reason)) +
                  "): " + QuoteOmitted(omission, i));
    }
  }
  return kExitIncomplete;
}

}  // namespace

void AddCommitCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("commit", "Take a snapshot of a folder");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddGitOption(command, session);
  AddListOption(command, "-m,--message", "TEXT", &options->messages,
                "Why, for the record (repeated: a paragraph each)");
  AddLabelOption(command, &options->labels);
  command->add_flag("--id-only", options->id_only, "Print the bare snapshot id");
  command->add_flag("--force", options->force,
                    "After a lazy restore too: files that are not in the folder count as deleted");
  AddValueOption(command, "--backend", "NAME", &options->backend, kBackendDescription);
  AddValueOption(command, "--compression", "HOW", &options->compression,
                 "How a new store compresses: fast, default or small (see helios config)");
  AddSizeOption(command, "--max-size", &options->max_size,
                "What the store may take on disk: else it is collected, then the commit refused");
  command->footer(
      "Examples:\n"
      "  helios commit                              snapshot of this folder\n"
      "  helios commit --work src -m 'before refactoring'\n"
      "  id=$(helios commit --id-only)              for scripts\n"
      "  helios commit --compression small          into a new store that saves space\n"
      "Modes, times, user extended attributes, hard links within the folder and holes of sparse\n"
      "files are kept beside the contents; no id depends on them.\n"
      "Exit codes: 0 done; 3 done, but something could not be captured whole; 4 refused: the "
      "folder\n"
      "stands at a lazily restored snapshot; 14 no space.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

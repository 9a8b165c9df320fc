#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace helios::cli {
namespace {

constexpr std::string_view kTagsPrefix = "tags/";

struct Options {
  std::vector<std::string> positional;  // NAME, then ID
  std::string remove;
  bool move = false;
};

int Create(Engine& engine, const Session& session, const Options& options) {
  const Output& output = session.output;
  TagRequest request;
  request.workspace = session.MakeWorkspace();
  request.name = options.positional.front();
  if (options.positional.size() > 1) request.id = options.positional[1];
  request.move = options.move;
  const Result<TagReport> report = engine.Tag(request);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    Json json = Json::object();
    AddPath(&json, "tagged", request.name);
    json["snapshot_id"] = FormatId(report->snapshot);
    json["record_id"] = FormatId(report->record);
    if (report->replaced) json["replaced_record_id"] = FormatId(*report->replaced);
    output.PrintJson(json);
  } else {
    output.PrintText("tagged " + FormatId(report->snapshot) + " as " + QuoteName(request.name) +
                     "\n");
  }
  return kExitSuccess;
}

int List(Engine& engine, const Output& output) {
  const Result<std::vector<NamedRecord>> refs = engine.ListRefs();
  if (!refs) return output.Fail(refs.error());
  Json tags = Json::array();
  for (const NamedRecord& ref : *refs) {
    if (!ref.name.starts_with(kTagsPrefix)) continue;
    const std::string name = ref.name.substr(kTagsPrefix.size());
    if (!output.json) {
      output.PrintText(FormatId(ref.record) + "  " + QuoteName(name) + "\n");
      continue;
    }
    Json tag = Json::object();
    AddPath(&tag, "name", name);
    tag["record_id"] = FormatId(ref.record);
    tags.push_back(std::move(tag));
  }
  if (output.json) output.PrintJson({{"tags", std::move(tags)}});
  return kExitSuccess;
}

int Delete(Engine& engine, const Output& output, const std::string& name,
           const Workspace& workspace) {
  const Result<void> deleted = engine.DeleteTag(name, workspace);
  if (!deleted) return output.Fail(deleted.error());
  if (output.json) {
    Json json = Json::object();
    AddPath(&json, "deleted", name);
    output.PrintJson(json);
  } else {
    output.PrintText("deleted the tag " + QuoteName(name) + "\n");
  }
  return kExitSuccess;
}

// What was asked for in a way that is no request at all.
Result<void> CheckOptions(const Options& options, bool removes) {
  if (removes && (!options.positional.empty() || options.move)) {
    return Error(ErrorCode::kInvalidArgument, "--delete takes one name and nothing else");
  }
  if (options.positional.size() > 2) {
    return Error(ErrorCode::kInvalidArgument, "too many arguments: give a name and an id");
  }
  if (options.move && options.positional.empty()) {
    return Error(ErrorCode::kInvalidArgument, "missing the name of the tag to move");
  }
  return {};
}

int Run(Session& session, const Options& options, bool removes) {
  const Output& output = session.output;
  if (const Result<void> checked = CheckOptions(options, removes); !checked) {
    return output.Fail(checked.error());
  }
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  if (removes) return Delete(**engine, output, options.remove, session.MakeWorkspace());
  if (options.positional.empty()) return List(**engine, output);
  return Create(**engine, session, options);
}

}  // namespace

void AddTagCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("tag", "Give a snapshot a name, or list the names");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  CLI::Option* remove =
      command->add_option("-d,--delete", options->remove, "Remove this tag; the snapshot stays")
          ->type_name("NAME");
  command->add_flag("-f,--force", options->move, "Move the tag if it exists");
  command->add_option("NAME_ID", options->positional,
                      "The tag and what it names (default: @); neither: list all tags");
  command->footer(
      "Examples:\n"
      "  helios tag before-upgrade     name where this folder stands\n"
      "  helios tag v1 ID\n"
      "  helios tag                    list the tags and their records\n"
      "  helios tag --force v1 @~1     move it\n"
      "  helios tag --delete v1\n"
      "A tag can be given wherever an id is taken: helios restore v1, helios diff v1~1 @.\n"
      "Exit codes: 0 done; 1 the tag exists, or is unknown; 2 not a name; 12 damage found.");
  command->callback([session, options, remove] {
    session->run = [=] { return Run(*session, *options, remove->count() > 0); };
  });
}

}  // namespace helios::cli

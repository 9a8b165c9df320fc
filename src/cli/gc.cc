#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/retention_options.h"

namespace helios::cli {
namespace {

struct Options {
  RetentionOptions keep;
  bool dry_run = false;
};

Json ToJson(const CollectReport& report) {
  Json decisions = Json::array();
  for (const RetentionDecision& decision : report.decisions) {
    Json json = Json::object();
    json["keep"] = decision.keep;
    json["snapshot_id"] = FormatId(decision.snapshot);
    json["record_id"] = FormatId(decision.record);
    AddPath(&json, "of", decision.path);
    json["time"] = decision.seconds;
    json["reasons"] = decision.reasons;
    decisions.push_back(std::move(json));
  }
  return {{"dry_run", report.dry_run},
          {"records_kept", report.decisions.size() - report.records_removed},
          {"records_removed", report.records_removed},
          {"operations_removed", report.operations_removed},
          {"objects", report.objects},
          {"objects_dead", report.objects_dead},
          {"bytes_dead", report.bytes_dead},
          {"objects_removed", report.objects_removed},
          {"bytes_before", report.bytes_before},
          {"bytes_after", report.bytes_after},
          {"bytes_rewritten", report.bytes_rewritten},
          {"seconds", report.seconds},
          {"seconds_marking", report.seconds_marking},
          {"seconds_alone_max", report.seconds_alone_max},
          {"damage", report.damage},
          {"decisions", std::move(decisions)}};
}

std::string Join(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string FormatTime(int64_t seconds) {
  const time_t time = seconds;
  struct tm utc {};
  char text[32] = "?";
  if (::gmtime_r(&time, &utc) != nullptr) std::strftime(text, sizeof(text), "%F %R", &utc);
  return text;
}

void PrintDecision(const Output& output, const RetentionDecision& decision) {
  output.PrintText((decision.keep ? "keep    " : "remove  ") + FormatId(decision.snapshot) + "  " +
                   FormatTime(decision.seconds) + "  " +
                   (decision.path.empty() ? "(on no branch)" : QuoteName(decision.path)) +
                   (decision.keep ? "  (" + Join(decision.reasons) + ")" : "") + "\n");
}

void PrintForPeople(const Output& output, const CollectReport& report) {
  for (const RetentionDecision& decision : report.decisions) {
    if (report.dry_run || !decision.keep) PrintDecision(output, decision);
  }
  const std::string snapshots = Count(report.records_removed, "snapshot");
  if (report.dry_run) {
    output.PrintText("would let go of " + snapshots + " and " +
                     Count(report.objects_dead, "object") + " of " +
                     Count(report.objects, "object") + ", about " + FormatBytes(report.bytes_dead) +
                     " of " + FormatBytes(report.bytes_before) + "\n");
    return;
  }
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.1f s", report.seconds);
  output.PrintText(FormatBytes(report.bytes_before) + " before, " +
                   FormatBytes(report.bytes_after) + " now\n  let go of " + snapshots + " and " +
                   Count(report.objects_removed, "object") + " in " + seconds + "\n");
}

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  Result<std::optional<RetentionRules>> keep = ParseRetention(options.keep);
  if (!keep) return output.Fail(keep.error());
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  CollectRequest request;
  request.keep = *std::move(keep);
  request.dry_run = options.dry_run;
  const Result<CollectReport> report = (*engine)->Collect(request);
  if (!report) return output.Fail(report.error());
  if (output.json) {
    output.PrintJson(ToJson(*report));
  } else {
    PrintForPeople(output, *report);
  }
  for (const std::string& damage : report->damage) {
    output.Warn("left as it is: " + QuoteMessage(damage));
  }
  return report->damage.empty() ? kExitSuccess : kExitDamage;
}

}  // namespace

void AddGcCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("gc", "Let go of old snapshots, and free their space");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddRetentionOptions(command, &options->keep);
  command->add_flag("-n,--dry-run", options->dry_run,
                    "Only say what would go, what would stay and why");
  command->footer(
      "Examples:\n"
      "  helios gc                               only what nothing refers to any more\n"
      "  helios gc --keep-last 10 --dry-run\n"
      "  helios gc --keep-within 7d --keep-weekly 8 --keep-label release\n"
      "What any rule keeps stays, and whatever the rules say: where folders and branches stand,\n"
      "tags, and what is in use. Each rule is asked for each folder and branch by itself. Without\n"
      "a rule, those that \"helios config\" has set count; without any, every snapshot stays that "
      "the\n"
      "operation log names. Others may commit and restore meanwhile; it may be ended at any "
      "moment,\n"
      "and nothing that stays is lost.\n"
      "Exit codes: 0 done; 10 no store; 11 others hold the store; 12, 13 damage: what it hides "
      "may be\n"
      "needed, and nothing was taken away (see \"helios verify\"), or, with a result, done but for "
      "what\n"
      "is damaged; 14 no space for what shares files with what goes: the rest was done.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

#include "cli/verify_output.h"

#include <algorithm>
#include <ctime>

namespace helios::cli {
namespace {

const char* NameOf(LostPath::What what) {
  switch (what) {
    case LostPath::What::kContent:
      return "content";
    case LostPath::What::kFolder:
      return "folder";
    case LostPath::What::kAttributes:
      break;
  }
  return "attributes";
}

Json ToJson(const DamageList& list) {
  Json damage = Json::array();
  for (const Damage& one : list.listed) {
    Json json = Json::object();
    if (!one.file.empty()) AddPath(&json, "file", one.file);
    if (one.offset) json["offset"] = *one.offset;
    if (one.object) {
      json["kind"] = ObjectKindName(one.object->kind);
      json["object_id"] = FormatId(one.object->digest);
    }
    AddPath(&json, "message", one.error.message());
    damage.push_back(std::move(json));
  }
  return damage;
}

Json ToJson(const LostSnapshot& lost) {
  Json json = {{"record_id", FormatId(lost.record)}, {"record_lost", lost.is_record_lost}};
  if (lost.is_record_lost) return json;
  json["snapshot_id"] = FormatId(lost.snapshot);
  json["time"] = lost.time_seconds;
  AddPath(&json, "workspace", lost.workspace);
  AddPath(&json, "message", lost.message);
  json["lost_paths"] = lost.paths;
  Json paths = Json::array();
  for (const LostPath& path : lost.listed) {
    Json one = Json::object();
    AddPath(&one, "path", path.path);
    one["lost"] = NameOf(path.what);
    paths.push_back(std::move(one));
  }
  json["paths"] = std::move(paths);
  return json;
}

std::string FormatTime(int64_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  struct tm parts;
  char text[64];
  if (::gmtime_r(&time, &parts) == nullptr ||
      std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &parts) == 0) {
    return std::to_string(seconds);
  }
  return text;
}

void PrintList(const Output& output, const std::string& title, const DamageList& list) {
  if (list.count == 0) return;
  output.PrintText(title + ":\n");
  for (const Damage& one : list.listed) {
    output.PrintText("  " + QuoteMessage(one.error.message()) + "\n");
  }
  if (list.count > list.listed.size()) {
    output.PrintText("  and " + std::to_string(list.count - list.listed.size()) + " more\n");
  }
}

void PrintLost(const Output& output, const LostSnapshot& lost) {
  if (lost.is_record_lost) {
    output.PrintText("  record " + FormatId(lost.record) + ": the record itself\n");
    return;
  }
  output.PrintText("  record " + FormatId(lost.record) + " (" + FormatTime(lost.time_seconds) +
                   ", " + QuoteName(lost.workspace) + "): " + Count(lost.paths, "path") + "\n");
  for (const LostPath& path : lost.listed) {
    const bool is_folder = path.what == LostPath::What::kFolder;
    output.PrintText("    " + (path.path.empty() ? "." : QuoteName(path.path)) +
                     (is_folder ? "/ and all that is in it" : "") +
                     (path.what == LostPath::What::kAttributes ? " (modes and times)" : "") + "\n");
  }
  if (lost.paths > lost.listed.size()) {
    output.PrintText("    and more: " + Count(lost.paths, "path") + " in all\n");
  }
}

}  // namespace

int ExitCodeOf(const VerifyReport& report) {
  const auto is_damaged = [](const HealthCheck& check) {
    return !check.ok && cli::ExitCodeOf(Error(check.code, "")) == kExitDamage;
  };
  if (report.unreadable.count > 0 || report.objects.damage.count > 0 ||
      std::any_of(report.checks.begin(), report.checks.end(), is_damaged)) {
    return kExitDamage;
  }
  if (report.missing.count > 0) return kExitMissingObject;
  for (const HealthCheck& check : report.checks) {
    if (!check.ok) return cli::ExitCodeOf(Error(check.code, ""));
  }
  return kExitSuccess;
}

Json ToJson(const VerifyReport& report) {
  Json lost = Json::array();
  for (const LostSnapshot& snapshot : report.lost) lost.push_back(ToJson(snapshot));
  Json unreferenced = Json::array();
  for (const RecordId& record : report.unreferenced) unreferenced.push_back(FormatId(record));
  return {{"ok", report.IsWhole()},
          {"packs", report.objects.packs},
          {"objects", report.objects.objects},
          {"bytes", report.objects.bytes},
          {"file_bytes", report.objects.file_bytes},
          {"records", report.records},
          {"seconds", report.seconds},
          {"checks", cli::ToJson(report.checks)},
          {"damaged_places", report.objects.damage.count},
          {"damage", ToJson(report.objects.damage)},
          {"damaged_objects", report.unreadable.count},
          {"unreadable", ToJson(report.unreadable)},
          {"missing_objects", report.missing.count},
          {"missing", ToJson(report.missing)},
          {"lost_snapshots", report.lost_snapshots},
          {"lost_paths", report.lost_paths},
          {"lost", std::move(lost)},
          {"unreferenced_records", report.unreferenced_records},
          {"unreferenced", std::move(unreferenced)}};
}

void PrintTroubles(const Output& output, const VerifyReport& report) {
  for (const HealthCheck& check : report.checks) {
    if (check.ok) continue;
    output.PrintText("WRONG " + check.name + ": " + QuoteMessage(check.message) + "\n");
    if (!check.advice.empty()) output.PrintText("  " + check.advice + "\n");
  }
  PrintList(output, "damaged", report.objects.damage);
  PrintList(output, "damaged objects that snapshots need", report.unreadable);
  PrintList(output, "missing objects that snapshots need", report.missing);
  if (report.lost_snapshots > 0) {
    output.PrintText("lost: " + Count(report.lost_paths, "path") + " of " +
                     Count(report.lost_snapshots, "snapshot") + ":\n");
    for (const LostSnapshot& lost : report.lost) PrintLost(output, lost);
    if (report.lost_snapshots > report.lost.size()) {
      output.PrintText("  and " + std::to_string(report.lost_snapshots - report.lost.size()) +
                       " more snapshots\n");
    }
  }
  if (report.unreferenced.empty()) return;
  output.PrintText(Count(report.unreferenced_records, "record") +
                   " that nothing leads to (left by a commit that was killed, or lost from the "
                   "operation log; \"helios repair --recover-records\" brings them back):\n");
  for (const RecordId& record : report.unreferenced) {
    output.PrintText("  " + FormatId(record) + "\n");
  }
}

}  // namespace helios::cli

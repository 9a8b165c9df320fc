#include "cli/paths.h"

#include <CLI/CLI.hpp>
#include <ctime>

namespace helios::cli {

std::string LetterOf(PlannedPath::Change change) {
  switch (change) {
    case PlannedPath::Change::kAdded:
      return "A";
    case PlannedPath::Change::kChanged:
      return "C";
    case PlannedPath::Change::kDeleted:
      return "D";
    case PlannedPath::Change::kTypeChanged:
      return "T";
    case PlannedPath::Change::kAttributes:
      return "P";
  }
  return "?";
}

Json ToJson(const PlannedPath& path) {
  Json json = {{"change", LetterOf(path.change)}};
  AddPath(&json, "path", path.path);
  if (!path.type_before.empty()) {
    json["before"] = {{"type", path.type_before}, {"size", path.size_before}};
  }
  if (!path.type_after.empty()) {
    json["after"] = {{"type", path.type_after}, {"size", path.size_after}};
  }
  return json;
}

std::string TextOf(const PlannedPath& path) {
  std::string text = LetterOf(path.change) + " " + QuoteName(path.path);
  const bool has_become =
      path.type_before != path.type_after && !path.type_before.empty() && !path.type_after.empty();
  if (has_become) {
    text.append(" (").append(path.type_before).append(" to ").append(path.type_after).append(")");
  }
  return text;
}

void PathLister::AddOptions(CLI::App* command) {
  CLI::Option* nul =
      command->add_flag("-z", nul_, "Only letter and raw path of each file, ended by NUL");
  command->add_flag("--list", lines_, "A line (or JSON object) for each file, then the report")
      ->excludes(nul);
}

PathSink PathLister::SinkTo(const Output& output) {
  return [this, &output](const PlannedPath& path) {
    if (nul_) {
      output.PrintText(LetterOf(path.change) + '\0' + path.path + '\0');
    } else if (lines_ && output.json) {
      output.PrintJson(ToJson(path));
    } else if (lines_) {
      output.PrintText(TextOf(path) + "\n");
    } else if (kept_.size() < kKeptMax) {
      kept_.push_back(path);
    } else {
      ++left_out_;
    }
  };
}

void PathLister::AddTo(Json* json) const {
  if (lines_) return;
  Json& changes = (*json)["changes"] = Json::array();
  for (const PlannedPath& path : kept_) changes.push_back(ToJson(path));
  (*json)["changes_left_out"] = left_out_;
}

void PathLister::PrintKept(const Output& output) const {
  for (const PlannedPath& path : kept_) output.PrintText("  " + TextOf(path) + "\n");
  if (left_out_ > 0) {
    output.PrintText("  … and " + std::to_string(left_out_) + " more (--list tells all)\n");
  }
}

void AddPlan(Json* json, const RestoreReport& report) {
  (*json)["created"] = report.created;
  (*json)["replaced"] = report.replaced;
  (*json)["deleted"] = report.deleted;
  (*json)["attributes"] = report.attributes;
  (*json)["type_changes"] = report.type_changes;
  (*json)["bytes_to_write"] = report.bytes_to_write;
  (*json)["kept_untracked"] = report.kept_untracked;
  AddPaths(json, "kept", report.kept);
  (*json)["ignored"] = report.ignored.count;
  AddPaths(json, "ignored_paths", report.ignored.first_paths);
  AddPaths(json, "conflicts", report.conflicts);
  (*json)["conflict_reasons"] = report.conflict_reasons;
  if (report.safety) {
    (*json)["safety_record_id"] = FormatId(*report.safety);
    (*json)["saved_files"] = report.saved_files;
    (*json)["saved_bytes"] = report.saved_bytes;
  }
  if (!report.operation.empty()) (*json)["operation"] = report.operation;
  if (!report.leftovers.empty()) AddPaths(json, "leftovers", report.leftovers);
  (*json)["written"] = ToJson(report.written);
}

void PrintPlan(const Output& output, const RestoreReport& report) {
  output.PrintText("  " + std::to_string(report.created) + " created, " +
                   std::to_string(report.replaced) + " replaced, " +
                   std::to_string(report.deleted) + " deleted");
  if (report.kept_untracked > 0) {
    output.PrintText("; " + std::to_string(report.kept_untracked) +
                     " that no snapshot of this folder holds were left alone");
  }
  output.PrintText("\n");
  for (size_t i = 0; i < report.conflicts.size(); ++i) {
    output.PrintText("  unsaved: " + QuoteName(report.conflicts[i]) + " (" +
                     report.conflict_reasons[i] + ")\n");
  }
  if (report.saved_files > 0) {
    output.PrintText("  " + Count(report.saved_files, "file") + ", " +
                     FormatBytes(report.saved_bytes) +
                     ", saved first; helios undo brings them back\n");
  }
}

void WarnOfLeftovers(const Output& output, const std::vector<std::string>& leftovers) {
  for (const std::string& path : leftovers) {
    output.Warn("left by the killed restore, and held by no snapshot: " + QuoteName(path));
  }
}

std::string FormatTime(int64_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  tm parts{};
  char text[64] = "";
  if (::localtime_r(&time, &parts) == nullptr) return std::to_string(seconds);
  (void)std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
  return text;
}

}  // namespace helios::cli

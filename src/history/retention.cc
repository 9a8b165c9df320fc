#include "history/retention.h"

#include <algorithm>
#include <set>

namespace helios {
namespace {

constexpr int64_t kHour = 3600;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kWeek = 7 * kDay;
// 1970 began on a Thursday: from there on the fourth day is a Monday.
constexpr int64_t kFirstMonday = 4 * kDay;

int64_t FloorDivide(int64_t value, int64_t by) {
  return value >= 0 ? value / by : -((by - 1 - value) / by);
}

// The newest of each period, of so many periods.
void KeepPeriods(std::span<LineRecord> line, const std::optional<uint64_t>& count, int64_t period,
                 int64_t start, const char* reason) {
  std::optional<int64_t> last;
  uint64_t kept = 0;
  for (auto at = line.rbegin(); at != line.rend() && count && kept < *count; ++at) {
    const int64_t number = FloorDivide(at->time.seconds - start, period);
    // A clock that was put back makes no new period of one that was there.
    if (last && number >= *last) continue;
    last = number;
    ++kept;
    at->reasons.push_back(reason);
  }
}

// What only moves a tag brings no snapshot anywhere.
bool MovesOnlyARef(const Operation& operation) {
  return operation.workspace.empty() && !operation.ref.empty();
}

// A restore of some files moves no line, and belongs to its workspace all the same.
const std::string& LineOf(const Operation& operation) {
  return operation.workspace.empty() ? operation.about : operation.workspace;
}

bool Carries(const std::map<std::string, std::string>& labels, const RetentionRules::Label& rule) {
  const auto found = labels.find(rule.key);
  return found != labels.end() && (!rule.value || *rule.value == found->second);
}

}  // namespace

void Retention::ListRecords(std::span<const Operation> log) {
  const auto add = [this](const Operation& operation, const RecordId& record) {
    const std::string& line = LineOf(operation);
    if (!places_.try_emplace({line, record}, 0).second) return;
    std::optional<SnapshotId> snapshot;
    if (record == operation.record) snapshot = operation.snapshot;
    records_.push_back({line, operation.path, record, snapshot, operation.time, {}});
  };
  for (const Operation& operation : log) {
    if (MovesOnlyARef(operation)) continue;
    if (operation.safety) add(operation, *operation.safety);
    add(operation, operation.record);
  }
  std::stable_sort(records_.begin(), records_.end(),
                   [](const LineRecord& a, const LineRecord& b) { return a.line < b.line; });
  for (size_t i = 0; i < records_.size(); ++i) {
    places_[{records_[i].line, records_[i].record}] = i;
  }
}

std::vector<Retention::Line> Retention::Lines() {
  std::vector<Line> lines;
  for (auto begin = records_.begin(); begin != records_.end();) {
    const auto end = std::find_if(begin, records_.end(), [&](const LineRecord& record) {
      return record.line != begin->line;
    });
    lines.emplace_back(begin, end);
    begin = end;
  }
  return lines;
}

void Retention::KeepNamed(std::span<const Operation> log,
                          const std::multimap<RecordId, std::string>& tags) {
  std::map<std::string, const Operation*> heads;
  for (const Operation& operation : log) {
    if (!operation.workspace.empty()) heads[operation.workspace] = &operation;
  }
  for (const auto& [line, head] : heads) {
    const bool is_branch = head->kind == OperationKind::kBranchCommit;
    records_[places_.at({line, head->record})].reasons.push_back(is_branch ? "head of the branch"
                                                                           : "@");
  }
  for (LineRecord& record : records_) {
    const auto [first, last] = tags.equal_range(record.record);
    for (auto tag = first; tag != last; ++tag) record.reasons.push_back("tag " + tag->second);
  }
}

Result<void> Retention::KeepByRules(Line line, const RetentionRules& rules,
                                    const LabelsOf& labels_of) {
  const size_t last = static_cast<size_t>(std::min<uint64_t>(rules.last.value_or(0), line.size()));
  for (LineRecord& record : line.last(last)) record.reasons.emplace_back("last");
  const int64_t newest =
      std::max_element(line.begin(), line.end(), [](const LineRecord& a, const LineRecord& b) {
        return a.time < b.time;
      })->time.seconds;
  for (LineRecord& record : line) {
    const bool is_within =
        rules.within_seconds &&
        static_cast<uint64_t>(newest) - static_cast<uint64_t>(record.time.seconds) <=
            *rules.within_seconds;
    if (is_within) record.reasons.emplace_back("within");
  }
  KeepPeriods(line, rules.hourly, kHour, 0, "hourly");
  KeepPeriods(line, rules.daily, kDay, 0, "daily");
  KeepPeriods(line, rules.weekly, kWeek, kFirstMonday, "weekly");
  if (rules.labels.empty()) return {};
  for (LineRecord& record : line) {
    HELIOS_TRY_ASSIGN(const auto labels, labels_of(record.record));
    for (const RetentionRules::Label& rule : rules.labels) {
      if (Carries(labels, rule)) record.reasons.push_back("label " + rule.key);
    }
  }
  return {};
}

Result<Retention> Retention::Choose(std::span<const Operation> log, const RetentionRules& rules,
                                    const std::multimap<RecordId, std::string>& tags,
                                    const LabelsOf& labels_of) {
  Retention retention;
  retention.ListRecords(log);
  retention.KeepNamed(log, tags);
  retention.keeps_all_ = rules.IsEmpty();
  if (retention.keeps_all_) {
    for (LineRecord& record : retention.records_) record.reasons.emplace_back("in the log");
    return retention;
  }
  for (const Line& line : retention.Lines()) {
    HELIOS_TRY(KeepByRules(line, rules, labels_of));
  }
  for (const auto& [record, tag] : tags) retention.kept_.insert(record);
  for (const LineRecord& record : retention.records_) {
    if (record.IsKept()) retention.kept_.insert(record.record);
  }
  return retention;
}

bool Retention::Keeps(const Operation& operation) const {
  if (keeps_all_) return true;
  if (MovesOnlyARef(operation)) return kept_.contains(operation.record);
  const auto is_kept = [&](const RecordId& record) {
    return records_[places_.at({LineOf(operation), record})].IsKept();
  };
  return is_kept(operation.record) || (operation.safety && is_kept(*operation.safety));
}

}  // namespace helios

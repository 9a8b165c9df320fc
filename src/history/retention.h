// From the operation log and the rules to what stays of it.
#ifndef HELIOS_HISTORY_RETENTION_H_
#define HELIOS_HISTORY_RETENTION_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "helios/retention.h"
#include "history/operation_log.h"

namespace helios {

// A record as one workspace or branch has it; a workspace has the safety snapshots that were taken
// of it, too.
struct LineRecord {
  std::string line;
  std::string path;  // of the workspace or branch, for people
  RecordId record;
  std::optional<SnapshotId> snapshot;  // if an operation says it
  Timestamp time;                      // of the first operation that brought it there
  std::vector<std::string> reasons;    // why it stays; none: it does not

  bool IsKept() const { return !reasons.empty(); }
};

// What stays of a log: an operation does if its record or its safety snapshot does where it
// belongs; what moved a tag, if the record that it names does anywhere.
class Retention {
 public:
  // The labels of a record; asked only if a rule speaks of labels.
  using LabelsOf =
      std::function<Result<std::map<std::string, std::string>>(const RecordId& record)>;

  // `tags`: names of the records that tags point to.
  static Result<Retention> Choose(std::span<const Operation> log, const RetentionRules& rules,
                                  const std::multimap<RecordId, std::string>& tags,
                                  const LabelsOf& labels_of);

  // Line by line, each oldest first.
  const std::vector<LineRecord>& records() const { return records_; }
  bool Keeps(const Operation& operation) const;

 private:
  using Line = std::span<LineRecord>;

  void ListRecords(std::span<const Operation> log);
  std::vector<Line> Lines();
  void KeepNamed(std::span<const Operation> log, const std::multimap<RecordId, std::string>& tags);
  static Result<void> KeepByRules(Line line, const RetentionRules& rules,
                                  const LabelsOf& labels_of);

  std::vector<LineRecord> records_;
  std::map<std::pair<std::string, RecordId>, size_t> places_;  // in records_
  std::set<RecordId> kept_;                                    // wherever they are
  bool keeps_all_ = false;
};

}  // namespace helios

#endif  // HELIOS_HISTORY_RETENTION_H_

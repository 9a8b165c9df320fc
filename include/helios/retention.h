// Which snapshots stay when a store is collected.
#ifndef HELIOS_RETENTION_H_
#define HELIOS_RETENTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace helios {

// Each rule is asked for each workspace and each branch by itself, and what any of them keeps
// stays. Whatever they say, there stay: what a tag names, where a workspace or branch stands, and
// what somebody uses at that moment. Without any rule everything stays that the operation log
// names.
struct RetentionRules {
  struct Label {
    std::string key;
    std::optional<std::string> value;  // absent: any
    friend bool operator==(const Label&, const Label&) = default;
  };
  std::optional<uint64_t> last;  // so many, the newest
  // All that are younger than this beside the newest of the same workspace or branch.
  std::optional<uint64_t> within_seconds;
  // The newest of each of so many hours, days, weeks (from Monday on) in which there was one. UTC.
  std::optional<uint64_t> hourly;
  std::optional<uint64_t> daily;
  std::optional<uint64_t> weekly;
  std::vector<Label> labels;  // those that carry one of these

  bool IsEmpty() const { return *this == RetentionRules(); }
  friend bool operator==(const RetentionRules&, const RetentionRules&) = default;
};

}  // namespace helios

#endif  // HELIOS_RETENTION_H_

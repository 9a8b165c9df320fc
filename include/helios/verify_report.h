// What a look at every byte of a store found.
#ifndef HELIOS_VERIFY_REPORT_H_
#define HELIOS_VERIFY_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "helios/health_report.h"
#include "helios/ids.h"
#include "helios/store_check.h"

namespace helios {

// So many snapshots are listed, and so many paths of each; however many there are, all are counted.
inline constexpr size_t kLostSnapshotsListedMax = 100;
inline constexpr size_t kLostPathsListedMax = 20;

// A path of a snapshot that cannot be given back as it was.
struct LostPath {
  enum class What {
    kContent,     // of a file
    kFolder,      // everything that was in it
    kAttributes,  // modes and times, or extended attributes, of a file or of what is in a folder
  };
  std::string path;  // components joined by '/'; empty: the root
  What what = What::kContent;
  friend bool operator==(const LostPath&, const LostPath&) = default;
};

// A record whose snapshot is not whole.
struct LostSnapshot {
  RecordId record;
  bool is_record_lost = false;  // then nothing else is known of it
  SnapshotId snapshot;
  int64_t time_seconds = 0;  // since 1970-01-01 00:00:00 UTC
  std::string workspace;
  std::string message;
  uint64_t paths = 0;  // that are lost
  std::vector<LostPath> listed;
};

struct VerifyReport {
  // The store's own files: settings, operation log, refs, statistics, file cache.
  std::vector<HealthCheck> checks;
  VerifyObjectsReport objects;  // of the whole store; of snapshots, what was read of them
  uint64_t records = 0;         // whose snapshots were followed
  DamageList unreadable;        // objects that snapshots need and that are damaged, with the path
  DamageList missing;           // objects that snapshots need and that nobody has
  std::vector<LostSnapshot> lost;
  uint64_t lost_snapshots = 0;
  uint64_t lost_paths = 0;  // over all of them
  // Records that no operation, ref or other record leads to: left by commits that were killed, or
  // lost from the operation log.
  std::vector<RecordId> unreferenced;  // the first kDamageListedMax
  uint64_t unreferenced_records = 0;
  std::vector<std::string> unmatched_patterns;  // of the selection
  double seconds = 0;

  bool IsWhole() const;
};

}  // namespace helios

#endif  // HELIOS_VERIFY_REPORT_H_

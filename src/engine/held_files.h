// What the snapshots of a workspace hold: whether something on disk may go without being lost.
#ifndef HELIOS_ENGINE_HELD_FILES_H_
#define HELIOS_ENGINE_HELD_FILES_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "history/operation_log.h"
#include "history/restore_intent.h"
#include "object/record.h"
#include "vst/tree_reader.h"

namespace helios {

// A restore that was begun and not finished.
struct InterruptedRestore {
  RestoreIntent intent;
  Record target;  // what it was bringing
  // What was there before, which its --abort brings back. Absent if that was not noted or is gone.
  std::optional<Record> before;
};

// Answers whether one of the snapshots in which a workspace stood, or one of its safety snapshots,
// holds a path as it is now.
// Thread-safe.
class HeldFiles {
 public:
  // `interrupted`: a restore that did not finish. It, or its end, may have written the beginning of
  // a file.
  HeldFiles(ObjectStore* store, const OperationLog& log, std::string workspace,
            const std::optional<InterruptedRestore>& interrupted)
      : store_(store),
        reader_(store),
        log_(log),
        workspace_(std::move(workspace)),
        interrupted_(interrupted) {}

  Result<bool> Holds(const std::string& path, const TreeEntry& present) HELIOS_EXCLUDES(mutex_);
  // Whether any of them has something at `path`, whatever it is. One thread at a time.
  Result<bool> EverHeld(const std::string& path) HELIOS_EXCLUDES(mutex_);

 private:
  bool IsOfInterrupted(const std::string& path, const TreeEntry& present) const;
  bool MayBeWritten(const std::optional<TreeEntry>& wanted, const std::optional<TreeEntry>& other,
                    const TreeEntry& present) const;
  Result<const std::vector<TreeId>*> Snapshots() HELIOS_EXCLUDES(mutex_);

  ObjectStore* const store_;
  const TreeReader reader_;
  const OperationLog& log_;
  const std::string workspace_;
  const std::optional<InterruptedRestore> interrupted_;
  // The names that any snapshot has in a folder.
  Result<const std::set<std::string>*> NamesIn(const std::string& folder);

  std::map<std::string, std::set<std::string>> names_;  // by folder, for EverHeld
  Mutex mutex_;
  std::optional<std::vector<TreeId>> snapshots_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios

#endif  // HELIOS_ENGINE_HELD_FILES_H_

// The operation log of a store: every commit and restore, in order. It is the truth about where
// each workspace stands; everything else about that is a shortcut into it. docs/format.md,
// "Operation log".
#ifndef HELIOS_HISTORY_OPERATION_LOG_H_
#define HELIOS_HISTORY_OPERATION_LOG_H_

#include <functional>
#include <optional>
#include <string>

#include "base/durable_file.h"
#include "helios/ids.h"
#include "object/attributes.h"

namespace helios {

// The numbers are part of the format.
enum class OperationKind : uint8_t {
  kCommit = 1,
  kRestore = 2,
  kLazyRestore = 3,  // the workspace stands at a snapshot of which no file was brought
};

// What an operation left behind: from then on this is the workspace's baseline, `@`.
struct Operation {
  OperationKind kind = OperationKind::kCommit;
  Timestamp time;
  std::string workspace;  // key: WorkspaceKey()
  RecordId record;
  std::optional<RecordId> replaced;  // where the workspace stood before
  SnapshotId snapshot;
  AttributesId attributes;
  uint64_t device = 0;  // of the workspace's root at that time
  uint64_t inode = 0;
  std::string path;  // of the workspace, for people

  bool IsLazy() const { return kind == OperationKind::kLazyRestore; }
  friend bool operator==(const Operation&, const Operation&) = default;
};

// The key of the workspace at a real path, or of one with a name: 32 hex digits.
std::string WorkspaceKey(std::string_view real_path);

// One store's log. Thread-safe: it keeps no state of its own.
class OperationLog {
 public:
  // `path` of the log; `workspaces`: the folder in which each workspace has its own.
  OperationLog(std::string path, std::string workspaces)
      : path_(std::move(path)), workspaces_(std::move(workspaces)) {}

  // The workspace's last operation; nullopt if it has none. Reads only what is new since that
  // workspace's last checkpoint. Errors: kCorrupt if the log is damaged.
  Result<std::optional<Operation>> Latest(const std::string& workspace) const;

  // Appends `operation` if its workspace still stands at operation.replaced, and returns true once
  // that is durable; false, and nothing is changed, if it has moved on meanwhile. Errors:
  // kInvalidArgument if the workspace's key is longer than 64 bytes.
  Result<bool> Append(const Operation& operation) const;

  // Every operation, oldest first.
  using Visitor = std::function<void(const Operation& operation)>;
  Result<void> ForEach(const Visitor& visitor) const;

  // The folder of a workspace's own files, made if need be.
  Result<std::string> WorkspaceFolder(const std::string& workspace) const;

 private:
  struct Scanned {
    uint64_t end = 0;  // of the last whole entry
    uint64_t size = 0;
  };
  Result<Scanned> Scan(int fd, uint64_t start, const Visitor& visitor) const;
  Result<std::optional<Operation>> LatestIn(int fd, const std::string& workspace,
                                            uint64_t* end) const;
  void WriteCheckpoint(const Operation& operation, uint64_t end) const;

  const std::string path_;
  const std::string workspaces_;
};

}  // namespace helios

#endif  // HELIOS_HISTORY_OPERATION_LOG_H_

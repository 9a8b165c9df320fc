// The operation log of a store: every commit and restore, in order. It is the truth about where
// each workspace and each branch stands; everything else about that is a shortcut into it.
// docs/format.md, "Operation log".
#ifndef HELIOS_HISTORY_OPERATION_LOG_H_
#define HELIOS_HISTORY_OPERATION_LOG_H_

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/durable_file.h"
#include "history/log_checkpoint.h"
#include "history/operation_entry.h"

namespace helios {

// The key of the workspace at a real path, or of one with a name: 32 hex digits.
std::string WorkspaceKey(std::string_view real_path);
// The key of the line of a branch, by its name without "heads/".
std::string BranchKey(std::string_view name);

// How far the log was read, and where every line stood there: spares those who append again and
// again from reading it each time. Believed only while the log holds the entry that was its last.
// Used by one thread at a time.
class LogTail {
 public:
  // Where the line stands as far as the log was followed; nullopt if it has no operation.
  std::optional<RecordId> HeadOf(const std::string& line) const {
    const auto it = lines_.find(line);
    return it == lines_.end() ? std::nullopt : it->second.head;
  }

 private:
  friend class OperationLog;
  struct Line {
    std::optional<RecordId> head;
    uint64_t checkpoint_end = 0;  // where its checkpoint points to, 0 if that is not known
  };
  uint64_t end_ = 0;  // of the last whole entry
  Bytes last_entry_;
  std::unordered_map<std::string, Line> lines_;
};

// One store's log. Thread-safe: it keeps no state of its own.
class OperationLog {
 public:
  // `path` of the log; `workspaces`: the folder in which each workspace has its own; `lock_wait`:
  // how long to wait for another writer, then kBusy.
  OperationLog(std::string path, std::string workspaces,
               std::chrono::milliseconds lock_wait = kWriteLockWait)
      : path_(std::move(path)),
        workspaces_(std::move(workspaces)),
        epoch_path_(path_.substr(0, path_.rfind('/') + 1) + "epoch"),
        lock_wait_(lock_wait) {}

  // The last operation that moved a workspace or branch, by its key; nullopt if there is none, or
  // if that left it standing nowhere. Reads only what is new since that line's last checkpoint.
  // Errors: kCorrupt if the log is damaged, missing, or lacks what the checkpoint says was in it.
  Result<std::optional<Operation>> Latest(const std::string& workspace) const;

  // Appends `operation` if its line still stands at operation.replaced, and returns true once
  // that is durable; false, and nothing is changed, if it has moved on meanwhile. Errors:
  // kInvalidArgument if the workspace's key is longer than 64 bytes.
  Result<bool> Append(const Operation& operation) const;

  // The same for several at once: all or none are written, by one write and one sync unless they
  // are very many. Says for each whether it was appended; those before it in the list count for
  // whether its line has moved on. An operation without a line always is. `tail` is brought up to
  // date; it may be null.
  Result<std::vector<bool>> AppendMany(std::span<const Operation> operations, LogTail* tail) const;

  // Called with every operation in the order of the log.
  using Visitor = std::function<void(const Operation& operation)>;

  // Reads what was appended since, and shows it to the visitor, which may be empty. A log that was
  // made anew meanwhile is read from its start.
  Result<void> Follow(LogTail* tail, const Visitor& visitor = {}) const;

  // Makes the log anew with those operations for which `keep(i, operation)` is true, i being their
  // number in the log; the last of each line stays whatever it says. What stays, stays as it is,
  // byte by byte. Returns how many were dropped; if none are, nothing is written. Durable on
  // return; a crash leaves the old log or the new one. For the collector alone. Errors: kBusy,
  // kNoSpace, kCorrupt (then nothing has changed).
  using RetainFilter = std::function<bool(uint64_t number, const Operation& operation)>;
  Result<uint64_t> Retain(const RetainFilter& keep) const;

  // Whether operations were ever dropped: then records may name parents that are not kept.
  bool WasShortened() const { return Number() != uint64_t{0}; }

  // What any checkpoint says was appended and the log does not hold: one kCorrupt for each. A
  // checkpoint is written after the log was synced, so that no crash leaves it ahead of the log.
  std::vector<Error> CheckCheckpoints() const;

  // Every operation, oldest first.
  Result<void> ForEach(const Visitor& visitor) const;

  // The folder of a workspace's own files, made if need be.
  Result<std::string> WorkspaceFolder(const std::string& workspace) const;

 private:
  struct Scanned {
    uint64_t end = 0;  // of the last whole entry
    Bytes last_entry;  // empty if there is none
  };
  Result<Fd> OpenToRead() const;
  // What the log holds from there on.
  Result<Bytes> ReadFrom(int fd, uint64_t start) const;
  // Whether the open file is still the one that bears the log's name.
  bool IsCurrent(int fd) const;
  Result<FileLock> LockToAppend() const;
  // StoreEpoch::log; nullopt if it cannot be told.
  std::optional<uint64_t> Number() const;
  // The line's checkpoint into the log as it is now. The log was opened before.
  std::optional<LogCheckpoint> CheckpointOf(const std::string& workspace) const;
  // Writes one. Best effort.
  void RememberPlace(const std::string& line, ByteView entry, uint64_t end) const;
  std::vector<Error> CheckCheckpointsIn(int fd) const;
  Result<Scanned> Scan(int fd, uint64_t start, const Visitor& visitor) const;
  Result<void> CheckHolds(int fd, const std::string& workspace,
                          const LogCheckpoint& checkpoint) const;
  // Refuses to cut off what lies behind `end` if a checkpoint knows it for more than a torn append.
  Result<void> CheckMayCut(int fd, uint64_t end) const;
  Result<std::optional<Operation>> LatestIn(int fd, const std::string& workspace,
                                            uint64_t* end) const;
  Result<void> FollowIn(int fd, LogTail* tail, const Visitor& visitor = {}) const;
  // A tail that knows no other lines than those of the operations.
  Result<LogTail> TailFor(int fd, std::span<const Operation> operations) const;
  // Appends entries behind `end`, each durable before the next.
  Result<void> WriteEntries(int fd, std::span<const Bytes> entries, uint64_t end) const;
  // What is appended of some operations.
  struct Batch {
    struct Moved {
      std::optional<RecordId> head;
      size_t entry = 0;  // by which of the entries
    };
    std::vector<bool> appended;  // for each operation
    std::vector<Bytes> entries;
    std::unordered_map<std::string, Moved> moved;  // by line
  };
  static Batch Choose(std::span<const Operation> operations, const LogTail& tail);
  // Notes in the tail what was appended, and renews the checkpoints that have fallen behind.
  void Advance(const Batch& batch, LogTail* tail) const;
  std::string FolderOf(const std::string& workspace) const { return workspaces_ + "/" + workspace; }

  const std::string path_;
  const std::string workspaces_;
  const std::string epoch_path_;
  const std::chrono::milliseconds lock_wait_;
};

}  // namespace helios

#endif  // HELIOS_HISTORY_OPERATION_LOG_H_

// One entry of the operation log: what an operation says, its bytes, and what a log may end with
// that is no damage. docs/format.md, "Operation log".
#ifndef HELIOS_HISTORY_OPERATION_ENTRY_H_
#define HELIOS_HISTORY_OPERATION_ENTRY_H_

#include <optional>
#include <string>
#include <vector>

#include "helios/ids.h"
#include "object/attributes.h"

namespace helios {

// The numbers are part of the format.
enum class OperationKind : uint8_t {
  kCommit = 1,
  kRestore = 2,
  kLazyRestore = 3,     // the workspace stands at a snapshot of which no file was brought
  kBranchCommit = 4,    // of a working set in memory, onto a branch or onto none
  kPartialRestore = 5,  // files came and went, but the workspace stands where it stood
  kUndo = 6,            // took back what `undone` did
  kTag = 7,             // a tag was set, moved or removed
};

// What an operation left behind: from then on this is the workspace's baseline, `@`, or where the
// branch or tag points to.
struct Operation {
  OperationKind kind = OperationKind::kCommit;
  Timestamp time;
  // The key of the line that moves: WorkspaceKey() or BranchKey(). Empty: none does.
  std::string workspace;
  RecordId record;
  std::optional<RecordId> replaced;  // where the line or tag stood before
  SnapshotId snapshot;
  std::optional<AttributesId> attributes;  // the record's
  uint64_t device = 0;                     // of the workspace's root at that time
  uint64_t inode = 0;
  std::string path;  // of the workspace, for people; of a branch, its name

  // What only some have.
  std::optional<RecordId> source;  // what files were made equal to, if that is not `record`
  // The safety snapshot: what the files were that it changed. Without one it changed no files.
  std::optional<RecordId> safety;
  std::string about;               // where no line moves: key of the workspace that it concerns
  std::string ref;                 // that it moved: "tags/v1", or for kUndo also "heads/main"
  std::optional<uint64_t> undone;  // the id of the operation that was taken back
  // The line stands nowhere any more, or the tag is gone; `record` is where it was.
  bool is_gone = false;
  bool is_lazy = false;              // kUndo: the workspace is where a lazy restore had brought it
  bool was_lazy = false;             // so it was before
  std::vector<std::string> command;  // that did it, as it was given (BoundedCommand)

  bool IsLazy() const { return kind == OperationKind::kLazyRestore || is_lazy; }
  // Where the line or tag is from then on.
  std::optional<RecordId> StandsAt() const {
    return is_gone ? std::nullopt : std::optional(record);
  }
  // What files were made equal to, where it changed any.
  const RecordId& Source() const { return source ? *source : record; }
  // Whether it is one of this workspace: moved its line, changed its files, or was done from it.
  bool Concerns(const std::string& key) const { return workspace == key || about == key; }
  // Every record that must stay for as long as the operation is to be taken back or restored.
  std::vector<RecordId> Records() const;
  friend bool operator==(const Operation&, const Operation&) = default;
};

// What an operation is known by: the check of its bytes. A log that is rewritten keeps it.
uint64_t IdOf(const Operation& operation);
// 16 hexadecimal digits.
std::string FormatOperationId(uint64_t id);
// The command line as an operation may hold it: 256 arguments and 4 KiB at most. What is cut off
// leaves an ellipsis.
std::vector<std::string> BoundedCommand(const std::vector<std::string>& command);

// No entry's payload is longer.
inline constexpr size_t kEntryPayloadBytesMax = 16 << 10;
// What surrounds a payload.
inline constexpr size_t kEntryOverhead = 4 + 8 + 4;

// Operations that have nothing of what only some have keep the bytes that they always had.
Bytes EncodeOperation(const Operation& operation);
// The operations of a payload: one, or several that were appended at once. nullopt if one of them
// is not known.
std::optional<std::vector<Operation>> DecodePayload(ByteView payload);
// The last operation of a line in a payload.
std::optional<Operation> LastOf(ByteView payload, const std::string& line);
// kInvalidArgument if no reader would take it; `path` of the log is for the message.
Result<void> CheckWritable(const Operation& operation, const std::string& path);

Bytes EncodeEntry(ByteView payload);
// The payload of the entry at the front of `rest`, which it is then taken from; nullopt if there is
// no whole one.
std::optional<ByteView> TakeEntry(ByteView* rest);
// Whether what follows the last whole entry, from `offset` of the log on, is more than the rest of
// an append that was cut short.
bool IsDamage(ByteView rest, uint64_t offset);

// Puts as many operations into an entry as it holds.
class PayloadCutter {
 public:
  // Takes an encoded operation; returns the number of the entry.
  size_t Add(ByteView operation);
  std::vector<Bytes> Finish();

 private:
  void Cut();

  Bytes payload_;
  std::vector<Bytes> entries_;
};

}  // namespace helios

#endif  // HELIOS_HISTORY_OPERATION_ENTRY_H_

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
  kLazyRestore = 3,   // the workspace stands at a snapshot of which no file was brought
  kBranchCommit = 4,  // of a working set in memory, onto a branch or onto none
};

// What an operation left behind: from then on this is the workspace's baseline, `@`, or the head of
// the branch.
struct Operation {
  OperationKind kind = OperationKind::kCommit;
  Timestamp time;
  // The key of the line that moves: WorkspaceKey() or BranchKey(). Empty: none does.
  std::string workspace;
  RecordId record;
  std::optional<RecordId> replaced;  // where the workspace stood before
  SnapshotId snapshot;
  std::optional<AttributesId> attributes;  // the record's
  uint64_t device = 0;                     // of the workspace's root at that time
  uint64_t inode = 0;
  std::string path;  // of the workspace, for people; of a branch, its name

  bool IsLazy() const { return kind == OperationKind::kLazyRestore; }
  friend bool operator==(const Operation&, const Operation&) = default;
};

// No entry's payload is longer.
inline constexpr size_t kEntryPayloadBytesMax = 16 << 10;
// What surrounds a payload.
inline constexpr size_t kEntryOverhead = 4 + 8 + 4;

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

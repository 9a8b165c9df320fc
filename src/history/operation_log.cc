#include "history/operation_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>

#include "base/codec.h"
#include "base/hex.h"
#include "object/hash.h"

namespace helios {
namespace {

// entry := u32 length, u64 check of the payload, payload, u32 length
constexpr size_t kEntryOverhead = 4 + 8 + 4;
constexpr size_t kOperationBytesMax = 16 << 10;
constexpr size_t kWorkspaceBytesMax = 64;
// What a disk writes as a whole, or not at all.
constexpr size_t kBlockBytes = 512;
// No operation holds so many zeros in a row: absent attributes, device, inode and path are 35.
constexpr size_t kHoleBytesMin = 40;
constexpr size_t kPathBytesMax = 8 << 10;
constexpr size_t kLogBytesMax = size_t{4} << 30;
constexpr auto kLockWait = std::chrono::seconds(30);
constexpr char kCheckpointFile[] = "baseline";
// Reading so much of the log costs less than replacing a checkpoint.
constexpr uint64_t kCheckpointBehindBytes = 16 << 10;

bool IsKnown(OperationKind kind) {
  return kind >= OperationKind::kCommit && kind <= OperationKind::kBranchCommit;
}

Bytes EncodeOperation(const Operation& operation) {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(static_cast<uint8_t>(operation.kind));
  encoder.SignedVarint(operation.time.seconds);
  encoder.Varint(operation.time.nanoseconds);
  encoder.String(operation.workspace);
  encoder.Raw(operation.record.digest);
  encoder.Fixed(static_cast<uint8_t>(operation.replaced ? 1 : 0));
  if (operation.replaced) encoder.Raw(operation.replaced->digest);
  encoder.Raw(operation.snapshot.digest);
  encoder.Raw(DigestOrZero(operation.attributes));
  encoder.Varint(operation.device);
  encoder.Varint(operation.inode);
  encoder.String(ByteView(operation.path).substr(0, kPathBytesMax));
  return bytes;
}

// The next operation of a payload.
std::optional<Operation> DecodeOperation(Decoder& decoder) {
  Operation operation;
  operation.kind = static_cast<OperationKind>(decoder.Fixed<uint8_t>());
  if (!IsKnown(operation.kind)) return std::nullopt;
  operation.time.seconds = decoder.SignedVarint();
  const uint64_t nanoseconds = decoder.Varint();
  operation.time.nanoseconds = static_cast<uint32_t>(nanoseconds);
  operation.workspace = decoder.String(kWorkspaceBytesMax);
  operation.record = {decoder.RawDigest()};
  const auto has_replaced = decoder.Fixed<uint8_t>();
  if (has_replaced == 1) operation.replaced = RecordId{decoder.RawDigest()};
  operation.snapshot = {decoder.RawDigest()};
  operation.attributes = AttributesIdUnlessZero(decoder.RawDigest());
  operation.device = decoder.Varint();
  operation.inode = decoder.Varint();
  operation.path = decoder.String(kPathBytesMax);
  if (!decoder.ok() || nanoseconds > 999'999'999 || has_replaced > 1) return std::nullopt;
  return operation;
}

// The operations of an entry: one, or several that were appended at once. nullopt if one of them is
// not known.
std::optional<std::vector<Operation>> DecodePayload(ByteView payload) {
  Decoder decoder(payload);
  std::vector<Operation> operations;
  do {
    std::optional<Operation> operation = DecodeOperation(decoder);
    if (!operation) return std::nullopt;
    operations.push_back(*std::move(operation));
  } while (!decoder.AtEnd());
  return operations;
}

// The last operation of a line in an entry.
std::optional<Operation> LastOf(ByteView payload, const std::string& line) {
  std::optional<Operation> last;
  std::optional<std::vector<Operation>> operations = DecodePayload(payload);
  if (!operations) return last;
  for (Operation& operation : *operations) {
    if (operation.workspace == line) last = std::move(operation);
  }
  return last;
}

Bytes EncodeEntry(ByteView payload) {
  Bytes entry;
  Encoder encoder(&entry);
  encoder.Fixed(static_cast<uint32_t>(payload.size()));
  encoder.Fixed(Checksum64(payload));
  encoder.Raw(payload);
  encoder.Fixed(static_cast<uint32_t>(payload.size()));
  return entry;
}

// The payload of the entry at the front of `rest`; nullopt if there is no whole one.
std::optional<ByteView> TakeEntry(ByteView* rest) {
  Decoder decoder(*rest);
  const auto length = decoder.Fixed<uint32_t>();
  const auto check = decoder.Fixed<uint64_t>();
  if (!decoder.ok() || length > kOperationBytesMax) return std::nullopt;
  const ByteView payload = decoder.Raw(length);
  const auto length_again = decoder.Fixed<uint32_t>();
  if (!decoder.ok() || length_again != length || Checksum64(payload) != check) {
    return std::nullopt;
  }
  rest->remove_prefix(kEntryOverhead + length);
  return payload;
}

// True if an entry of just that length was written to its end: then its check differs because it
// was damaged, not because the writer was cut short.
bool HasWholeLength(ByteView rest) {
  if (rest.size() < kEntryOverhead) return false;
  const auto length = LoadLittleEndian<uint32_t>(rest.data());
  // Blocks that never reached the disk read as zeros.
  const bool has_hole = rest.find(Bytes(kHoleBytesMin, '\0')) != rest.npos;
  return length > 0 && !has_hole && rest.size() == kEntryOverhead + length &&
         LoadLittleEndian<uint32_t>(rest.data() + rest.size() - sizeof(uint32_t)) == length;
}

// The whole entry that `rest` would be, were one of its two lengths not wrong: the check of the
// payload tells. nullopt if it is none.
std::optional<Bytes> EntryButForALength(ByteView rest) {
  constexpr size_t kHeadBytes = sizeof(uint32_t) + sizeof(uint64_t);
  if (rest.size() < kEntryOverhead) return std::nullopt;
  const auto check = LoadLittleEndian<uint64_t>(rest.data() + sizeof(uint32_t));
  const auto is_payload = [&](size_t length) {
    return length <= rest.size() - kHeadBytes && length <= kOperationBytesMax &&
           Checksum64(rest.substr(kHeadBytes, length)) == check;
  };
  const size_t up_to_the_end = rest.size() - kEntryOverhead;
  for (const size_t length : {size_t{LoadLittleEndian<uint32_t>(rest.data())}, up_to_the_end}) {
    if (is_payload(length)) return EncodeEntry(rest.substr(kHeadBytes, length));
  }
  return std::nullopt;
}

// True if `bytes` at `offset` of the file may be what a crash left of an append of `entry`: some of
// its blocks, and zeros in place of the others.
bool IsTornAppend(ByteView bytes, ByteView entry, uint64_t offset) {
  Bytes whole(entry);
  whole.resize(std::max(bytes.size(), entry.size()), '\0');
  for (size_t at = 0; at < bytes.size();) {
    const size_t in_block = kBlockBytes - static_cast<size_t>((offset + at) % kBlockBytes);
    const ByteView block = bytes.substr(at, in_block);
    const bool is_empty = block.find_first_not_of('\0') == block.npos;
    if (!is_empty && block != ByteView(whole).substr(at, block.size())) return false;
    at += block.size();
  }
  return true;
}

// Whether what follows the last whole entry is more than the rest of an append that was cut short.
bool IsDamage(ByteView rest, uint64_t offset) {
  if (rest.size() > kOperationBytesMax + kEntryOverhead || HasWholeLength(rest)) return true;
  const std::optional<Bytes> entry = EntryButForALength(rest);
  if (entry && !IsTornAppend(rest, *entry, offset)) return true;
  // A whole entry further on shows that this is not the end of the log.
  for (size_t skip = 1; skip < rest.size(); ++skip) {
    ByteView later = rest.substr(skip);
    if (TakeEntry(&later)) return true;
  }
  return false;
}

Result<uint64_t> SizeOf(int fd, const std::string& path) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size < 0) return Error::FromErrno(errno, "read", path);
  return static_cast<uint64_t>(size);
}

Result<Bytes> ReadFrom(int fd, uint64_t start, const std::string& path) {
  HELIOS_TRY_ASSIGN(const uint64_t size, SizeOf(fd, path));
  if (size > kLogBytesMax) {
    return Error(ErrorCode::kCorrupt, path + " is larger than it can be");
  }
  if (size <= start) return Bytes();
  // A writer may cut a torn tail off meanwhile: what is there counts, not what there was.
  Bytes bytes(static_cast<size_t>(size - start), '\0');
  HELIOS_TRY_ASSIGN(const size_t length, ReadAt(fd, bytes.data(), bytes.size(), start, path));
  bytes.resize(length);
  return bytes;
}

// Whether the log holds just these bytes before `end`.
Result<bool> HoldsEntry(int fd, ByteView entry, uint64_t end, const std::string& path) {
  if (end < entry.size()) return false;
  Bytes in_log(entry.size(), '\0');
  HELIOS_TRY_ASSIGN(const size_t length,
                    ReadAt(fd, in_log.data(), in_log.size(), end - entry.size(), path));
  return length == entry.size() && in_log == entry;
}

Result<void> CheckWritable(const Operation& operation, const std::string& path) {
  if (operation.workspace.size() <= kWorkspaceBytesMax &&
      operation.time.nanoseconds <= 999'999'999) {
    return {};
  }
  return Error(ErrorCode::kInvalidArgument,
               "not an operation: the workspace key \"" + operation.workspace +
                   "\" or the time is longer than " + path + " can hold");
}

// Puts as many operations into an entry as it holds.
class PayloadCutter {
 public:
  // Returns the number of the entry.
  size_t Add(ByteView operation) {
    if (payload_.size() + operation.size() > kOperationBytesMax) Cut();
    payload_.append(operation);
    return entries_.size();
  }
  std::vector<Bytes> Finish() {
    Cut();
    return std::move(entries_);
  }

 private:
  void Cut() {
    if (!payload_.empty()) entries_.push_back(EncodeEntry(payload_));
    payload_.clear();
  }

  Bytes payload_;
  std::vector<Bytes> entries_;
};

}  // namespace

std::string BranchKey(std::string_view name) { return WorkspaceKey("branch:" + std::string(name)); }

std::string WorkspaceKey(std::string_view real_path) {
  return HashBlob(real_path).digest.ToHex().substr(0, 32);
}

// What follows the last whole entry is the rest of an append that was cut short: no longer than one
// entry. More than that is damage.
Result<OperationLog::Scanned> OperationLog::Scan(int fd, uint64_t start,
                                                 const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const Bytes bytes, ReadFrom(fd, start, path_));
  ByteView rest = bytes;
  ByteView last_entry;
  while (!rest.empty()) {
    const ByteView from_here = rest;
    const std::optional<ByteView> payload = TakeEntry(&rest);
    if (!payload) break;
    last_entry = from_here.substr(0, from_here.size() - rest.size());
    const std::optional<std::vector<Operation>> operations = DecodePayload(*payload);
    if (!operations) {
      return Error(ErrorCode::kUnsupported,
                   path_ + " holds an operation that this build does not know");
    }
    for (const Operation& operation : *operations) visitor(operation);
  }
  const uint64_t end = start + (bytes.size() - rest.size());
  if (IsDamage(rest, end)) {
    return Error(ErrorCode::kCorrupt,
                 "operation log " + path_ + " is damaged at offset " + std::to_string(end));
  }
  return Scanned{end, Bytes(last_entry)};
}

Result<std::optional<Operation>> OperationLog::LatestIn(int fd, const std::string& workspace,
                                                        uint64_t* end) const {
  std::optional<Operation> latest;
  uint64_t start = 0;
  if (std::optional<Checkpoint> checkpoint = ReadCheckpoint(workspace)) {
    HELIOS_TRY(CheckHolds(fd, workspace, *checkpoint));
    latest = std::move(checkpoint->operation);
    start = checkpoint->end;
  }
  HELIOS_TRY_ASSIGN(const Scanned scanned, Scan(fd, start, [&](const Operation& operation) {
                      const bool moves = !workspace.empty() && operation.workspace == workspace;
                      if (moves) latest = operation;
                    }));
  if (end != nullptr) *end = scanned.end;
  return latest;
}

Result<std::optional<Operation>> OperationLog::Latest(const std::string& workspace) const {
  HELIOS_TRY_ASSIGN(const Fd fd, OpenToRead());
  return LatestIn(fd.get(), workspace, nullptr);
}

// A store is made with its log: one without has lost it.
Result<Fd> OperationLog::OpenToRead() const {
  Result<Fd> fd = OpenAt(AT_FDCWD, path_, O_RDONLY | O_NOFOLLOW);
  if (fd || fd.error().os_error() != ENOENT) return fd;
  return Error(ErrorCode::kCorrupt,
               "operation log " + path_ +
                   " is missing; copy the store before anything else is tried, then put the log "
                   "back from an earlier copy of the store",
               ENOENT);
}

std::string OperationLog::CheckpointPath(const std::string& workspace) const {
  return workspaces_ + "/" + workspace + "/" + kCheckpointFile;
}

// checkpoint := u64 end of the entry in the log, entry, u64 check of both
std::optional<OperationLog::Checkpoint> OperationLog::ReadCheckpoint(
    const std::string& workspace) const {
  const Result<std::optional<Bytes>> bytes =
      ReadFileIfExists(CheckpointPath(workspace), 2 * kOperationBytesMax);
  if (!bytes || !*bytes || (*bytes)->size() < 2 * sizeof(uint64_t)) return std::nullopt;
  const ByteView checked = ByteView(**bytes).substr(0, (*bytes)->size() - sizeof(uint64_t));
  if (LoadLittleEndian<uint64_t>(checked.data() + checked.size()) != Checksum64(checked)) {
    return std::nullopt;
  }
  Checkpoint checkpoint;
  checkpoint.end = LoadLittleEndian<uint64_t>(checked.data());
  checkpoint.entry = checked.substr(sizeof(uint64_t));
  ByteView rest = checkpoint.entry;
  const std::optional<ByteView> payload = TakeEntry(&rest);
  if (!payload || !rest.empty()) return std::nullopt;
  std::optional<Operation> operation = LastOf(*payload, workspace);
  if (!operation) return std::nullopt;
  checkpoint.operation = *std::move(operation);
  return checkpoint;
}

Result<void> OperationLog::CheckHolds(int fd, const std::string& workspace,
                                      const Checkpoint& checkpoint) const {
  HELIOS_TRY_ASSIGN(const bool holds, HoldsEntry(fd, checkpoint.entry, checkpoint.end, path_));
  if (holds) return {};
  HELIOS_TRY_ASSIGN(const uint64_t size, SizeOf(fd, path_));
  const std::string known = CheckpointPath(workspace);
  return Error(ErrorCode::kCorrupt,
               "operation log " + path_ + " (" + std::to_string(size) +
                   " bytes) does not hold the operation that " + known +
                   " says was written to it up to offset " + std::to_string(checkpoint.end) +
                   ": the log was damaged, or an older copy was put in its place; copy the store, "
                   "then put the newer log back, or remove " +
                   known + " to go on from what the log still holds of " +
                   checkpoint.operation.path);
}

std::vector<Error> OperationLog::CheckCheckpoints() const {
  std::vector<Error> lost;
  const Result<Fd> fd = OpenToRead();
  if (!fd) return {fd.error()};
  std::error_code failure;
  for (std::filesystem::directory_iterator it(workspaces_, failure), end; !failure && it != end;
       it.increment(failure)) {
    const std::string workspace = it->path().filename().string();
    const std::optional<Checkpoint> checkpoint = ReadCheckpoint(workspace);
    if (!checkpoint) continue;
    Result<void> holds = CheckHolds(fd->get(), workspace, *checkpoint);
    if (!holds) lost.push_back(std::move(holds).error());
  }
  return lost;
}

Result<void> OperationLog::CheckMayCut(int fd, uint64_t end) const {
  HELIOS_TRY_ASSIGN(const uint64_t size, SizeOf(fd, path_));
  if (size <= end) return {};
  std::vector<Error> lost = CheckCheckpoints();
  return lost.empty() ? Result<void>() : std::move(lost.front());
}

Result<bool> OperationLog::Append(const Operation& operation) const {
  HELIOS_TRY_ASSIGN(const std::vector<bool> appended, AppendMany({&operation, 1}, nullptr));
  return bool{appended.front()};
}

Result<std::vector<bool>> OperationLog::AppendMany(std::span<const Operation> operations,
                                                   LogTail* tail) const {
  // What no reader would take must not get into the log: it could not be read past.
  for (const Operation& operation : operations) HELIOS_TRY(CheckWritable(operation, path_));
  HELIOS_TRY_ASSIGN(FileLock lock, FileLock::Acquire(path_, FileLock::Mode::kExclusive, kLockWait));
  LogTail own;
  if (tail == nullptr) {
    HELIOS_TRY_ASSIGN(own, TailFor(lock.fd(), operations));
    tail = &own;
  } else {
    HELIOS_TRY(FollowIn(lock.fd(), tail));
  }
  const Batch batch = Choose(operations, *tail);
  if (batch.entries.empty()) return batch.appended;
  HELIOS_TRY(CheckMayCut(lock.fd(), tail->end_));
  HELIOS_TRY(WriteEntries(lock.fd(), batch.entries, tail->end_));
  Advance(batch, tail);
  return batch.appended;
}

OperationLog::Batch OperationLog::Choose(std::span<const Operation> operations,
                                         const LogTail& tail) {
  Batch batch;
  PayloadCutter cutter;
  for (const Operation& operation : operations) {
    const std::string& line = operation.workspace;
    const auto moved = batch.moved.find(line);
    const std::optional<RecordId> head =
        moved == batch.moved.end() ? tail.HeadOf(line) : std::optional(moved->second.head);
    const bool appends = line.empty() || head == operation.replaced;
    batch.appended.push_back(appends);
    if (!appends) continue;
    const size_t entry = cutter.Add(EncodeOperation(operation));
    if (!line.empty()) batch.moved[line] = {operation.record, entry};
  }
  batch.entries = cutter.Finish();
  return batch;
}

Result<void> OperationLog::WriteEntries(int fd, std::span<const Bytes> entries,
                                        uint64_t end) const {
  const auto write = [&]() -> Result<void> {
    // Cuts off what a writer that died left of its entry; nobody was told that it was there.
    const bool is_torn = ::lseek(fd, 0, SEEK_END) != static_cast<off_t>(end);
    const auto cut = [&] { return ::ftruncate(fd, static_cast<off_t>(end)); };
    if (is_torn && RetryIfInterrupted(cut) != 0) {
      return Error::FromErrno(errno, "append to", path_);
    }
    uint64_t at = end;
    // An entry that is cut short is told by its check. Of two, the second could reach the disk
    // without the first, which would look like damage: so the first is synced before.
    for (const Bytes& entry : entries) {
      HELIOS_TRY(WriteAllAt(fd, entry, at, path_));
      HELIOS_TRY(SyncData(fd, path_));
      at += entry.size();
    }
    return {};
  };
  Result<void> written = write();
  // Best effort: nobody will be told that these operations happened, so better nobody sees them.
  if (!written) (void)::ftruncate(fd, static_cast<off_t>(end));
  return written;
}

void OperationLog::Advance(const Batch& batch, LogTail* tail) const {
  std::vector<uint64_t> ends;
  for (const Bytes& entry : batch.entries) {
    tail->end_ += entry.size();
    ends.push_back(tail->end_);
  }
  tail->last_entry_ = batch.entries.back();
  for (const auto& [name, moved] : batch.moved) {
    LogTail::Line& line = tail->lines_[name];
    line.head = moved.head;
    const uint64_t end = ends[moved.entry];
    if (line.checkpoint_end != 0 && end - line.checkpoint_end <= kCheckpointBehindBytes) continue;
    WriteCheckpoint(name, batch.entries[moved.entry], end);
    line.checkpoint_end = end;
  }
}

Result<void> OperationLog::Follow(LogTail* tail) const {
  HELIOS_TRY_ASSIGN(const Fd fd, OpenToRead());
  return FollowIn(fd.get(), tail);
}

Result<void> OperationLog::FollowIn(int fd, LogTail* tail) const {
  HELIOS_TRY_ASSIGN(const bool holds, HoldsEntry(fd, tail->last_entry_, tail->end_, path_));
  if (!holds) *tail = LogTail();
  HELIOS_TRY_ASSIGN(Scanned scanned, Scan(fd, tail->end_, [&](const Operation& operation) {
                      if (operation.workspace.empty()) return;
                      tail->lines_[operation.workspace].head = operation.record;
                    }));
  if (scanned.end == tail->end_) return {};
  tail->end_ = scanned.end;
  tail->last_entry_ = std::move(scanned.last_entry);
  return {};
}

Result<LogTail> OperationLog::TailFor(int fd, std::span<const Operation> operations) const {
  LogTail tail;
  for (const Operation& operation : operations) {
    HELIOS_TRY_ASSIGN(const std::optional<Operation> latest,
                      LatestIn(fd, operation.workspace, &tail.end_));
    if (latest) tail.lines_[operation.workspace].head = latest->record;
  }
  return tail;
}

// Only a shortcut: without it, Latest reads the log from its start.
void OperationLog::WriteCheckpoint(const std::string& workspace, ByteView entry,
                                   uint64_t end) const {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(end);
  encoder.Raw(entry);
  encoder.Fixed(Checksum64(bytes));
  const Result<std::string> folder = WorkspaceFolder(workspace);
  if (folder) (void)ReplaceFile(*folder, kCheckpointFile, bytes, Durability::kCache);
}

Result<void> OperationLog::ForEach(const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const Fd fd, OpenToRead());
  HELIOS_TRY(Scan(fd.get(), 0, visitor));
  return {};
}

Result<std::string> OperationLog::WorkspaceFolder(const std::string& workspace) const {
  const std::string folder = workspaces_ + "/" + workspace;
  HELIOS_TRY(MakeFolder(folder));
  return folder;
}

}  // namespace helios

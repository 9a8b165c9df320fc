#include "history/operation_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/hex.h"
#include "object/hash.h"
#include "store/store_epoch.h"

namespace helios {
namespace {

constexpr size_t kLogBytesMax = size_t{4} << 30;
// How often a log that is made anew meanwhile is opened again.
constexpr int kReplacedMax = 64;
// Reading so much of the log costs less than replacing a checkpoint.
constexpr uint64_t kCheckpointBehindBytes = 16 << 10;

Result<uint64_t> SizeOf(int fd, const std::string& path) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size < 0) return Error::FromErrno(errno, "read", path);
  return static_cast<uint64_t>(size);
}

// Whether the log holds just these bytes before `end`.
Result<bool> HoldsEntry(int fd, ByteView entry, uint64_t end, const std::string& path) {
  if (end < entry.size()) return false;
  Bytes in_log(entry.size(), '\0');
  HELIOS_TRY_ASSIGN(const size_t length,
                    ReadAt(fd, in_log.data(), in_log.size(), end - entry.size(), path));
  return length == entry.size() && in_log == entry;
}

}  // namespace

std::string BranchKey(std::string_view name) { return WorkspaceKey("branch:" + std::string(name)); }

std::string WorkspaceKey(std::string_view real_path) {
  return HashBlob(real_path).digest.ToHex().substr(0, 32);
}

Result<Bytes> OperationLog::ReadFrom(int fd, uint64_t start) const {
  HELIOS_TRY_ASSIGN(const uint64_t size, SizeOf(fd, path_));
  if (size > kLogBytesMax) {
    return Error(ErrorCode::kCorrupt, path_ + " is larger than it can be");
  }
  if (size <= start) return Bytes();
  // A writer may cut a torn tail off meanwhile: what is there counts, not what there was.
  Bytes bytes(static_cast<size_t>(size - start), '\0');
  HELIOS_TRY_ASSIGN(const size_t length, ReadAt(fd, bytes.data(), bytes.size(), start, path_));
  bytes.resize(length);
  return bytes;
}

// What follows the last whole entry is the rest of an append that was cut short: no longer than one
// entry. More than that is damage.
Result<OperationLog::Scanned> OperationLog::Scan(int fd, uint64_t start,
                                                 const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const Bytes bytes, ReadFrom(fd, start));
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
  if (std::optional<LogCheckpoint> checkpoint = CheckpointOf(workspace)) {
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
  for (int attempt = 0;; ++attempt) {
    HELIOS_TRY_ASSIGN(const Fd fd, OpenToRead());
    Result<std::optional<Operation>> latest = LatestIn(fd.get(), workspace, nullptr);
    // A newer checkpoint is none of the log that was there before.
    if (!latest && attempt < kReplacedMax && !IsCurrent(fd.get())) continue;
    if (latest && *latest && (*latest)->is_gone) latest->reset();
    return latest;
  }
}

bool OperationLog::IsCurrent(int fd) const {
  struct stat open;
  struct stat named;
  return ::fstat(fd, &open) != 0 || ::stat(path_.c_str(), &named) != 0 ||
         (open.st_ino == named.st_ino && open.st_dev == named.st_dev);
}

// A retention may have replaced the log while this writer waited for the lock of the old one.
Result<FileLock> OperationLog::LockToAppend() const {
  for (int attempt = 0;; ++attempt) {
    HELIOS_TRY_ASSIGN(FileLock lock,
                      FileLock::Acquire(path_, FileLock::Mode::kExclusive, lock_wait_));
    if (IsCurrent(lock.fd())) return lock;
    if (attempt == kReplacedMax) {
      return Error(ErrorCode::kBusy, "busy: " + path_ + " is replaced again and again");
    }
  }
}

std::optional<uint64_t> OperationLog::Number() const {
  const Result<StoreEpoch> epoch = ReadEpoch(epoch_path_);
  return epoch && epoch->is_known ? std::optional(epoch->log) : std::nullopt;
}

std::optional<LogCheckpoint> OperationLog::CheckpointOf(const std::string& workspace) const {
  std::optional<LogCheckpoint> checkpoint = ReadCheckpoint(FolderOf(workspace), workspace);
  // In this order: a log that is opened, then what is said of it, then the number of the newest.
  if (checkpoint && checkpoint->log != Number()) checkpoint.reset();
  return checkpoint;
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

Result<void> OperationLog::CheckHolds(int fd, const std::string& workspace,
                                      const LogCheckpoint& checkpoint) const {
  HELIOS_TRY_ASSIGN(const bool holds, HoldsEntry(fd, checkpoint.entry, checkpoint.end, path_));
  if (holds) return {};
  HELIOS_TRY_ASSIGN(const uint64_t size, SizeOf(fd, path_));
  const std::string known = CheckpointPath(FolderOf(workspace));
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
  for (int attempt = 0;; ++attempt) {
    const Result<Fd> fd = OpenToRead();
    if (!fd) return {fd.error()};
    std::vector<Error> lost = CheckCheckpointsIn(fd->get());
    if (lost.empty() || attempt == kReplacedMax || IsCurrent(fd->get())) return lost;
  }
}

std::vector<Error> OperationLog::CheckCheckpointsIn(int fd) const {
  std::vector<Error> lost;
  const Result<std::vector<std::string>> workspaces = NamesIn(workspaces_);
  if (!workspaces) return {workspaces.error()};
  for (const std::string& workspace : *workspaces) {
    const std::optional<LogCheckpoint> checkpoint = CheckpointOf(workspace);
    if (!checkpoint) continue;
    Result<void> holds = CheckHolds(fd, workspace, *checkpoint);
    if (!holds) lost.push_back(std::move(holds).error());
  }
  return lost;
}

Result<void> OperationLog::CheckMayCut(int fd, uint64_t end) const {
  HELIOS_TRY_ASSIGN(const uint64_t size, SizeOf(fd, path_));
  if (size <= end) return {};
  std::vector<Error> lost = CheckCheckpointsIn(fd);
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
  HELIOS_TRY_ASSIGN(const FileLock lock, LockToAppend());
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
        moved == batch.moved.end() ? tail.HeadOf(line) : moved->second.head;
    const bool appends = line.empty() || head == operation.replaced;
    batch.appended.push_back(appends);
    if (!appends) continue;
    const size_t entry = cutter.Add(EncodeOperation(operation));
    if (!line.empty()) batch.moved[line] = {operation.StandsAt(), entry};
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
    RememberPlace(name, batch.entries[moved.entry], end);
    line.checkpoint_end = end;
  }
}

void OperationLog::RememberPlace(const std::string& line, ByteView entry, uint64_t end) const {
  const std::optional<uint64_t> number = Number();
  const Result<std::string> folder = WorkspaceFolder(line);
  if (folder && number) (void)WriteCheckpoint(*folder, entry, end, *number);
}

Result<void> OperationLog::Follow(LogTail* tail, const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const Fd fd, OpenToRead());
  return FollowIn(fd.get(), tail, visitor);
}

Result<void> OperationLog::FollowIn(int fd, LogTail* tail, const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const bool holds, HoldsEntry(fd, tail->last_entry_, tail->end_, path_));
  if (!holds) *tail = LogTail();
  HELIOS_TRY_ASSIGN(Scanned scanned, Scan(fd, tail->end_, [&](const Operation& operation) {
                      if (visitor) visitor(operation);
                      if (operation.workspace.empty()) return;
                      tail->lines_[operation.workspace].head = operation.StandsAt();
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
    if (latest) tail.lines_[operation.workspace].head = latest->StandsAt();
  }
  return tail;
}

Result<void> OperationLog::ForEach(const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const Fd fd, OpenToRead());
  HELIOS_TRY(Scan(fd.get(), 0, visitor));
  return {};
}

Result<std::string> OperationLog::WorkspaceFolder(const std::string& workspace) const {
  const std::string folder = FolderOf(workspace);
  HELIOS_TRY(MakeFolder(folder));
  return folder;
}

}  // namespace helios

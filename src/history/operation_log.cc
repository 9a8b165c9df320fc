#include "history/operation_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/codec.h"
#include "base/hex.h"
#include "object/hash.h"

namespace helios {
namespace {

// entry := u32 length, u64 check of the payload, payload, u32 length
constexpr size_t kEntryOverhead = 4 + 8 + 4;
constexpr size_t kOperationBytesMax = 16 << 10;
constexpr size_t kWorkspaceBytesMax = 64;
constexpr size_t kHoleBytesMin = 32;
constexpr size_t kPathBytesMax = 8 << 10;
constexpr size_t kLogBytesMax = size_t{4} << 30;
constexpr auto kLockWait = std::chrono::seconds(30);
constexpr char kCheckpointFile[] = "baseline";

bool IsKnown(OperationKind kind) {
  return kind >= OperationKind::kCommit && kind <= OperationKind::kLazyRestore;
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
  encoder.Raw(operation.attributes.digest);
  encoder.Varint(operation.device);
  encoder.Varint(operation.inode);
  encoder.String(ByteView(operation.path).substr(0, kPathBytesMax));
  return bytes;
}

std::optional<Operation> DecodeOperation(ByteView bytes) {
  Decoder decoder(bytes);
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
  operation.attributes = {decoder.RawDigest()};
  operation.device = decoder.Varint();
  operation.inode = decoder.Varint();
  operation.path = decoder.String(kPathBytesMax);
  if (!decoder.AtEnd() || nanoseconds > 999'999'999 || has_replaced > 1) return std::nullopt;
  return operation;
}

Bytes EncodeEntry(const Operation& operation) {
  const Bytes payload = EncodeOperation(operation);
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
  // Blocks that never reached the disk read as zeros: no operation holds so many in a row.
  const bool has_hole = rest.find(Bytes(kHoleBytesMin, '\0')) != rest.npos;
  return length > 0 && !has_hole && rest.size() == kEntryOverhead + length &&
         LoadLittleEndian<uint32_t>(rest.data() + rest.size() - sizeof(uint32_t)) == length;
}

Result<Bytes> ReadFrom(int fd, uint64_t start, const std::string& path) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  if (size < 0) return Error::FromErrno(errno, "read", path);
  if (static_cast<uint64_t>(size) > kLogBytesMax) {
    return Error(ErrorCode::kCorrupt, path + " is larger than it can be");
  }
  if (static_cast<uint64_t>(size) <= start) return Bytes();
  // A writer may cut a torn tail off meanwhile: what is there counts, not what there was.
  Bytes bytes(static_cast<size_t>(size) - static_cast<size_t>(start), '\0');
  HELIOS_TRY_ASSIGN(const size_t length, ReadAt(fd, bytes.data(), bytes.size(), start, path));
  bytes.resize(length);
  return bytes;
}

}  // namespace

std::string WorkspaceKey(std::string_view real_path) {
  return HashBlob(real_path).digest.ToHex().substr(0, 32);
}

// What follows the last whole entry is the rest of an append that was cut short: no longer than one
// entry. More than that is damage.
Result<OperationLog::Scanned> OperationLog::Scan(int fd, uint64_t start,
                                                 const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const Bytes bytes, ReadFrom(fd, start, path_));
  ByteView rest = bytes;
  while (!rest.empty()) {
    const std::optional<ByteView> payload = TakeEntry(&rest);
    if (!payload) break;
    const std::optional<Operation> operation = DecodeOperation(*payload);
    if (!operation) {
      return Error(ErrorCode::kUnsupported,
                   path_ + " holds an operation that this build does not know");
    }
    visitor(*operation);
  }
  const uint64_t end = start + (bytes.size() - rest.size());
  bool damaged = rest.size() > kOperationBytesMax + kEntryOverhead || HasWholeLength(rest);
  // A whole entry further on shows that this is not the end of the log.
  for (size_t skip = 1; !damaged && skip < rest.size(); ++skip) {
    ByteView later = rest.substr(skip);
    damaged = TakeEntry(&later).has_value();
  }
  if (damaged) {
    return Error(ErrorCode::kCorrupt,
                 "operation log " + path_ + " is damaged at offset " + std::to_string(end));
  }
  return Scanned{end, start + bytes.size()};
}

Result<std::optional<Operation>> OperationLog::LatestIn(int fd, const std::string& workspace,
                                                        uint64_t* end) const {
  std::optional<Operation> latest;
  uint64_t start = 0;
  // checkpoint := u64 end of the entry in the log, entry
  const Result<std::optional<Bytes>> checkpoint = ReadFileIfExists(
      workspaces_ + "/" + workspace + "/" + kCheckpointFile, 2 * kOperationBytesMax);
  if (checkpoint && *checkpoint && (*checkpoint)->size() > sizeof(uint64_t)) {
    const auto checkpoint_end = LoadLittleEndian<uint64_t>((*checkpoint)->data());
    const ByteView entry = ByteView(**checkpoint).substr(sizeof(uint64_t));
    // Believed only if the log holds that very entry just there.
    Bytes in_log(entry.size(), '\0');
    ByteView rest = in_log;
    const bool is_there =
        checkpoint_end >= entry.size() &&
        ReadExactlyAt(fd, in_log.data(), in_log.size(), checkpoint_end - entry.size(), path_) &&
        in_log == entry;
    const std::optional<ByteView> payload = is_there ? TakeEntry(&rest) : std::nullopt;
    if (payload && rest.empty()) latest = DecodeOperation(*payload);
    if (latest && latest->workspace != workspace) latest.reset();
    if (latest) start = checkpoint_end;
  }
  HELIOS_TRY_ASSIGN(const Scanned scanned, Scan(fd, start, [&](const Operation& operation) {
                      if (operation.workspace == workspace) latest = operation;
                    }));
  if (end != nullptr) *end = scanned.end;
  return latest;
}

Result<std::optional<Operation>> OperationLog::Latest(const std::string& workspace) const {
  Result<Fd> fd = OpenAt(AT_FDCWD, path_, O_RDONLY | O_NOFOLLOW);
  if (!fd) return std::move(fd).error();
  return LatestIn(fd->get(), workspace, nullptr);
}

Result<bool> OperationLog::Append(const Operation& operation) const {
  // What no reader would take must not get into the log: it could not be read past.
  if (operation.workspace.size() > kWorkspaceBytesMax || operation.time.nanoseconds > 999'999'999) {
    return Error(ErrorCode::kInvalidArgument,
                 "not an operation: the workspace key \"" + operation.workspace +
                     "\" or the time is longer than " + path_ + " can hold");
  }
  HELIOS_TRY_ASSIGN(FileLock lock, FileLock::Acquire(path_, FileLock::Mode::kExclusive, kLockWait));
  uint64_t end = 0;
  HELIOS_TRY_ASSIGN(const std::optional<Operation> latest,
                    LatestIn(lock.fd(), operation.workspace, &end));
  const std::optional<RecordId> stands_at =
      latest ? std::optional<RecordId>(latest->record) : std::nullopt;
  if (stands_at != operation.replaced) return false;
  // Cuts off what a writer that died left of its entry; nobody was told that it was there.
  if (::ftruncate(lock.fd(), static_cast<off_t>(end)) != 0) {
    return Error::FromErrno(errno, "append to", path_);
  }
  const Bytes entry = EncodeEntry(operation);
  HELIOS_TRY(WriteAllAt(lock.fd(), entry, end, path_));
  if (::fdatasync(lock.fd()) != 0) return Error::FromErrno(errno, "sync", path_);
  WriteCheckpoint(operation, end + entry.size());
  return true;
}

// Only a shortcut: without it, Latest reads the log from its start.
void OperationLog::WriteCheckpoint(const Operation& operation, uint64_t end) const {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(end);
  encoder.Raw(EncodeEntry(operation));
  const Result<std::string> folder = WorkspaceFolder(operation.workspace);
  if (folder) (void)ReplaceFile(*folder, kCheckpointFile, bytes, Durability::kCache);
}

Result<void> OperationLog::ForEach(const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const Fd fd, OpenAt(AT_FDCWD, path_, O_RDONLY | O_NOFOLLOW));
  HELIOS_TRY(Scan(fd.get(), 0, visitor));
  return {};
}

Result<std::string> OperationLog::WorkspaceFolder(const std::string& workspace) const {
  const std::string folder = workspaces_ + "/" + workspace;
  HELIOS_TRY(MakeFolder(folder));
  return folder;
}

}  // namespace helios

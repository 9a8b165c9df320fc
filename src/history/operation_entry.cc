#include "history/operation_entry.h"

#include <algorithm>

#include "base/codec.h"
#include "object/hash.h"

namespace helios {
namespace {

constexpr size_t kWorkspaceBytesMax = 64;
// What a disk writes as a whole, or not at all.
constexpr size_t kBlockBytes = 512;
// No operation holds so many zeros in a row: absent attributes, device, inode and path are 35.
constexpr size_t kHoleBytesMin = 40;
constexpr size_t kPathBytesMax = 8 << 10;

bool IsKnown(OperationKind kind) {
  return kind >= OperationKind::kCommit && kind <= OperationKind::kBranchCommit;
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
    return length <= rest.size() - kHeadBytes && length <= kEntryPayloadBytesMax &&
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

}  // namespace

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

std::optional<Operation> LastOf(ByteView payload, const std::string& line) {
  std::optional<Operation> last;
  std::optional<std::vector<Operation>> operations = DecodePayload(payload);
  if (!operations) return last;
  for (Operation& operation : *operations) {
    if (operation.workspace == line) last = std::move(operation);
  }
  return last;
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

Bytes EncodeEntry(ByteView payload) {
  Bytes entry;
  Encoder encoder(&entry);
  encoder.Fixed(static_cast<uint32_t>(payload.size()));
  encoder.Fixed(Checksum64(payload));
  encoder.Raw(payload);
  encoder.Fixed(static_cast<uint32_t>(payload.size()));
  return entry;
}

std::optional<ByteView> TakeEntry(ByteView* rest) {
  Decoder decoder(*rest);
  const auto length = decoder.Fixed<uint32_t>();
  const auto check = decoder.Fixed<uint64_t>();
  if (!decoder.ok() || length > kEntryPayloadBytesMax) return std::nullopt;
  const ByteView payload = decoder.Raw(length);
  const auto length_again = decoder.Fixed<uint32_t>();
  if (!decoder.ok() || length_again != length || Checksum64(payload) != check) {
    return std::nullopt;
  }
  rest->remove_prefix(kEntryOverhead + length);
  return payload;
}

bool IsDamage(ByteView rest, uint64_t offset) {
  if (rest.size() > kEntryPayloadBytesMax + kEntryOverhead || HasWholeLength(rest)) return true;
  const std::optional<Bytes> entry = EntryButForALength(rest);
  if (entry && !IsTornAppend(rest, *entry, offset)) return true;
  // A whole entry further on shows that this is not the end of the log.
  for (size_t skip = 1; skip < rest.size(); ++skip) {
    ByteView later = rest.substr(skip);
    if (TakeEntry(&later)) return true;
  }
  return false;
}

size_t PayloadCutter::Add(ByteView operation) {
  if (payload_.size() + operation.size() > kEntryPayloadBytesMax) Cut();
  payload_.append(operation);
  return entries_.size();
}

std::vector<Bytes> PayloadCutter::Finish() {
  Cut();
  return std::move(entries_);
}

void PayloadCutter::Cut() {
  if (!payload_.empty()) entries_.push_back(EncodeEntry(payload_));
  payload_.clear();
}

}  // namespace helios

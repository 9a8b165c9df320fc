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
constexpr size_t kRefBytesMax = 255;
constexpr size_t kCommandArgumentsMax = 256;
constexpr size_t kCommandBytesMax = 4 << 10;
constexpr std::string_view kCutOff = "…";

// Beside the kind: what only some operations have follows. Programs that do not know it refuse it.
constexpr uint8_t kIsExtended = 0x80;
// Which of it.
enum Extension : uint64_t {
  kHasSource = 1 << 0,
  kHasSafety = 1 << 1,
  kHasAbout = 1 << 2,
  kHasRef = 1 << 3,
  kHasUndone = 1 << 4,
  kHasCommand = 1 << 5,
  kIsGone = 1 << 6,
  kIsLazy = 1 << 7,
  kWasLazy = 1 << 8,
};
constexpr uint64_t kExtensions = (1 << 9) - 1;

bool IsKnown(OperationKind kind) {
  return kind >= OperationKind::kCommit && kind <= OperationKind::kTag;
}

uint64_t ExtensionsOf(const Operation& operation) {
  uint64_t flags = 0;
  if (operation.source) flags |= kHasSource;
  if (operation.safety) flags |= kHasSafety;
  if (!operation.about.empty()) flags |= kHasAbout;
  if (!operation.ref.empty()) flags |= kHasRef;
  if (operation.undone) flags |= kHasUndone;
  if (!operation.command.empty()) flags |= kHasCommand;
  if (operation.is_gone) flags |= kIsGone;
  if (operation.is_lazy) flags |= kIsLazy;
  if (operation.was_lazy) flags |= kWasLazy;
  return flags;
}

void EncodeExtensions(const Operation& operation, uint64_t flags, Encoder& encoder) {
  encoder.Varint(flags);
  if (operation.source) encoder.Raw(operation.source->digest);
  if (operation.safety) encoder.Raw(operation.safety->digest);
  if (!operation.about.empty()) encoder.String(operation.about);
  if (!operation.ref.empty()) encoder.String(operation.ref);
  if (operation.undone) encoder.Fixed(*operation.undone);
  if (operation.command.empty()) return;
  encoder.Varint(operation.command.size());
  for (const std::string& argument : operation.command) encoder.String(argument);
}

// False if they are not ones that EncodeExtensions makes.
bool DecodeExtensions(Decoder& decoder, Operation* operation) {
  const uint64_t flags = decoder.Varint();
  if (flags == 0 || (flags & ~kExtensions) != 0) return false;
  if ((flags & kHasSource) != 0) operation->source = RecordId{decoder.RawDigest()};
  if ((flags & kHasSafety) != 0) operation->safety = RecordId{decoder.RawDigest()};
  if ((flags & kHasAbout) != 0) operation->about = decoder.String(kWorkspaceBytesMax);
  if ((flags & kHasRef) != 0) operation->ref = decoder.String(kRefBytesMax);
  if ((flags & kHasUndone) != 0) operation->undone = decoder.Fixed<uint64_t>();
  uint64_t arguments = 0;
  if ((flags & kHasCommand) != 0) arguments = decoder.Varint();
  if (arguments > kCommandArgumentsMax) return false;
  for (uint64_t i = 0; i < arguments && decoder.ok(); ++i) {
    operation->command.emplace_back(decoder.String(kCommandBytesMax));
  }
  operation->is_gone = (flags & kIsGone) != 0;
  operation->is_lazy = (flags & kIsLazy) != 0;
  operation->was_lazy = (flags & kWasLazy) != 0;
  return decoder.ok() && ExtensionsOf(*operation) == flags;
}

// The next operation of a payload.
std::optional<Operation> DecodeOperation(Decoder& decoder) {
  Operation operation;
  const auto kind = decoder.Fixed<uint8_t>();
  operation.kind = static_cast<OperationKind>(kind & ~kIsExtended);
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
  if ((kind & kIsExtended) != 0 && !DecodeExtensions(decoder, &operation)) return std::nullopt;
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

std::vector<RecordId> Operation::Records() const {
  std::vector<RecordId> records{record};
  if (source) records.push_back(*source);
  if (safety) records.push_back(*safety);
  return records;
}

uint64_t IdOf(const Operation& operation) { return Checksum64(EncodeOperation(operation)); }

std::string FormatOperationId(uint64_t id) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text.push_back(kDigits[(id >> shift) & 0xf]);
  return text;
}

std::vector<std::string> BoundedCommand(const std::vector<std::string>& command) {
  std::vector<std::string> bounded;
  size_t bytes = 0;
  for (const std::string& argument : command) {
    bytes += argument.size();
    if (bytes <= kCommandBytesMax && bounded.size() < kCommandArgumentsMax) {
      bounded.push_back(argument);
      continue;
    }
    const size_t room = kCommandBytesMax - kCutOff.size();
    bytes -= argument.size();
    while (!bounded.empty() && (bytes > room || bounded.size() == kCommandArgumentsMax)) {
      bytes -= bounded.back().size();
      bounded.pop_back();
    }
    bounded.emplace_back(kCutOff);
    return bounded;
  }
  return bounded;
}

Bytes EncodeOperation(const Operation& operation) {
  Bytes bytes;
  Encoder encoder(&bytes);
  const uint64_t extensions = ExtensionsOf(operation);
  const auto kind = static_cast<uint8_t>(operation.kind);
  encoder.Fixed(static_cast<uint8_t>(extensions == 0 ? kind : kind | kIsExtended));
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
  if (extensions != 0) EncodeExtensions(operation, extensions, encoder);
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
      operation.about.size() <= kWorkspaceBytesMax && operation.ref.size() <= kRefBytesMax &&
      operation.time.nanoseconds <= 999'999'999 &&
      operation.command == BoundedCommand(operation.command)) {
    return {};
  }
  return Error(ErrorCode::kInvalidArgument,
               "not an operation: the workspace key \"" + operation.workspace +
                   "\", the time or another part is longer than " + path + " can hold");
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

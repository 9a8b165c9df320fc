#include "history/log_checkpoint.h"

#include "base/codec.h"
#include "base/durable_file.h"
#include "object/hash.h"

namespace helios {
namespace {

constexpr char kCheckpointFile[] = "baseline";

}  // namespace

std::string CheckpointPath(const std::string& folder) { return folder + "/" + kCheckpointFile; }

// checkpoint := u64 end of the entry in the log, entry, u64 check of both
std::optional<LogCheckpoint> ReadCheckpoint(const std::string& folder, const std::string& line) {
  const Result<std::optional<Bytes>> bytes =
      ReadFileIfExists(CheckpointPath(folder), 2 * kEntryPayloadBytesMax);
  if (!bytes || !*bytes || (*bytes)->size() < 2 * sizeof(uint64_t)) return std::nullopt;
  const ByteView checked = ByteView(**bytes).substr(0, (*bytes)->size() - sizeof(uint64_t));
  if (LoadLittleEndian<uint64_t>(checked.data() + checked.size()) != Checksum64(checked)) {
    return std::nullopt;
  }
  LogCheckpoint checkpoint;
  checkpoint.end = LoadLittleEndian<uint64_t>(checked.data());
  checkpoint.entry = checked.substr(sizeof(uint64_t));
  ByteView rest = checkpoint.entry;
  const std::optional<ByteView> payload = TakeEntry(&rest);
  if (!payload || !rest.empty()) return std::nullopt;
  std::optional<Operation> operation = LastOf(*payload, line);
  if (!operation) return std::nullopt;
  checkpoint.operation = *std::move(operation);
  return checkpoint;
}

Result<void> WriteCheckpoint(const std::string& folder, ByteView entry, uint64_t end) {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(end);
  encoder.Raw(entry);
  encoder.Fixed(Checksum64(bytes));
  return ReplaceFile(folder, kCheckpointFile, bytes, Durability::kCache);
}

}  // namespace helios

#include "history/restore_intent.h"

#include <unistd.h>

#include <cerrno>

#include "base/durable_file.h"

namespace helios {
namespace {

constexpr char kIntentFile[] = "restoring";
constexpr std::string_view kIdPrefix = "blake3:";
constexpr size_t kIntentBytesMax = kEntryOverhead + kEntryPayloadBytesMax;

// As earlier versions wrote it.
std::optional<RecordId> DecodeTarget(std::string_view text) {
  if (!text.starts_with(kIdPrefix) || !text.ends_with('\n')) return std::nullopt;
  const std::optional<Digest> digest =
      Digest::FromHex(text.substr(kIdPrefix.size(), text.size() - kIdPrefix.size() - 1));
  return digest ? std::optional(RecordId{*digest}) : std::nullopt;
}

}  // namespace

Result<std::optional<RestoreIntent>> ReadRestoreIntent(const std::string& workspace_folder) {
  const std::optional<RestoreIntent> none;
  const Result<std::optional<Bytes>> bytes =
      ReadFileIfExists(workspace_folder + "/" + kIntentFile, kIntentBytesMax);
  if (!bytes && bytes.error().code() != ErrorCode::kCorrupt) return bytes.error();
  if (!bytes || !*bytes) return none;
  if (const std::optional<RecordId> target = DecodeTarget(**bytes)) {
    return std::optional(RestoreIntent{*target, std::nullopt});
  }
  ByteView rest = **bytes;
  const std::optional<ByteView> payload = TakeEntry(&rest);
  if (!payload || !rest.empty()) return none;
  std::optional<std::vector<Operation>> operations = DecodePayload(*payload);
  if (!operations || operations->size() != 1 || !operations->front().safety) return none;
  return std::optional(RestoreIntent{operations->front().Source(), std::move(operations->front())});
}

Result<void> WriteRestoreIntent(const std::string& workspace_folder, const Operation& operation) {
  return ReplaceFile(workspace_folder, kIntentFile, EncodeEntry(EncodeOperation(operation)),
                     Durability::kDurable);
}

Result<void> RemoveRestoreIntent(const std::string& workspace_folder) {
  const std::string path = workspace_folder + "/" + kIntentFile;
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return Error::FromErrno(errno, "remove", path);
}

}  // namespace helios

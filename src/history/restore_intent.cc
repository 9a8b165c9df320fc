#include "history/restore_intent.h"

#include <unistd.h>

#include <cerrno>

#include "base/durable_file.h"

namespace helios {
namespace {

constexpr char kIntentFile[] = "restoring";
constexpr std::string_view kIdPrefix = "blake3:";
constexpr size_t kIntentBytesMax = 256;

}  // namespace

std::optional<RecordId> ReadRestoreIntent(const std::string& workspace_folder) {
  const Result<std::optional<Bytes>> text =
      ReadFileIfExists(workspace_folder + "/" + kIntentFile, kIntentBytesMax);
  if (!text || !*text || !(*text)->starts_with(kIdPrefix) || !(*text)->ends_with('\n')) {
    return std::nullopt;
  }
  const std::string_view line = **text;
  const std::optional<Digest> digest =
      Digest::FromHex(line.substr(kIdPrefix.size(), line.size() - kIdPrefix.size() - 1));
  return digest ? std::optional(RecordId{*digest}) : std::nullopt;
}

Result<void> WriteRestoreIntent(const std::string& workspace_folder, const RecordId& record) {
  return ReplaceFile(workspace_folder, kIntentFile, FormatId(record) + "\n", Durability::kCache);
}

Result<void> RemoveRestoreIntent(const std::string& workspace_folder) {
  const std::string path = workspace_folder + "/" + kIntentFile;
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return Error::FromErrno(errno, "remove", path);
}

}  // namespace helios

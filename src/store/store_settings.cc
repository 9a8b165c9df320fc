#include "store/store_settings.h"

#include <cstdio>
#include <optional>

#include "base/durable_file.h"
#include "base/text_lines.h"
#include "object/hash.h"

namespace helios {
namespace {

constexpr size_t kSettingsBytesMax = 4096;
constexpr std::string_view kFirstLine = "helios settings\n";
constexpr std::string_view kVersion = "1";

// The line that checks what stands before it.
std::string CheckLine(std::string_view text) {
  char line[32];
  std::snprintf(line, sizeof(line), "check: %016llx\n",
                static_cast<unsigned long long>(Checksum64(text)));
  return line;
}

bool IsWhole(std::string_view text) {
  const size_t line_bytes = CheckLine("").size();
  if (!text.starts_with(kFirstLine) || text.size() < kFirstLine.size() + line_bytes) return false;
  const std::string_view checked = text.substr(0, text.size() - line_bytes);
  return checked.ends_with('\n') && text.substr(checked.size()) == CheckLine(checked);
}

Error Unknown(const std::string& path, std::string_view what, std::string_view value) {
  return Error(ErrorCode::kUnsupported, path + " has the " + std::string(what) + " \"" +
                                            std::string(value) +
                                            "\", which this build does not know");
}

}  // namespace

Result<StoreSettings> ReadSettings(const std::string& root) {
  const std::string path = root + "/" + kSettingsFile;
  HELIOS_TRY_ASSIGN(const std::optional<Bytes> text, ReadFileIfExists(path, kSettingsBytesMax));
  StoreSettings settings;
  if (!text) return settings;
  const std::optional<std::string_view> version = LineValue(*text, "version: ");
  if (!IsWhole(*text) || !version) return Error(ErrorCode::kCorrupt, path + " is damaged");
  if (*version != kVersion) return Unknown(path, "version", *version);
  if (const auto name = LineValue(*text, "compression: ")) {
    const std::optional<Compression> compression = CompressionFromName(*name);
    if (!compression) return Unknown(path, "compression", *name);
    settings.compression = *compression;
  }
  return settings;
}

Result<void> WriteSettings(const std::string& root, const StoreSettings& settings) {
  std::string text(kFirstLine);
  text.append("version: ").append(kVersion).append("\n");
  text.append("compression: ").append(CompressionName(settings.compression)).append("\n");
  text += CheckLine(text);
  return ReplaceFile(root, kSettingsFile, text, Durability::kDurable);
}

}  // namespace helios

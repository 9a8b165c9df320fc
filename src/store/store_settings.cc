#include "store/store_settings.h"

#include <charconv>
#include <cstdio>
#include <optional>
#include <vector>

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

// The settings that are numbers, each with its name in the file.
struct NumberSetting {
  std::string_view name;
  std::optional<uint64_t>* value;
};
std::vector<NumberSetting> NumbersOf(StoreSettings* settings) {
  RetentionRules& keep = settings->keep;
  return {{"max-size: ", &settings->max_size},     {"keep-last: ", &keep.last},
          {"keep-within: ", &keep.within_seconds}, {"keep-hourly: ", &keep.hourly},
          {"keep-daily: ", &keep.daily},           {"keep-weekly: ", &keep.weekly}};
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && parsed == end ? std::optional(value) : std::nullopt;
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
  for (const NumberSetting& setting : NumbersOf(&settings)) {
    const auto text_value = LineValue(*text, setting.name);
    if (!text_value) continue;
    *setting.value = ParseNumber(*text_value);
    if (!*setting.value) {
      return Unknown(path, setting.name.substr(0, setting.name.size() - 2), *text_value);
    }
  }
  return settings;
}

Result<void> WriteSettings(const std::string& root, const StoreSettings& given) {
  StoreSettings settings = given;
  std::string text(kFirstLine);
  text.append("version: ").append(kVersion).append("\n");
  text.append("compression: ").append(CompressionName(settings.compression)).append("\n");
  for (const NumberSetting& setting : NumbersOf(&settings)) {
    if (!*setting.value) continue;
    text.append(setting.name).append(std::to_string(**setting.value)).append("\n");
  }
  text += CheckLine(text);
  return ReplaceFile(root, kSettingsFile, text, Durability::kDurable);
}

}  // namespace helios

// Small files of lines "key: value".
#ifndef HELIOS_BASE_TEXT_LINES_H_
#define HELIOS_BASE_TEXT_LINES_H_

#include <algorithm>
#include <optional>
#include <string_view>

namespace helios {

// The rest of the first line that begins with `key`; nullopt if there is none.
inline std::optional<std::string_view> LineValue(std::string_view text, std::string_view key) {
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    const std::string_view line = text.substr(start, end - start);
    if (line.starts_with(key)) return line.substr(key.size());
    start = end + 1;
  }
  return std::nullopt;
}

}  // namespace helios

#endif  // HELIOS_BASE_TEXT_LINES_H_

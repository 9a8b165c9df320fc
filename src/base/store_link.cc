#include "helios/store_link.h"

namespace helios {

std::optional<std::string> ParseStoreLink(std::string_view text) {
  constexpr std::string_view kKey = "store:";
  if (!text.starts_with(kKey)) return std::nullopt;
  std::string_view path = text.substr(kKey.size(), text.find('\n') - kKey.size());
  while (path.starts_with(' ') || path.starts_with('\t')) path.remove_prefix(1);
  while (path.ends_with(' ') || path.ends_with('\r')) path.remove_suffix(1);
  return std::string(path);
}

}  // namespace helios

// The text file that leads to a store: `.helios` may be one, as `.git` may be.
#ifndef HELIOS_STORE_LINK_H_
#define HELIOS_STORE_LINK_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace helios {

inline constexpr size_t kStoreLinkBytesMax = 8192;

// The PATH of a text that begins with "store: PATH", without the blanks around it; it may be empty.
// nullopt if the text is no such file's.
std::optional<std::string> ParseStoreLink(std::string_view text);

}  // namespace helios

#endif  // HELIOS_STORE_LINK_H_

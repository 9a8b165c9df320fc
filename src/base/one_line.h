// Names inside of messages.
#ifndef HELIOS_BASE_ONE_LINE_H_
#define HELIOS_BASE_ONE_LINE_H_

#include <string>
#include <string_view>

namespace helios {

// The text with each line end as the four characters `\x0a`. In a message a line end begins the
// next item of a list: a name that holds one must not make items of its own.
std::string OnOneLine(std::string_view text);

}  // namespace helios

#endif  // HELIOS_BASE_ONE_LINE_H_

// Hexadecimal text.
#ifndef HELIOS_BASE_HEX_H_
#define HELIOS_BASE_HEX_H_

#include <optional>

#include "helios/ids.h"

namespace helios {

// Two lower-case digits per byte.
std::string HexEncode(ByteView bytes);
// The inverse; upper case is accepted. nullopt for an odd length or a character that is no digit.
std::optional<Bytes> HexDecode(std::string_view hex);
// The value of one hexadecimal digit, -1 for any other character.
int HexDigitValue(char digit);
// True if every character is a digit: of nothing as well.
bool IsHex(std::string_view text);

}  // namespace helios

#endif  // HELIOS_BASE_HEX_H_

#include "base/one_line.h"

namespace helios {

std::string OnOneLine(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char byte : text) {
    if (byte == '\n') {
      line.append("\\x0a");
    } else {
      line.push_back(byte);
    }
  }
  return line;
}

}  // namespace helios

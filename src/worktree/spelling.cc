#include "worktree/spelling.h"

#include <algorithm>

#include "base/durable_file.h"
#include "worktree/file_status.h"

namespace helios {
namespace {

bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Whether the folder lists just this name. True where it cannot be listed: what cannot be found out
// is not held against a file system.
bool Lists(int folder, const std::string& name) {
  const Result<std::vector<std::string>> names = NamesIn(folder, ".");
  return !names || std::find(names->begin(), names->end(), name) != names->end();
}

}  // namespace

bool IsSpelledSo(int folder, const std::string& name) {
  const bool is_ascii =
      std::all_of(name.begin(), name.end(), [](char c) { return static_cast<signed char>(c) > 0; });
  if (is_ascii) {
    // With the case of a letter changed, is it still the same file? Hardly ever: no listing is
    // needed then.
    std::string other = name;
    const auto letter = std::find_if(other.begin(), other.end(), IsAsciiLetter);
    if (letter == other.end()) return true;
    *letter = static_cast<char>(*letter ^ ('a' ^ 'A'));
    const StatusOrErrno with_other = StatusAt(folder, other.c_str());
    if (with_other.os_error != 0) return true;
    const StatusOrErrno with_own = StatusAt(folder, name.c_str());
    if (with_own.os_error != 0 || with_own.status.device != with_other.status.device ||
        with_own.status.inode != with_other.status.inode) {
      return true;
    }
  }
  return Lists(folder, name);
}

}  // namespace helios

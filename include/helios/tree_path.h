// A path inside a tree that cannot lead out of it.
#ifndef HELIOS_TREE_PATH_H_
#define HELIOS_TREE_PATH_H_

#include <compare>
#include <string>
#include <string_view>

#include "helios/result.h"

namespace helios {

// The longest name that a tree entry may have, in bytes.
inline constexpr size_t kNameBytesMax = 255;

// True if `name` can be one component of a path: 1 to 255 bytes, neither "." nor "..", without '/'
// and NUL. Names are bytes; UTF-8 is not asked for.
bool IsValidName(std::string_view name);

// Components joined by '/', each a valid name; the root is the empty path. A value: no TreePath is
// ever absolute or holds "..", ".", an empty component or NUL.
class TreePath {
 public:
  TreePath() = default;  // the root

  // Errors: kInvalidArgument. "" and "." give the root; a trailing '/' is dropped.
  static Result<TreePath> Parse(std::string_view text);

  // This path with one more component; `name` must be valid (checked: a bug otherwise).
  TreePath Child(std::string_view name) const;

  bool IsRoot() const { return text_.empty(); }
  const std::string& text() const { return text_; }
  friend auto operator<=>(const TreePath&, const TreePath&) = default;

 private:
  std::string text_;
};

}  // namespace helios

#endif  // HELIOS_TREE_PATH_H_

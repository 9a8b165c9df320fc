#include "helios/tree_path.h"

#include "base/check.h"

namespace helios {

bool IsValidName(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || name == "." || name == "..") return false;
  return name.find('/') == name.npos && name.find('\0') == name.npos;
}

Result<TreePath> TreePath::Parse(std::string_view text) {
  TreePath path;
  if (text == ".") text = "";
  if (text.size() > 1 && text.ends_with('/') && !text.ends_with("//")) text.remove_suffix(1);
  while (!text.empty()) {
    const size_t slash = text.find('/');
    const std::string_view name = text.substr(0, slash);
    if (!IsValidName(name)) {
      return Error(ErrorCode::kInvalidArgument,
                   "not a path inside a tree: component \"" + std::string(name) + "\"");
    }
    path = path.Child(name);
    text.remove_prefix(slash == text.npos ? text.size() : slash + 1);
    if (slash != text.npos && text.empty()) {
      return Error(ErrorCode::kInvalidArgument, "not a path inside a tree: an empty component");
    }
  }
  return path;
}

TreePath TreePath::Child(std::string_view name) const {
  HELIOS_CHECK(IsValidName(name));
  TreePath child(*this);
  if (!child.text_.empty()) child.text_.push_back('/');
  child.text_.append(name);
  return child;
}

}  // namespace helios

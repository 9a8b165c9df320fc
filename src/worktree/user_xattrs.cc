#include "worktree/user_xattrs.h"

#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace helios {
namespace {

constexpr std::string_view kPrefix = "user.";
// The kernel's XATTR_LIST_MAX: all names of a file, with their NULs.
constexpr size_t kNamesBytesMax = size_t{64} << 10;

std::string FullName(const Xattr& xattr) { return std::string(kPrefix) + xattr.name; }

const Xattr* Find(const XattrList& list, std::string_view name) {
  const auto found =
      std::lower_bound(list.begin(), list.end(), name,
                       [](const Xattr& a, std::string_view b) { return a.name < b; });
  return found != list.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

XattrsOrErrno ReadUserXattrs(int fd) {
  XattrsOrErrno result;
  // Nearly every file has none: then nothing is allocated.
  char few[1024];
  std::unique_ptr<char[]> many;
  const char* names = few;
  ssize_t names_bytes = ::flistxattr(fd, few, sizeof(few));
  if (names_bytes < 0 && errno == ERANGE) {
    many.reset(new char[kNamesBytesMax]);
    names = many.get();
    names_bytes = ::flistxattr(fd, many.get(), kNamesBytesMax);
  }
  if (names_bytes < 0) return {{}, errno == ENOSYS ? ENOTSUP : errno};
  std::string value;
  for (const char* name = names; name < names + names_bytes;) {
    const std::string_view full = name;
    name += full.size() + 1;
    if (!full.starts_with(kPrefix) || full.size() == kPrefix.size()) continue;
    value.resize(kXattrValueBytesMax);
    const ssize_t n = ::fgetxattr(fd, full.data(), value.data(), value.size());
    if (n < 0 && errno == ENODATA) continue;  // removed meanwhile
    if (n < 0) return {{}, errno};
    result.list.push_back(
        {std::string(full.substr(kPrefix.size())), value.substr(0, static_cast<size_t>(n))});
  }
  std::sort(result.list.begin(), result.list.end(),
            [](const Xattr& a, const Xattr& b) { return a.name < b.name; });
  return result;
}

int SetUserXattrs(int fd, const XattrList& list) {
  int os_error = 0;
  for (const Xattr& xattr : list) {
    const int failed =
        ::fsetxattr(fd, FullName(xattr).c_str(), xattr.value.data(), xattr.value.size(), 0);
    if (failed != 0 && os_error == 0) os_error = errno;
  }
  return os_error;
}

int RemoveOtherUserXattrs(int fd, const XattrList& present, const XattrList& wanted) {
  int os_error = 0;
  for (const Xattr& xattr : present) {
    if (Find(wanted, xattr.name) != nullptr) continue;
    if (::fremovexattr(fd, FullName(xattr).c_str()) != 0 && errno != ENODATA && os_error == 0) {
      os_error = errno;
    }
  }
  return os_error;
}

}  // namespace helios

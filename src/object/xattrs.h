// Lists of user extended attributes ("user.*"), and their encoding. docs/format.md, "Attributes",
// is normative.
#ifndef HELIOS_OBJECT_XATTRS_H_
#define HELIOS_OBJECT_XATTRS_H_

#include <string>
#include <vector>

#include "helios/ids.h"
#include "helios/result.h"

namespace helios {

// What Linux allows: a name has at most 255 bytes with its "user.".
inline constexpr size_t kXattrNameBytesMax = 250;
inline constexpr size_t kXattrValueBytesMax = size_t{64} << 10;
// Of one file or folder, encoded.
inline constexpr size_t kXattrListBytesMax = size_t{1} << 20;

struct Xattr {
  std::string name;  // without "user.": no list can hold any other; not empty, without NUL
  Bytes value;
  friend bool operator==(const Xattr&, const Xattr&) = default;
};

// Strictly ascending by name.
using XattrList = std::vector<Xattr>;

// "" for no attributes. The list is within the bounds above but for its length, which is the
// caller's to check.
Bytes EncodeXattrs(const XattrList& list);
// Errors: kCorrupt for anything but a canonical encoding of at least one attribute.
Result<XattrList> DecodeXattrs(ByteView bytes);

}  // namespace helios

#endif  // HELIOS_OBJECT_XATTRS_H_

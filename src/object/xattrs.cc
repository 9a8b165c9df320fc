#include "object/xattrs.h"

#include "base/check.h"
#include "base/codec.h"

namespace helios {
namespace {

Error Malformed(std::string_view reason) {
  return Error(ErrorCode::kCorrupt, "malformed extended attributes: " + std::string(reason));
}

bool IsXattrName(ByteView name) {
  return !name.empty() && name.size() <= kXattrNameBytesMax && name.find('\0') == name.npos;
}

}  // namespace

Bytes EncodeXattrs(const XattrList& list) {
  Bytes bytes;
  Encoder encoder(&bytes);
  const Xattr* before = nullptr;
  for (const Xattr& xattr : list) {
    HELIOS_CHECK(IsXattrName(xattr.name) && xattr.value.size() <= kXattrValueBytesMax);
    HELIOS_CHECK(before == nullptr || before->name < xattr.name);
    encoder.String(xattr.name);
    encoder.String(xattr.value);
    before = &xattr;
  }
  return bytes;
}

Result<XattrList> DecodeXattrs(ByteView bytes) {
  if (bytes.empty()) return Malformed("an empty list");
  if (bytes.size() > kXattrListBytesMax) return Malformed("too many bytes");
  XattrList list;
  Decoder decoder(bytes);
  while (decoder.remaining() > 0) {
    const ByteView name = decoder.String(kXattrNameBytesMax);
    const ByteView value = decoder.String(kXattrValueBytesMax);
    if (!decoder.ok()) return Malformed("cut short or out of range");
    if (!IsXattrName(name)) return Malformed("impossible name");
    if (!list.empty() && list.back().name >= name) return Malformed("names out of order");
    list.push_back({std::string(name), Bytes(value)});
  }
  return list;
}

}  // namespace helios

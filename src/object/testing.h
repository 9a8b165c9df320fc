// Helpers that the tests of the object formats share.
#ifndef HELIOS_OBJECT_TESTING_H_
#define HELIOS_OBJECT_TESTING_H_

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/codec.h"
#include "base/hex.h"
#include "helios/ids.h"
#include "helios/result.h"
#include "object/attributes.h"
#include "object/hash.h"
#include "object/tree.h"
#include "object/xattrs.h"

namespace helios::test {

// The bytes of hexadecimal text; spaces in it do not count.
inline Bytes FromHex(std::string_view hex) {
  std::string digits;
  std::copy_if(hex.begin(), hex.end(), std::back_inserter(digits), [](char c) { return c != ' '; });
  const std::optional<Bytes> bytes = HexDecode(digits);
  if (!bytes) ADD_FAILURE() << "not hexadecimal: " << hex;
  return bytes.value_or("");
}

inline Digest DigestFromHex(std::string_view hex) {
  const std::optional<Digest> digest = Digest::FromHex(hex);
  if (!digest) ADD_FAILURE() << "not a digest: " << hex;
  return digest.value_or(Digest());
}

// 32 times the same byte.
inline Digest Repeated(uint8_t byte) {
  Digest digest;
  digest.bytes.fill(byte);
  return digest;
}

inline Bytes Varint(uint64_t value) {
  Bytes bytes;
  Encoder(&bytes).Varint(value);
  return bytes;
}

// A varint length, then the bytes.
inline Bytes Counted(std::string_view text) { return Varint(text.size()) + Bytes(text); }

// 2^64, one more than a varint may hold, and 1 with a byte more than it needs.
inline Bytes OverlargeVarint() { return Bytes(9, '\x80') + '\x02'; }
inline Bytes OverlongVarint() { return "\x81" + Bytes(1, '\0'); }

inline TreeEntry FileEntry(std::string name, uint64_t size, const Digest& id,
                           const ManifestId& manifest = {}) {
  TreeEntry entry;
  entry.name = std::move(name);
  entry.size = size;
  entry.id = id;
  entry.manifest = manifest;
  return entry;
}
inline TreeEntry SymlinkEntry(std::string name, std::string target) {
  TreeEntry entry;
  entry.kind = EntryKind::kSymlink;
  entry.name = std::move(name);
  entry.target = std::move(target);
  return entry;
}
inline TreeEntry DirectoryEntry(std::string name, const TreeId& id, const TreeTotals& below) {
  TreeEntry entry;
  entry.kind = EntryKind::kDirectory;
  entry.name = std::move(name);
  entry.id = id.digest;
  entry.below = below;
  return entry;
}

template <typename T>
void ExpectCorrupt(const Result<T>& result, std::string_view reason) {
  ASSERT_FALSE(result.has_value()) << "accepted, though: " << reason;
  EXPECT_EQ(result.error().code(), ErrorCode::kCorrupt) << result.error().message();
  EXPECT_NE(result.error().message().find(reason), std::string::npos) << result.error().message();
}

// A golden example: `value` encodes to the bytes, they decode to it, and their id is `id`.
template <typename T>
void ExpectGolden(ObjectKind kind, const T& value, Bytes (*encode)(const T&),
                  Result<T> (*decode)(ByteView), std::string_view hex, std::string_view id) {
  const Bytes bytes = FromHex(hex);
  EXPECT_EQ(HexEncode(encode(value)), HexEncode(bytes));
  const Result<T> decoded = decode(bytes);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message();
  EXPECT_TRUE(*decoded == value);
  EXPECT_EQ(HashObject(kind, bytes).ToHex(), id);
}

// No beginning of an encoding is one, nor is anything that continues it.
template <typename T>
void ExpectRefusesOtherLengths(const Bytes& bytes, Result<T> (*decode)(ByteView)) {
  ASSERT_TRUE(decode(bytes).has_value());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Result<T> decoded = decode(ByteView(bytes).substr(0, size));
    ASSERT_FALSE(decoded.has_value()) << "cut to " << size << " bytes";
    EXPECT_EQ(decoded.error().code(), ErrorCode::kCorrupt);
  }
  for (int byte = 0; byte < 256; ++byte) {
    ExpectCorrupt(decode(bytes + static_cast<char>(byte)), "bytes after the end");
  }
}

// The bytes with one to three random changes. For use inside a property.
inline Bytes Mutate(Bytes bytes) {
  for (int edits = *rc::gen::inRange(1, 4); edits > 0; --edits) {
    const auto place = *rc::gen::inRange<size_t>(0, bytes.size() + 1);
    const auto byte = static_cast<char>(*rc::gen::arbitrary<uint8_t>());
    const size_t length = std::min(bytes.size() - place, *rc::gen::inRange<size_t>(1, 40));
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
        if (place < bytes.size()) bytes[place] = byte;
        break;
      case 1:
        if (place < bytes.size())
          bytes[place] = static_cast<char>(bytes[place] ^ (1 << (byte & 7)));
        break;
      case 2:
        bytes.insert(place, 1, byte);
        break;
      case 3:
        bytes.erase(place, length);
        break;
      default:
        bytes.insert(place, Bytes(bytes, place, length));
    }
  }
  return bytes;
}

// Whatever decodes encodes to itself, however it came about.
template <typename T>
void CheckMutations(const Bytes& valid, Bytes (*encode)(const T&), Result<T> (*decode)(ByteView)) {
  for (int i = 0; i < 20; ++i) {
    const Bytes bytes = Mutate(valid);
    const Result<T> decoded = decode(bytes);
    if (decoded) {
      RC_ASSERT(encode(*decoded) == bytes);
    } else {
      RC_ASSERT(decoded.error().code() == ErrorCode::kCorrupt);
    }
  }
}

inline rc::Gen<Digest> AnyDigest() {
  return rc::gen::map(rc::gen::container<std::string>(Digest::kSize, rc::gen::arbitrary<char>()),
                      [](const std::string& bytes) { return Digest::FromBytes(bytes.data()); });
}

// Numbers of every length, not only small ones.
inline rc::Gen<uint64_t> AnyNumber() {
  return rc::gen::map(rc::gen::pair(rc::gen::arbitrary<uint64_t>(), rc::gen::inRange(0, 64)),
                      [](const std::pair<uint64_t, int>& parts) {
                        return (parts.first * 0x9e3779b97f4a7c15) >> parts.second;
                      });
}

// Hostile names: any bytes that a name may hold.
inline rc::Gen<std::string> AnyName() {
  const auto byte = rc::gen::map(rc::gen::inRange(1, 256), [](int value) {
    return value == '/' ? '\n' : static_cast<char>(value);
  });
  return rc::gen::map(rc::gen::nonEmpty(rc::gen::container<std::string>(byte)),
                      [](std::string name) {
                        if (name == "." || name == "..") name += '.';
                        if (name == "..") name += '.';
                        name.resize(std::min<size_t>(name.size(), 255));
                        return name;
                      });
}

// Mode and time alone.
inline rc::Gen<FileAttributes> AnyFileAttributes() {
  return rc::gen::map(rc::gen::tuple(rc::gen::inRange<uint16_t>(0, 010000), AnyNumber(),
                                     rc::gen::inRange<uint32_t>(0, 1'000'000'000)),
                      [](const std::tuple<uint16_t, uint64_t, uint32_t>& parts) {
                        return FileAttributes{
                            std::get<0>(parts),
                            {static_cast<int64_t>(std::get<1>(parts)), std::get<2>(parts)}};
                      });
}

inline XattrList AnyXattrs() {
  XattrList list;
  const auto names = *rc::gen::container<std::set<std::string>>(AnyName());
  for (const std::string& name : names) {
    const size_t repeat = *rc::gen::element<size_t>(1, 1, 1, 100);
    std::string value;
    const auto part = *rc::gen::container<std::string>(rc::gen::arbitrary<char>());
    for (size_t i = 0; i < repeat; ++i) value += part;
    list.push_back({name.substr(0, kXattrNameBytesMax), value.substr(0, kXattrValueBytesMax)});
  }
  const auto same = [](const Xattr& a, const Xattr& b) { return a.name == b.name; };
  list.erase(std::unique(list.begin(), list.end(), same), list.end());
  return list;
}

// The attributes that something of that kind can have: of a directory, its own.
inline FileAttributes AnyAttributesOf(EntryKind kind) {
  FileAttributes attributes = *AnyFileAttributes();
  RareAttributes& rare = attributes.rare;
  if (IsFile(kind)) rare.has_holes = *rc::gen::element(false, false, true);
  if (kind != EntryKind::kDirectory && *rc::gen::element(false, false, true)) {
    rare.link_group = *AnyDigest();
  }
  if (kind != EntryKind::kSymlink && *rc::gen::element(false, false, true)) {
    rare.xattrs = StoreXattrs(EncodeXattrs(AnyXattrs()));
  }
  return attributes;
}

// An entry of any kind; totals are small enough that no directory's overflow.
inline TreeEntry AnyEntry(const std::string& name) {
  TreeEntry entry;
  entry.name = name;
  entry.kind = static_cast<EntryKind>(*rc::gen::inRange(0, 4));
  if (IsFile(entry.kind)) {
    entry.size = *AnyNumber() >> 12;
    entry.id = *AnyDigest();
    if (entry.HasManifest()) entry.manifest = {*AnyDigest()};
  } else if (entry.kind == EntryKind::kSymlink) {
    entry.target = *AnyName();
  } else {
    entry.id = *AnyDigest();
    entry.below = {*AnyNumber() >> 12, *AnyNumber() >> 12};
  }
  return entry;
}

}  // namespace helios::test

#endif  // HELIOS_OBJECT_TESTING_H_

// The pack file's structures and limits. docs/format.md, "Packs", is normative.
//
//   pack   := header frame* index footer
//   frame  := frame_header member* payload
//   index  := frame_ref* bucket* entry*
//
// All integers are little-endian; the structs below are the bytes.
#ifndef HELIOS_STORE_PACK_PACK_FORMAT_H_
#define HELIOS_STORE_PACK_PACK_FORMAT_H_

#include <cstdint>
#include <cstring>
#include <string_view>

#include "helios/object_store.h"

namespace helios::pack {

inline constexpr char kPackMagic[8] = {'H', 'E', 'L', 'I', 'O', 'S', 'P', 'K'};
inline constexpr char kFooterMagic[8] = {'H', 'E', 'L', 'I', 'O', 'S', 'I', 'X'};
inline constexpr uint32_t kFrameMagic = 0x4d415246;  // "FRAM"
inline constexpr uint32_t kPackVersion = 1;

// About how many bytes small objects fill a frame with (frame.h, Effort).
inline constexpr size_t kFrameBytes = size_t{128} << 10;
inline constexpr size_t kMetadataFrameBytes = size_t{8} << 10;
// The same where space counts for more than the time of reading one object.
inline constexpr size_t kLargeFrameBytes = size_t{2} << 20;
inline constexpr size_t kOptimizedFrameBytes = size_t{4} << 20;
inline constexpr size_t kLargeMetadataFrameBytes = size_t{128} << 10;
// A frame of so many bytes is full enough for a merge to copy it as it is.
inline constexpr size_t kFullFrameBytesMin = kFrameBytes / 2;
inline constexpr size_t kFrameRawBytesMax = kObjectBytesMax;
static_assert(kOptimizedFrameBytes <= kFrameRawBytesMax);
inline constexpr uint32_t kFrameMembersMax = 1 << 16;
// What a reader makes room for before it has seen the bytes: no count in a damaged or hostile file
// asks for more.
inline constexpr uint32_t kPackFramesMax = 1 << 24;
inline constexpr uint32_t kBucketEntriesMax = 1 << 22;

struct PackHeader {
  char magic[8];
  uint32_t version;
  uint32_t optimized;  // 1 in what `helios optimize` wrote: a hint that another time would not help
};
static_assert(sizeof(PackHeader) == 16);

enum class Encoding : uint8_t {
  // Their check is of BLAKE3: read, and no longer written.
  kStoredBlake3 = 0,
  kZstdBlake3 = 1,
  // Their check is of XXH3.
  kStored = 2,
  kZstd = 3,
  // Room for others: docs/decisions/0017 says why dictionaries and deltas are not among them.
};

inline bool IsStored(Encoding encoding) {
  return encoding == Encoding::kStored || encoding == Encoding::kStoredBlake3;
}

struct FrameHeader {
  uint32_t magic;
  uint8_t encoding;
  uint8_t reserved[3];
  uint32_t member_count;
  uint32_t raw_length;
  uint32_t payload_length;
  uint32_t check;  // of the header before this field, the members and the payload
};
static_assert(sizeof(FrameHeader) == 24);

// Follows the frame header, once for each object in the frame, in the order of their bytes. With
// it, and because ids are hashes, an index can be made anew from the frames alone.
struct Member {
  uint32_t length;
  uint8_t kind;
  uint8_t reserved[3];
};
static_assert(sizeof(Member) == 8);

// With header: contents that do not compress are stored.
inline constexpr size_t kFrameBytesMax =
    sizeof(FrameHeader) + kFrameMembersMax * sizeof(Member) + kFrameRawBytesMax;

struct FrameRef {
  uint64_t offset;      // of the frame header in the file
  uint32_t length;      // of the whole frame
  uint32_t raw_length;  // of its objects before compression
};
static_assert(sizeof(FrameRef) == 16);

// Entries are sorted by (id, kind) and cut into 2^bits buckets by the first bits of the id.
struct BucketRef {
  uint32_t first;  // ordinal of its first entry
  uint32_t count;
  uint64_t check;  // of the bucket's entries
};
static_assert(sizeof(BucketRef) == 16);

struct IndexEntry {
  uint8_t id[32];
  uint32_t frame;
  uint32_t offset;  // in the raw frame
  uint32_t length;
  uint8_t kind;
  uint8_t reserved[3];
};
static_assert(sizeof(IndexEntry) == 48);

struct PackFooter {
  uint64_t index_offset;
  uint64_t object_bytes;  // sum of all objects before compression
  uint32_t object_count;
  uint32_t frame_count;
  uint32_t bucket_bits;
  uint32_t reserved;
  uint64_t table_check;  // of the frame_ref and bucket tables
  uint64_t check;        // of the footer before this field
  char magic[8];
};
static_assert(sizeof(PackFooter) == 56);

inline constexpr uint32_t kBucketBitsMax = 16;
// About this many entries share a bucket: 3 KiB to read for the first look-up in it.
inline constexpr size_t kBucketEntries = 64;

// The order of entries.
inline int CompareEntries(const IndexEntry& a, const IndexEntry& b) {
  const int order = std::memcmp(a.id, b.id, sizeof(a.id));
  return order != 0 ? order : a.kind - b.kind;
}

inline ObjectKey KeyOf(const IndexEntry& entry) {
  return {static_cast<ObjectKind>(entry.kind), Digest::FromBytes(entry.id)};
}

inline uint32_t BucketOf(const uint8_t* id, uint32_t bits) {
  const uint32_t head = uint32_t{id[0]} << 8 | id[1];
  return bits == 0 ? 0 : head >> (16 - bits);
}

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_FORMAT_H_

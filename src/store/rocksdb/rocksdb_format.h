// What Helios keeps in a RocksDB database: the column families and the bytes of their keys and
// values. docs/format.md, "RocksDB store", is normative.
#ifndef HELIOS_STORE_ROCKSDB_ROCKSDB_FORMAT_H_
#define HELIOS_STORE_ROCKSDB_ROCKSDB_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "helios/ids.h"

namespace helios::rocks {

inline constexpr uint64_t kFormatVersion = 1;

// The one table of column families. The numbers of kSmall and kLarge are part of the format.
enum class Family : uint8_t {
  kStore = 0,  // what is known of the whole: kFormatKey, kTotalsKey
  kKeys = 1,   // object key → Entry: which objects there are, and where
  kSmall = 2,  // DataKey → the object's bytes, many in one compressed block
  kLarge = 3,  // the same, of objects above kLargeBytesMin: each in a blob file
};
inline constexpr size_t kFamilyCount = 4;
struct FamilyName {
  Family family;
  const char* name;
};
inline constexpr FamilyName kFamilies[kFamilyCount] = {{Family::kStore, "default"},
                                                       {Family::kKeys, "keys"},
                                                       {Family::kSmall, "small"},
                                                       {Family::kLarge, "large"}};

inline constexpr std::string_view kFormatKey = "format";
inline constexpr std::string_view kTotalsKey = "totals";

// Objects of more bytes are large.
inline constexpr size_t kLargeBytesMin = size_t{256} << 10;

// Where an object was put: data lies in the order of places, so that what was put together lies
// together. Two batches may have the same places.
struct Place {
  uint64_t batch = 0;   // nanoseconds since 1970 when the batch began
  uint32_t number = 0;  // in the batch
  friend auto operator<=>(const Place&, const Place&) = default;
};

struct Entry {
  Family family = Family::kSmall;  // or kLarge
  Place place;
  uint64_t size = 0;  // of the object, in bytes
  friend bool operator==(const Entry&, const Entry&) = default;
};

// Of all objects that kKeys names.
struct Totals {
  uint64_t objects = 0;
  uint64_t bytes = 0;
  friend bool operator==(const Totals&, const Totals&) = default;
};

Bytes EncodeObjectKey(const ObjectKey& key);
std::optional<ObjectKey> DecodeObjectKey(ByteView bytes);

Bytes EncodeEntry(const Entry& entry);
std::optional<Entry> DecodeEntry(ByteView bytes);

// Of keys at this place or behind it this one is the first.
Bytes EncodePlace(const Place& place);

// The key of an object's bytes. It names the object besides the place: so data leads back to what
// it is of, and what nothing refers to can be told without reading it.
Bytes EncodeDataKey(const Place& place, const ObjectKey& key);
struct DataKey {
  Place place;
  ObjectKey object;
};
std::optional<DataKey> DecodeDataKey(ByteView bytes);

Bytes EncodeTotals(const Totals& totals);
std::optional<Totals> DecodeTotals(ByteView bytes);

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_ROCKSDB_FORMAT_H_

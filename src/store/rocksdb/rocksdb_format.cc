#include "store/rocksdb/rocksdb_format.h"

#include "base/codec.h"

namespace helios::rocks {
namespace {

constexpr size_t kObjectKeyBytes = 1 + Digest::kSize;
constexpr size_t kPlaceBytes = sizeof(uint64_t) + sizeof(uint32_t);

// Big-endian, so that the order of the bytes is that of the numbers.
void AppendPlace(const Place& place, Bytes* out) {
  const uint64_t batch = __builtin_bswap64(place.batch);
  const uint32_t number = __builtin_bswap32(place.number);
  Encoder encoder(out);
  encoder.Fixed(batch);
  encoder.Fixed(number);
}

Place TakePlace(Decoder& decoder) {
  Place place;
  place.batch = __builtin_bswap64(decoder.Fixed<uint64_t>());
  place.number = __builtin_bswap32(decoder.Fixed<uint32_t>());
  return place;
}

}  // namespace

Bytes EncodeObjectKey(const ObjectKey& key) {
  Bytes bytes;
  bytes.reserve(kObjectKeyBytes);
  bytes.push_back(static_cast<char>(key.kind));
  bytes.append(key.digest.view());
  return bytes;
}

std::optional<ObjectKey> DecodeObjectKey(ByteView bytes) {
  if (bytes.size() != kObjectKeyBytes) return std::nullopt;
  const auto kind = static_cast<ObjectKind>(bytes.front());
  if (kind < ObjectKind::kBlob || kind > ObjectKind::kRecord) return std::nullopt;
  return ObjectKey(kind, Digest::FromBytes(bytes.data() + 1));
}

Bytes EncodeEntry(const Entry& entry) {
  Bytes bytes;
  bytes.push_back(static_cast<char>(entry.family));
  AppendPlace(entry.place, &bytes);
  Encoder(&bytes).Varint(entry.size);
  return bytes;
}

std::optional<Entry> DecodeEntry(ByteView bytes) {
  Decoder decoder(bytes);
  Entry entry;
  entry.family = static_cast<Family>(decoder.Fixed<uint8_t>());
  entry.place = TakePlace(decoder);
  entry.size = decoder.Varint();
  const bool is_data = entry.family == Family::kSmall || entry.family == Family::kLarge;
  if (!decoder.AtEnd() || !is_data) return std::nullopt;
  return entry;
}

Bytes EncodePlace(const Place& place) {
  Bytes bytes;
  AppendPlace(place, &bytes);
  return bytes;
}

Bytes EncodeDataKey(const Place& place, const ObjectKey& key) {
  Bytes bytes;
  bytes.reserve(kPlaceBytes + kObjectKeyBytes);
  AppendPlace(place, &bytes);
  bytes += EncodeObjectKey(key);
  return bytes;
}

std::optional<DataKey> DecodeDataKey(ByteView bytes) {
  if (bytes.size() != kPlaceBytes + kObjectKeyBytes) return std::nullopt;
  Decoder decoder(bytes);
  const Place place = TakePlace(decoder);
  const std::optional<ObjectKey> object = DecodeObjectKey(bytes.substr(kPlaceBytes));
  if (!object) return std::nullopt;
  return DataKey{place, *object};
}

Bytes EncodeTotals(const Totals& totals) {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Varint(totals.objects);
  encoder.Varint(totals.bytes);
  return bytes;
}

std::optional<Totals> DecodeTotals(ByteView bytes) {
  Decoder decoder(bytes);
  Totals totals;
  totals.objects = decoder.Varint();
  totals.bytes = decoder.Varint();
  if (!decoder.AtEnd()) return std::nullopt;
  return totals;
}

}  // namespace helios::rocks

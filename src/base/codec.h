// Encoding and decoding of integers and byte strings: fixed little-endian and shortest varints.
#ifndef HELIOS_BASE_CODEC_H_
#define HELIOS_BASE_CODEC_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>

#include "helios/ids.h"

namespace helios {

static_assert(std::endian::native == std::endian::little,
              "formats are little-endian and read in place");

template <typename T>
T LoadLittleEndian(const void* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// Appends encodings to a byte string.
class Encoder {
 public:
  explicit Encoder(Bytes* out) : out_(out) {}

  template <typename T>
  void Fixed(T value) {
    out_->append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  // LEB128: seven bits per byte, least significant first; always the shortest form.
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      out_->push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_->push_back(static_cast<char>(value));
  }
  // A signed number, zigzag: 0, -1, 1, -2, … become 0, 1, 2, 3, …
  void SignedVarint(int64_t value) {
    Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  void Raw(ByteView bytes) { out_->append(bytes); }
  void Raw(const Digest& digest) { Raw(digest.view()); }
  // A varint length, then the bytes.
  void String(ByteView bytes) {
    Varint(bytes.size());
    Raw(bytes);
  }

 private:
  Bytes* out_;
};

// Takes encodings off the front of a byte string. The first failure sticks: every later call gives
// zeros, and ok() is false. A varint that is longer than it need be is a failure.
class Decoder {
 public:
  explicit Decoder(ByteView bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  // True when all was well and nothing is left.
  bool AtEnd() const { return ok_ && rest_.empty(); }
  size_t remaining() const { return rest_.size(); }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

  template <typename T>
  T Fixed() {
    const ByteView bytes = Raw(sizeof(T));
    return bytes.size() == sizeof(T) ? LoadLittleEndian<T>(bytes.data()) : T{};
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      const uint64_t bits = byte & 0x7f;
      if (shift == 63 && bits > 1) break;
      value |= bits << shift;
      if ((byte & 0x80) == 0) {
        if (byte == 0 && shift > 0) break;
        return value;
      }
    }
    Fail();
    return 0;
  }
  int64_t SignedVarint() {
    const uint64_t value = Varint();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  ByteView Raw(size_t size) {
    if (size > rest_.size()) {
      Fail();
      return {};
    }
    const ByteView bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  Digest RawDigest() {
    const ByteView bytes = Raw(Digest::kSize);
    return ok_ ? Digest::FromBytes(bytes.data()) : Digest{};
  }
  ByteView String(size_t size_max) {
    const uint64_t size = Varint();
    if (size > size_max) Fail();
    return Raw(ok_ ? static_cast<size_t>(size) : 0);
  }

 private:
  ByteView rest_;
  bool ok_ = true;
};

}  // namespace helios

#endif  // HELIOS_BASE_CODEC_H_

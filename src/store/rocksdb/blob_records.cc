#include "store/rocksdb/blob_records.h"

#include <fcntl.h>
#include <zstd.h>

#include "base/codec.h"
#include "base/fd.h"
#include "helios/object_store.h"

namespace helios::rocks {
namespace {

constexpr uint32_t kMagic = 2395959;
constexpr size_t kFileHeaderBytes = 30;
constexpr size_t kRecordHeaderBytes = 32;
constexpr uint64_t kKeyBytes = 45;
// What does not compress becomes a little longer.
constexpr uint64_t kValueBytesMax = kObjectBytesMax + (uint64_t{64} << 10);

// As RocksDB writes it: the length before as a varint, then one zstd frame.
std::optional<Bytes> Decompress(ByteView value) {
  Decoder decoder(value);
  const uint64_t size = decoder.Varint();
  if (!decoder.ok() || size > kObjectBytesMax) return std::nullopt;
  const ByteView frame = decoder.Raw(decoder.remaining());
  Bytes bytes(size, '\0');
  const size_t got = ZSTD_decompress(bytes.data(), bytes.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) != 0 || got != size) return std::nullopt;
  return bytes;
}

Result<Bytes> ReadPart(const Fd& file, size_t size, uint64_t offset, const std::string& path) {
  Bytes bytes(size, '\0');
  HELIOS_TRY_ASSIGN(const size_t length, ReadAt(file.get(), bytes.data(), size, offset, path));
  bytes.resize(length);
  return bytes;
}

}  // namespace

Result<void> ForEachBlob(const std::string& path, const BlobVisitor& visitor) {
  HELIOS_TRY_ASSIGN(const Fd file, OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW));
  HELIOS_TRY_ASSIGN(const Bytes head, ReadPart(file, kFileHeaderBytes, 0, path));
  if (Decoder(head).Fixed<uint32_t>() != kMagic) return {};
  for (uint64_t offset = kFileHeaderBytes;;) {
    HELIOS_TRY_ASSIGN(const Bytes header, ReadPart(file, kRecordHeaderBytes, offset, path));
    if (header.size() < kRecordHeaderBytes) return {};
    Decoder decoder(header);
    const auto key_bytes = decoder.Fixed<uint64_t>();
    const auto value_bytes = decoder.Fixed<uint64_t>();
    // Behind the last record lies a footer, which is no record's header.
    if (key_bytes != kKeyBytes || value_bytes > kValueBytesMax) return {};
    HELIOS_TRY_ASSIGN(const Bytes record,
                      ReadPart(file, kKeyBytes + value_bytes, offset + kRecordHeaderBytes, path));
    if (record.size() < kKeyBytes + value_bytes) return {};
    offset += kRecordHeaderBytes + record.size();
    const std::optional<DataKey> key = DecodeDataKey(ByteView(record).substr(0, kKeyBytes));
    if (!key) continue;
    const ByteView value = ByteView(record).substr(kKeyBytes);
    HELIOS_TRY(visitor(*key, value));
    if (const std::optional<Bytes> bytes = Decompress(value)) HELIOS_TRY(visitor(*key, *bytes));
  }
}

}  // namespace helios::rocks

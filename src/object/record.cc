#include "object/record.h"

#include "base/check.h"
#include "base/codec.h"

namespace helios {
namespace {

Error Malformed(std::string_view reason) {
  return Error(ErrorCode::kCorrupt, "malformed record: " + std::string(reason));
}

}  // namespace

Bytes EncodeRecord(const Record& record) {
  HELIOS_CHECK(record.parents.size() <= kRecordParentsMax);
  HELIOS_CHECK(record.labels.size() <= kRecordLabelsMax);
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(static_cast<uint8_t>(record.torn ? 1 : 0));
  encoder.Raw(record.snapshot.digest);
  encoder.Raw(DigestOrZero(record.attributes));
  encoder.Varint(record.totals.files);
  encoder.Varint(record.totals.bytes);
  encoder.Varint(record.parents.size());
  for (const RecordId& parent : record.parents) encoder.Raw(parent.digest);
  encoder.SignedVarint(record.time.seconds);
  encoder.Varint(record.time.nanoseconds);
  for (const std::string* text : {&record.author, &record.workspace, &record.message}) {
    HELIOS_CHECK(text->size() <= kRecordTextBytesMax);
    encoder.String(*text);
  }
  encoder.Varint(record.labels.size());
  for (const auto& [key, value] : record.labels) {
    encoder.String(key);
    encoder.String(value);
  }
  return bytes;
}

Result<Record> DecodeRecord(ByteView bytes) {
  Decoder decoder(bytes);
  Record record;
  const auto flags = decoder.Fixed<uint8_t>();
  if (flags > 1) return Malformed("unknown flags");
  record.torn = flags == 1;
  record.snapshot = {decoder.RawDigest()};
  record.attributes = AttributesIdUnlessZero(decoder.RawDigest());
  record.totals.files = decoder.Varint();
  record.totals.bytes = decoder.Varint();
  const uint64_t parents = decoder.Varint();
  if (parents > kRecordParentsMax) return Malformed("too many parents");
  for (uint64_t i = 0; i < parents; ++i) record.parents.push_back({decoder.RawDigest()});
  record.time.seconds = decoder.SignedVarint();
  const uint64_t nanoseconds = decoder.Varint();
  if (nanoseconds > 999'999'999) return Malformed("time out of range");
  record.time.nanoseconds = static_cast<uint32_t>(nanoseconds);
  for (std::string* text : {&record.author, &record.workspace, &record.message}) {
    *text = decoder.String(kRecordTextBytesMax);
  }
  const uint64_t labels = decoder.Varint();
  if (labels > kRecordLabelsMax) return Malformed("too many labels");
  for (uint64_t i = 0; i < labels && decoder.ok(); ++i) {
    std::string key(decoder.String(kRecordTextBytesMax));
    if (!decoder.ok()) break;
    if (!record.labels.empty() && key <= record.labels.rbegin()->first) {
      return Malformed("labels out of order or repeated");
    }
    record.labels.emplace_hint(record.labels.end(), std::move(key),
                               decoder.String(kRecordTextBytesMax));
  }
  if (!decoder.ok()) return Malformed("cut short or out of range");
  if (!decoder.AtEnd()) return Malformed("bytes after the end");
  return record;
}

}  // namespace helios

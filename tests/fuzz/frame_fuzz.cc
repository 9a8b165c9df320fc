// Frames: any bytes are decoded or refused, two readings agree, and what was decoded can be written
// and read again. Each input is read as it is, and once more with the header made to fit: no
// mutation would ever hit the check.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/codec.h"
#include "object/hash.h"
#include "store/pack/frame.h"

namespace helios::pack {
namespace {

bool SameMembers(const std::vector<Member>& a, const std::vector<Member>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(Member)) == 0);
}

void CheckWritesAgain(const DecodedFrame& frame) {
  if (frame.members.empty()) return;  // nobody writes a frame without an object
  Bytes bytes;
  FrameEncoder encoder(EffortOf(Compression::kDefault));
  HELIOS_CHECK(encoder.Append(frame.members, frame.view(), &bytes).has_value());
  const Result<DecodedFrame> again = DecodeFrame(bytes);
  HELIOS_CHECK(again.has_value());
  HELIOS_CHECK(again->view() == frame.view());
  HELIOS_CHECK(SameMembers(again->members, frame.members));
}

void Check(ByteView bytes) {
  const Result<DecodedFrame> frame = DecodeFrame(bytes);
  const Result<DecodedFrame> again = DecodeFrame(Bytes(bytes));
  HELIOS_CHECK(frame.has_value() == again.has_value());
  if (!frame) {
    HELIOS_CHECK(frame.error().code() == ErrorCode::kCorrupt ||
                 frame.error().code() == ErrorCode::kUnsupported);
    HELIOS_CHECK(frame.error().message() == again.error().message());
    return;
  }
  HELIOS_CHECK(frame->raw_length <= kFrameRawBytesMax);
  HELIOS_CHECK(frame->view() == again->view());
  HELIOS_CHECK(SameMembers(frame->members, again->members));
  CheckWritesAgain(*frame);
}

// Magic, lengths and check that fit the bytes. The last reserved byte of the header says whether
// the length of the content is put right as well.
Bytes Repaired(Bytes bytes) {
  auto header = LoadLittleEndian<FrameHeader>(bytes.data());
  const size_t rest = bytes.size() - sizeof(header);
  header.magic = kFrameMagic;
  header.member_count = std::min(header.member_count, static_cast<uint32_t>(rest / sizeof(Member)));
  const size_t member_bytes = header.member_count * sizeof(Member);
  header.payload_length = static_cast<uint32_t>(rest - member_bytes);
  if (header.reserved[2] == 0) {
    header.raw_length = 0;
    for (size_t i = 0; i < header.member_count; ++i) {
      const char* member = bytes.data() + sizeof(header) + i * sizeof(Member);
      header.raw_length += LoadLittleEndian<Member>(member).length;
    }
  }
  Hasher check;
  check.Update({reinterpret_cast<const char*>(&header), offsetof(FrameHeader, check)});
  check.Update(ByteView(bytes).substr(sizeof(header), member_bytes));
  header.check = LoadLittleEndian<uint32_t>(check.Finish().bytes.data());
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

}  // namespace
}  // namespace helios::pack

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const helios::ByteView bytes(reinterpret_cast<const char*>(data), size);
  helios::pack::Check(bytes);
  if (size >= sizeof(helios::pack::FrameHeader)) {
    helios::pack::Check(helios::pack::Repaired(helios::Bytes(bytes)));
  }
  return 0;
}

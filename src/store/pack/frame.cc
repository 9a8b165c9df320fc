#include "store/pack/frame.h"

#include <zstd.h>

#include <cstring>

#include "base/check.h"
#include "base/codec.h"
#include "object/hash.h"

namespace helios::pack {
namespace {

constexpr int kCompressionLevel = 1;

Error Damaged(std::string_view reason) { return Error(ErrorCode::kCorrupt, std::string(reason)); }

// `rest`: members and payload.
uint32_t FrameCheck(const FrameHeader& header, ByteView rest) {
  Hasher hasher;
  hasher.Update({reinterpret_cast<const char*>(&header), offsetof(FrameHeader, check)});
  hasher.Update(rest);
  return LoadLittleEndian<uint32_t>(hasher.Finish().bytes.data());
}

// One decompressor per thread: it is the thread's working memory, not state that anyone shares.
ZSTD_DCtx* ThreadDecompressor() {
  struct Holder {
    ZSTD_DCtx* context = ZSTD_createDCtx();
    ~Holder() { ZSTD_freeDCtx(context); }
  };
  thread_local Holder holder;
  return holder.context;
}

Result<void> DecodePayload(const FrameHeader& header, ByteView payload, char* raw) {
  if (header.encoding == static_cast<uint8_t>(Encoding::kStored)) {
    if (payload.size() != header.raw_length) return Damaged("stored length differs");
    std::memcpy(raw, payload.data(), payload.size());
    return {};
  }
  if (header.encoding != static_cast<uint8_t>(Encoding::kZstd)) {
    return Error(ErrorCode::kUnsupported, "unknown encoding " + std::to_string(header.encoding));
  }
  const size_t size = ZSTD_decompressDCtx(ThreadDecompressor(), raw, header.raw_length,
                                          payload.data(), payload.size());
  if (ZSTD_isError(size)) return Damaged(ZSTD_getErrorName(size));
  if (size != header.raw_length) return Damaged("decompressed length differs");
  return {};
}

}  // namespace

FrameEncoder::FrameEncoder() : context_(ZSTD_createCCtx()) { HELIOS_CHECK(context_ != nullptr); }

FrameEncoder::~FrameEncoder() { ZSTD_freeCCtx(context_); }

Result<void> FrameEncoder::Append(std::span<const Member> members, ByteView raw, Bytes* out) {
  const ByteView member_bytes{reinterpret_cast<const char*>(members.data()), members.size_bytes()};
  const size_t start = out->size();
  const size_t payload_start = start + sizeof(FrameHeader) + member_bytes.size();
  out->resize(payload_start + ZSTD_compressBound(raw.size()));
  size_t payload =
      ZSTD_compressCCtx(context_, out->data() + payload_start, out->size() - payload_start,
                        raw.data(), raw.size(), kCompressionLevel);
  if (ZSTD_isError(payload)) {
    return Error(ErrorCode::kFailed, std::string("cannot compress: ") + ZSTD_getErrorName(payload));
  }
  FrameHeader header{};
  header.magic = kFrameMagic;
  header.encoding = static_cast<uint8_t>(Encoding::kZstd);
  if (payload + raw.size() / 32 >= raw.size()) {
    header.encoding = static_cast<uint8_t>(Encoding::kStored);
    std::memcpy(out->data() + payload_start, raw.data(), raw.size());
    payload = raw.size();
  }
  header.member_count = static_cast<uint32_t>(members.size());
  header.raw_length = static_cast<uint32_t>(raw.size());
  header.payload_length = static_cast<uint32_t>(payload);
  if (!members.empty()) {
    std::memcpy(out->data() + start + sizeof(header), member_bytes.data(), member_bytes.size());
  }
  out->resize(payload_start + payload);
  header.check = FrameCheck(header, ByteView(*out).substr(start + sizeof(header)));
  std::memcpy(out->data() + start, &header, sizeof(header));
  return {};
}

bool IsWholeFrame(ByteView frame) {
  if (frame.size() < sizeof(FrameHeader)) return false;
  const auto header = LoadLittleEndian<FrameHeader>(frame.data());
  return header.magic == kFrameMagic &&
         header.check == FrameCheck(header, frame.substr(sizeof(FrameHeader)));
}

Result<DecodedFrame> DecodeFrame(ByteView frame) {
  if (frame.size() < sizeof(FrameHeader)) return Damaged("cut short");
  const auto header = LoadLittleEndian<FrameHeader>(frame.data());
  frame.remove_prefix(sizeof(FrameHeader));
  if (header.magic != kFrameMagic) return Damaged("no frame begins here");
  if (header.member_count > kFrameMembersMax || header.raw_length > kFrameRawBytesMax) {
    return Damaged("impossible size");
  }
  const size_t member_bytes = header.member_count * sizeof(Member);
  if (frame.size() != member_bytes + header.payload_length) return Damaged("length differs");
  if (header.check != FrameCheck(header, frame)) return Damaged("its check differs");
  DecodedFrame decoded;
  decoded.members.resize(header.member_count);
  if (member_bytes > 0) std::memcpy(decoded.members.data(), frame.data(), member_bytes);
  uint64_t sum = 0;
  for (const Member& member : decoded.members) sum += member.length;
  if (sum != header.raw_length) return Damaged("member lengths differ");
  decoded.raw_length = header.raw_length;
  decoded.raw.reset(new char[header.raw_length]);
  HELIOS_TRY(DecodePayload(header, frame.substr(member_bytes), decoded.raw.get()));
  return decoded;
}

}  // namespace helios::pack

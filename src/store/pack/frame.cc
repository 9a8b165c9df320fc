#include "store/pack/frame.h"

#include <zstd.h>

#include <cstring>

#include "base/check.h"
#include "base/codec.h"
#include "object/hash.h"

namespace helios::pack {
namespace {

constexpr int kDefaultLevel = 1;
constexpr int kSmallLevel = 9;
constexpr int kOptimizingLevel = 17;
constexpr int kRepeatsWindowLog = 22;  // the largest frame

// Samples of bytes that are evenly spread over an object.
constexpr size_t kSampledBytesMin = size_t{64} << 10;
constexpr size_t kSamples = 16;
constexpr size_t kSampleBytes = 1024;
// Of so many random bytes, sum(count²) is 5,116 on average, with a deviation of 90; of bytes that
// Huffman codes would shorten by 3 %, it is more than this.
constexpr uint32_t kSquaresMax = 6400;
// A stretch in which level 1 would find what repeats at a distance.
constexpr size_t kRepeatBytes = size_t{32} << 10;

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

Effort EffortOf(Compression compression) {
  switch (compression) {
    case Compression::kFast:
      return {0, kFrameBytes, kMetadataFrameBytes, false};
    case Compression::kDefault:
      return {kDefaultLevel, kFrameBytes, kMetadataFrameBytes, false};
    case Compression::kSmall:
      break;
  }
  return {kSmallLevel, kLargeFrameBytes, kLargeMetadataFrameBytes, false};
}

Effort OptimizingEffort() {
  return {kOptimizingLevel, kOptimizedFrameBytes, kLargeMetadataFrameBytes, true};
}

namespace {

bool IsSampleRandom(ByteView sample) {
  uint32_t counts[256] = {};
  for (const char byte : sample) ++counts[static_cast<unsigned char>(byte)];
  uint32_t squares = 0;
  for (const uint32_t count : counts) squares += count * count;
  return squares <= kSquaresMax;
}

// Finds what repeats at any distance, as versions of a file do, and nothing that takes long.
size_t CompressRepeats(ZSTD_CCtx* context, ByteView raw, char* out, size_t room) {
  // None of these can fail: the values are in their bounds.
  (void)ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, kDefaultLevel);
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, kRepeatsWindowLog);
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, 1);
  return ZSTD_compress2(context, out, room, raw.data(), raw.size());
}

bool SavesNothing(size_t payload, size_t raw) { return payload + raw / 32 >= raw; }

}  // namespace

bool LooksIncompressible(ByteView bytes) {
  if (bytes.size() < kSampledBytesMin) return false;
  const size_t stride = (bytes.size() - kSampleBytes) / (kSamples - 1);
  for (size_t i = 0; i < kSamples; ++i) {
    if (!IsSampleRandom(bytes.substr(i * stride, kSampleBytes))) return false;
  }
  // Even as random bytes can be, what repeats compresses.
  const ByteView stretch = bytes.substr((bytes.size() - kRepeatBytes) / 2, kRepeatBytes);
  char compressed[ZSTD_COMPRESSBOUND(kRepeatBytes)];
  const size_t size =
      ZSTD_compress(compressed, sizeof(compressed), stretch.data(), stretch.size(), kDefaultLevel);
  return ZSTD_isError(size) || SavesNothing(size, stretch.size());
}

FrameEncoder::FrameEncoder(const Effort& effort) : effort_(effort), context_(ZSTD_createCCtx()) {
  HELIOS_CHECK(context_ != nullptr);
}

FrameEncoder::~FrameEncoder() { ZSTD_freeCCtx(context_); }

Result<size_t> FrameEncoder::Compress(ByteView raw, char* out, size_t room) {
  if (effort_.level == 0) return raw.size();
  const bool is_noise = LooksIncompressible(raw);
  if (is_noise && !effort_.finds_repeats) return raw.size();
  const size_t payload =
      is_noise ? CompressRepeats(context_, raw, out, room)
               : ZSTD_compressCCtx(context_, out, room, raw.data(), raw.size(), effort_.level);
  if (ZSTD_isError(payload)) {
    return Error(ErrorCode::kFailed, std::string("cannot compress: ") + ZSTD_getErrorName(payload));
  }
  return SavesNothing(payload, raw.size()) ? raw.size() : payload;
}

Result<void> FrameEncoder::Append(std::span<const Member> members, ByteView raw, Bytes* out) {
  const ByteView member_bytes{reinterpret_cast<const char*>(members.data()), members.size_bytes()};
  const size_t start = out->size();
  const size_t payload_start = start + sizeof(FrameHeader) + member_bytes.size();
  out->resize(payload_start + ZSTD_compressBound(raw.size()));
  char* const payload = out->data() + payload_start;
  HELIOS_TRY_ASSIGN(const size_t payload_bytes,
                    Compress(raw, payload, out->size() - payload_start));
  FrameHeader header{};
  header.magic = kFrameMagic;
  header.encoding = static_cast<uint8_t>(Encoding::kZstd);
  if (payload_bytes == raw.size()) {
    header.encoding = static_cast<uint8_t>(Encoding::kStored);
    std::memcpy(payload, raw.data(), raw.size());
  }
  header.member_count = static_cast<uint32_t>(members.size());
  header.raw_length = static_cast<uint32_t>(raw.size());
  header.payload_length = static_cast<uint32_t>(payload_bytes);
  if (!members.empty()) {
    std::memcpy(out->data() + start + sizeof(header), member_bytes.data(), member_bytes.size());
  }
  out->resize(payload_start + payload_bytes);
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

Bytes DecodeDamaged(Encoding encoding, ByteView payload, size_t raw_length) {
  if (encoding == Encoding::kStored) return Bytes(payload.substr(0, raw_length));
  Bytes raw(raw_length, '\0');
  ZSTD_inBuffer in{payload.data(), payload.size(), 0};
  ZSTD_outBuffer out{raw.data(), raw.size(), 0};
  ZSTD_DCtx* const context = ThreadDecompressor();
  (void)ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  // Gives block by block: what comes before the damaged one is as it was.
  while (out.pos < out.size) {
    const size_t taken = in.pos;
    const size_t given = out.pos;
    const size_t hint = ZSTD_decompressStream(context, &out, &in);
    const bool stands_still = in.pos == taken && out.pos == given;
    if (ZSTD_isError(hint) || hint == 0 || stands_still) break;
  }
  (void)ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  raw.resize(out.pos);
  return raw;
}

}  // namespace helios::pack

#include "store/pack/frame.h"

#define XXH_INLINE_ALL
#include <xxhash.h>
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
  const auto encoding = static_cast<Encoding>(header.encoding);
  if (IsStored(encoding)) {
    if (payload.size() != header.raw_length) return Damaged("stored length differs");
    std::memcpy(raw, payload.data(), payload.size());
    return {};
  }
  if (encoding != Encoding::kZstd && encoding != Encoding::kZstdBlake3) {
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

Result<ByteView> FrameEncoder::Compress(ByteView raw) {
  if (effort_.level == 0) return raw;
  const bool is_noise = LooksIncompressible(raw);
  if (is_noise && !effort_.finds_repeats) return raw;
  const size_t room = ZSTD_compressBound(raw.size());
  if (compressed_bytes_max_ < room) {
    compressed_.reset(new char[room]);
    compressed_bytes_max_ = room;
  }
  char* const out = compressed_.get();
  const size_t size =
      is_noise ? CompressRepeats(context_, raw, out, room)
               : ZSTD_compressCCtx(context_, out, room, raw.data(), raw.size(), effort_.level);
  if (ZSTD_isError(size)) {
    return Error(ErrorCode::kFailed, std::string("cannot compress: ") + ZSTD_getErrorName(size));
  }
  return SavesNothing(size, raw.size()) ? raw : ByteView(out, size);
}

Result<EncodedFrame> FrameEncoder::Encode(std::span<const Member> members, ByteView raw) {
  EncodedFrame frame;
  HELIOS_TRY_ASSIGN(frame.payload, Compress(raw));
  const bool is_stored = frame.payload.data() == raw.data();
  const ByteView member_bytes{reinterpret_cast<const char*>(members.data()), members.size_bytes()};
  FrameHeader header{};
  header.magic = kFrameMagic;
  header.encoding = static_cast<uint8_t>(is_stored ? Encoding::kStored : Encoding::kZstd);
  header.member_count = static_cast<uint32_t>(members.size());
  header.raw_length = static_cast<uint32_t>(raw.size());
  header.payload_length = static_cast<uint32_t>(frame.payload.size());
  header.check = FrameCheck(header, member_bytes, frame.payload);
  frame.head.reserve(sizeof(header) + member_bytes.size());
  frame.head.append(reinterpret_cast<const char*>(&header), sizeof(header)).append(member_bytes);
  return frame;
}

Result<void> FrameEncoder::Append(std::span<const Member> members, ByteView raw, Bytes* out) {
  HELIOS_TRY_ASSIGN(const EncodedFrame frame, Encode(members, raw));
  out->append(frame.head).append(frame.payload);
  return {};
}

uint32_t FrameCheck(const FrameHeader& header, ByteView members, ByteView payload) {
  const ByteView head(reinterpret_cast<const char*>(&header), offsetof(FrameHeader, check));
  const auto encoding = static_cast<Encoding>(header.encoding);
  if (encoding == Encoding::kStoredBlake3 || encoding == Encoding::kZstdBlake3) {
    Hasher hasher;
    hasher.Update(head);
    hasher.Update(members);
    hasher.Update(payload);
    return LoadLittleEndian<uint32_t>(hasher.Finish().bytes.data());
  }
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset_withSeed(&state, XXH3_64bits(head.data(), head.size()));
  XXH3_64bits_update(&state, members.data(), members.size());
  XXH3_64bits_update(&state, payload.data(), payload.size());
  return static_cast<uint32_t>(XXH3_64bits_digest(&state));
}

bool IsWholeFrame(ByteView frame) {
  if (frame.size() < sizeof(FrameHeader)) return false;
  const auto header = LoadLittleEndian<FrameHeader>(frame.data());
  return header.magic == kFrameMagic &&
         header.check == FrameCheck(header, {}, frame.substr(sizeof(FrameHeader)));
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
  if (header.check != FrameCheck(header, {}, frame)) return Damaged("its check differs");
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

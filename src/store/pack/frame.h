// Frames: a run of objects, compressed together.
#ifndef HELIOS_STORE_PACK_FRAME_H_
#define HELIOS_STORE_PACK_FRAME_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "helios/compression.h"
#include "helios/object_store.h"
#include "store/pack/pack_format.h"

struct ZSTD_CCtx_s;

namespace helios::pack {

// What a writer of packs chooses. None of it binds a reader.
struct Effort {
  int level = 0;  // of zstd; 0: everything is stored as it is
  // Objects smaller than half of it share frames of about this many bytes: they compress better and
  // faster together, and one frame is what reading any of them costs.
  size_t frame_bytes = 0;
  // The same for trees and their kin, which are read one here, one there, and are mostly hashes.
  size_t metadata_frame_bytes = 0;
  // Of what looks incompressible too: else it is stored.
  bool finds_repeats = false;
};
Effort EffortOf(Compression compression);
// What `helios optimize` makes of packs.
Effort OptimizingEffort();

// Whether bytes look as if compressing them would save nothing: a guess from samples that costs a
// twentieth of trying. Only for 64 KiB and more; less is always worth trying.
bool LooksIncompressible(ByteView bytes);

// A frame in two pieces.
struct EncodedFrame {
  Bytes head;  // header and members
  ByteView payload;
  size_t size() const { return head.size() + payload.size(); }
};

// Makes frames. Holds a compressor's memory; used by one thread at a time.
class FrameEncoder {
 public:
  explicit FrameEncoder(const Effort& effort);
  ~FrameEncoder();
  FrameEncoder(const FrameEncoder&) = delete;
  FrameEncoder& operator=(const FrameEncoder&) = delete;

  // Compressed, or stored where that does not save 3 %. The payload is good until the next call,
  // and while `raw` is.
  Result<EncodedFrame> Encode(std::span<const Member> members, ByteView raw);
  // Appends the same to `out`.
  Result<void> Append(std::span<const Member> members, ByteView raw, Bytes* out);

 private:
  // What the payload shall be: `raw` itself, or compressed bytes that are good until the next call.
  Result<ByteView> Compress(ByteView raw);

  const Effort effort_;
  ZSTD_CCtx_s* context_;
  std::unique_ptr<char[]> compressed_;
  size_t compressed_bytes_max_ = 0;
};

struct DecodedFrame {
  std::vector<Member> members;
  std::unique_ptr<char[]> raw;
  size_t raw_length = 0;
  ByteView view() const { return {raw.get(), raw_length}; }
};

// What the header's check must be. Of members and payload only how they follow each other counts.
uint32_t FrameCheck(const FrameHeader& header, ByteView members, ByteView payload);

// True if the frame's check holds: it is as it was written.
bool IsWholeFrame(ByteView frame);

// Decodes a whole frame. Errors: kCorrupt with the reason; the caller adds the file and offset.
// Nothing is allocated for a size that the limits do not allow.
Result<DecodedFrame> DecodeFrame(ByteView frame);

// What a payload gives from its beginning up to where it is damaged: bytes that nothing vouches
// for.
Bytes DecodeDamaged(Encoding encoding, ByteView payload, size_t raw_length);

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_FRAME_H_

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

// Makes frames. Holds a compressor's memory; used by one thread.
class FrameEncoder {
 public:
  explicit FrameEncoder(const Effort& effort);
  ~FrameEncoder();
  FrameEncoder(const FrameEncoder&) = delete;
  FrameEncoder& operator=(const FrameEncoder&) = delete;

  // Appends one frame to `out`: compressed, or stored where that does not save 3 %.
  Result<void> Append(std::span<const Member> members, ByteView raw, Bytes* out);

 private:
  // The payload's length, `raw.size()` if it shall be stored.
  Result<size_t> Compress(ByteView raw, char* out, size_t room);

  const Effort effort_;
  ZSTD_CCtx_s* context_;
};

struct DecodedFrame {
  std::vector<Member> members;
  std::unique_ptr<char[]> raw;
  size_t raw_length = 0;
  ByteView view() const { return {raw.get(), raw_length}; }
};

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

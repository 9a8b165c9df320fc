// Frames: a run of objects, compressed together.
#ifndef HELIOS_STORE_PACK_FRAME_H_
#define HELIOS_STORE_PACK_FRAME_H_

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "helios/object_store.h"
#include "store/pack/pack_format.h"

struct ZSTD_CCtx_s;

namespace helios::pack {

// Makes frames. Holds a compressor's memory; used by one thread.
class FrameEncoder {
 public:
  FrameEncoder();
  ~FrameEncoder();
  FrameEncoder(const FrameEncoder&) = delete;
  FrameEncoder& operator=(const FrameEncoder&) = delete;

  // Appends one frame to `out`: zstd level 1, or stored where that does not save 3 %.
  Result<void> Append(std::span<const Member> members, ByteView raw, Bytes* out);

 private:
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

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_FRAME_H_

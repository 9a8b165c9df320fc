// Where large files are cut into chunks: the Remote Execution API's FAST_CDC_2020.
#ifndef HELIOS_OBJECT_CHUNKER_H_
#define HELIOS_OBJECT_CHUNKER_H_

#include <bit>
#include <cstddef>
#include <cstdint>

#include "helios/ids.h"

namespace helios {

// How long chunks are. Every chunk but the last of its input holds min_bytes to max_bytes.
struct ChunkerParameters {
  size_t min_bytes;              // even, at least 64
  size_t average_bytes;          // a power of two, 256 to 4 MiB, and from min_bytes to max_bytes
  size_t max_bytes;              // at most 16 MiB
  uint32_t normalization_level;  // 0 to 3; the higher, the closer lengths keep to the average

  constexpr bool IsValid() const {
    return min_bytes >= 64 && min_bytes % 2 == 0 && min_bytes <= average_bytes &&
           std::has_single_bit(average_bytes) && average_bytes >= 256 &&
           average_bytes <= size_t{4} << 20 && average_bytes <= max_bytes &&
           max_bytes <= size_t{16} << 20 && normalization_level <= 3;
  }
};

// What Helios cuts with: the Remote Execution API's recommended average and the minimum, maximum
// and level that follow from it. Part of the format: other numbers give other ids.
inline constexpr ChunkerParameters kFastCdc2020{
    .min_bytes = size_t{128} << 10,
    .average_bytes = size_t{512} << 10,
    .max_bytes = size_t{2} << 20,
    .normalization_level = 2,
};

// One chunk at the front of some data.
struct ChunkCut {
  size_t length_bytes;
  // The rolling hash where the scan stopped, as the published test vectors give it; 0 when the data
  // was too short to be scanned. Says little about the chunk: not an id.
  uint64_t fingerprint;

  friend bool operator==(const ChunkCut&, const ChunkCut&) = default;
};

// The first chunk of `data`, which holds at least max_bytes, or all that is left of the input: what
// comes after max_bytes is not looked at. Cutting the rest again and again gives the chunks of the
// whole. The length is 0 only for empty data. Invalid `parameters` are a bug (checked).
//
// FastCDC: W. Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based
// Storage Systems", IEEE TPDS 31(9), 2020; parameters, table and seed 0 as fixed by
// FastCdc2020Params in build/bazel/remote/execution/v2/remote_execution.proto.
ChunkCut CutChunk(ByteView data, const ChunkerParameters& parameters = kFastCdc2020);

// The length of that chunk in bytes.
inline size_t NextChunkLength(ByteView data, const ChunkerParameters& parameters = kFastCdc2020) {
  return CutChunk(data, parameters).length_bytes;
}

}  // namespace helios

#endif  // HELIOS_OBJECT_CHUNKER_H_

#include "object/chunker.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "object/cut_scan.h"

namespace helios {
namespace {

// The bits that decide about a cut, by how many of them there are less kMaskBitsMin. They are
// spread by hand, as in the authors' own code (destor) and the implementations that the API names.
constexpr uint32_t kMaskBitsMin = 5;
constexpr std::array<uint64_t, 21> kMasks = {
    0x000001804110, 0x000001803110, 0x000018035100, 0x001800035300, 0x019000353000, 0x590003530000,
    0xd90003530000, 0xd90103530000, 0xd90303530000, 0xd90313530000, 0xd90f03530000, 0xd90303537000,
    0xd90703537000, 0xd90707537000, 0xd91707537000, 0xd91747537000, 0xd91767537000, 0xd93767537000,
    0xd93777537000, 0xd93777577000, 0xdb3777577000,
};

static_assert([] {
  for (uint32_t i = 0; i < kMasks.size(); ++i) {
    if (std::popcount(kMasks[i]) != static_cast<int>(i + kMaskBitsMin)) return false;
  }
  return true;
}());

static_assert(kFastCdc2020.IsValid());

size_t RoundDownToEven(size_t value) { return value & ~size_t{1}; }

}  // namespace

ChunkCut CutChunk(ByteView data, const ChunkerParameters& parameters) {
  HELIOS_CHECK(parameters.IsValid());
  if (data.size() <= parameters.min_bytes) return {data.size(), 0};
  const size_t limit = std::min(data.size(), parameters.max_bytes);
  const size_t center = std::min(limit, parameters.average_bytes);
  const auto average_bits = static_cast<uint32_t>(std::countr_zero(parameters.average_bytes));
  const uint32_t level = parameters.normalization_level;
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());

  // Up to the average a cut needs more zero bits, after it fewer: lengths crowd around it.
  CutScan state{parameters.min_bytes, 0, false};
  state = ScanForCut(state, bytes, RoundDownToEven(center),
                     kMasks[average_bits + level - kMaskBitsMin]);
  if (!state.at_cut) {
    state = ScanForCut(state, bytes, RoundDownToEven(limit),
                       kMasks[average_bits - level - kMaskBitsMin]);
  }
  return {state.at_cut ? state.position : limit, state.fingerprint};
}

}  // namespace helios

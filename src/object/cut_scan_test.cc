#include "object/cut_scan.h"

#include <gtest/gtest.h>

#include "object/testing.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::RandomBytes;

constexpr uint64_t kMasks[] = {0xd91767537000, 0xd90703537000, 0x000000003100,
                               0x7fffffffffff, 0x800000000000, 0x590003530000};

void ExpectSame(const Bytes& content, size_t start, uint64_t fingerprint) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(content.data());
  for (const uint64_t mask : kMasks) {
    CutScan wide{start, fingerprint, false}, narrow = wide;
    const size_t end = content.size() / 2 * 2;
    while (true) {
      wide = ScanForCut(wide, bytes, end, mask);
      narrow = ScanByteByByte(narrow, bytes, end, mask);
      ASSERT_EQ(wide, narrow) << mask << " at " << narrow.position;
      if (!narrow.at_cut) break;
      // As behind a chunk: from an even place, and with nothing in the hash.
      wide = narrow = {std::min(end, (narrow.position + 3) / 2 * 2), 0, false};
    }
  }
}

TEST(CutScanTest, WideScanStopsWhereTheOtherDoes) {
  for (const size_t size : {0u, 2u, 64u, 16'000u, 16'384u, 16'448u, 16'450u, 40'000u, 1'000'002u}) {
    ExpectSame(RandomBytes(size, size), 0, 0);
    if (size >= 64) ExpectSame(RandomBytes(size, size), 62, 0x123456789abcdef);
  }
}

TEST(CutScanTest, WideScanIsTheSameOfWhatRepeats) {
  for (int value = 0; value < 256; ++value) {
    ExpectSame(Bytes(70'000, static_cast<char>(value)), 0, 0);
  }
  for (const size_t period : {2u, 3u, 31u, 64u, 1000u, 1024u, 4096u}) {
    const Bytes once = RandomBytes(period, period);
    Bytes content;
    while (content.size() < 200'000) content += once;
    ExpectSame(content, 0, 0);
  }
}

}  // namespace
}  // namespace helios

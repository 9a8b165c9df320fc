// Looks for the place where a content-defined chunk ends: FastCDC 2020's rolling hash.
#ifndef HELIOS_OBJECT_CUT_SCAN_H_
#define HELIOS_OBJECT_CUT_SCAN_H_

#include <cstddef>
#include <cstdint>

namespace helios {

// Where a scan is, or has stopped.
struct CutScan {
  size_t position;       // of the cut, or where the scan goes on
  uint64_t fingerprint;  // the hash there; at an even cut shifted by one, as in the paper
  bool at_cut;
  bool operator==(const CutScan&) const = default;
};

// Rolls over the bytes from state.position up to `end`, both even, and stops at the first place
// where the masked hash is zero. The mask is one of less than 48 bits. With the vector instructions
// of the machine, where they are of use.
CutScan ScanForCut(CutScan state, const unsigned char* bytes, size_t end, uint64_t mask);
// The same with none.
CutScan ScanByteByByte(CutScan state, const unsigned char* bytes, size_t end, uint64_t mask);

}  // namespace helios

#endif  // HELIOS_OBJECT_CUT_SCAN_H_

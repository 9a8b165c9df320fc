// RocksDB's own calls pass through the file layer as well: its library finds ours before the C
// library's. What it reads through the C library's buffers (its manifest and its log) does not.
#include "helios/rocksdb_backend.h"

#include "faults/world.h"

namespace helios::faults {

Backend TestedBackend() { return RocksdbBackend(); }

}  // namespace helios::faults

// RocksDB as a backend. Of the component `rocksdb`: link with helios::rocksdb, or load it when a
// store asks for it (helios/backend_library.h).
#ifndef HELIOS_ROCKSDB_BACKEND_H_
#define HELIOS_ROCKSDB_BACKEND_H_

#include "helios/object_store.h"

namespace helios {

inline constexpr char kRocksdbBackend[] = "rocksdb";

// Objects in one RocksDB database: small ones in its tables, large ones in blob files. One process
// at a time may write; others wait as long as OpenOptions::lock_timeout. Readers never wait.
Backend RocksdbBackend();

}  // namespace helios

#endif  // HELIOS_ROCKSDB_BACKEND_H_

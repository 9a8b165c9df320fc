// What the shared library exports that holds this backend.
#include "helios/rocksdb_backend.h"
#include "store/backend_interface.h"

extern "C" {

extern __attribute__((visibility("default")))
const helios::BackendInterface helios_backend_interface;
const helios::BackendInterface helios_backend_interface = {HELIOS_BACKEND_INTERFACE,
                                                           helios::RocksdbBackend};
}

# The component rocksdb: helios::rocksdb, stores in a RocksDB database (helios/rocksdb_backend.h).
# -DHELIOS_rocksdb_LIBRARY=PATH chooses another RocksDB.
find_library(HELIOS_rocksdb_LIBRARY rocksdb)
mark_as_advanced(HELIOS_rocksdb_LIBRARY)
if(NOT HELIOS_rocksdb_LIBRARY)
  set(helios_rocksdb_MISSING "the library rocksdb, which component rocksdb needs,")
  return()
endif()
set(helios_rocksdb_MISSING "")
if(NOT TARGET helios::rocksdb_library)
  add_library(helios::rocksdb_library UNKNOWN IMPORTED)
  set_target_properties(helios::rocksdb_library PROPERTIES
                        IMPORTED_LOCATION "${HELIOS_rocksdb_LIBRARY}")
endif()

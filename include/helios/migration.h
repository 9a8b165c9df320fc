// What moves a store's objects to another backend, and what became of it.
#ifndef HELIOS_MIGRATION_H_
#define HELIOS_MIGRATION_H_

#include <cstdint>
#include <string>

namespace helios {

struct MigrateRequest {
  std::string to;  // the name of the backend
  // Before the switch, look besides at every structure and every byte of the new backend, and at
  // whether all is there that snapshots refer to.
  bool verify = false;
  // A thread keeps what it copied when it is so much: what it copied since, a call that was killed
  // leaves to the next.
  uint64_t batch_bytes = uint64_t{64} << 20;
};

struct MigrateReport {
  std::string store;
  std::string from;
  std::string to;
  bool already = false;    // it was there, and there was nothing to do but to remove what was left
  std::string unfinished;  // then: the backend for which a copy was begun and is still there
  std::string folder;      // where the objects are now
  uint64_t objects = 0;    // of the store, each read back from the new backend
  uint64_t bytes = 0;      // the same, before compression
  uint64_t copied_objects = 0;  // by this call; the others were there from one before
  uint64_t copied_bytes = 0;
  uint64_t bytes_before = 0;  // on disk, all objects
  uint64_t bytes_after = 0;
  double seconds = 0;
  double seconds_alone = 0;  // while others had to wait
  std::string left;          // why what the store was made of could not be removed; empty: it was
};

struct AbortMigrationReport {
  std::string store;
  std::string to;            // the backend of the copy that is gone; empty: of none
  uint64_t bytes_freed = 0;  // on disk
};

}  // namespace helios

#endif  // HELIOS_MIGRATION_H_

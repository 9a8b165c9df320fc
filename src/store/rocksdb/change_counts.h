// A small file beside the database that says whether it has changed: asking costs one read.
#ifndef HELIOS_STORE_ROCKSDB_CHANGE_COUNTS_H_
#define HELIOS_STORE_ROCKSDB_CHANGE_COUNTS_H_

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace helios::rocks {

struct Counts {
  // Even; odd while objects are being deleted, or since that was interrupted. Raised whenever
  // objects may have moved or gone.
  uint64_t generation = 0;
  // Raised when the database is opened to be written to, and when objects were added.
  uint64_t publications = 0;
  bool IsDeleting() const { return generation % 2 != 0; }
  friend bool operator==(const Counts&, const Counts&) = default;
};

class ChangeCounts {
 public:
  // Zeros where there is no file.
  static Result<ChangeCounts> Open(const std::string& folder);
  Result<Counts> Read() const;
  // In place, not synced: a power cut ends every process that would look. For whoever holds the
  // write lock.
  static Result<void> Write(const std::string& folder, const Counts& counts);

 private:
  ChangeCounts(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;  // may be closed: then there is no file
  std::string path_;
};

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_CHANGE_COUNTS_H_

// The descriptors through which packs are read.
#ifndef HELIOS_STORE_PACK_OPEN_FILES_H_
#define HELIOS_STORE_PACK_OPEN_FILES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"

namespace helios::pack {

// A bounded number of open files, the least recently used of which are closed: a store of any
// number of packs is read by a process that may open few files. A file that somebody reads at that
// moment stays open until they are done. Thread-safe.
class OpenFiles {
 public:
  using File = std::shared_ptr<const Fd>;
  // More than merges leave of all but very large stores: those never open a pack twice.
  static constexpr size_t kOpenMax = 64;

  // What `owner` keeps here; nullptr if it is closed.
  File Find(const void* owner) HELIOS_EXCLUDES(mutex_);
  void Keep(const void* owner, File file) HELIOS_EXCLUDES(mutex_);
  void Close(const void* owner) HELIOS_EXCLUDES(mutex_);

 private:
  struct Entry {
    const void* owner;
    uint64_t last_use;
    File file;
  };

  Mutex mutex_;
  std::vector<Entry> entries_ HELIOS_GUARDED_BY(mutex_);
  uint64_t clock_ HELIOS_GUARDED_BY(mutex_) = 0;
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_OPEN_FILES_H_

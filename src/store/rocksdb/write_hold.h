// The database of a store while one process may write to it: RocksDB knows one at a time.
#ifndef HELIOS_STORE_ROCKSDB_WRITE_HOLD_H_
#define HELIOS_STORE_ROCKSDB_WRITE_HOLD_H_

#include <chrono>
#include <memory>
#include <string>

#include "base/durable_file.h"
#include "base/mutex.h"
#include "store/rocksdb/change_counts.h"
#include "store/rocksdb/database.h"

namespace helios::rocks {

// In the backend's folder. Held exclusively by whoever writes, and shared by readers that writers
// kept from opening the database.
inline constexpr char kWriteLockFile[] = "write.lock";
std::string WriteLockPath(const std::string& folder);

class WriteHold {
 public:
  // Errors: kBusy if another process holds it longer than `wait`; those of opening.
  static Result<std::unique_ptr<WriteHold>> Take(const std::string& folder, const Effort& effort,
                                                 std::chrono::milliseconds wait);

  Database& database() { return *database_; }
  // Held while entries are added: what is known of the whole is read, changed and written.
  Mutex& publishing() { return publishing_; }

  // Tells readers what has changed.
  Result<void> NotePublication();
  Result<void> NoteMoved();
  // Before and after entries are removed. Readers wait in between.
  Result<void> NoteDeletionBegins();
  Result<void> NoteDeletionEnded();

 private:
  WriteHold(std::string folder, FileLock lock, std::unique_ptr<Database> database,
            const Counts& counts)
      : folder_(std::move(folder)),
        lock_(std::move(lock)),
        database_(std::move(database)),
        counts_(counts) {}
  Result<void> Note(uint64_t generations, uint64_t publications) HELIOS_EXCLUDES(counting_);

  const std::string folder_;
  const FileLock lock_;  // let go after the database is closed
  const std::unique_ptr<Database> database_;
  Mutex publishing_;
  Mutex counting_;
  Counts counts_ HELIOS_GUARDED_BY(counting_);
};

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_WRITE_HOLD_H_

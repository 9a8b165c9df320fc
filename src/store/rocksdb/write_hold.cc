#include "store/rocksdb/write_hold.h"

namespace helios::rocks {

std::string WriteLockPath(const std::string& folder) { return folder + "/" + kWriteLockFile; }

Result<std::unique_ptr<WriteHold>> WriteHold::Take(const std::string& folder, const Effort& effort,
                                                   std::chrono::milliseconds wait) {
  HELIOS_TRY_ASSIGN(FileLock lock,
                    FileLock::Acquire(WriteLockPath(folder), FileLock::Mode::kExclusive, wait));
  HELIOS_TRY_ASSIGN(const ChangeCounts changes, ChangeCounts::Open(folder));
  HELIOS_TRY_ASSIGN(Counts counts, changes.Read());
  // Whoever held it before may have been killed before it told what it did.
  ++counts.publications;
  if (counts.IsDeleting()) ++counts.generation;
  HELIOS_TRY(ChangeCounts::Write(folder, counts));
  HELIOS_TRY_ASSIGN(std::unique_ptr<Database> database, Database::OpenToWrite(folder, effort));
  return std::unique_ptr<WriteHold>(
      new WriteHold(folder, std::move(lock), std::move(database), counts));
}

Result<void> WriteHold::Note(uint64_t generations, uint64_t publications) {
  MutexLock lock(counting_);
  counts_.generation += generations;
  counts_.publications += publications;
  return ChangeCounts::Write(folder_, counts_);
}

Result<void> WriteHold::NotePublication() { return Note(0, 1); }
Result<void> WriteHold::NoteMoved() { return Note(2, 0); }
Result<void> WriteHold::NoteDeletionBegins() { return Note(1, 0); }
Result<void> WriteHold::NoteDeletionEnded() { return Note(1, 0); }

}  // namespace helios::rocks

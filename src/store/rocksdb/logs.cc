#include "store/rocksdb/logs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/codec.h"
#include "base/durable_file.h"
#include "store/rocksdb/database.h"

namespace helios::rocks {
namespace {

constexpr char kNote[] = "synced";
constexpr std::string_view kSuffix = ".log";

// Up to where everything in the logs is synced: all of those before `number`, and of this one so
// many bytes.
struct SyncedUpTo {
  uint64_t inode = 0;  // of the database's folder
  uint64_t number = 0;
  uint64_t bytes = 0;
  bool Covers(const Log& log) const {
    return log.number < number || (log.number == number && log.bytes <= bytes);
  }
};

// What nobody noted, or cannot be read, covers nothing.
SyncedUpTo ReadNote(const std::string& store_folder, uint64_t inode) {
  const Result<std::optional<Bytes>> bytes =
      ReadFileIfExists(store_folder + "/" + kNote, 3 * sizeof(uint64_t));
  SyncedUpTo note;
  if (bytes && *bytes && (*bytes)->size() == 3 * sizeof(uint64_t)) {
    Decoder decoder(**bytes);
    note.inode = decoder.Fixed<uint64_t>();
    note.number = decoder.Fixed<uint64_t>();
    note.bytes = decoder.Fixed<uint64_t>();
  }
  return note.inode == inode ? note : SyncedUpTo{inode, 0, 0};
}

// For the next who syncs: if it is lost, that one does more than it must.
void WriteNote(const std::string& store_folder, const SyncedUpTo& note) {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(note.inode);
  encoder.Fixed(note.number);
  encoder.Fixed(note.bytes);
  const Result<void> ignored = ReplaceFile(store_folder, kNote, bytes, Durability::kCache);
}

}  // namespace

Result<std::vector<Log>> LogsOf(const std::string& store_folder) {
  const std::string folder = DatabaseFolder(store_folder);
  std::vector<Log> logs;
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(folder));
  for (const std::string& name : names) {
    if (!name.ends_with(kSuffix)) continue;
    Log log;
    std::from_chars(name.data(), name.data() + name.size() - kSuffix.size(), log.number);
    log.path = folder + "/" + name;
    struct stat status;
    if (::stat(log.path.c_str(), &status) != 0) continue;  // it has become tables
    log.bytes = static_cast<uint64_t>(status.st_size);
    if (log.bytes > 0) logs.push_back(std::move(log));
  }
  std::sort(logs.begin(), logs.end(),
            [](const Log& a, const Log& b) { return a.number < b.number; });
  return logs;
}

Result<size_t> SyncLogs(const std::string& store_folder) {
  const std::string folder = DatabaseFolder(store_folder);
  struct stat status;
  if (::stat(folder.c_str(), &status) != 0) return Error::FromErrno(errno, "stat", folder);
  SyncedUpTo note = ReadNote(store_folder, status.st_ino);
  size_t synced = 0;
  HELIOS_TRY_ASSIGN(const std::vector<Log> logs, LogsOf(store_folder));
  for (const Log& log : logs) {
    if (note.Covers(log)) continue;
    const Result<Fd> file = OpenAt(AT_FDCWD, log.path, O_RDONLY | O_NOFOLLOW);
    if (!file && file.error().os_error() == ENOENT) continue;  // it has become tables
    if (!file) return file.error();
    HELIOS_TRY(SyncData(file->get(), log.path));
    note.number = log.number;
    note.bytes = log.bytes;
    ++synced;
  }
  if (synced == 0) return synced;
  HELIOS_TRY(SyncFolder(folder));
  // A list that is made while logs come may lack one that lies before another that it has.
  HELIOS_TRY_ASSIGN(const std::vector<Log> again, LogsOf(store_folder));
  const auto covered = [&](const std::vector<Log>& some) {
    return std::count_if(some.begin(), some.end(),
                         [&](const Log& log) { return log.number <= note.number; });
  };
  if (covered(again) <= covered(logs)) WriteNote(store_folder, note);
  return synced;
}

}  // namespace helios::rocks

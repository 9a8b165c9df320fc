#include "store/rocksdb/staged_tables.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>

#include "base/durable_file.h"

namespace helios::rocks {
namespace {

// A table is what a compaction rewrites at least.
constexpr uint64_t kTableBytes = uint64_t{64} << 20;
constexpr time_t kAbandonedSeconds = 600;

std::string IncomingFolder(const std::string& store_folder) { return store_folder + "/incoming"; }

}  // namespace

Result<StagingFolder> StagingFolder::Make(const std::string& store_folder) {
  HELIOS_TRY(MakeFolder(IncomingFolder(store_folder)));
  const std::string path = IncomingFolder(store_folder) + "/" + RandomName();
  HELIOS_TRY(MakeFolder(path));
  HELIOS_TRY_ASSIGN(Fd lock, OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY));
  if (::flock(lock.get(), LOCK_SH | LOCK_NB) != 0) return Error::FromErrno(errno, "lock", path);
  return StagingFolder(path, std::move(lock));
}

StagingFolder::~StagingFolder() {
  if (!lock_.IsOpen()) return;
  std::error_code ignored;  // RemoveAbandoned tries again
  std::filesystem::remove_all(path_, ignored);
}

void StagingFolder::RemoveAbandoned(const std::string& store_folder) {
  const std::string incoming = IncomingFolder(store_folder);
  const Result<std::vector<std::string>> names = NamesIn(incoming);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string path = incoming + "/" + name;
    const Result<Fd> folder = OpenAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    struct stat status;
    if (!folder || ::fstat(folder->get(), &status) != 0) continue;
    if (::time(nullptr) - status.st_mtime < kAbandonedSeconds) continue;
    if (::flock(folder->get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
}

StagedTables::StagedTables(std::string folder, Family family, const Effort& effort)
    : folder_(std::move(folder)),
      family_(family),
      options_(DatabaseOptions(), FamilyOptions(family, effort, nullptr)) {}

Result<void> StagedTables::Put(ByteView key, ByteView value) {
  if (writer_ == nullptr) {
    const std::string path = folder_ + "/" + std::to_string(static_cast<int>(family_)) + "-" +
                             std::to_string(files_.size()) + ".sst";
    // What was written is soon read: it stays in the page cache.
    writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(options_), options_,
                                                       nullptr, /*invalidate_page_cache=*/false);
    HELIOS_TRY(Checked(writer_->Open(path), "write a table for", folder_));
    files_.push_back(path);
  }
  HELIOS_TRY(Checked(writer_->Put(SliceOf(key), SliceOf(value)), "write a table for", folder_));
  return writer_->FileSize() < kTableBytes ? Result<void>() : Finish();
}

Result<void> StagedTables::Finish() {
  if (writer_ == nullptr) return {};
  const std::unique_ptr<rocksdb::SstFileWriter> writer = std::move(writer_);
  HELIOS_TRY(Checked(writer->Finish(), "write a table for", folder_));
  finished_bytes_ += writer->FileSize();
  return {};
}

uint64_t StagedTables::bytes() const {
  return finished_bytes_ + (writer_ == nullptr ? 0 : writer_->FileSize());
}

}  // namespace helios::rocks

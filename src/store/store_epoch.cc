#include "store/store_epoch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/codec.h"
#include "base/durable_file.h"
#include "object/hash.h"

namespace helios {
namespace {

// epoch := "HELIOSEP" collection:u64 log:u64 check:check64
constexpr std::string_view kMagic = "HELIOSEP";
constexpr size_t kEpochBytes = 32;

}  // namespace

Bytes EncodeEpoch(const StoreEpoch& epoch) {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Raw(kMagic);
  encoder.Fixed(epoch.collection);
  encoder.Fixed(epoch.log);
  encoder.Fixed(Checksum64(bytes));
  return bytes;
}

Result<StoreEpoch> ReadEpoch(const std::string& path) {
  const Result<std::optional<Bytes>> bytes = ReadFileIfExists(path, kEpochBytes);
  if (!bytes && bytes.error().code() != ErrorCode::kCorrupt) return bytes.error();
  if (!bytes) return StoreEpoch{0, 0, false};
  StoreEpoch epoch;
  // An empty one was made to be locked, and not written yet.
  if (!*bytes || (*bytes)->empty()) return epoch;
  Decoder decoder(**bytes);
  decoder.Raw(kMagic.size());
  epoch.collection = decoder.Fixed<uint64_t>();
  epoch.log = decoder.Fixed<uint64_t>();
  if (EncodeEpoch(epoch) == **bytes) return epoch;
  return StoreEpoch{0, 0, false};
}

Result<void> WriteEpoch(const std::string& path, const StoreEpoch& epoch) {
  HELIOS_TRY_ASSIGN(const Fd fd, OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) return Error::FromErrno(errno, "stat", path);
  HELIOS_TRY(WriteAllAt(fd.get(), EncodeEpoch(epoch), 0, path));
  // What is longer was damaged.
  const auto cut = [&] { return ::ftruncate(fd.get(), static_cast<off_t>(kEpochBytes)); };
  if (status.st_size > static_cast<off_t>(kEpochBytes) && RetryIfInterrupted(cut) != 0) {
    return Error::FromErrno(errno, "cut", path);
  }
  if (RetryIfInterrupted([&] { return ::fsync(fd.get()); }) != 0) {
    return Error::FromErrno(errno, "sync", path);
  }
  // It was made just now: in a store that is older than collections.
  return status.st_size == 0 ? SyncFolder(path.substr(0, path.rfind('/'))) : Result<void>();
}

Result<void> RaiseLogNumber(const std::string& path) {
  HELIOS_TRY_ASSIGN(StoreEpoch epoch, ReadEpoch(path));
  epoch.log = NextEpoch(epoch.log, epoch.is_known);
  if (!epoch.is_known) epoch.collection = epoch.log;
  return WriteEpoch(path, epoch);
}

uint64_t NextEpoch(uint64_t number, bool is_known) {
  if (is_known) return number + 1;
  // Nobody collects once in a microsecond: what was counted up from one stays behind the clock.
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace helios

#include "store/rocksdb/change_counts.h"

#include <fcntl.h>

#include "base/codec.h"

namespace helios::rocks {
namespace {

std::string PathIn(const std::string& folder) { return folder + "/changes"; }

}  // namespace

Result<ChangeCounts> ChangeCounts::Open(const std::string& folder) {
  const std::string path = PathIn(folder);
  Result<Fd> fd = OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW);
  if (!fd && fd.error().os_error() != ENOENT) return std::move(fd).error();
  return ChangeCounts(fd ? std::move(fd).value() : Fd(), path);
}

Result<Counts> ChangeCounts::Read() const {
  uint64_t numbers[2] = {0, 0};
  if (!fd_.IsOpen()) return Counts{};
  HELIOS_TRY_ASSIGN(const size_t length, ReadAt(fd_.get(), numbers, sizeof(numbers), 0, path_));
  if (length != sizeof(numbers)) return Counts{};
  return Counts{numbers[0], numbers[1]};
}

Result<void> ChangeCounts::Write(const std::string& folder, const Counts& counts) {
  const std::string path = PathIn(folder);
  HELIOS_TRY_ASSIGN(const Fd fd, OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Fixed(counts.generation);
  encoder.Fixed(counts.publications);
  return WriteAllAt(fd.get(), bytes, 0, path);
}

}  // namespace helios::rocks

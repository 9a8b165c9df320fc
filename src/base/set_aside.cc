#include "base/set_aside.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/durable_file.h"

namespace helios {
namespace {

constexpr size_t kCopiedBytesMax = size_t{4} << 30;

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }
std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Result<std::string> KeepAside(const std::string& path, const std::string& folder) {
  HELIOS_TRY(MakeFolder(folder));
  HELIOS_TRY(SyncFolder(FolderOf(folder)));
  const std::string name = NameOf(path) + "-" + RandomName();
  std::string place = folder + "/" + name;
  if (::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, place.c_str(), 0) != 0) {
    if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK && errno != ENOSYS) {
      return Error::FromErrno(errno, "set aside", path);
    }
    HELIOS_TRY_ASSIGN(const std::optional<Bytes> bytes, ReadFileIfExists(path, kCopiedBytesMax));
    if (!bytes) return Error::FromErrno(ENOENT, "set aside", path);
    HELIOS_TRY(ReplaceFile(folder, name, *bytes, Durability::kDurable));
  }
  HELIOS_TRY(SyncFolder(folder));
  return place;
}

}  // namespace helios

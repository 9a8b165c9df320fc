#include "store/store_move.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/durable_file.h"

namespace helios {
namespace {

namespace fs = std::filesystem;

// In the folder of the move, where no backend's name begins with a dot.
constexpr char kNew[] = ".new";  // a copy that is being made
constexpr char kOld[] = ".old";  // what is being removed

bool IsThere(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0;
}

Result<void> Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return Error::FromErrno(errno, "rename to " + to, from);
}

// With all that is in it; links are not followed. Fine if it is not there.
Result<void> RemoveFolder(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return Error::FromErrno(errno, "stat", path);
  }
  const bool is_folder = S_ISDIR(status.st_mode);
  if (is_folder) {
    HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(path));
    for (const std::string& name : names) HELIOS_TRY(RemoveFolder(path + "/" + name));
  }
  if ((is_folder ? ::rmdir(path.c_str()) : ::unlink(path.c_str())) == 0) return {};
  return Error::FromErrno(errno, "remove", path);
}

Result<void> MakeMoveFolder(const StorePaths& paths) {
  if (IsThere(paths.Move())) return {};
  HELIOS_TRY(MakeFolder(paths.Move()));
  return SyncFolder(paths.root);
}

// Out of the way at once, then file by file: what is removed in part must not be taken for more.
Result<void> RemoveBackend(const StorePaths& paths, const std::string& folder) {
  const std::string old = paths.Move() + "/" + kOld;
  HELIOS_TRY(MakeMoveFolder(paths));
  HELIOS_TRY(RemoveFolder(old));
  HELIOS_TRY(Rename(folder, old));
  HELIOS_TRY(SyncFolder(folder.substr(0, folder.rfind('/'))));
  return RemoveFolder(old);
}

}  // namespace

std::string CopyFolder(const StorePaths& paths, const std::string& backend) {
  return paths.Move() + "/" + backend;
}

Result<std::optional<std::string>> FindCopy(const StorePaths& paths) {
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(paths.Move()));
  for (const std::string& name : names) {
    if (!name.starts_with('.')) return std::optional(name);
  }
  return std::optional<std::string>();
}

Result<void> MakeCopy(const StorePaths& paths, const Backend& backend) {
  const std::string made = paths.Move() + "/" + kNew;
  HELIOS_TRY(MakeMoveFolder(paths));
  HELIOS_TRY(RemoveFolder(made));
  HELIOS_TRY(MakeFolder(made));
  HELIOS_TRY(backend.create(made));
  HELIOS_TRY(SyncFolder(made));
  HELIOS_TRY(Rename(made, CopyFolder(paths, backend.name)));
  return SyncFolder(paths.Move());
}

Result<void> ClearMove(const StorePaths& paths, const StoreIdentity& identity,
                       std::span<const Backend> backends, const std::string& kept) {
  for (const Backend& backend : backends) {
    const std::string folder = paths.BackendFolder(backend.name);
    if (backend.name == identity.backend || !IsThere(folder)) continue;
    const std::string copy = CopyFolder(paths, backend.name);
    if (backend.name != kept || IsThere(copy)) {
      HELIOS_TRY(RemoveBackend(paths, folder));
      continue;
    }
    // It was brought here, and the marker not written: it is a copy still.
    HELIOS_TRY(MakeMoveFolder(paths));
    HELIOS_TRY(Rename(folder, copy));
    HELIOS_TRY(SyncFolder(paths.root));
    HELIOS_TRY(SyncFolder(paths.Move()));
  }
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(paths.Move()));
  for (const std::string& name : names) {
    const std::string path = paths.Move() + "/" + name;
    if (name.starts_with('.')) {
      HELIOS_TRY(RemoveFolder(path));
    } else if (name != kept) {
      HELIOS_TRY(RemoveBackend(paths, path));
    }
  }
  if (::rmdir(paths.Move().c_str()) == 0) return SyncFolder(paths.root);
  if (errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST) return {};
  return Error::FromErrno(errno, "remove", paths.Move());
}

Result<void> SwitchToCopy(const StorePaths& paths, const StoreIdentity& from,
                          const std::string& to) {
  HELIOS_TRY(SyncFolder(CopyFolder(paths, to)));
  HELIOS_TRY(Rename(CopyFolder(paths, to), paths.BackendFolder(to)));
  HELIOS_TRY(SyncFolder(paths.root));
  HELIOS_TRY(SyncFolder(paths.Move()));
  HELIOS_TRY(WriteIdentity(paths.root, {to, from.moved + 1}));
  // From here on nobody looks for the old ones, and nobody is to find them by their path.
  return Rename(paths.BackendFolder(from.backend), paths.Move() + "/" + kOld);
}

uint64_t DiskBytesBelow(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code failure;
  for (fs::recursive_directory_iterator it(folder, failure), end; !failure && it != end;
       it.increment(failure)) {
    struct stat status;
    if (::lstat(it->path().c_str(), &status) != 0) continue;
    bytes += static_cast<uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

}  // namespace helios

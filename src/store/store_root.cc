#include "store/store_root.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/set_aside.h"
#include "base/text_lines.h"
#include "helios/owner.h"
#include "store/lease_table.h"
#include "store/store_epoch.h"
#include "store/store_settings.h"

namespace helios {
namespace {

constexpr size_t kMarkerBytesMax = 4096;

std::string MarkerText(const StoreIdentity& identity) {
  std::string text = std::string(kStoreMarkerLine) + "version: " + std::to_string(kStoreVersion) +
                     "\nbackend: " + identity.backend + "\n";
  if (identity.moved > 0) text += "moved: " + std::to_string(identity.moved) + "\n";
  return text;
}

struct Marker {
  std::string_view version;
  std::string_view backend;
  uint64_t moved = 0;
};

// nullopt if these are not the bytes of a whole marker, whatever its version.
std::optional<Marker> ParseMarker(std::string_view text) {
  if (!text.starts_with(kStoreMarkerLine) || !text.ends_with('\n')) return std::nullopt;
  const std::optional<std::string_view> version = LineValue(text, "version: ");
  if (!version || version->empty() || version->find_first_not_of("0123456789") != version->npos) {
    return std::nullopt;
  }
  const std::optional<std::string_view> backend = LineValue(text, "backend: ");
  if (!backend && *version == std::to_string(kStoreVersion)) return std::nullopt;
  Marker marker{*version, backend.value_or("")};
  if (const std::optional<std::string_view> moved = LineValue(text, "moved: ")) {
    const char* const end = moved->data() + moved->size();
    const auto [rest, error] = std::from_chars(moved->data(), end, marker.moved);
    if (error != std::errc() || rest != end) return std::nullopt;
  }
  return marker;
}

Result<void> FillStore(const std::string& folder, const Backend& backend,
                       const std::optional<Compression>& compression) {
  const StorePaths paths{folder};
  HELIOS_TRY(MakeFolder(folder));
  HELIOS_TRY(MakeFolder(paths.BackendFolder(backend.name)));
  HELIOS_TRY(backend.create(paths.BackendFolder(backend.name)));
  HELIOS_TRY(MakeFolder(paths.Workspaces()));
  const std::pair<std::string, Bytes> files[] = {{paths.OperationLog(), ""},
                                                 {paths.Lock(), ""},
                                                 {paths.Gate(), ""},
                                                 {paths.Leases(), EmptyLeaseTable()},
                                                 {paths.Epoch(), EncodeEpoch(StoreEpoch())}};
  for (const auto& [path, bytes] : files) {
    const size_t slash = path.rfind('/');
    HELIOS_TRY(
        ReplaceFile(path.substr(0, slash), path.substr(slash + 1), bytes, Durability::kCache));
  }
  StoreSettings settings;
  settings.compression = compression.value_or(settings.compression);
  if (compression) HELIOS_TRY(WriteSettings(folder, settings));
  HELIOS_TRY(SyncFolder(paths.BackendFolder(backend.name)));
  // Last, and synced with the folder: what carries the marker is whole.
  return WriteIdentity(folder, {backend.name});
}

// Only what FillStore made, in a folder that it made.
void RemoveUnfinished(const std::string& folder, const Backend& backend) {
  const StorePaths paths{folder};
  for (const std::string& file : {paths.Marker(), paths.OperationLog(), paths.Lock(), paths.Gate(),
                                  paths.Leases(), paths.Epoch(), paths.Settings()}) {
    ::unlink(file.c_str());
  }
  const std::string objects = paths.BackendFolder(backend.name);
  std::error_code ignored;
  if (::rmdir(objects.c_str()) != 0) std::filesystem::remove_all(objects, ignored);
  ::rmdir(paths.Workspaces().c_str());
  ::rmdir(folder.c_str());
}

}  // namespace

Result<void> CreateStore(const std::string& given_path, const Backend& backend,
                         const std::optional<Compression>& compression) {
  std::string path = given_path;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  const size_t slash = path.rfind('/');
  const std::string parent = slash == path.npos ? "." : path.substr(0, slash + 1);
  std::error_code ignored;  // what is wrong with the parent shows at the next step
  std::filesystem::create_directories(parent, ignored);
  const std::string temporary = parent + "/" + std::string(kNewStorePrefix) + RandomName();
  Result<void> made = FillStore(temporary, backend, compression);
  // A folder replaces an empty folder, and nothing else, by rename.
  if (made && ::rename(temporary.c_str(), path.c_str()) != 0) {
    made = Error::FromErrno(errno, "create store", path);
  }
  if (!made) {
    RemoveUnfinished(temporary, backend);
    struct stat status;
    if (::stat(StorePaths{path}.Marker().c_str(), &status) == 0) return {};
    if (made.error().os_error() == ENOTEMPTY || made.error().os_error() == EEXIST) {
      return Error(ErrorCode::kFailed, "cannot create a store at " + path +
                                           ": the folder is not empty and is not a store");
    }
    if (made.error().os_error() == ENOTDIR) {
      return Error(ErrorCode::kFailed, "cannot create a store at " + path + ": a file is there");
    }
    return made;
  }
  return SyncFolder(parent);
}

Result<bool> RepairMarker(const std::string& path, std::span<const Backend> backends,
                          const std::string& aside, bool dry_run) {
  const StorePaths paths{path};
  const Backend* found = nullptr;
  struct stat status;
  for (const Backend& backend : backends) {
    const std::string folder = paths.BackendFolder(backend.name);
    if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
    if (found != nullptr) return false;
    found = &backend;
  }
  const auto is_there = [&](const std::string& part) { return ::stat(part.c_str(), &status) == 0; };
  // Whatever holds these is or was a store.
  if (found == nullptr || !is_there(paths.Workspaces()) ||
      (!is_there(paths.OperationLog()) && !is_there(paths.Lock()))) {
    return false;
  }
  if (dry_run) return true;
  if (is_there(paths.Marker())) {
    HELIOS_TRY_ASSIGN(const std::string kept, KeepAside(paths.Marker(), aside));
  }
  HELIOS_TRY(WriteIdentity(path, {found->name}));
  return true;
}

Result<void> WriteIdentity(const std::string& path, const StoreIdentity& identity) {
  return ReplaceFile(path, kStoreMarkerFile, MarkerText(identity), Durability::kDurable);
}

Result<StoreIdentity> ReadIdentity(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return Error(ErrorCode::kNoStore, "no store at " + path + ": `helios commit` creates one");
    }
    return Error::FromErrno(errno, "open store", path);
  }
  if (!S_ISDIR(status.st_mode)) {
    return Error(ErrorCode::kNoStore, "no store at " + path + ": it is not a folder");
  }
  HELIOS_TRY(CheckOwner(path, status.st_uid));
  HELIOS_TRY_ASSIGN(const std::optional<Bytes> text,
                    ReadFileIfExists(StorePaths{path}.Marker(), kMarkerBytesMax));
  if (!text) {
    return Error(ErrorCode::kNoStore,
                 "no store at " + path + ": the folder holds no " + kStoreMarkerFile + " file");
  }
  const std::optional<Marker> marker = ParseMarker(*text);
  if (!marker) {
    return Error(ErrorCode::kCorrupt, StorePaths{path}.Marker() + " is damaged");
  }
  if (marker->version != std::to_string(kStoreVersion)) {
    return Error(ErrorCode::kUnsupported, "the store " + path + " has format version \"" +
                                              std::string(marker->version) +
                                              "\", which this build does not know (it knows " +
                                              std::to_string(kStoreVersion) + ")");
  }
  return StoreIdentity{std::string(marker->backend), marker->moved};
}

Result<Backend> FindBackend(std::span<const Backend> backends, const std::string& name) {
  std::string known;
  for (const Backend& backend : backends) {
    if (backend.name == name) return backend;
    known += (known.empty() ? "\"" : ", \"") + backend.name + "\"";
  }
  return Error(ErrorCode::kUnsupported,
               "unknown backend \"" + name + "\": this build knows " + known);
}

Result<Backend> IdentifyStore(const std::string& path, std::span<const Backend> backends) {
  HELIOS_TRY_ASSIGN(const StoreIdentity identity, ReadIdentity(path));
  Result<Backend> backend = FindBackend(backends, identity.backend);
  if (!backend) return std::move(backend).error().WithContext("the store " + path);
  return backend;
}

}  // namespace helios

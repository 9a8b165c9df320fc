#include "cli/store_location.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>

#include "helios/owner.h"
#include "helios/store_link.h"

namespace helios::cli {
namespace {

namespace fs = std::filesystem;

constexpr char kStoreName[] = ".helios";
constexpr int kParentsMax = 10000;

// Errors: where the path is relative, and the current folder is gone.
Result<std::string> Absolute(const fs::path& path) {
  std::error_code failure;
  fs::path real = fs::weakly_canonical(path, failure);
  if (failure) real = fs::absolute(path, failure).lexically_normal();
  if (failure) return Error::FromErrno(failure.value(), "find", "the current folder");
  std::string text = real.string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

// What the text file at `path` leads to.
Result<std::string> FollowFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kStoreLinkBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  const std::optional<std::string> target = ParseStoreLink(text);
  if (!target) {
    return Error(ErrorCode::kInvalidArgument,
                 path.string() + " is a file, but its first line is not \"store: PATH\"");
  }
  if (target->empty()) {
    return Error(ErrorCode::kInvalidArgument, path.string() + " names no store");
  }
  const fs::path full = path.parent_path() / *target;  // an absolute target stands alone
  std::error_code ignored;
  if (!fs::is_directory(full, ignored)) {
    return Error(ErrorCode::kNoStore,
                 "no store at " + full.string() + ", which " + path.string() + " leads to");
  }
  return Absolute(full);
}

Result<std::string> FollowAbsolute(const std::string& path) {
  HELIOS_TRY_ASSIGN(const std::string absolute, Absolute(path));
  return FollowFile(absolute);
}

// A folder stays; a link or a file is followed.
Result<std::string> Follow(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) return Absolute(path);
  if (S_ISREG(status.st_mode)) return FollowAbsolute(path);
  if (S_ISLNK(status.st_mode)) {
    struct stat target;
    if (::stat(path.c_str(), &target) != 0) {
      return Error(ErrorCode::kNoStore, "no store: the link " + path + " leads nowhere");
    }
    if (S_ISREG(target.st_mode)) return FollowAbsolute(path);
  }
  return Absolute(path);
}

// The nearest .helios at or above `work`; nullopt if there is none on its file system.
Result<std::optional<std::string>> Discover(const std::string& work) {
  struct stat start;
  if (::stat(work.c_str(), &start) != 0) return std::optional<std::string>();
  HELIOS_TRY_ASSIGN(fs::path folder, Absolute(work));
  for (int i = 0; i < kParentsMax; ++i) {
    struct stat here;
    if (::stat(folder.c_str(), &here) != 0 || here.st_dev != start.st_dev) break;
    const fs::path candidate = folder / kStoreName;
    struct stat status;
    if (::lstat(candidate.c_str(), &status) == 0) {
      HELIOS_TRY(CheckOwner(candidate.string(), status.st_uid));
      return std::optional<std::string>(candidate.string());
    }
    if (!folder.has_parent_path() || folder == folder.parent_path()) break;
    folder = folder.parent_path();
  }
  return std::optional<std::string>();
}

}  // namespace

Result<StoreLocation> LocateStore(const std::string& flag, const std::string& environment,
                                  const std::string& work) {
  if (!flag.empty()) {
    HELIOS_TRY_ASSIGN(std::string path, Follow(flag));
    return StoreLocation{std::move(path), "--store"};
  }
  if (!environment.empty()) {
    HELIOS_TRY_ASSIGN(std::string path, Follow(environment));
    return StoreLocation{std::move(path), "HELIOS_STORE_DIR"};
  }
  HELIOS_TRY_ASSIGN(const std::optional<std::string> found, Discover(work));
  if (found) {
    HELIOS_TRY_ASSIGN(std::string path, Follow(*found));
    return StoreLocation{std::move(path), "found " + *found};
  }
  HELIOS_TRY_ASSIGN(std::string path, Absolute(fs::path(work) / kStoreName));
  return StoreLocation{std::move(path), "default: .helios in the work folder"};
}

}  // namespace helios::cli

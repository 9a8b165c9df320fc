#include "worktree/target_folder.h"

#include <fcntl.h>

#include <cerrno>
#include <filesystem>

#include "worktree/found_store.h"

namespace helios {
namespace {

namespace fs = std::filesystem;

Result<void> CheckOutsideStores(const std::string& out) {
  std::error_code failure;
  fs::path folder = fs::weakly_canonical(fs::absolute(out, failure), failure);
  if (failure) return {};  // what is wrong with it shows when it is made
  while (true) {
    const Result<Fd> fd = OpenAt(AT_FDCWD, folder.string(), O_RDONLY | O_DIRECTORY);
    if (fd && IsStoreFolder(fd->get())) {
      return Error(ErrorCode::kInvalidArgument,
                   "refused: " + out + " lies inside the store " + folder.string());
    }
    if (!folder.has_relative_path()) return {};
    folder = folder.parent_path();
  }
}

}  // namespace

Result<TargetFolder> OpenTargetFolder(const std::string& out) {
  HELIOS_TRY(CheckOutsideStores(out));
  TargetFolder target;
  std::error_code failure;
  target.made = fs::create_directories(out, failure);
  Result<Fd> fd = OpenAt(AT_FDCWD, out, O_RDONLY | O_DIRECTORY);
  if (!fd && fd.error().os_error() == ENOTDIR) {
    return Error(ErrorCode::kFailed, "cannot materialize into " + out + ": it is not a folder");
  }
  if (!fd && failure) return Error::FromErrno(failure.value(), "create folder", out);
  if (!fd) return std::move(fd).error();
  target.root = std::move(fd).value();
  return target;
}

}  // namespace helios

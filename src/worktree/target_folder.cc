#include "worktree/target_folder.h"

#include <fcntl.h>

#include <cerrno>
#include <filesystem>
#include <string_view>

#include "helios/store_link.h"
#include "store/store_root.h"
#include "worktree/file_status.h"

namespace helios {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStoreMarkerLine = "helios store\n";

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

bool IsStoreFolder(int folder) {
  const Result<Fd> fd = OpenAt(folder, kStoreMarkerFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  char head[kStoreMarkerLine.size()];
  return fd && ReadExactlyAt(fd->get(), head, sizeof(head), 0, kStoreMarkerFile) &&
         std::string_view(head, sizeof(head)) == kStoreMarkerLine;
}

bool LeadsToStore(int folder, const std::string& name) {
  const Result<Fd> fd = OpenAt(folder, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return false;
  const FileStatus status = StatusOf(fd->get()).status;
  if (status.IsDirectory()) return IsStoreFolder(fd->get());
  if (!status.IsRegular()) return false;
  Bytes text(kStoreLinkBytesMax, '\0');
  const Result<size_t> length = ReadAt(fd->get(), text.data(), text.size(), 0, name);
  // Whatever the file names: what a snapshot holds must not depend on what else is mounted.
  return length && ParseStoreLink(ByteView(text).substr(0, *length)).has_value();
}

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

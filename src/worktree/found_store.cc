#include "worktree/found_store.h"

#include <fcntl.h>

#include "base/fd.h"
#include "helios/store_link.h"
#include "store/store_root.h"
#include "worktree/file_status.h"

namespace helios {

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

}  // namespace helios

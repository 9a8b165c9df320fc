#include "worktree/leftovers.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/durable_file.h"
#include "worktree/content_reader.h"

namespace helios {
namespace {

// The content of a small or large file as a tree would name it.
Result<TreeEntry> Identify(int folder, const std::string& name) {
  TreeEntry entry;
  const StatusOrErrno status = StatusAt(folder, name.c_str());
  if (status.os_error != 0) return Error::FromErrno(status.os_error, "stat", name);
  if (status.status.IsSymlink()) {
    char target[kSymlinkTargetBytesMax + 1];
    const ssize_t length = ::readlinkat(folder, name.c_str(), target, sizeof(target));
    if (length < 0) return Error::FromErrno(errno, "read", name);
    entry.kind = EntryKind::kSymlink;
    entry.target.assign(target, static_cast<size_t>(length));
    return entry;
  }
  if (!status.status.IsRegular()) return Error(ErrorCode::kFailed, "not a file");
  HELIOS_TRY_ASSIGN(const Fd fd, OpenAt(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  FileContent content;
  HELIOS_TRY(TaskStack::Run(1, [&](TaskStack& tasks) {
    tasks.Push([&](unsigned worker) -> Result<void> {
      SpareSegments spare(0);
      ContentReader reader;
      const auto store_nothing = [](unsigned, const ObjectKey&, ByteView) {
        return Result<void>();
      };
      HELIOS_TRY_ASSIGN(content, reader.Read({&tasks, worker, &spare}, fd.get(), status.status.size,
                                             store_nothing));
      return {};
    });
  }));
  entry.size = content.size;
  entry.id = content.id.digest;
  if (content.size > kWholeBlobBytesMax) entry.manifest = content.manifest;
  return entry;
}

// Whether something that lies in the folder `path` of the tree is, or begins as, what was left.
Result<bool> IsBesides(const TreeReader& reader, const TreeId& tree, const std::string& path,
                       const TreeEntry& left) {
  TreeId folder = tree;
  if (!path.empty()) {
    HELIOS_TRY_ASSIGN(const std::optional<TreeEntry> entry, reader.Lookup(tree, path));
    if (!entry || entry->kind != EntryKind::kDirectory) return false;
    folder = TreeId{entry->id};
  }
  HELIOS_TRY_ASSIGN(const DirectoryContents contents, reader.ReadDirectory(folder, nullptr));
  for (const TreeEntry& entry : contents.entries) {
    if (left.kind == EntryKind::kSymlink) {
      if (entry.kind == EntryKind::kSymlink && entry.target == left.target) return true;
      continue;
    }
    HELIOS_TRY_ASSIGN(const bool begins, reader.BeginsWith(entry, left.size, {left.id}));
    if (begins) return true;
  }
  return false;
}

Result<bool> IsHeld(const TreeReader& reader, const std::vector<TreeId>& trees,
                    const std::string& path, const TreeEntry& left) {
  if (IsFile(left.kind)) {
    const Result<bool> holds = reader.HoldsContent(left);
    if (holds && *holds) return true;
  }
  for (const TreeId& tree : trees) {
    HELIOS_TRY_ASSIGN(const bool is_besides, IsBesides(reader, tree, path, left));
    if (is_besides) return true;
  }
  return false;
}

}  // namespace

Result<std::vector<std::string>> RemoveLeftovers(const TreeReader& reader, int root,
                                                 ScanResult& scan,
                                                 const std::vector<TreeId>& trees) {
  std::vector<std::string> kept;
  for (ScannedDirectory& directory : scan.directories) {
    if (directory.is_store || directory.entry_failed) continue;
    directory.Expand();
    for (ScannedEntry& entry : directory.entries) {
      if (entry.entry_class != EntryClass::kStore || !entry.name.starts_with(kNewFilePrefix)) {
        continue;
      }
      const std::string path = directory.Path();
      const std::string name(entry.name);
      HELIOS_TRY_ASSIGN(const Fd folder, OpenFolderBelow(root, path));
      const Result<TreeEntry> left = Identify(folder.get(), name);
      Result<bool> is_held = left ? IsHeld(reader, trees, path, *left) : Result<bool>(false);
      if (is_held && *is_held && ::unlinkat(folder.get(), name.c_str(), 0) == 0) {
        entry.vanished = true;
        continue;
      }
      kept.push_back(path.empty() ? name : path + "/" + name);
    }
  }
  return kept;
}

}  // namespace helios

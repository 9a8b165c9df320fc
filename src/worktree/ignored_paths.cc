#include "worktree/ignored_paths.h"

namespace helios {

Result<ScannedEntry*> IgnoredPaths::LookAt(const std::string& path) {
  const size_t slash = path.rfind('/');
  const bool is_in_root = slash == path.npos;
  Result<Fd> folder = OpenFolderBelow(root_, path.substr(0, is_in_root ? 0 : slash));
  if (!folder) return std::move(folder).error().WithContext(path);
  ScanOptions options;
  options.include_git = true;
  if (!is_in_root) options.path_prefix = path.substr(0, slash + 1);
  options.only = path.substr(is_in_root ? 0 : slash + 1);
  options.sink = [](unsigned, const ObjectKey&, ByteView) { return Result<void>(); };
  HELIOS_TRY_ASSIGN(std::unique_ptr<ScanResult> scan,
                    ScanWorkspace(std::move(folder).value(), options));
  std::vector<ScannedEntry>& entries = scan->root_directory->entries;
  ScannedEntry* entry = entries.empty() || entries[0].vanished ? nullptr : &entries[0];
  MutexLock lock(mutex_);
  scans_.push_back(std::move(scan));
  return entry;
}

}  // namespace helios

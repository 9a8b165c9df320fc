#include "engine/object_filler.h"

#include <fcntl.h>

#include "object/hash.h"
#include "store/decorators.h"
#include "store/store_root.h"
#include "worktree/scan.h"

namespace helios {

Result<void> ObjectFiller::Put(const ObjectKey& key, ByteView bytes) {
  if (!wanted_.Contains(key)) return {};
  MutexLock lock(mutex_);
  if (!taken_.Insert(key)) return {};
  ++objects_;
  bytes_ += bytes.size();
  if (dry_run_) return {};
  if (batch_ == nullptr) {
    HELIOS_TRY_ASSIGN(batch_, store_->OpenBatch());
  }
  return batch_->Put(key, bytes);
}

// Scanned as for a commit, with nothing believed that an index says: so folders and attributes come
// back, too, where they are as they were.
Result<void> ObjectFiller::TakeFromWorkspace(const Workspace& workspace, unsigned threads,
                                             Progress* progress) {
  HELIOS_TRY_ASSIGN(Fd root, OpenAt(AT_FDCWD, workspace.path, O_RDONLY | O_DIRECTORY));
  ScanOptions scan;
  scan.threads = threads;
  scan.include_git = workspace.include_git;
  scan.sink = [this](unsigned, const ObjectKey& key, ByteView bytes) { return Put(key, bytes); };
  scan.progress = progress;
  const Result<std::unique_ptr<ScanResult>> scanned = ScanWorkspace(std::move(root), scan);
  if (!scanned) return Error(scanned.error()).WithContext(workspace.path);
  return {};
}

Result<void> ObjectFiller::TakeFromStore(const std::string& path,
                                         const std::vector<Backend>& backends,
                                         const OpenOptions& open_options,
                                         const std::vector<ObjectKey>& keys) {
  HELIOS_TRY_ASSIGN(const Backend backend, IdentifyStore(path, backends));
  HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> opened,
                    backend.open(StorePaths{path}.BackendFolder(backend.name), open_options));
  VerifyingStore other(std::move(opened));
  for (const ObjectKey& key : keys) {
    // What is damaged there as well is as good as absent.
    const Result<std::optional<Bytes>> bytes = other.Get(key);
    if (bytes && *bytes) HELIOS_TRY(Put(key, **bytes));
  }
  return {};
}

Result<void> ObjectFiller::Publish() {
  std::unique_ptr<ObjectBatch> batch;
  {
    MutexLock lock(mutex_);
    batch = std::move(batch_);
  }
  if (batch == nullptr) return {};
  HELIOS_TRY(batch->Publish());
  return store_->Sync();
}

}  // namespace helios

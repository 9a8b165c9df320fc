// Vst::Materialize: a working set on disk, written as every tree is.
#include "base/thread_pool.h"
#include "helios/vst.h"
#include "vst/vst_view.h"
#include "worktree/selector.h"
#include "worktree/target_folder.h"
#include "worktree/tree_writer.h"

namespace helios {

Result<WriteReport> Vst::Materialize(const std::string& out, const Selection& selection) {
  HELIOS_TRY_ASSIGN(const Selector selector,
                    Selector::Parse(selection.includes, selection.excludes));
  HELIOS_TRY_ASSIGN(const SnapshotId snapshot, Commit());
  HELIOS_TRY_ASSIGN(const std::unique_ptr<VstView> view, VstView::Of(*this));
  HELIOS_TRY_ASSIGN(TargetFolder target, OpenTargetFolder(out));
  WriteOptions options;
  options.threads = ResolveThreadCount(0);
  options.selector = &selector;
  Result<WriteReport> written =
      WriteTree(view.get(), std::move(target.root), snapshot, std::nullopt, options);
  if (!written) return std::move(written).error().WithContext("materialize into " + out);
  return written;
}

}  // namespace helios

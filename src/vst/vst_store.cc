#include "vst/vst_store.h"

#include "base/check.h"
#include "object/chunker.h"
#include "object/hash.h"
#include "object/manifest.h"
#include "vst/vst_load.h"
#include "vst/vst_state.h"

namespace helios {
namespace {

// Walks down from a page to all that is not known to be stored. As deep as the tree is, so not by
// recursion.
class Collector {
 public:
  explicit Collector(bool all) : all_(all) {}

  Result<VstObjects> Collect(const Page* root) {
    Enter(root);
    while (!stack_.empty()) {
      Place& at = stack_.back();
      if (at.next == at.page->size()) {
        found_.objects.push_back({at.page->id(), at.page->bytes()});
        // An empty page belongs to working sets of every store: it is asked for each time.
        if (at.page->size() > 0) found_.nodes.push_back(at.page);
        stack_.pop_back();
        continue;
      }
      HELIOS_TRY(TakeItem(*at.page, at.next++));
    }
    return std::move(found_);
  }

 private:
  struct Place {
    const Page* page;
    size_t next;  // item
  };

  // A page that is not in memory was never changed, and so is in the store.
  void Enter(const Page* page) {
    if (page != nullptr && (all_ || !page->IsStored())) stack_.push_back({page, 0});
  }

  Result<void> TakeItem(const Page& page, size_t index) {
    const VstNode* node = page.Node(index);
    if (node == nullptr) return {};
    if (page.level() > 0) {
      Enter(static_cast<const Page*>(node));
      return {};
    }
    const PageItem item = page.Item(index);
    if (item.kind == EntryKind::kDirectory) {
      Enter(static_cast<const VstDirectory*>(node)->LoadedTop());
      return {};
    }
    if (node->IsStored() && !all_) return {};
    found_.nodes.push_back(node);
    return TakeContent(item, *static_cast<const VstContent*>(node)->bytes());
  }

  Result<void> TakeContent(const PageItem& item, ByteView content) {
    if (content.size() <= kWholeBlobBytesMax) {
      found_.objects.push_back({{ObjectKind::kBlob, Digest::FromBytes(item.id)}, content});
      return {};
    }
    ManifestBuilder manifest([this](const ObjectKey& key, ByteView bytes) -> Result<void> {
      found_.objects.push_back({key, found_.made.emplace_back(bytes)});
      return {};
    });
    while (!content.empty()) {
      const ByteView chunk = content.substr(0, NextChunkLength(content));
      const BlobId id = HashBlob(chunk);
      found_.objects.push_back({id, chunk});
      HELIOS_TRY(manifest.AddChunk(chunk.size(), id));
      content.remove_prefix(chunk.size());
    }
    HELIOS_TRY_ASSIGN(const ManifestId id, manifest.Finish());
    HELIOS_CHECK(id.digest == Digest::FromBytes(item.manifest));
    return {};
  }

  const bool all_;
  std::vector<Place> stack_;
  VstObjects found_;
};

}  // namespace

ObjectStore* VstAccess::StoreOf(const Vst& vst) { return vst.state_->source.store(); }

const std::optional<VstBase>& VstAccess::BaseOf(const Vst& vst) { return vst.state_->base; }

void VstAccess::SetBase(Vst& vst, const VstBase& base) { vst.state_->base = base; }

TreeTotals VstAccess::TotalsOf(const Vst& vst) { return vst.state_->root->totals(); }

const std::shared_ptr<const VstHold>& VstAccess::HoldOf(const Vst& vst) { return vst.state_->hold; }

void VstAccess::SetHold(Vst& vst, std::shared_ptr<const VstHold> hold) {
  vst.state_->hold = std::move(hold);
}

Result<void> VstAccess::RestoreHeld(Vst& vst, const SnapshotId& snapshot, RestoreMode mode) {
  HELIOS_TRY_ASSIGN(const Ref<Page> top, vst.state_->source.Top(snapshot));
  const Ref<VstDirectory> root(new VstDirectory(top));
  if (mode == RestoreMode::kEager) HELIOS_TRY(LoadEverything(vst.state_->source, *root));
  vst.state_->root = root;
  return {};
}

Result<VstObjects> VstAccess::CollectObjects(Vst& vst, bool all) {
  HELIOS_TRY(vst.Commit());
  return Collector(all).Collect(vst.state_->root->LoadedTop());
}

void MarkStored(const VstObjects& objects) {
  for (const VstNode* node : objects.nodes) node->MarkStored();
}

}  // namespace helios

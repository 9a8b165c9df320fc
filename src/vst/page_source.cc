#include "vst/page_source.h"

#include "object/paging.h"

namespace helios {
namespace {

// What the page below item `index` must be according to `parent`: all that docs/format.md says but
// where the last page of a level ends, which only its top page knows.
Result<void> CheckChild(const Page& parent, size_t index, const Page& child) {
  const PageItem ref = parent.Item(index);
  if (child.level() + 1 != parent.level()) {
    return Contradiction(child.id(), "it is on another level");
  }
  if (child.size() == 0 || child.Name(child.size() - 1) != ref.name) {
    return Contradiction(child.id(), "it ends at another name than its parent says");
  }
  if (index > 0 && child.Name(0) <= parent.Name(index - 1)) {
    return Contradiction(child.id(), "its names overlap those of the page before");
  }
  if (index + 1 < parent.size() &&
      !PageEndsAfter(child.level(), child.size(), NameHash(ref.name))) {
    return Contradiction(child.id(), "it ends where no page ends");
  }
  if (child.totals() != ref.below) {
    return Contradiction(child.id(), "it has other totals than its parent says");
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Bytes>> PageSource::Load(const ObjectKey& key) const {
  if (store_ == nullptr) return MissingObject(key);
  HELIOS_TRY_ASSIGN(std::shared_ptr<const Bytes> bytes, store_->GetShared(key));
  if (bytes == nullptr) return MissingObject(key);
  return bytes;
}

Result<Ref<Page>> PageSource::LoadPage(const TreeId& id) const {
  HELIOS_TRY_ASSIGN(const std::shared_ptr<const Bytes> bytes, Load(id));
  Result<Ref<Page>> page = Page::Decode(id, *bytes);
  if (!page) return std::move(page).error().WithContext(ObjectKey(id).ToString());
  (*page)->MarkStored();
  return page;
}

Result<Ref<Page>> PageSource::Top(const TreeId& id) const {
  HELIOS_TRY_ASSIGN(Ref<Page> page, LoadPage(id));
  if (page->level() > 0 && page->size() < 2) {
    return Contradiction(id, "a level above a single page");
  }
  return page;
}

Result<Page*> PageSource::Child(const Page& parent, size_t index) const {
  if (VstNode* node = parent.Node(index)) return static_cast<Page*>(node);
  HELIOS_TRY_ASSIGN(const Ref<Page> page, LoadPage({Digest::FromBytes(parent.Item(index).id)}));
  HELIOS_TRY(CheckChild(parent, index, *page));
  return static_cast<Page*>(parent.KeepNode(index, page));
}

Result<std::shared_ptr<const Bytes>> PageSource::Content(uint64_t size, const BlobId& id,
                                                         const ManifestId& manifest) const {
  if (size > kWholeBlobBytesMax) {
    HELIOS_TRY_ASSIGN(Bytes whole, Part(size, id, manifest, {}));
    return std::make_shared<const Bytes>(std::move(whole));
  }
  HELIOS_TRY_ASSIGN(std::shared_ptr<const Bytes> bytes, Load(id));
  if (bytes->size() != size) {
    return Error(ErrorCode::kCorrupt,
                 ObjectKey(id).ToString() + " has another size than its tree says");
  }
  return bytes;
}

Result<Bytes> PageSource::Part(uint64_t size, const BlobId& id, const ManifestId& manifest,
                               const ByteRange& range) const {
  TreeEntry file;
  file.size = size;
  file.id = id.digest;
  file.manifest = manifest;
  if (store_ == nullptr) return MissingObject(file.HasManifest() ? ObjectKey(manifest) : id);
  Bytes part;
  const auto append = [&part](ByteView piece) -> Result<void> {
    part.append(piece);
    return {};
  };
  HELIOS_TRY(TreeReader(store_).ReadContent(file, append, range));
  return part;
}

}  // namespace helios

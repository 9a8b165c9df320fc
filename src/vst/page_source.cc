#include "vst/page_source.h"

#include "object/hash.h"
#include "vst/tree_reader.h"

namespace helios {
namespace {

// What a page must be according to the one above it. The reasons are those of docs/format.md.
Result<void> CheckChild(const Page& parent, const PageItem& ref, const Page& child) {
  const auto contradicts = [&](const char* what) {
    return Error(ErrorCode::kCorrupt, ObjectKey(child.id()).ToString() + " is damaged: " + what);
  };
  if (child.level() + 1 != parent.level()) return contradicts("it is on another level");
  if (child.size() == 0 || child.Name(child.size() - 1) != ref.name) {
    return contradicts("it ends at another name than its parent says");
  }
  if (child.totals() != ref.below) return contradicts("it has other totals than its parent says");
  return {};
}

}  // namespace

Result<Bytes> PageSource::LoadBytes(const ObjectKey& key) const {
  if (store_ == nullptr) return MissingObject(key);
  HELIOS_TRY_ASSIGN(std::optional<Bytes> bytes, store_->Get(key));
  if (!bytes) return MissingObject(key);
  return *std::move(bytes);
}

Result<Ref<Page>> PageSource::Load(const TreeId& id) const {
  HELIOS_TRY_ASSIGN(Bytes bytes, LoadBytes(id));
  Result<Ref<Page>> page = Page::Decode(id, std::move(bytes));
  if (!page) return std::move(page).error().WithContext(ObjectKey(id).ToString());
  return page;
}

Result<Page*> PageSource::Child(const Page& parent, size_t index) const {
  if (VstNode* node = parent.Node(index)) return static_cast<Page*>(node);
  const PageItem ref = parent.Item(index);
  HELIOS_TRY_ASSIGN(const Ref<Page> page, Load({Digest::FromBytes(ref.id)}));
  HELIOS_TRY(CheckChild(parent, ref, *page));
  return static_cast<Page*>(parent.KeepNode(index, page));
}

Result<std::shared_ptr<const Bytes>> PageSource::Content(uint64_t size, const BlobId& id,
                                                         const ManifestId& manifest) const {
  if (size > kWholeBlobBytesMax) return LargeContent(size, id, manifest);
  HELIOS_TRY_ASSIGN(Bytes bytes, LoadBytes(id));
  if (bytes.size() != size) {
    return Error(ErrorCode::kCorrupt,
                 ObjectKey(id).ToString() + " has another size than its tree says");
  }
  return std::make_shared<const Bytes>(std::move(bytes));
}

Result<std::shared_ptr<const Bytes>> PageSource::LargeContent(uint64_t size, const BlobId& id,
                                                              const ManifestId& manifest) const {
  if (store_ == nullptr) return MissingObject(manifest);
  auto whole = std::make_shared<Bytes>();
  HELIOS_TRY(TreeReader(store_).ForEachChunk(
      manifest, [&](const BlobId& part, uint64_t length) -> Result<void> {
        HELIOS_TRY_ASSIGN(const Bytes chunk, LoadBytes(part));
        if (chunk.size() != length || chunk.size() > size - whole->size()) {
          return Error(ErrorCode::kCorrupt, ObjectKey(manifest).ToString() +
                                                " is damaged: its chunks have other lengths");
        }
        whole->append(chunk);
        return {};
      }));
  if (whole->size() != size || HashBlob(*whole) != id) {
    return Error(ErrorCode::kCorrupt, ObjectKey(manifest).ToString() +
                                          " is damaged: its chunks do not make up blob " +
                                          FormatId(id));
  }
  return std::shared_ptr<const Bytes>(std::move(whole));
}

}  // namespace helios

// Where the nodes of a virtual state tree come from when they are not in memory: L1, then L2.
#ifndef HELIOS_VST_PAGE_SOURCE_H_
#define HELIOS_VST_PAGE_SOURCE_H_

#include "helios/object_store.h"
#include "vst/page.h"
#include "vst/tree_reader.h"

namespace helios {

// Thread-safe. Without a store every node must be in memory. Errors: kMissingObject, kCorrupt,
// those of the store; each names the object.
class PageSource {
 public:
  explicit PageSource(ObjectStore* store) : store_(store) {}

  ObjectStore* store() const { return store_; }

  // The top page of a directory.
  Result<Ref<Page>> Top(const TreeId& id) const;
  // The page below item `index` of a page above level 0; kept there once it is loaded.
  Result<Page*> Child(const Page& parent, size_t index) const;
  // A whole file's content, chunks joined.
  Result<std::shared_ptr<const Bytes>> Content(uint64_t size, const BlobId& id,
                                               const ManifestId& manifest) const;
  // What of a file's content lies in `range`; of a large one, only its chunks there are loaded.
  Result<Bytes> Part(uint64_t size, const BlobId& id, const ManifestId& manifest,
                     const ByteRange& range) const;

 private:
  Result<std::shared_ptr<const Bytes>> Load(const ObjectKey& key) const;
  Result<Ref<Page>> LoadPage(const TreeId& id) const;

  ObjectStore* store_;  // may be null
};

}  // namespace helios

#endif  // HELIOS_VST_PAGE_SOURCE_H_

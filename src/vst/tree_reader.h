// Reads trees through a store, page by page.
#ifndef HELIOS_VST_TREE_READER_H_
#define HELIOS_VST_TREE_READER_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "helios/object_store.h"
#include "object/attributes.h"
#include "object/hash.h"
#include "object/manifest.h"
#include "object/tree.h"

namespace helios {

struct DirectoryContents {
  std::vector<TreeEntry> entries;
  // Beside the entries; empty if no attributes were asked for.
  std::vector<AttributesEntry> attributes;
  FileAttributes own;
};

// Thread-safe. Everything is checked as it is read: an object that is missing is kMissingObject,
// one that decodes to nonsense or contradicts what refers to it is kCorrupt; both name the object.
class TreeReader {
 public:
  explicit TreeReader(ObjectStore* store) : store_(store) {}

  // One page of a directory: its entries in order and, where attributes were asked for, theirs.
  using PageSink = std::function<Result<void>(std::span<TreeEntry> entries,
                                              std::span<AttributesEntry> attributes)>;
  // Visits a directory's pages in order; memory does not grow with the directory. `attributes` may
  // be null. Returns the directory's own attributes.
  Result<FileAttributes> ForEachPage(const TreeId& tree, const AttributesId* attributes,
                                     const PageSink& sink) const;

  Result<DirectoryContents> ReadDirectory(const TreeId& tree, const AttributesId* attributes) const;

  // The entries in which two directories can differ: those of pages that both have are left out.
  Result<void> ReadDiffering(const TreeId& a, const TreeId& b, std::vector<TreeEntry>* entries_a,
                             std::vector<TreeEntry>* entries_b) const;

  // The entry at `path`, components joined by '/'; nullopt if there is none.
  Result<std::optional<TreeEntry>> Lookup(const TreeId& tree, std::string_view path) const;

  // Whether the store holds the content of `entry`, of a directory everything below it. Looks it
  // up, and reads no contents.
  Result<bool> HoldsContent(const TreeEntry& entry) const;

  // Whether the first `size` bytes of a file are those that have the id `beginning`.
  Result<bool> BeginsWith(const TreeEntry& file, uint64_t size, const BlobId& beginning) const;

  // Visits the chunks of a large file in order.
  using ChunkSink = std::function<Result<void>(const BlobId& id, uint64_t length)>;
  Result<void> ForEachChunk(const ManifestId& manifest, const ChunkSink& sink) const;

  // Gives a file's content to the sink piece by piece, in order: never more than one chunk is in
  // memory. Each piece is verified before the sink sees it, and the whole at the end: what the sink
  // was given counts only if this returns no error.
  using ContentSink = std::function<Result<void>(ByteView piece)>;
  Result<void> ReadContent(const TreeEntry& file, const ContentSink& sink) const;

 private:
  // Never nullptr: absence is kMissingObject.
  Result<std::shared_ptr<const Bytes>> Load(const ObjectKey& key) const;
  Result<TreePage> LoadTreePage(const TreeId& id) const;
  Result<AttributesPage> LoadAttributesPage(const AttributesId& id) const;
  Result<void> ReadChunks(const TreeEntry& file, const ContentSink& sink) const;

  ObjectStore* store_;
};

// The errors of an object that is not there, and of one that is not what refers to it says.
Error MissingObject(const ObjectKey& key);
Error Contradiction(const ObjectKey& key, std::string_view what);

// Whether the chunks of a large file make it up.
class ContentVerifier {
 public:
  // `manifest` is for messages.
  explicit ContentVerifier(const ManifestId& manifest) : manifest_(manifest) {}

  // The next chunk, of which the manifest gives id and length.
  Result<void> Add(const BlobId& id, uint64_t length, ByteView chunk);
  // After the last: what the file must be.
  Result<void> Finish(uint64_t size, const Digest& id) const;

 private:
  const ManifestId manifest_;
  Hasher whole_;
  uint64_t size_ = 0;
};

}  // namespace helios

#endif  // HELIOS_VST_TREE_READER_H_

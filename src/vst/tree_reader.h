// Reads trees through a store, page by page.
#ifndef HELIOS_VST_TREE_READER_H_
#define HELIOS_VST_TREE_READER_H_

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "helios/object_store.h"
#include "object/attributes.h"
#include "object/manifest.h"
#include "object/tree.h"

namespace helios {

struct DirectoryContents {
  std::vector<TreeEntry> entries;
  // Beside the entries; empty if no attributes were asked for.
  std::vector<AttributesEntry> attributes;
  FileAttributes own;
};

// Bytes `begin` to `end` of a file, `end` not among them; beyond its end there are none.
struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = UINT64_MAX;

  static ByteRange From(uint64_t offset, uint64_t length) {
    return {offset, length < UINT64_MAX - offset ? offset + length : UINT64_MAX};
  }
  bool IsAllOf(uint64_t size) const { return begin == 0 && end >= size; }
};

// What of a piece that begins at `offset` of a file lies in `range`.
ByteView PartOf(ByteView piece, uint64_t offset, const ByteRange& range);

// One chunk of a large file.
struct FileChunk {
  BlobId id;
  uint64_t offset = 0;
  uint64_t length = 0;
};

// How much of a large file is got before its turn comes, and how many threads get it. More of both
// would take memory and bring nothing: what is got is taken by one thread, in order.
inline constexpr uint64_t kChunksAheadBytes = uint64_t{8} << 20;
inline constexpr unsigned kReadersMax = 6;

// A page of a directory, and what is said of it by what refers to it.
struct TreePlace {
  TreeId tree;
  std::optional<AttributesId> attributes;
  std::optional<TreeTotals> totals;  // absent where nobody says
  bool is_top = true;
  // Of all but the top page:
  uint8_t level = 0;
  std::string after;      // the name before the page's first; "" if there is none
  std::string last_name;  // on the page
  bool is_last = true;    // of its level
};

// kCorrupt, naming the object, if a page is not what its place says.
Result<void> CheckPage(const TreePlace& place, const TreePage& page);
// The same if an attributes object is not of that page.
Result<void> CheckAttributes(const TreePlace& place, const TreePage& page,
                             const AttributesPage& attributes);
// Where the pages below a page above level 0 are, in order. `attributes`, of that page: may be
// null.
std::vector<TreePlace> PlacesBelow(const TreePlace& place, const TreePage& page,
                                   const AttributesPage* attributes);

// A manifest, or a chunk, and what is said of it by what refers to it.
struct ManifestPlace {
  ManifestId id;                 // of a chunk, its digest
  std::optional<uint8_t> level;  // absent for the topmost list; without meaning for a chunk
  uint64_t offset = 0;           // in the file
  uint64_t length = 0;           // bytes of the file that it covers
  bool is_last = true;           // of its level
};

ManifestPlace TopManifest(const TreeEntry& file);
// kCorrupt, naming the object, if a manifest is not what its place says.
Result<void> CheckManifest(const ManifestPlace& place, const Manifest& manifest);
// What a manifest lists, in order: manifests, on level 0 chunks.
std::vector<ManifestPlace> PlacesBelow(const ManifestPlace& place, const Manifest& manifest);

// Thread-safe. Everything is checked as it is read: an object that is missing is kMissingObject,
// one that decodes to nonsense or contradicts what refers to it is kCorrupt; both name the object.
class TreeReader {
 public:
  explicit TreeReader(ObjectStore* store) : store_(store) {}

  // Single objects, decoded, each checked alone.
  Result<TreePage> LoadTreePage(const TreeId& id) const;
  Result<AttributesPage> LoadAttributesPage(const AttributesId& id) const;
  Result<Manifest> LoadManifest(const ManifestId& id) const;

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

  // Visits the chunks of a large file that hold something of `range`, in order. Loads no manifests
  // but those that lead there.
  using ChunkSink = std::function<Result<void>(const FileChunk& chunk)>;
  Result<void> ForEachChunk(const TreeEntry& file, const ByteRange& range,
                            const ChunkSink& sink) const;

  // Gives a file's content, or as much of it as lies in `range`, to the sink piece by piece, in
  // order, on the caller's thread. Each piece is verified before the sink sees it, down from the
  // tree's own id; where `range` is all of the file, the whole at the end as well: what the sink
  // was given counts only if this returns no error. Of a large file, up to `threads` threads get
  // the chunks (kReadersMax at most), kChunksAheadBytes before the sink takes them.
  using ContentSink = std::function<Result<void>(ByteView piece)>;
  Result<void> ReadContent(const TreeEntry& file, const ContentSink& sink,
                           const ByteRange& range = {}, unsigned threads = 1) const;

  // The same of all of a large file, for those who write whole trees out: in a task that `worker`
  // of `stack` runs, with the threads of that stack, and past L1.
  Result<void> ReadLarge(TaskStack& stack, unsigned worker, const TreeEntry& file,
                         const ContentSink& sink) const;

 private:
  // Never nullptr: absence is kMissingObject.
  Result<std::shared_ptr<const Bytes>> Load(const ObjectKey& key) const;
  // As Load, but past L1: for what is used once.
  Result<std::shared_ptr<const Bytes>> LoadPast(const ObjectKey& key) const;

  ObjectStore* store_;
};

// The errors of an object that is not there, and of one that is not what refers to it says.
Error MissingObject(const ObjectKey& key);
Error Contradiction(const ObjectKey& key, std::string_view what);

}  // namespace helios

#endif  // HELIOS_VST_TREE_READER_H_

#include "vst/tree_reader.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <unordered_set>

#include "base/ordered_tasks.h"
#include "object/chunker.h"
#include "object/paging.h"
#include "object/span_hash.h"

namespace helios {
namespace {

bool CanBeOfSymlink(const RareAttributes& rare) {
  return !rare.has_holes && rare.xattrs.bytes == 0;
}

// One side of ReadDiffering: a list of pages, all on one level.
struct PageList {
  uint8_t level = 0;
  std::vector<TreePlace> places;
  std::vector<TreeEntry> entries;  // on level 0
};

void DropCommon(std::vector<TreePlace>* a, std::vector<TreePlace>* b) {
  std::unordered_set<Digest, DigestHash> in_a;
  std::unordered_set<Digest, DigestHash> common;
  for (const TreePlace& place : *a) in_a.insert(place.tree.digest);
  for (const TreePlace& place : *b) {
    if (in_a.count(place.tree.digest) > 0) common.insert(place.tree.digest);
  }
  const auto is_common = [&](const TreePlace& place) {
    return common.count(place.tree.digest) > 0;
  };
  std::erase_if(*a, is_common);
  std::erase_if(*b, is_common);
}

// Chunks of one large file on their way from the store to a sink, got by all threads of a stack
// that have time.
class ChunkReads {
 public:
  // Called on any thread.
  using Load = std::function<Result<std::shared_ptr<const Bytes>>(const BlobId& id)>;

  // If `range` is all of the file, every chunk is to come, and together they must make it up.
  ChunkReads(TaskStack& stack, unsigned worker, const TreeEntry& file, const ByteRange& range,
             const TreeReader::ContentSink& sink)
      : file_(file),
        range_(range),
        is_whole_(range.IsAllOf(file.size)),
        sink_(sink),
        steps_(stack, worker, kReadersMax) {}

  // The next chunk, in order.
  Result<void> Add(const FileChunk& chunk, const Load& load) {
    while (!steps_.empty() && ahead_bytes_ + chunk.length > kChunksAheadBytes) {
      HELIOS_TRY(steps_.TakeOldest());
    }
    ahead_bytes_ += chunk.length;
    const auto read = std::make_shared<Read>();
    steps_.Add(
        [this, chunk, load, read](unsigned) -> Result<void> {
          HELIOS_TRY_ASSIGN(read->bytes, load(chunk.id));
          HELIOS_TRY(CheckLength(chunk, *read->bytes));
          if (is_whole_) read->span = HashSpan(chunk.offset, *read->bytes);
          return {};
        },
        [this, chunk, read]() -> Result<void> {
          ahead_bytes_ -= chunk.length;
          if (is_whole_) joiner_.Add(read->span);
          return sink_(PartOf(*read->bytes, chunk.offset, range_));
        });
    return {};
  }

  Result<void> Finish() {
    HELIOS_TRY(steps_.TakeAll());
    if (!is_whole_ || joiner_.Finish() == file_.id) return {};
    return Contradiction(file_.manifest, "its chunks do not make up blob " + FormatId(file_.id));
  }

 private:
  struct Read {
    std::shared_ptr<const Bytes> bytes;
    SpanHash span;
  };

  Result<void> CheckLength(const FileChunk& chunk, ByteView bytes) const {
    if (bytes.size() == chunk.length) return {};
    return Contradiction(
        chunk.id, "its length is not what " + ObjectKey(file_.manifest).ToString() + " says");
  }

  const TreeEntry& file_;
  const ByteRange range_;
  const bool is_whole_;
  const TreeReader::ContentSink& sink_;
  SpanJoiner joiner_;
  uint64_t ahead_bytes_ = 0;
  OrderedTasks steps_;
};

}  // namespace

ByteView PartOf(ByteView piece, uint64_t offset, const ByteRange& range) {
  const uint64_t begin = std::clamp(range.begin, offset, offset + piece.size()) - offset;
  const uint64_t end = std::clamp(range.end, offset + begin, offset + piece.size()) - offset;
  return piece.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

Error MissingObject(const ObjectKey& key) {
  return Error(ErrorCode::kMissingObject, "object is missing from the store: " + key.ToString());
}

Error Contradiction(const ObjectKey& key, std::string_view what) {
  return Error(ErrorCode::kCorrupt, key.ToString() + " is damaged: " + std::string(what));
}

Result<void> CheckPage(const TreePlace& place, const TreePage& page) {
  if (place.totals && page.Totals() != *place.totals) {
    return Contradiction(place.tree, "it has other totals than what refers to it says");
  }
  if (place.is_top) {
    if (page.level == 0 || page.pages.size() >= 2) return {};
    return Contradiction(place.tree, "a level above a single page");
  }
  if (page.level != place.level) return Contradiction(place.tree, "it is on another level");
  std::string_view first;
  std::string_view last;
  if (!page.entries.empty()) {
    first = page.entries.front().name;
    last = page.entries.back().name;
  } else if (!page.pages.empty()) {
    first = page.pages.front().last_name;
    last = page.pages.back().last_name;
  }
  if (last.empty() || last != place.last_name) {
    return Contradiction(place.tree, "it ends at another name than its parent says");
  }
  if (first <= place.after) {
    return Contradiction(place.tree, "its names overlap those of the page before");
  }
  if (!place.is_last &&
      !PageEndsAfter(page.level, page.entries.size() + page.pages.size(), NameHash(last))) {
    return Contradiction(place.tree, "it ends where no page ends");
  }
  return {};
}

Result<void> CheckAttributes(const TreePlace& place, const TreePage& page,
                             const AttributesPage& attributes) {
  bool same = attributes.level == page.level && attributes.entries.size() == page.entries.size() &&
              attributes.pages.size() == page.pages.size() &&
              attributes.own.has_value() == place.is_top;
  for (size_t i = 0; same && i < page.entries.size(); ++i) {
    const AttributesEntry& item = attributes.entries[i];
    same = item.is_directory == (page.entries[i].kind == EntryKind::kDirectory) &&
           (page.entries[i].kind != EntryKind::kSymlink || CanBeOfSymlink(item.attributes.rare));
  }
  if (same) return {};
  return Contradiction(*place.attributes, "it does not fit " + ObjectKey(place.tree).ToString());
}

std::vector<TreePlace> PlacesBelow(const TreePlace& place, const TreePage& page,
                                   const AttributesPage* attributes) {
  std::vector<TreePlace> below(page.pages.size());
  for (size_t i = 0; i < below.size(); ++i) {
    below[i].tree = page.pages[i].id;
    if (attributes != nullptr) below[i].attributes = attributes->pages[i];
    below[i].totals = page.pages[i].totals;
    below[i].is_top = false;
    below[i].level = static_cast<uint8_t>(page.level - 1);
    below[i].after = i > 0 ? page.pages[i - 1].last_name : place.after;
    below[i].last_name = page.pages[i].last_name;
    below[i].is_last = place.is_last && i + 1 == below.size();
  }
  return below;
}

ManifestPlace TopManifest(const TreeEntry& file) {
  return {file.manifest, std::nullopt, 0, file.size, true};
}

Result<void> CheckManifest(const ManifestPlace& place, const Manifest& manifest) {
  if (manifest.Length() != place.length || manifest.level != place.level.value_or(manifest.level)) {
    return Contradiction(place.id, "it does not fit what refers to it");
  }
  const size_t count = manifest.items.size();
  const bool has_form =
      place.is_last ? place.level || manifest.level == 0 || count > 1 : count == kManifestItemsMax;
  if (has_form) return {};
  return Contradiction(place.id, "it has an impossible number of items");
}

std::vector<ManifestPlace> PlacesBelow(const ManifestPlace& place, const Manifest& manifest) {
  std::vector<ManifestPlace> below;
  uint64_t offset = place.offset;
  for (const ManifestItem& item : manifest.items) {
    const bool is_last = place.is_last && below.size() + 1 == manifest.items.size();
    below.push_back(
        {{item.id}, static_cast<uint8_t>(manifest.level - 1), offset, item.length, is_last});
    offset += item.length;
  }
  return below;
}

Result<std::shared_ptr<const Bytes>> TreeReader::Load(const ObjectKey& key) const {
  HELIOS_TRY_ASSIGN(std::shared_ptr<const Bytes> bytes, store_->GetShared(key));
  if (bytes == nullptr) return MissingObject(key);
  return bytes;
}

Result<std::shared_ptr<const Bytes>> TreeReader::LoadPast(const ObjectKey& key) const {
  std::shared_ptr<const Bytes> copy;
  HELIOS_TRY(store_->GetMany({&key, 1}, [&](size_t, std::optional<ByteView> bytes) -> Result<void> {
    if (!bytes) return MissingObject(key);
    copy = std::make_shared<const Bytes>(*bytes);
    return {};
  }));
  return copy;
}

Result<TreePage> TreeReader::LoadTreePage(const TreeId& id) const {
  HELIOS_TRY_ASSIGN(const std::shared_ptr<const Bytes> bytes, Load(id));
  Result<TreePage> page = DecodeTreePage(*bytes);
  if (!page) return std::move(page).error().WithContext(ObjectKey(id).ToString());
  return page;
}

Result<AttributesPage> TreeReader::LoadAttributesPage(const AttributesId& id) const {
  HELIOS_TRY_ASSIGN(const std::shared_ptr<const Bytes> bytes, Load(id));
  Result<AttributesPage> page = DecodeAttributesPage(*bytes);
  if (!page) return std::move(page).error().WithContext(ObjectKey(id).ToString());
  return page;
}

Result<Manifest> TreeReader::LoadManifest(const ManifestId& id) const {
  HELIOS_TRY_ASSIGN(const std::shared_ptr<const Bytes> bytes, Load(id));
  Result<Manifest> manifest = DecodeManifest(*bytes);
  if (!manifest) return std::move(manifest).error().WithContext(ObjectKey(id).ToString());
  return manifest;
}

Result<FileAttributes> TreeReader::ForEachPage(const TreeId& tree, const AttributesId* attributes,
                                               const PageSink& sink) const {
  FileAttributes own;
  std::vector<TreePlace> stack(1);
  stack[0].tree = tree;
  if (attributes != nullptr) stack[0].attributes = *attributes;
  while (!stack.empty()) {
    const TreePlace place = std::move(stack.back());
    stack.pop_back();
    HELIOS_TRY_ASSIGN(TreePage page, LoadTreePage(place.tree));
    HELIOS_TRY(CheckPage(place, page));
    AttributesPage beside;
    if (place.attributes) {
      HELIOS_TRY_ASSIGN(beside, LoadAttributesPage(*place.attributes));
      HELIOS_TRY(CheckAttributes(place, page, beside));
      if (beside.own) own = *beside.own;
    }
    if (page.level == 0) {
      HELIOS_TRY(sink(page.entries, beside.entries));
      continue;
    }
    std::vector<TreePlace> below = PlacesBelow(place, page, place.attributes ? &beside : nullptr);
    std::move(below.rbegin(), below.rend(), std::back_inserter(stack));
  }
  return own;
}

Result<DirectoryContents> TreeReader::ReadDirectory(const TreeId& tree,
                                                    const AttributesId* attributes) const {
  DirectoryContents contents;
  const auto append = [&](std::span<TreeEntry> entries,
                          std::span<AttributesEntry> beside) -> Result<void> {
    contents.entries.insert(contents.entries.end(), std::move_iterator(entries.begin()),
                            std::move_iterator(entries.end()));
    contents.attributes.insert(contents.attributes.end(), beside.begin(), beside.end());
    return {};
  };
  HELIOS_TRY_ASSIGN(contents.own, ForEachPage(tree, attributes, append));
  return contents;
}

Result<void> TreeReader::ReadDiffering(const TreeId& a, const TreeId& b,
                                       std::vector<TreeEntry>* entries_a,
                                       std::vector<TreeEntry>* entries_b) const {
  // Replaces a list of pages by the list of what is in them.
  const auto expand = [&](PageList* list) -> Result<void> {
    PageList below;
    for (const TreePlace& place : list->places) {
      HELIOS_TRY_ASSIGN(TreePage page, LoadTreePage(place.tree));
      HELIOS_TRY(CheckPage(place, page));
      below.level = page.level;
      std::vector<TreePlace> places = PlacesBelow(place, page, nullptr);
      std::move(places.begin(), places.end(), std::back_inserter(below.places));
      std::move(page.entries.begin(), page.entries.end(), std::back_inserter(below.entries));
    }
    *list = std::move(below);
    return {};
  };
  const auto load_top = [&](const TreeId& id) -> Result<PageList> {
    PageList list;
    list.places.emplace_back().tree = id;
    HELIOS_TRY(expand(&list));
    return list;
  };
  HELIOS_TRY_ASSIGN(PageList list_a, load_top(a));
  HELIOS_TRY_ASSIGN(PageList list_b, load_top(b));
  while (list_a.level > 0 || list_b.level > 0) {
    const uint8_t level_a = list_a.level;
    const uint8_t level_b = list_b.level;
    if (level_a == level_b) DropCommon(&list_a.places, &list_b.places);
    if (level_a >= level_b) HELIOS_TRY(expand(&list_a));
    if (level_b >= level_a) HELIOS_TRY(expand(&list_b));
  }
  *entries_a = std::move(list_a.entries);
  *entries_b = std::move(list_b.entries);
  return {};
}

Result<std::optional<TreeEntry>> TreeReader::Lookup(const TreeId& tree,
                                                    std::string_view path) const {
  TreeId folder = tree;
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    // Down the pages: the first whose last name is not before the one wanted.
    HELIOS_TRY_ASSIGN(TreePage page, LoadTreePage(folder));
    while (page.level > 0) {
      const auto ref = std::lower_bound(
          page.pages.begin(), page.pages.end(), name,
          [](const TreePageRef& a, std::string_view b) { return a.last_name < b; });
      if (ref == page.pages.end()) return std::optional<TreeEntry>();
      const uint8_t level = page.level;
      HELIOS_TRY_ASSIGN(page, LoadTreePage(ref->id));
      if (page.level >= level) return Contradiction(folder, "it is on another level");
    }
    const auto entry =
        std::lower_bound(page.entries.begin(), page.entries.end(), name,
                         [](const TreeEntry& a, std::string_view b) { return a.name < b; });
    if (entry == page.entries.end() || entry->name != name) return std::optional<TreeEntry>();
    if (slash == path.npos) return std::optional<TreeEntry>(*entry);
    if (entry->kind != EntryKind::kDirectory) return std::optional<TreeEntry>();
    folder = {entry->id};
    path.remove_prefix(slash + 1);
  }
}

Result<void> TreeReader::ReadContent(const TreeEntry& file, const ContentSink& sink,
                                     const ByteRange& range, unsigned threads) const {
  if (file.HasManifest()) {
    const uint64_t end = std::clamp(range.end, range.begin, std::max(range.begin, file.size));
    const uint64_t worth_sharing = (end - range.begin) / kFastCdc2020.max_bytes;
    const auto team = static_cast<unsigned>(
        std::clamp<uint64_t>(worth_sharing, 1, std::min(threads, kReadersMax)));
    return TaskStack::RunWith(team, [&](TaskStack& stack) -> Result<void> {
      ChunkReads reads(stack, 0, file, range, sink);
      const auto load = [this](const BlobId& id) { return Load(id); };
      HELIOS_TRY(ForEachChunk(file, range, [&](const FileChunk& c) { return reads.Add(c, load); }));
      return reads.Finish();
    });
  }
  const BlobId id{file.id};
  HELIOS_TRY_ASSIGN(const std::shared_ptr<const Bytes> content, Load(id));
  if (content->size() != file.size) {
    return Contradiction(id, "it has another size than its tree says");
  }
  return sink(PartOf(*content, 0, range));
}

Result<void> TreeReader::ReadLarge(TaskStack& stack, unsigned worker, const TreeEntry& file,
                                   const ContentSink& sink) const {
  ChunkReads reads(stack, worker, file, {}, sink);
  const auto load = [this](const BlobId& id) { return LoadPast(id); };
  HELIOS_TRY(ForEachChunk(file, {}, [&](const FileChunk& c) { return reads.Add(c, load); }));
  return reads.Finish();
}

Result<bool> TreeReader::HoldsContent(const TreeEntry& entry) const {
  const auto has = [this](const ObjectKey& key) -> Result<bool> {
    HELIOS_TRY_ASSIGN(const std::vector<bool> held, store_->HasMany({&key, 1}));
    return held.front();
  };
  bool holds = true;
  std::vector<TreeEntry> stack{entry};
  while (holds && !stack.empty()) {
    const TreeEntry at = std::move(stack.back());
    stack.pop_back();
    if (at.kind == EntryKind::kDirectory) {
      HELIOS_TRY_ASSIGN(DirectoryContents below, ReadDirectory({at.id}, nullptr));
      std::move(below.entries.begin(), below.entries.end(), std::back_inserter(stack));
    } else if (at.HasManifest()) {
      HELIOS_TRY(ForEachChunk(at, {}, [&](const FileChunk& chunk) -> Result<void> {
        HELIOS_TRY_ASSIGN(const bool held, has(chunk.id));
        holds = holds && held;
        return {};
      }));
    } else if (IsFile(at.kind)) {
      HELIOS_TRY_ASSIGN(holds, has(BlobId{at.id}));
    }
  }
  return holds;
}

Result<bool> TreeReader::BeginsWith(const TreeEntry& file, uint64_t size,
                                    const BlobId& beginning) const {
  if (!IsFile(file.kind) || file.size < size) return false;
  Hasher hasher;
  const auto add = [&](ByteView piece) -> Result<void> {
    hasher.Update(piece);
    return {};
  };
  HELIOS_TRY(ReadContent(file, add, {0, size}));
  return hasher.Finish() == beginning.digest;
}

Result<void> TreeReader::ForEachChunk(const TreeEntry& file, const ByteRange& range,
                                      const ChunkSink& sink) const {
  std::vector<ManifestPlace> stack{TopManifest(file)};
  while (!stack.empty()) {
    const ManifestPlace place = stack.back();
    stack.pop_back();
    HELIOS_TRY_ASSIGN(const Manifest manifest, LoadManifest(place.id));
    HELIOS_TRY(CheckManifest(place, manifest));
    std::vector<ManifestPlace> items = PlacesBelow(place, manifest);
    std::erase_if(items, [&](const ManifestPlace& item) {
      return item.offset >= range.end || item.offset + item.length <= range.begin;
    });
    if (manifest.level > 0) {
      stack.insert(stack.end(), items.rbegin(), items.rend());
      continue;
    }
    for (const ManifestPlace& chunk : items) {
      HELIOS_TRY(sink({{chunk.id.digest}, chunk.offset, chunk.length}));
    }
  }
  return {};
}

}  // namespace helios

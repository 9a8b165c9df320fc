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

// A page that is still to be read, and what its parent says of it.
struct PendingPage {
  TreeId tree;
  std::optional<AttributesId> attributes;
  std::optional<TreePageRef> ref;  // absent for the top page
  uint8_t level = 0;               // where ref is present
};

Result<void> CheckTopPage(const TreeId& id, const TreePage& page) {
  if (page.level == 0 || page.pages.size() >= 2) return {};
  return Contradiction(id, "a level above a single page");
}

// `directory_end` is the last name of the directory: the last page of every level ends there, all
// others where the form says.
Result<void> CheckAgainstRef(const PendingPage& pending, const TreePage& page,
                             std::string_view directory_end) {
  if (!pending.ref) return CheckTopPage(pending.tree, page);
  if (page.level != pending.level) return Contradiction(pending.tree, "it is on another level");
  const std::string* last = nullptr;
  if (!page.entries.empty()) last = &page.entries.back().name;
  if (!page.pages.empty()) last = &page.pages.back().last_name;
  if (last == nullptr || *last != pending.ref->last_name) {
    return Contradiction(pending.tree, "it ends at another name than its parent says");
  }
  if (*last != directory_end &&
      !PageEndsAfter(page.level, page.entries.size() + page.pages.size(), NameHash(*last))) {
    return Contradiction(pending.tree, "it ends where no page ends");
  }
  if (page.Totals() != pending.ref->totals) {
    return Contradiction(pending.tree, "it has other totals than its parent says");
  }
  return {};
}

bool CanBeOfSymlink(const RareAttributes& rare) {
  return !rare.has_holes && rare.xattrs.bytes == 0;
}

Result<void> CheckAttributes(const PendingPage& pending, const TreePage& page,
                             const AttributesPage& attributes) {
  bool same = attributes.level == page.level && attributes.entries.size() == page.entries.size() &&
              attributes.pages.size() == page.pages.size() &&
              attributes.own.has_value() == !pending.ref.has_value();
  for (size_t i = 0; same && i < page.entries.size(); ++i) {
    const AttributesEntry& item = attributes.entries[i];
    same = item.is_directory == (page.entries[i].kind == EntryKind::kDirectory) &&
           (page.entries[i].kind != EntryKind::kSymlink || CanBeOfSymlink(item.attributes.rare));
  }
  if (same) return {};
  return Contradiction(*pending.attributes,
                       "it does not fit " + ObjectKey(pending.tree).ToString());
}

// One side of ReadDiffering: a list of pages, all on one level.
struct PageList {
  uint8_t level = 0;
  std::vector<TreePageRef> refs;
  std::vector<TreeEntry> entries;  // on level 0
  std::string directory_end;
};

void DropCommon(std::vector<TreePageRef>* a, std::vector<TreePageRef>* b) {
  std::unordered_set<Digest, DigestHash> in_a;
  std::unordered_set<Digest, DigestHash> common;
  for (const TreePageRef& ref : *a) in_a.insert(ref.id.digest);
  for (const TreePageRef& ref : *b) {
    if (in_a.count(ref.id.digest) > 0) common.insert(ref.id.digest);
  }
  const auto is_common = [&](const TreePageRef& ref) { return common.count(ref.id.digest) > 0; };
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

Result<FileAttributes> TreeReader::ForEachPage(const TreeId& tree, const AttributesId* attributes,
                                               const PageSink& sink) const {
  FileAttributes own;
  std::string last_name;
  bool first = true;
  std::string directory_end;
  std::vector<PendingPage> stack(1);
  stack[0].tree = tree;
  if (attributes != nullptr) stack[0].attributes = *attributes;
  while (!stack.empty()) {
    const PendingPage pending = std::move(stack.back());
    stack.pop_back();
    HELIOS_TRY_ASSIGN(TreePage page, LoadTreePage(pending.tree));
    if (!pending.ref && page.level > 0) directory_end = page.pages.back().last_name;
    HELIOS_TRY(CheckAgainstRef(pending, page, directory_end));
    AttributesPage beside;
    if (pending.attributes) {
      HELIOS_TRY_ASSIGN(beside, LoadAttributesPage(*pending.attributes));
      HELIOS_TRY(CheckAttributes(pending, page, beside));
      if (beside.own) own = *beside.own;
    }
    for (size_t i = page.pages.size(); i-- > 0;) {
      PendingPage& child = stack.emplace_back();
      child.tree = page.pages[i].id;
      if (pending.attributes) child.attributes = beside.pages[i];
      child.level = static_cast<uint8_t>(page.level - 1);
      child.ref = std::move(page.pages[i]);
    }
    if (page.level > 0) continue;
    if (!first && !page.entries.empty() && page.entries.front().name <= last_name) {
      return Contradiction(pending.tree, "its names overlap those of the page before");
    }
    if (!page.entries.empty()) last_name = page.entries.back().name;
    first = false;
    HELIOS_TRY(sink(page.entries, beside.entries));
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
  const auto load_top = [&](const TreeId& id) -> Result<PageList> {
    HELIOS_TRY_ASSIGN(TreePage page, LoadTreePage(id));
    HELIOS_TRY(CheckTopPage(id, page));
    std::string end = page.level > 0 ? page.pages.back().last_name : "";
    return PageList{page.level, std::move(page.pages), std::move(page.entries), std::move(end)};
  };
  // Goes one level down: replaces a list of pages by the list of what is in them.
  const auto expand = [&](PageList* list) -> Result<void> {
    PageList below;
    below.level = static_cast<uint8_t>(list->level - 1);
    below.directory_end = list->directory_end;
    for (const TreePageRef& ref : list->refs) {
      HELIOS_TRY_ASSIGN(TreePage page, LoadTreePage(ref.id));
      HELIOS_TRY(
          CheckAgainstRef({ref.id, std::nullopt, ref, below.level}, page, below.directory_end));
      const bool overlaps = !below.entries.empty() && !page.entries.empty() &&
                            page.entries.front().name <= below.entries.back().name;
      if (overlaps) return Contradiction(ref.id, "its names overlap those of the page before");
      std::move(page.pages.begin(), page.pages.end(), std::back_inserter(below.refs));
      std::move(page.entries.begin(), page.entries.end(), std::back_inserter(below.entries));
    }
    *list = std::move(below);
    return {};
  };
  HELIOS_TRY_ASSIGN(PageList list_a, load_top(a));
  HELIOS_TRY_ASSIGN(PageList list_b, load_top(b));
  while (list_a.level > 0 || list_b.level > 0) {
    const uint8_t level_a = list_a.level;
    const uint8_t level_b = list_b.level;
    if (level_a == level_b) DropCommon(&list_a.refs, &list_b.refs);
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
  struct Pending {
    ManifestId id;
    std::optional<uint8_t> level;  // absent for the topmost list
    uint64_t offset = 0;
    uint64_t length = 0;
    bool is_last = true;  // of its level
  };
  std::vector<Pending> stack{{file.manifest, std::nullopt, 0, file.size, true}};
  while (!stack.empty()) {
    const Pending pending = stack.back();
    stack.pop_back();
    HELIOS_TRY_ASSIGN(const std::shared_ptr<const Bytes> bytes, Load(pending.id));
    Result<Manifest> decoded = DecodeManifest(*bytes);
    if (!decoded) {
      return std::move(decoded).error().WithContext(ObjectKey(pending.id).ToString());
    }
    if (decoded->Length() != pending.length ||
        decoded->level != pending.level.value_or(decoded->level)) {
      return Contradiction(pending.id, "it does not fit what refers to it");
    }
    const bool has_form = pending.is_last
                              ? pending.level || decoded->level == 0 || decoded->items.size() > 1
                              : decoded->items.size() == kManifestItemsMax;
    if (!has_form) return Contradiction(pending.id, "it has an impossible number of items");
    std::vector<Pending> below;
    uint64_t offset = pending.offset;
    for (size_t i = 0; i < decoded->items.size(); ++i) {
      const ManifestItem& item = decoded->items[i];
      const bool is_wanted = offset < range.end && offset + item.length > range.begin;
      if (is_wanted && decoded->level == 0) HELIOS_TRY(sink({{item.id}, offset, item.length}));
      if (is_wanted && decoded->level > 0) {
        below.push_back({{item.id},
                         static_cast<uint8_t>(decoded->level - 1),
                         offset,
                         item.length,
                         pending.is_last && i + 1 == decoded->items.size()});
      }
      offset += item.length;
    }
    stack.insert(stack.end(), below.rbegin(), below.rend());
  }
  return {};
}

}  // namespace helios

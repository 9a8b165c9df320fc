#include "engine/storage_order.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <unordered_set>

#include "history/id_resolver.h"
#include "vst/tree_reader.h"

namespace helios {
bool IsOfOneObject(const Error& error) {
  return error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kMissingObject ||
         error.code() == ErrorCode::kUnsupported;
}

bool StorageOrder::Add(const ObjectKey& key) {
  if (!listed_.insert(key).second) return false;
  keys_.push_back(key);
  return true;
}

Result<void> StorageOrder::AddSnapshots(const std::vector<Version>& versions) {
  for (size_t i = 0; i < versions.size(); i += kVersionsMax) {
    const auto begin = versions.begin() + static_cast<ptrdiff_t>(i);
    const size_t count = std::min(kVersionsMax, versions.size() - i);
    HELIOS_TRY(AddLot({begin, begin + static_cast<ptrdiff_t>(count)}));
  }
  return {};
}

Result<void> StorageOrder::AddLot(std::vector<Version> versions) {
  // Folders that are still to be walked, each in all its versions; the next at the end.
  std::vector<std::vector<Version>> stack{std::move(versions)};
  while (!stack.empty()) {
    const std::vector<Version> folder = std::move(stack.back());
    stack.pop_back();
    HELIOS_TRY_ASSIGN(std::vector<Child> children, AddFolder(folder));
    std::stable_sort(children.begin(), children.end(),
                     [](const Child& a, const Child& b) { return a.entry.name < b.entry.name; });
    const size_t first_below = stack.size();
    for (size_t begin = 0, end = 0; begin < children.size(); begin = end) {
      std::vector<Version> below;
      std::vector<TreeEntry> large;
      for (; end < children.size() && children[end].entry.name == children[begin].entry.name;
           ++end) {
        const TreeEntry& entry = children[end].entry;
        if (entry.kind == EntryKind::kDirectory) {
          below.push_back({{entry.id}, children[end].attributes});
        } else if (entry.HasManifest()) {
          large.push_back(entry);
        } else if (IsFile(entry.kind)) {
          Add(BlobId{entry.id});
        }
      }
      if (!below.empty()) stack.push_back(std::move(below));
      HELIOS_TRY(AddChunks(large));
    }
    std::reverse(stack.begin() + static_cast<ptrdiff_t>(first_below), stack.end());
  }
  return {};
}

Result<std::vector<StorageOrder::Child>> StorageOrder::AddFolder(std::vector<Version> versions) {
  std::vector<Child> children;
  while (!versions.empty()) {
    std::vector<Version> fresh;
    for (const Version& version : versions) {
      const bool is_new_tree = Add(version.tree);
      const bool are_new = version.attributes && Add(*version.attributes);
      if (is_new_tree || are_new) fresh.push_back(version);
    }
    HELIOS_TRY_ASSIGN(std::vector<Page> pages, LoadPages(fresh));
    versions.clear();
    for (Page& page : pages) {
      for (size_t i = 0; i < page.tree.pages.size(); ++i) {
        Version& below = versions.emplace_back();
        below.tree = page.tree.pages[i].id;
        if (page.attributes) below.attributes = page.attributes->pages[i];
      }
      for (size_t i = 0; i < page.tree.entries.size(); ++i) {
        Child& child = children.emplace_back();
        if (page.attributes && page.attributes->entries[i].is_directory) {
          child.attributes = page.attributes->entries[i].directory;
        }
        child.entry = std::move(page.tree.entries[i]);
      }
    }
  }
  return children;
}

Result<std::vector<StorageOrder::Page>> StorageOrder::LoadPages(const std::vector<Version>& pages) {
  std::vector<ObjectKey> keys;
  for (const Version& page : pages) {
    keys.emplace_back(page.tree);
    // Asked for in any case, so that each page has two places; nothing hashes to zeros.
    keys.emplace_back(page.attributes.value_or(AttributesId()));
  }
  HELIOS_TRY_ASSIGN(const std::vector<std::optional<Bytes>> bytes, Load(keys));
  std::vector<Page> loaded;
  for (size_t i = 0; i < pages.size(); ++i) {
    if (!bytes[2 * i]) continue;
    Result<TreePage> tree = DecodeTreePage(*bytes[2 * i]);
    if (!tree) continue;
    Page& page = loaded.emplace_back();
    page.tree = std::move(tree).value();
    if (!bytes[2 * i + 1]) continue;
    Result<AttributesPage> attributes = DecodeAttributesPage(*bytes[2 * i + 1]);
    const bool fits = attributes && attributes->entries.size() == page.tree.entries.size() &&
                      attributes->pages.size() == page.tree.pages.size();
    if (fits) page.attributes = std::move(attributes).value();
  }
  return loaded;
}

Result<std::vector<std::optional<Bytes>>> StorageOrder::Load(const std::vector<ObjectKey>& keys) {
  std::vector<std::optional<Bytes>> loaded(keys.size());
  const auto take = [&](size_t index, std::optional<ByteView> bytes) -> Result<void> {
    if (bytes) loaded[index].emplace(*bytes);
    return {};
  };
  const Result<void> all = store_->GetMany(keys, take);
  if (all) return loaded;
  // One that cannot be read: the others can be had one by one.
  for (size_t i = 0; i < keys.size(); ++i) {
    Result<void> one = store_->GetMany(
        {&keys[i], 1},
        [&](size_t, std::optional<ByteView> bytes) -> Result<void> { return take(i, bytes); });
    if (!one && !IsOfOneObject(one.error())) return std::move(one).error();
  }
  return loaded;
}

Result<void> StorageOrder::AddChunks(const std::vector<TreeEntry>& versions) {
  std::vector<FileChunk> chunks;
  const TreeReader reader(store_);
  for (const TreeEntry& version : versions) {
    if (!Add(version.manifest)) continue;
    const Result<void> read =
        reader.ForEachChunk(version, {}, [&](const FileChunk& chunk) -> Result<void> {
          chunks.push_back(chunk);
          return {};
        });
    if (!read && !IsOfOneObject(read.error())) return read.error();
  }
  std::stable_sort(chunks.begin(), chunks.end(),
                   [](const FileChunk& a, const FileChunk& b) { return a.offset < b.offset; });
  for (const FileChunk& chunk : chunks) Add(chunk.id);
  return {};
}

namespace {

// Every record that the log, the refs or another record leads to, the oldest of the log first.
Result<std::vector<RecordId>> FirstRecords(const OperationLog& log, const RefStore& refs) {
  std::vector<RecordId> records;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) { records.push_back(operation.record); }));
  // A ref whose file is damaged leads nowhere; the doctor says so.
  if (const Result<std::vector<Ref>> list = refs.List()) {
    for (const Ref& ref : *list) records.push_back(ref.record);
  }
  return records;
}

// Lists the records, those that lead to others before them, and returns their snapshots.
std::vector<StorageOrder::Version> AddRecords(ObjectStore* store, std::vector<RecordId> pending,
                                              StorageOrder* order) {
  std::vector<StorageOrder::Version> snapshots;
  std::unordered_set<Digest, DigestHash> known;
  std::set<std::pair<Digest, Digest>> known_snapshots;
  while (!pending.empty()) {
    const RecordId id = pending.back();
    pending.pop_back();
    if (!known.insert(id.digest).second) continue;
    order->AddRecord(id);
    // What cannot be read orders nothing.
    const Result<Record> record = LoadRecord(store, id);
    if (!record) continue;
    for (const RecordId& parent : record->parents) pending.push_back(parent);
    const Digest attributes = DigestOrZero(record->attributes);
    if (!known_snapshots.emplace(record->snapshot.digest, attributes).second) continue;
    snapshots.push_back({record->snapshot, record->attributes});
  }
  return snapshots;
}

}  // namespace

Result<StorageListing> ListInStorageOrder(ObjectStore* store, const OperationLog& log,
                                          const RefStore& refs) {
  StorageOrder order(store);
  HELIOS_TRY_ASSIGN(std::vector<RecordId> records, FirstRecords(log, refs));
  const std::vector<StorageOrder::Version> snapshots =
      AddRecords(store, std::move(records), &order);
  HELIOS_TRY(order.AddSnapshots(snapshots));
  return StorageListing{order.TakeKeys(), snapshots.size()};
}

}  // namespace helios

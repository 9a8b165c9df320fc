#include "vst/reachable.h"

#include <utility>

#include "base/codec.h"
#include "object/hash.h"
#include "object/record.h"

namespace helios {
namespace {

std::string Joined(std::string_view folder, std::string_view name) {
  std::string path(folder);
  if (!folder.empty() && !name.empty()) path += '/';
  return path.append(name);
}

// Two places with the same key are the same place.
ObjectKey KeyOf(const TreePlace& place) {
  Bytes all;
  Encoder encoder(&all);
  encoder.Raw(place.tree.digest);
  encoder.Raw(DigestOrZero(place.attributes));
  encoder.Fixed<uint8_t>(place.totals ? 1 : 0);
  encoder.Varint(place.totals.value_or(TreeTotals()).files);
  encoder.Varint(place.totals.value_or(TreeTotals()).bytes);
  encoder.Fixed<uint8_t>(place.is_top ? 1 : 0);
  encoder.Fixed(place.level);
  encoder.String(place.after);
  encoder.String(place.last_name);
  encoder.Fixed<uint8_t>(place.is_last ? 1 : 0);
  return {ObjectKind::kTree, HashBlob(all).digest};
}

ObjectKey KeyOf(const ManifestPlace& place) {
  Bytes all;
  Encoder encoder(&all);
  encoder.Raw(place.id.digest);
  encoder.Fixed<uint8_t>(place.level ? 1 : 0);
  encoder.Fixed(place.level.value_or(0));
  encoder.Varint(place.length);
  encoder.Fixed<uint8_t>(place.is_last ? 1 : 0);
  return {ObjectKind::kManifest, HashBlob(all).digest};
}

}  // namespace

std::string Reached::Path() const { return Joined(folder, name); }

Result<void> ReachableWalk::Run(std::span<const ReachableRoot> roots) {
  return TaskStack::Run(options_.threads, [&](TaskStack& tasks) { PushRoots(tasks, roots); });
}

// One root at a time, and the others when all below it is taken: few tasks wait.
void ReachableWalk::PushRoots(TaskStack& tasks, std::span<const ReachableRoot> roots) {
  if (roots.empty()) return;
  tasks.Push([this, &tasks, roots](unsigned) -> Result<void> {
    PushRoots(tasks, roots.subspan(1));
    return EnterRoot(tasks, roots.front());
  });
}

Result<void> ReachableWalk::EnterRoot(TaskStack& tasks, const ReachableRoot& root) {
  const auto top = std::make_shared<const Folder>(Folder{root.record, ""});
  TreePlace place;
  if (!root.record) {
    place.tree = root.tree;
    place.attributes = root.attributes;
    place.totals = root.totals;
    return EnterTree(tasks, top, std::move(place));
  }
  const ObjectKey key(*root.record);
  HELIOS_TRY_ASSIGN(const bool is_new, Visit(top, "", key));
  if (!is_new) return {};
  const Result<std::shared_ptr<const Bytes>> bytes = store_->GetShared(key);
  if (!bytes) return Damaged(top, "", key, bytes.error());
  if (*bytes == nullptr) return Damaged(top, "", key, MissingObject(key));
  Result<Record> record = DecodeRecord(**bytes);
  if (!record) {
    return Damaged(top, "", key, std::move(record).error().WithContext(key.ToString()));
  }
  place.tree = record->snapshot;
  place.attributes = record->attributes;
  place.totals = record->totals;
  return EnterTree(tasks, top, std::move(place));
}

Result<void> ReachableWalk::EnterTree(TaskStack& tasks, FolderPointer folder, TreePlace place) {
  HELIOS_TRY(Visit(folder, "", place.tree));
  if (place.attributes) HELIOS_TRY(Visit(folder, "", *place.attributes));
  if (!places_.Insert(KeyOf(place))) return {};
  tasks.Push([this, &tasks, folder = std::move(folder), place = std::move(place)](unsigned) {
    return ReadTree(tasks, folder, place);
  });
  return {};
}

Result<void> ReachableWalk::ReadTree(TaskStack& tasks, const FolderPointer& folder,
                                     const TreePlace& place) {
  Result<TreePage> page = reader_.LoadTreePage(place.tree);
  if (!page) {
    HELIOS_TRY(Damaged(folder, "", place.tree, std::move(page).error()));
    return place.attributes ? EnterAttributes(tasks, folder, *place.attributes) : Result<void>();
  }
  Result<void> fits = CheckPage(place, *page);
  if (!fits) HELIOS_TRY(Damaged(folder, "", place.tree, std::move(fits).error()));
  std::optional<AttributesPage> beside;
  if (place.attributes) {
    Result<AttributesPage> loaded = reader_.LoadAttributesPage(*place.attributes);
    fits = loaded ? CheckAttributes(place, *page, *loaded) : std::move(loaded).error();
    if (!fits) HELIOS_TRY(Damaged(folder, "", *place.attributes, std::move(fits).error()));
    if (fits) beside = std::move(loaded).value();
    if (!fits && loaded) HELIOS_TRY(EnterBelow(tasks, folder, *loaded));
  }
  if (beside && beside->own) HELIOS_TRY(EnterXattrs(folder, "", *beside->own));
  for (size_t i = 0; i < page->entries.size(); ++i) {
    HELIOS_TRY(EnterEntry(tasks, folder, page->entries[i], beside ? &beside->entries[i] : nullptr));
  }
  for (TreePlace& below : PlacesBelow(place, *page, beside ? &*beside : nullptr)) {
    HELIOS_TRY(EnterTree(tasks, folder, std::move(below)));
  }
  return {};
}

Result<void> ReachableWalk::EnterEntry(TaskStack& tasks, const FolderPointer& folder,
                                       const TreeEntry& entry, const AttributesEntry* attributes) {
  if (entry.kind == EntryKind::kDirectory) {
    TreePlace place;
    place.tree = {entry.id};
    if (attributes != nullptr) place.attributes = attributes->directory;
    place.totals = entry.below;
    return EnterTree(
        tasks,
        std::make_shared<const Folder>(Folder{folder->record, Joined(folder->path, entry.name)}),
        std::move(place));
  }
  if (!options_.contents) return {};
  if (attributes != nullptr) HELIOS_TRY(EnterXattrs(folder, entry.name, attributes->attributes));
  if (entry.HasManifest()) return EnterManifest(tasks, folder, entry.name, TopManifest(entry));
  if (IsFile(entry.kind)) HELIOS_TRY(Visit(folder, entry.name, BlobId{entry.id}, entry.size));
  return {};
}

Result<void> ReachableWalk::EnterAttributes(TaskStack& tasks, FolderPointer folder,
                                            const AttributesId& id) {
  HELIOS_TRY(Visit(folder, "", id));
  if (!places_.Insert(id)) return {};
  tasks.Push([this, &tasks, folder = std::move(folder), id](unsigned) -> Result<void> {
    Result<AttributesPage> page = reader_.LoadAttributesPage(id);
    if (!page) return Damaged(folder, "", id, std::move(page).error());
    return EnterBelow(tasks, folder, *page);
  });
  return {};
}

Result<void> ReachableWalk::EnterBelow(TaskStack& tasks, const FolderPointer& folder,
                                       const AttributesPage& page) {
  if (page.own) HELIOS_TRY(EnterXattrs(folder, "", *page.own));
  for (const AttributesEntry& entry : page.entries) {
    if (entry.is_directory) {
      HELIOS_TRY(EnterAttributes(tasks, folder, entry.directory));
    } else {
      HELIOS_TRY(EnterXattrs(folder, "", entry.attributes));
    }
  }
  for (const AttributesId& below : page.pages) HELIOS_TRY(EnterAttributes(tasks, folder, below));
  return {};
}

Result<void> ReachableWalk::EnterXattrs(const FolderPointer& folder, std::string_view name,
                                        const FileAttributes& attributes) {
  const StoredXattrs& xattrs = attributes.rare.xattrs;
  if (!options_.contents || !xattrs.IsInBlob()) return {};
  HELIOS_TRY(Visit(folder, name, xattrs.Blob(), xattrs.bytes));
  return {};
}

Result<void> ReachableWalk::EnterManifest(TaskStack& tasks, FolderPointer folder, std::string name,
                                          const ManifestPlace& place) {
  HELIOS_TRY(Visit(folder, name, place.id));
  if (!places_.Insert(KeyOf(place))) return {};
  tasks.Push([this, &tasks, folder = std::move(folder), name = std::move(name),
              place](unsigned) -> Result<void> {
    Result<Manifest> manifest = reader_.LoadManifest(place.id);
    if (!manifest) return Damaged(folder, name, place.id, std::move(manifest).error());
    Result<void> fits = CheckManifest(place, *manifest);
    if (!fits) HELIOS_TRY(Damaged(folder, name, place.id, std::move(fits).error()));
    for (const ManifestPlace& below : PlacesBelow(place, *manifest)) {
      if (manifest->level > 0) {
        HELIOS_TRY(EnterManifest(tasks, folder, name, below));
      } else {
        HELIOS_TRY(Visit(folder, name, BlobId{below.id.digest}, below.length));
      }
    }
    return {};
  });
  return {};
}

Result<bool> ReachableWalk::Visit(const FolderPointer& folder, std::string_view name,
                                  const ObjectKey& key, std::optional<uint64_t> size) {
  const bool is_new = visited_.Insert(key);
  HELIOS_TRY(visit_({key, size, is_new, folder->record, folder->path, name}));
  return is_new;
}

Result<void> ReachableWalk::Damaged(const FolderPointer& folder, std::string_view name,
                                    const ObjectKey& key, Error error) {
  return damage_({key, std::nullopt, false, folder->record, folder->path, name}, std::move(error));
}

}  // namespace helios

#include "engine/index_check.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "object/attributes.h"
#include "object/manifest.h"
#include "object/tree.h"

namespace helios {
namespace {

// A directory of no more entries is one page.
constexpr uint32_t kPageEntriesMin = 64;
constexpr uint32_t kDirectoryItself = ~uint32_t{0};

// What in the index relies on an object.
struct Claim {
  ObjectKey key;
  uint64_t section = 0;  // its offset
  uint32_t entry = kDirectoryItself;
  bool has_parts = false;  // the object lists others that are not claimed by themselves
};

void AddXattrs(const StoredXattrs& xattrs, uint64_t section, uint32_t entry,
               std::vector<Claim>* claims) {
  if (xattrs.IsInBlob()) claims->push_back({xattrs.Blob(), section, entry, false});
}

void AddFile(const IndexedSection& section, uint64_t offset, uint32_t index,
             std::vector<Claim>* claims) {
  const IndexedEntry& entry = section.Entries()[index];
  if (entry.Class() == EntryClass::kFile) {
    const ByteView manifest = section.Extra(entry);
    const bool is_large = !manifest.empty();
    const ObjectKey key = is_large
                              ? ObjectKey(ObjectKind::kManifest, Digest::FromBytes(manifest.data()))
                              : ObjectKey(ObjectKind::kBlob, Digest::FromBytes(entry.id));
    claims->push_back({key, offset, index, is_large});
  }
  if (!entry.HasRare()) return;
  // That it can be decoded was checked when the section was loaded.
  const Result<RareAttributes> rare = DecodeRareAttributes(section.Rare(entry));
  if (rare) AddXattrs(rare->xattrs, offset, index, claims);
}

// Every claim of the sections that can be reached.
std::vector<Claim> ListClaims(const StatIndex& index) {
  std::vector<Claim> claims;
  std::vector<uint64_t> pending;
  if (const IndexedSection* root = index.Root()) pending.push_back(index.OffsetOf(root));
  while (!pending.empty()) {
    const uint64_t offset = pending.back();
    pending.pop_back();
    const IndexedSection* section = index.Section(offset);
    if (section == nullptr) continue;
    const bool has_pages = section->entry_count > kPageEntriesMin;
    for (const ObjectKey& key :
         {ObjectKey(ObjectKind::kTree, Digest::FromBytes(section->tree)),
          ObjectKey(ObjectKind::kAttributes, Digest::FromBytes(section->attributes))}) {
      claims.push_back({key, offset, kDirectoryItself, has_pages});
    }
    if (section->own_bytes > 0) {
      const Result<RareAttributes> rare = DecodeRareAttributes(section->OwnRare());
      if (rare) AddXattrs(rare->xattrs, offset, kDirectoryItself, &claims);
    }
    for (uint32_t i = 0; i < section->entry_count; ++i) {
      const IndexedEntry& entry = section->Entries()[i];
      if (entry.Class() == EntryClass::kDirectory && entry.child_offset < offset) {
        pending.push_back(entry.child_offset);
      }
      if (IsCaptured(entry.Class())) AddFile(*section, offset, i, &claims);
    }
  }
  return claims;
}

// What an object that lists parts lists: pages, chunks and lists of chunks.
Result<std::vector<ObjectKey>> PartsOf(const ObjectKey& key, ByteView bytes) {
  std::vector<ObjectKey> parts;
  if (key.kind == ObjectKind::kTree) {
    HELIOS_TRY_ASSIGN(const TreePage page, DecodeTreePage(bytes));
    for (const TreePageRef& below : page.pages) parts.emplace_back(below.id);
  } else if (key.kind == ObjectKind::kAttributes) {
    HELIOS_TRY_ASSIGN(const AttributesPage page, DecodeAttributesPage(bytes));
    parts.assign(page.pages.begin(), page.pages.end());
  } else if (key.kind == ObjectKind::kManifest) {
    HELIOS_TRY_ASSIGN(const Manifest manifest, DecodeManifest(bytes));
    const ObjectKind below = manifest.level == 0 ? ObjectKind::kBlob : ObjectKind::kManifest;
    for (const ManifestItem& item : manifest.items) parts.emplace_back(below, item.id);
  }
  return parts;
}

// Whether all parts of an object that the store has are there.
bool HasAllParts(ObjectStore* store, const ObjectKey& whole) {
  std::vector<ObjectKey> pending{whole};
  while (!pending.empty()) {
    const ObjectKey key = pending.back();
    pending.pop_back();
    const Result<std::shared_ptr<const Bytes>> bytes = store->GetShared(key);
    if (!bytes || *bytes == nullptr) return false;
    const Result<std::vector<ObjectKey>> parts = PartsOf(key, **bytes);
    if (!parts) return false;
    const Result<std::vector<bool>> has = store->HasMany(*parts);
    if (!has || std::find(has->begin(), has->end(), false) != has->end()) return false;
    for (const ObjectKey& part : *parts) {
      if (part.kind != ObjectKind::kBlob) pending.push_back(part);
    }
  }
  return true;
}

}  // namespace

Result<void> DoubtWhatIsLost(ObjectStore* store, StatIndex* index) {
  std::vector<Claim> claims = ListClaims(*index);
  std::sort(claims.begin(), claims.end(),
            [](const Claim& a, const Claim& b) { return a.key < b.key; });
  std::vector<ObjectKey> keys;
  for (const Claim& claim : claims) {
    if (keys.empty() || keys.back() != claim.key) keys.push_back(claim.key);
  }
  HELIOS_TRY_ASSIGN(const std::vector<bool> has, store->HasMany(keys));
  // Of whole objects: some that are there lack parts.
  std::unordered_set<ObjectKey, ObjectKeyHash> lost;
  std::unordered_set<ObjectKey, ObjectKeyHash> whole;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!has[i]) lost.insert(keys[i]);
  }
  for (const Claim& claim : claims) {
    if (!claim.has_parts || lost.contains(claim.key) || whole.contains(claim.key)) continue;
    (HasAllParts(store, claim.key) ? whole : lost).insert(claim.key);
  }
  for (const Claim& claim : claims) {
    if (!lost.contains(claim.key)) continue;
    if (claim.entry == kDirectoryItself) {
      index->Doubt(claim.section);
    } else {
      index->DoubtEntry(claim.section, claim.entry);
    }
  }
  return {};
}

}  // namespace helios

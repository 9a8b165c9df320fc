#include "vst/lost_paths.h"

#include <algorithm>
#include <utility>

#include "object/hash.h"

namespace helios {

Result<LostPaths::Found> LostPaths::Of(const TreeId& tree,
                                       const std::optional<AttributesId>& attributes,
                                       const TreeTotals& totals, size_t listed_max) {
  const Place root{tree, attributes, totals};
  Count(root);
  Found found;
  found.count = CountOf(root);
  if (found.count > 0) List(root, listed_max, &found.listed);
  return found;
}

Digest LostPaths::KeyOf(const Place& place) {
  Bytes both(place.tree.digest.view());
  both.append(DigestOrZero(place.attributes).view());
  return HashBlob(both).digest;
}

uint64_t LostPaths::CountOf(const Place& place) const {
  const auto known = counts_.find(KeyOf(place));
  return known == counts_.end() ? 0 : known->second;
}

bool LostPaths::IsFileLost(const TreeEntry& entry) {
  if (!IsFile(entry.kind)) return false;
  if (!entry.HasManifest()) return is_lost_(BlobId{entry.id});
  const auto [known, is_new] = manifests_.try_emplace(entry.manifest.digest, false);
  if (!is_new) return known->second;
  bool is_lost = is_lost_(entry.manifest);
  if (!is_lost && reader_.LoadManifest(entry.manifest)) {
    const Result<void> read = reader_.ForEachChunk(entry, {}, [&](const FileChunk& chunk) {
      is_lost = is_lost || is_lost_(chunk.id);
      return Result<void>();
    });
    is_lost = is_lost || !read;
  }
  manifests_[entry.manifest.digest] = is_lost;
  return is_lost;
}

LostPaths::Contents LostPaths::Read(const Place& place) {
  Contents contents;
  contents.is_lost = is_lost_(place.tree);
  if (contents.is_lost) return contents;
  // What cannot be read and is not lost was collected: nobody misses it.
  const Result<TreePage> page = reader_.LoadTreePage(place.tree);
  if (!page) return contents;
  std::optional<AttributesPage> beside;
  if (place.attributes) {
    const bool are_lost = is_lost_(*place.attributes);
    if (are_lost) contents.lost.push_back({"", LostPath::What::kAttributes});
    Result<AttributesPage> loaded = reader_.LoadAttributesPage(*place.attributes);
    const bool fits = !are_lost && loaded && loaded->entries.size() == page->entries.size() &&
                      loaded->pages.size() == page->pages.size();
    if (fits) beside = std::move(loaded).value();
  }
  const auto are_xattrs_lost = [&](const FileAttributes& attributes) {
    return attributes.rare.xattrs.IsInBlob() && is_lost_(attributes.rare.xattrs.Blob());
  };
  if (beside && beside->own && are_xattrs_lost(*beside->own)) {
    contents.lost.push_back({"", LostPath::What::kAttributes});
  }
  for (size_t i = 0; i < page->entries.size(); ++i) {
    const TreeEntry& entry = page->entries[i];
    if (entry.kind == EntryKind::kDirectory) {
      Place below{{entry.id}, std::nullopt, entry.below};
      if (beside) below.attributes = beside->entries[i].directory;
      contents.below.push_back({entry.name, below});
    } else if (IsFileLost(entry)) {
      contents.lost.push_back({entry.name, LostPath::What::kContent});
    } else if (beside && are_xattrs_lost(beside->entries[i].attributes)) {
      contents.lost.push_back({entry.name, LostPath::What::kAttributes});
    }
  }
  for (size_t i = 0; i < page->pages.size(); ++i) {
    Place below{page->pages[i].id, std::nullopt, page->pages[i].totals};
    if (beside) below.attributes = beside->pages[i];
    contents.below.push_back({"", below});
  }
  return contents;
}

// Whatever is below before what is above; depth is outside data.
void LostPaths::Count(const Place& root) {
  std::vector<Place> stack{root};
  while (!stack.empty()) {
    const Place place = stack.back();
    const Digest key = KeyOf(place);
    if (counts_.contains(key)) {
      stack.pop_back();
      continue;
    }
    const Contents contents = Read(place);
    if (contents.is_lost) {
      counts_[key] = std::max<uint64_t>(1, place.totals.files);
      stack.pop_back();
      continue;
    }
    uint64_t count = contents.lost.size();
    const size_t waiting = stack.size();
    for (const Below& below : contents.below) {
      const auto known = counts_.find(KeyOf(below.place));
      if (known == counts_.end()) {
        stack.push_back(below.place);
      } else {
        count += known->second;
      }
    }
    if (stack.size() > waiting) continue;
    counts_[key] = count;
    stack.pop_back();
  }
}

void LostPaths::List(const Place& root, size_t max, std::vector<LostPath>* listed) {
  std::vector<std::pair<std::string, Place>> stack{{"", root}};
  while (!stack.empty() && listed->size() < max) {
    const auto [folder, place] = std::move(stack.back());
    stack.pop_back();
    const auto path_of = [&, &at = folder](const std::string& name) {
      return at.empty() || name.empty() ? at + name : at + "/" + name;
    };
    Contents contents = Read(place);
    if (contents.is_lost) listed->push_back({folder, LostPath::What::kFolder});
    for (const LostPath& lost : contents.lost) {
      if (listed->size() < max) listed->push_back({path_of(lost.path), lost.what});
    }
    std::reverse(contents.below.begin(), contents.below.end());
    for (Below& below : contents.below) {
      if (CountOf(below.place) > 0) stack.emplace_back(path_of(below.name), below.place);
    }
  }
}

}  // namespace helios

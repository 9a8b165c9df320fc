#include "worktree/link_table.h"

namespace helios {

Digest LinkKeyOf(const TreeEntry& entry, const FileAttributes& attributes) {
  TreeEntry nameless = entry;
  nameless.name = "-";
  Bytes bytes;
  AppendTreeEntry(nameless, &bytes);
  AppendAttributesEntry({false, attributes, {}}, &bytes);
  return HashBlob(bytes).digest;
}

LinkTable::Turn LinkTable::Join(const Digest& key, Later later) {
  MutexLock lock(mutex_);
  const auto [found, is_new] = files_.try_emplace(key);
  File& file = found->second;
  if (is_new) return {};
  if (file.base) return {Turn::What::kLink, *file.base};
  file.later.push_back(std::move(later));
  return {Turn::What::kLater, {}};
}

std::vector<LinkTable::Later> LinkTable::Settle(const Digest& key, std::optional<LinkBase> base) {
  MutexLock lock(mutex_);
  const auto found = files_.find(key);
  std::vector<Later> later = std::move(found->second.later);
  found->second.later.clear();
  if (base) {
    found->second.base = std::move(base);
  } else {
    files_.erase(found);
  }
  return later;
}

void LinkTable::SetBase(const Digest& key, LinkBase base) {
  MutexLock lock(mutex_);
  files_[key].base = std::move(base);
}

}  // namespace helios

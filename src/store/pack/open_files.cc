#include "store/pack/open_files.h"

#include <algorithm>

namespace helios::pack {

OpenFiles::File OpenFiles::Find(const void* owner) {
  MutexLock lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.owner != owner) continue;
    entry.last_use = ++clock_;
    return entry.file;
  }
  return nullptr;
}

void OpenFiles::Keep(const void* owner, File file) {
  File closed;  // outlives the lock: closing can take its time
  MutexLock lock(mutex_);
  const auto own = std::find_if(entries_.begin(), entries_.end(),
                                [&](const Entry& entry) { return entry.owner == owner; });
  if (own != entries_.end()) return;  // two threads opened it at once
  if (entries_.size() < kOpenMax) {
    entries_.push_back({owner, ++clock_, std::move(file)});
    return;
  }
  const auto oldest =
      std::min_element(entries_.begin(), entries_.end(),
                       [](const Entry& a, const Entry& b) { return a.last_use < b.last_use; });
  closed = std::move(oldest->file);
  *oldest = {owner, ++clock_, std::move(file)};
}

void OpenFiles::Close(const void* owner) {
  File closed;
  MutexLock lock(mutex_);
  const auto own = std::find_if(entries_.begin(), entries_.end(),
                                [&](const Entry& entry) { return entry.owner == owner; });
  if (own == entries_.end()) return;
  closed = std::move(own->file);
  entries_.erase(own);
}

}  // namespace helios::pack

// A directory of a virtual state tree: its pages, and what has been written to it since they were
// made.
#ifndef HELIOS_VST_VST_DIRECTORY_H_
#define HELIOS_VST_VST_DIRECTORY_H_

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "vst/page_source.h"

namespace helios {

class VstDirectory;

// What a name stands for, in memory or known by its id.
struct VstItem {
  EntryKind kind = EntryKind::kFile;
  Ref<VstNode> node;  // VstDirectory, always; VstContent, or null for content that is in a store
  uint64_t size = 0;  // file
  Digest id;          // file without a node
  ManifestId manifest;
  std::string target;  // symlink

  static VstItem OfDirectory(Ref<VstDirectory> directory);
  VstDirectory* directory() const;
};

// Where the item of a name is, if it is there: looked at without taking it out. It lives as long as
// its directory stays as it is.
class VstPlace {
 public:
  VstPlace() = default;  // of nothing
  explicit VstPlace(const std::optional<VstItem>* edit) : edit_(*edit ? &**edit : nullptr) {}
  VstPlace(const Page* leaf, size_t index) : leaf_(leaf), index_(index) {}

  explicit operator bool() const { return edit_ != nullptr || leaf_ != nullptr; }
  // The rest only if there is an item.
  EntryKind kind() const { return edit_ != nullptr ? edit_->kind : leaf_->Kind(index_); }
  bool IsDirectory() const { return kind() == EntryKind::kDirectory; }
  // The directory, or null for everything else.
  VstDirectory* directory() const;
  // A copy of the item. A directory gets its node here.
  VstItem item() const;
  // The content of a file that is in memory, or null.
  const VstContent* content() const;

 private:
  const VstItem* edit_ = nullptr;
  const Page* leaf_ = nullptr;
  size_t index_ = 0;
};

// Shared by all states that hold it: changed only while it is unique. It is clean if it has no
// edits; then its id and totals are those of its top page.
class VstDirectory : public VstNode {
 public:
  // nullopt: removed.
  using Edits = std::map<std::string, std::optional<VstItem>, std::less<>>;

  // Empty and clean.
  VstDirectory();
  // In a store, not loaded yet.
  VstDirectory(const TreeId& id, const TreeTotals& totals) : id_(id), totals_(totals) {}
  explicit VstDirectory(const Ref<Page>& top) : id_(top->id()), totals_(top->totals()) {
    top_.Init(top.get());
  }
  // The same pages and edits, for someone who will change it.
  Ref<VstDirectory> Copy() const;

  bool IsDirty() const { return is_dirty_; }
  const Edits& edits() const { return edits_; }
  // To add to them.
  Edits& AddEdits() {
    is_dirty_ = true;
    return edits_;
  }
  const TreeId& id() const { return id_; }
  const TreeTotals& totals() const { return totals_; }
  // The top page, loaded if need be. Thread-safe.
  Result<Page*> Top(const PageSource& source) const;
  // The top page if it is in memory.
  Page* LoadedTop() const { return top_.get(); }

  // What the name stands for now, edits included. Thread-safe while nobody changes it.
  Result<VstPlace> Find(const PageSource& source, std::string_view name) const;
  // The same if nothing must be loaded for it, else nullopt. Costs less: it cannot fail.
  std::optional<VstPlace> FindLoaded(std::string_view name) const;
  using Visitor = std::function<Result<void>(const std::string& name, const VstItem& item)>;
  // Visits everything in order of the names, edits included.
  Result<void> ForEach(const PageSource& source, const Visitor& visitor) const;

 private:
  // What a look-up needs comes first.
  bool is_dirty_ = false;
  mutable RefSlot<Page> top_;
  Edits edits_;
  TreeId id_;
  TreeTotals totals_;
};

inline VstItem VstItem::OfDirectory(Ref<VstDirectory> directory) {
  VstItem item;
  item.kind = EntryKind::kDirectory;
  item.node = std::move(directory);
  return item;
}

inline VstDirectory* VstItem::directory() const {
  return kind == EntryKind::kDirectory ? static_cast<VstDirectory*>(node.get()) : nullptr;
}

// The item at `index` of a page of level 0. A directory gets its node here.
VstItem ItemOf(const Page& page, size_t index);

// The directory at `index` of a page of level 0. It gets its node here.
VstDirectory* KeepDirectory(const Page& page, size_t index);
inline VstDirectory* DirectoryOf(const Page& page, size_t index) {
  VstNode* node = page.Node(index);
  return node != nullptr ? static_cast<VstDirectory*>(node) : KeepDirectory(page, index);
}

inline VstDirectory* VstPlace::directory() const {
  if (!IsDirectory()) return nullptr;
  return edit_ != nullptr ? edit_->directory() : DirectoryOf(*leaf_, index_);
}

inline const VstContent* VstPlace::content() const {
  if (!IsFile(kind())) return nullptr;
  return static_cast<const VstContent*>(edit_ != nullptr ? edit_->node.get() : leaf_->Node(index_));
}

inline std::optional<VstPlace> VstDirectory::FindLoaded(std::string_view name) const {
  if (is_dirty_) {
    if (const auto edit = edits_.find(name); edit != edits_.end()) return VstPlace(&edit->second);
  }
  const Page* page = LoadedTop();
  if (page != nullptr) page->Prefetch();
  while (page != nullptr && page->level() > 0) {
    const size_t index = page->LowerBound(name);
    if (index == page->size()) return VstPlace();
    page = static_cast<const Page*>(page->Node(index));
  }
  if (page == nullptr) return std::nullopt;
  const size_t index = page->Find(name);
  return index == page->size() ? VstPlace() : VstPlace(page, index);
}

// The same directory without edits, here and below: what a commit makes. Hashes only what is
// dirty.
Result<Ref<VstDirectory>> Seal(const PageSource& source, const Ref<VstDirectory>& root);

}  // namespace helios

#endif  // HELIOS_VST_VST_DIRECTORY_H_

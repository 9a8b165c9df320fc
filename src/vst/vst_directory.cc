#include "vst/vst_directory.h"

#include "object/batch_hash.h"
#include "object/chunker.h"
#include "object/hash.h"
#include "object/manifest.h"
#include "vst/page_editor.h"
#include "vst/tree_reader.h"

namespace helios {
namespace {

const Ref<Page>& EmptyPage() {
  // Never freed: directories of any age may share it.
  static const Ref<Page>& page = *new Ref<Page>(Page::Make(0, {}).value());
  return page;
}

// What `item` is the content of, if that was written and is to be hashed.
const Bytes* WrittenContent(const std::optional<VstItem>& item) {
  if (!item || !IsFile(item->kind) || !item->node) return nullptr;
  return static_cast<const VstContent&>(*item->node).bytes().get();
}

// The directory that `item` is, if it has edits.
const VstDirectory* DirtyDirectory(const std::optional<VstItem>& item) {
  const VstDirectory* directory = item ? item->directory() : nullptr;
  return directory != nullptr && directory->IsDirty() ? directory : nullptr;
}

// The ids of content that was written, without storing it.
Result<void> SetContent(ByteView content, const BlobId& id, TreeEntry* entry) {
  entry->size = content.size();
  entry->id = id.digest;
  if (!entry->HasManifest()) return {};
  ManifestBuilder manifest([](const ObjectKey&, ByteView) { return Result<void>(); });
  while (!content.empty()) {
    const ByteView chunk = content.substr(0, NextChunkLength(content));
    HELIOS_TRY(manifest.AddChunk(chunk.size(), HashBlob(chunk)));
    content.remove_prefix(chunk.size());
  }
  HELIOS_TRY_ASSIGN(entry->manifest, manifest.Finish());
  return {};
}

// `directory`: what became of a directory. `content`, `id`: what was written.
Result<NewItem> Encode(const std::string& name, const VstItem& item,
                       const Ref<VstDirectory>& directory, const Bytes* content, const BlobId& id) {
  TreeEntry entry;
  entry.kind = item.kind;
  entry.name = name;
  entry.target = item.target;
  NewItem made;
  made.node = item.node;
  if (directory) {
    entry.id = directory->id().digest;
    entry.below = directory->totals();
    made.node = directory;
  } else if (content != nullptr) {
    HELIOS_TRY(SetContent(*content, id, &entry));
  } else {
    entry.size = item.size;
    entry.id = item.id;
    entry.manifest = item.manifest;
  }
  AppendTreeEntry(entry, &made.bytes);
  made.totals = entry.Totals();
  made.name = name;
  return made;
}

}  // namespace

VstDirectory* KeepDirectory(const Page& page, size_t index) {
  const PageItem item = page.Item(index);
  const Ref<VstNode> made(new VstDirectory({Digest::FromBytes(item.id)}, item.below));
  return static_cast<VstDirectory*>(page.KeepNode(index, made));
}

VstItem ItemOf(const Page& page, size_t index) {
  const PageItem found = page.Item(index);
  if (found.kind == EntryKind::kDirectory) return VstItem::OfDirectory(DirectoryOf(page, index));
  VstItem item;
  item.kind = found.kind;
  item.size = found.size;
  item.target = found.target;
  if (found.id != nullptr) item.id = Digest::FromBytes(found.id);
  if (found.manifest != nullptr) item.manifest = {Digest::FromBytes(found.manifest)};
  item.node = page.Node(index);
  return item;
}

VstItem VstPlace::item() const { return edit_ != nullptr ? *edit_ : ItemOf(*leaf_, index_); }

VstDirectory::VstDirectory() : id_(EmptyPage()->id()) { top_.Init(EmptyPage().get()); }

Ref<VstDirectory> VstDirectory::Copy() const {
  Ref<VstDirectory> copy(new VstDirectory(id_, totals_));
  copy->top_.Init(top_.get());
  copy->is_dirty_ = is_dirty_;
  copy->edits_ = edits_;
  return copy;
}

Result<Page*> VstDirectory::Top(const PageSource& source) const {
  if (Page* top = top_.get()) return top;
  HELIOS_TRY_ASSIGN(const Ref<Page> page, source.Top(id_));
  if (page->totals() != totals_) {
    return Contradiction(id_, "it has other totals than its parent says");
  }
  return top_.Fill(page);
}

Result<VstPlace> VstDirectory::Find(const PageSource& source, std::string_view name) const {
  if (const std::optional<VstPlace> loaded = FindLoaded(name)) return *loaded;
  HELIOS_TRY_ASSIGN(const Page* page, Top(source));
  while (page->level() > 0) {
    const size_t index = page->LowerBound(name);
    if (index == page->size()) return VstPlace();
    HELIOS_TRY_ASSIGN(page, source.Child(*page, index));
  }
  const size_t index = page->Find(name);
  return index == page->size() ? VstPlace() : VstPlace(page, index);
}

Result<void> VstDirectory::ForEach(const PageSource& source, const Visitor& visitor) const {
  HELIOS_TRY_ASSIGN(const Page* top, Top(source));
  auto edit = edits_.begin();
  const auto visit_edits_before = [&](const std::string_view* limit) -> Result<void> {
    for (; edit != edits_.end() && (limit == nullptr || edit->first < *limit); ++edit) {
      if (edit->second) HELIOS_TRY(visitor(edit->first, *edit->second));
    }
    return {};
  };
  std::vector<std::pair<const Page*, size_t>> stack{{top, 0}};
  while (!stack.empty()) {
    const auto [page, index] = stack.back();
    if (index == page->size()) {
      stack.pop_back();
      continue;
    }
    ++stack.back().second;
    if (page->level() > 0) {
      HELIOS_TRY_ASSIGN(const Page* child, source.Child(*page, index));
      stack.emplace_back(child, 0);
      continue;
    }
    const std::string_view name = page->Name(index);
    HELIOS_TRY(visit_edits_before(&name));
    if (edit != edits_.end() && edit->first == name) continue;  // comes with the edits
    HELIOS_TRY(visitor(std::string(name), ItemOf(*page, index)));
  }
  return visit_edits_before(nullptr);
}

Result<Ref<VstDirectory>> Seal(const PageSource& source, const Ref<VstDirectory>& root) {
  if (!root->IsDirty()) return root;
  // Dirty directories, each before those in it: as deep as the tree is, so not by recursion.
  struct Dirty {
    const VstDirectory* directory;
    // Where what is in it begins: in this list, and in that of the contents.
    size_t directories_begin = 0;
    size_t contents_begin = 0;
    Ref<VstDirectory> sealed = {};
  };
  std::vector<Dirty> parents_first;
  parents_first.push_back({root.get()});
  std::vector<ByteView> contents;  // of all of them, to be hashed at once
  for (size_t i = 0; i < parents_first.size(); ++i) {
    parents_first[i].directories_begin = parents_first.size();
    parents_first[i].contents_begin = contents.size();
    for (const auto& [name, item] : parents_first[i].directory->edits()) {
      if (const VstDirectory* below = DirtyDirectory(item)) parents_first.push_back({below});
      if (const Bytes* content = WrittenContent(item)) contents.emplace_back(*content);
    }
  }
  const std::vector<BlobId> ids = HashBlobs(contents);
  for (size_t i = parents_first.size(); i > 0; --i) {
    Dirty& dirty = parents_first[i - 1];
    size_t next_directory = dirty.directories_begin;
    size_t next_content = dirty.contents_begin;
    std::vector<PageEdit> edits;
    edits.reserve(dirty.directory->edits().size());
    for (const auto& [name, item] : dirty.directory->edits()) {
      PageEdit& edit = edits.emplace_back(PageEdit{name, std::nullopt});
      if (!item) continue;
      Ref<VstDirectory> directory(item->directory());
      if (DirtyDirectory(item) != nullptr) {
        directory = std::move(parents_first[next_directory++].sealed);
      }
      const Bytes* content = WrittenContent(item);
      const BlobId id = content == nullptr ? BlobId() : ids[next_content++];
      HELIOS_TRY_ASSIGN(edit.item, Encode(name, *item, directory, content, id));
    }
    HELIOS_TRY_ASSIGN(Page * top, dirty.directory->Top(source));
    HELIOS_TRY_ASSIGN(const Ref<Page> page, EditPages(source, top, std::move(edits)));
    dirty.sealed = new VstDirectory(page);
  }
  return std::move(parents_first[0].sealed);
}

}  // namespace helios

#include "worktree/scanned_directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/codec.h"
#include "store/store_root.h"

namespace helios {
namespace {

uint32_t IndexedMode(const ScannedEntry& entry) {
  if (IsCaptured(entry.entry_class)) return entry.status.mode;
  return entry.listed_as_directory ? S_IFDIR : 0;
}

void AppendRareAttributes(const RareAttributes& rare, std::string* text) {
  const Bytes bytes = EncodeRareAttributes(rare);
  Encoder(text).Fixed(static_cast<uint32_t>(bytes.size()));
  text->append(bytes);
}

// The section of a directory of which the index does not say all.
void AppendExpanded(const ScannedDirectory& directory, Bytes* body) {
  IndexedSection section{};
  std::vector<IndexedEntry> entries;
  std::string text;
  for (const ScannedEntry& entry : directory.entries) {
    if (entry.vanished) continue;
    IndexedEntry indexed{};
    indexed.mtime_seconds = entry.status.mtime.seconds;
    indexed.mtime_nanoseconds = entry.status.mtime.nanoseconds;
    indexed.ctime_seconds = entry.status.ctime.seconds;
    indexed.ctime_nanoseconds = entry.status.ctime.nanoseconds;
    indexed.inode = entry.status.inode;
    indexed.size = entry.status.size;
    indexed.mode = IndexedMode(entry);
    std::memcpy(indexed.id, entry.id.bytes.data(), sizeof(indexed.id));
    indexed.entry_class = static_cast<uint8_t>(entry.entry_class);
    if (entry.trusted) indexed.flags |= IndexedEntry::kTrusted;
    if (entry.is_linked) indexed.flags |= IndexedEntry::kIsLinked;
    if (entry.entry_class == EntryClass::kStore || entry.name == kStoreMarkerFile) {
      section.has_store = 1;
    }
    if (entry.entry_class == EntryClass::kDirectory) {
      indexed.child_offset = entry.child->index_offset;
    }
    indexed.name_offset = static_cast<uint32_t>(text.size());
    indexed.name_length = static_cast<uint16_t>(entry.name.size());
    text.append(entry.name).push_back('\0');
    indexed.extra_offset = static_cast<uint32_t>(text.size());
    if (entry.extra != nullptr) text.append(*entry.extra);
    if (entry.rare != nullptr) {
      indexed.flags |= IndexedEntry::kHasRare;
      AppendRareAttributes(*entry.rare, &text);
    }
    entries.push_back(indexed);
  }
  if (directory.xattrs.bytes > 0) {
    const Bytes own = EncodeRareAttributes({false, std::nullopt, directory.xattrs});
    section.own_offset = static_cast<uint32_t>(text.size());
    section.own_bytes = static_cast<uint32_t>(own.size());
    text.append(own);
  }
  const size_t used = sizeof(section) + entries.size() * sizeof(IndexedEntry) + text.size();
  text.resize(text.size() + (8 - used % 8) % 8);

  section.section_bytes =
      static_cast<uint32_t>(sizeof(section) + entries.size() * sizeof(IndexedEntry) + text.size());
  section.entry_count = static_cast<uint32_t>(entries.size());
  section.mtime_seconds = directory.status.mtime.seconds;
  section.mtime_nanoseconds = directory.status.mtime.nanoseconds;
  section.ctime_seconds = directory.status.ctime.seconds;
  section.ctime_nanoseconds = directory.status.ctime.nanoseconds;
  section.device = directory.status.device;
  section.inode = directory.status.inode;
  section.mode = directory.status.mode;
  section.trusted = directory.trusted ? 1 : 0;
  section.has_ignore_file = directory.has_ignore_file ? 1 : 0;
  section.rules_digest = directory.rules_digest;
  std::memcpy(section.tree, directory.built.tree.digest.bytes.data(), sizeof(section.tree));
  std::memcpy(section.attributes, directory.built.attributes.digest.bytes.data(),
              sizeof(section.attributes));
  section.files = directory.built.totals.files;
  section.bytes = directory.built.totals.bytes;
  const size_t start = body->size();
  body->append(reinterpret_cast<const char*>(&section), sizeof(section));
  body->append(reinterpret_cast<const char*>(entries.data()),
               entries.size() * sizeof(IndexedEntry));
  body->append(text);
  SealSection(reinterpret_cast<IndexedSection*>(body->data() + start));
}

// Appends the section that the directory had, with its children's new places.
void CopySection(const ScannedDirectory& directory, Bytes* body) {
  const size_t start = body->size();
  body->append(reinterpret_cast<const char*>(directory.section), directory.section->section_bytes);
  auto* section = reinterpret_cast<IndexedSection*>(body->data() + start);
  auto* entries = reinterpret_cast<IndexedEntry*>(section + 1);
  size_t next_child = 0;
  for (uint32_t i = 0; i < section->entry_count; ++i) {
    if (entries[i].Class() != EntryClass::kDirectory) continue;
    entries[i].child_offset = directory.children[next_child++]->index_offset;
  }
  if (next_child > 0) SealSection(section);
}

}  // namespace

TreeEntry ScannedEntry::ToTreeEntry() const {
  TreeEntry entry;
  entry.name = name;
  if (entry_class == EntryClass::kDirectory) {
    entry.kind = EntryKind::kDirectory;
    entry.id = child->built.tree.digest;
    entry.below = child->built.totals;
  } else if (entry_class == EntryClass::kSymlink) {
    entry.kind = EntryKind::kSymlink;
    entry.target = *extra;
  } else {
    entry.kind = status.FileKind();
    entry.size = status.size;
    entry.id = id;
    if (entry.HasManifest()) entry.manifest = {Digest::FromBytes(extra->data())};
  }
  return entry;
}

bool ScannedEntry::IsTreeEntry(const TreeEntry& entry) const {
  switch (entry_class) {
    case EntryClass::kDirectory:
      return entry.kind == EntryKind::kDirectory && entry.id == child->built.tree.digest;
    case EntryClass::kSymlink:
      return entry.kind == EntryKind::kSymlink && entry.target == *extra;
    case EntryClass::kFile:
      return entry.kind == status.FileKind() && entry.size == status.size && entry.id == id &&
             (!entry.HasManifest() || entry.manifest.digest.view() == *extra);
    default:
      return false;
  }
}

AttributesEntry ScannedEntry::ToAttributes() const {
  if (entry_class == EntryClass::kDirectory) return {true, {}, child->built.attributes};
  FileAttributes attributes = status.Attributes();
  if (rare != nullptr) attributes.rare = *rare;
  return {false, std::move(attributes), {}};
}

ScannedEntry ScannedEntry::From(const IndexedSection& section, const IndexedEntry& known,
                                uint64_t device) {
  ScannedEntry entry;
  entry.name = {section.Name(known), known.name_length};
  entry.entry_class = known.Class();
  entry.trusted = known.IsTrusted();
  entry.is_linked = known.IsLinked();
  entry.listed_as_directory = S_ISDIR(known.mode);
  entry.status = known.Status(device);
  entry.id = Digest::FromBytes(known.id);
  const ByteView extra = section.Extra(known);
  if (!extra.empty()) entry.extra = std::make_unique<std::string>(extra);
  if (known.HasRare()) {
    // That it can be decoded was checked when the section was loaded.
    Result<RareAttributes> rare = DecodeRareAttributes(section.Rare(known));
    if (rare) entry.rare = std::make_unique<RareAttributes>(std::move(rare).value());
  }
  return entry;
}

ScannedEntry ScannedEntry::Copy() const {
  ScannedEntry copy;
  copy.name = name;
  copy.entry_class = entry_class;
  copy.is_linked = is_linked;
  copy.status = status;
  copy.id = id;
  if (extra != nullptr) copy.extra = std::make_unique<std::string>(*extra);
  if (rare != nullptr) copy.rare = std::make_unique<RareAttributes>(*rare);
  return copy;
}

void ScannedEntry::SetLinkGroup(const std::optional<Digest>& group) {
  if (rare == nullptr) rare = std::make_unique<RareAttributes>();
  rare->link_group = group;
  if (rare->IsEmpty()) rare.reset();
}

FileAttributes ScannedDirectory::Attributes() const {
  FileAttributes attributes = status.Attributes();
  attributes.rare.xattrs = xattrs;
  return attributes;
}

std::string ScannedDirectory::Path() const {
  std::vector<const ScannedDirectory*> chain;
  for (const ScannedDirectory* at = this; at->parent != nullptr; at = at->parent) {
    chain.push_back(at);
  }
  std::string path;
  for (size_t i = chain.size(); i-- > 0;) {
    if (!path.empty()) path.push_back('/');
    path.append(chain[i]->name);
  }
  return path;
}

bool ScannedDirectory::KeepsPlace(const StatIndex& old) const {
  if (expanded || section == nullptr) return false;
  return std::all_of(children.begin(), children.end(), [&](const ScannedDirectory* child) {
    return child->section != nullptr && child->index_offset == old.OffsetOf(child->section);
  });
}

void ScannedDirectory::Expand() {
  if (expanded) return;
  entries.resize(section->entry_count);
  size_t next_child = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    ScannedEntry& entry = entries[i];
    entry = ScannedEntry::From(*section, section->Entries()[i], section->device);
    if (entry.entry_class == EntryClass::kDirectory) entry.child = children[next_child++];
  }
  expanded = true;
}

void ScannedDirectory::AppendSection(Bytes* body) const {
  if (expanded) {
    AppendExpanded(*this, body);
  } else {
    CopySection(*this, body);
  }
}

}  // namespace helios

#include "helios/vst.h"

#include <algorithm>

#include "vst/vst_diff.h"
#include "vst/vst_state.h"
#include "vst/vst_store.h"

namespace helios {
namespace {

VstEntry ToEntry(std::string name, const VstItem& item) {
  VstEntry entry;
  entry.name = std::move(name);
  switch (item.kind) {
    case EntryKind::kFile:
      entry.kind = VstEntry::Kind::kFile;
      break;
    case EntryKind::kExecutable:
      entry.kind = VstEntry::Kind::kExecutable;
      break;
    case EntryKind::kSymlink:
      entry.kind = VstEntry::Kind::kSymlink;
      break;
    case EntryKind::kDirectory:
      entry.kind = VstEntry::Kind::kDirectory;
      break;
  }
  if (IsFile(item.kind)) entry.size = item.size;
  entry.target = item.target;
  return entry;
}

Error NotFound(const TreePath& path) {
  return Error(ErrorCode::kNotFound, "nothing at " + path.text());
}

Error NotAFile(const TreePath& path) {
  return Error(ErrorCode::kInvalidArgument, "cannot read " + path.text() + ": it is not a file");
}

// The components of a path one by one.
class Components {
 public:
  explicit Components(const TreePath& path) : rest_(path.text()) {}

  bool AtEnd() const { return rest_.empty(); }
  std::string_view Next() {
    const size_t slash = rest_.find('/');
    const std::string_view name = rest_.substr(0, slash);
    rest_.remove_prefix(slash == rest_.npos ? rest_.size() : slash + 1);
    return name;
  }

 private:
  std::string_view rest_;
};

// The way to a path, as far as it is there.
struct Way {
  std::vector<VstDirectory*> directories;  // from the root on
  VstPlace place;                          // of what is at the path; not of the root
  bool is_below_file = false;              // a file or symlink is where a folder above it would be
};

Result<Way> FindWay(const PageSource& source, const Ref<VstDirectory>& root, const TreePath& path) {
  Way way;
  way.directories.reserve(16);
  way.directories.push_back(root.get());
  for (Components components(path); !components.AtEnd();) {
    HELIOS_TRY_ASSIGN(const VstPlace place,
                      way.directories.back()->Find(source, components.Next()));
    if (components.AtEnd()) {
      way.place = place;
    } else if (!place || !place.IsDirectory()) {
      way.is_below_file = static_cast<bool>(place);
      break;
    } else {
      way.directories.push_back(place.directory());
    }
  }
  return way;
}

// What is at a path that is not the root.
Result<VstPlace> Find(const PageSource& source, const Ref<VstDirectory>& root,
                      const TreePath& path) {
  const VstDirectory* directory = root.get();
  for (Components components(path);;) {
    const std::string_view name = components.Next();
    std::optional<VstPlace> place = directory->FindLoaded(name);
    if (!place) {
      HELIOS_TRY_ASSIGN(place, directory->Find(source, name));
    }
    if (components.AtEnd() || !*place) return *place;
    if (!place->IsDirectory()) return VstPlace();
    directory = place->directory();
  }
}

// The way to a place where something can be put; what must be loaded for that is, afterwards.
Result<Way> FindPlace(const PageSource& source, const Ref<VstDirectory>& root,
                      const TreePath& path) {
  if (path.IsRoot()) return Error(ErrorCode::kInvalidArgument, "the root is a folder, and stays");
  HELIOS_TRY_ASSIGN(Way way, FindWay(source, root, path));
  if (!way.is_below_file) return way;
  return Error(ErrorCode::kInvalidArgument,
               "cannot put anything at " + path.text() + ": a folder above it is a file");
}

// The same for a file or symlink, which takes no folder's place.
Result<Way> FindPlaceOfFile(const PageSource& source, const Ref<VstDirectory>& root,
                            const TreePath& path) {
  HELIOS_TRY_ASSIGN(Way way, FindPlace(source, root, path));
  if (!way.place || !way.place.IsDirectory()) return way;
  return Error(ErrorCode::kInvalidArgument,
               "cannot put a file at " + path.text() + ": it is a folder");
}

// Makes the directory that `place` holds one that may be changed: nobody else has it.
VstDirectory& Own(Ref<VstDirectory>* place) {
  if (!(*place)->IsUnique()) *place = (*place)->Copy();
  return **place;
}

// The directory `name` in `parent`, to be changed. `present` is what is there, null for nothing.
VstDirectory* OwnChild(VstDirectory& parent, std::string_view name, const VstDirectory* present) {
  VstDirectory::Edits& edits = parent.AddEdits();
  auto edit = edits.lower_bound(name);
  if (edit == edits.end() || edit->first != name) {
    // What the pages hold is theirs, too: never unique.
    Ref<VstDirectory> own = present != nullptr ? present->Copy() : Ref(new VstDirectory());
    edit = edits.emplace_hint(edit, name, VstItem::OfDirectory(std::move(own)));
  } else if (!edit->second) {
    edit->second = VstItem::OfDirectory(new VstDirectory());
  } else if (!edit->second->node->IsUnique()) {
    edit->second->node = edit->second->directory()->Copy();
  }
  return edit->second->directory();
}

// Puts `item`, or nothing, at the end of the way to `path`.
void Put(Ref<VstDirectory>* root, const Way& way, const TreePath& path,
         std::optional<VstItem> item) {
  VstDirectory* directory = &Own(root);
  Components components(path);
  std::string_view name = components.Next();
  for (size_t depth = 1; !components.AtEnd(); ++depth, name = components.Next()) {
    VstDirectory* present = depth < way.directories.size() ? way.directories[depth] : nullptr;
    directory = OwnChild(*directory, name, present);
  }
  VstDirectory::Edits& edits = directory->AddEdits();
  edits.insert_or_assign(edits.lower_bound(name), std::string(name), std::move(item));
}

}  // namespace

Vst::Vst(ObjectStore* store)
    : state_(new State{PageSource(store), Ref<VstDirectory>(new VstDirectory()), std::nullopt,
                       nullptr, nullptr}) {}
Vst::Vst(std::unique_ptr<State> state) : state_(std::move(state)) {}
Vst::~Vst() = default;
Vst::Vst(Vst&&) noexcept = default;
Vst& Vst::operator=(Vst&&) noexcept = default;

Vst Vst::Fork() const { return Vst(std::make_unique<State>(*state_)); }

Result<void> Vst::Write(const TreePath& path, ByteView content, bool executable) {
  HELIOS_TRY_ASSIGN(const Way way, FindPlaceOfFile(state_->source, state_->root, path));
  VstItem item;
  item.kind = executable ? EntryKind::kExecutable : EntryKind::kFile;
  item.size = content.size();
  item.node = new VstContent(std::make_shared<const Bytes>(content));
  Put(&state_->root, way, path, std::move(item));
  return {};
}

Result<void> Vst::WriteSymlink(const TreePath& path, ByteView target) {
  if (target.empty() || target.size() > kSymlinkTargetBytesMax ||
      target.find('\0') != target.npos) {
    return Error(ErrorCode::kInvalidArgument,
                 "malformed symlink target at " + path.text() + ": 1 to 4095 bytes without NUL");
  }
  HELIOS_TRY_ASSIGN(const Way way, FindPlaceOfFile(state_->source, state_->root, path));
  VstItem item;
  item.kind = EntryKind::kSymlink;
  item.target = target;
  Put(&state_->root, way, path, std::move(item));
  return {};
}

Result<void> Vst::MakeDirectory(const TreePath& path) {
  if (path.IsRoot()) return {};
  HELIOS_TRY_ASSIGN(const Way way, FindPlace(state_->source, state_->root, path));
  if (way.place && way.place.IsDirectory()) return {};
  if (way.place) {
    return Error(ErrorCode::kInvalidArgument,
                 "cannot make the folder " + path.text() + ": it is a file");
  }
  Put(&state_->root, way, path, VstItem::OfDirectory(new VstDirectory()));
  return {};
}

Result<void> Vst::Remove(const TreePath& path) {
  if (path.IsRoot()) return Error(ErrorCode::kInvalidArgument, "the root cannot be removed");
  HELIOS_TRY_ASSIGN(const Way way, FindWay(state_->source, state_->root, path));
  if (!way.place) return NotFound(path);
  Put(&state_->root, way, path, std::nullopt);
  return {};
}

Result<void> Vst::Rename(const TreePath& from, const TreePath& to) {
  if (from.IsRoot()) return Error(ErrorCode::kInvalidArgument, "the root cannot be renamed");
  HELIOS_TRY_ASSIGN(const Way way, FindWay(state_->source, state_->root, from));
  if (!way.place) return NotFound(from);
  if (from == to) return {};
  if (to.text().starts_with(from.text() + "/")) {
    return Error(ErrorCode::kInvalidArgument,
                 "cannot move " + from.text() + " into itself: " + to.text());
  }
  HELIOS_TRY(FindPlaceOfFile(state_->source, state_->root, to));
  VstItem moved = way.place.item();
  Put(&state_->root, way, from, std::nullopt);
  // Not the way that was found before: directories on it may be others now. All are loaded.
  HELIOS_TRY_ASSIGN(const Way way_to, FindWay(state_->source, state_->root, to));
  Put(&state_->root, way_to, to, std::move(moved));
  return {};
}

Result<std::shared_ptr<const Bytes>> Vst::Read(const TreePath& path) const {
  if (path.IsRoot()) return NotAFile(path);
  HELIOS_TRY_ASSIGN(const VstPlace place, Find(state_->source, state_->root, path));
  if (!place) return NotFound(path);
  if (!IsFile(place.kind())) return NotAFile(path);
  if (const VstContent* content = place.content()) return content->bytes();
  const VstItem item = place.item();
  Result<std::shared_ptr<const Bytes>> content =
      state_->source.Content(item.size, {item.id}, item.manifest);
  if (!content) return std::move(content).error().WithContext(path.text());
  return content;
}

Result<Bytes> Vst::ReadRange(const TreePath& path, uint64_t offset, uint64_t length) const {
  if (path.IsRoot()) return NotAFile(path);
  HELIOS_TRY_ASSIGN(const VstPlace place, Find(state_->source, state_->root, path));
  if (!place) return NotFound(path);
  if (!IsFile(place.kind())) return NotAFile(path);
  const ByteRange range = ByteRange::From(offset, length);
  if (const VstContent* content = place.content()) {
    return Bytes(PartOf(*content->bytes(), 0, range));
  }
  const VstItem item = place.item();
  Result<Bytes> part = state_->source.Part(item.size, {item.id}, item.manifest, range);
  if (!part) return std::move(part).error().WithContext(path.text());
  return part;
}

Result<std::optional<VstEntry>> Vst::Stat(const TreePath& path) const {
  if (path.IsRoot())
    return std::optional<VstEntry>(ToEntry("", VstItem::OfDirectory(state_->root)));
  HELIOS_TRY_ASSIGN(const VstPlace place, Find(state_->source, state_->root, path));
  if (!place) return std::optional<VstEntry>();
  const std::string& text = path.text();
  const size_t slash = text.rfind('/');
  return std::optional<VstEntry>(
      ToEntry(slash == text.npos ? text : text.substr(slash + 1), place.item()));
}

Result<bool> Vst::Contains(const TreePath& path) const {
  if (path.IsRoot()) return true;
  HELIOS_TRY_ASSIGN(const VstPlace place, Find(state_->source, state_->root, path));
  return static_cast<bool>(place);
}

Result<std::vector<VstEntry>> Vst::List(const TreePath& path) const {
  const VstDirectory* directory = state_->root.get();
  if (!path.IsRoot()) {
    HELIOS_TRY_ASSIGN(const VstPlace place, Find(state_->source, state_->root, path));
    if (!place) return NotFound(path);
    directory = place.directory();
  }
  if (directory == nullptr) {
    return Error(ErrorCode::kInvalidArgument, "cannot list " + path.text() + ": not a folder");
  }
  std::vector<VstEntry> entries;
  HELIOS_TRY(directory->ForEach(state_->source,
                                [&](const std::string& name, const VstItem& held) -> Result<void> {
                                  entries.push_back(ToEntry(name, held));
                                  return {};
                                }));
  return entries;
}

Result<SnapshotId> Vst::Commit() {
  HELIOS_TRY_ASSIGN(state_->root, Seal(state_->source, state_->root));
  return state_->root->id();
}

Result<void> Vst::Restore(const SnapshotId& snapshot, RestoreMode mode) {
  const std::shared_ptr<const VstHold> before = state_->hold;
  if (before != nullptr) {
    HELIOS_TRY_ASSIGN(std::shared_ptr<const void> lease, before->keeper->Keep(snapshot));
    state_->hold =
        std::make_shared<const VstHold>(VstHold{before->keeper, std::move(lease), before->epoch});
  }
  Result<void> restored = VstAccess::RestoreHeld(*this, snapshot, mode);
  if (!restored) state_->hold = before;
  return restored;
}

Result<std::vector<VstChange>> Vst::Diff(Vst& before, Vst& after) {
  HELIOS_TRY(before.Commit());
  HELIOS_TRY(after.Commit());
  return DiffStates(before.state_->source, *before.state_->root, *after.state_->root);
}

}  // namespace helios

#include "helios/vst.h"

#include <algorithm>

#include "vst/vst_diff.h"
#include "vst/vst_load.h"
#include "vst/vst_state.h"

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

// What is at a path, or why nothing can be there.
struct Found {
  std::optional<VstItem> item;
  bool is_below_file = false;  // a file or symlink is where a folder above it would be
};

// The root is a directory.
Result<Found> Find(const PageSource& source, const Ref<VstDirectory>& root, const TreePath& path) {
  if (path.IsRoot()) return Found{VstItem::OfDirectory(root)};
  const VstDirectory* directory = root.get();
  for (Components components(path);;) {
    const std::string_view name = components.Next();
    if (components.AtEnd()) {
      HELIOS_TRY_ASSIGN(std::optional<VstItem> item, directory->Find(source, name));
      return Found{std::move(item)};
    }
    HELIOS_TRY_ASSIGN(const VstDirectory* below, directory->FindDirectory(source, name));
    if (below == nullptr) {
      HELIOS_TRY_ASSIGN(const std::optional<VstItem> other, directory->Find(source, name));
      return Found{std::nullopt, other.has_value()};
    }
    directory = below;
  }
}

// Whether something can be put at `path`; what must be loaded for that is, afterwards. Returns
// what is there already.
Result<std::optional<VstItem>> CheckPlace(const PageSource& source, const Ref<VstDirectory>& root,
                                          const TreePath& path) {
  if (path.IsRoot()) return Error(ErrorCode::kInvalidArgument, "the root is a folder, and stays");
  HELIOS_TRY_ASSIGN(Found found, Find(source, root, path));
  if (!found.is_below_file) return std::move(found.item);
  return Error(ErrorCode::kInvalidArgument,
               "cannot put anything at " + path.text() + ": a folder above it is a file");
}

// The same for a file or symlink, which takes no folder's place.
Result<void> CheckPlaceOfFile(const PageSource& source, const Ref<VstDirectory>& root,
                              const TreePath& path) {
  HELIOS_TRY_ASSIGN(const std::optional<VstItem> present, CheckPlace(source, root, path));
  if (!present || present->directory() == nullptr) return {};
  return Error(ErrorCode::kInvalidArgument,
               "cannot put a file at " + path.text() + ": it is a folder");
}

// Makes the directory that `place` holds one that may be changed: nobody else has it.
VstDirectory& Own(Ref<VstDirectory>* place) {
  if (!(*place)->IsUnique()) *place = (*place)->Copy();
  return **place;
}

// The directory `name` in `parent`, to be changed; made if nothing is there. CheckPlace has seen
// that nothing else is.
Result<VstDirectory*> OwnChild(const PageSource& source, VstDirectory& parent,
                               std::string_view name) {
  auto edit = parent.edits.find(name);
  if (edit == parent.edits.end()) {
    HELIOS_TRY_ASSIGN(std::optional<VstItem> item, parent.Find(source, name));
    edit = parent.edits.emplace(name, std::move(item)).first;
  }
  if (!edit->second) {
    edit->second = VstItem::OfDirectory(new VstDirectory());
  }
  VstItem& item = *edit->second;
  if (!item.node->IsUnique()) item.node = item.directory()->Copy();
  return item.directory();
}

// Puts `item` at `path`, or nothing there. CheckPlace has been here: nothing can fail.
Result<void> Put(const PageSource& source, Ref<VstDirectory>* root, const TreePath& path,
                 std::optional<VstItem> item) {
  VstDirectory* directory = &Own(root);
  Components components(path);
  std::string_view name = components.Next();
  for (; !components.AtEnd(); name = components.Next()) {
    HELIOS_TRY_ASSIGN(directory, OwnChild(source, *directory, name));
  }
  const auto edit = directory->edits.find(name);
  if (edit != directory->edits.end()) {
    edit->second = std::move(item);
  } else {
    directory->edits.emplace(name, std::move(item));
  }
  return {};
}

}  // namespace

Vst::Vst(ObjectStore* store)
    : state_(new State{
          PageSource(store), Ref<VstDirectory>(new VstDirectory()), std::nullopt, nullptr}) {}
Vst::Vst(std::unique_ptr<State> state) : state_(std::move(state)) {}
Vst::~Vst() = default;
Vst::Vst(Vst&&) noexcept = default;
Vst& Vst::operator=(Vst&&) noexcept = default;

Vst Vst::Fork() const { return Vst(std::make_unique<State>(*state_)); }

Result<void> Vst::Write(const TreePath& path, ByteView content, bool executable) {
  HELIOS_TRY(CheckPlaceOfFile(state_->source, state_->root, path));
  VstItem item;
  item.kind = executable ? EntryKind::kExecutable : EntryKind::kFile;
  item.size = content.size();
  item.node = new VstContent(std::make_shared<const Bytes>(content));
  return Put(state_->source, &state_->root, path, std::move(item));
}

Result<void> Vst::WriteSymlink(const TreePath& path, ByteView target) {
  if (target.empty() || target.size() > kSymlinkTargetBytesMax ||
      target.find('\0') != target.npos) {
    return Error(ErrorCode::kInvalidArgument,
                 "malformed symlink target at " + path.text() + ": 1 to 4095 bytes without NUL");
  }
  HELIOS_TRY(CheckPlaceOfFile(state_->source, state_->root, path));
  VstItem item;
  item.kind = EntryKind::kSymlink;
  item.target = target;
  return Put(state_->source, &state_->root, path, std::move(item));
}

Result<void> Vst::MakeDirectory(const TreePath& path) {
  if (path.IsRoot()) return {};
  HELIOS_TRY_ASSIGN(const std::optional<VstItem> present,
                    CheckPlace(state_->source, state_->root, path));
  if (present && present->directory() != nullptr) return {};
  if (present) {
    return Error(ErrorCode::kInvalidArgument,
                 "cannot make the folder " + path.text() + ": it is a file");
  }
  return Put(state_->source, &state_->root, path, VstItem::OfDirectory(new VstDirectory()));
}

Result<void> Vst::Remove(const TreePath& path) {
  if (path.IsRoot()) return Error(ErrorCode::kInvalidArgument, "the root cannot be removed");
  HELIOS_TRY_ASSIGN(const Found present, Find(state_->source, state_->root, path));
  if (!present.item) return NotFound(path);
  return Put(state_->source, &state_->root, path, std::nullopt);
}

Result<void> Vst::Rename(const TreePath& from, const TreePath& to) {
  if (from.IsRoot()) return Error(ErrorCode::kInvalidArgument, "the root cannot be renamed");
  HELIOS_TRY_ASSIGN(Found moved, Find(state_->source, state_->root, from));
  if (!moved.item) return NotFound(from);
  if (from == to) return {};
  if (to.text().starts_with(from.text() + "/")) {
    return Error(ErrorCode::kInvalidArgument,
                 "cannot move " + from.text() + " into itself: " + to.text());
  }
  HELIOS_TRY(CheckPlaceOfFile(state_->source, state_->root, to));
  HELIOS_TRY(Put(state_->source, &state_->root, from, std::nullopt));
  return Put(state_->source, &state_->root, to, std::move(moved.item));
}

Result<std::shared_ptr<const Bytes>> Vst::Read(const TreePath& path) const {
  HELIOS_TRY_ASSIGN(const Found found, Find(state_->source, state_->root, path));
  const std::optional<VstItem>& item = found.item;
  if (!item) return NotFound(path);
  if (!IsFile(item->kind)) {
    return Error(ErrorCode::kInvalidArgument, "cannot read " + path.text() + ": it is not a file");
  }
  if (item->node) return static_cast<const VstContent&>(*item->node).bytes();
  Result<std::shared_ptr<const Bytes>> content =
      state_->source.Content(item->size, {item->id}, item->manifest);
  if (!content) return std::move(content).error().WithContext(path.text());
  return content;
}

Result<std::optional<VstEntry>> Vst::Stat(const TreePath& path) const {
  HELIOS_TRY_ASSIGN(const Found found, Find(state_->source, state_->root, path));
  const std::optional<VstItem>& item = found.item;
  if (!item) return std::optional<VstEntry>();
  const std::string& text = path.text();
  const size_t slash = text.rfind('/');
  return std::optional<VstEntry>(
      ToEntry(slash == text.npos ? text : text.substr(slash + 1), *item));
}

Result<bool> Vst::Contains(const TreePath& path) const {
  HELIOS_TRY_ASSIGN(const Found found, Find(state_->source, state_->root, path));
  const std::optional<VstItem>& item = found.item;
  return item.has_value();
}

Result<std::vector<VstEntry>> Vst::List(const TreePath& path) const {
  HELIOS_TRY_ASSIGN(const Found found, Find(state_->source, state_->root, path));
  const std::optional<VstItem>& item = found.item;
  if (!item) return NotFound(path);
  const VstDirectory* directory = item->directory();
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
  HELIOS_TRY_ASSIGN(const Ref<Page> top, state_->source.Top(snapshot));
  const Ref<VstDirectory> root(new VstDirectory(top));
  if (mode == RestoreMode::kEager) HELIOS_TRY(LoadEverything(state_->source, *root));
  state_->root = root;
  return {};
}

Result<std::vector<VstChange>> Vst::Diff(Vst& before, Vst& after) {
  HELIOS_TRY(before.Commit());
  HELIOS_TRY(after.Commit());
  return DiffStates(before.state_->source, *before.state_->root, *after.state_->root);
}

}  // namespace helios

#include "worktree/safety_tree.h"

#include <fcntl.h>

#include <atomic>
#include <map>
#include <unordered_map>

#include "base/thread_pool.h"
#include "worktree/content_reader.h"
#include "worktree/user_xattrs.h"

namespace helios {
namespace {

constexpr size_t kSpareSegments = 4;

std::string Join(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : folder + "/" + std::string(name);
}

class Builder {
 public:
  Builder(ObjectStore* store, int root, unsigned threads, const ObjectSink& sink)
      : store_(store),
        reader_(store),
        root_(root),
        threads_(threads),
        sink_(sink),
        spare_(threads > 1 ? kSpareSegments : 0) {}

  Result<SafetyTree> Run(const PlannedFolder& root) {
    SafetyTree tree;
    HELIOS_TRY(TaskStack::Run(threads_, [&](TaskStack& tasks) {
      tasks_ = &tasks;
      // One thread builds; in large files the others take part.
      tasks.Push([&](unsigned worker) -> Result<void> {
        worker_ = worker;
        HELIOS_TRY_ASSIGN(tree.root, root.target && root.target->attributes
                                         ? BuildPlanned(root)
                                         : BuildScanned(root.scanned, root.path));
        return {};
      });
    }));
    tree.files = files_;
    tree.bytes = bytes_;
    return tree;
  }

 private:
  struct Side {
    TreeEntry entry;
    AttributesEntry attributes;
  };
  using Sides = std::map<std::string, Side>;

  // --- What is planned ---------------------------------------------------------------------------

  // Children before their parents, without recursion.
  Result<BuiltDirectory> BuildPlanned(const PlannedFolder& root) {
    std::vector<const PlannedFolder*> parents_first{&root};
    for (size_t i = 0; i < parents_first.size(); ++i) {
      for (const auto& below : parents_first[i]->folders) parents_first.push_back(below.get());
    }
    std::unordered_map<const PlannedFolder*, BuiltDirectory> built;
    for (size_t i = parents_first.size(); i-- > 0;) {
      const PlannedFolder& folder = *parents_first[i];
      HELIOS_TRY_ASSIGN(Sides sides, SidesOf(folder));
      for (const auto& below : folder.folders) {
        sides[below->name] = FolderSide(below->name, built.at(below.get()));
        built.erase(below.get());
      }
      HELIOS_TRY(StoreXattrsOf(folder.path, folder.scanned->xattrs));
      HELIOS_TRY_ASSIGN(built[&folder], Emit(sides, folder.scanned->Attributes()));
    }
    return built.at(&root);
  }

  static Side FolderSide(const std::string& name, const BuiltDirectory& built) {
    Side side;
    side.entry.name = name;
    side.entry.kind = EntryKind::kDirectory;
    side.entry.id = built.tree.digest;
    side.entry.below = built.totals;
    side.attributes.is_directory = true;
    side.attributes.directory = built.attributes;
    return side;
  }

  // The target's entries, but for those that change: they are what they are now.
  Result<Sides> SidesOf(const PlannedFolder& folder) {
    Sides sides;
    if (folder.target) {
      HELIOS_TRY_ASSIGN(
          DirectoryContents target,
          reader_.ReadDirectory(folder.target->tree,
                                folder.target->attributes ? &*folder.target->attributes : nullptr));
      for (size_t i = 0; i < target.entries.size(); ++i) {
        std::string name = target.entries[i].name;
        sides[name] = {std::move(target.entries[i]), std::move(target.attributes[i])};
      }
    }
    for (const PlannedSubtree& subtree : folder.subtrees) sides.erase(subtree.name);
    for (const PlannedFile& file : folder.files) {
      sides.erase(file.entry.name);
      if (file.present != nullptr) HELIOS_TRY(Take(folder.path, *file.present, &sides));
    }
    for (const auto* removals : {&folder.make_room, &folder.removals}) {
      for (const PlannedRemoval& removal : *removals) {
        HELIOS_TRY(Take(folder.path, *removal.present, &sides));
      }
    }
    HELIOS_TRY(TakeLinks(folder, &sides));
    return sides;
  }

  // What stays, but is one file with something that changes, is needed to make them one again.
  Result<void> TakeLinks(const PlannedFolder& folder, Sides* sides) {
    for (const ScannedEntry& entry : folder.scanned->entries) {
      const bool is_link = !entry.vanished && IsCaptured(entry.entry_class) && entry.LinkGroup();
      if (is_link && !sides->contains(std::string(entry.name))) {
        HELIOS_TRY(Take(folder.path, entry, sides));
      }
    }
    return {};
  }

  Result<void> Take(const std::string& folder, const ScannedEntry& present, Sides* sides) {
    const std::string name(present.name);
    if (present.child != nullptr) {
      HELIOS_TRY_ASSIGN(const BuiltDirectory built,
                        BuildScanned(present.child, Join(folder, present.name)));
      (*sides)[name] = FolderSide(name, built);
      return {};
    }
    HELIOS_TRY(StoreFile(folder, present));
    (*sides)[name] = {present.ToTreeEntry(), present.ToAttributes()};
    return {};
  }

  Result<BuiltDirectory> Emit(const Sides& sides, const FileAttributes& own) {
    DirectoryBuilder builder(
        [&](const ObjectKey& key, ByteView bytes) { return sink_(worker_, key, bytes); });
    for (const auto& [name, side] : sides) HELIOS_TRY(builder.Add(side.entry, side.attributes));
    return builder.Finish(own);
  }

  // --- What was scanned --------------------------------------------------------------------------

  // A whole folder as the scan saw it.
  Result<BuiltDirectory> BuildScanned(ScannedDirectory* root, const std::string& path) {
    struct Step {
      ScannedDirectory* folder;
      std::string path;
    };
    std::vector<Step> parents_first{{root, path}};
    for (size_t i = 0; i < parents_first.size(); ++i) {
      const Step step = parents_first[i];
      HELIOS_TRY_ASSIGN(const bool is_held, IsHeld(*step.folder));
      if (is_held) continue;
      step.folder->Expand();
      for (const ScannedEntry& entry : step.folder->entries) {
        if (entry.child == nullptr || entry.vanished || !IsCaptured(entry.entry_class)) continue;
        parents_first.push_back({entry.child, Join(step.path, entry.name)});
      }
    }
    for (size_t i = parents_first.size(); i-- > 0;) {
      const Step& step = parents_first[i];
      HELIOS_TRY_ASSIGN(const bool is_held, IsHeld(*step.folder));
      if (!is_held) HELIOS_TRY(EmitScanned(*step.folder, step.path));
    }
    return root->built;
  }

  // Whether the store has the folder with all that is in it.
  Result<bool> IsHeld(const ScannedDirectory& folder) const {
    TreeEntry entry;
    entry.kind = EntryKind::kDirectory;
    entry.id = folder.built.tree.digest;
    const ObjectKey attributes(folder.built.attributes);
    HELIOS_TRY_ASSIGN(const std::vector<bool> has, store_->HasMany({&attributes, 1}));
    if (!has.front()) return false;
    const Result<bool> holds = reader_.HoldsContent(entry);
    return holds && *holds;  // what cannot be read counts as absent
  }

  Result<void> EmitScanned(ScannedDirectory& folder, const std::string& path) {
    HELIOS_TRY(StoreXattrsOf(path, folder.xattrs));
    DirectoryBuilder builder(
        [&](const ObjectKey& key, ByteView bytes) { return sink_(worker_, key, bytes); });
    for (const ScannedEntry& entry : folder.entries) {
      if (entry.vanished || !IsCaptured(entry.entry_class)) continue;
      if (entry.child == nullptr) HELIOS_TRY(StoreFile(path, entry));
      HELIOS_TRY(builder.Add(entry.ToTreeEntry(), entry.ToAttributes()));
    }
    HELIOS_TRY(builder.Finish(folder.Attributes()));
    return {};
  }

  // --- Contents ----------------------------------------------------------------------------------

  static Error Changed(const std::string& path) {
    return Error(ErrorCode::kFailed,
                 path + " changed while it was being saved; nothing was touched, try again");
  }

  // Makes sure that the store has the content of a file, and its list of extended attributes.
  Result<void> StoreFile(const std::string& folder, const ScannedEntry& present) {
    const TreeEntry entry = present.ToTreeEntry();
    if (!IsFile(entry.kind)) return {};
    const StoredXattrs xattrs = present.rare ? present.rare->xattrs : StoredXattrs();
    const Result<bool> holds = reader_.HoldsContent(entry);
    HELIOS_TRY_ASSIGN(const bool has_xattrs, HasList(xattrs));
    if (holds && *holds && has_xattrs) return {};
    const std::string path = Join(folder, present.name);
    HELIOS_TRY_ASSIGN(const Fd parent, OpenFolderBelow(root_, folder));
    const Result<Fd> fd = OpenAt(parent.get(), entry.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) return Error(fd.error()).WithContext("cannot save " + path);
    const StatusOrErrno before = StatusOf(fd->get());
    if (before.os_error != 0 || before.status.inode != present.status.inode) return Changed(path);
    HELIOS_TRY_ASSIGN(const FileContent content,
                      contents_.Read({tasks_, worker_, &spare_}, fd->get(), entry.size, sink_));
    if (content.size != entry.size || content.id.digest != entry.id) return Changed(path);
    ++files_;
    bytes_ += content.size;
    return has_xattrs ? Result<void>() : StoreList(fd->get(), xattrs, path);
  }

  Result<bool> HasList(const StoredXattrs& xattrs) const {
    if (!xattrs.IsInBlob()) return true;
    const ObjectKey key(xattrs.Blob());
    HELIOS_TRY_ASSIGN(const std::vector<bool> has, store_->HasMany({&key, 1}));
    return bool{has.front()};
  }

  Result<void> StoreXattrsOf(const std::string& folder, const StoredXattrs& xattrs) {
    HELIOS_TRY_ASSIGN(const bool has, HasList(xattrs));
    if (has) return {};
    HELIOS_TRY_ASSIGN(const Fd fd, OpenFolderBelow(root_, folder));
    return StoreList(fd.get(), xattrs, folder);
  }

  Result<void> StoreList(int fd, const StoredXattrs& xattrs, const std::string& path) {
    const Bytes list = EncodeXattrs(ReadUserXattrs(fd).list);
    if (StoreXattrs(list) != xattrs) return Changed(path);
    return sink_(worker_, xattrs.Blob(), list);
  }

  ObjectStore* store_;
  const TreeReader reader_;
  const int root_;
  const unsigned threads_;
  const ObjectSink& sink_;
  ContentReader contents_;
  SpareSegments spare_;
  TaskStack* tasks_ = nullptr;
  unsigned worker_ = 0;
  uint64_t files_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace

Result<SafetyTree> BuildSafetyTree(ObjectStore* store, int root, const RestorePlan& plan,
                                   unsigned threads, const ObjectSink& sink) {
  return Builder(store, root, threads, sink).Run(plan.root);
}

}  // namespace helios

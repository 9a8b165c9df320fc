#include "worktree/linked_names.h"

#include <algorithm>
#include <tuple>

namespace helios {
namespace {

// One name, wherever what is known of it stands.
struct Seen {
  LinkedName name;
  uint64_t device = 0;
  uint64_t inode = 0;

  bool IsSameFile(const Seen& other) const {
    return device == other.device && inode == other.inode;
  }
};

const IndexedEntry& Indexed(const LinkedName& name) {
  return name.directory->section->Entries()[name.index];
}

// Absent for what is not part of the tree after all.
std::optional<Seen> Find(const LinkedName& name) {
  const ScannedDirectory& directory = *name.directory;
  if (!directory.expanded) {
    return Seen{name, directory.section->device, Indexed(name).inode};
  }
  const ScannedEntry& entry = directory.entries[name.index];
  if (entry.vanished || !IsCaptured(entry.entry_class)) return std::nullopt;
  return Seen{name, entry.status.device, entry.status.inode};
}

Digest ContentOf(const LinkedName& name) {
  const ScannedDirectory& directory = *name.directory;
  if (directory.expanded) return directory.entries[name.index].id;
  return Digest::FromBytes(Indexed(name).id);
}

std::string_view NameOf(const LinkedName& name) {
  const ScannedDirectory& directory = *name.directory;
  if (directory.expanded) return directory.entries[name.index].name;
  return {directory.section->Name(Indexed(name)), Indexed(name).name_length};
}

// Paths of many names in few folders.
class Paths {
 public:
  explicit Paths(const std::string& prefix) : prefix_(prefix) {}

  std::string Of(const LinkedName& name) {
    const auto [found, is_new] = folders_.try_emplace(name.directory);
    if (is_new) {
      found->second = prefix_ + name.directory->Path();
      if (!found->second.empty() && found->second.back() != '/') found->second.push_back('/');
    }
    return found->second + std::string(NameOf(name));
  }

 private:
  const std::string prefix_;
  std::unordered_map<const ScannedDirectory*, std::string> folders_;  // with '/' at the end
};

std::optional<Digest> GroupOf(const LinkedName& name) {
  const ScannedDirectory& directory = *name.directory;
  if (directory.expanded) return directory.entries[name.index].LinkGroup();
  if (!Indexed(name).HasRare()) return std::nullopt;
  const Result<RareAttributes> rare = DecodeRareAttributes(directory.section->Rare(Indexed(name)));
  return rare ? rare->link_group : std::nullopt;
}

void SetGroup(const LinkedName& name, const std::optional<Digest>& group) {
  if (GroupOf(name) == group) return;
  name.directory->Expand();
  name.directory->entries[name.index].SetLinkGroup(group);
}

// All names of one file.
void Join(std::span<const Seen> names, Paths* paths, JoinedNames* joined) {
  const LinkedName* first = nullptr;
  std::string first_path;
  for (const Seen& seen : names) {
    std::string path = paths->Of(seen.name);
    if (first != nullptr && first_path < path) continue;
    first = &seen.name;
    first_path = std::move(path);
  }
  const Digest group = LinkGroupOf(first_path);
  const Digest content = ContentOf(*first);
  for (const Seen& seen : names) {
    SetGroup(seen.name, group);
    if (ContentOf(seen.name) != content) joined->torn.push_back(paths->Of(seen.name));
  }
  joined->first.emplace(group, *first);
}

}  // namespace

LinkedFile Describe(const LinkedName& name) {
  const ScannedDirectory& directory = *name.directory;
  const ScannedEntry entry =
      directory.expanded
          ? directory.entries[name.index].Copy()
          : ScannedEntry::From(*directory.section, Indexed(name), directory.section->device);
  return {Paths("").Of(name), entry.ToTreeEntry(), entry.ToAttributes().attributes, entry.status};
}

JoinedNames JoinLinkedNames(const std::vector<LinkedName>& names, const std::string& prefix) {
  std::vector<Seen> all;
  all.reserve(names.size());
  for (const LinkedName& name : names) {
    if (std::optional<Seen> seen = Find(name)) all.push_back(std::move(*seen));
  }
  std::sort(all.begin(), all.end(), [](const Seen& a, const Seen& b) {
    return std::tie(a.device, a.inode) < std::tie(b.device, b.inode);
  });
  JoinedNames joined;
  Paths paths(prefix);
  for (size_t start = 0, end; start < all.size(); start = end) {
    end = start + 1;
    while (end < all.size() && all[end].IsSameFile(all[start])) ++end;
    if (end == start + 1) {
      SetGroup(all[start].name, std::nullopt);
      continue;
    }
    Join(std::span(all).subspan(start, end - start), &paths, &joined);
  }
  return joined;
}

}  // namespace helios

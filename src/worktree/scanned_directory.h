// What a scan saw: folders and what is in them, as much of it as is not the same as the index says.
#ifndef HELIOS_WORKTREE_SCANNED_DIRECTORY_H_
#define HELIOS_WORKTREE_SCANNED_DIRECTORY_H_

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "object/directory_builder.h"
#include "worktree/ignore_rules.h"
#include "worktree/stat_index.h"

namespace helios {

struct ScannedDirectory;

// One name in a scanned directory.
struct ScannedEntry {
  std::string_view name;
  EntryClass entry_class = EntryClass::kSpecial;
  bool trusted = false;  // may be believed unread by the next scan
  bool listed_as_directory = false;
  bool vanished = false;
  bool is_linked = false;  // the file or symlink has more than one name, here or elsewhere
  FileStatus status;
  Digest id;                             // file: blob id
  std::unique_ptr<std::string> extra;    // symlink: target; large file: manifest id
  std::unique_ptr<RareAttributes> rare;  // null: nothing
  ScannedDirectory* child = nullptr;     // directory

  // What the index knows of it, but for `child`. The name points into the section.
  static ScannedEntry From(const IndexedSection& section, const IndexedEntry& known,
                           uint64_t device);
  ScannedEntry Copy() const;  // without `child`
  std::optional<Digest> LinkGroup() const { return rare ? rare->link_group : std::nullopt; }
  void SetLinkGroup(const std::optional<Digest>& group);
  // As it stands in a tree; for captured classes.
  TreeEntry ToTreeEntry() const;
  AttributesEntry ToAttributes() const;
  // Whether that would be `entry`, which has this name.
  bool IsTreeEntry(const TreeEntry& entry) const;
};

// A directory as the scan saw it. Lives in the Scan's arena.
struct ScannedDirectory {
  ScannedDirectory* parent = nullptr;
  std::string name;
  FileStatus status;
  std::atomic<bool> trusted{false};   // its listing may be believed by the next scan
  bool listing_is_unchanged = false;  // its names are those of `section`
  bool is_store = false;              // a Helios store: not captured
  bool entry_failed = false;          // it could not be entered or listed
  bool entry_vanished = false;        // it was gone before it could be entered
  bool has_ignore_file = false;
  uint64_t rules_digest = 0;
  // What the index knew; its ids hold as long as `entries` is empty and no child changed.
  const IndexedSection* section = nullptr;
  bool expanded = false;  // `entries` is filled; otherwise they are those of `section`
  std::vector<ScannedEntry> entries;
  std::vector<ScannedDirectory*> children;  // in the order of their entries
  std::string text;                         // names, NUL-terminated
  StoredXattrs xattrs;                      // of the directory itself
  std::atomic<bool> has_links{false};       // an entry may be one of several names of a file
  BuiltDirectory built;
  uint64_t index_offset = 0;  // set by ScanResult::MakeIndex

  std::string Path() const;
  // Of the directory itself.
  FileAttributes Attributes() const;
  // Fills `entries` from the section if they are not there yet.
  void Expand();

  // True if its section in the index says all there is to say, its children's places included.
  bool KeepsPlace(const StatIndex& old) const;
  // Appends its section to an index of which `body` holds a part. Its children have their
  // index_offset already.
  void AppendSection(Bytes* body) const;

  // While the scan runs:
  Fd fd;
  std::shared_ptr<const IgnoreRules> rules;
  std::atomic<int> fd_users{1};  // the directory's own work, and each child that is not open yet
  std::atomic<int> pending{1};   // parts that are not finished
  Mutex expanding;
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_SCANNED_DIRECTORY_H_

// Whole files of a store, kept ready so that a materialize can share their bytes on disk instead of
// writing them: by clones (reflinks), or by hard links.
//
// A cache: it can be deleted at any time. docs/format.md, "File cache", is normative. Nothing in it
// is trusted: a file is hashed before it is handed out, so one that somebody wrote to through a
// hard link is found then, and made anew.
#ifndef HELIOS_WORKTREE_FILE_CACHE_H_
#define HELIOS_WORKTREE_FILE_CACHE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "helios/link_mode.h"
#include "object/attributes.h"
#include "object/tree.h"

namespace helios {

// Thread-safe. `attributes` are those of the snapshot, if it has any.
class FileCache {
 public:
  // The cache in the folder at `path`, made if need be, for files that are written below `target`,
  // an open folder. Null where files are to be copied: `mode` says so, or it is kAuto and the file
  // system has no clones. Errors: kUnsupported if what `mode` asks for cannot be had there, with
  // the reason.
  static Result<std::unique_ptr<FileCache>> Open(const std::string& path, int target,
                                                 LinkMode mode);

  // Whether the file goes through the cache. A small one is copied faster than cloned, and what is
  // rare about some is no part of the cache's names.
  bool Takes(const TreeEntry& entry, const std::optional<FileAttributes>& attributes) const;
  // What the file has on disk: a hard link is read-only.
  std::optional<FileAttributes> OnDisk(const TreeEntry& entry,
                                       const std::optional<FileAttributes>& attributes) const;
  bool MakesHardLinks() const { return mode_ == LinkMode::kHardLink; }

  // The file, open for reading, if the cache has it whole; else not open. One that is not what it
  // was when it was taken in is removed from the cache.
  Result<Fd> OpenWhole(const TreeEntry& entry, const std::optional<FileAttributes>& attributes);
  // Makes `name` in `folder` a hard link to the file that OpenWhole has opened. 0, or errno. A file
  // that has as many links as it can have is removed from the cache.
  int Link(int folder, const std::string& name, const TreeEntry& entry,
           const std::optional<FileAttributes>& attributes) const;
  // Takes in the file that was just written as the entry's name in `folder`. False if that cannot
  // be: then it shares nothing.
  bool Keep(int folder, const TreeEntry& entry, const std::optional<FileAttributes>& attributes);

  // Removes what was not used for the longest time, until the cache is no larger than what the file
  // system has free; nothing if no file was taken in. Best effort.
  void Trim() const;
  // Names of files that OpenWhole removed because they had been written to.
  std::vector<std::string> WrittenThrough() const HELIOS_EXCLUDES(mutex_);

  // Names of the files in the cache at `path` that are not what their names say. Errors: those of
  // listing.
  static Result<std::vector<std::string>> Check(const std::string& path);

 private:
  FileCache(Fd folder, std::string path, LinkMode mode)
      : folder_(std::move(folder)), path_(std::move(path)), mode_(mode) {}

  static Result<std::unique_ptr<FileCache>> OpenFor(const std::string& path, int target,
                                                    LinkMode mode);
  std::string NameFor(const TreeEntry& entry,
                      const std::optional<FileAttributes>& attributes) const;
  // Removes the file that was found under `name` and is not what that says, unless another thread
  // has.
  Result<void> RemoveWrong(const std::string& name, uint64_t inode) HELIOS_EXCLUDES(mutex_);

  const Fd folder_;
  const std::string path_;
  const LinkMode mode_;  // kReflink or kHardLink
  std::atomic<bool> has_grown_ = false;
  mutable Mutex mutex_;
  std::vector<std::string> written_through_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_FILE_CACHE_H_

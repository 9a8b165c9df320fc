#include "worktree/tree_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "base/ref.h"
#include "base/thread_pool.h"
#include "worktree/file_writer.h"
#include "worktree/link_table.h"
#include "worktree/spelling.h"

namespace helios {
namespace {

// Sets the attributes of folders once nothing changes their times any more. Thread-safe.
class FolderFinisher {
 public:
  explicit FolderFinisher(const FileWriter* files) : files_(files) {}

  void Finish(int fd, const FileAttributes& attributes, const std::function<std::string()>& path)
      HELIOS_EXCLUDES(mutex_) {
    // What a file system without modes or times refuses does not make the contents worse.
    const Result<FileWriter::Written> set = files_->SetFolderAttributes(fd, attributes);
    if (!set || set->xattrs_error == 0) return;
    MutexLock lock(mutex_);
    without_xattrs_.Add(path(), std::strerror(set->xattrs_error));
  }
  WriteShortfall without_xattrs() const HELIOS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return without_xattrs_;
  }

 private:
  const FileWriter* files_;
  mutable Mutex mutex_;
  WriteShortfall without_xattrs_ HELIOS_GUARDED_BY(mutex_);
};

// A folder that is being written. Whoever works in it holds it; when the last one lets go, its
// attributes are set, for only then does its mtime stay.
class Folder : public RefCounted {
 public:
  Folder(Ref<Folder> parent, std::string name)
      : parent_(std::move(parent)), name_(std::move(name)) {}
  explicit Folder(Fd fd) : fd_(std::move(fd)), opened_(true) {}
  ~Folder() override {
    if (fd_.IsOpen() && attributes_ && finisher_ != nullptr) {
      finisher_->Finish(fd_.get(), *attributes_, [this] { return PathForPeople(); });
    }
  }

  // If the folder is made, it is with the mode that new folders have.
  void KeepDefaultMode() { mode_ = 0777; }
  void SetAtTheEnd(FolderFinisher* finisher, const FileAttributes& attributes) {
    finisher_ = finisher;
    attributes_ = attributes;
  }

  int fd() const { return fd_.get(); }
  std::string Path() const {
    std::vector<const Folder*> chain;
    for (const Folder* at = this; at->parent_; at = at->parent_.get()) {
      chain.push_back(at);
    }
    std::string path;
    for (size_t i = chain.size(); i-- > 0;) {
      if (!path.empty()) path.push_back('/');
      path.append(chain[i]->name_);
    }
    return path;
  }
  std::string PathForPeople() const {
    const std::string path = Path();
    return path.empty() ? "the root folder" : path + "/";
  }
  std::string PathOf(std::string_view name) const {
    std::string path = Path();
    if (!path.empty()) path.push_back('/');
    return path.append(name);
  }

  // Opens the folder and the folders above it; makes those that are missing. 0, or errno: ENOTUNIQ
  // if the file system takes a name for another one's.
  int EnsureOpen(bool make, uint64_t* made) {
    std::vector<Folder*> closed;
    for (Folder* at = this; at != nullptr; at = at->parent_.get()) {
      MutexLock lock(at->mutex_);
      if (at->opened_) break;
      closed.push_back(at);
    }
    for (size_t i = closed.size(); i-- > 0;) {
      if (const int os_error = closed[i]->OpenSelf(make, made); os_error != 0) return os_error;
    }
    return 0;
  }

 private:
  int OpenSelf(bool make, uint64_t* made) {
    MutexLock lock(mutex_);
    if (opened_) return 0;
    const int parent = parent_->fd();
    if (make) {
      if (::mkdirat(parent, name_.c_str(), mode_) == 0) {
        ++*made;
      } else if (errno != EEXIST) {
        return errno;
      } else if (!IsSpelledSo(parent, name_)) {
        return ENOTUNIQ;
      }
    }
    Result<Fd> fd = OpenAt(parent, name_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) return fd.error().os_error();
    fd_ = std::move(fd).value();
    opened_ = true;
    return 0;
  }

  Ref<Folder> parent_;  // null for the root
  std::string name_;
  mode_t mode_ = 0700;  // until its attributes are set
  Fd fd_;
  Mutex mutex_;
  bool opened_ HELIOS_GUARDED_BY(mutex_) = false;
  FolderFinisher* finisher_ = nullptr;
  std::optional<FileAttributes> attributes_;
};
using FolderPointer = Ref<Folder>;

// One file or symlink to write.
struct WriteItem {
  TreeEntry entry;
  std::optional<FileAttributes> attributes;
  bool replaces = false;
  std::optional<FileStatus> seen;  // what must still be there if it replaces something

  bool IsLinked() const { return attributes && attributes->rare.link_group; }
};

class Writer {
 public:
  Writer(ObjectStore* store, const WriteOptions& options)
      : store_(store),
        reader_(store),
        files_(store),
        options_(options),
        selects_everything_(options.selector == nullptr || options.selector->SelectsEverything()),
        reports_(options.threads),
        finisher_(&files_),
        base_folders_(options.threads) {}

  Result<WriteReport> WriteWholeTree(Fd root, const TreeId& tree,
                                     const std::optional<AttributesId>& attributes) {
    HELIOS_TRY_ASSIGN(root_, OpenAt(root.get(), ".", O_PATH | O_DIRECTORY));
    FolderPointer folder(new Folder(std::move(root)));
    HELIOS_TRY(TaskStack::Run(options_.threads, [&](TaskStack& tasks) {
      tasks_ = &tasks;
      tasks.Push([this, &tasks, folder = std::move(folder), tree, attributes](unsigned worker) {
        return WriteFolder(tasks, worker, folder, tree, attributes, options_.set_root_attributes);
      });
    }));
    return Sum();
  }

  Result<WriteReport> ApplyPlan(Fd root, const RestorePlan& whole) {
    const PlannedFolder& plan = whole.root;
    present_links_ = whole.present_links;
    KeepLinks(whole.kept_links);
    HELIOS_TRY_ASSIGN(root_, OpenAt(root.get(), ".", O_PATH | O_DIRECTORY));
    FolderPointer folder(new Folder(std::move(root)));
    // Deletes come last, so they are a pass of their own.
    HELIOS_TRY(TaskStack::Run(options_.threads, [&](TaskStack& tasks) {
      tasks_ = &tasks;
      tasks.Push([this, &tasks, folder, &plan](unsigned worker) {
        return ApplyFolder(tasks, worker, folder, plan);
      });
    }));
    if (plan.removes) Remove(folder, plan);
    folder = nullptr;  // its attributes belong to the sum
    return Sum();
  }

 private:
  static constexpr size_t kPartsInFlightMax = 8;

  Result<WriteReport> Sum() {
    WriteReport sum;
    for (const WriteReport& report : reports_) sum.Merge(report);
    sum.without_xattrs.Merge(finisher_.without_xattrs());
    return sum;
  }

  void Fail(unsigned worker, std::string path, std::string_view why) {
    WriteReport& report = reports_[worker];
    ++report.failed;
    if (report.first_failures.size() < WriteReport::kFailuresMax) {
      report.first_failures.push_back(std::move(path.append(": ").append(why)));
    }
  }

  // Errors that end everything; any other is one name's own.
  static bool EndsEverything(const Error& error) {
    return error.code() != ErrorCode::kFailed || error.os_error() == EIO ||
           error.os_error() == EROFS || error.os_error() == EMFILE || error.os_error() == ENFILE;
  }
  Result<void> Settle(unsigned worker, const Folder& folder, std::string_view name, Error error) {
    if (EndsEverything(error)) return std::move(error).WithContext(folder.PathOf(name));
    Fail(worker, folder.PathOf(name), error.message());
    return {};
  }

  // --- Whole trees -----------------------------------------------------------------------------

  Result<void> WriteFolder(TaskStack& tasks, unsigned worker, const FolderPointer& folder,
                           const TreeId& tree, const std::optional<AttributesId>& attributes,
                           bool set_attributes) {
    if (!attributes) folder->KeepDefaultMode();
    if (selects_everything_) {
      HELIOS_TRY_ASSIGN(const bool is_open, Open(worker, *folder));
      if (!is_open) return {};
    }
    auto parts = std::make_shared<std::atomic<size_t>>(0);
    bool reading = true;  // an error of writing names its file already
    const auto take_page = [&](std::span<TreeEntry> entries,
                               std::span<AttributesEntry> beside) -> Result<void> {
      std::vector<WriteItem> items = PushFolders(tasks, folder, entries, beside);
      if (items.empty()) return {};
      if (entries.size() < kPageItemsWorthSharing || *parts >= kPartsInFlightMax) {
        Result<void> written = WriteItems(worker, *folder, items);
        reading = written.has_value();
        return written;
      }
      ++*parts;
      auto shared = std::make_shared<std::vector<WriteItem>>(std::move(items));
      tasks.Push([this, folder, shared, parts](unsigned other) {
        Result<void> written = WriteItems(other, *folder, *shared);
        --*parts;
        return written;
      });
      return {};
    };
    Result<FileAttributes> own =
        reader_.ForEachPage(tree, attributes ? &*attributes : nullptr, take_page);
    if (!own && reading) return std::move(own).error().WithContext(folder->PathForPeople());
    if (!own) return std::move(own).error();
    if (!selects_everything_ && options_.selector->Selects(folder->Path(), true) &&
        !folder->Path().empty()) {
      HELIOS_TRY_ASSIGN(const bool is_open, Open(worker, *folder));
      if (!is_open) return {};
    }
    if (set_attributes && attributes) folder->SetAtTheEnd(&finisher_, *own);
    return {};
  }

  // False if this folder cannot be had, which is reported.
  Result<bool> Open(unsigned worker, Folder& folder) {
    const int os_error = folder.EnsureOpen(true, &reports_[worker].folders);
    if (os_error == 0) return true;
    const Error error = Error::FromErrno(os_error, "create folder", folder.PathForPeople());
    if (EndsEverything(error)) return error;
    if (os_error == ENOTUNIQ) {
      Fail(worker, folder.Path(), kOtherSpelling);
      return false;
    }
    const bool in_the_way = os_error == ENOTDIR || os_error == ELOOP;
    Fail(worker, folder.Path(),
         in_the_way ? "something that is not a folder is in the way" : std::strerror(os_error));
    return false;
  }

  // Hands out the subfolders of one page; returns what else is to be written.
  std::vector<WriteItem> PushFolders(TaskStack& tasks, const FolderPointer& folder,
                                     std::span<TreeEntry> entries,
                                     std::span<AttributesEntry> beside) {
    std::vector<WriteItem> items;
    std::string prefix;
    if (!selects_everything_) prefix = folder->PathOf("");
    for (size_t i = 0; i < entries.size(); ++i) {
      TreeEntry& entry = entries[i];
      const bool is_directory = entry.kind == EntryKind::kDirectory;
      if (!selects_everything_) {
        const std::string path = prefix + entry.name;
        const bool selected = options_.selector->Selects(path, is_directory);
        if (!selected && !(is_directory && options_.selector->MaySelectBelow(path))) continue;
      }
      if (!is_directory) {
        std::optional<FileAttributes> attributes;
        if (!beside.empty()) attributes = std::move(beside[i].attributes);
        items.push_back({std::move(entry), std::move(attributes), false, std::nullopt});
        continue;
      }
      FolderPointer child(new Folder(folder, entry.name));
      std::optional<AttributesId> attributes;
      if (!beside.empty()) attributes = beside[i].directory;
      tasks.Push([this, &tasks, child = std::move(child), tree = TreeId{entry.id},
                  attributes](unsigned worker) {
        return WriteFolder(tasks, worker, child, tree, attributes, true);
      });
    }
    return items;
  }

  // --- Files -----------------------------------------------------------------------------------

  // Small files in the order in which the store has them; then large ones; symlinks last, but for
  // further names of what is there.
  Result<void> WriteItems(unsigned worker, Folder& folder, std::vector<WriteItem>& items) {
    HELIOS_TRY_ASSIGN(const bool is_open, Open(worker, folder));
    if (!is_open) return {};
    std::vector<bool> done(items.size(), false);
    HELIOS_TRY(PlaceFromCache(worker, folder, items, &done));
    std::vector<ObjectKey> keys;
    std::vector<size_t> places;
    LinksToMake links;
    for (size_t i = 0; i < items.size(); ++i) {
      const TreeEntry& entry = items[i].entry;
      if (done[i]) continue;
      if (items[i].IsLinked() && !IsMine(&folder, items[i], &links)) {
        done[i] = true;
      } else if (IsFile(entry.kind) && !entry.HasManifest()) {
        keys.emplace_back(ObjectKind::kBlob, entry.id);
        places.push_back(i);
      }
    }
    Result<void> got =
        store_->GetMany(keys, [&](size_t index, std::optional<ByteView> bytes) -> Result<void> {
          const WriteItem& item = items[places[index]];
          done[places[index]] = true;
          HELIOS_TRY(CheckContent(folder, item, keys[index], bytes));
          return WriteMine(worker, folder, item, *bytes, &links);
        });
    if (!got) return NameDamagedFile(std::move(got).error(), folder, items, done);
    for (const bool symlinks : {false, true}) {
      for (size_t i = 0; i < items.size(); ++i) {
        if (done[i] || (items[i].entry.kind == EntryKind::kSymlink) != symlinks) continue;
        HELIOS_TRY(WriteMine(worker, folder, items[i], {}, &links));
      }
    }
    return MakeLinks(worker, folder, links);
  }

  bool IsCached(const WriteItem& item) const {
    return options_.cache != nullptr && options_.cache->Takes(item.entry, item.attributes);
  }

  // Marks in `done` what needs no content any more.
  Result<void> PlaceFromCache(unsigned worker, Folder& folder, const std::vector<WriteItem>& items,
                              std::vector<bool>* done) {
    for (size_t i = 0; i < items.size(); ++i) {
      const TreeEntry& entry = items[i].entry;
      if (!IsCached(items[i])) continue;
      const Result<bool> placed = files_.PlaceFromCache({tasks_, worker}, *options_.cache,
                                                        folder.fd(), entry, items[i].attributes);
      (*done)[i] = !placed || *placed;
      if (!placed) {
        HELIOS_TRY(Settle(worker, folder, entry.name, placed.error()));
      } else if (*placed) {
        ++reports_[worker].shared;
        CountWritten(worker, entry);
      }
    }
    return {};
  }

  static Result<void> CheckContent(const Folder& folder, const WriteItem& item,
                                   const ObjectKey& key, std::optional<ByteView> bytes) {
    if (!bytes) return MissingObject(key).WithContext(folder.PathOf(item.entry.name));
    if (bytes->size() != item.entry.size) {
      return Error(ErrorCode::kCorrupt, folder.PathOf(item.entry.name) + ": " + key.ToString() +
                                            " has another size than its tree says");
    }
    return {};
  }

  // A frame that cannot be read takes several files with it: the error should name one of them.
  Result<void> NameDamagedFile(Error error, const Folder& folder,
                               const std::vector<WriteItem>& items, const std::vector<bool>& done) {
    if (error.code() != ErrorCode::kCorrupt) return error;
    for (size_t i = 0; i < items.size(); ++i) {
      const TreeEntry& entry = items[i].entry;
      if (done[i] || !IsFile(entry.kind) || entry.HasManifest()) continue;
      const ObjectKey key(ObjectKind::kBlob, entry.id);
      const Result<std::optional<Bytes>> again = store_->Get(key);
      if (!again) {
        return Error(again.error()).WithContext(folder.PathOf(entry.name) + ": " + key.ToString());
      }
    }
    return error;
  }

  // Returns whether it was written; if not, that is in the report.
  Result<bool> WriteOne(unsigned worker, Folder& folder, const WriteItem& item, ByteView content) {
    const TreeEntry& entry = item.entry;
    const Result<FileWriter::Written> written =
        item.replaces ? files_.Replace({tasks_, worker}, folder.fd(), entry, item.attributes,
                                       content, item.seen)
                      : CreateOrReplace(worker, folder, item, content);
    if (!written) {
      HELIOS_TRY(Settle(worker, folder, entry.name, written.error()));
      return false;
    }
    ReportXattrs(worker, folder, entry, *written);
    if (IsCached(item) && Share(worker, folder, item)) ++reports_[worker].shared;
    CountWritten(worker, entry);
    return true;
  }

  // Makes a file that was just written share its bytes. If another thread has taken in the same
  // meanwhile, that one takes its place. What fails leaves a file of its own, which is right, too.
  bool Share(unsigned worker, const Folder& folder, const WriteItem& item) {
    if (options_.cache->Keep(folder.fd(), item.entry, item.attributes)) return true;
    const Result<bool> placed = files_.PlaceFromCache({tasks_, worker}, *options_.cache,
                                                      folder.fd(), item.entry, item.attributes);
    return placed && *placed;
  }

  void CountWritten(unsigned worker, const TreeEntry& entry) {
    if (IsFile(entry.kind)) reports_[worker].bytes += entry.size;
    CountFile(worker, entry);
  }

  void CountFile(unsigned worker, const TreeEntry& entry) {
    ++reports_[worker].files;
    if (options_.progress == nullptr) return;
    options_.progress->files.fetch_add(1, std::memory_order_relaxed);
    options_.progress->bytes.fetch_add(entry.Totals().bytes, std::memory_order_relaxed);
  }

  void ReportXattrs(unsigned worker, const Folder& folder, const TreeEntry& entry,
                    const FileWriter::Written& written) {
    if (written.xattrs_error == 0) return;
    reports_[worker].without_xattrs.Add(folder.PathOf(entry.name),
                                        std::strerror(written.xattrs_error));
  }

  Result<FileWriter::Written> CreateOrReplace(unsigned worker, Folder& folder,
                                              const WriteItem& item, ByteView content) {
    const std::optional<FileAttributes> attributes =
        IsCached(item) ? options_.cache->OnDisk(item.entry, item.attributes) : item.attributes;
    HELIOS_TRY_ASSIGN(
        const FileWriter::Written written,
        files_.Create({tasks_, worker}, folder.fd(), item.entry, attributes, content));
    if (written.outcome == FileWriter::Outcome::kDone) return written;
    if (protects_existing_) {
      return Error(ErrorCode::kFailed, "appeared meanwhile, left alone");
    }
    return files_.Replace({tasks_, worker}, folder.fd(), item.entry, attributes, content,
                          std::nullopt);
  }

  // --- Hard links ------------------------------------------------------------------------------

  // What is left to do when the files of some items are written.
  struct LinksToMake {
    std::vector<std::pair<const WriteItem*, LinkBase>> links;
    std::vector<LinkTable::Later> later;
  };

  // Of one of several names of a file: whether it is the first that came, and is to be written now.
  // If not, it is among `links` or left to whoever writes it.
  bool IsMine(const FolderPointer& folder, const WriteItem& item, LinksToMake* links) {
    const Digest key = LinkKeyOf(item.entry, *item.attributes);
    LinkTable::Turn turn = links_.Join(
        key, [this, folder, item](unsigned other) { return WriteLinked(other, folder, item); });
    if (turn.what == LinkTable::Turn::What::kLater) return false;
    if (turn.what == LinkTable::Turn::What::kMake) {
      std::optional<LinkBase> base = PresentBase(item);
      if (!base) return true;
      turn.base = *base;
      SettleLinks(key, std::move(base), links);
    }
    links->links.emplace_back(&item, std::move(turn.base));
    return false;
  }

  void SettleLinks(const Digest& key, std::optional<LinkBase> base, LinksToMake* links) {
    for (LinkTable::Later& later : links_.Settle(key, std::move(base))) {
      links->later.push_back(std::move(later));
    }
  }

  // Writes one that is the caller's to write.
  Result<void> WriteMine(unsigned worker, Folder& folder, const WriteItem& item, ByteView content,
                         LinksToMake* links) {
    HELIOS_TRY_ASSIGN(const bool written, WriteOne(worker, folder, item, content));
    if (item.IsLinked()) TellOthers(folder, item, written, links);
    return {};
  }
  void TellOthers(const Folder& folder, const WriteItem& item, bool written, LinksToMake* links) {
    std::optional<LinkBase> base;
    if (written) base = BaseAt(folder, item.entry.name);
    SettleLinks(LinkKeyOf(item.entry, *item.attributes), std::move(base), links);
  }

  Result<void> MakeLinks(unsigned worker, Folder& folder, const LinksToMake& links) {
    for (const auto& [item, base] : links.links) {
      HELIOS_TRY(LinkOrCopy(worker, folder, *item, base));
    }
    for (const LinkTable::Later& later : links.later) HELIOS_TRY(later(worker));
    return {};
  }

  // A name that came while the file was being made.
  Result<void> WriteLinked(unsigned worker, const FolderPointer& folder, const WriteItem& item) {
    LinksToMake links;
    if (IsMine(folder, item, &links)) {
      HELIOS_TRY_ASSIGN(const bool written, FetchAndWrite(worker, *folder, item));
      TellOthers(*folder, item, written, &links);
    }
    return MakeLinks(worker, *folder, links);
  }

  // A single file, with its content if it is a small one.
  Result<bool> FetchAndWrite(unsigned worker, Folder& folder, const WriteItem& item) {
    if (!IsFile(item.entry.kind) || item.entry.HasManifest()) {
      return WriteOne(worker, folder, item, {});
    }
    const ObjectKey key(ObjectKind::kBlob, item.entry.id);
    bool written = false;
    bool was_read = false;  // from here on errors name the file
    const auto take = [&](size_t, std::optional<ByteView> bytes) -> Result<void> {
      was_read = true;
      HELIOS_TRY(CheckContent(folder, item, key, bytes));
      HELIOS_TRY_ASSIGN(written, WriteOne(worker, folder, item, *bytes));
      return {};
    };
    Result<void> got = store_->GetMany({&key, 1}, take);
    if (got) return written;
    if (was_read) return std::move(got).error();
    return std::move(got).error().WithContext(folder.PathOf(item.entry.name));
  }

  // Another name of the file that `base` is; a copy where that is not to be had.
  Result<void> LinkOrCopy(unsigned worker, Folder& folder, const WriteItem& item,
                          const LinkBase& base) {
    const Result<void> linked = MakeLink(worker, folder, item, base);
    if (linked) {
      ++reports_[worker].links;
      CountFile(worker, item.entry);
      return {};
    }
    HELIOS_TRY_ASSIGN(const bool written, FetchAndWrite(worker, folder, item));
    if (!written) return {};
    const int os_error = linked.error().os_error();
    reports_[worker].links_as_copies.Add(
        folder.PathOf(item.entry.name),
        os_error != 0 ? std::strerror(os_error) : linked.error().message());
    // It may be that the other has all the names that it can have.
    std::optional<LinkBase> copy = BaseAt(folder, item.entry.name);
    if (copy && os_error != EXDEV) {
      links_.SetBase(LinkKeyOf(item.entry, *item.attributes), std::move(*copy));
    }
    return {};
  }

  Result<void> MakeLink(unsigned worker, Folder& folder, const WriteItem& item,
                        const LinkBase& base) {
    HELIOS_TRY_ASSIGN(const int base_folder, OpenBaseFolder(worker, base));
    const std::string& name = item.entry.name;
    if (!item.replaces) {
      HELIOS_TRY_ASSIGN(const FileWriter::Outcome outcome,
                        files_.Link(base_folder, base, folder.fd(), name));
      if (outcome == FileWriter::Outcome::kDone) return {};
      if (protects_existing_) return Error(ErrorCode::kFailed, "appeared meanwhile");
    }
    return files_.ReplaceByLink(base_folder, base, folder.fd(), name, item.seen);
  }

  // Most names of a file lie in one folder, or its names are written one after the other: the last
  // folder stays open.
  Result<int> OpenBaseFolder(unsigned worker, const LinkBase& base) {
    BaseFolder& open = base_folders_[worker];
    const size_t slash = base.path.rfind('/');
    const std::string path = base.path.substr(0, slash == base.path.npos ? 0 : slash);
    if (!open.fd.IsOpen() || open.path != path) {
      HELIOS_TRY_ASSIGN(open.fd, OpenFolderBelow(root_.get(), path));
      open.path = path;
    }
    return open.fd.get();
  }

  // What was just written there; absent if it is gone already.
  static std::optional<LinkBase> BaseAt(const Folder& folder, const std::string& name) {
    const auto [status, os_error, links, disk_bytes] = StatusAt(folder.fd(), name.c_str());
    if (os_error != 0) return std::nullopt;
    return LinkBase{folder.PathOf(name), status.device, status.inode,
                    status.size,         status.mtime,  status.mtime};
  }

  // A name that is there already, stays, and is all that the item is to be.
  std::optional<LinkBase> PresentBase(const WriteItem& item) const {
    if (present_links_ == nullptr) return std::nullopt;
    const auto found = present_links_->find(*item.attributes->rare.link_group);
    if (found == present_links_->end()) return std::nullopt;
    const LinkedFile file = Describe(found->second);
    const bool is_selected = selects_everything_ || options_.selector->Selects(file.path, false);
    if (!is_selected ||
        LinkKeyOf(file.entry, file.attributes) != LinkKeyOf(item.entry, *item.attributes)) {
      return std::nullopt;
    }
    return BaseOf(file);
  }
  static LinkBase BaseOf(const LinkedFile& file) {
    return {file.path,        file.status.device, file.status.inode,
            file.status.size, file.status.mtime,  file.attributes.mtime};
  }

  void KeepLinks(const std::vector<LinkedFile>& kept) {
    for (const LinkedFile& file : kept) {
      links_.SetBase(LinkKeyOf(file.entry, file.attributes), BaseOf(file));
    }
  }

  // --- Plans -----------------------------------------------------------------------------------

  Result<void> ApplyFolder(TaskStack& tasks, unsigned worker, const FolderPointer& folder,
                           const PlannedFolder& plan) {
    const int os_error = folder->EnsureOpen(false, &reports_[worker].folders);
    if (os_error != 0) {
      Fail(worker, folder->Path(), std::strerror(os_error));
      return {};
    }
    if (plan.ChangesEntries()) MakeWritable(*folder);
    for (const PlannedRemoval& removal : plan.make_room) RemoveOne(worker, *folder, removal);
    for (const std::unique_ptr<PlannedFolder>& below : plan.folders) {
      FolderPointer child(new Folder(folder, below->name));
      tasks.Push([this, &tasks, child = std::move(child), below = below.get()](unsigned other) {
        return ApplyFolder(tasks, other, child, *below);
      });
    }
    for (const PlannedSubtree& subtree : plan.subtrees) {
      FolderPointer child(new Folder(folder, subtree.name));
      tasks.Push([this, &tasks, child = std::move(child), subtree](unsigned other) {
        return WriteFolder(tasks, other, child, subtree.tree, subtree.attributes, true);
      });
    }
    std::vector<WriteItem> items;
    for (const PlannedFile& file : plan.files) {
      if (file.action == PlannedFile::Action::kSetAttributes) {
        SetAttributes(worker, *folder, file);
        continue;
      }
      const bool replaces = file.action == PlannedFile::Action::kReplace;
      items.push_back({file.entry, file.attributes, replaces, std::nullopt});
      if (replaces && file.seen != FileStatus()) items.back().seen = file.seen;
    }
    if (!items.empty()) HELIOS_TRY(WriteItems(worker, *folder, items));
    if (plan.attributes && !plan.removes) {
      folder->SetAtTheEnd(&finisher_, *plan.attributes);
    }
    return {};
  }

  // Its owner may have made the folder read-only; its final mode is set at the end.
  static void MakeWritable(const Folder& folder) {
    const StatusOrErrno status = StatusOf(folder.fd());
    if (status.os_error == 0 && (status.status.mode & 0700) != 0700) {
      (void)::fchmod(folder.fd(), (status.status.mode & 07777) | 0700);  // the write says if not
    }
  }

  void SetAttributes(unsigned worker, Folder& folder, const PlannedFile& file) {
    const Result<FileWriter::Written> set =
        files_.SetAttributes(folder.fd(), file.entry, *file.attributes);
    if (set) {
      ++reports_[worker].attributes;
      ReportXattrs(worker, folder, file.entry, *set);
    } else {
      Fail(worker, folder.PathOf(file.entry.name), set.error().message());
    }
  }

  // --- Removals --------------------------------------------------------------------------------

  // The second pass, depth first, on the caller's thread.
  void Remove(const FolderPointer& root, const PlannedFolder& plan) {
    struct Step {
      FolderPointer folder;
      FolderPointer parent;
      const PlannedFolder* plan;
      bool leaving;
    };
    std::vector<Step> stack{{root, nullptr, &plan, false}};
    while (!stack.empty()) {
      const Step step = std::move(stack.back());
      stack.pop_back();
      if (step.leaving) {
        Leave(step.folder, step.parent, *step.plan);
        continue;
      }
      if (const int os_error = step.folder->EnsureOpen(false, &reports_[0].folders)) {
        if (os_error != ENOENT) Fail(0, step.folder->Path(), std::strerror(os_error));
        continue;
      }
      for (const PlannedRemoval& removal : step.plan->removals) {
        RemoveOne(0, *step.folder, removal);
      }
      stack.push_back({step.folder, step.parent, step.plan, true});
      for (const std::unique_ptr<PlannedFolder>& below : step.plan->folders) {
        if (!below->removes) continue;
        stack.push_back({new Folder(step.folder, below->name), step.folder, below.get(), false});
      }
    }
  }

  void Leave(const FolderPointer& folder, const FolderPointer& parent, const PlannedFolder& plan) {
    if (plan.remove_if_empty && parent) {
      // Not empty: what is in it was never captured, and stays.
      if (::unlinkat(parent->fd(), plan.name.c_str(), AT_REMOVEDIR) == 0) {
        ++reports_[0].deleted;
      } else if (errno != ENOTEMPTY && errno != EEXIST) {
        Fail(0, folder->Path(), std::strerror(errno));
      }
    } else if (plan.attributes) {
      finisher_.Finish(folder->fd(), *plan.attributes,
                       [&folder] { return folder->PathForPeople(); });
    }
  }

  void RemoveOne(unsigned worker, Folder& folder, const PlannedRemoval& removal) {
    if (removal.folder != nullptr) {
      RemoveScanned(worker, folder, removal);
      return;
    }
    const StatusOrErrno now = StatusAt(folder.fd(), removal.name.c_str());
    if (now.os_error == ENOENT) return;
    FileStatus expected = removal.seen;
    // When one name of a file goes, that changes the ctime of all.
    if (removal.is_linked) expected.ctime = now.status.ctime;
    if (now.os_error != 0 || now.status != expected) {
      Fail(worker, folder.PathOf(removal.name), "changed meanwhile, left alone");
      return;
    }
    const Result<void> removed = files_.Remove(folder.fd(), removal.name, removal.seen);
    if (removed) {
      ++reports_[worker].deleted;
    } else {
      Fail(worker, folder.PathOf(removal.name), removed.error().message());
    }
  }

  // Removes just what the scan saw in a folder, then the folder if nothing else is in it.
  void RemoveScanned(unsigned worker, Folder& parent, const PlannedRemoval& removal) {
    struct Step {
      FolderPointer folder;  // null: of `parent`
      ScannedDirectory* scanned;
      FolderPointer above;
      bool leaving;
    };
    // The parent is not ours to own: the root of this walk opens it anew by its descriptor.
    Result<Fd> fd = OpenAt(parent.fd(), ".", O_RDONLY | O_DIRECTORY);
    if (!fd) return Fail(worker, parent.PathOf(removal.name), fd.error().message());
    FolderPointer base(new Folder(std::move(fd).value()));
    std::vector<Step> stack{{new Folder(base, removal.name), removal.folder, base, false}};
    while (!stack.empty()) {
      const Step step = std::move(stack.back());
      stack.pop_back();
      if (step.leaving) {
        if (::unlinkat(step.above->fd(), step.scanned->name.c_str(), AT_REMOVEDIR) == 0) {
          ++reports_[worker].deleted;
        } else {
          Fail(worker, parent.PathOf(step.folder->Path()), std::strerror(errno));
        }
        continue;
      }
      if (const int os_error = step.folder->EnsureOpen(false, &reports_[worker].folders)) {
        Fail(worker, parent.PathOf(step.folder->Path()), std::strerror(os_error));
        continue;
      }
      MakeWritable(*step.folder);
      step.scanned->Expand();
      stack.push_back({step.folder, step.scanned, step.above, true});
      for (const ScannedEntry& entry : step.scanned->entries) {
        if (entry.vanished || !IsCaptured(entry.entry_class)) continue;
        if (entry.child != nullptr) {
          stack.push_back(
              {new Folder(step.folder, std::string(entry.name)), entry.child, step.folder, false});
        } else {
          RemoveOne(worker, *step.folder,
                    {std::string(entry.name), entry.status, entry.is_linked, nullptr, nullptr});
        }
      }
    }
  }

  static constexpr size_t kPageItemsWorthSharing = 64;

  ObjectStore* store_;
  TreeReader reader_;
  FileWriter files_;
  TaskStack* tasks_ = nullptr;  // that everything is written on
  const WriteOptions& options_;
  const bool selects_everything_;
  std::vector<WriteReport> reports_;
  FolderFinisher finisher_;

  struct BaseFolder {
    std::string path;
    Fd fd;
  };
  Fd root_;
  std::vector<BaseFolder> base_folders_;  // one for each worker
  const LinkedFiles* present_links_ = nullptr;
  LinkTable links_;

 public:
  // A restore creates only where the plan saw nothing.
  bool protects_existing_ = false;
};

}  // namespace

Result<WriteReport> WriteTree(ObjectStore* store, Fd root, const TreeId& tree,
                              const std::optional<AttributesId>& attributes,
                              const WriteOptions& options) {
  return Writer(store, options).WriteWholeTree(std::move(root), tree, attributes);
}

Result<WriteReport> ApplyRestorePlan(ObjectStore* store, Fd root, const RestorePlan& plan,
                                     const WriteOptions& options) {
  Writer writer(store, options);
  writer.protects_existing_ = true;
  return writer.ApplyPlan(std::move(root), plan);
}

}  // namespace helios

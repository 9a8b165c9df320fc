#include "worktree/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>

#include "base/durable_file.h"
#include "base/thread_pool.h"
#include "helios/tree_path.h"
#include "store/store_root.h"
#include "worktree/content_reader.h"
#include "worktree/found_store.h"
#include "worktree/sparse_file.h"
#include "worktree/user_xattrs.h"

namespace helios {
namespace {

// A large directory is worked on in parts of so many entries, by several threads.
constexpr size_t kPartEntries = 1024;
constexpr size_t kListBufferBytes = size_t{64} << 10;
// How often a file that changes while it is read is read again.
constexpr int kReadAttemptsMax = 4;
// Beside one segment for each thread: enough that the one who reads a large file is ahead of the
// others, and few enough that what they hold stays in a processor's cache.
constexpr unsigned kSpareSegmentsMax = 4;

constexpr char kIgnoreFile[] = ".heliosignore";

// Where the kernel stamps files with this machine's own clock, a stamp that is older than the clock
// cannot come again. Elsewhere (a server's clock, or stamps of whole seconds) two seconds must
// pass.
bool HasLocalClock(int fd) {
  constexpr long kLocal[] = {0xef53 /* ext4 */,
                             0x58465342 /* xfs */,
                             0x9123683e /* btrfs */,
                             0x01021994 /* tmpfs */,
                             0xf2f52010 /* f2fs */,
                             0x2fc12fc1 /* zfs */,
                             0x794c7630 /* overlay */};
  struct statfs status;
  if (::fstatfs(fd, &status) != 0) return false;
  return std::find(std::begin(kLocal), std::end(kLocal), static_cast<long>(status.f_type)) !=
         std::end(kLocal);
}

Timestamp CoarseNow() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return {now.tv_sec, static_cast<uint32_t>(now.tv_nsec)};
}

// Per thread: what it reads with and what it found.
struct Worker {
  ContentReader reader;
  std::unique_ptr<char[]> list_buffer{new char[kListBufferBytes]};
  CaptureReport report;
  uint64_t files_scanned = 0;
  uint64_t files_hashed = 0;
  uint64_t bytes_hashed = 0;
  std::vector<LinkedName> linked;
  std::vector<ScannedDirectory*> waiting;  // for what linked names are joined to
};

class Scanner {
 public:
  Scanner(const ScanOptions& options, ScanResult* result)
      : options_(options),
        result_(result),
        workers_(options.threads),
        spare_(options.threads > 1 ? std::min(options.threads, kSpareSegmentsMax) : 0) {}

  Result<void> Run(Fd root) {
    const StatusOrErrno status = StatusOf(root.get());
    if (status.os_error != 0) return Error::FromErrno(status.os_error, "stat", "the workspace");
    local_clock_ = HasLocalClock(root.get());
    root_device_ = status.status.device;
    ScannedDirectory* directory = NewDirectory(nullptr, "");
    directory->fd = std::move(root);
    directory->rules = IgnoreRules::Empty();
    if (options_.index != nullptr) directory->section = options_.index->Root();
    result_->root_directory = directory;
    HELIOS_TRY(TaskStack::Run(options_.threads, [&](TaskStack& tasks) {
      tasks_ = &tasks;
      tasks.Push([this, &tasks, directory](unsigned worker) {
        return ScanDirectory(tasks, worker, directory);
      });
    }));
    HELIOS_TRY(FinishLinks());
    for (Worker& worker : workers_) {
      result_->report.Merge(worker.report);
      result_->files_hashed += worker.files_hashed;
      if (options_.metrics == nullptr) continue;
      options_.metrics->Add(Counter::kFilesScanned, worker.files_scanned);
      options_.metrics->Add(Counter::kFilesHashed, worker.files_hashed);
      options_.metrics->Add(Counter::kBytesHashed, worker.bytes_hashed);
    }
    if (directory->is_store) {
      return Error(ErrorCode::kInvalidArgument, "the workspace is itself a Helios store");
    }
    if (directory->entry_failed) return CannotList();
    result_->root = directory->built;
    result_->index_is_stale = index_is_stale_.load();
    return {};
  }

 private:
  ScannedDirectory* NewDirectory(ScannedDirectory* parent, std::string_view name)
      HELIOS_EXCLUDES(arena_mutex_) {
    MutexLock lock(arena_mutex_);
    ScannedDirectory& directory = result_->directories.emplace_back();
    directory.parent = parent;
    directory.name = name;
    return &directory;
  }

  // --- One directory ---------------------------------------------------------------------------

  Result<void> ScanDirectory(TaskStack& tasks, unsigned worker, ScannedDirectory* directory) {
    if (!OpenDirectory(worker, directory)) return Complete(worker, directory);
    const Timestamp begun = CoarseNow();
    directory->trusted = IsOld(directory->status, begun);
    if (!IsUnchangedListing(worker, directory)) {
      HELIOS_TRY(List(worker, directory));
      if (directory->is_store) {
        DropUser(directory);
        return Complete(worker, directory);
      }
    }
    AddChildren(tasks, directory);
    const size_t count =
        directory->expanded ? directory->entries.size() : directory->section->entry_count;
    // All parts but the first are left to whoever has time.
    for (size_t start = kPartEntries; start < count; start += kPartEntries) {
      directory->fd_users.fetch_add(1);
      directory->pending.fetch_add(1);
      const size_t end = std::min(count, start + kPartEntries);
      tasks.Push([this, directory, start, end, begun](unsigned other) -> Result<void> {
        HELIOS_TRY(ScanPart(other, directory, start, end, begun));
        DropUser(directory);
        return Complete(other, directory);
      });
    }
    HELIOS_TRY(ScanPart(worker, directory, 0, std::min(count, kPartEntries), begun));
    DropUser(directory);
    return Complete(worker, directory);
  }

  // False if the directory cannot be entered: then it is reported and left out.
  bool OpenDirectory(unsigned worker, ScannedDirectory* directory) {
    int os_error = 0;
    if (directory->parent != nullptr) {
      Result<Fd> fd =
          OpenAt(directory->parent->fd.get(), directory->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      if (fd)
        directory->fd = std::move(fd).value();
      else
        os_error = fd.error().os_error();
      DropUser(directory->parent);
    }
    if (os_error == 0) {
      const StatusOrErrno status = StatusOf(directory->fd.get());
      directory->status = status.status;
      os_error = status.os_error;
    }
    if (os_error == 0) return true;
    directory->entry_failed = true;
    if (os_error != ENOENT && os_error != ENOTDIR && os_error != ELOOP) {
      Report(worker, OmissionReason::kUnreadable, directory->Path(), os_error);
    } else {
      directory->entry_vanished = true;
    }
    return false;
  }

  void DropUser(ScannedDirectory* directory) {
    if (directory->fd_users.fetch_sub(1) == 1) directory->fd.Reset();
  }

  // True if the section's names are still the directory's: its own times say so, and so do the
  // ignore rules. No listing is needed then.
  bool IsUnchangedListing(unsigned worker, ScannedDirectory* directory) {
    const IndexedSection* section = directory->section;
    if (section == nullptr || !section->Matches(directory->status)) return false;
    if (section->has_store != 0 && !StoresAreAsIndexed(*directory)) return false;
    if (section->has_ignore_file != 0) ExtendRules(worker, directory);
    directory->has_ignore_file = section->has_ignore_file != 0;
    directory->rules_digest = directory->rules->digest();
    directory->listing_is_unchanged = section->rules_digest == directory->rules_digest;
    if (!directory->listing_is_unchanged) return false;
    directory->trusted = true;
    if (section->own_bytes > 0) {
      // That it can be decoded was checked when the section was loaded.
      Result<RareAttributes> rare = DecodeRareAttributes(section->OwnRare());
      if (rare) directory->xattrs = std::move(rare).value().xattrs;
    }
    return true;
  }

  // What makes a folder a store lies in it: its own times, and those of the folder that it lies in,
  // say nothing about that.
  static bool StoresAreAsIndexed(const ScannedDirectory& directory) {
    const IndexedSection& section = *directory.section;
    for (const IndexedEntry& entry : section.Entries()) {
      const std::string name(section.Name(entry), entry.name_length);
      if (name == kStoreMarkerFile && IsStoreFolder(directory.fd.get())) return false;
      if (entry.Class() == EntryClass::kStore && !IsTemporaryName(name) &&
          !LeadsToStore(directory.fd.get(), name)) {
        return false;
      }
    }
    return true;
  }

  // --- Listing ---------------------------------------------------------------------------------

  struct Listed {
    uint32_t offset;
    uint16_t length;
    uint8_t type;
  };

  Result<void> List(unsigned worker, ScannedDirectory* directory) {
    index_is_stale_ = true;
    std::vector<Listed> listed;
    ReadNames(worker, directory, &listed);
    const char* text = directory->text.data();
    const auto view = [&](const Listed& name) {
      return std::string_view(text + name.offset, name.length);
    };
    std::sort(listed.begin(), listed.end(),
              [&](const Listed& a, const Listed& b) { return view(a) < view(b); });
    const auto holds = [&](std::string_view name) {
      const auto it =
          std::lower_bound(listed.begin(), listed.end(), name,
                           [&](const Listed& a, std::string_view b) { return view(a) < b; });
      return it != listed.end() && view(*it) == name;
    };
    if (holds(kStoreMarkerFile) && IsStoreFolder(directory->fd.get())) {
      directory->is_store = true;
      return {};
    }
    directory->rules = ParentRules(directory);
    directory->has_ignore_file = holds(kIgnoreFile);
    if (directory->has_ignore_file && options_.only.empty()) ExtendRules(worker, directory);
    directory->rules_digest = directory->rules->digest();
    directory->entries.resize(listed.size());
    for (size_t i = 0; i < listed.size(); ++i) {
      ScannedEntry& entry = directory->entries[i];
      entry.name = view(listed[i]);
      entry.listed_as_directory = listed[i].type == DT_DIR;
      entry.entry_class = Classify(*directory, entry.name, listed[i].type);
    }
    directory->expanded = true;
    HELIOS_TRY_ASSIGN(directory->xattrs, ReadXattrs(worker, directory->fd.get(),
                                                    directory->status.device, *directory, nullptr));
    return {};
  }

  // Of the workspace itself: what it was that was reported of it.
  Error CannotList() const {
    const Omission& unreadable = result_->report[OmissionReason::kUnreadable];
    const bool has_cause = !unreadable.first_causes.empty();
    return Error(ErrorCode::kFailed, "cannot list the workspace" +
                                         (has_cause ? ": " + unreadable.first_causes.front() : ""));
  }

  bool IsLeftOut(const ScannedDirectory& directory, std::string_view name) const {
    return directory.parent == nullptr && !options_.only.empty() && name != options_.only;
  }

  // A directory that cannot be read is reported, and is then empty.
  void ReadNames(unsigned worker, ScannedDirectory* directory, std::vector<Listed>* listed) {
    char* buffer = workers_[worker].list_buffer.get();
    while (true) {
      const long n = ::syscall(SYS_getdents64, directory->fd.get(), buffer, kListBufferBytes);
      if (n == 0) return;
      if (n < 0) {
        if (errno == EINTR) continue;
        Report(worker, OmissionReason::kUnreadable, directory->Path(), errno);
        directory->entry_failed = true;
        listed->clear();
        return;
      }
      for (long at = 0; at < n;) {
        const auto* raw = reinterpret_cast<const struct dirent64*>(buffer + at);
        at += raw->d_reclen;
        const std::string_view name = raw->d_name;
        if (name == "." || name == ".." || IsLeftOut(*directory, name)) continue;
        listed->push_back({static_cast<uint32_t>(directory->text.size()),
                           static_cast<uint16_t>(name.size()), raw->d_type});
        directory->text.append(name).push_back('\0');
      }
    }
  }

  static std::shared_ptr<const IgnoreRules> ParentRules(const ScannedDirectory* directory) {
    return directory->parent != nullptr ? directory->parent->rules : IgnoreRules::Empty();
  }

  // Reads the directory's own ignore file. One that cannot be read has no patterns: more is
  // captured then, never less.
  void ExtendRules(unsigned worker, ScannedDirectory* directory) {
    const Result<Fd> fd =
        OpenAt(directory->fd.get(), kIgnoreFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd || !StatusOf(fd->get()).status.IsRegular()) return;
    const Result<Bytes> text = ReadToEnd(fd->get(), kIgnoreFileBytesMax, "the file");
    Result<PatternList> patterns =
        text ? PatternList::ParseIgnoreFile(*text) : Result<PatternList>(text.error());
    if (!patterns) {
      workers_[worker].report.ignore_warnings.Add(
          {PathOf(*directory, kIgnoreFile), 0, patterns.error().message()});
      return;
    }
    for (const PatternList::Warning& warning : patterns->warnings()) {
      workers_[worker].report.ignore_warnings.Add(
          {PathOf(*directory, kIgnoreFile), warning.line, warning.text});
    }
    directory->rules =
        IgnoreRules::Extend(ParentRules(directory), directory->Path(), std::move(patterns).value());
  }

  // What a name is by itself; kFile where only a closer look tells.
  EntryClass Classify(const ScannedDirectory& directory, std::string_view name,
                      uint8_t type) const {
    if (directory.parent == nullptr) {
      if (name == ".git" && !options_.include_git) return EntryClass::kGit;
      // A folder of that name is a store if it holds a store's marker, as any other folder.
      if (name == ".helios" && type != DT_DIR && LeadsToStore(directory.fd.get(), ".helios")) {
        return EntryClass::kStore;
      }
    }
    if (IsTemporaryName(name)) return EntryClass::kStore;
    if (!IsValidName(name)) return EntryClass::kBadName;
    if (type == DT_FIFO || type == DT_SOCK || type == DT_CHR || type == DT_BLK) {
      return EntryClass::kSpecial;
    }
    if (directory.rules_digest != 0) {
      std::string path = directory.Path();
      if (!path.empty()) path.push_back('/');
      path.append(name);
      bool is_directory = type == DT_DIR;
      if (type == DT_UNKNOWN) {
        is_directory = StatusAt(directory.fd.get(), name.data()).status.IsDirectory();
      }
      if (directory.rules->Ignores(path, is_directory)) return EntryClass::kIgnored;
    }
    if (type == DT_DIR) return EntryClass::kDirectory;
    if (type == DT_LNK) return EntryClass::kSymlink;
    if (type == DT_REG) return EntryClass::kFile;
    const StatusOrErrno status = StatusAt(directory.fd.get(), name.data());
    if (status.os_error != 0 || status.status.IsRegular()) return EntryClass::kFile;
    if (status.status.IsDirectory()) return EntryClass::kDirectory;
    return status.status.IsSymlink() ? EntryClass::kSymlink : EntryClass::kSpecial;
  }

  // Makes a child for every subdirectory and hands it to whoever has time.
  void AddChildren(TaskStack& tasks, ScannedDirectory* directory) {
    if (directory->expanded) {
      std::span<const IndexedEntry> known;
      if (directory->section != nullptr) known = directory->section->Entries();
      size_t at = 0;
      for (ScannedEntry& entry : directory->entries) {
        if (entry.entry_class != EntryClass::kDirectory) continue;
        while (at < known.size() && directory->section->Name(known[at]) < entry.name) ++at;
        const bool is_known = at < known.size() && known[at].Class() == EntryClass::kDirectory &&
                              directory->section->Name(known[at]) == entry.name;
        entry.child = NewChild(directory, entry.name, is_known ? known[at].child_offset : 0);
      }
    } else {
      for (const IndexedEntry& entry : directory->section->Entries()) {
        if (entry.Class() != EntryClass::kDirectory) continue;
        NewChild(directory, {directory->section->Name(entry), entry.name_length},
                 entry.child_offset);
      }
    }
    directory->pending.fetch_add(static_cast<int>(directory->children.size()));
    directory->fd_users.fetch_add(static_cast<int>(directory->children.size()));
    for (size_t i = directory->children.size(); i-- > 0;) {
      ScannedDirectory* child = directory->children[i];
      tasks.Push(
          [this, &tasks, child](unsigned worker) { return ScanDirectory(tasks, worker, child); });
    }
  }

  ScannedDirectory* NewChild(ScannedDirectory* directory, std::string_view name, uint64_t offset) {
    ScannedDirectory* child = NewDirectory(directory, name);
    child->rules = directory->rules;
    if (offset != 0) child->section = options_.index->Section(offset);
    directory->children.push_back(child);
    return child;
  }

  // --- Entries ---------------------------------------------------------------------------------

  Result<void> ScanPart(unsigned worker, ScannedDirectory* directory, size_t start, size_t end,
                        const Timestamp& begun) {
    uint64_t files = 0;
    const IndexedSection* section = directory->section;
    size_t known_at = 0;
    for (size_t i = start; i < end; ++i) {
      const IndexedEntry* known = nullptr;
      EntryClass entry_class;
      const char* name;
      if (section != nullptr && directory->listing_is_unchanged) {
        known = &section->Entries()[i];
        entry_class = known->Class();
        name = section->Name(*known);
      } else {
        const ScannedEntry& entry = directory->entries[i];
        entry_class = entry.entry_class;
        name = entry.name.data();
        known = FindKnown(section, entry.name, &known_at);
      }
      if (entry_class == EntryClass::kDirectory) continue;
      if (!IsCaptured(entry_class) && entry_class != EntryClass::kUnreadable) {
        ReportOmitted(worker, *directory, entry_class, name);
        continue;
      }
      ++files;
      if (entry_class == EntryClass::kUnreadable || known == nullptr ||
          (known->Class() != EntryClass::kFile && known->Class() != EntryClass::kSymlink)) {
        HELIOS_TRY(Capture(worker, directory, i, name, begun));
        continue;
      }
      const StatusOrErrno status = StatusAt(directory->fd.get(), name);
      if (status.os_error != 0 || !known->Matches(status.status)) {
        HELIOS_TRY(Capture(worker, directory, i, name, begun));
        continue;
      }
      if (known->IsLinked()) NoteLinked(worker, directory, i);
      if (!directory->listing_is_unchanged) {
        TakeKnown(*section, *known, &directory->entries[i], directory->status.device);
      }
    }
    workers_[worker].files_scanned += files;
    if (options_.progress != nullptr) options_.progress->files.fetch_add(files);
    return {};
  }

  // Both lists are sorted: `at` only moves on.
  static const IndexedEntry* FindKnown(const IndexedSection* section, std::string_view name,
                                       size_t* at) {
    if (section == nullptr) return nullptr;
    const std::span<const IndexedEntry> entries = section->Entries();
    const auto name_of = [&](const IndexedEntry& entry) {
      return std::string_view(section->Name(entry), entry.name_length);
    };
    if (*at == 0 && !entries.empty()) {
      *at = static_cast<size_t>(std::lower_bound(entries.begin(), entries.end(), name,
                                                 [&](const IndexedEntry& a, std::string_view b) {
                                                   return name_of(a) < b;
                                                 }) -
                                entries.begin());
    }
    while (*at < entries.size() && name_of(entries[*at]) < name) ++*at;
    return *at < entries.size() && name_of(entries[*at]) == name ? &entries[*at] : nullptr;
  }

  static void TakeKnown(const IndexedSection& section, const IndexedEntry& known,
                        ScannedEntry* entry, uint64_t device) {
    const std::string_view name = entry->name;
    *entry = ScannedEntry::From(section, known, device);
    entry->name = name;
  }

  // Looks at a file or symlink that is new or may have changed.
  Result<void> Capture(unsigned worker, ScannedDirectory* directory, size_t index, const char* name,
                       const Timestamp& begun) {
    index_is_stale_ = true;
    if (directory->listing_is_unchanged) {
      MutexLock lock(directory->expanding);
      directory->Expand();
    }
    ScannedEntry& entry = directory->entries[index];
    entry.trusted = false;
    entry.is_linked = false;
    entry.extra.reset();
    entry.rare.reset();
    Outcome outcome = Outcome::kRetry;
    for (int attempt = 0; attempt < kReadAttemptsMax && outcome == Outcome::kRetry; ++attempt) {
      const bool last = attempt + 1 == kReadAttemptsMax;
      HELIOS_TRY_ASSIGN(outcome, CaptureOnce(worker, directory, &entry, name, begun, last));
    }
    if (entry.is_linked && IsCaptured(entry.entry_class)) NoteLinked(worker, directory, index);
    switch (outcome) {
      case Outcome::kCaptured:
        entry.trusted = IsOld(entry.status, begun);
        break;
      case Outcome::kRetry:  // captured all the same, with what was read last
        workers_[worker].report.Add(OmissionReason::kTorn, PathOf(*directory, name));
        break;
      case Outcome::kVanished:
        entry.vanished = true;
        directory->trusted = false;
        break;
      case Outcome::kOmitted:
        break;
    }
    return {};
  }

  enum class Outcome { kCaptured, kRetry, kVanished, kOmitted };

  Result<Outcome> CaptureOnce(unsigned worker, ScannedDirectory* directory, ScannedEntry* entry,
                              const char* name, const Timestamp& begun, bool last) {
    if (entry->entry_class == EntryClass::kSymlink) {
      return CaptureSymlink(worker, directory, entry, name);
    }
    int fd = ::openat(directory->fd.get(), name,
                      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR) return Outcome::kRetry;
      return AfterFailure(worker, directory, entry, name, errno);
    }
    const Fd file(fd);
    const StatusOrErrno before = StatusOf(fd);
    if (before.os_error != 0) return AfterFailure(worker, directory, entry, name, before.os_error);
    if (!before.status.IsRegular()) return Reclassify(worker, directory, entry, name);
    entry->is_linked = before.links > 1;
    if (entry->is_linked && TakeOtherName(before.status, entry)) return Outcome::kCaptured;
    Worker& own = workers_[worker];
    const bool has_holes = before.MayHaveHoles() && HasHoles(fd, before.status.size);
    // What the sink refuses ends the scan, what cannot be read only this file.
    std::atomic<bool> sink_failed{false};
    Result<FileContent> content =
        ReadContent(worker, fd, before.status.size, has_holes,
                    [&](unsigned user, const ObjectKey& key, ByteView bytes) {
                      Result<void> put = options_.sink(user, key, bytes);
                      if (!put) sink_failed = true;
                      if (key.kind == ObjectKind::kBlob) AddProgress(bytes.size());
                      return put;
                    });
    if (!content && sink_failed) {
      return std::move(content).error().WithContext(PathOf(*directory, name));
    }
    if (!content) {
      return AfterFailure(worker, directory, entry, name, content.error().os_error());
    }
    ++own.files_hashed;
    own.bytes_hashed += content->size;
    RareAttributes rare;
    rare.has_holes = has_holes;
    HELIOS_TRY_ASSIGN(rare.xattrs, ReadXattrs(worker, fd, before.status.device, *directory, name));
    const StatusOrErrno after = StatusOf(fd);
    const bool at_rest =
        after.os_error == 0 && after.status == before.status && content->size == before.status.size;
    if (!at_rest && !last) return Outcome::kRetry;
    SetFile(entry, before.status, *content, std::move(rare));
    if (entry->is_linked && at_rest && IsOld(before.status, begun)) KeepForOtherNames(*entry);
    return at_rest ? Outcome::kCaptured : Outcome::kRetry;
  }

  static void SetFile(ScannedEntry* entry, const FileStatus& status, const FileContent& content,
                      RareAttributes rare) {
    entry->entry_class = EntryClass::kFile;
    entry->status = status;
    entry->status.size = content.size;
    entry->id = content.id.digest;
    if (content.size > kWholeBlobBytesMax) {
      entry->extra = std::make_unique<std::string>(content.manifest.digest.view());
    }
    if (!rare.IsEmpty()) entry->rare = std::make_unique<RareAttributes>(std::move(rare));
  }

  // --- What few files have -----------------------------------------------------------------------

  Result<FileContent> ReadContent(unsigned worker, int fd, uint64_t expected_bytes, bool has_holes,
                                  const ObjectSink& sink) {
    const ReadingTask task{tasks_, worker, &spare_};
    if (has_holes && expected_bytes > kWholeBlobBytesMax) {
      HELIOS_TRY_ASSIGN(FileContent content, ReadSparseContent(worker, fd, expected_bytes, sink));
      if (content.size == expected_bytes) return content;
      // It was cut short meanwhile, and may have become a small file.
    }
    return workers_[worker].reader.Read(task, fd, expected_bytes, sink);
  }

  void AddProgress(size_t bytes) {
    if (options_.progress != nullptr) {
      options_.progress->bytes.fetch_add(bytes, std::memory_order_relaxed);
    }
  }

  // Of an open file in `directory`, or of that itself if `name` is null. A list that an attributes
  // object has no room for goes to the sink.
  Result<StoredXattrs> ReadXattrs(unsigned worker, int fd, uint64_t device,
                                  const ScannedDirectory& directory, const char* name) {
    if (device == device_without_xattrs_.load(std::memory_order_relaxed)) return StoredXattrs();
    const XattrsOrErrno xattrs = ReadUserXattrs(fd);
    if (xattrs.os_error == ENOTSUP) {
      device_without_xattrs_ = device;
      return StoredXattrs();
    }
    const Bytes list = EncodeXattrs(xattrs.list);
    if (xattrs.os_error != 0 || list.size() > kXattrListBytesMax) {
      Report(worker, OmissionReason::kXattrs,
             name == nullptr ? directory.Path() : PathOf(directory, name),
             xattrs.os_error != 0 ? xattrs.os_error : E2BIG);
      return StoredXattrs();
    }
    StoredXattrs stored = StoreXattrs(list);
    if (stored.IsInBlob()) HELIOS_TRY(options_.sink(worker, stored.Blob(), list));
    return stored;
  }

  void NoteLinked(unsigned worker, ScannedDirectory* directory, size_t index) {
    workers_[worker].linked.push_back({directory, index});
    directory->has_links = true;
  }

  // A file is read once, however many names it has: what the others say is taken for the rest if
  // its status is the same and proves something.
  bool TakeOtherName(const FileStatus& status, ScannedEntry* entry)
      HELIOS_EXCLUDES(linked_files_mutex_) {
    MutexLock lock(linked_files_mutex_);
    const auto found = linked_files_.find({status.device, status.inode});
    if (found == linked_files_.end() || found->second.status != status) return false;
    const std::string_view name = entry->name;
    *entry = found->second.Copy();
    entry->name = name;
    return true;
  }
  void KeepForOtherNames(const ScannedEntry& entry) HELIOS_EXCLUDES(linked_files_mutex_) {
    MutexLock lock(linked_files_mutex_);
    linked_files_[{entry.status.device, entry.status.inode}] = entry.Copy();
  }

  // Which names are one file shows when all of them have been seen; the folders that they lie in
  // are built then.
  Result<void> FinishLinks() {
    std::vector<LinkedName> linked;
    std::vector<ScannedDirectory*> waiting;
    for (const Worker& worker : workers_) {
      linked.insert(linked.end(), worker.linked.begin(), worker.linked.end());
      waiting.insert(waiting.end(), worker.waiting.begin(), worker.waiting.end());
    }
    if (linked.empty()) return {};
    JoinedNames joined = JoinLinkedNames(linked, options_.path_prefix);
    result_->linked_files = std::move(joined.first);
    std::sort(joined.torn.begin(), joined.torn.end());
    for (std::string& path : joined.torn) {
      result_->report.Add(OmissionReason::kTorn, std::move(path));
    }
    links_are_joined_ = true;
    return TaskStack::Run(options_.threads, [&](TaskStack& tasks) {
      for (ScannedDirectory* directory : waiting) {
        tasks.Push([this, directory](unsigned worker) { return BuildUpwards(worker, directory); });
      }
    });
  }

  Result<Outcome> CaptureSymlink(unsigned worker, ScannedDirectory* directory, ScannedEntry* entry,
                                 const char* name) {
    const StatusOrErrno status = StatusAt(directory->fd.get(), name);
    if (status.os_error != 0) {
      return AfterFailure(worker, directory, entry, name, status.os_error);
    }
    if (!status.status.IsSymlink()) return Reclassify(worker, directory, entry, name);
    char target[kSymlinkTargetBytesMax + 1];
    const ssize_t n = ::readlinkat(directory->fd.get(), name, target, sizeof(target));
    if (n < 0) return AfterFailure(worker, directory, entry, name, errno);
    if (n == 0 || static_cast<size_t>(n) > kSymlinkTargetBytesMax) {
      return AfterFailure(worker, directory, entry, name, ENAMETOOLONG);
    }
    entry->is_linked = status.links > 1;
    entry->status = status.status;
    entry->status.size = static_cast<uint64_t>(n);
    entry->extra = std::make_unique<std::string>(target, static_cast<size_t>(n));
    return status.status.size == static_cast<uint64_t>(n) ? Outcome::kCaptured : Outcome::kRetry;
  }

  // The name has become something else since it was listed.
  Result<Outcome> Reclassify(unsigned worker, ScannedDirectory* directory, ScannedEntry* entry,
                             const char* name) {
    directory->trusted = false;
    const StatusOrErrno status = StatusAt(directory->fd.get(), name);
    if (status.os_error != 0) {
      return AfterFailure(worker, directory, entry, name, status.os_error);
    }
    if (status.status.IsRegular() || status.status.IsSymlink()) {
      entry->entry_class = status.status.IsSymlink() ? EntryClass::kSymlink : EntryClass::kFile;
      return Outcome::kRetry;
    }
    if (status.status.IsDirectory()) {
      // It came after the listing: the next scan enters it, this one has not seen it.
      return Outcome::kVanished;
    }
    entry->entry_class = EntryClass::kSpecial;
    ReportOmitted(worker, *directory, EntryClass::kSpecial, name);
    return Outcome::kOmitted;
  }

  Result<Outcome> AfterFailure(unsigned worker, ScannedDirectory* directory, ScannedEntry* entry,
                               const char* name, int os_error) {
    if (os_error == ENOENT || os_error == ENOTDIR) return Outcome::kVanished;
    if (os_error == ELOOP || os_error == EINVAL || os_error == ENXIO) {
      // Was a file and is a link now, or the reverse, or a socket.
      const StatusOrErrno now = StatusAt(directory->fd.get(), name);
      const bool same = now.os_error == 0 &&
                        (now.status.IsSymlink() == (entry->entry_class == EntryClass::kSymlink)) &&
                        (now.status.IsRegular() == (entry->entry_class == EntryClass::kFile));
      if (!same) return Reclassify(worker, directory, entry, name);
    }
    if (os_error == EMFILE || os_error == ENFILE || os_error == ENOMEM) {
      return Error::FromErrno(os_error, "read", PathOf(*directory, name));
    }
    entry->entry_class = EntryClass::kUnreadable;
    Report(worker, OmissionReason::kUnreadable, PathOf(*directory, name), os_error);
    return Outcome::kOmitted;
  }

  // --- Completion ------------------------------------------------------------------------------

  // One part of `directory` is finished; the last one builds it, and so on upwards.
  Result<void> Complete(unsigned worker, ScannedDirectory* directory) {
    return directory->pending.fetch_sub(1) == 1 ? BuildUpwards(worker, directory) : Result<void>();
  }

  Result<void> BuildUpwards(unsigned worker, ScannedDirectory* directory) {
    do {
      if (directory->has_links && !links_are_joined_) {
        workers_[worker].waiting.push_back(directory);
        return {};
      }
      HELIOS_TRY(Build(worker, directory));
      directory->rules.reset();
      directory = directory->parent;
    } while (directory != nullptr && directory->pending.fetch_sub(1) == 1);
    return {};
  }

  Result<void> Build(unsigned worker, ScannedDirectory* directory) {
    if (directory->is_store || directory->entry_failed) return {};
    if (!directory->expanded && directory->section != nullptr && SameChildren(*directory)) {
      const IndexedSection& section = *directory->section;
      directory->built = {{Digest::FromBytes(section.tree)},
                          {Digest::FromBytes(section.attributes)},
                          {section.files, section.bytes}};
      return {};
    }
    if (directory->listing_is_unchanged) directory->Expand();
    index_is_stale_ = true;
    DirectoryBuilder builder(
        [&](const ObjectKey& key, ByteView bytes) { return options_.sink(worker, key, bytes); });
    for (ScannedEntry& entry : directory->entries) {
      if (entry.child != nullptr && !SettleChild(worker, directory, &entry)) continue;
      if (!IsCaptured(entry.entry_class) || entry.vanished) continue;
      HELIOS_TRY(builder.Add(entry.ToTreeEntry(), entry.ToAttributes()));
    }
    HELIOS_TRY_ASSIGN(directory->built, builder.Finish(directory->Attributes()));
    return {};
  }

  // True if every child came out as the index has it.
  bool SameChildren(const ScannedDirectory& directory) const {
    for (const ScannedDirectory* child : directory.children) {
      if (child->is_store || child->entry_failed || child->section == nullptr) return false;
      if (child->built.tree.digest != Digest::FromBytes(child->section->tree) ||
          child->built.attributes.digest != Digest::FromBytes(child->section->attributes)) {
        return false;
      }
    }
    return true;
  }

  // What became of a subdirectory; false if it is not part of the tree.
  bool SettleChild(unsigned worker, ScannedDirectory* directory, ScannedEntry* entry) {
    const ScannedDirectory& child = *entry->child;
    if (child.is_store) {
      entry->entry_class = EntryClass::kStore;
      ReportOmitted(worker, *directory, EntryClass::kStore, entry->name.data());
      return false;
    }
    if (child.entry_vanished) {
      entry->vanished = true;
      directory->trusted = false;
      return false;
    }
    if (child.entry_failed) {
      entry->entry_class = EntryClass::kUnreadable;
      directory->trusted = false;
      return false;
    }
    entry->status = child.status;
    return true;
  }

  // --- Reports ---------------------------------------------------------------------------------

  bool IsOld(const FileStatus& status, const Timestamp& begun) const {
    Timestamp limit = begun;
    if (!local_clock_ || status.device != root_device_) limit.seconds -= 2;
    return status.ctime < limit;
  }

  static std::string PathOf(const ScannedDirectory& directory, std::string_view name) {
    std::string path = directory.Path();
    if (!path.empty()) path.push_back('/');
    return path.append(name);
  }

  void Report(unsigned worker, OmissionReason reason, std::string path, int os_error) {
    if (path.empty()) path = ".";
    workers_[worker].report.Add(reason, std::move(path), std::strerror(os_error));
  }

  void ReportOmitted(unsigned worker, const ScannedDirectory& directory, EntryClass entry_class,
                     std::string_view name) {
    OmissionReason reason = OmissionReason::kSpecial;
    if (entry_class == EntryClass::kIgnored) reason = OmissionReason::kIgnored;
    if (entry_class == EntryClass::kStore) reason = OmissionReason::kStore;
    if (entry_class == EntryClass::kGit) reason = OmissionReason::kGit;
    if (entry_class == EntryClass::kBadName) reason = OmissionReason::kBadName;
    workers_[worker].report.Add(reason, PathOf(directory, name));
  }

  const ScanOptions& options_;
  ScanResult* result_;
  std::vector<Worker> workers_;
  SpareSegments spare_;
  TaskStack* tasks_ = nullptr;  // that the scan runs on
  bool local_clock_ = false;
  uint64_t root_device_ = 0;
  std::atomic<bool> index_is_stale_{false};
  std::atomic<uint64_t> device_without_xattrs_{~uint64_t{0}};  // the last such that was met
  bool links_are_joined_ = false;
  Mutex linked_files_mutex_;
  std::map<std::pair<uint64_t, uint64_t>, ScannedEntry> linked_files_
      HELIOS_GUARDED_BY(linked_files_mutex_);  // by device and inode
  Mutex arena_mutex_;
};

}  // namespace

Bytes ScanResult::MakeIndex(const StatIndex* old, IndexHeader* header, uint64_t* base) {
  uint64_t kept_bytes = 0;
  for (const ScannedDirectory& directory : directories) {
    if (!directory.expanded && directory.section != nullptr) {
      kept_bytes += directory.section->section_bytes;
    }
  }
  // Reading what is out of date costs every scan.
  const bool adds = old != nullptr && old->CanGrow() && kept_bytes > old->size() / 4 * 3;
  *base = adds ? old->size() : sizeof(IndexHeader);
  Bytes body;
  // Parents were made before their children: backwards, every child has its place before it is
  // referred to.
  for (auto directory = directories.rbegin(); directory != directories.rend(); ++directory) {
    if (directory->is_store || directory->entry_failed) continue;
    if (adds && directory->KeepsPlace(*old)) {
      directory->index_offset = old->OffsetOf(directory->section);
      continue;
    }
    directory->index_offset = *base + body.size();
    directory->AppendSection(&body);
  }
  header->root_offset = root_directory->index_offset;
  return body;
}

Result<std::unique_ptr<ScanResult>> ScanWorkspace(Fd root, const ScanOptions& options) {
  auto result = std::make_unique<ScanResult>();
  HELIOS_TRY(Scanner(options, result.get()).Run(std::move(root)));
  return result;
}

}  // namespace helios

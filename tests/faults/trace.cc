#include "faults/trace.h"

#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <unordered_set>

#include "object/hash.h"

namespace helios::faults {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kPageBytes = 4096;

bool ChangesFiles(const Call& call) {
  switch (call.kind) {
    case CallKind::kOpen:
      return (call.flags & (O_CREAT | O_TRUNC)) != 0;
    case CallKind::kWrite:
    case CallKind::kSync:
    case CallKind::kResize:
    case CallKind::kRename:
    case CallKind::kLink:
    case CallKind::kSymlink:
    case CallKind::kUnlink:
    case CallKind::kMakeFolder:
    case CallKind::kRemoveFolder:
      return true;
    case CallKind::kClone:
      return !call.keeps_content;
    default:
      return false;
  }
}

Bytes ReadOpenFile(int fd, uint64_t offset, size_t size) {
  // Opened anew: the descriptor may be for writing only.
  const int own = ::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC);
  Bytes bytes(size, '\0');
  const ssize_t n = ::pread(own, bytes.data(), size, static_cast<off_t>(offset));
  ::close(own);
  if (n < 0) std::abort();
  bytes.resize(static_cast<size_t>(n));
  return bytes;
}

void Apply(const Event& event, Bytes* content) {
  if (event.kind == Event::Kind::kResize) content->resize(event.offset, '\0');
  if (event.kind != Event::Kind::kWrite) return;
  content->resize(std::max<size_t>(content->size(), event.offset + event.bytes.size()), '\0');
  content->replace(event.offset, event.bytes.size(), event.bytes);
}

}  // namespace

// --- Recording -----------------------------------------------------------------------------------

Recorder::Recorder(const std::string& folder) {
  ReadFolder(folder, AddInode(Inode::Type::kFolder, ""));
}

InodeNumber Recorder::AddInode(Inode::Type type, Bytes content) {
  trace_.inodes.push_back({type, std::move(content), {}});
  names_.emplace_back();
  return trace_.inodes.size() - 1;
}

void Recorder::ReadFolder(const std::string& path, InodeNumber number) {
  const auto remember = [&](const std::string& of, InodeNumber known_as) {
    struct stat status;
    if (::lstat(of.c_str(), &status) != 0) std::abort();
    numbers_[{status.st_dev, status.st_ino}] = known_as;
  };
  remember(path, number);
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename();
    InodeNumber child;
    if (entry.is_symlink()) {
      child = AddInode(Inode::Type::kSymlink, fs::read_symlink(entry.path()).string());
    } else if (entry.is_directory()) {
      child = AddInode(Inode::Type::kFolder, "");
      ReadFolder(entry.path(), child);
    } else {
      child = AddInode(Inode::Type::kFile, test::ReadWholeFile(entry.path()));
    }
    remember(entry.path(), child);
    trace_.inodes[number].names[name] = child;
    names_[number][name] = child;
  }
}

size_t Recorder::position() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return trace_.events.size();
}

Trace Recorder::Take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return trace_;
}

std::optional<InodeNumber> Recorder::NumberOf(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return std::nullopt;
  const auto found = numbers_.find({status.st_dev, status.st_ino});
  return found == numbers_.end() ? std::nullopt : std::optional(found->second);
}

// Where a name lies, by the folder that it is in; nullopt if that is not recorded.
std::optional<Recorder::Place> Recorder::PlaceOf(int fd, const char* path) {
  if (path == nullptr) return std::nullopt;
  std::string text = path;
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  const size_t slash = text.rfind('/');
  const std::string folder = slash == text.npos ? "." : text.substr(0, slash + 1);
  struct stat status;
  if (::fstatat(fd, folder.c_str(), &status, 0) != 0) return std::nullopt;
  const auto found = numbers_.find({status.st_dev, status.st_ino});
  if (found == numbers_.end()) return std::nullopt;
  return Place{found->second, slash == text.npos ? text : text.substr(slash + 1)};
}

std::optional<InodeNumber> Recorder::InodeAt(const Place& place) {
  const auto found = names_[place.folder].find(place.name);
  return found == names_[place.folder].end() ? std::nullopt : std::optional(found->second);
}

void Recorder::Note(const Call& call, Event event) {
  event.text = Describe(call);
  trace_.events.push_back(std::move(event));
}

void Recorder::NoteNames(const Call& call, std::vector<NameChange> names) {
  for (const NameChange& change : names) {
    if (change.inode) {
      names_[change.folder][change.name] = *change.inode;
    } else {
      names_[change.folder].erase(change.name);
    }
  }
  Event event;
  event.kind = Event::Kind::kNames;
  event.names = std::move(names);
  Note(call, std::move(event));
}

ssize_t Recorder::Make(Call& call, const Real& real) {
  if (!ChangesFiles(call)) return real(SIZE_MAX);
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::optional<Place> place = PlaceOf(call.fd, call.path);
  const std::optional<Place> to =
      call.kind == CallKind::kSymlink ? std::nullopt : PlaceOf(call.to_fd, call.to_path);
  const ssize_t result = call.kind == CallKind::kSync ? 0 : real(SIZE_MAX);
  const int os_error = errno;
  if (result >= 0) NoteSuccess(call, place, to, result);
  errno = os_error;
  return result;
}

void Recorder::NoteSuccess(const Call& call, const std::optional<Place>& place,
                           const std::optional<Place>& to, ssize_t result) {
  switch (call.kind) {
    case CallKind::kOpen:
      return NoteOpened(call, place, static_cast<int>(result));
    case CallKind::kWrite:
      return NoteWritten(call, static_cast<size_t>(result));
    case CallKind::kClone:
      return NoteWholeContent(call);
    case CallKind::kRename:
      return NoteRename(call, place, to);
    case CallKind::kResize:
      if (const auto number = NumberOf(call.fd)) {
        Note(call, {Event::Kind::kResize, *number, call.size, {}, {}, {}});
      }
      return;
    case CallKind::kSync:
      if (const auto number = NumberOf(call.fd)) {
        Note(call, {Event::Kind::kSync, *number, 0, {}, {}, {}});
      }
      return;
    case CallKind::kLink:
      if (place && to) NoteNames(call, {{to->folder, to->name, InodeAt(*place)}});
      return;
    case CallKind::kSymlink:
    case CallKind::kMakeFolder: {
      if (!place) return;
      const bool is_link = call.kind == CallKind::kSymlink;
      const InodeNumber number = AddInode(is_link ? Inode::Type::kSymlink : Inode::Type::kFolder,
                                          is_link ? call.to_path : "");
      struct stat status;
      if (::fstatat(call.fd, call.path, &status, AT_SYMLINK_NOFOLLOW) != 0) std::abort();
      numbers_[{status.st_dev, status.st_ino}] = number;
      return NoteNames(call, {{place->folder, place->name, number}});
    }
    case CallKind::kUnlink:
    case CallKind::kRemoveFolder:
      if (place) NoteNames(call, {{place->folder, place->name, std::nullopt}});
      return;
    default:
      return;
  }
}

void Recorder::NoteOpened(const Call& call, const std::optional<Place>& place, int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) std::abort();
  const FileKey key{status.st_dev, status.st_ino};
  if (!place) {
    // A new file elsewhere may have the number of one of ours that is gone.
    if ((call.flags & O_CREAT) != 0) numbers_.erase(key);
    return;
  }
  if (const std::optional<InodeNumber> known = InodeAt(*place)) {
    if ((call.flags & O_TRUNC) != 0) Note(call, {Event::Kind::kResize, *known, 0, {}, {}, {}});
    return;
  }
  if ((call.flags & O_CREAT) == 0) return;
  const InodeNumber number = AddInode(Inode::Type::kFile, "");
  numbers_[key] = number;
  NoteNames(call, {{place->folder, place->name, number}});
}

void Recorder::NoteWritten(const Call& call, size_t size) {
  const std::optional<InodeNumber> number = NumberOf(call.fd);
  if (!number || size == 0) return;
  const auto offset = static_cast<uint64_t>(
      call.offset >= 0 ? call.offset : ::lseek(call.fd, 0, SEEK_CUR) - static_cast<off_t>(size));
  Bytes bytes = call.bytes != nullptr ? Bytes(static_cast<const char*>(call.bytes), size)
                                      : ReadOpenFile(call.fd, offset, size);
  Note(call, {Event::Kind::kWrite, *number, offset, std::move(bytes), {}, {}});
}

void Recorder::NoteWholeContent(const Call& call) {
  const std::optional<InodeNumber> number = NumberOf(call.fd);
  struct stat status;
  if (!number || ::fstat(call.fd, &status) != 0) return;
  Bytes bytes = ReadOpenFile(call.fd, 0, static_cast<size_t>(status.st_size));
  Note(call, {Event::Kind::kResize, *number, bytes.size(), {}, {}, {}});
  Note(call, {Event::Kind::kWrite, *number, 0, std::move(bytes), {}, {}});
}

void Recorder::NoteRename(const Call& call, const std::optional<Place>& from,
                          const std::optional<Place>& to) {
  if (!from && !to) return;
  // What comes from elsewhere, or goes there, would have to be read or forgotten: none does.
  if (!from || !to) std::abort();
  const std::optional<InodeNumber> moved = InodeAt(*from);
  const bool exchanges = (call.flags & RENAME_EXCHANGE) != 0;
  const std::optional<InodeNumber> taken = exchanges ? InodeAt(*to) : std::nullopt;
  if (moved == InodeAt(*to)) return;  // two names of one file: nothing happens
  NoteNames(call, {{from->folder, from->name, taken}, {to->folder, to->name, moved}});
}

// --- What a crash leaves -------------------------------------------------------------------------

namespace {

// What happened of the things that are not durable.
struct Choice {
  std::function<bool(size_t event)> has_name_changed;
  // Which of the versions 0 (durable) … last of a sector there is.
  std::function<size_t(InodeNumber, uint64_t sector, size_t last)> sector_version;
  std::function<size_t(InodeNumber, size_t last)> length_version;
  // Between the lengths that a file had: 0 to 1 of the way from the last version's to the next.
  std::function<uint64_t(InodeNumber, uint64_t from, uint64_t to)> length_between;
};

// The things that are not durable at some position.
struct Pending {
  std::vector<size_t> name_events;
  std::vector<InodeNumber> files;  // with data that is not
};

class Crash {
 public:
  Crash(const Trace& trace, size_t position) : trace_(trace), position_(position) {
    synced_.assign(trace.inodes.size(), 0);
    for (size_t i = 0; i < position; ++i) {
      if (trace.events[i].kind == Event::Kind::kSync) synced_[trace.events[i].inode] = i + 1;
    }
    std::set<InodeNumber> files;
    for (size_t i = 0; i < position; ++i) {
      const Event& event = trace.events[i];
      if (event.kind >= Event::Kind::kSync || IsDurable(i)) continue;
      if (event.kind == Event::Kind::kNames) {
        pending_.name_events.push_back(i);
      } else {
        files.insert(event.inode);
      }
    }
    pending_.files.assign(files.begin(), files.end());
  }

  const Pending& pending() const { return pending_; }

  Image Build(const Choice& choice) const {
    std::vector<std::map<std::string, InodeNumber>> names;
    for (const Inode& inode : trace_.inodes) names.push_back(inode.names);
    const std::vector<bool> happened = NamesThatChanged(choice);
    for (size_t i = 0; i < position_; ++i) {
      if (!happened[i]) continue;
      for (const NameChange& change : trace_.events[i].names) {
        if (change.inode) {
          names[change.folder][change.name] = *change.inode;
        } else {
          names[change.folder].erase(change.name);
        }
      }
    }
    Image image;
    AddFolder(names, 0, "", choice, &image);
    return image;
  }

 private:
  bool IsDurable(size_t i) const {
    const Event& event = trace_.events[i];
    if (event.kind != Event::Kind::kNames) return i < synced_[event.inode];
    return std::any_of(event.names.begin(), event.names.end(),
                       [&](const NameChange& change) { return i < synced_[change.folder]; });
  }

  // A change of a name that happened brings all earlier ones of that name with it.
  std::vector<bool> NamesThatChanged(const Choice& choice) const {
    std::vector<bool> happened(position_, false);
    std::set<std::pair<InodeNumber, std::string>> needed;
    for (size_t i = position_; i-- > 0;) {
      const Event& event = trace_.events[i];
      if (event.kind != Event::Kind::kNames) continue;
      const bool is_needed =
          std::any_of(event.names.begin(), event.names.end(), [&](const NameChange& change) {
            return needed.contains({change.folder, change.name});
          });
      happened[i] = is_needed || IsDurable(i) || choice.has_name_changed(i);
      if (!happened[i]) continue;
      for (const NameChange& change : event.names) needed.insert({change.folder, change.name});
    }
    return happened;
  }

  void AddFolder(const std::vector<std::map<std::string, InodeNumber>>& names, InodeNumber folder,
                 const std::string& path, const Choice& choice, Image* image) const {
    for (const auto& [name, number] : names[folder]) {
      const Inode& inode = trace_.inodes[number];
      const std::string below = path.empty() ? name : path + "/" + name;
      Image::Node& node = image->nodes[below];
      node.type = inode.type;
      node.content = inode.type == Inode::Type::kFile ? ContentOf(number, choice) : inode.content;
      if (inode.type == Inode::Type::kFolder) AddFolder(names, number, below, choice, image);
    }
  }

  Bytes ContentOf(InodeNumber number, const Choice& choice) const {
    std::vector<Bytes> versions{trace_.inodes[number].content};
    for (size_t i = 0; i < position_; ++i) {
      const Event& event = trace_.events[i];
      const bool is_data = event.kind == Event::Kind::kWrite || event.kind == Event::Kind::kResize;
      if (!is_data || event.inode != number) continue;
      if (!IsDurable(i)) versions.push_back(versions.back());
      Apply(event, &versions.back());
    }
    const size_t last = versions.size() - 1;
    if (last == 0) return std::move(versions[0]);
    const size_t at = choice.length_version(number, last);
    uint64_t length = versions[at].size();
    if (at < last && versions[at + 1].size() > length) {
      length = choice.length_between(number, length, versions[at + 1].size());
    }
    Bytes content(length, '\0');
    for (uint64_t start = 0; start < length; start += kSectorBytes) {
      const size_t version = choice.sector_version(number, start / kSectorBytes, last);
      if (start >= versions[version].size()) continue;
      const size_t size =
          std::min<uint64_t>({kSectorBytes, length - start, versions[version].size() - start});
      content.replace(start, size, versions[version], start, size);
    }
    return content;
  }

  const Trace& trace_;
  const size_t position_;
  std::vector<size_t> synced_;  // of each inode: up to which event it was synced
  Pending pending_;
};

// Things by number: the name changes that are pending, then the files.
Choice ChooseThings(const Pending& pending, std::function<bool(size_t thing)> is_there) {
  Choice choice;
  const auto number_of = [](const auto& list, auto value) {
    return static_cast<size_t>(std::find(list.begin(), list.end(), value) - list.begin());
  };
  choice.has_name_changed = [=, &pending](size_t event) {
    return is_there(number_of(pending.name_events, event));
  };
  const auto version = [=, &pending](InodeNumber inode, size_t last) {
    return is_there(pending.name_events.size() + number_of(pending.files, inode)) ? last : 0;
  };
  choice.sector_version = [=](InodeNumber inode, uint64_t, size_t last) {
    return version(inode, last);
  };
  choice.length_version = version;
  choice.length_between = [](InodeNumber, uint64_t from, uint64_t) { return from; };
  return choice;
}

class Explorer {
 public:
  Explorer(const Trace& trace, const CrashOptions& options,
           const std::function<void(const CrashState&)>& visit)
      : trace_(trace),
        options_(options),
        visit_(visit),
        random_(options.seed),
        chooser_(options.seed) {}

  void Run() {
    for (position_ = 0; position_ <= trace_.events.size(); ++position_) {
      const Crash crash(trace_, position_);
      ExploreThings(crash);
      ExploreTornFiles(crash);
      for (size_t i = 0; i < options_.random_states; ++i) {
        Visit(crash, "random choice " + std::to_string(i), RandomChoice());
      }
    }
  }

 private:
  void Visit(const Crash& crash, const std::string& what, const Choice& choice,
             bool is_kill = false) {
    if (!is_kill && chooser_.Below(options_.one_of) != 0) return;
    CrashState state{position_, what, is_kill, crash.Build(choice)};
    const std::string promises = std::to_string(options_.promises_at(position_));
    const std::string key = state.image.Hash().ToHex() + promises + (is_kill ? " killed" : "");
    if (!seen_.insert(key).second) return;
    visit_(state);
  }

  void ExploreThings(const Crash& crash) {
    const Pending& pending = crash.pending();
    const size_t names = pending.name_events.size();
    const size_t things = names + pending.files.size();
    const auto choose = [&](std::function<bool(size_t)> is_there) {
      return ChooseThings(pending, std::move(is_there));
    };
    Visit(crash, "everything", choose([](size_t) { return true; }), true);
    Visit(crash, "nothing unsynced", choose([](size_t) { return false; }));
    Visit(crash, "only names", choose([&](size_t thing) { return thing < names; }));
    Visit(crash, "only data", choose([&](size_t thing) { return thing >= names; }));
    for (size_t i = 0; i < things; ++i) {
      const std::string name = "unsynced thing " + std::to_string(i);
      Visit(crash, "all but " + name, choose([&](size_t thing) { return thing != i; }));
      Visit(crash, "only " + name, choose([&](size_t thing) { return thing == i; }));
    }
    if (things > options_.exhaustive_max) return;
    for (size_t set = 0; set < size_t{1} << things; ++set) {
      Visit(crash, "things of the set " + std::to_string(set),
            choose([&](size_t thing) { return (set >> thing & 1) != 0; }));
    }
  }

  // Everything is there, but of one file: only its length; all but one sector; its first half.
  void ExploreTornFiles(const Crash& crash) {
    for (const InodeNumber torn : crash.pending().files) {
      const auto tear = [&](const std::string& what,
                            const std::function<bool(uint64_t sector)>& is_there) {
        Choice choice = ChooseThings(crash.pending(), [](size_t) { return true; });
        choice.sector_version = [&](InodeNumber inode, uint64_t sector, size_t last) {
          return inode != torn || is_there(sector) ? last : 0;
        };
        Visit(crash, "a file torn: " + what, choice);
      };
      tear("only its length", [](uint64_t) { return false; });
      for (const uint64_t at : {0, 1, 2, 7, 8}) {
        tear("all but sector " + std::to_string(at), [&](uint64_t sector) { return sector != at; });
        tear("up to sector " + std::to_string(at), [&](uint64_t sector) { return sector <= at; });
      }
    }
  }

  Choice RandomChoice() {
    Choice choice;
    choice.has_name_changed = [this](size_t) { return random_.Below(2) == 1; };
    choice.sector_version = [this](InodeNumber, uint64_t, size_t last) {
      return random_.Below(last + 1);
    };
    choice.length_version = [this](InodeNumber, size_t last) { return random_.Below(last + 1); };
    choice.length_between = [this](InodeNumber, uint64_t from, uint64_t to) {
      const uint64_t pages = (to - 1) / kPageBytes - from / kPageBytes;
      if (pages == 0 || random_.Below(2) == 0) return from;
      return (from / kPageBytes + 1 + random_.Below(pages)) * kPageBytes;
    };
    return choice;
  }

  const Trace& trace_;
  const CrashOptions& options_;
  const std::function<void(const CrashState&)>& visit_;
  test::Random random_;
  test::Random chooser_;
  size_t position_ = 0;
  std::unordered_set<std::string> seen_;
};

}  // namespace

void ForEachCrashState(const Trace& trace, const CrashOptions& options,
                       const std::function<void(const CrashState&)>& visit) {
  Explorer(trace, options, visit).Run();
}

Digest Image::Hash() const {
  Bytes all;
  for (const auto& [path, node] : nodes) {
    all.append(path).push_back('\0');
    all.append(std::to_string(static_cast<int>(node.type)) + " ");
    all.append(std::to_string(node.content.size()) + " ").append(node.content);
  }
  return HashBlob(all).digest;
}

void Image::WriteTo(const std::string& folder) const {
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& [path, node] : nodes) {
    const std::string full = folder + "/" + path;
    if (node.type == Inode::Type::kFolder) {
      fs::create_directory(full);
    } else if (node.type == Inode::Type::kSymlink) {
      fs::create_symlink(node.content, full);
    } else {
      test::WriteWholeFile(full, node.content);
    }
  }
}

std::string DescribeEvents(const Trace& trace, size_t position) {
  constexpr size_t kShown = 30;
  std::string text;
  for (size_t i = position > kShown ? position - kShown : 0; i < position; ++i) {
    text += "\n  " + std::to_string(i) + " " + trace.events[i].text;
  }
  return text;
}

}  // namespace helios::faults

// What happened to the files below a folder, operation by operation, and what a power cut at any
// moment may leave of it.
//
// The file system that is modelled is a journalled one, as nasty as POSIX lets it be:
// - fsync and fdatasync of a file make all its bytes and its length durable; of a folder, all names
//   in it. Neither does what the other does: the name of a synced file may be gone, and a name that
//   is durable may lead to a file of which nothing is.
// - What was written and not synced may be there or not, sector by sector of 512 bytes, in any
//   order. A sector that reached the disk holds what all writes until some moment made of it; one
//   that did not holds what was there before, zeros where that was beyond the end. The length is
//   that of some moment, or in between while the file grew, whatever became of the sectors.
// - Each change of a name that was not synced (create, link, unlink, mkdir, rmdir, rename) may have
//   happened or not, in any combination, also of one folder (btrfs brings a synced file's name
//   without its neighbours'), but: a change of a name comes after all earlier ones of that same
//   name; rename and exchange happen at both ends or at neither, and so are durable when one of the
//   two folders was synced.
// - A kill is the case that everything happened up to some operation.
#ifndef HELIOS_TESTS_FAULTS_TRACE_H_
#define HELIOS_TESTS_FAULTS_TRACE_H_

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "faults/file_layer.h"
#include "helios/ids.h"
#include "store/testing.h"

namespace helios::faults {

using InodeNumber = size_t;

struct Inode {
  enum class Type { kFile, kFolder, kSymlink };
  Type type = Type::kFile;
  Bytes content;  // of a file before everything recorded; of a symlink, its target
  std::map<std::string, InodeNumber> names;  // in a folder, before everything recorded
};

struct NameChange {
  InodeNumber folder = 0;
  std::string name;
  std::optional<InodeNumber> inode;  // absent: the name goes
};

struct Event {
  enum class Kind { kWrite, kResize, kNames, kSync, kLostSync };
  Kind kind = Kind::kSync;
  InodeNumber inode = 0;          // of what is written, resized or synced
  uint64_t offset = 0;            // the new length, if resized
  Bytes bytes;                    // what is written
  std::vector<NameChange> names;  // all or none
  std::string text;               // for people
};

struct Trace {
  std::vector<Inode> inodes;  // 0 is the folder that was recorded
  std::vector<Event> events;
};

// Records while it watches. What the folder holds at first counts as durable. Syncs are not made,
// only noted: the model says what they are good for.
class Recorder : public Watcher {
 public:
  explicit Recorder(const std::string& folder);

  ssize_t Make(Call& call, const Real& real) override;
  // How many events there have been.
  size_t position();
  Trace Take();

 private:
  using FileKey = std::pair<uint64_t, uint64_t>;  // device, inode
  struct Place {
    InodeNumber folder;
    std::string name;
  };

  InodeNumber AddInode(Inode::Type type, Bytes content);
  void ReadFolder(const std::string& path, InodeNumber number);
  std::optional<InodeNumber> NumberOf(int fd);
  std::optional<Place> PlaceOf(int fd, const char* path);
  std::optional<InodeNumber> InodeAt(const Place& place);
  void Note(const Call& call, Event event);
  void NoteNames(const Call& call, std::vector<NameChange> names);
  void NoteOpened(const Call& call, const std::optional<Place>& place, int fd);
  void NoteWritten(const Call& call, size_t size);
  void NoteWholeContent(const Call& call);
  void NoteRename(const Call& call, const std::optional<Place>& from,
                  const std::optional<Place>& to);
  void NoteSuccess(const Call& call, const std::optional<Place>& place,
                   const std::optional<Place>& to, ssize_t result);

  std::mutex mutex_;
  Trace trace_;
  std::map<FileKey, InodeNumber> numbers_;
  std::vector<std::map<std::string, InodeNumber>> names_;  // of each inode, now
};

// What lies below a folder: paths relative to it, folders included.
struct Image {
  struct Node {
    Inode::Type type = Inode::Type::kFile;
    Bytes content;
    friend bool operator==(const Node&, const Node&) = default;
  };
  std::map<std::string, Node> nodes;

  Digest Hash() const;
  // Makes the folder anew with just that in it.
  void WriteTo(const std::string& folder) const;
};

// One state that a crash may leave.
struct CrashState {
  size_t position = 0;  // so many events had begun and ended
  std::string what;     // for people: what of the unsynced was there
  bool is_kill = false;
  Image image;
};

struct CrashOptions {
  size_t random_states = 4;   // at each position
  size_t exhaustive_max = 0;  // all combinations where at most so many things are not durable
  size_t one_of = 1;          // only one in so many of what a power cut may leave, by chance
  uint64_t seed = 1;
  // Positions with the same number promise the same: a state that is left at several of them is
  // visited once.
  std::function<size_t(size_t position)> promises_at;
};

// Every state once, as far as `options` goes: at each position nothing unsynced, everything, each
// thing missing alone, each alone, torn files, and random choices.
void ForEachCrashState(const Trace& trace, const CrashOptions& options,
                       const std::function<void(const CrashState&)>& visit);

// The events before and around a position, for people.
std::string DescribeEvents(const Trace& trace, size_t position);

}  // namespace helios::faults

#endif  // HELIOS_TESTS_FAULTS_TRACE_H_

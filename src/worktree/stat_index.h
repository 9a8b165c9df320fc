// The stat index of a workspace: what the last scan saw, so that what did not change is not read
// again. A cache: deleting it costs time only. docs/format.md, "Stat index".
//
// One section per directory, read in place. A section is believed only if its checksum holds; a
// section that does not is as good as absent.
#ifndef HELIOS_WORKTREE_STAT_INDEX_H_
#define HELIOS_WORKTREE_STAT_INDEX_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/codec.h"
#include "worktree/file_status.h"

namespace helios {

// What a scan made of a name.
enum class EntryClass : uint8_t {
  kFile = 0,
  kSymlink = 1,
  kDirectory = 2,
  // Not captured:
  kSpecial = 3,     // fifo, socket, device
  kIgnored = 4,     // excluded by .heliosignore
  kStore = 5,       // a Helios store, or the link that leads to it
  kGit = 6,         // the workspace's own .git
  kUnreadable = 7,  // no permission, or the medium failed
  kBadName = 8,     // a name that no tree can hold
};
inline bool IsCaptured(EntryClass entry_class) { return entry_class <= EntryClass::kDirectory; }

struct IndexedEntry {
  int64_t mtime_seconds;
  int64_t ctime_seconds;
  uint64_t inode;
  uint64_t size;
  uint32_t mtime_nanoseconds;
  uint32_t ctime_nanoseconds;
  uint32_t mode;          // of what is not captured, only that it was listed as a directory
  uint32_t name_offset;   // into the section's text, NUL-terminated there
  uint8_t id[32];         // file: blob id
  uint64_t child_offset;  // directory: its section
  // Into the text: a large file's manifest id, a symlink's target; with kHasRare, behind that, a
  // length (u32) and what is rare.
  uint32_t extra_offset;
  uint16_t name_length;
  uint8_t entry_class;
  uint8_t flags;

  static constexpr uint8_t kTrusted = 1;   // not as young as the scan that saw it
  static constexpr uint8_t kHasRare = 2;   // attributes that few have
  static constexpr uint8_t kIsLinked = 4;  // the file had more than one name
  static constexpr uint8_t kFlags = kTrusted | kHasRare | kIsLinked;

  EntryClass Class() const { return static_cast<EntryClass>(entry_class); }
  bool IsTrusted() const { return (flags & kTrusted) != 0; }
  bool HasRare() const { return (flags & kHasRare) != 0; }
  bool IsLinked() const { return (flags & kIsLinked) != 0; }
  // True if the file has not been touched since: same inode, size, mtime, ctime and mode.
  bool Matches(const FileStatus& status) const {
    return IsTrusted() && ctime_nanoseconds == status.ctime.nanoseconds &&
           ctime_seconds == status.ctime.seconds && inode == status.inode && size == status.size &&
           mtime_nanoseconds == status.mtime.nanoseconds && mtime_seconds == status.mtime.seconds &&
           mode == status.mode;
  }
  uint64_t ExtraBytes() const {
    if (Class() == EntryClass::kSymlink) return size;
    return Class() == EntryClass::kFile && size > kWholeBlobBytesMax ? Digest::kSize : 0;
  }
  FileStatus Status(uint64_t device) const {
    return {mode,
            device,
            inode,
            size,
            {mtime_seconds, mtime_nanoseconds},
            {ctime_seconds, ctime_nanoseconds}};
  }
};
static_assert(sizeof(IndexedEntry) == 96);

struct IndexedSection {
  uint64_t check;  // of everything after this field
  uint32_t section_bytes;
  uint32_t entry_count;
  int64_t mtime_seconds;
  int64_t ctime_seconds;
  uint64_t device;
  uint64_t inode;
  uint32_t mtime_nanoseconds;
  uint32_t ctime_nanoseconds;
  uint32_t mode;
  uint8_t trusted;
  uint8_t has_ignore_file;
  // One of its entries is a store that was not captured, or bears the name of a store's marker:
  // whether that is still so, the directory's times do not say.
  uint8_t has_store;
  uint8_t reserved;
  uint64_t rules_digest;  // of the ignore rules that held for its entries
  uint8_t tree[32];
  uint8_t attributes[32];
  uint64_t files;
  uint64_t bytes;
  uint32_t own_offset;  // into the text: what is rare of the directory itself
  uint32_t own_bytes;   // 0: nothing
  // Then the entries, sorted by name, then the text.

  std::span<const IndexedEntry> Entries() const {
    return {reinterpret_cast<const IndexedEntry*>(this + 1), entry_count};
  }
  const char* Text() const {
    return reinterpret_cast<const char*>(this + 1) + entry_count * sizeof(IndexedEntry);
  }
  const char* Name(const IndexedEntry& entry) const { return Text() + entry.name_offset; }
  // A large file's manifest id, a symlink's target; empty for anything else.
  ByteView Extra(const IndexedEntry& entry) const {
    return {Text() + entry.extra_offset, entry.ExtraBytes()};
  }
  // What is rare of a file or symlink that has such, and of the directory itself: encoded.
  ByteView Rare(const IndexedEntry& entry) const {
    const char* at = Text() + entry.extra_offset + entry.ExtraBytes();
    return {at + sizeof(uint32_t), LoadLittleEndian<uint32_t>(at)};
  }
  ByteView OwnRare() const { return {Text() + own_offset, own_bytes}; }
  bool Matches(const FileStatus& status) const {
    return trusted != 0 && ctime_nanoseconds == status.ctime.nanoseconds &&
           ctime_seconds == status.ctime.seconds && inode == status.inode &&
           device == status.device && mtime_nanoseconds == status.mtime.nanoseconds &&
           mtime_seconds == status.mtime.seconds && mode == status.mode;
  }
};
static_assert(sizeof(IndexedSection) == 160);

struct IndexHeader {
  uint64_t magic;
  uint32_t version;
  uint32_t include_git;  // what the scan was told
  uint64_t epoch;        // of the collector: after a collection the ids prove nothing
  uint64_t device;       // of the workspace's root
  uint64_t inode;
  uint64_t root_offset;   // of the root's section
  uint64_t parts_offset;  // of the list of parts, in numbers of eight bytes
  uint64_t part_count;
  uint64_t parts_check;
};
static_assert(sizeof(IndexHeader) == 72);

// Of a packed index: then one zstd frame, which is the index.
struct PackedIndexHeader {
  uint64_t magic;
  uint64_t length;  // of the index
};
static_assert(sizeof(PackedIndexHeader) == 16);

class StatIndex {
 public:
  // nullopt where there is none, or none that can be used for this workspace: never an error.
  static std::optional<StatIndex> Load(const std::string& path, const IndexHeader& expected);
  // Replaces the index by `header`, the sections in `body`, whose offsets count from `base`:
  // sizeof(IndexHeader) for a new index, the old one's size() to add to it, and `parts`. What is
  // added to stays readable throughout, and whole if the writer dies.
  static Result<void> Save(const std::string& folder, const std::string& name,
                           const IndexHeader& header, Bytes body, uint64_t base,
                           std::span<const uint64_t> parts);

  // Makes the file that Save wrote less than half as large, and some milliseconds slower to load
  // for each ten megabytes. Nothing is added to it then: the next Save must be of a whole index.
  // Takes a second for three megabytes. Leaves alone what is no index, is one already, or is being
  // added to.
  static Result<void> Pack(const std::string& folder, const std::string& name);

  // The parts of the store (ObjectStore::Parts) that held what the index speaks of.
  const std::vector<uint64_t>& parts() const { return parts_; }
  // The collector's, when the index was written: under another, what it says was stored may not be.
  uint64_t epoch() const { return epoch_; }

  // A directory is listed and stored again, or a file in it read again, by the scan that uses this
  // index: what it led to is not in the store. The file on disk stays as it is.
  void Doubt(uint64_t section_offset);
  void DoubtEntry(uint64_t section_offset, size_t entry);

  // The section at `offset`, nullptr if it is damaged.
  const IndexedSection* Section(uint64_t offset) const;
  const IndexedSection* Root() const { return Section(root_offset_); }
  uint64_t OffsetOf(const IndexedSection* section) const {
    return static_cast<uint64_t>(reinterpret_cast<const char*>(section) - bytes_.get());
  }
  size_t size() const { return size_; }
  // Whether Save can add to it. A size that is no multiple of eight is what an addition that was
  // cut short left.
  bool CanGrow() const { return !is_packed_ && size_ % 8 == 0; }

 private:
  // Takes the bytes of a packed index apart. False if it is damaged.
  bool Unpack();
  // False if the list of parts is damaged.
  bool LoadParts(const IndexHeader& header);

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  bool is_packed_ = false;  // on disk
  uint64_t root_offset_ = 0;
  uint64_t epoch_ = 0;
  std::vector<uint64_t> parts_;
};

// Sets the section's checksum, over `section_bytes` bytes from its start.
void SealSection(IndexedSection* section);

}  // namespace helios

#endif  // HELIOS_WORKTREE_STAT_INDEX_H_

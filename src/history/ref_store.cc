#include "history/ref_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/codec.h"
#include "base/hex.h"
#include "base/set_aside.h"
#include "object/hash.h"

namespace helios {
namespace {

namespace fs = std::filesystem;

// ref := magic, u32 version, string name, digest record, u64 check of all before it
constexpr std::string_view kMagic = "HELIOSRF";
constexpr uint32_t kVersion = 1;
constexpr size_t kNameBytesMax = 255;
constexpr size_t kFileBytesMax = 4096;
constexpr size_t kFolderDigits = 2;
constexpr char kLockFile[] = "lock";
constexpr std::string_view kTemporaryPrefix = ".tmp-";

bool HasControlCharacter(std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    // U+0080 to U+009F as UTF-8: terminals obey them too.
    if (byte == 0xc2 && i + 1 < name.size() && static_cast<unsigned char>(name[i + 1]) < 0xa0) {
      return true;
    }
  }
  return false;
}

bool IsIdPrefix(std::string_view name) { return name.size() >= kIdPrefixDigitsMin && IsHex(name); }

// What is wrong with one part of a name; nullptr if nothing is.
const char* WrongWithPart(std::string_view part) {
  if (part.empty()) return "it has an empty part";
  if (part.starts_with('.')) return "a part begins with \".\"";
  if (part.starts_with('-')) return "a part begins with \"-\"";
  if (part.ends_with('.')) return "a part ends with \".\"";
  if (part.ends_with(".lock")) return "a part ends with \".lock\"";
  return nullptr;
}

const char* WrongWithName(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() > kNameBytesMax) return "it is longer than 255 bytes";
  if (HasControlCharacter(name)) return "it holds a control character";
  if (name.find_first_of(" ~^:?*[\\") != name.npos) {
    return "it holds a space or one of ~ ^ : ? * [ \\";
  }
  if (name.starts_with('@') || name.find("@{") != name.npos) return "\"@\" has a meaning there";
  if (name.find("..") != name.npos) return "it holds \"..\"";
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    if (const char* wrong = WrongWithPart(name.substr(start, end - start))) return wrong;
    start = end + 1;
  }
  std::string_view shorthand = name;
  for (const std::string_view prefix : {kHeadsPrefix, kTagsPrefix}) {
    if (name.starts_with(prefix)) shorthand = name.substr(prefix.size());
  }
  if (IsIdPrefix(shorthand)) return "it could be the beginning of an id";
  return nullptr;
}

// Where the ref lies below the folder of refs. By hash, so that names that a file system would
// take for one (by case, by normalization) or could not hold stay apart.
std::string FileOf(std::string_view name) {
  const std::string hex = HashBlob(name).digest.ToHex();
  return hex.substr(0, kFolderDigits) + "/" + hex;
}

Bytes Encode(const Ref& ref) {
  Bytes bytes;
  Encoder encoder(&bytes);
  encoder.Raw(ByteView(kMagic));
  encoder.Fixed(kVersion);
  encoder.String(ref.name);
  encoder.Raw(ref.record.digest);
  encoder.Fixed(Checksum64(bytes));
  return bytes;
}

// For messages about a file that is damaged: the name in it, if that is still the one that the
// file is for.
std::string NameIn(ByteView bytes, const std::string& file) {
  Decoder decoder(bytes);
  decoder.Raw(kMagic.size());
  decoder.Fixed<uint32_t>();
  std::string name(decoder.String(kNameBytesMax));
  return decoder.ok() && FileOf(name) == file ? name : std::string();
}

Error Damaged(const std::string& name, const std::string& path, std::string_view reason) {
  return Error(ErrorCode::kCorrupt, "ref " + (name.empty() ? "" : "\"" + name + "\" ") +
                                        "is damaged: " + path + " " + std::string(reason));
}

Result<Ref> Decode(ByteView bytes, const std::string& name, const std::string& file,
                   const std::string& path) {
  const auto damaged = [&](std::string_view reason) {
    return Damaged(name.empty() ? NameIn(bytes, file) : name, path, reason);
  };
  if (bytes.size() < kMagic.size() + sizeof(uint32_t) + sizeof(uint64_t)) {
    return damaged("ends early");
  }
  if (!bytes.starts_with(kMagic)) return damaged("does not begin as a ref");
  const ByteView checked = bytes.substr(0, bytes.size() - sizeof(uint64_t));
  if (LoadLittleEndian<uint64_t>(checked.data() + checked.size()) != Checksum64(checked)) {
    return damaged("does not hold what was written to it");
  }
  Decoder decoder(checked.substr(kMagic.size()));
  const auto version = decoder.Fixed<uint32_t>();
  if (version != kVersion) {
    return Error(ErrorCode::kUnsupported, "ref file " + path + " has version " +
                                              std::to_string(version) +
                                              ", which this build does not know");
  }
  Ref ref;
  ref.name = decoder.String(kNameBytesMax);
  ref.record = {decoder.RawDigest()};
  if (!decoder.AtEnd()) return damaged("is malformed");
  if (FileOf(ref.name) != file || !CheckRefName(ref.name)) return damaged("is not for its name");
  return ref;
}

// What writers that died left there. Only for who holds the folder's lock: nobody else writes.
void RemoveAbandoned(const std::string& folder) {
  const Result<std::vector<std::string>> names = NamesIn(folder);
  if (!names) return;  // housekeeping: the next writer tries again
  for (const std::string& name : *names) {
    if (name.starts_with(kTemporaryPrefix)) ::unlink((folder + "/" + name).c_str());
  }
}

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Result<void> CheckRefName(std::string_view name) {
  const char* wrong = WrongWithName(name);
  if (wrong == nullptr) return {};
  return Error(ErrorCode::kInvalidArgument,
               "\"" + std::string(name) + "\" cannot be a name: " + wrong);
}

Result<FileLock> RefStore::LockFolderOf(const std::string& file) const {
  const std::string folder = FolderOf(folder_ + "/" + file);
  const std::string lock = folder + "/" + kLockFile;
  // The lock is made after the way to it is durable: where it is, nothing needs to be synced but
  // the folder itself.
  if (::access(lock.c_str(), F_OK) != 0) {
    HELIOS_TRY(MakeFolder(folder_));
    HELIOS_TRY(SyncFolder(FolderOf(folder_)));
    HELIOS_TRY(MakeFolder(folder));
    HELIOS_TRY(SyncFolder(folder_));
  }
  return FileLock::Acquire(lock, FileLock::Mode::kExclusive, lock_wait_);
}

Result<std::optional<Ref>> RefStore::Read(const std::string& file, const std::string& name) const {
  const std::string path = folder_ + "/" + file;
  Result<std::optional<Bytes>> bytes = ReadFileIfExists(path, kFileBytesMax);
  if (!bytes && bytes.error().os_error() == ELOOP) {
    return Damaged(name, path, "is not a regular file");
  }
  if (!bytes && bytes.error().code() == ErrorCode::kCorrupt) {
    return Damaged(name, path, "is not the file that was written: " + bytes.error().message());
  }
  if (!bytes) return std::move(bytes).error();
  if (!bytes->has_value()) return std::optional<Ref>();
  HELIOS_TRY_ASSIGN(Ref ref, Decode(**bytes, name, file, path));
  return std::optional<Ref>(std::move(ref));
}

Result<std::optional<RecordId>> RefStore::Get(std::string_view name) const {
  HELIOS_TRY(CheckRefName(name));
  HELIOS_TRY_ASSIGN(const std::optional<Ref> ref, Read(FileOf(name), std::string(name)));
  return ref ? std::optional<RecordId>(ref->record) : std::nullopt;
}

Result<bool> RefStore::CompareAndSwap(std::string_view name,
                                      const std::optional<RecordId>& expected,
                                      const RecordId& desired) const {
  HELIOS_TRY(CheckRefName(name));
  const std::string file = FileOf(name);
  const std::string path = folder_ + "/" + file;
  HELIOS_TRY_ASSIGN(const FileLock lock, LockFolderOf(file));
  HELIOS_TRY_ASSIGN(const std::optional<RecordId> current, Get(name));
  if (current != expected) return false;
  RemoveAbandoned(FolderOf(path));
  HELIOS_TRY(ReplaceFile(FolderOf(path), path.substr(path.rfind('/') + 1),
                         Encode({std::string(name), desired}), Durability::kDurable));
  return true;
}

Result<bool> RefStore::Delete(std::string_view name) const {
  HELIOS_TRY(CheckRefName(name));
  const std::string file = FileOf(name);
  const std::string path = folder_ + "/" + file;
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) return false;
  HELIOS_TRY_ASSIGN(const FileLock lock, LockFolderOf(file));
  RemoveAbandoned(FolderOf(path));
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return false;
    return Error::FromErrno(errno, "remove", path);
  }
  HELIOS_TRY(SyncFolder(FolderOf(path)));
  return true;
}

Result<std::vector<Ref>> RefStore::List() const {
  HELIOS_TRY_ASSIGN(RefListing listing, ListAll());
  if (!listing.damage.empty()) return std::move(listing.damage.front().error);
  return std::move(listing.refs);
}

Result<RefListing> RefStore::ListAll() const {
  RefListing listing;
  HELIOS_TRY_ASSIGN(const std::vector<std::string> folders, NamesIn(folder_));
  for (const std::string& folder : folders) {
    if (folder.size() != kFolderDigits || !IsHex(folder)) continue;
    HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(folder_ + "/" + folder));
    for (const std::string& name : names) {
      if (name.size() != 2 * Digest::kSize || !IsHex(name)) continue;
      Result<std::optional<Ref>> ref = Read(folder + "/" + name, "");
      if (!ref) {
        listing.damage.push_back(Examine(folder + "/" + name, std::move(ref).error()));
      } else if (*ref) {  // otherwise removed meanwhile
        listing.refs.push_back(**std::move(ref));
      }
    }
  }
  std::sort(listing.refs.begin(), listing.refs.end(),
            [](const Ref& a, const Ref& b) { return a.name < b.name; });
  return listing;
}

DamagedRef RefStore::Examine(const std::string& file, Error error) const {
  DamagedRef damaged{std::move(error), file, "", std::nullopt, false};
  constexpr size_t kHeadBytes = kMagic.size() + sizeof(uint32_t);
  constexpr size_t kTailBytes = Digest::kSize + sizeof(uint64_t);
  const Result<std::optional<Bytes>> bytes = ReadFileIfExists(folder_ + "/" + file, kFileBytesMax);
  if (!bytes || !*bytes || (*bytes)->size() < kHeadBytes + kTailBytes) return damaged;
  const ByteView view = **bytes;
  const size_t tail_at = view.size() - kTailBytes;
  const RecordId record{Digest::FromBytes(view.data() + tail_at)};
  // The length of a name takes one byte or two; which of both it was, the file's own name proves.
  for (size_t begin = kHeadBytes + 1; begin <= std::min(kHeadBytes + 2, tail_at); ++begin) {
    const ByteView name = view.substr(begin, tail_at - begin);
    if (FileOf(name) != file || !CheckRefName(name)) continue;
    damaged.name = name;
    damaged.record = record;
    return damaged;
  }
  const ByteView checked = view.substr(0, view.size() - sizeof(uint64_t));
  Decoder decoder(checked.substr(kHeadBytes));
  const std::string name(decoder.String(kNameBytesMax));
  const Result<Ref> elsewhere = Decode(view, name, FileOf(name), folder_ + "/" + file);
  if (!elsewhere) return damaged;
  damaged.name = elsewhere->name;
  damaged.record = elsewhere->record;
  damaged.is_misplaced = true;
  return damaged;
}

Result<RefRepair> RefStore::Repair(const HasRecord& has, const std::string& aside) const {
  RefRepair repair;
  HELIOS_TRY_ASSIGN(RefListing listing, ListAll());
  for (const DamagedRef& damaged : listing.damage) {
    if (damaged.error.code() != ErrorCode::kCorrupt) continue;  // a newer build may know it
    HELIOS_TRY_ASSIGN(std::string place, KeepAside(folder_ + "/" + damaged.file, aside));
    repair.set_aside.push_back(std::move(place));
  }
  for (const DamagedRef& damaged : listing.damage) {
    if (damaged.error.code() != ErrorCode::kCorrupt || damaged.is_misplaced) continue;
    HELIOS_TRY(RepairOne(damaged, has, &repair));
  }
  // Each move brings one ref home.
  for (size_t moves = listing.damage.size(); moves > 0; --moves) {
    HELIOS_TRY_ASSIGN(listing, ListAll());
    const auto misplaced =
        std::find_if(listing.damage.begin(), listing.damage.end(),
                     [](const DamagedRef& damaged) { return damaged.is_misplaced; });
    if (misplaced == listing.damage.end()) break;
    HELIOS_TRY(Move(*misplaced));
    repair.repaired.push_back(misplaced->name);
  }
  return repair;
}

Result<void> RefStore::RepairOne(const DamagedRef& damaged, const HasRecord& has,
                                 RefRepair* repair) const {
  const std::string path = folder_ + "/" + damaged.file;
  HELIOS_TRY_ASSIGN(const FileLock lock, LockFolderOf(damaged.file));
  if (!damaged.name.empty() && damaged.record && has(*damaged.record)) {
    repair->repaired.push_back(damaged.name);
    return ReplaceFile(FolderOf(path), path.substr(path.rfind('/') + 1),
                       Encode({damaged.name, *damaged.record}), Durability::kDurable);
  }
  repair->lost.push_back(damaged.name.empty() ? path : damaged.name);
  std::error_code failure;
  fs::remove_all(path, failure);
  if (failure) return Error::FromErrno(failure.value(), "remove", path);
  return SyncFolder(FolderOf(path));
}

Result<void> RefStore::Move(const DamagedRef& misplaced) const {
  const std::string from = folder_ + "/" + misplaced.file;
  const std::string home = FileOf(misplaced.name);
  const std::string to = folder_ + "/" + home;
  HELIOS_TRY_ASSIGN(const FileLock lock, LockFolderOf(home));
  const Result<std::optional<Ref>> there = Read(home, misplaced.name);
  int failed = 0;
  if (there && *there) {
    failed = ::unlink(from.c_str());  // a copy of what the ref was, or is
  } else if (there) {
    failed = ::rename(from.c_str(), to.c_str());
  } else {
    // What lies there is another's: both are brought home.
    failed = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE);
  }
  if (failed != 0) return Error::FromErrno(errno, "move", from);
  HELIOS_TRY(SyncFolder(FolderOf(to)));
  return SyncFolder(FolderOf(from));
}

}  // namespace helios

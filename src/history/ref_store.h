// The refs of a store: names that point to records. Plain files, one for each ref, the same under
// every backend. docs/format.md, "Refs"; docs/decisions/0009.
#ifndef HELIOS_HISTORY_REF_STORE_H_
#define HELIOS_HISTORY_REF_STORE_H_

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/durable_file.h"
#include "helios/ids.h"

namespace helios {

// Branches live under "heads/", tags under "tags/".
inline constexpr std::string_view kHeadsPrefix = "heads/";
inline constexpr std::string_view kTagsPrefix = "tags/";
// So many hex digits are an id or the beginning of one, and therefore never a name.
inline constexpr size_t kIdPrefixDigitsMin = 4;

struct Ref {
  std::string name;
  RecordId record;
  friend bool operator==(const Ref&, const Ref&) = default;
};

// A ref's file that cannot be read, and what it seems to say.
struct DamagedRef {
  Error error;
  std::string file;  // below the folder of refs
  std::string name;  // whose file it is or was to be: its hash, or a check, proves it; else empty
  std::optional<RecordId> record;  // that it may point to
  bool is_misplaced = false;       // it is whole, under another ref's file name
};

// Every ref of a store, and the files that are damaged.
struct RefListing {
  std::vector<Ref> refs;  // by name
  std::vector<DamagedRef> damage;
};

// What became of damaged refs.
struct RefRepair {
  std::vector<std::string> repaired;   // names
  std::vector<std::string> lost;       // names, or files where no name can be told
  std::vector<std::string> set_aside;  // where the damaged files are now
};

// kInvalidArgument, saying why, unless `name` may name a ref: 1 to 255 bytes; parts separated by
// "/", none of them empty, beginning with "." or "-", or ending with "." or ".lock"; no "..", no
// "@{", no "@" in front; no control character, space or any of ~ ^ : ? * [ \; and not four or more
// hex digits alone, not under heads/ or tags/ either. Otherwise names are bytes.
Result<void> CheckRefName(std::string_view name);

// One store's refs. Thread-safe, and safe against other processes: it keeps no state of its own.
// kill -9 or a power cut leaves each ref at its old or its new value, or there or not there.
class RefStore {
 public:
  // `lock_wait`: how long to wait for another writer; then kBusy.
  explicit RefStore(std::string folder, std::chrono::milliseconds lock_wait = kWriteLockWait)
      : folder_(std::move(folder)), lock_wait_(lock_wait) {}

  // Where the ref points; nullopt if there is none. Errors: kInvalidArgument (the name), kCorrupt
  // naming the ref and its file.
  Result<std::optional<RecordId>> Get(std::string_view name) const;

  // Points the ref to `desired` if it points to `expected` (nullopt: if there is none) and returns
  // true once that is durable; false, and nothing is changed, if it is somewhere else.
  Result<bool> CompareAndSwap(std::string_view name, const std::optional<RecordId>& expected,
                              const RecordId& desired) const;

  // Removes the ref, wherever it points, and even if its file is damaged; true once that is
  // durable, false if there is none.
  Result<bool> Delete(std::string_view name) const;

  // Every ref, by name. One that changes meanwhile is given as it was or as it is.
  Result<std::vector<Ref>> List() const;
  // The same, but damage of one does not hide the others.
  Result<RefListing> ListAll() const;

  // Makes damaged refs anew whose name is proven and whose record `has` knows, moves whole ones to
  // where they belong, and removes the others. Whatever is replaced or removed is kept in the
  // folder `aside` before. Durable on return; killed at any moment, it can be called again.
  using HasRecord = std::function<bool(const RecordId& record)>;
  Result<RefRepair> Repair(const HasRecord& has, const std::string& aside) const;

 private:
  // Makes what is not there yet of the folder for `file`, and locks it against other writers.
  Result<FileLock> LockFolderOf(const std::string& file) const;
  DamagedRef Examine(const std::string& file, Error error) const;
  Result<void> RepairOne(const DamagedRef& damaged, const HasRecord& has, RefRepair* repair) const;
  // Brings a whole ref to its own file's name.
  Result<void> Move(const DamagedRef& misplaced) const;
  // `name` is for messages; empty where only the file is known.
  Result<std::optional<Ref>> Read(const std::string& file, const std::string& name) const;

  const std::string folder_;
  const std::chrono::milliseconds lock_wait_;
};

}  // namespace helios

#endif  // HELIOS_HISTORY_REF_STORE_H_

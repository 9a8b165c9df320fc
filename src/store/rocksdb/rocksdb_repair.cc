// What RocksdbStore does with every byte of its database: looking at them all, and making a new
// database of what is whole in a damaged one.
#include <fcntl.h>
#include <rocksdb/sst_file_reader.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/codec.h"
#include "base/thread_pool.h"
#include "object/hash.h"
#include "object/key_set.h"
#include "store/rocksdb/blob_records.h"
#include "store/rocksdb/rocksdb_store.h"

namespace helios::rocks {
namespace {

// Objects that one task reads: in the order of their places, as ReadAll takes them.
constexpr size_t kVerifiedAtOnce = 1024;

bool IsDamage(const Error& error) {
  return error.code() == ErrorCode::kCorrupt || error.os_error() == ENOENT;
}

// Whether the bytes are the object's: an error that names it if not.
Result<void> CheckBytes(const ObjectKey& key, const Result<ByteView>& bytes,
                        const std::string& folder) {
  if (!bytes) return bytes.error();
  if (HashObject(key.kind, *bytes) == key.digest) return {};
  return Error(ErrorCode::kCorrupt, "the bytes of " + key.ToString() + " in the RocksDB database " +
                                        folder + " have another hash");
}

// Reads entries and tells of each object what was found. Used by one thread, but for the tasks.
class Verification {
 public:
  Verification(Database* database, const VerifyObjectsRequest& request)
      : database_(database), request_(request) {}

  Result<void> Run() {
    Result<void> collected = Collect();
    if (!collected && !IsDamage(collected.error())) return collected;
    HELIOS_TRY(ReadAll());
    return collected;
  }

  VerifyObjectsReport TakeReport() { return std::move(report_); }

 private:
  Result<void> ReadAll() {
    if (wanted_.empty()) return {};
    return TaskStack::Run(std::max(request_.threads, 1u), [this](TaskStack& stack) {
      for (size_t begin = 0; begin < wanted_.size(); begin += kVerifiedAtOnce) {
        stack.Push([this, begin](unsigned) { return ReadSome(begin); });
      }
    });
  }

  Result<void> Collect() {
    Totals counted;
    HELIOS_TRY(database_->ForEachEntry([&](const ObjectKey& key, const Entry& entry) {
      ++counted.objects;
      counted.bytes += entry.size;
      const auto piece = LoadLittleEndian<uint64_t>(key.digest.bytes.data());
      if (request_.contents && (!request_.reads || request_.reads(piece))) {
        wanted_.push_back({key, entry, 0});
      } else if (request_.object) {
        request_.object(key, entry.size, true);
      }
      return Result<void>();
    }));
    std::sort(wanted_.begin(), wanted_.end(),
              [](const auto& a, const auto& b) { return a.entry.place < b.entry.place; });
    HELIOS_TRY_ASSIGN(const Totals totals, database_->ReadTotals());
    if (totals == counted) return {};
    return Error(ErrorCode::kCorrupt, "the RocksDB database " + database_->folder() + " counts " +
                                          std::to_string(totals.objects) + " objects and has " +
                                          std::to_string(counted.objects));
  }

  Result<void> ReadSome(size_t begin) {
    const size_t end = std::min(begin + kVerifiedAtOnce, wanted_.size());
    return database_->ReadAll(
        {wanted_.begin() + static_cast<ptrdiff_t>(begin),
         wanted_.begin() + static_cast<ptrdiff_t>(end)},
        [&](const Database::Wanted& one, const Result<ByteView>& bytes) -> Result<void> {
          const Result<void> whole = CheckBytes(one.key, bytes, database_->folder());
          if (request_.object) request_.object(one.key, one.entry.size, whole.has_value());
          Note(one, whole);
          return {};
        });
  }

  void Note(const Database::Wanted& one, const Result<void>& whole) HELIOS_EXCLUDES(mutex_) {
    if (request_.progress != nullptr) {
      ++request_.progress->files;
      request_.progress->bytes += one.entry.size;
    }
    MutexLock lock(mutex_);
    ++report_.objects;
    report_.bytes += one.entry.size;
    if (!whole) report_.damage.Add({database_->folder(), std::nullopt, one.key, whole.error()});
  }

  Database* const database_;
  const VerifyObjectsRequest& request_;
  std::vector<Database::Wanted> wanted_;
  Mutex mutex_;
  VerifyObjectsReport report_;
};

// A copy of the database's files by hard links, with which RocksDB's own repair may do what it
// likes. Removed in the end.
class LinkedCopy {
 public:
  static Result<std::unique_ptr<LinkedCopy>> Make(const std::string& store_folder) {
    std::unique_ptr<LinkedCopy> copy(new LinkedCopy(store_folder + "/copy-" + RandomName()));
    HELIOS_TRY(MakeFolder(copy->folder_));
    HELIOS_TRY(MakeFolder(DatabaseFolder(copy->folder_)));
    const std::string from = DatabaseFolder(store_folder);
    HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(from));
    for (const std::string& name : names) {
      std::error_code failure;
      std::filesystem::create_hard_link(from + "/" + name,
                                        DatabaseFolder(copy->folder_) + "/" + name, failure);
      if (failure) return Error::FromErrno(failure.value(), "link", from + "/" + name);
    }
    return copy;
  }
  ~LinkedCopy() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  LinkedCopy(const LinkedCopy&) = delete;
  LinkedCopy& operator=(const LinkedCopy&) = delete;

  std::string database_folder() const { return DatabaseFolder(folder_); }

  // As the newest manifest has it.
  Result<std::unique_ptr<Database>> Open() const {
    HELIOS_TRY(NameNewestManifest());
    return Database::OpenToRead(folder_, nullptr);
  }

  // Without any manifest: of logs RocksDB makes tables.
  void MakeTables() const {
    // It puts aside what it does not understand, such as tables that were taken in. They are read
    // where they were.
    rocksdb::DBOptions options = DatabaseOptions();
    options.max_manifest_file_size = SIZE_MAX;  // it asserts that it needs one only
    rocksdb::RepairDB(database_folder(), options, Families({}, nullptr)).PermitUncheckedError();
  }

 private:
  Result<void> NameNewestManifest() const {
    HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(DatabaseFolder(folder_)));
    std::string newest;  // their numbers have six digits at least
    for (const std::string& name : names) {
      const bool is_newer =
          std::make_pair(name.size(), name) > std::make_pair(newest.size(), newest);
      if (name.starts_with("MANIFEST-") && is_newer) newest = name;
    }
    if (newest.empty()) return {};
    return ReplaceFile(DatabaseFolder(folder_), "CURRENT", newest + "\n", Durability::kCache);
  }

  explicit LinkedCopy(std::string folder) : folder_(std::move(folder)) {}
  const std::string folder_;
};

// The keys and values of a table, whatever database it is of, up to where it is damaged.
using PairVisitor = std::function<Result<void>(ByteView key, ByteView value)>;
Result<void> ForEachPair(const std::string& path, const PairVisitor& visitor) {
  rocksdb::SstFileReader table(
      rocksdb::Options(DatabaseOptions(), FamilyOptions(Family::kSmall, {}, nullptr)));
  if (!table.Open(path).ok()) return {};
  const std::unique_ptr<rocksdb::Iterator> pairs(table.NewIterator({}));
  for (pairs->SeekToFirst(); pairs->Valid(); pairs->Next()) {
    HELIOS_TRY(visitor(ViewOf(pairs->key()), ViewOf(pairs->value())));
  }
  return {};
}

}  // namespace

// Brings whole objects from a damaged database into a new store.
class Salvage {
 public:
  // `to` may be null: then objects are only counted.
  explicit Salvage(ObjectStore* to) : to_(to) {}

  // Of each object that an entry leads to, and where entries are damaged of whatever data there is.
  Result<void> FromDatabase(Database& database) {
    std::vector<Database::Wanted> wanted;
    const Result<void> listed =
        database.ForEachEntry([&](const ObjectKey& key, const Entry& entry) {
          named_.Insert(key);
          wanted.push_back({key, entry, 0});
          return Result<void>();
        });
    if (!listed && !IsDamage(listed.error())) return listed.error();
    HELIOS_TRY(database.ReadAll(std::move(wanted), [&](const auto& one, const auto& bytes) {
      return bytes ? Take(one.key, *bytes) : Result<void>();
    }));
    if (listed) return {};
    for (const Family family : {Family::kSmall, Family::kLarge}) {
      HELIOS_TRY(database.ForEachData(
          family, [&](const DataKey& key, ByteView bytes) { return Take(key.object, bytes); }));
    }
    return {};
  }

  // Of every table and blob file in a folder, with nothing that says which are the database's.
  Result<void> FromFiles(const std::string& folder) {
    HELIOS_TRY_ASSIGN(const std::vector<std::string> names, NamesIn(folder));
    for (const std::string& name : names) {
      const std::string path = folder + "/" + name;
      if (name.ends_with(".sst")) HELIOS_TRY(FromTable(path));
      if (!name.ends_with(".blob")) continue;
      HELIOS_TRY(ForEachBlob(
          path, [&](const DataKey& key, ByteView bytes) { return Take(key.object, bytes); }));
    }
    return {};
  }

  Result<void> Finish() { return batch_ == nullptr ? Result<void>() : batch_->Publish(); }

  uint64_t objects() const { return taken_.size(); }
  uint64_t bytes() const { return bytes_; }
  // That entries name, and of which no whole bytes were found.
  uint64_t lost() const { return named_.size() - named_and_taken_; }

 private:
  Result<void> FromTable(const std::string& path) {
    return ForEachPair(path, [&](ByteView key, ByteView value) -> Result<void> {
      if (const std::optional<DataKey> data = DecodeDataKey(key)) return Take(data->object, value);
      const std::optional<ObjectKey> object = DecodeObjectKey(key);
      if (object && DecodeEntry(value) && named_.Insert(*object) && taken_.Contains(*object)) {
        ++named_and_taken_;
      }
      return {};
    });
  }

  Result<void> Take(const ObjectKey& key, ByteView bytes) {
    if (taken_.Contains(key) || HashObject(key.kind, bytes) != key.digest) return {};
    taken_.Insert(key);
    bytes_ += bytes.size();
    if (named_.Contains(key)) ++named_and_taken_;
    if (to_ == nullptr) return {};
    if (batch_ == nullptr) {
      HELIOS_TRY_ASSIGN(batch_, to_->OpenBatch());
    }
    return batch_->Put(key, bytes);
  }

  ObjectStore* const to_;
  std::unique_ptr<ObjectBatch> batch_;
  KeySet named_;
  KeySet taken_;
  uint64_t named_and_taken_ = 0;
  uint64_t bytes_ = 0;
};

Result<std::vector<Error>> RocksdbStore::Check() {
  const Result<View> view = OpenAnew(nullptr);
  if (view) return std::vector<Error>();
  if (!IsDamage(view.error())) return view.error();
  return std::vector<Error>{view.error()};
}

Result<VerifyObjectsReport> RocksdbStore::Verify(const VerifyObjectsRequest& request) {
  VerifyObjectsReport report;
  const auto of_whole = [&](const Error& error) -> Result<VerifyObjectsReport> {
    if (!IsDamage(error)) return error;
    report.damage.Add({DatabaseFolder(folder_), std::nullopt, std::nullopt, error});
    return std::move(report);
  };
  // What was read before, and is in the cache, proves nothing about the files as they are.
  const Result<View> view = OpenAnew(nullptr);
  if (!view) return of_whole(view.error());
  Verification verification(view->database.get(), request);
  const Result<void> verified = verification.Run();
  report = verification.TakeReport();
  HELIOS_TRY_ASSIGN(report.file_bytes, BytesOnDisk());
  if (!verified) return of_whole(verified.error());
  return report;
}

Result<RepairObjectsReport> RocksdbStore::Repair(const RepairObjectsRequest& request) {
  RepairObjectsReport report;
  HELIOS_TRY_ASSIGN(const FileLock tables, LockTables(lock_timeout_));
  HELIOS_TRY(SetLeftoversAside(request.dry_run, &report));
  VerifyObjectsRequest everything;
  everything.threads = request.threads;
  everything.progress = request.progress;
  HELIOS_TRY_ASSIGN(const VerifyObjectsReport verified, Verify(everything));
  if (verified.damage.count == 0) return report;
  HELIOS_TRY_ASSIGN(
      const FileLock writing,
      FileLock::Acquire(WriteLockPath(folder_), FileLock::Mode::kExclusive, lock_timeout_));
  const std::string rebuilt = folder_ + "/" + kRebuiltFolder;
  std::unique_ptr<ObjectStore> target;
  if (!request.dry_run) {
    HELIOS_TRY(MakeFolder(rebuilt));
    HELIOS_TRY(CreateDatabase(rebuilt));
    HELIOS_TRY_ASSIGN(target, Open(rebuilt, {}));
    target->SetCompression(compression_);
  }
  Salvage salvage(target.get());
  HELIOS_TRY(SalvageAll(salvage));
  HELIOS_TRY(salvage.Finish());
  report.salvaged_objects = salvage.objects();
  report.salvaged_bytes = salvage.bytes();
  report.lost_objects = salvage.lost();
  if (request.dry_run) {
    report.set_aside.push_back(folder_ + "/" + kDamagedFolder);
    return report;
  }
  HELIOS_TRY(target->Sync());
  HELIOS_TRY(ExchangeDatabase(rebuilt));
  HELIOS_TRY(SetLeftoversAside(false, &report));
  return report;
}

Result<void> RocksdbStore::SalvageAll(Salvage& salvage) const {
  Result<std::unique_ptr<Database>> database = Database::OpenToRead(folder_, nullptr);
  if (database) return salvage.FromDatabase(**database);
  HELIOS_TRY_ASSIGN(const std::unique_ptr<LinkedCopy> copy, LinkedCopy::Make(folder_));
  database = copy->Open();
  if (database) return salvage.FromDatabase(**database);
  HELIOS_TRY(salvage.FromFiles(DatabaseFolder(folder_)));
  copy->MakeTables();
  return salvage.FromFiles(copy->database_folder());
}

Result<void> RocksdbStore::ExchangeDatabase(const std::string& rebuilt) const {
  HELIOS_TRY_ASSIGN(Counts counts, changes_.Read());
  counts.generation += 2;
  ++counts.publications;
  // For readers that look while it is exchanged, and after.
  HELIOS_TRY(ChangeCounts::Write(folder_, counts));
  if (::renameat2(AT_FDCWD, DatabaseFolder(folder_).c_str(), AT_FDCWD,
                  DatabaseFolder(rebuilt).c_str(), RENAME_EXCHANGE) != 0) {
    return Error::FromErrno(errno, "exchange", DatabaseFolder(folder_));
  }
  HELIOS_TRY(SyncFolder(folder_));
  HELIOS_TRY(SyncFolder(rebuilt));
  counts.generation += 2;
  return ChangeCounts::Write(folder_, counts);
}

Result<void> RocksdbStore::SetLeftoversAside(bool dry_run, RepairObjectsReport* report) const {
  const std::string rebuilt = folder_ + "/" + kRebuiltFolder;
  if (!std::filesystem::exists(rebuilt)) return {};
  const std::string aside = folder_ + "/" + kDamagedFolder;
  const std::string place = aside + "/" + RandomName();
  report->set_aside.push_back(place);
  if (dry_run) return {};
  HELIOS_TRY(MakeFolder(aside));
  if (::rename(rebuilt.c_str(), place.c_str()) != 0) {
    return Error::FromErrno(errno, "set aside", rebuilt);
  }
  HELIOS_TRY(SyncFolder(aside));
  return SyncFolder(folder_);
}

}  // namespace helios::rocks

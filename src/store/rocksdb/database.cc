#include "store/rocksdb/database.h"

#include <rocksdb/compaction_filter.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/metadata.h>
#include <rocksdb/table.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <exception>

#include "base/codec.h"
#include "base/durable_file.h"
#include "object/hash.h"

namespace helios::rocks {
namespace {

constexpr size_t kChunkBytes = size_t{4} << 20;
constexpr size_t kChunkObjects = 64;
// At a time: RocksDB takes some 500 bytes for each.
constexpr size_t kLookUps = 1024;

// RocksDB would keep a diary in the folder.
class NoLog : public rocksdb::Logger {
 public:
  using Logger::Logger;
  void Logv(const char*, va_list) override {}
};

// What RocksDB does with files, but for two things. It would write down its options whenever the
// database is opened for writing, at the cost of two syncs, and needs them for nothing: Helios
// gives them each time, and tools get by without. And it has CURRENT name a manifest whose own name
// a power cut may take: so names are made durable before.
class DatabaseFiles : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "helios.database_files"; }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
    if (to.ends_with("/CURRENT")) {
      const Result<void> synced = SyncFolder(to.substr(0, to.rfind('/')));
      if (!synced) return rocksdb::IOStatus::IOError(synced.error().message());
    }
    return FileSystemWrapper::RenameFile(from, to, options, context);
  }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    if (path.find("/OPTIONS-") != std::string::npos) return rocksdb::IOStatus::NotSupported();
    return FileSystemWrapper::NewWritableFile(path, options, file, context);
  }
};

rocksdb::Env* FileEnvironment() {
  // Databases may be open until the process ends.
  static rocksdb::Env* const environment =
      rocksdb::NewCompositeEnv(std::make_shared<DatabaseFiles>(rocksdb::FileSystem::Default()))
          .release();
  return environment;
}

bool IsGone(const rocksdb::Status& status) {
  return status.IsPathNotFound() ||
         (!status.ok() && status.ToString().find("No such file or directory") != std::string::npos);
}

// A database without its CURRENT file counts as none.
bool IsAbsent(const rocksdb::Status& status) {
  return status.IsInvalidArgument() &&
         status.ToString().find("does not exist") != std::string::npos;
}

// Opens by way of `open`, which begins threads: where there may be none it throws. No exception may
// leave this library, whose program has another copy of what unwinds it.
template <typename Open>
Result<void> OpenWithoutThrowing(const std::string& folder, const Open& open) {
  try {
    return Checked(open(), "open", folder);
  } catch (const std::exception& thrown) {
    return Error(ErrorCode::kFailed,
                 "cannot open the RocksDB database " + folder + ": " + thrown.what());
  }
}

// A quota, or a limit on the size of files: the same to the user as a full disk, as in
// Error::FromErrno.
bool IsOverLimit(const rocksdb::Status& status) {
  if (!status.IsIOError()) return false;
  const std::string text = status.ToString();
  return text.find(std::strerror(EFBIG)) != text.npos ||
         text.find(std::strerror(EDQUOT)) != text.npos;
}

}  // namespace

std::string DatabaseFolder(const std::string& store_folder) { return store_folder + "/db"; }

Effort EffortOf(Compression compression) {
  switch (compression) {
    case Compression::kFast:
      return {rocksdb::kNoCompression, 0, size_t{32} << 10};
    case Compression::kDefault:
      return {};
    case Compression::kSmall:
      break;
  }
  return {rocksdb::kZSTD, 7, size_t{64} << 10};
}

Effort OptimizingEffort() { return {rocksdb::kZSTD, 17, size_t{256} << 10}; }

Error FromStatus(const rocksdb::Status& status, std::string_view action,
                 const std::string& folder) {
  ErrorCode code = ErrorCode::kFailed;
  int os_error = 0;
  if (status.IsNoSpace() || IsOverLimit(status)) {
    code = ErrorCode::kNoSpace;
    os_error = ENOSPC;
  } else if (IsGone(status)) {
    os_error = ENOENT;
  } else if (status.IsCorruption() || IsAbsent(status)) {
    code = ErrorCode::kCorrupt;
  } else if (status.IsNotSupported() || status.IsInvalidArgument()) {
    // Our own arguments are valid: then it is the database that another version wrote.
    code = ErrorCode::kUnsupported;
  }
  return {code,
          "cannot " + std::string(action) + " the RocksDB database " + folder + ": " +
              status.ToString(),
          os_error};
}

rocksdb::DBOptions DatabaseOptions() {
  rocksdb::DBOptions options;
  options.env = FileEnvironment();
  options.fail_if_options_file_error = false;
  // Files would be made longer than they are, and cut in the end.
  options.allow_fallocate = false;
  options.info_log = std::make_shared<NoLog>(rocksdb::InfoLogLevel::HEADER_LEVEL);
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  // Every table is open from the start: a reader goes on with files that a compaction removed.
  options.max_open_files = -1;
  // One thread opens them: it would be sixteen, begun anew for each family.
  options.max_file_opening_threads = 1;
  options.skip_stats_update_on_db_open = true;
  options.skip_checking_sst_file_sizes_on_db_open = true;
  // Opening for one small batch writes no tables, and closing after it neither.
  options.avoid_flush_during_recovery = true;
  options.avoid_flush_during_shutdown = true;
  options.max_background_jobs = 2;
  options.enable_thread_tracking = false;
  // Each edit is a new manifest, whole and synced before CURRENT names it: a power cut in the midst
  // of one that is added to could leave all of it unreadable.
  options.max_manifest_file_size = 0;
  // Whoever writes is told at once what failed: RocksDB would try again, for ever.
  options.max_bgerror_resume_count = 0;
  return options;
}

rocksdb::ColumnFamilyOptions FamilyOptions(Family family, const Effort& effort,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  // Maintain says when: whoever holds the database for a moment has no time for it.
  options.disable_auto_compactions = true;
  // Of which there are two: one is being written out.
  options.write_buffer_size = size_t{16} << 20;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = effort.type;
  options.compression_opts.level = effort.level;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = effort.block_bytes;
  table.format_version = 5;
  if (family == Family::kKeys) {
    // Digests do not compress.
    options.compression = rocksdb::kNoCompression;
    table.block_size = size_t{4} << 10;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  }
  if (family == Family::kLarge) {
    options.enable_blob_files = true;
    options.min_blob_size = 0;
    options.blob_compression_type = effort.type;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> Families(
    const Effort& effort, const std::shared_ptr<rocksdb::Cache>& cache) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const auto& [family, name] : kFamilies) {
    families.emplace_back(name, FamilyOptions(family, effort, cache));
  }
  return families;
}

// Tells in a compaction what no entry refers to. Asks the database itself, once it is open.
class Database::OrphanFilter : public rocksdb::CompactionFilter {
 public:
  explicit OrphanFilter(Database* database) : database_(database) {}
  const char* Name() const override { return "helios.orphans"; }
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice&, std::string*,
              bool*) const override {
    return IsOrphan(key);
  }
  Decision FilterBlobByKey(int, const rocksdb::Slice& key, std::string*,
                           std::string*) const override {
    return IsOrphan(key) ? Decision::kRemove : Decision::kKeep;
  }

 private:
  bool IsOrphan(const rocksdb::Slice& key) const {
    const std::optional<DataKey> data = DecodeDataKey(ViewOf(key));
    if (!data) return false;
    const Result<std::optional<Entry>> entry = database_->Find(data->object);
    return entry && (!*entry || (*entry)->place != data->place);
  }

  Database* const database_;
};

class Database::OrphanFilterFactory : public rocksdb::CompactionFilterFactory {
 public:
  explicit OrphanFilterFactory(Database* database) : database_(database) {}
  const char* Name() const override { return "helios.orphans"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    if (!drops_) return nullptr;
    return std::make_unique<OrphanFilter>(database_);
  }
  void set_drops(bool drops) { drops_ = drops; }

 private:
  Database* const database_;
  std::atomic<bool> drops_{false};
};

void Database::DropUnreferenced(bool drop) { orphans_->set_drops(drop); }

Result<std::unique_ptr<Database>> Database::OpenToRead(
    const std::string& store_folder, const std::shared_ptr<rocksdb::Cache>& cache) {
  const std::string folder = DatabaseFolder(store_folder);
  std::unique_ptr<Database> database(new Database(folder));
  HELIOS_TRY(OpenWithoutThrowing(folder, [&] {
    return rocksdb::DB::OpenForReadOnly(DatabaseOptions(), folder, Families({}, cache),
                                        &database->handles_, &database->db_);
  }));
  HELIOS_TRY(database->CheckFormat());
  return database;
}

Result<std::unique_ptr<Database>> Database::OpenToWrite(const std::string& store_folder,
                                                        const Effort& effort, bool create) {
  const std::string folder = DatabaseFolder(store_folder);
  std::unique_ptr<Database> database(new Database(folder));
  database->orphans_ = std::make_shared<OrphanFilterFactory>(database.get());
  std::vector<rocksdb::ColumnFamilyDescriptor> families = Families(effort, nullptr);
  for (const Family family : {Family::kSmall, Family::kLarge}) {
    families[static_cast<size_t>(family)].options.compaction_filter_factory = database->orphans_;
  }
  rocksdb::DBOptions options = DatabaseOptions();
  options.create_if_missing = create;
  options.create_missing_column_families = create;
  HELIOS_TRY(OpenWithoutThrowing(folder, [&] {
    return rocksdb::DB::Open(options, folder, families, &database->handles_, &database->db_);
  }));
  if (!create) HELIOS_TRY(database->CheckFormat());
  return database;
}

Database::~Database() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  // What had to be durable was made so before.
  db_->Close().PermitUncheckedError();
  delete db_;
}

Result<Bytes> Database::ReadStoreKey(std::string_view key) {
  Bytes value;
  const rocksdb::Status status = db_->Get({}, Handle(Family::kStore), SliceOf(key), &value);
  if (status.IsNotFound()) {
    return Error(ErrorCode::kCorrupt, "the RocksDB database " + folder_ +
                                          " is damaged: it lacks \"" + std::string(key) + "\"");
  }
  HELIOS_TRY(Checked(status, "read", folder_));
  return value;
}

Result<void> Database::CheckFormat() {
  HELIOS_TRY_ASSIGN(const Bytes version, ReadStoreKey(kFormatKey));
  if (version == std::to_string(kFormatVersion)) return {};
  return Error(ErrorCode::kUnsupported, "the RocksDB database " + folder_ +
                                            " has format version \"" + version +
                                            "\", which this build does not know");
}

Result<Totals> Database::ReadTotals() {
  HELIOS_TRY_ASSIGN(const Bytes bytes, ReadStoreKey(kTotalsKey));
  const std::optional<Totals> totals = DecodeTotals(bytes);
  if (totals) return *totals;
  return Error(ErrorCode::kCorrupt,
               "the totals in the RocksDB database " + folder_ + " are damaged");
}

Result<uint64_t> Database::Identity() {
  Bytes identity;  // a UUID
  HELIOS_TRY(Checked(db_->GetDbIdentity(identity), "identify", folder_));
  const Digest digest = HashBlob(identity).digest;
  return LoadLittleEndian<uint64_t>(digest.bytes.data());
}

bool Database::HasBlobFiles() {
  rocksdb::ColumnFamilyMetaData metadata;
  db_->GetColumnFamilyMetaData(Handle(Family::kLarge), &metadata);
  return std::all_of(metadata.blob_files.begin(), metadata.blob_files.end(), [](const auto& blob) {
    return ::access((blob.blob_file_path + "/" + blob.blob_file_name).c_str(), F_OK) == 0;
  });
}

Result<void> Database::Flush() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    HELIOS_TRY(Checked(db_->Flush({}, handle), "write tables of", folder_));
  }
  return {};
}

Error Database::ObjectError(const rocksdb::Status& status, const ObjectKey& key) const {
  if (status.IsNotFound()) {
    return Error(ErrorCode::kCorrupt,
                 "the RocksDB database " + folder_ + " has lost the bytes of " + key.ToString());
  }
  return FromStatus(status, "read " + key.ToString() + " from", folder_);
}

Result<std::optional<Entry>> Database::Find(const ObjectKey& key) {
  HELIOS_TRY_ASSIGN(const std::vector<std::optional<Entry>> entries, FindAll({&key, 1}));
  return std::optional<Entry>(entries.front());
}

Result<std::vector<std::optional<Entry>>> Database::FindAll(std::span<const ObjectKey> keys) {
  std::vector<std::optional<Entry>> entries;
  entries.reserve(keys.size());
  while (!keys.empty()) {
    const std::span<const ObjectKey> some = keys.first(std::min(keys.size(), kLookUps));
    HELIOS_TRY(FindSome(some, &entries));
    keys = keys.subspan(some.size());
  }
  return entries;
}

Result<void> Database::FindSome(std::span<const ObjectKey> keys,
                                std::vector<std::optional<Entry>>* entries) {
  std::vector<Bytes> encoded;
  encoded.reserve(keys.size());
  for (const ObjectKey& key : keys) encoded.push_back(EncodeObjectKey(key));
  const std::vector<rocksdb::Slice> slices(encoded.begin(), encoded.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  db_->MultiGet({}, Handle(Family::kKeys), keys.size(), slices.data(), values.data(),
                statuses.data());
  for (size_t i = 0; i < keys.size(); ++i) {
    entries->emplace_back();
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok()) return FromStatus(statuses[i], "look up objects in", folder_);
    entries->back() = DecodeEntry(ViewOf(values[i]));
    if (!entries->back()) {
      return Error(ErrorCode::kCorrupt, "the entry of " + keys[i].ToString() +
                                            " in the RocksDB database " + folder_ + " is damaged");
    }
  }
  return {};
}

Result<void> Database::ForEachEntry(const EntryVisitor& visitor) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = size_t{1} << 20;
  const std::unique_ptr<rocksdb::Iterator> entries(
      db_->NewIterator(options, Handle(Family::kKeys)));
  for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
    const std::optional<ObjectKey> key = DecodeObjectKey(ViewOf(entries->key()));
    const std::optional<Entry> entry = DecodeEntry(ViewOf(entries->value()));
    if (!key || !entry) {
      return Error(ErrorCode::kCorrupt,
                   "an entry in the RocksDB database " + folder_ + " is damaged");
    }
    HELIOS_TRY(visitor(*key, *entry));
  }
  return Checked(entries->status(), "list the objects of", folder_);
}

Result<void> Database::ForEachData(Family family, const DataVisitor& visitor) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  Bytes from;         // where to go on
  uint64_t skip = 1;  // places, beyond the last one that was read
  Place last;
  while (true) {
    const std::unique_ptr<rocksdb::Iterator> data(db_->NewIterator(options, Handle(family)));
    for (data->Seek(from); data->Valid(); data->Next()) {
      const std::optional<DataKey> key = DecodeDataKey(ViewOf(data->key()));
      if (!key) continue;
      HELIOS_TRY(visitor(*key, ViewOf(data->value())));
      last = key->place;
      skip = 1;
    }
    if (data->status().ok()) return {};
    // A damaged block hides where it ends. Places of a batch follow each other without gaps.
    if (skip <= UINT32_MAX - uint64_t{last.number}) {
      from = EncodePlace({last.batch, last.number + static_cast<uint32_t>(skip)});
      skip *= 2;
    } else if (last.batch < UINT64_MAX) {
      last = {last.batch + 1, 0};
      from = EncodePlace(last);
      skip = UINT32_MAX;
    } else {
      return {};
    }
  }
}

Result<Bytes> Database::Read(const ObjectKey& key, const Entry& entry) {
  Bytes bytes;
  const rocksdb::Status status =
      db_->Get({}, Handle(entry.family), EncodeDataKey(entry.place, key), &bytes);
  if (!status.ok()) return ObjectError(status, key);
  return bytes;
}

Result<void> Database::ReadAll(std::vector<Wanted> wanted, const Taker& take) {
  std::sort(wanted.begin(), wanted.end(), [](const Wanted& a, const Wanted& b) {
    return a.entry.family != b.entry.family ? a.entry.family < b.entry.family
                                            : a.entry.place < b.entry.place;
  });
  for (size_t begin = 0; begin < wanted.size();) {
    size_t end = begin;
    uint64_t bytes = 0;
    do {
      bytes += wanted[end++].entry.size;
    } while (end < wanted.size() && end - begin < kChunkObjects &&
             wanted[end].entry.family == wanted[begin].entry.family &&
             bytes + wanted[end].entry.size <= kChunkBytes);
    HELIOS_TRY(ReadChunk(std::span(wanted).subspan(begin, end - begin), take));
    begin = end;
  }
  return {};
}

Result<void> Database::ReadChunk(std::span<const Wanted> wanted, const Taker& take) {
  std::vector<Bytes> encoded;
  encoded.reserve(wanted.size());
  for (const Wanted& one : wanted) encoded.push_back(EncodeDataKey(one.entry.place, one.key));
  const std::vector<rocksdb::Slice> slices(encoded.begin(), encoded.end());
  std::vector<rocksdb::PinnableSlice> values(wanted.size());
  std::vector<rocksdb::Status> statuses(wanted.size());
  db_->MultiGet({}, Handle(wanted.front().entry.family), wanted.size(), slices.data(),
                values.data(), statuses.data());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (statuses[i].ok()) {
      HELIOS_TRY(take(wanted[i], ViewOf(values[i])));
    } else {
      HELIOS_TRY(take(wanted[i], ObjectError(statuses[i], wanted[i].key)));
    }
  }
  return {};
}

Result<void> CreateDatabase(const std::string& store_folder) {
  // For its owner alone: the modes of RocksDB's own files are not ours to choose.
  HELIOS_TRY(MakeFolder(DatabaseFolder(store_folder)));
  HELIOS_TRY_ASSIGN(const std::unique_ptr<Database> database,
                    Database::OpenToWrite(store_folder, {}, /*create=*/true));
  const std::string& folder = database->folder();
  rocksdb::WriteBatch batch;
  const Bytes totals = EncodeTotals({});
  rocksdb::ColumnFamilyHandle* const store = database->Handle(Family::kStore);
  HELIOS_TRY(Checked(batch.Put(store, SliceOf(kFormatKey), std::to_string(kFormatVersion)),
                     "create", folder));
  HELIOS_TRY(Checked(batch.Put(store, SliceOf(kTotalsKey), totals), "create", folder));
  rocksdb::WriteOptions durable;
  durable.sync = true;
  return Checked(database->db().Write(durable, &batch), "create", folder);
}

}  // namespace helios::rocks

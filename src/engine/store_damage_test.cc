// Damage at every structure of a store: a walk over all its files, whatever they are. Always
// noticed or without effect, never wrong bytes out, and after a repair all is there that can be.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/codec.h"
#include "helios/engine.h"
#include "object/attributes.h"
#include "object/record.h"
#include "store/pack/pack_format.h"
#include "store/pack/pack_reader.h"
#include "store/testing.h"
#include "vst/tree_reader.h"

namespace helios {
namespace {

namespace fs = std::filesystem;
using test::Ok;
using test::ReadWholeFile;
using test::TempFolder;
using test::TextBytes;
using test::WriteWholeFile;

// Every file of a folder by its path below it; nullopt for one that is not there.
using Files = std::map<std::string, std::optional<Bytes>>;

Files ReadFiles(const std::string& folder) {
  Files files;
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    if (!item.is_regular_file()) continue;
    files[item.path().string().substr(folder.size() + 1)] = ReadWholeFile(item.path());
  }
  return files;
}

// What a user sees of a store: of each path of each record its content, or that it cannot be read;
// where each tag points.
using Observation = std::map<std::string, std::string>;
constexpr char kError[] = "(error)";

struct Damaged {
  std::string name;
  Files files;  // in place of those of these names
};

class StoreDamageTest : public ::testing::Test {
 protected:
  // Two commits, a tag on each, a branch.
  void SetUp() override {
    Build(store_, 1);
    Build(other_, 2);
    pristine_ = ReadFiles(store_);
    foreign_ = ReadFiles(other_);
    ListObjects();
    expected_ = Observe();
    for (const auto& [what, value] : expected_) ASSERT_NE(value, kError) << what;
    ASSERT_GE(expected_.size(), 10u);
    pristine_ = ReadFiles(store_);
  }

  EngineOptions Options(const std::string& store) const {
    EngineOptions options;
    options.store = store;
    options.backends = {PackBackend()};
    options.threads = 1;
    return options;
  }

  void Build(const std::string& store, uint64_t seed) {
    const std::string work = folder_ / ("work" + std::to_string(seed));
    fs::create_directories(work + "/sub");
    EngineOptions options = Options(store);
    options.create_with = "pack";
    const std::unique_ptr<Engine> engine = Engine::Open(options).value();
    for (int commit = 0; commit < 2; ++commit) {
      WriteWholeFile(work + "/a", TextBytes(300, seed * 100 + static_cast<uint64_t>(commit)));
      WriteWholeFile(work + "/sub/b" + std::to_string(commit), TextBytes(200, seed));
      WriteWholeFile(work + "/sub/noise", test::RandomBytes(150, seed));
      CommitRequest request;
      request.workspace.path = work;
      const CommitReport report = engine->Commit(request).value();
      if (seed == 1) records_.push_back(report.record);
      TagRequest tag;
      tag.workspace.path = work;
      tag.name = "v" + std::to_string(commit);
      ASSERT_TRUE(Ok(engine->Tag(tag)));
    }
    Vst vst = engine->NewVst().value();
    ASSERT_TRUE(Ok(vst.Write(TreePath::Parse("in/memory").value(), "content")));
    VstCommitRequest request;
    request.branch = "main";
    const VstCommitReport report = engine->CommitVst(vst, request).value();
    if (seed == 1) records_.push_back(report.record);
  }

  // Which objects each path of each record needs, and where in the packs they lie.
  void ListObjects() {
    const std::unique_ptr<ObjectStore> store = test::OpenPacks(store_ + "/pack");
    const TreeReader reader(store.get());
    for (const RecordId& id : records_) {
      const Record record = DecodeRecord(*store->Get(id).value()).value();
      ListFolder(reader, id, record.snapshot, "", {ObjectKey(id)});
    }
    const auto files = std::make_shared<pack::OpenFiles>();
    for (const std::string& name : test::PacksIn(store_ + "/pack")) {
      const auto pack = pack::PackReader::Open(store_ + "/pack", name, files).value();
      const std::vector<pack::IndexEntry> entries = pack->ReadEntries().value();
      for (const pack::IndexEntry& entry : entries) {
        const pack::FrameRef& frame = pack->frames()[entry.frame];
        extents_[pack::KeyOf(entry)].push_back(
            {"pack/" + name, frame.offset, frame.offset + frame.length});
      }
    }
  }
  void ListFolder(const TreeReader& reader, const RecordId& record, const TreeId& tree,
                  const std::string& path, std::set<ObjectKey> needed) {
    needed.insert(tree);
    const std::vector<TreeEntry> entries = reader.ReadDirectory(tree, nullptr).value().entries;
    for (const TreeEntry& entry : entries) {
      const std::string below = path.empty() ? entry.name : path + "/" + entry.name;
      if (entry.kind == EntryKind::kDirectory) {
        ListFolder(reader, record, {entry.id}, below, needed);
      } else {
        needed_[FormatId(record) + " " + below] = needed;
        needed_[FormatId(record) + " " + below].insert(BlobId{entry.id});
      }
    }
  }

  Observation Observe() const {
    Observation seen;
    const Result<std::unique_ptr<Engine>> engine = Engine::Open(Options(store_));
    for (const auto& [what, needed] : needed_) {
      seen[what] = kError;
      if (!engine) continue;
      ReadRequest request;
      const size_t space = what.find(' ');
      request.id = what.substr(0, space);
      request.path = TreePath::Parse(what.substr(space + 1)).value();
      std::string content;
      const auto take = [&](std::string_view piece) -> Result<void> {
        content.append(piece);
        return {};
      };
      const Result<ReadReport> read = (*engine)->Read(request, take);
      if (read) seen[what] = content;
    }
    if (!engine) return seen;
    for (const std::string name : {"v0", "v1", "main"}) {
      ReadRequest request;
      request.id = name;
      request.path = TreePath::Parse(name == "main" ? "in/memory" : "a").value();
      const Result<ReadReport> read =
          (*engine)->Read(request, [](std::string_view) { return Result<void>(); });
      seen[name] = read ? FormatId(read->record) : kError;
    }
    return seen;
  }

  void Reset(const Files& damage) const {
    fs::remove_all(store_);
    for (const auto& [path, bytes] : pristine_) {
      const auto changed = damage.find(path);
      const std::optional<Bytes>& wanted = changed == damage.end() ? bytes : changed->second;
      fs::create_directories(fs::path(store_ + "/" + path).parent_path());
      if (wanted) WriteWholeFile(store_ + "/" + path, *wanted);
    }
    for (const auto& [path, bytes] : damage) {
      if (pristine_.contains(path) || !bytes) continue;
      fs::create_directories(fs::path(store_ + "/" + path).parent_path());
      WriteWholeFile(store_ + "/" + path, *bytes);
    }
    ::chmod(store_.c_str(), 0700);
  }

  // The same as before, or an error.
  void ExpectNothingWrong(const Observation& seen, const std::string& name) const {
    for (const auto& [what, value] : seen) {
      if (value != kError) {
        EXPECT_EQ(value, expected_.at(what)) << name << ": " << what;
      }
    }
  }

  // Whether the frames that hold an object are as they were, in one pack at least.
  bool IsUntouched(const ObjectKey& key, const Files& damage) const {
    const auto found = extents_.find(key);
    if (found == extents_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(), [&](const Extent& extent) {
      const auto changed = damage.find(extent.pack);
      if (changed == damage.end()) return true;
      const Bytes& before = *pristine_.at(extent.pack);
      return changed->second && changed->second->size() >= extent.end &&
             std::equal(before.begin() + static_cast<ptrdiff_t>(extent.begin),
                        before.begin() + static_cast<ptrdiff_t>(extent.end),
                        changed->second->begin() + static_cast<ptrdiff_t>(extent.begin));
    });
  }

  // Verify notices, or nobody could.
  void CheckNoticed(const Damaged& damaged) {
    // Neither verify nor reading changes anything else.
    for (const auto& [path, bytes] : damaged.files) {
      if (bytes) WriteWholeFile(store_ + "/" + path, *bytes);
      if (!bytes) fs::remove(store_ + "/" + path);
    }
    const Result<VerifyReport> report = Engine::Verify(Options(store_), {});
    // Without its marker a folder is no store: that is an error, and noticed.
    const bool is_noticed = !report || !report->IsWhole() || report->unreferenced_records > 0;
    noticed_ += is_noticed ? 1 : 0;
    const Observation seen = !is_noticed || noticed_ % 5 == 0 ? Observe() : expected_;
    for (const auto& [path, bytes] : damaged.files) {
      WriteWholeFile(store_ + "/" + path, pristine_.contains(path) ? *pristine_.at(path) : "");
    }
    ExpectNothingWrong(seen, damaged.name);
    if (!is_noticed) {
      EXPECT_EQ(seen, expected_) << damaged.name;
    }
  }

  void CheckRepair(const Damaged& damaged) {
    Reset(damaged.files);
    const Observation before = Observe();
    RepairRequest request;
    request.recover_records = true;
    const Result<RepairReport> repair = Engine::Repair(Options(store_), request);
    // A marker that names another backend or version is not known to be damaged.
    const bool is_of_others = !repair && repair.error().code() == ErrorCode::kUnsupported;
    if (is_of_others && damaged.name.starts_with("helios-store")) return;
    ASSERT_TRUE(Ok(repair)) << damaged.name;
    const Observation after = Observe();
    ExpectNothingWrong(after, damaged.name);
    for (const auto& [what, value] : before) {
      if (value != kError) {
        EXPECT_EQ(after.at(what), value) << damaged.name << ": " << what;
      }
    }
    for (const auto& [what, needed] : needed_) {
      const bool is_there = std::all_of(needed.begin(), needed.end(), [&](const ObjectKey& key) {
        return IsUntouched(key, damaged.files);
      });
      if (is_there) {
        EXPECT_EQ(after.at(what), expected_.at(what)) << damaged.name << ": " << what;
      }
    }
    // What is lost is said, and what is said to be whole is.
    const Result<VerifyReport> report = Engine::Verify(Options(store_), {});
    ASSERT_TRUE(Ok(report)) << damaged.name;
    EXPECT_EQ(report->IsWhole(), repair->after.IsWhole()) << damaged.name;
    EXPECT_EQ(report->lost_paths, repair->after.lost_paths) << damaged.name;
    EXPECT_EQ(report->objects.damage.count, repair->objects.left.size()) << damaged.name;
    const bool lost_none = repair->after.missing.count == 0 && repair->after.unreadable.count == 0;
    if (lost_none) {
      for (const auto& [what, needed] : needed_) {
        EXPECT_EQ(after.at(what), expected_.at(what)) << damaged.name << ": " << what;
      }
    }
    const Result<RepairReport> again = Engine::Repair(Options(store_), request);
    ASSERT_TRUE(Ok(again)) << damaged.name;
    if (repair->objects.left.empty()) {
      EXPECT_EQ(again->steps, std::vector<std::string>()) << damaged.name;
    }
    EXPECT_EQ(Observe(), after) << damaged.name;
  }

  // `every`: of large files; small ones at each byte.
  static size_t StrideOf(const std::string& path, size_t size) {
    const bool is_cache = path == "statistics" || path.ends_with("/index");
    return is_cache ? size / 20 + 1 : 1;
  }

  std::vector<Damaged> Flips() const {
    return ForEachPlace("flipped", [](Bytes bytes, size_t at) {
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
      return bytes;
    });
  }
  std::vector<Damaged> Truncations() const {
    return ForEachPlace("cut to", [](Bytes bytes, size_t at) {
      bytes.resize(at);
      return bytes;
    });
  }
  std::vector<Damaged> ZeroedPages() const {
    static constexpr size_t kPageBytes = 64;  // as large, in files of so few bytes, as 4096 are
    return ForEachPlace("zeros at", [](Bytes bytes, size_t at) {
      if (at % kPageBytes != 0) return bytes;
      const size_t size = std::min(kPageBytes, bytes.size() - at);
      std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(at), size, '\0');
      return bytes;
    });
  }
  std::vector<Damaged> ForEachPlace(const std::string& how,
                                    const std::function<Bytes(Bytes, size_t)>& damage) const {
    std::vector<Damaged> all;
    for (const auto& [path, bytes] : pristine_) {
      for (size_t at = 0; at < bytes->size(); at += StrideOf(path, bytes->size())) {
        Bytes damaged = damage(*bytes, at);
        if (damaged == *bytes) continue;
        all.push_back({path + " " + how + " " + std::to_string(at), {{path, std::move(damaged)}}});
      }
    }
    return all;
  }
  std::vector<Damaged> WholeFiles() const {
    std::vector<Damaged> all;
    for (const auto& [path, bytes] : pristine_) {
      // Nothing tells a tag that was removed from one whose file is gone.
      if (!path.starts_with("refs/")) all.push_back({path + " deleted", {{path, std::nullopt}}});
      all.push_back({path + " with noise behind", {{path, *bytes + test::RandomBytes(100, 1)}}});
      for (const auto& [other, other_bytes] : pristine_) {
        if (other <= path || other_bytes == bytes) continue;
        all.push_back({path + " exchanged with " + other, {{path, other_bytes}, {other, bytes}}});
      }
      for (const auto& [other, other_bytes] : foreign_) {
        const std::string role = path.substr(0, path.find('/'));
        if (other.substr(0, other.find('/')) != role || other_bytes == bytes) continue;
        all.push_back({path + " replaced by another store's " + other, {{path, other_bytes}}});
      }
    }
    return all;
  }

  struct Extent {
    std::string pack;
    uint64_t begin;
    uint64_t end;
  };

  const TempFolder folder_;
  const std::string store_ = folder_ / "store";
  const std::string other_ = folder_ / "other";
  std::vector<RecordId> records_;
  Files pristine_;
  Files foreign_;
  Observation expected_;
  std::map<std::string, std::set<ObjectKey>> needed_;
  std::map<ObjectKey, std::vector<Extent>> extents_;
  size_t noticed_ = 0;
};

TEST_F(StoreDamageTest, AWholeStoreIsWhole) {
  const Result<VerifyReport> report = Engine::Verify(Options(store_), {});
  ASSERT_TRUE(Ok(report));
  EXPECT_TRUE(report->IsWhole());
  EXPECT_TRUE(report->unreferenced.empty());
  EXPECT_EQ(report->records, 3u);
  const Result<RepairReport> repair = Engine::Repair(Options(store_), {});
  ASSERT_TRUE(Ok(repair));
  EXPECT_TRUE(repair->was_whole);
  EXPECT_EQ(Observe(), expected_);
}

TEST_F(StoreDamageTest, EveryFlippedByteIsNoticedOrWithoutEffect) {
  for (const Damaged& damaged : Flips()) CheckNoticed(damaged);
  EXPECT_GT(noticed_, 1000u);
}

TEST_F(StoreDamageTest, EveryTruncationIsNoticedOrWithoutEffect) {
  for (const Damaged& damaged : Truncations()) CheckNoticed(damaged);
  EXPECT_GT(noticed_, 1000u);
}

TEST_F(StoreDamageTest, ZeroedPagesAreNoticedOrWithoutEffect) {
  for (const Damaged& damaged : ZeroedPages()) CheckNoticed(damaged);
  EXPECT_GT(noticed_, 20u);
}

TEST_F(StoreDamageTest, FilesThatAreGoneOrOthersAreNoticedOrWithoutEffect) {
  for (const Damaged& damaged : WholeFiles()) CheckNoticed(damaged);
  EXPECT_GT(noticed_, 20u);
}

TEST_F(StoreDamageTest, RepairSavesWhatFlipsLeave) {
  const std::vector<Damaged> all = Flips();
  for (size_t i = 0; i < all.size(); i += 13) CheckRepair(all[i]);
}

TEST_F(StoreDamageTest, RepairSavesWhatTruncationsLeave) {
  const std::vector<Damaged> all = Truncations();
  for (size_t i = 0; i < all.size(); i += 29) CheckRepair(all[i]);
}

TEST_F(StoreDamageTest, RepairSavesWhatZeroedPagesLeave) {
  for (const Damaged& damaged : ZeroedPages()) CheckRepair(damaged);
}

TEST_F(StoreDamageTest, RepairSavesWhatCanBeHadOfOtherFiles) {
  for (const Damaged& damaged : WholeFiles()) CheckRepair(damaged);
}

}  // namespace
}  // namespace helios

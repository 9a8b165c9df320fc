#include "store/pack/pack_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <new>
#include <set>
#include <thread>

#include "base/fd.h"
#include "store/testing.h"

namespace helios::pack {
namespace {

using test::ExpectHolds;
using test::ExpectHoldsAll;
using test::Fails;
using test::KeysOf;
using test::MakeBlob;
using test::MakeBlobs;
using test::MakeObject;
using test::Ok;
using test::OpenPacks;
using test::PacksIn;
using test::Processes;
using test::RandomBytes;
using test::TempFolder;
using test::TemporaryFilesIn;
using test::TextBytes;
using test::WriteWholeFile;

// ---- Merging ----

TEST(PackStoreTest, MergingKeepsPacksFewAndLosesNothing) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  std::vector<Object> all;
  size_t packs_max = 0;
  for (uint64_t batch = 0; batch < 200; ++batch) {
    const std::vector<Object> objects = MakeBlobs(2, batch);
    ASSERT_TRUE(Ok(store->PutMany(objects)));
    all.insert(all.end(), objects.begin(), objects.end());
    ASSERT_TRUE(Ok(store->Maintain()));
    packs_max = std::max(packs_max, PacksIn(folder.path()).size());
    ASSERT_TRUE(Ok(ExpectHoldsAll(*store, objects)));
  }
  EXPECT_LE(packs_max, 7u);  // eight of a size are one merge
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, all)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), all)));
  const Result<StoreTotals> totals = store->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, all.size());
  EXPECT_EQ(totals->bytes, all.size() * 100);
}

// To write large packs again takes long: a commit that adds some is not to wait for it each time.
TEST(PackStoreTest, LargePacksAreMergedEightAtATime) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const std::string path = folder.path();
  std::vector<Object> all;
  for (uint64_t i = 0; i < 32; ++i) {
    EXPECT_EQ(PacksIn(path).size(), i);
    // Of two objects, neither of which is over the limit, and together more than 4 MiB.
    const std::vector<Object> objects{MakeBlob(RandomBytes(2'100'000, 2 * i)),
                                      MakeBlob(RandomBytes(2'100'000, 2 * i + 1))};
    ASSERT_TRUE(Ok(store->PutMany(objects)));
    ASSERT_TRUE(Ok(store->Maintain()));
    all.insert(all.end(), objects.begin(), objects.end());
  }
  EXPECT_EQ(PacksIn(path).size(), 32u - 8 + 1);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(path), all)));
}

// ---- Parts ----

std::vector<uint64_t> PartsOf(ObjectStore& store) {
  const Result<std::vector<uint64_t>> parts = store.Parts();
  EXPECT_TRUE(Ok(parts));
  return parts ? *parts : std::vector<uint64_t>();
}

bool HasParts(ObjectStore& store, const std::vector<uint64_t>& parts) {
  const Result<bool> has = store.HasParts(parts);
  EXPECT_TRUE(Ok(has));
  return has && *has;
}

TEST(PackStoreTest, PartsThatWereMergedAreStillThere) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> merger = OpenPacks(folder.path());
  std::vector<std::vector<uint64_t>> parts;
  for (uint64_t batch = 0; batch < 100; ++batch) {
    ASSERT_TRUE(Ok(merger->PutMany(MakeBlobs(2, batch))));
    parts.push_back(PartsOf(*merger));
    ASSERT_TRUE(Ok(merger->Maintain()));
  }
  const std::unique_ptr<ObjectStore> other = OpenPacks(folder.path());
  for (const std::vector<uint64_t>& then : parts) ASSERT_TRUE(HasParts(*other, then));
  EXPECT_TRUE(HasParts(*other, {}));
  EXPECT_FALSE(HasParts(*other, {12345}));
}

TEST(PackStoreTest, LostPackIsALostPart) {
  const TempFolder folder;
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(MakeBlobs(2, 1))));
  const std::vector<uint64_t> before = PartsOf(*OpenPacks(folder.path()));
  const std::string pack = PacksIn(folder.path()).front();
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(MakeBlobs(2, 2))));
  EXPECT_TRUE(HasParts(*OpenPacks(folder.path()), before));
  std::filesystem::remove(folder / pack);
  EXPECT_FALSE(HasParts(*OpenPacks(folder.path()), before));
  WriteWholeFile(folder / pack, "damaged");
  EXPECT_FALSE(HasParts(*OpenPacks(folder.path()), before));
}

TEST(PackStoreTest, LossOfWhatPartsWereMergedIntoIsALostPart) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> merger = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(merger->PutMany(MakeBlobs(2, 0))));
  const std::vector<uint64_t> before = PartsOf(*merger);
  for (uint64_t batch = 1; batch < 8; ++batch) {
    ASSERT_TRUE(Ok(merger->PutMany(MakeBlobs(2, batch))));
  }
  ASSERT_TRUE(Ok(merger->Maintain()));
  ASSERT_EQ(PacksIn(folder.path()).size(), 1u);
  ASSERT_TRUE(HasParts(*OpenPacks(folder.path()), before));
  std::filesystem::remove(folder / PacksIn(folder.path()).front());
  EXPECT_FALSE(HasParts(*OpenPacks(folder.path()), before));
}

TEST(PackStoreTest, DamagedMergeNotesLosePartsAndNothingElse) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> merger = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(merger->PutMany(MakeBlobs(2, 0))));
  const std::vector<uint64_t> before = PartsOf(*merger);
  for (uint64_t batch = 1; batch < 8; ++batch) {
    ASSERT_TRUE(Ok(merger->PutMany(MakeBlobs(2, batch))));
  }
  ASSERT_TRUE(Ok(merger->Maintain()));
  Bytes circle(reinterpret_cast<const char*>(before.data()), sizeof(uint64_t));
  circle += circle;
  for (const Bytes& notes :
       {Bytes(), Bytes("odd"), RandomBytes(1000, 1), circle, RandomBytes(1 << 20, 2)}) {
    WriteWholeFile(folder / "merged", notes);
    EXPECT_FALSE(HasParts(*OpenPacks(folder.path()), before));
    EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), MakeBlobs(2, 0))));
  }
}

TEST(PackStoreTest, MergingKeepsLargeObjectsAndEveryKind) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  std::vector<Object> all;
  for (uint64_t batch = 0; batch < 40; ++batch) {
    const std::vector<Object> objects{
        MakeBlob(RandomBytes(66'000 + batch * 5000, batch)),
        MakeBlob(TextBytes(66'000 + batch * 5000, batch)),
        MakeObject(ObjectKind::kTree, TextBytes(300, batch)),
        MakeObject(ObjectKind::kRecord, TextBytes(300, batch)),
        MakeBlob(TextBytes(batch, batch)),
    };
    ASSERT_TRUE(Ok(store->PutMany(objects)));
    all.insert(all.end(), objects.begin(), objects.end());
    ASSERT_TRUE(Ok(store->Maintain()));
  }
  EXPECT_LE(PacksIn(folder.path()).size(), 14u);  // seven of each of two sizes
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(folder.path()), all)));
}

TEST(PackStoreTest, MergingHoldsOnceWhatWasPutManyTimes) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  std::vector<Object> objects = MakeBlobs(50, 1);
  objects.push_back(MakeBlob(RandomBytes(100'000, 1)));
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Ok(store->PutMany(objects)));
  Result<StoreTotals> totals = store->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, 8 * objects.size());
  ASSERT_TRUE(Ok(store->Maintain()));
  totals = store->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, objects.size());
  EXPECT_EQ(totals->bytes, 50 * 100 + 100'000u);
  EXPECT_EQ(totals->packs, 1u);
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, objects)));
}

TEST(PackStoreTest, MergingRaisesTheGeneration) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  for (uint64_t batch = 0; batch < 7; ++batch) ASSERT_TRUE(Ok(store->PutMany(MakeBlobs(1, batch))));
  const Result<uint64_t> before = store->Generation();
  ASSERT_TRUE(Ok(store->Maintain()));
  const Result<uint64_t> unmerged = store->Generation();
  ASSERT_TRUE(Ok(store->PutMany(MakeBlobs(1, 7))));
  ASSERT_TRUE(Ok(store->Maintain()));
  const Result<uint64_t> merged = store->Generation();
  ASSERT_TRUE(before && unmerged && merged);
  EXPECT_EQ(*before, *unmerged);
  EXPECT_GT(*merged, *before);
}

TEST(PackStoreTest, ReaderSurvivesMergesOfAnotherInstance) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> writer = OpenPacks(folder.path());
  std::vector<Object> all = MakeBlobs(5, 1000);
  ASSERT_TRUE(Ok(writer->PutMany(all)));
  const std::unique_ptr<ObjectStore> reader = OpenPacks(folder.path());
  for (uint64_t batch = 0; batch < 50; ++batch) {
    const std::vector<Object> objects = MakeBlobs(2, batch);
    ASSERT_TRUE(Ok(writer->PutMany(objects)));
    all.insert(all.end(), objects.begin(), objects.end());
    ASSERT_TRUE(Ok(writer->Maintain()));
    ASSERT_TRUE(Ok(ExpectHoldsAll(*reader, all)));
    // One that looks again only rarely, so that whole generations of packs pass it by.
    const Result<std::vector<bool>> has = reader->HasMany(KeysOf(all));
    ASSERT_TRUE(Ok(has));
    EXPECT_EQ(*has, std::vector<bool>(all.size(), true));
  }
}

TEST(PackStoreTest, ReaderSurvivesMergesOfAnotherProcess) {
  const TempFolder folder;
  const std::vector<Object> first = MakeBlobs(5, 1000);
  {
    const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
    ASSERT_TRUE(Ok(store->PutMany(first)));
  }
  const std::unique_ptr<ObjectStore> reader = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(ExpectHoldsAll(*reader, first)));
  std::vector<Object> all = first;
  for (uint64_t round = 0; round < 5; ++round) {
    Processes processes;
    processes.Add([&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
      for (uint64_t batch = 0; batch < 10; ++batch) {
        HELIOS_TRY(store->PutMany(MakeBlobs(2, round * 10 + batch)));
        HELIOS_TRY(store->Maintain());
      }
      return {};
    });
    ASSERT_EQ(processes.WaitForAll(), 0);
    for (uint64_t batch = 0; batch < 10; ++batch) {
      const std::vector<Object> objects = MakeBlobs(2, round * 10 + batch);
      all.insert(all.end(), objects.begin(), objects.end());
    }
    ASSERT_TRUE(Ok(ExpectHoldsAll(*reader, all)));
  }
  EXPECT_LE(PacksIn(folder.path()).size(), 7u);
}

TEST(PackStoreTest, WritersReadersAndMergersAtOnceLoseNothing) {
  constexpr uint64_t kWriters = 8;
  constexpr uint64_t kBatches = 50;
  // What each writer was told to be published, and how many writers are done.
  struct Shared {
    std::atomic<uint64_t> published[kWriters];
    std::atomic<uint64_t> writers_done;
  };
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* shared = new (memory) Shared{};
  const auto objects_of = [](uint64_t writer, uint64_t batch) {
    return MakeBlobs(3, writer * 1000 + batch);
  };
  const TempFolder folder;
  Processes processes;
  for (uint64_t writer = 0; writer < kWriters; ++writer) {
    processes.Add([&, writer]() -> Result<void> {
      const auto work = [&]() -> Result<void> {
        HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
        for (uint64_t batch = 0; batch < kBatches; ++batch) {
          HELIOS_TRY(store->PutMany(objects_of(writer, batch)));
          shared->published[writer] = batch + 1;
          HELIOS_TRY(ExpectHoldsAll(*store, objects_of(writer, batch / 2)));
        }
        return {};
      };
      Result<void> result = work();
      ++shared->writers_done;  // in any case: the others wait for it
      return result;
    });
  }
  for (uint64_t reader = 0; reader < 3; ++reader) {
    processes.Add([&, reader]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
      test::Random random(reader);
      while (shared->writers_done < kWriters) {
        const uint64_t writer = random.Below(kWriters);
        const uint64_t published = shared->published[writer];
        if (published == 0) continue;
        HELIOS_TRY(ExpectHoldsAll(*store, objects_of(writer, random.Below(published))));
        // The newest is where the listing is stale.
        HELIOS_TRY(ExpectHoldsAll(*store, objects_of(writer, published - 1)));
      }
      return {};
    });
  }
  for (int merger = 0; merger < 2; ++merger) {
    processes.Add([&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
      while (shared->writers_done < kWriters) HELIOS_TRY(store->Maintain());
      return {};
    });
  }
  EXPECT_EQ(processes.WaitForAll(), 0);

  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  ASSERT_TRUE(Ok(store->Maintain()));
  EXPECT_LE(PacksIn(folder.path()).size(), 14u);
  uint64_t found = 0;
  for (uint64_t writer = 0; writer < kWriters; ++writer) {
    for (uint64_t batch = 0; batch < kBatches; ++batch) {
      ASSERT_TRUE(Ok(ExpectHoldsAll(*store, objects_of(writer, batch)))) << writer << " " << batch;
      ++found;
    }
  }
  EXPECT_EQ(found, kWriters * kBatches);
  const Result<StoreTotals> totals = store->Totals();
  ASSERT_TRUE(Ok(totals));
  EXPECT_EQ(totals->objects, 3 * kWriters * kBatches);
  EXPECT_EQ(TemporaryFilesIn(folder.path()), 0u);
  ::munmap(memory, sizeof(Shared));
}

TEST(PackStoreTest, ThreadsThatPutReadAndMergeLoseNothing) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (uint64_t batch = 0; batch < 25; ++batch) {
        const std::vector<Object> objects = MakeBlobs(3, thread * 100 + batch);
        if (!store->PutMany(objects) || !store->Maintain()) ++failures;
        if (!ExpectHoldsAll(*store, objects)) ++failures;
        if (!ExpectHoldsAll(*store, MakeBlobs(3, thread * 100 + batch / 2))) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

// ---- Many packs ----

// What a process needs that reads one store.
constexpr uint64_t kFewFiles = OpenFiles::kOpenMax + 32;
Result<void> LimitOpenFiles(uint64_t files) {
  const rlimit limit{files, files};
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  return Error::FromErrno(errno, "limit", "open files");
}
std::vector<Object> PutInPacksOfTheirOwn(const std::string& folder, uint64_t packs) {
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder);
  std::vector<Object> all;
  for (uint64_t i = 0; i < packs; ++i) {
    all.push_back(MakeBlob(TextBytes(200, i)));
    EXPECT_TRUE(Ok(store->PutMany({&all.back(), 1})));
  }
  return all;
}

TEST(PackStoreTest, MorePacksThanAProcessMayOpenAreReadAndMerged) {
  const TempFolder folder;
  const std::vector<Object> all = PutInPacksOfTheirOwn(folder.path(), 3 * kFewFiles);
  Processes processes;
  processes.Add([&]() -> Result<void> {
    HELIOS_TRY(LimitOpenFiles(kFewFiles));
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
    HELIOS_TRY(ExpectHoldsAll(*store, all));
    HELIOS_TRY_ASSIGN(const std::vector<bool> has, store->HasMany(KeysOf(all)));
    if (has != std::vector<bool>(all.size(), true)) return Error(ErrorCode::kFailed, "has");
    size_t keys = 0;
    HELIOS_TRY(store->ForEachKey([&](const ObjectKey&, uint64_t) {
      ++keys;
      return Result<void>();
    }));
    if (keys != all.size()) return Error(ErrorCode::kFailed, "keys");
    HELIOS_TRY(store->Maintain());
    return ExpectHoldsAll(*store, all);
  });
  EXPECT_EQ(processes.WaitForAll(), 0);
  EXPECT_LE(PacksIn(folder.path()).size(), 7u);
}

TEST(PackStoreTest, ReaderOfMorePacksThanItMayOpenSurvivesTheirMerge) {
  const TempFolder folder;
  const std::vector<Object> all = PutInPacksOfTheirOwn(folder.path(), 3 * kFewFiles);
  Processes processes;
  processes.Add([&]() -> Result<void> {
    HELIOS_TRY(LimitOpenFiles(2 * kFewFiles));
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> merger, PackStore::Open(folder.path()));
    // Every pack goes away while the first of them are being read.
    size_t seen = 0;
    const auto sink = [&](size_t i, std::optional<ByteView> bytes) -> Result<void> {
      if (seen == 0) HELIOS_TRY(merger->Maintain());
      if (!bytes || *bytes != all[i].bytes) return Error(ErrorCode::kFailed, "wrong bytes");
      ++seen;
      return {};
    };
    HELIOS_TRY(store->GetMany(KeysOf(all), sink));
    if (seen != all.size()) return Error(ErrorCode::kFailed, "not all were seen");
    // And while they are listed.
    for (uint64_t i = 0; i < 3 * kFewFiles; ++i) {
      const Object object = MakeBlob(TextBytes(300, i));
      HELIOS_TRY(store->PutMany({&object, 1}));
    }
    std::set<ObjectKey> keys;
    const auto visitor = [&](const ObjectKey& key, uint64_t) -> Result<void> {
      if (keys.empty()) HELIOS_TRY(merger->Maintain());
      keys.insert(key);
      return {};
    };
    HELIOS_TRY(store->ForEachKey(visitor));
    if (keys.size() != 2 * all.size()) return Error(ErrorCode::kFailed, "keys");
    return ExpectHoldsAll(*store, all);
  });
  EXPECT_EQ(processes.WaitForAll(), 0);
}

TEST(PackStoreTest, PackThatIsReplacedWhileItIsClosedIsDamageNotWrongBytes) {
  const TempFolder folder;
  const std::vector<Object> all = PutInPacksOfTheirOwn(folder.path(), 2 * OpenFiles::kOpenMax);
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  for (const std::string& name : PacksIn(folder.path())) {
    std::filesystem::remove(folder / name);
    ASSERT_EQ(::mkfifo((folder / name).c_str(), 0600), 0);
  }
  size_t damaged = 0;
  for (const Object& object : all) {
    const Result<std::optional<Bytes>> bytes = store->Get(object.key);
    if (bytes && bytes->has_value()) continue;  // one that was still open
    EXPECT_TRUE(Fails(bytes, ErrorCode::kCorrupt, ".pack: not a regular file"));
    ++damaged;
  }
  EXPECT_GE(damaged, OpenFiles::kOpenMax);
}

// ---- Temporary files ----

void MakeOld(const std::string& path) {
  const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

void FillWithTinyPacks(ObjectStore& store) {
  for (uint64_t batch = 0; batch < 8; ++batch) {
    ASSERT_TRUE(Ok(store.PutMany(MakeBlobs(1, 5000 + batch))));
  }
}

TEST(PackStoreTest, MaintainRemovesAbandonedFiles) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  WriteWholeFile(folder / ".tmp-abandoned", "the beginning of a pack");
  MakeOld(folder / ".tmp-abandoned");
  FillWithTinyPacks(*store);
  ASSERT_TRUE(Ok(store->Maintain()));
  EXPECT_FALSE(std::filesystem::exists(folder / ".tmp-abandoned"));
}

TEST(PackStoreTest, MaintainRemovesAbandonedFilesOfAStoreWithFewPacks) {
  // A first commit of many gigabytes that is killed leaves them here.
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  WriteWholeFile(folder / ".tmp-abandoned", "the beginning of a pack");
  MakeOld(folder / ".tmp-abandoned");
  ASSERT_TRUE(Ok(store->PutMany(MakeBlobs(1, 1))));
  ASSERT_TRUE(Ok(store->Maintain()));
  EXPECT_FALSE(std::filesystem::exists(folder / ".tmp-abandoned"));
}

TEST(PackStoreTest, MaintainKeepsFreshFiles) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  WriteWholeFile(folder / ".tmp-fresh", "its writer has yet to lock it");
  FillWithTinyPacks(*store);
  ASSERT_TRUE(Ok(store->Maintain()));
  EXPECT_TRUE(std::filesystem::exists(folder / ".tmp-fresh"));
}

TEST(PackStoreTest, MaintainKeepsLockedFiles) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  WriteWholeFile(folder / ".tmp-locked", "its writer is slow");
  MakeOld(folder / ".tmp-locked");
  const Fd fd(::open((folder / ".tmp-locked").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  FillWithTinyPacks(*store);
  ASSERT_TRUE(Ok(store->Maintain()));
  EXPECT_TRUE(std::filesystem::exists(folder / ".tmp-locked"));
}

TEST(PackStoreTest, MaintainKeepsTheFileOfAnOpenBatch) {
  const TempFolder folder;
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const Object large = MakeBlob(RandomBytes(2 << 20, 1));
  Result<std::unique_ptr<ObjectBatch>> batch = store->OpenBatch();
  ASSERT_TRUE(Ok(batch));
  ASSERT_TRUE(Ok((*batch)->Put(large.key, large.bytes)));
  size_t aged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (!entry.path().filename().string().starts_with(".tmp-")) continue;
    MakeOld(entry.path());
    ++aged;
  }
  EXPECT_EQ(aged, 1u);
  FillWithTinyPacks(*store);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->Maintain()));
  ASSERT_TRUE(Ok((*batch)->Publish()));
  EXPECT_TRUE(Ok(ExpectHolds(*store, large)));
}

TEST(PackStoreTest, WriterThatDiesLeavesNothingVisible) {
  const TempFolder folder;
  const Object large = MakeBlob(RandomBytes(2 << 20, 1));
  Processes processes;
  processes.Add([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectBatch> batch, store->OpenBatch());
    HELIOS_TRY(batch->Put(large.key, large.bytes));
    ::kill(::getpid(), SIGKILL);
    return {};
  });
  EXPECT_EQ(processes.WaitForAll(), 1);
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const Result<std::optional<Bytes>> bytes = store->Get(large.key);
  ASSERT_TRUE(Ok(bytes));
  EXPECT_FALSE(bytes->has_value());
  EXPECT_TRUE(PacksIn(folder.path()).empty());
}

}  // namespace
}  // namespace helios::pack

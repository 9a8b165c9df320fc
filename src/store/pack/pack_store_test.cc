#include "store/pack/pack_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <map>
#include <new>
#include <set>
#include <thread>

#include "base/codec.h"
#include "store/decorators.h"
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
using test::Processes;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::TextBytes;
using test::WriteWholeFile;

std::unique_ptr<ObjectStore> OpenPacks(const std::string& folder) {
  Result<std::unique_ptr<ObjectStore>> store = PackStore::Open(folder);
  EXPECT_TRUE(Ok(store));
  return store ? std::move(store).value() : nullptr;
}

std::vector<std::string> PacksIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".pack")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}
size_t TemporaryFilesIn(const std::string& folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    count += entry.path().filename().string().starts_with(".tmp-") ? 1 : 0;
  }
  return count;
}

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

// ---- What the file system may do ----

// How much a process may write into one file before writing fails; nothing for SIGXFSZ to end.
Result<void> LimitFileBytes(uint64_t bytes) {
  const rlimit limit{bytes, RLIM_INFINITY};
  ::signal(SIGXFSZ, SIG_IGN);
  if (::setrlimit(RLIMIT_FSIZE, &limit) == 0) return {};
  return Error::FromErrno(errno, "limit", "file size");
}
// An error that says where writing failed, and nothing left of the attempt.
Result<void> ExpectFailsToWrite(const Result<void>& result, const std::string& folder) {
  if (result) return Error(ErrorCode::kFailed, "written in spite of the limit");
  if (result.error().message().find(folder) == std::string::npos) {
    return Error(ErrorCode::kFailed, "does not name the file: " + result.error().message());
  }
  if (TemporaryFilesIn(folder) > 0) return Error(ErrorCode::kFailed, "leaves a file behind");
  return {};
}

TEST(PackStoreTest, WriteThatFailsAnywhereLeavesTheStoreAsItWas) {
  const TempFolder folder;
  const std::vector<Object> before = MakeBlobs(10, 1);
  std::vector<Object> objects = MakeBlobs(200, 2);
  objects.push_back(MakeBlob(RandomBytes(1'500'000, 3)));  // more than one write
  objects.push_back(MakeObject(ObjectKind::kTree, RandomBytes(500, 4)));
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  const uint64_t size = std::filesystem::file_size(folder / PacksIn(folder.path()).front());
  std::filesystem::remove(folder / PacksIn(folder.path()).front());
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(before)));
  for (const uint64_t limit : {uint64_t{0}, uint64_t{1}, uint64_t{4096}, size / 2, size - 20'000,
                               size - sizeof(PackFooter), size - 1}) {
    Processes processes;
    processes.Add([&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
      HELIOS_TRY(LimitFileBytes(limit));
      HELIOS_TRY(ExpectFailsToWrite(store->PutMany(objects), folder.path()));
      HELIOS_TRY(ExpectHoldsAll(*store, before));
      HELIOS_TRY_ASSIGN(const std::vector<bool> has, store->HasMany(KeysOf(objects)));
      if (has != std::vector<bool>(objects.size(), false)) {
        return Error(ErrorCode::kFailed, "visible though not published");
      }
      HELIOS_TRY(LimitFileBytes(RLIM_INFINITY));
      return ExpectHoldsAll(*store, before);
    });
    EXPECT_EQ(processes.WaitForAll(), 0) << limit;
  }
  EXPECT_EQ(PacksIn(folder.path()).size(), 1u);
}

TEST(PackStoreTest, BatchThatFailedOnceIsNeverPublished) {
  // With room again the rest of it could be written, behind a hole.
  const TempFolder folder;
  const Object large = MakeBlob(RandomBytes(2 << 20, 1));
  Processes processes;
  processes.Add([&]() -> Result<void> {
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
    HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectBatch> batch, store->OpenBatch());
    HELIOS_TRY(LimitFileBytes(1'000'000));
    if (batch->Put(large.key, large.bytes)) return Error(ErrorCode::kFailed, "no limit");
    HELIOS_TRY(LimitFileBytes(RLIM_INFINITY));
    if (batch->Publish()) return Error(ErrorCode::kFailed, "published");
    batch.reset();
    HELIOS_TRY(store->PutMany({&large, 1}));
    return ExpectHolds(*store, large);
  });
  EXPECT_EQ(processes.WaitForAll(), 0);
  EXPECT_EQ(PacksIn(folder.path()).size(), 1u);
  EXPECT_EQ(TemporaryFilesIn(folder.path()), 0u);
}

TEST(PackStoreTest, MergeThatFailsAnywhereLosesNothing) {
  // 0: the generation cannot be raised either; 8: it can.
  for (const uint64_t limit : {0, 7, 8, 100, 1000}) {
    const TempFolder folder;
    std::vector<Object> all;
    for (uint64_t i = 0; i < 8; ++i) {
      const std::vector<Object> objects = MakeBlobs(20, i);
      ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
      all.insert(all.end(), objects.begin(), objects.end());
    }
    Processes processes;
    processes.Add([&]() -> Result<void> {
      HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
      HELIOS_TRY(LimitFileBytes(limit));
      HELIOS_TRY(ExpectFailsToWrite(store->Maintain(), folder.path()));
      HELIOS_TRY(ExpectHoldsAll(*store, all));
      HELIOS_TRY(ExpectFailsToWrite(store->Delete({&all[0].key, 1}), folder.path()));
      HELIOS_TRY(ExpectHoldsAll(*store, all));
      HELIOS_TRY(LimitFileBytes(RLIM_INFINITY));
      HELIOS_TRY(store->Maintain());
      return ExpectHoldsAll(*store, all);
    });
    EXPECT_EQ(processes.WaitForAll(), 0) << limit;
    EXPECT_EQ(PacksIn(folder.path()).size(), 1u);
  }
}

TEST(PackStoreTest, PackThatMayNotBeReadHidesOnlyItsOwnObjects) {
  const TempFolder folder;
  const std::vector<Object> hidden = MakeBlobs(5, 1);
  const std::vector<Object> shown = MakeBlobs(5, 2);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(hidden)));
  const std::string name = PacksIn(folder.path()).front();
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(shown)));
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    const mode_t mode = entry.path().filename() == name ? 0 : 0644;
    ASSERT_EQ(::chmod(entry.path().c_str(), mode), 0);
  }
  Processes processes;
  processes.Add([&]() -> Result<void> {
    // Root may read everything: somebody else does it.
    if (::geteuid() == 0 && ::setuid(65534) != 0)
      return Error::FromErrno(errno, "become", "nobody");
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store, PackStore::Open(folder.path()));
    HELIOS_TRY(ExpectHoldsAll(*store, shown));
    const Result<std::optional<Bytes>> bytes = store->Get(hidden[0].key);
    if (bytes || bytes.error().message().find(name) == std::string::npos) {
      return Error(ErrorCode::kFailed, "an unreadable pack passes for absence");
    }
    return {};
  });
  EXPECT_EQ(processes.WaitForAll(), 0);
}

TEST(PackStoreTest, AnythingInPlaceOfTheGenerationIsAnErrorNotAWait) {
  for (const bool is_fifo : {true, false}) {
    const TempFolder folder;
    const std::string path = folder / "generation";
    ASSERT_EQ(is_fifo ? ::mkfifo(path.c_str(), 0600) : ::mkdir(path.c_str(), 0700), 0);
    EXPECT_TRUE(Fails(PackStore::Open(folder.path()), ErrorCode::kFailed, path));
  }
}

// A pack of this footer and these tables, all checks right; zeros lie before them and after them,
// which take no room on disk.
void WriteHugePack(const std::string& path, PackFooter footer, uint64_t size, ByteView tables) {
  PackHeader header{};
  std::memcpy(header.magic, kPackMagic, sizeof(header.magic));
  header.version = kPackVersion;
  footer.table_check = Checksum64(tables);
  std::memcpy(footer.magic, kFooterMagic, sizeof(footer.magic));
  footer.check = Checksum64({reinterpret_cast<const char*>(&footer), offsetof(PackFooter, check)});
  const Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  ASSERT_TRUE(
      Ok(WriteAllAt(fd.get(), {reinterpret_cast<const char*>(&header), sizeof(header)}, 0, path)));
  ASSERT_TRUE(Ok(WriteAllAt(fd.get(), tables, footer.index_offset, path)));
  ASSERT_TRUE(Ok(WriteAllAt(fd.get(), {reinterpret_cast<const char*>(&footer), sizeof(footer)},
                            size - sizeof(footer), path)));
}

class HugeCountsTest : public ::testing::Test {
 protected:
  void ExpectDamage(const std::string& reason) {
    const std::unique_ptr<ObjectStore> store = OpenPacks(folder_.path());
    ASSERT_NE(store, nullptr);
    EXPECT_TRUE(Fails(store->Get(MakeBlob("anything").key), ErrorCode::kCorrupt, reason));
    EXPECT_TRUE(Fails(store->ForEachKey([](const ObjectKey&, uint64_t) { return Result<void>(); }),
                      ErrorCode::kCorrupt, path_));
  }
  TempFolder folder_;
  const std::string path_ = folder_ / "huge.pack";
};

TEST_F(HugeCountsTest, Frames) {
  PackFooter footer{};
  footer.index_offset = sizeof(PackHeader);
  footer.frame_count = UINT32_MAX;
  WriteHugePack(path_, footer,
                sizeof(PackHeader) + uint64_t{UINT32_MAX} * sizeof(FrameRef) + sizeof(BucketRef) +
                    sizeof(PackFooter),
                "");
  ExpectDamage("impossible frame count");
}

TEST_F(HugeCountsTest, ObjectsOfOneBucket) {
  PackFooter footer{};
  footer.index_offset = sizeof(PackHeader);
  footer.object_count = UINT32_MAX;
  const BucketRef bucket{0, UINT32_MAX, 0};
  WriteHugePack(path_, footer,
                sizeof(PackHeader) + sizeof(BucketRef) + uint64_t{UINT32_MAX} * sizeof(IndexEntry) +
                    sizeof(PackFooter),
                {reinterpret_cast<const char*>(&bucket), sizeof(bucket)});
  ExpectDamage("impossible bucket size");
}

TEST_F(HugeCountsTest, BytesOfAFrame) {
  PackFooter footer{};
  footer.index_offset = uint64_t{5} << 30;
  footer.frame_count = 1;
  struct {
    FrameRef frame{sizeof(PackHeader), UINT32_MAX, 1};
    BucketRef bucket{};
  } tables;
  WriteHugePack(path_, footer, footer.index_offset + sizeof(tables) + sizeof(PackFooter),
                {reinterpret_cast<const char*>(&tables), sizeof(tables)});
  ExpectDamage("impossible place or size");
}

TEST_F(HugeCountsTest, EntriesThatAreAllTheSame) {
  // Zeros without end, and every check right.
  PackFooter footer{};
  footer.index_offset = sizeof(PackHeader) + 100;
  footer.frame_count = 1;
  footer.object_count = 1000;
  struct {
    FrameRef frame{sizeof(PackHeader), 100, 100};
    BucketRef bucket{0, 1000, Checksum64(Bytes(1000 * sizeof(IndexEntry), '\0'))};
  } tables;
  WriteHugePack(
      path_, footer,
      footer.index_offset + sizeof(tables) + 1000 * sizeof(IndexEntry) + sizeof(PackFooter),
      {reinterpret_cast<const char*>(&tables), sizeof(tables)});
  ExpectDamage("not in order");
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

// ---- Damage ----

// Where the structures of a pack lie.
struct Anatomy {
  explicit Anatomy(const Bytes& file) {
    footer_at = file.size() - sizeof(PackFooter);
    footer = LoadLittleEndian<PackFooter>(file.data() + footer_at);
    frames_at = static_cast<size_t>(footer.index_offset);
    buckets_at = frames_at + footer.frame_count * sizeof(FrameRef);
    entries_at = buckets_at + (sizeof(BucketRef) << footer.bucket_bits);
    for (uint32_t i = 0; i < footer.frame_count; ++i) {
      const auto ref = LoadLittleEndian<FrameRef>(file.data() + frames_at + i * sizeof(FrameRef));
      const auto at = static_cast<size_t>(ref.offset);
      const auto header = LoadLittleEndian<FrameHeader>(file.data() + at);
      const bool is_stored = header.encoding == static_cast<uint8_t>(Encoding::kStored);
      (is_stored ? stored_at : zstd_at) = at;
      (is_stored ? stored_payload_at : zstd_payload_at) =
          at + sizeof(FrameHeader) + header.member_count * sizeof(Member);
      (is_stored ? stored_payload : zstd_payload) = header.payload_length;
    }
  }
  PackFooter footer{};
  size_t footer_at, frames_at, buckets_at, entries_at;
  // The last frame of each encoding.
  size_t stored_at = 0, zstd_at = 0;
  size_t stored_payload_at = 0, zstd_payload_at = 0;
  size_t stored_payload = 0, zstd_payload = 0;
};

// One way to damage a pack.
struct Damage {
  std::string name;
  // Damages the pack file at `path`, whose bytes these were.
  std::function<void(const std::string& path, const Bytes& file, const Anatomy& anatomy)> inflict;
  // Nobody may notice: what was hit says nothing.
  bool is_harmless = false;
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

Damage Flip(const std::string& where, std::function<size_t(const Anatomy&)> position,
            bool is_harmless = false) {
  return {"FlippedByteIn" + where,
          [=](const std::string& path, const Bytes& file, const Anatomy& anatomy) {
            Bytes damaged = file;
            const size_t at = position(anatomy);
            damaged.at(at) = static_cast<char>(damaged.at(at) ^ 0xff);
            WriteWholeFile(path, damaged);
          },
          is_harmless};
}

Damage ZeroPage(const std::string& where, std::function<size_t(const Anatomy&)> position) {
  return {"ZeroedPageIn" + where,
          [=](const std::string& path, const Bytes& file, const Anatomy& anatomy) {
            Bytes damaged = file;
            const size_t page = position(anatomy) & ~size_t{4095};
            const size_t size = std::min<size_t>(4096, damaged.size() - page);
            damaged.replace(page, size, size, '\0');
            WriteWholeFile(path, damaged);
          }};
}

Damage Truncate(size_t sixteenths) {
  return {"TruncatedAt" + std::to_string(sixteenths) + "Of16",
          [=](const std::string& path, const Bytes& file, const Anatomy&) {
            WriteWholeFile(path, ByteView(file).substr(0, file.size() * sixteenths / 16));
          }};
}

Damage Replace(const std::string& by, std::function<void(const std::string& path)> make) {
  return {"ReplacedBy" + by, [=](const std::string& path, const Bytes&, const Anatomy&) {
            ASSERT_EQ(::unlink(path.c_str()), 0);
            make(path);
          }};
}

#define HELIOS_AT(base, field) [](const Anatomy& a) { return a.base + (field); }

std::vector<Damage> AllDamages() {
  std::vector<Damage> damages{
      {"EmptyFile",
       [](const std::string& path, const Bytes&, const Anatomy&) { WriteWholeFile(path, ""); }},
      {"LastByteMissing",
       [](const std::string& path, const Bytes& file, const Anatomy&) {
         WriteWholeFile(path, ByteView(file).substr(0, file.size() - 1));
       }},
      {"BytesBehindTheEnd", [](const std::string& path, const Bytes& file,
                               const Anatomy&) { WriteWholeFile(path, file + "more"); }},
      Replace("AFolder",
              [](const std::string& path) { ASSERT_EQ(::mkdir(path.c_str(), 0700), 0); }),
      Replace("AFifo", [](const std::string& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); }),
      Replace("ADanglingSymlink",
              [](const std::string& path) { ASSERT_EQ(::symlink("nowhere", path.c_str()), 0); }),
      Replace("ASymlinkToItself",
              [](const std::string& path) { ASSERT_EQ(::symlink(path.c_str(), path.c_str()), 0); }),
      Replace("ASymlinkToAnEndlessFile",
              [](const std::string& path) { ASSERT_EQ(::symlink("/dev/zero", path.c_str()), 0); }),

      Flip("HeaderMagic", [](const Anatomy&) { return offsetof(PackHeader, magic); }),
      Flip("HeaderVersion", [](const Anatomy&) { return offsetof(PackHeader, version); }),
      Flip(
          "HeaderReserved", [](const Anatomy&) { return offsetof(PackHeader, reserved); }, true),
      Flip("FrameMagic", HELIOS_AT(zstd_at, offsetof(FrameHeader, magic))),
      Flip("FrameEncoding", HELIOS_AT(zstd_at, offsetof(FrameHeader, encoding))),
      Flip("StoredFrameEncoding", HELIOS_AT(stored_at, offsetof(FrameHeader, encoding))),
      Flip("FrameMemberCount", HELIOS_AT(zstd_at, offsetof(FrameHeader, member_count))),
      Flip("FrameMemberCountHighByte", HELIOS_AT(zstd_at, offsetof(FrameHeader, member_count) + 3)),
      Flip("FrameRawLength", HELIOS_AT(zstd_at, offsetof(FrameHeader, raw_length))),
      Flip("FrameRawLengthHighByte", HELIOS_AT(zstd_at, offsetof(FrameHeader, raw_length) + 3)),
      Flip("FramePayloadLength", HELIOS_AT(zstd_at, offsetof(FrameHeader, payload_length))),
      Flip("FrameCheck", HELIOS_AT(zstd_at, offsetof(FrameHeader, check))),
      Flip("MemberLength", HELIOS_AT(zstd_at, sizeof(FrameHeader) + offsetof(Member, length))),
      Flip("MemberKind", HELIOS_AT(zstd_at, sizeof(FrameHeader) + offsetof(Member, kind))),
      Flip("ZstdPayload", HELIOS_AT(zstd_payload_at, a.zstd_payload / 2)),
      Flip("ZstdPayloadFirstByte", HELIOS_AT(zstd_payload_at, 0)),
      Flip("ZstdPayloadLastByte", HELIOS_AT(zstd_payload_at, a.zstd_payload - 1)),
      Flip("StoredPayload", HELIOS_AT(stored_payload_at, a.stored_payload / 2)),
      Flip("StoredPayloadLastByte", HELIOS_AT(stored_payload_at, a.stored_payload - 1)),
      Flip("FrameTableOffset", HELIOS_AT(frames_at, offsetof(FrameRef, offset))),
      Flip("FrameTableLength", HELIOS_AT(frames_at, offsetof(FrameRef, length))),
      Flip("FrameTableRawLength", HELIOS_AT(frames_at, offsetof(FrameRef, raw_length))),
      Flip("BucketTableFirst", HELIOS_AT(buckets_at, offsetof(BucketRef, first))),
      Flip("BucketTableCount", HELIOS_AT(buckets_at, offsetof(BucketRef, count))),
      Flip("BucketTableCheck", HELIOS_AT(buckets_at, offsetof(BucketRef, check))),
      Flip("IndexEntryId", HELIOS_AT(entries_at, offsetof(IndexEntry, id))),
      Flip("IndexEntryFrame", HELIOS_AT(entries_at, offsetof(IndexEntry, frame))),
      Flip("IndexEntryOffset", HELIOS_AT(entries_at, offsetof(IndexEntry, offset))),
      Flip("IndexEntryLength", HELIOS_AT(entries_at, offsetof(IndexEntry, length))),
      Flip("IndexEntryKind", HELIOS_AT(entries_at, offsetof(IndexEntry, kind))),
      Flip("FooterIndexOffset", HELIOS_AT(footer_at, offsetof(PackFooter, index_offset))),
      Flip("FooterObjectBytes", HELIOS_AT(footer_at, offsetof(PackFooter, object_bytes))),
      Flip("FooterObjectCount", HELIOS_AT(footer_at, offsetof(PackFooter, object_count))),
      Flip("FooterFrameCount", HELIOS_AT(footer_at, offsetof(PackFooter, frame_count))),
      Flip("FooterBucketBits", HELIOS_AT(footer_at, offsetof(PackFooter, bucket_bits))),
      Flip("FooterTableCheck", HELIOS_AT(footer_at, offsetof(PackFooter, table_check))),
      Flip("FooterCheck", HELIOS_AT(footer_at, offsetof(PackFooter, check))),
      Flip("FooterMagic", HELIOS_AT(footer_at, offsetof(PackFooter, magic))),

      ZeroPage("Header", [](const Anatomy&) { return size_t{0}; }),
      ZeroPage("ZstdPayload", HELIOS_AT(zstd_payload_at, a.zstd_payload / 2)),
      ZeroPage("StoredPayload", HELIOS_AT(stored_payload_at, a.stored_payload / 2)),
      ZeroPage("Tables", HELIOS_AT(frames_at, 0)),
      ZeroPage("IndexEntries", HELIOS_AT(entries_at, 3 * 4096)),
      ZeroPage("Footer", HELIOS_AT(footer_at, sizeof(PackFooter) - 1)),
  };
  for (size_t sixteenths = 1; sixteenths < 16; ++sixteenths) {
    damages.push_back(Truncate(sixteenths));
  }
  return damages;
}

// A damaged pack, and a whole one beside it.
class DamagedPackTest : public ::testing::TestWithParam<Damage> {
 protected:
  DamagedPackTest() {
    hit_ = MakeBlobs(600, 1, 150);  // several index buckets, compressed frames
    for (uint64_t i = 0; i < 5; ++i) {
      hit_.push_back(MakeObject(ObjectKind::kTree, TextBytes(2000, i)));
    }
    hit_.push_back(MakeBlob(TextBytes(300'000, 9)));
    hit_.push_back(MakeBlob(RandomBytes(100'000, 9)));  // a stored frame
    Put(hit_);
    // Of two packs of one size the first by name is asked first: that shall be the damaged one.
    std::filesystem::rename(folder_ / PacksIn(folder_.path()).front(), folder_ / name_);
    file_ = ReadWholeFile(folder_ / name_);
    spared_ = MakeBlobs(50, 2);
    spared_.push_back(MakeBlob(RandomBytes(100'000, 10)));
    Put(spared_);
  }

  void Put(const std::vector<Object>& objects) {
    ASSERT_TRUE(Ok(OpenPacks(folder_.path())->PutMany(objects)));
  }
  void Inflict() { GetParam().inflict(folder_ / name_, file_, Anatomy(file_)); }

  // As the engine reads: nothing unverified comes out.
  std::unique_ptr<ObjectStore> OpenVerifying() {
    std::unique_ptr<ObjectStore> store = OpenPacks(folder_.path());
    return store ? std::make_unique<VerifyingStore>(std::move(store)) : nullptr;
  }
  // Whether this is an error about damage that tells the name of the pack.
  ::testing::AssertionResult NamesThePack(const Error& error) const {
    if ((error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported) &&
        error.message().find(name_) != std::string::npos) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << ::testing::PrintToString(error);
  }

  TempFolder folder_;
  std::vector<Object> hit_;
  std::vector<Object> spared_;
  const std::string name_ = "0-damaged.pack";
  Bytes file_;
};

TEST_P(DamagedPackTest, GivesRightBytesOrNamesThePack) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  size_t errors = 0;
  for (const Object& object : hit_) {
    const Result<std::optional<Bytes>> bytes = store->Get(object.key);
    if (!bytes) {
      ASSERT_TRUE(NamesThePack(bytes.error())) << object.key.ToString();
      ++errors;
      continue;
    }
    ASSERT_TRUE(bytes->has_value()) << "damage passes for absence: " << object.key.ToString();
    ASSERT_TRUE(**bytes == object.bytes) << "wrong bytes: " << object.key.ToString();
  }
  EXPECT_EQ(errors == 0, GetParam().is_harmless);
}

TEST_P(DamagedPackTest, GetManyGivesRightBytesOrNamesThePack) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  const Result<void> result =
      store->GetMany(KeysOf(hit_), [&](size_t i, std::optional<ByteView> bytes) -> Result<void> {
        EXPECT_TRUE(bytes.has_value()) << "damage passes for absence";
        EXPECT_TRUE(bytes && *bytes == hit_[i].bytes) << "wrong bytes";
        return {};
      });
  EXPECT_EQ(result.has_value(), GetParam().is_harmless);
  if (!result) {
    EXPECT_TRUE(NamesThePack(result.error()));
  }
}

TEST_P(DamagedPackTest, ForEachKeyVisitsAllOrNamesThePack) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder_.path());
  ASSERT_NE(store, nullptr);
  std::map<ObjectKey, uint64_t> keys;
  const Result<void> result =
      store->ForEachKey([&](const ObjectKey& key, uint64_t size) -> Result<void> {
        keys[key] = size;
        return {};
      });
  if (!result) {
    EXPECT_TRUE(NamesThePack(result.error()));
    return;
  }
  EXPECT_EQ(keys.size(), hit_.size() + spared_.size());
  for (const Object& object : hit_) ASSERT_EQ(keys[object.key], object.bytes.size());
}

TEST_P(DamagedPackTest, DoesNotHideObjectsOfOtherPacks) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  for (const Object& object : spared_) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
  const Result<std::vector<bool>> has = store->HasMany(KeysOf(spared_));
  ASSERT_TRUE(Ok(has));
  EXPECT_EQ(*has, std::vector<bool>(spared_.size(), true));
}

TEST_P(DamagedPackTest, DoesNotHideWhatIsPutLater) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  const std::vector<Object> later = MakeBlobs(20, 3);
  ASSERT_TRUE(Ok(store->PutMany(later)));
  for (const Object& object : later) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
}

TEST_P(DamagedPackTest, HealsWhenItsObjectsArePutAgain) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(Ok(store->PutMany(hit_)));
  for (const Object& object : hit_) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
  EXPECT_TRUE(Ok(store->GetMany(KeysOf(hit_), [&](size_t i, std::optional<ByteView> bytes) {
    EXPECT_TRUE(bytes && *bytes == hit_[i].bytes) << hit_[i].key.ToString();
    return Result<void>();
  })));
}

TEST_P(DamagedPackTest, StaysHealedWhenPacksAreMerged) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(Ok(store->PutMany(hit_)));
  // All of a size with the damaged one and its second copy, so that both get into a merge.
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(Ok(store->PutMany(std::vector<Object>{MakeBlob(RandomBytes(150'000, 100 + i))})));
    const Result<void> maintained = store->Maintain();
    if (!maintained) {
      EXPECT_TRUE(NamesThePack(maintained.error()));
    }
  }
  const std::unique_ptr<ObjectStore> again = OpenVerifying();
  for (const Object& object : hit_) ASSERT_TRUE(Ok(ExpectHolds(*again, object)));
  for (const Object& object : spared_) ASSERT_TRUE(Ok(ExpectHolds(*again, object)));
}

TEST_P(DamagedPackTest, DoesNotKeepOtherPacksFromMerging) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  std::vector<Object> later;
  for (uint64_t i = 0; i < 40; ++i) {
    const std::vector<Object> objects = MakeBlobs(1, 100 + i);
    ASSERT_TRUE(Ok(store->PutMany(objects)));
    later.insert(later.end(), objects.begin(), objects.end());
    const Result<void> maintained = store->Maintain();
    if (!maintained) {
      EXPECT_TRUE(NamesThePack(maintained.error()));
    }
  }
  EXPECT_LE(PacksIn(folder_.path()).size(), 14u);
  for (const Object& object : later) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
  for (const Object& object : spared_) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
}

INSTANTIATE_TEST_SUITE_P(, DamagedPackTest, ::testing::ValuesIn(AllDamages()),
                         [](const auto& damage) { return damage.param.name; });

// Every byte and every length of a small pack, beside the named structures above.
class TinyPackTest : public ::testing::Test {
 protected:
  TinyPackTest() {
    objects_ = {MakeBlob(TextBytes(500, 1)), MakeBlob(RandomBytes(50, 2)),
                MakeObject(ObjectKind::kTree, RandomBytes(60, 3)), MakeBlob("")};
    EXPECT_TRUE(Ok(OpenPacks(folder_.path())->PutMany(objects_)));
    name_ = PacksIn(folder_.path()).front();
    file_ = ReadWholeFile(folder_ / name_);
  }
  // Right bytes, or an error of the store or of verification; never anything else.
  void ExpectNothingWrong(const Bytes& damaged, const std::string& what) {
    WriteWholeFile(folder_ / name_, damaged);
    Result<std::unique_ptr<ObjectStore>> opened = PackStore::Open(folder_.path());
    if (!opened) return;  // whether it should open is asked above
    VerifyingStore store(std::move(opened).value());
    for (const Object& object : objects_) {
      const Result<std::optional<Bytes>> bytes = store.Get(object.key);
      if (!bytes) {
        ASSERT_TRUE((bytes.error().code() == ErrorCode::kCorrupt ||
                     bytes.error().code() == ErrorCode::kUnsupported) &&
                    bytes.error().message().find(name_) != std::string::npos &&
                    bytes.error().message().find(object.key.ToString()) != std::string::npos)
            << what << ": " << ::testing::PrintToString(bytes.error());
        continue;
      }
      ASSERT_TRUE(bytes->has_value()) << what << ": damage passes for absence";
      ASSERT_TRUE(**bytes == object.bytes) << what << ": wrong bytes";
    }
  }

  TempFolder folder_;
  std::vector<Object> objects_;
  std::string name_;
  Bytes file_;
};

TEST_F(TinyPackTest, DamagedFrameIsNamedByPackOffsetAndObject) {
  const Anatomy anatomy(file_);
  size_t damaged_objects = 0;
  for (uint32_t i = 0; i < anatomy.footer.frame_count; ++i) {
    const auto ref =
        LoadLittleEndian<FrameRef>(file_.data() + anatomy.frames_at + i * sizeof(FrameRef));
    Bytes damaged = file_;
    damaged[ref.offset + ref.length - 1] ^= 0x10;
    WriteWholeFile(folder_ / name_, damaged);
    const std::string place =
        "damaged pack " + (folder_ / name_) + ": frame at " + std::to_string(ref.offset) + ": ";
    const std::unique_ptr<ObjectStore> store = OpenPacks(folder_.path());
    for (const Object& object : objects_) {
      const Result<std::optional<Bytes>> bytes = store->Get(object.key);
      if (bytes) continue;
      ++damaged_objects;
      EXPECT_TRUE(Fails(bytes, ErrorCode::kCorrupt, place));
      EXPECT_TRUE(Fails(bytes, ErrorCode::kCorrupt, object.key.ToString()));
      const Object& other = &object == &objects_[0] ? objects_[1] : objects_[0];
      EXPECT_TRUE(Fails(store->Delete({&other.key, 1}), ErrorCode::kCorrupt, place));
    }
  }
  EXPECT_EQ(damaged_objects, objects_.size());
}

TEST_F(TinyPackTest, NoFlippedByteGivesWrongBytes) {
  for (size_t at = 0; at < file_.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      Bytes damaged = file_;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      ExpectNothingWrong(damaged, "byte " + std::to_string(at));
    }
  }
}

TEST_F(TinyPackTest, NoTruncationGivesWrongBytes) {
  for (size_t size = 0; size < file_.size(); ++size) {
    ExpectNothingWrong(file_.substr(0, size), "length " + std::to_string(size));
  }
}

TEST_F(TinyPackTest, NoNoiseGivesWrongBytes) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    test::Random random(seed);
    Bytes damaged = file_;
    const size_t start = random.Below(damaged.size());
    const size_t length = std::min(random.Below(64) + 1, damaged.size() - start);
    damaged.replace(start, length, RandomBytes(length, seed));
    ExpectNothingWrong(damaged, "seed " + std::to_string(seed));
  }
}

TEST(PackStoreTest, SwappedNamesAreFine) {
  const TempFolder folder;
  const std::vector<Object> first = MakeBlobs(10, 1);
  const std::vector<Object> second = MakeBlobs(20, 2);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(first)));
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(second)));
  const std::vector<std::string> names = PacksIn(folder.path());
  ASSERT_EQ(names.size(), 2u);
  std::filesystem::rename(folder / names[0], folder / "aside");
  std::filesystem::rename(folder / names[1], folder / names[0]);
  std::filesystem::rename(folder / "aside", folder / names[1]);
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, first)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, second)));
}

TEST(PackStoreTest, PackUnderAnyNameIsFine) {
  // A pack travels as it is.
  const TempFolder from;
  const TempFolder to;
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok(OpenPacks(from.path())->PutMany(objects)));
  std::filesystem::copy(from / PacksIn(from.path()).front(), to / "from-elsewhere.pack");
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(to.path()), objects)));
}

TEST(PackStoreTest, NamesAVersionItDoesNotKnow) {
  const TempFolder folder;
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  const std::string name = PacksIn(folder.path()).front();
  Bytes file = ReadWholeFile(folder / name);
  file[offsetof(PackHeader, version)] = 77;
  WriteWholeFile(folder / name, file);
  // At the latest when something is missed.
  Result<std::unique_ptr<ObjectStore>> store = PackStore::Open(folder.path());
  const Result<std::optional<Bytes>> bytes =
      store ? (*store)->Get(objects[0].key) : std::move(store).error();
  EXPECT_TRUE(Fails(bytes, ErrorCode::kUnsupported, name));
  EXPECT_TRUE(Fails(bytes, ErrorCode::kUnsupported, "77"));
}

TEST(PackStoreTest, PackThatShrinksUnderAReaderIsAnErrorNotASignal) {
  const TempFolder folder;
  const std::vector<Object> objects = MakeBlobs(2000, 1);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  const std::unique_ptr<ObjectStore> reader = OpenPacks(folder.path());
  const std::string name = PacksIn(folder.path()).front();
  std::filesystem::resize_file(folder / name, 20);
  EXPECT_TRUE(Fails(reader->Get(objects.back().key), ErrorCode::kCorrupt, name));
  EXPECT_TRUE(Fails(reader->ForEachKey([](const ObjectKey&, uint64_t) { return Result<void>(); }),
                    ErrorCode::kCorrupt, name));
}

TEST(PackStoreTest, ForeignFilesAreLeftAlone) {
  const TempFolder folder;
  WriteWholeFile(folder / "README", "not ours");
  WriteWholeFile(folder / ".hidden.pack", "not ours either");
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const std::vector<Object> objects = MakeBlobs(10, 1);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Ok(store->PutMany(objects)));
  ASSERT_TRUE(Ok(store->Maintain()));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, objects)));
  EXPECT_EQ(ReadWholeFile(folder / "README"), "not ours");
  EXPECT_EQ(ReadWholeFile(folder / ".hidden.pack"), "not ours either");
}

TEST(PackStoreTest, NoPackAppearsForAnEmptyBatch) {
  const TempFolder folder;
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany({})));
  EXPECT_TRUE(PacksIn(folder.path()).empty());
}

TEST(PackStoreTest, MissingFolderIsAnError) {
  const TempFolder folder;
  EXPECT_TRUE(Fails(PackStore::Open(folder / "nowhere"), ErrorCode::kFailed, "nowhere"));
}

}  // namespace
}  // namespace helios::pack

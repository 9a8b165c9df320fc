// What the file system may do to packs: fail, refuse, hold something else, hold absurd numbers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>

#include "base/fd.h"
#include "object/hash.h"
#include "store/pack/pack_store.h"
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

}  // namespace
}  // namespace helios::pack

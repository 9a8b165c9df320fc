// What has reached the disk when a call returns. fsync stands here before the C library's, and
// notes what a folder held when it was synced last.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <mutex>

#include "store/pack/pack_store.h"
#include "store/testing.h"

namespace helios::pack {
namespace {

using test::KeysOf;
using test::MakeBlobs;
using test::Ok;
using test::PacksIn;
using test::TempFolder;

using Names = std::vector<std::string>;

class SyncedFolders {
 public:
  static SyncedFolders& Get() {
    static SyncedFolders folders;
    return folders;
  }
  void Note(int fd) {
    std::error_code error;
    const auto path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error).string();
    if (error || !std::filesystem::is_directory(path, error)) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    names_[path] = PacksIn(path);
  }
  Names In(const std::string& folder) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return names_[std::filesystem::canonical(folder).string()];
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Names> names_;
};

TEST(PackSyncTest, SyncMakesWhatIsVisibleDurable) {
  const TempFolder folder;
  Result<std::unique_ptr<ObjectStore>> store = PackStore::Open(folder.path());
  ASSERT_TRUE(Ok(store));
  ASSERT_TRUE(Ok((*store)->PutMany(MakeBlobs(3, 1))));
  EXPECT_NE(SyncedFolders::Get().In(folder.path()), PacksIn(folder.path()));
  ASSERT_TRUE(Ok((*store)->Sync()));
  EXPECT_EQ(SyncedFolders::Get().In(folder.path()), PacksIn(folder.path()));
}

TEST(PackSyncTest, MergedPackIsDurableBeforeTheOldOnesGo) {
  const TempFolder folder;
  Result<std::unique_ptr<ObjectStore>> store = PackStore::Open(folder.path());
  ASSERT_TRUE(Ok(store));
  for (uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(Ok((*store)->PutMany(MakeBlobs(3, i))));
  const Names old = PacksIn(folder.path());
  ASSERT_TRUE(Ok((*store)->Maintain()));
  Names both = PacksIn(folder.path());
  ASSERT_EQ(both.size(), 1u);
  both.insert(both.end(), old.begin(), old.end());
  std::sort(both.begin(), both.end());
  EXPECT_EQ(SyncedFolders::Get().In(folder.path()), both);
}

TEST(PackSyncTest, OptimizedPackIsDurableBeforeTheOldOnesGo) {
  const TempFolder folder;
  Result<std::unique_ptr<ObjectStore>> store = PackStore::Open(folder.path());
  ASSERT_TRUE(Ok(store));
  for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(Ok((*store)->PutMany(MakeBlobs(3, i))));
  const Names old = PacksIn(folder.path());
  ASSERT_TRUE(Ok((*store)->Optimize({})));
  Names both = PacksIn(folder.path());
  ASSERT_EQ(both.size(), 1u);
  both.insert(both.end(), old.begin(), old.end());
  std::sort(both.begin(), both.end());
  EXPECT_EQ(SyncedFolders::Get().In(folder.path()), both);
}

TEST(PackSyncTest, DeletedObjectsDoNotComeBackAfterAPowerCut) {
  const TempFolder folder;
  Result<std::unique_ptr<ObjectStore>> store = PackStore::Open(folder.path());
  ASSERT_TRUE(Ok(store));
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok((*store)->PutMany(objects)));
  ASSERT_TRUE(Ok((*store)->PutMany(MakeBlobs(10, 2))));
  ASSERT_TRUE(Ok((*store)->Delete({KeysOf(objects).data(), 1})));
  EXPECT_EQ(SyncedFolders::Get().In(folder.path()), PacksIn(folder.path()));
}

}  // namespace
}  // namespace helios::pack

extern "C" int fsync(int fd) {
  helios::pack::SyncedFolders::Get().Note(fd);
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

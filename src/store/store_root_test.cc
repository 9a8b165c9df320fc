#include "store/store_root.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::MakeBlobs;
using test::Ok;
using test::Processes;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

size_t CountEntries(const std::string& folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    count += entry.exists() || entry.is_symlink() ? 1 : 0;
  }
  return count;
}

class StoreRootTest : public ::testing::Test {
 protected:
  Result<Backend> Identify() { return IdentifyStore(path_, {&backend_, 1}); }

  const Backend backend_ = PackBackend();
  TempFolder folder_;
  const std::string path_ = folder_ / "store";
};

TEST_F(StoreRootTest, CreatesAWholeStore) {
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  const StorePaths paths{path_};
  EXPECT_TRUE(std::filesystem::is_regular_file(paths.Marker()));
  EXPECT_TRUE(std::filesystem::is_regular_file(paths.OperationLog()));
  EXPECT_TRUE(std::filesystem::is_regular_file(paths.Lock()));
  EXPECT_TRUE(std::filesystem::is_directory(paths.Workspaces()));
  EXPECT_TRUE(std::filesystem::is_directory(paths.BackendFolder("pack")));
  EXPECT_EQ(CountEntries(folder_.path()), 1u);  // no temporary folder is left

  const Result<Backend> backend = Identify();
  ASSERT_TRUE(Ok(backend));
  EXPECT_EQ(backend->name, "pack");
  Result<std::unique_ptr<ObjectStore>> store = backend->open(paths.BackendFolder("pack"), {});
  ASSERT_TRUE(Ok(store));
  EXPECT_TRUE(Ok((*store)->PutMany(MakeBlobs(3, 1))));
}

TEST_F(StoreRootTest, TheMarkerSaysWhereTheObjectsAre) {
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  const std::string marker = StorePaths{path_}.Marker();
  EXPECT_EQ(ReadWholeFile(marker), "helios store\nversion: 1\nbackend: pack\n");
  EXPECT_EQ(ReadIdentity(path_).value(), (StoreIdentity{"pack", 0}));
  ASSERT_TRUE(Ok(WriteIdentity(path_, {"pack", 12})));
  EXPECT_EQ(ReadWholeFile(marker), "helios store\nversion: 1\nbackend: pack\nmoved: 12\n");
  EXPECT_EQ(ReadIdentity(path_).value(), (StoreIdentity{"pack", 12}));
  EXPECT_TRUE(Ok(Identify()));
  for (const std::string moved : {"", "-1", "1x", "99999999999999999999"}) {
    WriteWholeFile(marker, "helios store\nversion: 1\nbackend: pack\nmoved: " + moved + "\n");
    EXPECT_TRUE(Fails(Identify(), ErrorCode::kCorrupt, marker)) << moved;
  }
}

TEST_F(StoreRootTest, StoreIsItsOwnersAlone) {
  const mode_t before = ::umask(0);
  const Result<void> created = CreateStore(path_, backend_);
  ::umask(before);
  ASSERT_TRUE(Ok(created));
  struct stat status;
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
}

TEST_F(StoreRootTest, CreatesTheFoldersAbove) {
  ASSERT_TRUE(Ok(CreateStore(path_ + "/deep/down", backend_)));
  EXPECT_TRUE(Ok(IdentifyStore(path_ + "/deep/down", {&backend_, 1})));
}

TEST_F(StoreRootTest, TakesAnEmptyFolder) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0755), 0);
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  EXPECT_TRUE(Ok(Identify()));
}

TEST_F(StoreRootTest, TakesAPathThatEndsInASlash) {
  const Result<void> created = CreateStore(path_ + "/", backend_);
  ASSERT_TRUE(Ok(created));
  EXPECT_TRUE(Ok(Identify()));
  EXPECT_EQ(CountEntries(folder_.path()), 1u);
}

TEST_F(StoreRootTest, CreatingAgainKeepsWhatIsThere) {
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  WriteWholeFile(StorePaths{path_}.OperationLog(), "history");
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  EXPECT_EQ(ReadWholeFile(StorePaths{path_}.OperationLog()), "history");
  EXPECT_EQ(CountEntries(folder_.path()), 1u);
}

TEST_F(StoreRootTest, ProcessesThatCreateTheSameStoreGetOne) {
  for (int round = 0; round < 5; ++round) {
    const TempFolder folder;
    const std::string path = folder / "store";
    Processes processes;
    for (uint64_t process = 0; process < 8; ++process) {
      processes.Add([&, process]() -> Result<void> {
        HELIOS_TRY(CreateStore(path, backend_));
        HELIOS_TRY_ASSIGN(const Backend backend, IdentifyStore(path, {&backend_, 1}));
        HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectStore> store,
                          backend.open(StorePaths{path}.BackendFolder(backend.name), {}));
        return store->PutMany(MakeBlobs(2, process));
      });
    }
    ASSERT_EQ(processes.WaitForAll(), 0);
    EXPECT_EQ(CountEntries(folder.path()), 1u);
    // What each of them put went into the store that all of them see.
    Result<std::unique_ptr<ObjectStore>> store =
        backend_.open(StorePaths{path}.BackendFolder("pack"), {});
    ASSERT_TRUE(Ok(store));
    for (uint64_t process = 0; process < 8; ++process) {
      EXPECT_TRUE(Ok(test::ExpectHoldsAll(**store, MakeBlobs(2, process)))) << process;
    }
  }
}

TEST_F(StoreRootTest, RefusesAFolderThatIsNoStore) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0755), 0);
  WriteWholeFile(path_ + "/notes.txt", "mine");
  EXPECT_TRUE(Fails(CreateStore(path_, backend_), ErrorCode::kFailed, path_));
  EXPECT_EQ(ReadWholeFile(path_ + "/notes.txt"), "mine");
  EXPECT_EQ(CountEntries(path_), 1u);
  EXPECT_EQ(CountEntries(folder_.path()), 1u);
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kNoStore, path_));
}

TEST_F(StoreRootTest, RefusesAFile) {
  WriteWholeFile(path_, "a file");
  EXPECT_TRUE(Fails(CreateStore(path_, backend_), ErrorCode::kFailed, path_));
  EXPECT_EQ(ReadWholeFile(path_), "a file");
  EXPECT_EQ(CountEntries(folder_.path()), 1u);
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kNoStore, path_));
}

TEST_F(StoreRootTest, BackendThatFailsLeavesNothing) {
  Backend failing = backend_;
  failing.create = [](const std::string&) -> Result<void> {
    return Error(ErrorCode::kNoSpace, "no room");
  };
  EXPECT_TRUE(Fails(CreateStore(path_, failing), ErrorCode::kNoSpace, "no room"));
  EXPECT_EQ(CountEntries(folder_.path()), 0u);
}

TEST_F(StoreRootTest, NothingThereIsNoStore) {
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kNoStore, path_));
  ASSERT_EQ(::mkdir(path_.c_str(), 0755), 0);
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kNoStore, path_));
  EXPECT_TRUE(Fails(IdentifyStore("/dev/null/store", {&backend_, 1}), ErrorCode::kNoStore,
                    "/dev/null/store"));
}

TEST_F(StoreRootTest, NamesAVersionItDoesNotKnow) {
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  WriteWholeFile(StorePaths{path_}.Marker(), "helios store\nversion: 42\nbackend: pack\n");
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kUnsupported, "\"42\""));
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kUnsupported, path_));
}

TEST_F(StoreRootTest, NamesABackendItDoesNotKnow) {
  Backend other = backend_;
  other.name = "granite";
  ASSERT_TRUE(Ok(CreateStore(path_, other)));
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kUnsupported, "\"granite\""));
  EXPECT_TRUE(Ok(IdentifyStore(path_, std::vector<Backend>{backend_, other})));
}

TEST_F(StoreRootTest, DamagedMarkerIsNamed) {
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  const std::string marker = StorePaths{path_}.Marker();
  const Bytes right = ReadWholeFile(marker);
  for (size_t size = 0; size < right.size(); ++size) {
    WriteWholeFile(marker, right.substr(0, size));
    EXPECT_TRUE(Fails(Identify(), ErrorCode::kCorrupt, marker)) << size;
  }
  for (const Bytes& wrong :
       {Bytes(100'000, 'x'), Bytes(right.size(), '\0'),
        Bytes("helios storeXYZ\nversion: 1\nbackend: pack\n"),
        Bytes("helios store version: 1\nversion: 1\nbackend: pack\n"),
        Bytes("helios store\nbackend: pack\n"), Bytes("helios store\nversion: 1\n"),
        Bytes("helios store\nversion: \nbackend: pack\n"),
        Bytes("helios store\nversion: one\nbackend: pack\n")}) {
    WriteWholeFile(marker, wrong);
    EXPECT_TRUE(Fails(Identify(), ErrorCode::kCorrupt, marker)) << wrong.substr(0, 80);
  }
  WriteWholeFile(marker, right + "a line that a later build knows\n");
  EXPECT_TRUE(Ok(Identify()));
}

TEST_F(StoreRootTest, MarkerIsNeverReadThroughALink) {
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  const std::string marker = StorePaths{path_}.Marker();
  std::filesystem::rename(marker, folder_ / "elsewhere");
  ASSERT_EQ(::symlink((folder_ / "elsewhere").c_str(), marker.c_str()), 0);
  EXPECT_FALSE(Identify());
  std::filesystem::remove(marker);
  ASSERT_EQ(::mkfifo(marker.c_str(), 0600), 0);
  EXPECT_FALSE(Identify());
}

TEST_F(StoreRootTest, RefusesAStoreOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  ASSERT_TRUE(Ok(CreateStore(path_, backend_)));
  ASSERT_EQ(::chown(path_.c_str(), 12345, 12345), 0);
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kFailed, "12345"));
  EXPECT_TRUE(Fails(Identify(), ErrorCode::kFailed, path_));
}

}  // namespace
}  // namespace helios

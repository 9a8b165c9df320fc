#include "history/ref_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <thread>

#include "base/hex.h"
#include "store/testing.h"

namespace helios {

void PrintTo(const Ref& ref, std::ostream* out) {
  *out << ref.name << " -> " << ref.record.digest.ToHex();
}

namespace {

namespace fs = std::filesystem;
using test::Fails;
using test::Ok;
using test::Processes;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

RecordId MakeRecordId(const std::string& text) { return {HashBlob(text).digest}; }

class RefStoreTest : public ::testing::Test {
 protected:
  // The file of a ref, by the rule of docs/format.md.
  std::string FileOf(const std::string& name) const {
    const std::string hex = HashBlob(name).digest.ToHex();
    return folder_ / ("refs/" + hex.substr(0, 2) + "/" + hex);
  }
  void Create(const std::string& name, const RecordId& record) {
    const Result<bool> created = refs_.CompareAndSwap(name, std::nullopt, record);
    ASSERT_TRUE(Ok(created));
    ASSERT_TRUE(*created) << name;
  }
  std::optional<RecordId> Get(const std::string& name) {
    const Result<std::optional<RecordId>> record = refs_.Get(name);
    EXPECT_TRUE(Ok(record));
    return record ? *record : std::nullopt;
  }
  std::vector<Ref> List() {
    const Result<std::vector<Ref>> refs = refs_.List();
    EXPECT_TRUE(Ok(refs));
    return refs ? *refs : std::vector<Ref>();
  }

  TempFolder folder_;
  const RefStore refs_{folder_ / "refs"};
  const RecordId one_ = MakeRecordId("one");
  const RecordId two_ = MakeRecordId("two");
};

TEST_F(RefStoreTest, BeginsEmptyAndReadingMakesNothing) {
  EXPECT_EQ(Get("tags/v1"), std::nullopt);
  EXPECT_TRUE(List().empty());
  const Result<bool> deleted = refs_.Delete("tags/v1");
  ASSERT_TRUE(Ok(deleted));
  EXPECT_FALSE(*deleted);
  EXPECT_FALSE(fs::exists(folder_ / "refs"));
}

TEST_F(RefStoreTest, MovesOnlyFromWhereItIsExpected) {
  Create("tags/v1", one_);
  EXPECT_EQ(Get("tags/v1"), one_);
  for (const std::optional<RecordId>& stale :
       {std::optional<RecordId>(), std::optional<RecordId>(two_)}) {
    const Result<bool> swapped = refs_.CompareAndSwap("tags/v1", stale, two_);
    ASSERT_TRUE(Ok(swapped));
    EXPECT_FALSE(*swapped);
    EXPECT_EQ(Get("tags/v1"), one_);
  }
  const Result<bool> swapped = refs_.CompareAndSwap("tags/v1", one_, two_);
  ASSERT_TRUE(Ok(swapped));
  EXPECT_TRUE(*swapped);
  EXPECT_EQ(Get("tags/v1"), two_);
  EXPECT_EQ(List(), (std::vector<Ref>{{"tags/v1", two_}}));
}

TEST_F(RefStoreTest, DoesNotMoveWhatIsNotThere) {
  const Result<bool> swapped = refs_.CompareAndSwap("tags/v1", one_, two_);
  ASSERT_TRUE(Ok(swapped));
  EXPECT_FALSE(*swapped);
  EXPECT_EQ(Get("tags/v1"), std::nullopt);
}

TEST_F(RefStoreTest, DeletedRefIsGoneAndCanBeMadeAgain) {
  Create("tags/v1", one_);
  Create("tags/v2", two_);
  const Result<bool> deleted = refs_.Delete("tags/v1");
  ASSERT_TRUE(Ok(deleted));
  EXPECT_TRUE(*deleted);
  EXPECT_EQ(Get("tags/v1"), std::nullopt);
  EXPECT_EQ(List(), (std::vector<Ref>{{"tags/v2", two_}}));
  const Result<bool> again = refs_.Delete("tags/v1");
  ASSERT_TRUE(Ok(again));
  EXPECT_FALSE(*again);
  Create("tags/v1", two_);
}

TEST_F(RefStoreTest, ListsByNameWhatAMapHolds) {
  std::map<std::string, RecordId> model;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "tags/n" + std::to_string(i * 7919 % 1000);
    model[name] = MakeRecordId(name);
    Create(name, model[name]);
  }
  std::vector<Ref> expected;
  for (const auto& [name, record] : model) expected.push_back({name, record});
  EXPECT_EQ(List(), expected);
}

TEST_F(RefStoreTest, KeepsNamesApartThatDifferInCaseOrNormalization) {
  const std::vector<std::string> names = {"tags/Release",  "tags/release",   "tags/RELEASE",
                                          "tags/\xc3\xa9", "tags/e\xcc\x81", "tags/\xff\xfe",
                                          "tags/a",        "tags/a/b"};
  for (const std::string& name : names) Create(name, MakeRecordId(name));
  for (const std::string& name : names) EXPECT_EQ(Get(name), MakeRecordId(name)) << name;
  EXPECT_EQ(List().size(), names.size());
  // Nothing in the files' names depends on case either.
  for (const auto& file : fs::recursive_directory_iterator(folder_ / "refs")) {
    const std::string name = file.path().filename().string();
    EXPECT_TRUE(name == "lock" || IsHex(name)) << name;
  }
}

TEST_F(RefStoreTest, IsReadByAnotherInstance) {
  Create("heads/main", one_);
  const RefStore other(folder_ / "refs");
  const Result<std::optional<RecordId>> record = other.Get("heads/main");
  ASSERT_TRUE(Ok(record));
  EXPECT_EQ(*record, one_);
}

// The example of docs/format.md.
TEST_F(RefStoreTest, WritesTheBytesOfTheFormatPage) {
  const std::optional<Digest> record =
      Digest::FromHex("19fed1da40cd3cbf3abd7822c1c647d402b700b820f52628dda8aef85a3bf066");
  Create("tags/v1", {*record});
  EXPECT_EQ(FileOf("tags/v1"),
            folder_ / "refs/a0/a05e1ef0bcac3f0665d161e6765a4ccd73b2306e56c8ed85c9982bdb72cf5a3b");
  EXPECT_EQ(HexEncode(ReadWholeFile(FileOf("tags/v1"))),
            "48454c494f535246"  // HELIOSRF
            "01000000"
            "07746167732f7631"  // tags/v1
            "19fed1da40cd3cbf3abd7822c1c647d402b700b820f52628dda8aef85a3bf066"
            "3cd136ad1bd7bfb6");
}

// ---- Names ----

TEST(RefNameTest, AcceptsOrdinaryNames) {
  for (const std::string& name :
       {std::string("v1"),         std::string("v1.0.2"),  std::string("tags/v1"),
        std::string("heads/main"), std::string("a/b/c/d"), std::string("release-2026_11+x"),
        std::string("user@host"),  std::string("v1@2"),    std::string("abc"),
        std::string("1"),          std::string("123"),     std::string("deadbeefx"),
        std::string("dead/beef"),  std::string("x/dead"),  std::string("#1"),
        std::string("{x}"),        std::string("a\"b"),    std::string("caf\xc3\xa9"),
        std::string("\xff"),       std::string("$HOME"),   std::string("a.b"),
        std::string("lock"),       std::string("a.lockx"), std::string("\xc2\xa0"),
        std::string(255, 'x')}) {
    EXPECT_TRUE(Ok(CheckRefName(name))) << name;
  }
}

TEST(RefNameTest, RefusesHostileNames) {
  for (const std::string& name : {std::string(),
                                  std::string("/"),
                                  std::string("/a"),
                                  std::string("a/"),
                                  std::string("a//b"),
                                  std::string("."),
                                  std::string(".."),
                                  std::string("a/.."),
                                  std::string("../a"),
                                  std::string("a/../b"),
                                  std::string("a..b"),
                                  std::string(".a"),
                                  std::string("a/.b"),
                                  std::string("a."),
                                  std::string("a./b"),
                                  std::string("a.lock"),
                                  std::string("a.lock/b"),
                                  std::string("-"),
                                  std::string("-a"),
                                  std::string("--force"),
                                  std::string("a/-b"),
                                  std::string("@"),
                                  std::string("@~"),
                                  std::string("@~1"),
                                  std::string("@a"),
                                  std::string("a@{1}"),
                                  std::string("a~1"),
                                  std::string("a^"),
                                  std::string("a:b"),
                                  std::string("blake3:abcd"),
                                  std::string("a?"),
                                  std::string("a*"),
                                  std::string("a[b]"),
                                  std::string("a\\b"),
                                  std::string("a b"),
                                  std::string("a\nb"),
                                  std::string("a\tb"),
                                  std::string("a\x1b[31m"),
                                  std::string("a\x7f"),
                                  std::string("a\0b", 3),
                                  std::string("a\xc2\x9b"),
                                  std::string("dead"),
                                  std::string("DEAD"),
                                  std::string("0000"),
                                  std::string("deadbeef"),
                                  std::string("tags/dead"),
                                  std::string("heads/1234"),
                                  std::string(64, 'a'),
                                  std::string(65, '0'),
                                  std::string(256, 'x'),
                                  "tags/" + std::string(251, 'x')}) {
    EXPECT_TRUE(Fails(CheckRefName(name), ErrorCode::kInvalidArgument, "cannot be a name")) << name;
  }
}

TEST_F(RefStoreTest, RefusesBadNamesEverywhere) {
  for (const std::string& name : {std::string("../x"), std::string(), std::string("a\0b", 3)}) {
    EXPECT_TRUE(Fails(refs_.Get(name), ErrorCode::kInvalidArgument, "cannot be a name"));
    EXPECT_TRUE(Fails(refs_.Delete(name), ErrorCode::kInvalidArgument, "cannot be a name"));
    EXPECT_TRUE(Fails(refs_.CompareAndSwap(name, std::nullopt, one_), ErrorCode::kInvalidArgument,
                      "cannot be a name"));
  }
  EXPECT_FALSE(fs::exists(folder_ / "refs"));
}

// ---- Races ----

// Moves the ref on `moves` times, from wherever the others have left it.
Result<void> Advance(const RefStore& refs, const std::string& name, const std::string& who,
                     int moves) {
  for (int i = 0; i < moves; ++i) {
    while (true) {
      HELIOS_TRY_ASSIGN(const std::optional<RecordId> current, refs.Get(name));
      // The next record names the one before: at the end, the chain tells every move.
      const RecordId next = MakeRecordId(current ? current->digest.ToHex() : "start");
      HELIOS_TRY_ASSIGN(const bool swapped, refs.CompareAndSwap(name, current, next));
      if (swapped) break;
    }
    HELIOS_TRY_ASSIGN(const bool own, refs.CompareAndSwap("heads/" + who + std::to_string(i),
                                                          std::nullopt, MakeRecordId(who)));
    if (!own) return Error(ErrorCode::kFailed, "lost a ref of its own");
  }
  return {};
}

RecordId ChainOf(int moves) {
  RecordId record = MakeRecordId("start");
  for (int i = 1; i < moves; ++i) record = MakeRecordId(record.digest.ToHex());
  return record;
}

TEST_F(RefStoreTest, ThreadsSwapWithExactlyOneWinnerEach) {
  constexpr int kThreads = 4;
  constexpr int kMoves = 25;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      if (!Advance(refs_, "heads/shared", "t" + std::to_string(i) + "-", kMoves)) ++failed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Get("heads/shared"), ChainOf(kThreads * kMoves));
  EXPECT_EQ(List().size(), size_t{kThreads * kMoves + 1});
}

TEST_F(RefStoreTest, ProcessesSwapWithExactlyOneWinnerEach) {
  constexpr int kProcesses = 4;
  constexpr int kMoves = 25;
  Processes processes;
  for (int i = 0; i < kProcesses; ++i) {
    processes.Add(
        [&, i] { return Advance(refs_, "heads/shared", "p" + std::to_string(i) + "-", kMoves); });
  }
  ASSERT_EQ(processes.WaitForAll(), 0);
  EXPECT_EQ(Get("heads/shared"), ChainOf(kProcesses * kMoves));
  EXPECT_EQ(List().size(), size_t{kProcesses * kMoves + 1});
}

TEST_F(RefStoreTest, OneOfManyCreatorsWins) {
  const std::string wins = folder_ / "wins";
  fs::create_directory(wins);
  Processes processes;
  for (int i = 0; i < 6; ++i) {
    processes.Add([&, i]() -> Result<void> {
      const std::string name = std::to_string(i);
      HELIOS_TRY_ASSIGN(const bool won,
                        refs_.CompareAndSwap("tags/v1", std::nullopt, MakeRecordId(name)));
      if (won) WriteWholeFile(wins + "/" + name, "");
      return {};
    });
  }
  ASSERT_EQ(processes.WaitForAll(), 0);
  std::vector<std::string> winners;
  for (const auto& file : fs::directory_iterator(wins)) {
    winners.push_back(file.path().filename().string());
  }
  ASSERT_EQ(winners.size(), 1u);
  EXPECT_EQ(Get("tags/v1"), MakeRecordId(winners[0]));
}

TEST_F(RefStoreTest, KilledWriterLeavesTheOldValueOrTheNew) {
  Create("tags/v1", one_);
  for (int round = 0; round < 20; ++round) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      for (bool told = false;; told = true) {
        if (told && ::write(ready[1], "x", 1) < 0) ::_exit(1);
        const Result<std::optional<RecordId>> now = refs_.Get("tags/v1");
        if (!now || !refs_.CompareAndSwap("tags/v1", *now, **now == one_ ? two_ : one_)) break;
      }
      ::_exit(1);
    }
    // Killed somewhere in a swap: after a number of them that differs from round to round.
    char byte;
    for (int i = 0; i <= round % 5; ++i) ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    const std::optional<RecordId> left = Get("tags/v1");
    ASSERT_TRUE(left == one_ || left == two_);
    const Result<bool> swapped = refs_.CompareAndSwap("tags/v1", left, one_);
    ASSERT_TRUE(Ok(swapped));
    EXPECT_TRUE(*swapped);
  }
  // The last writer cleared away what those before it left.
  const std::string folder = fs::path(FileOf("tags/v1")).parent_path();
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 2);
}

// ---- What a crash or a bad disk leaves behind ----

TEST_F(RefStoreTest, LeftoversOfWritersThatDiedAreNoRefs) {
  Create("tags/v1", one_);
  const std::string folder = fs::path(FileOf("tags/v1")).parent_path();
  WriteWholeFile(folder + "/.tmp-0123456789abcdef0123456789abcdef", "half a r");
  EXPECT_EQ(List(), (std::vector<Ref>{{"tags/v1", one_}}));
  ASSERT_TRUE(Ok(refs_.CompareAndSwap("tags/v1", one_, two_)));
  EXPECT_FALSE(fs::exists(folder + "/.tmp-0123456789abcdef0123456789abcdef"));
}

TEST_F(RefStoreTest, FoldersWithoutARefAreNoRefs) {
  fs::create_directories(folder_ / "refs/ab");
  fs::create_directories(folder_ / "refs/something");
  WriteWholeFile(folder_ / "refs/ab/lock", "");
  WriteWholeFile(folder_ / "refs/README", "");
  EXPECT_TRUE(List().empty());
}

TEST_F(RefStoreTest, TruncatedFileOfEveryLengthIsNamed) {
  Create("tags/v1", one_);
  Create("tags/v2", two_);
  const Bytes whole = ReadWholeFile(FileOf("tags/v1"));
  for (size_t size = 0; size < whole.size(); ++size) {
    WriteWholeFile(FileOf("tags/v1"), ByteView(whole).substr(0, size));
    EXPECT_TRUE(Fails(refs_.Get("tags/v1"), ErrorCode::kCorrupt, "ref \"tags/v1\" is damaged"));
    EXPECT_TRUE(Fails(refs_.CompareAndSwap("tags/v1", one_, two_), ErrorCode::kCorrupt,
                      "ref \"tags/v1\" is damaged"));
    EXPECT_TRUE(Fails(refs_.List(), ErrorCode::kCorrupt, FileOf("tags/v1")));
    EXPECT_EQ(Get("tags/v2"), two_);
  }
  WriteWholeFile(FileOf("tags/v1"), ByteView(whole).substr(0, whole.size() - 1));
  EXPECT_TRUE(Fails(refs_.List(), ErrorCode::kCorrupt, "ref \"tags/v1\" is damaged"));
}

TEST_F(RefStoreTest, NoFlippedBitIsBelieved) {
  Create("tags/v1", one_);
  const Bytes whole = ReadWholeFile(FileOf("tags/v1"));
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    WriteWholeFile(FileOf("tags/v1"), damaged);
    ASSERT_TRUE(Fails(refs_.Get("tags/v1"), ErrorCode::kCorrupt, "\"tags/v1\"")) << bit;
    ASSERT_TRUE(Fails(refs_.List(), ErrorCode::kCorrupt, FileOf("tags/v1"))) << bit;
  }
}

TEST_F(RefStoreTest, GarbageIsNamed) {
  Create("tags/v1", one_);
  const Bytes whole = ReadWholeFile(FileOf("tags/v1"));
  for (const Bytes& garbage : {Bytes(100, '\0'), RandomBytes(64, 1), RandomBytes(5000, 2),
                               whole + "x", whole + whole, Bytes("ref: tags/v2\n")}) {
    WriteWholeFile(FileOf("tags/v1"), garbage);
    EXPECT_TRUE(Fails(refs_.Get("tags/v1"), ErrorCode::kCorrupt, "\"tags/v1\""));
    EXPECT_TRUE(Fails(refs_.List(), ErrorCode::kCorrupt, FileOf("tags/v1")));
  }
}

TEST_F(RefStoreTest, FileOfAnotherRefIsNotBelieved) {
  Create("tags/v1", one_);
  Create("tags/v2", two_);
  fs::copy_file(FileOf("tags/v2"), FileOf("tags/v1"), fs::copy_options::overwrite_existing);
  EXPECT_TRUE(Fails(refs_.Get("tags/v1"), ErrorCode::kCorrupt, "\"tags/v1\""));
}

TEST_F(RefStoreTest, LinkFifoOrFolderInPlaceOfAFileIsNamed) {
  Create("tags/v1", one_);
  Create("tags/v2", two_);
  fs::remove(FileOf("tags/v1"));
  fs::create_symlink(FileOf("tags/v2"), FileOf("tags/v1"));
  EXPECT_TRUE(Fails(refs_.Get("tags/v1"), ErrorCode::kCorrupt, "\"tags/v1\""));
  fs::remove(FileOf("tags/v1"));
  ASSERT_EQ(::mkfifo(FileOf("tags/v1").c_str(), 0600), 0);
  EXPECT_TRUE(Fails(refs_.Get("tags/v1"), ErrorCode::kCorrupt, "\"tags/v1\""));
  fs::remove(FileOf("tags/v1"));
  fs::create_directory(FileOf("tags/v1"));
  EXPECT_TRUE(Fails(refs_.Get("tags/v1"), ErrorCode::kCorrupt, "\"tags/v1\""));
}

TEST_F(RefStoreTest, DamagedRefCanBeDeletedAndMadeAgain) {
  Create("tags/v1", one_);
  WriteWholeFile(FileOf("tags/v1"), "garbage");
  const Result<bool> deleted = refs_.Delete("tags/v1");
  ASSERT_TRUE(Ok(deleted));
  EXPECT_TRUE(*deleted);
  Create("tags/v1", two_);
  EXPECT_EQ(Get("tags/v1"), two_);
}

// A version to come is not damage. The check is right, as a newer program would write it.
TEST_F(RefStoreTest, NamesAVersionItDoesNotKnow) {
  Create("tags/v1", one_);
  Bytes file = ReadWholeFile(FileOf("tags/v1"));
  file[8] = 2;
  const uint64_t check = Checksum64(ByteView(file).substr(0, file.size() - 8));
  file.replace(file.size() - 8, 8, reinterpret_cast<const char*>(&check), 8);
  WriteWholeFile(FileOf("tags/v1"), file);
  EXPECT_TRUE(Fails(refs_.Get("tags/v1"), ErrorCode::kUnsupported, "version 2"));
}

}  // namespace
}  // namespace helios

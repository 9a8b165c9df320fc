// The operation log made anew: what stays of it, and every state that a crash can leave.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <thread>

#include "history/log_checkpoint.h"
#include "history/operation_log.h"
#include "object/testing.h"
#include "store/store_epoch.h"
#include "store/testing.h"

namespace helios {
namespace {

namespace fs = std::filesystem;
using test::Fails;
using test::Ok;
using test::Processes;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

RecordId RecordOf(int number) { return {HashBlob("record " + std::to_string(number)).digest}; }

class LogRetentionTest : public ::testing::Test {
 protected:
  LogRetentionTest() {
    WriteWholeFile(path_, "");
    fs::create_directory(folder_ / "workspaces");
  }

  Operation Make(const std::string& line, int number) const {
    Operation operation;
    operation.kind = OperationKind::kBranchCommit;
    operation.time = {1'700'000'000 + number, 1};
    operation.workspace = line;
    operation.record = RecordOf(number);
    operation.snapshot = {HashBlob("snapshot " + std::to_string(number)).digest};
    operation.path = line;
    return operation;
  }
  void Append(const std::string& line, int number) {
    Operation operation = Make(line, number);
    const Result<std::optional<Operation>> latest = log_.Latest(line);
    ASSERT_TRUE(Ok(latest));
    if (*latest && !line.empty()) operation.replaced = (*latest)->record;
    const Result<bool> appended = log_.Append(operation);
    ASSERT_TRUE(Ok(appended));
    ASSERT_TRUE(*appended);
  }
  // Lines a, b and none, by turns.
  void AppendMany(int first, int end) {
    for (int i = first; i < end; ++i) Append(i % 3 == 2 ? "" : std::string(1, "ab"[i % 3]), i);
  }
  std::vector<RecordId> Records() const {
    std::vector<RecordId> records;
    EXPECT_TRUE(
        Ok(log_.ForEach([&](const Operation& operation) { records.push_back(operation.record); })));
    return records;
  }
  static std::vector<RecordId> RecordsOf(std::initializer_list<int> numbers) {
    std::vector<RecordId> records;
    for (const int number : numbers) records.push_back(RecordOf(number));
    return records;
  }
  uint64_t Retain(const std::set<uint64_t>& numbers) {
    const Result<uint64_t> dropped =
        log_.Retain([&](uint64_t number, const Operation&) { return numbers.contains(number); });
    EXPECT_TRUE(Ok(dropped));
    return dropped ? *dropped : 0;
  }
  RecordId Head(const std::string& line) const {
    const Result<std::optional<Operation>> latest = log_.Latest(line);
    EXPECT_TRUE(Ok(latest));
    return latest && *latest ? (*latest)->record : RecordId();
  }

  const TempFolder folder_;
  const std::string path_ = folder_ / "operations";
  const OperationLog log_{path_, folder_ / "workspaces"};
};

TEST_F(LogRetentionTest, KeepsWhatItIsToldInItsOrder) {
  AppendMany(0, 12);
  EXPECT_EQ(Retain({1, 5, 6, 9, 10}), 7u);
  EXPECT_EQ(Records(), RecordsOf({1, 5, 6, 9, 10}));
  EXPECT_EQ(Head("a"), RecordOf(9));
  EXPECT_EQ(Head("b"), RecordOf(10));
  EXPECT_TRUE(log_.WasShortened());
}

TEST_F(LogRetentionTest, TheLastOfEachLineStays) {
  AppendMany(0, 12);
  Retain({});
  EXPECT_EQ(Records(), RecordsOf({9, 10}));
  EXPECT_EQ(Head("a"), RecordOf(9));
}

TEST_F(LogRetentionTest, IsLeftAloneIfAllOfItStays) {
  AppendMany(0, 6);
  const Bytes before = ReadWholeFile(path_);
  EXPECT_EQ(Retain({0, 1, 2, 3, 4, 5}), 0u);
  EXPECT_EQ(ReadWholeFile(path_), before);
  EXPECT_FALSE(log_.WasShortened());
}

TEST_F(LogRetentionTest, EntriesThatStayKeepTheirBytes) {
  AppendMany(0, 6);
  const Bytes before = ReadWholeFile(path_);
  Retain({2, 3, 4, 5});
  const Bytes after = ReadWholeFile(path_);
  EXPECT_EQ(before.substr(before.size() - after.size()), after);
}

TEST_F(LogRetentionTest, OfAnEntryOfManySomeStay) {
  std::vector<Operation> group;
  for (int i = 0; i < 5; ++i) group.push_back(Make("line" + std::to_string(i), i));
  ASSERT_TRUE(Ok(log_.AppendMany(group, nullptr)));
  for (int i = 0; i < 5; i += 2) Append("line" + std::to_string(i), 10 + i);
  Retain({1, 4});
  EXPECT_EQ(Records(), RecordsOf({1, 3, 4, 10, 12, 14}));
  EXPECT_EQ(Head("line3"), RecordOf(3));
}

TEST_F(LogRetentionTest, WritersGoOnBehindIt) {
  AppendMany(0, 9);
  LogTail tail;
  ASSERT_TRUE(Ok(log_.Follow(&tail)));
  Retain({});
  AppendMany(9, 12);
  // One that has followed the old log.
  Operation next = Make("a", 20);
  next.replaced = tail.HeadOf("a");
  EXPECT_EQ(log_.AppendMany({&next, 1}, &tail).value(), std::vector<bool>{false});
  next.replaced = RecordOf(9);
  EXPECT_EQ(log_.AppendMany({&next, 1}, &tail).value(), std::vector<bool>{true});
  EXPECT_EQ(Records(), RecordsOf({6, 7, 9, 10, 11, 20}));
  EXPECT_EQ(Head("a"), RecordOf(20));
  EXPECT_TRUE(log_.CheckCheckpoints().empty());
}

TEST_F(LogRetentionTest, AWriterThatWaitedForTheOldFileWritesToTheNewOne) {
  AppendMany(0, 3);
  std::optional<FileLock> old =
      FileLock::Acquire(path_, FileLock::Mode::kExclusive, std::chrono::seconds(1)).value();
  std::thread writer([&] {
    Operation operation = Make("c", 30);
    EXPECT_TRUE(Ok(log_.Append(operation)));
  });
  // Whenever the writer comes, it finds the old file locked until the new one is there.
  std::this_thread::yield();
  fs::copy(path_, folder_ / "new");
  fs::rename(folder_ / "new", path_);
  old.reset();
  writer.join();
  EXPECT_EQ(Records(), RecordsOf({0, 1, 2, 30}));
}

TEST_F(LogRetentionTest, AfterACrashBeforeTheRenameTheOldLogIsRead) {
  AppendMany(0, 9);
  const Bytes old = ReadWholeFile(path_);
  // The number is raised, the log is not yet replaced.
  ASSERT_TRUE(Ok(WriteEpoch(folder_ / "epoch", {0, 1, true})));
  EXPECT_EQ(Head("a"), RecordOf(6));
  EXPECT_EQ(ReadWholeFile(path_), old);
  AppendMany(9, 12);
  EXPECT_EQ(Head("a"), RecordOf(9));
  EXPECT_TRUE(log_.CheckCheckpoints().empty());
  Retain({});
  EXPECT_EQ(Records(), RecordsOf({9, 10}));
}

TEST_F(LogRetentionTest, AfterACrashBehindTheRenameOldCheckpointsCountAsAbsent) {
  AppendMany(0, 9);
  const Bytes checkpoint = ReadWholeFile(CheckpointPath(folder_ / "workspaces/a"));
  Retain({3, 4});
  for (const std::string line : {"a", "b"}) {
    WriteWholeFile(CheckpointPath(folder_ / ("workspaces/" + line)), checkpoint);
  }
  EXPECT_EQ(Head("a"), RecordOf(6));
  EXPECT_EQ(Head("b"), RecordOf(7));
  EXPECT_TRUE(log_.CheckCheckpoints().empty());
  AppendMany(9, 12);
  EXPECT_EQ(Records(), RecordsOf({3, 4, 6, 7, 9, 10, 11}));
}

TEST_F(LogRetentionTest, ACheckpointOfTheNewLogIsAWitnessAgain) {
  AppendMany(0, 9);
  Retain({});
  WriteWholeFile(path_, "");
  EXPECT_TRUE(Fails(log_.Latest("a"), ErrorCode::kCorrupt, "does not hold"));
  EXPECT_EQ(log_.CheckCheckpoints().size(), 2u);
}

TEST_F(LogRetentionTest, ADamagedEpochCostsCheckpointsAndIsMadeGood) {
  AppendMany(0, 9);
  WriteWholeFile(folder_ / "epoch", "nonsense");
  EXPECT_EQ(Head("a"), RecordOf(6));
  AppendMany(9, 12);
  Retain({});
  EXPECT_EQ(Records(), RecordsOf({9, 10}));
  EXPECT_TRUE(ReadEpoch(folder_ / "epoch")->is_known);
  EXPECT_EQ(Head("a"), RecordOf(9));
}

TEST_F(LogRetentionTest, ADamagedLogIsLeftAsItIs) {
  AppendMany(0, 9);
  Bytes bytes = ReadWholeFile(path_);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  WriteWholeFile(path_, bytes);
  const auto nothing = [](uint64_t, const Operation&) { return false; };
  EXPECT_TRUE(Fails(log_.Retain(nothing), ErrorCode::kCorrupt, path_));
  EXPECT_EQ(ReadWholeFile(path_), bytes);
}

// At every length to which a torn append can have been cut.
TEST_F(LogRetentionTest, WhatAnAppendLeftThatWasCutShortIsDropped) {
  AppendMany(0, 6);
  const Bytes whole = ReadWholeFile(path_);
  Append("a", 30);
  const Bytes longer = ReadWholeFile(path_);
  for (const std::string line : {"a", "b"}) fs::remove_all(folder_ / ("workspaces/" + line));
  for (size_t size = whole.size(); size < longer.size(); size += 7) {
    WriteWholeFile(path_, longer.substr(0, size));
    Retain({4});
    EXPECT_EQ(Records(), RecordsOf({3, 4})) << size;
    for (const std::string line : {"a", "b"}) fs::remove_all(folder_ / ("workspaces/" + line));
  }
}

TEST_F(LogRetentionTest, KilledAtAnyMomentItLeavesTheOldLogOrTheNewOne) {
  test::Random random(3);
  int next = 0;
  for (int round = 0; round < 40; ++round) {
    AppendMany(next, next + 9);
    next += 9;
    const std::vector<RecordId> before = Records();
    const RecordId a = Head("a");
    const RecordId b = Head("b");
    const pid_t child = ::fork();
    if (child == 0) {
      (void)log_.Retain([](uint64_t number, const Operation&) { return number % 2 == 0; });
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(random.Below(3000)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(Head("a"), a);
    EXPECT_EQ(Head("b"), b);
    EXPECT_TRUE(log_.CheckCheckpoints().empty());
    const std::vector<RecordId> after = Records();
    std::vector<RecordId> shortened;
    for (size_t i = 0; i < before.size(); ++i) {
      if (i % 2 == 0 || before[i] == a || before[i] == b) shortened.push_back(before[i]);
    }
    EXPECT_TRUE(after == before || after == shortened) << "round " << round;
  }
}

TEST_F(LogRetentionTest, WritersAndReadersDoNotNoticeIt) {
  Processes processes;
  for (int process = 0; process < 3; ++process) {
    processes.Add([this, process]() -> Result<void> {
      const std::string line = "line" + std::to_string(process);
      std::optional<RecordId> head;
      for (int i = 0; i < 100; ++i) {
        Operation operation = Make(line, process * 1000 + i);
        operation.replaced = head;
        HELIOS_TRY_ASSIGN(const bool appended, log_.Append(operation));
        HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log_.Latest(line));
        if (!appended || !latest || latest->record != operation.record) {
          return Error(ErrorCode::kFailed, "an operation is not where it was appended");
        }
        head = operation.record;
      }
      return {};
    });
  }
  processes.Add([this]() -> Result<void> {
    for (int i = 0; i < 60; ++i) {
      HELIOS_TRY(log_.Retain([](uint64_t, const Operation&) { return false; }));
    }
    return {};
  });
  EXPECT_EQ(processes.WaitForAll(), 0);
  for (int process = 0; process < 3; ++process) {
    EXPECT_EQ(Head("line" + std::to_string(process)), RecordOf(process * 1000 + 99));
  }
}

}  // namespace
}  // namespace helios

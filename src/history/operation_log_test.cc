#include "history/operation_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "object/testing.h"
#include "store/testing.h"

namespace helios {

void PrintTo(const Operation& operation, std::ostream* out) {
  *out << "operation of " << operation.workspace << ", record " << operation.record.digest.ToHex();
}

namespace {

using test::Fails;
using test::Ok;
using test::Processes;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

Digest DigestOf(const std::string& text) { return HashBlob(text).digest; }

Operation MakeOperation(const std::string& workspace, const std::string& record,
                        std::optional<RecordId> replaced) {
  Operation operation;
  operation.kind = OperationKind::kCommit;
  operation.time = {1'700'000'000, 123'456'789};
  operation.workspace = workspace;
  operation.record = {DigestOf(record)};
  operation.replaced = replaced;
  operation.snapshot = {DigestOf("snapshot of " + record)};
  operation.attributes = {DigestOf("attributes of " + record)};
  operation.device = 2049;
  operation.inode = 424242;
  operation.path = "/home/someone/" + workspace;
  return operation;
}

class OperationLogTest : public ::testing::Test {
 protected:
  OperationLogTest() {
    WriteWholeFile(path_, "");
    std::filesystem::create_directory(folder_ / "workspaces");
  }

  std::string CheckpointOf(const std::string& workspace) const {
    return folder_ / ("workspaces/" + workspace + "/baseline");
  }
  // Appends behind where the workspace stands, and gives back the operation.
  Operation Append(const std::string& workspace, const std::string& record) {
    const Result<std::optional<Operation>> latest = log_.Latest(workspace);
    EXPECT_TRUE(Ok(latest));
    std::optional<RecordId> replaced;
    if (latest && latest->has_value()) replaced = (*latest)->record;
    const Operation operation = MakeOperation(workspace, record, replaced);
    const Result<bool> appended = log_.Append(operation);
    EXPECT_TRUE(Ok(appended));
    EXPECT_TRUE(appended && *appended);
    return operation;
  }
  std::vector<Operation> All() {
    std::vector<Operation> all;
    EXPECT_TRUE(Ok(log_.ForEach([&](const Operation& operation) { all.push_back(operation); })));
    return all;
  }
  std::optional<Operation> Latest(const std::string& workspace) {
    const Result<std::optional<Operation>> latest = log_.Latest(workspace);
    EXPECT_TRUE(Ok(latest));
    return latest ? *latest : std::nullopt;
  }

  TempFolder folder_;
  const std::string path_ = folder_ / "operations";
  const OperationLog log_{path_, folder_ / "workspaces"};
};

TEST_F(OperationLogTest, BeginsEmpty) {
  EXPECT_EQ(Latest("a"), std::nullopt);
  EXPECT_TRUE(All().empty());
}

TEST_F(OperationLogTest, GivesBackEveryField) {
  Operation operation = MakeOperation("a", "1", std::nullopt);
  ASSERT_TRUE(Ok(log_.Append(operation)));
  EXPECT_EQ(Latest("a"), operation);
  operation = MakeOperation("a", "2", operation.record);
  operation.kind = OperationKind::kRestore;
  operation.time = {-5, 999'999'999};
  operation.device = ~uint64_t{0};
  operation.inode = 0;
  operation.path = std::string("/non-\xff-UTF-8/\n\0/x", 17);
  ASSERT_TRUE(Ok(log_.Append(operation)));
  EXPECT_EQ(Latest("a"), operation);
  ASSERT_EQ(All().size(), 2u);
  EXPECT_EQ(All()[1], operation);
  operation.replaced = operation.record;
  operation.attributes.reset();
  ASSERT_TRUE(Ok(log_.Append(operation)));
  EXPECT_EQ(Latest("a"), operation);
}

TEST_F(OperationLogTest, GivesBackEveryKind) {
  std::optional<RecordId> stands_at;
  std::vector<Operation> appended;
  for (const OperationKind kind :
       {OperationKind::kCommit, OperationKind::kRestore, OperationKind::kLazyRestore,
        OperationKind::kBranchCommit, OperationKind::kPartialRestore, OperationKind::kUndo,
        OperationKind::kTag}) {
    Operation operation = MakeOperation("a", "1", stands_at);
    operation.kind = kind;
    ASSERT_TRUE(Ok(log_.Append(operation)));
    EXPECT_EQ(Latest("a"), operation);
    stands_at = operation.record;
    appended.push_back(operation);
  }
  EXPECT_EQ(All(), appended);
}

// The examples of docs/format.md.
TEST_F(OperationLogTest, EntriesHaveTheBytesOfTheFormat) {
  Operation operation;
  operation.time = {1795305600, 123456789};
  operation.workspace = WorkspaceKey("/w");
  operation.record = {
      test::DigestFromHex("19fed1da40cd3cbf3abd7822c1c647d402b700b820f52628dda8aef85a3bf066")};
  operation.snapshot = {
      test::DigestFromHex("8d3b9b4a8cbe8130a543b7b7c56ee0359a6b8be0b8ed22b57fe73fde48850283")};
  operation.attributes = {
      test::DigestFromHex("212dba77176dc3b011ea1f6c8770ad1326bb07ca7cec75fae874f11635f6f7cd")};
  operation.device = 2049;
  operation.inode = 300;
  operation.path = "/w";
  ASSERT_TRUE(Ok(log_.Append(operation)));
  const Bytes commit = test::FromHex(
      "93000000 c61567a2f0b0adae 01 80c291b00d 959aef3a"
      "20 6537333766623265613063396535663363303666616363623662323936386439"
      "19fed1da40cd3cbf3abd7822c1c647d402b700b820f52628dda8aef85a3bf066 00"
      "8d3b9b4a8cbe8130a543b7b7c56ee0359a6b8be0b8ed22b57fe73fde48850283"
      "212dba77176dc3b011ea1f6c8770ad1326bb07ca7cec75fae874f11635f6f7cd"
      "8110 ac02 02 2f77 93000000");
  EXPECT_EQ(ReadWholeFile(path_), commit);

  operation.kind = OperationKind::kLazyRestore;
  operation.replaced = operation.record;
  ASSERT_TRUE(Ok(log_.Append(operation)));
  const Bytes lazy_restore = test::FromHex(
      "b3000000 90c72dbad9ca578d 03 80c291b00d 959aef3a"
      "20 6537333766623265613063396535663363303666616363623662323936386439"
      "19fed1da40cd3cbf3abd7822c1c647d402b700b820f52628dda8aef85a3bf066"
      "01 19fed1da40cd3cbf3abd7822c1c647d402b700b820f52628dda8aef85a3bf066"
      "8d3b9b4a8cbe8130a543b7b7c56ee0359a6b8be0b8ed22b57fe73fde48850283"
      "212dba77176dc3b011ea1f6c8770ad1326bb07ca7cec75fae874f11635f6f7cd"
      "8110 ac02 02 2f77 b3000000");
  EXPECT_EQ(ReadWholeFile(path_), commit + lazy_restore);
}

Operation WithEverything() {
  Operation operation;
  operation.kind = OperationKind::kUndo;
  operation.time = {1795305600, 123456789};
  operation.workspace = WorkspaceKey("/w");
  operation.record = {DigestOf("record")};
  operation.replaced = RecordId{DigestOf("replaced")};
  operation.snapshot = {DigestOf("snapshot")};
  operation.path = "/w";
  operation.source = RecordId{DigestOf("source")};
  operation.safety = RecordId{DigestOf("safety")};
  operation.about = WorkspaceKey("/v");
  operation.ref = "tags/v1";
  operation.undone = 0x0807060504030201;
  operation.is_gone = operation.is_lazy = operation.was_lazy = true;
  operation.command = {"helios", "undo"};
  return operation;
}

// The example of docs/format.md.
TEST_F(OperationLogTest, ExtensionsHaveTheBytesOfTheFormat) {
  Operation operation = WithEverything();
  const auto digest = [](char digit) { return test::DigestFromHex(std::string(64, digit)); };
  operation.record = {digest('1')};
  operation.replaced = RecordId{digest('2')};
  operation.snapshot = {digest('3')};
  operation.source = RecordId{digest('4')};
  operation.safety = RecordId{digest('5')};
  const Bytes payload = test::FromHex(
      "86 80c291b00d 959aef3a 20 6537333766623265613063396535663363303666616363623662323936386439"
      "1111111111111111111111111111111111111111111111111111111111111111"
      "01 2222222222222222222222222222222222222222222222222222222222222222"
      "3333333333333333333333333333333333333333333333333333333333333333"
      "0000000000000000000000000000000000000000000000000000000000000000"
      "00 00 02 2f77 ff03"
      "4444444444444444444444444444444444444444444444444444444444444444"
      "5555555555555555555555555555555555555555555555555555555555555555"
      "20 3730333335336637646661643233373834306435616266343263643130636465"
      "07 746167732f7631 0102030405060708 02 06 68656c696f73 04 756e646f");
  EXPECT_EQ(EncodeOperation(operation), payload);
  EXPECT_EQ(FormatOperationId(IdOf(operation)), "6362961ef85577f3");
}

TEST_F(OperationLogTest, EveryPartOfAnExtensionComesBackByItself) {
  const Operation all = WithEverything();
  Operation none = MakeOperation("a", "1", std::nullopt);
  const auto expect_back = [](const Operation& operation) {
    EXPECT_EQ(DecodePayload(EncodeOperation(operation)), std::vector<Operation>{operation});
    // Whatever is cut off is missed.
    const Bytes bytes = EncodeOperation(operation);
    for (size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_FALSE(DecodePayload(ByteView(bytes).substr(0, length))) << length;
    }
  };
  expect_back(all);
  expect_back(none);
  const std::function<void(Operation*)> parts[] = {
      [&](Operation* at) { at->source = all.source; },
      [&](Operation* at) { at->safety = all.safety; },
      [&](Operation* at) { at->about = all.about; },
      [&](Operation* at) { at->ref = all.ref; },
      [&](Operation* at) { at->undone = all.undone; },
      [&](Operation* at) { at->command = all.command; },
      [&](Operation* at) { at->is_gone = true; },
      [&](Operation* at) { at->is_lazy = true; },
      [&](Operation* at) { at->was_lazy = true; },
  };
  for (const auto& add : parts) {
    Operation operation = none;
    add(&operation);
    EXPECT_NE(operation, none);
    expect_back(operation);
  }
}

TEST_F(OperationLogTest, MalformedExtensionsAreRefused) {
  Operation operation = MakeOperation("a", "1", std::nullopt);
  const Bytes plain = EncodeOperation(operation);
  const auto with = [&](const std::string& extension) {
    Bytes bytes = plain;
    bytes[0] = static_cast<char>(0x81);
    return bytes + test::FromHex(extension);
  };
  EXPECT_TRUE(DecodePayload(with("20 01 01 61")));  // one argument, "a"
  EXPECT_FALSE(DecodePayload(with("00")));          // an extension of nothing
  EXPECT_FALSE(DecodePayload(with("8004")));        // an unknown flag
  EXPECT_FALSE(DecodePayload(with("04 00")));       // an empty key
  EXPECT_FALSE(DecodePayload(with("08 00")));       // an empty ref
  EXPECT_FALSE(DecodePayload(with("20 00")));       // a command of no argument
  EXPECT_FALSE(DecodePayload(with("20 8102")));     // more arguments than there may be
  EXPECT_FALSE(DecodePayload(with("04 41" + std::string(2 * 65, '6'))));  // a key of 65 bytes
  EXPECT_FALSE(DecodePayload(with("20 01 05 61")));  // longer than what is there
}

TEST_F(OperationLogTest, CommandsAreCutOff) {
  using Command = std::vector<std::string>;
  EXPECT_EQ(BoundedCommand({}), Command());
  EXPECT_EQ(BoundedCommand({"a", "b"}), (Command{"a", "b"}));
  EXPECT_EQ(BoundedCommand({"a", std::string(4095, 'x')}).size(), 2u);
  EXPECT_EQ(BoundedCommand({"a", std::string(4096, 'x'), "b"}), (Command{"a", "…"}));
  EXPECT_EQ(BoundedCommand({"a", std::string(4095, 'x'), "b"}), (Command{"a", "…"}));
  const Command many(1000, "x");
  EXPECT_EQ(BoundedCommand(many).size(), 256u);
  EXPECT_EQ(BoundedCommand(many).back(), "…");
  EXPECT_EQ(BoundedCommand(BoundedCommand(many)), BoundedCommand(many));
  Operation operation = MakeOperation("a", "1", std::nullopt);
  operation.command = many;
  EXPECT_TRUE(Fails(log_.Append(operation), ErrorCode::kInvalidArgument, path_));
}

// What was never there, and what is gone, are the same for whoever comes next.
TEST_F(OperationLogTest, ALineThatIsGoneBeginsAnew) {
  const Operation first = Append("a", "1");
  Operation gone = MakeOperation("a", "1", first.record);
  gone.kind = OperationKind::kUndo;
  gone.is_gone = true;
  LogTail tail;
  ASSERT_TRUE(Ok(log_.AppendMany({&gone, 1}, &tail)));
  EXPECT_EQ(tail.HeadOf("a"), std::nullopt);
  EXPECT_EQ(Latest("a"), std::nullopt);
  const Result<bool> upon_the_old = log_.Append(MakeOperation("a", "2", first.record));
  EXPECT_TRUE(Ok(upon_the_old));
  EXPECT_FALSE(*upon_the_old);
  const Operation second = Append("a", "2");
  EXPECT_EQ(second.replaced, std::nullopt);
  EXPECT_EQ(Latest("a"), second);
}

// Whoever wrote it knew more than this build: nothing is cut off, and nothing guessed.
TEST_F(OperationLogTest, KindsThatNobodyKnowsAreUnsupported) {
  for (const int kind : {0, 8, 127, 255}) {
    Operation operation = MakeOperation("a", "1", std::nullopt);
    operation.kind = static_cast<OperationKind>(kind);
    WriteWholeFile(path_, "");
    ASSERT_TRUE(Ok(log_.Append(operation)));
    const Bytes before = ReadWholeFile(path_);
    std::filesystem::remove(CheckpointOf("a"));
    EXPECT_TRUE(Fails(log_.Latest("a"), ErrorCode::kUnsupported, path_)) << kind;
    EXPECT_TRUE(Fails(log_.ForEach([](const Operation&) {}), ErrorCode::kUnsupported, path_));
    EXPECT_TRUE(
        Fails(log_.Append(MakeOperation("b", "2", std::nullopt)), ErrorCode::kUnsupported, path_));
    EXPECT_EQ(ReadWholeFile(path_), before);
  }
}

TEST_F(OperationLogTest, WorkspacesStandForThemselves) {
  const Operation a1 = Append("a", "a1");
  const Operation b1 = Append("b", "b1");
  const Operation a2 = Append("a", "a2");
  EXPECT_EQ(Latest("a"), a2);
  EXPECT_EQ(Latest("b"), b1);
  EXPECT_EQ(Latest("c"), std::nullopt);
  EXPECT_EQ(All(), (std::vector<Operation>{a1, b1, a2}));
}

TEST_F(OperationLogTest, AppendsOnlyBehindWhatItReplaces) {
  const Operation first = Append("a", "1");
  const Operation second = Append("a", "2");
  const Bytes before = ReadWholeFile(path_);
  // Nothing, the one before, one of nobody's.
  for (const std::optional<RecordId>& stale :
       {std::optional<RecordId>(), std::optional(first.record),
        std::optional(RecordId{DigestOf("x")})}) {
    const Result<bool> appended = log_.Append(MakeOperation("a", "3", stale));
    ASSERT_TRUE(Ok(appended));
    EXPECT_FALSE(*appended);
    EXPECT_EQ(ReadWholeFile(path_), before);
    EXPECT_EQ(Latest("a"), second);
  }
  // A workspace that never was cannot have stood anywhere.
  const Result<bool> appended = log_.Append(MakeOperation("b", "3", second.record));
  ASSERT_TRUE(Ok(appended));
  EXPECT_FALSE(*appended);
}

TEST_F(OperationLogTest, RefusesWhatNoReaderWouldTake) {
  const Operation first = Append("a", "1");
  const Bytes before = ReadWholeFile(path_);
  EXPECT_TRUE(Fails(log_.Append(MakeOperation(std::string(65, 'w'), "2", std::nullopt)),
                    ErrorCode::kInvalidArgument, std::string(65, 'w')));
  Operation late = MakeOperation("b", "2", std::nullopt);
  late.time.nanoseconds = 1'000'000'000;
  EXPECT_TRUE(Fails(log_.Append(late), ErrorCode::kInvalidArgument, path_));
  EXPECT_EQ(ReadWholeFile(path_), before);
  const Operation longest = Append(std::string(64, 'w'), "2");
  EXPECT_EQ(All(), (std::vector<Operation>{first, longest}));
}

TEST_F(OperationLogTest, ManyAreAppendedAtOnceEachForItself) {
  const Operation a1 = Append("a", "a1");
  LogTail tail;
  const Operation a2 = MakeOperation("a", "a2", a1.record);
  const Operation late = MakeOperation("a", "late", a1.record);
  const Operation b1 = MakeOperation("b", "b1", std::nullopt);
  const Operation a3 = MakeOperation("a", "a3", a2.record);
  Operation lineless = MakeOperation("", "x", std::nullopt);
  const Result<std::vector<bool>> appended =
      log_.AppendMany(std::vector<Operation>{a2, late, b1, a3, lineless, lineless}, &tail);
  ASSERT_TRUE(Ok(appended));
  EXPECT_EQ(*appended, (std::vector<bool>{true, false, true, true, true, true}));
  EXPECT_EQ(All(), (std::vector<Operation>{a1, a2, b1, a3, lineless, lineless}));
  EXPECT_EQ(Latest("a"), a3);
  EXPECT_EQ(Latest("b"), b1);
  EXPECT_EQ(Latest(""), std::nullopt);
  EXPECT_EQ(tail.HeadOf("a"), std::optional(a3.record));
  EXPECT_EQ(tail.HeadOf("c"), std::nullopt);
}

TEST_F(OperationLogTest, TailFollowsWhatOthersAppend) {
  LogTail tail;
  for (int round = 0; round < 20; ++round) {
    const Operation others = Append("a", "theirs" + std::to_string(round));
    const Operation next = MakeOperation("a", "mine" + std::to_string(round), others.record);
    const Result<std::vector<bool>> appended = log_.AppendMany({&next, 1}, &tail);
    ASSERT_TRUE(Ok(appended));
    ASSERT_EQ(*appended, std::vector<bool>{true});
    ASSERT_EQ(Latest("a"), next);
  }
  Append("a", "last");
  ASSERT_TRUE(Ok(log_.Follow(&tail)));
  EXPECT_EQ(tail.HeadOf("a"), std::optional(Latest("a")->record));
}

TEST_F(OperationLogTest, TailOfALogThatWasCutIsNotBelieved) {
  const Operation a1 = Append("a", "a1");
  const Bytes before = ReadWholeFile(path_);
  LogTail tail;
  const Operation lost = MakeOperation("a", "lost", a1.record);
  ASSERT_TRUE(Ok(log_.AppendMany({&lost, 1}, &tail)));
  WriteWholeFile(path_, before);
  const Operation a2 = MakeOperation("a", "a2", a1.record);
  const Result<std::vector<bool>> appended = log_.AppendMany({&a2, 1}, &tail);
  ASSERT_TRUE(Ok(appended));
  EXPECT_EQ(*appended, std::vector<bool>{true});
  EXPECT_EQ(All(), (std::vector<Operation>{a1, a2}));
}

TEST_F(OperationLogTest, MoreAtOnceThanAnEntryHolds) {
  std::vector<Operation> operations;
  for (int i = 0; i < 300; ++i) {
    operations.push_back(MakeOperation("w" + std::to_string(i), std::to_string(i), std::nullopt));
    operations.back().path = std::string(static_cast<size_t>(i) * 7, 'p');
  }
  LogTail tail;
  const Result<std::vector<bool>> appended = log_.AppendMany(operations, &tail);
  ASSERT_TRUE(Ok(appended));
  EXPECT_EQ(*appended, std::vector<bool>(300, true));
  EXPECT_EQ(All(), operations);
  for (const Operation& operation : operations) EXPECT_EQ(Latest(operation.workspace), operation);
}

TEST_F(OperationLogTest, CheckpointIsRenewedWhenItHasFallenBehind) {
  LogTail tail;
  std::optional<RecordId> head;
  std::set<Bytes> checkpoints;
  for (int i = 0; i < 200; ++i) {  // some 200 bytes each
    const Operation next = MakeOperation("a", std::to_string(i), head);
    ASSERT_TRUE(Ok(log_.AppendMany({&next, 1}, &tail)));
    ASSERT_EQ(Latest("a"), next);
    head = next.record;
    checkpoints.insert(ReadWholeFile(CheckpointOf("a")));
  }
  EXPECT_EQ(checkpoints.size(), 1 + ReadWholeFile(path_).size() / (16 << 10));
}

TEST_F(OperationLogTest, ProcessesAppendWithExactWinners) {
  constexpr int kProcesses = 8;
  constexpr int kAppends = 100;
  // How often each process was told that it won.
  const std::string wins_folder = folder_ / "wins";
  std::filesystem::create_directory(wins_folder);
  Processes processes;
  for (int process = 0; process < kProcesses; ++process) {
    processes.Add([&, process]() -> Result<void> {
      const std::string own = "own" + std::to_string(process);
      std::optional<RecordId> stands_at;
      int wins = 0;
      for (int i = 0; i < kAppends; ++i) {
        const std::string name = std::to_string(process) + "/" + std::to_string(i);
        const Operation operation = MakeOperation(own, "own " + name, stands_at);
        HELIOS_TRY_ASSIGN(const bool appended, log_.Append(operation));
        if (!appended) return Error(ErrorCode::kFailed, "lost its own workspace");
        stands_at = operation.record;

        HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log_.Latest("shared"));
        std::optional<RecordId> replaced;
        if (latest) replaced = latest->record;
        HELIOS_TRY_ASSIGN(const bool won,
                          log_.Append(MakeOperation("shared", "shared " + name, replaced)));
        wins += won ? 1 : 0;
      }
      WriteWholeFile(wins_folder + "/" + std::to_string(process), std::to_string(wins));
      return {};
    });
  }
  ASSERT_EQ(processes.WaitForAll(), 0);
  size_t wins = 0;
  for (int process = 0; process < kProcesses; ++process) {
    wins += std::stoul(ReadWholeFile(wins_folder + "/" + std::to_string(process)));
  }
  EXPECT_GE(wins, static_cast<size_t>(kAppends));

  // Each workspace is one chain: every operation replaces the one before it.
  std::map<std::string, std::optional<RecordId>> stands_at;
  std::map<std::string, size_t> counts;
  for (const Operation& operation : All()) {
    EXPECT_EQ(operation.replaced, stands_at[operation.workspace]);
    stands_at[operation.workspace] = operation.record;
    ++counts[operation.workspace];
  }
  EXPECT_EQ(counts.size(), size_t{kProcesses} + 1);
  for (int process = 0; process < kProcesses; ++process) {
    const std::string own = "own" + std::to_string(process);
    EXPECT_EQ(counts[own], size_t{kAppends});
    EXPECT_EQ(Latest(own)->record.digest,
              DigestOf("own " + std::to_string(process) + "/" + std::to_string(kAppends - 1)));
  }
  EXPECT_EQ(counts["shared"], wins);
  EXPECT_EQ(std::optional<RecordId>(Latest("shared")->record), stands_at["shared"]);
}

// ---- What a writer that died leaves behind ----

// A log of three operations of one workspace, and its length after each.
class TornLogTest : public OperationLogTest {
 protected:
  TornLogTest() {
    for (const char* record : {"1", "2", "3"}) {
      operations_.push_back(Append("a", record));
      lengths_.push_back(ReadWholeFile(path_).size());
      checkpoints_.push_back(ReadWholeFile(CheckpointOf("a")));
    }
    file_ = ReadWholeFile(path_);
  }
  // The log with `tail` behind its second operation, whose writer was told that it is there.
  void TearTo(ByteView tail) {
    WriteWholeFile(path_, file_.substr(0, lengths_[1]) + Bytes(tail));
    WriteWholeFile(CheckpointOf("a"), checkpoints_[1]);
  }
  void ExpectTornTailIsOverwritten(const std::string& what) {
    ASSERT_EQ(Latest("a"), operations_[1]) << what;
    ASSERT_EQ(All(), (std::vector<Operation>{operations_[0], operations_[1]})) << what;
    const Operation next = Append("a", "next after " + what);
    ASSERT_EQ(All(), (std::vector<Operation>{operations_[0], operations_[1], next})) << what;
    ASSERT_EQ(Latest("a"), next) << what;
  }

  std::vector<Operation> operations_;
  std::vector<size_t> lengths_;
  std::vector<Bytes> checkpoints_;
  Bytes file_;
};

TEST_F(TornLogTest, TornTailOfEveryLengthIsOverwritten) {
  const ByteView third = ByteView(file_).substr(lengths_[1]);
  for (size_t size = 0; size < third.size(); ++size) {
    TearTo(third.substr(0, size));
    ExpectTornTailIsOverwritten("length " + std::to_string(size));
  }
}

TEST_F(TornLogTest, TornTailIsOverwrittenWithoutACheckpointToo) {
  const ByteView third = ByteView(file_).substr(lengths_[1]);
  for (size_t size = 0; size < third.size(); size += 7) {
    TearTo(third.substr(0, size));
    std::filesystem::remove(CheckpointOf("a"));
    ExpectTornTailIsOverwritten("length " + std::to_string(size));
  }
}

TEST_F(TornLogTest, TailOfZerosIsOverwritten) {
  // A power cut can leave a file's new length without its new bytes.
  const size_t third = file_.size() - lengths_[1];
  for (const size_t size : {size_t{1}, size_t{4}, size_t{12}, size_t{16}, third, 4 * third}) {
    TearTo(Bytes(size, '\0'));
    ExpectTornTailIsOverwritten("zeros " + std::to_string(size));
  }
}

TEST_F(TornLogTest, TailWithoutItsMiddleIsOverwritten) {
  // Or only some of its blocks.
  Bytes third = file_.substr(lengths_[1]);
  third.replace(20, 40, 40, '\0');
  TearTo(third);
  ExpectTornTailIsOverwritten("hole");
}

TEST_F(TornLogTest, LogThatLacksWhatACheckpointKnowsIsCorrupt) {
  // A checkpoint is written after the log was synced: no crash leaves it ahead.
  Bytes noise = file_;
  noise.replace(0, noise.size(), RandomBytes(noise.size(), 1));
  std::vector<Bytes> damaged{"", noise, file_.substr(0, lengths_[0]), file_.substr(0, lengths_[1]),
                             file_.substr(0, file_.size() - 1)};
  for (const Bytes& bytes : damaged) {
    WriteWholeFile(path_, bytes);
    ASSERT_TRUE(Fails(log_.Latest("a"), ErrorCode::kCorrupt, CheckpointOf("a")));
    const Operation next = MakeOperation("a", "4", operations_[2].record);
    ASSERT_TRUE(Fails(log_.Append(next), ErrorCode::kCorrupt, path_));
    ASSERT_EQ(log_.CheckCheckpoints().size(), 1u);
    ASSERT_EQ(ReadWholeFile(path_), bytes);
  }
  WriteWholeFile(path_, file_);
  EXPECT_TRUE(log_.CheckCheckpoints().empty());
}

TEST_F(TornLogTest, NobodyCutsOffWhatAnothersCheckpointKnows) {
  const Bytes cut = file_.substr(0, file_.size() - 1);
  WriteWholeFile(path_, cut);
  const Operation other = MakeOperation("b", "b1", std::nullopt);
  EXPECT_TRUE(Fails(log_.Append(other), ErrorCode::kCorrupt, CheckpointOf("a")));
  LogTail tail;
  EXPECT_TRUE(Fails(log_.AppendMany({&other, 1}, &tail), ErrorCode::kCorrupt, CheckpointOf("a")));
  EXPECT_EQ(ReadWholeFile(path_), cut);
}

TEST_F(TornLogTest, FlippedBitInALengthOfTheLastEntryIsCorrupt) {
  std::filesystem::remove(CheckpointOf("a"));
  for (size_t at = lengths_[1]; at < file_.size(); ++at) {
    const bool is_length = at < lengths_[1] + 4 || at >= file_.size() - 4;
    for (int bit = 0; is_length && bit < 8; ++bit) {
      Bytes damaged = file_;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      WriteWholeFile(path_, damaged);
      ASSERT_TRUE(Fails(log_.Latest("a"), ErrorCode::kCorrupt, path_)) << at << " " << bit;
      const Operation next = MakeOperation("b", "b1", std::nullopt);
      ASSERT_TRUE(Fails(log_.Append(next), ErrorCode::kCorrupt, path_)) << at << " " << bit;
      ASSERT_EQ(ReadWholeFile(path_), damaged);
    }
  }
}

TEST_F(TornLogTest, EntryOfWhichABlockNeverReachedTheDiskIsOverwritten) {
  // An append that spans blocks; whichever of them is missing, a length with it or not.
  TearTo("");
  Operation wide = MakeOperation("a", "wide", operations_[1].record);
  for (size_t path_bytes = 900; path_bytes < 912; ++path_bytes) {
    wide.path = std::string(path_bytes, 'p');
    TearTo("");
    ASSERT_TRUE(Ok(log_.Append(wide)));
    const Bytes whole = ReadWholeFile(path_);
    for (size_t block = lengths_[1] / 512; block * 512 < whole.size(); ++block) {
      Bytes torn = whole;
      const size_t start = std::max(lengths_[1], block * 512);
      const size_t size = std::min(torn.size(), (block + 1) * 512) - start;
      torn.replace(start, size, size, '\0');
      TearTo(torn.substr(lengths_[1]));
      ExpectTornTailIsOverwritten("block " + std::to_string(block));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(TornLogTest, OtherWorkspaceAppendsOverATornTail) {
  TearTo(ByteView(file_).substr(lengths_[1], 50));
  const Operation other = Append("b", "b1");
  EXPECT_EQ(Latest("a"), operations_[1]);
  EXPECT_EQ(Latest("b"), other);
  EXPECT_EQ(All(), (std::vector<Operation>{operations_[0], operations_[1], other}));
}

TEST_F(TornLogTest, FlippedByteInEveryEarlierEntryIsCorrupt) {
  std::filesystem::remove(CheckpointOf("a"));
  for (size_t at = 0; at < lengths_[1]; ++at) {
    for (const int mask : {0x01, 0xff}) {
      Bytes damaged = file_;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      WriteWholeFile(path_, damaged);
      ASSERT_TRUE(Fails(log_.ForEach([](const Operation&) {}), ErrorCode::kCorrupt, path_)) << at;
      ASSERT_TRUE(Fails(log_.Latest("a"), ErrorCode::kCorrupt, path_)) << at;
      ASSERT_TRUE(
          Fails(log_.Append(MakeOperation("b", "b1", std::nullopt)), ErrorCode::kCorrupt, path_))
          << at;
      ASSERT_EQ(ReadWholeFile(path_), damaged) << "damage was cut off, and history with it";
    }
  }
}

TEST_F(TornLogTest, TornTailOfSeveralOperationsIsOverwritten) {
  // What was appended at once is there as a whole or not at all.
  TearTo("");
  const std::vector<Operation> together{MakeOperation("a", "x", operations_[1].record),
                                        MakeOperation("b", "y", std::nullopt),
                                        MakeOperation("", "z", std::nullopt)};
  ASSERT_TRUE(Ok(log_.AppendMany(together, nullptr)));
  const Bytes tail = ReadWholeFile(path_).substr(lengths_[1]);
  std::filesystem::remove(CheckpointOf("b"));  // of an append that came to its end
  for (size_t size = 0; size < tail.size(); ++size) {
    TearTo(ByteView(tail).substr(0, size));
    ExpectTornTailIsOverwritten("length " + std::to_string(size));
  }
  Bytes hole = tail;
  hole.replace(0, 200, 200, '\0');
  TearTo(hole);
  ExpectTornTailIsOverwritten("hole");
}

TEST_F(TornLogTest, FlippedByteInALastEntryWithoutAttributesIsCorrupt) {
  // Its zeros are not those of a block that never reached the disk.
  Operation operation = MakeOperation("a", "4", operations_[2].record);
  operation.attributes.reset();
  operation.device = operation.inode = 0;
  operation.path = "";
  ASSERT_TRUE(Ok(log_.Append(operation)));
  const Bytes whole = ReadWholeFile(path_);
  std::filesystem::remove(CheckpointOf("a"));
  for (size_t at = file_.size(); at < whole.size(); ++at) {
    Bytes damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x01);
    WriteWholeFile(path_, damaged);
    ASSERT_TRUE(Fails(log_.Latest("a"), ErrorCode::kCorrupt, path_)) << at;
  }
}

TEST_F(TornLogTest, LongNoiseBehindTheEndIsCorrupt) {
  WriteWholeFile(path_, file_ + RandomBytes(40'000, 1));
  EXPECT_TRUE(Fails(log_.ForEach([](const Operation&) {}), ErrorCode::kCorrupt, path_));
}

TEST_F(TornLogTest, LogThatIsGoneOrNoFileIsAnError) {
  std::filesystem::remove(path_);
  EXPECT_TRUE(Fails(log_.Latest("b"), ErrorCode::kCorrupt, path_));
  EXPECT_TRUE(Fails(log_.ForEach([](const Operation&) {}), ErrorCode::kCorrupt, path_));
  EXPECT_EQ(log_.CheckCheckpoints().size(), 1u);
  std::filesystem::create_directory(path_);
  EXPECT_FALSE(log_.Latest("b"));
  EXPECT_FALSE(log_.Append(MakeOperation("b", "b1", std::nullopt)));
}

// ---- Checkpoints are only shortcuts ----

class CheckpointTest : public OperationLogTest {
 protected:
  CheckpointTest() {
    first_checkpoint_ = (Append("a", "a1"), ReadWholeFile(CheckpointOf("a")));
    Append("b", "b1");
    Append("a", "a2");
    Append("b", "b2");
    latest_ = Append("a", "a3");
    checkpoint_ = ReadWholeFile(CheckpointOf("a"));
    file_ = ReadWholeFile(path_);
    all_ = All();
  }
  // Whatever lies where the checkpoint was: the answers are the same, and the log goes on whole.
  void ExpectSameAnswers(const std::string& what) {
    ASSERT_EQ(Latest("a"), latest_) << what;
    const Result<bool> stale = log_.Append(MakeOperation("a", "stale", RecordId{DigestOf("a2")}));
    ASSERT_TRUE(Ok(stale)) << what;
    ASSERT_FALSE(*stale) << what;
    const Operation next = MakeOperation("a", "a4", latest_.record);
    const Result<bool> appended = log_.Append(next);
    ASSERT_TRUE(Ok(appended)) << what;
    ASSERT_TRUE(*appended) << what;
    std::vector<Operation> wanted = all_;
    wanted.push_back(next);
    ASSERT_EQ(All(), wanted) << what;
    ASSERT_EQ(Latest("a"), next) << what;
    WriteWholeFile(path_, file_);
  }
  void ExpectSameAnswersWith(ByteView checkpoint, const std::string& what) {
    WriteWholeFile(CheckpointOf("a"), checkpoint);
    ExpectSameAnswers(what);
  }

  Operation latest_;
  Bytes first_checkpoint_;
  Bytes checkpoint_;
  Bytes file_;
  std::vector<Operation> all_;
};

TEST_F(CheckpointTest, LostIsMadeAgain) {
  std::filesystem::remove(CheckpointOf("a"));
  ExpectSameAnswers("file");
  std::filesystem::remove_all(folder_ / "workspaces/a");
  ExpectSameAnswers("folder");
  EXPECT_TRUE(std::filesystem::exists(CheckpointOf("a")));
}

TEST_F(CheckpointTest, StaleGivesTheSameAnswer) {
  ExpectSameAnswersWith(first_checkpoint_, "stale");
}

TEST_F(CheckpointTest, TruncatedGivesTheSameAnswer) {
  for (size_t size = 0; size < checkpoint_.size(); ++size) {
    ExpectSameAnswersWith(checkpoint_.substr(0, size), "length " + std::to_string(size));
  }
}

TEST_F(CheckpointTest, FlippedByteGivesTheSameAnswer) {
  for (size_t at = 0; at < checkpoint_.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      Bytes damaged = checkpoint_;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      ExpectSameAnswersWith(damaged, "byte " + std::to_string(at));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(CheckpointTest, ZerosAndGarbageGiveTheSameAnswer) {
  ExpectSameAnswersWith(Bytes(checkpoint_.size(), '\0'), "zeros");
  for (uint64_t seed = 0; seed < 20; ++seed) {
    ExpectSameAnswersWith(RandomBytes(1 + seed * 50, seed), "seed " + std::to_string(seed));
  }
}

TEST_F(CheckpointTest, LongGarbageGivesTheSameAnswer) {
  ExpectSameAnswersWith(RandomBytes(100'000, 1), "100,000 bytes");
}

TEST_F(CheckpointTest, OneOfAnotherWorkspaceGivesTheSameAnswer) {
  all_.push_back(Append("b", "b3"));  // newer than anything of a's
  file_ = ReadWholeFile(path_);
  ExpectSameAnswersWith(ReadWholeFile(CheckpointOf("b")), "b's");
}

TEST_F(CheckpointTest, OneThatIsAByteShortDoesNotCutTheLog) {
  Bytes moved = checkpoint_;
  const uint64_t place = file_.size() - 1;
  moved.replace(0, sizeof(place), reinterpret_cast<const char*>(&place), sizeof(place));
  ExpectSameAnswersWith(moved, "a byte short");
}

TEST_F(CheckpointTest, OneThatPointsElsewhereGivesTheSameAnswer) {
  // A whole entry, with the place of another.
  for (size_t end = 0; end <= file_.size(); end += 13) {
    Bytes moved = checkpoint_;
    const uint64_t place = end;
    moved.replace(0, sizeof(place), reinterpret_cast<const char*>(&place), sizeof(place));
    ExpectSameAnswersWith(moved, "end " + std::to_string(end));
    if (HasFatalFailure()) return;
  }
}

TEST_F(CheckpointTest, AnythingInItsPlaceGivesTheSameAnswer) {
  std::filesystem::remove(CheckpointOf("a"));
  std::filesystem::create_directory(CheckpointOf("a"));
  ASSERT_EQ(Latest("a"), latest_);
  std::filesystem::remove(CheckpointOf("a"));
  ASSERT_EQ(::symlink("nowhere", CheckpointOf("a").c_str()), 0);
  ASSERT_EQ(Latest("a"), latest_);
  std::filesystem::remove(CheckpointOf("a"));
  ASSERT_EQ(::mkfifo(CheckpointOf("a").c_str(), 0600), 0);
  ASSERT_EQ(Latest("a"), latest_);
}

// ---- Keys and folders ----

TEST_F(OperationLogTest, WorkspaceKeysAreHexAndDiffer) {
  EXPECT_EQ(WorkspaceKey("/a").size(), 32u);
  EXPECT_EQ(WorkspaceKey("/a").find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(WorkspaceKey("/a"), WorkspaceKey("/a"));
  EXPECT_NE(WorkspaceKey("/a"), WorkspaceKey("/b"));
  EXPECT_EQ(WorkspaceKey("/a"), DigestOf("/a").ToHex().substr(0, 32));
}

TEST_F(OperationLogTest, WorkspaceFolderIsMadeOnce) {
  const Result<std::string> first = log_.WorkspaceFolder("a");
  ASSERT_TRUE(Ok(first));
  EXPECT_TRUE(std::filesystem::is_directory(*first));
  const Result<std::string> second = log_.WorkspaceFolder("a");
  ASSERT_TRUE(Ok(second));
  EXPECT_EQ(*first, *second);
}

}  // namespace
}  // namespace helios

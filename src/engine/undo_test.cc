// Undo and the operation log through the library, where there is no command line.
#include <gtest/gtest.h>

#include "helios/engine.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;
using test::TempFolder;
using test::WriteWholeFile;

class EngineUndoTest : public ::testing::Test {
 protected:
  EngineUndoTest() {
    EngineOptions options;
    options.store = folder_ / "store";
    options.backends = {PackBackend()};
    options.create_with = "pack";
    options.threads = 2;
    options.command = {"a test"};
    engine_ = std::move(Engine::Open(options)).value();
    std::filesystem::create_directory(folder_ / "work");
  }

  Workspace Work() const {
    Workspace work;
    work.path = folder_ / "work";
    return work;
  }
  RecordId CommitTo(const std::string& branch, Vst& vst, const std::string& content) {
    EXPECT_TRUE(Ok(vst.Write(TreePath::Parse("file").value(), content)));
    VstCommitRequest request;
    request.branch = branch;
    return engine_->CommitVst(vst, request).value().record;
  }
  std::optional<RecordId> HeadOf(const std::string& branch) {
    const std::vector<NamedRecord> refs = engine_->ListRefs().value();
    for (const NamedRecord& ref : refs) {
      if (ref.name == "heads/" + branch) return ref.record;
    }
    return std::nullopt;
  }
  std::vector<LoggedOperation> Operations() {
    std::vector<LoggedOperation> operations;
    OperationsRequest request;
    request.all = true;
    EXPECT_TRUE(Ok(engine_->ForEachOperation(
        request, [&](const LoggedOperation& operation) { operations.push_back(operation); })));
    return operations;
  }

  TempFolder folder_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineUndoTest, ABranchGoesBackAndForth) {
  Vst vst = std::move(engine_->NewVst()).value();
  const RecordId first = CommitTo("main", vst, "1");
  const RecordId second = CommitTo("main", vst, "2");
  ASSERT_EQ(HeadOf("main"), second);
  const std::vector<LoggedOperation> operations = Operations();
  ASSERT_EQ(operations.size(), 2u);
  EXPECT_EQ(operations[0].kind, "branch");
  EXPECT_EQ(operations[0].ref, "heads/main");
  EXPECT_EQ(operations[0].command, std::vector<std::string>{"a test"});
  UndoRequest request;
  request.workspace = Work();
  request.operation = operations[1].id;
  EXPECT_TRUE(Fails(engine_->Undo(request), ErrorCode::kFailed, "main")) << "it has moved on";
  request.operation = operations[0].id;
  ASSERT_TRUE(Ok(engine_->Undo(request)));
  EXPECT_EQ(HeadOf("main"), first);
  request.operation = operations[1].id;
  ASSERT_TRUE(Ok(engine_->Undo(request)));
  EXPECT_EQ(HeadOf("main"), std::nullopt);
  // Whoever stood there can begin it again.
  Vst other = std::move(engine_->NewVst()).value();
  EXPECT_EQ(HeadOf("main"), std::nullopt);
  const RecordId third = CommitTo("main", other, "3");
  EXPECT_EQ(HeadOf("main"), third);
}

TEST_F(EngineUndoTest, ARestoreOfASnapshotFromMemoryIsUndone) {
  Vst vst = std::move(engine_->NewVst()).value();
  const RecordId memory = CommitTo("main", vst, "from memory");
  WriteWholeFile(folder_ / "work/file", "unsaved");
  WriteWholeFile(folder_ / "work/other", "never captured");
  std::filesystem::permissions(folder_ / "work/file", std::filesystem::perms(0640));
  RestoreRequest request;
  request.workspace = Work();
  request.id = FormatId(memory);
  request.force = true;
  const Result<RestoreReport> restored = engine_->Restore(request);
  ASSERT_TRUE(Ok(restored));
  EXPECT_EQ(test::ReadWholeFile(folder_ / "work/file"), "from memory");
  UndoRequest undo;
  undo.workspace = Work();
  ASSERT_TRUE(Ok(engine_->Undo(undo)));
  EXPECT_EQ(test::ReadWholeFile(folder_ / "work/file"), "unsaved");
  EXPECT_EQ(std::filesystem::status(folder_ / "work/file").permissions(),
            std::filesystem::perms(0640));
  EXPECT_EQ(test::ReadWholeFile(folder_ / "work/other"), "never captured");
}

TEST_F(EngineUndoTest, AnotherFoldersOperationIsNotUndoneFromHere) {
  CommitRequest commit;
  commit.workspace = Work();
  ASSERT_TRUE(Ok(engine_->Commit(commit)));
  UndoRequest undo;
  undo.workspace.path = folder_ / "elsewhere";
  undo.operation = Operations().front().id;
  EXPECT_TRUE(Fails(engine_->Undo(undo), ErrorCode::kFailed, "--work"));
}

}  // namespace
}  // namespace helios

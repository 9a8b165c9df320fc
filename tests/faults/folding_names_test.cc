// A target that takes names for one which differ in case, as some file systems do: by a layer that
// answers so below one folder.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "faults/file_layer.h"
#include "faults/world.h"

namespace helios::faults {
namespace {

namespace fs = std::filesystem;
using test::Ok;

std::string Folded(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

// Puts in place of each name the one that is there already and is the same but for case.
class FoldingNames : public Watcher {
 public:
  explicit FoldingNames(std::string below) : below_(std::move(below)) {}

  ssize_t Make(Call& call, const Real& real) override {
    std::string path;
    std::string to_path;
    if (call.path != nullptr) call.path = Fold(call.fd, call.path, &path);
    if (call.to_path != nullptr && call.kind != CallKind::kSymlink) {
      call.to_path = Fold(call.to_fd, call.to_path, &to_path);
    }
    return real(SIZE_MAX);
  }

 private:
  const char* Fold(int fd, const char* path, std::string* folded) const {
    const fs::path folder =
        fd == AT_FDCWD ? fs::path() : fs::read_symlink("/proc/self/fd/" + std::to_string(fd));
    const fs::path full = folder / path;
    if (!full.string().starts_with(below_ + "/")) return path;
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(full, ignored))) return path;
    for (const fs::directory_entry& entry : fs::directory_iterator(full.parent_path(), ignored)) {
      const std::string name = entry.path().filename();
      if (Folded(name) != Folded(full.filename())) continue;
      *folded = (fs::path(path).parent_path() / name).string();
      return folded->c_str();
    }
    return path;
  }

  const std::string below_;
};

class FoldingTarget : public ::testing::Test {
 protected:
  // Commits these files and materializes them where names fold.
  WriteReport Materialize(const Files& files) {
    for (const auto& [path, content] : files) {
      if (content.starts_with("-> ")) {
        fs::create_directories(world_.WorkspaceAt("w"));
        fs::create_symlink(content.substr(3), world_.WorkspaceAt("w") + "/" + path);
      } else {
        Write(world_.WorkspaceAt("w") + "/" + path, content);
      }
    }
    const Result<std::unique_ptr<Engine>> engine = world_.Open();
    EXPECT_TRUE(Ok(engine));
    const Result<CommitReport> committed = world_.Commit(**engine, "w");
    EXPECT_TRUE(Ok(committed));
    return MaterializeAgain(**engine, FormatId(committed->record));
  }
  WriteReport MaterializeAgain(Engine& engine, const std::string& id) {
    fs::create_directories(out_);
    FoldingNames folding(out_);
    const Watched watched(&folding);
    MaterializeRequest request;
    request.id = id;
    request.out = out_;
    const Result<MaterializeReport> report = engine.Materialize(request);
    EXPECT_TRUE(Ok(report));
    return report ? report->written : WriteReport();
  }

  World world_;
  const std::string out_ = world_.path() + "/out";
};
// The rows of the list of attacks go by this name.
using Security = FoldingTarget;

TEST_F(Security, Row06FilesThatAreOneThereAreNotWrittenOverEachOther) {
  const WriteReport report = Materialize({{"README", "large"}, {"readme", "small"}, {"x", "y"}});
  EXPECT_EQ(report.failed, 1u);
  ASSERT_EQ(report.first_failures.size(), 1u);
  EXPECT_NE(report.first_failures[0].find("takes the name for another one"), std::string::npos);
  EXPECT_EQ(ReadFiles(out_), (Files{{"README", "large"}, {"x", "y"}}));
}

TEST_F(Security, Row06ALinkThatIsAFolderThereLeadsNothingOutside) {
  Write(world_.path() + "/victim/file", "untouched");
  // As git was led into its own folder by a link and a folder that differ in case.
  const WriteReport report =
      Materialize({{"A", "-> ../victim"}, {"a/file", "evil"}, {"a/other", "evil"}});
  EXPECT_GE(report.failed, 1u);
  EXPECT_EQ(ReadFiles(world_.path() + "/victim"), (Files{{"file", "untouched"}}));
}

TEST_F(Security, Row06FoldersThatAreOneThereAreNotMixed) {
  const WriteReport report = Materialize({{"Dir/x", "x"}, {"dir/y", "y"}});
  EXPECT_EQ(report.failed, 1u);
  const Files written = ReadFiles(out_);
  EXPECT_TRUE(written == (Files{{"Dir/x", "x"}}) || written == (Files{{"dir/y", "y"}}))
      << ListOf(written);
}

TEST_F(Security, Row06NamesThatAreThereAlreadyAreReplacedAsEver) {
  const Files files = {{"README", "one"}, {"Dir/File", "two"}};
  EXPECT_EQ(Materialize(files).failed, 0u);
  const Result<std::unique_ptr<Engine>> engine = world_.Open();
  ASSERT_TRUE(Ok(engine));
  EXPECT_EQ(MaterializeAgain(**engine, world_.Promised().snapshots.begin()->first).failed, 0u);
  EXPECT_EQ(ReadFiles(out_), files);
}

TEST_F(Security, Row06WhatIsThereUnderAnotherSpellingStays) {
  Write(out_ + "/readme", "the user's");
  const WriteReport report = Materialize({{"README", "the snapshot's"}});
  EXPECT_EQ(report.failed, 1u);
  EXPECT_EQ(ReadFiles(out_), (Files{{"readme", "the user's"}}));
}

TEST_F(Security, Row06ARestoreDoesNotWriteOneOverTheOtherEither) {
  Write(world_.WorkspaceAt("w") + "/README", "large");
  Write(world_.WorkspaceAt("w") + "/readme", "small");
  const Result<std::unique_ptr<Engine>> engine = world_.Open();
  ASSERT_TRUE(Ok(engine));
  const Result<CommitReport> committed = world_.Commit(**engine, "w");
  ASSERT_TRUE(Ok(committed));
  RestoreRequest request;
  request.workspace = {out_, "", false};
  request.id = FormatId(committed->record);
  fs::create_directories(out_);
  FoldingNames folding(out_);
  const Watched watched(&folding);
  const Result<RestoreReport> report = (*engine)->Restore(request);
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->written.failed, 1u);
  const Files written = ReadFiles(out_);
  EXPECT_EQ(written, (Files{{"README", "large"}})) << ListOf(written);
}

}  // namespace
}  // namespace helios::faults

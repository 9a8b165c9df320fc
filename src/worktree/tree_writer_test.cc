#include "worktree/tree_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>

#include "object/directory_builder.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Ok;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

constexpr unsigned kUmask = 027;

// A tree of which no attributes are known: plain, run (executable), link → plain, sub/inner.
class WithoutAttributesTest : public ::testing::Test {
 protected:
  WithoutAttributesTest() : old_umask_(::umask(kUmask)) {
    const BuiltDirectory sub = Build({File("inner", "inner", EntryKind::kFile)});
    TreeEntry folder;
    folder.kind = EntryKind::kDirectory;
    folder.name = "sub";
    folder.id = sub.tree.digest;
    folder.below = sub.totals;
    TreeEntry link;
    link.kind = EntryKind::kSymlink;
    link.name = "link";
    link.target = "plain";
    tree_ = Build({link, File("plain", "content", EntryKind::kFile),
                   File("run", "#!/bin/sh\n", EntryKind::kExecutable), folder})
                .tree;
  }
  ~WithoutAttributesTest() override { ::umask(old_umask_); }

  TreeEntry File(const std::string& name, const std::string& content, EntryKind kind) {
    const Object object{HashBlob(content), content};
    EXPECT_TRUE(Ok(store_->PutMany({&object, 1})));
    TreeEntry entry;
    entry.kind = kind;
    entry.name = name;
    entry.size = content.size();
    entry.id = object.key.digest;
    return entry;
  }
  BuiltDirectory Build(const std::vector<TreeEntry>& entries) {
    DirectoryBuilder builder([this](const ObjectKey& key, ByteView bytes) {
      const Object object{key, Bytes(bytes)};
      return store_->PutMany({&object, 1});
    });
    for (const TreeEntry& entry : entries) {
      AttributesEntry attributes;
      attributes.is_directory = entry.kind == EntryKind::kDirectory;
      EXPECT_TRUE(Ok(builder.Add(entry, attributes)));
    }
    const Result<BuiltDirectory> built = builder.Finish({});
    EXPECT_TRUE(Ok(built));
    return built ? *built : BuiltDirectory();
  }
  WriteReport Write() {
    Result<Fd> root = OpenAt(AT_FDCWD, out_.path(), O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(Ok(root));
    WriteOptions options;
    options.threads = 2;
    const Result<WriteReport> report =
        WriteTree(store_.get(), std::move(root).value(), tree_, std::nullopt, options);
    EXPECT_TRUE(Ok(report));
    return report ? *report : WriteReport();
  }
  struct stat StatusOfPath(const std::string& name) const {
    struct stat status {};
    EXPECT_EQ(::lstat((out_ / name).c_str(), &status), 0) << name;
    return status;
  }
  unsigned ModeOf(const std::string& name) const { return StatusOfPath(name).st_mode & 07777u; }

  const mode_t old_umask_;
  const std::unique_ptr<ObjectStore> store_ = std::make_unique<MemoryStore>();
  TempFolder out_;
  TreeId tree_;
};

TEST_F(WithoutAttributesTest, FilesHaveTheModeOfNewFilesAndThePresentTime) {
  const time_t before = ::time(nullptr) - 1;
  const WriteReport report = Write();
  EXPECT_EQ(report.files, 4u);
  EXPECT_EQ(report.failed, 0u);
  EXPECT_EQ(ReadWholeFile(out_ / "plain"), "content");
  EXPECT_EQ(ReadWholeFile(out_ / "sub/inner"), "inner");
  EXPECT_EQ(std::filesystem::read_symlink(out_ / "link"), "plain");
  EXPECT_EQ(ModeOf("plain"), 0666u & ~kUmask);
  EXPECT_EQ(ModeOf("run"), 0777u & ~kUmask);
  EXPECT_EQ(ModeOf("sub"), 0777u & ~kUmask);
  for (const char* name : {"plain", "run", "link", "sub", "sub/inner"}) {
    EXPECT_GE(StatusOfPath(name).st_mtime, before) << name;
  }
}

TEST_F(WithoutAttributesTest, TheRootAndFoldersThatExistKeepTheirModes) {
  ::chmod(out_.path().c_str(), 0711);
  ::mkdir((out_ / "sub").c_str(), 0700);
  Write();
  EXPECT_EQ(ModeOf(""), 0711u);
  EXPECT_EQ(ModeOf("sub"), 0700u);
}

TEST_F(WithoutAttributesTest, ExecutableStaysSoWhateverTheUmaskTakes) {
  ::umask(0177);
  ::mkdir((out_ / "sub").c_str(), 0700);
  ::chmod((out_ / "sub").c_str(), 0700);
  Write();
  EXPECT_EQ(ModeOf("plain"), 0600u);
  EXPECT_EQ(ModeOf("run"), 0700u);
}

}  // namespace
}  // namespace helios

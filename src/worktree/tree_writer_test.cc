#include "worktree/tree_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>

#include "object/directory_builder.h"
#include "object/testing.h"
#include "object/xattrs.h"
#include "store/memory/memory_store.h"
#include "store/testing.h"
#include "worktree/file_writer.h"

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

// Trees and attributes as someone else may have made them.
class HostileAttributesTest : public WithoutAttributesTest {
 protected:
  struct Item {
    TreeEntry entry;
    FileAttributes attributes;
  };
  Item Linked(TreeEntry entry, unsigned mode = 0644, const std::string& first = "a") const {
    FileAttributes attributes{static_cast<uint16_t>(mode), {1'000'000'000, 5}, {}};
    attributes.rare.link_group = LinkGroupOf(first);
    return {std::move(entry), attributes};
  }
  TreeEntry Symlink(const std::string& name, const std::string& target) const {
    TreeEntry entry;
    entry.kind = EntryKind::kSymlink;
    entry.name = name;
    entry.target = target;
    return entry;
  }
  DirectoryBuilder Builder() {
    return DirectoryBuilder([this](const ObjectKey& key, ByteView bytes) {
      const Object object{key, Bytes(bytes)};
      return store_->PutMany({&object, 1});
    });
  }
  BuiltDirectory Build(const std::vector<Item>& items) {
    DirectoryBuilder builder = Builder();
    for (const Item& item : items) {
      EXPECT_TRUE(Ok(builder.Add(item.entry, {false, item.attributes, {}})));
    }
    const Result<BuiltDirectory> built = builder.Finish({0755, {1'000'000'000, 0}, {}});
    EXPECT_TRUE(Ok(built));
    return built ? *built : BuiltDirectory();
  }
  Result<WriteReport> Write(const BuiltDirectory& built, unsigned threads) {
    Result<Fd> root = OpenAt(AT_FDCWD, out_.path(), O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(Ok(root));
    WriteOptions options;
    options.threads = threads;
    return WriteTree(store_.get(), std::move(root).value(), built.tree, built.attributes, options);
  }
  Result<WriteReport> Write(const std::vector<Item>& items) { return Write(Build(items), 2); }
  ino_t InodeOf(const std::string& name) const { return StatusOfPath(name).st_ino; }
};

TEST_F(HostileAttributesTest, NamesOfAGroupThatDifferAreFilesOfTheirOwn) {
  const auto file = [this](const std::string& name, const std::string& content,
                           EntryKind kind = EntryKind::kFile) { return File(name, content, kind); };
  const Result<WriteReport> report =
      Write({Linked(file("a", "x")), Linked(file("b", "x")), Linked(file("c", "other")),
             Linked(file("d", "x"), 0600), Linked(file("e", "x", EntryKind::kExecutable)),
             Linked(Symlink("f", "x")), Linked(Symlink("g", "x")),
             Linked(file("h", "x"), 0644, "h"), Linked(file("i", "x"), 0644, "../../outside")});
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->failed, 0u);
  EXPECT_EQ(report->links, 2u);
  EXPECT_EQ(InodeOf("a"), InodeOf("b"));
  EXPECT_EQ(InodeOf("f"), InodeOf("g"));
  for (const char* name : {"c", "d", "e", "f", "h", "i"}) EXPECT_NE(InodeOf("a"), InodeOf(name));
  EXPECT_EQ(ReadWholeFile(out_ / "c"), "other");
  EXPECT_EQ(ModeOf("d"), 0600u);
  EXPECT_EQ(StatusOfPath("h").st_nlink, 1u);
}

TEST_F(HostileAttributesTest, ALinkIsNeverMadeThroughWhatStoodThereBefore) {
  // A symlink in the target under the name of the first: it is replaced, not linked to.
  TempFolder outside;
  WriteWholeFile(outside / "secret", "secret");
  std::filesystem::create_symlink(outside / "secret", out_ / "a");
  std::filesystem::create_hard_link(outside / "secret", out_ / "b");
  ASSERT_TRUE(
      Ok(Write({Linked(File("a", "x", EntryKind::kFile)), Linked(File("b", "x", EntryKind::kFile)),
                Linked(File("c", "x", EntryKind::kFile))})));
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(ReadWholeFile(out_ / name), "x");
  EXPECT_EQ(InodeOf("a"), InodeOf("c"));
  EXPECT_EQ(ReadWholeFile(outside / "secret"), "secret");
}

TEST_F(HostileAttributesTest, WhatStandsUnderTheNameOfTheFirstMeanwhileIsNotLinked) {
  TempFolder outside;
  WriteWholeFile(outside / "secret", "secret");
  const FileWriter writer(store_.get());
  const Result<Fd> folder = OpenAt(AT_FDCWD, out_.path(), O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(Ok(folder));
  WriteWholeFile(out_ / "a", "x");
  const FileStatus status = StatusAt(folder->get(), "a").status;
  const LinkBase base{"a", status.device, status.inode, status.size, status.mtime, status.mtime};
  ASSERT_TRUE(Ok(writer.Link(folder->get(), base, folder->get(), "b")));
  EXPECT_EQ(InodeOf("a"), InodeOf("b"));
  const auto expect_refused = [&] {
    EXPECT_TRUE(
        test::Fails(writer.Link(folder->get(), base, folder->get(), "c"), ErrorCode::kFailed, ""));
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(out_ / "c")));
    EXPECT_TRUE(
        test::Fails(writer.ReplaceByLink(folder->get(), base, folder->get(), "b", std::nullopt),
                    ErrorCode::kFailed, ""));
    EXPECT_EQ(ReadWholeFile(out_ / "b"), "x");
  };
  std::filesystem::remove(out_ / "a");
  expect_refused();
  std::filesystem::create_symlink(outside / "secret", out_ / "a");
  expect_refused();
  std::filesystem::remove(out_ / "a");
  std::filesystem::create_hard_link(outside / "secret", out_ / "a");
  expect_refused();
  std::filesystem::remove(out_ / "a");
  std::filesystem::create_directory(out_ / "a");
  expect_refused();
}

TEST_F(HostileAttributesTest, ASymlinkHasNeitherHolesNorExtendedAttributes) {
  Item holes{Symlink("l", "x"), {}};
  holes.attributes.rare.has_holes = true;
  EXPECT_TRUE(test::Fails(Write({holes}), ErrorCode::kCorrupt, "does not fit"));
  Item xattrs{Symlink("l", "x"), {}};
  xattrs.attributes.rare.xattrs = StoreXattrs(EncodeXattrs({{"n", "v"}}));
  EXPECT_TRUE(test::Fails(Write({xattrs}), ErrorCode::kCorrupt, "does not fit"));
}

TEST_F(HostileAttributesTest, AMissingOrWrongListOfExtendedAttributesIsAnError) {
  const Bytes list = EncodeXattrs({{"n", Bytes(2000, 'v')}});
  Item item{File("a", "x", EntryKind::kFile), {0644, {}, {}}};
  item.attributes.rare.xattrs = StoreXattrs(list);
  EXPECT_TRUE(test::Fails(Write({item}), ErrorCode::kMissingObject, ""));
  const Bytes no_list(3000, 'x');
  const Object object{HashBlob(no_list), no_list};
  ASSERT_TRUE(Ok(store_->PutMany({&object, 1})));
  item.attributes.rare.xattrs = StoreXattrs(no_list);
  EXPECT_TRUE(test::Fails(Write({item}), ErrorCode::kCorrupt, "malformed extended attributes"));
  item.attributes.rare.xattrs.bytes = 2999;
  EXPECT_TRUE(test::Fails(Write({item}), ErrorCode::kCorrupt, "not as long"));
  EXPECT_FALSE(std::filesystem::exists(out_ / "a"));
}

TEST_F(HostileAttributesTest, AFileTooLongForItsFileSystemIsRefusedBeforeItIsWritten) {
  TreeEntry entry = File("a", "x", EntryKind::kFile);
  entry.size = uint64_t{1} << 62;
  entry.manifest = {test::Repeated(1)};
  Item item{entry, {0644, {}, {}}};
  item.attributes.rare.has_holes = true;
  // The manifest, which is missing, is not even asked for.
  EXPECT_TRUE(test::Fails(Write({item}), ErrorCode::kNoSpace, "set the length of a"));
  EXPECT_FALSE(std::filesystem::exists(out_ / "a"));
}

TEST_F(HostileAttributesTest, ManyThreadsLinkNamesInManyFolders) {
  // Each folder has a name of each file; nobody knows who comes first.
  constexpr int kFolders = 40;
  constexpr int kFiles = 30;
  std::vector<Item> files;
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = std::to_string(100 + i);
    files.push_back(Linked(File(name, "content " + name, EntryKind::kFile), 0644, "0/" + name));
  }
  const BuiltDirectory folder = Build(files);
  DirectoryBuilder builder = Builder();
  for (int i = 0; i < kFolders; ++i) {
    EXPECT_TRUE(
        Ok(builder.Add(test::DirectoryEntry(std::to_string(100 + i), folder.tree, folder.totals),
                       {true, {}, folder.attributes})));
  }
  const Result<BuiltDirectory> root = builder.Finish({0755, {}, {}});
  ASSERT_TRUE(Ok(root));
  const Result<WriteReport> report = Write(*root, 8);
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->files, uint64_t{kFolders} * kFiles);
  EXPECT_EQ(report->links, uint64_t{kFolders - 1} * kFiles);
  EXPECT_EQ(report->links_as_copies.count, 0u);
  for (const Item& item : files) {
    for (int i = 0; i < kFolders; ++i) {
      const std::string path = std::to_string(100 + i) + "/" + item.entry.name;
      EXPECT_EQ(InodeOf(path), InodeOf("100/" + item.entry.name));
      EXPECT_EQ(ReadWholeFile(out_ / path), "content " + item.entry.name);
    }
  }
  EXPECT_EQ(StatusOfPath("100").st_mtime, 1'000'000'000) << "set when nothing is linked any more";
}

// What is taken away is looked at once more.
TEST(FileWriterTest, RemovesOnlyWhatWasSeen) {
  TempFolder folder;
  const auto store = std::make_unique<MemoryStore>();
  const FileWriter writer(store.get());
  const Fd fd(::open(std::string(folder / "").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  WriteWholeFile(folder / "file", "seen");
  const FileStatus seen = StatusAt(fd.get(), "file").status;
  WriteWholeFile(folder / "file", "written since");
  const Result<void> refused = writer.Remove(fd.get(), "file", seen);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("changed meanwhile"), std::string::npos);
  EXPECT_EQ(ReadWholeFile(folder / "file"), "written since");
  ASSERT_TRUE(Ok(writer.Remove(fd.get(), "file", StatusAt(fd.get(), "file").status)));
  EXPECT_FALSE(std::filesystem::exists(folder / "file"));
  EXPECT_TRUE(std::filesystem::is_empty(folder / ""));
  EXPECT_TRUE(Ok(writer.Remove(fd.get(), "file", seen))) << "it is gone already";
}

}  // namespace
}  // namespace helios

// Vst::Materialize: what is in memory, on disk.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helios/vst.h"
#include "store/memory/memory_store.h"
#include "store/store_root.h"
#include "store/testing.h"
#include "vst/vst_store.h"

namespace helios {
namespace {

namespace fs = std::filesystem;
using test::Fails;
using test::Ok;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

TreePath P(std::string_view text) { return TreePath::Parse(text).value(); }

class VstMaterializeTest : public ::testing::Test {
 protected:
  VstMaterializeTest() { fs::create_directory(out_); }

  static void Fill(Vst& vst) {
    ASSERT_TRUE(Ok(vst.Write(P("a/b/c"), "content")));
    ASSERT_TRUE(Ok(vst.Write(P("a/run"), "#!/bin/sh\n", true)));
    ASSERT_TRUE(Ok(vst.WriteSymlink(P("link"), "a/b")));
    ASSERT_TRUE(Ok(vst.MakeDirectory(P("empty"))));
    for (int i = 0; i < 500; ++i) {
      ASSERT_TRUE(Ok(vst.Write(P("many/" + std::to_string(i)), std::to_string(i))));
    }
  }
  void ExpectFilled() const {
    EXPECT_EQ(ReadWholeFile(out_ + "/a/b/c"), "content");
    EXPECT_EQ(::access((out_ + "/a/run").c_str(), X_OK), 0);
    EXPECT_EQ(fs::read_symlink(out_ + "/link"), "a/b");
    EXPECT_TRUE(fs::is_empty(out_ + "/empty"));
    for (int i = 0; i < 500; ++i) {
      EXPECT_EQ(ReadWholeFile(out_ + "/many/" + std::to_string(i)), std::to_string(i));
    }
  }
  // Puts what is in memory into the store, as a durable commit does.
  static void Store(Vst& vst, ObjectStore& store) {
    const Result<VstObjects> collected = VstAccess::CollectObjects(vst);
    ASSERT_TRUE(Ok(collected));
    for (const BorrowedObject& borrowed : collected->objects) {
      const Object object{borrowed.key, Bytes(borrowed.bytes)};
      ASSERT_TRUE(Ok(store.PutMany({&object, 1})));
    }
    MarkStored(*collected);
  }

  TempFolder folder_;
  const std::string out_ = folder_ / "out";
};

TEST_F(VstMaterializeTest, WritesAStateThatIsNowhereElse) {
  Vst vst;
  Fill(vst);
  const Result<WriteReport> report = vst.Materialize(out_);
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->files, 503u);
  EXPECT_EQ(report->failed, 0u);
  ExpectFilled();
}

TEST_F(VstMaterializeTest, WritesWhatIsInMemoryAndWhatIsInTheStore) {
  MemoryStore store;
  Vst first(&store);
  Fill(first);
  Store(first, store);
  Vst vst(&store);  // knows nothing but the id
  ASSERT_TRUE(Ok(vst.Restore(first.Commit().value())));
  ASSERT_TRUE(Ok(vst.Write(P("many/7"), "seven")));
  ASSERT_TRUE(Ok(vst.Write(P("new/file"), "new")));
  ASSERT_TRUE(Ok(vst.Materialize(out_)));
  EXPECT_EQ(ReadWholeFile(out_ + "/many/7"), "seven");
  EXPECT_EQ(ReadWholeFile(out_ + "/new/file"), "new");
  // The same folder again, as the other state is.
  ASSERT_TRUE(Ok(first.Materialize(out_)));
  ExpectFilled();
  EXPECT_EQ(ReadWholeFile(out_ + "/new/file"), "new");  // nothing is removed
}

TEST_F(VstMaterializeTest, LargeFilesAreWhole) {
  const std::string content = RandomBytes(7 << 20, 1);
  Vst vst;
  ASSERT_TRUE(Ok(vst.Write(P("large"), content)));
  ASSERT_TRUE(Ok(vst.Materialize(out_)));
  EXPECT_EQ(ReadWholeFile(out_ + "/large"), content);
}

TEST_F(VstMaterializeTest, SelectionChooses) {
  Vst vst;
  Fill(vst);
  const Result<WriteReport> report =
      vst.Materialize(folder_ / "made/here", {{"/a", "many/1*"}, {"*.none", "run", "many/12"}});
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(ReadWholeFile(folder_ / "made/here/a/b/c"), "content");
  EXPECT_EQ(ReadWholeFile(folder_ / "made/here/many/11"), "11");
  EXPECT_FALSE(fs::exists(folder_ / "made/here/a/run"));
  EXPECT_FALSE(fs::exists(folder_ / "made/here/many/12"));
  EXPECT_FALSE(fs::exists(folder_ / "made/here/many/2"));
  EXPECT_TRUE(Fails(vst.Materialize(out_, {{"["}, {}}), ErrorCode::kInvalidArgument, "["));
}

TEST_F(VstMaterializeTest, NoLinkInTheTargetIsFollowed) {
  fs::create_directory(folder_ / "outside");
  WriteWholeFile(folder_ / "outside/file", "mine");
  fs::create_directory_symlink(folder_ / "outside", out_ + "/folder");
  fs::create_symlink(folder_ / "outside/file", out_ + "/file");
  Vst vst;
  ASSERT_TRUE(Ok(vst.Write(P("folder/file"), "theirs")));
  ASSERT_TRUE(Ok(vst.Write(P("folder/other"), "theirs")));
  ASSERT_TRUE(Ok(vst.Write(P("file"), "theirs")));
  const Result<WriteReport> report = vst.Materialize(out_);
  ASSERT_TRUE(Ok(report));
  EXPECT_EQ(report->failed, 1u);
  EXPECT_EQ(ReadWholeFile(folder_ / "outside/file"), "mine");
  EXPECT_FALSE(fs::exists(folder_ / "outside/other"));
  EXPECT_FALSE(fs::is_symlink(out_ + "/file"));
  EXPECT_EQ(ReadWholeFile(out_ + "/file"), "theirs");
}

TEST_F(VstMaterializeTest, NothingIsWrittenIntoAStore) {
  const Backend backend = PackBackend();
  ASSERT_TRUE(Ok(CreateStore(folder_ / "store", backend)));
  fs::create_directory_symlink(folder_ / "store", folder_ / "link");
  Vst vst;
  ASSERT_TRUE(Ok(vst.Write(P("f"), "x")));
  for (const char* inside : {"store", "store/pack", "store/new/folder", "link/new"}) {
    EXPECT_TRUE(Fails(vst.Materialize(folder_ / inside), ErrorCode::kInvalidArgument,
                      "lies inside the store"))
        << inside;
  }
  EXPECT_FALSE(fs::exists(folder_ / "store/new"));
  ASSERT_TRUE(Ok(vst.Materialize(folder_ / "store-beside")));
}

TEST_F(VstMaterializeTest, FileInPlaceOfTheFolderIsAnError) {
  WriteWholeFile(folder_ / "file", "mine");
  Vst vst;
  EXPECT_TRUE(Fails(vst.Materialize(folder_ / "file"), ErrorCode::kFailed, "not a folder"));
  EXPECT_EQ(ReadWholeFile(folder_ / "file"), "mine");
}

}  // namespace
}  // namespace helios

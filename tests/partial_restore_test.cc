// Restoring a part of a snapshot in place: what is not selected is not touched, whatever kind of
// thing it is now and was then.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class PartialRestoreTest : public HeliosTest {
 protected:
  // Expects `code`, and that just `changed` of the workspace is other than before.
  void ExpectChanges(const Strings& args, int code, const std::set<std::string>& changed) {
    const TreeState before = ReadTree(work_);
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, code) << result;
    const auto drop = [&](const std::string& path) { return changed.contains(path); };
    EXPECT_EQ(Difference(Without(before, drop), Without(ReadTree(work_), drop)), "") << result;
  }
};

TEST_F(PartialRestoreTest, AnUnselectedFileWhereAFolderWasIsNotTouched) {
  Write("b/c/a.h", "1");
  Write("a", "1");
  const std::string first = Commit();
  Remove(Work("b/c"));
  Write("a", "2");
  Commit();
  Write("b/c", "unsaved");
  ExpectChanges({"restore", first, "a"}, 0, {"", "a"});
  EXPECT_EQ(ReadFile(Work("a")), "1");
  Write("a", "2");
  ExpectChanges({"restore", "--force", first, "a"}, 0, {"", "a"});
  EXPECT_EQ(ReadFile(Work("b/c")), "unsaved");
}

TEST_F(PartialRestoreTest, AFileDoesNotTakeThePlaceOfAFolderWithExcludedFiles) {
  Write("foo", "file");
  const std::string first = Commit();
  Remove(Work("foo"));
  Write("foo/keep", "kept");
  Write("foo/goes", "goes");
  Commit();
  for (const Strings& more : {Strings{}, Strings{"--force"}}) {
    Strings args{"restore", first, "--exclude", "foo/keep"};
    args.insert(args.end(), more.begin(), more.end());
    ExpectChanges(args, 4, {});
  }
}

TEST_F(PartialRestoreTest, AFileMakesWayOnlyForWhatIsSelected) {
  Write("foo/x.h", "header");
  const std::string first = Commit();
  Remove(Work("foo"));
  Write("foo", "file");
  Commit();
  ExpectChanges({"restore", first, "*.c"}, 0, {});
  ExpectChanges({"restore", first, "*.h"}, 4, {});
  ExpectChanges({"restore", first, "foo"}, 0, {"", "foo", "foo/x.h"});
  EXPECT_EQ(ReadFile(Work("foo/x.h")), "header");
}

TEST_F(PartialRestoreTest, AFolderWithoutSelectedFilesStaysWhereAFileWas) {
  Write("foo", "file");
  const std::string first = Commit();
  Remove(Work("foo"));
  Write("foo/x.h", "header");
  Write("foo/x.c", "source");
  Commit();
  ExpectChanges({"restore", first, "*.c"}, 0, {"foo", "foo/x.c"});
  EXPECT_FALSE(Exists(Work("foo/x.c")));
  EXPECT_EQ(ReadFile(Work("foo/x.h")), "header");
}

TEST_F(PartialRestoreTest, FoldersThatAreNotSelectedKeepTheirModesAndStay) {
  Write("secret/f.c", "1");
  Write("secret/f.h", "1");
  Write("top.c", "1");
  SetMode(Work("secret"), 0755);
  const std::string first = Commit();
  SetMode(Work("secret"), 0700);
  MakeFolders(Work("empty"));
  Write("secret/f.c", "2");
  Commit();
  ExpectChanges({"restore", first, "*.c"}, 0, {"secret/f.c", "secret"});
  EXPECT_EQ(ReadTree(work_)["secret"].mode & 0777, 0700u);
  EXPECT_EQ(ReadFile(Work("secret/f.c")), "1");
  EXPECT_TRUE(Exists(Work("empty")));
}

// Any two trees of files and folders of the same few names, and a choice of one kind of file.
class RandomPartialRestoreTest : public PartialRestoreTest,
                                 public ::testing::WithParamInterface<unsigned> {
 protected:
  void MakeTree() {
    for (const std::string name : {"a.c", "b.h", "d", "e.c"}) MakeNode(name, 2);
  }
  void MakeNode(const std::string& path, int depth) {
    const unsigned choice = random_() % 4;
    if (choice == 0) return;
    if (choice == 1 || depth == 0) return Write(path, path + std::to_string(random_() % 3));
    MakeFolders(Work(path));
    for (const std::string name : {"x.c", "y.h", "z"}) MakeNode(path + "/" + name, depth - 1);
  }
  void Clear() {
    for (const std::string& name : ListFolder(work_)) Remove(Work(name));
  }
  static bool IsSelected(const std::string& path) {
    for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
      if (path.substr(0, end).ends_with(".c")) return true;
      if (end == path.npos) return false;
    }
  }

  std::mt19937 random_{GetParam()};
};

TEST_P(RandomPartialRestoreTest, TouchesWhatIsSelectedAndNothingElse) {
  MakeTree();
  const TreeState wanted = ReadTree(work_);
  const std::string first = Commit();
  Clear();
  MakeTree();
  Commit();
  const TreeState before = ReadTree(work_);
  const RunResult result = Run({"restore", first, "*.c"});
  const TreeState after = ReadTree(work_);
  if (result.exit_code == 4) {
    EXPECT_EQ(Difference(before, after), "");
    return;
  }
  ASSERT_EQ(result.exit_code, 0) << result;
  const auto selected = [](const std::string& path) { return IsSelected(path); };
  const auto others = [](const std::string& path) { return !IsSelected(path); };
  EXPECT_EQ(Difference(Without(wanted, others), Without(after, others), Compare::kContents), "");
  for (const auto& [path, node] : before) {
    if (selected(path)) continue;
    ASSERT_TRUE(after.contains(path)) << path << " is gone";
    EXPECT_EQ(after.at(path).content, node.content) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomPartialRestoreTest, ::testing::Range(0u, 60u));

}  // namespace
}  // namespace helios

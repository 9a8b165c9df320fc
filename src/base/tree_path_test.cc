#include "helios/tree_path.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>

namespace helios {
namespace {

TEST(TreePathTest, KnowsValidNames) {
  for (const char* name : {"a", "...", ".a", "a.", "..a", " ", "\n", ":", "\\", "\xff", "~", "-"}) {
    EXPECT_TRUE(IsValidName(name)) << name;
  }
  EXPECT_TRUE(IsValidName(std::string(255, 'a')));
}

TEST(TreePathTest, KnowsInvalidNames) {
  for (const char* name : {"", ".", "..", "/", "a/b", "/a", "a/"}) {
    EXPECT_FALSE(IsValidName(name)) << name;
  }
  EXPECT_FALSE(IsValidName(std::string(256, 'a')));
  EXPECT_FALSE(IsValidName(std::string(1, '\0')));
  EXPECT_FALSE(IsValidName(std::string("a\0b", 3)));
}

TEST(TreePathTest, ParsesPaths) {
  for (const char* text : {"a", "a/b", "a/b/c", ".a/..b/...", "a b/\xff"}) {
    const Result<TreePath> path = TreePath::Parse(text);
    ASSERT_TRUE(path.has_value()) << text;
    EXPECT_EQ(path->text(), text);
    EXPECT_FALSE(path->IsRoot());
  }
}

TEST(TreePathTest, ParsesTheRoot) {
  EXPECT_TRUE(TreePath().IsRoot());
  for (const char* text : {"", "."}) {
    const Result<TreePath> path = TreePath::Parse(text);
    ASSERT_TRUE(path.has_value()) << text;
    EXPECT_EQ(*path, TreePath());
  }
}

TEST(TreePathTest, DropsATrailingSlash) {
  const Result<TreePath> path = TreePath::Parse("a/b/");
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(path->text(), "a/b");
}

TEST(TreePathTest, RefusesWhatIsNotInsideATree) {
  for (const char* text :
       {"/a", "//", "..", "a/..", "../a", "a/../b", "./a", "a/.", "a/./b", "a//b", "//a", "/.."}) {
    const Result<TreePath> path = TreePath::Parse(text);
    ASSERT_FALSE(path.has_value()) << text;
    EXPECT_EQ(path.error().code(), ErrorCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(TreePath::Parse(std::string("a\0b", 3)).has_value());
  EXPECT_FALSE(TreePath::Parse("a/" + std::string(256, 'b')).has_value());
}

TEST(TreePathTest, HasNoLimitOnTheWholePath) {
  std::string text = "d";
  for (int i = 0; i < 5000; ++i) text += "/d";
  const Result<TreePath> path = TreePath::Parse(text);
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(path->text(), text);
}

TEST(TreePathTest, GoesDownByOneName) {
  EXPECT_EQ(TreePath().Child("a").text(), "a");
  EXPECT_EQ(TreePath().Child("a").Child("b").text(), "a/b");
}

TEST(TreePathDeathTest, DoesNotGoUp) {
  EXPECT_DEATH((void)TreePath().Child(".."), "IsValidName");
  EXPECT_DEATH((void)TreePath().Child("a/b"), "IsValidName");
}

RC_GTEST_PROP(TreePathProperty, HoldsOnlyValidNames, ()) {
  // Few letters, so that every odd combination comes up.
  const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab../\0", 6)));
  const Result<TreePath> path = TreePath::Parse(text);
  if (!path) return;
  if (path->IsRoot()) return;
  const std::string& parsed = path->text();
  for (size_t start = 0; start <= parsed.size();) {
    const size_t end = std::min(parsed.find('/', start), parsed.size());
    RC_ASSERT(IsValidName(parsed.substr(start, end - start)));
    start = end + 1;
  }
  const Result<TreePath> again = TreePath::Parse(parsed);
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == *path);
}

}  // namespace
}  // namespace helios

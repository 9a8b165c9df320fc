#include "worktree/selector.h"

#include <thread>

#include "worktree/pattern_testing.h"

namespace helios {
namespace {

Selector ParseSelector(const Strings& includes, const Strings& excludes = {}) {
  Result<Selector> selector = Selector::Parse(includes, excludes);
  EXPECT_TRUE(selector.has_value());
  return std::move(selector).value();
}

bool Selects(const Selector& selector, std::string_view path) {
  const TestPath asked(path);
  return selector.Selects(asked.text, asked.is_directory);
}

TEST(SelectorTest, SelectsEverythingWithoutPatterns) {
  const Selector selector;
  EXPECT_TRUE(selector.SelectsEverything());
  EXPECT_TRUE(Selects(selector, "a/b"));
  EXPECT_TRUE(selector.MaySelectBelow(""));
  EXPECT_TRUE(selector.MaySelectBelow("a"));
  EXPECT_TRUE(ParseSelector({}, {}).SelectsEverything());
  EXPECT_FALSE(ParseSelector({"a"}).SelectsEverything());
  EXPECT_FALSE(ParseSelector({}, {"a"}).SelectsEverything());
}

struct SelectorCase {
  Strings includes;
  Strings excludes;
  Strings selected;
  Strings not_selected;
};

const std::vector<SelectorCase> kSelectorCases = {
    // What a directory's pattern selects, it selects with everything below it.
    {{"src"}, {}, {"src/", "src/a", "src/a/b", "x/src/a", "src"}, {"srcx", "a/b"}},
    {{"dir/"}, {}, {"dir/", "dir/a/b", "x/dir/a"}, {"dir", "x/dir"}},
    {{"demo/**"}, {}, {"demo/a.txt", "demo/b/c"}, {"demo/", "x/demo/a.txt", "demos/a"}},
    {{"*.go"}, {}, {"a.go", "x/y/b.go", "d.go/x"}, {"a.c", "x/"}},
    {{"/src/a.c"}, {}, {"src/a.c"}, {"src/", "src/b.c", "x/src/a.c"}},
    {{"./src"}, {}, {"src/a"}, {"x/src/a"}},
    {{"."}, {}, {"a", "a/b"}, {}},
    {{"src", "*.md"}, {}, {"src/a", "x/y.md"}, {"x/y.c"}},
    // Exclude wins.
    {{},
     {"*.o", "build/"},
     {"a.c", "build", "x/"},
     {"a.o", "x/a.o", "build/", "build/a", "x/build/a"}},
    {{"src"}, {"*.o"}, {"src/a.c"}, {"src/a.o", "b.c"}},
    {{"src/gen/a.c"}, {"gen"}, {}, {"src/gen/a.c"}},
    // '!' takes back. Of the includes that reach a path, the last decides.
    {{"src", "!src/gen"}, {}, {"src/a", "src/x/gen"}, {"src/gen", "src/gen/a", "a"}},
    {{"src/**", "!gen/"}, {}, {"src/a", "src/gen"}, {"src/gen/", "src/gen/a", "src/x/gen/a"}},
    {{"*.c", "!gen/"}, {}, {"a.c", "x/b.c"}, {"gen/a.c"}},
    {{"src", "!src/gen", "src/gen/keep"}, {}, {"src/gen/keep/x"}, {"src/gen/a"}},
    {{"!src/gen", "src"}, {}, {"src/gen/a"}, {"a"}},
    {{"!*.o"}, {}, {"a.c", "x/"}, {"a.o", "x/b.o"}},
    // Excludes are lines of an ignore file: nothing below what is excluded comes back.
    {{}, {"*.o", "!keep.o"}, {"keep.o", "x/keep.o"}, {"a.o"}},
    {{}, {"build", "!build/keep"}, {"a"}, {"build/", "build/keep"}},
    {{}, {"build/*", "!build/keep"}, {"build/", "build/keep/a"}, {"build/x/a"}},
    {{}, {"/*", "!/src"}, {"src/", "src/a"}, {"a", "lib/a"}},
};

TEST(SelectorTest, SelectsAsAGitUserExpects) {
  for (const SelectorCase& one : kSelectorCases) {
    const Selector selector = ParseSelector(one.includes, one.excludes);
    const std::string shown =
        testing::PrintToString(one.includes) + " " + testing::PrintToString(one.excludes) + " ";
    for (const std::string& path : one.selected) {
      EXPECT_TRUE(Selects(selector, path)) << shown << path;
    }
    for (const std::string& path : one.not_selected) {
      EXPECT_FALSE(Selects(selector, path)) << shown << path;
    }
  }
}

TEST(SelectorTest, RefusesAMalformedPattern) {
  EXPECT_FALSE(Selector::Parse(Strings{"[a"}, Strings{}).has_value());
  const auto excluding = Selector::Parse(Strings{}, Strings{"ok", "[b"});
  ASSERT_FALSE(excluding.has_value());
  EXPECT_EQ(excluding.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(excluding.error().message(), "malformed pattern '[b': a '[' without its ']'");
}

TEST(SelectorTest, PrunesWalks) {
  const Selector anchored = ParseSelector({"src/foo/**", "/docs/*.md"});
  EXPECT_TRUE(anchored.MaySelectBelow(""));
  EXPECT_TRUE(anchored.MaySelectBelow("src"));
  EXPECT_TRUE(anchored.MaySelectBelow("src/foo/x/y"));
  EXPECT_TRUE(anchored.MaySelectBelow("docs"));
  EXPECT_FALSE(anchored.MaySelectBelow("docs/x"));
  EXPECT_FALSE(anchored.MaySelectBelow("src/bar"));
  EXPECT_FALSE(anchored.MaySelectBelow("lib"));

  EXPECT_TRUE(ParseSelector({"*.go"}).MaySelectBelow("a/b"));
  EXPECT_TRUE(ParseSelector({"/src"}).MaySelectBelow("src/x"));
  EXPECT_FALSE(ParseSelector({"/src"}).MaySelectBelow("x"));

  const Selector excluding = ParseSelector({}, {"node_modules"});
  EXPECT_FALSE(excluding.MaySelectBelow("a/node_modules"));
  EXPECT_FALSE(excluding.MaySelectBelow("a/node_modules/x"));
  EXPECT_TRUE(excluding.MaySelectBelow("a"));

  const Selector taking_back = ParseSelector({"src", "!gen/", "src/gen/keep/**"});
  EXPECT_TRUE(taking_back.MaySelectBelow("src"));
  EXPECT_TRUE(taking_back.MaySelectBelow("src/gen"));
  EXPECT_FALSE(taking_back.MaySelectBelow("src/gen/x"));
  EXPECT_FALSE(taking_back.MaySelectBelow("src/a/gen"));
}

TEST(SelectorTest, KnowsWhichPatternsMatchedNothing) {
  const Selector selector = ParseSelector({"*.c", "./src", "!gen"}, {"*.o", "build/"});
  EXPECT_EQ(selector.UnmatchedPatterns(), (Strings{"*.c", "./src", "!gen", "*.o", "build/"}));
  // Matched by two; that the later one decides does not make a warning of the earlier one.
  EXPECT_TRUE(Selects(selector, "src/a.c"));
  EXPECT_EQ(selector.UnmatchedPatterns(), (Strings{"!gen", "*.o", "build/"}));
  EXPECT_FALSE(Selects(selector, "lib/build/x"));
  EXPECT_EQ(selector.UnmatchedPatterns(), (Strings{"!gen", "*.o"}));
  EXPECT_FALSE(Selects(selector, "gen"));
  EXPECT_FALSE(Selects(selector, "x.o"));
  EXPECT_TRUE(selector.UnmatchedPatterns().empty());

  const Selector contradicting = ParseSelector({"a.c"}, {"*.c"});
  EXPECT_FALSE(Selects(contradicting, "a.c"));
  EXPECT_TRUE(contradicting.UnmatchedPatterns().empty());
}

TEST(SelectorTest, MarksPatternsFromManyThreads) {
  Strings includes;
  for (int i = 0; i < 64; ++i) includes.push_back("f" + std::to_string(i));
  includes.push_back("never");
  const Selector selector = ParseSelector(includes);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&selector] {
      for (int i = 0; i < 64; ++i) EXPECT_TRUE(selector.Selects("d/f" + std::to_string(i), false));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(selector.UnmatchedPatterns(), Strings{"never"});
}

RC_GTEST_PROP(SelectorProperty, NeverPrunesWhatIsSelected, ()) {
  Strings includes;
  for (int count = *rc::gen::inRange(0, 4); count > 0; --count) {
    includes.push_back((*rc::gen::inRange(0, 3) == 0 ? "!" : "") + Join(*PatternParts()));
  }
  Strings excludes;
  for (int count = *rc::gen::inRange(0, 3); count > 0; --count) {
    excludes.push_back((*rc::gen::inRange(0, 3) == 0 ? "!/" : "/") + Join(*PatternParts()));
  }
  const Selector selector = ParseSelector(includes, excludes);
  const Strings path = *Names("ab", 5);
  const bool selected = selector.Selects(Join(path), false);
  RC_CLASSIFY(selected);
  for (size_t i = 1; selected && i < path.size(); ++i) {
    RC_ASSERT(selector.MaySelectBelow(Join(Strings(path.begin(), path.begin() + i))));
  }
}

}  // namespace
}  // namespace helios

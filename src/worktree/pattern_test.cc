#include "worktree/pattern.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace helios {
namespace {

using Strings = std::vector<std::string>;
using Verdict = PatternList::Verdict;

// Paths in this file end in '/' where they name a directory.
struct Path {
  explicit Path(std::string_view path) : text(path), is_directory(path.ends_with('/')) {
    if (is_directory) text.remove_suffix(1);
  }
  std::string_view text;
  bool is_directory;
};

PatternList ParseFile(std::string_view text) {
  Result<PatternList> list = PatternList::ParseIgnoreFile(text);
  EXPECT_TRUE(list.has_value()) << text;
  return std::move(list).value();
}

Verdict Ask(const PatternList& list, std::string_view path) {
  const Path asked(path);
  return list.Decide(asked.text, asked.is_directory).verdict;
}

Selector ParseSelector(const Strings& includes, const Strings& excludes = {}) {
  Result<Selector> selector = Selector::Parse(includes, excludes);
  EXPECT_TRUE(selector.has_value());
  return std::move(selector).value();
}

bool Selects(const Selector& selector, std::string_view path) {
  const Path asked(path);
  return selector.Selects(asked.text, asked.is_directory);
}

struct IgnoreCase {
  std::string text;
  Strings matched;
  Strings not_matched;
  Strings taken_back = {};
};

// Every verdict here is that of git 2.39.5: `git check-ignore -v -n --no-index` on real files. A
// comparison with git on some 180,000 random patterns found no difference; these rows are the
// shapes in which wrong variants of the matcher differed, and what gitignore(5) leaves open.
const std::vector<IgnoreCase> kIgnoreCases = {
    // Names match at any depth.
    {"foo", {"foo", "foo/", "a/foo", "a/b/foo/"}, {"foobar", "Foo"}},
    {"*.o", {"x.o", ".o", "a/x.o"}, {"x.oo", "o"}},
    {"foo*", {"foo", "foobar", "a/foox"}, {"xfoo"}},
    {"*", {"a", ".hidden"}, {}},
    {"?", {"a"}, {"ab"}},
    {"?a?", {"bab"}, {"a", "aa"}},
    {"*a*b*", {"ab", "xaybz"}, {"ba", "a"}},
    // A slash at the front or in the middle anchors.
    {"/foo", {"foo"}, {"a/foo"}},
    {"a/foo", {"a/foo", "a/foo/"}, {"b/a/foo"}},
    {"/a/foo", {"a/foo"}, {}},
    {"a/*", {"a/b", "a/.x"}, {"a"}},
    {"*/b", {"a/b"}, {"b", "a/a/b"}},
    {"a/?/c", {"a/b/c"}, {"a/bb/c", "a/c"}},
    {"/*", {"a"}, {}},
    {"/*.c", {"x.c"}, {"a/x.c"}},
    // A slash at the end asks for a directory, and does not anchor.
    {"foo/", {"foo/", "a/foo/"}, {"foo", "a/foo"}},
    {"/foo/", {"foo/"}, {"foo", "a/foo/"}},
    {"a/foo/", {"a/foo/"}, {"a/foo", "b/a/foo/"}},
    {"*/", {"a/"}, {"a"}},
    {"**/", {"a/"}, {"a"}},
    {"/", {}, {"a", "a/"}},
    {"//", {}, {"a/"}},
    {"foo//", {}, {"foo", "foo/"}},
    // Two stars.
    {"**", {"a"}, {}},
    {"**/foo", {"foo", "a/foo", "a/b/foo"}, {"afoo", "a/foob"}},
    {"**/a/b", {"a/b", "x/a/b", "x/y/a/b"}, {"xa/b"}},
    {"a/**", {"a/b"}, {"a", "a/", "b/a/c"}},
    {"/**", {"a"}, {}},
    {"a/**/b", {"a/b", "a/x/b", "a/x/y/b"}, {"ab", "a/xb"}},
    {"a/**/**/b", {"a/b", "a/x/b"}, {}},
    {"a/***/b", {"a/b", "a/x/y/b"}, {}},
    {"a/**/*.c", {"a/x.c", "a/b/x.c"}, {"x.c"}},
    {"**/a/**", {"a/x", "b/a/x"}, {"a", "b/a/"}},
    {"**/a/**/b/**", {"a/b/x", "x/a/y/b/z"}, {"a/b", "b/a/x"}},
    {"a/**/", {"a/b/"}, {"a/b", "a/"}},
    {"**foo", {"foo", "xfoo", "a/xfoo"}, {}},
    {"f**o", {"foo", "fo", "a/fxxo"}, {"f/o"}},
    {"a/f**o/b", {"a/fxo/b", "a/fo/b"}, {"a/f/o/b"}},
    {"a/**b/c", {"a/b/c", "a/xb/c"}, {"a/x/b/c"}},
    {"a/?b**/c", {"a/xb/c", "a/xbyy/c"}, {"a/xb/y/c"}},
    // Two stars right behind a literal start count as a component, although gitignore(5) denies it.
    {"/foo**/bar",
     {"foo/bar", "foox/bar", "foo/x/bar", "foox/y/bar", "foobar"},
     {"fooxbar", "a/foo/bar"}},
    {"a/b**", {"a/b", "a/bx"}, {"a/x"}},
    {"b**/**/*", {"b", "bar"}, {"a"}},
    {"foo**\\/bar", {"foo/bar", "foo/x/bar"}, {"foobar"}},
    {"foo**//bar", {"foo/bar"}, {"foobar", "foo/x/bar"}},
    {"foo**//", {"foo/"}, {"foo", "fooo/"}},
    {"\\foo**/bar", {"foox/bar"}, {"foobar", "foo/x/bar"}},
    {"foo/**bar/c", {"foo/bar/c"}, {"foo/x/bar/c"}},
    // Escaped.
    {"\\!a", {"!a"}, {"a"}},
    {"\\#a", {"#a"}, {}},
    {"#a", {}, {"#a", "a"}},
    {"\\*", {"*"}, {"a"}},
    {"\\**", {"*", "*x"}, {"x"}},
    {"a\\b", {"ab"}, {"a\\b"}},
    {"a\\\\b", {"a\\b"}, {}},
    {"a\\/b", {"a/b"}, {"x/a/b"}},
    {"**\\/b", {"a/b", "a/x/b"}, {"b"}},
    {"a/**\\/b", {"a/x/b"}, {"a/b"}},
    {"a\\[b", {"a[b"}, {}},
    {"foo\\", {}, {"foo", "foo\\"}},
    {"foo\\/", {}, {"foo/"}},
    // Sets.
    {"[ab]c", {"ac", "bc"}, {"cc", "[ab]c"}},
    {"[!a]c", {"bc"}, {"ac"}},
    {"[^a]c", {"bc", "^c"}, {"ac"}},
    {"[a-c]x", {"bx"}, {"dx", "-x"}},
    {"[c-a]x", {"cx"}, {"bx", "ax"}},
    {"[]a]x", {"]x", "ax"}, {"bx"}},
    {"[!]a]x", {"bx"}, {"]x"}},
    {"[a-]x", {"-x", "ax"}, {}},
    {"[-a]x", {"-x"}, {}},
    {"[a-c-e]x", {"bx", "-x", "ex"}, {"dx"}},
    {"[--0]x", {"-x", ".x", "0x"}, {"1x"}},
    {"[\\]]x", {"]x"}, {"\\x"}},
    {"[\\a-\\c]x", {"bx"}, {"\\x"}},
    {"[a\\-c]x", {"-x"}, {"bx"}},
    {"[a/]x", {"ax"}, {"a/x"}},
    {"a[/]x", {}, {"a/x"}},
    {"[!b]/x", {"a/x"}, {"b/x"}},
    {"[*?]x", {"*x", "?x"}, {"ax"}},
    {"[[]x", {"[x"}, {}},
    {"[[:]x", {"[x", ":x"}, {}},
    {"[a", {}, {"a", "[a"}},
    {"a[", {}, {"a["}},
    {"[]", {}, {"[]", "]"}},
    {"[!]", {}, {"[!]", "a"}},
    {"\\[a", {"[a"}, {}},
    {"[\303-\377]x", {"\377x"}, {"ax"}},
    // POSIX classes.
    {"[[:alpha:]]", {"a", "Z"}, {"1", "\351"}},
    {"[[:digit:][:upper:]]x", {"1x", "Ax"}, {"ax"}},
    {"[![:alnum:]]", {"-", "_"}, {"a"}},
    {"[[:space:]]x", {" x", "\tx"}, {"\013x", "ax"}},
    {"[[:blank:]]x", {" x", "\tx"}, {}},
    {"[[:punct:]]x", {"_x", "~x"}, {"ax", " x"}},
    {"[[:cntrl:]]x", {"\001x", "\177x"}, {"ax"}},
    {"[[:graph:]]x", {"!x"}, {" x", "\177x"}},
    {"[[:print:]]x", {" x"}, {"\001x"}},
    {"[[:lower:]-z]", {"a", "-", "z"}, {"A"}},
    {"[[:xdigit:]]", {"f", "F"}, {"g"}},
    {"[[:foo:]]", {}, {"f", "a"}},
    {"[[:alpha]]", {"a]", ":]"}, {"b]", "a"}},
    {"[[::]]", {}, {":"}},
    {"[a-[:alpha:]]", {}, {"a:]", "b"}},
    // Lines of a file.
    {"foo\r\n", {"foo"}, {"foo\r"}},
    {"foo", {"foo"}, {}},
    {"foo  \n", {"foo"}, {"foo  "}},
    {"foo\\ \n", {"foo "}, {"foo"}},
    {"foo\\  \n", {"foo "}, {}},
    {" foo", {" foo"}, {"foo"}},
    {"foo\t", {"foo\t"}, {"foo"}},
    {"\357\273\277foo", {"foo"}, {}},
    {"\n\n  \nfoo", {"foo"}, {" "}},
    {"!foo", {}, {}, {"foo"}},
    {"!!foo", {}, {"foo"}, {"!foo"}},
    {"!", {}, {"!"}},
    {"a#b", {"a#b"}, {}},
    {"foo \\", {}, {"foo "}},
    // The last match decides.
    {"*.c\n!keep.c", {"a.c"}, {}, {"keep.c", "x/keep.c"}},
    {"!keep.c\n*.c", {"keep.c"}, {}},
    {"/*\n!/src", {"a"}, {}, {"src/"}},
    {"a/*\n!a/b", {"a/c"}, {}, {"a/b"}},
    {"foo\n!foo/", {"foo"}, {}, {"foo/"}},
    // Nothing but whole components.
    {"./a", {}, {"a"}},
    {"a/.", {}, {"a/"}},
    {"../a", {}, {"a"}},
    {"a//b", {}, {"a/b"}},
    {".", {}, {"a"}},
};

TEST(PatternListTest, DecidesAsGitDoes) {
  for (const IgnoreCase& one : kIgnoreCases) {
    const PatternList list = ParseFile(one.text);
    for (const std::string& path : one.matched) {
      EXPECT_EQ(Ask(list, path), Verdict::kMatch) << one.text << " on " << path;
    }
    for (const std::string& path : one.not_matched) {
      EXPECT_EQ(Ask(list, path), Verdict::kNoMatch) << one.text << " on " << path;
    }
    for (const std::string& path : one.taken_back) {
      EXPECT_EQ(Ask(list, path), Verdict::kTakenBack) << one.text << " on " << path;
    }
  }
}

TEST(PatternListTest, SaysWhichPatternDecided) {
  const PatternList list = ParseFile("# objects\n*.o\n\n!keep.o  \n");
  ASSERT_EQ(list.patterns().size(), 2u);
  EXPECT_EQ(list.patterns()[0].line, 2u);
  EXPECT_EQ(list.patterns()[1].text, "!keep.o");
  EXPECT_EQ(list.patterns()[1].line, 4u);
  EXPECT_TRUE(list.patterns()[1].takes_back);
  EXPECT_EQ(list.Decide("a/x.o", false).pattern, 0u);
  EXPECT_EQ(list.Decide("a/keep.o", false).pattern, 1u);
  EXPECT_TRUE(list.Matches(0, "a/keep.o", false));
  EXPECT_FALSE(list.Matches(1, "a/x.o", false));
}

TEST(PatternListTest, MatchesNothingWithoutPatternsAndNeverTheBase) {
  EXPECT_EQ(PatternList().Decide("a", false).verdict, Verdict::kNoMatch);
  EXPECT_EQ(ParseFile("").Decide("a", false).verdict, Verdict::kNoMatch);
  EXPECT_EQ(ParseFile("*\n/**\n").Decide("", true).verdict, Verdict::kNoMatch);
}

TEST(PatternListTest, WarnsAboutMalformedLinesAndUsesTheOthers) {
  const std::string with_nul = {'c', '\0', 'd'};
  const PatternList list = ParseFile("*.o\n[a\nb\\\n!\n[[:x:]]\na//b\n" + with_nul);
  EXPECT_EQ(list.patterns().size(), 1u);
  EXPECT_EQ(
      list.warnings(),
      (Strings{"line 2: malformed pattern '[a': a '[' without its ']'",
               "line 3: malformed pattern 'b\\': nothing follows the '\\' at its end",
               "line 4: malformed pattern '!': names nothing",
               "line 5: malformed pattern '[[:x:]]': unknown character class",
               "line 6: malformed pattern 'a//b': no path has an empty component, '.' or '..'",
               "line 7: malformed pattern '" + with_nul + "': holds a NUL byte"}));
  EXPECT_EQ(Ask(list, "x.o"), Verdict::kMatch);
}

TEST(PatternListTest, RefusesMalformedArgumentsByName) {
  for (const std::string text : {"", "!", "/", "[a", "a\\", "[[:x:]]", "../a", "a/./b", "a//b"}) {
    const Result<PatternList> list = PatternList::ParseArguments(Strings{"good", text});
    ASSERT_FALSE(list.has_value()) << text;
    EXPECT_EQ(list.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(list.error().message().find("'" + text + "'"), std::string::npos);
  }
}

TEST(PatternListTest, BoundsWhatItTakes) {
  const std::string longest(kPatternBytesMax, 'a');
  EXPECT_TRUE(PatternList::ParseArguments(Strings{longest}).has_value());
  EXPECT_FALSE(PatternList::ParseArguments(Strings{longest + "a"}).has_value());
  EXPECT_EQ(ParseFile(longest + "a").warnings().size(), 1u);
  EXPECT_TRUE(PatternList::ParseIgnoreFile(std::string(kIgnoreFileBytesMax, '\n')).has_value());
  const auto too_long = PatternList::ParseIgnoreFile(std::string(kIgnoreFileBytesMax + 1, '\n'));
  ASSERT_FALSE(too_long.has_value());
  EXPECT_EQ(too_long.error().code(), ErrorCode::kInvalidArgument);
}

TEST(PatternListTest, TakesArgumentsAsTheyStand) {
  const PatternList list = *PatternList::ParseArguments(Strings{"#a", "b ", "./c", "!./d"});
  EXPECT_EQ(Ask(list, "#a"), Verdict::kMatch);
  EXPECT_EQ(Ask(list, "b "), Verdict::kMatch);
  EXPECT_EQ(Ask(list, "b"), Verdict::kNoMatch);
  EXPECT_EQ(Ask(list, "c"), Verdict::kMatch);
  EXPECT_EQ(Ask(list, "x/c"), Verdict::kNoMatch);
  EXPECT_EQ(Ask(list, "d"), Verdict::kTakenBack);
  EXPECT_EQ(Ask(*PatternList::ParseArguments(Strings{"."}), "x/y"), Verdict::kMatch);
}

// With a matcher that tries every way to share a name among the stars these would not end.
TEST(PatternListTest, CostsNoMoreThanPatternTimesPath) {
  std::string name_pattern;
  std::string path_pattern;
  std::string path;
  for (int i = 0; i < 1000; ++i) {
    name_pattern += "*a";
    path_pattern += "**/a/";
    path += "a/";
  }
  path_pattern = path_pattern.substr(0, 4000);
  const PatternList list = ParseFile(name_pattern + "b\n" + path_pattern + "b\n");
  EXPECT_TRUE(list.warnings().empty());
  EXPECT_EQ(Ask(list, std::string(4000, 'a')), Verdict::kNoMatch);
  EXPECT_EQ(Ask(list, path + "x"), Verdict::kNoMatch);
  EXPECT_EQ(Ask(list, std::string(4000, 'a') + "b"), Verdict::kMatch);
  EXPECT_EQ(Ask(list, path + "b"), Verdict::kMatch);
}

TEST(PatternListTest, KnowsBelowWhichDirectoriesAPatternMayMatch) {
  struct Case {
    std::string pattern;
    Strings may;
    Strings never;
  };
  const std::vector<Case> cases = {
      {"foo", {"a", "a/b"}, {}},
      {"**/foo", {"a", "a/b"}, {}},
      {"src/foo/**", {"src", "src/foo", "src/foo/x"}, {"a", "src/bar", "srcx", "foo", "sr"}},
      {"/src", {}, {"src", "a"}},
      {"src/*.c", {"src"}, {"src/a", "a"}},
      {"*/b/c", {"a", "x/b"}, {"a/c", "a/b/c"}},
      {"a/**/b", {"a", "a/x/y", "a/b"}, {"b"}},
      {"foo**/bar", {"foo", "foox", "foo/x"}, {"fo", "bar"}},
  };
  for (const Case& one : cases) {
    const PatternList list = *PatternList::ParseArguments(Strings{one.pattern});
    for (const std::string& directory : one.may) {
      EXPECT_TRUE(list.MayMatchBelow(0, directory)) << one.pattern << " below " << directory;
    }
    for (const std::string& directory : one.never) {
      EXPECT_FALSE(list.MayMatchBelow(0, directory)) << one.pattern << " below " << directory;
    }
  }
}

using Chain = std::shared_ptr<const IgnoreRules>;

Chain Extend(Chain parent, std::string base, std::string_view text) {
  return IgnoreRules::Extend(std::move(parent), std::move(base), ParseFile(text));
}

TEST(IgnoreRulesTest, LetsDeeperFilesWin) {
  const Chain root = Extend(IgnoreRules::Empty(), "", "*.log\n/top\n!keep.log\n");
  const Chain rules = Extend(Extend(root, "a", "!*.log\n/x\n"), "a/b", "last.log\n");
  EXPECT_TRUE(rules->Ignores("c.log", false));
  EXPECT_FALSE(rules->Ignores("keep.log", false));
  EXPECT_TRUE(rules->Ignores("top", false));
  EXPECT_FALSE(rules->Ignores("a/c.log", false));
  EXPECT_TRUE(rules->Ignores("a/x", true));
  EXPECT_FALSE(rules->Ignores("a/b/x", true));
  EXPECT_FALSE(rules->Ignores("a/b/c.log", false));
  EXPECT_TRUE(rules->Ignores("a/b/last.log", false));
  EXPECT_FALSE(rules->Ignores("a/last.log", false));
  // A base is a path, not a start of a string.
  EXPECT_TRUE(rules->Ignores("ab/c.log", false));
  EXPECT_TRUE(root->Ignores("a/c.log", false));
}

TEST(IgnoreRulesTest, GivesADigestOfAllThatCounts) {
  const Chain empty = IgnoreRules::Empty();
  EXPECT_EQ(empty->digest(), 0u);
  EXPECT_FALSE(empty->Ignores("a", false));
  EXPECT_EQ(Extend(empty, "", "# nothing\n\n"), empty);

  const Chain one = Extend(empty, "", "a\n");
  EXPECT_NE(one->digest(), 0u);
  EXPECT_EQ(one->digest(), Extend(empty, "", "# a comment\na  \n")->digest());
  EXPECT_NE(one->digest(), Extend(empty, "", "b\n")->digest());
  EXPECT_NE(one->digest(), Extend(empty, "", "!a\n")->digest());
  EXPECT_NE(one->digest(), Extend(empty, "", "a/\n")->digest());
  EXPECT_NE(one->digest(), Extend(empty, "x", "a\n")->digest());
  EXPECT_NE(one->digest(), Extend(one, "x", "a\n")->digest());
  EXPECT_NE(Extend(empty, "", "a\nb\n")->digest(), Extend(empty, "", "b\na\n")->digest());
  EXPECT_NE(Extend(one, "x", "a\n")->digest(),
            Extend(Extend(empty, "", "b\n"), "x", "a\n")->digest());
}

TEST(IgnoreRulesTest, LetsGoOfADeepChainWithoutRecursion) {
  Chain rules = IgnoreRules::Empty();
  const PatternList list = ParseFile("a\n");
  for (int i = 0; i < 300000; ++i) rules = IgnoreRules::Extend(std::move(rules), "", list);
  const Chain shared = rules;
  rules = IgnoreRules::Extend(std::move(rules), "", list);
  rules.reset();
  EXPECT_TRUE(shared->Ignores("a", false));
}

TEST(IgnoreRulesTest, LetsGoOfSharedChainsInManyThreads) {
  const PatternList list = ParseFile("a\n");
  for (int round = 0; round < 100; ++round) {
    Chain shared = IgnoreRules::Empty();
    for (int i = 0; i < 20; ++i) shared = IgnoreRules::Extend(std::move(shared), "", list);
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([rules = IgnoreRules::Extend(shared, "b", list)]() mutable {
        EXPECT_TRUE(rules->Ignores("a", false));
        EXPECT_FALSE(rules->Ignores("c", false));
        rules.reset();
      });
    }
    shared.reset();
    for (std::thread& thread : threads) thread.join();
  }
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

// A model straight from gitignore(5): every way is tried.

bool ModelMatchesName(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  const std::string_view behind = pattern.substr(1);
  if (pattern[0] == '*') {
    for (size_t taken = 0; taken <= name.size(); ++taken) {
      if (ModelMatchesName(behind, name.substr(taken))) return true;
    }
    return false;
  }
  if (name.empty()) return false;
  return (pattern[0] == '?' || pattern[0] == name[0]) && ModelMatchesName(behind, name.substr(1));
}

bool ModelMatchesPath(const Strings& pattern, size_t i, const Strings& path, size_t j) {
  if (i == pattern.size()) return j == path.size();
  if (pattern[i] == "**") {
    if (i + 1 == pattern.size()) return j < path.size();
    for (size_t k = j; k <= path.size(); ++k) {
      if (ModelMatchesPath(pattern, i + 1, path, k)) return true;
    }
    return false;
  }
  return j < path.size() && ModelMatchesName(pattern[i], path[j]) &&
         ModelMatchesPath(pattern, i + 1, path, j + 1);
}

std::string Join(const Strings& parts) {
  std::string joined;
  for (const std::string& part : parts) joined += (joined.empty() ? "" : "/") + part;
  return joined;
}

// One to `parts_max` names of one to four letters out of `letters`.
rc::Gen<Strings> Names(const std::string& letters, size_t parts_max) {
  return rc::gen::mapcat(rc::gen::inRange<size_t>(1, parts_max + 1), [=](size_t parts) {
    const auto name = rc::gen::mapcat(rc::gen::inRange<size_t>(1, 5), [=](size_t size) {
      return rc::gen::container<std::string>(size, rc::gen::elementOf(letters));
    });
    return rc::gen::container<Strings>(parts, name);
  });
}

// Components of a pattern: names with wildcards, and "**". Two stars in a name are left out: there
// git and gitignore(5) differ (see kIgnoreCases).
rc::Gen<Strings> PatternParts() {
  return rc::gen::map(Names("aab??*", 5), [](Strings parts) {
    for (std::string& part : parts) {
      if (part.starts_with("a?")) part = "**";
      const size_t stars = part == "**" ? std::string::npos : part.find("**");
      if (stars != std::string::npos) part = "b";
    }
    return parts;
  });
}

RC_GTEST_PROP(PatternProperty, MatchesWhatTheModelMatches, ()) {
  const Strings parts = *PatternParts();
  const bool anchored = parts.size() > 1 || *rc::gen::arbitrary<bool>();
  const Strings path = *Names("aab", 6);
  const std::string text = (anchored && parts.size() == 1 ? "/" : "") + Join(parts);
  const Strings effective = anchored ? parts : Strings{"**", parts[0]};

  const PatternList list = *PatternList::ParseArguments(Strings{text});
  const bool matches = list.Decide(Join(path), false).verdict == Verdict::kMatch;
  RC_ASSERT(matches == ModelMatchesPath(effective, 0, path, 0));
  RC_CLASSIFY(matches);
  for (size_t i = 1; matches && i < path.size(); ++i) {
    RC_ASSERT(list.MayMatchBelow(0, Join(Strings(path.begin(), path.begin() + i))));
  }
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

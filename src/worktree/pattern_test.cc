#include "worktree/pattern.h"

#include "worktree/pattern_testing.h"

namespace helios {
namespace {

using Verdict = PatternList::Verdict;

Verdict Ask(const PatternList& list, std::string_view path) {
  const TestPath asked(path);
  return list.Decide(asked.text, asked.is_directory).verdict;
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
  EXPECT_EQ(list.warnings(),
            (std::vector<PatternList::Warning>{
                {2u, "malformed pattern '[a': a '[' without its ']'"},
                {3u, "malformed pattern 'b\\': nothing follows the '\\' at its end"},
                {4u, "malformed pattern '!': names nothing"},
                {5u, "malformed pattern '[[:x:]]': unknown character class"},
                {6u, "malformed pattern 'a//b': no path has an empty component, '.' or '..'"},
                {7u, "malformed pattern '" + with_nul + "': holds a NUL byte"}}));
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

}  // namespace
}  // namespace helios

// Patterns that choose paths: one matcher, with the semantics of gitignore(5), behind --include,
// --exclude, positional paths and .heliosignore.
//
// Paths are relative, "a/b/c": components joined by one '/', no slash at either end, none of them
// empty, "." or "..". `is_directory` is true for a directory and false for everything else,
// symbolic links to directories included. Names are bytes; case matters.
#ifndef HELIOS_WORKTREE_PATTERN_H_
#define HELIOS_WORKTREE_PATTERN_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "helios/result.h"

namespace helios {

// A longer pattern is malformed. Matching costs at most pattern length times path length.
inline constexpr size_t kPatternBytesMax = 4096;
// A longer ignore file is refused.
inline constexpr size_t kIgnoreFileBytesMax = size_t{1} << 20;

// Patterns in order, all relative to one base directory. A value, thread-safe once it is made.
//
// In a pattern '*' and '?' stop at '/', "**" as a whole component stands for any number of them,
// sets are "[a-z]", "[!a-z]" and "[[:alpha:]]" (ASCII), and '\' makes the next byte literal. A
// leading '!' takes back what earlier patterns matched, a trailing '/' asks for a directory. A
// pattern with any other '/' is anchored at the base; one without matches names at any depth.
class PatternList {
 public:
  enum class Verdict { kNoMatch, kMatch, kTakenBack };

  struct Pattern {
    std::string text;         // as written, without the spaces at the end that do not count
    size_t line = 0;          // from 1: the line of the file, or the argument's place
    bool takes_back = false;  // starts with '!'
  };

  // What the last pattern that matches a path says. `pattern` is its index, unless kNoMatch.
  struct Decision {
    Verdict verdict = Verdict::kNoMatch;
    size_t pattern = 0;
  };

  PatternList() = default;

  // The patterns of an ignore file: one per line, without comments ('#'), blank lines and unescaped
  // spaces at the end. As in git, a malformed line matches nothing; warnings() names it.
  // Errors: kInvalidArgument if `text` is longer than kIgnoreFileBytesMax.
  static Result<PatternList> ParseIgnoreFile(std::string_view text);

  // Patterns from a command line: each as it stands ('#' and spaces are literal). Unlike in an
  // ignore file a leading "./" anchors as '/' does, and "." matches everything.
  // Errors: kInvalidArgument, naming the pattern, if one is malformed or could never match.
  static Result<PatternList> ParseArguments(std::span<const std::string> patterns);

  // What the list says about `path` itself. About its parents the caller has to ask separately.
  Decision Decide(std::string_view path, bool is_directory) const;

  // True if this one pattern matches `path`, whatever the others say.
  bool Matches(size_t pattern, std::string_view path, bool is_directory) const;

  // False if this one pattern certainly matches no path below `directory`, at any depth.
  bool MayMatchBelow(size_t pattern, std::string_view directory) const;

  // Without the malformed ones.
  const std::vector<Pattern>& patterns() const { return patterns_; }
  // One message per malformed line of an ignore file: "line 3: malformed pattern '[a': …".
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  struct Globs;  // the compiled patterns
  enum class Origin { kIgnoreFile, kArguments };

  static Result<PatternList> Compile(std::vector<Pattern> patterns, Origin origin);

  std::vector<Pattern> patterns_;
  std::vector<std::string> warnings_;
  std::shared_ptr<const Globs> globs_;  // null if there are no patterns; shared by copies
};

// The rules that hold in one directory: its own ignore file's and those of the directories above
// it. Deeper files win over shallower ones, later lines over earlier ones. Immutable, thread-safe.
class IgnoreRules {
 public:
  // No rules: ignores nothing, digest 0.
  static std::shared_ptr<const IgnoreRules> Empty();

  // `parent`, not null, and before it the patterns of the ignore file in directory `base`: relative
  // to the root, empty for the root itself. Gives `parent` back if there are no patterns.
  static std::shared_ptr<const IgnoreRules> Extend(std::shared_ptr<const IgnoreRules> parent,
                                                   std::string base, PatternList patterns);

  // True if `path`, relative to the root, is ignored. To be asked from the top down: as in git,
  // nothing below an ignored directory can be taken back, so the caller does not go there.
  bool Ignores(std::string_view path, bool is_directory) const;

  // 64 bits of BLAKE3 over every pattern in force and its base: with the same digest the same paths
  // are ignored. Comments do not count. Stable across processes.
  uint64_t digest() const { return digest_; }

  IgnoreRules(const IgnoreRules&) = delete;
  IgnoreRules& operator=(const IgnoreRules&) = delete;
  ~IgnoreRules();

 private:
  IgnoreRules() = default;

  mutable std::shared_ptr<const IgnoreRules> parent_;  // changes in destructors only
  std::string base_;
  PatternList patterns_;
  uint64_t digest_ = 0;
};

// A choice of paths: what the includes select and the excludes do not.
//
// An include selects what it matches and everything below it; of the includes that reach a path (or
// take it back) the last decides. Without an include, or with nothing but '!' ones, everything is
// selected to begin with. Excludes work as the lines of an ignore file at the root do: what they
// match is not selected, nor anything below it.
//
// Every method but the move operations may be called by several threads at once.
class Selector {
 public:
  Selector();  // selects everything

  // Errors: those of PatternList::ParseArguments.
  static Result<Selector> Parse(std::span<const std::string> includes,
                                std::span<const std::string> excludes);

  // True if `path` is selected, its parents considered. No allocation. A directory that leads to
  // selected paths is not for that reason selected itself.
  bool Selects(std::string_view path, bool is_directory) const;

  // False if certainly nothing below `directory` (empty for the root) is selected, so that a walk
  // need not enter it.
  bool MaySelectBelow(std::string_view directory) const;

  // True if there is no pattern at all.
  bool SelectsEverything() const;

  // The patterns, includes first, that matched none of the paths asked about so far, nor their
  // parents. A pattern counts as matched even where another one decided.
  std::vector<std::string> UnmatchedPatterns() const;

 private:
  // Which patterns of a list have matched something.
  struct Marks {
    explicit Marks(size_t size) : matched(size), unmatched(size) {}
    std::vector<std::atomic<bool>> matched;
    std::atomic<size_t> unmatched;  // lets walks skip the marking once all have matched
  };
  struct MarkedList {
    PatternList list;
    std::unique_ptr<Marks> marks;

    explicit MarkedList(PatternList patterns);
    PatternList::Decision Decide(std::string_view path, bool is_directory) const;
  };

  Selector(PatternList includes, PatternList excludes);
  bool IsExcluded(std::string_view path, bool is_directory) const;
  PatternList::Decision DecideIncludes(std::string_view path, bool is_directory) const;
  bool IsIncluded(const PatternList::Decision& decision) const;

  MarkedList includes_;
  MarkedList excludes_;
  bool included_by_default_;
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_PATTERN_H_

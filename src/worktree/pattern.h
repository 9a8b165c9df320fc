// Patterns that choose paths: one matcher, with the semantics of gitignore(5), behind --include,
// --exclude, positional paths and .heliosignore.
//
// Paths are relative, "a/b/c": components joined by one '/', no slash at either end, none of them
// empty, "." or "..". `is_directory` is true for a directory and false for everything else,
// symbolic links to directories included. Names are bytes; case matters.
#ifndef HELIOS_WORKTREE_PATTERN_H_
#define HELIOS_WORKTREE_PATTERN_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "helios/result.h"
#include "worktree/glob.h"

namespace helios {

using glob::kPatternBytesMax;
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

  // Why a line of an ignore file is without effect.
  struct Warning {
    size_t line = 0;   // from 1
    std::string text;  // "malformed pattern '[a': …"; a long pattern is cut
    bool operator==(const Warning&) const = default;
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
  // One per malformed line of an ignore file.
  const std::vector<Warning>& warnings() const { return warnings_; }

 private:
  struct Globs;  // the compiled patterns
  enum class Origin { kIgnoreFile, kArguments };

  static Result<PatternList> Compile(std::vector<Pattern> patterns, Origin origin);

  std::vector<Pattern> patterns_;
  std::vector<Warning> warnings_;
  std::shared_ptr<const Globs> globs_;  // null if there are no patterns; shared by copies
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_PATTERN_H_

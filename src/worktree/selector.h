// What --include, --exclude and positional paths choose. Paths are those of pattern.h.
#ifndef HELIOS_WORKTREE_SELECTOR_H_
#define HELIOS_WORKTREE_SELECTOR_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worktree/pattern.h"

namespace helios {

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

#endif  // HELIOS_WORKTREE_SELECTOR_H_

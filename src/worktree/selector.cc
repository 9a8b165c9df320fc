#include "worktree/selector.h"

#include <algorithm>
#include <utility>

namespace helios {
namespace {

// Calls `visit(path, is_directory)` for every parent of `path`, from the top, then for `path`
// itself, until it returns false.
template <typename Visitor>
void VisitFromTop(std::string_view path, bool is_directory, const Visitor& visit) {
  for (size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    if (!visit(path.substr(0, slash), true)) return;
  }
  visit(path, is_directory);
}

}  // namespace

Selector::MarkedList::MarkedList(PatternList patterns)
    : list(std::move(patterns)), marks(std::make_unique<Marks>(list.patterns().size())) {}

PatternList::Decision Selector::MarkedList::Decide(std::string_view path, bool is_directory) const {
  if (marks->unmatched.load(std::memory_order_relaxed) != 0) {
    for (size_t i = 0; i < marks->matched.size(); ++i) {
      std::atomic<bool>& matched = marks->matched[i];
      if (matched.load(std::memory_order_relaxed)) continue;
      if (!list.Matches(i, path, is_directory)) continue;
      if (!matched.exchange(true, std::memory_order_relaxed)) {
        marks->unmatched.fetch_sub(1, std::memory_order_relaxed);
      }
    }
  }
  return list.Decide(path, is_directory);
}

Selector::Selector() : Selector(PatternList(), PatternList()) {}

Selector::Selector(PatternList includes, PatternList excludes)
    : includes_(std::move(includes)), excludes_(std::move(excludes)) {
  const std::vector<PatternList::Pattern>& patterns = includes_.list.patterns();
  included_by_default_ =
      std::all_of(patterns.begin(), patterns.end(),
                  [](const PatternList::Pattern& pattern) { return pattern.takes_back; });
}

Result<Selector> Selector::Parse(std::span<const std::string> includes,
                                 std::span<const std::string> excludes) {
  HELIOS_TRY_ASSIGN(PatternList included, PatternList::ParseArguments(includes));
  HELIOS_TRY_ASSIGN(PatternList excluded, PatternList::ParseArguments(excludes));
  return Selector(std::move(included), std::move(excluded));
}

bool Selector::SelectsEverything() const {
  return includes_.list.patterns().empty() && excludes_.list.patterns().empty();
}

bool Selector::IsExcluded(std::string_view path, bool is_directory) const {
  if (excludes_.list.patterns().empty()) return false;
  bool excluded = false;
  VisitFromTop(path, is_directory, [&](std::string_view visited, bool visited_is_directory) {
    const auto verdict = excludes_.Decide(visited, visited_is_directory).verdict;
    excluded = verdict == PatternList::Verdict::kMatch;
    return !excluded;
  });
  return excluded;
}

// The last pattern that matches the path or one of its parents.
PatternList::Decision Selector::DecideIncludes(std::string_view path, bool is_directory) const {
  PatternList::Decision last;
  if (includes_.list.patterns().empty()) return last;
  VisitFromTop(path, is_directory, [&](std::string_view visited, bool visited_is_directory) {
    const PatternList::Decision decision = includes_.Decide(visited, visited_is_directory);
    const bool later =
        decision.verdict != PatternList::Verdict::kNoMatch &&
        (last.verdict == PatternList::Verdict::kNoMatch || decision.pattern > last.pattern);
    if (later) last = decision;
    return true;
  });
  return last;
}

bool Selector::IsIncluded(const PatternList::Decision& decision) const {
  if (decision.verdict == PatternList::Verdict::kNoMatch) return included_by_default_;
  return decision.verdict == PatternList::Verdict::kMatch;
}

bool Selector::Selects(std::string_view path, bool is_directory) const {
  const bool excluded = IsExcluded(path, is_directory);
  // An include that matches what is excluded has matched something: it must not be warned about.
  if (excluded && includes_.marks->unmatched.load(std::memory_order_relaxed) == 0) return false;
  return IsIncluded(DecideIncludes(path, is_directory)) && !excluded;
}

bool Selector::MaySelectBelow(std::string_view directory) const {
  if (directory.empty()) return true;
  if (IsExcluded(directory, true)) return false;
  const PatternList::Decision decision = DecideIncludes(directory, true);
  if (IsIncluded(decision)) return true;
  // Below what a pattern takes back, only later patterns can select.
  const std::vector<PatternList::Pattern>& patterns = includes_.list.patterns();
  const bool taken_back = decision.verdict == PatternList::Verdict::kTakenBack;
  for (size_t i = taken_back ? decision.pattern + 1 : 0; i < patterns.size(); ++i) {
    if (!patterns[i].takes_back && includes_.list.MayMatchBelow(i, directory)) return true;
  }
  return false;
}

std::vector<std::string> Selector::UnmatchedPatterns() const {
  std::vector<std::string> unmatched;
  for (const MarkedList* list : {&includes_, &excludes_}) {
    for (size_t i = 0; i < list->marks->matched.size(); ++i) {
      if (list->marks->matched[i].load(std::memory_order_relaxed)) continue;
      unmatched.push_back(list->list.patterns()[i].text);
    }
  }
  return unmatched;
}

}  // namespace helios

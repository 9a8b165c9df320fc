// Patterns: parsing and matching never fail, two readings agree, and no walk is cut off above a
// path that matches. The last line of an input is a path, the lines before it are patterns.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "helios/ids.h"
#include "helios/tree_path.h"
#include "worktree/ignore_rules.h"
#include "worktree/selector.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

// The directories above a path, the root ("") first.
Strings ParentsOf(const std::string& path) {
  Strings parents{""};
  for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
    parents.push_back(path.substr(0, slash));
  }
  return parents;
}

Strings SplitLines(std::string_view text) {
  Strings lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    lines.emplace_back(text.substr(start, end - start));
    start = end + 1;
  }
  return lines;
}

void CheckList(const PatternList& list, const PatternList& again, const std::string& path,
               bool is_directory) {
  const PatternList::Decision decision = list.Decide(path, is_directory);
  const PatternList::Decision second = again.Decide(path, is_directory);
  HELIOS_CHECK(decision.verdict == second.verdict);
  HELIOS_CHECK(decision.pattern == second.pattern);
  if (decision.verdict != PatternList::Verdict::kNoMatch) {
    HELIOS_CHECK(list.Matches(decision.pattern, path, is_directory));
  }
  for (size_t i = 0; i < list.patterns().size(); ++i) {
    if (!list.Matches(i, path, is_directory)) continue;
    HELIOS_CHECK(decision.verdict != PatternList::Verdict::kNoMatch && decision.pattern >= i);
    for (const std::string& parent : ParentsOf(path)) {
      HELIOS_CHECK(list.MayMatchBelow(i, parent));
    }
  }
}

void CheckIgnoreFile(std::string_view text, const std::string& path) {
  const Result<PatternList> list = PatternList::ParseIgnoreFile(text);
  const Result<PatternList> again = PatternList::ParseIgnoreFile(text);
  HELIOS_CHECK(list.has_value() && again.has_value());
  const auto rules = IgnoreRules::Extend(IgnoreRules::Empty(), "", *list);
  const auto same_rules = IgnoreRules::Extend(IgnoreRules::Empty(), "", *again);
  HELIOS_CHECK(rules->digest() == same_rules->digest());
  for (const bool is_directory : {false, true}) {
    CheckList(*list, *again, path, is_directory);
    const bool matches = list->Decide(path, is_directory).verdict == PatternList::Verdict::kMatch;
    HELIOS_CHECK(rules->Ignores(path, is_directory) == matches);
  }
}

void CheckArguments(const Strings& patterns, const std::string& path) {
  const Result<PatternList> list = PatternList::ParseArguments(patterns);
  if (!list) {
    HELIOS_CHECK(list.error().code() == ErrorCode::kInvalidArgument);
    return;
  }
  const Result<Selector> includes = Selector::Parse(patterns, {});
  const Result<Selector> excludes = Selector::Parse({}, patterns);
  HELIOS_CHECK(includes.has_value() && excludes.has_value());
  for (const bool is_directory : {false, true}) {
    CheckList(*list, *list, path, is_directory);
    for (const Selector* selector : {&*includes, &*excludes}) {
      if (!selector->Selects(path, is_directory)) continue;
      for (const std::string& parent : ParentsOf(path)) {
        HELIOS_CHECK(selector->MaySelectBelow(parent));
      }
    }
  }
}

void Check(ByteView bytes) {
  if (bytes.size() > kIgnoreFileBytesMax) return;
  const size_t newline = bytes.rfind('\n');
  const ByteView text = newline == bytes.npos ? ByteView() : bytes.substr(0, newline);
  const ByteView last_line = newline == bytes.npos ? bytes : bytes.substr(newline + 1);
  const Result<TreePath> path = TreePath::Parse(last_line);
  if (!path || path->IsRoot()) return;
  CheckIgnoreFile(text, path->text());
  CheckArguments(SplitLines(text), path->text());
}

}  // namespace
}  // namespace helios

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  helios::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}

// What the tests of patterns share: how they are written down, and random ones.
#ifndef HELIOS_WORKTREE_PATTERN_TESTING_H_
#define HELIOS_WORKTREE_PATTERN_TESTING_H_

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worktree/pattern.h"

namespace helios {

using Strings = std::vector<std::string>;

// Paths in these tests end in '/' where they name a directory.
struct TestPath {
  explicit TestPath(std::string_view path) : text(path), is_directory(path.ends_with('/')) {
    if (is_directory) text.remove_suffix(1);
  }
  std::string_view text;
  bool is_directory;
};

inline PatternList ParseFile(std::string_view text) {
  Result<PatternList> list = PatternList::ParseIgnoreFile(text);
  EXPECT_TRUE(list.has_value()) << text;
  return std::move(list).value();
}

inline std::string Join(const Strings& parts) {
  std::string joined;
  for (const std::string& part : parts) joined += (joined.empty() ? "" : "/") + part;
  return joined;
}

// One to `parts_max` names of one to four letters out of `letters`.
inline rc::Gen<Strings> Names(const std::string& letters, size_t parts_max) {
  return rc::gen::mapcat(rc::gen::inRange<size_t>(1, parts_max + 1), [=](size_t parts) {
    const auto name = rc::gen::mapcat(rc::gen::inRange<size_t>(1, 5), [=](size_t size) {
      return rc::gen::container<std::string>(size, rc::gen::elementOf(letters));
    });
    return rc::gen::container<Strings>(parts, name);
  });
}

// Components of a pattern: names with wildcards, and "**". Two stars in a name are left out: there
// git and gitignore(5) differ (see kIgnoreCases).
inline rc::Gen<Strings> PatternParts() {
  return rc::gen::map(Names("aab??*", 5), [](Strings parts) {
    for (std::string& part : parts) {
      if (part.starts_with("a?")) part = "**";
      const size_t stars = part == "**" ? std::string::npos : part.find("**");
      if (stars != std::string::npos) part = "b";
    }
    return parts;
  });
}

}  // namespace helios

#endif  // HELIOS_WORKTREE_PATTERN_TESTING_H_

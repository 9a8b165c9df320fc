#include "worktree/pattern.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "worktree/glob.h"

namespace helios {
namespace {

// Without the spaces at the end, unless a '\' keeps them.
std::string_view TrimTrailingSpaces(std::string_view line) {
  size_t kept = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
      if (i == line.size()) return line;
    } else if (line[i] == ' ') {
      continue;
    }
    kept = i + 1;
  }
  return line.substr(0, kept);
}

// The pattern that an argument stands for: people write "./src" and "." where patterns have "/src"
// and "/**".
std::string AnchorArgument(std::string_view text) {
  std::string anchored;
  if (text.starts_with('!')) {
    anchored = "!";
    text.remove_prefix(1);
  }
  if (text == "." || text == "./") return anchored + "/**";
  if (text.starts_with("./")) text.remove_prefix(1);
  return anchored.append(text);
}

std::string_view LastName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

struct PatternList::Globs {
  std::vector<glob::Glob> all;
  std::vector<glob::Gate> gates;  // of each glob
  // Where the globs of each pattern begin, and behind the last one's. Mostly each has one.
  std::vector<size_t> starts;

  bool Match(size_t i, uint32_t glance, std::string_view path, std::string_view name) const {
    return gates[i].Admits(glance) && glob::MatchesGlob(all[i], path, name);
  }
};

Result<PatternList> PatternList::ParseIgnoreFile(std::string_view text) {
  if (text.size() > kIgnoreFileBytesMax) {
    return Error(ErrorCode::kInvalidArgument, "an ignore file may not be longer than 1 MiB");
  }
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark
  std::vector<Pattern> patterns;
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.starts_with('#')) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = TrimTrailingSpaces(line);
    if (!line.empty()) patterns.push_back({std::string(line), number, line.starts_with('!')});
  }
  return Compile(std::move(patterns), Origin::kIgnoreFile);
}

Result<PatternList> PatternList::ParseArguments(std::span<const std::string> arguments) {
  std::vector<Pattern> patterns;
  for (const std::string& text : arguments) {
    patterns.push_back({text, patterns.size() + 1, text.starts_with('!')});
  }
  return Compile(std::move(patterns), Origin::kArguments);
}

Result<PatternList> PatternList::Compile(std::vector<Pattern> patterns, Origin origin) {
  constexpr size_t kShownBytesMax = 100;
  PatternList list;
  auto globs = std::make_shared<Globs>();
  for (Pattern& pattern : patterns) {
    const bool is_argument = origin == Origin::kArguments;
    auto compiled = glob::CompilePattern(is_argument ? AnchorArgument(pattern.text) : pattern.text);
    if (!compiled) {
      std::string message = "malformed pattern '" + pattern.text.substr(0, kShownBytesMax) +
                            "': " + compiled.error().message();
      if (is_argument) return Error(ErrorCode::kInvalidArgument, std::move(message));
      list.warnings_.push_back({pattern.line, std::move(message)});
      continue;
    }
    globs->starts.push_back(globs->all.size());
    for (glob::Glob& one : *compiled) {
      one.pattern = list.patterns_.size();
      globs->gates.push_back(glob::MakeGate(one));
      globs->all.push_back(std::move(one));
    }
    list.patterns_.push_back(std::move(pattern));
  }
  globs->starts.push_back(globs->all.size());
  if (!list.patterns_.empty()) list.globs_ = std::move(globs);
  return list;
}

PatternList::Decision PatternList::Decide(std::string_view path, bool is_directory) const {
  const std::string_view name = LastName(path);
  if (globs_ == nullptr || name.empty()) return {};
  const uint32_t glance = glob::GlanceAt(path, name, is_directory);
  for (size_t i = globs_->all.size(); i-- > 0;) {
    if (!globs_->Match(i, glance, path, name)) continue;
    const size_t pattern = globs_->all[i].pattern;
    return {patterns_[pattern].takes_back ? Verdict::kTakenBack : Verdict::kMatch, pattern};
  }
  return {};
}

bool PatternList::Matches(size_t pattern, std::string_view path, bool is_directory) const {
  HELIOS_CHECK(pattern < patterns_.size());
  const std::string_view name = LastName(path);
  if (name.empty()) return false;
  const uint32_t glance = glob::GlanceAt(path, name, is_directory);
  for (size_t i = globs_->starts[pattern]; i < globs_->starts[pattern + 1]; ++i) {
    if (globs_->Match(i, glance, path, name)) return true;
  }
  return false;
}

bool PatternList::MayMatchBelow(size_t pattern, std::string_view directory) const {
  HELIOS_CHECK(pattern < patterns_.size());
  for (size_t i = globs_->starts[pattern]; i < globs_->starts[pattern + 1]; ++i) {
    if (glob::MayMatchBelow(globs_->all[i], directory)) return true;
  }
  return false;
}

}  // namespace helios

#include "worktree/pattern.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "object/hash.h"

namespace helios {
namespace {

using ByteSet = std::bitset<256>;

// One step through a name.
struct Token {
  enum class Kind : uint8_t { kByte, kAnyByte, kSet, kStar };
  Kind kind;
  uint16_t value = 0;  // kByte: the byte; kSet: the index of the set
};

// The pattern of one component of a path.
struct Component {
  enum class Kind : uint8_t {
    kAnyDirectories,  // "**": any number of components; at a pattern's end, one or more
    kLiteral,         // exactly `literal`
    kSuffix,          // ends with `literal`
    kTokens,
  };
  Kind kind = Kind::kTokens;
  std::string literal;
  std::vector<Token> tokens;
  std::vector<ByteSet> sets;
};

// A compiled pattern.
struct Glob {
  enum class Shape : uint8_t {
    kName,         // components[0] against the last name of the path
    kLiteralPath,  // exactly `literal`
    kBelow,        // everything below `literal`, which ends in '/' or is empty
    kPath,         // `components`, against the whole path
  };
  size_t pattern = 0;  // its index in the list
  Shape shape = Shape::kPath;
  bool directory_only = false;
  std::string literal;
  std::vector<Component> components;
};

// Parsing.

constexpr bool IsBetween(uint8_t byte, char low, char high) { return low <= byte && byte <= high; }
constexpr bool IsDigit(uint8_t byte) { return IsBetween(byte, '0', '9'); }
constexpr bool IsUpper(uint8_t byte) { return IsBetween(byte, 'A', 'Z'); }
constexpr bool IsLower(uint8_t byte) { return IsBetween(byte, 'a', 'z'); }
constexpr bool IsAlpha(uint8_t byte) { return IsUpper(byte) || IsLower(byte); }
constexpr bool IsAlnum(uint8_t byte) { return IsAlpha(byte) || IsDigit(byte); }
constexpr bool IsGraph(uint8_t byte) { return IsBetween(byte, '!', '~'); }
constexpr bool IsBlank(uint8_t byte) { return byte == ' ' || byte == '\t'; }
constexpr bool IsHexDigit(uint8_t byte) {
  return IsDigit(byte) || IsBetween(byte, 'A', 'F') || IsBetween(byte, 'a', 'f');
}
// What git takes for a space: neither vertical tab nor form feed.
constexpr bool IsSpace(uint8_t byte) { return IsBlank(byte) || byte == '\n' || byte == '\r'; }

struct ByteClass {
  std::string_view name;
  bool (*holds)(uint8_t byte);
};
// The POSIX classes as they are in the C locale, whatever the locale: ids must not depend on it.
constexpr std::array<ByteClass, 12> kByteClasses = {{
    {"alnum", IsAlnum},
    {"alpha", IsAlpha},
    {"blank", IsBlank},
    {"cntrl", [](uint8_t byte) { return byte < ' ' || byte == 0x7f; }},
    {"digit", IsDigit},
    {"graph", IsGraph},
    {"lower", IsLower},
    {"print", [](uint8_t byte) { return byte == ' ' || IsGraph(byte); }},
    {"punct", [](uint8_t byte) { return IsGraph(byte) && !IsAlnum(byte); }},
    {"space", IsSpace},
    {"upper", IsUpper},
    {"xdigit", IsHexDigit},
}};

Error Malformed(std::string_view reason) {
  return Error(ErrorCode::kInvalidArgument, std::string(reason));
}

Result<ByteSet> BytesOfClass(std::string_view name) {
  for (const ByteClass& known : kByteClasses) {
    if (known.name != name) continue;
    ByteSet bytes;
    for (unsigned byte = 0; byte < bytes.size(); ++byte) {
      bytes[byte] = known.holds(static_cast<uint8_t>(byte));
    }
    return bytes;
  }
  return Malformed("unknown character class");
}

// Takes a pattern apart, front to back. Agrees with git's wildmatch.c on what is an escape, a set
// and a "**"; what never matches there is an error here.
class PatternParser {
 public:
  explicit PatternParser(std::string_view text) : rest_(text) {}

  // A pattern without '/': a single component, in which "**" means no more than '*'.
  Result<std::vector<Component>> ParseName();
  // A pattern with a '/', without the one at its front or end.
  Result<std::vector<Component>> ParsePath();

 private:
  Result<Component> ParseComponent();
  Result<Token> ParseToken(Component& component);
  Result<ByteSet> ParseSet();
  Result<uint8_t> TakeSetByte();
  // The length of the "[:class:]" that comes next, 0 if none does.
  size_t ClassLength() const;
  // The number of stars that make up the whole next component, 0 if it is anything else than "**".
  size_t AnyDirectoriesLength() const;
  bool TakeSeparator();
  uint8_t Take() {
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

  std::string_view rest_;
};

bool StartsWithSeparator(std::string_view text) {
  return text.starts_with('/') || text.starts_with("\\/");
}

Result<std::vector<Component>> PatternParser::ParseName() {
  HELIOS_TRY_ASSIGN(Component component, ParseComponent());
  std::vector<Component> components;
  components.push_back(std::move(component));
  return components;
}

Result<std::vector<Component>> PatternParser::ParsePath() {
  std::vector<Component> components;
  do {
    if (const size_t stars = AnyDirectoriesLength(); stars != 0) {
      rest_.remove_prefix(stars);
      // In git "**\/" does not match nothing, as "**/" does.
      if (rest_.starts_with('\\')) components.push_back({Component::Kind::kSuffix, "", {}, {}});
      if (components.empty() || components.back().kind != Component::Kind::kAnyDirectories) {
        components.push_back({Component::Kind::kAnyDirectories, "", {}, {}});
      }
    } else {
      HELIOS_TRY_ASSIGN(Component component, ParseComponent());
      components.push_back(std::move(component));
    }
  } while (TakeSeparator());
  return components;
}

size_t PatternParser::AnyDirectoriesLength() const {
  const size_t stars = std::min(rest_.find_first_not_of('*'), rest_.size());
  const std::string_view behind = rest_.substr(stars);
  return stars >= 2 && (behind.empty() || StartsWithSeparator(behind)) ? stars : 0;
}

bool PatternParser::TakeSeparator() {
  if (!StartsWithSeparator(rest_)) return false;
  rest_.remove_prefix(rest_.front() == '/' ? 1 : 2);
  return true;
}

Result<Component> PatternParser::ParseComponent() {
  Component component;
  while (!rest_.empty() && !StartsWithSeparator(rest_)) {
    HELIOS_TRY_ASSIGN(const Token token, ParseToken(component));
    component.tokens.push_back(token);
  }
  std::vector<Token>& tokens = component.tokens;
  const bool star = !tokens.empty() && tokens.front().kind == Token::Kind::kStar;
  const auto is_byte = [](Token token) { return token.kind == Token::Kind::kByte; };
  if (std::all_of(tokens.begin() + (star ? 1 : 0), tokens.end(), is_byte)) {
    component.kind = star ? Component::Kind::kSuffix : Component::Kind::kLiteral;
    for (const Token token : tokens) {
      if (is_byte(token)) component.literal.push_back(static_cast<char>(token.value));
    }
    tokens.clear();
  }
  const std::string& name = component.literal;
  if (component.kind == Component::Kind::kLiteral &&
      (name.empty() || name == "." || name == "..")) {
    return Malformed("no path has an empty component, '.' or '..'");
  }
  return component;
}

// Sets go into `component`, to which the token refers.
Result<Token> PatternParser::ParseToken(Component& component) {
  const uint8_t byte = Take();
  switch (byte) {
    case '?':
      return Token{Token::Kind::kAnyByte};
    case '*':
      rest_.remove_prefix(std::min(rest_.find_first_not_of('*'), rest_.size()));
      return Token{Token::Kind::kStar};
    case '[': {
      HELIOS_TRY_ASSIGN(const ByteSet set, ParseSet());
      component.sets.push_back(set);
      return Token{Token::Kind::kSet, static_cast<uint16_t>(component.sets.size() - 1)};
    }
    case '\\':
      if (rest_.empty()) return Malformed("nothing follows the '\\' at its end");
      return Token{Token::Kind::kByte, Take()};
    default:
      return Token{Token::Kind::kByte, byte};
  }
}

// What follows a '[', up to its ']'.
Result<ByteSet> PatternParser::ParseSet() {
  const bool negated = rest_.starts_with('!') || rest_.starts_with('^');
  if (negated) Take();
  ByteSet set;
  uint8_t previous = 0;  // the byte that a '-' would make a range of; 0: none
  for (bool first = true; first || !rest_.starts_with(']'); first = false) {
    if (previous != 0 && rest_.size() >= 2 && rest_[0] == '-' && rest_[1] != ']') {
      Take();
      HELIOS_TRY_ASSIGN(const uint8_t last, TakeSetByte());
      for (unsigned byte = previous; byte <= last; ++byte) set.set(byte);
      previous = 0;
    } else if (const size_t length = ClassLength(); length != 0) {
      HELIOS_TRY_ASSIGN(const ByteSet bytes, BytesOfClass(rest_.substr(2, length - 4)));
      set |= bytes;
      rest_.remove_prefix(length);
      previous = 0;
    } else {
      HELIOS_TRY_ASSIGN(previous, TakeSetByte());
      set.set(previous);
    }
  }
  Take();
  return negated ? ~set : set;
}

Result<uint8_t> PatternParser::TakeSetByte() {
  if (rest_.starts_with('\\')) Take();
  if (rest_.empty()) return Malformed("a '[' without its ']'");
  return Take();
}

size_t PatternParser::ClassLength() const {
  if (!rest_.starts_with("[:")) return 0;
  const size_t close = rest_.find(']', 2);
  return close == std::string_view::npos || close == 2 || rest_[close - 1] != ':' ? 0 : close + 1;
}

// The patterns that `text`, a pattern with a '/', stands for: mostly itself alone.
//
// The exception: before it matches, git strips what comes before the first special byte. If that
// leaves a "**" in front, it counts as a component of its own, although it is not: "foo**/bar"
// matches "foobar", "foo/bar" and "foo/x/bar", not only "foox/bar" as gitignore(5) has it. People's
// ignore files are made by trying, so what git does is what counts.
std::vector<std::string> Alternatives(std::string_view text) {
  const size_t special = std::min(text.find_first_of("*?[\\"), text.size());
  const std::string lead(text.substr(0, special));
  if (lead.empty() || lead.ends_with('/') || !text.substr(special).starts_with("**")) {
    return {std::string(text)};
  }
  std::string_view behind = text.substr(special);
  size_t stars = behind.find_first_not_of('*');
  // Further "**" components behind the first one add nothing.
  while (stars != std::string_view::npos && behind.substr(stars).starts_with("/**")) {
    const size_t next = behind.find_first_not_of('*', stars + 1);
    if (next != std::string_view::npos && behind[next] != '/') break;
    stars = next;
  }
  if (stars == std::string_view::npos) return {lead + "*", lead + "*/**"};
  behind.remove_prefix(stars);
  if (!StartsWithSeparator(behind)) return {std::string(text)};
  const bool escaped = behind.starts_with('\\');
  const std::string rest(behind.substr(escaped ? 2 : 1));
  if (escaped) return {lead + "*/**/" + rest};
  return {lead + rest, lead + "*/**/" + rest};
}

Glob MakePathGlob(std::vector<Component> components) {
  const auto is_any = [](const Component& component) {
    return component.kind == Component::Kind::kAnyDirectories;
  };
  const auto is_literal = [](const Component& component) {
    return component.kind == Component::Kind::kLiteral;
  };
  Glob glob;
  const bool below = is_any(components.back());
  const auto names_end = components.end() - (below ? 1 : 0);
  if (components.size() == 2 && is_any(components.front()) && !below) {
    components.erase(components.begin());
    glob.shape = Glob::Shape::kName;
  } else if (std::all_of(components.begin(), names_end, is_literal)) {
    for (auto name = components.begin(); name != names_end; ++name) {
      glob.literal += name->literal + '/';
    }
    if (!below) glob.literal.pop_back();
    glob.shape = below ? Glob::Shape::kBelow : Glob::Shape::kLiteralPath;
  }
  glob.components = std::move(components);
  return glob;
}

Result<std::vector<Glob>> CompilePattern(std::string_view text) {
  if (text.size() > kPatternBytesMax) {
    return Malformed("longer than " + std::to_string(kPatternBytesMax) + " bytes");
  }
  if (text.find('\0') != std::string_view::npos) return Malformed("holds a NUL byte");
  if (text.starts_with('!')) text.remove_prefix(1);
  const bool directory_only = text.ends_with('/');
  if (directory_only) text.remove_suffix(1);
  if (text.empty()) return Malformed("names nothing");

  std::vector<Glob> globs;
  if (text.find('/') == std::string_view::npos) {
    HELIOS_TRY_ASSIGN(std::vector<Component> components, PatternParser(text).ParseName());
    globs.emplace_back().components = std::move(components);
    globs.back().shape = Glob::Shape::kName;
  } else {
    if (text.front() == '/') text.remove_prefix(1);
    Result<void> status;
    for (const std::string& alternative : Alternatives(text)) {
      Result<std::vector<Component>> components = PatternParser(alternative).ParsePath();
      if (components) {
        globs.push_back(MakePathGlob(std::move(*components)));
      } else {
        status = std::move(components).error();
      }
    }
    if (globs.empty()) return std::move(status).error();
  }
  for (Glob& glob : globs) glob.directory_only = directory_only;
  return globs;
}

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

// Matching. Nothing below allocates, but for MakeGate.

// What a glance at a path shows: whether it is a directory, the first byte of it and of its last
// name, and the last byte. Neither is empty.
uint32_t GlanceAt(std::string_view path, std::string_view name, bool is_directory) {
  const auto at = [](char byte, int shift) {
    return uint32_t{static_cast<uint8_t>(byte)} << shift;
  };
  return (is_directory ? 1u << 24 : 0) | at(path.front(), 16) | at(name.front(), 8) |
         at(name.back(), 0);
}

// What a glob asks for at a glance. Most paths match none of a list's patterns; this tells for
// nearly all of them without a look at the globs.
struct Gate {
  uint32_t mask = 0;
  uint32_t wanted = 0;

  bool Admits(uint32_t glance) const { return ((glance ^ wanted) & mask) == 0; }
  void AskForByte(int value, int shift) {
    mask |= 0xffu << shift;
    wanted |= static_cast<uint32_t>(value) << shift;
  }
};

Gate MakeGate(const Glob& glob) {
  Gate gate;
  if (glob.directory_only) gate.mask = gate.wanted = 1u << 24;
  const Component& first = glob.components.front();
  const int first_shift = glob.shape == Glob::Shape::kName ? 8 : 16;
  if (first.kind == Component::Kind::kLiteral) {
    gate.AskForByte(static_cast<uint8_t>(first.literal.front()), first_shift);
  } else if (!first.tokens.empty() && first.tokens.front().kind == Token::Kind::kByte) {
    gate.AskForByte(first.tokens.front().value, first_shift);
  }
  const Component& last = glob.components.back();
  if (!last.literal.empty()) {
    gate.AskForByte(static_cast<uint8_t>(last.literal.back()), 0);
  } else if (!last.tokens.empty() && last.tokens.back().kind == Token::Kind::kByte) {
    gate.AskForByte(last.tokens.back().value, 0);
  }
  return gate;
}

bool MatchesByte(const Component& component, Token token, uint8_t byte) {
  switch (token.kind) {
    case Token::Kind::kByte:
      return token.value == byte;
    case Token::Kind::kAnyByte:
      return true;
    case Token::Kind::kSet:
      return component.sets[token.value][byte];
    case Token::Kind::kStar:
      break;
  }
  return false;
}

// Only the last star that was passed is ever reconsidered: whatever an earlier one could take more,
// the last one can take as well. So this costs at most the number of tokens times that of bytes.
bool MatchesTokens(const Component& component, std::string_view name) {
  const std::vector<Token>& tokens = component.tokens;
  size_t token = 0;
  size_t byte = 0;
  size_t behind_star = 0;  // the token behind the last star; 0: no star yet
  size_t star_end = 0;     // the byte behind those that the star takes
  for (;;) {
    if (token < tokens.size() && tokens[token].kind == Token::Kind::kStar) {
      behind_star = ++token;
      star_end = byte;
      if (token == tokens.size()) return true;
    } else if (byte == name.size()) {
      return token == tokens.size();
    } else if (token < tokens.size() &&
               MatchesByte(component, tokens[token], static_cast<uint8_t>(name[byte]))) {
      ++token;
      ++byte;
    } else if (behind_star != 0) {
      token = behind_star;
      byte = ++star_end;
    } else {
      return false;
    }
  }
}

bool MatchesName(const Component& component, std::string_view name) {
  switch (component.kind) {
    case Component::Kind::kLiteral:
      return name == component.literal;
    case Component::Kind::kSuffix:
      return name.ends_with(component.literal);
    case Component::Kind::kTokens:
      return MatchesTokens(component, name);
    case Component::Kind::kAnyDirectories:
      break;
  }
  return true;
}

// Steps through the names of a path.
class PathCursor {
 public:
  explicit PathCursor(std::string_view path) : rest_(path) { FindEnd(); }
  bool AtEnd() const { return rest_.empty(); }
  std::string_view Name() const { return rest_.substr(0, name_size_); }
  void Advance() {
    rest_.remove_prefix(std::min(name_size_ + 1, rest_.size()));
    FindEnd();
  }

 private:
  void FindEnd() { name_size_ = std::min(rest_.find('/'), rest_.size()); }

  std::string_view rest_;
  size_t name_size_ = 0;
};

// As in MatchesTokens only the last "**" is reconsidered. For each of them a component meets a name
// at most once, so this costs at most pattern length times path length.
bool MatchesPath(const std::vector<Component>& components, std::string_view path) {
  PathCursor cursor(path);
  PathCursor any_end(path);  // behind what the last "**" takes
  size_t behind_any = 0;     // the component behind that "**"; 0: none yet
  size_t index = 0;
  while (index < components.size() || !cursor.AtEnd()) {
    // With fewer names left, no "**" helps.
    if (cursor.AtEnd()) return false;
    if (index < components.size()) {
      const Component& component = components[index];
      if (component.kind == Component::Kind::kAnyDirectories) {
        behind_any = ++index;
        any_end = cursor;
        if (index == components.size()) return true;
        continue;
      }
      if (MatchesName(component, cursor.Name())) {
        ++index;
        cursor.Advance();
        continue;
      }
    }
    if (behind_any == 0) return false;
    any_end.Advance();
    cursor = any_end;
    index = behind_any;
  }
  return true;
}

bool MayMatchBelowPath(const std::vector<Component>& components, std::string_view directory) {
  size_t index = 0;
  for (PathCursor cursor(directory); !cursor.AtEnd(); cursor.Advance(), ++index) {
    if (index == components.size()) return false;
    if (components[index].kind == Component::Kind::kAnyDirectories) return true;
    if (!MatchesName(components[index], cursor.Name())) return false;
  }
  return index < components.size();
}

std::string_view LastName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Apart from `directory_only`, which the gate has seen to.
bool MatchesGlob(const Glob& glob, std::string_view path, std::string_view name) {
  switch (glob.shape) {
    case Glob::Shape::kName:
      return MatchesName(glob.components.front(), name);
    case Glob::Shape::kLiteralPath:
      return path == glob.literal;
    case Glob::Shape::kBelow:
      return path.starts_with(glob.literal);
    case Glob::Shape::kPath:
      break;
  }
  return MatchesPath(glob.components, path);
}

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

struct PatternList::Globs {
  std::vector<Glob> all;
  std::vector<Gate> gates;  // of each glob
  // Where the globs of each pattern begin, and behind the last one's. Mostly each has one.
  std::vector<size_t> starts;

  bool Match(size_t i, uint32_t glance, std::string_view path, std::string_view name) const {
    return gates[i].Admits(glance) && MatchesGlob(all[i], path, name);
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
    auto compiled = CompilePattern(is_argument ? AnchorArgument(pattern.text) : pattern.text);
    if (!compiled) {
      std::string message = "malformed pattern '" + pattern.text.substr(0, kShownBytesMax) +
                            "': " + compiled.error().message();
      if (is_argument) return Error(ErrorCode::kInvalidArgument, std::move(message));
      list.warnings_.push_back("line " + std::to_string(pattern.line) + ": " + message);
      continue;
    }
    globs->starts.push_back(globs->all.size());
    for (Glob& glob : *compiled) {
      glob.pattern = list.patterns_.size();
      globs->gates.push_back(MakeGate(glob));
      globs->all.push_back(std::move(glob));
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
  const uint32_t glance = GlanceAt(path, name, is_directory);
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
  const uint32_t glance = GlanceAt(path, name, is_directory);
  for (size_t i = globs_->starts[pattern]; i < globs_->starts[pattern + 1]; ++i) {
    if (globs_->Match(i, glance, path, name)) return true;
  }
  return false;
}

bool PatternList::MayMatchBelow(size_t pattern, std::string_view directory) const {
  HELIOS_CHECK(pattern < patterns_.size());
  for (size_t i = globs_->starts[pattern]; i < globs_->starts[pattern + 1]; ++i) {
    const Glob& glob = globs_->all[i];
    if (glob.shape == Glob::Shape::kName) return true;
    if (MayMatchBelowPath(glob.components, directory)) return true;
  }
  return false;
}

std::shared_ptr<const IgnoreRules> IgnoreRules::Empty() {
  return std::shared_ptr<const IgnoreRules>(new IgnoreRules());
}

std::shared_ptr<const IgnoreRules> IgnoreRules::Extend(std::shared_ptr<const IgnoreRules> parent,
                                                       std::string base, PatternList patterns) {
  HELIOS_CHECK(parent != nullptr);
  if (patterns.patterns().empty()) return parent;
  Bytes digested;
  Encoder encoder(&digested);
  encoder.Fixed(parent->digest());
  encoder.String(base);
  for (const PatternList::Pattern& pattern : patterns.patterns()) encoder.String(pattern.text);

  std::shared_ptr<IgnoreRules> rules(new IgnoreRules());
  rules->parent_ = std::move(parent);
  rules->base_ = std::move(base);
  rules->patterns_ = std::move(patterns);
  rules->digest_ = Checksum64(digested);
  return rules;
}

// Lets go of the parents one by one: in a deep tree a recursion would overflow the stack.
IgnoreRules::~IgnoreRules() {
  std::shared_ptr<const IgnoreRules> next = std::move(parent_);
  while (next != nullptr && next.use_count() == 1) {
    // use_count() orders nothing; a copy that comes and goes does: what other threads read before
    // they let go of `next` comes before the change to it.
    std::shared_ptr<const IgnoreRules>(next).reset();
    next = std::move(next->parent_);
  }
}

bool IgnoreRules::Ignores(std::string_view path, bool is_directory) const {
  for (const IgnoreRules* rules = this; rules != nullptr; rules = rules->parent_.get()) {
    std::string_view relative = path;
    if (const std::string& base = rules->base_; !base.empty()) {
      if (!path.starts_with(base) || !path.substr(base.size()).starts_with('/')) continue;
      relative.remove_prefix(base.size() + 1);
    }
    const PatternList::Verdict verdict = rules->patterns_.Decide(relative, is_directory).verdict;
    if (verdict != PatternList::Verdict::kNoMatch) return verdict == PatternList::Verdict::kMatch;
  }
  return false;
}

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

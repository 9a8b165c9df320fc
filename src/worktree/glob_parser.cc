// What a pattern says: from its text to globs.
#include <algorithm>
#include <array>
#include <utility>

#include "worktree/glob.h"

namespace helios::glob {
namespace {

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

}  // namespace

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

}  // namespace helios::glob

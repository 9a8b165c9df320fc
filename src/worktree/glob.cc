#include "worktree/glob.h"

#include <algorithm>

namespace helios::glob {
namespace {

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

}  // namespace

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

bool MayMatchBelow(const Glob& glob, std::string_view directory) {
  return glob.shape == Glob::Shape::kName || MayMatchBelowPath(glob.components, directory);
}

}  // namespace helios::glob

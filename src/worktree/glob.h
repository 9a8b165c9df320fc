// One gitignore pattern, compiled: taken apart by glob_parser.cc, matched by glob.cc. Lists of them
// are in pattern.h.
#ifndef HELIOS_WORKTREE_GLOB_H_
#define HELIOS_WORKTREE_GLOB_H_

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "helios/result.h"

namespace helios::glob {

// A longer pattern is malformed. Matching costs at most pattern length times path length.
inline constexpr size_t kPatternBytesMax = 4096;

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

// The globs that a pattern stands for, mostly one; a leading '!' makes no difference. Errors:
// kInvalidArgument with the reason if it is malformed or could never match.
Result<std::vector<Glob>> CompilePattern(std::string_view text);

// Matching. Nothing below allocates, but for MakeGate.

// What a glance at a path shows: whether it is a directory, the first byte of it and of its last
// name, and the last byte. Neither is empty.
inline uint32_t GlanceAt(std::string_view path, std::string_view name, bool is_directory) {
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

Gate MakeGate(const Glob& glob);

// Apart from `directory_only`, which the gate has seen to. `name` is the last name of `path`.
bool MatchesGlob(const Glob& glob, std::string_view path, std::string_view name);

// False if the glob certainly matches no path below `directory`, at any depth.
bool MayMatchBelow(const Glob& glob, std::string_view directory);

}  // namespace helios::glob

#endif  // HELIOS_WORKTREE_GLOB_H_

// How hard a store compresses what is put into it. A setting of the store: docs/format.md,
// "Settings".
#ifndef HELIOS_COMPRESSION_H_
#define HELIOS_COMPRESSION_H_

#include <optional>
#include <string_view>

namespace helios {

enum class Compression {
  kFast,     // not at all: what is new is committed in two thirds of the time or less, and the
             // store is as large as what it holds
  kDefault,  // as much as costs next to no time
  kSmall,    // more, for several times the time; small files are read more slowly
};

inline constexpr Compression kCompressions[] = {Compression::kFast, Compression::kDefault,
                                                Compression::kSmall};

// "fast", "default" or "small".
constexpr std::string_view CompressionName(Compression compression) {
  switch (compression) {
    case Compression::kFast:
      return "fast";
    case Compression::kDefault:
      return "default";
    case Compression::kSmall:
      break;
  }
  return "small";
}

constexpr std::optional<Compression> CompressionFromName(std::string_view name) {
  for (const Compression compression : kCompressions) {
    if (name == CompressionName(compression)) return compression;
  }
  return std::nullopt;
}

}  // namespace helios

#endif  // HELIOS_COMPRESSION_H_

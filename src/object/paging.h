// Where directories are cut into pages. Names alone decide, so the form is canonical and one
// changed entry rewrites one page per level. docs/format.md, "Paging", is normative.
#ifndef HELIOS_OBJECT_PAGING_H_
#define HELIOS_OBJECT_PAGING_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace helios {

inline constexpr size_t kPageItemsMin = 64;   // no page but the last of a level has fewer
inline constexpr size_t kPageItemsMax = 512;  // no page has more
inline constexpr uint8_t kPageLevelMax = 7;

// FNV-1a over the name's bytes, then the finalizer of MurmurHash3: 64 well-mixed bits.
uint64_t NameHash(std::string_view name);

// True if a page of `level` that holds `items` items so far ends after the item whose last name has
// this hash.
inline bool PageEndsAfter(uint8_t level, size_t items, uint64_t name_hash) {
  if (items >= kPageItemsMax) return true;
  return items >= kPageItemsMin && ((name_hash >> (6 * level)) & 63) == 0;
}

}  // namespace helios

#endif  // HELIOS_OBJECT_PAGING_H_

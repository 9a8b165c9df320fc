#include "object/key_set.h"

#include <algorithm>
#include <utility>

#include "base/codec.h"

namespace helios {
namespace {

constexpr size_t kPlacesMin = 8;

// `salt` is nothing that the maker of ids could know: else they could all be made to fall on one
// place.
uint64_t HashOf(const Digest& digest, uint64_t salt) {
  uint64_t hash = salt;
  for (size_t i = 0; i < Digest::kSize; i += sizeof(uint64_t)) {
    hash = (hash ^ LoadLittleEndian<uint64_t>(digest.bytes.data() + i)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

size_t KeySet::PartOf(const ObjectKey& key) {
  const size_t kind = static_cast<size_t>(key.kind) % kKinds;
  return kind * kPartsOfAKind + key.digest.bytes[0] % kPartsOfAKind;
}

bool KeySet::Insert(const ObjectKey& key) { return parts_[PartOf(key)].Insert(key.digest); }

bool KeySet::Contains(const ObjectKey& key) const {
  return parts_[PartOf(key)].Contains(key.digest);
}

uint64_t KeySet::size() const {
  uint64_t size = 0;
  for (const Part& part : parts_) size += part.size();
  return size;
}

bool KeySet::Part::Insert(const Digest& digest) {
  MutexLock lock(mutex_);
  if (digest == Digest()) return !std::exchange(has_zeros_, true);
  if ((used_ + 1) * 8 > places_.size() * 7) Grow();
  Digest& place = places_[PlaceOf(digest)];
  if (place == digest) return false;
  place = digest;
  ++used_;
  return true;
}

bool KeySet::Part::Contains(const Digest& digest) const {
  MutexLock lock(mutex_);
  if (digest == Digest()) return has_zeros_;
  return used_ > 0 && places_[PlaceOf(digest)] == digest;
}

size_t KeySet::Part::size() const {
  MutexLock lock(mutex_);
  return used_ + (has_zeros_ ? 1 : 0);
}

size_t KeySet::Part::PlaceOf(const Digest& digest) const {
  const uint64_t hash = HashOf(digest, reinterpret_cast<uintptr_t>(this));
  size_t place = static_cast<size_t>(((hash >> 32) * places_.size()) >> 32);
  while (places_[place] != Digest() && places_[place] != digest) {
    place = place + 1 < places_.size() ? place + 1 : 0;
  }
  return place;
}

// By a half: the set is never less than 7/12 full, and the parts do not all grow at one moment.
void KeySet::Part::Grow() {
  std::vector<Digest> before =
      std::exchange(places_, std::vector<Digest>(std::max(kPlacesMin, places_.size() * 3 / 2)));
  for (const Digest& digest : before) {
    if (digest != Digest()) places_[PlaceOf(digest)] = digest;
  }
}

}  // namespace helios

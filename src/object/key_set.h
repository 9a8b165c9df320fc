// A set of object keys, for walks over millions of them.
#ifndef HELIOS_OBJECT_KEY_SET_H_
#define HELIOS_OBJECT_KEY_SET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "helios/ids.h"

namespace helios {

// Only grows. Thread-safe: many may insert at once. Takes 37 to 56 bytes a key, all of whose bytes
// count: a tree can name whatever ids its maker likes, and none may pass for another.
class KeySet {
 public:
  // True if the key was not in the set.
  bool Insert(const ObjectKey& key);
  bool Contains(const ObjectKey& key) const;
  uint64_t size() const;

 private:
  // Digests of one kind. Open addressing: a place holds a digest, or zeros for none; the digest of
  // zeros, which nothing hashes to but anyone can write, is kept apart.
  class Part {
   public:
    bool Insert(const Digest& digest) HELIOS_EXCLUDES(mutex_);
    bool Contains(const Digest& digest) const HELIOS_EXCLUDES(mutex_);
    size_t size() const HELIOS_EXCLUDES(mutex_);

   private:
    // Where the digest is, or the empty place where it would be.
    size_t PlaceOf(const Digest& digest) const HELIOS_REQUIRES(mutex_);
    void Grow() HELIOS_REQUIRES(mutex_);

    mutable Mutex mutex_;
    std::vector<Digest> places_ HELIOS_GUARDED_BY(mutex_);
    size_t used_ HELIOS_GUARDED_BY(mutex_) = 0;  // of places_
    bool has_zeros_ HELIOS_GUARDED_BY(mutex_) = false;
  };

  static constexpr size_t kKinds = 8;
  static constexpr size_t kPartsOfAKind = 16;  // so that threads seldom meet
  static size_t PartOf(const ObjectKey& key);

  std::array<Part, kKinds * kPartsOfAKind> parts_;
};

}  // namespace helios

#endif  // HELIOS_OBJECT_KEY_SET_H_

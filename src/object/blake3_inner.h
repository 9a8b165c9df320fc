// BLAKE3's inner functions, if they are at hand: HELIOS_BLAKE3_HAS_HASH_MANY says so. A BLAKE3 that
// the system has installed keeps them to itself.
#ifndef HELIOS_OBJECT_BLAKE3_INNER_H_
#define HELIOS_OBJECT_BLAKE3_INNER_H_

#if HELIOS_BLAKE3_HAS_HASH_MANY
#include <cstddef>
#if defined(__x86_64__) || defined(__i386__)
// Before blake3_impl.h, which includes it where everything has C linkage.
#include <immintrin.h>
#endif
extern "C" {
#include <blake3_impl.h>
}

namespace helios {

// BLAKE3's own, which have nothing to do with those of large files.
inline constexpr size_t kBlake3BlockBytes = BLAKE3_BLOCK_LEN;
inline constexpr size_t kBlake3ChunkBytes = BLAKE3_CHUNK_LEN;

}  // namespace helios
#endif

#endif  // HELIOS_OBJECT_BLAKE3_INNER_H_

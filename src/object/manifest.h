// Manifests: the chunk list of a file larger than 2 MiB. docs/format.md is normative.
#ifndef HELIOS_OBJECT_MANIFEST_H_
#define HELIOS_OBJECT_MANIFEST_H_

#include <functional>
#include <vector>

#include "helios/ids.h"
#include "helios/result.h"

namespace helios {

// A manifest lists at most this many items; longer lists get a level above.
inline constexpr size_t kManifestItemsMax = 8192;
inline constexpr uint8_t kManifestLevelMax = 3;

// Level 0: a chunk, `id` its BlobId. Other levels: a manifest one level below, `id` its ManifestId.
struct ManifestItem {
  uint64_t length = 0;  // bytes of the file that it covers, never 0
  Digest id;
  friend bool operator==(const ManifestItem&, const ManifestItem&) = default;
};

struct Manifest {
  uint8_t level = 0;
  std::vector<ManifestItem> items;

  uint64_t Length() const;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

Bytes EncodeManifest(const Manifest& manifest);
// Errors: kCorrupt for anything but a canonical encoding, with the reason.
Result<Manifest> DecodeManifest(ByteView bytes);

// Takes the chunks of one file in order and makes its manifests, level upon level: every list but
// the last of its level holds exactly kManifestItemsMax items.
class ManifestBuilder {
 public:
  using Sink = std::function<Result<void>(const ObjectKey& key, ByteView bytes)>;
  explicit ManifestBuilder(Sink sink) : sink_(std::move(sink)) {}

  Result<void> AddChunk(uint64_t length, const BlobId& id) { return Add(0, {length, id.digest}); }
  // The id of the topmost manifest; at least one chunk must have been added.
  Result<ManifestId> Finish();

 private:
  Result<void> Add(uint8_t level, const ManifestItem& item);
  Result<ManifestItem> Emit(uint8_t level);

  Sink sink_;
  std::vector<Manifest> levels_;
};

}  // namespace helios

#endif  // HELIOS_OBJECT_MANIFEST_H_

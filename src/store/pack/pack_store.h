// The pack backend: immutable pack files in one folder, any number of readers and writers.
//
// What is visible is whole: a pack appears by rename, after it was synced. Writers never wait for
// each other, each writes its own pack. Small packs are merged in geometric steps; a merge
// publishes the new pack, makes it durable, raises the generation and only then removes the old
// ones. A folder listing that races a merge can miss both: so readers compare the generation before
// and after the listing, and list again before they say that an object is missing.
#ifndef HELIOS_STORE_PACK_PACK_STORE_H_
#define HELIOS_STORE_PACK_PACK_STORE_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "helios/object_store.h"
#include "store/pack/pack_reader.h"
#include "store/pack/pack_writer.h"

namespace helios::pack {

class PackStore : public ObjectStore {
 public:
  static Result<std::unique_ptr<ObjectStore>> Open(const std::string& folder);

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override;
  Result<std::vector<bool>> HasMany(std::span<const ObjectKey> keys) override;
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override;
  Result<void> ForEachKey(const KeyVisitor& visitor) override;
  Result<void> Sync() override;
  Result<void> Maintain() override;
  Result<void> Delete(std::span<const ObjectKey> keys) override;
  Result<uint64_t> Generation() override;
  Result<StoreTotals> Totals() override;

 private:
  using PackPointer = std::shared_ptr<PackReader>;
  // One listing of the folder. Immutable once made.
  struct Listing {
    std::vector<PackPointer> packs;  // largest first
    std::vector<Error> damaged;      // one for each pack that cannot be opened
  };
  using ListingPointer = std::shared_ptr<const Listing>;
  struct Found {
    PackPointer pack;
    Location location;
    size_t key_index;
  };
  struct CachedFrame {
    const PackReader* pack = nullptr;
    uint32_t frame = 0;
    uint64_t last_use = 0;
    PackPointer keeps_pack_alive;
    std::shared_ptr<const DecodedFrame> decoded;
  };

  explicit PackStore(std::string folder) : folder_(std::move(folder)) {}

  ListingPointer CurrentListing() HELIOS_EXCLUDES(mutex_);
  // With everything that this store itself has published.
  Result<ListingPointer> OwnListing() HELIOS_EXCLUDES(mutex_);
  Result<ListingPointer> Refresh() HELIOS_EXCLUDES(mutex_);
  // Lists once; nullptr if a pack went away meanwhile and the listing must be made again.
  Result<ListingPointer> List(const Listing& previous) const;
  Result<std::vector<std::string>> PackNames() const;

  // Splits keys into found and absent.
  Result<void> Locate(const Listing& listing, std::span<const ObjectKey> keys,
                      std::span<const size_t> wanted, std::vector<Found>* found,
                      std::vector<size_t>* absent) const;
  Result<std::shared_ptr<const DecodedFrame>> LoadFrame(const PackPointer& pack, uint32_t frame)
      HELIOS_EXCLUDES(mutex_);

  // Replaces `packs` by one pack with their objects, without those for which `drop` is true. The
  // caller holds the merge lock.
  Result<void> Rewrite(const std::vector<PackPointer>& packs,
                       const std::function<bool(const ObjectKey&)>& drop);
  Result<void> RaiseGeneration();
  void RemoveAbandonedFiles() const;

  const std::string folder_;
  // Set by batches of this store: the listing is out of date.
  const std::shared_ptr<std::atomic<bool>> published_ = std::make_shared<std::atomic<bool>>(false);
  Mutex mutex_;
  ListingPointer listing_ HELIOS_GUARDED_BY(mutex_) = std::make_shared<Listing>();
  std::vector<CachedFrame> frame_cache_ HELIOS_GUARDED_BY(mutex_);
  size_t frame_cache_bytes_ HELIOS_GUARDED_BY(mutex_) = 0;
  uint64_t frame_clock_ HELIOS_GUARDED_BY(mutex_) = 0;
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_STORE_H_

// The pack backend: immutable pack files in one folder, any number of readers and writers.
//
// What is visible is whole: a pack appears by rename, after it was synced. Writers never wait for
// each other, each writes its own pack. Small packs are merged in geometric steps; a merge
// publishes the new pack, makes it durable, raises the generation and only then removes the old
// ones. A folder listing that races a merge can miss both: so readers compare the generation before
// and after the listing, and list again before they say that an object is missing.
#ifndef HELIOS_STORE_PACK_PACK_STORE_H_
#define HELIOS_STORE_PACK_PACK_STORE_H_

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/durable_file.h"
#include "base/mutex.h"
#include "helios/object_store.h"
#include "object/key_set.h"
#include "store/pack/pack_reader.h"
#include "store/pack/pack_writer.h"

namespace helios::pack {

// Held by whoever removes packs, in the folder.
inline constexpr char kMergeLockFile[] = "merge.lock";
// Below the folder of packs: what `Repair` set aside. Nobody reads it.
inline constexpr char kDamagedFolder[] = "damaged";

class PackStore : public ObjectStore {
 public:
  static Result<std::unique_ptr<ObjectStore>> Open(const std::string& folder,
                                                   const OpenOptions& options = {});

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override;
  Result<std::vector<bool>> HasMany(std::span<const ObjectKey> keys) override;
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override;
  Result<void> ForEachKey(const KeyVisitor& visitor) override;
  Result<void> Sync() override;
  Result<void> Maintain() override;
  // Rewrites packs that were not yet, and of those that were the ones that are not much larger: as
  // one, their objects in the order that is asked for, in large frames. A round takes packs of at
  // most kOptimizedBytesMax together, of which the objects' index entries are in memory.
  Result<OptimizeReport> Optimize(const OptimizeRequest& request) override;
  Result<void> Delete(std::span<const ObjectKey> keys) override;
  Result<std::unique_ptr<ObjectSweep>> OpenSweep(SweepRequest request) override;
  Result<uint64_t> Generation() override;
  Result<StoreTotals> Totals() override;
  Result<std::vector<uint64_t>> Parts() override;
  Result<bool> HasParts(std::span<const uint64_t> parts) override;
  Result<std::vector<Error>> Check() override;
  // Pack by pack, each in the order of its bytes: pack_repair.cc, as is Repair.
  Result<VerifyObjectsReport> Verify(const VerifyObjectsRequest& request) override;
  Result<RepairObjectsReport> Repair(const RepairObjectsRequest& request) override;
  void SetCompression(Compression compression) override { compression_ = compression; }

 private:
  friend class PackSweep;
  using PackPointer = std::shared_ptr<PackReader>;
  // One listing of the folder. Immutable once made, but for the hint.
  struct Listing {
    std::vector<PackPointer> packs;  // largest first
    std::vector<Error> damaged;      // one for each pack that cannot be read
    uint64_t generation = 0;         // of the folder, before and after it was listed
    uint64_t published = 0;          // packs of this store's own that it is sure to have
    // Where the last object was found: what belongs together mostly lies together. A hint.
    mutable std::atomic<size_t> last_hit = 0;
  };
  using ListingPointer = std::shared_ptr<const Listing>;
  struct Found {
    PackPointer pack;
    Location location;
    size_t key_index;
  };
  struct CachedFrame {
    PackPointer pack;
    uint32_t frame = 0;
    uint64_t last_use = 0;
    std::shared_ptr<const DecodedFrame> decoded;
  };
  // Decoded frames, the least recently used of which goes first.
  struct FrameCache {
    std::vector<CachedFrame> frames;
    size_t bytes = 0;
    uint64_t clock = 0;
    std::shared_ptr<const DecodedFrame> Find(const PackReader* pack, uint32_t frame);
    void Add(CachedFrame added, size_t bytes_max);
  };

  PackStore(std::string folder, const OpenOptions& options, Fd generation)
      : folder_(std::move(folder)), options_(options), generation_(std::move(generation)) {}

  ListingPointer CurrentListing() HELIOS_EXCLUDES(mutex_);
  // With everything that this store itself has published, and nothing that has been removed.
  Result<ListingPointer> OwnListing() HELIOS_EXCLUDES(mutex_);
  Result<ListingPointer> Refresh() HELIOS_EXCLUDES(mutex_);
  // Lists once; nullptr if a pack went away meanwhile and the listing must be made again.
  Result<std::shared_ptr<Listing>> List(const Listing& previous) const;
  Result<std::vector<std::string>> PackNames() const;

  // What was found of some keys, what was not, and the damage that may be why.
  struct Located {
    std::vector<Found> found;
    std::vector<size_t> absent;
    std::vector<Error> damage;
    bool has_moved = false;  // a pack was merged away before it could be asked
  };
  Result<Located> Locate(const Listing& listing, std::span<const ObjectKey> keys,
                         std::span<const size_t> wanted) const;
  // In the newest listing that it takes: looks until no pack is merged away meanwhile, and, if
  // `look_again`, in a new listing before a key counts as absent.
  Result<Located> LocateAll(std::span<const ObjectKey> keys, bool look_again)
      HELIOS_EXCLUDES(mutex_);
  Result<void> GetFound(std::vector<Found> found, std::span<const ObjectKey> keys,
                        const GetSink& sink);
  // The same object from any pack but the one in which it is damaged, or from which it was merged
  // away; else `loss`.
  Result<void> GetElsewhere(const Found& lost, Error loss, const ObjectKey& key,
                            const GetSink& sink);
  // From any pack but `avoided`; no frame if there is none, or if a pack was merged away meanwhile.
  struct Elsewhere {
    std::shared_ptr<const DecodedFrame> frame;
    Location location;
    bool has_moved = false;
  };
  Elsewhere FindElsewhere(const Listing& listing, const PackPointer& avoided, const ObjectKey& key);
  Result<std::shared_ptr<const DecodedFrame>> LoadFrame(const PackPointer& pack, uint32_t frame)
      HELIOS_EXCLUDES(mutex_);

  std::shared_ptr<const DecodedFrame> FindCached(const PackReader* pack, uint32_t frame)
      HELIOS_EXCLUDES(mutex_);
  Result<std::shared_ptr<const DecodedFrame>> DecodeAndCache(const PackPointer& pack,
                                                             uint32_t frame)
      HELIOS_EXCLUDES(mutex_);

  // Looks at one pack. False if it was merged away.
  Result<bool> VerifyPack(const std::string& name, const VerifyObjectsRequest& request,
                          VerifyObjectsReport* report) const;
  // Brings what is whole of a damaged pack into a new one, then sets it aside. `whole`: what is
  // found in others, and grows.
  Result<void> RepairPack(const std::string& name, const RepairObjectsRequest& request,
                          KeySet* whole, std::vector<ObjectKey>* named,
                          RepairObjectsReport* report);
  // Moves a pack where no reader looks.
  Result<std::string> SetAside(const std::string& name) const;

  using Filter = std::function<bool(const ObjectKey&)>;
  // Replaces `packs` by one pack with their objects, without those for which `drop` is true. If
  // some are damaged, nothing is replaced, and they are added to `damaged`. The caller holds the
  // merge lock.
  Result<void> Rewrite(const std::vector<PackPointer>& packs, const Filter& drop,
                       std::map<std::string, Error>* damaged);
  // Copies one pack's objects to the writer, those that were not yet copied.
  static Result<void> CopyPack(PackReader& pack, const Filter& drop,
                               std::unordered_set<ObjectKey, ObjectKeyHash>* copied,
                               PackWriter* writer);
  // Makes what the writer published stand in place of `packs`.
  Result<void> ReplacePacks(const std::vector<PackPointer>& packs, const PackWriter& writer);
  // One round of Optimize; damaged packs are left alone and added to `damaged`. The caller holds
  // the merge lock.
  Result<void> OptimizePacks(const std::vector<PackPointer>& packs, const OptimizeRequest& request,
                             std::map<std::string, Error>* damaged, OptimizeReport* report);
  // Held by whoever removes packs. Errors: kBusy.
  Result<FileLock> LockMerge() const;
  Result<void> RaiseGeneration();
  // Which pack the objects of others went into, by part, as far as it is remembered.
  std::unordered_map<uint64_t, uint64_t> ReadMerged() const;
  // Remembers that `packs` were merged into `target`. Best effort. The caller holds the merge lock.
  void NoteMerged(const std::vector<std::string>& packs, const std::string& target) const;

  const std::string folder_;
  const OpenOptions options_;
  const std::shared_ptr<OpenFiles> files_ = std::make_shared<OpenFiles>();
  std::atomic<Compression> compression_ = Compression::kDefault;
  const Fd generation_;  // of the generation file: eight bytes, written in place
  // How many packs the batches of this store have published.
  const std::shared_ptr<std::atomic<uint64_t>> published_ =
      std::make_shared<std::atomic<uint64_t>>(0);
  std::array<Mutex, 16> turns_;  // whoever decodes a large frame, by its number; before mutex_
  Mutex mutex_;
  ListingPointer listing_ HELIOS_GUARDED_BY(mutex_) = std::make_shared<Listing>();
  FrameCache metadata_cache_ HELIOS_GUARDED_BY(mutex_);
  FrameCache content_cache_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_STORE_H_

// Takes dead objects out of packs. docs/decisions/0019.
#ifndef HELIOS_STORE_PACK_PACK_SWEEP_H_
#define HELIOS_STORE_PACK_PACK_SWEEP_H_

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/durable_file.h"
#include "object/key_set.h"
#include "store/pack/pack_store.h"

namespace helios::pack {

// Packs of which nothing is live go first, all at once and without a byte being written. Then, in
// rounds of so many bytes, those of which the least must be written for what comes free: what is
// live of them is copied into new packs, frame by frame as it is where all of a frame is. A pack of
// which little is dead is left for another time. Holds the merge lock as long as it lives.
class PackSweep : public ObjectSweep {
 public:
  static Result<std::unique_ptr<ObjectSweep>> Open(PackStore* store, SweepRequest request);
  ~PackSweep() override { (void)FinishRemoval(); }

  Result<void> Plan() override;
  Result<bool> Prepare() override;
  Result<void> Remove() override;
  SweepFigures Figures() const override { return figures_; }

 private:
  using PackPointer = std::shared_ptr<PackReader>;
  struct Candidate {
    PackPointer pack;
    uint64_t live_bytes = 0;  // on disk
    uint64_t dead_bytes = 0;
    // What must be written for each byte that comes free.
    double Cost() const {
      return static_cast<double>(live_bytes) / static_cast<double>(dead_bytes + 1);
    }
  };
  // What one pack holds.
  struct Content {
    std::vector<IndexEntry> entries;  // by frame
    size_t dead = 0;
    Candidate candidate;
  };
  // One thread's new packs: of what was compressed for good, and of the rest.
  struct Worker {
    std::unique_ptr<PackWriter> from_optimized;
    std::unique_ptr<PackWriter> writer;
  };
  // Some frames of a pack, next to each other.
  struct Piece {
    PackPointer pack;
    std::vector<IndexEntry> live;  // by frame
  };

  PackSweep(PackStore* store, SweepRequest request, FileLock lock)
      : store_(store), request_(std::move(request)), lock_(std::move(lock)) {}

  Result<Content> LookAt(const PackPointer& pack) const;
  // The next round: what costs least of what there may be room for.
  void Choose();
  // What is live of the chosen packs, anew. A damaged pack is no longer chosen, and `is_whole` is
  // false: then the round begins again.
  Result<void> CopyChosen(bool* is_whole);
  Result<void> CopyPiece(Worker& worker, const Piece& piece);
  Result<void> CopyFrame(Worker& worker, PackReader& pack, uint32_t frame,
                         std::vector<IndexEntry> live);
  // True if a pack that stays holds the object, and the frame that it lies in is whole.
  Result<bool> IsHeldElsewhere(const ObjectKey& key);
  Result<void> Publish(std::vector<Worker>& workers);
  // Whoever is no longer chosen stays as it is.
  void Abandon(const PackReader* pack, Error error);
  // Copies what has come to life since; packs with too much of it are no longer chosen.
  Result<void> SaveRevived();
  Result<void> CopyRevived(const std::vector<ObjectKey>& revived);
  // Gives the space of what was removed back.
  Result<void> FinishRemoval();

  PackStore* const store_;
  const SweepRequest request_;
  const FileLock lock_;
  SweepFigures figures_;
  std::vector<PackPointer> packs_;     // that were there at first
  KeySet duplicates_;                  // what lay in more than one pack
  std::vector<Candidate> candidates_;  // the cheapest last
  // What is copied before anything is given back: so much free space a sweep may need.
  uint64_t round_bytes_max_ = uint64_t{1} << 30;
  std::optional<Error> no_space_;  // what kept a round from being copied

  // Of this round.
  std::vector<PackPointer> chosen_;
  std::vector<Candidate> chosen_from_;  // the same, to be put back
  std::vector<PackPointer> others_;     // what stays
  std::vector<ObjectKey> doomed_;
  std::unique_ptr<KeySet> copied_;
  Mutex mutex_;
  std::map<const PackReader*, Error> damaged_ HELIOS_GUARDED_BY(mutex_);
  std::map<std::pair<const PackReader*, uint32_t>, bool> looked_at_ HELIOS_GUARDED_BY(mutex_);

  std::vector<std::string> removed_;  // under the names that they were given, still there
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_SWEEP_H_

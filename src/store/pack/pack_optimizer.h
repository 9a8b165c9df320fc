// Compresses the objects of some packs anew, those that resemble each other together.
#ifndef HELIOS_STORE_PACK_PACK_OPTIMIZER_H_
#define HELIOS_STORE_PACK_PACK_OPTIMIZER_H_

#include <atomic>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "store/pack/pack_reader.h"
#include "store/pack/pack_writer.h"

namespace helios::pack {

// Whether every frame of the pack is as it was written. Errors: kCorrupt naming the first that is
// not.
Result<void> CheckFrames(const PackReader& pack);

// Puts every object of the packs once into the writer, in frames of OptimizingEffort: blobs, trees,
// attributes and the rest apart from each other, each in the order of the request; what that does
// not name comes last, as it lay. Each object is verified against its id on its way, and each frame
// is read back before it counts. Memory: the packs' index entries, and about 90 MB for each thread.
class PackOptimizer {
 public:
  PackOptimizer(std::vector<std::shared_ptr<PackReader>> packs, const OptimizeRequest& request,
                PackWriter* writer)
      : packs_(std::move(packs)), request_(request), writer_(writer) {}

  Result<void> Run();
  // After an error: the pack whose objects are not what they should be, if that is why.
  const PackReader* damaged_pack() const { return damaged_pack_; }
  uint64_t objects() const { return objects_; }
  uint64_t bytes() const { return bytes_; }

 private:
  using PackPointer = std::shared_ptr<PackReader>;
  using FramePointer = std::shared_ptr<const DecodedFrame>;
  // Where an object comes from.
  struct Source {
    IndexEntry entry;
    uint32_t pack;
  };
  // Sources that go into one frame: a piece of sequence_.
  struct FrameRun {
    size_t begin;
    size_t end;
  };
  struct CachedFrame {
    uint32_t pack;
    uint32_t frame;
    uint64_t last_use;
    FramePointer decoded;
  };
  // One thread's working memory.
  struct Worker {
    FrameEncoder encoder{OptimizingEffort()};
    FrameEncoder storer{EffortOf(Compression::kFast)};
    Bytes raw;
    Bytes frame;
    std::vector<Member> members;
    std::vector<IndexEntry> entries;
  };

  Result<void> ListSources();
  void Arrange();
  void CutIntoFrames();
  Result<void> CompressFrames();
  Result<void> CompressFrame(Worker& worker, const FrameRun& run);
  // Adds an object to what the worker makes a frame of.
  Result<void> Gather(Worker& worker, const Source& source);
  Result<void> WriteFrame(Worker& worker) HELIOS_EXCLUDES(writer_mutex_);
  // What does not compress gains nothing by lying in one large frame.
  Result<void> WriteStored(Worker& worker) HELIOS_EXCLUDES(writer_mutex_);
  Result<void> Put(ByteView frame, ByteView raw, std::vector<IndexEntry> entries)
      HELIOS_EXCLUDES(writer_mutex_);
  Result<FramePointer> LoadFrame(uint32_t pack, uint32_t frame) HELIOS_EXCLUDES(mutex_);
  Error Blame(uint32_t pack, Error error) HELIOS_EXCLUDES(mutex_);

  const std::vector<PackPointer> packs_;
  const OptimizeRequest& request_;
  std::vector<Source> sources_;     // sorted by key, each once
  std::vector<uint32_t> sequence_;  // of sources_, as they are written
  std::vector<FrameRun> runs_;
  std::atomic<size_t> next_run_ = 0;
  std::atomic<uint64_t> objects_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  Mutex mutex_;
  std::vector<CachedFrame> cache_ HELIOS_GUARDED_BY(mutex_);
  size_t cached_bytes_ HELIOS_GUARDED_BY(mutex_) = 0;
  uint64_t clock_ HELIOS_GUARDED_BY(mutex_) = 0;
  const PackReader* damaged_pack_ = nullptr;  // set under mutex_
  Mutex writer_mutex_;
  PackWriter* const writer_;  // used under writer_mutex_
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_OPTIMIZER_H_

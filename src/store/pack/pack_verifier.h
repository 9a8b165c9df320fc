// Reads every frame of a pack and compares every object with its id.
#ifndef HELIOS_STORE_PACK_PACK_VERIFIER_H_
#define HELIOS_STORE_PACK_PACK_VERIFIER_H_

#include <atomic>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "helios/store_check.h"
#include "store/pack/pack_reader.h"

namespace helios::pack {

// An object as it lies in a decoded frame, and what its bytes hash to.
struct HashedMember {
  ObjectKey key;
  uint32_t offset = 0;
  uint32_t length = 0;
};
// kCorrupt if a member is of no kind.
Result<std::vector<HashedMember>> HashMembers(const DecodedFrame& frame);

// One pack, from its beginning to its end, on all threads. Memory: the pack's index entries, and
// about 10 MB for each thread.
class PackVerifier {
 public:
  PackVerifier(PackReader* pack, const VerifyObjectsRequest& request)
      : pack_(pack), request_(request) {}

  // The error carries ENOENT if the pack was merged away meanwhile. All else is in the report.
  Result<void> Run();

  // Adds to `report` what was found.
  void AddTo(VerifyObjectsReport* report);

 private:
  // Frames that are read at once: of one piece of the file.
  struct Stretch {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  Result<void> ListEntries();
  void CheckOrder();
  void CutIntoStretches();
  Result<void> VerifyStretches();
  Result<void> VerifyStretch(const Stretch& stretch, std::vector<char>* buffer);
  void VerifyFrame(uint32_t frame, ByteView bytes);
  // Compares what the frame holds with what the index says.
  void Compare(uint32_t frame, const DecodedFrame& decoded,
               const std::vector<HashedMember>& members);
  // An entry that is not that of a member: it may still lead to the right bytes.
  void CompareEntry(uint32_t frame, const DecodedFrame& decoded, const IndexEntry& entry);
  void CheckNamed(uint32_t frame, const HashedMember& member);
  void DamagedFrame(uint32_t frame, const Error& error);
  void Trust(const Stretch& stretch);
  std::span<const IndexEntry> EntriesOf(uint32_t frame) const;
  void Tell(const IndexEntry& entry, bool is_whole);
  void Damaged(std::optional<uint64_t> offset, std::optional<ObjectKey> object, Error error)
      HELIOS_EXCLUDES(mutex_);

  PackReader* const pack_;
  const VerifyObjectsRequest& request_;
  std::vector<IndexEntry> entries_;  // by frame and offset
  std::vector<uint32_t> first_of_;   // of each frame in entries_, and the end
  std::vector<Stretch> stretches_;
  std::atomic<size_t> next_stretch_ = 0;
  std::atomic<uint64_t> objects_ = 0;
  std::atomic<uint64_t> bytes_ = 0;
  std::atomic<uint64_t> file_bytes_ = 0;
  Mutex mutex_;
  DamageList damage_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_VERIFIER_H_

// Finds what is still whole in a damaged pack.
#ifndef HELIOS_STORE_PACK_PACK_SALVAGER_H_
#define HELIOS_STORE_PACK_PACK_SALVAGER_H_

#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "object/key_set.h"
#include "store/pack/pack_reader.h"
#include "store/pack/pack_writer.h"

namespace helios::pack {

// Frames whose check holds are taken as they are, wherever in the file they lie: ids are hashes, so
// what they hold needs no index. Of a frame that is damaged, an object is taken if its bytes can be
// had and hash to an id that the pack's index names; of a pack whose index is not whole, if they
// are well-formed. (What nobody refers to is in nobody's way.)
class PackSalvager {
 public:
  // `whole`: what need not be taken, because it is found elsewhere; grows by what is.
  PackSalvager(std::string folder, std::string name, std::shared_ptr<OpenFiles> files,
               KeySet* whole)
      : folder_(std::move(folder)),
        name_(std::move(name)),
        files_(std::move(files)),
        whole_(whole) {}

  // Puts what is found into the writer; without one it only counts. Errors: those of writing, and
  // of reading other than damage.
  Result<void> Run(PackWriter* writer);

  uint64_t objects() const { return objects_; }
  uint64_t bytes() const { return bytes_; }
  // What the index names, as far as it could be read.
  const std::vector<ObjectKey>& named() const { return named_; }
  // Whether that is all that the pack held.
  bool has_whole_index() const { return has_whole_index_; }
  // The pack holds frames that are whole, and that this build can decode.
  bool has_known_frames() const { return !taken_.empty(); }
  // The pack holds frames that are whole and that this build cannot decode.
  bool has_unknown_frames() const { return has_unknown_frames_; }

 private:
  struct Extent {
    uint64_t offset = 0;
    uint32_t length = 0;
    uint32_t raw_length = 0;
  };

  void ReadIndex();
  Result<void> Scan();
  Result<void> SalvageDamaged(const Extent& extent, std::span<const IndexEntry> entries);
  // False if the frame at the front of these bytes is not whole.
  Result<bool> TakeFrame(uint64_t offset, ByteView frame);
  Result<void> TakeObject(const ObjectKey& key, ByteView bytes);
  // The length of the frame that begins there, as its header says; 0 if no frame can.
  Result<uint32_t> FrameLengthAt(uint64_t offset) const;
  Result<uint64_t> NextFrameFrom(uint64_t offset) const;
  // Bytes that cannot be read are zeros.
  Result<Bytes> ReadBytes(uint64_t offset, uint64_t size) const;

  const std::string folder_;
  const std::string name_;
  const std::shared_ptr<OpenFiles> files_;
  KeySet* const whole_;
  PackWriter* writer_ = nullptr;
  Fd fd_;
  uint64_t file_bytes_ = 0;
  std::vector<FrameRef> refs_;
  std::vector<IndexEntry> entries_;  // by frame and offset
  std::vector<ObjectKey> named_;
  std::unordered_set<uint64_t> taken_;  // offsets of frames that were whole
  std::vector<Extent> damaged_;         // what looked like a frame and was not whole
  uint64_t objects_ = 0;
  uint64_t bytes_ = 0;
  bool has_whole_index_ = false;
  bool has_unknown_frames_ = false;
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_SALVAGER_H_

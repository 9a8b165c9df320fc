// Writes one pack file: under a temporary name, synced, then renamed into place.
#ifndef HELIOS_STORE_PACK_PACK_WRITER_H_
#define HELIOS_STORE_PACK_PACK_WRITER_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "helios/object_store.h"
#include "store/pack/direct_writer.h"
#include "store/pack/frame.h"
#include "store/pack/pack_format.h"

namespace helios::pack {

// An ObjectBatch is a pack that is being written. The file comes into being with the first frame,
// so a batch that nothing was put into costs nothing.
class PackWriter : public ObjectBatch {
 public:
  // `published`, if given, is raised by one when the pack has become visible.
  PackWriter(std::string folder, const Effort& effort,
             std::shared_ptr<std::atomic<uint64_t>> published = nullptr)
      : folder_(std::move(folder)),
        effort_(effort),
        published_(std::move(published)),
        encoder_(effort) {
    contents_.frame_bytes = effort.frame_bytes;
    metadata_.frame_bytes = effort.metadata_frame_bytes;
  }
  ~PackWriter() override;

  Result<void> Put(const ObjectKey& key, ByteView bytes) override;
  Result<void> Publish() override;
  uint64_t BytesOnDisk() const override {
    return offset_ + contents_.raw.size() + metadata_.raw.size() +
           sizeof(IndexEntry) *
               (entries_.size() + contents_.entries.size() + metadata_.entries.size());
  }

  // Takes a frame of another pack as it is, with the index entries of its members (their `frame`
  // field is set here).
  Result<void> PutFrame(ByteView frame, uint32_t raw_length, std::vector<IndexEntry> entries);
  // Marks the pack as one that cannot be made smaller. Before anything is put.
  void MarkOptimized() { is_optimized_ = true; }
  // Of the file so far, without its index.
  uint64_t file_bytes() const { return offset_; }
  // The name of the published pack, empty if nothing was put.
  const std::string& published_name() const { return published_name_; }

 private:
  // Objects that wait to fill a frame.
  struct Block {
    size_t frame_bytes = 0;  // about so many make a frame
    Bytes raw;
    std::vector<Member> members;
    std::vector<IndexEntry> entries;
  };

  Result<void> AddToBlock(Block& block, const ObjectKey& key, ByteView bytes);
  Result<void> FlushBlock(Block& block);
  Result<void> Append(ByteView raw, std::span<const Member> members,
                      std::vector<IndexEntry>& entries);
  // Of the frame that is at the end of the file from now on, for the index.
  Result<void> NoteFrame(size_t length, uint32_t raw_length, std::vector<IndexEntry>& entries);
  Result<void> Open();
  Result<void> FlushIfFull();
  Result<void> FlushBuffer();
  Result<void> Write(ByteView bytes);
  // Has the disk begin, or decides that from now on the page cache is passed by.
  void AfterCachedWrite();
  Result<void> WriteIndex();
  std::string TemporaryPath() const { return folder_ + "/.tmp-" + name_; }

  const std::string folder_;
  const Effort effort_;
  const std::shared_ptr<std::atomic<uint64_t>> published_;
  std::string name_;  // empty until the file exists
  std::string published_name_;
  Fd fd_;
  std::unique_ptr<DirectWriter> direct_;  // of a large file
  FrameEncoder encoder_;
  Block contents_;       // small blobs
  Block metadata_;       // everything that is not a blob: read together, so kept together
  Bytes buffer_;         // bytes that are not written yet
  uint64_t offset_ = 0;  // of the end of the last frame in the file
  uint64_t written_ = 0;
  uint64_t written_back_ = 0;
  bool is_optimized_ = false;
  bool is_large_ = false;
  bool has_failed_ = false;  // a write has: nothing can be published any more
  std::vector<FrameRef> frames_;
  std::vector<IndexEntry> entries_;
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_WRITER_H_

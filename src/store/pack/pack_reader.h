// Reads one pack file. Its tables are read at once, its index bucket by bucket as needed.
#ifndef HELIOS_STORE_PACK_PACK_READER_H_
#define HELIOS_STORE_PACK_PACK_READER_H_

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "store/pack/frame.h"
#include "store/pack/open_files.h"
#include "store/pack/pack_format.h"

namespace helios::pack {

// Where an object lies.
struct Location {
  uint32_t frame = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
};

// Thread-safe. Everything is read with pread and checked before it is believed; damage is kCorrupt
// and names the file, and the offset of a damaged frame. The file is opened again when it is needed
// and `files` has closed it meanwhile: if a merge has removed it by then, the error carries ENOENT.
class PackReader {
 public:
  static Result<std::shared_ptr<PackReader>> Open(const std::string& folder,
                                                  const std::string& name,
                                                  std::shared_ptr<OpenFiles> files);
  ~PackReader() { files_->Close(this); }
  PackReader(const PackReader&) = delete;
  PackReader& operator=(const PackReader&) = delete;

  Result<std::optional<Location>> Find(const ObjectKey& key);
  Result<DecodedFrame> ReadFrame(uint32_t frame) const;
  // The frame's bytes as they lie in the file; kCorrupt if its check does not hold.
  Result<Bytes> ReadRawFrame(uint32_t frame) const;
  // Bytes of the file, however many frames they are.
  Result<void> ReadBytes(void* out, size_t size, uint64_t offset) const {
    return Read(out, size, offset);
  }
  // One bucket of the index, sorted by id.
  Result<std::unique_ptr<std::vector<IndexEntry>>> ReadBucket(uint32_t bucket) const;
  uint32_t bucket_count() const { return static_cast<uint32_t>(buckets_.size()); }
  // Every entry of the index, sorted by id.
  Result<std::vector<IndexEntry>> ReadEntries() const;

  // Errors that name the pack, and where in it a frame lies.
  Error Damaged(std::string_view reason) const;
  Error DamagedFrame(uint32_t frame, ErrorCode code, std::string_view reason) const;

  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return file_bytes_; }
  // A hint that nothing vouches for.
  bool is_optimized() const { return is_optimized_; }
  const PackFooter& footer() const { return footer_; }
  const std::vector<FrameRef>& frames() const { return frames_; }

 private:
  struct OpenedFile {
    OpenFiles::File file;
    uint64_t bytes;
  };

  PackReader(std::string folder, std::string name, std::shared_ptr<OpenFiles> files)
      : name_(std::move(name)), path_(std::move(folder) + "/" + name_), files_(std::move(files)) {}
  Result<OpenedFile> OpenFile() const;
  Result<OpenFiles::File> File() const;
  Result<void> ReadTables();
  Result<void> CheckTables() const;
  Result<const std::vector<IndexEntry>*> LoadBucket(uint32_t bucket) HELIOS_EXCLUDES(mutex_);
  Result<void> ReadFrameBytes(uint32_t frame, char* out) const;
  Result<void> Read(void* out, size_t size, uint64_t offset) const;
  const std::string name_;
  const std::string path_;
  const std::shared_ptr<OpenFiles> files_;
  uint64_t file_bytes_ = 0;
  bool is_optimized_ = false;
  PackFooter footer_{};
  std::vector<FrameRef> frames_;
  std::vector<BucketRef> buckets_;
  Mutex mutex_;
  std::vector<std::unique_ptr<std::vector<IndexEntry>>> loaded_ HELIOS_GUARDED_BY(mutex_);
};

// The pack was merged away between its listing and its opening: what it held is elsewhere.
inline bool IsGone(const Error& error) { return error.os_error() == ENOENT; }

// The trouble of one pack, damaged or kept from this process: it must not hide what others hold.
inline bool IsOfOnePack(const Error& error) {
  return error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported ||
         error.os_error() == EACCES || error.os_error() == EPERM;
}

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_PACK_READER_H_

#include "store/pack/pack_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/codec.h"
#include "object/hash.h"

namespace helios::pack {

Error PackReader::Damaged(std::string_view reason) const {
  return Error(ErrorCode::kCorrupt, "damaged pack " + path_ + ": " + std::string(reason));
}

Error PackReader::DamagedFrame(uint32_t frame, ErrorCode code, std::string_view reason) const {
  const char* what = code == ErrorCode::kCorrupt ? "damaged pack " : "pack ";
  return Error(code, what + path_ + ": frame at " + std::to_string(frames_[frame].offset) + ": " +
                         std::string(reason));
}

Result<PackReader::OpenedFile> PackReader::OpenFile() const {
  Result<Fd> fd = OpenAt(AT_FDCWD, path_, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd && fd.error().os_error() == ELOOP) return Damaged("not a regular file");
  if (!fd) return std::move(fd).error();
  struct stat status;
  if (::fstat(fd->get(), &status) != 0) return Error::FromErrno(errno, "stat", path_);
  if (!S_ISREG(status.st_mode)) return Damaged("not a regular file");
  auto file = std::make_shared<const Fd>(std::move(fd).value());
  return OpenedFile{std::move(file), static_cast<uint64_t>(status.st_size)};
}

Result<OpenFiles::File> PackReader::File() const {
  if (OpenFiles::File file = files_->Find(this)) return file;
  HELIOS_TRY_ASSIGN(OpenedFile opened, OpenFile());
  if (opened.bytes != file_bytes_) return Damaged("its length has changed");
  files_->Keep(this, opened.file);
  return std::move(opened.file);
}

Result<void> PackReader::Read(void* out, size_t size, uint64_t offset) const {
  HELIOS_TRY_ASSIGN(const OpenFiles::File file, File());
  const Result<size_t> length = ReadAt(file->get(), out, size, offset, path_);
  // A medium that fails is damage: others may hold the same object, and merges leave the pack
  // alone.
  if (!length && length.error().os_error() == EIO) return Damaged("the medium fails");
  if (!length) return length.error();
  return *length == size ? Result<void>() : Damaged("it ends early");
}

Result<std::shared_ptr<PackReader>> PackReader::Open(const std::string& folder,
                                                     const std::string& name,
                                                     std::shared_ptr<OpenFiles> files) {
  std::shared_ptr<PackReader> pack(new PackReader(folder, name, std::move(files)));
  HELIOS_TRY_ASSIGN(OpenedFile opened, pack->OpenFile());
  pack->file_bytes_ = opened.bytes;
  pack->files_->Keep(pack.get(), std::move(opened.file));
  HELIOS_TRY(pack->ReadTables());
  HELIOS_TRY(pack->CheckTables());
  return pack;
}

Result<void> PackReader::ReadTables() {
  if (file_bytes_ < sizeof(PackHeader) + sizeof(PackFooter)) return Damaged("too short");
  PackHeader header;
  HELIOS_TRY(Read(&header, sizeof(header), 0));
  if (std::memcmp(header.magic, kPackMagic, sizeof(kPackMagic)) != 0) {
    return Damaged("it does not begin as a pack");
  }
  if (header.version != kPackVersion) {
    return Error(ErrorCode::kUnsupported, "pack " + path_ + " has version " +
                                              std::to_string(header.version) +
                                              ", which this build does not know");
  }
  is_optimized_ = header.optimized == 1;
  const uint64_t footer_offset = file_bytes_ - sizeof(PackFooter);
  HELIOS_TRY(Read(&footer_, sizeof(footer_), footer_offset));
  if (std::memcmp(footer_.magic, kFooterMagic, sizeof(kFooterMagic)) != 0 ||
      footer_.check !=
          Checksum64({reinterpret_cast<const char*>(&footer_), offsetof(PackFooter, check)})) {
    return Damaged("its footer is not whole");
  }
  if (footer_.bucket_bits > kBucketBitsMax) return Damaged("impossible bucket count");
  if (footer_.frame_count > kPackFramesMax) return Damaged("impossible frame count");
  const uint64_t table_bytes =
      uint64_t{footer_.frame_count} * sizeof(FrameRef) + (sizeof(BucketRef) << footer_.bucket_bits);
  const uint64_t entry_bytes = uint64_t{footer_.object_count} * sizeof(IndexEntry);
  if (footer_.index_offset > footer_offset ||
      footer_offset - footer_.index_offset != table_bytes + entry_bytes) {
    return Damaged("its index has an impossible size");
  }
  Bytes tables(static_cast<size_t>(table_bytes), '\0');
  HELIOS_TRY(Read(tables.data(), tables.size(), footer_.index_offset));
  if (Checksum64(tables) != footer_.table_check) return Damaged("the check of its index differs");
  frames_.resize(footer_.frame_count);
  buckets_.resize(size_t{1} << footer_.bucket_bits);
  const size_t frame_bytes = frames_.size() * sizeof(FrameRef);
  std::memcpy(static_cast<void*>(frames_.data()), tables.data(), frame_bytes);
  std::memcpy(static_cast<void*>(buckets_.data()), tables.data() + frame_bytes,
              tables.size() - frame_bytes);
  MutexLock lock(mutex_);
  loaded_.resize(buckets_.size());
  return {};
}

// A check only proves that the tables are as they were written, not that a sane writer wrote them.
Result<void> PackReader::CheckTables() const {
  for (const FrameRef& frame : frames_) {
    if (frame.offset > footer_.index_offset || frame.length > footer_.index_offset - frame.offset ||
        frame.length > kFrameBytesMax || frame.raw_length > kFrameRawBytesMax) {
      return Damaged("a frame has an impossible place or size");
    }
  }
  uint64_t first = 0;
  for (const BucketRef& bucket : buckets_) {
    if (bucket.first != first) return Damaged("its buckets do not join");
    if (bucket.count > kBucketEntriesMax) return Damaged("impossible bucket size");
    first += bucket.count;
  }
  if (first != footer_.object_count) return Damaged("its buckets miss objects");
  return {};
}

Result<const std::vector<IndexEntry>*> PackReader::LoadBucket(uint32_t bucket) {
  {
    MutexLock lock(mutex_);
    if (loaded_[bucket] != nullptr) return loaded_[bucket].get();
  }
  HELIOS_TRY_ASSIGN(auto entries, ReadBucket(bucket));
  MutexLock lock(mutex_);
  // Another thread may have been faster: theirs is in use already.
  if (loaded_[bucket] == nullptr) loaded_[bucket] = std::move(entries);
  return loaded_[bucket].get();
}

Result<std::unique_ptr<std::vector<IndexEntry>>> PackReader::ReadBucket(uint32_t bucket) const {
  const BucketRef& ref = buckets_[bucket];
  auto entries = std::make_unique<std::vector<IndexEntry>>(ref.count);
  const size_t size = ref.count * sizeof(IndexEntry);
  const uint64_t offset = footer_.index_offset + frames_.size() * sizeof(FrameRef) +
                          buckets_.size() * sizeof(BucketRef) +
                          uint64_t{ref.first} * sizeof(IndexEntry);
  HELIOS_TRY(Read(entries->data(), size, offset));
  if (Checksum64({reinterpret_cast<const char*>(entries->data()), size}) != ref.check) {
    return Damaged("the check of index bucket " + std::to_string(bucket) + " differs");
  }
  for (size_t i = 0; i < entries->size(); ++i) {
    const IndexEntry& entry = (*entries)[i];
    if (BucketOf(entry.id, footer_.bucket_bits) != bucket ||
        (i > 0 && CompareEntries((*entries)[i - 1], entry) >= 0)) {
      return Damaged("index bucket " + std::to_string(bucket) + " is not in order");
    }
    if (entry.frame >= frames_.size() || entry.offset > frames_[entry.frame].raw_length ||
        entry.length > frames_[entry.frame].raw_length - entry.offset) {
      return Damaged("an index entry lies outside of its frame");
    }
  }
  return entries;
}

Result<std::optional<Location>> PackReader::Find(const ObjectKey& key) {
  HELIOS_TRY_ASSIGN(const std::vector<IndexEntry>* entries,
                    LoadBucket(BucketOf(key.digest.bytes.data(), footer_.bucket_bits)));
  const auto before = [](const IndexEntry& entry, const ObjectKey& wanted) {
    const int order = std::memcmp(entry.id, wanted.digest.bytes.data(), sizeof(entry.id));
    return order != 0 ? order < 0 : entry.kind < static_cast<uint8_t>(wanted.kind);
  };
  const auto it = std::lower_bound(entries->begin(), entries->end(), key, before);
  if (it == entries->end() || it->kind != static_cast<uint8_t>(key.kind) ||
      std::memcmp(it->id, key.digest.bytes.data(), sizeof(it->id)) != 0) {
    return std::optional<Location>();
  }
  return std::optional<Location>({it->frame, it->offset, it->length});
}

Result<void> PackReader::ReadFrameBytes(uint32_t frame, char* out) const {
  Result<void> read = Read(out, frames_[frame].length, frames_[frame].offset);
  if (!read && read.error().code() == ErrorCode::kCorrupt) {
    return DamagedFrame(frame, ErrorCode::kCorrupt, "it cannot be read whole");
  }
  return read;
}

Result<Bytes> PackReader::ReadRawFrame(uint32_t frame) const {
  Bytes bytes(frames_[frame].length, '\0');
  HELIOS_TRY(ReadFrameBytes(frame, bytes.data()));
  if (!IsWholeFrame(bytes)) return DamagedFrame(frame, ErrorCode::kCorrupt, "its check differs");
  return bytes;
}

Result<DecodedFrame> PackReader::ReadFrame(uint32_t frame) const {
  // The thread's own working memory: frames are read one after the other, by the thousand.
  thread_local std::vector<char> buffer;
  const FrameRef& ref = frames_[frame];
  if (buffer.size() < ref.length) buffer.resize(ref.length);
  HELIOS_TRY(ReadFrameBytes(frame, buffer.data()));
  Result<DecodedFrame> decoded = DecodeFrame({buffer.data(), ref.length});
  if (!decoded) return DamagedFrame(frame, decoded.error().code(), decoded.error().message());
  if (decoded->raw_length != ref.raw_length) {
    return DamagedFrame(frame, ErrorCode::kCorrupt, "frame and index disagree");
  }
  return decoded;
}

Result<std::vector<IndexEntry>> PackReader::ReadEntries() const {
  std::vector<IndexEntry> all;
  for (uint32_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    HELIOS_TRY_ASSIGN(const auto entries, ReadBucket(bucket));
    all.insert(all.end(), entries->begin(), entries->end());
  }
  return all;
}

}  // namespace helios::pack

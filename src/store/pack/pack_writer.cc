#include "store/pack/pack_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/durable_file.h"
#include "object/hash.h"

namespace helios::pack {
namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;
// So much of a frame is written from where it lies, and not copied behind others first.
constexpr size_t kWrittenAloneBytesMin = size_t{256} << 10;
// Writing back begins while compressing goes on, so that the sync at the end finds little to do.
constexpr uint64_t kWriteBackBytes = uint64_t{4} << 20;
// What a pack has beyond is written past the page cache.
constexpr uint64_t kCachedBytes = uint64_t{128} << 20;

IndexEntry EntryFor(const ObjectKey& key, size_t offset, size_t length) {
  IndexEntry entry{};
  std::memcpy(entry.id, key.digest.bytes.data(), sizeof(entry.id));
  entry.offset = static_cast<uint32_t>(offset);
  entry.length = static_cast<uint32_t>(length);
  entry.kind = static_cast<uint8_t>(key.kind);
  return entry;
}

Member MemberFor(const ObjectKey& key, size_t length) {
  Member member{};
  member.length = static_cast<uint32_t>(length);
  member.kind = static_cast<uint8_t>(key.kind);
  return member;
}

template <typename T>
ByteView AsBytes(const std::vector<T>& items) {
  return {reinterpret_cast<const char*>(items.data()), items.size() * sizeof(T)};
}

uint32_t BucketBitsFor(size_t entries) {
  uint32_t bits = 0;
  while (bits < kBucketBitsMax && (kBucketEntries << bits) < entries) ++bits;
  return bits;
}

std::vector<BucketRef> BucketsOf(const std::vector<IndexEntry>& entries, uint32_t bits) {
  std::vector<BucketRef> buckets(size_t{1} << bits);
  for (const IndexEntry& entry : entries) ++buckets[BucketOf(entry.id, bits)].count;
  uint32_t first = 0;
  const ByteView bytes = AsBytes(entries);
  for (BucketRef& bucket : buckets) {
    bucket.first = first;
    bucket.check =
        Checksum64(bytes.substr(first * sizeof(IndexEntry), bucket.count * sizeof(IndexEntry)));
    first += bucket.count;
  }
  return buckets;
}

}  // namespace

PackWriter::~PackWriter() {
  // Best effort: what stays behind is recognised as abandoned, because nobody holds its lock.
  if (!name_.empty()) ::unlink(TemporaryPath().c_str());
}

Result<void> PackWriter::Put(const ObjectKey& key, ByteView bytes) {
  if (bytes.size() > kObjectBytesMax) {
    return Error(ErrorCode::kInvalidArgument, key.ToString() + " is larger than an object can be");
  }
  if (key.kind != ObjectKind::kBlob) return AddToBlock(metadata_, key, bytes);
  // What does not compress would only make reading its neighbours slow.
  if (bytes.size() < effort_.frame_bytes / 2 && !LooksIncompressible(bytes)) {
    return AddToBlock(contents_, key, bytes);
  }
  const Member member = MemberFor(key, bytes.size());
  std::vector<IndexEntry> entries{EntryFor(key, 0, bytes.size())};
  return Append(bytes, {&member, 1}, entries);
}

Result<void> PackWriter::AddToBlock(Block& block, const ObjectKey& key, ByteView bytes) {
  if (!block.members.empty() && (block.raw.size() + bytes.size() > block.frame_bytes ||
                                 block.members.size() == kFrameMembersMax)) {
    HELIOS_TRY(FlushBlock(block));
  }
  block.entries.push_back(EntryFor(key, block.raw.size(), bytes.size()));
  block.members.push_back(MemberFor(key, bytes.size()));
  block.raw.append(bytes);
  return {};
}

Result<void> PackWriter::FlushBlock(Block& block) {
  if (block.members.empty()) return {};
  HELIOS_TRY(Append(block.raw, block.members, block.entries));
  block.raw.clear();
  block.members.clear();
  block.entries.clear();
  return {};
}

Result<void> PackWriter::Append(ByteView raw, std::span<const Member> members,
                                std::vector<IndexEntry>& entries) {
  HELIOS_TRY(Open());
  Result<EncodedFrame> encoded = encoder_.Encode(members, raw);
  has_failed_ = has_failed_ || !encoded;
  if (!encoded) return std::move(encoded).error();
  buffer_.append(encoded->head);
  HELIOS_TRY(NoteFrame(encoded->size(), static_cast<uint32_t>(raw.size()), entries));
  if (encoded->payload.size() < kWrittenAloneBytesMin) {
    buffer_.append(encoded->payload);
    return FlushIfFull();
  }
  HELIOS_TRY(FlushBuffer());
  return Write(encoded->payload);
}

Result<void> PackWriter::PutFrame(ByteView frame, uint32_t raw_length,
                                  std::vector<IndexEntry> entries) {
  HELIOS_TRY(Open());
  buffer_.append(frame);
  HELIOS_TRY(NoteFrame(frame.size(), raw_length, entries));
  return FlushIfFull();
}

Result<void> PackWriter::NoteFrame(size_t length, uint32_t raw_length,
                                   std::vector<IndexEntry>& entries) {
  if (frames_.size() == kPackFramesMax) {
    has_failed_ = true;
    return Error(ErrorCode::kInvalidArgument, "more objects at once than a pack can hold");
  }
  for (IndexEntry& entry : entries) entry.frame = static_cast<uint32_t>(frames_.size());
  entries_.insert(entries_.end(), entries.begin(), entries.end());
  frames_.push_back({offset_, static_cast<uint32_t>(length), raw_length});
  offset_ += length;
  return {};
}

Result<void> PackWriter::FlushIfFull() {
  return buffer_.size() >= kWriteBytes ? FlushBuffer() : Result<void>();
}

Result<void> PackWriter::Open() {
  if (!name_.empty()) return {};
  const std::string name = RandomName();
  HELIOS_TRY_ASSIGN(fd_, OpenAt(AT_FDCWD, folder_ + "/.tmp-" + name,
                                O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  name_ = name;
  // Held as long as the file is open: an unlocked temporary file is an abandoned one.
  if (RetryIfInterrupted([&] { return ::flock(fd_.get(), LOCK_EX | LOCK_NB); }) != 0) {
    has_failed_ = true;
    return Error::FromErrno(errno, "lock", TemporaryPath());
  }
  PackHeader header{};
  std::memcpy(header.magic, kPackMagic, sizeof(header.magic));
  header.version = kPackVersion;
  header.optimized = is_optimized_ ? 1 : 0;
  buffer_.reserve(kWriteBytes + 2 * kObjectBytesMax);
  buffer_.append(reinterpret_cast<const char*>(&header), sizeof(header));
  offset_ = sizeof(header);
  return {};
}

Result<void> PackWriter::FlushBuffer() {
  HELIOS_TRY(Write(buffer_));
  buffer_.clear();
  return {};
}

Result<void> PackWriter::Write(ByteView bytes) {
  // After a failure nobody knows what buffer and file hold.
  if (has_failed_) return Error(ErrorCode::kFailed, "an earlier write failed: " + TemporaryPath());
  Result<void> written =
      direct_ != nullptr ? direct_->Write(bytes) : WriteAll(fd_.get(), bytes, TemporaryPath());
  has_failed_ = !written;
  if (!written) return written;
  written_ += bytes.size();
  if (direct_ == nullptr) AfterCachedWrite();
  return {};
}

void PackWriter::AfterCachedWrite() {
  if (written_ - written_back_ >= kWriteBackBytes) {
    // Only a hint to begin: the sync before the rename is what counts, so its failure does not.
    (void)::sync_file_range(fd_.get(), static_cast<off_t>(written_back_),
                            static_cast<off_t>(written_ - written_back_), SYNC_FILE_RANGE_WRITE);
    written_back_ = written_;
  }
  if (written_ >= kCachedBytes && !is_large_) {
    is_large_ = true;
    direct_ = DirectWriter::Begin(fd_.get(), written_, TemporaryPath());
  }
}

Result<void> PackWriter::WriteIndex() {
  std::sort(entries_.begin(), entries_.end(),
            [](const IndexEntry& a, const IndexEntry& b) { return CompareEntries(a, b) < 0; });
  const auto same = [](const IndexEntry& a, const IndexEntry& b) {
    return CompareEntries(a, b) == 0;
  };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());

  PackFooter footer{};
  footer.index_offset = offset_;
  for (const IndexEntry& entry : entries_) footer.object_bytes += entry.length;
  footer.object_count = static_cast<uint32_t>(entries_.size());
  footer.frame_count = static_cast<uint32_t>(frames_.size());
  footer.bucket_bits = BucketBitsFor(entries_.size());
  const std::vector<BucketRef> buckets = BucketsOf(entries_, footer.bucket_bits);
  const size_t tables_start = buffer_.size();
  buffer_.append(AsBytes(frames_)).append(AsBytes(buckets));
  footer.table_check = Checksum64(ByteView(buffer_).substr(tables_start));
  buffer_.append(AsBytes(entries_));
  std::memcpy(footer.magic, kFooterMagic, sizeof(footer.magic));
  footer.check = Checksum64({reinterpret_cast<const char*>(&footer), offsetof(PackFooter, check)});
  buffer_.append(reinterpret_cast<const char*>(&footer), sizeof(footer));
  return FlushBuffer();
}

Result<void> PackWriter::Publish() {
  HELIOS_TRY(FlushBlock(contents_));
  HELIOS_TRY(FlushBlock(metadata_));
  if (name_.empty()) return {};
  HELIOS_TRY(WriteIndex());
  if (direct_ != nullptr) HELIOS_TRY(direct_->Finish());
  HELIOS_TRY(SyncData(fd_.get(), TemporaryPath()));
  const std::string path = folder_ + "/" + name_ + ".pack";
  if (::rename(TemporaryPath().c_str(), path.c_str()) != 0) {
    return Error::FromErrno(errno, "rename into place", path);
  }
  published_name_ = std::exchange(name_, "");
  if (published_ != nullptr) published_->fetch_add(1);
  return {};
}

}  // namespace helios::pack

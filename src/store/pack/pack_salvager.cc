#include "store/pack/pack_salvager.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/codec.h"
#include "object/attributes.h"
#include "object/hash.h"
#include "object/manifest.h"
#include "object/record.h"
#include "object/tree.h"
#include "store/pack/pack_verifier.h"

namespace helios::pack {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{1} << 20;
// What a medium fails to read as a whole, at most.
constexpr uint64_t kSectorBytes = 4096;

// Where an object may lie in what a damaged frame holds.
struct Candidate {
  ObjectKey key;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool is_named = false;  // the index says that `key` is there; otherwise only its kind is known
};

// What the member table says, if there is one. `count`: of members.
std::vector<Candidate> CandidatesIn(ByteView frame, size_t count) {
  std::vector<Candidate> candidates;
  uint64_t offset = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto member =
        LoadLittleEndian<Member>(frame.data() + sizeof(FrameHeader) + i * sizeof(Member));
    candidates.push_back(
        {{static_cast<ObjectKind>(member.kind), {}}, offset, member.length, false});
    offset += member.length;
  }
  return candidates;
}

bool IsWellFormed(ObjectKind kind, ByteView bytes) {
  switch (kind) {
    case ObjectKind::kBlob:
      return true;
    case ObjectKind::kManifest:
      return DecodeManifest(bytes).has_value();
    case ObjectKind::kTree:
      return DecodeTreePage(bytes).has_value();
    case ObjectKind::kAttributes:
      return DecodeAttributesPage(bytes).has_value();
    case ObjectKind::kRecord:
      return DecodeRecord(bytes).has_value();
  }
  return false;
}

bool IsKnownKind(ObjectKind kind) {
  return kind >= ObjectKind::kBlob && kind <= ObjectKind::kRecord;
}

}  // namespace

Result<void> PackSalvager::Run(PackWriter* writer) {
  writer_ = writer;
  const std::string path = folder_ + "/" + name_;
  Result<Fd> fd = OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd && fd.error().os_error() == ELOOP) return {};
  HELIOS_TRY_ASSIGN(fd_, std::move(fd));
  struct stat status;
  if (::fstat(fd_.get(), &status) != 0) return Error::FromErrno(errno, "stat", path);
  if (!S_ISREG(status.st_mode)) return {};
  file_bytes_ = static_cast<uint64_t>(status.st_size);
  ReadIndex();
  HELIOS_TRY(Scan());
  for (size_t i = 0, begin = 0; i < refs_.size(); ++i) {
    size_t end = begin;
    while (end < entries_.size() && entries_[end].frame == i) ++end;
    if (!taken_.contains(refs_[i].offset)) {
      HELIOS_TRY(SalvageDamaged({refs_[i].offset, refs_[i].length, refs_[i].raw_length},
                                {entries_.data() + begin, end - begin}));
    }
    begin = end;
  }
  for (const Extent& extent : damaged_) HELIOS_TRY(SalvageDamaged(extent, {}));
  return {};
}

void PackSalvager::ReadIndex() {
  const Result<std::shared_ptr<PackReader>> pack = PackReader::Open(folder_, name_, files_);
  if (!pack) return;
  refs_ = (*pack)->frames();
  has_whole_index_ = true;
  for (uint32_t bucket = 0; bucket < (*pack)->bucket_count(); ++bucket) {
    const auto entries = (*pack)->ReadBucket(bucket);
    has_whole_index_ = has_whole_index_ && entries;
    if (entries) entries_.insert(entries_.end(), (*entries)->begin(), (*entries)->end());
  }
  std::sort(entries_.begin(), entries_.end(), [](const IndexEntry& a, const IndexEntry& b) {
    return a.frame != b.frame ? a.frame < b.frame : a.offset < b.offset;
  });
  for (const IndexEntry& entry : entries_) named_.push_back(KeyOf(entry));
}

Result<Bytes> PackSalvager::ReadBytes(uint64_t offset, uint64_t size) const {
  size = offset < file_bytes_ ? std::min(size, file_bytes_ - offset) : 0;
  Bytes bytes(static_cast<size_t>(size), '\0');
  const Result<size_t> all = ReadAt(fd_.get(), bytes.data(), bytes.size(), offset, name_);
  if (all) return bytes;
  if (all.error().os_error() != EIO) return all.error();
  for (uint64_t at = 0; at < size; at += kSectorBytes) {
    const uint64_t length = std::min(kSectorBytes, size - at);
    const Result<size_t> sector = ReadAt(fd_.get(), bytes.data() + at, length, offset + at, name_);
    if (sector) continue;
    if (sector.error().os_error() != EIO) return sector.error();
    std::memset(bytes.data() + at, 0, length);
  }
  return bytes;
}

Result<uint32_t> PackSalvager::FrameLengthAt(uint64_t offset) const {
  HELIOS_TRY_ASSIGN(const Bytes bytes, ReadBytes(offset, sizeof(FrameHeader)));
  if (bytes.size() < sizeof(FrameHeader)) return 0u;
  const auto header = LoadLittleEndian<FrameHeader>(bytes.data());
  const uint64_t length =
      sizeof(FrameHeader) + uint64_t{header.member_count} * sizeof(Member) + header.payload_length;
  const bool is_possible = header.magic == kFrameMagic && header.member_count <= kFrameMembersMax &&
                           header.raw_length <= kFrameRawBytesMax && length <= kFrameBytesMax;
  return is_possible ? static_cast<uint32_t>(length) : 0u;
}

Result<uint64_t> PackSalvager::NextFrameFrom(uint64_t offset) const {
  const uint32_t magic = kFrameMagic;
  const ByteView wanted{reinterpret_cast<const char*>(&magic), sizeof(magic)};
  while (offset < file_bytes_) {
    HELIOS_TRY_ASSIGN(const Bytes window, ReadBytes(offset, kWindowBytes));
    const size_t found = window.find(wanted);
    if (found != window.npos) return offset + found;
    if (window.size() < wanted.size()) break;
    offset += window.size() - (wanted.size() - 1);
  }
  return file_bytes_;
}

Result<void> PackSalvager::Scan() {
  uint64_t at = 0;
  while (true) {
    HELIOS_TRY_ASSIGN(at, NextFrameFrom(at));
    if (at >= file_bytes_) return {};
    HELIOS_TRY_ASSIGN(const uint32_t length, FrameLengthAt(at));
    if (length > 0) {
      HELIOS_TRY_ASSIGN(const Bytes frame, ReadBytes(at, length));
      HELIOS_TRY_ASSIGN(const bool is_whole, TakeFrame(at, frame));
      if (is_whole) {
        at += length;
        continue;
      }
      const auto known = std::find_if(refs_.begin(), refs_.end(),
                                      [at](const FrameRef& ref) { return ref.offset == at; });
      if (known == refs_.end()) damaged_.push_back({at, length, 0});
    }
    ++at;
  }
}

Result<bool> PackSalvager::TakeFrame(uint64_t offset, ByteView frame) {
  if (!IsWholeFrame(frame)) return false;
  const Result<DecodedFrame> decoded = DecodeFrame(frame);
  const Result<std::vector<HashedMember>> members =
      decoded ? HashMembers(*decoded) : Result<std::vector<HashedMember>>(decoded.error());
  if (!members) {
    has_unknown_frames_ = has_unknown_frames_ || members.error().code() == ErrorCode::kUnsupported;
    return members.error().code() == ErrorCode::kUnsupported;
  }
  taken_.insert(offset);
  std::vector<IndexEntry> entries;
  bool is_new = false;
  for (const HashedMember& member : *members) {
    IndexEntry entry{};
    std::memcpy(entry.id, member.key.digest.bytes.data(), sizeof(entry.id));
    entry.offset = member.offset;
    entry.length = member.length;
    entry.kind = static_cast<uint8_t>(member.key.kind);
    entries.push_back(entry);
    if (!whole_->Insert(member.key)) continue;
    is_new = true;
    ++objects_;
    bytes_ += member.length;
  }
  if (is_new && writer_ != nullptr) {
    HELIOS_TRY(
        writer_->PutFrame(frame, static_cast<uint32_t>(decoded->raw_length), std::move(entries)));
  }
  return true;
}

Result<void> PackSalvager::TakeObject(const ObjectKey& key, ByteView bytes) {
  if (!whole_->Insert(key)) return {};
  ++objects_;
  bytes_ += bytes.size();
  return writer_ != nullptr ? writer_->Put(key, bytes) : Result<void>();
}

// Nothing in the frame can be believed, not even what it was compressed with: whatever way leads to
// bytes of a known id is the right one.
Result<void> PackSalvager::SalvageDamaged(const Extent& extent,
                                          std::span<const IndexEntry> entries) {
  HELIOS_TRY_ASSIGN(const Bytes frame, ReadBytes(extent.offset, extent.length));
  if (frame.size() < sizeof(FrameHeader)) return {};
  const auto header = LoadLittleEndian<FrameHeader>(frame.data());
  const uint32_t raw_length = extent.raw_length > 0 ? extent.raw_length : header.raw_length;
  for (const size_t count : {size_t{header.member_count}, entries.size()}) {
    const uint64_t payload_at = sizeof(FrameHeader) + uint64_t{count} * sizeof(Member);
    if (count > kFrameMembersMax || payload_at > frame.size()) continue;
    std::vector<Candidate> candidates = CandidatesIn(frame, count);
    for (const IndexEntry& entry : entries) {
      candidates.push_back({KeyOf(entry), entry.offset, entry.length, true});
    }
    for (const Encoding encoding : {Encoding::kStored, Encoding::kZstd}) {
      const Bytes raw =
          DecodeDamaged(encoding, ByteView(frame).substr(static_cast<size_t>(payload_at)),
                        std::min<size_t>(raw_length, kFrameRawBytesMax));
      for (const Candidate& candidate : candidates) {
        if (candidate.offset > raw.size() || candidate.length > raw.size() - candidate.offset ||
            !IsKnownKind(candidate.key.kind)) {
          continue;
        }
        const ByteView bytes = ByteView(raw).substr(candidate.offset, candidate.length);
        const ObjectKey key(candidate.key.kind, HashObject(candidate.key.kind, bytes));
        const bool is_known = candidate.is_named
                                  ? key == candidate.key
                                  : !has_whole_index_ && IsWellFormed(key.kind, bytes);
        if (is_known) HELIOS_TRY(TakeObject(key, bytes));
      }
    }
  }
  return {};
}

}  // namespace helios::pack

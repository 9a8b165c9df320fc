#include "store/pack/pack_verifier.h"

#include <algorithm>
#include <cerrno>
#include <numeric>

#include "object/batch_hash.h"
#include "object/hash.h"

namespace helios::pack {
namespace {

// So much of a file is one piece, and is read at once.
constexpr uint64_t kPieceBytes = uint64_t{4} << 20;

bool IsKind(uint8_t kind) {
  return kind >= static_cast<uint8_t>(ObjectKind::kBlob) &&
         kind <= static_cast<uint8_t>(ObjectKind::kRecord);
}

bool IsEntryOf(const IndexEntry& entry, const HashedMember& member) {
  return entry.offset == member.offset && entry.length == member.length &&
         KeyOf(entry) == member.key;
}

Error OtherBytes(const PackReader& pack, const ObjectKey& key) {
  return pack.Damaged("the stored bytes of " + key.ToString() + " have another hash");
}

}  // namespace

Result<std::vector<HashedMember>> HashMembers(const DecodedFrame& frame) {
  std::vector<HashedMember> members;
  std::vector<ByteView> blobs;
  uint32_t offset = 0;
  for (const Member& member : frame.members) {
    if (!IsKind(member.kind)) return Error(ErrorCode::kCorrupt, "an object of an unknown kind");
    const auto kind = static_cast<ObjectKind>(member.kind);
    const ByteView bytes = frame.view().substr(offset, member.length);
    const bool is_blob = kind == ObjectKind::kBlob;
    if (is_blob) blobs.push_back(bytes);
    members.push_back(
        {{kind, is_blob ? Digest() : HashObject(kind, bytes)}, offset, member.length});
    offset += member.length;
  }
  size_t next = 0;
  const std::vector<BlobId> ids = HashBlobs(blobs);
  for (HashedMember& member : members) {
    if (member.key.kind == ObjectKind::kBlob) member.key.digest = ids[next++].digest;
  }
  return members;
}

Result<void> PackVerifier::Run() {
  HELIOS_TRY(ListEntries());
  CheckOrder();
  CutIntoStretches();
  return VerifyStretches();
}

void PackVerifier::AddTo(VerifyObjectsReport* report) {
  ++report->packs;
  report->objects += objects_;
  report->bytes += bytes_;
  report->file_bytes += file_bytes_;
  MutexLock lock(mutex_);
  report->damage.count += damage_.count - damage_.listed.size();
  for (Damage& damage : damage_.listed) report->damage.Add(std::move(damage));
  damage_ = {};
}

void PackVerifier::Damaged(std::optional<uint64_t> offset, std::optional<ObjectKey> object,
                           Error error) {
  MutexLock lock(mutex_);
  damage_.Add({pack_->path(), offset, object, std::move(error)});
}

void PackVerifier::DamagedFrame(uint32_t frame, const Error& error) {
  Damaged(pack_->frames()[frame].offset, std::nullopt, error);
  for (const IndexEntry& entry : EntriesOf(frame)) Tell(entry, false);
}

void PackVerifier::Tell(const IndexEntry& entry, bool is_whole) {
  if (request_.object) request_.object(KeyOf(entry), entry.length, is_whole);
}

std::span<const IndexEntry> PackVerifier::EntriesOf(uint32_t frame) const {
  return {entries_.data() + first_of_[frame], first_of_[frame + 1] - first_of_[frame]};
}

Result<void> PackVerifier::ListEntries() {
  entries_.reserve(pack_->footer().object_count);
  for (uint32_t bucket = 0; bucket < pack_->bucket_count(); ++bucket) {
    const auto entries = pack_->ReadBucket(bucket);
    if (entries) {
      entries_.insert(entries_.end(), (*entries)->begin(), (*entries)->end());
    } else if (entries.error().code() == ErrorCode::kCorrupt) {
      Damaged(std::nullopt, std::nullopt, entries.error());
    } else {
      return entries.error();
    }
  }
  std::sort(entries_.begin(), entries_.end(), [](const IndexEntry& a, const IndexEntry& b) {
    return a.frame != b.frame ? a.frame < b.frame : a.offset < b.offset;
  });
  first_of_.assign(pack_->frames().size() + 1, 0);
  for (const IndexEntry& entry : entries_) ++first_of_[entry.frame + 1];
  std::partial_sum(first_of_.begin(), first_of_.end(), first_of_.begin());
  return {};
}

// Frames follow each other without gaps: what lies between them nobody would ever look at.
void PackVerifier::CheckOrder() {
  uint64_t end = sizeof(PackHeader);
  for (const FrameRef& frame : pack_->frames()) {
    if (frame.offset != end) break;
    end += frame.length;
  }
  if (end == pack_->footer().index_offset) return;
  Damaged(end, std::nullopt,
          pack_->Damaged("at " + std::to_string(end) + " are bytes of no frame"));
}

void PackVerifier::CutIntoStretches() {
  const std::vector<FrameRef>& frames = pack_->frames();
  for (uint32_t i = 0; i < frames.size(); ++i) {
    const bool joins =
        i > 0 && frames[i].offset == frames[i - 1].offset + frames[i - 1].length &&
        frames[i].offset / kPieceBytes == frames[stretches_.back().begin].offset / kPieceBytes;
    if (!joins) stretches_.push_back({i, i});
    stretches_.back().end = i + 1;
  }
}

Result<void> PackVerifier::VerifyStretches() {
  const auto threads = static_cast<unsigned>(
      std::min<size_t>(std::max(1u, request_.threads), std::max<size_t>(1, stretches_.size())));
  const uint64_t first_piece = Checksum64(pack_->name());
  return TaskStack::Run(threads, [&](TaskStack& tasks) {
    for (unsigned i = 0; i < threads; ++i) {
      tasks.Push([this, &tasks, first_piece](unsigned) -> Result<void> {
        std::vector<char> buffer;
        for (size_t next = next_stretch_++; next < stretches_.size() && !tasks.HasFailed();
             next = next_stretch_++) {
          const Stretch& stretch = stretches_[next];
          const uint64_t piece = first_piece + pack_->frames()[stretch.begin].offset / kPieceBytes;
          const bool reads = request_.contents && (!request_.reads || request_.reads(piece));
          if (reads) {
            HELIOS_TRY(VerifyStretch(stretch, &buffer));
          } else {
            Trust(stretch);
          }
        }
        return {};
      });
    }
  });
}

void PackVerifier::Trust(const Stretch& stretch) {
  for (uint32_t frame = stretch.begin; frame < stretch.end; ++frame) {
    for (const IndexEntry& entry : EntriesOf(frame)) Tell(entry, true);
  }
}

Result<void> PackVerifier::VerifyStretch(const Stretch& stretch, std::vector<char>* buffer) {
  const std::vector<FrameRef>& frames = pack_->frames();
  const uint64_t start = frames[stretch.begin].offset;
  const uint64_t size = frames[stretch.end - 1].offset + frames[stretch.end - 1].length - start;
  buffer->resize(std::max<size_t>(buffer->size(), size));
  file_bytes_ += size;
  Result<void> read = pack_->ReadBytes(buffer->data(), size, start);
  if (!read && read.error().code() != ErrorCode::kCorrupt) return read;
  for (uint32_t frame = stretch.begin; frame < stretch.end; ++frame) {
    const FrameRef& ref = frames[frame];
    char* const at = buffer->data() + (ref.offset - start);
    // One sector that cannot be read is not the end of its neighbours.
    Result<void> one = read ? Result<void>() : pack_->ReadBytes(at, ref.length, ref.offset);
    if (!one && one.error().code() != ErrorCode::kCorrupt) return one;
    if (one) {
      VerifyFrame(frame, {at, ref.length});
    } else {
      DamagedFrame(frame,
                   pack_->DamagedFrame(frame, ErrorCode::kCorrupt, "it cannot be read whole"));
    }
  }
  return {};
}

void PackVerifier::VerifyFrame(uint32_t frame, ByteView bytes) {
  const auto damaged = [&](ErrorCode code, std::string_view reason) {
    DamagedFrame(frame, pack_->DamagedFrame(frame, code, reason));
  };
  const Result<DecodedFrame> decoded = DecodeFrame(bytes);
  if (!decoded) return damaged(decoded.error().code(), decoded.error().message());
  if (decoded->raw_length != pack_->frames()[frame].raw_length) {
    return damaged(ErrorCode::kCorrupt, "frame and index disagree");
  }
  const Result<std::vector<HashedMember>> members = HashMembers(*decoded);
  if (!members) return damaged(members.error().code(), members.error().message());
  Compare(frame, *decoded, *members);
  objects_ += members->size();
  bytes_ += decoded->raw_length;
  if (request_.progress == nullptr) return;
  request_.progress->files += members->size();
  request_.progress->bytes += decoded->raw_length;
}

void PackVerifier::Compare(uint32_t frame, const DecodedFrame& decoded,
                           const std::vector<HashedMember>& members) {
  const std::span<const IndexEntry> entries = EntriesOf(frame);
  size_t next = 0;
  for (const HashedMember& member : members) {
    for (; next < entries.size() && entries[next].offset < member.offset; ++next) {
      CompareEntry(frame, decoded, entries[next]);
    }
    bool is_named = false;
    // Empty objects lie where the next one begins.
    for (size_t i = next; i < entries.size() && entries[i].offset == member.offset; ++i) {
      is_named = is_named || IsEntryOf(entries[i], member);
    }
    if (!is_named) CheckNamed(frame, member);
    for (; next < entries.size() && IsEntryOf(entries[next], member); ++next) {
      Tell(entries[next], true);
    }
  }
  for (; next < entries.size(); ++next) CompareEntry(frame, decoded, entries[next]);
}

void PackVerifier::CompareEntry(uint32_t frame, const DecodedFrame& decoded,
                                const IndexEntry& entry) {
  const ObjectKey key = KeyOf(entry);
  const ByteView bytes = decoded.view().substr(entry.offset, entry.length);
  const bool is_whole = IsKind(entry.kind) && HashObject(key.kind, bytes) == key.digest;
  Tell(entry, is_whole);
  if (!is_whole) Damaged(pack_->frames()[frame].offset, key, OtherBytes(*pack_, key));
}

void PackVerifier::CheckNamed(uint32_t frame, const HashedMember& member) {
  const Result<std::optional<Location>> found = pack_->Find(member.key);
  // Said already, if the bucket that would name it is damaged.
  if (!found || *found) return;
  Damaged(pack_->frames()[frame].offset, member.key,
          pack_->Damaged("its index does not name " + member.key.ToString()));
}

}  // namespace helios::pack

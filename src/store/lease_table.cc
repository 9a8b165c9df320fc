#include "store/lease_table.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <set>

#include "base/codec.h"
#include "base/durable_file.h"
#include "object/hash.h"

namespace helios {
namespace {

// slot := kind:u8 reserved[7] id:digest check:check64
constexpr size_t kSlotBytes = 48;
constexpr size_t kSlotsAtFirst = 64;
constexpr size_t kSlotsMax = 1 << 16;

Bytes EncodeSlot(const ObjectKey& key) {
  Bytes slot;
  Encoder encoder(&slot);
  encoder.Fixed(static_cast<uint64_t>(key.kind));
  encoder.Raw(key.digest);
  encoder.Fixed(Checksum64(slot));
  return slot;
}

std::optional<ObjectKey> DecodeSlot(ByteView slot) {
  Decoder decoder(slot);
  const auto kind = decoder.Fixed<uint64_t>();
  const Digest digest = decoder.RawDigest();
  if (!decoder.ok() || kind < static_cast<uint64_t>(ObjectKind::kBlob) ||
      kind > static_cast<uint64_t>(ObjectKind::kRecord)) {
    return std::nullopt;
  }
  const ObjectKey key{static_cast<ObjectKind>(kind), digest};
  return EncodeSlot(key) == slot ? std::optional(key) : std::nullopt;
}

struct flock RangeOf(size_t slot, short type) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(slot * kSlotBytes);
  range.l_len = kSlotBytes;
  return range;
}

}  // namespace

Bytes EmptyLeaseTable() { return Bytes(kSlotsAtFirst * kSlotBytes, '\0'); }

struct SlotContent {
  bool is_empty = false;  // about to be written to, or given back
  std::optional<ObjectKey> key;
};

// What a slot says, once its bytes are whole: one that is being written to may be seen half way.
SlotContent ReadSlot(int fd, size_t slot) {
  constexpr int kAttemptsMax = 1000;
  const Bytes empty(kSlotBytes, '\0');
  SlotContent content;
  for (int attempt = 0; attempt < kAttemptsMax && !content.key; ++attempt) {
    if (attempt > 0) ::sched_yield();
    Bytes bytes = empty;
    const Result<size_t> length =
        ReadAt(fd, bytes.data(), bytes.size(), slot * kSlotBytes, "leases");
    content.is_empty = length && bytes == empty;
    if (!length || content.is_empty) break;
    content.key = DecodeSlot(bytes);
  }
  return content;
}

// What the table and its leases share.
class LeaseTable::Slots {
 public:
  explicit Slots(std::string path) : path_(std::move(path)) {}

  Result<std::shared_ptr<const Lease>> Take(const ObjectKey& key,
                                            const std::shared_ptr<Slots>& self)
      HELIOS_EXCLUDES(mutex_);
  std::shared_ptr<const Lease> Find(const ObjectKey& key) HELIOS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const auto found = leases_.find(key);
    return found == leases_.end() ? nullptr : found->second.lock();
  }
  void GiveBack(const ObjectKey& key, size_t slot) HELIOS_EXCLUDES(mutex_);

 private:
  // Locks a slot that nobody has.
  Result<size_t> LockSlot() HELIOS_REQUIRES(mutex_);
  void Unlock(size_t slot) HELIOS_REQUIRES(mutex_) {
    struct flock range = RangeOf(slot, F_UNLCK);
    (void)::fcntl(fd_.get(), F_OFD_SETLK, &range);  // it can only fail of what is no lock
    own_.erase(slot);
  }

  const std::string path_;
  Mutex mutex_;
  Fd fd_ HELIOS_GUARDED_BY(mutex_);
  std::set<size_t> own_ HELIOS_GUARDED_BY(mutex_);
  std::map<ObjectKey, std::weak_ptr<const Lease>> leases_ HELIOS_GUARDED_BY(mutex_);
};

class LeaseTable::SlotLease : public Lease {
 public:
  SlotLease(std::shared_ptr<Slots> slots, const ObjectKey& key, size_t slot)
      : slots_(std::move(slots)), key_(key), slot_(slot) {}
  ~SlotLease() override { slots_->GiveBack(key_, slot_); }

 private:
  const std::shared_ptr<Slots> slots_;
  const ObjectKey key_;
  const size_t slot_;
};

Result<size_t> LeaseTable::Slots::LockSlot() {
  for (size_t slot = 0; slot < kSlotsMax; ++slot) {
    if (own_.contains(slot)) continue;
    struct flock range = RangeOf(slot, F_WRLCK);
    if (::fcntl(fd_.get(), F_OFD_SETLK, &range) == 0) {
      own_.insert(slot);
      return slot;
    }
    if (errno != EAGAIN && errno != EACCES) return Error::FromErrno(errno, "lock", path_);
  }
  return Error(ErrorCode::kBusy, "busy: every slot of " + path_ + " is held");
}

Result<std::shared_ptr<const Lease>> LeaseTable::Slots::Take(const ObjectKey& key,
                                                             const std::shared_ptr<Slots>& self) {
  if (std::shared_ptr<const Lease> lease = Find(key)) return lease;
  MutexLock lock(mutex_);
  if (!fd_.IsOpen()) {
    HELIOS_TRY_ASSIGN(fd_, OpenAt(AT_FDCWD, path_, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  }
  HELIOS_TRY_ASSIGN(const size_t slot, LockSlot());
  if (Result<void> written = WriteAllAt(fd_.get(), EncodeSlot(key), slot * kSlotBytes, path_);
      !written) {
    Unlock(slot);
    return std::move(written).error();
  }
  std::shared_ptr<const Lease> lease = std::make_shared<SlotLease>(self, key, slot);
  leases_[key] = lease;
  return lease;
}

void LeaseTable::Slots::GiveBack(const ObjectKey& key, size_t slot) {
  MutexLock lock(mutex_);
  // What it says is not to be taken for what its next holder has. If it cannot be written, it is.
  (void)WriteAllAt(fd_.get(), Bytes(kSlotBytes, '\0'), slot * kSlotBytes, path_);
  Unlock(slot);
  // Another may have been taken since the last holder of this one let go.
  const auto found = leases_.find(key);
  if (found != leases_.end() && found->second.expired()) leases_.erase(found);
}

LeaseTable::LeaseTable(std::string path) : slots_(std::make_shared<Slots>(std::move(path))) {}
LeaseTable::~LeaseTable() = default;

Result<std::shared_ptr<const Lease>> LeaseTable::Take(const ObjectKey& key) {
  return slots_->Take(key, slots_);
}

std::shared_ptr<const Lease> LeaseTable::Find(const ObjectKey& key) { return slots_->Find(key); }

Result<std::vector<ObjectKey>> LeaseTable::Held(const std::string& path) {
  std::vector<ObjectKey> held;
  HELIOS_TRY_ASSIGN(const std::optional<Bytes> bytes,
                    ReadFileIfExists(path, kSlotsMax * kSlotBytes));
  if (!bytes) return held;
  // Through a descriptor of its own: those of this process too are another's to it.
  HELIOS_TRY_ASSIGN(const Fd fd, OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW));
  for (size_t slot = 0; slot * kSlotBytes < bytes->size(); ++slot) {
    struct flock range = RangeOf(slot, F_WRLCK);
    if (::fcntl(fd.get(), F_OFD_GETLK, &range) != 0) return Error::FromErrno(errno, "lock", path);
    if (range.l_type == F_UNLCK) continue;
    const SlotContent content = ReadSlot(fd.get(), slot);
    if (content.is_empty) continue;
    if (!content.key) {
      return Error(ErrorCode::kCorrupt,
                   path + ": slot " + std::to_string(slot) + " is held, and does not say what for");
    }
    held.push_back(*content.key);
  }
  return held;
}

}  // namespace helios

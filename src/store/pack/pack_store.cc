#include "store/pack/pack_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <unordered_set>

#include "base/codec.h"
#include "base/durable_file.h"
#include "object/hash.h"
#include "store/pack/pack_optimizer.h"
#include "store/pack/pack_sweep.h"

namespace helios::pack {
namespace {

constexpr int kListAttemptsMax = 64;
// Trees are come back to; contents are read in their order, and a small cache stays in the
// processor's.
constexpr size_t kMetadataCacheBytes = size_t{8} << 20;
constexpr size_t kContentCacheBytes = size_t{1} << 20;
// Of large frames too a few are kept: those who read folder by folder come back to them.
constexpr size_t kCachedFramesMin = 4;

// Packs of one tier (each tier eight times the size of the one before) are merged when there are
// eight of them; large ones eight at a time, when there are 32: to write them again takes a commit
// longer than to look into some more. Packs above the largest tier stay as they are.
constexpr uint64_t kTierBytes = uint64_t{64} << 10;
constexpr int kTierCount = 5;
constexpr int kSmallTierCount = 3;
constexpr size_t kMergeFanIn = 8;
constexpr size_t kLargePacksMax = 32;
constexpr char kGenerationFile[] = "generation";
// merged := (part:u64 target:u64)*, oldest first. Forgotten are the oldest: a workspace that was
// not committed meanwhile then loses its stat index.
constexpr char kMergedFile[] = "merged";
constexpr size_t kMergeNoteBytes = 16;
constexpr size_t kMergedBytesMax = (16 << 10) * kMergeNoteBytes;

int TierOf(uint64_t bytes) {
  int tier = 0;
  for (uint64_t limit = kTierBytes; bytes > limit && tier < kTierCount; limit *= 8) ++tier;
  return tier;
}

// The smallest packs that are worth merging: those of the first tier that is full, of large ones
// the smallest eight, and all of the tiers below. Damaged ones stay as they are.
template <typename Packs>
Packs ChooseMerge(const Packs& largest_first, const std::map<std::string, Error>& damaged) {
  std::array<Packs, kTierCount + 1> tiers;  // smallest first
  for (auto pack = largest_first.rbegin(); pack != largest_first.rend(); ++pack) {
    if (!damaged.contains((*pack)->name())) tiers[TierOf((*pack)->file_bytes())].push_back(*pack);
  }
  Packs chosen;
  for (int tier = 0; tier < kTierCount; ++tier) {
    const Packs& packs = tiers[tier];
    const bool is_large = tier >= kSmallTierCount;
    const bool is_full = packs.size() >= (is_large ? kLargePacksMax : kMergeFanIn);
    const size_t taken = is_full && is_large ? kMergeFanIn : packs.size();
    chosen.insert(chosen.end(), packs.begin(), packs.begin() + static_cast<ptrdiff_t>(taken));
    if (is_full) return chosen;
  }
  return {};
}

// What one round of optimizing takes, if it is more than one pack: it needs as much free space, and
// about 60 bytes of memory for each object.
constexpr uint64_t kOptimizedBytesMax = uint64_t{4} << 30;
// An optimized pack is taken again if it is at most so many times as large as all that is smaller:
// its objects are then compressed anew only each time that so much has been added.
constexpr uint64_t kOptimizedGrowth = 8;

// The packs of one round, none if there is nothing that optimizing would help.
template <typename Packs>
Packs ChooseOptimize(const Packs& largest_first, const std::map<std::string, Error>& damaged) {
  Packs chosen;
  uint64_t bytes = 0;
  const auto take = [&](const auto& pack) {
    if (!chosen.empty() && bytes + pack->file_bytes() > kOptimizedBytesMax) return;
    chosen.push_back(pack);
    bytes += pack->file_bytes();
  };
  for (const auto& pack : largest_first) {
    if (!pack->is_optimized() && !damaged.contains(pack->name())) take(pack);
  }
  if (chosen.empty()) return chosen;
  for (auto pack = largest_first.rbegin(); pack != largest_first.rend(); ++pack) {
    if (!(*pack)->is_optimized() || damaged.contains((*pack)->name())) continue;
    if ((*pack)->file_bytes() > kOptimizedGrowth * bytes) break;
    take(*pack);
  }
  return chosen;
}

bool IsRefusal(const Error& error) {
  return error.os_error() == EACCES || error.os_error() == EPERM || error.os_error() == EROFS;
}

// A pack by a number: names are random, and as good as unique in half their length.
uint64_t PartOf(std::string_view pack_name) { return Checksum64(pack_name); }

}  // namespace

Result<std::unique_ptr<ObjectStore>> PackStore::Open(const std::string& folder,
                                                     const OpenOptions& options) {
  const std::string path = folder + "/" + kGenerationFile;
  Result<Fd> generation = OpenAt(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  // A store that may only be read has one already, or never changes.
  if (!generation && IsRefusal(generation.error())) {
    generation = OpenAt(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }
  if (!generation && generation.error().os_error() != ENOENT) return std::move(generation).error();
  std::unique_ptr<PackStore> store(
      new PackStore(folder, options, generation ? std::move(generation).value() : Fd()));
  HELIOS_TRY(store->Refresh());
  return std::unique_ptr<ObjectStore>(std::move(store));
}

PackStore::ListingPointer PackStore::CurrentListing() {
  MutexLock lock(mutex_);
  return listing_;
}

Result<PackStore::ListingPointer> PackStore::OwnListing() {
  const ListingPointer listing = CurrentListing();
  HELIOS_TRY_ASSIGN(const uint64_t generation, Generation());
  if (listing->generation == generation && listing->published >= published_->load()) {
    return listing;
  }
  return Refresh();
}

Result<std::vector<std::string>> PackStore::PackNames() const {
  HELIOS_TRY_ASSIGN(std::vector<std::string> names, NamesIn(folder_));
  // None, or no folder at all.
  if (names.empty()) HELIOS_TRY(OpenAt(AT_FDCWD, folder_, O_RDONLY | O_DIRECTORY));
  std::erase_if(names, [](const std::string& name) {
    return !name.ends_with(".pack") || name.starts_with(".");
  });
  return names;
}

Result<std::shared_ptr<PackStore::Listing>> PackStore::List(const Listing& previous) const {
  std::map<std::string_view, PackPointer> known;
  for (const PackPointer& pack : previous.packs) known.emplace(pack->name(), pack);
  auto listing = std::make_shared<Listing>();
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, PackNames());
  for (const std::string& name : names) {
    if (const auto it = known.find(name); it != known.end()) {
      listing->packs.push_back(it->second);
      continue;
    }
    Result<PackPointer> pack = PackReader::Open(folder_, name, files_);
    if (pack) {
      listing->packs.push_back(std::move(pack).value());
    } else if (IsGone(pack.error())) {
      return std::shared_ptr<Listing>();
    } else if (IsOfOnePack(pack.error())) {
      listing->damaged.push_back(std::move(pack).error());
    } else {
      return std::move(pack).error();
    }
  }
  std::sort(listing->packs.begin(), listing->packs.end(),
            [](const PackPointer& a, const PackPointer& b) {
              if (a->file_bytes() != b->file_bytes()) return a->file_bytes() > b->file_bytes();
              return a->name() < b->name();
            });
  return listing;
}

Result<PackStore::ListingPointer> PackStore::Refresh() {
  for (int attempt = 0; attempt < kListAttemptsMax; ++attempt) {
    const uint64_t published = published_->load();
    HELIOS_TRY_ASSIGN(const uint64_t before, Generation());
    const ListingPointer previous = CurrentListing();
    HELIOS_TRY_ASSIGN(const std::shared_ptr<Listing> listing, List(*previous));
    HELIOS_TRY_ASSIGN(const uint64_t after, Generation());
    if (listing == nullptr || before != after) continue;
    listing->generation = before;
    listing->published = published;
    MutexLock lock(mutex_);
    listing_ = listing;
    return ListingPointer(listing);
  }
  return Error(ErrorCode::kBusy,
               "busy: the packs in " + folder_ + " changed faster than they could be listed");
}

Result<PackStore::Located> PackStore::Locate(const Listing& listing,
                                             std::span<const ObjectKey> keys,
                                             std::span<const size_t> wanted) const {
  Located located;
  for (const size_t index : wanted) {
    bool hit = false;
    const size_t first = listing.last_hit.load(std::memory_order_relaxed);
    for (size_t i = 0; i < listing.packs.size() && !hit; ++i) {
      // The hinted pack, then those before it, then those behind it.
      const size_t at = i == 0 ? first : (i <= first ? i - 1 : i);
      const PackPointer& pack = listing.packs[at];
      Result<std::optional<Location>> location = pack->Find(keys[index]);
      if (!location && IsGone(location.error())) {
        located.has_moved = true;
        continue;
      }
      if (!location && IsOfOnePack(location.error())) {
        located.damage.push_back(std::move(location).error());
        continue;
      }
      if (!location) return std::move(location).error();
      if (!location->has_value()) continue;
      located.found.push_back({pack, **location, index});
      listing.last_hit.store(at, std::memory_order_relaxed);
      hit = true;
    }
    if (!hit) located.absent.push_back(index);
  }
  return located;
}

std::shared_ptr<const DecodedFrame> PackStore::FrameCache::Find(const PackReader* pack,
                                                                uint32_t frame) {
  for (CachedFrame& cached : frames) {
    if (cached.pack.get() != pack || cached.frame != frame) continue;
    cached.last_use = ++clock;
    return cached.decoded;
  }
  return nullptr;
}

void PackStore::FrameCache::Add(CachedFrame added, size_t bytes_max) {
  bytes += added.decoded->raw_length;
  added.last_use = ++clock;
  frames.push_back(std::move(added));
  while (bytes > bytes_max && frames.size() > kCachedFramesMin) {
    const auto oldest = std::min_element(
        frames.begin(), frames.end(),
        [](const CachedFrame& a, const CachedFrame& b) { return a.last_use < b.last_use; });
    bytes -= oldest->decoded->raw_length;
    *oldest = std::move(frames.back());
    frames.pop_back();
  }
}

Result<std::shared_ptr<const DecodedFrame>> PackStore::LoadFrame(const PackPointer& pack,
                                                                 uint32_t frame) {
  if (auto cached = FindCached(pack.get(), frame)) return cached;
  if (pack->frames()[frame].raw_length <= kFrameBytes) return DecodeAndCache(pack, frame);
  // Threads that write out neighbouring folders want the same large frame: one decodes it.
  MutexLock turn(turns_[frame % turns_.size()]);
  if (auto cached = FindCached(pack.get(), frame)) return cached;
  return DecodeAndCache(pack, frame);
}

std::shared_ptr<const DecodedFrame> PackStore::FindCached(const PackReader* pack, uint32_t frame) {
  MutexLock lock(mutex_);
  if (auto cached = metadata_cache_.Find(pack, frame)) return cached;
  return content_cache_.Find(pack, frame);
}

Result<std::shared_ptr<const DecodedFrame>> PackStore::DecodeAndCache(const PackPointer& pack,
                                                                      uint32_t frame) {
  HELIOS_TRY_ASSIGN(DecodedFrame decoded, pack->ReadFrame(frame));
  auto shared = std::make_shared<const DecodedFrame>(std::move(decoded));
  if (shared->members.size() < 2) return shared;  // nobody else lies in this frame
  const bool is_content = shared->members[0].kind == static_cast<uint8_t>(ObjectKind::kBlob);
  MutexLock lock(mutex_);
  if (is_content) {
    content_cache_.Add({pack, frame, 0, shared}, kContentCacheBytes);
  } else {
    metadata_cache_.Add({pack, frame, 0, shared}, kMetadataCacheBytes);
  }
  return shared;
}

Result<std::optional<Bytes>> PackStore::Get(const ObjectKey& key) {
  std::optional<Bytes> result;
  HELIOS_TRY(GetMany({&key, 1}, [&](size_t, std::optional<ByteView> bytes) -> Result<void> {
    if (bytes) result.emplace(*bytes);
    return {};
  }));
  return result;
}

Result<PackStore::Located> PackStore::LocateAll(std::span<const ObjectKey> keys, bool look_again) {
  Located all;
  all.absent.resize(keys.size());
  std::iota(all.absent.begin(), all.absent.end(), size_t{0});
  HELIOS_TRY_ASSIGN(ListingPointer listing, OwnListing());
  for (int attempt = 0; attempt < kListAttemptsMax; ++attempt) {
    HELIOS_TRY_ASSIGN(Located next, Locate(*listing, keys, all.absent));
    all.found.insert(all.found.end(), next.found.begin(), next.found.end());
    all.absent = std::move(next.absent);
    if (all.absent.empty() || (!next.has_moved && (attempt > 0 || !look_again))) {
      all.damage = std::move(next.damage);
      all.damage.insert(all.damage.end(), listing->damaged.begin(), listing->damaged.end());
      return all;
    }
    // Another process may have published or merged since the last look.
    HELIOS_TRY_ASSIGN(listing, Refresh());
  }
  return Error(ErrorCode::kBusy,
               "busy: the packs in " + folder_ + " were merged faster than they could be read");
}

Result<void> PackStore::GetMany(std::span<const ObjectKey> keys, const GetSink& sink) {
  HELIOS_TRY_ASSIGN(Located located, LocateAll(keys, /*look_again=*/true));
  HELIOS_TRY(GetFound(std::move(located.found), keys, sink));
  if (located.absent.empty()) return {};
  // Absent, or in what is damaged: that must not pass for absence.
  if (!located.damage.empty()) {
    return std::move(located.damage.front()).WithContext(keys[located.absent.front()].ToString());
  }
  for (const size_t index : located.absent) HELIOS_TRY(sink(index, std::nullopt));
  return {};
}

Result<void> PackStore::GetFound(std::vector<Found> found, std::span<const ObjectKey> keys,
                                 const GetSink& sink) {
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    if (a.pack != b.pack) return a.pack < b.pack;
    if (a.location.frame != b.location.frame) return a.location.frame < b.location.frame;
    return a.location.offset < b.location.offset;
  });
  std::optional<Result<std::shared_ptr<const DecodedFrame>>> frame;
  for (size_t i = 0; i < found.size(); ++i) {
    const Found& next = found[i];
    if (i == 0 || found[i - 1].pack != next.pack ||
        found[i - 1].location.frame != next.location.frame) {
      frame.emplace(LoadFrame(next.pack, next.location.frame));
    }
    if (!*frame) {
      HELIOS_TRY(GetElsewhere(next, frame->error(), keys[next.key_index], sink));
      continue;
    }
    const ByteView raw = (**frame)->view();
    HELIOS_TRY(sink(next.key_index, raw.substr(next.location.offset, next.location.length)));
  }
  return {};
}

PackStore::Elsewhere PackStore::FindElsewhere(const Listing& listing, const PackPointer& avoided,
                                              const ObjectKey& key) {
  Elsewhere result;
  for (const PackPointer& pack : listing.packs) {
    if (pack == avoided) continue;
    const Result<std::optional<Location>> location = pack->Find(key);
    if (!location && IsGone(location.error())) result.has_moved = true;
    if (!location || !location->has_value()) continue;
    Result<std::shared_ptr<const DecodedFrame>> frame = LoadFrame(pack, (*location)->frame);
    if (!frame && IsGone(frame.error())) result.has_moved = true;
    if (!frame) continue;
    return {std::move(frame).value(), **location, false};
  }
  return result;
}

Result<void> PackStore::GetElsewhere(const Found& lost, Error loss, const ObjectKey& key,
                                     const GetSink& sink) {
  const bool is_gone = IsGone(loss);
  if (!is_gone && !IsOfOnePack(loss)) {
    return std::move(loss).WithContext(key.ToString());
  }
  for (int attempt = 0; attempt < kListAttemptsMax; ++attempt) {
    HELIOS_TRY_ASSIGN(const ListingPointer listing, Refresh());
    const Elsewhere found = FindElsewhere(*listing, lost.pack, key);
    if (found.frame != nullptr) {
      return sink(lost.key_index,
                  found.frame->view().substr(found.location.offset, found.location.length));
    }
    if (found.has_moved) continue;
    if (!is_gone) break;
    // Deleted since it was located, unless it lies in what is damaged.
    if (listing->damaged.empty()) return sink(lost.key_index, std::nullopt);
    loss = listing->damaged.front();
    break;
  }
  return std::move(loss).WithContext(key.ToString());
}

Result<std::vector<bool>> PackStore::HasMany(std::span<const ObjectKey> keys) {
  // What lies in a damaged index is as good as absent: then it is stored anew.
  HELIOS_TRY_ASSIGN(const Located located, LocateAll(keys, /*look_again=*/false));
  std::vector<bool> has(keys.size(), false);
  for (const Found& found : located.found) has[found.key_index] = true;
  return has;
}

Result<std::unique_ptr<ObjectBatch>> PackStore::OpenBatch() {
  return std::unique_ptr<ObjectBatch>(
      std::make_unique<PackWriter>(folder_, EffortOf(compression_), published_));
}

Result<void> PackStore::ForEachKey(const KeyVisitor& visitor) {
  std::set<std::string> visited;
  for (int attempt = 0; attempt < kListAttemptsMax; ++attempt) {
    HELIOS_TRY_ASSIGN(const ListingPointer listing, Refresh());
    if (!listing->damaged.empty()) return listing->damaged.front();
    bool has_moved = false;
    for (const PackPointer& pack : listing->packs) {
      if (visited.contains(pack->name())) continue;
      Result<std::vector<IndexEntry>> entries = pack->ReadEntries();
      if (!entries && !IsGone(entries.error())) return std::move(entries).error();
      has_moved = has_moved || !entries;
      if (!entries) continue;
      for (const IndexEntry& entry : *entries) HELIOS_TRY(visitor(KeyOf(entry), entry.length));
      visited.insert(pack->name());
    }
    if (!has_moved) return {};
  }
  return Error(ErrorCode::kBusy,
               "busy: the packs in " + folder_ + " were merged faster than they could be read");
}

Result<void> PackStore::Sync() { return SyncFolder(folder_); }

Result<uint64_t> PackStore::Generation() {
  uint64_t generation = 0;
  if (!generation_.IsOpen()) return generation;
  HELIOS_TRY_ASSIGN(const size_t length, ReadAt(generation_.get(), &generation, sizeof(generation),
                                                0, folder_ + "/" + kGenerationFile));
  return length == sizeof(generation) ? generation : 0;
}

Result<void> PackStore::RaiseGeneration() {
  HELIOS_TRY_ASSIGN(uint64_t generation, Generation());
  ++generation;
  // Opened anew: the own descriptor may be for reading only.
  const std::string path = folder_ + "/" + kGenerationFile;
  HELIOS_TRY_ASSIGN(const Fd fd, OpenAt(AT_FDCWD, path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600));
  return WriteAllAt(fd.get(), {reinterpret_cast<const char*>(&generation), sizeof(generation)}, 0,
                    path);
}

Result<StoreTotals> PackStore::Totals() {
  HELIOS_TRY_ASSIGN(const ListingPointer listing, Refresh());
  StoreTotals totals;
  for (const PackPointer& pack : listing->packs) {
    totals.objects += pack->footer().object_count;
    totals.bytes += pack->footer().object_bytes;
    totals.bytes_on_disk += pack->file_bytes();
    ++totals.packs;
  }
  return totals;
}

Result<std::vector<uint64_t>> PackStore::Parts() {
  HELIOS_TRY_ASSIGN(const ListingPointer listing, OwnListing());
  std::vector<uint64_t> parts;
  for (const PackPointer& pack : listing->packs) parts.push_back(PartOf(pack->name()));
  return parts;
}

Result<bool> PackStore::HasParts(std::span<const uint64_t> parts) {
  HELIOS_TRY_ASSIGN(const std::vector<uint64_t> listed, Parts());
  const std::unordered_set<uint64_t> present(listed.begin(), listed.end());
  const auto is_present = [&](uint64_t part) { return present.contains(part); };
  if (std::all_of(parts.begin(), parts.end(), is_present)) return true;
  // Read after the listing: what a merge removed before it was noted before that.
  const std::unordered_map<uint64_t, uint64_t> merged = ReadMerged();
  for (uint64_t part : parts) {
    // In a damaged file the notes might go round in a circle.
    for (size_t steps = 0; !is_present(part) && steps <= merged.size(); ++steps) {
      const auto note = merged.find(part);
      if (note == merged.end()) return false;
      part = note->second;
    }
    if (!is_present(part)) return false;
  }
  return true;
}

std::unordered_map<uint64_t, uint64_t> PackStore::ReadMerged() const {
  std::unordered_map<uint64_t, uint64_t> merged;
  const Result<std::optional<Bytes>> notes =
      ReadFileIfExists(folder_ + "/" + kMergedFile, kMergedBytesMax);
  if (!notes || !*notes) return merged;
  for (size_t at = 0; at + kMergeNoteBytes <= (*notes)->size(); at += kMergeNoteBytes) {
    const char* note = (*notes)->data() + at;
    merged[LoadLittleEndian<uint64_t>(note)] = LoadLittleEndian<uint64_t>(note + sizeof(uint64_t));
  }
  return merged;
}

void PackStore::NoteMerged(const std::vector<std::string>& packs, const std::string& target) const {
  const Result<std::optional<Bytes>> known =
      ReadFileIfExists(folder_ + "/" + kMergedFile, kMergedBytesMax);
  Bytes notes = known && *known ? **known : Bytes();
  notes.resize(notes.size() - notes.size() % kMergeNoteBytes);
  Encoder encoder(&notes);
  for (const std::string& pack : packs) {
    encoder.Fixed(PartOf(pack));
    encoder.Fixed(PartOf(target));
  }
  if (notes.size() > kMergedBytesMax) notes.erase(0, notes.size() - kMergedBytesMax);
  // Where the notes are lost, stat indexes count as absent: that costs time only.
  (void)ReplaceFile(folder_, kMergedFile, notes, Durability::kCache);
}

Result<std::vector<Error>> PackStore::Check() {
  std::vector<Error> damage;
  HELIOS_TRY_ASSIGN(const std::vector<std::string> names, PackNames());
  for (const std::string& name : names) {
    // Opened anew: what was read before proves nothing about the file as it is.
    const Result<PackPointer> pack = PackReader::Open(folder_, name, files_);
    std::optional<Error> error;
    if (!pack) {
      error = pack.error();
    } else if (const auto entries = (*pack)->ReadEntries(); !entries) {
      error = entries.error();
    }
    if (!error || IsGone(*error)) continue;  // merged meanwhile
    if (!IsOfOnePack(*error)) return *std::move(error);
    damage.push_back(*std::move(error));
  }
  return damage;
}

Result<FileLock> PackStore::LockMerge() const {
  return FileLock::Acquire(folder_ + "/" + kMergeLockFile, FileLock::Mode::kExclusive,
                           options_.lock_timeout);
}

Result<void> PackStore::Maintain() {
  RemoveAbandonedFiles(folder_);
  HELIOS_TRY_ASSIGN(const ListingPointer known, OwnListing());
  if (ChooseMerge(known->packs, {}).empty()) return {};
  Result<FileLock> lock = FileLock::Acquire(folder_ + "/" + kMergeLockFile,
                                            FileLock::Mode::kExclusive, std::chrono::seconds(0));
  if (!lock) {
    // Somebody else is merging already: nothing is left to do.
    if (lock.error().code() == ErrorCode::kBusy) return {};
    return std::move(lock).error();
  }
  std::map<std::string, Error> damaged;
  while (true) {
    HELIOS_TRY_ASSIGN(const ListingPointer listing, Refresh());
    const std::vector<PackPointer> chosen = ChooseMerge(listing->packs, damaged);
    if (chosen.empty()) return {};
    HELIOS_TRY(Rewrite(
        chosen, [](const ObjectKey&) { return false; }, &damaged));
  }
}

Result<OptimizeReport> PackStore::Optimize(const OptimizeRequest& request) {
  RemoveAbandonedFiles(folder_);
  OptimizeReport report;
  HELIOS_TRY_ASSIGN(const StoreTotals before, Totals());
  report.bytes_before = before.bytes_on_disk;
  std::map<std::string, Error> damaged;
  while (true) {
    // Given back after each round: whoever deletes or merges gets its turn.
    HELIOS_TRY_ASSIGN(const FileLock lock, LockMerge());
    HELIOS_TRY_ASSIGN(const ListingPointer listing, Refresh());
    const std::vector<PackPointer> chosen = ChooseOptimize(listing->packs, damaged);
    if (chosen.empty()) {
      report.damage = listing->damaged;
      break;
    }
    HELIOS_TRY(OptimizePacks(chosen, request, &damaged, &report));
  }
  for (auto& [name, error] : damaged) report.damage.push_back(std::move(error));
  HELIOS_TRY_ASSIGN(const StoreTotals after, Totals());
  report.bytes_after = after.bytes_on_disk;
  return report;
}

Result<void> PackStore::OptimizePacks(const std::vector<PackPointer>& packs,
                                      const OptimizeRequest& request,
                                      std::map<std::string, Error>* damaged,
                                      OptimizeReport* report) {
  const size_t damaged_before = damaged->size();
  for (const PackPointer& pack : packs) {
    if (Result<void> whole = CheckFrames(*pack); !whole) {
      if (!IsOfOnePack(whole.error())) return whole;
      damaged->emplace(pack->name(), std::move(whole).error());
    }
  }
  // The round begins anew without them.
  if (damaged->size() > damaged_before) return {};
  PackWriter writer(folder_, OptimizingEffort());
  writer.MarkOptimized();
  PackOptimizer optimizer(packs, request, &writer);
  Result<void> optimized = optimizer.Run();
  if (!optimized && optimizer.damaged_pack() != nullptr && IsOfOnePack(optimized.error())) {
    damaged->emplace(optimizer.damaged_pack()->name(), std::move(optimized).error());
    return {};
  }
  if (!optimized) return optimized;
  HELIOS_TRY(writer.Publish());
  HELIOS_TRY(ReplacePacks(packs, writer));
  report->objects += optimizer.objects();
  report->bytes += optimizer.bytes();
  return {};
}

Result<void> PackStore::Delete(std::span<const ObjectKey> keys) {
  const std::unordered_set<ObjectKey, ObjectKeyHash> doomed(keys.begin(), keys.end());
  HELIOS_TRY_ASSIGN(const FileLock lock, LockMerge());
  HELIOS_TRY_ASSIGN(const ListingPointer listing, Refresh());
  std::vector<PackPointer> affected;
  for (const PackPointer& pack : listing->packs) {
    HELIOS_TRY_ASSIGN(const std::vector<IndexEntry> entries, pack->ReadEntries());
    const bool any = std::any_of(entries.begin(), entries.end(), [&](const IndexEntry& entry) {
      return doomed.count(KeyOf(entry)) > 0;
    });
    if (any) affected.push_back(pack);
  }
  if (affected.empty()) return {};
  std::map<std::string, Error> damaged;
  HELIOS_TRY(Rewrite(
      affected, [&](const ObjectKey& key) { return doomed.count(key) > 0; }, &damaged));
  // Else a power cut could bring back a part of what the caller was told is gone.
  if (damaged.empty()) return Sync();
  return std::move(damaged.begin()->second).WithContext("nothing was deleted");
}

Result<std::unique_ptr<ObjectSweep>> PackStore::OpenSweep(SweepRequest request) {
  return PackSweep::Open(this, std::move(request));
}

Result<void> PackStore::CopyPack(PackReader& pack, const Filter& drop,
                                 std::unordered_set<ObjectKey, ObjectKeyHash>* copied,
                                 PackWriter* writer) {
  HELIOS_TRY_ASSIGN(std::vector<IndexEntry> entries, pack.ReadEntries());
  std::sort(entries.begin(), entries.end(), [](const IndexEntry& a, const IndexEntry& b) {
    return a.frame != b.frame ? a.frame < b.frame : a.offset < b.offset;
  });
  for (size_t i = 0; i < entries.size();) {
    const uint32_t frame = entries[i].frame;
    std::vector<IndexEntry> kept;
    bool whole = true;
    for (; i < entries.size() && entries[i].frame == frame; ++i) {
      const ObjectKey key = KeyOf(entries[i]);
      if (drop(key) || copied->contains(key)) {
        whole = false;
      } else {
        kept.push_back(entries[i]);
      }
    }
    if (kept.empty()) continue;
    const uint32_t raw_length = pack.frames()[frame].raw_length;
    if (whole && raw_length >= kFullFrameBytesMin) {
      HELIOS_TRY_ASSIGN(const Bytes bytes, pack.ReadRawFrame(frame));
      HELIOS_TRY(writer->PutFrame(bytes, raw_length, kept));
    } else {
      // Small frames are opened, so that their objects find a place in full ones.
      HELIOS_TRY_ASSIGN(const DecodedFrame decoded, pack.ReadFrame(frame));
      for (const IndexEntry& entry : kept) {
        HELIOS_TRY(writer->Put(KeyOf(entry), decoded.view().substr(entry.offset, entry.length)));
      }
    }
    for (const IndexEntry& entry : kept) copied->insert(KeyOf(entry));
  }
  return {};
}

Result<void> PackStore::Rewrite(const std::vector<PackPointer>& packs, const Filter& drop,
                                std::map<std::string, Error>* damaged) {
  PackWriter writer(folder_, EffortOf(compression_));
  std::unordered_set<ObjectKey, ObjectKeyHash> copied;
  for (const PackPointer& pack : packs) {
    Result<void> result = CopyPack(*pack, drop, &copied, &writer);
    if (!result && (result.error().code() == ErrorCode::kCorrupt ||
                    result.error().code() == ErrorCode::kUnsupported)) {
      damaged->emplace(pack->name(), std::move(result).error());
    } else if (!result) {
      return result;
    }
  }
  if (!damaged->empty() && std::any_of(packs.begin(), packs.end(), [&](const PackPointer& pack) {
        return damaged->contains(pack->name());
      })) {
    return {};
  }
  HELIOS_TRY(writer.Publish());
  return ReplacePacks(packs, writer);
}

Result<void> PackStore::ReplacePacks(const std::vector<PackPointer>& packs,
                                     const PackWriter& writer) {
  HELIOS_TRY(Sync());
  std::vector<std::string> names;
  for (const PackPointer& pack : packs) names.push_back(pack->name());
  NoteMerged(names, writer.published_name() + ".pack");
  HELIOS_TRY(RaiseGeneration());
  for (const PackPointer& pack : packs) {
    if (::unlink(pack->path().c_str()) != 0 && errno != ENOENT) {
      return Error::FromErrno(errno, "remove merged pack", pack->path());
    }
  }
  return {};
}

}  // namespace helios::pack

namespace helios {

Backend PackBackend() {
  return {"pack", [](const std::string&) -> Result<void> { return {}; }, pack::PackStore::Open};
}

}  // namespace helios

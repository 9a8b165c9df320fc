#include "store/pack/pack_sweep.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>

#include "base/thread_pool.h"

namespace helios::pack {
namespace {

// Of a pack of which less is dead, copying the rest costs more than it gives back. The measure is
// in docs/decisions/0019.
constexpr uint64_t kDeadPercentMin = 5;
// Of a small one copying costs nothing.
constexpr uint64_t kSmallPackBytes = uint64_t{4} << 20;
// On a full disk a round is made smaller by this factor.
constexpr uint64_t kRoundShrink = 4;
// What has come to life is copied while everyone waits: no more than takes a moment.
constexpr uint64_t kRevivedBytesMax = uint64_t{32} << 20;
constexpr size_t kEntriesPerPiece = 4096;

bool IsDamage(const Error& error) {
  return error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported;
}

bool IsFullDisk(const Error& error) { return error.code() == ErrorCode::kNoSpace; }

// An entry's share of its frame, and its place in the index.
uint64_t BytesOnDisk(const PackReader& pack, const IndexEntry& entry) {
  const FrameRef& frame = pack.frames()[entry.frame];
  const uint64_t share =
      frame.raw_length == 0 ? 0 : uint64_t{frame.length} * entry.length / frame.raw_length;
  return share + sizeof(IndexEntry);
}

// A whole frame of so many bytes is copied as it is; smaller ones are opened, so that their objects
// find a place in full ones.
size_t FullFrameBytes(const IndexEntry& entry) {
  return entry.kind == static_cast<uint8_t>(ObjectKind::kBlob) ? kFullFrameBytesMin
                                                               : kMetadataFrameBytes / 2;
}

uint64_t FileBytes(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

Result<std::unique_ptr<ObjectSweep>> PackSweep::Open(PackStore* store, SweepRequest request) {
  RemoveAbandonedFiles(store->folder_);
  HELIOS_TRY_ASSIGN(FileLock lock, store->LockMerge());
  std::unique_ptr<PackSweep> sweep(new PackSweep(store, std::move(request), std::move(lock)));
  HELIOS_TRY_ASSIGN(const PackStore::ListingPointer listing, store->Refresh());
  sweep->packs_ = listing->packs;
  sweep->figures_.damage = listing->damaged;
  return std::unique_ptr<ObjectSweep>(std::move(sweep));
}

Result<PackSweep::Content> PackSweep::LookAt(const PackPointer& pack) const {
  Content content;
  content.candidate.pack = pack;
  HELIOS_TRY_ASSIGN(content.entries, pack->ReadEntries());
  std::sort(content.entries.begin(), content.entries.end(),
            [](const IndexEntry& a, const IndexEntry& b) {
              return a.frame != b.frame ? a.frame < b.frame : a.offset < b.offset;
            });
  for (const IndexEntry& entry : content.entries) {
    const bool is_live = request_.is_live(KeyOf(entry));
    content.dead += is_live ? 0 : 1;
    (is_live ? content.candidate.live_bytes : content.candidate.dead_bytes) +=
        BytesOnDisk(*pack, entry);
  }
  return content;
}

Result<void> PackSweep::Plan() {
  KeySet all;
  Mutex mutex;
  const auto look_at = [&](const PackPointer& pack) -> Result<void> {
    Result<Content> content = LookAt(pack);
    MutexLock lock(mutex);
    figures_.bytes_before += pack->file_bytes();
    if (!content) {
      if (!IsDamage(content.error())) return std::move(content).error();
      figures_.damage.push_back(std::move(content).error());
      return {};
    }
    for (const IndexEntry& entry : content->entries) {
      if (!all.Insert(KeyOf(entry))) duplicates_.Insert(KeyOf(entry));
    }
    const Candidate& candidate = content->candidate;
    figures_.objects += content->entries.size();
    figures_.dead_objects += content->dead;
    figures_.dead_bytes += candidate.dead_bytes;
    const bool is_worth_it = candidate.dead_bytes * 100 >= pack->file_bytes() * kDeadPercentMin ||
                             pack->file_bytes() <= kSmallPackBytes;
    if (content->dead > 0 && is_worth_it) candidates_.push_back(candidate);
    return {};
  };
  HELIOS_TRY(TaskStack::Run(request_.threads, [&](TaskStack& tasks) {
    for (const PackPointer& pack : packs_) {
      tasks.Push([&look_at, &pack](unsigned) { return look_at(pack); });
    }
  }));
  packs_.clear();
  std::sort(candidates_.begin(), candidates_.end(),
            [](const Candidate& a, const Candidate& b) { return a.Cost() > b.Cost(); });
  return {};
}

void PackSweep::Choose() {
  chosen_.clear();
  chosen_from_.clear();
  doomed_.clear();
  uint64_t live_bytes = 0;
  while (!candidates_.empty()) {
    const Candidate& next = candidates_.back();
    // What costs nothing does not wait for what does.
    const bool fits = chosen_.empty() || next.live_bytes == 0 ||
                      (live_bytes > 0 && live_bytes + next.live_bytes <= round_bytes_max_);
    if (!fits) break;
    live_bytes += next.live_bytes;
    chosen_.push_back(next.pack);
    chosen_from_.push_back(next);
    candidates_.pop_back();
  }
}

Result<bool> PackSweep::Prepare() {
  HELIOS_TRY(FinishRemoval());
  while (true) {
    Choose();
    if (chosen_.empty()) break;
    bool is_whole = true;
    const Result<void> copied = CopyChosen(&is_whole);
    if (copied && is_whole) return true;
    if (!copied && !IsFullDisk(copied.error())) return copied.error();
    if (!copied && chosen_from_.size() > 1) round_bytes_max_ /= kRoundShrink;
    if (!copied && chosen_from_.size() == 1) {
      // What is larger needs more room still.
      no_space_ = copied.error();
      const uint64_t too_much = chosen_from_.front().live_bytes;
      chosen_from_.clear();
      std::erase_if(candidates_, [&](const Candidate& c) { return c.live_bytes >= too_much; });
    }
    // Those that are damaged are not among them any more.
    std::erase_if(chosen_from_, [this](const Candidate& candidate) {
      return std::find(chosen_.begin(), chosen_.end(), candidate.pack) == chosen_.end();
    });
    candidates_.insert(candidates_.end(), chosen_from_.rbegin(), chosen_from_.rend());
  }
  if (!no_space_) return false;
  Error error = *std::move(no_space_);
  no_space_.reset();
  return error;
}

Result<void> PackSweep::CopyChosen(bool* is_whole) {
  HELIOS_TRY_ASSIGN(const PackStore::ListingPointer listing, store_->Refresh());
  others_.clear();
  for (const PackPointer& pack : listing->packs) {
    if (std::find(chosen_.begin(), chosen_.end(), pack) == chosen_.end()) others_.push_back(pack);
  }
  copied_ = std::make_unique<KeySet>();
  std::vector<Worker> workers(request_.threads);
  Mutex doomed_mutex;
  const auto split = [&](TaskStack& tasks, const PackPointer& pack) -> Result<void> {
    Result<Content> content = LookAt(pack);
    if (!content && IsDamage(content.error())) {
      Abandon(pack.get(), std::move(content).error());
      return {};
    }
    if (!content) return std::move(content).error();
    std::vector<ObjectKey> dead;
    std::vector<Piece> pieces(1, Piece{pack, {}});
    for (const IndexEntry& entry : content->entries) {
      if (!request_.is_live(KeyOf(entry))) {
        dead.push_back(KeyOf(entry));
        continue;
      }
      std::vector<IndexEntry>& live = pieces.back().live;
      if (live.size() >= kEntriesPerPiece && live.back().frame != entry.frame) {
        pieces.push_back({pack, {}});
      }
      pieces.back().live.push_back(entry);
    }
    // The first on top: what lay together lies together again.
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
      tasks.Push([this, &workers, piece = std::move(*piece)](unsigned worker) {
        return CopyPiece(workers[worker], piece);
      });
    }
    MutexLock lock(doomed_mutex);
    doomed_.insert(doomed_.end(), dead.begin(), dead.end());
    return {};
  };
  HELIOS_TRY(TaskStack::Run(request_.threads, [&](TaskStack& tasks) {
    for (const PackPointer& pack : chosen_) {
      tasks.Push([&split, &tasks, &pack](unsigned) { return split(tasks, pack); });
    }
  }));
  {
    MutexLock lock(mutex_);
    *is_whole = damaged_.empty();
    std::erase_if(chosen_, [this](const PackPointer& pack)
                               HELIOS_REQUIRES(mutex_) { return damaged_.contains(pack.get()); });
    for (auto& [pack, error] : damaged_) figures_.damage.push_back(std::move(error));
    damaged_.clear();
  }
  return *is_whole ? Publish(workers) : Result<void>();
}

void PackSweep::Abandon(const PackReader* pack, Error error) {
  MutexLock lock(mutex_);
  damaged_.emplace(pack, std::move(error));
}

Result<void> PackSweep::CopyPiece(Worker& worker, const Piece& piece) {
  for (size_t i = 0; i < piece.live.size();) {
    const uint32_t frame = piece.live[i].frame;
    std::vector<IndexEntry> live;
    for (; i < piece.live.size() && piece.live[i].frame == frame; ++i) {
      const ObjectKey key = KeyOf(piece.live[i]);
      if (duplicates_.Contains(key)) {
        HELIOS_TRY_ASSIGN(const bool is_held, IsHeldElsewhere(key));
        if (is_held || !copied_->Insert(key)) continue;
      }
      live.push_back(piece.live[i]);
    }
    if (live.empty()) continue;
    Result<void> copied = CopyFrame(worker, *piece.pack, frame, std::move(live));
    if (!copied && IsDamage(copied.error())) {
      Abandon(piece.pack.get(), std::move(copied).error());
      return {};
    }
    if (!copied) return copied;
  }
  return {};
}

Result<void> PackSweep::CopyFrame(Worker& worker, PackReader& pack, uint32_t frame,
                                  std::vector<IndexEntry> live) {
  std::unique_ptr<PackWriter>& writer = pack.is_optimized() ? worker.from_optimized : worker.writer;
  if (writer == nullptr) {
    // What has to be compressed again of what was compressed for good shall not grow by much, nor
    // take as long.
    const Compression effort =
        pack.is_optimized() ? Compression::kSmall : store_->compression_.load();
    writer = std::make_unique<PackWriter>(store_->folder_, EffortOf(effort));
  }
  const uint32_t raw_length = pack.frames()[frame].raw_length;
  uint64_t live_length = 0;
  for (const IndexEntry& entry : live) live_length += entry.length;
  if (live_length == raw_length && raw_length >= FullFrameBytes(live.front())) {
    HELIOS_TRY_ASSIGN(const Bytes bytes, pack.ReadRawFrame(frame));
    return writer->PutFrame(bytes, raw_length, std::move(live));
  }
  HELIOS_TRY_ASSIGN(const DecodedFrame decoded, pack.ReadFrame(frame));
  for (const IndexEntry& entry : live) {
    HELIOS_TRY(writer->Put(KeyOf(entry), decoded.view().substr(entry.offset, entry.length)));
  }
  return {};
}

Result<bool> PackSweep::IsHeldElsewhere(const ObjectKey& key) {
  for (const PackPointer& pack : others_) {
    const Result<std::optional<Location>> location = pack->Find(key);
    if (!location && !IsDamage(location.error())) return location.error();
    if (!location || !location->has_value()) continue;
    const auto place =
        std::make_pair(static_cast<const PackReader*>(pack.get()), (*location)->frame);
    {
      MutexLock lock(mutex_);
      const auto known = looked_at_.find(place);
      if (known != looked_at_.end() && known->second) return true;
      if (known != looked_at_.end()) continue;
    }
    const Result<Bytes> frame = pack->ReadRawFrame(place.second);
    if (!frame && !IsDamage(frame.error())) return frame.error();
    MutexLock lock(mutex_);
    looked_at_[place] = frame.has_value();
    if (frame) return true;
  }
  return false;
}

Result<void> PackSweep::Publish(std::vector<Worker>& workers) {
  std::vector<std::unique_ptr<PackWriter>> writers;
  for (Worker& worker : workers) {
    if (worker.writer != nullptr) writers.push_back(std::move(worker.writer));
    if (worker.from_optimized != nullptr) writers.push_back(std::move(worker.from_optimized));
  }
  if (writers.empty()) return {};
  // Each waits for the disk: together they wait once.
  HELIOS_TRY(TaskStack::Run(static_cast<unsigned>(writers.size()), [&](TaskStack& tasks) {
    for (const std::unique_ptr<PackWriter>& writer : writers) {
      tasks.Push([&writer](unsigned) { return writer->Publish(); });
    }
  }));
  for (const std::unique_ptr<PackWriter>& writer : writers) {
    figures_.written_bytes += FileBytes(store_->folder_ + "/" + writer->published_name() + ".pack");
  }
  return store_->Sync();
}

Result<void> PackSweep::SaveRevived() {
  std::vector<ObjectKey> revived;
  std::erase_if(doomed_, [&](const ObjectKey& key) {
    const bool is_live = request_.is_live(key);
    if (is_live) revived.push_back(key);
    return is_live;
  });
  if (revived.empty()) return {};
  Result<void> copied = CopyRevived(revived);
  if (copied || (!IsDamage(copied.error()) && !IsFullDisk(copied.error()))) return copied;
  // Then their packs stay. What was copied of these lies in the store twice until the next sweep
  // finds it so.
  for (const ObjectKey& key : revived) {
    std::erase_if(chosen_, [&key](const PackPointer& pack) {
      const Result<std::optional<Location>> location = pack->Find(key);
      return !location || location->has_value();
    });
  }
  return {};
}

Result<void> PackSweep::CopyRevived(const std::vector<ObjectKey>& revived) {
  PackWriter writer(store_->folder_, EffortOf(store_->compression_));
  uint64_t bytes = 0;
  for (const ObjectKey& key : revived) {
    for (const PackPointer& pack : chosen_) {
      HELIOS_TRY_ASSIGN(const std::optional<Location> location, pack->Find(key));
      if (!location) continue;
      bytes += location->length;
      if (bytes > kRevivedBytesMax) {
        return Error(ErrorCode::kNoSpace, "too much is wanted again to be copied now");
      }
      HELIOS_TRY_ASSIGN(const auto frame, store_->LoadFrame(pack, location->frame));
      HELIOS_TRY(writer.Put(key, frame->view().substr(location->offset, location->length)));
      break;
    }
  }
  HELIOS_TRY(writer.Publish());
  figures_.written_bytes += FileBytes(store_->folder_ + "/" + writer.published_name() + ".pack");
  return store_->Sync();
}

Result<void> PackSweep::Remove() {
  HELIOS_TRY(SaveRevived());
  HELIOS_TRY(store_->RaiseGeneration());
  uint64_t freed = 0;
  for (const PackPointer& pack : chosen_) {
    // A name that is no pack's, given at once: to free the space of a large file takes a while.
    const std::string name = store_->folder_ + "/.tmp-" + RandomName();
    if (::rename(pack->path().c_str(), name.c_str()) != 0) {
      if (errno == ENOENT) continue;
      return Error::FromErrno(errno, "remove pack", pack->path());
    }
    removed_.push_back(name);
    freed += pack->file_bytes();
    ++figures_.parts_removed;
    store_->files_->Close(pack.get());
  }
  figures_.freed_objects += doomed_.size();
  figures_.freed_bytes += freed;
  chosen_.clear();
  chosen_from_.clear();
  others_.clear();
  return {};
}

Result<void> PackSweep::FinishRemoval() {
  if (removed_.empty()) return {};
  for (const std::string& name : removed_) {
    if (::unlink(name.c_str()) != 0 && errno != ENOENT) {
      return Error::FromErrno(errno, "remove", name);
    }
  }
  removed_.clear();
  // Else a power cut could bring back a part of what the caller was told is gone.
  HELIOS_TRY(store_->Refresh());
  return store_->Sync();
}

}  // namespace helios::pack

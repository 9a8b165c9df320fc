#include "store/pack/pack_optimizer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/codec.h"
#include "base/thread_pool.h"
#include "object/hash.h"

namespace helios::pack {
namespace {

// Packs that were written folder by folder are read in nearly their order: this much spares
// decoding most frames twice. For each thread.
constexpr size_t kSourceCacheBytes = size_t{8} << 20;

// Objects of one class share frames.
constexpr size_t kClasses = 4;
size_t ClassOf(uint8_t kind) {
  switch (static_cast<ObjectKind>(kind)) {
    case ObjectKind::kBlob:
      return 0;
    case ObjectKind::kTree:
      return 1;
    case ObjectKind::kAttributes:
      return 2;
    case ObjectKind::kManifest:
    case ObjectKind::kRecord:
      break;
  }
  return 3;
}

bool IsStoredFrame(ByteView frame) {
  return IsStored(static_cast<Encoding>(LoadLittleEndian<FrameHeader>(frame.data()).encoding));
}

}  // namespace

Result<void> CheckFrames(const PackReader& pack) {
  for (uint32_t frame = 0; frame < pack.frames().size(); ++frame) {
    HELIOS_TRY(pack.ReadRawFrame(frame));
  }
  return {};
}

Result<void> PackOptimizer::Run() {
  HELIOS_TRY(ListSources());
  Arrange();
  CutIntoFrames();
  return CompressFrames();
}

Error PackOptimizer::Blame(uint32_t pack, Error error) {
  MutexLock lock(mutex_);
  if (damaged_pack_ == nullptr) damaged_pack_ = packs_[pack].get();
  return error;
}

Result<void> PackOptimizer::ListSources() {
  for (uint32_t pack = 0; pack < packs_.size(); ++pack) {
    const Result<std::vector<IndexEntry>> entries = packs_[pack]->ReadEntries();
    if (!entries) return Blame(pack, entries.error());
    for (const IndexEntry& entry : *entries) sources_.push_back({entry, pack});
  }
  std::sort(sources_.begin(), sources_.end(), [](const Source& a, const Source& b) {
    const int order = CompareEntries(a.entry, b.entry);
    return order != 0 ? order < 0 : a.pack < b.pack;
  });
  const auto is_same = [](const Source& a, const Source& b) {
    return CompareEntries(a.entry, b.entry) == 0;
  };
  sources_.erase(std::unique(sources_.begin(), sources_.end(), is_same), sources_.end());
  return {};
}

void PackOptimizer::Arrange() {
  std::array<std::vector<uint32_t>, kClasses> classes;
  std::vector<bool> is_placed(sources_.size(), false);
  const auto place = [&](size_t source) {
    if (is_placed[source]) return;
    is_placed[source] = true;
    classes[ClassOf(sources_[source].entry.kind)].push_back(static_cast<uint32_t>(source));
  };
  for (const ObjectKey& key : request_.order) {
    const auto found = std::lower_bound(
        sources_.begin(), sources_.end(), key, [](const Source& source, const ObjectKey& wanted) {
          const int order = std::memcmp(source.entry.id, wanted.digest.bytes.data(), Digest::kSize);
          return order != 0 ? order < 0 : source.entry.kind < static_cast<uint8_t>(wanted.kind);
        });
    if (found != sources_.end() && KeyOf(found->entry) == key) {
      place(static_cast<size_t>(found - sources_.begin()));
    }
  }
  std::vector<uint32_t> rest;
  for (uint32_t i = 0; i < sources_.size(); ++i) {
    if (!is_placed[i]) rest.push_back(i);
  }
  std::sort(rest.begin(), rest.end(), [this](uint32_t a, uint32_t b) {
    const Source& one = sources_[a];
    const Source& other = sources_[b];
    if (one.pack != other.pack) return one.pack < other.pack;
    if (one.entry.frame != other.entry.frame) return one.entry.frame < other.entry.frame;
    return one.entry.offset < other.entry.offset;
  });
  for (const uint32_t i : rest) place(i);
  for (const std::vector<uint32_t>& members : classes) {
    sequence_.insert(sequence_.end(), members.begin(), members.end());
  }
}

void PackOptimizer::CutIntoFrames() {
  const Effort effort = OptimizingEffort();
  FrameRun run{0, 0};
  size_t run_bytes = 0;
  for (; run.end < sequence_.size(); ++run.end) {
    const IndexEntry& entry = sources_[sequence_[run.end]].entry;
    const size_t frame_bytes =
        ClassOf(entry.kind) == 0 ? effort.frame_bytes : effort.metadata_frame_bytes;
    const bool is_of_another_class =
        run.end > run.begin &&
        ClassOf(sources_[sequence_[run.begin]].entry.kind) != ClassOf(entry.kind);
    if (run.end > run.begin && (is_of_another_class || run_bytes + entry.length > frame_bytes ||
                                run.end - run.begin == kFrameMembersMax)) {
      runs_.push_back(run);
      run.begin = run.end;
      run_bytes = 0;
    }
    run_bytes += entry.length;
  }
  if (run.end > run.begin) runs_.push_back(run);
}

Result<void> PackOptimizer::CompressFrames() {
  if (request_.progress != nullptr) {
    request_.progress->files = 0;
    request_.progress->bytes = 0;
    request_.progress->files_total = sequence_.size();
  }
  const unsigned threads = std::max(1u, request_.threads);
  return TaskStack::Run(threads, [this, threads](TaskStack& tasks) {
    for (unsigned i = 0; i < threads; ++i) {
      tasks.Push([this](unsigned) -> Result<void> {
        Worker worker;
        for (size_t run = next_run_++; run < runs_.size(); run = next_run_++) {
          // The others stop with the next frame.
          Result<void> compressed = CompressFrame(worker, runs_[run]);
          if (compressed) continue;
          next_run_ = runs_.size();
          return compressed;
        }
        return {};
      });
    }
  });
}

Result<void> PackOptimizer::CompressFrame(Worker& worker, const FrameRun& run) {
  worker.raw.clear();
  worker.members.clear();
  worker.entries.clear();
  for (size_t i = run.begin; i < run.end; ++i) {
    HELIOS_TRY(Gather(worker, sources_[sequence_[i]]));
  }
  HELIOS_TRY(WriteFrame(worker));
  objects_ += worker.members.size();
  bytes_ += worker.raw.size();
  if (request_.progress != nullptr) {
    request_.progress->files += worker.members.size();
    request_.progress->bytes += worker.raw.size();
  }
  return {};
}

Result<void> PackOptimizer::Gather(Worker& worker, const Source& source) {
  const Result<FramePointer> frame = LoadFrame(source.pack, source.entry.frame);
  if (!frame) return Blame(source.pack, frame.error());
  const ByteView bytes = (*frame)->view().substr(source.entry.offset, source.entry.length);
  const ObjectKey key = KeyOf(source.entry);
  if (HashObject(key.kind, bytes) != key.digest) {
    return Blame(source.pack,
                 Error(ErrorCode::kCorrupt, "damaged pack " + packs_[source.pack]->path() + ": " +
                                                key.ToString() + " has other bytes than its id"));
  }
  Member member{};
  member.length = source.entry.length;
  member.kind = source.entry.kind;
  worker.members.push_back(member);
  worker.entries.push_back(source.entry);
  worker.entries.back().offset = static_cast<uint32_t>(worker.raw.size());
  worker.raw.append(bytes);
  return {};
}

Result<void> PackOptimizer::WriteFrame(Worker& worker) {
  worker.frame.clear();
  HELIOS_TRY(worker.encoder.Append(worker.members, worker.raw, &worker.frame));
  if (IsStoredFrame(worker.frame) && worker.members.size() > 1) return WriteStored(worker);
  return Put(worker.frame, worker.raw, worker.entries);
}

Result<void> PackOptimizer::WriteStored(Worker& worker) {
  for (size_t begin = 0; begin < worker.members.size();) {
    std::vector<IndexEntry> entries;
    const size_t start = worker.entries[begin].offset;
    size_t length = 0;
    size_t end = begin;
    for (; end < worker.members.size(); ++end) {
      if (end > begin && length + worker.members[end].length > kFrameBytes) break;
      entries.push_back(worker.entries[end]);
      entries.back().offset = static_cast<uint32_t>(length);
      length += worker.members[end].length;
    }
    const ByteView raw = ByteView(worker.raw).substr(start, length);
    worker.frame.clear();
    HELIOS_TRY(worker.storer.Append({&worker.members[begin], end - begin}, raw, &worker.frame));
    HELIOS_TRY(Put(worker.frame, raw, std::move(entries)));
    begin = end;
  }
  return {};
}

Result<void> PackOptimizer::Put(ByteView frame, ByteView raw, std::vector<IndexEntry> entries) {
  // What it was made of will be removed: nobody could find out later.
  const Result<DecodedFrame> decoded = DecodeFrame(frame);
  if (!decoded || decoded->view() != raw) {
    return Error(ErrorCode::kFailed,
                 "a frame does not give back what was compressed: nothing was "
                 "replaced; is this machine's memory sound?");
  }
  MutexLock lock(writer_mutex_);
  return writer_->PutFrame(frame, static_cast<uint32_t>(raw.size()), std::move(entries));
}

Result<PackOptimizer::FramePointer> PackOptimizer::LoadFrame(uint32_t pack, uint32_t frame) {
  {
    MutexLock lock(mutex_);
    for (CachedFrame& cached : cache_) {
      if (cached.pack != pack || cached.frame != frame) continue;
      cached.last_use = ++clock_;
      return cached.decoded;
    }
  }
  HELIOS_TRY_ASSIGN(DecodedFrame read, packs_[pack]->ReadFrame(frame));
  auto decoded = std::make_shared<const DecodedFrame>(std::move(read));
  MutexLock lock(mutex_);
  cache_.push_back({pack, frame, ++clock_, decoded});
  cached_bytes_ += decoded->raw_length;
  while (cached_bytes_ > kSourceCacheBytes * std::max(1u, request_.threads)) {
    const auto oldest = std::min_element(
        cache_.begin(), cache_.end(),
        [](const CachedFrame& a, const CachedFrame& b) { return a.last_use < b.last_use; });
    cached_bytes_ -= oldest->decoded->raw_length;
    *oldest = std::move(cache_.back());
    cache_.pop_back();
  }
  return FramePointer(decoded);
}

}  // namespace helios::pack

#include "worktree/large_content.h"

#include <sys/mman.h>

#include <cstring>

#include "base/fd.h"
#include "base/ordered_tasks.h"
#include "object/hash.h"
#include "object/manifest.h"
#include "object/span_hash.h"
#include "object/tree.h"

namespace helios {
namespace {

// Segments that are lent, and given back.
class Lent {
 public:
  explicit Lent(SpareSegments* from) : from_(from) {}
  ~Lent() {
    for (std::unique_ptr<Segment>& segment : segments_) from_->GiveBack(std::move(segment));
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  // nullptr if there are no more.
  Segment* Take() {
    std::unique_ptr<Segment> segment = from_->Take();
    if (segment == nullptr) return nullptr;
    return segments_.emplace_back(std::move(segment)).get();
  }

 private:
  SpareSegments* const from_;
  std::vector<std::unique_ptr<Segment>> segments_;
};

class LargeReader {
 public:
  LargeReader(const ReadingTask& task, int fd, Segment* own, const ObjectSink& sink)
      : task_(task),
        fd_(fd),
        sink_(sink),
        lent_(task.spare),
        segments_{own},
        manifest_([this](const ObjectKey& key, ByteView bytes) {
          return sink_(task_.worker, key, bytes);
        }),
        chunks_(*task.tasks, task.worker) {}

  Result<FileContent> Read() {
    ByteView rest;  // what was read and is not cut yet
    for (bool at_end = false; !at_end;) {
      HELIOS_TRY_ASSIGN(Segment * segment, NextSegment());
      char* const buffer = segment->Buffer();
      if (!rest.empty()) std::memmove(buffer, rest.data(), rest.size());
      const size_t room = kSegmentBytes - rest.size();
      HELIOS_TRY_ASSIGN(const size_t count,
                        ReadAt(fd_, buffer + rest.size(), room, read_bytes_, "file"));
      at_end = count < room;
      read_bytes_ += count;
      rest = ByteView(buffer, rest.size() + count);
      if (at_end && read_bytes_ <= kWholeBlobBytesMax) return Whole(rest);
      AddChunks(segment, at_end, &rest);
    }
    HELIOS_TRY(chunks_.TakeAll());
    HELIOS_TRY_ASSIGN(const ManifestId manifest, manifest_.Finish());
    return FileContent{read_bytes_, {whole_.Finish()}, manifest};
  }

 private:
  struct Chunk {
    ByteView bytes;
    uint64_t offset;
    BlobId id;
    SpanHash span;
  };

  Result<FileContent> Whole(ByteView bytes) {
    FileContent content{bytes.size(), HashBlob(bytes), {}};
    HELIOS_TRY(sink_(task_.worker, content.id, bytes));
    return content;
  }

  // A segment of which no chunk is needed any more: one of our own, a spare one, or one of our own
  // after some work.
  Result<Segment*> NextSegment() {
    while (true) {
      for (Segment* segment : segments_) {
        if (segment->chunks == 0) return segment;
      }
      if (Segment* spare = lent_.Take()) {
        segments_.push_back(spare);
        return spare;
      }
      if (task_.tasks->HasFailed()) return Error(ErrorCode::kFailed, "given up");
      HELIOS_TRY(chunks_.TakeOldest());
    }
  }

  void AddChunks(Segment* segment, bool at_end, ByteView* rest) {
    while (!rest->empty()) {
      const ByteView chunk = rest->substr(0, NextChunkLength(*rest));
      // What ends with the bytes that there are may end elsewhere when more are.
      const bool may_be_longer =
          chunk.size() == rest->size() && chunk.size() < kFastCdc2020.max_bytes;
      if (may_be_longer && !at_end) return;
      Add(segment, chunk);
      rest->remove_prefix(chunk.size());
    }
  }

  void Add(Segment* segment, ByteView bytes) {
    auto chunk = std::make_shared<Chunk>(Chunk{bytes, cut_bytes_, {}, {}});
    cut_bytes_ += bytes.size();
    ++segment->chunks;
    const auto run = [this, chunk](unsigned worker) -> Result<void> {
      chunk->id = HashBlob(chunk->bytes);
      chunk->span = HashSpan(chunk->offset, chunk->bytes);
      return sink_(worker, chunk->id, chunk->bytes);
    };
    const auto take = [this, chunk, segment]() -> Result<void> {
      --segment->chunks;
      whole_.Add(chunk->span);
      return manifest_.AddChunk(chunk->bytes.size(), chunk->id);
    };
    chunks_.Add(run, take);
  }

  const ReadingTask& task_;
  const int fd_;
  const ObjectSink& sink_;
  Lent lent_;
  std::vector<Segment*> segments_;
  uint64_t read_bytes_ = 0;
  uint64_t cut_bytes_ = 0;
  SpanJoiner whole_;
  ManifestBuilder manifest_;
  OrderedTasks chunks_;  // the last: before anything else goes, whoever helps has ended
};

}  // namespace

// Where the system has them, two pages instead of a thousand, each of which would stop its first
// user for a while.
char* Segment::Buffer() {
  static_assert(kSegmentBytes % static_cast<size_t>(kHugePageBytes) == 0);
  if (bytes_ == nullptr) {
    bytes_.reset(static_cast<char*>(::operator new(kSegmentBytes, kHugePageBytes)));
    (void)::madvise(bytes_.get(), kSegmentBytes, MADV_HUGEPAGE);  // a wish
  }
  return bytes_.get();
}

SpareSegments::SpareSegments(size_t count) {
  while (free_.size() < count) free_.push_back(std::make_unique<Segment>());
}

std::unique_ptr<Segment> SpareSegments::Take() {
  MutexLock lock(mutex_);
  if (free_.empty()) return nullptr;
  std::unique_ptr<Segment> segment = std::move(free_.back());
  free_.pop_back();
  return segment;
}

void SpareSegments::GiveBack(std::unique_ptr<Segment> segment) {
  segment->chunks = 0;
  MutexLock lock(mutex_);
  free_.push_back(std::move(segment));
}

Result<FileContent> ReadLargeContent(const ReadingTask& task, int fd, Segment* own,
                                     const ObjectSink& sink) {
  own->chunks = 0;
  return LargeReader(task, fd, own, sink).Read();
}

}  // namespace helios

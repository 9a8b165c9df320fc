// Reads a large file's content into chunks, with every thread that has time.
#ifndef HELIOS_WORKTREE_LARGE_CONTENT_H_
#define HELIOS_WORKTREE_LARGE_CONTENT_H_

#include <functional>
#include <memory>
#include <new>
#include <vector>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "helios/ids.h"
#include "object/chunker.h"

namespace helios {

// Takes the objects that are made of files; called from several threads, each with its own
// `worker`.
using ObjectSink =
    std::function<Result<void>(unsigned worker, const ObjectKey& key, ByteView bytes)>;

struct FileContent {
  uint64_t size = 0;
  BlobId id;
  ManifestId manifest;  // above kWholeBlobBytesMax
};

// What is read at a time: two chunks of the largest size, or some seven as they are on average.
inline constexpr size_t kSegmentBytes = 2 * kFastCdc2020.max_bytes;

// A buffer, which takes memory from its first use on.
class Segment {
 public:
  char* Buffer();
  // How many chunks in it are still needed. For its user.
  size_t chunks = 0;

 private:
  static constexpr std::align_val_t kHugePageBytes{size_t{2} << 20};
  struct Delete {
    void operator()(char* bytes) const { ::operator delete(bytes, kHugePageBytes); }
  };
  std::unique_ptr<char, Delete> bytes_;
};

// Segments for whoever reads a large file, beside the one that each worker has: with them a file's
// reader is ahead of those who work on its chunks. Their number bounds the memory that large files
// take, whatever their size and number. Thread-safe.
class SpareSegments {
 public:
  explicit SpareSegments(size_t count);

  // nullptr if there is none at this moment.
  std::unique_ptr<Segment> Take() HELIOS_EXCLUDES(mutex_);
  void GiveBack(std::unique_ptr<Segment> segment) HELIOS_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::vector<std::unique_ptr<Segment>> free_ HELIOS_GUARDED_BY(mutex_);
};

// Who reads: a task that `worker` of `tasks` runs.
struct ReadingTask {
  TaskStack* tasks;
  unsigned worker;
  SpareSegments* spare;
};

// Reads the open file from its start to its end: cuts it into chunks on this thread, and has them
// hashed and given to the sink on all. What turns out to be no larger than kWholeBlobBytesMax is
// one blob. `own` is a segment to begin with. On return nobody works on the file any more.
Result<FileContent> ReadLargeContent(const ReadingTask& task, int fd, Segment* own,
                                     const ObjectSink& sink);

}  // namespace helios

#endif  // HELIOS_WORKTREE_LARGE_CONTENT_H_

#include "worktree/content_reader.h"

#include "object/hash.h"
#include "object/tree.h"

namespace helios {

static_assert(kSegmentBytes > kWholeBlobBytesMax + 1);

Result<FileContent> ContentReader::Read(const ReadingTask& task, int fd, uint64_t expected_bytes,
                                        const ObjectSink& sink) {
  if (expected_bytes > kWholeBlobBytesMax) {
    return ReadLargeContent(task, fd, &segment_, sink);
  }
  char* const buffer = segment_.Buffer();
  // One byte more than expected: a read that comes back short has seen the end.
  HELIOS_TRY_ASSIGN(size_t filled,
                    ReadSomeAt(fd, buffer, static_cast<size_t>(expected_bytes) + 1, 0));
  if (filled != expected_bytes) {
    HELIOS_TRY_ASSIGN(const size_t more,
                      ReadAt(fd, buffer + filled, kWholeBlobBytesMax + 1 - filled, filled));
    filled += more;
  }
  if (filled > kWholeBlobBytesMax) return ReadLargeContent(task, fd, &segment_, sink);
  const ByteView bytes(buffer, filled);
  FileContent content{filled, HashBlob(bytes), {}};
  HELIOS_TRY(sink(task.worker, content.id, bytes));
  return content;
}

}  // namespace helios

#include "worktree/content_reader.h"

#include <unistd.h>

#include <cerrno>

#include "base/fd.h"
#include "object/hash.h"
#include "object/tree.h"

namespace helios {
namespace {

// Reads the first `size` bytes of a file with one call, which may bring fewer.
Result<size_t> ReadBeginning(int fd, char* buffer, size_t size) {
  ssize_t n;
  do {
    n = ::pread(fd, buffer, size, 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return Error::FromErrno(errno, "read", "file");
  return static_cast<size_t>(n);
}

}  // namespace

static_assert(kSegmentBytes > kWholeBlobBytesMax + 1);

Result<FileContent> ContentReader::Read(const ReadingTask& task, int fd, uint64_t expected_bytes,
                                        const ObjectSink& sink) {
  if (expected_bytes > kWholeBlobBytesMax) {
    return ReadLargeContent(task, fd, &segment_, sink);
  }
  char* const buffer = segment_.Buffer();
  // One byte more than expected: a read that comes back short has seen the end.
  HELIOS_TRY_ASSIGN(size_t filled,
                    ReadBeginning(fd, buffer, static_cast<size_t>(expected_bytes) + 1));
  if (filled != expected_bytes) {
    HELIOS_TRY_ASSIGN(const size_t more,
                      ReadAt(fd, buffer + filled, kWholeBlobBytesMax + 1 - filled, filled, "file"));
    filled += more;
  }
  if (filled > kWholeBlobBytesMax) return ReadLargeContent(task, fd, &segment_, sink);
  const ByteView bytes(buffer, filled);
  FileContent content{filled, HashBlob(bytes), {}};
  HELIOS_TRY(sink(task.worker, content.id, bytes));
  return content;
}

}  // namespace helios

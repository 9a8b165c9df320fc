#include "worktree/content_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "object/chunker.h"
#include "object/hash.h"
#include "object/manifest.h"

namespace helios {
namespace {

// Two chunks of the largest size: what a cut needs to see, and room to read on.
constexpr size_t kBufferBytes = 2 * kFastCdc2020.max_bytes;
static_assert(kBufferBytes > kWholeBlobBytesMax + 1);

}  // namespace

ContentReader::ContentReader() : buffer_(new char[kBufferBytes]) {}

Result<size_t> ContentReader::Fill(int fd, size_t filled, size_t wanted) {
  while (filled < wanted) {
    const ssize_t n = ::read(fd, buffer_.get() + filled, wanted - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::FromErrno(errno, "read", "file");
    if (n == 0) break;
    filled += static_cast<size_t>(n);
  }
  return filled;
}

Result<FileContent> ContentReader::Read(int fd, uint64_t expected_bytes, const Sink& sink) {
  size_t filled = 0;
  if (expected_bytes <= kWholeBlobBytesMax) {
    // One byte more than expected: a read that comes back short has seen the end.
    const auto wanted = static_cast<size_t>(expected_bytes) + 1;
    ssize_t n;
    do {
      n = ::read(fd, buffer_.get(), wanted);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return Error::FromErrno(errno, "read", "file");
    filled = static_cast<size_t>(n);
  }
  if (filled != expected_bytes) {
    HELIOS_TRY_ASSIGN(filled, Fill(fd, filled, kWholeBlobBytesMax + 1));
  }
  if (filled > kWholeBlobBytesMax) return ReadLarge(fd, filled, sink);
  const ByteView bytes(buffer_.get(), filled);
  FileContent content{filled, HashBlob(bytes), {}};
  HELIOS_TRY(sink(content.id, bytes));
  return content;
}

Result<FileContent> ContentReader::ReadLarge(int fd, size_t filled, const Sink& sink) {
  Hasher whole;
  ManifestBuilder manifest(sink);
  uint64_t size = 0;
  size_t start = 0;
  bool at_end = false;
  while (true) {
    if (!at_end && filled - start < kFastCdc2020.max_bytes) {
      std::memmove(buffer_.get(), buffer_.get() + start, filled - start);
      filled -= start;
      start = 0;
      HELIOS_TRY_ASSIGN(filled, Fill(fd, filled, kBufferBytes));
      at_end = filled < kBufferBytes;
    }
    if (start == filled) break;
    const ByteView rest(buffer_.get() + start, filled - start);
    const ByteView chunk = rest.substr(0, NextChunkLength(rest));
    const BlobId id = HashBlob(chunk);
    whole.Update(chunk);
    HELIOS_TRY(sink(id, chunk));
    HELIOS_TRY(manifest.AddChunk(chunk.size(), id));
    start += chunk.size();
    size += chunk.size();
  }
  HELIOS_TRY_ASSIGN(const ManifestId manifest_id, manifest.Finish());
  return FileContent{size, {whole.Finish()}, manifest_id};
}

}  // namespace helios

// Reads one file's content into objects.
#ifndef HELIOS_WORKTREE_CONTENT_READER_H_
#define HELIOS_WORKTREE_CONTENT_READER_H_

#include <functional>
#include <memory>

#include "helios/ids.h"
#include "worktree/file_status.h"

namespace helios {

struct FileContent {
  uint64_t size = 0;
  BlobId id;
  ManifestId manifest;  // above kWholeBlobBytesMax
};

// Splits content into objects as design and format say: one blob up to 2 MiB, chunks and manifests
// above. Memory is flat, whatever the file. Used by one thread; its buffer is kept between files.
class ContentReader {
 public:
  using Sink = std::function<Result<void>(const ObjectKey& key, ByteView bytes)>;

  ContentReader();

  // Reads the open file from its start to its end. `expected_bytes` is what fstat said: a file that
  // has just so many is read in one call.
  Result<FileContent> Read(int fd, uint64_t expected_bytes, const Sink& sink);

 private:
  Result<FileContent> ReadLarge(int fd, size_t filled, const Sink& sink);
  // Reads until `wanted` bytes are there or the file ends. Returns the number of bytes there.
  Result<size_t> Fill(int fd, size_t filled, size_t wanted);

  std::unique_ptr<char[]> buffer_;
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_CONTENT_READER_H_

// Reads one file's content into objects.
#ifndef HELIOS_WORKTREE_CONTENT_READER_H_
#define HELIOS_WORKTREE_CONTENT_READER_H_

#include "worktree/large_content.h"

namespace helios {

// Splits content into objects as design and format say: one blob up to 2 MiB, chunks and manifests
// above. Memory is flat, whatever the file. Used by one worker; its buffer is kept between files.
class ContentReader {
 public:
  // Reads the open file from its start to its end; `expected_bytes` is what fstat said. A file that
  // has just so many, and is not large, is read in one call. In large ones the other threads of
  // `tasks` take part. `sink` is called by any of them, several at once.
  Result<FileContent> Read(const ReadingTask& task, int fd, uint64_t expected_bytes,
                           const ObjectSink& sink);

 private:
  Segment segment_;
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_CONTENT_READER_H_

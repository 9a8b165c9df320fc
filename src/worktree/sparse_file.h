// Files with holes: read without their holes, and written with them.
#ifndef HELIOS_WORKTREE_SPARSE_FILE_H_
#define HELIOS_WORKTREE_SPARSE_FILE_H_

#include "worktree/content_reader.h"

namespace helios {

// Whether a file of `size` bytes has a hole. Its position is 0 afterwards.
bool HasHoles(int fd, uint64_t size);

// As ContentReader::Read, of a file of more than kWholeBlobBytesMax bytes that has holes: nothing
// of them is read, and a chunk of nothing else is neither cut nor hashed anew (but as part of the
// whole). Fewer bytes than `size` were there if the content's size says so: then it counts for
// nothing.
Result<FileContent> ReadSparseContent(unsigned worker, int fd, uint64_t size,
                                      const ObjectSink& sink);

// Writes `bytes` at `offset` into a file in which there is nothing from there on, but for whole
// blocks of zeros. The file must be as long as it is to be already, or be made so afterwards.
Result<void> WriteAllButHoles(int fd, ByteView bytes, uint64_t offset, std::string_view what);

}  // namespace helios

#endif  // HELIOS_WORKTREE_SPARSE_FILE_H_

#include "worktree/sparse_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "object/chunker.h"
#include "object/hash.h"
#include "object/manifest.h"

namespace helios {
namespace {

constexpr size_t kChunkBytesMax = kFastCdc2020.max_bytes;
// Two of the largest chunks, as in ContentReader.
constexpr size_t kBufferBytes = 2 * kChunkBytesMax;
// What becomes a hole if it is all zeros: the block of most file systems.
constexpr size_t kBlockBytes = 4096;

bool IsAllZeros(ByteView bytes) {
  return bytes.front() == '\0' &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

// A file's bytes, those of its holes from nowhere.
class SparseSource {
 public:
  SparseSource(int fd, uint64_t size) : fd_(fd), size_(size) {}

  // How much of the hole at `offset` is left; 0 if there is none.
  uint64_t HoleBytesAt(uint64_t offset) {
    Find(offset);
    return is_hole_ ? end_ - offset : 0;
  }

  // Returns how many of the bytes were there: fewer only where the file ends early.
  Result<size_t> Read(char* out, size_t bytes, uint64_t offset) {
    size_t done = 0;
    while (done < bytes) {
      Find(offset + done);
      const auto part =
          static_cast<size_t>(std::min<uint64_t>(bytes - done, end_ - (offset + done)));
      size_t got = part;
      if (is_hole_) {
        std::memset(out + done, 0, part);
      } else {
        HELIOS_TRY_ASSIGN(got, ReadAt(fd_, out + done, part, offset + done, "file"));
      }
      done += got;
      if (got < part) break;
    }
    return done;
  }

 private:
  // Makes [begin_, end_) the hole or the data around `offset`, which is below the size.
  void Find(uint64_t offset) {
    if (offset >= begin_ && offset < end_) return;
    begin_ = offset;
    const off_t data = ::lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
    is_hole_ = data < 0 ? errno == ENXIO : static_cast<uint64_t>(data) > offset;
    // Nothing but a hole is left, or the file system does not tell.
    end_ = size_;
    const off_t end = is_hole_ ? data : ::lseek(fd_, static_cast<off_t>(offset), SEEK_HOLE);
    if (end > 0 && static_cast<uint64_t>(end) > offset) {
      end_ = std::min(size_, static_cast<uint64_t>(end));
    }
  }

  const int fd_;
  const uint64_t size_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  bool is_hole_ = false;
};

// The chunk that a long run of zeros is cut into.
const BlobId& ZeroChunkId() {
  static const BlobId id = HashBlob(Bytes(kChunkBytesMax, '\0'));
  return id;
}

class SparseReader {
 public:
  using Sink = std::function<Result<void>(const ObjectKey& key, ByteView bytes)>;

  SparseReader(int fd, uint64_t size, Sink sink)
      : source_(fd, size), size_(size), sink_(std::move(sink)), manifest_(sink_) {}

  Result<FileContent> Run() {
    while (at_ < size_) {
      if (source_.HoleBytesAt(at_) >= kChunkBytesMax) {
        HELIOS_TRY(AddZeroChunk());
        continue;
      }
      HELIOS_TRY_ASSIGN(const bool is_whole, Fill());
      if (!is_whole) return FileContent{at_, {}, {}};
      const ByteView rest(buffer_.get() + start_, filled_ - start_);
      const ByteView chunk = rest.substr(0, NextChunkLength(rest));
      const BlobId id = HashBlob(chunk);
      HELIOS_TRY(sink_(id, chunk));
      HELIOS_TRY(Add(chunk, id));
    }
    HELIOS_TRY_ASSIGN(const ManifestId manifest, manifest_.Finish());
    return FileContent{size_, {whole_.Finish()}, manifest};
  }

 private:
  // At the start of a chunk in at least so many zeros, there is no cut before the greatest length.
  Result<void> AddZeroChunk() {
    if (zeros_.empty()) {
      zeros_.assign(kChunkBytesMax, '\0');
      HELIOS_TRY(sink_(ZeroChunkId(), zeros_));
    }
    return Add(zeros_, ZeroChunkId());
  }

  Result<void> Add(ByteView chunk, const BlobId& id) {
    HELIOS_TRY(manifest_.AddChunk(chunk.size(), id));
    whole_.Update(chunk);
    at_ += chunk.size();
    start_ = std::min(start_ + chunk.size(), filled_);
    return {};
  }

  // Reads on until the buffer holds what a cut needs to see. False if the file ends early.
  Result<bool> Fill() {
    const size_t rest = filled_ - start_;
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(kBufferBytes, size_ - at_));
    if (rest >= std::min(wanted, kChunkBytesMax)) return true;
    std::memmove(buffer_.get(), buffer_.get() + start_, rest);
    start_ = 0;
    HELIOS_TRY_ASSIGN(const size_t got,
                      source_.Read(buffer_.get() + rest, wanted - rest, at_ + rest));
    filled_ = rest + got;
    return filled_ == wanted;
  }

  SparseSource source_;
  const uint64_t size_;
  const Sink sink_;
  ManifestBuilder manifest_;
  Hasher whole_;
  Bytes zeros_;      // a chunk of them, from the first time that it is needed
  uint64_t at_ = 0;  // where the next chunk begins: in the file, and in the buffer at start_
  const std::unique_ptr<char[]> buffer_{new char[kBufferBytes]};
  size_t start_ = 0;
  size_t filled_ = 0;
};

}  // namespace

bool HasHoles(int fd, uint64_t size) {
  const off_t hole = ::lseek(fd, 0, SEEK_HOLE);
  const bool has_holes = hole >= 0 && static_cast<uint64_t>(hole) < size;
  return ::lseek(fd, 0, SEEK_SET) == 0 && has_holes;
}

Result<FileContent> ReadSparseContent(unsigned worker, int fd, uint64_t size,
                                      const ObjectSink& sink) {
  const auto put = [&](const ObjectKey& key, ByteView bytes) { return sink(worker, key, bytes); };
  return SparseReader(fd, size, put).Run();
}

Result<void> WriteAllButHoles(int fd, ByteView bytes, uint64_t offset, std::string_view what) {
  const auto write = [&](size_t start, size_t end) -> Result<void> {
    if (start == end) return {};
    return WriteAllAt(fd, bytes.substr(start, end - start), offset + start, what);
  };
  size_t unwritten = 0;  // from here up to `at` nothing is a hole
  for (size_t at = 0, next; at < bytes.size(); at = next) {
    next = std::min(bytes.size(), at + kBlockBytes - (offset + at) % kBlockBytes);
    if (!IsAllZeros(bytes.substr(at, next - at))) continue;
    HELIOS_TRY(write(unwritten, at));
    unwritten = next;
  }
  return write(unwritten, bytes.size());
}

}  // namespace helios

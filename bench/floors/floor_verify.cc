// floor_verify: reads every frame of the packs in a folder, decompresses it and hashes each object
// in it, and nothing else: the floor of `helios verify`. Nothing is compared with anything. Run:
// floor_verify STORE/pack [--threads N]
#include <zstd.h>

#include <atomic>
#include <memory>

#include "common.h"

namespace floors {
namespace {

constexpr uint32_t kFrameMagic = 0x4d415246;  // "FRAM"
constexpr off_t kPackHeaderBytes = 16;

struct FrameHeader {
  uint32_t magic;
  uint32_t encoding;  // even: stored, odd: zstd
  uint32_t member_count;
  uint32_t raw_length;
  uint32_t payload_length;
  uint32_t check;
};

struct Member {
  uint32_t length;
  uint32_t kind;
};

struct Frame {
  int pack;
  off_t place;
  FrameHeader header;
};

void ReadAll(int fd, char* out, size_t size, off_t place) {
  for (size_t done = 0; done < size;) {
    const ssize_t count = pread(fd, out + done, size - done, place + static_cast<off_t>(done));
    if (count <= 0) FailErrno("pread", "a pack");
    done += static_cast<size_t>(count);
  }
}

std::vector<Frame> ListFrames(int pack) {
  std::vector<Frame> frames;
  for (off_t place = kPackHeaderBytes;;) {
    Frame frame{pack, place, {}};
    ReadAll(pack, reinterpret_cast<char*>(&frame.header), sizeof(frame.header), place);
    if (frame.header.magic != kFrameMagic) return frames;
    frames.push_back(frame);
    place += static_cast<off_t>(sizeof(FrameHeader) + frame.header.member_count * sizeof(Member) +
                                frame.header.payload_length);
  }
}

class alignas(64) Worker {
 public:
  Worker() : context_(ZSTD_createDCtx()) {}
  ~Worker() { ZSTD_freeDCtx(context_); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Verify(const Frame& frame) {
    const FrameHeader& header = frame.header;
    const size_t members_bytes = header.member_count * sizeof(Member);
    bytes_.resize(members_bytes + header.payload_length);
    ReadAll(frame.pack, bytes_.data(), bytes_.size(),
            frame.place + static_cast<off_t>(sizeof(FrameHeader)));
    const char* raw = bytes_.data() + members_bytes;
    if (header.encoding % 2 != 0) {
      raw_.resize(std::max<size_t>(raw_.size(), header.raw_length));
      const size_t result =
          ZSTD_decompressDCtx(context_, raw_.data(), header.raw_length, raw, header.payload_length);
      if (ZSTD_isError(result) || result != header.raw_length) Exit("a damaged frame");
      raw = raw_.data();
    }
    for (uint32_t i = 0; i < header.member_count; ++i) {
      Member member;
      std::memcpy(&member, bytes_.data() + i * sizeof(member), sizeof(member));
      blake3_hasher hasher;
      blake3_hasher_init(&hasher);
      blake3_hasher_update(&hasher, raw, member.length);
      uint8_t hash[BLAKE3_OUT_LEN];
      blake3_hasher_finalize(&hasher, hash, sizeof(hash));
      sum_ ^= hash[0];
      raw += member.length;
    }
    objects_ += header.member_count;
    raw_bytes_ += header.raw_length;
  }

  uint64_t objects() const { return objects_; }
  uint64_t raw_bytes() const { return raw_bytes_; }
  unsigned sum() const { return sum_; }

 private:
  ZSTD_DCtx* const context_;
  std::vector<char> bytes_;
  std::vector<char> raw_;
  uint64_t objects_ = 0;
  uint64_t raw_bytes_ = 0;
  unsigned sum_ = 0;
};

int Main(int argc, char** argv) {
  const Arguments arguments =
      ParseArguments(argc, argv, 1, "usage: floor_verify STORE/pack [--threads N]");
  const Stopwatch stopwatch;
  const int folder = OpenRoot(arguments.positional[0]);
  std::vector<char> buffer;
  std::vector<Frame> frames;
  ForEachEntry(folder, buffer, [&](const char* name, unsigned char) {
    const std::string_view view = name;
    if (view.size() < 5 || view.substr(view.size() - 5) != ".pack" || view[0] == '.') return;
    const int pack = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (pack < 0) FailErrno("open", view);
    const std::vector<Frame> found = ListFrames(pack);
    frames.insert(frames.end(), found.begin(), found.end());
  });
  std::vector<std::unique_ptr<Worker>> workers;
  for (size_t i = 0; i < arguments.threads; ++i) workers.push_back(std::make_unique<Worker>());
  std::atomic<size_t> next = 0;
  RunThreads(arguments.threads, [&](size_t i) {
    for (size_t at = next++; at < frames.size(); at = next++) workers[i]->Verify(frames[at]);
  });
  uint64_t objects = 0;
  uint64_t bytes = 0;
  unsigned sum = 0;
  for (const auto& worker : workers) {
    objects += worker->objects();
    bytes += worker->raw_bytes();
    sum ^= worker->sum();
  }
  std::printf("objects %ju bytes %ju sum %u seconds %.3f\n", uintmax_t{objects}, uintmax_t{bytes},
              sum, stopwatch.Seconds());
  return 0;
}

}  // namespace
}  // namespace floors

int main(int argc, char** argv) { return floors::Main(argc, argv); }

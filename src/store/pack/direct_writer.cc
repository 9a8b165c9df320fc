#include "store/pack/direct_writer.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/fd.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace helios::pack {
namespace {

std::atomic<int> writers{0};

// What the disk reads next, and no processor: it would only be fetched into the caches to be
// overwritten there, and drive out what is being hashed.
void CopyPastCaches(char* to, const char* from, size_t count) {
#if defined(__SSE2__)
  constexpr size_t kLine = 64;
  const size_t to_line = std::min(count, (kLine - reinterpret_cast<uintptr_t>(to) % kLine) % kLine);
  std::memcpy(to, from, to_line);
  size_t at = to_line;
  for (; at + kLine <= count; at += kLine) {
    const auto* source = reinterpret_cast<const __m128i*>(from + at);
    auto* target = reinterpret_cast<__m128i*>(to + at);
    const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
  }
  _mm_sfence();  // before another thread learns of it
  std::memcpy(to + at, from + at, count - at);
#else
  std::memcpy(to, from, count);
#endif
}

bool SetDirect(int fd, bool direct) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return false;
  return ::fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

}  // namespace

std::unique_ptr<DirectWriter> DirectWriter::Begin(int fd, uint64_t offset, std::string path) {
  if (writers.fetch_add(1) >= kWritersMax) {
    writers.fetch_sub(1);
    return nullptr;
  }
  std::unique_ptr<DirectWriter> writer(new DirectWriter(fd, offset, std::move(path)));
  return writer->Start() ? std::move(writer) : nullptr;
}

// The first block begins with what the file holds of the sector that it ends in.
DirectWriter::DirectWriter(int fd, uint64_t offset, std::string path)
    : fd_(fd), path_(std::move(path)), offset_(offset - offset % kAlignment) {
  for (Block& block : blocks_) {
    const std::align_val_t aligned{kBlockBytes};  // one huge page, where there are such
    block.bytes.reset(static_cast<char*>(::operator new(kBlockBytes, aligned)));
    (void)::madvise(block.bytes.get(), kBlockBytes, MADV_HUGEPAGE);  // a wish
  }
  blocks_[filling_].size = static_cast<size_t>(offset % kAlignment);
}

DirectWriter::~DirectWriter() {
  StopThread();
  (void)SetDirect(fd_, false);
  writers.fetch_sub(1);
}

bool DirectWriter::Start() {
  const Block& first = blocks_[filling_];
  if (!ReadExactlyAt(fd_, first.bytes.get(), first.size, offset_, path_)) return false;
  if (!SetDirect(fd_, true)) return false;
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    return false;  // there may be no more threads
  }
  return true;
}

Result<void> DirectWriter::Write(ByteView bytes) {
  while (!bytes.empty()) {
    Block& block = blocks_[filling_];
    const size_t count = std::min(bytes.size(), kBlockBytes - block.size);
    CopyPastCaches(block.bytes.get() + block.size, bytes.data(), count);
    block.size += count;
    bytes.remove_prefix(count);
    if (block.size == kBlockBytes) HELIOS_TRY(HandOver());
  }
  return {};
}

Result<void> DirectWriter::HandOver() {
  MutexLock lock(mutex_);
  ++full_;
  changed_.NotifyAll();
  while (full_ == kBlocks) changed_.Wait(mutex_);
  if (!outcome_) return Error(outcome_.error());
  filling_ = (filling_ + 1) % kBlocks;
  blocks_[filling_].size = 0;
  return {};
}

Result<void> DirectWriter::Finish() {
  StopThread();
  {
    MutexLock lock(mutex_);
    if (!outcome_) return Error(outcome_.error());
  }
  (void)SetDirect(fd_, false);
  return WriteAllAt(fd_, blocks_[filling_].view(), offset_, path_);
}

void DirectWriter::StopThread() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    is_ending_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void DirectWriter::Run() {
  for (size_t next = 0;; next = (next + 1) % kBlocks) {
    {
      MutexLock lock(mutex_);
      while (full_ == 0 && !is_ending_) changed_.Wait(mutex_);
      if (full_ == 0) return;
    }
    Result<void> written = WriteFull(blocks_[next]);
    MutexLock lock(mutex_);
    if (!written) outcome_ = std::move(written);
    --full_;
    changed_.NotifyAll();
  }
}

Result<void> DirectWriter::WriteFull(const Block& block) {
  Result<void> written = WriteAllAt(fd_, block.view(), offset_, path_);
  if (!written) {
    // Some disks refuse what others take, and half a block is no longer aligned.
    (void)SetDirect(fd_, false);
    written = WriteAllAt(fd_, block.view(), offset_, path_);
  }
  offset_ += block.size;
  return written;
}

}  // namespace helios::pack

// Writes a large pack's later bytes past the page cache, by a thread of its own.
#ifndef HELIOS_STORE_PACK_DIRECT_WRITER_H_
#define HELIOS_STORE_PACK_DIRECT_WRITER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "helios/ids.h"
#include "helios/result.h"

namespace helios::pack {

// The end of a file, from an offset on, in order. Bytes are copied into blocks, and one fills while
// those before it are written (O_DIRECT: the kernel copies nothing, and nothing else leaves its
// cache for it). For one thread at a time. Until Finish nothing of it is sure to be in the file.
class DirectWriter {
 public:
  static constexpr size_t kBlockBytes = size_t{2} << 20;
  static constexpr size_t kBlocks = 4;
  // How many of a process exist at once: their memory is all that writing takes.
  static constexpr int kWritersMax = 4;

  // nullptr where the file system, or the number of those that exist, does not allow it. The file,
  // open for reading and writing, ends at `offset`; `fd` stays the caller's, who leaves it alone
  // until Finish.
  static std::unique_ptr<DirectWriter> Begin(int fd, uint64_t offset, std::string path);
  ~DirectWriter();
  DirectWriter(const DirectWriter&) = delete;
  DirectWriter& operator=(const DirectWriter&) = delete;

  // Errors: of this write or an earlier one. After one only the destructor may be called.
  Result<void> Write(ByteView bytes) HELIOS_EXCLUDES(mutex_);
  // Waits for everything. Not yet durable: that takes a sync, as of any file. The end, which fills
  // no block, goes through the page cache. The last call.
  Result<void> Finish() HELIOS_EXCLUDES(mutex_);

 private:
  // What disks ask of offsets and lengths divides it.
  static constexpr uint64_t kAlignment = 4096;
  struct Delete {
    void operator()(char* bytes) const { ::operator delete (bytes, std::align_val_t{kBlockBytes}); }
  };
  struct Block {
    std::unique_ptr<char, Delete> bytes;
    size_t size = 0;
    ByteView view() const { return {bytes.get(), size}; }
  };

  DirectWriter(int fd, uint64_t offset, std::string path);
  // False if the file cannot be written so.
  bool Start();
  // The thread: writes what is handed over.
  void Run() HELIOS_EXCLUDES(mutex_);
  Result<void> WriteFull(const Block& block);
  // Gives the block that is full to the thread, and waits until another is free.
  Result<void> HandOver() HELIOS_EXCLUDES(mutex_);
  void StopThread() HELIOS_EXCLUDES(mutex_);

  const int fd_;
  const std::string path_;
  uint64_t offset_;  // of the next block in the file; the thread's while it runs
  // A ring: the caller fills one, behind it are those that the thread has to write.
  std::array<Block, kBlocks> blocks_;
  size_t filling_ = 0;
  Mutex mutex_;
  CondVar changed_;
  size_t full_ HELIOS_GUARDED_BY(mutex_) = 0;  // how many, the one that is being written included
  bool is_ending_ HELIOS_GUARDED_BY(mutex_) = false;
  Result<void> outcome_ HELIOS_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace helios::pack

#endif  // HELIOS_STORE_PACK_DIRECT_WRITER_H_

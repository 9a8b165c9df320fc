// What the programs of this folder share: the backends that they measure, each in a line, and the
// end of the program where something fails.
#ifndef HELIOS_BENCH_MEASURED_BACKENDS_H_
#define HELIOS_BENCH_MEASURED_BACKENDS_H_

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "helios/backend_library.h"
#include "helios/object_store.h"
#include "store/memory/memory_store.h"

namespace helios {

[[noreturn]] inline void Fail(const std::string& message) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, message.c_str());
  std::exit(1);
}
template <typename T>
T Must(Result<T> result) {
  if (!result) Fail(result.error().message());
  return std::move(result).value();
}
inline void Must(const Result<void>& result) {
  if (!result) Fail(result.error().message());
}

struct Measured {
  Backend backend;
  bool is_on_disk = true;  // what is opened again over the same folder holds the same objects
};

inline Backend MemoryBackend() {
  return {"memory", [](const std::string&) -> Result<void> { return {}; },
          [](const std::string&, const OpenOptions&) -> Result<std::unique_ptr<ObjectStore>> {
            return std::unique_ptr<ObjectStore>(std::make_unique<MemoryStore>());
          }};
}

// RocksDB is loaded by its own rows, so that it costs the others nothing.
inline std::vector<Measured> MeasuredBackends() {
  return {
      {MemoryBackend(), /*is_on_disk=*/false},
      {PackBackend()},
#ifdef HELIOS_BENCH_ROCKSDB
      {BackendFromLibrary("rocksdb", HELIOS_BENCH_ROCKSDB)},
#endif
  };
}

// Asks the kernel to forget the contents of the files below a folder; what it does not forget
// counts as warm.
inline void DropFromPageCache(const std::string& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ::fdatasync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

}  // namespace helios

#endif  // HELIOS_BENCH_MEASURED_BACKENDS_H_

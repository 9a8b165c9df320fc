#include "store/store_lock.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>

namespace helios {
namespace {

using Clock = std::chrono::steady_clock;

std::chrono::milliseconds Until(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

}  // namespace

Result<FileLock> ShareStore(const StorePaths& paths, std::chrono::milliseconds wait) {
  const auto deadline = Clock::now() + wait;
  const Result<FileLock> gate = FileLock::Acquire(paths.Gate(), FileLock::Mode::kShared, wait);
  // A store that has none, and that this process may not write to.
  if (!gate && gate.error().os_error() != ENOENT) return gate.error();
  return FileLock::Acquire(paths.Lock(), FileLock::Mode::kShared, Until(deadline));
}

namespace {

// The marker may be replaced while it is waited for.
Result<FileLock> LockMarker(const StorePaths& paths, FileLock::Mode mode,
                            std::chrono::milliseconds wait) {
  const auto deadline = Clock::now() + wait;
  while (true) {
    HELIOS_TRY_ASSIGN(std::optional<FileLock> lock,
                      FileLock::AcquireExisting(paths.Marker(), mode, Until(deadline)));
    if (!lock) return Error(ErrorCode::kNoStore, "no store at " + paths.root);
    struct stat locked;
    struct stat named;
    if (::fstat(lock->fd(), &locked) != 0 || ::stat(paths.Marker().c_str(), &named) != 0 ||
        (locked.st_ino == named.st_ino && locked.st_dev == named.st_dev)) {
      return *std::move(lock);
    }
  }
}

}  // namespace

Result<FileLock> UseBackend(const StorePaths& paths, std::chrono::milliseconds wait) {
  return LockMarker(paths, FileLock::Mode::kShared, wait);
}

Result<FileLock> TakeBackendAlone(const StorePaths& paths, std::chrono::milliseconds wait) {
  return LockMarker(paths, FileLock::Mode::kExclusive, wait);
}

Result<FileLock> TakeStoreAlone(const StorePaths& paths, std::chrono::milliseconds wait,
                                const GateTimes& times) {
  const auto deadline = Clock::now() + wait;
  std::optional<Error> held;  // by whom, when it was last tried
  for (auto shut = times.shut_first;; shut = std::min(2 * shut, times.shut_max)) {
    {
      const Result<FileLock> gate =
          FileLock::Acquire(paths.Gate(), FileLock::Mode::kExclusive, Until(deadline));
      if (!gate) return held ? *std::move(held) : gate.error();
      Result<FileLock> lock = FileLock::Acquire(paths.Lock(), FileLock::Mode::kExclusive,
                                                std::min(shut, Until(deadline)));
      if (lock || lock.error().code() != ErrorCode::kBusy || Clock::now() >= deadline) return lock;
      held = std::move(lock).error();
    }
    std::this_thread::sleep_for(std::min(times.open, Until(deadline)));
  }
}

}  // namespace helios

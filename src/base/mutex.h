// A mutex that clang's thread-safety analysis understands (-Wthread-safety).
#ifndef HELIOS_BASE_MUTEX_H_
#define HELIOS_BASE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define HELIOS_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define HELIOS_THREAD_ATTRIBUTE(x)
#endif
#define HELIOS_GUARDED_BY(x) HELIOS_THREAD_ATTRIBUTE(guarded_by(x))
#define HELIOS_REQUIRES(x) HELIOS_THREAD_ATTRIBUTE(requires_capability(x))
#define HELIOS_EXCLUDES(x) HELIOS_THREAD_ATTRIBUTE(locks_excluded(x))

namespace helios {

class HELIOS_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() HELIOS_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() HELIOS_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class HELIOS_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HELIOS_THREAD_ATTRIBUTE(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() HELIOS_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Wait while holding the mutex; check the condition in a loop around it.
class CondVar {
 public:
  void Wait(Mutex& mutex) HELIOS_REQUIRES(mutex) { condition_.wait(mutex); }
  // The same, but no longer than until `deadline`. False if that has passed.
  bool WaitUntil(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
      HELIOS_REQUIRES(mutex) {
    return condition_.wait_until(mutex, deadline) == std::cv_status::no_timeout;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace helios

#endif  // HELIOS_BASE_MUTEX_H_

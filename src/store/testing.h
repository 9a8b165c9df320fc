// What the tests of the store, of history and of the engine share: folders, objects, processes.
#ifndef HELIOS_STORE_TESTING_H_
#define HELIOS_STORE_TESTING_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "helios/object_store.h"
#include "object/hash.h"

namespace helios {

// gtest prints what it compares.
inline void PrintTo(const Error& error, std::ostream* out) {
  *out << "error " << static_cast<int>(error.code()) << ": " << error.message();
}
inline void PrintTo(ErrorCode code, std::ostream* out) {
  *out << "code " << static_cast<int>(code);
}
inline void PrintTo(const ObjectKey& key, std::ostream* out) { *out << key.ToString(); }

namespace test {

// ASSERT_TRUE(Ok(store->Sync())) shows the error if there is one.
template <typename T>
::testing::AssertionResult Ok(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "error " << static_cast<int>(result.error().code()) << ": " << result.error().message();
}

// Whether `result` is this error and its message holds `part`.
template <typename T>
::testing::AssertionResult Fails(const Result<T>& result, ErrorCode code, std::string_view part) {
  if (result) return ::testing::AssertionFailure() << "no error";
  if (result.error().code() == code && result.error().message().find(part) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure()
         << "error " << static_cast<int>(result.error().code()) << ": " << result.error().message()
         << "\nwanted code " << static_cast<int>(code) << " and \"" << part << "\"";
}

// A folder of the test's own, removed with everything in it.
class TempFolder {
 public:
  explicit TempFolder(const std::string& parent = ::testing::TempDir()) {
    std::string name = parent + "helios-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;  // what is left over is in the folder for temporary files
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline Bytes ReadWholeFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void WriteWholeFile(const std::string& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) std::abort();
}

// SplitMix64 (Steele, Lea, Flood 2014): the same numbers everywhere, from a seed that a failure
// shows.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 … end-1.
  size_t Below(size_t end) { return static_cast<size_t>(Next() % end); }

 private:
  uint64_t state_;
};

// Bytes that do not compress.
inline Bytes RandomBytes(size_t size, uint64_t seed) {
  Random random(seed);
  Bytes bytes;
  bytes.reserve(size + 8);
  while (bytes.size() < size) {
    const uint64_t word = random.Next();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  bytes.resize(size);
  return bytes;
}

// Bytes that compress well, different for each seed.
inline Bytes TextBytes(size_t size, uint64_t seed) {
  Bytes bytes;
  for (uint64_t line = 0; bytes.size() < size; ++line) {
    bytes += "line " + std::to_string(line) + " of text number " + std::to_string(seed) + "\n";
  }
  bytes.resize(size);
  return bytes;
}

inline constexpr ObjectKind kAllKinds[] = {ObjectKind::kBlob, ObjectKind::kManifest,
                                           ObjectKind::kTree, ObjectKind::kAttributes,
                                           ObjectKind::kRecord};

inline Object MakeObject(ObjectKind kind, Bytes bytes) {
  const Digest digest = HashObject(kind, bytes);
  return {{kind, digest}, std::move(bytes)};
}
inline Object MakeBlob(Bytes bytes) { return MakeObject(ObjectKind::kBlob, std::move(bytes)); }

// `count` small blobs, different for each seed.
inline std::vector<Object> MakeBlobs(size_t count, uint64_t seed, size_t size = 100) {
  std::vector<Object> objects;
  for (size_t i = 0; i < count; ++i) objects.push_back(MakeBlob(TextBytes(size, seed << 32 | i)));
  return objects;
}

inline std::vector<ObjectKey> KeysOf(const std::vector<Object>& objects) {
  std::vector<ObjectKey> keys;
  for (const Object& object : objects) keys.push_back(object.key);
  return keys;
}

// An Error unless the store gives exactly this object. For other threads and processes, where gtest
// cannot assert.
inline Result<void> ExpectHolds(ObjectStore& store, const Object& object) {
  HELIOS_TRY_ASSIGN(const std::optional<Bytes> bytes, store.Get(object.key));
  if (!bytes) return Error(ErrorCode::kMissingObject, "absent: " + object.key.ToString());
  if (*bytes != object.bytes) {
    return Error(ErrorCode::kFailed, "wrong bytes: " + object.key.ToString());
  }
  return {};
}
inline Result<void> ExpectHoldsAll(ObjectStore& store, const std::vector<Object>& objects) {
  for (const Object& object : objects) HELIOS_TRY(ExpectHolds(store, object));
  return {};
}

inline bool Has(ObjectStore& store, const ObjectKey& key) {
  const Result<std::vector<bool>> has = store.HasMany({&key, 1});
  EXPECT_TRUE(Ok(has));
  return has && has->size() == 1 && has->front();
}

// Every key with its object's size.
inline Result<std::map<ObjectKey, uint64_t>> ListKeys(ObjectStore& store) {
  std::map<ObjectKey, uint64_t> keys;
  HELIOS_TRY(store.ForEachKey([&](const ObjectKey& key, uint64_t size) -> Result<void> {
    keys[key] = size;
    return {};
  }));
  return keys;
}

// ---- A folder of packs ----

inline std::unique_ptr<ObjectStore> OpenPacks(const std::string& folder) {
  Result<std::unique_ptr<ObjectStore>> store = PackBackend().open(folder, {});
  EXPECT_TRUE(Ok(store));
  return store ? std::move(store).value() : nullptr;
}

// The names of the packs in a folder, sorted.
inline std::vector<std::string> PacksIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".pack")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

inline size_t TemporaryFilesIn(const std::string& folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    count += entry.path().filename().string().starts_with(".tmp-") ? 1 : 0;
  }
  return count;
}

// Processes that begin together. The calling process must have one thread only while it forks.
class Processes {
 public:
  Processes() {
    if (::pipe(gate_) != 0) std::abort();
  }
  ~Processes() {
    Release();
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
    for (const pid_t pid : pids_) ::waitpid(pid, nullptr, 0);
  }
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  // Runs `work` in a process of its own, once Release or WaitForAll is called.
  void Add(const std::function<Result<void>()>& work) {
    const pid_t pid = ::fork();
    if (pid < 0) std::abort();
    if (pid > 0) {
      pids_.push_back(pid);
      return;
    }
    WaitWorkAndExit(work);
  }
  void Release() {
    for (int& end : gate_) {
      if (end >= 0) ::close(end);
      end = -1;
    }
  }
  // How many of the processes did not succeed.
  int WaitForAll() {
    Release();
    int failed = 0;
    for (const pid_t pid : pids_) {
      int status = 0;
      ::waitpid(pid, &status, 0);
      failed += WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
    }
    pids_.clear();
    return failed;
  }

 private:
  // noexcept: an exception ends the child, and does not go on as a second test program.
  [[noreturn]] void WaitWorkAndExit(const std::function<Result<void>()>& work) noexcept {
    ::close(gate_[1]);
    char byte;
    while (::read(gate_[0], &byte, 1) > 0) {
    }
    const Result<void> result = work();
    if (!result) std::fprintf(stderr, "process: %s\n", result.error().message().c_str());
    ::_exit(result ? 0 : 1);  // not exit: what the parent owns is the parent's to clean up
  }

  int gate_[2] = {-1, -1};
  std::vector<pid_t> pids_;
};

}  // namespace test
}  // namespace helios

#endif  // HELIOS_STORE_TESTING_H_

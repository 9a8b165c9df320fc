#include "vst/tree_mapping.h"

#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "base/thread_pool.h"

namespace helios {
namespace {

// Folders are read independently of each other, by whoever has time.
class MappingReader {
 public:
  explicit MappingReader(const TreeReader& reader) : reader_(reader) {}

  // `claimed`: what is said to lie in the folder. Each is read once, however many places it has: a
  // small tree can be made that has more places than could ever be counted.
  Result<void> Enter(TaskStack& tasks, std::string path, const TreeId& folder,
                     const TreeTotals& claimed) HELIOS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      const auto [known, is_new] = claims_.try_emplace(folder.digest, claimed);
      if (known->second != claimed) return WrongTotals(folder);
      if (!is_new) return {};
    }
    tasks.Push([this, &tasks, path = std::move(path), folder, claimed](unsigned) -> Result<void> {
      return Read(tasks, path, folder, claimed);
    });
    return {};
  }

 private:
  Result<void> Read(TaskStack& tasks, const std::string& path, const TreeId& folder,
                    const TreeTotals& claimed) {
    TreeTotals found;
    const auto take = [&](std::span<TreeEntry> entries,
                          std::span<AttributesEntry>) -> Result<void> {
      for (const TreeEntry& entry : entries) {
        if (!AddTotals(entry.Totals(), &found)) return WrongTotals(folder);
        if (entry.kind != EntryKind::kDirectory) continue;
        HELIOS_TRY(Enter(tasks, path.empty() ? entry.name : path + "/" + entry.name,
                         TreeId{entry.id}, entry.below));
      }
      return {};
    };
    const Result<FileAttributes> read = reader_.ForEachPage(folder, nullptr, take);
    if (!read) return Located(path, read.error());
    if (found != claimed) return Located(path, WrongTotals(folder));
    return {};
  }

  static Error WrongTotals(const TreeId& folder) {
    return Contradiction(folder, "it has other totals than what refers to it says");
  }
  static Error Located(const std::string& path, Error error) {
    return path.empty() ? std::move(error) : std::move(error).WithContext(path);
  }

  const TreeReader& reader_;
  Mutex mutex_;
  std::unordered_map<Digest, TreeTotals, DigestHash> claims_ HELIOS_GUARDED_BY(mutex_);
};

}  // namespace

Result<void> CheckMapping(const TreeReader& reader, const TreeId& snapshot,
                          const TreeTotals& totals, unsigned threads) {
  MappingReader mapping(reader);
  return TaskStack::Run(threads, [&](TaskStack& tasks) {
    // The first claim stands alone: there is nothing yet that it could contradict.
    (void)mapping.Enter(tasks, "", snapshot, totals);
  });
}

}  // namespace helios

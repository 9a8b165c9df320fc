// What a look at every byte of an object store found, and what a repair of it did.
#ifndef HELIOS_STORE_CHECK_H_
#define HELIOS_STORE_CHECK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "helios/ids.h"
#include "helios/progress.h"
#include "helios/result.h"

namespace helios {

// So many places are listed; however many there are, all are counted.
inline constexpr size_t kDamageListedMax = 1000;

// One place that is damaged.
struct Damage {
  std::string file;                // its path; empty where a backend has no files of its own
  std::optional<uint64_t> offset;  // in it, in bytes
  std::optional<ObjectKey> object;
  // What is wrong, naming all of that. The code: kCorrupt; kUnsupported for what a newer build may
  // know; kFailed for what cannot be read by this user.
  Error error;
};

// Places that are damaged: the first ones listed, all counted.
struct DamageList {
  std::vector<Damage> listed;
  uint64_t count = 0;

  void Add(Damage damage) {
    ++count;
    if (listed.size() < kDamageListedMax) listed.push_back(std::move(damage));
  }
};

// What VerifyObjects is to look at. Callbacks are called on any thread, several at once.
struct VerifyObjectsRequest {
  // False: structures (tables, indexes) alone, no contents.
  bool contents = true;
  // Contents are read in pieces of a few MiB, each known by a number that stays the same for as
  // long as the piece does. Says whether one is read; empty: all are. What is not read counts as
  // whole if the structures that lead there are.
  std::function<bool(uint64_t piece)> reads;
  // Told of every object that structures name, once for each place where it lies: whether it is
  // whole there. May be empty.
  std::function<void(const ObjectKey& key, uint64_t size, bool is_whole)> object;
  unsigned threads = 1;
  Progress* progress = nullptr;  // counts objects and bytes; may be null
};

struct VerifyObjectsReport {
  uint64_t packs = 0;       // files that hold objects; 0 where the backend has no such thing
  uint64_t objects = 0;     // that were read and hashed, each as often as it is stored
  uint64_t bytes = 0;       // the same, before compression
  uint64_t file_bytes = 0;  // that were read
  DamageList damage;
};

// What RepairObjects is to do.
struct RepairObjectsRequest {
  // Nothing is changed; the report says what would be done.
  bool dry_run = false;
  unsigned threads = 1;
  Progress* progress = nullptr;  // may be null
};

struct RepairObjectsReport {
  uint64_t salvaged_objects = 0;       // that now lie in new files
  uint64_t salvaged_bytes = 0;         // before compression
  uint64_t lost_objects = 0;           // that indexes name and that are whole nowhere
  std::vector<std::string> set_aside;  // where damaged files lie now, or would
  std::vector<Error> left;             // what is as it was, and why
};

}  // namespace helios

#endif  // HELIOS_STORE_CHECK_H_

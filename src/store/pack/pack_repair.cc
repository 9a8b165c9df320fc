// What PackStore does with every byte of its packs: looking at them all, and bringing what is whole
// out of those that are damaged.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>

#include "base/durable_file.h"
#include "store/pack/pack_salvager.h"
#include "store/pack/pack_store.h"
#include "store/pack/pack_verifier.h"

namespace helios::pack {
namespace {

constexpr int kRoundsMax = 64;

Damage OfWholePack(const std::string& path, Error error) {
  return {path, std::nullopt, std::nullopt, std::move(error)};
}

}  // namespace

Result<bool> PackStore::VerifyPack(const std::string& name, const VerifyObjectsRequest& request,
                                   VerifyObjectsReport* report) const {
  // Opened anew: what was read before proves nothing about the file as it is.
  const Result<PackPointer> pack = PackReader::Open(folder_, name, files_);
  if (!pack) {
    if (IsGone(pack.error())) return false;
    if (!IsOfOnePack(pack.error())) return pack.error();
    ++report->packs;
    report->damage.Add(OfWholePack(folder_ + "/" + name, pack.error()));
    return true;
  }
  PackVerifier verifier(pack->get(), request);
  const Result<void> verified = verifier.Run();
  if (!verified && IsGone(verified.error())) return false;
  verifier.AddTo(report);
  if (verified) return true;
  if (!IsOfOnePack(verified.error())) return verified.error();
  report->damage.Add(OfWholePack(folder_ + "/" + name, verified.error()));
  return true;
}

// Merges and commits may go on: until a listing brings nothing new, and was not made while a pack
// was replaced by another.
Result<VerifyObjectsReport> PackStore::Verify(const VerifyObjectsRequest& request) {
  VerifyObjectsReport report;
  std::set<std::string> done;
  for (int round = 0; round < kRoundsMax; ++round) {
    HELIOS_TRY_ASSIGN(const uint64_t before, Generation());
    HELIOS_TRY_ASSIGN(std::vector<std::string> names, PackNames());
    HELIOS_TRY_ASSIGN(const uint64_t after, Generation());
    std::sort(names.begin(), names.end());
    bool is_new = before != after;
    for (const std::string& name : names) {
      if (done.contains(name)) continue;
      is_new = true;
      HELIOS_TRY_ASSIGN(const bool was_there, VerifyPack(name, request, &report));
      if (was_there) done.insert(name);
    }
    if (!is_new) return report;
  }
  return Error(ErrorCode::kBusy,
               "busy: the packs in " + folder_ + " changed faster than they could be read");
}

Result<RepairObjectsReport> PackStore::Repair(const RepairObjectsRequest& request) {
  RepairObjectsReport report;
  HELIOS_TRY_ASSIGN(const FileLock lock, LockMerge());
  HELIOS_TRY_ASSIGN(std::vector<std::string> names, PackNames());
  std::sort(names.begin(), names.end());
  KeySet whole;
  std::vector<std::string> damaged;
  for (const std::string& name : names) {
    Mutex mutex;
    std::vector<ObjectKey> keys;
    VerifyObjectsRequest verify;
    verify.threads = request.threads;
    verify.progress = request.progress;
    verify.object = [&](const ObjectKey& key, uint64_t, bool) {
      MutexLock keys_lock(mutex);
      keys.push_back(key);
    };
    VerifyObjectsReport verified;
    HELIOS_TRY_ASSIGN(const bool was_there, VerifyPack(name, verify, &verified));
    if (!was_there) continue;
    if (verified.damage.count > 0) {
      damaged.push_back(name);
    } else {
      for (const ObjectKey& key : keys) whole.Insert(key);
    }
  }
  std::vector<ObjectKey> named;
  for (const std::string& name : damaged) {
    HELIOS_TRY(RepairPack(name, request, &whole, &named, &report));
  }
  KeySet lost;
  for (const ObjectKey& key : named) {
    if (!whole.Contains(key)) lost.Insert(key);
  }
  report.lost_objects = lost.size();
  return report;
}

Result<void> PackStore::RepairPack(const std::string& name, const RepairObjectsRequest& request,
                                   KeySet* whole, std::vector<ObjectKey>* named,
                                   RepairObjectsReport* report) {
  const std::string path = folder_ + "/" + name;
  PackSalvager salvager(folder_, name, files_, whole);
  PackWriter writer(folder_, EffortOf(compression_), published_);
  Result<void> salvaged = salvager.Run(request.dry_run ? nullptr : &writer);
  if (!salvaged && IsOfOnePack(salvaged.error())) {
    report->left.push_back(std::move(salvaged).error());
    return {};
  }
  HELIOS_TRY(std::move(salvaged));
  named->insert(named->end(), salvager.named().begin(), salvager.named().end());
  report->salvaged_objects += salvager.objects();
  report->salvaged_bytes += salvager.bytes();
  // A newer build may read what this one cannot.
  const Result<PackPointer> opened = PackReader::Open(folder_, name, files_);
  const bool is_unknown =
      !opened && opened.error().code() == ErrorCode::kUnsupported && !salvager.has_known_frames();
  if (is_unknown || salvager.has_unknown_frames()) {
    report->left.push_back(is_unknown
                               ? opened.error()
                               : Error(ErrorCode::kUnsupported,
                                       "pack " + path + " holds what this build does not know"));
    if (!request.dry_run) HELIOS_TRY(writer.Publish());
    return {};
  }
  if (request.dry_run) {
    report->set_aside.push_back(folder_ + "/" + kDamagedFolder + "/" + name);
    return {};
  }
  HELIOS_TRY(writer.Publish());
  HELIOS_TRY(Sync());
  const bool lost_nothing = salvager.has_whole_index() &&
                            std::all_of(salvager.named().begin(), salvager.named().end(),
                                        [&](const ObjectKey& key) { return whole->Contains(key); });
  // What relies on the pack as it was goes on only if all of it is in the new one.
  if (lost_nothing && !writer.published_name().empty()) {
    NoteMerged({name}, writer.published_name() + ".pack");
  }
  // Before, for listings that would miss both; after, for those that still have the damaged one.
  HELIOS_TRY(RaiseGeneration());
  HELIOS_TRY_ASSIGN(std::string place, SetAside(name));
  HELIOS_TRY(RaiseGeneration());
  report->set_aside.push_back(std::move(place));
  return {};
}

Result<std::string> PackStore::SetAside(const std::string& name) const {
  const std::string aside = folder_ + "/" + kDamagedFolder;
  HELIOS_TRY(MakeFolder(aside));
  HELIOS_TRY(SyncFolder(folder_));
  struct stat status;
  std::string place = aside + "/" + name;
  if (::lstat(place.c_str(), &status) == 0) place += "-" + RandomName();
  if (::rename((folder_ + "/" + name).c_str(), place.c_str()) != 0) {
    return Error::FromErrno(errno, "set aside", folder_ + "/" + name);
  }
  HELIOS_TRY(SyncFolder(aside));
  HELIOS_TRY(SyncFolder(folder_));
  return place;
}

}  // namespace helios::pack

// A store root on disk: what makes a folder a store, and where its parts lie.
#ifndef HELIOS_STORE_STORE_ROOT_H_
#define HELIOS_STORE_STORE_ROOT_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/durable_file.h"
#include "helios/object_store.h"

namespace helios {

// The file that makes a folder a store. A scan that meets it knows that it met a store.
inline constexpr char kStoreMarkerFile[] = "helios-store";
// With which its text begins.
inline constexpr std::string_view kStoreMarkerLine = "helios store\n";
inline constexpr uint32_t kStoreVersion = 1;

// Where a store's objects are, as its marker says.
struct StoreIdentity {
  std::string backend;
  uint64_t moved = 0;  // how often they were moved to another backend
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

struct StorePaths {
  std::string root;
  std::string Marker() const { return root + "/" + kStoreMarkerFile; }
  std::string BackendFolder(const std::string& backend) const { return root + "/" + backend; }
  std::string OperationLog() const { return root + "/operations"; }
  std::string Workspaces() const { return root + "/workspaces"; }
  std::string Refs() const { return root + "/refs"; }
  // Whole files to share bytes with: a cache.
  std::string FileCache() const { return root + "/files"; }
  std::string Settings() const { return root + "/settings"; }
  std::string Metrics() const { return root + "/statistics"; }
  // Held shared by whoever relies on objects, exclusively by the collector (store_lock.h).
  std::string Lock() const { return root + "/lock"; }
  // Held exclusively by a collector that waits for that; others pass through it first.
  std::string Gate() const { return root + "/gate"; }
  // Which snapshots are held by processes that are alive (lease_table.h).
  std::string Leases() const { return root + "/leases"; }
  // How often objects were taken away (store_epoch.h).
  std::string Epoch() const { return root + "/epoch"; }
  // While objects are moved to another backend, and not longer (store_move.h).
  std::string Move() const { return root + "/move"; }
  // Damaged files that were replaced: for people.
  std::string Damaged() const { return root + "/damaged"; }
};

// Creates a store at `path`: whole, under a temporary name beside it, then renamed. An empty folder
// may be there already. If another process creates the same store meanwhile, theirs is taken.
// `compression`: its setting; absent leaves it to what stores do by default. Errors: kFailed if
// something else is there.
Result<void> CreateStore(const std::string& path, const Backend& backend,
                         const std::optional<Compression>& compression = std::nullopt);

// Writes the marker of the store at `path` anew, if the folder holds all else of a store of just
// one of `backends`: true then. The damaged one is kept in `aside`. `dry_run`: only says whether.
Result<bool> RepairMarker(const std::string& path, std::span<const Backend> backends,
                          const std::string& aside, bool dry_run);

// What the marker of the store at `path` says. Errors: kNoStore if there is no store, kCorrupt
// naming a marker that is not whole, kUnsupported naming a version that is not known, kFailed if
// another user owns it.
Result<StoreIdentity> ReadIdentity(const std::string& path);
// Replaces the marker: durable on return, and the old or the new one at any moment.
Result<void> WriteIdentity(const std::string& path, const StoreIdentity& identity);

// The one of `backends` that bears the name. Errors: kUnsupported, naming it and those.
Result<Backend> FindBackend(std::span<const Backend> backends, const std::string& name);

// Which of `backends` the store at `path` is made of. Errors: those of both.
Result<Backend> IdentifyStore(const std::string& path, std::span<const Backend> backends);

}  // namespace helios

#endif  // HELIOS_STORE_STORE_ROOT_H_

// L2: the persistent object store, as an interface that backends implement and decorators wrap.
#ifndef HELIOS_OBJECT_STORE_H_
#define HELIOS_OBJECT_STORE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "helios/compression.h"
#include "helios/ids.h"
#include "helios/progress.h"
#include "helios/result.h"
#include "helios/store_check.h"

namespace helios {

// No object is larger; larger files are chunked. Backends refuse more, in both directions.
inline constexpr size_t kObjectBytesMax = size_t{4} << 20;

struct Object {
  ObjectKey key;
  Bytes bytes;
};

// What a backend holds, as far as it knows without reading every object. A gauge of the store.
struct StoreTotals {
  uint64_t objects = 0;        // an object held twice counts twice until a merge
  uint64_t bytes = 0;          // before compression
  uint64_t bytes_on_disk = 0;  // 0 for a store in memory
  uint64_t packs = 0;          // files that hold objects; 0 where the backend has no such thing
};

// What compresses well together, and how to go about it.
struct OptimizeRequest {
  // Objects that resemble each other stand near each other: versions of a file one after the other,
  // files of a folder in their order. A hint: it may name what the store does not hold, and lack
  // what it does.
  std::span<const ObjectKey> order;
  unsigned threads = 1;
  Progress* progress = nullptr;  // may be null
};

// What became of the whole store.
struct OptimizeReport {
  uint64_t objects = 0;       // that were compressed anew
  uint64_t bytes = 0;         // the same, before compression
  uint64_t bytes_before = 0;  // on disk, of all that the store holds
  uint64_t bytes_after = 0;
  std::vector<Error> damage;  // what was left as it is because it is damaged
};

// Whether an object is to stay. Asked by several threads at once, and of one object more than once:
// what was to go may be wanted by the time that it would.
using LiveFilter = std::function<bool(const ObjectKey& key)>;

// What a sweep is about to give back, and what it gave back so far. On disk, as far as that can be
// said of objects that are compressed together.
struct SweepFigures {
  uint64_t objects = 0;        // that the store held, dead ones too
  uint64_t dead_objects = 0;   // when the sweep began
  uint64_t dead_bytes = 0;     // on disk
  uint64_t bytes_before = 0;   // on disk, of all that the store held
  uint64_t freed_objects = 0;  // gone
  uint64_t freed_bytes = 0;    // on disk: of the files that are gone
  uint64_t written_bytes = 0;  // on disk: what was written anew of what stays
  uint64_t parts_removed = 0;  // files that held objects
  std::vector<Error> damage;   // what was left as it is because it is damaged
};

// Takes objects away in steps, what costs least for what it gives back first: each step makes room
// for the next. Nobody else merges, optimizes or sweeps meanwhile; reading and putting go on. Used
// by one thread. Ended by whatever, at any moment, it loses nothing that is live; some of what is
// dead may then be gone and some not.
class ObjectSweep {
 public:
  virtual ~ObjectSweep() = default;
  // Looks at what there is to do, of what the store held when the sweep was opened: what came since
  // is not touched. Called once, when all that stays is known to is_live.
  virtual Result<void> Plan() = 0;
  // Gets the next step ready, for which everything that stays is written anew, durably, beside what
  // is there: the long part. False if nothing is left that is worth it. Errors: kNoSpace if there
  // is no room for any of the steps that are left; what was removed stays removed.
  virtual Result<bool> Prepare() = 0;
  // Removes what the step takes away, but for what has become live since: the short part. For the
  // collector alone, which holds the store exclusively.
  virtual Result<void> Remove() = 0;
  // What is so far.
  virtual SweepFigures Figures() const = 0;
};

struct SweepRequest {
  LiveFilter is_live;
  unsigned threads = 1;
};

// New objects on their way into a store. Used by one thread at a time, not always the same. What
// was put becomes visible to every reader at Publish, all of it or nothing; a batch that is
// destroyed unpublished leaves no trace. After an error it can only be destroyed.
class ObjectBatch {
 public:
  virtual ~ObjectBatch() = default;
  // Adds an object; `bytes` need not outlive the call. The caller vouches that they hash to the
  // key. Putting what the store or the batch already has is allowed and changes nothing that can be
  // seen.
  virtual Result<void> Put(const ObjectKey& key, ByteView bytes) = 0;
  // Makes everything visible. Durable after the next ObjectStore::Sync. Call once.
  virtual Result<void> Publish() = 0;
  // What the batch takes on disk so far, as far as it is known; 0 for a store in memory.
  virtual uint64_t BytesOnDisk() const { return 0; }
};

// Objects by (kind, id). Immutable: a key always means the same bytes.
//
// Thread-safe, and safe against other processes that use the same store. Every method can fail with
// kFailed (the medium), kCorrupt (damage, named) or kNoSpace; none throws.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // The object's bytes, or nullopt if the store does not hold it: absence is not an error.
  virtual Result<std::optional<Bytes>> Get(const ObjectKey& key) = 0;

  // As Get, without a copy where the store has the bytes in memory; nullptr if it does not hold the
  // object.
  virtual Result<std::shared_ptr<const Bytes>> GetShared(const ObjectKey& key);

  // Calls `sink(i, bytes)` once for each keys[i], in whatever order is cheapest; nullopt for the
  // absent. The view is valid during the call. An error of the sink ends the whole and is returned.
  using GetSink = std::function<Result<void>(size_t index, std::optional<ByteView> bytes)>;
  virtual Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) = 0;

  // Which of the keys the store holds. An object that another process published since this store
  // was opened may be reported absent; one reported present is present.
  virtual Result<std::vector<bool>> HasMany(std::span<const ObjectKey> keys) = 0;

  // A new, empty batch. Any number may be open at once; they never wait for each other.
  virtual Result<std::unique_ptr<ObjectBatch>> OpenBatch() = 0;

  // Puts all or nothing, visible on return, durable after Sync.
  Result<void> PutMany(std::span<const Object> objects);

  // Visits every key with the object's size in bytes, in no particular order, each at least once.
  using KeyVisitor = std::function<Result<void>(const ObjectKey& key, uint64_t size)>;
  virtual Result<void> ForEachKey(const KeyVisitor& visitor) = 0;

  // On return everything that was visible before the call, whoever published it, survives a power
  // cut.
  virtual Result<void> Sync() = 0;

  // Folds what has become fragmented; cheap when there is nothing to do. Never changes what is
  // held.
  virtual Result<void> Maintain() = 0;

  // Makes what the store holds as small as it can without changing it: takes its time. Others may
  // read and put meanwhile. Ended by whatever, at any moment, it loses nothing. Needs as much free
  // space as what it writes anew. Backends that have no smaller form only do what Maintain does.
  // Errors: kBusy if another process optimizes or merges longer than the bound; kNoSpace.
  virtual Result<OptimizeReport> Optimize(const OptimizeRequest& request);

  // Removes objects: for the collector alone, which holds the store exclusively. Absent keys are
  // ignored.
  virtual Result<void> Delete(std::span<const ObjectKey> keys) = 0;

  // Begins to take away what is not live. Errors: kBusy if others merge or optimize longer than the
  // bound.
  virtual Result<std::unique_ptr<ObjectSweep>> OpenSweep(SweepRequest request);

  // Changes whenever objects may have moved or gone (merges, deletions).
  virtual Result<uint64_t> Generation() = 0;

  virtual Result<StoreTotals> Totals() = 0;

  // The parts that the store's objects lie in at this moment (packs, say), each by a number of its
  // own. Whoever relies on objects without looking at each keeps them, and asks HasParts later.
  // Empty where there are no parts that could be lost one by one.
  virtual Result<std::vector<uint64_t>> Parts() { return std::vector<uint64_t>(); }
  // Whether each of these parts is still there and readable, or was merged into one that is. False
  // costs the caller time only: a store may forget that it merged what is long gone.
  virtual Result<bool> HasParts(std::span<const uint64_t> parts) { return parts.empty(); }

  // What is damaged of the structures that lead to the objects (indexes, tables): one error for
  // each thing that is, none if all is whole. Reads no contents and changes nothing.
  virtual Result<std::vector<Error>> Check() { return std::vector<Error>(); }

  // Looks at everything: every structure, and every byte of every object against its id. Changes
  // nothing; others may put, read and merge meanwhile. What is damaged is in the report, an error
  // only what kept it from looking. A backend without structures of its own reads every object.
  virtual Result<VerifyObjectsReport> Verify(const VerifyObjectsRequest& request);

  // Makes anew what structures can be made anew, and brings every object that is still whole to
  // where it is found. What is damaged is set aside, not deleted, after that is durable: ended by
  // whatever, at any moment, it loses nothing that could be read, and can be called again. For who
  // holds the store alone. A backend that has nothing to repair does nothing.
  virtual Result<RepairObjectsReport> Repair(const RepairObjectsRequest& request);

  // How hard the batches that are opened from now on compress. Whatever was put is read all the
  // same. Backends that have no choice ignore it.
  virtual void SetCompression(Compression) {}
};

// How a backend is opened.
struct OpenOptions {
  // How long to wait for another process that holds what only one may hold; then kBusy. Zero: not
  // at all.
  std::chrono::milliseconds lock_timeout = std::chrono::seconds(60);
};

// How a backend comes into being. `folder` is the backend's own folder inside the store root.
struct Backend {
  std::string name;
  // Makes an empty store in the empty folder.
  std::function<Result<void>(const std::string& folder)> create;
  // Errors: kBusy after options.lock_timeout, and those of the store.
  std::function<Result<std::unique_ptr<ObjectStore>>(const std::string& folder,
                                                     const OpenOptions& options)>
      open;
};

// The embedded default: immutable pack files.
Backend PackBackend();

}  // namespace helios

#endif  // HELIOS_OBJECT_STORE_H_

// The engine: one call per thing that a user does with a store and a workspace.
#ifndef HELIOS_ENGINE_H_
#define HELIOS_ENGINE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "helios/capture_report.h"
#include "helios/compression.h"
#include "helios/health_report.h"
#include "helios/ids.h"
#include "helios/link_mode.h"
#include "helios/migration.h"
#include "helios/object_store.h"
#include "helios/operations.h"
#include "helios/progress.h"
#include "helios/repair_report.h"
#include "helios/restore_mode.h"
#include "helios/result.h"
#include "helios/retention.h"
#include "helios/selection.h"
#include "helios/statistics.h"
#include "helios/store_info.h"
#include "helios/store_settings.h"
#include "helios/tree_path.h"
#include "helios/verify_report.h"
#include "helios/vst.h"
#include "helios/workspace.h"
#include "helios/write_report.h"

namespace helios {

struct Room;

struct EngineOptions {
  std::string store;              // the store's root folder
  std::vector<Backend> backends;  // those that a store may be made of
  // If there is no store yet: create one with this backend. Empty: that is an error (kNoStore).
  std::string create_with;
  // What the store must be made of: else kInvalidArgument. One that is created is made of it.
  // Empty: whatever it is.
  std::string backend;
  // How a store that is created compresses, and one that is there must: else kInvalidArgument.
  // Absent: as it is set, and by default where one is created.
  std::optional<Compression> compression;
  // Budget of the object cache, overhead included; 0 turns it off. Objects that are large beside it
  // may take more: at most 32 at a time, none larger than the whole.
  size_t l1_bytes_max = size_t{32} << 20;
  unsigned threads = 0;  // 0: as many as there are processors
  // How long to wait for another process that holds what only one may hold; then kBusy. Zero: not
  // at all; but what is held for one small write (the operation log, a ref) is waited for a second.
  // Absent: a minute, and ten where a collector waits for those who use the store.
  std::optional<std::chrono::milliseconds> lock_timeout;
  // How a restore is done that does not say it itself. Absent: eagerly for a workspace, lazily for
  // a VST.
  std::optional<RestoreMode> restore_mode;
  Progress* progress = nullptr;  // may be null; outlives the engine
  // The command line that the engine works for, for the operation log; long ones are cut off. May
  // be empty.
  std::vector<std::string> command;
  // Told what is being done and how long it took; for people who look for a fault. May be empty.
  std::function<void(const std::string& line)> debug;
};

struct InitReport {
  bool created = false;  // false: it was there
  std::string backend;
};

struct CommitRequest {
  Workspace workspace;
  std::string message;
  std::map<std::string, std::string> labels;
  std::string author;
  // Even if the workspace stands at a snapshot that was restored lazily: what is not on disk counts
  // as deleted.
  bool force = false;
  // How many bytes the store's objects may take on disk after it. Absent: what the settings say.
  std::optional<uint64_t> max_size;
};

struct CommitReport {
  SnapshotId snapshot;
  RecordId record;
  // Nothing had changed since this workspace's last commit or restore: `record` is that one's.
  bool unchanged = false;
  uint64_t files = 0;  // in the snapshot
  uint64_t bytes = 0;
  uint64_t new_objects = 0;     // that the store did not have
  uint64_t new_bytes = 0;       // before compression
  uint64_t reused_objects = 0;  // that it had, of those that were looked at
  uint64_t reused_bytes = 0;
  uint64_t files_hashed = 0;  // whose content was read
  CaptureReport capture;
};

struct VstCommitRequest {
  std::string message;
  std::map<std::string, std::string> labels;
  std::string author;
  // The branch to advance, without "heads/"; begun if it is not there. Empty: none, and the commit
  // is found by its ids alone.
  std::string branch;
};

struct VstCommitReport {
  SnapshotId snapshot;
  RecordId record;
  // Nothing had changed since the working set was opened or last committed durably, and neither
  // message nor labels were given: `record` is that one's.
  bool unchanged = false;
  uint64_t files = 0;  // in the snapshot
  uint64_t bytes = 0;
  uint64_t new_objects = 0;     // that the store did not have
  uint64_t new_bytes = 0;       // before compression
  uint64_t reused_objects = 0;  // that it had, of those that the working set did not know it had
  uint64_t reused_bytes = 0;
};

struct RestoreRequest {
  Workspace workspace;
  std::string id;
  Selection selection;  // if it selects less than everything, `@` stays where it is
  // Overwrite and delete even what no snapshot holds: a safety snapshot is taken first.
  bool force = false;
  bool delete_untracked = false;  // the same
  bool dry_run = false;
  PathSink on_path;  // told of every path that is to change, before anything does; may be empty
  // Lazy: the whole snapshot's mapping, path → object id, is read and verified, and `@` moves
  // there; no content is read and nothing on disk is touched. Not with a selection, force or
  // delete_untracked. Absent: EngineOptions::restore_mode.
  std::optional<RestoreMode> mode;
};

struct RestoreReport {
  RestoreMode mode = RestoreMode::kEager;
  SnapshotId snapshot;
  RecordId record;
  uint64_t files = 0;  // lazy: in the mapping
  uint64_t bytes = 0;
  // What was to be done, and under dry_run would be.
  uint64_t created = 0;
  uint64_t replaced = 0;
  uint64_t deleted = 0;
  uint64_t kept_untracked = 0;
  uint64_t attributes = 0;      // files of which only mode, time or extended attributes are set
  uint64_t type_changes = 0;    // of what is replaced or made way for
  uint64_t bytes_to_write = 0;  // of contents
  std::vector<std::string> conflicts;         // overwritten by force, or under dry_run in the way
  std::vector<std::string> conflict_reasons;  // for each of them why
  std::vector<std::string> kept;              // the first of kept_untracked; folders end with "/"
  Omission ignored;                           // what is never touched unless it is in the way
  // The safety snapshot that holds what the files were before, where any changed; files of which
  // the content had to be stored for it.
  std::optional<RecordId> safety;
  uint64_t saved_files = 0;
  uint64_t saved_bytes = 0;
  std::string operation;               // its id in the operation log; empty if nothing was done
  std::vector<std::string> leftovers;  // of a killed restore, that hold what nobody else does
  WriteReport written;
  std::vector<std::string> unmatched_patterns;
};

// One file of a snapshot.
struct ReadRequest {
  std::string id;
  TreePath path;
  Workspace workspace;  // what "@" refers to
  // The part to read: `length` bytes from `offset` on, or all up to the end. Where the file ends
  // before, there are fewer, or none: no error.
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

struct ReadReport {
  SnapshotId snapshot;
  RecordId record;
  std::string type;    // "file", "executable" or "symlink"
  uint64_t size = 0;   // of the whole file, or the symlink's target
  uint64_t bytes = 0;  // handed to the sink
};

// Takes the bytes of a file, or a symlink's target, piece by piece. Its error ends the read.
using ContentSink = std::function<Result<void>(std::string_view piece)>;

struct DiffRequest {
  std::string from;
  std::string to;
  Workspace workspace;  // what "@" refers to
  Selection selection;
};

struct DiffEntry {
  enum class Kind { kAdded, kChanged, kDeleted };
  Kind kind = Kind::kAdded;
  std::string path;
  std::string type_before;  // "file", "executable", "symlink", "directory", or empty
  std::string type_after;
  uint64_t size_before = 0;
  uint64_t size_after = 0;
};

struct DiffReport {
  SnapshotId from;
  SnapshotId to;
  uint64_t added = 0;
  uint64_t changed = 0;
  uint64_t deleted = 0;
  std::vector<DiffEntry> entries;  // ordered folder by folder, names by bytes
  std::vector<std::string> unmatched_patterns;
};

struct MaterializeRequest {
  std::string id;
  std::string out;      // made if it is not there
  Workspace workspace;  // what "@" refers to
  Selection selection;
  LinkMode link = LinkMode::kAuto;
};

struct MaterializeReport {
  SnapshotId snapshot;
  RecordId record;
  WriteReport written;
  // Files of the store's file cache that somebody had written to through a hard link, by their
  // place in it. They were made anew; whatever else is linked to the old ones holds what was
  // written.
  std::vector<std::string> written_through;
  std::vector<std::string> unmatched_patterns;
};

// A tag is a name that people give a record: the ref "tags/" + name.
struct TagRequest {
  Workspace workspace;  // what "@" refers to
  std::string name;     // without "tags/"
  std::string id = "@";
  bool move = false;  // take the name from the record that has it
};

struct TagReport {
  SnapshotId snapshot;
  RecordId record;
  std::optional<RecordId> replaced;  // where the tag pointed before
};

// A name that points to a record: "tags/v1", "heads/main".
struct NamedRecord {
  std::string name;
  RecordId record;
};

struct UndoReport {
  LoggedOperation undone;
  std::optional<RecordId> stands_at;  // the workspace, branch or tag; absent: nowhere
  RestoreReport files;                // what was done to them; its ids are of `undone.safety`
};

// What is to be verified.
struct VerifyRequest {
  // Snapshots, each by an id; none: the whole store.
  std::vector<std::string> ids;
  Workspace workspace;  // what "@" refers to
  Selection selection;  // of these snapshots; else kInvalidArgument
  // Structures alone: everything but the contents of files.
  bool structure = false;
  // Of the contents of the whole store, one of `parts` parts alone, counted from 1. Each piece of a
  // pack belongs to the same part for as long as the pack is there.
  unsigned part = 1;
  unsigned parts = 1;
  // Of the contents of the whole store, about this share, chosen at random: 0 to 1.
  double share = 1;
};

struct RepairRequest {
  bool dry_run = false;
  // Folders whose files may hold what was lost, and other stores that may.
  std::vector<Workspace> from_workspaces;
  std::vector<std::string> from_stores;
  // Notes in the operation log the records of whole snapshots that neither it nor a ref names. Done
  // in any case if the log was damaged; otherwise they are what killed commits left.
  bool recover_records = false;
};

struct OptimizeStoreReport {
  OptimizeReport store;
  uint64_t snapshots = 0;  // different ones whose files told what resembles what
  double seconds = 0;
};

struct CollectRequest {
  // What stays of the operation log. Absent: what the store's settings say.
  std::optional<RetentionRules> keep;
  bool dry_run = false;  // only say what would become of it
};

// What becomes of one record in one workspace or branch.
struct RetentionDecision {
  RecordId record;
  SnapshotId snapshot;
  std::string path;     // of the workspace; "heads/NAME" of a branch; empty for what is on none
  int64_t seconds = 0;  // since 1970, when it came there
  bool keep = true;
  std::vector<std::string> reasons;  // why it stays
};

struct CollectReport {
  bool dry_run = false;
  std::vector<RetentionDecision> decisions;  // line by line, each oldest first
  uint64_t records_removed = 0;              // of the decisions
  uint64_t operations_removed = 0;           // from the log
  uint64_t objects = 0;                      // that the store held
  uint64_t objects_dead = 0;                 // of these, that nothing needs
  uint64_t bytes_dead = 0;                   // on disk, their share
  uint64_t objects_removed = 0;
  uint64_t bytes_before = 0;  // on disk, of the whole store's objects
  uint64_t bytes_after = 0;
  uint64_t bytes_rewritten = 0;     // on disk: what stays and shared a file with what does not
  double seconds = 0;               // all of it
  double seconds_marking = 0;       // reading what stays
  double seconds_alone_max = 0;     // the longest time in which commits had to wait
  std::vector<std::string> damage;  // what was left as it is because it is damaged
};

struct StatisticsReport {
  std::string store;
  std::string backend;
  Metrics all;                             // of every process that used the store so far
  StoreTotals totals;                      // of the store
  std::optional<Compression> compression;  // absent if the setting cannot be read
  uint64_t operations = 0;
  uint64_t snapshots = 0;  // different ones in the operation log
  // Gauges of this process.
  uint64_t l1_items = 0;
  uint64_t l1_bytes = 0;
};

// One store, opened. Thread-safe. Several processes may each have one on the same store.
//
// Errors, besides each call's own: kBusy (another process holds the store longer than the bound),
// kCorrupt and kMissingObject (damage, named), kNoSpace, kFailed (the system refused, named).
class Engine {
 public:
  // Errors: kNoStore, kUnsupported (unknown format or backend, named).
  static Result<std::unique_ptr<Engine>> Open(EngineOptions options);
  // Creates the store if it is not there, as Open does. Errors: those of Open.
  static Result<InitReport> Init(const EngineOptions& options);
  // Looks at the store's structures and at where the workspace stands: not at every content, and
  // without repairing anything. What is wrong is in the report, an error only kNoStore.
  static Result<HealthReport> CheckHealth(const EngineOptions& options, const Workspace& workspace);
  // Looks at everything: every byte of every object against its id, every structure of the store,
  // and whether all that its snapshots refer to is there; of single snapshots, what they refer to.
  // Says which paths of which snapshots are lost. Changes nothing; others may commit meanwhile, and
  // a collector has to wait while snapshots are followed. What is damaged is in the report; errors:
  // kNoStore, kNotFound, kAmbiguous (the ids), kInvalidArgument, what kept it from looking. Memory
  // does not grow with contents: some 100 bytes for each object.
  static Result<VerifyReport> Verify(const EngineOptions& options, const VerifyRequest& request);

  // Makes a damaged store whole as far as that can be: brings whole objects out of damaged packs,
  // makes indexes, the operation log, refs and whatever is only a cache anew, takes what was lost
  // from other places, and says which paths of which snapshots are lost after all. Holds the store
  // alone meanwhile. Damaged files are set aside after what replaces them is durable, and never
  // deleted: ended by whatever, at any moment, it loses nothing that could be read, and goes on
  // when it is called again. Errors: kNoStore; kBusy; kNoSpace: it needs as much as the damaged
  // packs take.
  static Result<RepairReport> Repair(const EngineOptions& options, const RepairRequest& request);

  // Moves the store to another backend. Copies every object while others commit and read; reads
  // each back from the new backend, opened afresh, and compares it with its id; then, with the
  // store alone, does the same with what came since, and switches. Only then is the old backend's
  // folder removed; ids, history, refs, settings and statistics stay as they are. Collections have
  // to wait meanwhile. Ended by whatever, at any moment, it loses nothing, and the same call goes
  // on where it was. Engines that have the store open go on with the new backend. Memory: some 150
  // bytes for each object. Durable on return. Errors: kUnsupported (unknown backend); kBusy, naming
  // who works on the store or has it open longer than the bound; kCorrupt, kMissingObject naming
  // what is damaged in the store: Repair it; kNoSpace: it needs as much as the new backend takes;
  // kInvalidArgument if one to another backend was begun. After an error nothing was moved.
  static Result<MigrateReport> Migrate(const EngineOptions& options, const MigrateRequest& request);
  // Gives up what Migrate began and did not end, and its space back. Errors: kNotFound if there is
  // nothing; kBusy while it runs.
  static Result<AbortMigrationReport> AbortMigration(const EngineOptions& options);

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Takes a snapshot of the workspace. Durable on return: a power cut at any later moment leaves it
  // readable. What could not be captured whole is in the report. Beside the contents it keeps
  // modes, modification times, user extended attributes, which names are one file (hard links,
  // within the workspace) and which files have holes; the snapshot id depends on none of that.
  // Where a size is set that the store would grow beyond, it is collected first, as Collect does
  // without being told what to keep. Errors: kWouldLoseWork if the workspace stands at a snapshot
  // that was restored lazily; kNoSpace if the store would still grow beyond its size: then nothing
  // of the commit is left there.
  Result<CommitReport> Commit(const CommitRequest& request);

  // An empty working set over this store. The engine must outlive it and its forks.
  Result<Vst> NewVst();

  // A working set in the state of a snapshot: as Vst::Restore, lazily unless `mode` or else
  // EngineOptions::restore_mode says otherwise. `workspace`: what "@" refers to. Errors: kNotFound,
  // kAmbiguous.
  Result<Vst> OpenVst(const std::string& id, const Workspace& workspace = {},
                      std::optional<RestoreMode> mode = std::nullopt);

  // Commits a working set of this engine durably: on return, all that it holds is in the store and
  // survives a power cut, and its forks know of what they share with it. Exactly the objects that
  // the store lacks are written. The record's parent is the one that the working set was opened
  // from or last committed as (forks inherit it); a branch advances if that is where it stands.
  // Threads may call this at the same time for different working sets: they share packs and syncs.
  //
  // Files come without modes and times: see Restore. Figures reach the store's statistics at most
  // once a second, and when the engine is closed.
  //
  // What the settings allow the store to take is kept as by Commit; of a commit from memory the
  // bytes before compression count.
  //
  // Errors: kStale if the branch has moved on: nothing is recorded, the working set stays as it is;
  // open the branch again and do the work upon that. kInvalidArgument (a branch of a name that none
  // may have; a working set of another engine). Otherwise those of writing, and it is not known
  // whether the commit will be found; the working set stays as it is and can be committed again.
  Result<VstCommitReport> CommitVst(Vst& vst, const VstCommitRequest& request);

  // Makes the workspace equal to a snapshot, touching only what differs. Paths that no snapshot of
  // this workspace holds stay. What Commit keeps beside the contents becomes equal, too: user
  // extended attributes that the snapshot does not have go, and names are linked and separated as
  // it has them; but no file is written only because it has holes or none. What the file system
  // refuses of that is in the report (WriteShortfall), and is no failure. Errors: kNotFound,
  // kAmbiguous; kWouldLoseWork, listing the paths, if content that no snapshot holds would go:
  // nothing has been touched then. By force that goes into a safety snapshot first; so Undo brings
  // back whatever a restore took. Of a snapshot that was committed from memory, contents,
  // executable bits and symlinks come back; new files have the mode that the process gives them,
  // and those whose content is right are not touched. Lazily it is durable on return, and
  // kMissingObject or kCorrupt, naming object and path, if a tree of the snapshot is not whole. An
  // eager restore ends what a lazy one began.
  Result<RestoreReport> Restore(const RestoreRequest& request);

  // Goes on with a restore or undo that did not come to its end, or back to how the workspace was
  // before it: by `abort` every file is as it was, what no snapshot held included. Whatever the
  // workspace has beside is left alone. Errors: kNotFound if none was interrupted; kWouldLoseWork
  // as Restore; kFailed: an earlier version of Helios began it, and it cannot be aborted.
  Result<RestoreReport> ResumeRestore(const ResumeRequest& request);

  // Takes back an operation of the workspace, or one that moved a ref: files become again what they
  // were, those of no snapshot included, and the workspace, branch or tag stands where it stood.
  // Files that the operation did not touch stay as they are. That is an operation as well: undone
  // in turn, it all comes back. Durable on return, as far as a restore is. Errors: kNotFound,
  // kAmbiguous; kFailed if others have built upon it since; kWouldLoseWork as Restore, also while a
  // restore is interrupted.
  Result<UndoReport> Undo(const UndoRequest& request);

  // How the workspace differs from where it stands. Changes nothing.
  Result<StatusReport> Status(const StatusRequest& request);

  // The operations of a workspace, or all, newest first.
  using OperationSink = std::function<void(const LoggedOperation& operation)>;
  Result<void> ForEachOperation(const OperationsRequest& request, const OperationSink& sink);
  // One by its id or the beginning of it. Errors: kNotFound, kAmbiguous.
  Result<LoggedOperation> FindOperation(const std::string& id);

  // Gives a file's content, or a symlink's target, or a part of it, to `sink`, on this thread and
  // without any workspace being touched: from L1, else from L2 by way of L1. Memory does not grow
  // with the file; of one above 2 MiB several threads get chunks, some 8 MB ahead of the sink, and
  // for a part only those chunks that hold something of it. Every piece is verified before the sink
  // sees it, down from the snapshot's id; a file above 2 MiB that is read to its end from its
  // beginning once more as a whole: what the sink took counts only if the call succeeds. Errors:
  // kNotFound (the id, or nothing at the path), kAmbiguous; kFailed for a folder; the sink's.
  Result<ReadReport> Read(const ReadRequest& request, const ContentSink& sink);

  // What differs between two snapshots.
  Result<DiffReport> Diff(const DiffRequest& request);

  // Writes a snapshot, or what is selected of it, into a folder that is not a workspace. Verified
  // as it is written; not synced. Hard links are made among what is selected. Errors: kUnsupported
  // if the links that `link` asks for cannot be made there, before anything is written.
  Result<MaterializeReport> Materialize(const MaterializeRequest& request);

  // Points a tag to a record, durably; then that is put into the operation log. Whoever takes an id
  // takes the tag from then on. Errors: kInvalidArgument (a name that no tag may have, with the
  // reason); kNotFound, kAmbiguous (the id); kFailed if there is a tag of that name and it is not
  // to be moved.
  Result<TagReport> Tag(const TagRequest& request);

  // Removes a tag, durably; the record stays. A tag whose file is damaged can be removed as well.
  // Errors: kInvalidArgument, kNotFound.
  // `workspace`: of which the operation is then one.
  Result<void> DeleteTag(const std::string& name, const Workspace& workspace = {});

  // Every tag and branch of the store, by name: "heads/main", "tags/v1". Errors: kCorrupt naming
  // the ref whose file is damaged.
  Result<std::vector<NamedRecord>> ListRefs();

  // How hard commits compress, in this process and in those that open the store from now on. What
  // was committed stays as it is and is read all the same. Durable on return. Errors: kCorrupt,
  // kUnsupported if the settings cannot be read; they can be set all the same.
  Result<Compression> GetCompression();
  Result<void> SetCompression(Compression compression);
  // All that a store is told; the same holds of it. Two who set them at once: the last one wins.
  Result<StoreSettings> GetSettings();
  Result<void> SetSettings(const StoreSettings& settings);

  // Compresses the store anew, as small as it gets: versions of a file and files of a folder
  // together. Takes minutes for a gigabyte, and about 90 MB of memory for each thread besides a few
  // tens of bytes for each object. Others may commit and read meanwhile; ended by whatever, at any
  // moment, it loses nothing. A second call only looks at what came since. Errors: kBusy if another
  // process optimizes; kNoSpace: it needs as much as it writes anew.
  Result<OptimizeStoreReport> Optimize();

  // Takes away what nothing needs, and gives its space back. There stay: what the retained part of
  // the operation log names, tags, where workspaces and branches stand, what an unfinished restore
  // was bringing, what any process has open. Others may commit, restore and read meanwhile: they
  // wait for moments. Ended by whatever, at any moment, it loses nothing of what stays. Needs free
  // space for what shares files with what goes, at most 1 GiB, and on a full disk for nothing that
  // can be had without. Errors: kBusy if another process collects, or works on the store longer
  // than the bound; kCorrupt, kMissingObject if what stays cannot be read: then nothing is taken
  // away; kNoSpace: what could be had without room was.
  Result<CollectReport> Collect(const CollectRequest& request);

  // Figures of the store and of all processes that used it.
  Result<StatisticsReport> Statistics();
  // What the store is made of, and what it holds.
  Result<StoreInfo> Info();

 private:
  class State;
  class Collector;
  class Migrator;
  Result<CommitReport> CommitOnce(const CommitRequest& request, Room* room);
  template <typename Report, typename Attempt>
  Result<Report> WithinSize(const std::optional<uint64_t>& max_size, const Attempt& commit);
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace helios

#endif  // HELIOS_ENGINE_H_

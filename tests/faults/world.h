// A store with workspaces, what was promised about them, and whether that is kept: what the tests
// of crashes and of failing calls share.
#ifndef HELIOS_TESTS_FAULTS_WORLD_H_
#define HELIOS_TESTS_FAULTS_WORLD_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "helios/engine.h"
#include "helios/object_store.h"
#include "store/testing.h"

namespace helios::faults {

// What these tests are about: each test program has one of its own.
Backend TestedBackend();
inline bool TestsPacks() { return TestedBackend().name == "pack"; }

// A number that an environment variable holds.
size_t FromEnvironment(const char* name, size_t otherwise);

// Path → content. Links count as their target; folders, and what Helios itself left under a
// temporary name, do not count.
using Files = std::map<std::string, std::string>;

Files ReadFiles(const std::string& folder);
// What of it a failure shows: paths and sizes.
std::string ListOf(const Files& files);
// Makes the file and the folders above it, by calls that the file layer sees.
void Write(const std::string& path, const std::string& content);
void RemoveFile(const std::string& path);

// What must hold of a store at some moment.
struct Promises {
  std::map<std::string, Files> snapshots;  // by record id: whole, with just these files
  // Of each tag and branch, and of each workspace by its name: the record ids at one of which it
  // stands; "" where it may stand at none.
  std::map<std::string, std::set<std::string>> refs;
  std::map<std::string, std::set<std::string>> workspaces;
  std::map<std::string, size_t> moves;  // of each tag: so many are in the log, or more
};

class World {
 public:
  static constexpr char kNotWhole[] = "could not be captured whole";

  World();

  const std::string& path() const { return folder_.path(); }
  std::string store() const { return folder_ / "world/store"; }
  // Workspaces are known by their names: a store may be looked at from elsewhere.
  std::string WorkspaceAt(const std::string& name) const { return folder_ / ("world/" + name); }
  Workspace WorkspaceOf(const std::string& name) const { return {WorkspaceAt(name), name, false}; }

  Result<std::unique_ptr<Engine>> Open(unsigned threads = 1) const;

  // Each does what it says, and promises what Helios then promises. What is under way may show or
  // not: from its beginning on, both the old and the new are allowed.
  // A commit that could not capture everything promises nothing, and is an error: kNotWhole.
  Result<CommitReport> Commit(Engine& engine, const std::string& workspace);
  // `id` is that of a record.
  Result<void> Tag(Engine& engine, const std::string& name, const std::string& id);
  Result<void> DeleteTag(Engine& engine, const std::string& name);
  // Lets go of all but where something stands.
  Result<void> Collect(Engine& engine);
  Result<VstCommitReport> CommitVst(Engine& engine, Vst& vst, const std::string& branch,
                                    const Files& files);
  Result<RestoreReport> Restore(Engine& engine, const std::string& workspace, const std::string& id,
                                RestoreMode mode = RestoreMode::kEager);

  // The number of whatever happens next; promises are noted under it. Set while it is recorded.
  std::function<size_t()> clock = [] { return size_t{0}; };
  // What holds at that moment, and how many promises were made up to then.
  const Promises& PromisedAt(size_t position) const;
  const Promises& Promised() const { return history_.back().promises; }
  size_t PromiseCount(size_t position) const;
  // What was promised when, and going on from there after a crash at `position`.
  struct Moment {
    size_t position = 0;
    Promises promises;
  };
  using History = std::vector<Moment>;
  const History& history() const { return history_; }
  void GoOnFrom(const History& history, size_t position);

 private:
  using Change = std::function<void(Promises& promises)>;
  // Holds from what happens at `position` on.
  void Allow(size_t position, const Change& change);
  void Promise(const Change& change);

  const test::TempFolder folder_;
  std::mutex mutex_;
  History history_{Moment()};
};

// To "other" or to "pack", in small steps.
Result<MigrateReport> MigrateStore(const std::string& store, const std::string& to);

// Reads back every byte of a record's snapshot.
Result<Files> ReadSnapshot(Engine& engine, const std::string& id);

struct CheckOptions {
  std::string store;
  // A workspace to go on in, "" for none; it is left as it was found.
  std::string workspace_path;
  std::string workspace_name;
};
// Opens the store and holds it against the promises: every snapshot promised is there with every
// byte; every other that the store knows of is whole; refs and workspaces stand where they may;
// the next commit works, and says the truth about the workspace.
Result<void> CheckStore(const Promises& promises, const CheckOptions& options);

// Makes `to` equal to `from`, times included; `to` itself stays the folder that it is.
void CopyFolder(const std::string& from, const std::string& to);
// Names below the folder of files that stand there for a moment only.
std::vector<std::string> TemporaryFilesBelow(const std::string& folder);

}  // namespace helios::faults

#endif  // HELIOS_TESTS_FAULTS_WORLD_H_

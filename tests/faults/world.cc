#include "faults/world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/durable_file.h"
#include "faults/file_layer.h"
#include "history/operation_log.h"
#include "store/store_root.h"

namespace helios::faults {
namespace {

namespace fs = std::filesystem;

EngineOptions OptionsFor(const std::string& store, unsigned threads) {
  EngineOptions options;
  options.store = store;
  Backend other = PackBackend();
  other.name = "other";
  options.backends = {TestedBackend(), other};
  options.create_with = TestedBackend().name;
  options.threads = threads;
  return options;
}

// Where thousands of states are built no disk should have to follow.
std::string InMemory() {
  return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : ::testing::TempDir();
}

Error Broken(std::string message) { return {ErrorCode::kFailed, std::move(message)}; }

Result<void> ReadInto(const Vst& vst, const std::string& folder, Files* files) {
  HELIOS_TRY_ASSIGN(const TreePath at, TreePath::Parse(folder));
  HELIOS_TRY_ASSIGN(const std::vector<VstEntry> entries, vst.List(at));
  for (const VstEntry& entry : entries) {
    const std::string path = folder.empty() ? entry.name : folder + "/" + entry.name;
    if (entry.kind == VstEntry::Kind::kDirectory) {
      HELIOS_TRY(ReadInto(vst, path, files));
    } else if (entry.kind == VstEntry::Kind::kSymlink) {
      (*files)[path] = "-> " + entry.target;
    } else {
      HELIOS_TRY_ASSIGN(const TreePath file, TreePath::Parse(path));
      HELIOS_TRY_ASSIGN(const std::shared_ptr<const Bytes> content, vst.Read(file));
      (*files)[path] = *content;
    }
  }
  return {};
}

Result<void> CheckSnapshots(Engine& engine, const Promises& promises) {
  for (const auto& [id, files] : promises.snapshots) {
    Result<Files> read = ReadSnapshot(engine, id);
    if (!read) return std::move(read).error().WithContext("acknowledged " + id);
    if (*read != files) {
      return Broken("acknowledged " + id + " holds" + ListOf(*read) + "\nnot" + ListOf(files));
    }
  }
  return {};
}

// Of what is in the log, acknowledged or not, each snapshot is whole. Where each line stands.
Result<std::map<std::string, std::string>> CheckLog(Engine& engine, const std::string& store,
                                                    const Promises& promises) {
  const StorePaths paths{store};
  const OperationLog log(paths.OperationLog(), paths.Workspaces());
  std::map<std::string, std::string> lines;
  std::set<std::string> ids;
  std::map<std::string, size_t> moves;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    if (!operation.ref.empty()) ++moves[operation.ref];
    if (operation.is_gone) lines.erase(operation.workspace);
    if (!operation.workspace.empty() && !operation.is_gone) {
      lines[operation.workspace] = FormatId(operation.record);
    }
    for (const RecordId& record : operation.Records()) ids.insert(FormatId(record));
  }));
  for (const auto& [tag, count] : promises.moves) {
    if (moves[tag] < count) return Broken("a move of " + tag + " is not in the log");
  }
  for (const std::string& id : ids) {
    const Result<Files> whole = ReadSnapshot(engine, id);
    if (!whole) return Broken("in the log: " + id + ": " + whole.error().message());
  }
  for (const auto& [line, id] : lines) {
    HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log.Latest(line));
    if (!latest || FormatId(latest->record) != id) return Broken("checkpoint and log differ");
  }
  return lines;
}

Result<void> CheckStands(const std::string& what, const std::string& at,
                         const std::set<std::string>& allowed) {
  if (allowed.contains(at)) return {};
  std::string message = what + " stands at \"" + at + "\", not at one of";
  for (const std::string& id : allowed) message += " \"" + id + "\"";
  return Broken(message);
}

Result<void> CheckRefs(Engine& engine, const Promises& promises) {
  HELIOS_TRY_ASSIGN(const std::vector<NamedRecord> refs, engine.ListRefs());
  std::map<std::string, std::string> found;
  for (const NamedRecord& ref : refs) {
    found[ref.name] = FormatId(ref.record);
    Result<Files> whole = ReadSnapshot(engine, FormatId(ref.record));
    if (!whole) return std::move(whole).error().WithContext(ref.name);
  }
  for (const auto& [name, allowed] : promises.refs) {
    HELIOS_TRY(CheckStands(name, found[name], allowed));
  }
  return {};
}

Result<std::string> CommitAndReadBack(const CheckOptions& options) {
  const Files files = ReadFiles(options.workspace_path);
  CommitRequest request;
  request.workspace = {options.workspace_path, options.workspace_name, false};
  request.force = true;  // the folder may be what a killed restore left
  std::string id;
  {
    HELIOS_TRY_ASSIGN(const std::unique_ptr<Engine> engine,
                      Engine::Open(OptionsFor(options.store, 1)));
    HELIOS_TRY_ASSIGN(const CommitReport report, engine->Commit(request));
    id = FormatId(report.record);
  }
  HELIOS_TRY_ASSIGN(const std::unique_ptr<Engine> engine,
                    Engine::Open(OptionsFor(options.store, 1)));
  HELIOS_TRY_ASSIGN(const Files read, ReadSnapshot(*engine, id));
  if (read == files) return id;
  return Broken("the next commit holds" + ListOf(read) + "\nnot" + ListOf(files));
}

Result<void> CheckGoesOn(const CheckOptions& options) {
  // What the stat index and the baseline say must be true, or not be believed.
  Result<std::string> as_it_is = CommitAndReadBack(options);
  if (!as_it_is) return std::move(as_it_is).error().WithContext("commit of what is there");
  const std::string added = options.workspace_path + "/after the crash";
  Write(added, "as if nothing had happened");
  Result<std::string> more = CommitAndReadBack(options);
  RemoveFile(added);
  if (!more) return std::move(more).error().WithContext("commit of more");
  HELIOS_TRY_ASSIGN(const std::unique_ptr<Engine> engine,
                    Engine::Open(OptionsFor(options.store, 1)));
  return ReadSnapshot(*engine, *as_it_is) ? Result<void>() : Broken("lost by the next commit");
}

}  // namespace

size_t FromEnvironment(const char* name, size_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : static_cast<size_t>(std::strtoull(given, nullptr, 10));
}

Files ReadFiles(const std::string& folder) {
  const Unwatched unwatched;
  Files files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const std::string path = entry.path().string().substr(folder.size() + 1);
    if (IsTemporaryName(entry.path().filename().string())) continue;
    if (entry.is_symlink()) {
      files[path] = "-> " + fs::read_symlink(entry.path()).string();
    } else if (entry.is_regular_file()) {
      files[path] = test::ReadWholeFile(entry.path());
    }
  }
  return files;
}

std::string ListOf(const Files& files) {
  std::string text;
  for (const auto& [path, content] : files) {
    text += "\n  " + path + " " + std::to_string(content.size()) + " bytes";
  }
  return text;
}

void Write(const std::string& path, const std::string& content) {
  fs::create_directories(fs::path(path).parent_path());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0 || ::write(fd, content.data(), content.size()) != ssize_t(content.size()))
    std::abort();
  ::close(fd);
}

void RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) != 0) std::abort();
}

World::World() : folder_(InMemory()) { fs::create_directory(folder_ / "world"); }

Result<std::unique_ptr<Engine>> World::Open(unsigned threads) const {
  return Engine::Open(OptionsFor(store(), threads));
}

const Promises& World::PromisedAt(size_t position) const {
  return history_[PromiseCount(position) - 1].promises;
}

size_t World::PromiseCount(size_t position) const {
  size_t count = 0;
  while (count < history_.size() && history_[count].position <= position) ++count;
  return count;
}

void World::GoOnFrom(const History& history, size_t position) {
  history_ = history;
  history_ = {Moment{0, PromisedAt(position)}};
}

void World::Allow(size_t position, const Change& change) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // At the position itself nothing of what begins there has happened.
  const auto next = history_.begin() + static_cast<ptrdiff_t>(PromiseCount(position + 1));
  const auto begun = history_.insert(next, Moment{position + 1, std::prev(next)->promises});
  for (auto moment = begun; moment != history_.end(); ++moment) change(moment->promises);
}

void World::Promise(const Change& change) {
  const std::lock_guard<std::mutex> lock(mutex_);
  history_.push_back({clock(), history_.back().promises});
  change(history_.back().promises);
}

Result<CommitReport> World::Commit(Engine& engine, const std::string& workspace) {
  const Files files = ReadFiles(WorkspaceAt(workspace));
  CommitRequest request;
  request.workspace = WorkspaceOf(workspace);
  const size_t begin = clock();
  HELIOS_TRY_ASSIGN(CommitReport report, engine.Commit(request));
  // Done, but not what was asked for.
  if (!report.capture.IsWhole()) return Broken(kNotWhole);
  const std::string id = FormatId(report.record);
  Allow(begin, [&](Promises& promises) {
    std::set<std::string>& at = promises.workspaces[workspace];
    if (at.empty()) at.insert("");
    at.insert(id);
  });
  Promise([&](Promises& promises) {
    promises.snapshots[id] = files;
    promises.workspaces[workspace] = {id};
  });
  return report;
}

Result<void> World::Tag(Engine& engine, const std::string& name, const std::string& id) {
  TagRequest request;
  request.name = name;
  request.id = id;
  request.move = true;
  // One that was kept from telling may have moved it: then there is nothing left to do, or to log.
  const auto known = Promised().refs.find("tags/" + name);
  const bool may_be_there = known != Promised().refs.end() && known->second.contains(id);
  Allow(clock(), [&](Promises& promises) {
    std::set<std::string>& at = promises.refs["tags/" + name];
    if (at.empty()) at.insert("");
    at.insert(id);
  });
  HELIOS_TRY(engine.Tag(request));
  Promise([&](Promises& promises) {
    promises.refs["tags/" + name] = {id};
    if (!may_be_there) ++promises.moves["tags/" + name];
  });
  return {};
}

Result<void> World::DeleteTag(Engine& engine, const std::string& name) {
  Allow(clock(), [&](Promises& promises) { promises.refs["tags/" + name].insert(""); });
  HELIOS_TRY(engine.DeleteTag(name));
  Promise([&](Promises& promises) {
    promises.refs["tags/" + name] = {""};
    ++promises.moves["tags/" + name];
  });
  return {};
}

Result<void> World::Collect(Engine& engine) {
  Allow(clock(), [](Promises& promises) {
    std::set<std::string> kept;
    for (const auto* places : {&promises.refs, &promises.workspaces}) {
      for (const auto& [name, ids] : *places) kept.insert(ids.begin(), ids.end());
    }
    std::erase_if(promises.snapshots, [&](const auto& one) { return !kept.contains(one.first); });
    promises.moves.clear();
  });
  CollectRequest request;
  request.keep.emplace().last = 1;
  HELIOS_TRY(engine.Collect(request));
  return {};
}

Result<VstCommitReport> World::CommitVst(Engine& engine, Vst& vst, const std::string& branch,
                                         const Files& files) {
  const size_t begin = clock();
  VstCommitRequest request;
  request.branch = branch;
  HELIOS_TRY_ASSIGN(VstCommitReport report, engine.CommitVst(vst, request));
  const std::string id = FormatId(report.record);
  Allow(begin, [&](Promises& promises) {
    std::set<std::string>& at = promises.refs["heads/" + branch];
    if (at.empty()) at.insert("");
    at.insert(id);
  });
  Promise([&](Promises& promises) {
    promises.snapshots[id] = files;
    promises.refs["heads/" + branch] = {id};
  });
  return report;
}

Result<RestoreReport> World::Restore(Engine& engine, const std::string& workspace,
                                     const std::string& id, RestoreMode mode) {
  const size_t begin = clock();
  RestoreRequest request;
  request.workspace = WorkspaceOf(workspace);
  request.id = id;
  request.mode = mode;
  HELIOS_TRY_ASSIGN(RestoreReport report, engine.Restore(request));
  const std::string record = FormatId(report.record);
  Allow(begin, [&](Promises& promises) { promises.workspaces[workspace].insert(record); });
  Promise([&](Promises& promises) { promises.workspaces[workspace] = {record}; });
  return report;
}

Result<MigrateReport> MigrateStore(const std::string& store, const std::string& to) {
  MigrateRequest request;
  request.to = to;
  request.batch_bytes = 5000;
  return Engine::Migrate(OptionsFor(store, 1), request);
}

Result<Files> ReadSnapshot(Engine& engine, const std::string& id) {
  HELIOS_TRY_ASSIGN(const Vst vst, engine.OpenVst(id));
  Files files;
  HELIOS_TRY(ReadInto(vst, "", &files));
  return files;
}

Result<void> CheckStore(const Promises& promises, const CheckOptions& options) {
  {
    HELIOS_TRY_ASSIGN(const std::unique_ptr<Engine> engine,
                      Engine::Open(OptionsFor(options.store, 1)));
    HELIOS_TRY(CheckSnapshots(*engine, promises));
    HELIOS_TRY_ASSIGN(auto lines, CheckLog(*engine, options.store, promises));
    for (const auto& [name, allowed] : promises.workspaces) {
      HELIOS_TRY(CheckStands(name, lines[WorkspaceKey("name:" + name)], allowed));
    }
    HELIOS_TRY(CheckRefs(*engine, promises));
  }
  if (!options.workspace_path.empty()) HELIOS_TRY(CheckGoesOn(options));
  HELIOS_TRY_ASSIGN(const std::unique_ptr<Engine> engine,
                    Engine::Open(OptionsFor(options.store, 1)));
  return CheckSnapshots(*engine, promises);
}

void CopyFolder(const std::string& from, const std::string& to) {
  fs::create_directories(to);
  for (const fs::directory_entry& entry : fs::directory_iterator(to)) fs::remove_all(entry.path());
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  const auto copy_time = [&](const std::string& path) {
    struct stat status;
    if (::lstat((from + path).c_str(), &status) != 0) std::abort();
    const timespec times[] = {status.st_atim, status.st_mtim};
    if (::utimensat(AT_FDCWD, (to + path).c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) std::abort();
  };
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(from)) {
    copy_time(entry.path().string().substr(from.size()));
  }
  copy_time("");
}

std::vector<std::string> TemporaryFilesBelow(const std::string& folder) {
  std::vector<std::string> found;
  if (!fs::exists(folder)) return found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".tmp-") || IsTemporaryName(name)) found.push_back(entry.path());
  }
  return found;
}

}  // namespace helios::faults

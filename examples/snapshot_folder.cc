// Commits a folder, changes it, commits again, shows what changed, and goes back to how it was.
//
//   snapshot_folder FOLDER
//
// FOLDER must not exist: it is made, with FOLDER/work (whose states are kept) and FOLDER/store.
#include <helios/engine.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

helios::Result<void> Write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) return helios::Error(helios::ErrorCode::kFailed, "cannot write " + path);
  return {};
}

const char* NameOf(helios::DiffEntry::Kind kind) {
  switch (kind) {
    case helios::DiffEntry::Kind::kAdded:
      return "added";
    case helios::DiffEntry::Kind::kChanged:
      return "changed";
    case helios::DiffEntry::Kind::kDeleted:
      return "deleted";
  }
  return "";
}

// Every call gives a Result: a value or an error. HELIOS_TRY_ASSIGN takes the value, or leaves this
// function with the error.
helios::Result<void> Run(const std::string& work, const std::string& store) {
  // One engine for one store. Threads may share it, other processes may use the store meanwhile.
  helios::EngineOptions options;
  options.store = store;
  options.backends = {helios::PackBackend()};  // what a store may be made of
  options.create_with = "pack";                // there is no store yet
  HELIOS_TRY_ASSIGN(const auto engine, helios::Engine::Open(options));

  // A snapshot of the folder. Once Commit has returned, no crash takes it away.
  HELIOS_TRY(Write(work + "/notes.txt", "first\n"));
  helios::CommitRequest commit;
  commit.workspace.path = work;
  commit.message = "as it was";
  HELIOS_TRY_ASSIGN(const auto before, engine->Commit(commit));
  std::printf("before %s\n", helios::FormatId(before.snapshot).c_str());

  // Whatever happens to the folder then, the next commit reads only what changed.
  HELIOS_TRY(Write(work + "/notes.txt", "second\n"));
  HELIOS_TRY(Write(work + "/plan.txt", "a plan\n"));
  commit.message = "after the work";
  HELIOS_TRY_ASSIGN(const auto after, engine->Commit(commit));
  std::printf("after %s\n", helios::FormatId(after.snapshot).c_str());

  // Ids are text, as users write them: a prefix of one, a tag, "@" or "@~1" would do as well.
  helios::DiffRequest diff;
  diff.from = helios::FormatId(before.snapshot);
  diff.to = helios::FormatId(after.snapshot);
  HELIOS_TRY_ASSIGN(const auto difference, engine->Diff(diff));
  for (const helios::DiffEntry& entry : difference.entries) {
    std::printf("%s %s\n", NameOf(entry.kind), entry.path.c_str());
  }

  // Back to how it was, in place. If the folder held work that no snapshot has, this would be
  // refused with kWouldLoseWork, and nothing touched.
  helios::RestoreRequest restore;
  restore.workspace.path = work;
  restore.id = diff.from;
  HELIOS_TRY_ASSIGN(const auto restored, engine->Restore(restore));
  std::printf("restored: %llu replaced, %llu deleted\n",
              static_cast<unsigned long long>(restored.replaced),
              static_cast<unsigned long long>(restored.deleted));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: snapshot_folder FOLDER\n");
    return 2;
  }
  const std::string folder = argv[1];
  std::error_code error;
  if (!std::filesystem::create_directory(folder, error) ||
      !std::filesystem::create_directory(folder + "/work", error)) {
    std::fprintf(stderr, "%s must be a folder that does not exist yet\n", folder.c_str());
    return 1;
  }
  const helios::Result<void> result = Run(folder + "/work", folder + "/store");
  if (!result) {
    std::fprintf(stderr, "error: %s\n", result.error().message().c_str());
    return 1;
  }
  return 0;
}

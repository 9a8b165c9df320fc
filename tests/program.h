// Runs the real binary in temporary folders: what the system tests share.
//
// Nothing here goes through a shell, and every path may be any bytes.
#ifndef HELIOS_TESTS_PROGRAM_H_
#define HELIOS_TESTS_PROGRAM_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace helios {

using Json = nlohmann::json;

// A new folder, removed at the end with all that is in it: read-only folders and trees that are
// deeper than any path may be long as well.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& parent = "");  // default: TMPDIR, else /tmp
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The backend of the stores that a test makes: what HELIOS_TEST_BACKEND says, else packs. CTest
// runs the system tests once for each.
std::string TestedBackend();
bool TestsPacks();
// For tests of what is so in packs only.
#define HELIOS_SKIP_UNLESS_PACKS(why) \
  if (!::helios::TestsPacks())        \
  GTEST_SKIP() << "not of the backend " << TestedBackend() << ": " << why

struct RunOptions {
  std::map<std::string, std::string> env;  // beside PATH, HOME and what sanitizers need
  std::string cwd;                         // empty: this process's
  std::string input;                       // standard input
  // Runs as this user, if this process may choose.
  std::optional<unsigned> uid;
  std::optional<unsigned> umask;
  // Resource limits (RLIMIT_…), taken on after all of the above.
  std::map<int, uint64_t> limits;
  // Mounts a small file system here, in a mount namespace that only this run sees.
  std::string mount_at;
};

struct RunResult {
  int exit_code = -1;  // 128 + n if signal n ended it
  bool by_signal = false;
  std::string out;
  std::string err;
  // The most memory that it had resident at a time. Linux counts what this process had when it
  // started it: a test that asks keeps little.
  uint64_t peak_bytes = 0;

  // Standard output as what the contract promises: one object and a newline, nothing else.
  Json Object() const;
  // The same for the error on standard error: {"error": {"code": …, "message": …}}.
  Json ErrorObject() const;
  std::string ErrorMessage() const;
};
// For failed expectations.
std::ostream& operator<<(std::ostream& stream, const RunResult& result);

// "NAME=value" of everything that a program is run with.
std::vector<std::string> EnvironmentOf(const RunOptions& options);
// As exec wants them: null at the end.
std::vector<char*> PointersTo(std::vector<std::string>& strings);
RunResult RunHelios(const std::vector<std::string>& args, const RunOptions& options = {});
// Any program; `program` is looked up in PATH if it holds no slash.
RunResult RunProgram(const std::string& program, const std::vector<std::string>& args,
                     const RunOptions& options = {});
bool CanMount();
// Makes the next run of `options` meet limits that a test cannot set up otherwise.
struct Limits {
  std::string below;                    // what counts: files below this folder
  std::optional<uint64_t> write_bytes;  // after so many bytes, writing fails with ENOSPC
  std::optional<uint64_t> new_files;    // after so many files and folders, creating one does
  std::optional<uint64_t> links;        // after so many, making a hard link fails with EMLINK
  // errno with which extended attributes cannot be set, read or listed; 0: they can.
  int set_xattr_error = 0;
  int get_xattr_error = 0;
  int list_xattrs_error = 0;
  // Each look at the clock takes it this much further: a long wait passes at once.
  uint64_t clock_step_seconds = 0;
};
// By a library that the run preloads; it is compiled at the first call.
void Impose(const Limits& limits, RunOptions* options);
// An unprivileged user to run as; absent if this process is not root (and so is one itself).
std::optional<unsigned> Nobody();

void MakeFolders(const std::string& path);
void WriteFile(const std::string& path, std::string_view content);  // makes folders above it too
std::string ReadFile(const std::string& path);
void MakeLink(const std::string& target, const std::string& path);
void MakeHardLink(const std::string& from, const std::string& to);
// False if the file system, or the system, does not let it.
bool SetXattr(const std::string& path, const std::string& name, std::string_view value);
uint64_t DiskBytesOf(const std::string& path);
void Rename(const std::string& from, const std::string& to);
void Remove(const std::string& path);  // a file, or a folder with what is in it
bool Exists(const std::string& path);  // dangling links exist
void SetMode(const std::string& path, unsigned mode);
void SetOwner(const std::string& path, unsigned uid);  // with everything below
void SetMtime(const std::string& path, int64_t seconds, int64_t nanoseconds);
// Whether the text would do more to a terminal than show itself and begin new lines.
bool HasControlCharacters(const std::string& text);
uint64_t InodeOf(const std::string& path);
uint64_t ChangeTimeOf(const std::string& path);                 // ctime in nanoseconds
void CopyTree(const std::string& from, const std::string& to);  // files and folders only
// The names in a folder, sorted.
std::vector<std::string> ListFolder(const std::string& path);
// Bytes that do not compress and are the same for the same seed.
std::string RandomBytes(size_t size, uint64_t seed);
std::string FromHex(std::string_view hex);

using Xattrs = std::map<std::string, std::string>;
struct Node {
  char type = '?';  // '-', 'd', 'l', as in ls; '?' for anything else
  unsigned mode = 0;
  int64_t mtime_ns = 0;
  std::string content;  // of a file; a link's target
  // The first name of the same file below the folder, if it has several there.
  std::string first_link;
  Xattrs xattrs;  // "user.…", of files and folders
  bool operator==(const Node&) const = default;
};
// Paths below a folder, relative to it; "" is the folder itself.
using TreeState = std::map<std::string, Node>;

// What lies below `folder`, however deep. `skip` names entries of the folder itself to leave out.
TreeState ReadTree(const std::string& folder, const std::vector<std::string>& skip = {});
// The tree without what `drop` matches.
TreeState Without(TreeState tree, const std::function<bool(const std::string&)>& drop);
enum class Compare { kEverything, kContents };  // kContents: types, executable bit and content
// Empty if both are equal, else one line per difference.
std::string Difference(const TreeState& expected, const TreeState& actual,
                       Compare compare = Compare::kEverything);

// A workspace `work` and a store `store` beside it, chosen by HELIOS_STORE_DIR; runs in `work`.
class HeliosTest : public ::testing::Test {
 protected:
  HeliosTest();

  std::string At(std::string_view relative) const;    // below the temporary folder
  std::string Work(std::string_view relative) const;  // below the workspace
  void Write(std::string_view relative, std::string_view content) const;

  RunOptions Options() const;
  RunResult Run(const std::vector<std::string>& args) const;
  // Run, and expect exit code 0.
  RunResult RunWell(const std::vector<std::string>& args) const;
  std::string Commit() const;  // the snapshot id
  // Until nothing is young enough to be read again: from then on the stat index is believed.
  void CommitUntilNothingIsRead(const std::vector<std::string>& commit = {"commit"}) const;
  // Into a new folder: its path.
  std::string Materialize(const std::string& id, const std::vector<std::string>& more = {});
  // Materializes and compares with `expected`, the folder's own attributes included.
  void ExpectGives(const std::string& id, const TreeState& expected);
  std::vector<std::string> Packs() const;  // paths
  // What the tested backend has in the store: its folder, and inside of it the one with the files
  // that objects lie in.
  std::string BackendFolder() const { return store_ + "/" + TestedBackend(); }
  std::string FolderOfObjects() const { return BackendFolder() + (TestsPacks() ? "" : "/db"); }
  // Packs; or logs, tables and blob files.
  std::vector<std::string> ObjectFiles() const;
  std::string LargestObjectFile() const;
  // A file without which no object can be read.
  std::string EssentialFile() const;
  // A database keeps what is new in its log for a while, as it is, and believes it as far as it
  // is whole: what is to be damaged or measured has to lie in tables. Packs stay as they are.
  void FoldLogs() const;

  TemporaryFolder folder_;
  std::string work_;
  std::string store_;
  int next_out_ = 0;
};

}  // namespace helios

#endif  // HELIOS_TESTS_PROGRAM_H_

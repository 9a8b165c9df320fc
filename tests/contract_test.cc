// What scripts rely on: the tables of the contract, one by one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "program.h"

namespace helios {
namespace {

bool IsFullId(const std::string& text) {
  return text.size() == 7 + 64 && text.starts_with("blake3:") &&
         text.find_first_not_of("0123456789abcdef", 7) == text.npos;
}

class ContractTest : public HeliosTest {
 protected:
  ContractTest() {
    Write("demo/a.txt", "a\n");
    Write("demo/b.txt", "b\n");
  }
  // Two snapshots: b.txt changed, c.txt came, a.txt went.
  void CommitTwice() {
    first_ = Commit();
    Write("demo/b.txt", "b, changed\n");
    Write("demo/c.txt", "c\n");
    Remove(Work("demo/a.txt"));
    second_ = Commit();
  }
  void ExpectUsageError(const std::vector<std::string>& args) const {
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(args) << " " << result;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.ErrorObject()["code"], "usage");
  }

  std::string first_;
  std::string second_;
};

// --- JSON ----------------------------------------------------------------------------------------

TEST_F(ContractTest, CommitPrintsItsSnapshot) {
  const RunResult result = RunWell({"commit", "--work", work_});
  const Json json = result.Object();
  EXPECT_TRUE(IsFullId(json["snapshot_id"])) << json;
  EXPECT_TRUE(result.out.starts_with("{\"snapshot_id\":\"blake3:")) << "sed scripts take it here";
  EXPECT_TRUE(IsFullId(json["record_id"]));
  for (const char* key : {"files", "bytes", "new_objects", "new_bytes", "reused_objects",
                          "reused_bytes", "files_hashed"}) {
    EXPECT_TRUE(json[key].is_number_unsigned()) << key << " " << json;
  }
  EXPECT_EQ(json["files"], 2);
  EXPECT_EQ(json["bytes"], 4);
  EXPECT_EQ(json["unchanged"], false);
  EXPECT_EQ(json["whole"], true);
  EXPECT_EQ(result.err, "");
}

TEST_F(ContractTest, RestorePrintsTheIdAsGiven) {
  CommitTwice();
  for (const std::string& given : {first_, first_.substr(7), std::string("@~1")}) {
    const Json json = RunWell({"restore", "--id", given}).Object();
    EXPECT_EQ(json["restored"], given);
    EXPECT_EQ(json["snapshot_id"], first_);
    RunWell({"restore", second_});
    // Each restore is where the folder now stands: back to where @~1 is the first.
  }
}

TEST_F(ContractTest, DiffCountsWithTheOldSpelling) {
  CommitTwice();
  const RunResult result = RunWell({"diff", "--from", first_, "--to", second_});
  const Json json = result.Object();
  EXPECT_EQ(json["Added"], 1);
  EXPECT_EQ(json["Changed"], 1);
  EXPECT_EQ(json["Deleted"], 1);
  for (const char* key : {"Added", "Changed", "Deleted"}) {
    EXPECT_TRUE(json[key].is_number_unsigned()) << key;
  }
  EXPECT_TRUE(result.out.starts_with("{\"Added\":1,\"Changed\":1,\"Deleted\":1")) << result;
  std::map<std::string, std::string> changes;
  for (const Json& entry : json["entries"]) changes[entry["path"]] = entry["change"];
  const std::map<std::string, std::string> expected = {
      {"demo/a.txt", "D"}, {"demo/b.txt", "C"}, {"demo/c.txt", "A"}};
  EXPECT_EQ(changes, expected);
}

TEST_F(ContractTest, MaterializePrintsIdAndFolderAsGiven) {
  CommitTwice();
  RunOptions options = Options();
  options.cwd = folder_.path();
  const RunResult result =
      RunHelios({"materialize", "--id", first_.substr(0, 20), "--out", "./some/../out"}, options);
  ASSERT_EQ(result.exit_code, 0) << result;
  const Json json = result.Object();
  EXPECT_EQ(json["materialized"], first_.substr(0, 20));
  EXPECT_EQ(json["out"], "./some/../out");
  EXPECT_EQ(json["snapshot_id"], first_);
}

TEST_F(ContractTest, StatsHasTheOldKeys) {
  CommitTwice();
  Materialize(first_);
  const Json json = RunWell({"stats"}).Object();
  for (const char* key : {"commit_latency_us_p50", "commit_latency_us_p95", "commit_latency_us_p99",
                          "new_bytes", "new_objects"}) {
    ASSERT_TRUE(json["engine"].contains(key)) << key;
    EXPECT_TRUE(json["engine"][key].is_number_unsigned()) << key;
    EXPECT_GT(json["engine"][key], 0) << key;
  }
  for (const char* key : {"first_read_from_l2_total", "lazy_restore_promotions"}) {
    ASSERT_TRUE(json["engine"].contains(key)) << key;
    EXPECT_TRUE(json["engine"][key].is_number_unsigned()) << key;
  }
  for (const char* key : {"evictions", "hits", "items", "misses", "size"}) {
    ASSERT_TRUE(json["l1"].contains(key)) << key;
    EXPECT_TRUE(json["l1"][key].is_number_unsigned()) << key;
  }
  EXPECT_EQ(json["store"]["path"], store_);
  EXPECT_TRUE(json["store"]["rule"].is_string());
  EXPECT_LE(json["engine"]["commit_latency_us_p50"], json["engine"]["commit_latency_us_p95"]);
  EXPECT_LE(json["engine"]["commit_latency_us_p95"], json["engine"]["commit_latency_us_p99"]);
}

TEST_F(ContractTest, CountersOnlyGrowAcrossProcesses) {
  CommitTwice();
  const Json before = RunWell({"stats"}).Object()["engine"];
  EXPECT_EQ(before["commits"], 2);
  Materialize(first_);
  RunWell({"diff", first_, second_});
  RunWell({"restore", first_});
  const Json after = RunWell({"stats"}).Object()["engine"];
  EXPECT_EQ(after["materializes"], 1);
  EXPECT_EQ(after["diffs"], 1);
  EXPECT_EQ(after["restores"], 1);
  for (const auto& [key, value] : before.items()) {
    if (key.find("latency") != key.npos) continue;
    EXPECT_GE(after[key], value) << key;
  }
}

TEST_F(ContractTest, PrometheusTextParses) {
  CommitTwice();
  const RunResult result = RunWell({"stats", "--prometheus"});
  std::set<std::string> declared;
  size_t samples = 0;
  for (size_t start = 0; start < result.out.size();) {
    const size_t end = result.out.find('\n', start);
    ASSERT_NE(end, std::string::npos) << "the last line has no end";
    const std::string line = result.out.substr(start, end - start);
    start = end + 1;
    if (line.starts_with("# TYPE ")) {
      const std::string name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(declared.insert(name).second) << name << " is declared twice";
      continue;
    }
    const std::string name = line.substr(0, line.find_first_of("{ "));
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), name.npos) << line;
    EXPECT_NE(line.find_first_of("0123456789", line.rfind(' ')), line.npos) << line;
    ++samples;
  }
  EXPECT_GT(samples, 10u);
  EXPECT_NE(result.out.find("\nhelios_commits_total 2\n"), std::string::npos) << result;
  EXPECT_TRUE(declared.contains("helios_first_read_from_l2_total")) << result;
  EXPECT_TRUE(declared.contains("helios_lazy_restore_promotions_total")) << result;
}

TEST_F(ContractTest, EveryCommandPrintsOneObjectOnALine) {
  CommitTwice();
  const std::vector<std::vector<std::string>> commands = {
      {"commit"},
      {"stats"},
      {"diff", first_, second_},
      {"materialize", first_, At("out")},
      {"restore", first_},
      {"restore", "-n", second_},
  };
  for (std::vector<std::string> command : commands) {
    RunWell(command).Object();
    command.push_back("--json");
    RunWell(command).Object();
    RunOptions options = Options();
    options.env["HELIOS_DEBUG"] = "1";
    const RunResult explained = RunHelios(command, options);
    EXPECT_EQ(explained.exit_code, 0) << explained;
    explained.Object();
    EXPECT_NE(explained.err, "") << command.front();
  }
}

TEST_F(ContractTest, TextIsForPeople) {
  CommitTwice();
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"commit", "--text"},
                                             {"stats", "--text"},
                                             {"diff", first_, second_, "--text"},
                                             {"materialize", first_, At("out"), "--text"},
                                             {"restore", first_, "--text"}}) {
    const RunResult result = RunWell(command);
    EXPECT_FALSE(Json::accept(result.out)) << result;
    EXPECT_TRUE(result.out.ends_with('\n')) << result;
    EXPECT_EQ(result.out.find('\x1b'), std::string::npos) << "color without a terminal";
  }
  const RunResult failed = Run({"diff", "--text", "blake3:ffffffffffff", "@"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_FALSE(Json::accept(failed.err)) << failed;
  EXPECT_NE(failed.err.find("unknown snapshot: blake3:ffffffffffff"), std::string::npos) << failed;
}

TEST_F(ContractTest, ColorOnlyWhenAskedFor) {
  CommitTwice();
  EXPECT_NE(RunWell({"diff", "--text", "--color", "always", first_, second_}).out.find('\x1b'),
            std::string::npos);
  EXPECT_EQ(RunWell({"diff", "--text", "--color", "never", first_, second_}).out.find('\x1b'),
            std::string::npos);
  RunOptions options = Options();
  options.env["NO_COLOR"] = "1";
  EXPECT_EQ(RunHelios({"diff", "--text", first_, second_}, options).out.find('\x1b'),
            std::string::npos);
  ExpectUsageError({"diff", "--color", "sometimes", first_, second_});
}

TEST_F(ContractTest, IdOnlyPrintsTheBareId) {
  const RunResult result = RunWell({"commit", "--id-only"});
  ASSERT_TRUE(result.out.ends_with('\n'));
  EXPECT_TRUE(IsFullId(result.out.substr(0, result.out.size() - 1))) << result;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(RunWell({"commit", "--id-only", "--json"}).out, result.out);
}

TEST_F(ContractTest, VersionIsOneLine) {
  for (const char* way : {"version", "--version", "-v"}) {
    const RunResult result = RunHelios({way});
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result;
    EXPECT_TRUE(result.out.starts_with("helios ")) << result;
    EXPECT_EQ(result.err, "");
  }
}

TEST_F(ContractTest, HelpOfEveryCommandHasExamples) {
  for (const char* command : {"commit", "restore", "diff", "materialize", "read", "stats"}) {
    const RunResult result = RunHelios({command, "--help"});
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_NE(result.out.find("Examples:\n  helios " + std::string(command)), std::string::npos)
        << result;
    EXPECT_EQ(result.err, "");
  }
  const RunResult general = RunHelios({"--help"});
  EXPECT_EQ(general.exit_code, 0);
  for (const char* command :
       {"commit", "restore", "diff", "materialize", "read", "stats", "version"}) {
    EXPECT_NE(general.out.find(command), std::string::npos) << command;
  }
}

// --- Errors and exit codes -----------------------------------------------------------------------

TEST_F(ContractTest, WrongUsageIsExit2) {
  CommitTwice();
  ExpectUsageError({});
  ExpectUsageError({"comit"});
  ExpectUsageError({"commit", "--no-such-option"});
  ExpectUsageError({"commit", "--work"});
  ExpectUsageError({"commit", "surplus"});
  ExpectUsageError({"commit", "-j", "0"});
  ExpectUsageError({"commit", "-j", "many"});
  ExpectUsageError({"commit", "--label", "novalue"});
  ExpectUsageError({"commit", "--label", "=x"});
  ExpectUsageError({"commit", "--git", "maybe"});
  ExpectUsageError({"diff"});
  ExpectUsageError({"restore"});
  ExpectUsageError({"materialize"});
  ExpectUsageError({"materialize", "--id", first_});
  ExpectUsageError({"restore", "@~x"});
  ExpectUsageError({"restore", "@~"});
  ExpectUsageError({"restore", "@~-1"});
  ExpectUsageError({"restore", "@1"});
  ExpectUsageError({"diff", first_.substr(0, 7 + 3), second_});
  ExpectUsageError({"stats", "--store"});
  EXPECT_EQ(RunHelios({"--help", "nonsense"}).exit_code, 0);
}

TEST_F(ContractTest, UnknownSnapshotsAreExit1AndNamed) {
  CommitTwice();
  const std::string absent = "blake3:" + std::string(64, 'f');
  for (const std::string& id :
       {absent, absent.substr(7), absent.substr(7, 10), std::string("no-such-name"),
        std::string("blake3:xyz!"), std::string("@~99"), first_ + "0"}) {
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"restore", "--id", id},
                                               {"materialize", "--id", id, "--out", At("out")},
                                               {"diff", "--from", id, "--to", first_},
                                               {"diff", "--from", first_, "--to", id}}) {
      const RunResult result = Run(command);
      EXPECT_EQ(result.exit_code, 1) << ::testing::PrintToString(command) << result;
      EXPECT_EQ(result.out, "");
      EXPECT_NE(result.ErrorMessage().find("unknown snapshot: " + id), std::string::npos) << result;
      EXPECT_EQ(result.ErrorObject()["code"], "not_found");
    }
  }
  EXPECT_FALSE(Exists(At("out"))) << "nothing is made for a snapshot that is not there";
}

TEST_F(ContractTest, AnEmptyIdIsRefused) {
  CommitTwice();
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"restore", "--id", ""},
                                             {"materialize", "--id", "", "--out", At("out")},
                                             {"diff", "--from", "", "--to", first_}}) {
    const RunResult result = Run(command);
    EXPECT_TRUE(result.exit_code == 1 || result.exit_code == 2) << command.front() << result;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_FALSE(Exists(At("out")));
}

// `helios diff --from "$OLD" --to "$NEW"` with an unset variable must not compare with something
// else.
TEST_F(ContractTest, AnEmptyToIsNotTheDefault) {
  CommitTwice();
  const RunResult result = Run({"diff", "--from", first_, "--to", ""});
  EXPECT_TRUE(result.exit_code == 1 || result.exit_code == 2) << result;
}

TEST_F(ContractTest, ACommitThatCouldNotReadEverythingIsExit3) {
  Write("secret", "s");
  SetMode(Work("secret"), 0);
  RunOptions options = Options();
  options.uid = Nobody();
  if (Nobody()) SetOwner(folder_.path(), *Nobody());
  const RunResult result = RunHelios({"commit"}, options);
  EXPECT_EQ(result.exit_code, 3) << result;
  const Json json = result.Object();
  EXPECT_TRUE(IsFullId(json["snapshot_id"]));
  EXPECT_EQ(json["whole"], false);
  EXPECT_EQ(json["not_captured"]["unreadable"]["count"], 1);
  EXPECT_NE(result.err.find("secret"), std::string::npos) << result;
  const RunResult id_only = RunHelios({"commit", "--id-only"}, options);
  EXPECT_EQ(id_only.exit_code, 3);
  EXPECT_EQ(id_only.out, json["snapshot_id"].get<std::string>() + "\n");
  const RunResult quiet = RunHelios({"commit", "-q"}, options);
  EXPECT_EQ(quiet.exit_code, 3);
  EXPECT_EQ(quiet.err, "");
}

TEST_F(ContractTest, AMaterializeThatCouldNotWriteEverythingIsExit3) {
  CommitTwice();
  WriteFile(At("out/demo/b.txt/in-the-way"), "x");
  const RunResult result = Run({"materialize", second_, At("out")});
  EXPECT_EQ(result.exit_code, 3) << result;
  const Json json = result.Object();
  EXPECT_EQ(json["written"]["failed"], 1);
  EXPECT_NE(json["written"]["failures"].dump().find("demo/b.txt"), std::string::npos) << json;
  EXPECT_NE(result.err.find("demo/b.txt"), std::string::npos) << result;
  EXPECT_EQ(ReadFile(At("out/demo/c.txt")), "c\n");
  EXPECT_EQ(ReadFile(At("out/demo/b.txt/in-the-way")), "x");
}

TEST_F(ContractTest, ARefusedRestoreIsExit4) {
  CommitTwice();
  Write("demo/b.txt", "unsaved");
  const RunResult result = Run({"restore", first_});
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.ErrorObject()["code"], "would_lose_work");
  EXPECT_NE(result.ErrorMessage().find("demo/b.txt"), std::string::npos) << result;
}

TEST_F(ContractTest, NoStoreIsExit10) {
  const RunResult result = Run({"stats"});
  EXPECT_EQ(result.exit_code, 10) << result;
  EXPECT_EQ(result.ErrorObject()["code"], "no_store");
  EXPECT_NE(result.ErrorMessage().find(store_), std::string::npos) << result;
}

TEST_F(ContractTest, ABusyStoreIsExit11AfterABoundedWait) {
  CommitTwice();
  const std::string path = store_ + "/lock";
  const int lock = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(lock, 0);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  RunOptions options = Options();
  Limits limits;
  limits.clock_step_seconds = 20;  // a minute of waiting is over after a few looks at the clock
  Impose(limits, &options);
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"commit"},
                                             {"diff", first_, second_},
                                             {"materialize", first_, At("out")},
                                             {"read", first_ + ":demo/a.txt"},
                                             {"restore", "--lazy", first_},
                                             {"restore", first_}}) {
    const RunResult result = RunHelios(command, options);
    EXPECT_EQ(result.exit_code, 11) << command.front() << " " << result;
    EXPECT_EQ(result.ErrorObject()["code"], "busy");
    EXPECT_NE(result.ErrorMessage().find(path), std::string::npos) << result;
  }
  ::close(lock);
  EXPECT_EQ(RunHelios({"commit"}, options).exit_code, 0) << "the lock died with its holder";
}

TEST_F(ContractTest, WithALockTimeoutOfZeroABusyStoreIsExit11AtOnce) {
  CommitTwice();
  const struct {
    std::string path;
    int mode;
    std::vector<std::string> command;
    std::string waited;
  } cases[] = {
      {store_ + "/lock", LOCK_EX, {"diff", first_, second_}, "0"},
      {store_ + "/lock", LOCK_SH, {"gc", "--keep-last", "1"}, "0"},
      {store_ + "/lock", LOCK_SH, {"repair"}, "0"},
      {store_ + "/epoch", LOCK_EX, {"gc"}, "0"},
      {BackendFolder() + (TestsPacks() ? "/merge.lock" : "/tables.lock"),
       LOCK_EX,
       {"optimize"},
       "0"},
      {store_ + "/operations", LOCK_EX, {"commit", "-m", "now"}, "1000"},
  };
  for (const auto& [path, mode, command, waited] : cases) {
    const int lock = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(lock, 0) << path;
    ASSERT_EQ(::flock(lock, mode), 0);
    const std::vector<std::string> option{"--lock-timeout", "0"};
    for (const bool is_behind : {false, true}) {
      std::vector<std::string> args = is_behind ? command : option;
      const std::vector<std::string>& rest = is_behind ? option : command;
      args.insert(args.end(), rest.begin(), rest.end());
      const RunResult result = Run(args);
      EXPECT_EQ(result.exit_code, 11) << path << result;
      EXPECT_NE(result.ErrorMessage().find(path), std::string::npos) << result;
      EXPECT_NE(result.ErrorMessage().find("waited " + waited + " ms"), std::string::npos)
          << result;
    }
    ::close(lock);
    EXPECT_EQ(Run(command).exit_code, 0) << path;
  }
}

TEST_F(ContractTest, ReadersShareTheStore) {
  CommitTwice();
  const int lock = ::open((store_ + "/lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(lock, 0);
  ASSERT_EQ(::flock(lock, LOCK_SH), 0);
  RunWell({"commit"});
  RunWell({"diff", first_, second_});
  ::close(lock);
}

TEST_F(ContractTest, OutputThatCannotBeWrittenIsNotSuccess) {
  CommitTwice();
  // Closed standard output, as a broken pipe or a full disk under a redirection would be.
  RunOptions options = Options();
  options.env["BINARY"] = HELIOS_BINARY;
  const RunResult result = RunProgram(
      "sh", {"-c", "\"$BINARY\" diff \"$0\" \"$1\" >/dev/full", first_, second_}, options);
  EXPECT_NE(result.exit_code, 0) << result;
}

// --- Ids -----------------------------------------------------------------------------------------

TEST_F(ContractTest, IdsInEverySpelling) {
  CommitTwice();
  const std::string digits = first_.substr(7);
  std::string upper = digits;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (const std::string& id : {first_, digits, upper, "blake3:" + upper, digits.substr(0, 12),
                                "blake3:" + digits.substr(0, 9), std::string("@~1")}) {
    const RunResult result = Run({"diff", id, second_});
    ASSERT_EQ(result.exit_code, 0) << id << " " << result;
    EXPECT_EQ(result.Object()["from"], first_) << id;
  }
}

TEST_F(ContractTest, FourDigitsAreEnoughIfTheyAreUnique) {
  const Json first = RunWell({"commit"}).Object();
  Write("more", "m");
  const Json second = RunWell({"commit"}).Object();
  const std::string id = first["snapshot_id"];
  const auto shares = [&](const std::string& other) { return other.starts_with(id.substr(0, 11)); };
  // Records hold the time, so once in 20,000 runs one of them begins like the snapshot.
  if (shares(first["record_id"]) || shares(second["record_id"])) return;
  for (const std::string& prefix : {id.substr(7, 4), id.substr(0, 7 + 4)}) {
    EXPECT_EQ(RunWell({"diff", prefix, "@"}).Object()["from"], id);
  }
}

TEST_F(ContractTest, RecordIdsNameSnapshotsToo) {
  const std::string record = RunWell({"commit", "-m", "one"}).Object()["record_id"];
  const std::string snapshot = Commit();
  Write("more", "m");
  Commit();
  for (const std::string& id : {record, record.substr(7, 10)}) {
    const Json json = RunWell({"materialize", id, At("out-" + id.substr(id.size() - 3))}).Object();
    EXPECT_EQ(json["snapshot_id"], snapshot);
    EXPECT_EQ(json["record_id"], record);
  }
}

TEST_F(ContractTest, AnAmbiguousPrefixIsExit2AndListsCandidates) {
  std::map<std::string, std::string> by_prefix;
  std::string a;
  std::string b;
  constexpr int kCommitsMax = 3000;  // 4 digits collide after some 300 ids
  for (int i = 0; i < kCommitsMax && b.empty(); ++i) {
    const Json json = RunWell({"commit", "-m", std::to_string(i)}).Object();
    for (const char* key : {"snapshot_id", "record_id"}) {
      const std::string id = json[key];
      const auto [found, is_new] = by_prefix.emplace(id.substr(7, 4), id);
      if (!is_new && found->second != id) {
        a = found->second;
        b = id;
      }
    }
  }
  ASSERT_FALSE(b.empty());
  const std::string prefix = a.substr(7, 4);
  for (const std::string& given : {prefix, "blake3:" + prefix}) {
    const RunResult result = Run({"materialize", given, At("out")});
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.ErrorObject()["code"], "ambiguous");
    EXPECT_NE(result.ErrorMessage().find(a), std::string::npos) << result;
    EXPECT_NE(result.ErrorMessage().find(b), std::string::npos) << result;
  }
  EXPECT_FALSE(Exists(At("out")));
  // One digit more than they share tells them apart.
  size_t shared = 7;
  while (a[shared] == b[shared]) ++shared;
  const Json json = RunWell({"materialize", a.substr(0, shared + 1), At("out")}).Object();
  EXPECT_TRUE(json["record_id"] == a || json["snapshot_id"] == a) << json;
}

TEST_F(ContractTest, AtMeansWhereThisFolderStands) {
  CommitTwice();
  EXPECT_EQ(RunWell({"diff", "@~1", "@"}).Object()["from"], first_);
  EXPECT_EQ(RunWell({"diff", "@~0", "@"}).Object()["Added"], 0);
  RunWell({"restore", first_});
  EXPECT_EQ(RunWell({"diff", "@", second_}).Object()["from"], first_);
  // Another folder stands elsewhere, or nowhere yet.
  MakeFolders(At("other"));
  RunOptions options = Options();
  options.cwd = At("other");
  const RunResult result = RunHelios({"materialize", "@", At("out")}, options);
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.ErrorMessage().find("unknown snapshot: @"), std::string::npos) << result;
}

TEST_F(ContractTest, DiffOfOneIdComparesWithWhereTheFolderStands) {
  CommitTwice();
  const Json json = RunWell({"diff", first_}).Object();
  EXPECT_EQ(json["from"], first_);
  EXPECT_EQ(json["to"], second_);
}

TEST_F(ContractTest, PositionalArgumentsAndOptionsAreTheSame) {
  CommitTwice();
  EXPECT_EQ(RunWell({"diff", first_, second_}).out,
            RunWell({"diff", "--from", first_, "--to", second_}).out);
  RunWell({"materialize", first_, At("a")});
  RunWell({"materialize", "--id", first_, "--out", At("b")});
  RunWell({"materialize", "--id", first_, At("c")});
  EXPECT_EQ(Difference(ReadTree(At("a")), ReadTree(At("b"))), "");
  EXPECT_EQ(Difference(ReadTree(At("a")), ReadTree(At("c"))), "");
  RunWell({"restore", first_});
  EXPECT_EQ(ReadFile(Work("demo/a.txt")), "a\n");
}

TEST_F(ContractTest, WorkspaceNamesKeepHistoriesApart) {
  const std::string one = RunWell({"commit", "--workspace", "one"}).Object()["snapshot_id"];
  Write("more", "m");
  const std::string two = RunWell({"commit", "--workspace", "two"}).Object()["snapshot_id"];
  EXPECT_EQ(RunWell({"diff", "@", two, "--workspace", "one"}).Object()["from"], one);
  EXPECT_EQ(Run({"diff", "@", two}).exit_code, 1) << "the folder itself has no history";
}

// --- Options -------------------------------------------------------------------------------------

TEST_F(ContractTest, DiffExitCode) {
  CommitTwice();
  EXPECT_EQ(Run({"diff", "--exit-code", first_, second_}).exit_code, 1);
  EXPECT_EQ(Run({"diff", "--exit-code", first_, first_}).exit_code, 0);
  EXPECT_EQ(Run({"diff", first_, second_}).exit_code, 0);
  Run({"diff", "--exit-code", first_, second_}).Object();
}

TEST_F(ContractTest, DiffWithNulIsForProgramsAsItIs) {
  Write("new\nline\xff", "x");
  CommitTwice();
  Remove(Work("new\nline\xff"));
  const std::string third = Commit();
  EXPECT_EQ(RunWell({"diff", "-z", second_, third}).out, std::string("D\0new\nline\xff\0", 12));
  EXPECT_EQ(RunWell({"diff", "-z", second_, second_}).out, "");
}

TEST_F(ContractTest, DashCGoesThereFirst) {
  RunOptions options;
  options.cwd = "/";
  const RunResult commit =
      RunHelios({"-C", folder_.path(), "commit", "--work", "work", "--store", "store"}, options);
  ASSERT_EQ(commit.exit_code, 0) << commit;
  EXPECT_TRUE(Exists(store_ + "/helios-store"));
  EXPECT_EQ(
      RunHelios({"-C", work_, "commit", "--store", "../store"}, options).Object()["unchanged"],
      true);
  EXPECT_EQ(RunHelios({"-C", At("nowhere"), "stats"}, options).exit_code, 1);
}

TEST_F(ContractTest, ThreadCountsGiveTheSameAnswer) {
  const std::string id = Commit();
  for (const char* threads : {"1", "2", "16", "256"}) {
    EXPECT_EQ(RunWell({"commit", "-j", threads}).Object()["snapshot_id"], id);
  }
  EXPECT_EQ(RunWell({"commit", "-j4"}).Object()["snapshot_id"], id);
}

TEST_F(ContractTest, MessageAndLabelsMakeANewRecord) {
  const Json plain = RunWell({"commit"}).Object();
  const Json same = RunWell({"commit"}).Object();
  EXPECT_EQ(same["unchanged"], true);
  EXPECT_EQ(same["record_id"], plain["record_id"]);
  const Json labelled =
      RunWell({"commit", "-m", "why", "-l", "step=1", "--label", "tool=x=y"}).Object();
  EXPECT_EQ(labelled["snapshot_id"], plain["snapshot_id"]);
  EXPECT_NE(labelled["record_id"], plain["record_id"]);
  const RunResult long_message = Run({"commit", "-m", std::string(100'000, 'x')});
  EXPECT_EQ(long_message.exit_code, 2) << long_message;
}

TEST_F(ContractTest, QuietSaysNothingThatIsNotAsked) {
  CommitTwice();
  const RunResult loud = RunWell({"materialize", first_, At("a"), "--include", "nothing-like-it"});
  EXPECT_NE(loud.err, "");
  const RunResult quiet =
      RunWell({"materialize", first_, At("b"), "--include", "nothing-like-it", "-q"});
  EXPECT_EQ(quiet.err, "");
  quiet.Object();
}

// --- Names ---------------------------------------------------------------------------------------

TEST_F(ContractTest, NamesThatAreNotUtf8ComeLossilyAndExactly) {
  const std::string before = Commit();
  Write("bad\xff\xfename", "x");
  Write("good\xc3\xa9", "x");
  const std::string after = Commit();
  const Json entries = RunWell({"diff", before, after}).Object()["entries"];
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0]["path"], "bad\xef\xbf\xbd\xef\xbf\xbdname");
  EXPECT_EQ(entries[0]["path_b64"], "YmFk//5uYW1l");
  EXPECT_EQ(entries[1]["path"], "good\xc3\xa9");
  EXPECT_FALSE(entries[1].contains("path_b64"));
}

TEST_F(ContractTest, OutAsGivenEvenIfItIsNotUtf8) {
  const std::string id = Commit();
  const Json json = RunWell({"materialize", id, At("out\xff")}).Object();
  EXPECT_TRUE(json.contains("out_b64")) << json;
  EXPECT_EQ(ReadFile(At("out\xff/demo/a.txt")), "a\n");
}

class ControlCharactersTest : public ContractTest,
                              public ::testing::WithParamInterface<std::string> {};

TEST_P(ControlCharactersTest, NeverReachATerminalRaw) {
  const std::string name = GetParam();
  const std::string before = Commit();
  Write(name, "x");
  const std::string after = Commit();
  const auto expect_clean = [&](const RunResult& result, int exit_code) {
    EXPECT_EQ(result.exit_code, exit_code) << result;
    EXPECT_FALSE(HasControlCharacters(result.out)) << ::testing::PrintToString(result.out);
    EXPECT_FALSE(HasControlCharacters(result.err)) << ::testing::PrintToString(result.err);
    EXPECT_EQ((result.out + result.err).find("line\nbreak"), std::string::npos);
  };
  const RunResult diff = Run({"diff", "--text", before, after});
  expect_clean(diff, 0);
  EXPECT_EQ(std::count(diff.out.begin(), diff.out.end(), '\n'), 2) << diff;
  expect_clean(Run({"materialize", "--text", after, At("out" + name)}), 0);
  expect_clean(Run({"materialize", "--text", after, At("other"), "--include", "no" + name}), 0);
  Write(name, "unsaved");
  expect_clean(Run({"restore", "--text", "-n", before}), 0);
  expect_clean(Run({"restore", "--text", before}), 4);
  expect_clean(Run({"restore", "--text", "no" + name}), 1);
  expect_clean(Run({"read", "--text", after + ":no" + name}), 1);
  Write(".heliosignore", "*x1*\n");
  expect_clean(Run({"commit", "--text"}), 0);
  WriteFile(At("way/" + name + "/in-it"), "x");
  expect_clean(Run({"materialize", "--text", after, At("way")}), 3);
}

INSTANTIATE_TEST_SUITE_P(Names, ControlCharactersTest,
                         ::testing::Values("x1\x1b"
                                           "cred",
                                           "x1line\nbreak", "x1\rreturn",
                                           "x1\x07"
                                           "bell",
                                           "x1\x7f"
                                           "delete",
                                           "x1\xc2\x9b"
                                           "31mred"),
                         [](const auto& made) { return "Name" + std::to_string(made.index); });

}  // namespace
}  // namespace helios

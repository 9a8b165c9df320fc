// Arguments and descriptors as a careless script, or somebody with bad intent, hands them over.
#include <gtest/gtest.h>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class HostileArgumentsTest : public HeliosTest {
 protected:
  HostileArgumentsTest() {
    Write("a.txt", "a");
    Write("demo/b.txt", "b");
    id_ = Commit();
  }
  // `script` with "$B" for the binary and "$ID" for the snapshot, in the workspace.
  RunResult RunShell(const std::string& script) const {
    RunOptions options = Options();
    options.env["B"] = HELIOS_BINARY;
    options.env["ID"] = id_;
    options.env["T"] = folder_.path();
    return RunProgram("sh", {"-c", script}, options);
  }
  // The files that `args` selects of the snapshot.
  Strings Selected(const Strings& selection) {
    const TreeState tree = ReadTree(Materialize(id_, selection));
    Strings files;
    for (const auto& [path, node] : tree) {
      if (node.type == '-') files.push_back(path);
    }
    return files;
  }
  void ExpectTouchesNothing(const Strings& args, int exit_code) {
    Write("a.txt", "unsaved");
    const TreeState before = ReadTree(work_);
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, exit_code) << ::testing::PrintToString(args) << result;
    EXPECT_EQ(result.out, "");
    result.ErrorObject();
    EXPECT_EQ(Difference(before, ReadTree(work_)), "") << ::testing::PrintToString(args);
  }

  std::string id_;
};

// --- Empty values, and what looks like something else --------------------------------------------

TEST_F(HostileArgumentsTest, AnEmptyValueNeverMeansTheNextArgument) {
  for (const Strings& args : std::vector<Strings>{{"restore", "--force", "--id", "", id_},
                                                  {"restore", "--force", "--id=", id_},
                                                  {"restore", "--force", "", id_},
                                                  {"restore", "--force", id_, ""},
                                                  {"restore", "--force", id_, "--include="},
                                                  {"materialize", id_, ""},
                                                  {"materialize", id_, "--out", "", "out"},
                                                  {"materialize", id_, "--out=", "out"},
                                                  {"materialize", "--id", "", id_, "out"},
                                                  {"diff", "--from", "", id_},
                                                  {"diff", "--from", id_, "--to", ""},
                                                  {"diff", "--from", id_, "--to="},
                                                  {"diff", "", id_},
                                                  {"diff", id_, ""},
                                                  {"diff", id_, id_, ""},
                                                  {""}}) {
    ExpectTouchesNothing(args, 2);
  }
}

TEST_F(HostileArgumentsTest, AnIdThatLooksLikeAnOptionIsAnId) {
  ExpectTouchesNothing({"restore", "--id", "--force"}, 1);
  ExpectTouchesNothing({"restore", "--id=--force"}, 1);
  ExpectTouchesNothing({"restore", "--", "--force"}, 1);
  ExpectTouchesNothing({"restore", "--force", "--id", "-x"}, 1);
  ExpectTouchesNothing({"restore", "-1"}, 1);
  EXPECT_NE(Run({"restore", "--id", "--force"}).ErrorMessage().find("unknown snapshot: --force"),
            std::string::npos);
}

TEST_F(HostileArgumentsTest, TwoDashesEndTheOptions) {
  Write("-q", "x");
  Write("--force", "x");
  id_ = Commit();
  EXPECT_EQ(Selected({"--", "-q", "--force"}), (Strings{"--force", "-q"}));
  EXPECT_EQ(Selected({"--", "/a.txt"}), Strings{"a.txt"});
  EXPECT_EQ(RunWell({"diff", "--", id_, id_}).Object()["from"], id_);
  RunWell({"commit", "--"});
  RunWell({"stats", "--"});
  ExpectTouchesNothing({"commit", "--", "surplus"}, 2);
}

TEST_F(HostileArgumentsTest, APathMayBeCalledLikeACommand) {
  Write("commit", "x");
  Write("stats", "x");
  id_ = Commit();
  EXPECT_EQ(Selected({"commit", "stats"}), (Strings{"commit", "stats"}));
}

// The parser of arguments has a notation for lists, which patterns are not.
TEST_F(HostileArgumentsTest, APatternInBracketsIsAPattern) {
  for (const char* name : {"x", "y", "x,y", "{}", "%%"}) Write(name, "content");
  id_ = Commit();
  EXPECT_EQ(Selected({"[xz]"}), Strings{"x"});
  EXPECT_EQ(Selected({"[x,y]"}), (Strings{"x", "y"}));
  EXPECT_EQ(Selected({"--include", "[xz]"}), Strings{"x"});
  EXPECT_EQ(Selected({"{}"}), Strings{"{}"});
  EXPECT_EQ(Selected({"--include", "{}"}), Strings{"{}"});
  EXPECT_EQ(Selected({"%%"}), Strings{"%%"});
  EXPECT_EQ(Selected({"x,y"}), Strings{"x,y"});
  EXPECT_EQ(Selected({"--include", "x", "--include", "y"}), (Strings{"x", "y"}));
}

TEST_F(HostileArgumentsTest, MessagesAndLabelsAreTakenAsTheyStand) {
  for (const char* text : {"", "[a,b]", "{}", "--force", "--x=", "\xff", "%%"}) {
    RunWell({"commit", std::string("--message=x") + text});
    RunWell({"commit", "-m", text});
  }
  RunWell({"commit", "-m", "a paragraph", "-m", "another"});
  RunWell({"commit", "-l", "a=[1,2]", "-l", "b={}", "-l", "c="});
}

TEST_F(HostileArgumentsTest, VeryLongArguments) {
  const std::string text(120'000, 'a');
  ExpectTouchesNothing({"restore", text}, 1);
  ExpectTouchesNothing({"restore", "@~" + std::string(120'000, '9')}, 2);
  ExpectTouchesNothing({"restore", id_, text}, 2);
  ExpectTouchesNothing({"commit", "--work", text}, 1);
  ExpectTouchesNothing({"-C", text, "commit"}, 1);
  ExpectTouchesNothing({"materialize", id_, "/" + text}, 1);
  ExpectTouchesNothing({"--store", "/" + text, "stats"}, 1);
  ExpectTouchesNothing({text}, 2);
}

TEST_F(HostileArgumentsTest, ArgumentsThatAreNotUtf8) {
  ExpectTouchesNothing({"restore", "\xff\xfe"}, 1);
  ExpectTouchesNothing({"\xff"}, 2);
  ExpectTouchesNothing({"commit", "--\xff"}, 2);
  ExpectTouchesNothing({"restore", id_, "[\xff"}, 2);
  ExpectTouchesNothing({"-C", At("\xff"), "commit"}, 1);
  const std::string store = At("st\xffore");
  RunWell({"--store", store, "commit"});
  const Json json = RunWell({"--store", store, "stats"}).Object()["store"];
  EXPECT_TRUE(json.contains("path_b64")) << json;
}

// --- Control characters --------------------------------------------------------------------------

TEST_F(HostileArgumentsTest, ControlCharactersAreEscapedInJson) {
  const std::string name = "n\x1b[31m\x7f\xc2\x9b\xc2\x80\xc2\x9f\n\r\t\xc2\xa0\"\\";
  Write(name, "x");
  const std::string after = Commit();
  const RunResult diff = RunWell({"diff", "--json", id_, after});
  EXPECT_FALSE(HasControlCharacters(diff.out)) << ::testing::PrintToString(diff.out);
  EXPECT_EQ(diff.Object()["entries"][0]["path"], name);
  for (const Strings& args :
       std::vector<Strings>{{"restore", name}, {name}, {"materialize", id_, At("o"), "-i", name}}) {
    const RunResult result = Run(args);
    EXPECT_FALSE(HasControlCharacters(result.err)) << ::testing::PrintToString(result.err);
  }
}

TEST_F(HostileArgumentsTest, TheStoreMayHaveAnyName) {
  const std::string store = At("st\x1b[31m\xc2\x9bore");
  RunWell({"--store", store, "commit"});
  EXPECT_EQ(RunWell({"--store", store, "stats"}).Object()["store"]["path"], store);
  RunOptions options = Options();
  options.env["HELIOS_DEBUG"] = "1";
  options.env["HELIOS_STORE_DIR"] = store;
  for (const char* form : {"--text", "--json"}) {
    const RunResult result = RunHelios({"stats", form}, options);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_FALSE(HasControlCharacters(result.out)) << ::testing::PrintToString(result.out);
    EXPECT_FALSE(HasControlCharacters(result.err)) << ::testing::PrintToString(result.err);
  }
}

// --- Standard descriptors ------------------------------------------------------------------------

TEST_F(HostileArgumentsTest, NothingIsPrintedIntoAFileOfTheStore) {
  Write("more", "m");
  const RunResult closed = RunShell("\"$B\" commit --json >&-");
  EXPECT_EQ(closed.exit_code, 1) << closed;
  EXPECT_NE(closed.ErrorMessage().find("standard output"), std::string::npos) << closed;
  for (const auto& [path, node] : ReadTree(store_)) {
    EXPECT_EQ(node.content.find("snapshot_id"), std::string::npos) << path;
  }
  // Without any descriptor: neither warnings nor errors go into a file.
  Write(".heliosignore", "[malformed\n");
  EXPECT_EQ(RunShell("\"$B\" commit --json <&- >&- 2>&-").exit_code, 1);
  for (const auto& [path, node] : ReadTree(store_)) {
    EXPECT_EQ(node.content.find("helios: "), std::string::npos) << path;
    EXPECT_EQ(node.content.find("\"error\""), std::string::npos) << path;
  }
  // The commits themselves were made.
  const TreeState work = ReadTree(work_);
  const std::string latest = RunWell({"commit"}).Object()["snapshot_id"];
  ExpectGives(latest, work);
}

TEST_F(HostileArgumentsTest, WithoutStandardErrorTheExitCodeSaysIt) {
  EXPECT_EQ(RunShell("\"$B\" restore ffffffffffff 2>&-").exit_code, 1);
  EXPECT_EQ(RunShell("\"$B\" comit 2>/dev/full").exit_code, 2);
  Write(".heliosignore", "[malformed\n");
  const RunResult result = RunShell("\"$B\" commit --json 2>&-");
  EXPECT_EQ(result.exit_code, 0) << result;
  result.Object();
}

TEST_F(HostileArgumentsTest, AFullDiskUnderStandardOutputIsAnError) {
  for (const char* command :
       {"commit", "commit --id-only", "diff $ID $ID", "diff -z $ID @", "stats",
        "stats --prometheus", "restore $ID", "restore --lazy $ID", "materialize $ID $T/out",
        "version", "--version", "-q --version", "--help", "diff --help"}) {
    const RunResult result = RunShell("\"$B\" " + std::string(command) + " >/dev/full");
    // Nothing at all to write is no failure: -z without differences.
    if (std::string_view(command).starts_with("diff -z")) {
      EXPECT_EQ(result.exit_code, 0) << command << result;
      continue;
    }
    EXPECT_EQ(result.exit_code, 14) << command << result;
    EXPECT_NE(result.ErrorMessage().find("standard output"), std::string::npos) << result;
  }
}

TEST_F(HostileArgumentsTest, AReaderThatLeavesEndsTheCommandQuietly) {
  for (int i = 0; i < 1000; ++i) Write("many/" + std::string(200, 'n') + std::to_string(i), "");
  Commit();
  // More than a pipe holds, so that the reader is gone before all is written.
  const RunResult left = RunShell("{ \"$B\" diff --text \"$ID\" @; echo $? >&2; } | head -c 1");
  EXPECT_EQ(left.out, "A");
  EXPECT_EQ(left.err, "141\n") << "128 + SIGPIPE, and no word";
  const RunResult ignored =
      RunShell("trap '' PIPE; { \"$B\" diff --json \"$ID\" @; echo $? >&2; } | head -c 1");
  EXPECT_TRUE(ignored.err.starts_with("{\"error\"")) << ignored;
  EXPECT_TRUE(ignored.err.ends_with("\n1\n")) << ignored;
}

}  // namespace
}  // namespace helios

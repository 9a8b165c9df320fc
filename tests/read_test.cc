// `helios read`: the contents of files of a snapshot, on standard output.
#include <gtest/gtest.h>

#include <algorithm>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class ReadTest : public HeliosTest {
 protected:
  void ExpectReads(const Strings& arguments, const std::string& content) const {
    Strings args{"read"};
    args.insert(args.end(), arguments.begin(), arguments.end());
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(arguments) << result;
    EXPECT_TRUE(result.out == content) << ::testing::PrintToString(arguments);
    EXPECT_EQ(result.err, "");
  }
  RunResult ExpectFails(const std::string& argument, int exit_code,
                        const std::string& message) const {
    RunResult result = Run({"read", argument});
    EXPECT_EQ(result.exit_code, exit_code) << argument << result;
    EXPECT_EQ(result.out, "") << argument;
    EXPECT_NE(result.ErrorMessage().find(message), std::string::npos) << result;
    return result;
  }
  // Of a pack that is mostly one content, the middle lies in that content's frame.
  void DamageTheMiddleOf(const std::string& pack) const {
    std::string bytes = ReadFile(pack);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    SetMode(pack, 0644);
    WriteFile(pack, bytes);
  }
};

TEST_F(ReadTest, GivesBytesAsTheyAre) {
  const std::string all_bytes = RandomBytes(10'000, 1) + std::string("\0\n\r\x1b[31m\xff", 9);
  Write("bin", all_bytes);
  Write("empty", "");
  Write("no newline", "x");
  Write("dir/sub/file", "deep");
  SetMode(Work("dir/sub/file"), 0755);
  Commit();
  ExpectReads({"@:bin"}, all_bytes);
  ExpectReads({"@:empty"}, "");
  ExpectReads({"@:no newline"}, "x");
  ExpectReads({"@:dir/sub/file"}, "deep");
  for (const char* how : {"--json", "--text"}) {
    EXPECT_EQ(RunWell({"read", how, "@:bin"}).out, all_bytes) << how;
  }
  EXPECT_EQ(RunWell({"cat", "@:bin"}).out, all_bytes) << "the other name";
}

TEST_F(ReadTest, ReadsFromTheSnapshotAndNotFromTheFolder) {
  Write("file", "committed");
  Commit();
  Write("file", "changed since");
  ExpectReads({"@:file"}, "committed");
  Remove(work_);
  MakeFolders(work_);
  const TreeState before = ReadTree(work_);
  ExpectReads({"@:file"}, "committed");
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
}

TEST_F(ReadTest, SeveralComeOneBehindTheOther) {
  Write("a", "1");
  Commit();
  Write("a", "2");
  Write("b", "b");
  Commit();
  ExpectReads({"@:b", "@~1:a", "@:a", "@:b"}, "b12b");
}

TEST_F(ReadTest, IdsInEverySpellingAndPathsWithColons) {
  Write("a:b", "one colon");
  Write("blake3:abcd:x", "looks like an id");
  Write("x/@~1:y", "more");
  const std::string id = Commit();
  RunWell({"tag", "v1"});
  RunWell({"tag", "blake3"});
  for (const std::string& spelled :
       {id, id.substr(7), id.substr(0, 20), id.substr(7, 12), std::string("@"), std::string("@~0"),
        std::string("v1"), std::string("tags/v1"), std::string("tags/blake3"),
        std::string("v1~0")}) {
    ExpectReads({spelled + ":a:b"}, "one colon");
    ExpectReads({spelled + ":blake3:abcd:x"}, "looks like an id");
    ExpectReads({spelled + ":x/@~1:y"}, "more");
  }
}

TEST_F(ReadTest, FromAnywhereWithTheCommonOptions) {
  Write("file", "x");
  Commit();
  RunOptions options;
  options.cwd = "/";
  for (const Strings& args :
       std::vector<Strings>{{"read", "-w", work_, "--store", store_, "@:file"},
                            {"-w", work_, "--store", store_, "cat", "@:file"},
                            {"-C", work_, "read", "--store", "../store", "@:file", "-q"}}) {
    const RunResult result = RunHelios(args, options);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.out, "x");
  }
}

TEST_F(ReadTest, OfALinkItsTarget) {
  Write("dir/file", "content");
  MakeLink("dir/file", Work("link"));
  MakeLink("nowhere\n", Work("dangling"));
  MakeLink("dir", Work("to-dir"));
  Commit();
  ExpectReads({"@:link"}, "dir/file");
  ExpectReads({"@:dangling"}, "nowhere\n");
  ExpectFails("@:to-dir/file", 1, "to-dir/file");
}

TEST_F(ReadTest, NamesThatAreNotUtf8) {
  Write("bad\xff\nname", "x");
  Commit();
  ExpectReads({"@:bad\xff\nname"}, "x");
}

TEST_F(ReadTest, AnyEntryOfAFolderOfSeveralPages) {
  for (int i = 0; i < 1000; ++i) Write("many/" + std::to_string(i), std::to_string(i));
  Commit();
  Strings arguments;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    arguments.push_back("@:many/" + std::to_string(i));
    expected += std::to_string(i);
  }
  ExpectReads(arguments, expected);
  ExpectFails("@:many/1000", 1, "many/1000");
}

// ---- Errors ----

TEST_F(ReadTest, WhatIsNotThereIsNamedWithItsSnapshot) {
  Write("dir/file", "x");
  const std::string id = Commit();
  for (const char* path : {"nothing", "dir/nothing", "dir/file/below", "di", "file"}) {
    const RunResult result =
        ExpectFails(std::string("@:") + path, 1, std::string(path) + " in snapshot " + id);
    EXPECT_EQ(result.ErrorObject()["code"], "not_found");
  }
  for (const char* unknown : {"feedfacefeed", "no-such-tag", "@~7"}) {
    ExpectFails(std::string(unknown) + ":dir/file", 1, std::string("unknown snapshot: ") + unknown);
  }
  ExpectFails("blake3:feedface:dir/file", 1, "unknown snapshot: blake3:feedface");
}

TEST_F(ReadTest, AFolderIsAnError) {
  Write("dir/file", "x");
  Commit();
  for (const char* argument : {"@:dir", "@:dir/", "@:", "@:."}) {
    ExpectFails(argument, 1, "it is a folder");
  }
}

TEST_F(ReadTest, WrongUsageIsExit2BeforeAnythingIsPrinted) {
  Write("file", "x");
  const std::string id = Commit();
  for (const std::string& wrong :
       {std::string(""), std::string("file"), std::string("@"), id, std::string(":file"),
        std::string("blake3::file"), std::string("@:/file"), std::string("@:../work/file"),
        std::string("@:./file"), std::string("@:dir//file"), std::string("@~x:file"),
        std::string("@:") + std::string(300, 'n')}) {
    const RunResult result = Run({"read", wrong});
    EXPECT_EQ(result.exit_code, 2) << wrong << result;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.ErrorObject()["code"], "usage");
  }
  EXPECT_EQ(Run({"read"}).exit_code, 2);
  const RunResult late = Run({"read", "@:file", "file"});
  EXPECT_EQ(late.exit_code, 2) << late;
  EXPECT_EQ(late.out, "");
}

TEST_F(ReadTest, WithoutAStoreIsExit10) {
  const RunResult result = Run({"read", "@:file"});
  EXPECT_EQ(result.exit_code, 10) << result;
  EXPECT_FALSE(Exists(store_));
}

TEST_F(ReadTest, AMissingObjectIsExit13AndNamesIdAndPath) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is damaged");
  Write("first", "first");
  Commit();
  const Strings packs = Packs();
  Write("second", "second");
  const std::string id = Commit();
  // The root's tree lies in what the second commit wrote, and the content of the first file not.
  for (const std::string& pack : packs) Remove(pack);
  ExpectReads({"@:second"}, "second");
  const RunResult result = ExpectFails("@:first", 13, "first in snapshot " + id);
  EXPECT_EQ(result.ErrorObject()["code"], "missing_object");
  EXPECT_NE(result.ErrorMessage().find("blob blake3:"), std::string::npos) << result;
}

TEST_F(ReadTest, DamageIsExit12) {
  const std::string large = RandomBytes(300'000, 1);
  Write("dir/large", large);
  Commit();
  FoldLogs();
  for (const std::string& pack : ObjectFiles()) {
    if (ReadFile(pack).size() > large.size()) DamageTheMiddleOf(pack);
  }
  const RunResult result = ExpectFails("@:dir/large", 12, "dir/large");
  EXPECT_EQ(result.ErrorObject()["code"], "damaged");
}

TEST_F(ReadTest, FullOrClosedStandardOutputIsAnError) {
  Write("file", "x");
  Commit();
  RunOptions options = Options();
  options.env["BINARY"] = HELIOS_BINARY;
  const RunResult full = RunProgram("sh", {"-c", "\"$BINARY\" read @:file >/dev/full"}, options);
  EXPECT_EQ(full.exit_code, 14) << full;
  EXPECT_NE(full.err.find("standard output"), std::string::npos) << full;
  EXPECT_EQ(std::count(full.err.begin(), full.err.end(), '\n'), 1) << full;
  const RunResult closed = RunProgram("sh", {"-c", "\"$BINARY\" read @:file >&-"}, options);
  EXPECT_EQ(closed.exit_code, 1) << closed;
  EXPECT_NE(closed.err.find("standard output"), std::string::npos) << closed;
}

// ---- Large files ----

TEST_F(ReadTest, LargeFilesComeWhole) {
  for (const size_t size : {size_t{2} << 20, (size_t{2} << 20) + 1, size_t{9'000'001}}) {
    const std::string content = RandomBytes(size, size);
    Write("large", content);
    Commit();
    ExpectReads({"@:large"}, content);
  }
}

}  // namespace
}  // namespace helios

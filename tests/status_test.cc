// What `helios status` says of a folder.
#include <gtest/gtest.h>

#include <algorithm>

#include "program.h"

namespace helios {
namespace {

class StatusTest : public HeliosTest {
 protected:
  // Letter and path of each change, sorted.
  std::vector<std::string> Changes(std::vector<std::string> args = {}) const {
    args.insert(args.begin(), "status");
    std::vector<std::string> changes;
    const Json report = RunWell(args).Object();
    for (const Json& change : report["changes"]) {
      changes.push_back(change["change"].get<std::string>() + " " +
                        change["path"].get<std::string>());
    }
    std::sort(changes.begin(), changes.end());
    return changes;
  }
};

using Strings = std::vector<std::string>;

TEST_F(StatusTest, TellsWhatChangedSinceTheLastCommit) {
  Write("same", "same");
  Write("changed", "1");
  Write("gone", "1");
  Write("becomes-link", "1");
  Write("becomes-folder", "1");
  Write("mode", "1");
  Write("sub/deep/file", "1");
  const std::string id = Commit();
  EXPECT_EQ(Changes(), Strings());
  EXPECT_EQ(RunWell({"status"}).Object()["changed"], false);
  EXPECT_EQ(Run({"status", "--exit-code"}).exit_code, 0);
  Write("changed", "2");
  Remove(Work("gone"));
  Remove(Work("becomes-link"));
  MakeLink("x", Work("becomes-link"));
  Remove(Work("becomes-folder"));
  Write("becomes-folder/inside", "1");
  SetMode(Work("mode"), 0600);
  Write("new", "1");
  Write("new-folder/a", "1");
  Remove(Work("sub"));
  MakeFolders(Work("empty"));
  const Strings expected = {"A becomes-folder/inside", "A empty",   "A new",
                            "A new-folder/a",          "C changed", "D gone",
                            "D sub/deep/file",         "P mode",    "T becomes-folder",
                            "T becomes-link"};
  EXPECT_EQ(Changes(), expected);
  const Json json = RunWell({"status"}).Object();
  EXPECT_EQ(json["snapshot_id"], id);
  EXPECT_EQ(json["changed"], true);
  EXPECT_EQ(json["Added"], 4);
  EXPECT_EQ(json["Changed"], 1);
  EXPECT_EQ(json["Deleted"], 2);
  EXPECT_EQ(json["TypeChanged"], 2);
  EXPECT_EQ(json["AttributesOnly"], 1);
  EXPECT_EQ(Run({"status", "--exit-code"}).exit_code, 1);
  EXPECT_EQ(Changes({"sub", "new*"}), (Strings{"A new", "A new-folder/a", "D sub/deep/file"}));
  EXPECT_EQ(Changes({"--exclude", "*"}), Strings());
  // Each path by itself, however many there are.
  const RunResult list = RunWell({"status", "--list"});
  EXPECT_EQ(std::count(list.out.begin(), list.out.end(), '\n'), 11) << list;
  const std::string nul = RunWell({"status", "-z", "changed"}).out;
  EXPECT_EQ(nul, std::string("C\0changed\0", 10));
  Commit();
  EXPECT_EQ(Changes(), Strings());
}

TEST_F(StatusTest, TellsWhatNoSnapshotEverHad) {
  Write("a/b/once", "1");
  Write("stays", "1");
  Commit();
  Remove(Work("a"));
  Commit();
  Write("a/b/once", "2");
  Write("a/b/new", "2");
  Write("never/there/x", "2");
  Write("top", "2");
  const Json json = RunWell({"status"}).Object();
  EXPECT_EQ(json["Added"], 4);
  EXPECT_EQ(json["NeverCaptured"], 3);
}

TEST_F(StatusTest, AnswersBeforeTheFirstCommit) {
  Commit();
  const std::string other = At("other");
  WriteFile(other + "/a/b", "1");
  const Json json = RunWell({"status", "--work", other}).Object();
  EXPECT_FALSE(json.contains("snapshot_id"));
  EXPECT_EQ(json["Added"], 1);
  EXPECT_EQ(json["changes"][0]["path"], "a/b");
}

TEST_F(StatusTest, WritesNothing) {
  Write("a", "1");
  Commit();
  Write("a", "2");
  Write("b", "2");
  const TreeState before = ReadTree(work_);
  const Strings files = ObjectFiles();
  const std::string operations = ReadFile(store_ + "/operations");
  RunWell({"status"});
  EXPECT_EQ(Difference(before, ReadTree(work_)), "");
  EXPECT_EQ(ObjectFiles(), files);
  EXPECT_EQ(ReadFile(store_ + "/operations"), operations);
  EXPECT_EQ(Run({"status", "--store", At("none")}).exit_code, 10);
  EXPECT_FALSE(Exists(At("none")));
}

TEST_F(StatusTest, TellsWhatIsIgnored) {
  Write(".heliosignore", "*.log\n");
  Write("a.log", "1");
  Commit();
  Write("b.log", "1");
  const Json json = RunWell({"status"}).Object();
  EXPECT_EQ(json["changed"], false);
  EXPECT_EQ(json["not_captured"]["ignored"]["count"], 2);
}

TEST_F(StatusTest, WhatIsIgnoredSinceCountsAsDeleted) {
  Write("a.log", "1");
  Commit();
  Write(".heliosignore", "*.log\n");
  EXPECT_EQ(Changes(), (Strings{"A .heliosignore", "D a.log"}));
}

TEST_F(StatusTest, TheTextNamesEachFile) {
  Write("a", "1");
  RunWell({"commit", "-m", "what I did"});
  Write("a", "2");
  const std::string text = RunWell({"status", "--text"}).out;
  EXPECT_NE(text.find("what I did"), text.npos) << text;
  EXPECT_NE(text.find("\n  C a\n"), text.npos) << text;
  EXPECT_NE(text.find("0 added, 1 changed, 0 deleted\n"), text.npos) << text;
}

}  // namespace
}  // namespace helios

// `helios tag`, and tags wherever an id is taken.
#include <algorithm>

#include "program.h"

namespace helios {
namespace {

class TagTest : public HeliosTest {
 protected:
  TagTest() {
    Write("a.txt", "one");
    first_ = Commit();
    Write("a.txt", "two");
    second_ = Commit();
  }

  // Names of all tags, in the order in which they are listed.
  std::vector<std::string> Tags() const {
    std::vector<std::string> names;
    const Json list = RunWell({"tag"}).Object();
    for (const Json& tag : list.at("tags")) names.push_back(tag.at("name"));
    return names;
  }
  // The only ref file of the store.
  std::string RefFile() const {
    for (const std::string& folder : ListFolder(store_ + "/refs")) {
      for (const std::string& name : ListFolder(store_ + "/refs/" + folder)) {
        if (name != "lock") return store_ + "/refs/" + folder + "/" + name;
      }
    }
    ADD_FAILURE() << "no ref";
    return "";
  }

  std::string first_;
  std::string second_;
};

TEST_F(TagTest, NamesWhereTheFolderStands) {
  const Json tagged = RunWell({"tag", "latest"}).Object();
  EXPECT_EQ(tagged.at("tagged"), "latest");
  EXPECT_EQ(tagged.at("snapshot_id"), second_);
  EXPECT_TRUE(tagged.at("record_id").get<std::string>().starts_with("blake3:"));
  EXPECT_FALSE(tagged.contains("replaced_record_id"));
  const Json list = RunWell({"tag"}).Object();
  ASSERT_EQ(list.at("tags").size(), 1u);
  EXPECT_EQ(list.at("tags")[0].at("name"), "latest");
  EXPECT_EQ(list.at("tags")[0].at("record_id"), tagged.at("record_id"));
}

TEST_F(TagTest, NamesAnySnapshotAndListsByName) {
  EXPECT_EQ(RunWell({"tag", "v2", second_}).Object().at("snapshot_id"), second_);
  EXPECT_EQ(RunWell({"tag", "v1", "@~1"}).Object().at("snapshot_id"), first_);
  EXPECT_EQ(RunWell({"tag", "release/1", "v1"}).Object().at("snapshot_id"), first_);
  EXPECT_EQ(Tags(), (std::vector<std::string>{"release/1", "v1", "v2"}));
}

TEST_F(TagTest, ListIsEmptyAtFirst) {
  EXPECT_TRUE(Tags().empty());
  EXPECT_EQ(RunWell({"tag", "--text"}).out, "");
}

TEST_F(TagTest, TextHasALineForEachTag) {
  RunWell({"tag", "v1", first_});
  RunWell({"tag", "v2", second_});
  const std::string text = RunWell({"tag", "--text"}).out;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_NE(text.find("  v1\n"), text.npos) << text;
  EXPECT_NE(text.find("  v2\n"), text.npos) << text;
}

TEST_F(TagTest, IsTakenWhereverAnIdIs) {
  RunWell({"tag", "v1", first_});
  RunWell({"tag", "v2", second_});
  EXPECT_EQ(RunWell({"diff", "v1", "v2"}).Object().at("Changed"), 1);
  EXPECT_EQ(RunWell({"diff", "--from", "v2~1", "--to", "tags/v1"}).Object().at("Changed"), 0);
  EXPECT_EQ(ReadFile(Materialize("v1") + "/a.txt"), "one");
  const Json restored = RunWell({"restore", "--id", "v1"}).Object();
  EXPECT_EQ(restored.at("restored"), "v1");
  EXPECT_EQ(ReadFile(Work("a.txt")), "one");
}

TEST_F(TagTest, IsKnownToEveryWorkspaceOfTheStore) {
  RunWell({"tag", "v1", first_});
  MakeFolders(At("other"));
  EXPECT_EQ(RunWell({"diff", "--work", At("other"), "v1", second_}).Object().at("Changed"), 1);
}

TEST_F(TagTest, ExistingTagIsNotMovedWithoutForce) {
  const Json before = RunWell({"tag", "v1", first_}).Object();
  const RunResult refused = Run({"tag", "v1", second_});
  EXPECT_EQ(refused.exit_code, 1) << refused;
  EXPECT_NE(refused.ErrorMessage().find("the tag \"v1\" exists"), std::string::npos) << refused;
  EXPECT_EQ(RunWell({"diff", "v1", first_}).Object().at("Changed"), 0);
  const Json moved = RunWell({"tag", "--force", "v1", second_}).Object();
  EXPECT_EQ(moved.at("snapshot_id"), second_);
  EXPECT_EQ(moved.at("replaced_record_id"), before.at("record_id"));
  EXPECT_EQ(RunWell({"diff", "v1", second_}).Object().at("Changed"), 0);
  EXPECT_EQ(Tags(), std::vector<std::string>{"v1"});
}

TEST_F(TagTest, DeletedTagIsGoneAndItsSnapshotStays) {
  RunWell({"tag", "v1", first_});
  RunWell({"tag", "v2"});
  EXPECT_EQ(RunWell({"tag", "--delete", "v1"}).Object().at("deleted"), "v1");
  EXPECT_EQ(Tags(), std::vector<std::string>{"v2"});
  const RunResult unknown = Run({"restore", "v1"});
  EXPECT_EQ(unknown.exit_code, 1) << unknown;
  EXPECT_EQ(unknown.ErrorMessage(), "unknown snapshot: v1");
  EXPECT_EQ(ReadFile(Materialize(first_) + "/a.txt"), "one");
  const RunResult again = Run({"tag", "--delete", "v1"});
  EXPECT_EQ(again.exit_code, 1) << again;
  EXPECT_EQ(again.ErrorMessage(), "unknown tag: v1");
}

TEST_F(TagTest, UnknownAndAmbiguousIdsMakeNoTag) {
  EXPECT_EQ(Run({"tag", "v1", "nothing"}).exit_code, 1);
  EXPECT_EQ(Run({"tag", "v1", "000000000000"}).exit_code, 1);
  EXPECT_EQ(Run({"tag", "v1", "ab"}).exit_code, 2);
  EXPECT_TRUE(Tags().empty());
}

TEST_F(TagTest, RefusesNamesThatCouldBeAnythingElse) {
  for (const char* name :
       {"",        "dead",     "0123456789", "@",    "@~1",    "@x",      "-x",
        "--force", "a b",      "../x",       "a..b", "/a",     "a/",      ".a",
        "a\n",     "a\x1b[2J", "a:b",        "v~1",  "x.lock", "tags/v1", "heads/main"}) {
    const RunResult refused = Run({"tag", "--", name});
    EXPECT_EQ(refused.exit_code, 2) << name << refused;
    EXPECT_EQ(refused.out, "");
  }
  EXPECT_TRUE(Tags().empty());
}

TEST_F(TagTest, NamesThatAreNotUtf8AreGivenExactly) {
  RunWell({"tag", "n\xff"});
  const Json tag = RunWell({"tag"}).Object().at("tags")[0];
  EXPECT_EQ(tag.at("name_b64"), "bv8=");
  EXPECT_EQ(RunWell({"diff", "n\xff", "@"}).Object().at("Changed"), 0);
}

TEST_F(TagTest, WrongUsageIsRefused) {
  for (const std::vector<std::string>& args : {std::vector<std::string>{"tag", "a", "@", "c"},
                                               {"tag", "--delete", "a", "b"},
                                               {"tag", "--delete", "a", "--force"},
                                               {"tag", "--force"},
                                               {"tag", "--delete"}}) {
    EXPECT_EQ(Run(args).exit_code, 2) << args.back();
  }
}

TEST_F(TagTest, DamagedRefIsNamedAndCanBeDeleted) {
  RunWell({"tag", "v1"});
  const std::string file = RefFile();
  const std::string whole = ReadFile(file);
  for (const std::string& damage :
       {std::string(), whole.substr(0, whole.size() / 2), std::string("garbage"),
        RandomBytes(whole.size(), 7), whole + "x"}) {
    WriteFile(file, damage);
    const RunResult used = Run({"diff", "v1", "@"});
    EXPECT_EQ(used.exit_code, 12) << used;
    EXPECT_NE(used.ErrorMessage().find("\"tags/v1\""), std::string::npos) << used;
    const RunResult listed = Run({"tag"});
    EXPECT_EQ(listed.exit_code, 12) << listed;
    EXPECT_NE(listed.ErrorMessage().find(file), std::string::npos) << listed;
    EXPECT_EQ(Run({"tag", "--force", "v1", first_}).exit_code, 12);
  }
  // Nothing else minds.
  EXPECT_EQ(RunWell({"diff", first_, "@"}).Object().at("Changed"), 1);
  RunWell({"tag", "--delete", "v1"});
  EXPECT_TRUE(Tags().empty());
  RunWell({"tag", "v1"});
}

TEST_F(TagTest, WithoutAStoreNothingIsMade) {
  MakeFolders(At("elsewhere"));
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"tag"}, {"tag", "v1"}, {"tag", "--delete", "v1"}}) {
    std::vector<std::string> with_store = args;
    with_store.insert(with_store.end(), {"--store", At("elsewhere/store")});
    EXPECT_EQ(Run(with_store).exit_code, 10);
  }
  EXPECT_TRUE(ListFolder(At("elsewhere")).empty());
}

TEST_F(TagTest, CommitsMakeNoRefs) { EXPECT_FALSE(Exists(store_ + "/refs")); }

}  // namespace
}  // namespace helios

// `helios doctor`: what it says of healthy and of damaged stores, and that it changes neither.
#include "program.h"

namespace helios {
namespace {

class DoctorTest : public HeliosTest {
 protected:
  DoctorTest() {
    Write("a.txt", "one");
    Write("sub/b.txt", "two");
    // One thread makes one pack; two make one or two, as it happens.
    id_ = RunWell({"commit", "-j", "1"}).Object().at("snapshot_id");
  }

  static Json Check(const Json& report, std::string_view name) {
    for (const Json& check : report.at("checks")) {
      if (check.at("name") == name) return check;
    }
    ADD_FAILURE() << "no check named " << name << ": " << report;
    return Json::object({{"ok", false}, {"message", ""}});
  }
  // The doctor finds just this check wrong, with `part` in its message, and advises.
  void ExpectWrong(std::string_view name, int exit_code, const std::string& part) const {
    const RunResult result = Run({"doctor"});
    EXPECT_EQ(result.exit_code, exit_code) << result;
    const Json report = result.Object();
    EXPECT_EQ(report.at("ok"), false);
    for (const Json& check : report.at("checks")) {
      EXPECT_EQ(check.at("ok"), check.at("name") != name) << check;
    }
    const Json check = Check(report, name);
    EXPECT_NE(check.at("message").get<std::string>().find(part), std::string::npos) << check;
    EXPECT_TRUE(check.contains("advice")) << check;
  }

  std::string id_;
};

TEST_F(DoctorTest, FindsNothingWrongWithAHealthyStore) {
  RunWell({"tag", "v1"});
  const Json report = RunWell({"doctor"}).Object();
  EXPECT_EQ(report.at("ok"), true);
  EXPECT_EQ(report.at("store").at("path"), store_);
  EXPECT_EQ(report.at("store").at("rule"), "HELIOS_STORE_DIR");
  for (const char* name :
       {"store", "format", "file_system", "writable", "objects", "operation_log", "refs",
        "statistics", "leftovers", "workspace", "baseline", "stat_index"}) {
    EXPECT_EQ(Check(report, name).at("ok"), true) << name;
  }
  EXPECT_EQ(Check(report, "format").at("message"), "version 1, backend " + TestedBackend());
  EXPECT_EQ(Check(report, "refs").at("message"), "1 ref");
  EXPECT_EQ(Check(report, "operation_log").at("message"), "2 operations");
  const auto message_of = [&](std::string_view name) {
    return Check(report, name).at("message").get<std::string>();
  };
  EXPECT_EQ(message_of("objects").find("in 1 pack,") != std::string::npos, TestsPacks()) << report;
  EXPECT_NE(message_of("file_system").find(" free"), std::string::npos) << report;
  EXPECT_NE(message_of("workspace").find(work_), std::string::npos) << report;
  EXPECT_NE(message_of("baseline").find(id_), std::string::npos) << report;
  EXPECT_TRUE(message_of("stat_index").starts_with("usable")) << report;
}

TEST_F(DoctorTest, SaysTheSameInText) {
  const std::string text = RunWell({"doctor", "--text"}).out;
  EXPECT_TRUE(text.starts_with("store " + store_ + " (HELIOS_STORE_DIR)\n")) << text;
  EXPECT_NE(text.find("  ok     objects: "), std::string::npos) << text;
  EXPECT_EQ(text.find("WRONG"), std::string::npos) << text;
  WriteFile(store_ + "/operations", "garbage of some length");
  WriteFile(TestsPacks() ? store_ + "/pack/bad.pack" : EssentialFile(), "garbage");
  const RunResult wrong = Run({"doctor", "--text"});
  EXPECT_EQ(wrong.exit_code, 12) << wrong;
  EXPECT_NE(wrong.out.find("  WRONG  objects: "), std::string::npos) << wrong;
}

TEST_F(DoctorTest, ChangesNothing) {
  RunWell({"tag", "v1"});
  RunWell({"doctor"});
  const TreeState before = ReadTree(folder_.path());
  RunWell({"doctor"});
  WriteFile(EssentialFile(), "garbage");
  EXPECT_EQ(Run({"doctor"}).exit_code, 12);
  EXPECT_EQ(ReadFile(EssentialFile()), "garbage");
  EXPECT_EQ(before.size(), ReadTree(folder_.path()).size());
}

TEST_F(DoctorTest, WithoutAStoreSaysSoAndMakesNone) {
  const RunResult result = Run({"doctor", "--store", At("nothing")});
  EXPECT_EQ(result.exit_code, 10) << result;
  EXPECT_EQ(result.ErrorObject()["code"], "no_store");
  EXPECT_EQ(result.out, "");
  EXPECT_FALSE(Exists(At("nothing")));
}

TEST_F(DoctorTest, FolderThatNeverCommittedIsHealthy) {
  MakeFolders(At("fresh"));
  const Json report = RunWell({"doctor", "--work", At("fresh")}).Object();
  EXPECT_TRUE(Check(report, "baseline").at("message").get<std::string>().starts_with("nothing"));
  EXPECT_EQ(Check(report, "stat_index").at("message"), "none yet");
}

TEST_F(DoctorTest, DamagedPackIndexIsNamedWithEachPack) {
  HELIOS_SKIP_UNLESS_PACKS("an index of packs");
  // More packs than the one that the workspace stands upon.
  const std::string garbage = store_ + "/pack/garbage.pack";
  WriteFile(garbage, "garbage");
  ExpectWrong("objects", 12, garbage);
  std::string pack = ReadFile(Packs().front() == garbage ? Packs().back() : Packs().front());
  pack[pack.size() - 60] = static_cast<char>(pack[pack.size() - 60] ^ 1);  // the last entry
  WriteFile(garbage, pack);
  ExpectWrong("objects", 12, garbage);
  Remove(garbage);
  RunWell({"doctor"});
}

TEST_F(DoctorTest, LostPackIsAMissingObject) {
  HELIOS_SKIP_UNLESS_PACKS("a database that lacks a file is damaged");
  Remove(Packs().front());
  const RunResult result = Run({"doctor"});
  EXPECT_EQ(result.exit_code, 13) << result;
  EXPECT_EQ(Check(result.Object(), "baseline").at("ok"), false);
}

TEST_F(DoctorTest, GarbageInTheOperationLogIsDamage) {
  const std::string log = store_ + "/operations";
  std::string bytes = ReadFile(log);
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  WriteFile(log, bytes);
  const RunResult result = Run({"doctor"});
  EXPECT_EQ(result.exit_code, 12) << result;
  const Json check = Check(result.Object(), "operation_log");
  EXPECT_EQ(check.at("ok"), false);
  EXPECT_NE(check.at("message").get<std::string>().find(log), std::string::npos) << check;
  EXPECT_TRUE(check.contains("advice"));
}

TEST_F(DoctorTest, MissingOperationLogIsDamage) {
  Remove(store_ + "/operations");
  const RunResult result = Run({"doctor"});
  EXPECT_EQ(result.exit_code, 12) << result;
  EXPECT_EQ(Check(result.Object(), "operation_log").at("ok"), false);
}

TEST_F(DoctorTest, DamagedRefIsNamed) {
  RunWell({"tag", "v1"});
  for (const std::string& folder : ListFolder(store_ + "/refs")) {
    for (const std::string& name : ListFolder(store_ + "/refs/" + folder)) {
      const std::string file = store_ + "/refs/" + folder + "/" + name;
      if (name != "lock") WriteFile(file, ReadFile(file).substr(0, 30));
    }
  }
  ExpectWrong("refs", 12, "\"tags/v1\"");
  RunWell({"tag", "--delete", "v1"});
  RunWell({"doctor"});
}

TEST_F(DoctorTest, DamagedMarkerIsDamage) {
  WriteFile(store_ + "/helios-store", "garbage");
  ExpectWrong("store", 12, store_ + "/helios-store");
}

TEST_F(DoctorTest, UnknownVersionIsNamed) {
  WriteFile(store_ + "/helios-store", "helios store\nversion: 99\nbackend: pack\n");
  ExpectWrong("store", 1, "\"99\"");
  const Json check = Check(Run({"doctor"}).Object(), "store");
  EXPECT_NE(check.at("advice").get<std::string>().find("build of Helios"), std::string::npos)
      << check;
}

TEST_F(DoctorTest, DamagedStatisticsAreNamed) {
  WriteFile(store_ + "/statistics", std::string(100'000, 'x'));
  ExpectWrong("statistics", 12, store_ + "/statistics");
}

TEST_F(DoctorTest, LeftoversAreCountedAndHarmless) {
  HELIOS_SKIP_UNLESS_PACKS("it writes under no temporary names");
  WriteFile(store_ + "/pack/.tmp-0123456789abcdef0123456789abcdef", "half a pack");
  MakeFolders(At(".helios-new-0123456789abcdef0123456789abcdef"));
  const Json check = Check(RunWell({"doctor"}).Object(), "leftovers");
  EXPECT_EQ(check.at("message"), "2 temporary files");
  EXPECT_TRUE(check.contains("advice"));
}

TEST_F(DoctorTest, DamagedStatIndexIsOnlyACache) {
  for (const std::string& key : ListFolder(store_ + "/workspaces")) {
    WriteFile(store_ + "/workspaces/" + key + "/index", "garbage");
  }
  const Json check = Check(RunWell({"doctor"}).Object(), "stat_index");
  EXPECT_NE(check.at("message").get<std::string>().find("cannot be used"), std::string::npos);
  RunWell({"commit"});
  const Json healed = Check(RunWell({"doctor"}).Object(), "stat_index");
  EXPECT_TRUE(healed.at("message").get<std::string>().starts_with("usable"));
}

// Root reads and writes everything: these run as somebody who may not.
class DoctorAsUserTest : public DoctorTest {
 protected:
  RunResult RunAsUser(const std::vector<std::string>& args) const {
    if (Nobody()) SetOwner(folder_.path(), *Nobody());
    RunOptions options = Options();
    options.uid = Nobody();
    return RunHelios(args, options);
  }
};

TEST_F(DoctorAsUserTest, ReadOnlyStoreIsReported) {
  SetMode(BackendFolder(), 0500);
  const RunResult result = RunAsUser({"doctor"});
  SetMode(BackendFolder(), 0700);
  EXPECT_EQ(result.exit_code, 1) << result;
  const Json report = result.Object();
  EXPECT_EQ(Check(report, "writable").at("ok"), false);
  EXPECT_EQ(Check(report, "objects").at("ok"), true) << report;
}

TEST_F(DoctorAsUserTest, UnreadableStoreIsReported) {
  SetMode(store_, 0000);
  const RunResult result = RunAsUser({"doctor"});
  SetMode(store_, 0700);
  EXPECT_EQ(result.exit_code, 1) << result;
  const Json check = Check(result.Object(), "store");
  EXPECT_EQ(check.at("ok"), false);
  EXPECT_NE(check.at("message").get<std::string>().find("Permission denied"), std::string::npos);
}

TEST_F(DoctorAsUserTest, UnreadablePackFolderIsNoLoss) {
  SetMode(BackendFolder(), 0000);
  const RunResult result = RunAsUser({"doctor"});
  SetMode(BackendFolder(), 0700);
  EXPECT_EQ(result.exit_code, 1) << result;
  const Json check = Check(result.Object(), "objects");
  EXPECT_EQ(check.at("ok"), false);
  EXPECT_EQ(check.at("advice").get<std::string>().find("lost"), std::string::npos) << check;
}

TEST_F(DoctorAsUserTest, UnreadablePacksAreReported) {
  SetMode(EssentialFile(), 0000);
  const RunResult result = RunAsUser({"doctor"});
  EXPECT_EQ(result.exit_code, 1) << result;
  const Json check = Check(result.Object(), "objects");
  EXPECT_EQ(check.at("ok"), false);
  EXPECT_NE(check.at("message").get<std::string>().find(EssentialFile()), std::string::npos);
}

TEST_F(DoctorAsUserTest, StoreOfAnotherUserIsRefused) {
  if (!Nobody()) GTEST_SKIP() << "only root can give files away";
  SetOwner(store_, *Nobody());
  ExpectWrong("store", 1, "belongs to user 65534");
}

}  // namespace
}  // namespace helios

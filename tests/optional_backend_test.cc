// RocksDB is a library of its own: who does not ask for it neither links it, nor loads it, nor
// needs it installed.
#include <gtest/gtest.h>

#include <set>

#include "program.h"

namespace helios {
namespace {

// What the loader finds named in the program: its shared libraries, and where they are looked for.
std::set<std::string> DynamicEntries(const std::string& kind) {
  const RunResult listed = RunProgram("readelf", {"--dynamic", "--wide", HELIOS_BINARY});
  EXPECT_EQ(listed.exit_code, 0) << listed;
  std::set<std::string> names;
  for (size_t at = listed.out.find("(" + kind + ")"); at != listed.out.npos;
       at = listed.out.find("(" + kind + ")", at + 1)) {
    const size_t begin = listed.out.find('[', at) + 1;
    names.insert(listed.out.substr(begin, listed.out.find(']', begin) - begin));
  }
  return names;
}

class OptionalBackendTest : public HeliosTest {
 protected:
  OptionalBackendTest() {
    Write("file", "content");
    Write("folder/other", RandomBytes(5000, 1));
  }
  // What the dynamic loader says that it loads for a command.
  std::string LoadedBy(const std::vector<std::string>& args) const {
    RunOptions options = Options();
    options.env["LD_DEBUG"] = "files";
    options.env["LD_DEBUG_OUTPUT"] = At("loaded");
    const RunResult result = RunHelios(args, options);
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(args) << " " << result;
    std::string loaded;
    for (const std::string& name : ListFolder(folder_.path())) {
      if (!name.starts_with("loaded.")) continue;
      loaded += ReadFile(At(name));
      Remove(At(name));
    }
    EXPECT_NE(loaded.find("libc.so"), loaded.npos) << "the loader says nothing";
    return loaded;
  }
  // The program alone, as it is installed where RocksDB was not asked for.
  std::string ProgramAlone() const {
    WriteFile(At("alone/bin/helios"), ReadFile(HELIOS_BINARY));
    SetMode(At("alone/bin/helios"), 0755);
    return At("alone/bin/helios");
  }
  static void ExpectSaysHowToGetIt(const RunResult& result) {
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.ErrorObject()["code"], "unsupported") << result;
    const std::string message = result.ErrorMessage();
    EXPECT_NE(message.find("backend \"rocksdb\""), message.npos) << message;
    EXPECT_NE(message.find("/helios/libhelios_rocksdb.so"), message.npos) << message;
    EXPECT_NE(message.find("librocksdb-dev"), message.npos) << message;
  }
};

TEST_F(OptionalBackendTest, TheProgramNeedsNoLibraryButTheSystems) {
  const std::set<std::string> needed = DynamicEntries("NEEDED");
  EXPECT_TRUE(needed.contains("libc.so.6")) << "the list looks wrong";
  for (const std::string& library : needed) {
    EXPECT_EQ(library.find("rocksdb"), library.npos);
    EXPECT_EQ(library.find("helios"), library.npos);
  }
  // Nothing beside the system's folders could be loaded in their place.
  EXPECT_EQ(DynamicEntries("RUNPATH"), std::set<std::string>());
  EXPECT_EQ(DynamicEntries("RPATH"), std::set<std::string>());
}

TEST_F(OptionalBackendTest, NoCommandOnAStoreOfPacksLoadsIt) {
  const std::string id = Commit();
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"--version"},
                                             {"commit"},
                                             {"stats"},
                                             {"status"},
                                             {"materialize", id, At("out")},
                                             {"optimize"},
                                             {"gc"},
                                             {"doctor"},
                                             {"repair"}}) {
    const std::string loaded = LoadedBy(command);
    EXPECT_EQ(loaded.find("rocksdb"), loaded.npos) << command.front();
  }
}

TEST_F(OptionalBackendTest, WithoutTheLibraryPacksWorkAndOthersSayHowToGetIt) {
  const std::string alone = ProgramAlone();
  const RunResult commit = RunProgram(alone, {"commit"}, Options());
  EXPECT_EQ(commit.exit_code, 0) << commit;
  ExpectGives(commit.Object()["snapshot_id"], ReadTree(work_));
  // A store that cannot be made leaves nothing behind.
  ExpectSaysHowToGetIt(
      RunProgram(alone, {"commit", "--backend", "rocksdb", "--store", At("new")}, Options()));
  for (const std::string& name : ListFolder(folder_.path())) {
    EXPECT_TRUE(name == "alone" || name == "work" || name == "store" || name == "out-0") << name;
  }
}

#if HELIOS_WITH_ROCKSDB

TEST_F(OptionalBackendTest, AStoreOfRocksdbLoadsIt) {
  const std::string loaded = LoadedBy({"commit", "--backend", "rocksdb"});
  EXPECT_NE(loaded.find("libhelios_rocksdb.so"), loaded.npos);
  const std::string by_others = LoadedBy({"stats"});
  EXPECT_NE(by_others.find("libhelios_rocksdb.so"), by_others.npos);
}

TEST_F(OptionalBackendTest, AStoreWhoseLibraryIsGoneSaysHowToGetItAndIsLeftAsItIs) {
  const std::string id = RunWell({"commit", "--backend", "rocksdb"}).Object()["snapshot_id"];
  const std::string alone = ProgramAlone();
  const TreeState before = ReadTree(store_);
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"commit"}, {"stats"}, {"materialize", id, At("out")}, {"optimize"}, {"repair"}}) {
    SCOPED_TRACE(command.front());
    ExpectSaysHowToGetIt(RunProgram(alone, command, Options()));
  }
  EXPECT_EQ(Difference(before, ReadTree(store_)), "");
  ExpectGives(id, ReadTree(work_));
}

// Whatever the store or the environment says, it is the library that belongs to the program.
TEST_F(OptionalBackendTest, NobodyElseSaysWhereItIs) {
  RunWell({"commit", "--backend", "rocksdb"});
  for (const std::string& place : {store_, work_, At("elsewhere")}) {
    WriteFile(place + "/libhelios_rocksdb.so", "not the one");
    WriteFile(place + "/helios/libhelios_rocksdb.so", "not the one");
  }
  RunOptions options = Options();
  options.env["LD_LIBRARY_PATH"] = At("elsewhere") + ":" + work_;
  const RunResult stats = RunHelios({"stats"}, options);
  EXPECT_EQ(stats.exit_code, 0) << stats;
}

#endif

}  // namespace
}  // namespace helios

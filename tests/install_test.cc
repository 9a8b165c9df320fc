// What `cmake --install` lays down, as a program that has neither our sources nor our build uses
// it.
#include <gtest/gtest.h>

#include <cstdio>

#include "program.h"

namespace helios {
namespace {

// Commits a folder and writes what the store then holds into another one.
constexpr char kProgram[] = R"(
#include <helios/engine.h>

#include <cstdio>

int main(int, char** argv) {
  helios::EngineOptions options;
  options.store = argv[1];
  options.backends = {helios::PackBackend()};
  options.create_with = "pack";
  auto engine = helios::Engine::Open(options);
  if (!engine) return 1;
  helios::CommitRequest commit;
  commit.workspace.path = argv[2];
  const auto committed = (*engine)->Commit(commit);
  if (!committed) return 1;
  helios::MaterializeRequest materialize;
  materialize.id = helios::FormatId(committed->snapshot);
  materialize.out = argv[3];
  if (!(*engine)->Materialize(materialize)) return 1;
  std::printf("%s\n", materialize.id.c_str());
  return 0;
}
)";

constexpr char kProject[] = R"(
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES CXX)
find_package(helios ${WANTED_VERSION} REQUIRED OPTIONAL_COMPONENTS punchcards)
if(helios_punchcards_FOUND)
  message(FATAL_ERROR "a component that is not installed was found")
endif()
add_executable(consumer consumer.cc)
target_link_libraries(consumer PRIVATE helios::helios)
)";

// The same with stores of RocksDB, for who links that backend.
constexpr char kRocksdbProject[] = R"(
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES CXX)
find_package(helios REQUIRED COMPONENTS rocksdb)
add_executable(consumer consumer.cc)
target_link_libraries(consumer PRIVATE helios::rocksdb)
)";

std::string RocksdbProgram() {
  std::string program = kProgram;
  const auto replace = [&](const std::string& from, const std::string& to) {
    program.replace(program.find(from), from.size(), to);
  };
  replace("#include <helios/engine.h>",
          "#include <helios/engine.h>\n#include <helios/rocksdb_backend.h>");
  replace("helios::PackBackend()", "helios::RocksdbBackend()");
  replace("\"pack\"", "helios::kRocksdbBackend");
  return program;
}

// As the README has it, with the flags that our own build was given.
constexpr char kPkgConfigBuild[] =
    R"("$CXX" -std=c++20 $CXXFLAGS consumer.cc $(pkg-config --static --cflags --libs helios) )"
    R"(-o consumer)";

class InstallTest : public ::testing::Test {
 protected:
  // The tree is moved once it is installed: nothing in it may depend on where that was.
  InstallTest() {
    RunWell("cmake", {"--install", HELIOS_BUILD_DIR, "--prefix", At("elsewhere")});
    Rename(At("elsewhere"), Prefix());
  }

  std::string At(const std::string& relative) const { return folder_.path() + "/" + relative; }
  std::string Prefix() const { return At("prefix"); }
  std::string Libraries() const { return Prefix() + "/" HELIOS_LIBRARY_DIR; }

  static void RunWell(const std::string& program, const std::vector<std::string>& args,
                      const RunOptions& options = {}) {
    const RunResult result = RunProgram(program, args, options);
    ASSERT_EQ(result.exit_code, 0) << result;
  }
  // Runs CMake code that is no project, with the installed tree to find packages in.
  RunResult RunScript(const std::string& code) const {
    WriteFile(At("script.cmake"), code);
    return RunProgram("cmake", {"-DCMAKE_PREFIX_PATH=" + Prefix(), "-P", At("script.cmake")});
  }
  void Build(const std::string& project, const std::string& program) const {
    WriteFile(At("source/CMakeLists.txt"), project);
    WriteFile(At("source/consumer.cc"), program);
    RunWell("cmake",
            {"-S", At("source"), "-B", At("build"), "-G", HELIOS_GENERATOR,
             "-DCMAKE_PREFIX_PATH=" + Prefix(), "-DWANTED_VERSION=" HELIOS_VERSION,
             "-DCMAKE_CXX_COMPILER=" HELIOS_CXX_COMPILER, "-DCMAKE_CXX_FLAGS=" HELIOS_CXX_FLAGS});
    if (HasFatalFailure()) return;
    RunWell("cmake", {"--build", At("build")});
  }
  // Runs the consumer; the installed program must know the snapshot that it prints.
  void ExpectWorks(const std::string& consumer) const {
    WriteFile(At("work/folder/file"), "content\n");
    WriteFile(At("work/large"), RandomBytes(5 << 20, 1));
    const RunResult ours = RunProgram(consumer, {At("store"), At("work"), At("out")});
    ASSERT_EQ(ours.exit_code, 0) << ours;
    EXPECT_EQ(Difference(ReadTree(At("work")), ReadTree(At("out"))), "");
    const std::string id = ours.out.substr(0, ours.out.find('\n'));
    RunWell(Prefix() + "/bin/helios",
            {"materialize", "--store", At("store"), "--id", id, "--out", At("again")});
    EXPECT_EQ(Difference(ReadTree(At("work")), ReadTree(At("again"))), "");
  }

  const TemporaryFolder folder_;
};

TEST_F(InstallTest, AProjectThatFindsThePackage) {
  Build(kProject, kProgram);
  if (HasFatalFailure()) return;
  ExpectWorks(At("build/consumer"));
}

TEST_F(InstallTest, AProgramBuiltWithPkgConfig) {
  WriteFile(At("consumer.cc"), kProgram);
  RunOptions options;
  options.cwd = folder_.path();
  options.env = {{"CXX", HELIOS_CXX_COMPILER},
                 {"CXXFLAGS", HELIOS_CXX_FLAGS},
                 {"PKG_CONFIG_PATH", Libraries() + "/pkgconfig"}};
  RunWell("sh", {"-eu", "-c", kPkgConfigBuild}, options);
  if (HasFatalFailure()) return;
  ExpectWorks(At("consumer"));
  const RunResult version = RunProgram("pkg-config", {"--modversion", "helios"}, options);
  EXPECT_EQ(version.out, HELIOS_VERSION "\n");
}

TEST_F(InstallTest, AComponentThatIsNotInstalledIsNamed) {
  const RunResult result = RunScript("find_package(helios REQUIRED COMPONENTS punchcards)");
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.err.find("component punchcards is not installed"), std::string::npos) << result;
}

#if HELIOS_WITH_ROCKSDB

// The installed program then opens the store with the library that it loads.
TEST_F(InstallTest, AProjectThatLinksTheRocksdbComponent) {
  Build(kRocksdbProject, RocksdbProgram());
  if (HasFatalFailure()) return;
  ExpectWorks(At("build/consumer"));
  EXPECT_NE(ReadFile(At("store/helios-store")).find("backend: rocksdb"), std::string::npos);
}

TEST_F(InstallTest, TheProgramFindsItsRocksdbLibraryWhereverTheTreeIs) {
  WriteFile(At("work/file"), "content\n");
  const std::vector<std::string> commit{"commit",   "--backend", "rocksdb",  "--work",
                                        At("work"), "--store",   At("store")};
  RunWell(Prefix() + "/bin/helios", commit);
  Rename(Prefix(), At("moved again"));
  MakeLink(At("moved again/bin/helios"), At("link"));
  for (const std::string& program : {At("moved again/bin/helios"), At("link")}) {
    RunWell(program, {"verify", "--store", At("store")});
  }
}

TEST_F(InstallTest, ARocksdbThatIsNotInstalledIsNamed) {
  const RunResult result = RunScript(
      "set(HELIOS_rocksdb_LIBRARY HELIOS_rocksdb_LIBRARY-NOTFOUND)\n"
      "set(CMAKE_FIND_LIBRARY_SUFFIXES .none)\n"
      "find_package(helios REQUIRED COMPONENTS rocksdb)");
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.err.find("the library rocksdb, which component rocksdb needs, is not installed"),
            std::string::npos)
      << result;
}

#endif

// Before 1.0 each minor version is on its own.
TEST_F(InstallTest, IncompatibleVersionsAreNotFound) {
  int major = 0;
  int minor = 0;
  ASSERT_EQ(std::sscanf(HELIOS_VERSION, "%d.%d", &major, &minor), 2);
  const auto version = [](int a, int b) { return std::to_string(a) + "." + std::to_string(b); };
  std::vector<std::string> refused{version(major, minor + 1), version(major + 1, 0)};
  if (major == 0 && minor > 0) refused.push_back(version(0, minor - 1));
  for (const std::string& wanted : refused) {
    const RunResult result =
        RunScript("find_package(helios " + wanted + " QUIET)\n" +
                  "message(STATUS \"${helios_FOUND}, saw ${helios_CONSIDERED_VERSIONS}\")");
    EXPECT_EQ(result.out, "-- 0, saw " HELIOS_VERSION "\n") << wanted << "\n" << result;
  }
}

TEST_F(InstallTest, NothingNamesAFolderOfTheBuild) {
  const TreeState tree = ReadTree(Prefix());
  const std::string package = HELIOS_LIBRARY_DIR "/cmake/helios/";
  for (const std::string& path :
       {std::string("bin/helios"), std::string("include/helios/engine.h"),
        std::string(HELIOS_LIBRARY_DIR "/libhelios.a"),
        std::string(HELIOS_LIBRARY_DIR "/pkgconfig/helios.pc"), package + "heliosConfig.cmake",
        package + "heliosConfigVersion.cmake", package + "heliosTargets.cmake"}) {
    EXPECT_TRUE(tree.contains(path)) << path;
  }
  for (const std::string& path :
       {std::string(HELIOS_LIBRARY_DIR "/helios/libhelios_rocksdb.so"),
        std::string(HELIOS_LIBRARY_DIR "/libhelios_rocksdb.a"), package + "helios-rocksdb.cmake",
        package + "helios-rocksdb-targets.cmake"}) {
    EXPECT_EQ(tree.contains(path), HELIOS_WITH_ROCKSDB) << path;
  }
  for (const auto& [path, node] : tree) {
    // Debug information and sanitizers name the sources on purpose.
    const bool is_compiled =
        path.starts_with("bin/") || path.ends_with(".a") || path.ends_with(".so");
    if (is_compiled && !HELIOS_IS_RELEASE) continue;
    for (const std::string& folder :
         {std::string(HELIOS_SOURCE_DIR "/"), std::string(HELIOS_BUILD_DIR "/"), At("elsewhere"),
          std::string(HELIOS_ZSTD_LIBRARY), std::string(HELIOS_ROCKSDB_LIBRARY)}) {
      EXPECT_EQ(node.content.find(folder), std::string::npos) << path << " names " << folder;
    }
  }
}

class PublicHeadersTest : public InstallTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(PublicHeadersTest, EachCompilesAlone) {
  const std::string compiler = GetParam();
  if (RunProgram("sh", {"-c", "command -v " + compiler}).exit_code != 0) {
    GTEST_SKIP() << compiler << " is not installed";
  }
  std::vector<std::string> args{
      "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", Prefix() + "/include"};
  const std::vector<std::string> headers = ListFolder(Prefix() + "/include/helios");
  EXPECT_EQ(headers, ListFolder(HELIOS_SOURCE_DIR "/include/helios"));
  for (const std::string& header : headers) {
    const std::string file = At(header + ".cc");
    WriteFile(file, "#include <helios/" + header + ">\n");
    args.push_back(file);
  }
  RunWell(compiler, args);
}

INSTANTIATE_TEST_SUITE_P(Compilers, PublicHeadersTest, ::testing::Values("g++", "clang++"),
                         [](const auto& test) {
                           return std::string(test.param) == "g++" ? "Gcc" : "Clang";
                         });

}  // namespace
}  // namespace helios

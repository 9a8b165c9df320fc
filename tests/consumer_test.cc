// What a consumer does: build from a submodule, put `helios` on the PATH, then run this script.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "program.h"

namespace helios {
namespace {

// As it stands in the contract.
constexpr char kScript[] = R"sh(
export HELIOS_STORE_DIR="$T/.helios-store"; cd "$T"          # demo/a.txt and demo/b.txt exist
ID=$(helios commit --work "$PWD" | sed -n 's/.*"snapshot_id":"\([^"]*\)".*/\1/p')
helios stats
helios materialize --id "$ID" --out "$T/out" --include "demo/**"
diff -ru demo out/demo
)sh";

class ConsumerTest : public ::testing::Test {
 protected:
  std::string At(const std::string& relative) const { return folder_.path() + "/" + relative; }
  // Runs the script with `helios` on the PATH.
  RunResult RunScript() const {
    MakeFolders(At("bin"));
    MakeLink(HELIOS_BINARY, At("bin/helios"));
    const char* path = std::getenv("PATH");
    RunOptions options;
    options.env["T"] = folder_.path();
    options.env["PATH"] = At("bin") + ":" + (path == nullptr ? "/usr/bin:/bin" : path);
    return RunProgram("sh", {"-eu", "-c", kScript}, options);
  }

  const TemporaryFolder folder_;
};

TEST_F(ConsumerTest, TheScriptOfTheContract) {
  WriteFile(At("demo/a.txt"), "a\n");
  WriteFile(At("demo/b.txt"), "b\n");
  const RunResult result = RunScript();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(ListFolder(At("out")), std::vector<std::string>{"demo"});
  EXPECT_EQ(ReadFile(At("out/demo/a.txt")), "a\n");
  EXPECT_NE(result.out.find("\"engine\""), std::string::npos);
  EXPECT_NE(result.out.find("\"materialized\":\"blake3:"), std::string::npos);
}

// The script must be able to fail: with another file in the way of the last line, it does.
TEST_F(ConsumerTest, TheScriptNoticesADifference) {
  WriteFile(At("demo/a.txt"), "a\n");
  WriteFile(At("out/demo/surplus"), "s\n");
  EXPECT_EQ(RunScript().exit_code, 1);
}

constexpr char kConsumerProject[] = R"(
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES C CXX)
add_subdirectory(${HELIOS_SOURCE} third_party/helios)
add_executable(consumer consumer.cc)
target_link_libraries(consumer PRIVATE helios::helios)
# What a consumer did not ask for is not built for it.
foreach(target helios_unit_tests helios_system_tests)
  if(TARGET ${target})
    message(FATAL_ERROR "${target} is part of the consumer's build")
  endif()
endforeach()
if(NOT TARGET helios_cli)
  message(FATAL_ERROR "there is no command line to install")
endif()
)";

constexpr char kConsumerSource[] = R"(
#include <helios/engine.h>

#include <cstdio>

int main(int, char** argv) {
  helios::EngineOptions options;
  options.store = argv[1];
  options.backends = {helios::PackBackend()};
  options.create_with = "pack";
  auto engine = helios::Engine::Open(options);
  if (!engine) return 1;
  helios::CommitRequest request;
  request.workspace.path = argv[2];
  const auto report = (*engine)->Commit(request);
  if (!report) return 1;
  std::printf("%s\n", helios::FormatId(report->snapshot).c_str());
  return 0;
}
)";

// "NAME:TYPE=VALUE" lines of the build that these tests belong to.
std::string CacheValue(const std::string& cache, const std::string& name) {
  const size_t start = cache.find("\n" + name + ":");
  if (start == cache.npos) return "";
  const size_t equals = cache.find('=', start);
  return cache.substr(equals + 1, cache.find('\n', start + 1) - equals - 1);
}

// With a compiler cache that has just compiled the same files with the same options, all of it is
// built and run. Without one that takes minutes: then the consumer's own file alone is compiled.
TEST_F(ConsumerTest, AProjectThatUsesTheSourceTree) {
  WriteFile(At("CMakeLists.txt"), kConsumerProject);
  WriteFile(At("consumer.cc"), kConsumerSource);
  RunOptions options;
  for (const char* name : {"LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"}) {  // the cache's keys
    if (const char* value = std::getenv(name)) options.env[name] = value;
  }
  const auto run = [&](const std::vector<std::string>& args) {
    const RunResult result = RunProgram("cmake", args, options);
    ASSERT_EQ(result.exit_code, 0) << result;
  };
  const std::filesystem::path build = std::filesystem::path(HELIOS_BINARY).parent_path() / "..";
  const std::string cache_file = (build / "CMakeCache.txt").string();
  const std::string cache = Exists(cache_file) ? ReadFile(cache_file) : "";
  const std::string launcher = CacheValue(cache, "CMAKE_CXX_COMPILER_LAUNCHER");
  const bool is_cached = launcher.find("ccache") != launcher.npos;
  std::vector<std::string> configure{"-S",
                                     folder_.path(),
                                     "-B",
                                     At("build"),
                                     "-G",
                                     "Unix Makefiles",
                                     "-DHELIOS_SOURCE=" HELIOS_SOURCE_DIR,
                                     "-DCMAKE_C_COMPILER_LAUNCHER=" + launcher};
  for (const char* name :
       {"CMAKE_BUILD_TYPE", "CMAKE_CXX_COMPILER", "CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER_LAUNCHER",
        "CMAKE_CXX_FLAGS", "HELIOS_SANITIZE", "HELIOS_WARNINGS_AS_ERRORS"}) {
    const std::string value = CacheValue(cache, name);
    if (!value.empty()) configure.push_back("-D" + std::string(name) + "=" + value);
  }
  run(configure);
  if (HasFatalFailure()) return;
  // Nor is it installed with what is the consumer's.
  run({"--install", At("build"), "--prefix", At("prefix")});
  EXPECT_FALSE(Exists(At("prefix")));
  if (!is_cached) {
    run({"--build", At("build"), "--target", "consumer.o"});
    return;
  }
  run({"--build", At("build"), "--target", "consumer", "--parallel", "2"});
  if (HasFatalFailure()) return;
  WriteFile(At("work/file"), "content");
  const RunResult ours = RunProgram(At("build/consumer"), {At("store"), At("work")});
  ASSERT_EQ(ours.exit_code, 0) << ours;
  const RunResult theirs =
      RunHelios({"commit", "--id-only", "--work", At("work"), "--store", At("store")});
  EXPECT_EQ(theirs.out, ours.out);
}

}  // namespace
}  // namespace helios

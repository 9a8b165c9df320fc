// Options that every command shares: before the command, behind it, on both sides.
#include <gtest/gtest.h>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

class GlobalOptionsTest : public HeliosTest {
 protected:
  GlobalOptionsTest() {
    Write("a.txt", "a");
    first_ = Commit();
    Write("b.txt", "b");
    second_ = Commit();
  }
  // One use of each command that succeeds; the next call gives another folder to write into.
  std::vector<Strings> Commands() {
    return {{"commit"},
            {"restore", "-n", second_},
            {"diff", first_, second_},
            {"materialize", first_, At("out-" + std::to_string(next_out_++))},
            {"stats"}};
  }
  static Strings Join(Strings a, const Strings& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  // `options` before `command`, and behind it.
  std::vector<Strings> BothWays(const Strings& options, const Strings& command) {
    return {Join(options, command), Join(command, options)};
  }
  // Calls `check(args)` for every command with `options` on either side.
  void ForAll(const Strings& options, const std::function<void(const Strings&)>& check) {
    for (const Strings& command : Commands()) {
      for (const Strings& args : BothWays(options, command)) {
        SCOPED_TRACE(::testing::PrintToString(args));
        check(args);
      }
    }
  }
  // From a folder that is neither the workspace nor in it, and without a store in the environment.
  RunResult RunElsewhere(const Strings& args) const {
    RunOptions options;
    options.cwd = folder_.path();
    return RunHelios(args, options);
  }
  void ExpectUsageError(const Strings& args) const {
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(args) << result;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.ErrorObject()["code"], "usage") << result;
  }

  std::string first_;
  std::string second_;
};

TEST_F(GlobalOptionsTest, WorkAndStoreOnEitherSide) {
  for (const Strings& options : std::vector<Strings>{{"--work", "work", "--store", "store"},
                                                     {"-w", work_, "--store=" + store_},
                                                     {"--work=work", "--store", "store"}}) {
    ForAll(options, [&](const Strings& args) {
      const RunResult result = RunElsewhere(args);
      EXPECT_EQ(result.exit_code, 0) << result;
      result.Object();
    });
    for (const Strings& args : BothWays(options, {"commit", "--id-only"})) {
      EXPECT_EQ(RunElsewhere(args).out, second_ + "\n");
    }
    for (const Strings& args : BothWays(options, {"stats"})) {
      EXPECT_EQ(RunElsewhere(args).Object()["store"]["path"], store_);
    }
  }
  EXPECT_FALSE(Exists(At(".helios"))) << "the options were not heard";
}

TEST_F(GlobalOptionsTest, TheFolderToGoToOnEitherSide) {
  for (const Strings& options : std::vector<Strings>{
           {"-C", "work"}, {"-C", work_}, {"-C", "/", "-C", folder_.path(), "-C", "work"}}) {
    ForAll(Join(options, {"--store", "../store"}), [&](const Strings& args) {
      const RunResult result = RunElsewhere(args);
      EXPECT_EQ(result.exit_code, 0) << result;
    });
  }
  // Those behind the command go on from where those before it led to.
  EXPECT_EQ(RunElsewhere(
                {"-C", folder_.path(), "commit", "-C", "work", "--store", "../store", "--id-only"})
                .out,
            second_ + "\n");
  ForAll({"-C", "nowhere"}, [&](const Strings& args) {
    const RunResult result = RunElsewhere(args);
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.ErrorMessage().find("nowhere"), std::string::npos) << result;
  });
}

TEST_F(GlobalOptionsTest, TextAndJsonOnEitherSide) {
  ForAll({"--text"}, [&](const Strings& args) {
    const RunResult result = RunWell(args);
    EXPECT_FALSE(Json::accept(result.out)) << result;
  });
  ForAll({"--json", "-q", "-j", "2", "--color=never"},
         [&](const Strings& args) { RunWell(args).Object(); });
}

TEST_F(GlobalOptionsTest, QuietOnEitherSide) {
  const Strings command{"diff", first_, second_, "--include", "no-such-name"};
  EXPECT_NE(RunWell(command).err, "");
  for (const char* quiet : {"-q", "--quiet"}) {
    for (const Strings& args : BothWays({quiet}, command)) EXPECT_EQ(RunWell(args).err, "");
  }
}

TEST_F(GlobalOptionsTest, ColorOnEitherSide) {
  const Strings command{"diff", "--text", first_, second_};
  const auto is_colored = [&](const Strings& args, const char* no_color) {
    RunOptions options = Options();
    if (no_color != nullptr) options.env["NO_COLOR"] = no_color;
    const RunResult result = RunHelios(args, options);
    EXPECT_EQ(result.exit_code, 0) << result;
    return result.out.find('\x1b') != std::string::npos;
  };
  for (const Strings& option : std::vector<Strings>{{"--color=always"}, {"--color", "always"}}) {
    for (const Strings& args : BothWays(option, command)) {
      EXPECT_TRUE(is_colored(args, nullptr));
      EXPECT_TRUE(is_colored(args, "1")) << "what is asked for expressly counts more";
    }
  }
  for (const char* option : {"--color=never", "--color=auto"}) {
    for (const Strings& args : BothWays({option}, command)) {
      EXPECT_FALSE(is_colored(args, nullptr));
      EXPECT_FALSE(is_colored(args, ""));
    }
  }
}

TEST_F(GlobalOptionsTest, WorkspaceNamesOnEitherSide) {
  RunWell({"--workspace", "named", "commit"});
  EXPECT_EQ(RunWell({"diff", "@", first_, "--workspace", "named"}).Object()["from"], second_);
  EXPECT_EQ(RunWell({"--workspace", "named", "diff", "@", first_}).Object()["from"], second_);
}

TEST_F(GlobalOptionsTest, WhatStandsBehindTheCommandWins) {
  EXPECT_EQ(RunElsewhere({"--store", "no-store", "-w", "no-work", "commit", "--store", "store",
                          "-w", "work", "--id-only"})
                .out,
            second_ + "\n");
  EXPECT_FALSE(Exists(At("no-store")));
  RunWell({"--text", "diff", "--json", first_, second_}).Object();
  EXPECT_FALSE(Json::accept(RunWell({"--json", "diff", "--text", first_, second_}).out));
  for (const char* last : {"--color=never", "--color=auto"}) {
    EXPECT_EQ(RunWell({"--color=always", "diff", "--text", last, first_, second_}).out.find('\x1b'),
              std::string::npos);
  }
  EXPECT_EQ(RunWell({"--workspace", "unknown", "diff", "--workspace", "x", first_, second_})
                .Object()["from"],
            first_);
  RunWell({"-j", "1", "commit", "-j", "2"});
}

TEST_F(GlobalOptionsTest, MalformedAndContradictingOnesAreExit2) {
  for (const Strings& options : std::vector<Strings>{{"-j", "0"},
                                                     {"-j", "257"},
                                                     {"-j", "-1"},
                                                     {"-j", "1x"},
                                                     {"-j", ""},
                                                     {"--color", "red"},
                                                     {"--color="},
                                                     {"-C", ""},
                                                     {"--work", ""},
                                                     {"--work="},
                                                     {"--store", ""},
                                                     {"--store="},
                                                     {"--workspace", ""},
                                                     {"--lock-timeout", ""},
                                                     {"--lock-timeout", "-1"},
                                                     {"--lock-timeout", "nan"},
                                                     {"--lock-timeout", "inf"},
                                                     {"--lock-timeout", "1e3"},
                                                     {"--lock-timeout", "5s"},
                                                     {"--no-such-option"},
                                                     {"--json=maybe"},
                                                     {"-w", "a", "-w", "b"},
                                                     {"--store", "a", "--store", "b"}}) {
    for (const Strings& args : BothWays(options, {"commit"})) ExpectUsageError(args);
    for (const Strings& args : BothWays(options, {"diff", first_, second_})) ExpectUsageError(args);
  }
  for (const Strings& both : std::vector<Strings>{{"--json", "--text"}, {"--text", "--json"}}) {
    for (const Strings& args : BothWays(both, {"commit"})) {
      const RunResult result = Run(args);
      EXPECT_EQ(result.exit_code, 2) << result;
      EXPECT_NE(result.err.find("--json excludes --text"), std::string::npos) << result;
    }
  }
  ExpectUsageError({"commit", "-C"});
  ExpectUsageError({"-C"});
  ExpectUsageError({"-q"});
}

TEST_F(GlobalOptionsTest, HelpForWhatThereIsNotIsExit2) {
  ExpectUsageError({"nope", "--help"});
  ExpectUsageError({"diff", "--bogus", "--help"});
  for (const Strings& args :
       std::vector<Strings>{{"--help"}, {"diff", "--help"}, {"materialize", "--help"}}) {
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.out.find("1048576"), std::string::npos) << result;
  }
}

TEST_F(GlobalOptionsTest, VersionWithOptions) {
  const std::string line = RunHelios({"--version"}).out;
  for (const Strings& args : std::vector<Strings>{{"-q", "version"},
                                                  {"version", "-q"},
                                                  {"-q", "--version"},
                                                  {"--version", "-q"},
                                                  {"-C", "/", "version"},
                                                  {"version", "--color=never"}}) {
    EXPECT_EQ(RunWell(args).out, line) << ::testing::PrintToString(args);
  }
}

TEST_F(GlobalOptionsTest, VersionBeforeACommandRunsNothing) {
  Remove(store_);
  const RunResult result = RunWell({"--version", "commit"});
  EXPECT_TRUE(result.out.starts_with("helios ")) << result;
  EXPECT_FALSE(Exists(store_));
}

TEST_F(GlobalOptionsTest, ErrorsComeInTheFormThatWasAskedFor) {
  for (const Strings& args : std::vector<Strings>{{"--text", "commit", "--no-such-option"},
                                                  {"--text", "commit", "--work"},
                                                  {"commit", "--text", "-j", "0"},
                                                  {"--text", "comit"},
                                                  {"--text", "restore", "ffffffffffff"}}) {
    const RunResult result = Run(args);
    EXPECT_TRUE(result.exit_code == 1 || result.exit_code == 2) << result;
    EXPECT_TRUE(result.err.starts_with("helios: ")) << result;
  }
}

}  // namespace
}  // namespace helios

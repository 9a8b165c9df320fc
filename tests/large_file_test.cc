// Large files: every thread works on one, memory stays flat, and what is equal is stored once.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "program.h"

namespace helios {
namespace {

using Strings = std::vector<std::string>;

constexpr size_t kMebi = size_t{1} << 20;
// What the project allows itself. Far below the files.
constexpr uint64_t kPeakBytesMax = 150'000'000;

// The bytes of a large file, made anew each time instead of kept: this process's own memory counts
// into that of the programs it runs.
class Generated {
 public:
  // Every fourth block compresses.
  Generated(size_t mebis, uint64_t seed) : mebis_(mebis), seed_(seed) {}

  std::string Block(size_t index) const {
    if (index % 4 != 3) return RandomBytes(kMebi, seed_ * 100'000 + index);
    std::string text;
    for (size_t line = 0; text.size() < kMebi; ++line) {
      text += "line " + std::to_string(line) + " of block " + std::to_string(index) + "\n";
    }
    text.resize(kMebi);
    return text;
  }
  void WriteTo(const std::string& path) const {
    std::ofstream out(path, std::ios::binary);
    for (size_t i = 0; i < mebis_; ++i) out << Block(i);
    ASSERT_TRUE(out.flush());
  }
  void ExpectIn(const std::string& path) const {
    std::ifstream in(path, std::ios::binary);
    std::string block(kMebi, '\0');
    for (size_t i = 0; i < mebis_; ++i) {
      ASSERT_TRUE(in.read(block.data(), kMebi)) << path;
      ASSERT_TRUE(block == Block(i)) << path << " differs in block " << i;
    }
    EXPECT_EQ(in.get(), std::char_traits<char>::eof()) << path;
  }

 private:
  const size_t mebis_;
  const uint64_t seed_;
};

class LargeFileTest : public HeliosTest {
 protected:
  LargeFileTest() {
    const RunResult idle = RunWell({"version"});
    measures_memory_ = idle.peak_bytes < kPeakBytesMax / 2;  // a sanitizer takes more
  }
  void ExpectLittleMemory(const RunResult& result) const {
    EXPECT_EQ(result.exit_code, 0) << result;
    if (measures_memory_) {
      EXPECT_LE(result.peak_bytes, kPeakBytesMax);
    }
  }
  uint64_t StoreBytes() const {
    uint64_t bytes = 0;
    for (const std::string& file : ObjectFiles()) {
      bytes += static_cast<uint64_t>(std::ifstream(file, std::ios::ate).tellg());
    }
    return bytes;
  }

  bool measures_memory_ = true;
};

TEST_F(LargeFileTest, MemoryIsFlatAndIdsAreTheSameWithAnyNumberOfThreads) {
  const Generated content(320, 1);
  content.WriteTo(Work("large"));
  std::string id;
  for (const char* threads : {"1", "2", "8"}) {
    if (Exists(store_)) Remove(store_);
    const RunResult commit = Run({"commit", "-j", threads});
    ExpectLittleMemory(commit);
    const std::string snapshot = commit.Object()["snapshot_id"];
    if (id.empty()) id = snapshot;
    EXPECT_EQ(snapshot, id) << threads << " threads";

    const std::string out = At("out-" + std::string(threads));
    ExpectLittleMemory(Run({"materialize", id, out, "-j", threads}));
    content.ExpectIn(out + "/large");
    Remove(out);

    Remove(Work("large"));
    ExpectLittleMemory(Run({"restore", id, "-j", threads}));
    content.ExpectIn(Work("large"));
  }
  RunOptions options = Options();
  options.env["BINARY"] = HELIOS_BINARY;
  ExpectLittleMemory(
      RunProgram("sh", {"-c", "\"$BINARY\" read -j 8 @:large | cmp - large"}, options));
  ExpectLittleMemory(Run({"commit"}));
}

TEST_F(LargeFileTest, ManyLargeFilesAtOnce) {
  for (uint64_t i = 0; i < 12; ++i) Generated(5 + i, i).WriteTo(Work("large" + std::to_string(i)));
  const std::string id = RunWell({"commit", "-j", "1"}).Object()["snapshot_id"];
  Remove(store_);
  const RunResult commit = Run({"commit", "-j", "8"});
  ExpectLittleMemory(commit);
  EXPECT_EQ(commit.Object()["snapshot_id"], id);
  const std::string out = At("out");
  ExpectLittleMemory(Run({"materialize", id, out, "-j", "8"}));
  for (uint64_t i = 0; i < 12; ++i) {
    Generated(5 + i, i).ExpectIn(out + "/large" + std::to_string(i));
  }
}

// ---- What is equal is stored once ----

TEST_F(LargeFileTest, AByteMoreInTheMiddleStoresLessThanThreeMebibytesMore) {
  std::string content = RandomBytes(96 * kMebi, 1);
  Write("large", content);
  Commit();
  const uint64_t before = StoreBytes();
  content.insert(content.size() / 2, "!");
  Write("large", content);
  const Json report = RunWell({"commit"}).Object();
  EXPECT_LT(report["new_bytes"], 3 * kMebi);
  EXPECT_LT(StoreBytes(), before + 3 * kMebi);
}

TEST_F(LargeFileTest, CheckpointsThatShareNineTenthsShareThemOnDisk) {
  std::string content = RandomBytes(100 * kMebi, 1);
  Write("checkpoint", content);
  // By one thread: RocksDB keeps what little another had put in its log, too, for a while.
  const Strings commit = {"commit", "-j", "1"};
  RunWell(commit);
  const uint64_t before = StoreBytes();
  // As tensors of a model that was trained on: some of them are new, in ten places.
  for (size_t i = 0; i < 10; ++i) {
    content.replace((10 * i + 4) * kMebi + 123, kMebi, RandomBytes(kMebi, 100 + i));
  }
  Write("checkpoint-2", content);
  RunWell(commit);
  // A tenth is new; at each edge of a place a chunk of half a mebibyte, on average, is new in part.
  EXPECT_LT(StoreBytes() - before, 22 * kMebi);
  content = RandomBytes(100 * kMebi, 1);
  content.replace(45 * kMebi, 10 * kMebi, RandomBytes(10 * kMebi, 7));
  const uint64_t second = StoreBytes();
  Write("checkpoint-3", content);
  RunWell(commit);
  EXPECT_LT(StoreBytes() - second, 12 * kMebi);
}

// ---- Parts ----

TEST_F(LargeFileTest, ReadGivesParts) {
  const std::string content = RandomBytes(9 * kMebi + 5, 1);
  Write("large", content);
  Write("small", "0123456789");
  MakeLink("target", Work("link"));
  Commit();
  const auto expect = [&](const Strings& options, const std::string& argument,
                          const std::string& expected) {
    Strings args{"read", argument};
    args.insert(args.end(), options.begin(), options.end());
    const RunResult result = Run(args);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_TRUE(result.out == expected) << ::testing::PrintToString(args);
  };
  expect({"--offset", "3M", "--length", "2M"}, "@:large", content.substr(3 * kMebi, 2 * kMebi));
  expect({"--offset", "3MiB", "--length=64kb"}, "@:large", content.substr(3 * kMebi, 64 << 10));
  expect({"--length", "5"}, "@:large", content.substr(0, 5));
  expect({"--offset", "9437184"}, "@:large", content.substr(9 * kMebi));
  expect({"--offset", "9M", "--length", "1G"}, "@:large", content.substr(9 * kMebi));
  expect({"--offset", "1E", "--length", "15E"}, "@:large", "");
  expect({"--offset", "5", "--length", "0"}, "@:large", "");
  expect({"--offset", "2", "--length", "3B"}, "@:small", "234");
  expect({"--offset", "10"}, "@:small", "");
  expect({"--offset", "3"}, "@:link", "get");
  Strings two{"read", "@:small", "@:link", "--offset", "1", "--length", "2"};
  EXPECT_EQ(RunWell(two).out, "12ar") << "of each";
}

TEST_F(LargeFileTest, APartThatIsNoNumberOfBytesIsWrongUsage) {
  Write("file", "x");
  Commit();
  for (const char* option : {"--offset", "--length"}) {
    for (const char* value : {"", "x", "-1", "1.5", "1e3", "0x10", "K", "1KK", "1 K", " 1", "+1",
                              "16E", "18446744073709551616"}) {
      const RunResult result = Run({"read", "@:file", option, value});
      EXPECT_EQ(result.exit_code, 2) << option << " " << value << result;
      EXPECT_EQ(result.out, "");
      EXPECT_NE(result.ErrorMessage().find(option), std::string::npos) << result;
    }
  }
}

TEST_F(LargeFileTest, OfADamagedFileTheOtherPartsCanBeRead) {
  const std::string content = RandomBytes(8 * kMebi, 1);
  Write("large", content);
  RunWell({"commit", "-j", "1"});
  // One file, in which the chunks lie in order.
  ASSERT_TRUE(!TestsPacks() || Packs().size() == 1);
  const std::string file = LargestObjectFile();
  std::string bytes = ReadFile(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  SetMode(file, 0644);
  WriteFile(file, bytes);
  EXPECT_TRUE(RunWell({"read", "@:large", "--length", "1M"}).out == content.substr(0, kMebi));
  EXPECT_TRUE(RunWell({"read", "@:large", "--offset", "7M"}).out == content.substr(7 * kMebi));
  for (const char* offset : {"0", "1M"}) {
    const RunResult result = Run({"read", "@:large", "--offset", offset});
    EXPECT_EQ(result.exit_code, 12) << result;
    EXPECT_NE(result.ErrorMessage().find("large in snapshot"), std::string::npos) << result;
  }
}

TEST_F(LargeFileTest, DiffReadsNoContents) {
  Write("large", RandomBytes(12 * kMebi, 1));
  Write("same", RandomBytes(5 * kMebi, 2));
  Commit();
  Write("large", RandomBytes(12 * kMebi, 3));
  Commit();
  const Json before = RunWell({"stats"}).Object();
  EXPECT_EQ(RunWell({"diff", "@~1", "@"}).Object()["Changed"], 1);
  const Json after = RunWell({"stats"}).Object();
  // Two records and two trees; a manifest would be one more, and a chunk half a mebibyte.
  const auto more = [&](const char* what) {
    return after["engine"][what].get<uint64_t>() - before["engine"][what].get<uint64_t>();
  };
  EXPECT_LE(more("l2_gets"), 4u);
  EXPECT_LT(more("l2_get_bytes"), 4096u);
}

// ---- What goes wrong ----

// Whatever a commit saw of a file that never rests, it is whole, or marked as torn.
TEST_F(LargeFileTest, AFileThatChangesWhileItIsCommitted) {
  const std::string content = RandomBytes(6 * kMebi, 1);
  Write("large", content);
  std::atomic<bool> ends{false};
  std::thread writer([&] {
    const int fd = ::open(Work("large").c_str(), O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; !ends; ++i) {
      const size_t size = (i * 1'234'567) % content.size();
      (void)::ftruncate(fd, static_cast<off_t>(size));
      (void)::pwrite(fd, content.data() + size, content.size() - size, static_cast<off_t>(size));
    }
    ::close(fd);
  });
  Strings ids;
  for (int i = 0; i < 8; ++i) {
    const RunResult result = Run({"commit", "-j", i % 2 == 0 ? "1" : "4"});
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 3) << result;
    if (result.exit_code == 3) {
      EXPECT_NE(result.out.find("large"), std::string::npos) << result;
    }
    ids.push_back(result.Object()["snapshot_id"]);
  }
  ends = true;
  writer.join();
  for (const std::string& id : ids) Materialize(id);
  Write("large", content);
  const std::string out = Materialize(Commit());
  EXPECT_TRUE(ReadFile(out + "/large") == content);
}

// So that the next restore knows that it holds nobody's work, and goes on.
TEST_F(LargeFileTest, WhatAKilledRestoreLeavesIsTheBeginningOfTheFile) {
  const std::string content = RandomBytes(48 * kMebi, 1);
  Write("large", content);
  const std::string id = Commit();
  RunOptions options = Options();
  options.env["BINARY"] = HELIOS_BINARY;
  options.env["ID"] = id;
  const std::string script =
      "\"$BINARY\" restore -j 4 $ID >/dev/null & pid=$!; "
      "while [ ! -s large ] && kill -0 $pid; do :; done; kill -9 $pid; wait $pid; true";
  size_t cut_short = 0;
  for (int i = 0; i < 10; ++i) {
    Remove(Work("large"));
    EXPECT_EQ(RunProgram("sh", {"-c", script}, options).exit_code, 0);
    const std::string left = ReadFile(Work("large"));
    EXPECT_TRUE(left == content.substr(0, left.size())) << left.size() << " bytes";
    if (left.size() < content.size()) ++cut_short;
    RunWell({"restore", id});
    EXPECT_TRUE(ReadFile(Work("large")) == content);
  }
  EXPECT_GT(cut_short, 0u) << "nothing was killed in time";
}

class LargeFileOnFullDiskTest : public LargeFileTest {
 protected:
  RunResult RunWithin(const Strings& args, const std::string& below, uint64_t bytes) const {
    RunOptions options = Options();
    Limits limits;
    limits.below = below;
    limits.write_bytes = bytes;
    Impose(limits, &options);
    return RunHelios(args, options);
  }
};

TEST_F(LargeFileOnFullDiskTest, ACommitThatFindsNoRoomNamesTheFileAndLeavesNoPack) {
  Write("dir/large", RandomBytes(40 * kMebi, 1));
  Write("dir/small", "x");  // after it, by the same thread
  for (const char* threads : {"1", "4"}) {
    for (const uint64_t mebis : {1, 10, 30}) {
      const RunResult result = RunWithin({"commit", "-j", threads}, store_, mebis * kMebi);
      EXPECT_EQ(result.exit_code, 14) << result;
      EXPECT_TRUE(!TestsPacks() || Packs().empty());
      // RocksDB writes blobs in the background: it says which file of its own it could not write.
      const char* const culprit = TestsPacks() ? "dir/large" : store_.c_str();
      EXPECT_NE(result.ErrorMessage().find(culprit), std::string::npos) << result;
    }
  }
  RunWell({"commit"});
}

TEST_F(LargeFileOnFullDiskTest, NothingIsLeftOfAFileThatFindsNoRoom) {
  Write("large", RandomBytes(20 * kMebi, 1));
  const std::string id = Commit();
  for (const char* threads : {"1", "4"}) {
    const std::string out = At("out-" + std::string(threads));
    const RunResult result = RunWithin({"materialize", id, out, "-j", threads}, out, 9 * kMebi);
    EXPECT_EQ(result.exit_code, 14) << result;
    EXPECT_NE(result.ErrorMessage().find("large"), std::string::npos) << result;
    EXPECT_FALSE(Exists(out + "/large"));
  }
}

TEST_F(LargeFileTest, NothingIsLeftOfAFileThatIsDamaged) {
  Write("large", RandomBytes(20 * kMebi, 1));
  const std::string id = RunWell({"commit", "-j", "1"}).Object()["snapshot_id"];
  ASSERT_TRUE(!TestsPacks() || Packs().size() == 1);
  const std::string file = LargestObjectFile();
  std::string bytes = ReadFile(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  SetMode(file, 0644);
  WriteFile(file, bytes);
  for (const char* threads : {"1", "4"}) {
    const std::string out = At("out-" + std::string(threads));
    const RunResult result = Run({"materialize", id, out, "-j", threads});
    EXPECT_EQ(result.exit_code, 12) << result;
    EXPECT_NE(result.ErrorMessage().find("large"), std::string::npos) << result;
    EXPECT_FALSE(Exists(out + "/large"));
  }
}

}  // namespace
}  // namespace helios

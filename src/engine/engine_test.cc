// The engine against a model: random histories of random trees, with names as hostile as Linux
// allows.
#include "helios/engine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

namespace helios {
namespace {

namespace fs = std::filesystem;

struct ModelEntry {
  char type = 'f';  // f file, x executable, l symlink, d empty folder
  std::string content;
  friend bool operator==(const ModelEntry&, const ModelEntry&) = default;
};
using Model = std::map<std::string, ModelEntry>;

class EngineTest : public testing::Test {
 protected:
  EngineTest() {
    std::string pattern = (fs::temp_directory_path() / "helios-engine-test.XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    fs::create_directory(Work());
  }
  ~EngineTest() override {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  std::string Work() const { return root_ + "/work"; }
  std::string Store() const { return root_ + "/store"; }

  std::unique_ptr<Engine> Open(unsigned threads = 2, size_t l1_bytes_max = 1 << 20) const {
    EngineOptions options;
    options.store = Store();
    options.backends = {PackBackend()};
    options.create_with = "pack";
    options.threads = threads;
    options.l1_bytes_max = l1_bytes_max;
    Result<std::unique_ptr<Engine>> engine = Engine::Open(options);
    EXPECT_TRUE(engine) << engine.error().message();
    return std::move(engine).value();
  }

  CommitReport Commit(Engine& engine) const {
    CommitRequest request;
    request.workspace.path = Work();
    Result<CommitReport> report = engine.Commit(request);
    EXPECT_TRUE(report) << report.error().message();
    return report ? *report : CommitReport();
  }

  Result<RestoreReport> Restore(Engine& engine, const SnapshotId& id) const {
    RestoreRequest request;
    request.workspace.path = Work();
    request.id = FormatId(id);
    return engine.Restore(request);
  }

  static void WriteEntry(const std::string& folder, const std::string& path,
                         const ModelEntry& entry) {
    const fs::path full = fs::path(folder) / path;
    fs::create_directories(full.parent_path());
    if (entry.type == 'd') {
      fs::create_directories(full);
    } else if (entry.type == 'l') {
      fs::create_symlink(entry.content, full);
    } else {
      std::ofstream(full, std::ios::binary) << entry.content;
      if (entry.type == 'x') ::chmod(full.c_str(), 0755);
    }
  }

  // Makes the folder equal to the model, touching only what differs.
  static void Arrange(const std::string& folder, const Model& now, const Model& wanted) {
    for (const auto& [path, entry] : now) {
      if (!wanted.contains(path) || !(wanted.at(path) == entry)) {
        fs::remove_all(fs::path(folder) / path);
      }
    }
    RemoveEmptyFolders(folder, wanted);
    for (const auto& [path, entry] : wanted) {
      if (!now.contains(path) || !(now.at(path) == entry)) WriteEntry(folder, path, entry);
    }
  }

  static void RemoveEmptyFolders(const std::string& folder, const Model& wanted) {
    std::vector<fs::path> folders;
    for (const auto& item : fs::recursive_directory_iterator(folder)) {
      if (item.is_directory() && !item.is_symlink()) folders.push_back(item.path());
    }
    std::sort(folders.rbegin(), folders.rend());
    for (const fs::path& path : folders) {
      const std::string relative = fs::relative(path, folder).string();
      const auto it = wanted.find(relative);
      if (fs::is_empty(path) && (it == wanted.end() || it->second.type != 'd')) fs::remove(path);
    }
  }

  static Model ReadFolder(const std::string& folder) {
    Model model;
    for (const auto& item : fs::recursive_directory_iterator(folder)) {
      const std::string path = item.path().string().substr(folder.size() + 1);
      ModelEntry entry;
      if (item.is_symlink()) {
        entry = {'l', fs::read_symlink(item.path()).string()};
      } else if (item.is_directory()) {
        if (!fs::is_empty(item.path())) continue;
        entry = {'d', ""};
      } else {
        std::ifstream file(item.path(), std::ios::binary);
        entry.content.assign(std::istreambuf_iterator<char>(file), {});
        const auto mode = item.status().permissions();
        entry.type = (mode & fs::perms::owner_exec) != fs::perms::none ? 'x' : 'f';
      }
      model[path] = entry;
    }
    return model;
  }

  std::string root_;
};

std::string RandomName(std::mt19937& random) {
  static const std::vector<std::string> kNames = {"a",        "b",           "A",
                                                  "\xff\xfe", "\xff\xfd",    "new\nline",
                                                  "co:lon",   "-rf",         "...",
                                                  "..a",      "a b",         "*",
                                                  "\\",       "caf\xc3\xa9", "cafe\xcc\x81",
                                                  " ",        "\x1b[31m",    std::string(255, 'n'),
                                                  "nul-not",  "~",           "#",
                                                  "!x"};
  return kNames[random() % kNames.size()];
}

Model RandomModel(std::mt19937& random, size_t size) {
  Model model;
  for (size_t i = 0; i < size; ++i) {
    std::string path = RandomName(random);
    for (unsigned depth = random() % 4; depth > 0; --depth) path += "/" + RandomName(random);
    // A path may not lead through what is not a folder, nor be a folder itself.
    bool fits = true;
    for (const auto& [other, entry] : model) {
      if (other == path || other.starts_with(path + "/") || path.starts_with(other + "/")) {
        fits = false;
      }
    }
    if (!fits) continue;
    static const std::vector<size_t> kSizes = {0, 1, 100, 5000, 70'000};
    ModelEntry entry;
    switch (random() % 8) {
      case 0:
        entry = {'l', "../" + RandomName(random)};
        break;
      case 1:
        entry = {'d', ""};
        break;
      case 2:
        entry = {'x', std::string(10, static_cast<char>('a' + random() % 3))};
        break;
      default:
        entry = {'f', std::string(kSizes[random() % kSizes.size()],
                                  static_cast<char>('a' + random() % 3))};
    }
    model[path] = entry;
  }
  return model;
}

TEST_F(EngineTest, RandomHistoriesComeBackExactly) {
  std::mt19937 random(7);
  Model now;
  std::vector<std::pair<SnapshotId, Model>> history;
  std::map<Digest, Model> by_id;
  std::unique_ptr<Engine> engine = Open();
  for (int step = 0; step < 60; ++step) {
    if (step % 10 == 9) engine = Open(1 + random() % 4, random() % 2 == 0 ? 0 : 1 << 20);
    Model wanted = RandomModel(random, random() % 25);
    if (!now.empty() && random() % 2 == 0) {  // a small change instead
      wanted = now;
      wanted.erase(std::next(wanted.begin(), static_cast<long>(random() % wanted.size())));
    }
    Arrange(Work(), now, wanted);
    now = ReadFolder(Work());
    ASSERT_EQ(now, wanted);
    const SnapshotId id = Commit(*engine).snapshot;
    history.emplace_back(id, now);
    // Same content, same id, and the reverse.
    const auto [it, inserted] = by_id.emplace(id.digest, now);
    EXPECT_EQ(it->second, now);
    for (const auto& [other, model] : history) EXPECT_EQ(other == id, model == now);

    const auto& [target, model] = history[random() % history.size()];
    const Result<RestoreReport> restored = Restore(*engine, target);
    ASSERT_TRUE(restored) << restored.error().message();
    EXPECT_EQ(restored->written.failed, 0u);
    now = ReadFolder(Work());
    ASSERT_EQ(now, model);
    EXPECT_EQ(Commit(*engine).snapshot, target);
  }
  for (size_t i = 0; i < history.size(); i += 7) {
    MaterializeRequest request;
    request.workspace.path = Work();
    request.id = FormatId(history[i].first);
    request.out = root_ + "/out" + std::to_string(i);
    ASSERT_TRUE(engine->Materialize(request));
    EXPECT_EQ(ReadFolder(request.out), history[i].second);
  }
}

TEST_F(EngineTest, CommitWithoutAnIndexGivesTheSameId) {
  std::mt19937 random(8);
  Arrange(Work(), {}, RandomModel(random, 40));
  const std::unique_ptr<Engine> engine = Open();
  const SnapshotId id = Commit(*engine).snapshot;
  for (const auto& item : fs::directory_iterator(Store() + "/workspaces")) {
    fs::remove(item.path() / "index");
  }
  EXPECT_EQ(Commit(*Open()).snapshot, id);
}

// Every byte of the index is damaged in turn (in steps): at worst more is read, never a wrong id.
TEST_F(EngineTest, ADamagedStatIndexCostsTimeOnly) {
  std::mt19937 random(9);
  const Model before = RandomModel(random, 12);
  Arrange(Work(), {}, before);
  const std::unique_ptr<Engine> engine = Open();
  const SnapshotId id = Commit(*engine).snapshot;
  fs::path index;
  for (const auto& item : fs::directory_iterator(Store() + "/workspaces")) {
    index = item.path() / "index";
  }
  ASSERT_TRUE(fs::exists(index));
  std::ifstream file(index, std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(file), {});
  for (size_t at = 0; at < good.size(); at += 5) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x41);
    std::ofstream(index, std::ios::binary) << bad;
    ASSERT_EQ(Commit(*engine).snapshot, id) << "byte " << at;
    std::ofstream(index, std::ios::binary) << good.substr(0, at);
    ASSERT_EQ(Commit(*engine).snapshot, id) << "cut at " << at;
  }
}

// The racy-timestamp problem: same size, and written again within the clock's tick.
TEST_F(EngineTest, AChangeOfSameSizeWithinOneClockTickIsSeen) {
  const std::unique_ptr<Engine> engine = Open(1);
  std::map<std::string, Digest> ids;
  for (int i = 0; i < 200; ++i) {
    const std::string content = "content " + std::to_string(100 + i);
    std::ofstream(Work() + "/file", std::ios::binary) << content;
    ids[content] = Commit(*engine).snapshot.digest;
  }
  std::set<Digest> different;
  for (const auto& [content, id] : ids) different.insert(id);
  EXPECT_EQ(different.size(), 200u);
}

TEST_F(EngineTest, ManyEnginesCommitOneWorkspaceAtOnce) {
  std::ofstream(Work() + "/file") << "x";
  Commit(*Open());
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([this, t] {
      const std::unique_ptr<Engine> engine = Open(1);
      for (int i = 0; i < 10; ++i) {
        std::ofstream(Work() + "/file" + std::to_string(t)) << i;
        Commit(*engine);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::unique_ptr<Engine> engine = Open();
  const CommitReport last = Commit(*engine);
  EXPECT_EQ(last.files, 9u);
  // History is one chain: every record was made upon the one before.
  Result<StatisticsReport> statistics = engine->Statistics();
  ASSERT_TRUE(statistics);
  DiffRequest diff;
  diff.workspace.path = Work();
  diff.from = "@~" + std::to_string(statistics->operations - 1);
  diff.to = "@";
  EXPECT_TRUE(engine->Diff(diff));
  diff.from = "@~" + std::to_string(statistics->operations);
  EXPECT_FALSE(engine->Diff(diff));
}

TEST_F(EngineTest, LargeFilesShareChunksAndComeBack) {
  std::mt19937_64 random(10);
  std::string content;
  while (content.size() < (12u << 20)) {
    const uint64_t word = random();
    content.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  const auto write = [&](const std::string& bytes) {
    std::ofstream(Work() + "/big", std::ios::binary) << bytes;
  };
  const std::unique_ptr<Engine> engine = Open();
  write(content);
  const SnapshotId first = Commit(*engine).snapshot;
  std::string changed = content;
  changed.insert(changed.size() / 2, "!");
  write(changed);
  const CommitReport second = Commit(*engine);
  EXPECT_LT(second.new_bytes, uint64_t{5} << 20) << "one insertion costs a chunk or two";
  ASSERT_TRUE(Restore(*engine, first));
  EXPECT_EQ(ReadFolder(Work()).at("big").content, content);
  ASSERT_TRUE(Restore(*engine, second.snapshot));
  EXPECT_EQ(ReadFolder(Work()).at("big").content, changed);
  for (const size_t size : {size_t{2} << 20, (size_t{2} << 20) + 1}) {
    write(content.substr(0, size));
    const SnapshotId id = Commit(*engine).snapshot;
    write("");
    Commit(*engine);
    ASSERT_TRUE(Restore(*engine, id));
    EXPECT_EQ(ReadFolder(Work()).at("big").content, content.substr(0, size));
  }
}

TEST_F(EngineTest, AFolderOfManyFilesRewritesOnePagePerLevel) {
  for (int i = 0; i < 3000; ++i) std::ofstream(Work() + "/f" + std::to_string(i)) << i;
  const std::unique_ptr<Engine> engine = Open();
  Commit(*engine);
  std::ofstream(Work() + "/f1234") << "changed";
  // The blob; a tree page and its top page; the same of attributes; the record.
  EXPECT_EQ(Commit(*engine).new_objects, 6u);
}

// ---- Reading files of a snapshot ----

class EngineReadTest : public EngineTest {
 protected:
  EngineReadTest() {
    const std::string large(size_t{5} << 20, 'x');
    state_ = {{"dir/small", {'f', "small"}},
              {"large", {'f', large}},
              {"run", {'x', "#!"}},
              {"link", {'l', "dir/small"}}};
    Arrange(Work(), {}, state_);
  }
  Result<ReadReport> Read(Engine& engine, const std::string& path, std::string* content) const {
    ReadRequest request;
    request.id = "@";
    request.path = TreePath::Parse(path).value();
    request.workspace.path = Work();
    content->clear();
    return engine.Read(request, [&](std::string_view piece) -> Result<void> {
      content->append(piece);
      return {};
    });
  }

  Model state_;
};

TEST_F(EngineReadTest, GivesEveryFileAndSaysWhatItIs) {
  const std::unique_ptr<Engine> engine = Open();
  const CommitReport committed = Commit(*engine);
  const std::map<char, std::string> types = {{'f', "file"}, {'x', "executable"}, {'l', "symlink"}};
  for (const auto& [path, entry] : state_) {
    std::string content;
    const Result<ReadReport> report = Read(*engine, path, &content);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_TRUE(content == entry.content) << path;
    EXPECT_EQ(report->bytes, content.size());
    EXPECT_EQ(report->type, types.at(entry.type));
    EXPECT_EQ(report->snapshot, committed.snapshot);
    EXPECT_EQ(report->record, committed.record);
  }
}

TEST_F(EngineReadTest, TheSecondReadHitsL1) {
  Commit(*Open());
  const std::unique_ptr<Engine> engine = Open();
  const auto counted = [&] { return engine->Statistics().value().all; };
  std::string content;
  ASSERT_TRUE(Read(*engine, "dir/small", &content));
  const Metrics first = counted();
  ASSERT_TRUE(Read(*engine, "dir/small", &content));
  const Metrics second = counted();
  EXPECT_EQ(second[Counter::kFirstReadFromL2], first[Counter::kFirstReadFromL2]);
  EXPECT_EQ(second[Counter::kL1Misses], first[Counter::kL1Misses]);
  EXPECT_EQ(second[Counter::kL2Gets], first[Counter::kL2Gets]);
  // The record, the trees of two folders, the content.
  EXPECT_EQ(second[Counter::kL1Hits], first[Counter::kL1Hits] + 4);
  EXPECT_EQ(second[Counter::kLazyRestorePromotions], first[Counter::kLazyRestorePromotions]);
  EXPECT_GE(first[Counter::kLazyRestorePromotions], 4u);
}

TEST_F(EngineReadTest, APartOfALargeFileReadsOnlyTheChunksThatHoldIt) {
  std::mt19937_64 random(11);
  std::string content;
  while (content.size() < (24u << 20)) {
    const uint64_t word = random();
    content.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  std::ofstream(Work() + "/large", std::ios::binary) << content;
  Commit(*Open());
  constexpr uint64_t kOffset = uint64_t{15} << 20;
  const auto gets = [](Engine& engine) {
    return engine.Statistics().value().all[Counter::kL2Gets];
  };

  // With room for the chunk beside whatever shares its part of L1: the record has another id each
  // time.
  const std::unique_ptr<Engine> reader = Open(2, size_t{32} << 20);
  ReadRequest request;
  request.id = "@";
  request.path = TreePath::Parse("large").value();
  request.workspace.path = Work();
  request.offset = kOffset;
  request.length = 1;
  std::string part;
  const ContentSink sink = [&part](std::string_view piece) -> Result<void> {
    part.append(piece);
    return {};
  };
  uint64_t before = gets(*reader);
  const Result<ReadReport> report = reader->Read(request, sink);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(part, content.substr(kOffset, 1));
  EXPECT_EQ(report->bytes, 1u);
  EXPECT_EQ(report->size, content.size());
  // Record, tree, manifest, chunk.
  EXPECT_EQ(gets(*reader), before + 4);

  request.offset = content.size() - 3;
  request.length.reset();
  part.clear();
  ASSERT_TRUE(reader->Read(request, sink));
  EXPECT_EQ(part, content.substr(content.size() - 3));
  EXPECT_EQ(gets(*reader), before + 5);

  const std::unique_ptr<Engine> engine = Open();
  const Result<Vst> vst = engine->OpenVst("@", request.workspace);
  ASSERT_TRUE(vst);
  before = gets(*engine);
  for (const auto& [offset, length] : std::vector<std::pair<uint64_t, uint64_t>>{
           {kOffset, 1}, {kOffset + 1, 5}, {content.size(), 5}, {content.size() + 1, UINT64_MAX}}) {
    const Result<Bytes> range = vst->ReadRange(request.path, offset, length);
    ASSERT_TRUE(range) << range.error().message();
    EXPECT_EQ(*range, offset < content.size() ? content.substr(offset, length) : "");
  }
  EXPECT_EQ(gets(*engine), before + 2) << "the manifest and one chunk";
}

TEST_F(EngineReadTest, AWorkingSetGivesPartsOfWhatItHoldsInMemoryToo) {
  const std::unique_ptr<Engine> engine = Open();
  Result<Vst> vst = engine->NewVst();
  ASSERT_TRUE(vst);
  const TreePath file = TreePath::Parse("dir/file").value();
  ASSERT_TRUE(vst->Write(file, "0123456789"));
  EXPECT_EQ(vst->ReadRange(file, 2, 3).value(), "234");
  EXPECT_EQ(vst->ReadRange(file, 0, UINT64_MAX).value(), "0123456789");
  EXPECT_EQ(vst->ReadRange(file, 10, 1).value(), "");
  EXPECT_EQ(vst->ReadRange(file, UINT64_MAX, UINT64_MAX).value(), "");
  EXPECT_EQ(vst->ReadRange(TreePath::Parse("dir").value(), 0, 1).error().code(),
            vst->Read(TreePath::Parse("dir").value()).error().code());
  EXPECT_EQ(vst->ReadRange(TreePath::Parse("no").value(), 0, 1).error().code(),
            ErrorCode::kNotFound);
}

// ---- The mode of a restore ----

TEST_F(EngineTest, RestoreModeIsTheRequestsElseTheEnginesElseEager) {
  WriteEntry(Work(), "file", {'f', "content"});
  const SnapshotId id = Commit(*Open()).snapshot;
  using Mode = std::optional<RestoreMode>;
  struct Case {
    Mode engine, request;
    RestoreMode expected;
  };
  for (const Case& c : {Case{Mode(), Mode(), RestoreMode::kEager},
                        Case{RestoreMode::kLazy, Mode(), RestoreMode::kLazy},
                        Case{RestoreMode::kEager, Mode(), RestoreMode::kEager},
                        Case{Mode(), RestoreMode::kLazy, RestoreMode::kLazy},
                        Case{RestoreMode::kLazy, RestoreMode::kEager, RestoreMode::kEager},
                        Case{RestoreMode::kEager, RestoreMode::kLazy, RestoreMode::kLazy}}) {
    fs::remove(Work() + "/file");
    EngineOptions options;
    options.store = Store();
    options.backends = {PackBackend()};
    options.restore_mode = c.engine;
    const std::unique_ptr<Engine> engine = Engine::Open(options).value();
    RestoreRequest request;
    request.workspace.path = Work();
    request.id = FormatId(id);
    request.mode = c.request;
    const Result<RestoreReport> report = engine->Restore(request);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->mode, c.expected);
    EXPECT_EQ(fs::exists(Work() + "/file"), c.expected == RestoreMode::kEager);
  }
}

}  // namespace
}  // namespace helios

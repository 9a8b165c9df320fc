// Searches for the best state by trying many: forks of one state in memory, of which the best is
// kept and the rest thrown away, round after round. The winner is committed durably and written
// out.
//
//   agent_search FOLDER
//
// FOLDER must not exist: it is made, with FOLDER/store and FOLDER/result.
//
// The "work" is a stand-in: sixteen settings, of which an agent would change some, run something,
// and look how well it went. Here the settings are right when each is its own square.
#include <helios/engine.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int kSettings = 16;
constexpr int kRounds = 40;
constexpr int kVariants = 32;

helios::Result<helios::TreePath> SettingPath(int index) {
  return helios::TreePath::Parse("settings/" + std::to_string(index));
}

helios::Result<int> ReadSetting(const helios::Vst& state, int index) {
  HELIOS_TRY_ASSIGN(const auto path, SettingPath(index));
  HELIOS_TRY_ASSIGN(const auto content, state.Read(path));
  return std::atoi(content->c_str());
}

helios::Result<void> WriteSetting(helios::Vst& state, int index, int value) {
  HELIOS_TRY_ASSIGN(const auto path, SettingPath(index));
  return state.Write(path, std::to_string(value) + "\n");
}

// How far a state is from what is wanted; 0 is perfect.
helios::Result<int> Score(const helios::Vst& state) {
  int score = 0;
  for (int i = 0; i < kSettings; ++i) {
    HELIOS_TRY_ASSIGN(const int value, ReadSetting(state, i));
    score += std::abs(value - i * i);
  }
  return score;
}

// One attempt: a fork with some settings changed. It shares everything else with where it came
// from, and costs nothing once it is thrown away.
helios::Result<helios::Vst> Vary(const helios::Vst& from, std::mt19937& random) {
  helios::Vst variant = from.Fork();
  for (int change = 0; change < 3; ++change) {
    const int index = static_cast<int>(random() % kSettings);
    HELIOS_TRY_ASSIGN(const int value, ReadSetting(variant, index));
    HELIOS_TRY(WriteSetting(variant, index, value + static_cast<int>(random() % 33) - 16));
  }
  return variant;
}

struct Candidate {
  helios::Vst state;
  int score = 0;
};

// The best of the state and its variants.
helios::Result<Candidate> Improve(Candidate best, std::mt19937& random) {
  const helios::Vst start = best.state.Fork();
  for (int i = 0; i < kVariants; ++i) {
    HELIOS_TRY_ASSIGN(helios::Vst variant, Vary(start, random));
    HELIOS_TRY_ASSIGN(const int score, Score(variant));
    if (score < best.score) best = {std::move(variant), score};
  }
  return best;
}

helios::Result<void> Run(const std::string& folder) {
  helios::EngineOptions options;
  options.store = folder + "/store";
  options.backends = {helios::PackBackend()};
  options.create_with = "pack";
  HELIOS_TRY_ASSIGN(const auto engine, helios::Engine::Open(options));

  // The start is worth keeping: a durable commit, which begins the branch "search".
  Candidate best;
  HELIOS_TRY_ASSIGN(best.state, engine->NewVst());
  for (int i = 0; i < kSettings; ++i) HELIOS_TRY(WriteSetting(best.state, i, 0));
  HELIOS_TRY_ASSIGN(best.score, Score(best.state));
  helios::VstCommitRequest commit;
  commit.branch = "search";
  commit.message = "the start, score " + std::to_string(best.score);
  HELIOS_TRY(engine->CommitVst(best.state, commit));
  std::printf("start: score %d\n", best.score);

  // The search itself writes nothing to any disk.
  std::mt19937 random(1);
  for (int round = 0; round < kRounds; ++round) {
    HELIOS_TRY_ASSIGN(best, Improve(std::move(best), random));
    // An id for every state that is worth a line in a log, without storing it.
    HELIOS_TRY_ASSIGN(const helios::SnapshotId id, best.state.Commit());
    if (round % 10 == 9) {
      std::printf("round %d: score %d, %.19s\n", round + 1, best.score,
                  helios::FormatId(id).c_str());
    }
  }

  // The winner: durable on return, and what differs from the start is all that is written.
  commit.message = "the best of " + std::to_string(kRounds * kVariants) + " variants, score " +
                   std::to_string(best.score);
  HELIOS_TRY_ASSIGN(const auto committed, engine->CommitVst(best.state, commit));
  std::printf("committed %s: %llu new objects\n", helios::FormatId(committed.snapshot).c_str(),
              static_cast<unsigned long long>(committed.new_objects));
  HELIOS_TRY_ASSIGN(const auto written, best.state.Materialize(folder + "/result"));
  std::printf("written: %llu files\n", static_cast<unsigned long long>(written.files));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: agent_search FOLDER\n");
    return 2;
  }
  const std::string folder = argv[1];
  std::error_code error;
  if (!std::filesystem::create_directory(folder, error)) {
    std::fprintf(stderr, "%s must be a folder that does not exist yet\n", folder.c_str());
    return 1;
  }
  const helios::Result<void> result = Run(folder);
  if (!result) {
    std::fprintf(stderr, "error: %s\n", result.error().message().c_str());
    return 1;
  }
  return 0;
}

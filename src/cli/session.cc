#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "cli/command.h"
#include "cli/store_location.h"

namespace helios::cli {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

// Shows on a terminal how far a long operation has come; silent for the first second.
class Session::ProgressDisplay {
 public:
  explicit ProgressDisplay(const Progress* progress)
      : progress_(progress), thread_([this] { Run(); }) {}
  ~ProgressDisplay() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    stop_.notify_one();
    thread_.join();
    if (shown_) std::fputs("\r\033[K", stderr);
  }

 private:
  void Run() {
    std::unique_lock<std::mutex> lock(mutex_);
    auto wait = std::chrono::milliseconds(1000);
    while (!stop_.wait_for(lock, wait, [this] { return stopping_; })) {
      wait = std::chrono::milliseconds(200);
      Show();
    }
  }

  void Show() {
    std::string line = std::string(progress_->phase.load()) + ": ";
    const uint64_t total = progress_->files_total;
    line += std::to_string(progress_->files);
    if (total > 0) line += " of " + std::to_string(total);
    line += " " + std::string(progress_->noun.load()) + ", " + FormatBytes(progress_->bytes);
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    shown_ = true;
  }

  const Progress* progress_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  bool shown_ = false;
  std::thread thread_;
};

Workspace Session::MakeWorkspace() const {
  Workspace workspace;
  workspace.path = work;
  workspace.name = workspace_name;
  workspace.include_git = git == "include";
  return workspace;
}

Result<EngineOptions> Session::MakeEngineOptions(const std::string& create_with) {
  HELIOS_TRY_ASSIGN(const StoreLocation location,
                    LocateStore(store, Environment("HELIOS_STORE_DIR"), work));
  store_path = location.path;
  store_rule = location.rule;
  EngineOptions options;
  options.store = location.path;
  options.backends = KnownBackends();
  options.create_with = create_with;
  options.threads = threads;
  options.lock_timeout = lock_timeout;
  options.progress = &progress_;
  options.command = command;
  if (const std::string debug = Environment("HELIOS_DEBUG"); !debug.empty() && debug != "0") {
    options.debug = [](const std::string& line) {
      std::fprintf(stderr, "helios: debug: %s\n", QuoteMessage(line).c_str());
    };
    options.debug("store " + location.path + " (" + location.rule + ")");
  }
  if (!output.quiet && ::isatty(STDERR_FILENO) != 0) {
    try {
      display_ = std::make_shared<ProgressDisplay>(&progress_);
    } catch (const std::system_error&) {
      // The system gives no thread for it: then nothing is shown.
    }
  }
  return options;
}

Result<EngineOptions> Session::MakeCreatingOptions(const std::optional<std::string>& backend,
                                                   const std::optional<std::string>& compression) {
  const std::string usual = Environment("HELIOS_BACKEND");
  HELIOS_TRY_ASSIGN(EngineOptions options,
                    MakeEngineOptions(usual.empty() ? kDefaultBackend : usual));
  options.backend = backend.value_or("");
  if (compression) {
    HELIOS_TRY_ASSIGN(options.compression, ParseCompression(*compression));
  }
  return options;
}

Result<std::unique_ptr<Engine>> Session::OpenEngine(const std::string& create_with) {
  HELIOS_TRY_ASSIGN(EngineOptions options, MakeEngineOptions(create_with));
  return Engine::Open(std::move(options));
}

namespace {

// What an unset variable of a script leaves of an argument is never what was meant.
std::string RefuseEmpty(const std::string& value) {
  return value.empty() ? "its value is empty" : std::string();
}

// CLI11 takes "{}" for an empty list and "[a,b]" for a list of two: patterns are neither. So lists
// are taken as they stand, one value each time.
CLI::Option* AddList(CLI::App* command, const std::string& name, std::vector<std::string>* values,
                     const std::string& description) {
  return command
      ->add_option(name, CLI::callback_t([values](const CLI::results_t& given) {
                     values->insert(values->end(), given.begin(), given.end());
                     return true;
                   }),
                   description)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// "60", "0.5"; more than a billion is no time that anybody waits.
std::optional<std::chrono::milliseconds> ParseSeconds(const std::string& text) {
  constexpr double kSecondsMax = 1e9;
  double seconds = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  const bool is_number = error == std::errc() && rest == end;
  if (!is_number || !(seconds >= 0 && seconds <= kSecondsMax)) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::duration<double>(seconds));
}

void AddOutputOptions(CLI::App* command, Session* session) {
  command->add_flag("-q,--quiet", session->output.quiet, "No progress and no warnings");
  // At once, so that an error further on is written as was asked for.
  CLI::Option* json = command
                          ->add_flag_callback(
                              "--json", [session] { session->output.json = true; }, "Print JSON")
                          ->trigger_on_parse();
  command
      ->add_flag_callback(
          "--text", [session] { session->output.json = false; }, "Print text for people")
      ->trigger_on_parse()
      ->excludes(json);
  command->add_option("--color", session->color, "always, never or auto (the default)")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"always", "never", "auto"}));
}

}  // namespace

std::optional<uint64_t> ParseSize(const std::string& text) {
  constexpr std::string_view kUnits = "kmgtpe";
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [unit_begin, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc()) return std::nullopt;
  std::string unit = CLI::detail::to_lower({unit_begin, end});
  if (unit.empty() || unit == "b") return value;
  const size_t power = kUnits.find(unit.front());
  unit.erase(0, 1);
  if (power == kUnits.npos || (!unit.empty() && unit != "b" && unit != "ib")) return std::nullopt;
  const uint64_t factor = uint64_t{1024} << (10 * power);
  if (__builtin_mul_overflow(value, factor, &value)) return std::nullopt;
  return value;
}

void AddCommonOptions(CLI::App* command, Session* session) {
  AddList(command, "-C", &session->folders,
          "Go to this folder first (repeated: each from the one before)")
      ->type_name("DIR")
      ->check(RefuseEmpty);
  command->add_option("-w,--work", session->work, "The folder to work on (default: this one)")
      ->type_name("DIR")
      ->check(RefuseEmpty);
  command->add_option("--store", session->store, "The store to use")
      ->type_name("DIR")
      ->check(RefuseEmpty);
  command
      ->add_option("--workspace", session->workspace_name,
                   "Know the folder by this name instead of its path")
      ->type_name("NAME")
      ->check(RefuseEmpty);
  command->add_option("-j", session->threads, "Number of threads (default: one per processor)")
      ->type_name("N")
      ->check(CLI::Range(1u, 256u));
  command
      ->add_option_function<std::string>(
          "--lock-timeout",
          [session](const std::string& given) { session->lock_timeout = ParseSeconds(given); },
          "How long to wait for another process (default: 60; 0: do not)")
      ->type_name("SECONDS")
      ->check([](const std::string& given) {
        return ParseSeconds(given) ? "" : "\"" + given + "\" is not a number of seconds";
      });
  AddOutputOptions(command, session);
}

void AddGitOption(CLI::App* command, Session* session) {
  command
      ->add_option("--git", session->git, "The folder's own .git: exclude (default) or include it")
      ->type_name("HOW")
      ->check(CLI::IsMember({"include", "exclude"}));
}

void AddListOption(CLI::App* command, const std::string& name, const std::string& type,
                   std::vector<std::string>* values, const std::string& description) {
  AddList(command, name, values, description)->type_name(type);
}

void AddLabelOption(CLI::App* command, std::vector<std::string>* labels) {
  AddListOption(command, "-l,--label", "KEY=VALUE", labels,
                "KEY=VALUE for the record (may be repeated)");
}

void AddSelectionOptions(CLI::App* command, Selection* selection) {
  AddList(command, "-i,--include", &selection->includes,
          "Only paths that match this gitignore pattern (may be repeated)")
      ->type_name("GLOB");
  AddList(command, "-x,--exclude", &selection->excludes,
          "No paths that match this gitignore pattern (may be repeated; wins)")
      ->type_name("GLOB");
}

void AddValueOption(CLI::App* command, const std::string& name, const std::string& type,
                    std::optional<std::string>* value, const std::string& description) {
  command
      ->add_option_function<std::string>(
          name, [value](const std::string& given) { *value = given; }, description)
      ->type_name(type)
      ->check(RefuseEmpty);
}

void AddSizeOption(CLI::App* command, const std::string& name, std::optional<uint64_t>* value,
                   const std::string& description) {
  command
      ->add_option_function<std::string>(
          name, [value](const std::string& given) { *value = ParseSize(given); }, description)
      ->type_name("BYTES")
      ->check([](const std::string& given) {
        return ParseSize(given) ? "" : "\"" + given + "\" is not a number of bytes";
      });
}

void AddPositionals(CLI::App* command, const std::string& name, std::vector<std::string>* values,
                    const std::string& description) {
  // Until a positional has as many values as it "expects", CLI11 gives it more; the other way to
  // many values would turn lists on again. Nothing asks for the full number.
  constexpr int kPositionalsMax = 1 << 20;
  AddList(command, name, values, description)->expected(kPositionalsMax)->option_text("...");
}

Result<std::string> OneId(const std::optional<std::string>& option,
                          std::vector<std::string>* positional, std::string_view what) {
  if (option) return *option;
  if (positional->empty()) {
    return Error(ErrorCode::kInvalidArgument, "missing " + std::string(what));
  }
  std::string first = std::move(positional->front());
  positional->erase(positional->begin());
  if (first.empty()) return Error(ErrorCode::kInvalidArgument, "empty: " + std::string(what));
  return first;
}

}  // namespace helios::cli

#include <CLI/CLI.hpp>
#include <functional>

#include "cli/command.h"
#include "cli/retention_options.h"
#include "cli/settings_output.h"

namespace helios::cli {
namespace {

struct Options {
  std::vector<std::string> positional;  // NAME, then VALUE
};

constexpr std::string_view kNone = "none";

// One setting by its name.
struct Setting {
  std::string_view name;
  std::function<std::string(const StoreSettings&)> show;  // for people; empty: not set
  std::function<Json(const StoreSettings&)> json;         // null: not set
  std::function<Result<void>(const std::string& value, StoreSettings*)> set;
};

using NumberOf = std::optional<uint64_t>& (*)(StoreSettings*);

// A setting that is a number or not there.
Setting NumberSetting(std::string_view name, NumberOf number, std::string (*format)(uint64_t),
                      Result<uint64_t> (*parse)(const std::string&)) {
  return {name,
          [=](const StoreSettings& settings) {
            StoreSettings copy = settings;
            const std::optional<uint64_t>& value = number(&copy);
            return value ? format(*value) : std::string();
          },
          [=](const StoreSettings& settings) {
            StoreSettings copy = settings;
            const std::optional<uint64_t>& value = number(&copy);
            return value ? Json(*value) : Json();
          },
          [=](const std::string& value, StoreSettings* settings) -> Result<void> {
            number(settings).reset();
            if (value == kNone) return {};
            HELIOS_TRY_ASSIGN(number(settings), parse(value));
            return {};
          }};
}

Result<uint64_t> ParseBytes(const std::string& text) {
  if (const std::optional<uint64_t> bytes = ParseSize(text)) return *bytes;
  return Error(ErrorCode::kInvalidArgument, "\"" + text + "\" is not a number of bytes");
}
Result<uint64_t> ParsePlain(const std::string& text) { return ParseCount("the value", text); }
std::string FormatPlain(uint64_t number) { return std::to_string(number); }

std::vector<Setting> AllSettings() {
  return {{"compression",
           [](const StoreSettings& settings) {
             return std::string(CompressionName(settings.compression));
           },
           [](const StoreSettings& settings) {
             return Json(std::string(CompressionName(settings.compression)));
           },
           [](const std::string& value, StoreSettings* settings) -> Result<void> {
             HELIOS_TRY_ASSIGN(const std::optional<Compression> compression,
                               ParseCompression(value));
             settings->compression = *compression;
             return {};
           }},
          NumberSetting(
              "max-size", [](StoreSettings * s) -> auto& { return s->max_size; }, FormatPlain,
              ParseBytes),
          NumberSetting(
              "keep-last", [](StoreSettings * s) -> auto& { return s->keep.last; }, FormatPlain,
              ParsePlain),
          NumberSetting(
              "keep-within", [](StoreSettings * s) -> auto& { return s->keep.within_seconds; },
              FormatDuration, ParseDuration),
          NumberSetting(
              "keep-hourly", [](StoreSettings * s) -> auto& { return s->keep.hourly; }, FormatPlain,
              ParsePlain),
          NumberSetting(
              "keep-daily", [](StoreSettings * s) -> auto& { return s->keep.daily; }, FormatPlain,
              ParsePlain),
          NumberSetting(
              "keep-weekly", [](StoreSettings * s) -> auto& { return s->keep.weekly; }, FormatPlain,
              ParsePlain)};
}

// The settings that were asked for: one, or all.
Result<std::vector<Setting>> ChooseSettings(const Options& options) {
  if (options.positional.size() > 2) {
    return Error(ErrorCode::kInvalidArgument, "too many arguments: give a setting and its value");
  }
  std::vector<Setting> settings = AllSettings();
  if (options.positional.empty()) return settings;
  std::string names;
  for (Setting& setting : settings) {
    if (setting.name == options.positional[0]) return std::vector<Setting>{std::move(setting)};
    names.append(names.empty() ? "\"" : ", \"").append(setting.name).append("\"");
  }
  return Error(ErrorCode::kInvalidArgument,
               "unknown setting \"" + options.positional[0] + "\": there are " + names);
}

// The settings as they are from now on.
Result<StoreSettings> ReadOrSet(Engine& engine, const Options& options, const Setting& setting) {
  Result<StoreSettings> settings = engine.GetSettings();
  if (options.positional.size() < 2) return settings;
  // Those that cannot be read are made anew.
  StoreSettings changed = settings ? *settings : StoreSettings();
  HELIOS_TRY(setting.set(options.positional[1], &changed));
  HELIOS_TRY(engine.SetSettings(changed));
  return changed;
}

int Run(Session& session, const Options& options) {
  const Output& output = session.output;
  const Result<std::vector<Setting>> chosen = ChooseSettings(options);
  if (!chosen) return output.Fail(chosen.error());
  // What is no value is told before a store is looked for.
  StoreSettings ignored;
  if (options.positional.size() == 2) {
    const Result<void> valid = chosen->front().set(options.positional[1], &ignored);
    if (!valid) return output.Fail(valid.error());
  }
  Result<std::unique_ptr<Engine>> engine = session.OpenEngine("");
  if (!engine) return output.Fail(engine.error());
  const Result<StoreSettings> settings = ReadOrSet(**engine, options, chosen->front());
  if (!settings) return output.Fail(settings.error());
  Json json = Json::object();
  for (const Setting& setting : *chosen) {
    const std::string value = setting.show(*settings);
    if (value.empty() && options.positional.empty()) continue;
    json[std::string(setting.name)] = setting.json(*settings);
    if (output.json) continue;
    output.PrintText(std::string(setting.name) + ": " + (value.empty() ? "none" : value) + "\n");
  }
  if (output.json) output.PrintJson(json);
  return kExitSuccess;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> ListSettings(const StoreSettings& settings) {
  std::vector<std::pair<std::string, std::string>> list;
  for (const Setting& setting : AllSettings()) {
    std::string value = setting.show(settings);
    if (!value.empty()) list.emplace_back(setting.name, std::move(value));
  }
  return list;
}

Json ToJson(const StoreSettings& settings) {
  Json json = Json::object();
  for (const Setting& setting : AllSettings()) {
    if (!setting.show(settings).empty()) {
      json[std::string(setting.name)] = setting.json(settings);
    }
  }
  return json;
}

Result<std::optional<Compression>> ParseCompression(const std::string& name) {
  const std::optional<Compression> compression = CompressionFromName(name);
  if (compression) return compression;
  return Error(ErrorCode::kInvalidArgument,
               "unknown compression \"" + name + "\": there are fast, default and small");
}

void AddConfigCommand(CLI::App* app, Session* session) {
  CLI::App* command = app->add_subcommand("config", "Show or change a store's settings");
  auto options = std::make_shared<Options>();
  AddCommonOptions(command, session);
  AddPositionals(command, "NAME_VALUE", &options->positional,
                 "The setting and what it shall be; neither: show all settings");
  command->footer(
      "Examples:\n"
      "  helios config                        show the settings\n"
      "  helios config compression small      for all commits from now on\n"
      "  helios config max-size 10G           what the objects may take on disk; none: no limit\n"
      "  helios config keep-within 30d        what \"helios gc\" keeps when it is told nothing\n"
      "compression: fast (stored as it is: commits take two thirds of the time), default, or small "
      "(more "
      "for\n"
      "several times the time; small files are read more slowly). What was committed before stays\n"
      "as it is: \"helios optimize\" compresses it anew.\n"
      "max-size: a commit that would need more collects first, by the keep rules that are set, "
      "and\n"
      "is refused (exit code 14) if that is not enough.\n"
      "keep-last, keep-within, keep-hourly, keep-daily, keep-weekly: see \"helios gc --help\".\n"
      "Exit codes: 0 done; 2 no such setting or value; 10 no store; 12 the settings are damaged:\n"
      "setting one again makes them anew, without the others.");
  command->callback([session, options] { session->run = [=] { return Run(*session, *options); }; });
}

}  // namespace helios::cli

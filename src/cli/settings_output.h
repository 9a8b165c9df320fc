// A store's settings as they are shown.
#ifndef HELIOS_CLI_SETTINGS_OUTPUT_H_
#define HELIOS_CLI_SETTINGS_OUTPUT_H_

#include <string>
#include <utility>
#include <vector>

#include "cli/output.h"
#include "helios/store_settings.h"

namespace helios::cli {

// Those that are set, under the names by which "helios config" knows them.
Json ToJson(const StoreSettings& settings);
std::vector<std::pair<std::string, std::string>> ListSettings(const StoreSettings& settings);

}  // namespace helios::cli

#endif  // HELIOS_CLI_SETTINGS_OUTPUT_H_

// What a store is told to do, for every process that uses it. docs/format.md, "Settings", is
// normative.
#ifndef HELIOS_STORE_STORE_SETTINGS_H_
#define HELIOS_STORE_STORE_SETTINGS_H_

#include <string>

#include "helios/result.h"
#include "helios/store_settings.h"

namespace helios {

inline constexpr char kSettingsFile[] = "settings";

// Of the store at `root`; those that a new store has where there is no file. Errors: kCorrupt
// naming a file that is not whole, kUnsupported naming a version or a value that is not known.
Result<StoreSettings> ReadSettings(const std::string& root);

// Durable on return.
Result<void> WriteSettings(const std::string& root, const StoreSettings& settings);

}  // namespace helios

#endif  // HELIOS_STORE_STORE_SETTINGS_H_

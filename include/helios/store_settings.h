// What a store is told to do, for every process that uses it.
#ifndef HELIOS_STORE_SETTINGS_H_
#define HELIOS_STORE_SETTINGS_H_

#include <cstdint>
#include <optional>

#include "helios/compression.h"
#include "helios/retention.h"

namespace helios {

struct StoreSettings {
  Compression compression = Compression::kDefault;
  // How many bytes the objects may take on disk; absent: as many as there are. A commit that would
  // need more collects first, and is refused if that is not enough.
  std::optional<uint64_t> max_size;
  // What stays when the store is collected and nothing else is asked for. Labels are not stored.
  RetentionRules keep;

  friend bool operator==(const StoreSettings&, const StoreSettings&) = default;
};

}  // namespace helios

#endif  // HELIOS_STORE_SETTINGS_H_

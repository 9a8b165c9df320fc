// How often a collector took objects away, and how often it made the operation log anew: what was
// remembered under another number is looked at again. docs/format.md, "Epoch", is normative.
#ifndef HELIOS_STORE_STORE_EPOCH_H_
#define HELIOS_STORE_STORE_EPOCH_H_

#include <cstdint>
#include <string>

#include "helios/ids.h"
#include "helios/result.h"

namespace helios {

struct StoreEpoch {
  // Raised, durably, before objects are deleted: ids that were noted before are not believed to be
  // in the store.
  uint64_t collection = 0;
  // Raised, durably, before the operation log is replaced: places in it that were noted before are
  // not looked at.
  uint64_t log = 0;
  // False if the file is damaged: then nothing that was noted is believed, and both are zero.
  bool is_known = true;

  friend bool operator==(const StoreEpoch&, const StoreEpoch&) = default;
};

Bytes EncodeEpoch(const StoreEpoch& epoch);

// Of the file at `path`; zeros if there is none: nothing was ever collected.
Result<StoreEpoch> ReadEpoch(const std::string& path);

// Durable on return. Overwrites the file in place: that needs no space on a full disk. Only for
// whoever holds the file locked.
Result<void> WriteEpoch(const std::string& path, const StoreEpoch& epoch);

// Durable on return: whatever was noted of places in the operation log is nothing from here on,
// whether it is replaced or not. Only for whoever holds the file locked.
Result<void> RaiseLogNumber(const std::string& path);

// The number that follows; after damage one that was never used.
uint64_t NextEpoch(uint64_t number, bool is_known);

}  // namespace helios

#endif  // HELIOS_STORE_STORE_EPOCH_H_

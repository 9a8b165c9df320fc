// The lock of a store: whoever relies on objects holds it shared, whoever takes some away alone.
//
// Those who share it would keep the other out for ever, were there always one of them. So they pass
// a gate first, which is shut while somebody waits to be alone.
#ifndef HELIOS_STORE_STORE_LOCK_H_
#define HELIOS_STORE_STORE_LOCK_H_

#include <chrono>

#include "base/durable_file.h"
#include "store/store_root.h"

namespace helios {

// Held for as long as an operation relies on the store's objects. Errors: kBusy after `wait`,
// saying who holds what.
Result<FileLock> ShareStore(const StorePaths& paths, std::chrono::milliseconds wait);

// Held for as long as an operation reads the backend without relying on objects: whoever moves the
// objects to another backend waits for that. Not to be asked for by one who holds the store.
// Errors: kBusy after `wait`.
Result<FileLock> UseBackend(const StorePaths& paths, std::chrono::milliseconds wait);

// How long the gate stays shut while those who passed it are waited for: at first, and at most. In
// between it is open for a moment, so that nobody waits long behind one who takes minutes.
struct GateTimes {
  std::chrono::milliseconds shut_first{1000};
  std::chrono::milliseconds shut_max{32000};
  std::chrono::milliseconds open{1000};
};

// Held by the one who deletes objects: nobody else relies on any meanwhile. Errors: kBusy after
// `wait`.
Result<FileLock> TakeStoreAlone(const StorePaths& paths, std::chrono::milliseconds wait,
                                const GateTimes& times = {});

// Held by the one who replaces the marker: nobody uses the backend meanwhile but those who hold the
// store. Errors: kBusy after `wait`.
Result<FileLock> TakeBackendAlone(const StorePaths& paths, std::chrono::milliseconds wait);

}  // namespace helios

#endif  // HELIOS_STORE_STORE_LOCK_H_

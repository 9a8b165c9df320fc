// The steps in which a store's objects come into another backend. docs/format.md, "Move", says what
// lies where meanwhile; docs/durability.md, what a crash leaves at each step.
#ifndef HELIOS_STORE_STORE_MOVE_H_
#define HELIOS_STORE_STORE_MOVE_H_

#include <optional>
#include <span>
#include <string>

#include "helios/object_store.h"
#include "store/store_root.h"

namespace helios {

// All of it is for the one who holds the file Epoch() locked.

// Where the objects are copied to.
std::string CopyFolder(const StorePaths& paths, const std::string& backend);

// The backend for which a copy was begun; nullopt if there is none.
Result<std::optional<std::string>> FindCopy(const StorePaths& paths);

// Makes an empty copy for the backend, durably; whole or not there at all.
Result<void> MakeCopy(const StorePaths& paths, const Backend& backend);

// Removes what is left of moves that ended or were killed: but for the copy for `kept`, if it is
// not empty, which is where it belongs then. Nothing that the marker leads to.
Result<void> ClearMove(const StorePaths& paths, const StoreIdentity& identity,
                       std::span<const Backend> backends, const std::string& kept);

// Makes the copy for `to`, which holds all objects durably and is not open, what the store is made
// of. For the one who holds store and backend alone. Durable on return; after a crash at any moment
// the marker leads to the old objects or to the new ones, and these are whole. What the store was
// made of is left for ClearMove.
Result<void> SwitchToCopy(const StorePaths& paths, const StoreIdentity& from,
                          const std::string& to);

// What a folder takes on disk; 0 if there is none.
uint64_t DiskBytesBelow(const std::string& folder);

}  // namespace helios

#endif  // HELIOS_STORE_STORE_MOVE_H_

// Backends that live in a shared library of their own, which is loaded when a store asks for it.
#ifndef HELIOS_BACKEND_LIBRARY_H_
#define HELIOS_BACKEND_LIBRARY_H_

#include <string>

#include "helios/object_store.h"

namespace helios {

// The backend `name` from the library at `path`, which is an absolute path that the caller vouches
// for: what is loaded runs with the caller's rights. Nothing is loaded, or looked for, before a
// store of this backend is created or opened; then it stays until the process ends. A library of
// another version of Helios, or built by another compiler, is refused. Errors of the backend's
// create and open, besides its own: kUnsupported if there is no such library or it is refused,
// saying how to get it.
Backend BackendFromLibrary(std::string name, std::string path);

}  // namespace helios

#endif  // HELIOS_BACKEND_LIBRARY_H_

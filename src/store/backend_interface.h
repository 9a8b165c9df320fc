// What a library that holds a backend, and the program that loads it, must agree upon.
#ifndef HELIOS_STORE_BACKEND_INTERFACE_H_
#define HELIOS_STORE_BACKEND_INTERFACE_H_

#include "helios/object_store.h"

namespace helios {

// HELIOS_BACKEND_INTERFACE comes from CMake: version of Helios, hash of the headers that both sides
// are compiled with, compiler and sanitizers. Objects of C++ pass between them: it must be equal.
struct BackendInterface {
  const char* version;
  Backend (*make)();
};

// The one symbol that such a library exports: `extern "C" const BackendInterface`.
inline constexpr char kBackendInterfaceSymbol[] = "helios_backend_interface";

}  // namespace helios

#endif  // HELIOS_STORE_BACKEND_INTERFACE_H_

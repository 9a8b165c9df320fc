#include "helios/backend_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include "store/backend_interface.h"

namespace helios {
namespace {

Error CannotLoad(const std::string& name, const std::string& why) {
  return {ErrorCode::kUnsupported, "cannot load the backend \"" + name + "\": " + why};
}

Result<Backend> Load(const std::string& name, const std::string& path) {
  if (!path.starts_with('/')) return CannotLoad(name, "\"" + path + "\" is no absolute path");
  if (::access(path.c_str(), F_OK) != 0) {
    return CannotLoad(name,
                      "there is no " + path +
                          ": install Helios with it (built where librocksdb-dev is installed, "
                          "or with -DHELIOS_ROCKSDB=ON), or move the store to another backend "
                          "where it is");
  }
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) return CannotLoad(name, ::dlerror());
  const auto* const interface =
      static_cast<const BackendInterface*>(::dlsym(library, kBackendInterfaceSymbol));
  if (interface == nullptr) return CannotLoad(name, path + " is no backend of Helios");
  if (std::string_view(interface->version) != HELIOS_BACKEND_INTERFACE) {
    return CannotLoad(name, path + " belongs to another build of Helios (" + interface->version +
                                "; this is " + HELIOS_BACKEND_INTERFACE +
                                "): install both from one build");
  }
  Backend backend = interface->make();
  if (backend.name == name) return backend;
  return CannotLoad(name, path + " holds the backend \"" + backend.name + "\"");
}

}  // namespace

Backend BackendFromLibrary(std::string name, std::string path) {
  Backend backend;
  backend.name = name;
  backend.create = [name, path](const std::string& folder) -> Result<void> {
    HELIOS_TRY_ASSIGN(const Backend loaded, Load(name, path));
    return loaded.create(folder);
  };
  backend.open = [name, path](const std::string& folder,
                              const OpenOptions& options) -> Result<std::unique_ptr<ObjectStore>> {
    HELIOS_TRY_ASSIGN(const Backend loaded, Load(name, path));
    return loaded.open(folder, options);
  };
  return backend;
}

}  // namespace helios

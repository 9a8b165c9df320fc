#include <filesystem>
#include <system_error>

#include "cli/command.h"
#include "helios/backend_library.h"

namespace helios::cli {
namespace {

// Where Helios keeps the libraries of backends: beside this program, in the build as well as once
// it is installed. Never where a store or the environment says.
std::string BackendFolder() {
  std::error_code failure;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failure);
  return (program.parent_path() / HELIOS_BACKEND_FOLDER).lexically_normal().string();
}

}  // namespace

std::vector<Backend> KnownBackends() {
  return {PackBackend(), BackendFromLibrary("rocksdb", BackendFolder() + "/libhelios_rocksdb.so")};
}

}  // namespace helios::cli

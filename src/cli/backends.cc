#include "cli/command.h"

namespace helios::cli {

std::vector<Backend> KnownBackends() { return {PackBackend()}; }

}  // namespace helios::cli

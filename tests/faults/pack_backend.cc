#include "faults/world.h"

namespace helios::faults {

Backend TestedBackend() { return PackBackend(); }

}  // namespace helios::faults

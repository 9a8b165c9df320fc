// Loads a virtual state tree as a whole: the eager restore.
#ifndef HELIOS_VST_VST_LOAD_H_
#define HELIOS_VST_VST_LOAD_H_

#include "vst/vst_directory.h"

namespace helios {

// Loads every page and every content below `root`, a clean directory, and keeps them in its nodes:
// nothing of it is read from a store again. Errors name object and path.
Result<void> LoadEverything(const PageSource& source, const VstDirectory& root);

}  // namespace helios

#endif  // HELIOS_VST_VST_LOAD_H_

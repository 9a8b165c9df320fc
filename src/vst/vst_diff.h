// What differs between two states of a working set.
#ifndef HELIOS_VST_VST_DIFF_H_
#define HELIOS_VST_VST_DIFF_H_

#include <vector>

#include "helios/vst.h"
#include "vst/vst_directory.h"

namespace helios {

// Both are clean. Walks only where ids differ, and pages that both have are not looked into.
Result<std::vector<VstChange>> DiffStates(const PageSource& source, const VstDirectory& before,
                                          const VstDirectory& after);

}  // namespace helios

#endif  // HELIOS_VST_VST_DIFF_H_
